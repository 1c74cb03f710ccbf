"""Profile schemas: which fields they have, what fits them, and how a profile is read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from learning_machine.errors import ConfigurationError
from learning_machine.state.config import UserProfileConfig
from learning_machine.state.items import Item
from learning_machine.state.profile import ProfileFields, UserProfile, fields_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int = 1


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    born: date


@dataclass
class Pet:
    name: str
    legs: int = 4


class Everything(BaseModel):
    """A field of each kind."""

    name: str | None = Field(None, description="full name")
    age: int = Field(0, ge=0, le=150)
    height: float | None = None
    member: bool = False
    born: date | None = None
    seen: datetime | None = None
    price: Decimal | None = None
    id: UUID | None = None
    mood: Literal["good", "bad"] | None = None
    colour: Colour | None = None
    home: Address | None = None
    pet: Pet | None = None
    strict: Strict | None = None
    place: tuple[float, float] | None = None
    anything: Any = None
    nick: Annotated[str, Field(max_length=5)] | None = None
    either: int | str | None = None
    old: Optional[int] = None  # noqa: UP045
    tags: list[str] = []
    numbers: list[int] | None = None
    percents: list[Annotated[int, Field(le=100)]] = []
    colours: set[Colour] = set()
    pairs: tuple[int, ...] = ()
    homes: list[Address] = []
    plain: list = []  # type: ignore[type-arg]
    by_name: dict[str, int] = {}


@dataclass
class Plain:
    age: int | None = field(default=None, metadata={"description": "in years"})
    born: Optional[date] = None  # noqa: UP045
    nick: Annotated[str, Field(max_length=5)] | None = None
    tags: list[str] = field(default_factory=list)


def read(name: str, value: Any, schema: type = Everything) -> Any:
    return fields_of(schema)[name].read(value)


def item(name: str, value: Any, number: int = 1, kind: str = "field") -> Item:
    return Item(
        id=number,
        handle=f"k{number}",
        store="user_profile",
        kind=kind,
        name=name,
        subject="",
        slot="",
        value=value,
        text=str(value),
        origin="user",
        known_from=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("name", "Alice", "Alice"),
        ("name", "30", "30"),
        ("name", "true", "true"),
        ("name", '"quoted"', '"quoted"'),
        ("age", 30, 30),
        ("age", " 30 ", 30),
        ("age", 30.0, 30),
        ("height", "1.75", 1.75),
        ("height", 2, 2.0),
        ("member", "yes", True),
        ("member", "false", False),
        ("member", 1, True),
        ("born", "2001-02-03", "2001-02-03"),
        ("seen", "2001-02-03T04:05:06Z", "2001-02-03T04:05:06Z"),
        ("price", "12.5", "12.5"),
        ("id", "12345678123456781234567812345678", "12345678-1234-5678-1234-567812345678"),
        ("mood", "good", "good"),
        ("colour", "blue", "blue"),
        ("home", {"street": "Main"}, {"street": "Main", "number": 1}),
        ("home", '{"street": "Main", "number": "7"}', {"street": "Main", "number": 7}),
        ("pet", {"name": "Rex"}, {"name": "Rex", "legs": 4}),
        ("strict", '{"born": "2001-02-03"}', {"born": "2001-02-03"}),
        ("place", [1, 2], [1.0, 2.0]),
        ("place", "[46.9, 7.4]", [46.9, 7.4]),
        ("anything", {"a": [1]}, {"a": [1]}),
        ("nick", "Al", "Al"),
        ("either", "5", 5),
        ("either", "five", "five"),
        ("old", "5", 5),
        ("tags", "tea", "tea"),
        ("numbers", "3", 3),
        ("percents", 100, 100),
        ("colours", "red", "red"),
        ("pairs", 3, 3),
        ("homes", {"street": "Main"}, {"street": "Main", "number": 1}),
        ("plain", [1, "a"], [1, "a"]),
        ("by_name", '{"a": 1}', {"a": 1}),
    ],
)
def test_what_fits(name: str, given: Any, stored: Any) -> None:
    """A value is stored in the field's own type, also where a model wrote it as text; and it comes back in that type."""
    spec = fields_of(Everything)[name]
    found = spec.read(given)
    assert found == stored and type(found) is type(stored)
    assert spec.adapter.dump_python(spec.restore(found), mode="json") == stored


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("name", 30),
        ("name", ["Alice"]),
        ("name", {"first": "Alice"}),
        ("age", "thirty"),
        ("age", -1),
        ("age", 151),
        ("age", 1.5),
        ("height", "tall"),
        ("member", "perhaps"),
        ("born", "yesterday"),
        ("born", "2001-02-30"),
        ("mood", "so so"),
        ("colour", "green"),
        ("home", {"number": 1}),
        ("home", "Main street 7"),
        ("place", [1]),
        ("place", [1, 2, 3]),
        ("nick", "Alexandra"),
        ("tags", 7),
        ("numbers", "many"),
        ("percents", 101),
        ("colours", "green"),
        ("by_name", {"a": "b"}),
    ],
)
def test_what_does_not_fit(name: str, given: Any) -> None:
    """A value of the wrong type, or beyond the field's limits, is refused in a sentence that names the field and not the value."""
    with pytest.raises(ValueError, match=rf"^{name}: ") as caught:
        read(name, given)
    assert "\n" not in str(caught.value)


