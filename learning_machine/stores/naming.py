"""From names to things, inside the gate: a name is looked up under its lock, and made when nobody has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from learning_machine.state.changes import Add, Refused
from learning_machine.state.entities import EntityRef
from learning_machine.state.messages import clean_text
from learning_machine.stores.deciding import lock_key
from learning_machine.stores.postgres.transactions import Row, Transaction
from learning_machine.stores.resolving import Known, Resolution, folded, lookup_keys, name_key, resolve

ENTITY = "entity"

#: Writes a new version of an entity's row: what it is called, and what it is.
Save = Callable[[Add, int], Any]


class Naming:
    """The names of one store in one space, for one transaction."""

    def __init__(self, transaction: Transaction, space: int, store: str, save: Save, place: Row) -> None:
        self.transaction, self.space, self.store, self.save, self.place = transaction, space, store, save, place

    def lock_keys(self, refs: Sequence[EntityRef]) -> list[int]:
        """The locks of the names: who makes a thing by a name, in whatever spelling, holds it."""
        names = [name for ref in refs for name in (ref.name, *ref.aliases)]
        return [lock_key(self.space, self.store, "name", folded(name_key(name))) for name in names]

    def subject(self, ref: EntityRef) -> str | Refused:
        """The id of the thing meant, made if need be; refused with the options when the name could mean several."""
        if not name_key(ref.name):
            return Refused(store=self.store, reason=f"{ref.name!r} names nothing")
        rows = {row["slot"]: row for row in self._rows(ref)}
        found = resolve(ref, [known(row) for row in rows.values()])
        if found.ambiguous:
            return Refused(store=self.store, reason=which(ref, found))
        if (alias := self._taken(ref, found.known.id if found.known else "")) is not None:
            return Refused(store=self.store, reason=f"{alias!r} is the name of something else already")
        if found.known is None:
            return self._make(ref)
        row = rows[found.known.id]
        # What was learned of it on a branch left behind does not count here: it is learned anew, under the same id.
        if found.gains_type or not row["counts"] or self._has_news(ref, row):
            self._renew(ref, row)
        return found.known.id

    def find(self, ref: EntityRef) -> str | None:
        """The id of the thing meant, if it is known and no other could be meant; nothing is made."""
        found = resolve(ref, [known(row) for row in self._rows(ref)]) if name_key(ref.name) else None
        return found.known.id if found is not None and found.known is not None else None

    def _taken(self, ref: EntityRef, subject: str) -> str | None:
        """An alias that already names something else with which the thing would be confused from then on."""
        for alias in ref.aliases:
            others = [row for row in self._rows(EntityRef(alias)) if row["exact"] and row["slot"] != subject]
            if any(not ref.type or row["value"].get("type", "") in ("", ref.type) for row in others):
                return alias
        return None

    def _rows(self, ref: EntityRef) -> list[Row]:
        params = {"space": self.space, "store": self.store, "keys": lookup_keys(ref.name), "exact": name_key(ref.name)}
        return self.transaction.all("entities.by_name", {**params, **self.place})

    def _make(self, ref: EntityRef) -> str:
        slot = f"{ENTITY}-{uuid4().hex[:16]}"
        self._save(slot, ref.name, ref.type, ref.aliases)
        return slot

    def _has_news(self, ref: EntityRef, row: Row) -> bool:
        known_keys = {name_key(name) for name in (row["name"], *row["value"].get("aliases", ()))}
        return any(name_key(alias) not in known_keys for alias in ref.aliases)

    def _renew(self, ref: EntityRef, row: Row) -> None:
        aliases = dict.fromkeys([*row["value"].get("aliases", ()), *ref.aliases])
        self._save(row["slot"], row["name"], ref.type or row["value"].get("type", ""), tuple(aliases))

    def _save(self, slot: str, name: str, type: str, aliases: Sequence[str]) -> None:
        value = {"type": type, "aliases": [clean_text(alias) for alias in aliases]}
        self.save(
            Add(store=self.store, kind=ENTITY, name=clean_text(name), text=clean_text(name), slot=slot, value=value),
            self.space,
        )


def known(row: Row) -> Known:
    return Known(row["slot"], row["name"], row["value"].get("type", ""), row["exact"])


def which(ref: EntityRef, found: Resolution) -> str:
    """The question that an ambiguous name is answered with."""
    options = ", ".join(f"{one.name} ({one.type})" if one.type else one.name for one in found.ambiguous)
    return f"{ref.name!r} could be {options}: say which, with its type in parentheses"
