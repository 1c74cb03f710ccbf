"""From names to things, inside the gate: a name is looked up under its lock, and made when nobody has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from learning_machine.state.changes import Add
from learning_machine.state.entities import EntityRef
from learning_machine.state.messages import clean_text
from learning_machine.stores.deciding import lock_key
from learning_machine.stores.postgres.database import Row, Transaction
from learning_machine.stores.resolving import Known, Resolution, lookup_keys, name_key, resolve

ENTITY = "entity"

#: Writes a new version of an entity's row: what it is called, and what it is.
Save = Callable[[Add, int], Any]


class Naming:
    """The names of one store in one space, for one transaction."""

    def __init__(self, transaction: Transaction, space: int, store: str, save: Save) -> None:
        self.transaction, self.space, self.store, self.save = transaction, space, store, save

    def lock_keys(self, refs: Sequence[EntityRef]) -> list[int]:
        """The locks of the names: who makes a thing by a name holds it."""
        return [lock_key(self.space, self.store, "name", name_key(ref.name)) for ref in refs]

    def subject(self, ref: EntityRef) -> str | Resolution:
        """The id of the thing meant, made if need be; a `Resolution` when the name could mean several."""
        rows = {row["slot"]: row for row in self._rows(ref)}
        found = resolve(ref, [known(row) for row in rows.values()])
        if found.ambiguous:
            return found
        if found.known is None:
            return self._make(ref)
        if found.gains_type or self._has_news(ref, rows[found.known.id]):
            self._renew(ref, rows[found.known.id])
        return found.known.id

    def _rows(self, ref: EntityRef) -> list[Row]:
        params = {"space": self.space, "store": self.store, "keys": lookup_keys(ref.name), "exact": name_key(ref.name)}
        return self.transaction.all("entities.by_name", params)

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
