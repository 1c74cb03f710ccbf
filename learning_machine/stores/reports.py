"""Pure: rows as people and programs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from learning_machine.state.handles import PROPOSAL, handle_of


def what_became(
    turn: UUID,
    row: Mapping[str, Any] | None,
    learned: Sequence[Mapping[str, Any]],
    proposed: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A turn's status, with what was learned from it and proposed."""
    if row is None:
        return {"turn": str(turn), "status": "unknown", "changes": [], "proposals": []}
    status = "learned" if row["read_at"] else "parked" if row["parked"] else "failed" if row["failures"] else "waiting"
    changes = [
        {"handle": handle_of(one["id"]), **{name: one[name] for name in ("store", "kind", "name", "text", "status")}}
        for one in learned
    ]
    return {
        "turn": str(turn),
        "status": status,
        "recorded_at": row["recorded_at"],
        "read_at": row["read_at"],
        "error": row["error"],
        "abandoned": row["abandoned_at"] is not None,
        "changes": changes,
        "proposals": [
            {"handle": handle_of(one["id"], PROPOSAL), **{name: one[name] for name in ("store", "status", "text")}}
            for one in proposed
        ],
    }


def as_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of history as people and programs read it."""
    names = (
        "store",
        "kind",
        "name",
        "subject",
        "value",
        "text",
        "origin",
        "status",
        "known_from",
        "known_to",
        "true_from",
        "true_to",
    )
    shown = {"handle": handle_of(row["id"]), **{name: row[name] for name in names}, "quotes": row["quotes"] or []}
    shown["superseded_by"] = handle_of(row["superseded_by"]) if row["superseded_by"] else None
    shown["abandoned"] = row["abandoned_at"] is not None
    return shown


def as_standing(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a look back in the same form: it stood then, whatever has become of it."""
    fate = {"quotes": None, "known_to": None, "superseded_by": None, "abandoned_at": None}
    return {**as_shown({**row, **fate}), "certain": not row["stale"]}
