"""What learning has spent, in the database, so that all processes of a machine count together."""

from __future__ import annotations

from typing import Any

from learning_machine.errors import BudgetExceeded
from learning_machine.state.limits import HourlyLimits
from learning_machine.stores.postgres.database import Database
from learning_machine.stores.postgres.transactions import Access, Row


class Spending:
    """The model calls of one machine, and whether another one may be made this hour."""

    def __init__(self, database: Database, machine: str, limits: HourlyLimits) -> None:
        self.database, self.machine, self.limits = database, machine, limits

    def check(self) -> None:
        """Raise `BudgetExceeded` when this hour's calls or tokens are used up; it says when the next one may be made."""
        if not self.limits:
            return
        spent = self.last_hour()
        if self.limits.is_spent(spent["calls"], spent["tokens"]):
            raise BudgetExceeded(retry_in=float(spent["frees_in"] or 60.0))

    def last_hour(self) -> Row:
        """Calls and tokens of the last hour, and in how many seconds the oldest of them no longer counts."""
        with self.database.transaction(Access()) as transaction:
            return transaction.one("spending.last_hour", {"machine": self.machine}) or {
                "calls": 0,
                "tokens": 0,
                "frees_in": None,
            }

    def note(self, usage: Any) -> None:
        """One call more. Only counted where there is a limit to count for."""
        if self.limits:
            tokens = (usage or {}).get("total_tokens") or 0
            with self.database.transaction(Access()) as transaction:
                transaction.run("spending.note", {"machine": self.machine, "tokens": tokens})
