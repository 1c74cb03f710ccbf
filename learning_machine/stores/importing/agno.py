"""agno's learnings table: its rows as JSON, a list or lines, or read from its Postgres.

Columns as agno's schema has them (agno.db.postgres.schemas): `learning_id`, `learning_type`, `namespace`, `user_id`,
`session_id`, `entity_id`, `entity_type`, `content` (JSON), `metadata`, `created_at`, `updated_at`. What `content` holds is
told by the type: `user_profile`, `user_memory`, `session_context`, `entity_memory`, `learned_knowledge`, `decision_log`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO

from learning_machine.state.extraction import ExtractedChange
from learning_machine.stores.importing.found import (
    ENTITIES,
    PROFILE,
    SESSION,
    Finding,
    Found,
    Learned,
    Problem,
    insight,
    observation,
    owned,
)
from learning_machine.stores.importing.streaming import values

#: What agno writes into a record for itself.
_INTERNAL = frozenset(
    ("user_id", "agent_id", "team_id", "workflow_id", "created_at", "updated_at", "memories", "namespace", "id")
)


def recognises(value: Any) -> bool:
    return isinstance(value, Mapping) and "learning_type" in value and "content" in value


def read(file: TextIO) -> Finding:
    """The rows of a JSON dump."""
    for found in values(file, "learnings", "rows"):
        if isinstance(found, Problem):
            yield found
        else:
            yield from row(found[1], found[0])


def rows(found: Iterable[Mapping[str, Any]]) -> Finding:
    """Rows as they come from the table."""
    for number, one in enumerate(found):
        yield from row(one, f"row {number}")


def row(value: Any, where: str) -> Iterator[Found]:
    """What one row tells."""
    if not recognises(value):
        yield Problem(where, "it is no learning: it lacks `learning_type` or `content`")
        return
    content = _object(value["content"])
    reader = _READERS.get(str(value["learning_type"]))
    if reader is None:
        yield Problem(where, "its `learning_type` is not known")
    elif content is None:
        yield Problem(where, "its `content` is no object")
    else:
        for one in reader({**content, **_columns(value)}, where):
            yield owned(one, value.get("user_id"))


def _columns(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in ("session_id", "entity_id", "entity_type") if value.get(name)}


def _object(content: Any) -> dict[str, Any] | None:
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except ValueError:
            return None
    return content if isinstance(content, dict) else None


# --- by type ----------------------------------------------------------------------------------------------------------


def _profile(content: dict[str, Any], where: str) -> Iterator[Found]:
    for name, value in content.items():
        if name not in _INTERNAL and value not in (None, "", [], {}):
            yield Learned(ExtractedChange(store=PROFILE, kind="field", name=name, value=value), f"{where}.{name}")
    yield from _memories(content, where)


def _memories(content: dict[str, Any], where: str) -> Iterator[Found]:
    for number, one in enumerate(_list(content, "memories")):
        yield observation(_text(one), f"{where}.memories[{number}]")


def _session(content: dict[str, Any], where: str) -> Iterator[Found]:
    session = content.get("session_id")
    if not isinstance(session, str) or not session:
        yield Problem(where, "it has no `session_id`")
        return
    for kind in ("summary", "goal"):
        if isinstance(content.get(kind), str) and content[kind].strip():
            change = ExtractedChange(store=SESSION, kind=kind, value=content[kind].strip())
            yield Learned(change, f"{where}.{kind}", session)
    done = {_text(one) for one in _list(content, "progress")}
    for number, one in enumerate(_list(content, "plan")):
        if text := _text(one):
            state = "done" if text in done else "open"
            yield Learned(
                ExtractedChange(store=SESSION, kind="step", name=state, value=text), f"{where}.plan[{number}]", session
            )


def _entity(content: dict[str, Any], where: str) -> Iterator[Found]:
    name = content.get("name") or content.get("entity_id")
    if not isinstance(name, str) or not name.strip():
        yield Problem(where, "the entity has no name")
        return
    type = content.get("entity_type")
    about = f"{name} ({type})" if isinstance(type, str) and type else name

    def told(kind: str, value: Any, place: str, **more: Any) -> Found:
        if value in (None, "", [], {}):
            return Problem(f"{where}.{place}", "it has no text")
        return Learned(
            ExtractedChange(store=ENTITIES, kind=kind, subject=about, value=value, **more), f"{where}.{place}"
        )

    aliases = tuple(one for one in _list(content, "aliases") if isinstance(one, str) and one.strip())
    yield Learned(ExtractedChange(store=ENTITIES, kind="entity", subject=about, value=name), where, aliases=aliases)
    if content.get("description"):
        yield told("fact", content["description"], "description")
    properties = content.get("properties")
    for key, value in (properties if isinstance(properties, dict) else {}).items():
        yield told("property", value, f"properties.{key}", name=key)
    for number, one in enumerate(_list(content, "facts")):
        yield told("fact", _text(one), f"facts[{number}]")
    for number, one in enumerate(_list(content, "events")):
        when = one.get("date") if isinstance(one, dict) else None
        yield told("event", _text(one), f"events[{number}]", when=when)
    for number, one in enumerate(_list(content, "relationships")):
        yield _relationship(about, one, f"{where}.relationships[{number}]")


def _relationship(about: str, one: Any, where: str) -> Found:
    other = (one.get("entity_name") or one.get("entity_id")) if isinstance(one, dict) else None
    relation = one.get("relation") or one.get("relationship") if isinstance(one, dict) else None
    if not isinstance(other, str) or not isinstance(relation, str) or not other or not relation:
        return Problem(where, "it lacks `entity_id` or `relation`")
    ends = (other, about) if one.get("direction") == "incoming" else (about, other)
    change = ExtractedChange(store=ENTITIES, kind="relationship", subject=ends[0], name=relation, target=ends[1])
    return Learned(change, where)


def _knowledge(content: dict[str, Any], where: str) -> Iterator[Found]:
    context = content.get("context")
    context = context if isinstance(context, str) else None
    yield insight(
        str(content.get("title") or ""), content.get("learning"), where, context=context, tags=content.get("tags")
    )


def _decision(content: dict[str, Any], where: str) -> Iterator[Found]:
    """A decision log has no store here yet: the decision and its reasons are kept as an insight."""
    parts = [content.get(name) for name in ("decision", "reasoning", "outcome")]
    text = ". ".join(part.strip(" .") for part in parts if isinstance(part, str) and part.strip())
    yield insight("decision", text, where, tags=content.get("tags"))


def _list(content: dict[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    return found if isinstance(found, list) else []


def _text(one: Any) -> str | None:
    text = one.get("content") or one.get("text") if isinstance(one, dict) else one
    return text.strip() if isinstance(text, str) and text.strip() else None


_READERS: dict[str, Callable[[dict[str, Any], str], Iterator[Found]]] = {
    "user_profile": _profile,
    "user_memory": _memories,
    "memories": _memories,
    "session_context": _session,
    "entity_memory": _entity,
    "learned_knowledge": _knowledge,
    "decision_log": _decision,
}
