"""What the offline model replies: the changes of an extraction, calls of learning tools, or words from its context."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from learning_machine.offline.sentences import FIELDS, read, sentences
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.messages import role_of, text_of

NOTICE = "I am the offline pattern model, not a language model."
_FOUND = "<recalled_learnings>"
_TOOLS = {"field": "update_profile", "observation": "remember", "insight": "save_learning", "fact": "remember_about"}
_TOOLS |= {"event": "remember_about", "relationship": "link_entities"}
_STORE = re.compile(r"^`(\w+)`:", re.MULTILINE)
_BLOCK = re.compile(r"^<(\w+)>\n((?: *+- .*+\n)+)</", re.MULTILINE)
_LINE = re.compile(r"^( *)- (?!\()(.+?)(?: \[k\w+\])?$", re.MULTILINE)
_ASKS = re.compile(r"\?|^\s*(?:what|where|who|when|why|how|which|tell me)\b", re.IGNORECASE)
_COMMON = r"an?|the|of|in|on|at|to|for|with|about|is|are|do|does|did|i|me|my|we|you|it|wh\w+|how|know|tell|should"
_WORD = re.compile(rf"(?<![^\W_])(?!(?:{_COMMON})\b)[^\W_]+")


def reply(messages: Sequence[BaseMessage], takes: Mapping[str, Any]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """What to say, or the tools to call with their arguments. `takes`: the schema of each tool's arguments."""
    wanted = "\n".join(text_of(one) for one in messages if isinstance(one, SystemMessage))
    asked = text_of(messages[-1]) if messages else ""
    if _STORE.search(wanted) and "\nAlready known:\n" in asked and "\nNew messages:\n" in asked:
        extracted = _extracted(wanted, asked)
        return ("", [(tool, extracted) for tool in takes]) if takes else (json.dumps(extracted), [])
    calls = _tool_calls(messages, takes)
    return ("" if calls else _answer(messages), calls)


def _extracted(wanted: str, asked: str) -> dict[str, Any]:
    """The reply to an extraction call."""
    rows = [json.loads(line) for line in asked.split("\n") if line.startswith("{")]
    known = [ExtractedChange(**row) for row in rows if "handle" in row]
    # What a correction corrects often stands in an earlier batch; the summary shows what was spoken of last.
    texts = [str(one.value) for one in known if one.kind == "summary"][:1] or [""]
    texts += [row["text"] for row in rows if row.get("role") == "user"]
    said = [one for one in chain(*read(texts)[1:]) if one.kind != "goal" or '"goal"' in wanted]
    changes = _news([*said, _summary(texts)], known)
    return {"changes": [one.model_dump() for one in changes if one.store in _STORE.findall(wanted)]}


def _news(changes: Sequence[ExtractedChange], known: Sequence[ExtractedChange]) -> list[ExtractedChange]:
    """What is not known yet: of what can hold one value the last, as a revision where another is known; and what goes."""
    held, news = {_slot(one): one for one in known}, []
    for slot, one in {_slot(one): one for one in changes}.items():
        if one.kind == "forgotten":
            gone = {"action": "retire", "value": None, "quote": one.quote}
            news += [old.model_copy(update=gone) for old in known if _folded(old) in _folded(one)]
        elif slot in held and _folded(one) != _folded(held[slot]):
            news.append(one.model_copy(update={"action": "revise", "handle": held[slot].handle}))
        elif slot not in held and one.value:
            news.append(one)
    return news


def _slot(one: ExtractedChange) -> tuple[str | None, ...]:
    """What only one learning can fill; of what may be many, each has a place of its own."""
    is_single = one.kind in ("summary", "goal") or (one.kind == "field" and one.name != "preferences")
    return one.store, one.kind, one.name if is_single else _folded(one)


def _folded(one: ExtractedChange) -> str:
    return str(one.value).casefold()


def _summary(texts: Sequence[str]) -> ExtractedChange:
    """The summary: the user's own sentences, the first and the newest four."""
    lines = list(dict.fromkeys(words + ".?"[asked] for one in texts for words, asked in sentences(one) if " " in words))
    return ExtractedChange(store="session_context", kind="summary", value=" ".join(lines[:1] + lines[1:][-4:]))


