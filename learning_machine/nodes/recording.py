"""Recording a turn: what was said, in one transaction with the job that will read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard
from uuid import UUID

from learning_machine.nodes.calling import caller_of
from learning_machine.nodes.events import tell
from learning_machine.nodes.parts import Parts
from learning_machine.nodes.recall import standing_in
from learning_machine.state.loop import LearningState
from learning_machine.state.messages import (
    Said,
    identity_of,
    keys_of,
    last_answer,
    message_key,
    said_from,
    spoken,
    text_of,
)
from learning_machine.state.scope import Scope
from learning_machine.stores.postgres.steps import Steps
from learning_machine.stores.turns import TurnRecord

#: From how many characters on a turn is prepared in a thread: looking for secrets in them takes milliseconds.
MUCH = 10_000


def record(
    parts: Parts, state: LearningState, scope: Scope, config: Mapping[str, Any], *, queued: bool = True
) -> tuple[int, UUID] | None:
    """Record the turn, unless its scope says not to learn: its space and id. `queued`: with the job that will read it."""
    return parts.database.run(recording(parts, state, scope, config, queued=queued))


def recording(
    parts: Parts, state: LearningState, scope: Scope, config: Mapping[str, Any], *, queued: bool = True
) -> Steps[tuple[int, UUID] | None]:
    """`record`, step by step."""
    key = answer_key(state, scope)
    if key is None or not scope.learn or not len(parts.registry):
        return None
    turn = turn_in(parts, state, scope.session_id or "", key, config, calling(parts, state, config))
    recorded = yield from parts.turns.recording(scope, turn, parts.window if queued else None)
    if recorded is not None and queued:
        parts.wake()
        tell("queued", turn=str(recorded[1]))
    return recorded


def calling(parts: Parts, state: LearningState, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Who called, as `recall` saw it; it is looked for again where the call itself was not kept yet."""
    seen = caller_seen(state)
    return seen if is_settled(seen) else caller_of(parts, state["messages"], config) or seen or {}


def caller_seen(state: LearningState) -> Mapping[str, Any] | None:
    """Who called, as `recall` saw it; `None` where it did not look."""
    found: Mapping[str, Any] | None = (state.get("learning_from") or {}).get("caller")
    return found


def is_settled(caller: Mapping[str, Any] | None) -> TypeGuard[Mapping[str, Any]]:
    """Whether there is nothing more to find out about who called."""
    return caller is not None and (not caller or bool(caller.get("call")))


def is_quick(parts: Parts, state: LearningState) -> bool:
    """Whether there is so little to do before the turn is recorded that an event loop may do it."""
    words = [content for _, _, content in (state.get("learning_from") or {}).get("said") or ()]
    answer = text_of(state["messages"][-1]) if state["messages"] else ""
    return parts.turns.redacts_at_once and sum(map(len, (*words, answer))) <= MUCH


def answer_key(state: LearningState, scope: Scope) -> str | None:
    """The key of the answer that ends the turn; `None` while there is none."""
    answer = last_answer(state["messages"])
    return None if answer is None else message_key(answer, len(state["messages"]) - 1, scope.session_id or "")


def settled(state: LearningState, scope: Scope, **learning: Any) -> dict[str, Any]:
    """The update that says this turn's words are settled, with what became of them."""
    key = answer_key(state, scope)
    return {"learning_turns": [key] if key else [], "learning": {**(state.get("learning") or {}), **learning}}


def words_of(said: list[Said], began: Mapping[str, Any]) -> list[Said]:
    """What was said in the turn, with the words that a summary has taken the place of meanwhile.

    A message that reads otherwise by now was edited, perhaps to take out what must not be kept: its old words are not said.
    """
    found = said_from(said, began.get("key"))
    seen = {identity_of(one.key) for one in said}
    gone = [Said(*one) for one in began.get("said") or () if identity_of(one[0]) not in seen]
    return [*gone, *found]


def turn_in(
    parts: Parts,
    state: LearningState,
    session: str,
    answer: str,
    config: Mapping[str, Any],
    caller: Mapping[str, Any],
) -> TurnRecord:
    """The turn that ends with this answer, as it is recorded.

    A subagent's answer is in nobody's history. Its turn is known by the message that called it, which is.
    """
    messages = state["messages"]
    began = state.get("learning_from") or {}
    said = words_of(spoken(messages, session), began)
    keys = keys_of(messages, session)
    start = keys.index(said[0].key) if said and said[0].key in keys else 0
    standing = standing_in(parts, state, config, caller)
    about = [caller["asked"]] if caller.get("asked") else []
    own = [*about, *(one.key for one in said if one.key not in keys), *keys[start:]]
    shown = [handle for handles in ((state.get("learning") or {}).get("recalled") or {}).values() for handle in handles]
    return TurnRecord(
        session=session,
        said=said,
        answer=caller.get("call") or answer,
        about=about,
        keys=own,
        here=standing.here,
        rooted=standing.rooted,
        shown=shown,
        # Without `recalled` this run began behind the agent, where an answer was put in or edited: it begins here.
        started=datetime.fromisoformat(began["at"]) if began.get("at") and "recalled" in state else datetime.now(UTC),
    )
