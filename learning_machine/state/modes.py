"""Who decides what is learned."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class LearningMode(str, Enum):
    """How a store learns.

    BACKGROUND: extraction after the reply, unseen. AGENTIC: the agent, by tools. PROPOSE: the agent proposes and the
    user confirms. HITL: a reviewer approves.
    """

    BACKGROUND = "background"
    AGENTIC = "agentic"
    PROPOSE = "propose"
    HITL = "hitl"


#: Which mode lets somebody look first, before what is learned is stored: the higher, the stricter.
_STRICTNESS = {LearningMode.BACKGROUND: 0, LearningMode.AGENTIC: 0, LearningMode.PROPOSE: 1, LearningMode.HITL: 2}
#: As many stores as one run may name.
MAX_MODES = 50


def stricter(mode: LearningMode, asked: LearningMode | None) -> LearningMode:
    """The mode, or the one asked for where that is stricter. Nothing makes it looser."""
    return asked if asked is not None and _STRICTNESS[asked] > _STRICTNESS[mode] else mode


def strictest(*several: Mapping[str, LearningMode]) -> dict[str, LearningMode]:
    """For each learning type the strictest of what several say."""
    found: dict[str, LearningMode] = {}
    for modes in several:
        found |= {store: stricter(mode, found.get(store)) for store, mode in modes.items()}
    return found


def read_modes(given: Any) -> dict[str, LearningMode]:
    """What somebody wrote as modes: learning type → mode, in capitals or not."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MAX_MODES:
        raise ValueError(
            f'modes are at most {MAX_MODES} learning types with a mode each, as {{"user_profile": "PROPOSE"}}'
        )
    return {str(store): _read_mode(mode) for store, mode in given.items()}


def _read_mode(given: Any) -> LearningMode:
    try:
        return LearningMode(given.lower() if isinstance(given, str) else given)
    except ValueError:
        raise ValueError(f"there is no such mode; use {', '.join(mode.name for mode in LearningMode)}") from None
