"""Learning by runs of the `learn` graph, as a platform starts them, instead of a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from learning_machine import LearningMachine
from learning_machine.graphs.learning import learn_graph
from learning_machine.testing import ScriptedModel, change


def test_a_run_reads_a_turn_by_its_id(machine: Callable[..., LearningMachine], door: Any) -> None:
    """The id in the agent's state is enough; an id that is none, or a turn of another machine, teaches nothing."""
    model = ScriptedModel(learns=[[change("user_profile", "Lisbon", kind="field", name="location")]])
    learner = machine(model, user_profile=True, background="external")
    config = {"configurable": {"thread_id": "t1"}}
    given = {"messages": [{"role": "user", "content": "I live in Lisbon."}]}
    turn = door(learner.graph(), given, config, context={"user_id": "alice"})["learning"]["turn"]
    learn: Any = learn_graph(learner.parts).compile()
    other: Any = learn_graph(machine(model, name="other", user_profile=True, background="external").parts).compile()
    assert door(other, {"turn": turn})["learned"]["turns"] == 0
    assert door(learn, {"turn": str(uuid4())})["learned"]["turns"] == 0
    assert door(learn, {"turn": turn})["learned"]["turns"] == 1
    assert learner.recall(user_id="alice")["user_profile"].location == "Lisbon"
    assert door(learn, {"turn": turn})["learned"]["turns"] == 0