def test_which_fields_are_lists() -> None:
    """Lists and sets hold many values, each by itself; a tuple of fixed length, a mapping and a bare list are one."""
    many = {name for name, spec in fields_of(Everything).items() if spec.many}
    assert many == {"tags", "numbers", "percents", "colours", "pairs", "homes"}


def test_dataclass() -> None:
    """A dataclass is as good as a pydantic model, with descriptions in the fields' metadata."""
    specs = fields_of(Plain)
    assert [(spec.name, spec.description, spec.many) for spec in specs.values()] == [
        ("age", "in years", False),
        ("born", "", False),
        ("nick", "", False),
        ("tags", "", True),
    ]
    assert read("born", "2001-02-03", Plain) == "2001-02-03"
    with pytest.raises(ValueError, match="nick"):
        read("nick", "Alexandra", Plain)


@pytest.mark.parametrize("schema", [dict, 7, "ProfileFields", None, list[str], ProfileFields()])
def test_no_schema(schema: Any) -> None:
    """Anything else is refused where the store is configured."""
    with pytest.raises((ConfigurationError, ValueError)):
        UserProfileConfig(schema=schema)


def test_own_fields_beside_ours() -> None:
    """The default profile can be extended."""

    class Mine(ProfileFields):
        shoe_size: int | None = None

    assert list(fields_of(Mine)) == [*ProfileFields.model_fields, "shoe_size"]


# --- reading back -----------------------------------------------------------------------------------------------------


def test_values_come_back_in_their_types() -> None:
    """Fields are attributes in the schema's types; what is not known is `None`, or an empty list."""
    stored = {
        "age": 30,
        "born": "2001-02-03",
        "colour": "red",
        "home": {"street": "Main", "number": 7},
        "strict": {"born": "2001-02-03"},
        "place": [1.0, 2.0],
        "pet": {"name": "Rex", "legs": 4},
        "price": "12.50",
    }
    many = [item("tags", "a", 91), item("tags", "b", 92), item("numbers", 3, 93)]
    profile = UserProfile.from_items(
        "alice", (*(item(name, value) for name, value in stored.items()), *many), Everything
    )
    assert profile.age == 30 and profile.born == date(2001, 2, 3) and profile.colour is Colour.RED
    assert profile.home == Address(street="Main", number=7) and profile.strict == Strict(born=date(2001, 2, 3))
    assert profile.place == (1.0, 2.0) and profile.pet == Pet("Rex", 4) and profile.price == Decimal("12.50")
    assert profile.tags == ["a", "b"] and profile.numbers == [3]
    assert profile.name is None and profile.homes == []
    assert "name" not in profile.values and profile.user_id == "alice"


def test_a_changed_schema() -> None:
    """What does not fit a changed schema any more hides itself, not the rest of the profile."""
    items = (
        item("age", "thirty", 1),
        item("gone", "x", 2),
        item("name", "Alice", 3),
        item("numbers", "x", 4),
        item("numbers", 5, 5),
    )
    profile = UserProfile.from_items("alice", items, Everything)
    assert (profile.name, profile.age, profile.numbers) == ("Alice", None, [5])
    assert profile.items == items


def test_a_field_nobody_declared() -> None:
    """Asking for a field that the schema does not have is an `AttributeError` that names both."""
    profile = UserProfile.from_items("alice", (), Everything)
    with pytest.raises(AttributeError, match=r"Everything.*'shoe_size'"):
        _ = profile.shoe_size
    assert not hasattr(profile, "_private")
    assert not profile and UserProfile.from_items("alice", (item("name", "A"),), Everything)


def test_observations() -> None:
    """What fits no field is told in words, in order."""
    items = (
        item("", "plays chess", 1, "observation"),
        item("name", "Alice", 2),
        item("", "likes tea", 3, "observation"),
    )
    profile = UserProfile.from_items("alice", items, Everything)
    assert profile.observations == ("plays chess", "likes tea") and profile.values == {"name": "Alice"}
