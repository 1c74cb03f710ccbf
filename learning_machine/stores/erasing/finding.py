"""Finds what goes, and holds what others must not write to meanwhile."""

from __future__ import annotations

from learning_machine.stores.erasing.wanted import Gone, Wanted, naming, places, places_of
from learning_machine.stores.postgres.transactions import Row, Transaction


class Finding:
    """What one erasure is about, in its transaction."""

    def __init__(self, transaction: Transaction, wanted: Wanted) -> None:
        self.transaction, self.wanted = transaction, wanted

    def spaces(self) -> list[int]:
        """The person's own spaces."""
        where = {"user": self.wanted.scope.user_id, "session": self.wanted.scope.session_id}
        return [row["id"] for row in self.transaction.all("erase.spaces_of", where)]

    def hold(self, spaces: list[int]) -> None:
        """From here on nobody else writes there, nor to what is shared. In the order in which writers take these locks."""
        self.transaction.all("erase.hold_said", {"spaces": spaces})
        shared = [row["id"] for row in self.transaction.all("erase.lock_shared")]
        self.transaction.all("audit.lock", {"spaces": sorted({*spaces, *shared})})
        self.transaction.all("erase.hold_spaces", {"spaces": spaces})

    def find(self) -> Gone:
        """Everything that goes."""
        gone = Gone(self.spaces())
        self.hold(gone.spaces)
        self._name(gone)
        self._find_said(gone)
        found = self.transaction.all("erase.own_learnings", self.params(gone))
        found += self.transaction.all("erase.shared_learnings", self.params(gone))
        resting = self.transaction.all("erase.resting", places(places_of(found)))
        gone.learnings = sorted({*places_of(found), *places_of(resting)})
        learnings = places(gone.learnings)
        given = {"learning_spaces": learnings["spaces"], "ids": learnings["ids"]}
        gone.proposals = self.transaction.all("erase.proposals", {**self.params(gone), **given})
        return gone

    def _name(self, gone: Gone) -> None:
        """What the thing is called and which batches brought the file, where one is meant."""
        if (name := self.wanted.entity) is not None:
            rows = self.transaction.all("erase.things", {**self.params(gone), "name": name})
            gone.things = [row["slot"] for row in rows]
            gone.pattern = naming([name, *(other for row in rows for other in row["names"])])
        if self.wanted.source is not None:
            rows = self.transaction.all("erase.batches", {"spaces": gone.spaces, "source": self.wanted.source})
            gone.batches = [row["batch"] for row in rows]

    def _find_said(self, gone: Gone) -> None:
        if gone.pattern is None:
            gone.turns = self.transaction.all("erase.turns", self.params(gone))
        else:
            gone.mentions = self.transaction.all("erase.mentions", self.params(gone))

    def params(self, gone: Gone) -> Row:
        """The parameters that most queries have."""
        wanted = self.wanted
        return {
            "spaces": gone.spaces,
            "actors": [f"space {space}" for space in gone.spaces],
            "user": wanted.scope.user_id,
            "turns": gone.turn_ids,
            "mentions": [row["id"] for row in gone.mentions],
            "session": wanted.session,
            "since": wanted.since,
            "until": wanted.until,
            "things": gone.things,
            "pattern": gone.pattern,
            "batches": gone.batches,
            "whole": not wanted.part,
            "others_only": wanted.others_only,
        }
