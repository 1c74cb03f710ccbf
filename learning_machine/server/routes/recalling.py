"""What an agent would read for you."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from learning_machine.machine import LearningMachine
from learning_machine.server.dependencies import Machine, Who, scoped
from learning_machine.server.models import Context, Question, Recalled, RecalledItem
from learning_machine.state.items import Item
from learning_machine.state.messages import clean_text

router = APIRouter(prefix="/v1", tags=["recall"])


@router.post("/recall", summary="Recall")
def recall(who: Who, machine: Machine, asked: Question) -> dict[str, Recalled]:
    """What each store recalls for a message, by learning type; with `as_of` and `known_at` as it was at a time."""
    found = machine.recall(**_asked(asked), **scoped(who, session_id=asked.session_id))
    return {name: recalled(machine, name, data) for name, data in found.items()}


@router.post("/context", summary="Build the context")
def context(who: Who, machine: Machine, asked: Question) -> Context:
    """The text an agent reads beside a message."""
    return Context(text=machine.build_context(**_asked(asked), **scoped(who, session_id=asked.session_id)))


def _asked(asked: Question) -> dict[str, Any]:
    times = {"as_of": asked.as_of, "known_at": asked.known_at}
    return {"message": clean_text(asked.message)} | {name: at for name, at in times.items() if at is not None}


def recalled(machine: LearningMachine, name: str, data: Any) -> Recalled:
    store = machine.stores[name]
    items = store.known(data) if hasattr(store, "known") else ()
    return Recalled(
        text=store.build_context(data),
        items=tuple(
            RecalledItem(handle=one.handle, kind=one.kind, name=one.name, text=one.text)
            for one in items
            if isinstance(one, Item)
        ),
    )
