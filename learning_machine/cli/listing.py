"""How learnings, events and connections look in a terminal, one a line or a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import typer

from learning_machine.cli.output import console, local_time, print_json, print_note, safe_text, shorten

if TYPE_CHECKING:
    from pydantic import BaseModel

    from learning_machine.state.changes import Receipt
    from learning_machine.state.views import ConnectionView, EventView, LearningView

#: As much of a text as a line shows, in characters.
LONGEST = 400


def learning_line(one: LearningView) -> str:
    about = f"{shorten(one.about, 60)}: " if one.about else ""
    name = f"{shorten(one.name, 80)}: " if one.name else ""
    shared = f"  [{shorten(one.namespace, 40)}]" if one.namespace not in ("user", "session") else ""
    gone = "" if one.holds else f"  ({one.status if one.status != 'active' else 'no longer holds'})"
    return f"{one.handle}  {one.store}  {about}{name}{shorten(one.text, LONGEST)}{shared}{gone}"


def event_line(one: EventView) -> str:
    day = one.at.astimezone(UTC).strftime("%Y-%m-%d") if one.dated else f"~{local_time(one.at)}"
    return f"{one.handle}  {day}  {shorten(one.about or '?', 60)}: {shorten(one.text, LONGEST)}"


def connection_line(one: ConnectionView) -> str:
    ends = shorten(one.source_name, 60), shorten(one.target_name, 60)
    return f"{one.handle}  {ends[0]} — {shorten(one.relation, 60)} → {ends[1]}"


def print_page(page: Any, json: bool, line: Any) -> None:
    if json:
        print_json(page.model_dump(mode="json"))
        return
    print_lines(map(line, page.items), None)
    say_rest(page.items, page.next, "There is nothing.")


def say_rest(items: Sequence[Any], next: str | None, nothing: str) -> None:
    if not items:
        print_note(nothing)
    elif next is not None:
        print_note(f"There is more: --cursor {next}")


def print_lines(lines: Iterable[str], nothing: str | None) -> None:
    out, some = console(), False
    for text in lines:
        some = True
        out.print(text, soft_wrap=True)
    if not some and nothing is not None:
        print_note(nothing)


def print_one(one: BaseModel, json: bool, **more: Any) -> None:
    shown = {**one.model_dump(mode="json"), **more}
    if json:
        print_json(shown)
        return
    out = console()
    for name, value in shown.items():
        if value not in (None, "", [], {}, False):
            text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            out.print(f"{name}: {shorten(safe_text(text), 2_000)}", soft_wrap=True)


def print_receipts(receipts: Sequence[Receipt], json: bool) -> None:
    """What became of it, and exit code 1 where nothing was kept."""
    if json:
        print_json(
            [{name: getattr(one, name) for name in ("status", "handle", "replaced", "reason")} for one in receipts]
        )
    else:
        for one in receipts:
            console().print(safe_text(str(one)), soft_wrap=True)
    if any(one.status in ("refused", "failed") for one in receipts):
        raise typer.Exit(1)
