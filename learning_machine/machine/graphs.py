"""The loop as a graph around any agent."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Self, cast

from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.config import get_config
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from learning_machine.errors import ConfigurationError
from learning_machine.graphs.halves import Halves, after_node, before_node
from learning_machine.graphs.learning import learning_graph
from learning_machine.machine.recalling import Recalling
from learning_machine.machine.working import Working
from learning_machine.nodes.agent import inner_agent, lent
from learning_machine.state.modes import LearningMode

#: The machine of each graph, by its builder, which a compiled graph and its copies keep.
_machines: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


class Graphs(Recalling, Working):
    """The loop as a graph around any agent, and its halves as nodes of a graph of yours."""

    _made: Halves | None = None

    def builder(self, agent: Runnable[Any, Any] | None = None) -> StateGraph[Any, Any, Any, Any]:
        """The loop around an agent with `messages`, to be compiled; without one, around a plain agent on this machine's model."""
        if agent is None:
            return self._known(
                learning_graph(
                    self.parts, inner_agent(self.model, self.get_tools()), reads_context=True, passes_on=False
                )
            )
        agentic = [
            store.learning_type for store in self._stores if getattr(store, "mode", None) is LearningMode.AGENTIC
        ]
        if agentic:
            raise ConfigurationError(
                f"{', '.join(agentic)} learn by tools (AGENTIC), and a compiled agent's tools cannot be changed. "
                "Build the agent with machine.get_tools() among its tools, or use another mode."
            )
        return self._known(learning_graph(self.parts, agent))

    def graph(self, agent: Runnable[Any, Any] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The loop, compiled without a checkpointer, so that it can be embedded or served as it is."""
        return self.builder(agent).compile(name="learning_agent")

    # --- the two halves, to be placed by hand -------------------------------------------------------------------------

    def recall_node(self) -> RunnableLambda[Any, dict[str, Any]]:
        """What runs before the model, as a node of a graph with `messages`. `with_context` gives the model what it found.

        It brings the keys it needs along, as private ones: the graph's input and output stay as they are.
        """
        return before_node(self._halves)

    def learn_node(self) -> RunnableLambda[Any, dict[str, Any]]:
        """What runs after the answer, as a node of the same graph: it records the turn, asks a person, and writes."""
        return after_node(self._halves)

    def with_context(self, state: Mapping[str, Any]) -> list[Any]:
        """The messages to give the model, inside a node: the conversation, and what was learned. It is stored nowhere.

        `state` is the node's own. A node whose state names `learning_context` reads what `recall_node()` found; for any
        other it is recalled here.
        """
        key = self._halves.keys["learning_context"]
        known = state if key in state else self._halves.before(state, get_config())
        return lent(state["messages"], known[key])

    async def awith_context(self, state: Mapping[str, Any]) -> list[Any]:
        key = self._halves.keys["learning_context"]
        known = state if key in state else await self._halves.abefore(state, get_config())
        return lent(state["messages"], known[key])

    @property
    def _halves(self) -> Halves:
        with self._lock:
            if self._made is None:
                self._made = Halves(self.parts)
            return self._made

    def _known(self, builder: StateGraph[Any, Any, Any, Any]) -> StateGraph[Any, Any, Any, Any]:
        _machines[builder] = self
        return builder

    @classmethod
    def of(cls, agent: Any) -> Self:
        """The machine of an agent made by `create_learning_agent` or `machine.graph`, also after `.with_config()`."""
        while agent is not None:
            machine = (
                _machines.get(getattr(agent, "builder", None)) if getattr(agent, "builder", None) is not None else None
            )
            if machine is not None:
                return cast(Self, machine)
            agent = getattr(agent, "bound", None)
        raise ConfigurationError(
            "This agent has no learning machine. Make it with create_learning_agent or machine.graph()."
        )
