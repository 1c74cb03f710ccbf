"""Progress of learning, as custom stream events: `{"type": "learning", "event": …, …}` with ids, and no words of anybody."""

from __future__ import annotations

from typing import Any

from langgraph.config import get_stream_writer


def tell(event: str, **facts: Any) -> None:
    """Say what happened to whoever streams `custom`."""
    try:
        writer = get_stream_writer()
    except (RuntimeError, KeyError):
        return
    writer({"type": "learning", "event": event, **facts})
