"""What was true at a time, and what was known at a time: the past is read whole, and searched without an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from learning_machine.state.scope import Scope
from learning_machine.stores.deciding import covered
from learning_machine.stores.fusing import Weights, fuse
from learning_machine.stores.indexing import Question
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.protocol import Standing
from learning_machine.stores.resolving import index_keys

#: Rows of one store that a look into the past reads at most.
MOST = 20_000


def standing_query(
    store: str, subject: str | None, scope: Scope, standing: Standing, limit: int
) -> tuple[str, dict[str, Any]]:
    """The query for what held at `standing.as_of` as it was known at `standing.known_at`."""
    return "truth.standing", {
        "store": store,
        "subject": subject,
        "session": scope.session_id,
        "here": list(standing.here),
        "as_of": standing.as_of,
        "known_at": standing.known_at,
        "limit": limit,
    }


def ranked(rows: Sequence[Row], question: Question, weights: Weights) -> list[tuple[float, Mapping[str, Any]]]:
    """The rows that fit a question by their words, best first: what is past has no index, and no vectors."""
    scored = []
    for row in rows:
        share = covered(question.text, row["found_by"] or f"{row['name']} {row['text']}")
        scored.append({**row, "words": share, "covered": share, "meaning": None})
    return fuse([row for row in scored if row["words"]], weights)


def entity_rows(rows: Sequence[Row], keys: Sequence[str], limit: int) -> tuple[list[Row], list[Row]]:
    """The rows of the things that a text names, as `entities.named` has them, and all others."""
    heads = {(row["space"], row["slot"]): row for row in rows if row["kind"] == ENTITY}
    asked, named = set(keys), {}
    for place, head in heads.items():
        own = asked.intersection(index_keys([head["name"], *(head["value"] or {}).get("aliases", ())]))
        if own:
            exact = any(not key.startswith("~") for key in own)
            named[place] = {**head, "exact": exact, "length": max(map(len, own)), "about": None, "towards": None}
    best = sorted(named.values(), key=lambda row: (-row["length"], not row["exact"], -row["id"]))[:limit]
    chosen = {(row["space"], row["slot"]) for row in best}
    found, others = list[Row](best), list[Row]()
    for row in rows:
        if row["kind"] == ENTITY:
            continue
        ends = [(row["space"], row["subject"]), (row["space"], row["target"])]
        names = [heads[end]["name"] if end in heads else None for end in ends]
        full = {**row, "about": names[0], "towards": names[1] if row["target"] else None, "exact": None, "length": None}
        near = ends if row["kind"] == "relationship" else ends[:1]
        (found if chosen.intersection(near) else others).append(full)
    return found, others
