"""What a conversation is about: its summary, and with planning its goal, plan and progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from learning_machine.state.items import Item


@dataclass(frozen=True)
class PlanStep:
    """One step of the plan. `status` is `open`, `doing` or `done`."""

    text: str
    status: str
    handle: str


@dataclass(frozen=True)
class SessionContext:
    """A session's context as recalled."""

    session_id: str
    summary: str | None
    goal: str | None
    steps: tuple[PlanStep, ...]
    progress: str | None
    items: tuple[Item, ...]

    def __bool__(self) -> bool:
        return bool(self.items)

    @classmethod
    def from_items(cls, session_id: str, items: tuple[Item, ...]) -> SessionContext:
        single = {item.kind: item.text for item in items}
        steps = tuple(
            PlanStep(item.text, (item.value or {}).get("status", "open"), item.handle)
            for item in sorted(items, key=lambda item: item.id)
            if item.kind == "step"
        )
        return cls(session_id, single.get("summary"), single.get("goal"), steps, single.get("progress"), items)

    def as_json(self) -> dict[str, Any]:
        """A plain copy for the graph's state: seen in Studio, alive after a restart."""
        found: dict[str, Any] = {"summary": self.summary, "goal": self.goal, "progress": self.progress}
        found["steps"] = [{"text": step.text, "status": step.status} for step in self.steps]
        return {name: value for name, value in found.items() if value}
