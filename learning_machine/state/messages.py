"""Plain reading of LangChain messages: who said what, under a key that stays the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from math import isfinite
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages

Role = Literal["user", "assistant"]
#: Longest message id that is kept as it is, in characters.
MAX_ID = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Said:
    """One thing said in a conversation. `key` is the message's id and content: an edited message is another one."""

    key: str
    role: Role
    content: str
    at: datetime | None = None


def clean_text(text: str) -> str:
    """The text with what Postgres or a terminal cannot hold replaced: NUL, control characters, lone surrogates."""
    return _CONTROL.sub("�", text)


def clean_value(value: Any) -> Any:
    """A JSON value with every text in it cleaned."""
    return map_text(clean_text, value)


def map_text(function: Callable[[str], str], value: Any) -> Any:
    """A JSON value with a function applied to every text in it, keys and written numbers included.

    Numbers that JSON has no word for become null.
    """
    if isinstance(value, str):
        return function(value)
    if isinstance(value, dict):
        return {function(str(key)): map_text(function, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_text(function, item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = function(str(value))
        return value if written == str(value) else written
    return value


def text_of(message: BaseMessage) -> str:
    """The message's text; of images and files nothing, of mixed content the text parts."""
    return clean_text(message.text)


def message_key(message: BaseMessage, position: int = 0, session: str = "") -> str:
    """The key of a message. One without an id gets one from its thread and position."""
    text = text_of(message)
    digest = blake2s(f"{message.type}\0{text}".encode(), digest_size=5).hexdigest()
    identity = clean_text(message.id or "at" + blake2s(f"{session}\0{position}".encode(), digest_size=6).hexdigest())
    if len(identity) > MAX_ID:
        # Clients choose ids; no index holds an endless one.
        identity = blake2s(identity.encode(), digest_size=16).hexdigest()
    return f"{identity}~{digest}"


def as_messages(messages: Sequence[Any]) -> list[BaseMessage]:
    """LangChain messages from what people pass: messages, dicts in OpenAI's form, or (role, text) pairs."""
    return convert_to_messages(messages)


def spoken(messages: Sequence[BaseMessage], session: str = "") -> list[Said]:
    """What the user and the assistant said in words: no system prompt, no tool calls, no tool results."""
    found = []
    for position, message in enumerate(messages):
        role = role_of(message)
        text = text_of(message) if role else ""
        if role and text.strip():
            found.append(Said(message_key(message, position, session), role, text, _time_of(message)))
    return found


def role_of(message: BaseMessage) -> Role | None:
    if isinstance(message, HumanMessage):
        return None if message.additional_kwargs.get("lc_source") else "user"
    return "assistant" if isinstance(message, AIMessage) else None


def keys_of(messages: Sequence[BaseMessage], session: str = "") -> list[str]:
    """The keys of everything in front of the agent, tool calls included: where the conversation stands."""
    return [
        message_key(message, position, session)
        for position, message in enumerate(messages)
        if isinstance(message, HumanMessage | AIMessage)
    ]


def last_user_text(messages: Sequence[BaseMessage]) -> str:
    """The text of the last user message, or `""`."""
    return next((text_of(message) for message in reversed(messages) if isinstance(message, HumanMessage)), "")


def last_user_key(messages: Sequence[BaseMessage], session: str = "") -> str:
    """The key of the last message that the user said, or `""`: what a turn is about."""
    for position in range(len(messages) - 1, -1, -1):
        if role_of(messages[position]) == "user":
            return message_key(messages[position], position, session)
    return ""


def identity_of(key: str) -> str:
    """Which message a key is of, whatever it says by now."""
    return key.rpartition("~")[0]


def last_answer(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The answer that ends the conversation: the last assistant message, if it is one that answers rather than calls."""
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            return message if text_of(message).strip() or not message.tool_calls else None
    return None


def turn_start(said: Sequence[Said]) -> int:
    """Where the last turn begins: at the first of the user messages that the last answer, if any, answers."""
    index = len(said) - 1
    while index >= 0 and said[index].role == "assistant":
        index -= 1
    while index > 0 and said[index - 1].role == "user":
        index -= 1
    return max(index, 0)


def unsettled_from(said: Sequence[Said], settled: Sequence[str], owed: str | None) -> str | None:
    """The key of the first message not yet offered to learning: what an earlier turn still owes, or this turn's first.

    Nothing before this turn counts unless it is owed, because it may have been said by somebody else.
    """
    if not said:
        return None
    known, keys = set(settled), [one.key for one in said]
    last = max((index for index, key in enumerate(keys) if key in known), default=-1)
    if owed in keys[last + 1 :]:
        return owed
    return keys[max(turn_start(said), min(last + 1, len(keys) - 1))]


def said_from(said: Sequence[Said], start: str | None) -> list[Said]:
    """What was said from the message with this key on; all of this turn when the key is not in sight."""
    for index, one in enumerate(said):
        if one.key == start:
            return list(said[index:])
    return list(said[turn_start(said) :])


def turns_of(said: Sequence[Said]) -> list[list[Said]]:
    """A conversation in turns: each begins where the user speaks after the assistant did."""
    turns: list[list[Said]] = []
    for one in said:
        if not turns or (one.role == "user" and turns[-1][-1].role == "assistant"):
            turns.append([])
        turns[-1].append(one)
    return turns


def _time_of(message: BaseMessage) -> datetime | None:
    stamp = message.additional_kwargs.get("at") or message.response_metadata.get("at")
    return stamp if isinstance(stamp, datetime) else None
