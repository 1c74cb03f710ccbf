"""For your tests: a scripted model, and a server that speaks like OpenAI's."""

from __future__ import annotations

from learning_machine.testing.openai_server import OpenAIServer
from learning_machine.testing.scripted import ScriptedModel, change, extraction_request

__all__ = ["OpenAIServer", "ScriptedModel", "change", "extraction_request"]
