"""Who a run belongs to, and what it may choose: a client never gains by what it says."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from learning_machine.errors import ConfigurationError
from learning_machine.graphs.serving import chosen, context_for
from learning_machine.state.identity import scope_of
from learning_machine.state.modes import LearningMode, stricter, strictest
from learning_machine.state.scope import Scope
from learning_machine.stores.spaces import modes_of

B, A, P, H = LearningMode.BACKGROUND, LearningMode.AGENTIC, LearningMode.PROPOSE, LearningMode.HITL
USER = {"identity": "mallory", "groups": ["team"]}


def run(context: Any = None, configurable: dict[str, Any] | None = None, user: Any = None) -> Scope:
    """The scope of a run with this context and configurable, on a server that has authenticated this user."""
    info = SimpleNamespace(user=user) if user is not None else None
    return scope_of(SimpleNamespace(context=context, server_info=info), {"configurable": configurable or {}})


def store(name: str, mode: LearningMode) -> Any:
    return SimpleNamespace(learning_type=name, mode=mode, namespace="user", private=True)


@pytest.mark.parametrize(("mode", "asked"), list(itertools.product(LearningMode, LearningMode)))
def test_a_mode_only_becomes_stricter(mode: LearningMode, asked: LearningMode) -> None:
    """BACKGROUND and AGENTIC may become PROPOSE, and all of them HITL; every other wish changes nothing."""
    better = {B: {P, H}, A: {P, H}, P: {H}, H: set()}[mode]
    expected = asked if asked in better else mode
    assert stricter(mode, asked) is expected
    assert modes_of([store("x", mode)], Scope(modes={"x": asked})) == {"x": expected}
    assert modes_of([store("x", mode)], Scope(modes={"y": asked})) == {"x": mode}


@pytest.mark.parametrize("said", ["PROPOSE", "propose", "Propose", pytest.param(P, id="mode")])
def test_modes_are_written_as_people_write_them(said: Any) -> None:
    """By name, in capitals or not, or as the mode itself; and as they were said they travel with the turn."""
    scope = Scope(modes={"user_profile": said})
    assert scope.modes == {"user_profile": P}
    assert scope.as_json()["modes"] == {"user_profile": "propose"}
    assert Scope.model_validate(scope.as_json()) == scope and hash(scope) == hash(Scope())
    assert "modes" not in Scope().as_json() and "modes" not in scope.extras | scope.keywords()


@pytest.mark.parametrize("bad", ["PROPOSE", ["x"], 1, {"x": "never"}, {"x": None}, {str(n): "hitl" for n in range(51)}])
def test_modes_that_are_none_are_refused(bad: Any) -> None:
    """A wish that cannot be read is said to be one: nothing is silently looser than somebody thought."""
    with pytest.raises(ConfigurationError, match="modes"):
        run({"modes": bad})


def test_the_strictest_of_all_counts() -> None:
    """What configurable, the context and authentication say of modes adds up; none takes back what another said."""
    assert strictest({"x": P}, {"x": B, "y": H}, {}) == {"x": P, "y": H}
    user = {**USER, "modes": {"x": "HITL"}}
    scope = run({"modes": {"x": "BACKGROUND", "y": "PROPOSE"}}, {"modes": {"y": "AGENTIC", "z": "PROPOSE"}}, user)
    assert scope.modes == {"x": H, "y": P, "z": P}


HOSTILE: dict[str, list[Any]] = {
    "user_id": ["alice", 0],
    "session_id": ["alice"],
    "groups": ["alice", ["other"], ["*"]],
    "namespace": ["alice", "global", "other", "*"],
    "modes": [{"x": "BACKGROUND"}, {}],
    "langgraph_auth_user": [{"identity": "alice", "groups": ["other"]}],
    "langgraph_auth_user_id": ["alice"],
    "server_info": [{"user": {"identity": "alice"}}],
    "spaces": [[1]],
    "admin": [True],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in HOSTILE.items() for value in values])
@pytest.mark.parametrize("place", ["context", "configurable"])
def test_no_key_makes_somebody_else(key: str, value: Any, place: str) -> None:
    """With authentication a client stays who it is, in its own groups, and writes to nobody else."""
    user = {**USER, "modes": {"x": "PROPOSE"}}
    scope = run(**{place: {key: value}}, user=user) if place == "context" else run(None, {key: value}, user)
    assert (scope.user_id, scope.groups, scope.modes) == ("mallory", ("team",), {"x": P})
    assert scope.namespace in (None, "user", "team")


def test_all_keys_at_once_make_nobody_else() -> None:
    """Nor do all of them together, in both places."""
    everything = {key: values[0] for key, values in HOSTILE.items()}
    scope = run(everything, {**everything, "thread_id": "t"}, USER)
    assert (scope.user_id, scope.groups, scope.namespace, scope.session_id) == ("mallory", ("team",), None, "t")


def test_a_single_group_is_one_group() -> None:
    """Authentication may say one group as a string; a user may also be an object that hands out its keys by index."""
    assert run(user={"identity": "m", "groups": "team"}).groups == ("team",)

    class Proxy:
        identity = "m"
        groups = object()

        def __getitem__(self, key: str) -> Any:
            return {"identity": "m", "groups": ["team"], "modes": {"x": "HITL"}}[key]

    assert (run(user=Proxy()).groups, run(user=Proxy()).modes) == (("team",), {"x": H})


def test_what_is_chosen_is_no_part_of_the_scope() -> None:
    """The names of machine and model choose, and do not travel to stores; a key of somebody's own does."""
    context = context_for({"a": None, "b": None}, {"quick": None})
    scope = run(context(machine="b", model="quick", project_id="apollo", user_id="alice"))
    assert scope == Scope(user_id="alice", project_id="apollo")
    assert context_for({"a": None}, {}) is Scope
    with pytest.raises(ValueError, match="'a' or 'b'"):
        context(machine="c")


def test_the_machine_is_chosen_by_name() -> None:
    """Of several graphs the one whose machine is named, else the first; of one, that one."""
    graphs: Any = {"a": "graph a", "b": "graph b"}
    graph: Any = chosen(graphs)
    assert graph({"configurable": {"machine": "b"}}) == "graph b"
    for named in ("c", None, ["b"], {"b": 1}):
        assert graph({"configurable": {"machine": named}}) == "graph a"
    assert graph({}) == "graph a" and chosen({"a": graphs["a"]}) == "graph a"
