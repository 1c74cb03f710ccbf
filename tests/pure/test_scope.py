"""Scopes: who a turn belongs to, and which ids can be one's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.transactions import Space
from learning_machine.stores.spaces import access_of, own_space, space_for


@pytest.mark.parametrize(
    "id",
    [
        "alice",
        "Alice ",
        " ",
        "user:1",
        "é",
        "e\u0301",
        "😀",
        "%",
        "'; drop",
        "\\",
        "null",
        "a" * 2_000,
        "名" * 666,
        "\u202e",
        "\x7f",
        "\n",
    ],
)
def test_any_string_is_an_id(id: str) -> None:
    """Ids are taken as they are: not trimmed, folded or normalised."""
    scope = Scope(user_id=id, session_id=id, groups=(id,))
    assert (scope.user_id, scope.session_id, scope.groups) == (id, id, (id,))


@pytest.mark.parametrize("field", ["user_id", "session_id", "agent_id", "namespace", "groups"])
@pytest.mark.parametrize("bad", ["a\x00", "\ud800", "a" * 2_001, "名" * 667])
def test_ids_that_cannot_be(field: str, bad: str) -> None:
    """What the database cannot hold or index is refused: replacing or cutting it could make one of two people."""
    with pytest.raises(ValidationError, match="use another id"):
        Scope(**{field: bad})


@pytest.mark.parametrize("field", ["user_id", "session_id", "agent_id", "namespace"])
def test_empty_is_nobody(field: str) -> None:
    """An empty id is none."""
    assert getattr(Scope(**{field: ""}), field) is None


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        (None, ()),
        ("team", ("team",)),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ([], ()),
        ("", ()),
        (["", "a"], ("a",)),
        ([7], ("7",)),
    ],
)
def test_groups(given: Any, groups: tuple[str, ...]) -> None:
    """Groups are a list or one name; an empty name is none."""
    assert Scope(groups=given).groups == groups


def test_numbers_are_ids() -> None:
    """A number is taken for its digits, nought too."""
    assert (Scope(user_id=7).user_id, Scope(user_id=0).user_id) == ("7", "0")  # type: ignore[arg-type]


def test_frozen() -> None:
    """A scope cannot be changed after it was made."""
    with pytest.raises(ValidationError):
        Scope(user_id="alice").user_id = "bob"


def test_extras_travel() -> None:
    """Other keys go to the stores that name them, and cannot take the place of the scope's own."""
    scope = Scope(user_id="alice", project_id="apollo", limit=3)
    assert scope.extras == {"project_id": "apollo", "limit": 3}
    assert scope.keywords() == {"project_id": "apollo", "limit": 3, "user_id": "alice", "groups": ()}


def test_as_json() -> None:
    """A scope goes into a job as plain JSON and comes back; an extra that is no data stays behind."""
    scope = Scope(user_id="alice", groups=("a",), learn=False, project={"id": [1]}, client=object())
    plain = scope.as_json()
    assert json.loads(json.dumps(plain)) == plain
    back = Scope.model_validate(plain)
    assert (back.user_id, back.groups, back.learn, back.extras["project"]) == ("alice", ("a",), False, {"id": [1]})
    assert back.extras.get("client") is None


# --- where things lie -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "space"),
    [
        (Scope(user_id="alice", session_id="s1"), Space("user", "alice")),
        (Scope(session_id="s1"), Space("session", "s1")),
        (Scope(groups=("team",)), None),
        (Scope(), None),
    ],
)
def test_own_space(scope: Scope, space: Space | None) -> None:
    """A person's words lie in their space; without a person in the session's; else nowhere."""
    assert own_space(scope) == space == space_for(scope, "user")


def test_space_for() -> None:
    """A namespace is the person's own, everybody's, or a group's, whatever the group is called."""
    scope = Scope(user_id="alice")
    assert space_for(scope, "global") == Space("global")
    assert space_for(scope, "alice") == Space("group", "alice")
    assert Space("group", "alice").params() != Space("user", "alice").params()


def test_access_of() -> None:
    """The database is told the person, the session and the groups, and nothing that a client could add."""
    access = access_of(Scope(user_id="alice", session_id="s1", groups=("team",), spaces=[1], admin=True))
    assert (access.user_id, access.session, access.groups, access.spaces, access.admin) == (
        "alice",
        "s1",
        ("team",),
        None,
        False,
    )
