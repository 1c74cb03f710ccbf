"""What happens in a turn, in words for the person at the terminal; and the question what to keep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from learning_machine.cli import learnings
from learning_machine.cli.output import print_note, safe_text, shorten


def ask(asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the person at the terminal decides on each proposal; nothing when they put it off, as an answer has to be whole."""
    decisions: list[dict[str, Any]] = []
    print_note("The agent would like to keep this. [y]es, [n]o, anything else decides later.")
    for one in asked:
        args = one.get("args") or {}
        text = ": ".join(part for part in (args.get("title"), args.get("content") or "(no longer holds)") if part)
        try:
            answer = input(f"  {shorten(text, 200)} [{shorten(str(args.get('namespace', '')), 40)}]? ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)
            answer = ""
        if answer[:1] not in ("y", "n"):
            print_note("Later, then: learning-machine review.")
            return []
        decisions.append({"type": "approve" if answer[0] == "y" else "reject", "message": ""})
    return decisions


def recalled(handles: Mapping[str, Sequence[str]]) -> str:
    """How much was recalled of what: `recalled: 3 about you, session summary`."""
    words = {"user_profile": "{} about you", "session_context": "session summary", "conversation": "{} said earlier"}
    found = {store: len(one) for store, one in handles.items() if one}
    parts = [words.get(store, f"{{}} from {safe_text(store)}").format(count) for store, count in found.items()]
    return f"recalled: {', '.join(parts) or 'nothing yet'}"


def used(tool: tuple[str, str]) -> str:
    """What a tool of the agent answered it."""
    return f"{safe_text(tool[0])}: {shorten(tool[1], 200)}"


def settled(decided: Sequence[Mapping[str, Any]]) -> str:
    """What came of decisions, one line each."""
    return "\n".join(
        f"{safe_text(one['proposal'])}: {safe_text(one.get('reason') or one['status'])}" for one in decided
    )


#: What is said about each thing that happens in a turn.
TOLD: dict[str, Callable[[Any], str]] = {"recalled": recalled, "tool": used, "decided": settled}


def learned(change: Mapping[str, Any]) -> str:
    """One thing that was learned: `name = Alice (k1)`."""
    notes = {"pending": ", waits for a decision", "challenge": ", waits: what is known is better supported"}
    text = "session summary" if change["kind"] == "summary" else shorten(learnings.what(change), 80)
    return f"{text} ({change['handle']}{notes.get(change['status'], '')})"
