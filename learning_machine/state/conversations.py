"""Conversations read from a file's text: OpenAI message JSON, JSONL, or `User:` / `Assistant:` lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal

from learning_machine.errors import InvalidInput

Role = Literal["user", "assistant"]
OnBad = Callable[[int, str], None]

FORMS = (
    "Give OpenAI message JSON (a list of messages, or objects with `messages`), JSONL (one of these on each line), "
    "or text whose lines begin with `User:` and `Assistant:`."
)

_ROLES: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "bot": "assistant",
}
_UNSPOKEN = {"system", "developer", "tool", "function"}
_TEXT_PARTS = ("text", "input_text", "output_text")
_TIMES = ("created_at", "timestamp", "time", "create_time")
# Matched at the very start of a line: indented text, such as YAML inside a message, is not a speaker.
_SPEAKER_LINE = re.compile(rf"({'|'.join(_ROLES)})[ \t]*[:：][ \t]?", re.IGNORECASE | re.ASCII)
_RULE_LINE = re.compile(r"(?:-{3,}|={3,})[ \t]*")
_WHOLE_LINE = re.compile(r'(?:\{\s*"|\[\s*\{).*[]}]')
_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class SpokenMessage:
    """What one side said, and when, if that is known (times without a zone are taken as UTC)."""

    role: Role
    content: str
    id: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Conversation:
    """Messages that belong together, in the order they were said."""

    messages: tuple[SpokenMessage, ...]
    id: str | None = None


class _BadRecord(Exception):
    """Why one record cannot be used; never shows what it says."""


def read_conversations(text: str, *, on_bad: OnBad | None = None) -> list[Conversation]:
    """The conversations in `text`, whose form is detected. Messages of tools and systems, and empty ones, are left out.

    A record that cannot be read raises `InvalidInput` with its number. With `on_bad`, it is passed there as
    `(number, reason)` instead, and the rest is kept. Numbers count from 1: lines in JSONL and plain text, entries in
    JSON. JSON records that name a `conversation_id` or `thread_id` are put together by it. An unreadable time is
    no reason to lose a message: it is left out.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InvalidInput(f"The input is empty. {FORMS}")
    if not (found := _detect(_NEWLINE.split(text), on_bad)):
        raise InvalidInput(f"The input holds no message of a user or an assistant. {FORMS}")
    return found


def _detect(lines: list[str], on_bad: OnBad | None) -> list[Conversation]:
    try:
        value = _parse("\n".join(lines))
    except _BadRecord as error:
        filled = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
        if any(map(_SPEAKER_LINE.match, lines)):
            return _from_plain(lines, on_bad)
        # Most lines are whole values; a broken one here and there is named below.
        if 2 * sum(_WHOLE_LINE.fullmatch(line) is not None for _, line in filled) >= len(filled):
            return _gather("Line", filled, on_bad)
        if filled[0][1][0] in "[{":
            raise InvalidInput(f"The input is {error}. {FORMS}") from None
        return _from_plain(lines, on_bad)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return _gather("Message", enumerate(value["messages"], 1), on_bad, _conversation_id(value, "id"))
    return _gather("Record", enumerate(value if isinstance(value, list) else [value], 1), on_bad)


def _reject(where: str, number: int, reason: str, on_bad: OnBad | None) -> None:
    if on_bad is None:
        raise InvalidInput(f"{where} {number}: {reason}. {FORMS}", record=number)
    on_bad(number, reason)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise _BadRecord(f"not valid JSON ({line}column {error.colno}: {error.msg})") from None
    except (ValueError, RecursionError):
        raise _BadRecord("not readable as JSON (a number is too long or the nesting too deep)") from None


def _gather(
    where: str, records: Iterable[tuple[int, Any]], on_bad: OnBad | None, id: str | None = None
) -> list[Conversation]:
    """Records are messages, which are put together, or whole conversations, which stand alone; lines are parsed."""
    found: dict[tuple[str | None, int], list[SpokenMessage]] = {}
    last_whole = 0
    for number, record in records:
        try:
            value = _parse(record) if where == "Line" else record
            whole = value.get("messages") if isinstance(value, dict) else value
            if isinstance(whole, list):
                read = [_message(item, f"message {n}") for n, item in enumerate(whole, 1)]
                found[_conversation_id(value, "id"), number] = [message for message in read if message]
                last_whole = number
            elif message := _message(value, "the message"):
                key = id or _conversation_id(value)
                found.setdefault((key, 0 if key else -last_whole), []).append(message)
        except _BadRecord as error:
            _reject(where, number, str(error), on_bad)
    return [Conversation(tuple(messages), key[0]) for key, messages in found.items() if messages]


def _message(value: Any, name: str) -> SpokenMessage | None:
    """The message of one record, or `None` when nobody said anything in it."""
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        raise _BadRecord(f"{name} is not an object with `role` and `content`")
    if (role := value["role"].strip().lower()) in _UNSPOKEN:
        return None
    if role not in _ROLES:
        raise _BadRecord(f"{name} has a `role` other than user, assistant, system, developer, tool or function")
    if "content" not in value and not (value.get("tool_calls") or value.get("function_call")):
        raise _BadRecord(f"{name} has no `content`")
    content = _text_of(value.get("content"), name)
    at = next((at for key in _TIMES if (at := _instant(value.get(key)))), None)
    return SpokenMessage(_ROLES[role], content, _identity(value, "id"), at) if content.strip() else None


def _text_of(content: Any, name: str) -> str:
    """Text as it is, or the text parts of a list; images and other parts have none."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _BadRecord(f"{name} has a `content` that is neither text nor a list of parts")
    parts = [part for part in content if isinstance(part, dict) and part.get("type") in _TEXT_PARTS]
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _identity(value: dict[str, Any], *names: str) -> str | None:
    found = (value.get(name) for name in names)
    return next((str(v) for v in found if isinstance(v, str | int) and not isinstance(v, bool) and v != ""), None)


def _conversation_id(value: Any, *more: str) -> str | None:
    return _identity(value, "conversation_id", "thread_id", *more) if isinstance(value, dict) else None


def _instant(value: Any) -> datetime | None:
    """A moment from unix seconds (or milliseconds, told by their size) or ISO text."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,13}(?:\.[0-9]{1,9})?", value):
            at = datetime.fromisoformat(value.strip())
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            seconds = float(value)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
    return None


def _from_plain(lines: list[str], on_bad: OnBad | None) -> list[Conversation]:
    """Spoken lines and what follows them; a rule ends a conversation only where a speaker (or nothing) comes next."""
    conversations: list[list[tuple[Role, list[str]]]] = [[]]
    filled = [number for number, line in enumerate(lines) if line.strip()]
    following = {a: lines[b] for a, b in pairwise(filled)}
    for number, line in enumerate(lines):
        current = conversations[-1]
        if speaker := _SPEAKER_LINE.match(line):
            current.append((_ROLES[speaker[1].lower()], [line[speaker.end() :]]))
        elif _RULE_LINE.fullmatch(line) and _SPEAKER_LINE.match(following.get(number, "user:")):
            conversations.append([])
        elif current:
            current[-1][1].append(line)
        elif line.strip():
            _reject("Line", number + 1, "text before the first speaker", on_bad)
    spoken = [[SpokenMessage(r, t) for r, body in c if (t := "\n".join(body).strip())] for c in conversations]
    return [Conversation(tuple(messages)) for messages in spoken if messages]
