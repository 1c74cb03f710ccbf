"""For your tests: a scripted model, and databases that are real."""

from __future__ import annotations

from learning_machine.testing.scripted import ScriptedModel, change, extraction_request

__all__ = ["ScriptedModel", "change", "extraction_request"]
