"""Progress of learning, as custom stream events: `{"type": "learning", "event": …, …}` with ids, and no words of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langgraph.config import get_stream_writer

#: Who hears what a graph inside a node tells; such a graph has a stream of its own only with `subgraphs=True`.
_hearer: ContextVar[Any] = ContextVar("learning_machine_hearer", default=None)


@contextmanager
def relayed() -> Iterator[None]:
    """What is told in here is heard where this stands."""
    token = _hearer.set(_hearer.get() or _writer())
    try:
        yield
    finally:
        _hearer.reset(token)


def tell(event: str, **facts: Any) -> None:
    """Say what happened to whoever streams `custom`."""
    writer = _hearer.get() or _writer()
    if writer is None:
        return
    writer({"type": "learning", "event": event, **facts})


def _writer() -> Any:
    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):
        return None
