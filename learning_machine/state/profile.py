"""What is known of one user: typed fields, and observations that fit no field."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from learning_machine.errors import ConfigurationError
from learning_machine.state.items import Item


class ProfileFields(BaseModel):
    """The default profile. Extend it with fields of your own, or use another pydantic model or dataclass.

    A field that is a list holds many values, each learned and forgotten by itself; any other field holds one.
    """

    name: str | None = Field(None, description="full name")
    preferred_name: str | None = Field(None, description="what the user wants to be called")
    pronouns: str | None = Field(None, description="pronouns, if said")
    role: str | None = Field(None, description="job or role")
    company: str | None = Field(None, description="where the user works")
    work: str | None = Field(None, description="what the user is working on")
    location: str | None = Field(None, description="where the user lives")
    language: str | None = Field(None, description="language the user wants answers in")
    timezone: str | None = Field(None, description="time zone, if said")
    communication_style: str | None = Field(None, description="how the user wants to be answered")
    preferences: list[str] = Field(default_factory=list, description="likes, dislikes and standing instructions")


@dataclass(frozen=True)
class FieldSpec:
    """One field of a profile schema. `many`: a list whose elements are rows of their own."""

    name: str
    description: str
    many: bool
    adapter: TypeAdapter[Any]
    is_text: bool

    def read(self, value: Any) -> Any:
        """The value in the field's own type. Raises `ValueError` saying what does not fit."""
        try:
            return self._read(value)
        except ValidationError as error:
            raise ValueError(f"{self.name}: {error.errors()[0]['msg']}") from None

    def restore(self, value: Any) -> Any:
        """A stored value in the field's own type. Raises `ValueError` when the schema has changed and it fits no more."""
        return self.adapter.validate_json(json.dumps(value))

    def _read(self, value: Any) -> Any:
        if not isinstance(value, str) or self.is_text:
            return self.adapter.dump_python(self.adapter.validate_python(value), mode="json")
        try:
            return self.adapter.dump_python(self.adapter.validate_json(value), mode="json")
        except ValidationError:
            return self.adapter.dump_python(self.adapter.validate_python(value), mode="json")


@cache
def fields_of(schema: type) -> dict[str, FieldSpec]:
    """The fields of a pydantic model or dataclass, by name."""
    return {name: _spec(name, annotation, description) for name, annotation, description in _declared(schema)}


def _declared(schema: type) -> list[tuple[str, Any, str]]:
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return [(name, _constrained(field), field.description or "") for name, field in schema.model_fields.items()]
    if dataclasses.is_dataclass(schema):
        hints = get_type_hints(schema, include_extras=True)
        return [
            (field.name, hints[field.name], str(field.metadata.get("description", "")))
            for field in dataclasses.fields(schema)
        ]
    raise ConfigurationError(f"{schema!r} is no profile schema. Use a pydantic model or a dataclass.")


def _constrained(field: FieldInfo) -> Any:
    """The field's type with its limits, which pydantic keeps apart."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _spec(name: str, annotation: Any, description: str) -> FieldSpec:
    plain = _without_none(annotation)
    many = _is_many(plain)
    inner = get_args(plain)[0] if many else annotation
    return FieldSpec(name, description, many, TypeAdapter(inner), _without_none(inner) is str)


def _is_many(annotation: Any) -> bool:
    """Lists and sets, but not a tuple of fixed length, which is one value."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    return origin in (list, set, frozenset) or (origin is tuple and arguments[-1] is Ellipsis)


def _without_none(annotation: Any) -> Any:
    """`T` of `T | None` and of `Annotated[T, …]`."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return _without_none(rest[0]) if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return annotation


@dataclass(frozen=True)
class UserProfile:
    """A user's profile as recalled. Fields of the schema are attributes; what is not known is `None` or `[]`.

    `values` holds the fields that are known, `observations` what fits no field, `items` both with their handles. A value
    that a changed schema has no place for is among the `items` alone.
    """

    user_id: str
    values: Mapping[str, Any]
    observations: tuple[str, ...]
    items: tuple[Item, ...]
    schema: type = ProfileFields
    #: How many more observations there are than were read.
    hidden: int = 0
    #: Fields whose value was taken back or has ended, and that nothing has been learned of since.
    gone: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        spec = None if name.startswith("_") else fields_of(self.schema).get(name)
        if spec is None:
            raise AttributeError(f"the profile schema {self.schema.__name__} has no field {name!r}")
        return self.values.get(name, [] if spec.many else None)

    def __bool__(self) -> bool:
        return bool(self.items)

    @classmethod
    def from_items(
        cls, user_id: str, items: tuple[Item, ...], schema: type, hidden: int = 0, gone: tuple[str, ...] = ()
    ) -> UserProfile:
        specs = fields_of(schema)
        values: dict[str, Any] = {}
        for item in items:
            spec = specs.get(item.name) if item.kind == "field" else None
            if spec is None:
                continue
            try:
                value = spec.restore(item.value)
            except ValidationError:
                continue
            if spec.many:
                values.setdefault(item.name, []).append(value)
            else:
                values[item.name] = value
        observations = tuple(item.text for item in items if item.kind == "observation")
        return cls(user_id, values, observations, items, schema, hidden, gone)
