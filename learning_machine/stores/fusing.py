"""Pure: words and meaning, fused. Scores inside each list are brought to 0.1–1, weighted and added; ranks alone lose.

Convex fusion of min-max scores, with a share of the neighbours' scores for what was said, after the measurements that
docs/explanation/search.md cites.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A candidate's place in its list is worth at least this much, so that being found counts.
_FLOOR = 0.1


@dataclass(frozen=True)
class Weights:
    """How candidates are scored. `words` and meaning share 1; `neighbours` is the part a neighbour lends.

    `enough_meaning`: cosine from which meaning alone is a reason to recall. `enough_words`: the share of the question's
    words, rare ones counting more, from which words alone are.
    """

    words: float = 0.5
    neighbours: float = 0.2
    enough_meaning: float = 0.45
    enough_words: float = 0.34


def fuse(rows: Sequence[Mapping[str, Any]], weights: Weights) -> list[tuple[float, Mapping[str, Any]]]:
    """The rows worth recalling, best first, with their scores."""
    worth = [row for row in rows if is_relevant(row, weights)]
    words = scaled({index: row["words"] for index, row in enumerate(worth) if row["words"]})
    meaning = scaled({index: row["meaning"] for index, row in enumerate(worth) if row["meaning"] is not None})
    scored = [
        (weights.words * words.get(index, 0.0) + (1 - weights.words) * meaning.get(index, 0.0), row)
        for index, row in enumerate(worth)
    ]
    return sorted(scored, key=lambda pair: (-pair[0], -pair[1]["id"]))


def is_relevant(row: Mapping[str, Any], weights: Weights) -> bool:
    """The floor: enough of the question's words, or enough of its meaning. Nothing is better than the least bad five."""
    by_words = row["covered"] > 0 and row["covered"] >= weights.enough_words
    return by_words or (row["meaning"] or 0.0) >= weights.enough_meaning


def scaled(scores: Mapping[int, float]) -> dict[int, float]:
    """Scores brought to 0.1–1 inside their list."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: _FLOOR + (1 - _FLOOR) * (score - low) / (high - low) for key, score in scores.items()}


def lend(scored: Sequence[tuple[float, Mapping[str, Any]]], weights: Weights) -> list[tuple[float, Mapping[str, Any]]]:
    """Messages with a share of their neighbours' scores added, best first."""
    by_id = {row["id"]: score for score, row in scored}
    lent = [
        (score + weights.neighbours * sum(by_id.get(row[side], 0.0) for side in ("before_id", "after_id")), row)
        for score, row in scored
    ]
    return sorted(lent, key=lambda pair: (-pair[0], -pair[1]["id"]))
