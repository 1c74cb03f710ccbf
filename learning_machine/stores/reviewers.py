"""Who may decide on what was proposed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from learning_machine.errors import ConfigurationError

#: Who may decide: identities, or a function of an identity and a namespace.
Reviewers = Collection[str] | Callable[[str, str], bool]


def may_decide(by: str | None, row: Mapping[str, Any], reviewers: Reviewers | None, four_eyes: bool) -> str | None:
    """Why this identity may not decide this proposal; `None` when it may."""
    if four_eyes and by is not None and by == row["speaker_id"]:
        return "it is about the person who would decide; somebody else has to"
    if accepts(reviewers, by, row["namespace"]):
        return None
    if row["mode"] == "propose" and by == row["speaker_id"]:
        return None
    return (
        "only a reviewer may decide this"
        if row["mode"] == "hitl"
        else "only the person it came from, or a reviewer, may decide this"
    )


def accepts(reviewers: Reviewers | None, by: str | None, namespace: str) -> bool:
    if reviewers is None or by is None:
        return False
    return bool(reviewers(by, namespace)) if callable(reviewers) else by in reviewers


def check_reviewers(modes: Mapping[str, str], reviewers: Reviewers | None) -> None:
    """Refuse HITL that nobody could ever answer."""
    hitl = [store for store, mode in modes.items() if mode == "hitl"]
    if hitl and reviewers is None:
        raise ConfigurationError(
            f"{', '.join(hitl)}: HITL needs somebody who decides. Give the machine reviewers=, a list of identities or a function "
            "(identity, namespace) -> bool."
        )
