"""agent: the model's turn, with tools, reading what was recalled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NotRequired

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, RemoveMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.graph.state import CompiledStateGraph

from learning_machine.state.loop import LearningState
from learning_machine.state.scope import Scope

#: The id of the message that carries the context to an agent we did not build.
CONTEXT_ID = "learning-context"


class ContextState(AgentState[Any]):
    """The inner agent's state: it is handed the context with the messages."""

    learning_context: NotRequired[dict[str, str]]


class ContextMiddleware(AgentMiddleware[ContextState, Any]):
    """Puts the context at the end of the system message, on every model call of the turn, and stores it nowhere."""

    state_schema = ContextState

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> Any:
        return handler(with_context(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> Any:
        return await handler(with_context(request))


def with_context(request: ModelRequest[Any]) -> ModelRequest[Any]:
    """The request with the turn's context in it."""
    state: Mapping[str, Any] = request.state
    text = (state.get("learning_context") or {}).get("system")
    if not text:
        return request
    return request.override(system_message=joined(request.system_message, text))


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

    def run(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        return outcome(state, agent.invoke(given(state, reads_context), config))

    async def arun(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        return outcome(state, await agent.ainvoke(given(state, reads_context), config))

    return RunnableLambda(run, arun, name="agent")


_OURS = ("learning", "learning_context", "learning_turns", "learning_from", "recalled", "batch")


def given(state: LearningState, reads_context: bool) -> dict[str, Any]:
    """The agent's input: the shared state, and the context in the form it can take."""
    shared = {name: value for name, value in state.items() if name not in _OURS}
    context = state.get("learning_context") or {}
    if reads_context:
        return {**shared, "learning_context": context}
    if context.get("system"):
        shared["messages"] = [SystemMessage(context["system"], id=CONTEXT_ID), *state["messages"]]
    return shared


def outcome(state: LearningState, result: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's output as an update: new messages, or all of them when it took some away (summarization does)."""
    after: list[BaseMessage] = [message for message in result["messages"] if message.id != CONTEXT_ID]
    update = {name: value for name, value in result.items() if name not in (*_OURS, "messages")}
    kept = {message.id for message in after}
    if any(message.id not in kept for message in state["messages"]):
        return {**update, "messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *after]}
    before = {message.id: message for message in state["messages"]}
    return {**update, "messages": [message for message in after if before.get(message.id or "") != message]}
