"""The session context: what one conversation is about."""

from __future__ import annotations

from typing import Any, ClassVar

from learning_machine.prompts import load
from learning_machine.state.changes import Add, Change, Refused, Revise
from learning_machine.state.config import SessionContextConfig, StoreConfig
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.items import Item
from learning_machine.state.scope import Scope
from learning_machine.state.session import SessionContext
from learning_machine.stores.ledger_store import LedgerStore, plain_text
from learning_machine.stores.rendering import line
from learning_machine.stores.tools import BY_TOOLS, session_tools
from learning_machine.stores.uncertainty import doubt

SINGLE = ("summary", "goal", "progress")
STEP = "step"
STATES = ("open", "doing", "done")
_ORDER = {"summary": 0, "goal": 1, STEP: 2, "progress": 3}


class SessionContextStore(LedgerStore):
    """Summary, and with planning goal, steps and progress. It belongs to its thread, and follows the thread's branches."""

    learning_type: ClassVar[str] = "session_context"
    needs: ClassVar[str] = "session_id"
    # It is the machine's own note, brought up to date from itself.
    guarded: ClassVar[bool] = False
    dated: ClassVar[bool] = False
    config_type: ClassVar[type[StoreConfig]] = SessionContextConfig
    config: SessionContextConfig

    def subject(self, scope: Scope) -> str:
        return scope.session_id or ""

    def data(self, items: tuple[Item, ...], scope: Scope) -> SessionContext:
        ordered = sorted(items, key=lambda item: (_ORDER.get(item.kind, 9), item.id))
        return SessionContext.from_items(scope.session_id or "", tuple(ordered))

    def get_tools(self, **context: Any) -> list[Any]:
        return session_tools(self, context) if self.mode in BY_TOOLS else []

    def slots(self) -> dict[str, str]:
        return {"planning": "\n" + load("session_planning") if self.config.enable_planning else ""}

    def lines(self, data: Any) -> list[str]:
        return [line(item.text, name=_label(item), handle=item.handle, note=doubt(item)) for item in self.known(data)]

    # --- items to changes ---------------------------------------------------------------------------------------------
    # What a session is about is the machine's own note of it, so no quote makes it the user's word.

    def add(self, one: ExtractedChange, scope: Scope, data: Any) -> list[Change | Refused]:
        kind, text = one.kind or "summary", plain_text(one.value)
        allowed = (*SINGLE, STEP) if self.config.enable_planning else ("summary",)
        if kind not in allowed:
            return [
                Refused(store=self.learning_type, reason=f"{kind!r} is not kept here; kinds are {', '.join(allowed)}")
            ]
        if not text:
            return [Refused(store=self.learning_type, reason="it has no value")]
        if kind == STEP:
            return [
                Add(
                    store=self.learning_type,
                    kind=STEP,
                    subject=self.subject(scope),
                    text=text,
                    value={"status": _state(one.name)},
                )
            ]
        return [Add(store=self.learning_type, kind=kind, subject=self.subject(scope), slot=kind, text=text, value=text)]

    def revise(self, one: ExtractedChange, item: Item) -> list[Change | Refused]:
        if item.kind == STEP:
            text = plain_text(one.value)
            # Models write the new state into either field.
            state = one.name if _is_state(one.name) else text if _is_state(text) else (item.value or {}).get("status")
            text = item.text if not text or _is_state(text) else text
            return [Revise(store=self.learning_type, handle=item.handle, text=text, value={"status": _state(state)})]
        return super().revise(one.model_copy(update={"quote": None}), item)


def _label(item: Item) -> str:
    return f"step ({(item.value or {}).get('status', 'open')})" if item.kind == STEP else item.kind


def _is_state(text: str | None) -> bool:
    return (text or "").strip().lower() in STATES


def _state(text: str | None) -> str:
    return (text or "").strip().lower() if _is_state(text) else STATES[0]
