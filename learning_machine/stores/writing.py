"""One transaction of the gate: planned, locked, decided and written, change by change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from learning_machine.errors import ReadElsewhere
from learning_machine.state.changes import Add, Change, Origin, Receipt, Refused, Retire, Revise
from learning_machine.state.entities import EntityRef
from learning_machine.state.handles import id_of
from learning_machine.state.messages import clean_text, clean_value
from learning_machine.state.scope import USER
from learning_machine.stores.deciding import (
    content_key,
    lock_key,
)
from learning_machine.stores.keeping import Planned, Source
from learning_machine.stores.naming import ENTITY, Naming
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.proposing import GATED, Proposing
from learning_machine.stores.saving import Saving
from learning_machine.stores.spaces import own_space, space_for
from learning_machine.stores.tombstones import refuse_erased

__all__ = ["Planned", "Source", "Writing"]

#: Longest text of one learning, in characters. Beyond it a change is refused, with the reason.
MAX_TEXT = 20_000
#: Longest name, kind, subject or slot: what an index surely holds.
MAX_NAME = 500


def refs_of(change: Add) -> list[EntityRef]:
    """The things a change names."""
    return [ref for ref in (change.about, change.towards) if ref is not None]


def too_long(change: Change) -> str | None:
    """What of a change is longer than can be kept, in words."""
    if len(getattr(change, "text", "")) > MAX_TEXT:
        return f"longer than {MAX_TEXT:,} characters; write it shorter"
    names = [getattr(change, name, None) for name in ("kind", "name", "subject", "target", "slot")]
    names += [name for ref in (refs_of(change) if isinstance(change, Add) else ()) for name in (ref.name, *ref.aliases)]
    longest = max((len(name) for name in names if name), default=0)
    return f"a name in it is longer than {MAX_NAME} characters; use a shorter one" if longest > MAX_NAME else None


class Writing(Saving):
    """One transaction of the gate."""

    def run(self, changes: Sequence[Change | Refused]) -> list[Receipt]:
        if self.source.reads and not self._mark_read():
            return []
        self._stand()
        changes = [self._fitting(change) for change in changes]
        if self.source.origin is Origin.IMPORT:
            changes = refuse_erased(self.transaction, self.scope, changes)
        targets = self._targets(changes)
        self._lock_chains(changes, targets)
        waiting = self._wait(changes, targets)
        named = self._name([change for change in changes if id(change) not in waiting])
        planned = [self._plan(change, targets) for change in named]
        self._lock([plan for plan in planned if isinstance(plan, Planned)])
        written = iter([plan if isinstance(plan, Receipt) else self._write_one(plan) for plan in planned])
        return [waiting[id(change)] if id(change) in waiting else next(written) for change in changes]

    def _lock_chains(self, changes: Sequence[Change | Refused], targets: Mapping[int, Row]) -> None:
        """Before all other locks: every write ends in its space's chain, so who holds it waits for nobody else there."""
        found = {self._target_space(one, targets) for one in changes if not isinstance(one, Refused)}
        spaces = sorted(space for space in found if isinstance(space, int))
        if spaces:
            self.transaction.all("audit.lock", {"spaces": spaces})

    def _wait(self, changes: Sequence[Change | Refused], targets: Mapping[int, Row]) -> dict[int, Receipt]:
        """What has to wait for a person's decision, as proposals: their receipts, by change."""
        gated = [one for one in changes if not isinstance(one, Refused) and self.source.modes.get(one.store) in GATED]
        if not gated:
            return {}
        proposing = Proposing(self.transaction, self.scope, self.own, self.source.machine)
        spaces = {id(change): self._target_space(change, targets) for change in gated}
        proposing.lock([(space, change) for change in gated if isinstance(space := spaces[id(change)], int)])
        return {id(change): self._propose(proposing, change, spaces[id(change)]) for change in gated}

    def _target_space(self, change: Change, targets: Mapping[int, Row]) -> int | Receipt:
        if isinstance(change, Add):
            return self._space_of(change)
        row = targets.get(id_of(change.handle) or -1)
        if row is None or change.store not in ("", row["store"]):
            return self._refuse(change, f"there is nothing with the handle {clean_text(change.handle)[:20]}")
        return int(row["space"])

    def _propose(self, proposing: Proposing, change: Change, space: int | Receipt) -> Receipt:
        if isinstance(space, Receipt):
            return space
        if not isinstance(change, Retire) and len(change.text) > MAX_TEXT:
            return self._refuse(change, f"longer than {MAX_TEXT:,} characters; write it shorter")
        quote = self.witness.find(change.quote)
        mode = self.source.modes[change.store]
        return proposing.propose(change, space, mode, quote, self._origin(quote), self.source)

    def _mark_read(self) -> bool:
        """Write the watermark. False: the batch was written before, so nothing of it is written again."""
        params = {"space": self.own, "turns": list(self.source.reads), "batch": self.source.batch}
        fresh = self.transaction.run("ledger.read", params)
        if 0 < fresh < len(self.source.reads):
            raise ReadElsewhere()
        return fresh > 0

    def _stand(self) -> None:
        """Find out which branch the conversation is on, for the rows that depend on it."""
        row = self.transaction.one(
            "recall.branch",
            {
                "machine": self.source.machine,
                "session": self.scope.session_id,
                "here": list(self.source.here),
                "rooted": self.source.rooted,
            },
        )
        self.now = row["now"] if row is not None else None

    def _fitting(self, change: Change | Refused) -> Change | Refused:
        reason = None if isinstance(change, Refused) else too_long(change)
        return change if reason is None else Refused(store=change.store, reason=reason)

    # --- names to things ----------------------------------------------------------------------------------------------

    def _name(self, changes: Sequence[Change | Refused]) -> list[Change | Refused]:
        """The changes with the things they name found or made. Names are locked before slots, by everybody."""
        naming = [(change, self._naming(change)) for change in changes if isinstance(change, Add) and refs_of(change)]
        keys = {key for change, names in naming if names is not None for key in names.lock_keys(refs_of(change))}
        places = {id(change): names for change, names in naming}
        if keys:
            self.transaction.all("ledger.lock", {"keys": sorted(keys)})
        return [self._named(change, places.get(id(change))) for change in changes]

    def _naming(self, change: Add) -> Naming | None:
        space = self._space_of(change)
        if isinstance(space, Receipt):
            return None
        place = {"session": self.scope.session_id, "here": list(self.source.here)}
        return Naming(self.transaction, space, change.store, self._save_entity, place)

    def _named(self, change: Change | Refused, naming: Naming | None) -> Change | Refused:
        if naming is None or not isinstance(change, Add):
            return change
        found: dict[str, Any] = {}
        for field_name, ref in (("subject", change.about), ("target", change.towards)):
            subject = naming.subject(ref) if ref is not None else ""
            if isinstance(subject, Refused):
                return subject
            found |= {field_name: subject} if ref is not None else {}
        return replace(change, **found)

    def _save_entity(self, change: Add, space: int) -> None:
        plan = Planned(change, space, "", change.slot or "", change.kind, change.name, space != self.own)
        if self._write_one(plan).status == "saved":
            self.made.add(plan.slot)

    # --- planning -----------------------------------------------------------------------------------------------------

    def _targets(self, changes: Sequence[Change | Refused]) -> dict[int, Row]:
        ids = {id_of(change.handle) for change in changes if isinstance(change, Revise | Retire)} - {None}
        rows = self.transaction.all("ledger.targets", {"ids": list(ids)}) if ids else []
        return {row["id"]: row for row in rows}

    def _plan(self, change: Change | Refused, targets: Mapping[int, Row]) -> Planned | Receipt:
        if isinstance(change, Refused):
            return Receipt(status="refused", store=change.store, reason=change.reason)
        if isinstance(change, Add):
            return self._plan_add(change)
        row = targets.get(id_of(change.handle) or -1)
        if row is None or change.store not in ("", row["store"]):
            return self._refuse(change, f"there is nothing with the handle {clean_text(change.handle)[:20]}")
        change, shared = replace(change, store=row["store"]), row["space"] != self.own
        return Planned(
            change, row["space"], row["subject"], row["slot"], row["kind"], row["name"], shared, row["target"]
        )

    def _plan_add(self, change: Add) -> Planned | Receipt:
        number = self._space_of(change)
        if isinstance(number, Receipt):
            return number
        kind, name, subject = clean_text(change.kind), clean_text(change.name), clean_text(change.subject)
        key = content_key(kind, name, clean_text(change.target or change.text), clean_value(change.value))
        # What has no slot of its own gets one from its content, so that two who add the same take the same lock.
        slot = clean_text(change.slot or f"={key}")
        if change.kind == ENTITY and not change.slot:
            # A thing said to exist has been found or made by its name already.
            subject, slot = "", change.subject
        return Planned(change, number, subject, slot, kind, name, number != self.own, clean_text(change.target))

    def _space_of(self, change: Add) -> int | Receipt:
        """The id of the space a change goes to, or why it cannot."""
        space = space_for(self.scope, self.source.namespaces.get(change.store, USER))
        if space is None:
            return self._refuse(change, "this turn has no user and no session to keep it for")
        if space.kind == "group" and space.key not in self.scope.groups:
            return self._refuse(change, f"this scope is not in the group {space.key!r}; name it in the scope's groups")
        return self.own if space == own_space(self.scope) else self.transaction.space(space)

    def _lock(self, planned: Sequence[Planned]) -> None:
        keys = set()
        for plan in planned:
            keys.add(lock_key(plan.space, plan.change.store, plan.subject, plan.slot))
            if plan.change.store in self.source.merging:
                keys.add(lock_key(plan.space, plan.change.store, "", "all"))
        if keys:
            self.transaction.all("ledger.lock", {"keys": sorted(keys)})
