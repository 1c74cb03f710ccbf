"""What each mode promises, as data: the tests hold every store to it, and `docs/explanation/modes.md` is made from it.

Usage: mode_table.py, to write the page's table anew. A test says when it is stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "modes.md"
BEGIN, END = "<!-- table: made by tests/approvals/mode_table.py -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Cell:
    """What can be observed of one store in one mode, through one door."""

    #: Whether the run stops after the reply and asks the user.
    asks: bool
    #: Whether what was learned is recalled as soon as the run has ended.
    at_once: bool
    #: What makes it recallable.
    by: str
    #: Model calls that extraction made within the run.
    extractions: int
    #: Whether the user's own word is enough.
    user_decides: bool


PROMISES = {
    "background": Cell(asks=False, at_once=False, by="the worker", extractions=0, user_decides=False),
    "agentic": Cell(asks=False, at_once=True, by="the tool call", extractions=0, user_decides=False),
    "propose": Cell(asks=True, at_once=False, by="the user's approval", extractions=1, user_decides=True),
    "hitl": Cell(asks=False, at_once=False, by="a reviewer's approval", extractions=1, user_decides=False),
}
STORES = ("user_profile", "session_context", "learned_knowledge", "entity_memory", "notes (a store of your own)")
DOORS = ("invoke", "ainvoke")
_TIMES = {
    "the worker": "after the reply, when the worker has read the turn",
    "the tool call": "at once, when the agent calls the tool",
    "the user's approval": "after the user approves",
    "a reviewer's approval": "after a reviewer approves",
}


def table() -> str:
    """The table of the page: every store in every mode."""
    lines = ["| store | " + " | ".join(mode.upper() for mode in PROMISES) + " |", "|---" * (len(PROMISES) + 1) + "|"]
    lines += [f"| {store} | " + " | ".join(_TIMES[cell.by] for cell in PROMISES.values()) + " |" for store in STORES]
    lines += ["", "| | " + " | ".join(mode.upper() for mode in PROMISES) + " |", "|---" * (len(PROMISES) + 1) + "|"]
    told = {
        "the run asks the user": [_yes(cell.asks) for cell in PROMISES.values()],
        "extraction calls before the reply is settled": [str(cell.extractions) for cell in PROMISES.values()],
        "the user's word is enough": [_yes(cell.user_decides) for cell in PROMISES.values()],
    }
    return "\n".join([*lines, *(f"| {name} | {' | '.join(values)} |" for name, values in told.items())])


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def filled(page: str) -> str:
    """The page with the table as it should be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
