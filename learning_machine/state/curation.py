"""How a machine tidies up, and what came of it, as values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from learning_machine.state.handles import handle_of

Task = Literal["decay", "prune", "deduplicate", "consolidate"]
TASKS: tuple[Task, ...] = get_args(Task)
_CRON = re.compile(r"[\w*/,\-#?]+(\s+[\w*/,\-#?]+){4,5}")


class CurationConfig(BaseModel):
    """When curation runs, what it does, and how careful it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: str | None = Field("0 3 * * *", description="a cron expression in UTC; None: only when it is asked for")
    tasks: tuple[Task, ...] = Field(TASKS, description="what a run does")
    weakest: float = Field(0.05, gt=0, lt=1, description="what is weaker than this is archived")
    weakest_covered: float = Field(0.25, gt=0, lt=1, description="the same for what an insight made of it says too")
    grace_days: float = Field(90, ge=0, description="days from archiving to deleting")
    max_pairs: int = Field(200, ge=0, description="doubtful pairs a model is asked about in one run of a space")
    gather_from: int = Field(5, ge=3, description="observations that are near each other and become one insight")
    max_insights: int = Field(5, ge=0, description="insights made in one run of a space")

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, schedule: str | None) -> str | None:
        if schedule is not None and not _CRON.fullmatch(schedule.strip()):
            raise ValueError(f'{schedule!r} is no cron expression. Write five fields, such as "0 3 * * *".')
        return schedule


def curation_from(given: CurationConfig | str | None) -> CurationConfig:
    """The settings meant by a config, a cron expression, or `None`, which is curation when it is asked for."""
    return given if isinstance(given, CurationConfig) else CurationConfig(schedule=given)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing a run does: `archive`, `merge`, `delete` or `consolidate`, to which learnings, and why."""

    action: str
    store: str
    ids: tuple[int, ...]
    reason: str
    #: Of a merge, the learning that stays.
    survivor: int | None = None
    #: How each learning looked when this was planned; what looks otherwise by now is left alone.
    marks: dict[str, str] = field(default_factory=dict)
    #: Of a consolidation, what is to be written.
    insight: dict[str, Any] = field(default_factory=dict)

    @property
    def handles(self) -> list[str]:
        return [handle_of(number) for number in self.ids]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a run would do, readable: `str(preview)` is the diff, `machine.curator.run(preview.id)` does exactly this."""

    id: UUID
    made_at: datetime | None
    steps: tuple[dict[str, Any], ...] = ()
    #: Pairs that may say the same and that nobody judged.
    doubtful: tuple[dict[str, Any], ...] = ()
    figures: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __str__(self) -> str:
        return self.diff()

    def diff(self, most: int | None = None) -> str:
        """What would be done, a line a learning, and the figures; `most`: as many lines as somebody is shown at once."""
        lines = [line for step in self.steps for line in _lines(step)]
        lines += [f"? {_flat(pair['one'])} | {_flat(pair['other'])}: {pair['reason']}" for pair in self.doubtful]
        hidden = len(lines) - len(lines[:most])
        return "\n".join(
            [*lines[:most], *([f"… and {hidden:,} more lines"] if hidden else ()), _in_words(self.figures)]
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run did, with figures; what it left out, with the reason. Its id is the batch to undo."""

    id: UUID
    ran_at: datetime | None
    figures: dict[str, int] = field(default_factory=dict)
    left_out: tuple[dict[str, Any], ...] = ()
    doubtful: tuple[dict[str, Any], ...] = ()

    @property
    def changed(self) -> int:
        """How many learnings are not what they were."""
        return sum(self.figures.get(name, 0) for name in ("archived", "merged", "deleted", "consolidated", "proposed"))

    def __str__(self) -> str:
        left = [f"left out {' '.join(one['handles'])}: {one['reason']}" for one in self.left_out]
        return "\n".join([*left, _in_words(self.figures)])


#: The order in which figures are told.
_ORDER = (
    *("learnings", "to_merge", "to_archive", "to_consolidate", "to_delete", "later", "doubtful"),
    *("merged", "archived", "consolidated", "proposed", "deleted", "left_out"),
)


def total(figures: Sequence[dict[str, int]]) -> dict[str, int]:
    """Figures added up."""
    names = dict.fromkeys([*_ORDER, *(name for one in figures for name in one)])
    there = {name for one in figures for name in one}
    return {name: sum(one.get(name, 0) for one in figures) for name in names if name in there}


def _lines(step: dict[str, Any]) -> list[str]:
    where = f"{step['space']}, {step['store']}"
    lines = [f"{step['action']} ({_flat(where)}): {step['reason']}"]
    marked = (("-", step["gone"]), ("=", step["stays"]), ("+", step["new"]))
    return [*lines, *(f"{mark} {_flat(text)}" for mark, texts in marked for text in texts)]


def _flat(text: str) -> str:
    """Stored text as a part of one line: it can neither look like another line nor run backwards."""
    folded = " ".join(text.split())
    return "".join(one if one.isprintable() or one in "\u200c\u200d" else "�" for one in folded)


def _in_words(figures: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in figures.items()) or "nothing to do"
