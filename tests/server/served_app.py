"""What the test server runs: two machines and two chat models to choose from, all scripted."""

from __future__ import annotations

import re
from typing import Any

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode
from learning_machine.testing import ScriptedModel, change

_LINES = {
    "I live in": ("user_profile", {"kind": "field", "name": "location"}),
    "rule:": ("learned_knowledge", {"kind": "insight"}),
}


def learns(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From the user's words: where they live, rules, and what the talk is about."""
    said = [one["text"] for one in new if one["role"] == "user"]
    changes = [change("session_context", f"Last: {said[-1]}", kind="summary")] if said else []
    for text in said:
        for begin, (store, fields) in _LINES.items():
            changes += [
                change(store, found[1], quote=found[0], **fields) for found in re.finditer(rf"{begin} ([^.\n]+)", text)
            ]
    return changes


machines = [
    LearningMachine(
        model=ScriptedModel(answers="The plain one says a few words.", learns=learns),
        user_profile=True,
        session_context=True,
        learned_knowledge=True,
        conversation=False,
    ),
    LearningMachine(
        name="research",
        model=ScriptedModel(answers="The research one says it.", learns=learns),
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.PROPOSE, namespace="engineering"),
        user_profile=True,
        conversation=False,
    ),
]
models = {"quick": ScriptedModel(answers="Quickly said."), "thorough": ScriptedModel(answers="Thoroughly said.")}
