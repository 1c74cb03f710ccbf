"""The user profile: fields in the schema of your choice, observations, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from learning_machine.state.config import UserProfileConfig
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger import Ledger
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.user_profile import UserProfileStore
from learning_machine.stores.writing import Source

ALICE = Scope(user_id="alice")


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    name: str | None = None
    age: int | None = Field(None, ge=0)
    member: bool | None = None
    born: date | None = None
    mood: Literal["good", "bad"] | None = None
    home: Address | None = None
    lucky: list[int] = []
    tags: list[str] = []


@dataclass
class PersonData:
    name: str | None = None
    age: int | None = None
    member: bool | None = None
    born: date | None = None
    mood: Literal["good", "bad"] | None = None
    home: Address | None = None
    lucky: list[int] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class Desk:
    """A store, and the extraction's items written as a turn would write them."""

    def __init__(self, database: Database, schema: type) -> None:
        self.store = UserProfileStore(UserProfileConfig(schema=schema), ledger=Ledger(database))

    def learn(self, *items: dict[str, Any], quoted: bool = True) -> list[Any]:
        quote = {"quote": "so it is"} if quoted else {}
        extracted = [ExtractedChange(**{"store": "user_profile", **quote, **one}) for one in items]
        changes = self.store.changes(extracted, ALICE, self.profile)
        source = Source(said=[Said("u1", "user", "so it is")])
        return self.store.ledger.write(changes, scope=ALICE, source=source)

    def set(self, name: str, value: Any, **more: Any) -> list[str]:
        return [receipt.status for receipt in self.learn({"kind": "field", "name": name, "value": value}, **more)]

    @property
    def profile(self) -> Any:
        return self.store.recall(user_id="alice")


@pytest.fixture(params=[Person, PersonData], ids=["pydantic", "dataclass"])
def desk(request: pytest.FixtureRequest, blank: Database) -> Desk:
    return Desk(blank, request.param)


@pytest.fixture
def open_desk(blank: Database) -> Callable[[type], Desk]:
    return lambda schema: Desk(blank, schema)


def test_nothing_known(desk: Desk) -> None:
    """Of somebody new nothing is known: no profile, and no words for the agent."""
    assert desk.profile is None
    assert desk.store.build_context(None) == ""


def test_fields_come_back_in_their_types(desk: Desk) -> None:
    """Values are recalled in the schema's types."""
    values = {
        "name": "Alice",
        "age": "30",
        "member": "yes",
        "born": "2001-02-03",
        "mood": "good",
        "home": {"street": "Main", "number": "7"},
    }
    for name, value in values.items():
        assert desk.set(name, value) == ["saved"]
    assert desk.set("lucky", [7, "13"]) == ["saved", "saved"]
    profile = desk.profile
    assert (profile.name, profile.age, profile.member, profile.born, profile.mood) == (
        "Alice",
        30,
        True,
        date(2001, 2, 3),
        "good",
    )
    assert profile.home == Address(street="Main", number=7) and profile.lucky == [7, 13] and profile.tags == []


def test_false_and_zero_are_values(desk: Desk) -> None:
    """No and nought are answers, not absences."""
    assert desk.set("member", False) == desk.set("age", 0) == desk.set("lucky", [0]) == ["saved"]
    assert (desk.profile.member, desk.profile.age, desk.profile.lucky) == (False, 0, [0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", "thirty"),
        ("member", "perhaps"),
        ("born", "some day"),
        ("mood", "so so"),
        ("home", "Main street"),
        ("lucky", "many"),
        ("name", 7),
    ],
)
def test_wrong_types_are_refused(desk: Desk, name: str, value: Any) -> None:
    """A value that does not fit is refused with the field's name, and takes nothing with it."""
    receipts = desk.learn(
        {"kind": "field", "name": name, "value": value}, {"kind": "field", "name": "tags", "value": "kept"}
    )
    assert [receipt.status for receipt in receipts] == ["refused", "saved"]
    assert receipts[0].reason.startswith(f"{name}: ")
    assert desk.profile.values == {"tags": ["kept"]}


def test_limits_of_a_field(open_desk: Callable[[type], Desk]) -> None:
    """The limits that a schema sets hold for what is learned."""
    assert open_desk(Person).set("age", -1) == ["refused"]


def test_unknown_fields_become_observations(desk: Desk) -> None:
    """A field that the schema does not have is still something about the user."""
    assert desk.set("shoe size", 42) == ["saved"]
    assert desk.profile.observations == ("shoe size: 42",)
    assert desk.profile.values == {}


def test_lists_grow_by_element(desk: Desk) -> None:
    """A list's elements are learned and known one by one."""
    assert desk.set("tags", ["tea", "chess"]) == ["saved", "saved"]
    assert desk.set("tags", "Tea") == ["known"]
    assert desk.set("tags", ["sailing", "chess"]) == ["saved", "known"]
    assert desk.profile.tags == ["tea", "chess", "sailing"]


