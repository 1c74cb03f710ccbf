"""The public face: three levels of configuration, and what is said about what cannot work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, ValidationError

import learning_machine
from learning_machine import (
    LearningMachine,
    LearningMode,
    Scope,
    SessionContextConfig,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.errors import ConfigurationError
from learning_machine.testing import ScriptedModel, change

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def ask(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def on(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}


# --- three levels -----------------------------------------------------------------------------------------------------


def test_dead_simple_keeps_a_profile_in_the_background(url: str) -> None:
    """`learning=True` means the user profile alone, in BACKGROUND mode, and gives the agent no tools."""
    agent = create_learning_agent(ScriptedModel(), db=url, learning=True)
    with LearningMachine.of(agent) as machine:
        assert set(machine.stores.types) == {"user_profile", "conversation"}
        assert machine.stores["user_profile"].mode is LearningMode.BACKGROUND
        assert machine.get_tools() == []


def test_pick_what_you_want(machine: Any, door: Callable[..., Any]) -> None:
    """Stores named with `True` all learn from the one extraction of a turn."""
    model = ScriptedModel(
        learns=[
            [
                change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice"),
                change("session_context", "Alice plans a trip.", kind="summary"),
            ]
        ]
    )
    found = machine(model, user_profile=True, session_context=True)
    agent = create_learning_agent(model, learning=found)
    door(agent, ask("I'm Alice and plan a trip."), on("t1"), context={"user_id": "alice"})
    assert found.flush()
    known = found.recall(user_id="alice", session_id="t1")
    assert (known["user_profile"].name, known["session_context"].summary) == ("Alice", "Alice plans a trip.")
    assert len(model.extractions) == 1


def test_full_control_mixes_modes(machine: Any, door: Callable[..., Any]) -> None:
    """With the profile AGENTIC and the session planned, tools write the one and extraction the other."""
    call = {"name": "update_profile", "args": {"field": "name", "value": "Alice"}, "id": "c1"}
    model = ScriptedModel(
        answers=[AIMessage("", tool_calls=[call]), "Hello Alice."],
        learns=[
            [
                change("session_context", "Plan a trip", kind="goal"),
                change("user_profile", "Mallory", kind="field", name="name"),
            ]
        ],
    )
    found = machine(
        model,
        user_profile=UserProfileConfig(mode=LearningMode.AGENTIC),
        session_context=SessionContextConfig(enable_planning=True),
    )
    agent = create_learning_agent(model, learning=found)
    door(agent, ask("I'm Alice. Plan a trip."), on("t1"), context=Scope(user_id="alice"))
    assert found.flush()
    known = found.recall(user_id="alice", session_id="t1")
    assert (known["user_profile"].name, known["session_context"].goal) == ("Alice", "Plan a trip")


# --- planning ---------------------------------------------------------------------------------------------------------


def test_planning_builds_on_what_it_was(machine: Any, door: Callable[..., Any]) -> None:
    """With planning a session keeps goal, steps with states and progress, and a later turn changes them by handle."""
    first = [
        change("session_context", "Ship v2", kind="goal"),
        change("session_context", "write the tests", kind="step", name="doing"),
        change("session_context", "release", kind="step", name="open"),
        change("session_context", "Tests are half done.", kind="progress"),
    ]

    def second(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        tests, release = found.recall(user_id="alice", session_id="t1")["session_context"].steps
        return [
            change("session_context", None, action="revise", kind="step", name="done", handle=tests.handle),
            change("session_context", "doing", action="revise", kind="step", handle=release.handle),
            change("session_context", "All tests pass.", kind="progress"),
            change("session_context", "announce it", kind="step", name="whenever"),
        ]

    model = ScriptedModel(learns=[first, second])
    found = machine(model, session_context=SessionContextConfig(enable_planning=True))
    agent = create_learning_agent(model, learning=found)
    door(agent, ask("Let us ship v2."), on("t1"), context={"user_id": "alice"})
    assert found.flush()
    door(agent, ask("The tests pass now."), on("t1"), context={"user_id": "alice"})
    assert found.flush()
    known = found.recall(user_id="alice", session_id="t1")["session_context"]
    assert (known.goal, known.progress) == ("Ship v2", "All tests pass.")
    assert [(step.text, step.status) for step in known.steps] == [
        ("write the tests", "done"),
        ("release", "doing"),
        ("announce it", "open"),
    ]
    shown = found.build_context(user_id="alice", session_id="t1")
    assert "- goal: Ship v2 [" in shown
    assert "- step (done): write the tests [" in shown
    assert '"goal": "Ship v2"' not in model.extractions[1][-1].text
    assert '"value": "Ship v2"' in model.extractions[1][-1].text


def test_without_planning_only_a_summary_is_kept(machine: Any) -> None:
    """Goals and steps are refused, with the reason, unless planning is on."""
    model = ScriptedModel(
        learns=[[change("session_context", "Ship", kind="goal"), change("session_context", "On v2.", kind="summary")]]
    )
    found = machine(model, session_context=True)
    receipts = found.process([("user", "Ship it"), ("assistant", "Yes")], user_id="alice", session_id="t1")
    assert [receipt["status"] for receipt in receipts] == ["refused", "saved"]
    assert "'goal' is not kept here" in receipts[0]["reason"]


# --- configs ----------------------------------------------------------------------------------------------------------


def test_a_mode_that_cannot_work_says_so_at_once() -> None:
    """HITL without anybody who decides raises where it is written, and names what is missing."""
    with pytest.raises(ConfigurationError, match="Give the machine reviewers="):
        LearningMachine(db=NOWHERE, user_profile=UserProfileConfig(mode=LearningMode.HITL))
    assert LearningMachine(
        db=NOWHERE, user_profile=UserProfileConfig(mode=LearningMode.HITL), reviewers=["carol"]
    ).stores.types


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user_profile": SessionContextConfig()}, "Give it a UserProfileConfig"),
        ({"user_profile": UserProfileConfig(namespace="engineering")}, "always private"),
        ({"custom_stores": {"mine": object()}}, "it has no learning_type"),
        ({"background": "sometimes"}, "background='sometimes' is not known"),
        ({"keep_messages": "a while"}, "keep_messages='a while' is not known"),
        ({"keep_messages": 0}, "keep_messages=0 is not known"),
        ({"schema": "Robert'); drop"}, "cannot be the schema"),
    ],
    ids=["config", "namespace", "store", "background", "retention", "no days", "schema"],
)
def test_what_cannot_work_is_an_error(options: dict[str, Any], said: str) -> None:
    """A wrong option is a `ConfigurationError` that says what was wrong."""
    with pytest.raises(ConfigurationError, match=said):
        LearningMachine(**{"db": NOWHERE, **options}).parts  # noqa: B018


def test_an_option_that_does_not_exist_is_an_error() -> None:
    """A misspelt option of a config or of the machine is refused, not ignored."""
    with pytest.raises(ValidationError, match="enable_plans"):
        SessionContextConfig(enable_plans=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="user_profil"):
        LearningMachine(user_profil=True)  # type: ignore[call-arg]


def test_learning_must_be_true_or_a_machine() -> None:
    """`learning=False`, or a config in its place, raises and says what to use."""
    for learning in (False, None, UserProfileConfig()):
        with pytest.raises(ConfigurationError, match="neither True nor a LearningMachine"):
            create_learning_agent(ScriptedModel(), db=NOWHERE, learning=learning)  # type: ignore[arg-type]


def test_configs_are_frozen_and_left_alone(machine: Any) -> None:
    """A config cannot be changed, and using it in two machines and a turn leaves it as it was."""
    config = UserProfileConfig(additional="Names only.")
    before = config.model_dump()
    with pytest.raises(ValidationError, match="frozen"):
        config.mode = LearningMode.AGENTIC  # type: ignore[misc]
    for name in ("one", "two"):
        model = ScriptedModel()
        found = machine(model, name=name, user_profile=config)
        agent = create_learning_agent(model, learning=found)
        agent.invoke(ask("hello"), on(name), context={"user_id": "alice"})
        assert found.flush()
        assert "Names only." in model.extractions[0][0].text
    assert config.model_dump() == before


def test_a_profile_takes_a_schema_of_your_own(machine: Any) -> None:
    """A pydantic model says which fields a profile has, and values come back in their types."""

    class Runner(BaseModel):
        """What a coach wants to know."""

        weekly_km: int | None = None
        races: list[str] = []

    model = ScriptedModel(
        learns=[
            [
                change("user_profile", "42", kind="field", name="weekly_km"),
                change("user_profile", "Berlin", kind="field", name="races"),
                change("user_profile", "Lisbon", kind="field", name="races"),
                change("user_profile", "many", kind="field", name="weekly_km"),
            ]
        ]
    )
    found = machine(model, user_profile=UserProfileConfig(schema=Runner))
    receipts = found.process([("user", "I ran"), ("assistant", "Good")], user_id="alice", session_id="t1")
    profile = found.recall(user_id="alice")["user_profile"]
    assert (profile.weekly_km, profile.races) == (42, ["Berlin", "Lisbon"])
    assert [receipt["status"] for receipt in receipts] == ["saved", "saved", "saved", "refused"]


# --- a machine and its agent ------------------------------------------------------------------------------------------


def test_an_agent_knows_its_machine(url: str, machine: Any) -> None:
    """`LearningMachine.of` finds the machine of an agent, also for `learning=True` and after `.with_config()`."""
    found = machine(ScriptedModel())
    for agent in (create_learning_agent(ScriptedModel(), learning=found), found.graph()):
        assert LearningMachine.of(agent) is found
        assert LearningMachine.of(agent.with_config({"tags": ["one"]}).with_config(run_name="two")) is found
        assert LearningMachine.of(agent.with_retry()) is found
    simple = create_learning_agent(ScriptedModel(), db=url)
    assert LearningMachine.of(simple) is LearningMachine.of(simple.with_config({"tags": ["one"]}))
    with pytest.raises(ConfigurationError, match="has no learning machine"):
        LearningMachine.of(create_agent(ScriptedModel()))


def test_two_agents_have_two_machines(url: str) -> None:
    """`learning=True` makes a machine for each agent."""
    one, two = (create_learning_agent(ScriptedModel(), db=url) for _ in range(2))
    assert LearningMachine.of(one) is not LearningMachine.of(two)


def test_a_machine_is_given_what_it_lacks(url: str) -> None:
    """A machine without database and model gets the agent's, and works by itself from then on."""
    model = ScriptedModel(learns=[[change("user_profile", "Alice", kind="field", name="name")]])
    machine = LearningMachine(user_profile=True)
    create_learning_agent(model, db=url, learning=machine)
    with machine:
        machine.process([("user", "I'm Alice"), ("assistant", "Hi")], user_id="alice", session_id="t1")
        assert machine.recall(user_id="alice")["user_profile"].name == "Alice"
        assert machine.model is model


