"""Where a subagent stands: on the branch of whoever called it.

An agent that is called as a tool is handed a task and no history, and its messages are new each time. The branch is that of
the graphs it was called from: LangGraph tells every graph the checkpoints its callers stand at, and hands down the
checkpointer. Only keys of their messages are taken, and nobody's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from learning_machine.nodes.parts import Parts, note
from learning_machine.state.identity import checkpointer_of
from learning_machine.state.loop import union
from learning_machine.state.messages import keys_of, last_user_key, message_key

#: How many of the callers' messages count, the newest.
MOST = 1_000


def caller_of(parts: Parts, messages: Sequence[BaseMessage], config: Mapping[str, Any]) -> dict[str, Any]:
    """`here`: the callers' messages; `call`: the one that called, if it can be seen; `asked`: the user's message it is about.

    `{}` for a graph that nobody called, or that has a history of its own. `rooted`: there was nothing before this call.
    """
    try:
        saver, places = looked_at(messages, config)
        found = [saver.get_tuple(place) for place in places]
        if places and found[0] is None:
            return stands([saver.get_tuple(began(places[0], config))], config, exact=False)
        return stands(found, config)
    except Exception as error:  # noqa: BLE001 - as `attempt` does
        return unseen(parts, error)


async def acaller_of(parts: Parts, messages: Sequence[BaseMessage], config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        saver, places = looked_at(messages, config)
        found = [await saver.aget_tuple(place) for place in places]
        if places and found[0] is None:
            return stands([await saver.aget_tuple(began(places[0], config))], config, exact=False)
        return stands(found, config)
    except Exception as error:  # noqa: BLE001 - as `attempt` does
        return unseen(parts, error)


def looked_at(messages: Sequence[BaseMessage], config: Mapping[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """The checkpointer, and where the callers stand, the outermost first."""
    configurable = config.get("configurable") or {}
    own = str(configurable.get("checkpoint_ns") or "").rpartition("|")[0]
    saver = checkpointer_of(config)
    if not own or saver is None or has_history(messages):
        return saver, []
    above = sorted(
        (name, id)
        for name, id in (configurable.get("checkpoint_map") or {}).items()
        if not name or own.startswith(f"{name}|")
    )
    thread = configurable.get("thread_id")
    return saver, [
        {"configurable": {"thread_id": thread, "checkpoint_ns": name, "checkpoint_id": id}} for name, id in above
    ]


def began(place: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Where the outermost run began. A caller's checkpoint may still be under way, or with `durability="exit"` not be kept."""
    named = (config.get("metadata") or {}).get("checkpoint_id")
    return {"configurable": {**place["configurable"], "checkpoint_id": named}}


def has_history(messages: Sequence[BaseMessage]) -> bool:
    """Whether anything was answered before the user's last message."""
    last = max((at for at, one in enumerate(messages) if isinstance(one, HumanMessage)), default=0)
    return any(isinstance(one, AIMessage) for one in messages[:last])


def stands(found: Sequence[Any], config: Mapping[str, Any], *, exact: bool = True) -> dict[str, Any]:
    """The callers' messages as keys. `exact`: these are the checkpoints from which the call was made."""
    session = str((config.get("configurable") or {}).get("thread_id") or "")
    caller: dict[str, Any] = {}
    for one in found:
        messages = one.checkpoint["channel_values"].get("messages") if one is not None else None
        if not isinstance(messages, list):
            continue
        caller["here"] = union(caller.get("here"), keys_of(messages, session))[-MOST:]
        if exact and "call" not in caller and is_call(messages):
            first = not any(isinstance(earlier, AIMessage) for earlier in messages[:-1])
            caller["call"] = message_key(messages[-1], len(messages) - 1, session)
            caller["asked"] = last_user_key(messages, session)
            caller["rooted"] = first and bool((config.get("metadata") or {}).get("checkpoint_id"))
    return caller


def is_call(messages: Sequence[BaseMessage]) -> bool:
    return bool(messages) and isinstance(messages[-1], AIMessage) and bool(messages[-1].tool_calls)


def unseen(parts: Parts, error: Exception) -> dict[str, Any]:
    """A checkpointer of the other door cannot be asked; anything else is worth a note."""
    return {} if isinstance(error, NotImplementedError) else note(parts, "looking for the caller", error, {})
