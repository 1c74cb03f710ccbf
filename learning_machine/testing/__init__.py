"""For your tests: a scripted model, a check of your own stores, and a server that speaks like OpenAI's."""

from __future__ import annotations

from learning_machine.testing.conformance import Report, check_store
from learning_machine.testing.openai_server import OpenAIServer
from learning_machine.testing.scripted import ScriptedModel, change, extraction_request

__all__ = ["OpenAIServer", "Report", "ScriptedModel", "change", "check_store", "extraction_request"]
