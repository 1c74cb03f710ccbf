"""`create_learning_agent`: an agent that remembers, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph

from learning_machine.checkpointer import BothDoorsSaver
from learning_machine.errors import ConfigurationError
from learning_machine.graphs.learning import STEPS, learning_graph
from learning_machine.machine import LearningMachine
from learning_machine.models import resolve_model
from learning_machine.nodes.agent import inner_agent
from learning_machine.state.scope import Scope


class _Ours:
    """Says that no checkpointer was chosen, so that `None` can mean none."""

    def __repr__(self) -> str:
        return "<our own Postgres checkpointer>"


OURS = _Ours()


def create_learning_agent(
    model: BaseChatModel | str | None = None,
    tools: Sequence[Any] | None = (),
    *,
    db: Any = None,
    learning: LearningMachine | bool = True,
    embeddings: Any = None,
    checkpointer: Any = OURS,
    **agent: Any,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """An agent in the learning loop: recall → build_context → agent → extract → approve → store.

    `learning=True` keeps a user profile in the background; a `LearningMachine` gives full control. The machine is
    given the database and the model it lacks. Everything else is what `langchain.agents.create_agent` takes;
    `interrupt_before` and `interrupt_after` may name the steps of the loop as well as those of the agent.

    >>> agent = create_learning_agent("openai:gpt-4.1-mini", db="postgresql://localhost/app")          # doctest: +SKIP
    >>> agent.invoke({"messages": [{"role": "user", "content": "I'm Alice."}]},
    ...              {"configurable": {"thread_id": "session-1"}}, context={"user_id": "alice"})         # doctest: +SKIP
    """
    machine = machine_from(learning)
    chat = resolve_model(model)
    machine.give(db=db, model=chat, embeddings=embeddings)
    context_schema = agent.pop("context_schema", Scope)
    pauses = {when: take_pauses(agent, when) for when in ("interrupt_before", "interrupt_after") if agent.get(when)}
    inner = inner_agent(chat, [*(tools or ()), *machine.get_tools()], context_schema=context_schema, **agent)
    builder = machine._known(learning_graph(machine.parts, inner, reads_context=True, context_schema=context_schema))
    saver = machine._closing(BothDoorsSaver(lambda: machine.database)) if checkpointer is OURS else checkpointer
    shared = {name: agent[name] for name in ("store", "cache", "debug") if name in agent}
    return builder.compile(checkpointer=saver, name=agent.get("name") or "learning_agent", **shared, **pauses)


def take_pauses(agent: dict[str, Any], when: str) -> Any:
    """The breakpoints that lie in the loop, taken from those meant for the agent inside it; `"*"` means the loop's."""
    named = agent.pop(when)
    if isinstance(named, str):
        return named
    agent[when] = [name for name in named if name not in STEPS]
    return [name for name in named if name in STEPS]


def machine_from(learning: LearningMachine | bool) -> LearningMachine:
    if isinstance(learning, LearningMachine):
        return learning
    if learning is True:
        return LearningMachine(user_profile=True)
    raise ConfigurationError(
        f"learning={learning!r} is neither True nor a LearningMachine. For no learning use create_agent."
    )
