"""A neighbourhood as a drawing: the thing in the middle, its relations as branches, the neighbours on them.

All text stands upright and none overlaps, however many neighbours there are: of a large branch some are named, and the
rest is a number. The whole list stands beside the drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal
from unicodedata import east_asian_width

from learning_machine.server.pages.texts import plain
from learning_machine.state.views import ConnectionView

#: As many names as fit a drawing that can be taken in, and as many branches.
MOST_NAMES, MOST_BRANCHES = 36, 10
#: Distances: between rows, between branches, and from the rim.
ROW, GAP, EDGE = 30, 18, 24
WIDE, NARROW = 900, 330
#: As wide as names may be in a drawing, in letters of ours; some scripts' are wider.
LONGEST = 26


@dataclass(frozen=True)
class Neighbour:
    """The other end of a connection."""

    id: str
    name: str
    handle: str


@dataclass
class Branch:
    """Neighbours by one relation in one direction. `outward`: from the thing to them."""

    relation: str
    outward: bool
    neighbours: list[Neighbour] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.relation}{'>' if self.outward else '<'}"


@dataclass(frozen=True)
class Text:
    """Words at a place. `id`: the thing they name and lead to."""

    x: int
    y: int
    text: str
    whole: str
    anchor: Literal["start", "middle", "end"]
    kind: Literal["center", "relation", "neighbour", "more"]
    id: str = ""


@dataclass(frozen=True)
class Line:
    """A curve from one place to another. `arrow`: which end has a point."""

    path: str
    arrow: Literal["", "start", "end"] = ""


@dataclass
class Group:
    """Lines and texts that stand together, so far down."""

    down: int = 0
    height: int = 0
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    #: Where each branch begins.
    joints: list[tuple[int, int, Branch]] = field(default_factory=list)


@dataclass(frozen=True)
class Drawing:
    """Groups in a space so wide and high; `box` is where the thing itself stands: x, y, width, height."""

    width: int
    height: int
    groups: tuple[Group, ...]
    box: tuple[int, int, int, int]


def branches_of(center: str, connections: Iterable[ConnectionView]) -> list[Branch]:
    """The connections of a thing by relation and direction, the fullest first."""
    found: dict[tuple[str, bool], Branch] = {}
    for one in connections:
        outward = one.source == center
        other = (
            Neighbour(one.target, one.target_name, one.handle)
            if outward
            else Neighbour(one.source, one.source_name, one.handle)
        )
        found.setdefault((one.relation, outward), Branch(one.relation, outward)).neighbours.append(other)
    for branch in found.values():
        branch.neighbours.sort(key=lambda other: other.name.casefold())
    return sorted(found.values(), key=lambda branch: (-len(branch.neighbours), branch.relation))


def wide(name: str, branches: Sequence[Branch]) -> Drawing:
    """The thing in the middle, branches to both sides."""
    shown, left_out = _chosen(branches)
    found = _sides(shown)
    middle = WIDE // 2 if all(found) else 300
    sides = [_column(side, middle + sign * 175, sign, LONGEST) for side, sign in zip(found, (1, -1), strict=True)]
    height = max(120, *(side.height for side in sides)) + 2 * EDGE
    center, stems = height // 2, Group()
    for side, sign in zip(sides, (1, -1), strict=True):
        side.down = (height - side.height) // 2 + 14
        for x, y, branch in side.joints:
            start, end = middle + sign * 112, y + side.down
            curve = f"M{start} {center} C{start + sign * 45} {center} {x - sign * 55} {end} {x - sign * 4} {end}"
            stems.lines.append(Line(curve, "end" if branch.outward else "start"))
    stems.texts.append(_text(middle, center + 5, name, 22, "middle", "center"))
    if left_out:
        stems.texts.append(_text(middle, height + 4, f"and {left_out:,} by other relations", 60, "middle", "more"))
    return Drawing(WIDE, height + (20 if left_out else 0), (stems, *sides), (middle - 112, center - 24, 224, 48))


def narrow(name: str, branches: Sequence[Branch]) -> Drawing:
    """The thing on top, branches below one another: for a phone."""
    shown, left_out = _chosen(branches)
    column, stems = _column(shown, 44, 1, LONGEST), Group()
    column.down = 76
    for x, y, branch in column.joints:
        end = y + column.down
        curve = f"M16 50 V{end - 10} Q16 {end} 26 {end} H{x - 4}"
        stems.lines.append(Line(curve, "end" if branch.outward else "start"))
    stems.texts.append(_text(20, 33, name, 29, "start", "center"))
    height = column.down + column.height
    if left_out:
        stems.texts.append(_text(44, height, f"and {left_out:,} by other relations", 60, "start", "more"))
    return Drawing(NARROW, height + (20 if left_out else 0), (stems, column), (4, 6, NARROW - 8, 42))


def _chosen(branches: Sequence[Branch]) -> tuple[list[tuple[Branch, int]], int]:
    """The branches that are drawn, how many neighbours each names, and how many are on the others."""
    shown = branches[:MOST_BRANCHES]
    quotas = _quotas([len(branch.neighbours) for branch in shown])
    return list(zip(shown, quotas, strict=True)), sum(len(branch.neighbours) for branch in branches[MOST_BRANCHES:])


def _column(branches: Sequence[tuple[Branch, int]], x: int, sign: int, longest: int) -> Group:
    """Branches below one another, to the right of `x` or to its left."""
    made, y = Group(), 0
    anchor: Literal["start", "end"] = "start" if sign > 0 else "end"
    for branch, count in branches:
        made.joints.append((x - sign * 4, y - 4, branch))
        made.texts.append(_text(x, y, branch.relation, longest, anchor, "relation"))
        trunk, top, rows = x + sign * 10, y + 8, branch.neighbours[:count]
        more = len(branch.neighbours) - len(rows)
        for other in [*rows, *([None] if more else [])]:
            y += ROW
            made.lines.append(
                Line(f"M{trunk} {top} V{y - 12} Q{trunk} {y - 4} {trunk + sign * 8} {y - 4} H{x + sign * 26}")
            )
            if other is None:
                made.texts.append(_text(x + sign * 32, y, f"and {more:,} more", longest, anchor, "more"))
            else:
                made.texts.append(_text(x + sign * 32, y, other.name, longest, anchor, "neighbour", other.id))
        y += ROW + GAP
    made.height = max(0, y - GAP - ROW // 2)
    return made


def _text(x: int, y: int, text: str, longest: int, anchor: Any, kind: Any, id: str = "") -> Text:
    return Text(x, y, _fitting(text, longest), plain(text, 200), anchor, kind, id)


def _fitting(text: str, longest: int) -> str:
    """As much of a text as is no wider than so many letters."""
    widths = accumulate(1.8 if east_asian_width(letter) in "WF" else 1 for letter in plain(text, 200))
    return plain(text, max(1, sum(width <= longest for width in widths)))


def _quotas(sizes: Sequence[int]) -> list[int]:
    """How many neighbours each branch names: all, or the room shared out evenly, and no lone one left over."""
    if sum(sizes) <= MOST_NAMES:
        return list(sizes)
    quotas, room = [0] * len(sizes), MOST_NAMES
    for index in sorted(range(len(sizes)), key=lambda index: sizes[index]):
        rest = len(sizes) - sum(1 for quota in quotas if quota)
        quotas[index] = min(sizes[index], max(1, room // rest))
        room -= quotas[index]
    return quotas


def _sides(branches: Sequence[tuple[Branch, int]]) -> list[list[tuple[Branch, int]]]:
    """Which branches go right and which left, so that both are about as high."""
    sides: list[list[tuple[Branch, int]]] = [[], []]
    for one in sorted(branches, key=lambda one: -one[1]):
        heights = [sum(count + 2 for _, count in side) for side in sides]
        sides[0 if heights[0] <= heights[1] else 1].append(one)
    return sides