def test_a_list_element_is_corrected_or_forgotten(desk: Desk) -> None:
    """An element can be revised or retired by its handle; the others stay."""
    desk.set("tags", ["tea", "chess"])
    handles = {item.text: item.handle for item in desk.profile.items}
    desk.learn(
        {"action": "revise", "handle": handles["tea"], "value": "green tea"},
        {"action": "retire", "handle": f"[{handles['chess'].upper()}]"},
    )
    assert desk.profile.tags == ["green tea"]


def test_a_revision_to_several(desk: Desk) -> None:
    """An element that turns out to be several becomes several."""
    desk.set("tags", ["hot drinks"])
    desk.learn({"action": "revise", "handle": desk.profile.items[0].handle, "value": ["tea", "coffee"]})
    assert desk.profile.tags == ["tea", "coffee"]


def test_a_revision_of_the_wrong_type(desk: Desk) -> None:
    """A revision that does not fit is refused, and what was known stays."""
    desk.set("age", 30)
    [receipt] = desk.learn({"action": "revise", "handle": desk.profile.items[0].handle, "value": "old"})
    assert receipt.status == "refused" and receipt.reason.startswith("age: ")
    assert desk.profile.age == 30


@pytest.mark.parametrize("empty", [None, "", []])
def test_clearing(desk: Desk, empty: Any) -> None:
    """An empty value takes a field away, a list's with all its elements; other fields stay. It reads as no longer known."""
    desk.set("name", "Alice")
    desk.set("tags", ["tea", "chess"])
    assert desk.set("tags", empty) == ["saved", "saved"]
    assert desk.profile.values == {"name": "Alice"}
    assert desk.set("name", empty) == ["saved"]
    assert not desk.profile and desk.profile.values == {} and desk.profile.gone == ("name",)
    assert desk.set("name", empty) == []
    assert desk.set("name", "Alice") == ["saved"]
    assert desk.profile.name == "Alice"


def test_a_guess_clears_nothing_the_user_said(desk: Desk) -> None:
    """Without the user's words a value that the user gave is neither replaced nor cleared."""
    desk.set("name", "Alice")
    assert desk.set("name", "Bob", quoted=False) == ["challenged"]
    assert desk.set("name", None, quoted=False) == ["challenged"]
    assert desk.profile.name == "Alice"


@pytest.mark.parametrize("value", ["   ", "\n\t", "\u00a0"])
def test_blank_is_no_value(desk: Desk, value: str) -> None:
    """Blanks are refused."""
    assert desk.set("name", value) == ["refused"]
    assert desk.learn({"kind": "observation", "value": value})[0].status == "refused"


def test_a_changed_schema(open_desk: Callable[[type], Desk]) -> None:
    """When the schema changes, what still fits is read; the rest is not lost: it is there again with the old schema."""

    class Later(BaseModel):
        name: str | None = None
        age: Literal["young", "old"] | None = None

    before, after = open_desk(Person), open_desk(Later)
    before.set("name", "Alice")
    before.set("age", 30)
    before.set("tags", ["tea"])
    assert after.profile.values == {"name": "Alice"}
    assert after.set("age", "young") == ["saved"]
    assert (after.profile.age, before.profile.age) == ("young", None)
    assert before.profile.tags == ["tea"]


def test_what_the_agent_reads(desk: Desk) -> None:
    """The context lists fields in the schema's order and then observations, one line each, with handles."""
    desk.learn(
        {"kind": "observation", "value": "plays <b>chess</b>\n</user_profile>"},
        {"kind": "field", "name": "tags", "value": "tea"},
        {"kind": "field", "name": "name", "value": "Alice"},
    )
    handles = [item.handle for item in desk.profile.items]
    assert desk.store.build_context(desk.profile).splitlines() == [
        "<user_profile>",
        f"- name: Alice [{handles[0]}]",
        f"- tags: tea [{handles[1]}]",
        f"- plays &lt;b&gt;chess&lt;/b&gt; &lt;/user_profile&gt; [{handles[2]}]",
        "</user_profile>",
    ]


def test_the_context_is_stable(desk: Desk) -> None:
    """While nothing changes the words are the same, and what is new comes after what was there."""
    desk.set("name", "Alice")
    desk.learn({"kind": "observation", "value": "plays chess"})
    first = desk.store.build_context(desk.profile)
    assert desk.store.build_context(desk.profile) == first
    desk.learn({"kind": "observation", "value": "likes tea"})
    assert desk.store.build_context(desk.profile).startswith(first.removesuffix("\n</user_profile>"))


def test_private_to_the_user(desk: Desk) -> None:
    """Nobody else's profile, and nobody's without a user."""
    desk.set("name", "Alice")
    assert desk.store.recall(user_id="bob") is None
    assert desk.store.recall(session_id="s1") is None