def test_a_machine_keeps_the_model_it_has(machine: Any) -> None:
    """The machine's own model extracts, whatever model the agent talks with."""
    talks, reads = ScriptedModel(), ScriptedModel()
    found = machine(reads)
    agent = create_learning_agent(talks, learning=found)
    agent.invoke(ask("hello"), on("t1"), context={"user_id": "alice"})
    assert found.flush()
    assert (len(talks.calls), len(talks.extractions)) == (1, 0)
    assert (len(reads.calls), len(reads.extractions)) == (0, 1)


def test_another_database_is_an_error(url: str, machine: Any) -> None:
    """An agent and its machine cannot have different databases; the same one may be said twice."""
    found = machine(ScriptedModel())
    create_learning_agent(ScriptedModel(), db=url, learning=found)
    with pytest.raises(ConfigurationError, match="Give db= to one of them"):
        create_learning_agent(ScriptedModel(), db=NOWHERE, learning=found)
    with (
        ConnectionPool(NOWHERE, open=False) as pool,
        pytest.raises(ConfigurationError, match="Give db= to one of them"),
    ):
        create_learning_agent(ScriptedModel(), db=pool, learning=found)


def test_a_database_after_first_use_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was used with the default database cannot be given another."""
    monkeypatch.setenv("LEARNING_MACHINE_DATABASE_URL", url)
    with LearningMachine() as machine:
        machine.recall(user_id="alice")
        with pytest.raises(ConfigurationError, match="Give db= before that"):
            create_learning_agent(ScriptedModel(), db=NOWHERE, learning=machine)


def test_a_pool_of_yours_is_used_and_left_open(url: str, door: Callable[..., Any]) -> None:
    """With `db=` a pool, the machine borrows its connections, gives them back as they were, and never closes it."""
    model = ScriptedModel(learns=[[change("user_profile", "Alice", kind="field", name="name")]])
    with ConnectionPool(url, min_size=1, max_size=4, open=True) as pool:
        agent = create_learning_agent(model, db=pool)
        with LearningMachine.of(agent) as machine:
            door(agent, ask("I'm Alice"), on("t1"), context={"user_id": "alice"})
            assert machine.flush()
            assert machine.recall(user_id="alice")["user_profile"].name == "Alice"
        assert not pool.closed
        with pool.connection() as connection:
            assert connection.autocommit is False
            assert connection.execute("select current_setting('role')").fetchone() == ("none",)
            assert isinstance(connection.execute("select 1").fetchone(), tuple)


def test_nothing_connects_before_it_is_used() -> None:
    """Making machines, agents and graphs, and drawing them, needs no database."""
    machine = LearningMachine(db=NOWHERE, user_profile=UserProfileConfig(mode=LearningMode.AGENTIC))
    agent = create_learning_agent(ScriptedModel(), learning=machine)
    machine.graph().get_graph().draw_mermaid()
    agent.get_input_jsonschema()
    assert {tool.name for tool in machine.get_tools()} == {"update_profile", "remember", "forget"}


def test_a_closed_machine_opens_again(machine: Any) -> None:
    """After `close()` the same machine and agent work on."""
    model = ScriptedModel(learns=[[change("user_profile", "Alice", kind="field", name="name")]])
    found = machine(model)
    agent = create_learning_agent(model, learning=found)
    found.close()
    agent.invoke(ask("I'm Alice"), on("t1"), context={"user_id": "alice"})
    assert found.flush()
    found.close()
    assert found.recall(user_id="alice")["user_profile"].name == "Alice"
    agent.invoke(ask("again"), on("t1"), context={"user_id": "alice"})
    assert "Alice" in model.calls[-1][0].text
    assert found.flush()


def test_every_public_name_is_there() -> None:
    """All names of `learning_machine.__all__` exist, and are sorted."""
    names = learning_machine.__all__
    assert names == sorted(names)
    assert all(getattr(learning_machine, name) is not None for name in names)
