"""`LearningMiddleware`: the same loop inside an agent that people already have.

The steps are the two halves of the loop: recall and build_context before the model reads a turn; extract, approve and
store after the answer. What they keep lies in private state, so the agent's input and output stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, get_args, get_origin

from langchain.agents.middleware import AgentState, ModelRequest
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.config import get_config
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from learning_machine.graphs.halves import KEYS, Halves, tool_suffix
from learning_machine.machine import LearningMachine
from learning_machine.nodes.agent import with_context, with_tools
from learning_machine.nodes.requests import RequestMiddleware


class LearningMiddleware(RequestMiddleware):
    """Makes an agent of `langchain.agents.create_agent` learn.

    >>> machine = LearningMachine(user_profile=True)
    >>> create_agent(model, tools, middleware=[LearningMiddleware(machine)])   # doctest: +SKIP

    Put it behind what redacts (PIIMiddleware) or marks prompts for caching, and before what summarizes: it learns from
    the messages as they stand at its place. Two machines in one agent need different names or schemas. Learning never
    fails or delays a reply.
    """

    def __init__(self, machine: LearningMachine) -> None:
        super().__init__()
        self.machine = machine
        self._halves = Halves(machine.parts)
        self.tools = [named(tool, self._halves.suffix) for tool in machine.get_tools()]
        self.state_schema = schema_of(self._halves.keys)

    @property
    def name(self) -> str:
        """Unique in an agent, as long as its machines have names."""
        suffix = self._halves.suffix
        return f"LearningMiddleware[{suffix[1:]}]" if suffix else "LearningMiddleware"

    def before_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Recall, and make the context, once a turn.

        Not in `before_agent`: what other middlewares take out of the messages, they take out before a model call.
        """
        return self._halves.before(state, get_config())

    async def abefore_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return await self._halves.abefore(state, get_config())

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Record the turn; where a person decides, read it, ask, and carry out what they say."""
        return self._halves.after(state, get_config())

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return await self._halves.aafter(state, get_config())

    def changed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """Let the model read the context, and offer it the tools that are of use to who is speaking."""
        self.machine.give(model=request.model)  # which counts only where the machine has none
        state: Mapping[str, Any] = request.state
        return with_context(with_tools(request), state.get(self._halves.keys["learning_context"]) or {})


def named(tool: Any, suffix: str) -> Any:
    """A machine's tool under a name that no other machine's tool in the agent has."""
    if not suffix:
        return tool
    known = tool if isinstance(tool, BaseTool) else StructuredTool.from_function(tool)
    return known.model_copy(update={"name": f"{known.name}{tool_suffix(suffix)}"})


def schema_of(keys: Mapping[str, str]) -> Any:
    """The agent's state with the loop's keys, under these names; all of them private."""
    make: Any = TypedDict
    own = {name: NotRequired[private(KEYS[key])] for key, name in keys.items()}
    return make("LearnedState", {**AgentState.__annotations__, **own})


def private(kept: Any) -> Any:
    """How a key is kept, and that it is nobody else's."""
    kind, *how = get_args(kept) if get_origin(kept) is Annotated else (kept,)
    return Annotated[(kind, PrivateStateAttr, *how)]
