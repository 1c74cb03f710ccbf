"""approve: where a human decides. BACKGROUND and AGENTIC ask nobody, so for now what comes in goes on."""

from __future__ import annotations

from typing import Any


def approve(state: Any) -> dict[str, Any]:
    """Let everything through."""
    return {}
