"""What the offline model replies: the changes of an extraction, calls of learning tools, or words from its context."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from learning_machine.offline.sentences import FIELDS, asked_for, is_single, read, sentences
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.messages import role_of, text_of

NOTICE = "I am the offline pattern model, not a language model."
UNKNOWN = "I don't know that yet."
FOUND = "<recalled_learnings>"
# Enough for a demo, and quick whatever a thread or a context holds.
_MOST_LINES, _MOST_MESSAGES, _MOST_SENTENCES = 500, 20, 5
_TOOLS = {"field": "update_profile", "observation": "remember", "insight": "save_learning", "fact": "remember_about"}
_TOOLS |= {"event": "remember_about", "relationship": "link_entities"}

_STORE = re.compile(r"^`(\w+)`:", re.MULTILINE)
_LINE = re.compile(r"( *)- (?!\()(.+?)(?: \[k\w+\])?")
_GREETS = re.compile(r"\s*(?:hi|hey|hello|good (?:morning|evening|afternoon))\b", re.IGNORECASE)
_ASKS = re.compile(r"\?|^\s*(?:what|where|who|when|why|how|which|tell me)\b", re.IGNORECASE)
_COMMON = set(
    ["a", "about", "am", "an", "and", "are", "at", "be", "did", "do", "does", "for", "from", "had", "has", "have", "how", "i", "in", "is", "it", "know", "me", "my", "of", "on", "or", "our", "should", "tell", "the", "that", "this", "to", "was", "we", "what", "when", "where", "which", "who", "why", "with", "you", "your"]
)


def extract(messages: Sequence[BaseMessage]) -> dict[str, Any] | None:
    """The reply to an extraction call; `None` when the messages are a conversation."""
    wanted = "\n".join(text_of(one) for one in messages if isinstance(one, SystemMessage))
    asked = text_of(messages[-1]) if messages else ""
    stores = set(_STORE.findall(wanted))
    if not stores or "\nAlready known:\n" not in asked or "\nNew messages:\n" not in asked:
        return None
    rows = [json.loads(line) for line in asked.split("\n") if line.startswith("{")]
    known = [ExtractedChange(**row) for row in rows if "handle" in row]
    summary = next((str(one.value) for one in known if one.kind == "summary"), "")
    # What a correction corrects often stands in an earlier batch; the summary shows what was spoken of last.
    texts = [summary, *(row["text"] for row in rows if row.get("role") == "user")]
    changes = [one for said in read(texts)[1:] for one in said if one.kind != "goal" or '"goal"' in wanted]
    changes = [*_settled([*changes, _summed_up(texts)], known), *_forgotten(texts[1:], known)]
    return {"changes": [one.model_dump() for one in changes if one.store in stores and (one.value or one.handle)]}


def _settled(changes: Sequence[ExtractedChange], known: Sequence[ExtractedChange]) -> list[ExtractedChange]:
    """Of what can hold one value the last, as a revision where another is known; nothing that is known already."""
    held = {_slot(one): one for one in known}
    news = {slot: one for slot, one in {_slot(one): one for one in changes}.items() if not _same(one, held.get(slot))}
    revised = {slot: {"action": "revise", "handle": held[slot].handle} for slot in news if slot in held}
    return [one.model_copy(update=revised.get(slot)) for slot, one in news.items()]


def _slot(one: ExtractedChange) -> tuple[str | None, ...]:
    """What only one learning can fill; of what may be many, each has a place of its own."""
    return one.store, one.kind, one.name if is_single(one) else _folded(one.value)


def _same(one: ExtractedChange, other: ExtractedChange | None) -> bool:
    return other is not None and _folded(one.value) == _folded(other.value)


def _folded(value: Any) -> str:
    return " ".join(str(value).casefold().replace(" — ", " ").replace(" → ", " ").split())


def _summed_up(texts: Sequence[str]) -> ExtractedChange:
    """The summary: the user's own sentences, the first and the newest."""
    said = [words + ("?" if asked else ".") for text in texts for words, asked in sentences(text) if " " in words]
    lines = list(dict.fromkeys(said))
    kept = lines if len(lines) <= _MOST_SENTENCES else [lines[0], *lines[1 - _MOST_SENTENCES :]]
    return ExtractedChange(store="session_context", kind="summary", value=" ".join(kept))


def _forgotten(texts: Sequence[str], known: Sequence[ExtractedChange]) -> list[ExtractedChange]:
    """What the user asks to forget, by its value or its field: "forget that I live in Lisbon", "forget my name"."""
    said = [
        words for text in texts for words, _ in sentences(text) if words.lower().startswith(("forget", "please forget"))
    ]
    return [
        one.model_copy(update={"action": "retire", "value": None, "quote": words})
        for words in said
        for one in known
        if one.store == "user_profile" and (_folded(one.value) in _folded(words) or one.name == asked_for(words))
    ]


