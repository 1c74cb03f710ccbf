"""Why something is known: where it comes from, who decided, what it replaced, and what rests on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from learning_machine.errors import LearningNotFound
from learning_machine.state.handles import PROPOSAL, handle_of, id_of
from learning_machine.stores.postgres.transactions import Row, Transaction

_DOING = ("action", "actor", "origin", "at")


def number_of(id: str | int) -> int:
    """The id behind a handle, or an id as it is. Raises `LearningNotFound` for what is neither."""
    number = id if isinstance(id, int) else id_of(id) if not id.isdigit() else int(id)
    if number is None:
        raise LearningNotFound(f"{id!r} is no handle of a learning. A handle looks like k3f; `history` lists them.")
    return number


#: Somebody who may know who took each step: the application itself.
ANYBODY = object()


def explain(transaction: Transaction, id: str | int, asker: object = ANYBODY) -> dict[str, Any]:
    """All that is known of why one learning is known, for who may see it. Quotes are the asker's own, or were released;
    of what others did in a shared namespace the asker learns that it was done."""
    number = number_of(id)
    row = transaction.one("recall.one", {"id": number})
    if row is None:
        raise LearningNotFound(f"There is no learning {id!r} here. List what there is with machine.history(...).")
    place = {"space": row["space"], "id": row["id"]}
    doings = transaction.all("truth.doings", place)
    verdicts = transaction.all("truth.verdicts", place)
    lineage = transaction.all("truth.lineage", place)
    slot = {name: row[name] for name in ("space", "store", "subject", "slot")}
    return {
        **what(row),
        "sources": {"origin": row["origin"], "trust": row["trust"], "quotes": row["quotes"] or [], "turn": row["turn"]},
        "mode": verdicts[0]["mode"] if verdicts else mode(row),
        "verdicts": [seen(verdict(one), one, "decided_by", row, asker) for one in verdicts],
        "replaced": named(row["supersedes"]),
        "replaced_by": named(row["superseded_by"]),
        "derived_from": [lineage_of(one) for one in lineage if one["way"] == "up"],
        "derived": [lineage_of(one) for one in lineage if one["way"] == "down"],
        "slot": [in_slot(one) for one in transaction.all("truth.slot_history", slot)],
        "changes": [
            seen({name: one[name] for name in _DOING} | {"batch": str(one["batch"])}, one, "actor", row, asker)
            for one in doings
        ],
    }


def seen(step: dict[str, Any], row: Row, name: str, learning: Row, asker: object) -> dict[str, Any]:
    """A step as the asker may see it: who else took it in a shared namespace is not told, nor what went with it."""
    if asker is ANYBODY:
        return step
    if row["mine"]:
        return step | {name: asker or step[name]}
    if learning["space_kind"] in ("user", "session") or (asker is not None and step[name] == asker):
        return step
    return {key: value for key, value in step.items() if key not in (name, "batch", "proposal")}


def mode(row: Row) -> str:
    """How it came to be known without anybody deciding: read from a turn, saved by the agent's tool, or written directly."""
    if row["turn"]:
        return "background"
    return "agentic" if row["in_a_talk"] else "direct"


def what(row: Row) -> dict[str, Any]:
    """What a learning says, and when it holds."""
    names = ("store", "kind", "name", "text", "value", "status", "true_from", "true_to", "known_from", "known_to")
    return {
        "handle": handle_of(row["id"]),
        **{name: row[name] for name in names},
        "certain": row["stale_at"] is None,
        "batch": str(row["batch"]),
    }


def verdict(row: Row) -> dict[str, Any]:
    said = {name: row[name] for name in ("status", "decided_by", "decided_at")}
    return {"proposal": handle_of(row["id"], PROPOSAL), **said}


def in_slot(row: Row) -> dict[str, Any]:
    names = ("text", "status", "origin", "known_from", "known_to", "true_from", "true_to")
    return {"handle": handle_of(row["id"]), **{name: row[name] for name in names}}


def lineage_of(row: Row) -> dict[str, Any]:
    """One step up or down. What lies where the asker cannot see is there, and says nothing."""
    if row["id"] is None:
        return {"handle": None, "text": "", "holds": row["fallen_at"] is None}
    holds = row["fallen_at"] is None and row["stale_at"] is None
    return {"handle": handle_of(row["id"]), "store": row["store"], "text": row["text"], "holds": holds}


def named(id: int | None) -> str | None:
    return handle_of(id) if id is not None else None


def lines(explained: dict[str, Any]) -> Sequence[str]:
    """The same in sentences, for people."""
    sources, name = explained["sources"], f"{explained['name']}: " if explained["name"] else ""
    said = [f"{explained['handle']}  {explained['store']}  {name}{explained['text'] or '(no longer known)'}"]
    doubt = "" if explained["certain"] else ", and no longer certain"
    said.append(f"status: {explained['status']}{doubt}")
    dates = [explained["true_from"], explained["true_to"]]
    if any(dates):
        said.append("true: " + " to ".join(f"{one:%Y-%m-%d}" if one else "…" for one in dates))
    said.append(f"from: {sources['origin']}, trust {sources['trust']}, {explained['mode']}")
    said += [f"  “{quote}”" for quote in sources["quotes"]]
    for one in explained["verdicts"]:
        said.append(
            f"decided: {one['status']}"
            + (f" by {one['decided_by']} ({one['proposal']})" if "decided_by" in one else "")
        )
    for key, label in (("replaced", "replaced"), ("replaced_by", "replaced by")):
        said += [f"{label}: {explained[key]}"] if explained[key] else []
    for key, label in (("derived_from", "derived from"), ("derived", "derived from it")):
        for one in explained[key]:
            fallen = "" if one["holds"] else " (no longer holds)"
            said.append(f"{label}: {one['handle'] or '(not for you to see)'} {one['text']}{fallen}")
    for one in explained["changes"]:
        who = f" by {one['actor']}, batch {one['batch']}" if "actor" in one else f", {one['origin']}"
        said.append(f"{one['at']:%Y-%m-%d %H:%M}  {one['action']}{who}")
    return said
