"""Pure: words and meaning, fused. Scores inside each list are brought to 0.1–1, weighted and added; ranks alone lose.

Convex fusion of min-max scores, with a share of the neighbours' scores for what was said, after the measurements that
docs/explanation/search.md cites.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

#: A candidate's place in its list is worth at least this much, so that being found counts.
_FLOOR = 0.1


@dataclass(frozen=True)
class Weights:
    """How candidates are scored. `words` and meaning share 1.

    Of what was said, `neighbours` is the part of its score that a message lends to the ones beside it, and `user` how many
    times a message of the user counts what an answer counts, which seldom holds what is to be remembered.

    The others are the floor, below which nothing is recalled rather than the least bad. `enough_words`: the share of the
    question's words, rare ones counting more, that is a reason by itself. `enough_meaning`: the cosine that is. `together`:
    what the two, each as a part of its own floor, have to add up to. A text without a vector needs two thirds of the words.
    Where one message passes, others need only the part `rest` of it: they belong to the same talk.
    The values suit the embeddings in the package; others may need another `enough_meaning`.
    """

    words: float = 0.7
    neighbours: float = 0.1
    user: float = 1.2
    enough_meaning: float = 0.5
    enough_words: float = 0.5
    together: float = 1.3
    rest: float = 0.8


def fuse(
    rows: Sequence[Mapping[str, Any]], weights: Weights, *, rest: float = 1.0
) -> list[tuple[float, Mapping[str, Any]]]:
    """The rows worth recalling, best first, with their scores. Where one is, others need the part `rest` of the floor."""
    worth = [row for row in rows if is_relevant(row, weights)]
    if worth and rest < 1:
        lower = replace(weights, enough_words=weights.enough_words * rest, enough_meaning=weights.enough_meaning * rest)
        worth = [row for row in rows if is_relevant(row, weights) or is_relevant(row, lower)]
    words = scaled({index: row["words"] for index, row in enumerate(worth) if row["words"]})
    meaning = scaled({index: row["meaning"] for index, row in enumerate(worth) if row["meaning"] is not None})
    scored = [
        (min(1.0, weights.words * words.get(index, 0.0) + (1 - weights.words) * meaning.get(index, 0.0)), row)
        for index, row in enumerate(worth)
    ]
    return sorted(scored, key=lambda pair: (-pair[0], -pair[1]["id"]))


def is_relevant(row: Mapping[str, Any], weights: Weights) -> bool:
    """The floor: enough of the question's words, enough of its meaning, or a good part of both."""
    words, meaning = row["covered"], row["meaning"]
    if meaning is None:
        return bool(words > 0 and words >= weights.enough_words * 2 / 3)
    if (words > 0 and words >= weights.enough_words) or meaning >= weights.enough_meaning:
        return True
    # A floor that nothing reaches takes no part.
    parts = words / max(weights.enough_words, 1e-9) + max(meaning, 0.0) / max(weights.enough_meaning, 1e-9)
    return bool(words > 0 and parts >= weights.together)


def scaled(scores: Mapping[int, float]) -> dict[int, float]:
    """Scores brought to 0.1–1 inside their list."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: _FLOOR + (1 - _FLOOR) * (score - low) / (high - low) for key, score in scores.items()}


def lend(scored: Sequence[tuple[float, Mapping[str, Any]]], weights: Weights) -> list[tuple[float, Mapping[str, Any]]]:
    """Messages with a share of their neighbours' scores added and the user's own words put first, best first."""
    by_id = {row["id"]: score for score, row in scored}
    lent = [
        (
            (score + weights.neighbours * sum(by_id.get(row[side], 0.0) for side in ("before_id", "after_id")))
            * (weights.user if row.get("role") == "user" else 1.0),
            row,
        )
        for score, row in scored
    ]
    return sorted(lent, key=lambda pair: (-pair[0], -pair[1]["id"]))
