"""Pure: which learnings are worth comparing. Not all with all: those near by meaning, and those that share rare words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from learning_machine.state.lexemes import lexemes
from learning_machine.stores.curation.rows import Row
from learning_machine.stores.curation.sameness import NEAR, said

#: Rows whose vectors are multiplied at once, so that a big space needs no big matrix.
_BLOCK = 1_000
#: Of each row so many of the nearest are looked at, and of each word so many texts: a word in more of them says little.
_NEAREST = 32
_FEW = 40

Pair = tuple[Row, Row, float | None]


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows that may be compared with each other, by group, in order of their ids."""
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.free and row.true_to is None:
            found[row.group].append(row)
    return [sorted(group, key=lambda row: row.id) for group in found.values() if len(group) > 1]


def pairs(rows: Sequence[Row], vectors: Mapping[int, Sequence[float]]) -> Iterator[Pair]:
    """Pairs that may say the same, each once, with the cosine of their vectors."""
    for group in groups(rows):
        meaning = _near(group, vectors)
        for one, other in sorted({*meaning, *_sharing(group)}):
            cosine = meaning.get((one, other))
            yield group[one], group[other], _cosine(group[one], group[other], vectors) if cosine is None else cosine


def _near(group: Sequence[Row], vectors: Mapping[int, Sequence[float]]) -> dict[tuple[int, int], float]:
    there = [place for place, row in enumerate(group) if row.id in vectors]
    if len(there) < 2:
        return {}
    matrix = _unit(np.asarray([vectors[group[place].id] for place in there], dtype=np.float32))
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(there), _BLOCK):
        scores = matrix[start : start + _BLOCK] @ matrix.T
        for left, right in zip(*np.nonzero(scores >= _threshold(scores)), strict=True):
            if start + left != right:
                one, other = sorted((there[start + left], there[right]))
                found[one, other] = float(scores[left, right])
    return found


def _threshold(scores: Any) -> Any:
    """From which score on each row's others are near: in a crowd only the nearest."""
    if scores.shape[1] <= _NEAREST:
        return NEAR
    nearest = np.partition(scores, -_NEAREST, axis=1)[:, -_NEAREST]
    return np.maximum(nearest, NEAR)[:, None]


def _sharing(group: Sequence[Row]) -> set[tuple[int, int]]:
    """Pairs that share two words, or all that one of them has; and those with the very same words."""
    places: dict[str, list[int]] = defaultdict(list)
    words = [set(lexemes(row.says)) for row in group]
    for place, own in enumerate(words):
        for word in own:
            places[word].append(place)
    common: dict[tuple[int, int], int] = defaultdict(int)
    for where in places.values():
        if len(where) <= _FEW:
            for at, one in enumerate(where):
                for other in where[at + 1 :]:
                    common[one, other] += 1
    few = {
        pair for pair, count in common.items() if count >= 2 or count >= min(len(words[pair[0]]), len(words[pair[1]]))
    }
    return few.union(_same_words(group))


def _same_words(group: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Those with the very same words: each with the one that will stay, and the first few with each other."""
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(group):
        places[said(row.says)].append(place)
    for where in places.values():
        stays = max(where, key=lambda place: group[place].support)
        yield from combinations(where[:_FEW], 2)
        yield from ((min(stays, place), max(stays, place)) for place in where if place != stays)


def _unit(matrix: Any) -> Any:
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)


def _cosine(one: Row, other: Row, vectors: Mapping[int, Sequence[float]]) -> float | None:
    if one.id not in vectors or other.id not in vectors:
        return None
    both = _unit(np.asarray([vectors[one.id], vectors[other.id]], dtype=np.float32))
    return float(both[0] @ both[1])