def tool_calls(messages: Sequence[BaseMessage], takes: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Calls of the learning tools for what the last message says, unless it is known; none after a tool's result."""
    known, said = _seen(messages)
    calls, held = [], {_folded(one.value) for one in known}
    for one in read(said)[-1] if said and role_of(messages[-1]) == "user" else []:
        tool = _TOOLS[one.kind or ""] if one.kind in _TOOLS else ""
        given = dict.fromkeys(("value", "text", "learning", one.kind), one.value) | {
            "quote": one.quote,
            "when": one.when,
        }
        given |= dict.fromkeys(("field", "title", "relation"), one.name) | {"target": one.target}
        given |= dict.fromkeys(("entity", "source"), one.subject)
        if tool in takes and _folded(one.value) not in held:
            calls.append((tool, {name: given[name] for name in takes[tool] if given.get(name)}))
    return calls


def _seen(messages: Sequence[BaseMessage]) -> tuple[list[ExtractedChange], list[str]]:
    """What the context says is known, and what the user said."""
    known, said = [], []
    for message in messages:
        text, is_user = text_of(message), role_of(message) == "user"
        if isinstance(message, SystemMessage) or (is_user and text.startswith(FOUND)):
            known += _known(text)
        elif is_user:
            said.append(text)
    return known[:_MOST_LINES], said[-_MOST_MESSAGES:]


def _known(text: str) -> list[ExtractedChange]:
    """What stands in the frames of a context. An indented line is about the thing that the line above it names."""
    block, about, known = "", "", []
    frames = [part.split("</learnings>")[0] for part in text.split("<learnings>")[1:]]
    frames += [part.split("</recalled_learnings>")[0] for part in text.split(FOUND)[1:]]
    for line in "\n".join(frames).split("\n"):
        entry = _LINE.fullmatch(line)
        words = html.unescape(entry[2]).replace(" → ", " ") if entry else ""
        if line.startswith("<"):
            block = line.strip("</>")
        elif entry and not entry[1] and words.endswith(":"):
            about = re.split(r" \(|[,:]", words)[0]
        elif words:
            words = f"{about}: {words}" if entry and entry[1] and about not in words else words
            field, colon, value = words.partition(": ") if block == "user_profile" else ("", "", "")
            one = ExtractedChange(store=block, kind="field" if colon else None, value=value if colon else words)
            known.append(one.model_copy(update={"name": field if colon else None, "quote": words}))
    return known


def answer(messages: Sequence[BaseMessage]) -> str:
    """The answer to the last user message. The first of a thread says what is answering."""
    known, said = _seen(messages)
    words, stated = said[-1] if said else "", read(said)
    facts = list({_slot(one): one for one in [*known, *(one for found in stated for one in found)]}.values())
    names = [one.value for field in ("preferred_name", "name") for one in facts if one.name == field]
    parts = [f"Hello {names[0]}!" if names else "Hello!"] if _GREETS.match(words) else []
    noted = [_told(one.name or "", [one]) or f"You said “{one.quote}”." for one in (stated[-1] if stated else [])]
    parts += ["Noted.", *dict.fromkeys(noted)] if noted else []
    parts += [_found(words, facts)] if _ASKS.search(words) else []
    if not parts or not any(isinstance(one, AIMessage) and one.text for one in messages):
        parts.append(NOTICE)
    return " ".join(parts)


def _told(field: str, facts: Sequence[ExtractedChange]) -> str:
    values = [str(one.value) for one in facts if one.kind == "field" and one.name == field]
    return FIELDS[field][1].format("; ".join(values)) if values and field in FIELDS else ""


def _found(words: str, facts: Sequence[ExtractedChange]) -> str:
    """The answer to a question."""
    if re.search(r"\babout me\b", words, re.IGNORECASE):
        about = [one.quote if ... else one for one in facts if one.store == "user_profile"]
        return f"This is what I know about you: {'; '.join(about)}." if about else UNKNOWN
    told = [_told(field, facts) for field, (asked, _) in FIELDS.items() if asked.search(words)]
    related = "; ".join(_related(words, facts))
    return " ".join(filter(None, told)) or (f"From what I have: {related}." if related else UNKNOWN)


def _related(words: str, facts: Sequence[ExtractedChange]) -> list[str]:
    """What shares most words with a question, at least half of its own; no earlier questions."""
    sought = _stems(words)
    texts = [one.quote or "" for one in facts if one.store != "conversation" or "?" not in (one.quote or "")]
    scored = [(len(sought & _stems(text)), text.rstrip(".")) for text in texts]
    best = max((score for score, _ in scored), default=0)
    return [text for score, text in scored if score == best and 2 * best >= len(sought) > 0][:5]


def _stems(text: str) -> set[str]:
    words = re.findall(r"\w+", text[:2000].lower())
    return {re.sub(r"(?:ing|ed|es|s|e)$", "", word) for word in words if word not in _COMMON}
