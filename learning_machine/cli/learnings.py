"""What was learned, as rows of `machine.history`: which of them hold, and how they look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from learning_machine.cli.output import local_time, print_table, safe_text, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from learning_machine.machine import LearningMachine

Row = Mapping[str, Any]

#: Rows read of one store at most, newest first.
MOST = 10_000
_LONGEST, _LONGEST_QUOTE = 400, 160
#: Kinds whose text says all.
_PLAIN = ("observation", "item")


def history(machine: LearningMachine, user: str, *, store: str | None = None) -> list[dict[str, Any]]:
    """Everything about a user, store by store, oldest first; what was replaced too."""
    stores = [store] if store is not None else machine.stores.types
    return [
        row for name in stores for row in reversed(machine.history(store=name, closed=True, limit=MOST, user_id=user))
    ]


def belongs(row: Row, session: str | None) -> bool:
    """Whether a row is about the user, or about this conversation; without a session, any."""
    return session is None or row["store"] != "session_context" or row["subject"] == session


# --- which hold -------------------------------------------------------------------------------------------------------


def known(rows: Sequence[Row]) -> list[Row]:
    """The rows that hold where each conversation stands now: what an agent recalls."""
    by_handle = {row["handle"]: row for row in rows}
    return [row for row in rows if row["status"] == "active" and not row["abandoned"] and not _closer(row, by_handle)]


def no_longer(rows: Sequence[Row]) -> list[Row]:
    """The rows with content that do not hold: replaced, forgotten, left behind, or waiting for somebody."""
    holding = {row["handle"] for row in known(rows)}
    return [row for row in rows if row["handle"] not in holding and row["status"] != "retired"]


def _closer(row: Row, by_handle: Mapping[str, Row]) -> Row | None:
    """What took the row's place. A branch that was left behind takes nothing's place."""
    taker = by_handle.get(row["superseded_by"])
    while taker is not None and taker["abandoned"]:
        taker = by_handle.get(taker["superseded_by"])
    return taker


def fate(row: Row, by_handle: Mapping[str, Row]) -> str:
    """Why a row does not hold."""
    taker = _closer(row, by_handle)
    if row["status"] in ("pending", "challenge"):
        return "waits for a decision" if row["status"] == "pending" else "waits: what is known is better supported"
    if taker is not None:
        how = "forgotten" if taker["status"] == "retired" else f"then {taker['handle']}"
        return f"until {local_time(taker['known_from'])}, {how}"
    return "left behind with an answer that was replaced" if row["abandoned"] else row["status"]


# --- how they look ----------------------------------------------------------------------------------------------------


def what(row: Row) -> str:
    """The learning in a few words: `name = Alice`, `summary: we plan a trip`, `step (open): book flights`, or its text."""
    text = shorten(str(row["text"]), _LONGEST)
    if row["kind"] == "field":
        return f"{shorten(row['name'], 80)} = {text}"
    if row["kind"] == "step":
        return f"step ({shorten(str((row.get('value') or {}).get('status', 'open')), 20)}): {text}"
    return text if row["kind"] in _PLAIN else f"{shorten(row['name'] or row['kind'], 80)}: {text}"


def evidence(row: Row) -> str:
    """The words it stands on; without any, where it comes from."""
    quotes = row["quotes"]
    if not quotes:
        return f"({'noted by the model' if row['origin'] == 'inference' else row['origin']})"
    more = f" (+{len(quotes) - 1})" if len(quotes) > 1 else ""
    return f"“{shorten(quotes[0], _LONGEST_QUOTE)}”{more}"


def print_known(out: Console, rows: Sequence[Row], *, with_history: bool = False) -> None:
    """What holds, store by store; with `with_history` below it, struck out, what does not."""
    by_handle = {row["handle"]: row for row in rows}
    shown = {row["handle"]: None for row in known(rows)}
    shown |= {row["handle"]: fate(row, by_handle) for row in (no_longer(rows) if with_history else ())}
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["handle"] in shown:
            groups.setdefault(_group(row), []).append(row)
    for position, (heading, group) in enumerate(groups.items()):
        out.print("\n" if position else "", heading, sep="", style="bold")
        print_table(out, _table(sorted(group, key=lambda row: shown[row["handle"]] is not None), shown))


def _group(row: Row) -> str:
    """The store, and of what belongs to one conversation its session."""
    session = row["store"] == "session_context"
    return f"{safe_text(row['store'])}, session {shorten(row['subject'], 80)}" if session else safe_text(row["store"])


def _table(rows: Iterable[Row], fates: Mapping[str, str | None]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for _ in range(3):
        table.add_column(overflow="fold")
    for row in rows:
        why = fates[row["handle"]]
        style = "" if why is None else "dim strike"
        since = why or _since(row)
        table.add_row(
            _cell(row["handle"], "dim"), _cell(what(row), style), _cell(evidence(row), "dim"), _cell(since, "dim")
        )
    return table


def _cell(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _since(row: Row) -> str:
    """Since when something holds, where that is another day than the one on which it was learned; and that."""
    began, learned = row.get("true_from"), row["known_from"]
    if began is None or began.date() == learned.date():
        return f"since {local_time(learned)}"
    return f"since {began:%Y-%m-%d}, learned {local_time(learned)}"
