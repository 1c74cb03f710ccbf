"""Why a message recalls what it does: each item's score by its parts, and for the rest the first stage that left it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from learning_machine.nodes.build_context import context_text, handles
from learning_machine.nodes.parts import Parts
from learning_machine.state.handles import PROPOSAL, SAID, handle_of, id_of
from learning_machine.state.scope import Scope
from learning_machine.stores.ledger_store import branch_query
from learning_machine.stores.protocol import Standing
from learning_machine.stores.scoring import by_parts, with_neighbours
from learning_machine.stores.spaces import access_of

Row = dict[str, Any]
#: Learnings of a scope that are accounted for when none are named.
MOST = 1_000


@dataclass
class Looked:
    """What one recall read, store by store."""

    data: dict[str, Any] = field(default_factory=dict)
    #: Scores by their parts, and candidates, by handle.
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    candidates: set[str] = field(default_factory=set)
    #: Handles of what was recalled because the message names what it is about.
    named: set[str] = field(default_factory=set)


def why(
    parts: Parts, scope: Scope, standing: Standing, message: str, ids: Sequence[str] | None, limit: int = MOST
) -> dict[str, Any]:
    """The account of one recall: `recalled` and `left_out`."""
    parts.ready()
    looked, rows = look(parts, scope, standing, ids, limit)
    context = context_text(parts, looked.data)
    recalled = [entry for name, data in looked.data.items() for entry in told(parts, name, data, looked, context)]
    shown = {entry["handle"] for entry in recalled}
    wanted = {handle_of(row["id"]): row for row in rows}
    named = [name.strip("[] ").lower() for name in ids] if ids is not None else list(wanted)
    left = [left_out(parts, handle, wanted.get(handle), looked, standing) for handle in named if handle not in shown]
    return {
        "message": message,
        "searched": bool(standing.question),
        "weights": {name: getattr(standing.weights, name) for name in standing.weights.__dataclass_fields__},
        "recalled": recalled,
        "left_out": left,
    }


def look(
    parts: Parts, scope: Scope, standing: Standing, ids: Sequence[str] | None, limit: int
) -> tuple[Looked, list[Row]]:
    """One read of what recall reads, and of the rows that are to be accounted for."""
    asked = [(store, queries) for store in parts.registry.querying if (queries := store.queries(scope, standing))]
    numbers = None if ids is None else [number for one in ids if (number := id_of(one)) is not None]
    place = {"session": scope.session_id, "here": list(standing.here), "ids": numbers, "limit": limit}
    every = [branch_query(scope, standing), *(one for _, queries in asked for one in queries), ("truth.reasons", place)]
    rows = parts.database.read(access_of(scope), every)
    looked, at = Looked(), 1
    for store, queries in asked:
        own = rows[at : at + len(queries)]
        at += len(queries)
        note(looked, store.learning_type, queries, own, standing)
        data = store.read(own, scope, standing)
        if data is not None:
            looked.data[store.learning_type] = data
    return looked, rows[-1]


def note(looked: Looked, store: str, queries: Sequence[Any], rows: Sequence[list[Row]], standing: Standing) -> None:
    """Keep what the store's queries found, and how it is scored."""
    for (name, _), found in zip(queries, rows, strict=True):
        letter = SAID if name == "search.messages" else "k"
        if name.startswith("search."):
            score = with_neighbours if letter == SAID else by_parts
            scores = score(found, standing.weights)
            looked.scores |= {handle_of(id, letter): parts for id, parts in scores.items()}
            looked.candidates |= {handle_of(row["id"], letter) for row in found}
        elif name == "entities.named":
            looked.named |= {handle_of(row["id"]) for row in found}


def told(parts: Parts, store: str, data: Any, looked: Looked, context: str) -> list[dict[str, Any]]:
    """The items of one store, in the order in which they were recalled."""
    items = [
        item for item in (data if isinstance(data, tuple) else getattr(data, "items", ())) if hasattr(item, "handle")
    ]
    by_question = getattr(parts.registry[store], "by_question", False)
    entries = []
    for place, item in enumerate(items, start=1):
        scored = looked.scores.get(item.handle)
        reason = "named" if item.handle in looked.named else "found" if by_question and scored else "stands"
        entries.append(
            {
                "handle": item.handle,
                "store": store,
                "text": getattr(item, "text", None) or getattr(item, "content", ""),
                "place": place,
                "why": reason,
                "score": scored["score"] if scored and reason == "found" else None,
                "parts": scored if reason == "found" else None,
                # A passage of conversation carries no handle in the text.
                "in_context": f"[{item.handle}]" in context if item.handle[0] == "k" else True,
            }
        )
    return entries


def left_out(parts: Parts, handle: str, row: Row | None, looked: Looked, standing: Standing) -> dict[str, Any]:
    """The first stage that left a learning out, with the reason in words."""
    stage, reason = first_stage(parts, handle, row, looked, standing)
    about = {"store": row["store"], "text": row["text"]} if row is not None else {"store": "", "text": ""}
    return {"handle": handle, **about, "stage": stage, "reason": reason}


def first_stage(parts: Parts, handle: str, row: Row | None, looked: Looked, standing: Standing) -> tuple[str, str]:
    if handle.startswith(PROPOSAL):
        return "pending", "it waits for a decision"
    if row is None:
        return "scope", "this scope cannot see it, it was taken back, or it never was"
    held = fate(row)
    if held is not None:
        return held
    if not row["counts"]:
        return "branch", "it came up on a branch that was left behind"
    if row["store"] not in parts.registry:
        return "store", f"the machine has no store {row['store']!r}"
    if not getattr(parts.registry[row["store"]], "by_question", False):
        return "limit", "more stands in its store than is read at once, or it is about another subject"
    return not_found(parts, handle, row, looked, standing)


def fate(row: Row) -> tuple[str, str] | None:
    """What ended it, if anything did."""
    now = datetime.now(UTC)
    if row["status"] == "challenge":
        return "pending", "it challenges what stands, and waits for a decision"
    if row["status"] == "archived":
        return "archived", "curation put it out of sight"
    if row["status"] == "past":
        return "closed", "it held once and does not now: ask with as_of"
    if row["known_to"] is not None:
        by = f" by {handle_of(row['superseded_by'])}" if row["superseded_by"] else ""
        return "closed", f"it was replaced{by}"
    if row["true_to"] is not None and row["true_to"] <= now:
        return "closed", "it has ceased to hold"
    if row["expires_at"] is not None and row["expires_at"] <= now:
        return "closed", "it has expired"
    return None


def not_found(parts: Parts, handle: str, row: Row, looked: Looked, standing: Standing) -> tuple[str, str]:
    """Why search did not bring it."""
    if not standing.question:
        return "small talk", "the message asks for nothing, so nothing was searched"
    if handle not in looked.candidates:
        return "candidates", "it shares no telling word with the message, and others are nearer in meaning"
    if handle not in looked.scores:
        return "floor", "too few of the message's words and too little of its meaning"
    data = looked.data.get(row["store"])
    if data is not None and row["kind"] != "entity" and len(handles(data)) > 0:
        return "limit", "others fit better, and no more are recalled at once"
    return "limit", "the thing it is about was told of without it"
