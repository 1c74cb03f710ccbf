"""The user profile: a row a value, for one user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from learning_machine.state.changes import Add, Change, Refused, Retire, Revise
from learning_machine.state.config import StoreConfig, UserProfileConfig
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.items import Item
from learning_machine.state.profile import FieldSpec, UserProfile, fields_of
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger_store import LedgerStore, plain_text
from learning_machine.stores.rendering import line
from learning_machine.stores.tools import BY_TOOLS, profile_tools
from learning_machine.stores.uncertainty import NO_LONGER_KNOWN

FIELD, OBSERVATION = "field", "observation"


class UserProfileStore(LedgerStore):
    """Typed fields in the schema of your choice, and free observations. Always private to the user."""

    learning_type: ClassVar[str] = "user_profile"
    tells_gone: ClassVar[bool] = True
    gathers: ClassVar[tuple[str, ...]] = (OBSERVATION,)
    config_type: ClassVar[type[StoreConfig]] = UserProfileConfig
    config: UserProfileConfig

    @property
    def fields(self) -> dict[str, FieldSpec]:
        return fields_of(self.config.schema_)

    def data(self, items: tuple[Item, ...], scope: Scope) -> UserProfile:
        order = {name: position for position, name in enumerate(self.fields)}
        ordered = sorted(
            items,
            key=lambda item: (order.get(item.name, len(order)) if item.kind == FIELD else len(order) + 1, item.id),
        )
        hidden = getattr(items, "hidden", 0)
        gone = [name for name in getattr(items, "gone", ()) if name in self.fields]
        return UserProfile.from_items(scope.user_id or "", tuple(ordered), self.config.schema_, hidden, tuple(gone))

    def lines(self, data: Any) -> list[str]:
        """What is known, then the fields that were known and no longer are."""
        gone = sorted(data.gone, key=list(self.fields).index)
        return [*super().lines(data), *(line(NO_LONGER_KNOWN, name=name) for name in gone)]

    def order(self, data: Any, count: int) -> Sequence[int]:
        known = len(self.known(data))
        return [*super().order(data, known), *range(known, count)]

    def get_tools(self, **context: Any) -> list[Any]:
        return profile_tools(self, context) if self.mode in BY_TOOLS else []

    def slots(self) -> dict[str, str]:
        lines = (
            f"- {spec.name}{' (list)' if spec.many else ''}: {spec.description}".rstrip(": ")
            for spec in self.fields.values()
        )
        return {"fields": "\n".join(lines)}

    # --- items to changes ---------------------------------------------------------------------------------------------

    def add(self, one: ExtractedChange, scope: Scope, data: Any) -> list[Change | Refused]:
        spec = self.fields.get(one.name or "")
        if spec is None or one.kind == OBSERVATION:
            return self.observe(one)
        if one.value in (None, "", []):
            return self.clear(spec.name, data, one.quote)
        values = one.value if spec.many and isinstance(one.value, list) else [one.value]
        return [self.set_field(spec, value, one.quote) for value in values]

    def set_field(self, spec: FieldSpec, value: Any, quote: str | None = None) -> Add | Refused:
        """One value for a field, in its type. A list's element stands beside the others."""
        try:
            typed = spec.read(value)
        except ValueError as error:
            return Refused(store=self.learning_type, reason=str(error))
        if not plain_text(typed):
            return Refused(store=self.learning_type, reason=f"{spec.name}: the value is empty")
        return Add(
            store=self.learning_type,
            kind=FIELD,
            name=spec.name,
            slot=None if spec.many else spec.name,
            value=typed,
            text=plain_text(typed),
            quote=quote,
        )

    def edited(self, change: Change, text: str | None, name: str | None) -> Change:
        spec = self.fields.get(change.name) if isinstance(change, Add) and change.kind == FIELD else None
        if spec is None or text is None or not isinstance(change, Add):
            return super().edited(change, text, None)
        typed = spec.read(text)
        return replace(change, text=plain_text(typed), value=typed)

    def clear(self, field: str, data: Any, quote: str | None = None) -> list[Change | Refused]:
        """What takes a field's values away."""
        return [
            Retire(store=self.learning_type, handle=item.handle, quote=quote)
            for item in self.known(data)
            if item.kind == FIELD and item.name == field
        ]

    def observe(self, one: ExtractedChange) -> list[Change | Refused]:
        text = plain_text(one.value)
        if not text:
            return [Refused(store=self.learning_type, reason="it has no value")]
        # A field the schema does not have is still something about the user.
        text = f"{one.name}: {text}" if one.name and one.kind != OBSERVATION else text
        return [Add(store=self.learning_type, kind=OBSERVATION, text=text, value=text, quote=one.quote)]

    def revise(self, one: ExtractedChange, item: Item) -> list[Change | Refused]:
        spec = self.fields.get(item.name) if item.kind == FIELD else None
        if spec is None or one.value in (None, "", []):
            return super().revise(one, item)
        values = one.value if spec.many and isinstance(one.value, list) else [one.value]
        first = self.set_field(spec, values[0], one.quote)
        if isinstance(first, Refused):
            return [first]
        revised = Revise(
            store=self.learning_type, handle=item.handle, text=first.text, value=first.value, quote=one.quote
        )
        return [revised, *(self.set_field(spec, value, one.quote) for value in values[1:])]
