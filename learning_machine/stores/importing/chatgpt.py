"""ChatGPT's data export: `conversations.json`, a list of conversations whose messages form a tree.

Format as OpenAI's export has it (Settings > Data controls > Export): each conversation has `mapping`, nodes by id with
`message`, `parent` and `children`, and `current_node`, the end of the branch that the person sees.
"""

from __future__ import annotations

from typing import Any, TextIO

from learning_machine.stores.importing.found import Finding, Message, Problem, Talk, instant
from learning_machine.stores.importing.streaming import values

ROLES = {"user": "user", "assistant": "assistant"}


def recognises(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("mapping"), dict)


def read(file: TextIO) -> Finding:
    """The conversations, each along the branch that was seen last."""
    for found in values(file):
        if isinstance(found, Problem):
            yield found
            continue
        where, value = found
        if not recognises(value):
            yield Problem(where, "it is no conversation: it has no `mapping`")
            continue
        yield from _talk(where, value)


def _talk(where: str, value: dict[str, Any]) -> Finding:
    id = value.get("conversation_id") or value.get("id")
    mapping = value["mapping"]
    if not isinstance(id, str) or not id:
        yield Problem(where, "the conversation has no `id`")
        return
    messages: list[Message] = []
    for key in _branch(mapping, value.get("current_node")):
        node = mapping.get(key)
        if not isinstance(node, dict):
            yield Problem(f"{where}.mapping.{key}", "it is no object")
            continue
        message = _message(node.get("message"), key)
        if isinstance(message, str):
            yield Problem(f"{where}.mapping.{key}", message)
        elif message is not None:
            messages.append(message)
    if messages:
        yield Talk(f"chatgpt-{id}", tuple(messages), where)


def _branch(mapping: dict[str, Any], leaf: Any) -> list[str]:
    """The ids from the root to the end of the branch; without a known end, to the last message of the newest branch."""
    if leaf not in mapping:
        leaf = next((key for key in reversed(mapping) if not (_of(mapping[key], "children") or ())), None)
    path: list[str] = []
    while isinstance(leaf, str) and leaf in mapping and leaf not in path:
        path.append(leaf)
        leaf = _of(mapping[leaf], "parent")
    return path[::-1]


def _of(node: Any, name: str) -> Any:
    return node.get(name) if isinstance(node, dict) else None


def _message(message: Any, key: str) -> Message | str | None:
    """What was said in a node; `None` where nobody said anything, a text where it cannot be read."""
    if message is None:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("author"), dict):
        return "the message has no `author`"
    role = ROLES.get(message["author"].get("role"))
    content = message.get("content")
    if role is None or message.get("recipient", "all") not in ("all", None):
        return None
    if not isinstance(content, dict):
        return "the message has no `content`"
    hidden = isinstance(message.get("metadata"), dict) and message["metadata"].get(
        "is_visually_hidden_from_conversation"
    )
    if hidden or content.get("content_type", "text") not in ("text", "multimodal_text"):
        return None
    parts = content.get("parts")
    if not isinstance(parts, list):
        return "the message's `content` has no `parts`"
    text = "\n".join(part for part in parts if isinstance(part, str)).strip()
    return Message(role, text, str(message.get("id") or key), instant(message.get("create_time"))) if text else None
