"""Entity memory: facts, events and relationships of the things in the agent's world, each asked for in its own way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from learning_machine.errors import InvalidInput
from learning_machine.state.changes import Add, Change, Refused, Revise
from learning_machine.state.config import EntityMemoryConfig, StoreConfig
from learning_machine.state.entities import ALWAYS, Entity, EntityMemory, EntityRef, Period, Relationship
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.handles import handle_of
from learning_machine.state.items import Item
from learning_machine.state.lexemes import lexemes
from learning_machine.state.scope import USER, Scope
from learning_machine.state.times import parse_when, period_in
from learning_machine.stores.entity_rows import (
    ALIAS,
    EVENT,
    FACT,
    PROPERTY,
    RELATIONSHIP,
    entities_from,
    entity_lines,
    happened,
    told,
)
from learning_machine.stores.fusing import fuse
from learning_machine.stores.hindsight import MOST, entity_rows, standing_query
from learning_machine.stores.hindsight import ranked as ranked_then
from learning_machine.stores.indexing import Question
from learning_machine.stores.learned_knowledge import search_params
from learning_machine.stores.ledger_store import LedgerStore, branch_query, plain_text, scope_in
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.protocol import Standing
from learning_machine.stores.rendering import line
from learning_machine.stores.resolving import lookup_keys, mentions, name_key
from learning_machine.stores.spaces import access_of
from learning_machine.stores.tools import entity_tools
from learning_machine.stores.uncertainty import doubt

#: Rows of each kind shown of one thing at most.
EACH = 20
#: And by whoever asks for all of it.
ALL = 10_000
_KINDS = (FACT, EVENT, RELATIONSHIP, PROPERTY, ALIAS, ENTITY)


class EntityMemoryStore(LedgerStore):
    """What is true of a thing, what happened with it, and who it is connected to."""

    learning_type: ClassVar[str] = "entity_memory"
    private: ClassVar[bool] = False
    by_question: ClassVar[bool] = True
    config_type: ClassVar[type[StoreConfig]] = EntityMemoryConfig
    config: EntityMemoryConfig

    # --- recalling ----------------------------------------------------------------------------------------------------

    def queries(self, scope: Scope, standing: Standing) -> list[tuple[str, dict[str, Any]]]:
        text = standing.question.text
        if not standing.question:
            return []
        period = period_in(text, standing.now, scope.timezone)
        if standing.as_of is not None:
            return [standing_query(self.learning_type, None, scope, standing, MOST)]
        return [
            ("entities.named", self._named(scope, standing, mentions(text), period)),
            ("search.learnings", search_params(self.learning_type, scope, standing, standing.question, period)),
        ]

    def _named(
        self, scope: Scope, standing: Standing, keys: Sequence[str], period: Period, each: int = EACH
    ) -> dict[str, Any]:
        return {
            "store": self.learning_type,
            "keys": list(keys),
            "session": scope.session_id,
            "here": list(standing.here),
            "since": period.since,
            "until": period.until,
            "entities": self.config.max_entities,
            "each": each,
        }

    def read(self, rows: list[list[dict[str, Any]]], scope: Scope, standing: Standing) -> EntityMemory | None:
        if standing.as_of is not None:
            named, others = entity_rows(rows[0], mentions(standing.question.text), self.config.max_entities)
            active = [row for row in others if row["status"] == "active"]
            rows, scored = [named], ranked_then(active, standing.question, standing.weights)
        else:
            scored = fuse(rows[1], standing.weights)
        # A name alone tells nothing.
        entities = tuple(entity for entity in entities_from(rows[0]) if entity.items or entity.aliases or entity.gone)
        known = {row["id"] for row in rows[0]}
        ranked = [row for _, row in scored if row["id"] not in known and row["kind"] != ENTITY]
        found = tuple(Item.from_row(row) for row in ranked if answers_more(row, entities, standing.question))
        data = EntityMemory(entities, found[: self.config.max_results])
        return data if data else None

    def lines(self, data: Any) -> list[str]:
        """The things named, with what is known of each; then what else fits, with whom it is about."""
        labels = Counter(entity.label for entity in data.entities)
        named = [text for entity in data.entities for text in entity_lines(entity, namespace=labels[entity.label] > 1)]
        return [*named, *(line(told(item), handle=item.handle, note=doubt(item)) for item in data.found)]

    def order(self, data: Any, count: int) -> Sequence[int]:
        """Of every thing its first lines before of any its last, so that of two that are named both are told of."""
        places: list[tuple[int, int]] = []
        for number, entity in enumerate(data.entities):
            places += ((line_number, number) for line_number in range(len(entity_lines(entity))))
        found = [(count, number) for number in range(count - len(places))]
        ranked = [*places, *found]
        return sorted(range(count), key=lambda at: ranked[at])

    def known(self, data: Any) -> Sequence[Item]:
        return data.items if data else ()

    def get_tools(self, **context: Any) -> list[Any]:
        return entity_tools(self, context)

    # --- asking -------------------------------------------------------------------------------------------------------

    def facts(self, name: str, **scope: Any) -> list[Item]:
        """What is known about a thing, in every namespace the scope sees."""
        return [item for entity in self.entities(name, **scope) for item in entity.facts]

    def events(
        self, name: str, *, since: datetime | str | None = None, until: datetime | str | None = None, **scope: Any
    ) -> list[Item]:
        """What happened with a thing, newest first; from `since` on and before `until`, times or ISO dates."""
        zone = scope_in(scope).timezone
        period = Period(*(parse_when(when, zone) if isinstance(when, str) else when for when in (since, until)))
        events = [item for entity in self.entities(name, period=period, **scope) for item in entity.events]
        return sorted(events, key=lambda item: (happened(item), item.id), reverse=True)

    def entity(self, name: str, *, period: Period = ALWAYS, **scope: Any) -> Entity | None:
        """All that is known of one thing, in the user's own namespace if it is there; `None` when nobody has it."""
        return next(iter(self.entities(name, period=period, **scope)), None)

    def entities(self, name: str, *, period: Period = ALWAYS, **scope: Any) -> list[Entity]:
        """One thing as each namespace knows it, the user's own first. A name that could mean several raises `InvalidInput`."""
        where, ref = scope_in(scope), EntityRef.parse(name)
        standing = scope.get("standing") or Standing()
        asked = self._named(where, standing, lookup_keys(ref.name), period, each=ALL)
        queries = [branch_query(where, standing), ("entities.named", {**asked, "entities": ALL})]
        found = entities_from(self.ledger.database.read(access_of(where), queries)[1])
        meant = [entity for entity in found if ref.type in ("", entity.type)] or [one for one in found if not one.type]
        if len({entity.type for entity in meant} - {""}) > 1 or len({entity.namespace for entity in meant}) < len(
            meant
        ):
            options = ", ".join(dict.fromkeys(entity.label for entity in meant))
            raise InvalidInput(f"{name!r} could be {options}. Say which, with its type in parentheses.")
        return sorted(meant, key=lambda entity: (entity.namespace not in (USER, "session"), entity.namespace))

    def neighbours(self, name: str, *, hops: int = 1, **scope: Any) -> list[Relationship]:
        """Who or what is connected to a thing, from both ends, up to `hops` (1 to 3) steps away; nearest first."""
        entities = self.entities(name, **scope)
        where, standing = scope_in(scope), scope.get("standing") or Standing()
        starts = [entity.id.partition("/") for entity in entities]
        params = {
            "store": self.learning_type,
            "spaces": [int(space) for space, _, _ in starts],
            "slots": [slot for _, _, slot in starts],
            "hops": max(1, min(hops, 3)),
            "session": where.session_id,
            "here": list(standing.here),
        }
        rows = self.ledger.database.read(
            access_of(where), [branch_query(where, standing), ("entities.neighbours", params)]
        )[1]
        return [
            Relationship(row["subject_name"], row["name"], row["target_name"], handle_of(row["id"]), row["hops"])
            for row in rows
        ]

    # --- items to changes ---------------------------------------------------------------------------------------------

    def add(self, one: ExtractedChange, scope: Scope, data: Any) -> list[Change | Refused]:
        kind = one.kind if one.kind in _KINDS else RELATIONSHIP if one.target else FACT
        if not (one.subject or "").strip():
            return [self._refused("it does not say whom or what it is about")]
        about = EntityRef.parse(one.subject or "")
        when = parse_when(one.when, scope.timezone)
        if kind == RELATIONSHIP:
            return [
                self.relationship(
                    about, one.name or plain_text(one.value), EntityRef.parse(one.target or ""), one.quote, when
                )
            ]
        text = plain_text(one.value)
        if kind == ALIAS:
            return (
                [self.named(EntityRef(about.name, about.type, (text,)), one.quote)]
                if text
                else [self._refused("it has no value")]
            )
        if kind == ENTITY:
            return [self.named(about, one.quote)]
        if not text:
            return [self._refused("it has no value")]
        if kind == PROPERTY and one.name:
            return [self.property(about, one.name, one.value, one.quote)]
        return [self.fact(about, text, one.quote, when) if kind != EVENT else self.event(about, text, when, one.quote)]

    def fact(self, about: EntityRef, text: str, quote: str | None = None, since: datetime | None = None) -> Change:
        return Add(
            store=self.learning_type,
            kind=FACT,
            about=about,
            text=text,
            value=text,
            quote=quote,
            since=since,
            index=f"{about.name}: {text}",
        )

    def event(self, about: EntityRef, text: str, when: datetime | None = None, quote: str | None = None) -> Change:
        value = {"when": when.isoformat() if when else None}
        day = when.strftime("%Y-%m-%d %B") if when else ""
        return Add(
            store=self.learning_type,
            kind=EVENT,
            about=about,
            text=text,
            value=value,
            quote=quote,
            since=when,
            index=f"{day} {about.name}: {text}".strip(),
        )

    def property(self, about: EntityRef, name: str, value: Any, quote: str | None = None) -> Change:
        """One value under a name; a new one takes the old one's place."""
        return Add(
            store=self.learning_type,
            kind=PROPERTY,
            about=about,
            name=name,
            slot=f"{PROPERTY}/{name_key(name)}",
            text=plain_text(value),
            value=value,
            quote=quote,
            index=f"{about.name} {name}: {plain_text(value)}",
        )

    def relationship(
        self,
        about: EntityRef,
        relation: str,
        towards: EntityRef,
        quote: str | None = None,
        since: datetime | None = None,
    ) -> Change | Refused:
        relation = " ".join(relation.split())
        if not relation or not towards.name:
            return self._refused("a relationship needs its name and a target")
        if name_key(about.name) == name_key(towards.name) and about.type == towards.type:
            return self._refused("a relationship needs two different things")
        return Add(
            store=self.learning_type,
            kind=RELATIONSHIP,
            about=about,
            towards=towards,
            name=relation,
            quote=quote,
            since=since,
            text=f"{about.name} {relation} {towards.name}",
            index=f"{about.name} {relation} {towards.name}",
        )

    def named(self, about: EntityRef, quote: str | None = None) -> Change:
        """That there is such a thing, and what else it is called."""
        value = {"type": about.type, "aliases": list(about.aliases)}
        return Add(
            store=self.learning_type,
            kind=ENTITY,
            about=about,
            name=about.name,
            text=about.name,
            value=value,
            quote=quote,
        )

    def revise(self, one: ExtractedChange, item: Item) -> list[Change | Refused]:
        text = plain_text(one.value)
        if not text or item.kind == RELATIONSHIP:
            return super().revise(one, item)
        value = item.value if item.kind == EVENT else one.value
        index = f"{EntityRef.parse(one.subject).name}: {text}" if one.subject else text
        return [
            Revise(store=self.learning_type, handle=item.handle, text=text, value=value, quote=one.quote, index=index)
        ]

    def _refused(self, reason: str) -> Refused:
        return Refused(store=self.learning_type, reason=reason)


def answers_more(row: Mapping[str, Any], entities: Sequence[Entity], question: Question) -> bool:
    """Whether a row about a thing that was named fits more of the question than the name; the newest are shown anyway."""
    about = next((entity for entity in entities if entity.id == f"{row['space']}/{row['subject']}"), None)
    if about is None:
        return True
    names = set(lexemes(" ".join((about.name, *about.aliases))))
    rest = [group for group in question.words if not names.intersection(group)]
    own = set(lexemes(row["text"]))
    return any(own.intersection(group) for group in rest)
