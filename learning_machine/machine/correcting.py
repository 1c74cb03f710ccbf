"""Putting right what was learned, and adding to it: what people write themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from learning_machine.errors import InvalidInput, NotAllowed, StaleEdit
from learning_machine.machine.browsing import Browsing
from learning_machine.state.changes import Change, Origin, Receipt, Refused, Retire
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.items import Item
from learning_machine.state.messages import clean_text, clean_value
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import USER, Scope
from learning_machine.stores.entity_rows import RELATIONSHIP
from learning_machine.stores.ledger_store import LedgerStore
from learning_machine.stores.postgres.transactions import Row, Transaction
from learning_machine.stores.reviewers import accepts
from learning_machine.stores.spaces import access_of, modes_of
from learning_machine.stores.viewing import is_entity, learning_of
from learning_machine.stores.writing import Source


class Correcting(Browsing):
    """What people write themselves, each in their own name."""

    # It is a person who writes here, so what they write is their word: a user's, or where they review a namespace, a
    # reviewer's. A store in HITL mode still asks a reviewer.

    def add(
        self,
        store: str,
        text: str,
        *,
        value: Any = None,
        kind: str | None = None,
        name: str | None = None,
        subject: str | None = None,
        target: str | None = None,
        when: str | None = None,
        reviewer: str | None = None,
        **scope: Any,
    ) -> Receipt:
        """Learn what a person writes. `subject`: the thing it is about; `namespace` in the scope: who else may see it.

        `reviewer` names who decides as a reviewer, where the machine accepts them for that namespace.
        """
        where, found = Scope(**scope), self._writable(store)
        if getattr(where, found.needs) is None:
            raise InvalidInput(f"{store} is kept by {found.needs}, and there is none here. Name one.")
        one = ExtractedChange(
            store=store,
            kind=_cleaned(kind),
            name=_cleaned(name),
            value=clean_value(value) if value is not None else clean_text(text),
            subject=_cleaned(subject),
            target=_cleaned(target),
            when=_cleaned(when),
        )
        namespace = USER if found.private else where.namespace or found.namespace
        return self._written(found, found.changes([one], where, None), where, namespace, reviewer)

    def edit(
        self,
        handle: str,
        text: str,
        *,
        value: Any = None,
        name: str | None = None,
        expected: str | None = None,
        reviewer: str | None = None,
        **scope: Any,
    ) -> Receipt:
        """Other content in the place of a learning, which stays in history. The new one has a handle of its own.

        `expected`: the `version` of what was read; when it has changed since, `StaleEdit` is raised and nothing written.
        """
        where = Scope(**scope)
        row = self._reader.row(where, handle)
        store = self._writable(row["store"])
        if is_entity(row) or row["kind"] == RELATIONSHIP:
            raise InvalidInput("A thing or a connection has no text of its own. Forget it, and add what is right.")
        item = Item.from_row({**row, "about": row["about"] or ""})
        one = ExtractedChange(
            action="revise",
            store=row["store"],
            kind=row["kind"],
            handle=item.handle,
            name=_cleaned(name) or row["name"] or None,
            value=clean_value(value) if value is not None else clean_text(text),
            subject=item.about or None,
        )
        changes = store.changes([one], where, SimpleNamespace(items=(item,)))
        return self._written(store, changes, where, row["namespace"], reviewer, row, expected)

    def forget(
        self, handle: str, *, expected: str | None = None, reviewer: str | None = None, **scope: Any
    ) -> list[Receipt]:
        """A learning no longer holds; with a thing goes all that is known of it. It stays in history, and can be undone."""
        where = Scope(**scope)
        row = self._reader.row(where, handle)
        rows = [row]
        if is_entity(row):
            with self.parts.database.transaction(access_of(where)) as transaction:
                rows = [*self._reader.about(transaction, row), row]
        changes: list[Change | Refused] = [Retire(store=one["store"], handle=learning_of(one).handle) for one in rows]
        store = self._store_of(row["store"])
        return self._write(store, changes, where, row["namespace"], reviewer, row, expected)

    def _written(self, *what: Any) -> Receipt:
        """The receipt that matters to who wrote: the first that did not simply go well, else the first."""
        receipts = self._write(*what)
        return next((one for one in receipts if one.status not in ("saved", "known")), receipts[0])

    def _write(
        self,
        store: LedgerStore | None,
        changes: Sequence[Change | Refused],
        scope: Scope,
        namespace: str,
        reviewer: str | None = None,
        row: Row | None = None,
        expected: str | None = None,
    ) -> list[Receipt]:
        if not changes:
            raise InvalidInput("There is nothing to write in it. Give it a text.")
        if namespace not in (USER, "session", *scope.groups, getattr(store, "namespace", USER)) and not accepts(
            self._reviewers, reviewer, namespace
        ):
            raise NotAllowed(f"Only a reviewer may write to {namespace!r} here. Ask one, or propose it.")
        source = self._source_of(store, changes, scope, namespace, reviewer)

        def guard(transaction: Transaction) -> None:
            if row is None or expected is None:
                return
            # Who holds the chain of the space is the only one who writes there.
            transaction.all("audit.lock", {"spaces": [row["space"]]})
            now = self._reader.row(scope, learning_of(row).handle, transaction)
            if learning_of(now).version != expected:
                raise StaleEdit()

        return self.parts.ledger.write_all(changes, scope=scope, source=source, guard=guard)

    def _source_of(
        self,
        store: LedgerStore | None,
        changes: Sequence[Change | Refused],
        scope: Scope,
        namespace: str,
        reviewer: str | None,
    ) -> Source:
        shared = namespace not in (USER, "session")
        reviewed = shared and accepts(self._reviewers, reviewer, namespace)
        modes = modes_of([store], scope) if store is not None else {}
        hitl = {name: mode for name, mode in modes.items() if mode is LearningMode.HITL and not reviewed}
        texts = [getattr(change, "index", "") for change in changes]
        return Source(
            origin=Origin.REVIEWER if reviewed else Origin.USER,
            actor=reviewer if reviewed else None,
            machine=self.name,
            modes=hitl,
            namespaces={} if store is None else {store.learning_type: namespace if shared else USER},
            merging=[store.learning_type] if store is not None and store.merges else (),
            vectors=store.vectors(texts) if store is not None else Source().vectors,
            decided=reviewed,
        )

    def _store_of(self, store: str) -> Any:
        """The store of this name; `None` for what another machine learned in the same database."""
        return next((one for one in self.stores if one.learning_type == store), None)

    def _writable(self, store: str) -> LedgerStore:
        found = self._store_of(store)
        if not isinstance(found, LedgerStore):
            kept = ", ".join(one.learning_type for one in self.stores if isinstance(one, LedgerStore))
            raise InvalidInput(f"{clean_text(store)[:80]!r} cannot be written to here. Stores are {kept}.")
        self._make_ready()
        return found

    # --- for async callers --------------------------------------------------------------------------------------------

    async def aadd(self, store: str, text: str, **options: Any) -> Receipt:
        return await asyncio.to_thread(self.add, store, text, **options)

    async def aedit(self, handle: str, text: str, **options: Any) -> Receipt:
        return await asyncio.to_thread(self.edit, handle, text, **options)

    async def aforget(self, handle: str, **options: Any) -> list[Receipt]:
        return await asyncio.to_thread(self.forget, handle, **options)


def _cleaned(text: str | None) -> str | None:
    return clean_text(text) if text else None
