"""Claude's data export: `conversations.json`, a list of conversations with `chat_messages` in order.

Format as Anthropic's export has it (Settings > Privacy > Export data): `uuid`, `name`, `created_at`, and of each message
`uuid`, `sender` (`human` or `assistant`), `text`, `content` and `created_at`.
"""

from __future__ import annotations

from typing import Any, TextIO

from learning_machine.stores.importing.found import Finding, Message, Problem, Talk, instant
from learning_machine.stores.importing.streaming import values

SENDERS = {"human": "user", "user": "user", "assistant": "assistant"}


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("chat_messages"), list)


def read(file: TextIO) -> Finding:
    """The conversations."""
    for found in values(file):
        if isinstance(found, Problem):
            yield found
            continue
        where, value = found
        if not recognises(value):
            yield Problem(where, "it is no conversation: it has no `chat_messages`")
        elif not isinstance(value.get("uuid"), str) or not value["uuid"]:
            yield Problem(where, "the conversation has no `uuid`")
        else:
            yield from _talk(where, value)


def _talk(where: str, value: dict[str, Any]) -> Finding:
    messages: list[Message] = []
    for number, one in enumerate(value["chat_messages"]):
        message = _message(one)
        if isinstance(message, str):
            yield Problem(f"{where}.chat_messages[{number}]", message)
        elif message is not None:
            messages.append(message)
    if messages:
        yield Talk(f"claude-{value['uuid']}", tuple(messages), where)


def _message(message: Any) -> Message | str | None:
    if not isinstance(message, dict):
        return "the message is no object"
    sender = message.get("sender")
    role = SENDERS.get(sender) if isinstance(sender, str) else None
    if role is None:
        return "the message has a `sender` other than human and assistant"
    text = message.get("text")
    if not isinstance(text, str) or not text.strip():
        parts = message.get("content")
        if not isinstance(parts, list):
            return "the message has neither `text` nor `content`"
        texts = (part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text")
        text = "\n".join(one for one in texts if isinstance(one, str))
    id = message.get("uuid")
    at = instant(message.get("created_at"))
    return Message(role, text.strip(), id if isinstance(id, str) else None, at) if text.strip() else None
