"""What the records of an export look like, so that one that was damaged is listed and never half understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from learning_machine.state.changes import from_json

#: What ids may be: beyond, the database would have none left to give.
_MOST = 2**62


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _fields(check: Callable[[Any], bool], *names: str) -> dict[str, Callable[[Any], bool]]:
    return dict.fromkeys(names, check)


Fields = Mapping[str, Callable[[Any], bool]]
#: What a record cannot do without, and what else it may have, by kind.
_NEEDS: dict[str, Fields] = {
    "turn": {
        **_fields(_is_id, "id"),
        **_fields(_is_text, "machine", "session", "answer"),
        **_fields(_are_texts, "messages"),
        **_fields(_is_object, "scope"),
        **_fields(_is_time, "recorded_at"),
    },
    "message": {
        **_fields(_is_number, "id", "position"),
        **_fields(_is_id, "turn"),
        **_fields(_is_text, "session", "key", "role", "content"),
        **_fields(_is_time, "said_at"),
    },
    "learning": {
        **_fields(_is_number, "id", "space", "trust"),
        **_fields(_is_text, "store", "kind", "slot", "text", "content_key", "origin", "status"),
        **_fields(_is_time, "known_from"),
    },
    "proposal": {
        **_fields(_is_number, "id", "space"),
        **_fields(_is_text, "store", "kind", "content_key", "status"),
        **_fields(_is_object, "change", "shown"),
        **_fields(_is_time, "proposed_at"),
    },
    "evidence": {**_fields(_is_number, "learning_space"), **_fields(_is_text, "quote")},
    "derived_from": _fields(_is_number, "space", "learning", "source_space", "source"),
    "root": {**_fields(_is_number, "learning_space", "learning"), **_fields(_is_text, "session", "anchor")},
    "archived": {
        **_fields(_is_number, "space", "learning"),
        **_fields(_is_text, "reason"),
        **_fields(_is_id, "batch"),
        **_fields(_is_time, "at"),
    },
}
_MAY: dict[str, Fields] = {
    "turn": {
        **_fields(_is_id, "parent", "read"),
        **_fields(_are_texts, "shown"),
        **_fields(_is_time, "read_at", "abandoned_at"),
    },
    "message": _fields(_is_time, "expires_at"),
    "learning": {
        **_fields(_is_number, "supersedes", "superseded_by"),
        **_fields(_is_text, "subject", "target", "name", "found_by", "session", "anchor", "actor", "agent"),
        **_fields(_is_id, "turn", "batch"),
        **_fields(_is_time, "known_to", "true_from", "true_to", "holds_from", "holds_to", "stale_at", "expires_at"),
    },
    "proposal": {
        **_fields(_is_number, "learning_space", "speaker"),
        **_fields(_is_text, "machine", "session", "subject"),
        **_fields(_is_object, "scope", "verdict"),
        **_fields(_is_time, "expires_at", "decided_at"),
    },
    "evidence": {
        **_fields(_is_number, "learning", "proposal"),
        **_fields(_is_id, "turn", "batch"),
        **_fields(_is_text, "message", "session"),
        **_fields(_is_time, "said_at", "withdrawn_at"),
    },
    "derived_from": _fields(_is_time, "fallen_at"),
    "root": _fields(_is_time, "abandoned_at"),
    "archived": _fields(_is_number, "survivor"),
}


#: What says where a record lies, in whatever kind it is.
_SPACES = _fields(_is_number, "space", "learning_space", "source_space")


def problem_of(record: Mapping[str, Any]) -> str | None:
    """Why a record cannot be used, if so: what it lacks, or what in it is not what it should be."""
    kind = record["record"]
    if missing := [name for name in _NEEDS[kind] if record.get(name) is None]:
        return f"the {kind} lacks {', '.join(missing)}"
    checks = {**_SPACES, **_NEEDS[kind], **_MAY[kind]}
    wrong = [name for name, fits in checks.items() if record.get(name) is not None and not fits(record[name])]
    if wrong:
        return f"of the {kind}, {', '.join(wrong)} cannot be read"
    return _problem_of_proposal(record["change"], record["shown"]) if kind == "proposal" else None


def _problem_of_proposal(change: Mapping[str, Any], shown: Mapping[str, Any]) -> str | None:
    """Why nobody could decide on a proposal: they would not see what approving it writes, or it writes nothing."""
    try:
        from_json({name: value for name, value in change.items() if name != "anchor"})
    except (KeyError, TypeError, ValueError):
        return "the change that is proposed cannot be read"
    return None if _is_shown_as_it_is(change, shown) else "what the proposal shows is not what it would learn"


def _is_shown_as_it_is(change: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
    words = {name: change.get(name) or "" for name in ("name", "text")}
    things = {name: _name_of(change.get(name)) for name in ("about", "towards")}
    return all(shown.get(name) == one for name, one in {**words, **things}.items())


def _name_of(thing: Any) -> Any:
    return (thing.get("name") or "") if isinstance(thing, dict) else ""


def are_spaces(value: Any) -> bool:
    """Whether this is the header's list of spaces: numbers, each with a kind."""
    return isinstance(value, dict) and all(
        name.isdecimal() and int(name) < _MOST and isinstance(one, dict) for name, one in value.items()
    )
