"""`LearningMiddleware`: the same loop inside an agent that people already have.

The steps are the nodes of the loop: recall and build_context before the agent, extract, approve and store after it. What
they keep lies in private state, so the agent's input and output stay as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NotRequired, TypedDict, cast

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.runnables import RunnableConfig
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.config import get_config
from langgraph.runtime import Runtime

from learning_machine.machine import LearningMachine
from learning_machine.nodes.agent import with_context, with_tools
from learning_machine.nodes.approve import approve_node
from learning_machine.nodes.build_context import build_context_node
from learning_machine.nodes.inline import inline_node
from learning_machine.nodes.recall import recall_node
from learning_machine.nodes.store import store_node
from learning_machine.state.loop import LearningState, union

Handler = Callable[[ModelRequest[Any]], ModelResponse[Any]]
AsyncHandler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]

#: The loop's own keys, and how each is kept: private all of them, `recalled` not at all.
_KEYS: dict[str, Any] = {
    "learning": Annotated[NotRequired[dict[str, Any]], PrivateStateAttr],
    "learning_context": Annotated[NotRequired[dict[str, Any]], PrivateStateAttr],
    "learning_from": Annotated[NotRequired[dict[str, Any]], PrivateStateAttr],
    "learning_verdicts": Annotated[NotRequired[list[dict[str, Any]]], PrivateStateAttr],
    "learning_turns": Annotated[list[str], PrivateStateAttr, union],
    "recalled": Annotated[dict[str, Any], PrivateStateAttr, UntrackedValue],
}


class LearningMiddleware(AgentMiddleware[Any, Any]):
    """Makes an agent of `langchain.agents.create_agent` learn.

    >>> machine = LearningMachine(user_profile=True)
    >>> create_agent(model, tools, middleware=[LearningMiddleware(machine)])   # doctest: +SKIP

    Put it last, so that what it adds to the system message comes behind what providers cache. Two machines in one agent
    need different names. Learning never fails or delays a reply.
    """

    def __init__(self, machine: LearningMachine) -> None:
        super().__init__()
        self.machine = machine
        self.tools = machine.get_tools()
        suffix = "" if machine.name == "default" else f"_{machine.name}"
        self._keys = {key: f"{key}{suffix}" for key in _KEYS}
        self.state_schema = schema_of(self._keys)
        parts = machine.parts
        self._before = (recall_node(parts), build_context_node(parts))
        self._after = (inline_node(parts), approve_node(parts), store_node(parts))

    @property
    def name(self) -> str:
        """Unique in an agent, as long as its machines have names."""
        return "LearningMiddleware" if self.machine.name == "default" else f"LearningMiddleware[{self.machine.name}]"

    # --- the loop -----------------------------------------------------------------------------------------------------

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Recall, and make the context."""
        return self._theirs(_run(self._before, self._ours(state), get_config()))

    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return self._theirs(await _arun(self._before, self._ours(state), get_config()))

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Record the turn; where a person decides, read it, ask, and carry out what they say.

        A resume comes here again: the turn is recorded and read by then, so no model is called and nothing is written twice.
        """
        return self._theirs(_run(self._after, self._ours(state), get_config()))

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return self._theirs(await _arun(self._after, self._ours(state), get_config()))

    def wrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> Any:
        """Let the model read the context, and offer it the tools that are of use to who is speaking."""
        return handler(self._request(request))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: AsyncHandler) -> Any:
        return await handler(self._request(request))

    def _request(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        state: Mapping[str, Any] = request.state
        return with_context(with_tools(request), state.get(self._keys["learning_context"]) or {})

    # --- whose state --------------------------------------------------------------------------------------------------

    def _ours(self, state: Mapping[str, Any]) -> LearningState:
        """The agent's state as the loop's nodes know it."""
        own = {key: state[name] for key, name in self._keys.items() if name in state}
        return cast(LearningState, {"messages": state["messages"], **own})

    def _theirs(self, update: Mapping[str, Any]) -> dict[str, Any]:
        """An update of the loop under the agent's names for it."""
        return {self._keys[key]: value for key, value in update.items() if key in self._keys}


def schema_of(keys: Mapping[str, str]) -> Any:
    """The agent's state with the loop's keys, under these names."""
    make: Any = TypedDict
    fields = {name: _KEYS[key] for key, name in keys.items()}
    return make("LearnedState", {**AgentState.__annotations__, **fields}, total=False)


def _run(nodes: Any, state: Any, config: RunnableConfig) -> dict[str, Any]:
    """Several nodes one after the other: what all of them together change."""
    changed: dict[str, Any] = {}
    for node in nodes:
        changed |= _grown(state, node.invoke({**state, **changed}, config) or {})
    return changed


async def _arun(nodes: Any, state: Any, config: RunnableConfig) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for node in nodes:
        changed |= _grown(state, await node.ainvoke({**state, **changed}, config) or {})
    return changed


def _grown(state: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """An update whose settled answers include the earlier ones, as the graph's reducer would make them."""
    if "learning_turns" not in update:
        return dict(update)
    return {**update, "learning_turns": union(state.get("learning_turns"), update["learning_turns"])}
