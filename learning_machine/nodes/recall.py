"""recall: scope and message → what the stores know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from inspect import signature
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime

from learning_machine.nodes.calling import acaller_of, caller_of
from learning_machine.nodes.parts import Parts, acarry_out, attempt, note
from learning_machine.nodes.threads import alone
from learning_machine.state.identity import is_kept, scope_of
from learning_machine.state.loop import LearningState, union
from learning_machine.state.messages import keys_of, last_user_text, said_from, spoken, unsettled_from
from learning_machine.state.scope import Scope
from learning_machine.stores.indexing import Question
from learning_machine.stores.ledger_store import branch_query
from learning_machine.stores.postgres.steps import Ask, Steps
from learning_machine.stores.protocol import Standing
from learning_machine.stores.registry import acall, call
from learning_machine.stores.spaces import access_of
from learning_machine.telemetry import step

#: What the stores know, by learning type, and when that was.
Known = tuple[dict[str, Any], datetime | None]
#: No look back.
PRESENT: Mapping[str, datetime] = {}


def recall_node(parts: Parts) -> RunnableLambda[LearningState, dict[str, Any]]:
    """The node: one round trip for all built-in stores, then everybody else's own `recall`. No model call."""

    def recall(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        scope = attempt(parts, "scope", lambda: scope_of(get_runtime(), config), Scope())
        caller = caller_of(parts, state["messages"], config)
        standing = asking(parts, standing_in(parts, state, config, caller), question_in(parts, state["messages"]))
        data, now = attempt(
            parts, "recall", lambda: recall_own(parts, scope, standing), ({}, None), patience=parts.patience
        )
        data |= recall_others(parts, scope, state["messages"])
        return update(state, scope, data, now, caller)

    async def arecall(state: LearningState, config: RunnableConfig) -> dict[str, Any]:
        scope = attempt(parts, "scope", lambda: scope_of(get_runtime(), config), Scope())
        caller = await acaller_of(parts, state["messages"], config)
        question = await aquestion_in(parts, state["messages"])
        standing = asking(parts, standing_in(parts, state, config, caller), question)
        data, now = await acarry_out(parts, "recall", lambda: recalling(parts, scope, standing), ({}, None))
        data |= await arecall_others(parts, scope, state["messages"])
        return update(state, scope, data, now, caller)

    return RunnableLambda(recall, arecall, name="recall")


def standing_in(parts: Parts, state: LearningState, config: Mapping[str, Any], caller: Mapping[str, Any]) -> Standing:
    """Where the conversation stands, from the settled answers and the messages in front of the agent and its caller."""
    session = str((config.get("configurable") or {}).get("thread_id") or "")
    settled = union(caller.get("here"), state.get("learning_turns"))
    here = union(settled, keys_of(state["messages"], session))
    rooted = is_kept(config) or bool((state.get("learning_from") or {}).get("rooted")) or bool(caller.get("rooted"))
    return Standing(machine=parts.name, here=tuple(here), rooted=rooted)


def question_in(parts: Parts, messages: list[Any]) -> Question:
    """What the last message asks of search, if any store searches. Embedding it is the only call, and often local."""
    if not searches(parts):
        return Question()
    text = last_user_text(messages)
    call = partial(asked, parts, text)
    if parts.database.opened and parts.embedder.at_hand:
        return attempt(parts, "embedding", call, Question())  # type: ignore[no-any-return]
    # A provider answers many at once, so that a slow one holds up nobody else.
    return attempt(parts, "embedding", lambda: alone(call).result(parts.patience), Question())  # type: ignore[no-any-return]


async def aquestion_in(parts: Parts, messages: list[Any]) -> Question:
    if not searches(parts):
        return Question()
    try:
        if not (parts.embedder.known and parts.database.opened):
            await asyncio.to_thread(prepared, parts)
        if parts.embedder.at_hand:
            return parts.embedder.question(last_user_text(messages))
        return await asyncio.wait_for(parts.embedder.aquestion(last_user_text(messages)), parts.patience)
    except Exception as error:  # noqa: BLE001 - as `attempt` does
        return note(parts, "embedding", error, Question())  # type: ignore[no-any-return]


def prepared(parts: Parts) -> None:
    """Open the database and find out the embedding model's id, which an event loop must not wait for."""
    parts.ready()
    with suppress(Exception):  # whoever asks by it says what is wrong with it
        _ = parts.embedder.model


def asked(parts: Parts, text: str) -> Question:
    parts.ready()
    return parts.embedder.question(text)


def searches(parts: Parts) -> bool:
    return any(getattr(store, "by_question", False) for store in parts.registry.querying)


def asking(parts: Parts, standing: Standing, question: Question) -> Standing:
    """The standing with what is asked, and how answers are weighed."""
    return replace(standing, question=question, weights=parts.weights, now=datetime.now(UTC))


def recall_own(parts: Parts, scope: Scope, standing: Standing) -> Known:
    """What the built-in stores know, by learning type, and the database's time."""
    return parts.database.run(recalling(parts, scope, standing))


async def arecall_own(parts: Parts, scope: Scope, standing: Standing) -> Known:
    if parts.database.can_wait_in_loop():
        return await parts.database.arun(recalling(parts, scope, standing))
    return await asyncio.to_thread(recall_own, parts, scope, standing)


def recalling(parts: Parts, scope: Scope, standing: Standing) -> Steps[Known]:
    """`recall_own`, step by step."""
    with step("recall"):
        asked = [(store, store.queries(scope, standing)) for store in parts.registry.querying]
        asked = [(store, queries) for store, queries in asked if queries]
        if not asked:
            return {}, None
        rows = yield Ask(
            access_of(scope),
            [branch_query(scope, standing), *(query for _, queries in asked for query in queries)],
        )
        found: dict[str, Any] = {}
        at = 1
        for store, queries in asked:
            found[store.learning_type] = store.read(rows[at : at + len(queries)], scope, standing)
            at += len(queries)
        return {name: data for name, data in found.items() if data is not None}, rows[0][0]["now"]


def recall_others(
    parts: Parts, scope: Scope, messages: list[Any], back: Mapping[str, datetime] = PRESENT
) -> dict[str, Any]:
    """What the other stores know, each for itself: one that fails takes nothing from the rest.

    `back`: the times of a look back, for stores that can; the others would answer with the present.
    """
    context = {**context_for(scope, messages), **back}
    found = {
        store.learning_type: attempt(parts, f"recall of {store.learning_type}", partial(call, store, "recall", context))
        for store in parts.registry.custom
        if not back or looks_back(store)
    }
    return {name: data for name, data in found.items() if data is not None}


async def arecall_others(
    parts: Parts, scope: Scope, messages: list[Any], back: Mapping[str, datetime] = PRESENT
) -> dict[str, Any]:
    context = {**context_for(scope, messages), **back}
    stores = [store for store in parts.registry.custom if not back or looks_back(store)]
    results = await asyncio.gather(*(acall(store, "recall", context) for store in stores), return_exceptions=True)
    found: dict[str, Any] = {}
    for store, result in zip(stores, results, strict=True):
        if isinstance(result, Exception):
            note(parts, f"recall of {store.learning_type}", result)
        elif result is not None:
            found[store.learning_type] = result
    return found


def looks_back(store: Any) -> bool:
    """Whether a store of one's own can say what was true or known at a time."""
    return {"as_of", "known_at"} <= set(signature(store.recall).parameters)


def context_for(scope: Scope, messages: list[Any]) -> dict[str, Any]:
    """What a store may name in its signature."""
    return {**scope.keywords(), "message": last_user_text(messages), "messages": messages, "now": datetime.now(UTC)}


def update(
    state: LearningState,
    scope: Scope,
    data: dict[str, Any],
    now: datetime | None,
    caller: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What was recalled, where unread words begin, and who called, if that was looked for."""
    said = spoken(state["messages"], scope.session_id or "")
    owed = state.get("learning_from") or {}
    # What an earlier turn still owes counts only while the same person speaks.
    owed_key = owed.get("key") if owed.get("user") == scope.user_id else None
    start = unsettled_from(said, state.get("learning_turns") or (), owed_key)
    began = (now or datetime.now(UTC)).isoformat()
    # Kept beside the messages, because a summary may take their place before the turn is over.
    words = [[one.key, one.role, one.content] for one in said_from(said, start)]
    called = {} if caller is None else {"caller": dict(caller)}
    return {
        "recalled": data,
        "learning_from": {"key": start, "user": scope.user_id, "at": began, "said": words, **called},
    }
