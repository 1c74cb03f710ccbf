"""Pure: a score by its parts, so that anybody can compute it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from learning_machine.stores.fusing import Weights, fuse, lend, scaled

Row = Mapping[str, Any]
Parts = dict[str, Any]


def by_parts(rows: Sequence[Row], weights: Weights, *, rest: float = 1.0) -> dict[int, Parts]:
    """The rows worth recalling, by id, best first: what each score is made of. `recomputed` puts it together again."""
    ranked = fuse(rows, weights, rest=rest)
    chosen = {row["id"] for _, row in ranked}
    worth = [row for row in rows if row["id"] in chosen]
    words = scaled({at: row["words"] for at, row in enumerate(worth) if row["words"]})
    meaning = scaled({at: row["meaning"] for at, row in enumerate(worth) if row["meaning"] is not None})
    places = {row["id"]: at for at, row in enumerate(worth)}
    return {
        row["id"]: {
            "score": score,
            "words": {"bm25": row["words"], "covered": row["covered"], "scaled": words.get(places[row["id"]], 0.0)},
            "meaning": {"cosine": row["meaning"], "scaled": meaning.get(places[row["id"]], 0.0)},
            "weights": {"words": weights.words, "meaning": 1 - weights.words},
        }
        for score, row in ranked
    }


def with_neighbours(rows: Sequence[Row], weights: Weights) -> dict[int, Parts]:
    """The same of what was said, with what the messages beside it lend, and the user's own words put first."""
    parts = by_parts(rows, weights, rest=weights.rest)
    alone = [(parts[row["id"]]["score"], row) for row in rows if row["id"] in parts]
    found: dict[int, Parts] = {}
    for score, row in lend(alone, weights):
        sides = [row["before_id"], row["after_id"]]
        lent = [parts[side]["score"] if side in parts else 0.0 for side in sides]
        factor = weights.user if row.get("role") == "user" else 1.0
        more = {"neighbours": {"weight": weights.neighbours, "scores": lent}, "speaker": factor}
        found[row["id"]] = {**parts[row["id"]], **more, "score": score}
    return found


def recomputed(parts: Parts) -> float:
    """A score from its parts alone."""
    weights = parts["weights"]
    score: float = min(
        1.0, weights["words"] * parts["words"]["scaled"] + weights["meaning"] * parts["meaning"]["scaled"]
    )
    if "neighbours" in parts:
        near = parts["neighbours"]
        score = (score + near["weight"] * sum(near["scores"])) * parts["speaker"]
    return score