def _tool_calls(messages: Sequence[BaseMessage], takes: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Calls of the learning tools for what the last message says, unless it is known; none after a tool's result."""
    known, said = _seen(messages)
    held, calls = {_folded(one) for one in known}, []
    for one in read(said)[-1] if said and role_of(messages[-1]) == "user" else []:
        given = dict.fromkeys(("value", "text", "learning", one.kind), one.value) | {"quote": one.quote}
        given |= dict.fromkeys(("field", "title", "relation"), one.name) | {"when": one.when}
        given |= dict.fromkeys(("entity", "source"), one.subject) | {"target": one.target}
        tool = _TOOLS.get(one.kind or "", "")
        if tool in takes and _folded(one) not in held:
            calls.append((tool, {name: given[name] for name in takes[tool].get("properties", {}) if given.get(name)}))
    return calls


def _seen(messages: Sequence[BaseMessage]) -> tuple[list[ExtractedChange], list[str]]:
    """What the context says is known, and what the user said: of both no more than a demo needs."""
    said = [text_of(one) for one in messages if role_of(one) == "user"]
    contexts = [text_of(one) for one in messages if isinstance(one, SystemMessage) or text_of(one).startswith(_FOUND)]
    known = [line for text in contexts for line in _known(text.partition("learnings>\n")[2])]
    return known[:500], [text for text in said if not text.startswith(_FOUND)][-20:]


def _known(context: str) -> list[ExtractedChange]:
    """The lines of a context. An indented one is about the thing that the line above it names."""
    known, about = [], ""
    for block, lines in _BLOCK.findall(context):
        for indent, escaped in _LINE.findall(lines):
            words = html.unescape(escaped).partition(" — answered: ")[0].replace(" — ", " ").replace(" → ", " ")
            words = re.sub(r"^(.{1,80}?): (?=\1)", "", words)  # a title that the text begins with
            name, colon, value = words.partition(": ") if block == "user_profile" else ("", "", "")
            if not indent and words.endswith(":"):
                about = re.split(r" \(|[,:]", words)[0]
            elif "?" not in words and (block != "conversation" or " user: " in words):
                value = value or (f"{about}: {words}" if indent and about not in words else words)
                known.append(ExtractedChange(store=block, kind="field" if colon else None, name=name, value=value))
    return known


def _answer(messages: Sequence[BaseMessage]) -> str:
    """The answer to the last user message. The first of a thread says what is answering."""
    known, said = _seen(messages)
    words, stated = said[-1] if said else "", read(said)
    facts = {_slot(one): one for one in chain(known, *stated) if one.kind != "forgotten"}
    noted = dict.fromkeys(f"“{one.quote}”" for one in chain(*stated[-1:]))
    parts = ["Hello!"] if re.match(r"(?i)\s*(?:hi|hey|hello)\b", words) else []
    parts += [f"Noted: {'; '.join(noted)}."] if noted else []
    parts += [_found(words, list(facts.values()))] if _ASKS.search(words) else []
    answered = any(isinstance(one, AIMessage) and one.text for one in messages)
    return " ".join(parts if parts and answered else [*parts, NOTICE])


def _found(words: str, facts: Sequence[ExtractedChange]) -> str:
    """The answer to a question: fields it asks for, all of the user, or what shares most words, learned before said."""
    lines = {f"{one.name}: {one.value}" if one.kind == "field" else str(one.quote or one.value): one for one in facts}
    asked = [field for field, (pattern, _) in FIELDS.items() if pattern.search(words)]
    values = {field: [str(one.value) for one in facts if one.name == field] for field in asked}
    told = [FIELDS[field][1].format("; ".join(found)) for field, found in values.items() if found]
    title, related = "What I know", [line for line, one in lines.items() if one.store == "user_profile"]
    if not re.search(r"(?i)\babout me\b", words):
        shared = {line: len(_stems(words) & _stems(line)) - (lines[line].store == "conversation") / 2 for line in lines}
        best = max([len(_stems(words)) / 2, 0.5, *shared.values()])
        title, related = "From what I have", [line.rstrip(".") for line in lines if shared[line] == best][:5]
    return " ".join(told) or (f"{title}: {'; '.join(related)}." if related else "I don't know that yet.")


def _stems(text: str) -> set[str]:
    return {word.rstrip("s")[:5] for word in _WORD.findall(text[:2000].lower())}
