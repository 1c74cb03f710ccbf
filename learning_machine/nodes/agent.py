"""agent: the model's turn, with tools, reading what was recalled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NotRequired

from langchain.agents import create_agent
from langchain.agents.middleware import AgentState, ModelRequest, PIIMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, RemoveMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.config import get_config
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.graph.state import CompiledStateGraph

from learning_machine.nodes.requests import RequestMiddleware
from learning_machine.state.identity import is_kept, scope_of
from learning_machine.state.loop import LearningState
from learning_machine.state.scope import Scope
from learning_machine.stores.tool_calls import is_offered

#: The id of the message that carries the context to an agent we did not build.
CONTEXT_ID = "learning-context"
FOUND_ID = "learning-found"
#: Where LangGraph hands the stream of a graph to the graphs inside it, and what each handler calls the graph it hears.
#: Neither is public; see `heard`.
_STREAM, _HEARS = "__pregel_stream", "parent_ns"


class ContextState(AgentState[Any]):
    """The inner agent's state: it is handed the context with the messages."""

    learning_context: NotRequired[dict[str, Any]]


class ContextMiddleware(RequestMiddleware):
    """Puts the context at the end of the system message, on every model call of the turn, and stores it nowhere."""

    state_schema = ContextState

    def changed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        return with_context(with_tools(request), context_in(request))


def context_in(request: ModelRequest[Any]) -> Mapping[str, Any]:
    """The context that the loop handed to the agent inside it."""
    state: Mapping[str, Any] = request.state
    return state.get("learning_context") or {}


def with_tools(request: ModelRequest[Any]) -> ModelRequest[Any]:
    """The request without the tools that are of no use to who is speaking."""
    if not any(getattr(tool, "metadata", None) for tool in request.tools):
        return request
    scope = scope_of(request.runtime, get_config())
    return request.override(tools=[tool for tool in request.tools if is_offered(tool, scope)])


def with_context(request: ModelRequest[Any], context: Mapping[str, Any]) -> ModelRequest[Any]:
    """The request with the turn's context in it: what stands in the system message, what was found beside the question."""
    if context.get("system"):
        request = request.override(system_message=joined(request.system_message, context["system"]))
    if context.get("message"):
        request = request.override(messages=beside_question(request.messages, context["message"]))
    return request


def beside_question(messages: Sequence[Any], text: str) -> list[Any]:
    """The messages with the text right before the last one of the user, as data of its own."""
    last = max(
        (index for index, message in enumerate(messages) if isinstance(message, HumanMessage)), default=len(messages)
    )
    return [*messages[:last], HumanMessage(text, id=FOUND_ID), *messages[last:]]


def joined(system: SystemMessage | None, text: str) -> SystemMessage:
    """One system message, the agent's own words first, so that what providers cache stays the same."""
    if system is None:
        return SystemMessage(text)
    if isinstance(system.content, str):
        return SystemMessage(f"{system.content}\n\n{text}")
    return SystemMessage(content=[*system.content, {"type": "text", "text": f"\n\n{text}"}])


def inner_agent(model: BaseChatModel, tools: Sequence[Any], **agent: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The agent inside the loop: what `create_agent` makes, reading the turn's context."""
    middleware = [*agent.pop("middleware", ()), ContextMiddleware()]
    return create_agent(model, list(tools), middleware=middleware, **{"context_schema": Scope, **agent})


def agent_node(agent: Runnable[Any, Any], *, reads_context: bool) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The node around any agent with `messages`. `reads_context`: it has our middleware; others get a system message."""

    begin = unheard if redacts(agent) else started

    def run(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        start = begin(state)
        return {**start, **outcome(state, agent.invoke(given(state, reads_context, config), heard(config)))}

    async def arun(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        start = begin(state)
        return {**start, **outcome(state, await agent.ainvoke(given(state, reads_context, config), heard(config)))}

    return RunnableLambda(run, arun, name="agent")


def started(state: LearningState) -> dict[str, Any]:
    """When this answer was begun, if not by this run's `recall`: it is made anew from a checkpoint, or resumed."""
    if "recalled" in state:
        return {}
    return {
        "recalled": {},
        "learning_from": {**(state.get("learning_from") or {}), "at": datetime.now(UTC).isoformat()},
    }


def redacts(agent: Any) -> bool:
    """Whether the agent takes out of its messages what must not be kept."""
    return any(
        name.startswith(PIIMiddleware.__name__) for name in getattr(getattr(agent, "builder", None), "nodes", ())
    )


def unheard(state: LearningState) -> dict[str, Any]:
    """The same as `started`, for an agent that redacts: only what it leaves in its messages may be learned from."""
    start = started(state)
    began = start.get("learning_from") or state.get("learning_from") or {}
    return {**start, "learning_from": {**began, "said": []}}


def heard(config: RunnableConfig) -> RunnableConfig:
    """The config with which the loop's own stream hears its agent: tokens, tool calls and what tools report.

    LangGraph leaves out what a graph inside a graph streams, unless asked with `subgraphs=True`, and has no public way to
    say that here the agent is the graph that is meant. A LangGraph that knows these names no longer does without: then
    tokens stream with `subgraphs=True`. Inside a parent graph the parent's caller decides, as for any subgraph.
    """
    configurable = config.get("configurable") or {}
    here = str(configurable.get("checkpoint_ns") or "")
    if not here or "|" in here:
        return config
    callbacks = config.get("callbacks")
    for handler in callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", ()):
        if getattr(handler, "subgraphs", None) is False and not getattr(handler, _HEARS, here):
            with suppress(AttributeError):
                setattr(handler, _HEARS, (here,))
    stream = silent_stream()
    return {**config, "configurable": {_STREAM: stream, **configurable}} if stream is not None else config


def silent_stream() -> Any:
    """A stream that takes nothing itself, which keeps the run's own writer in place: that is how tools report."""
    try:
        from langgraph.pregel.protocol import StreamProtocol

        return StreamProtocol(lambda _: None, set())
    except (ImportError, TypeError):
        return None


_OURS = ("learning", "learning_context", "learning_turns", "learning_from", "learning_verdicts", "recalled", "batch")


def given(state: LearningState, reads_context: bool, config: RunnableConfig) -> dict[str, Any]:
    """The agent's input: the shared state, and the context in the form it can take; for our tools also where it stands."""
    shared: dict[str, Any] = {name: value for name, value in state.items() if name not in _OURS}
    context = state.get("learning_context") or {}
    if reads_context:
        caller = (state.get("learning_from") or {}).get("caller")
        standing = {"turns": state.get("learning_turns") or [], "rooted": is_kept(config), "caller": caller}
        return {**shared, "learning_context": {**context, **standing}}
    return {**shared, "messages": lent(state["messages"], context)}


def lent(messages: Sequence[Any], context: Mapping[str, Any]) -> list[Any]:
    """The messages with the turn's context among them, each part of it under an id by which it is taken out again."""
    found = beside_question(messages, context["message"]) if context.get("message") else list(messages)
    return [SystemMessage(context["system"], id=CONTEXT_ID), *found] if context.get("system") else found


def outcome(state: LearningState, result: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's output as an update: new messages, or all of them when it took some away (summarization does)."""
    after: list[BaseMessage] = [message for message in result["messages"] if message.id not in (CONTEXT_ID, FOUND_ID)]
    update = {name: value for name, value in result.items() if name not in (*_OURS, "messages")}
    kept = {message.id for message in after}
    if any(message.id not in kept for message in state["messages"]):
        return {**update, "messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *after]}
    before = {message.id: message for message in state["messages"]}
    return {**update, "messages": [message for message in after if before.get(message.id or "") != message]}
