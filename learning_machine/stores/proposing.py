"""Inside the gate: a change that a person must decide on becomes a proposal, once, with its supporters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2s
from typing import Any

from psycopg.types.json import Jsonb

from learning_machine.state.changes import Add, Change, Origin, Quote, Receipt, Retire, Revise, action_of, to_json
from learning_machine.state.handles import PROPOSAL, handle_of, id_of
from learning_machine.state.messages import clean_text, clean_value
from learning_machine.state.modes import LearningMode
from learning_machine.state.proposals import Risk
from learning_machine.state.scope import Scope
from learning_machine.stores.deciding import content_key, lock_key, says_the_same
from learning_machine.stores.naming import Naming
from learning_machine.stores.postgres.transactions import Row, Transaction
from learning_machine.stores.resolving import name_key

#: What needs somebody's decision before it is stored.
GATED = (LearningMode.PROPOSE, LearningMode.HITL)
#: Proposals nobody decided expire after so many days; they never become active by themselves.
EXPIRES_AFTER_DAYS = 30
_ORDERS = re.compile(
    r"https?://|\b(?:ignore|disregard|always|never|must|system prompt|tool|execute|password|approve)\b", re.IGNORECASE
)


def risk_of(change: Change, *, shared: bool, quoted: bool) -> Risk:
    """How closely a person should look: what is shared, replaces something or gives orders, more closely."""
    text = getattr(change, "text", "")
    if _ORDERS.search(text) or (shared and not isinstance(change, Add)):
        return "high"
    return "medium" if shared or not quoted or not isinstance(change, Add) else "low"


def digest(shown: Mapping[str, Any]) -> str:
    """What a verdict is bound to: the content exactly as it was shown."""
    return blake2s(repr(sorted(shown.items())).encode(), digest_size=8).hexdigest()


class Proposing:
    """The proposals of one transaction."""

    def __init__(self, transaction: Transaction, scope: Scope, own: int, machine: str) -> None:
        self.transaction, self.scope, self.own, self.machine = transaction, scope, own, machine

    def lock(self, places: Sequence[tuple[int, Change]]) -> None:
        """Two who propose the same take turns. Taken before all other locks but the chains' of these spaces, by everybody."""
        keys = {lock_key(space, change.store, "proposal", place_of(change)) for space, change in places}
        if keys:
            self.transaction.all("ledger.lock", {"keys": sorted(keys)})
            # What has had its time is no twin of anything.
            self.transaction.run("proposals.expire", {"spaces": [space for space, _ in places]})

    def propose(
        self, change: Change, space: int, mode: LearningMode, quote: Quote | None, origin: Origin, source: Any
    ) -> Receipt:
        """The receipt of a change that waits: as a new proposal, or as one more voice for an older one."""
        kind = getattr(change, "kind", action_of(change))
        shown = self._shown(change, space)
        key = content_key(
            kind, shown["name"], shown["text"] or place_of(change), clean_value(getattr(change, "value", None))
        )
        place = {"space": space, "store": change.store, "subject": place_of(change), "kind": kind}
        twin = self._twin(place, key, shown["text"])
        if twin is not None and twin["status"] == "pending":
            return self._support(twin, space, change, quote, source)
        if twin is not None and not self._is_new(twin, space, quote):
            return Receipt(
                status="refused", store=change.store, text=shown["text"], reason="this was proposed before and rejected"
            )
        row = self.transaction.one(
            "proposals.propose",
            {
                **place,
                "speaker": self.own,
                "machine": self.machine,
                "session": self.scope.session_id,
                "turn": source.turn,
                "scope": Jsonb(clean_value(self.scope.as_json())),
                "change": Jsonb(clean_value({**to_json(change), "anchor": anchor_of(quote, source)})),
                "shown": Jsonb(shown),
                "content_key": key,
                "mode": mode.value,
                "origin": origin.value,
                "days": EXPIRES_AFTER_DAYS,
                "risk": risk_of(change, shared=space != self.own, quoted=quote is not None),
            },
        )
        assert row is not None
        self._quote(row["id"], space, quote, source)
        self._note(row["id"], space, shown, origin, source)
        return Receipt(
            status="pending",
            store=change.store,
            handle=handle_of(row["id"], PROPOSAL),
            text=shown["text"],
            replaced=handle_of(shown["replaces_id"]) if shown["replaces_id"] else None,
        )

    def _shown(self, change: Change, space: int) -> Row:
        """What a person will see of it."""
        incumbent = self.incumbent(change, space)
        about = change.about.name if isinstance(change, Add) and change.about else ""
        towards = change.towards.name if isinstance(change, Add) and change.towards else ""
        return {
            "name": clean_text(getattr(change, "name", "")),
            "text": clean_text(getattr(change, "text", "")),
            "about": clean_text(about),
            "towards": clean_text(towards),
            "replaces": incumbent["text"] if incumbent else "",
            "replaces_id": incumbent["id"] if incumbent else None,
        }

    def incumbent(self, change: Change, space: int) -> Row | None:
        """What stands where the change would go."""
        return self.transaction.one(
            "proposals.incumbent",
            {
                "space": space,
                "store": change.store,
                "id": None if isinstance(change, Add) else id_of(change.handle),
                "slot": change.slot if isinstance(change, Add) else None,
                "subject": self._subject(change, space),
            },
        )

    def _subject(self, change: Change, space: int) -> str | None:
        """What the change is about, by its id; `None` for a thing that nobody has heard of yet."""
        if not isinstance(change, Add) or change.about is None:
            return getattr(change, "subject", "")
        if change.slot is None:
            return None
        place: Row = {"session": self.scope.session_id, "here": []}
        return Naming(self.transaction, space, change.store, _makes_nothing, place).find(change.about)

    def _twin(self, place: Row, key: str, text: str) -> Row | None:
        """A proposal that says the same, pending or rejected; the same words first."""
        rows = self.transaction.all("proposals.same", {**place, "content_key": key})
        exact = next((row for row in rows if row["content_key"] == key), None)
        return exact or next((row for row in rows if text and says_the_same(text, row["text"] or "", None)), None)

    def _support(self, twin: Row, space: int, change: Change, quote: Quote | None, source: Any) -> Receipt:
        self.transaction.run("proposals.support", {"space": space, "proposal": twin["id"], "supporter": self.own})
        self._quote(twin["id"], space, quote, source)
        return Receipt(
            status="pending", store=change.store, handle=handle_of(twin["id"], PROPOSAL), text=twin["text"] or ""
        )

    def _is_new(self, twin: Row, space: int, quote: Quote | None) -> bool:
        """Whether the user has said it again since it was rejected."""
        if quote is None or quote.role != "user":
            return False
        params = {"speaker": self.own, "space": space, "id": twin["id"], "message": quote.message}
        return self.transaction.one("proposals.quoted", params) is None

    def _note(self, proposal: int, space: int, shown: Row, origin: Origin, source: Any) -> None:
        self.transaction.run(
            "audit.note",
            {
                "space": space,
                "learning": None,
                "proposal": proposal,
                "action": "propose",
                "before": None,
                "after": Jsonb(shown),
                "actor": source.actor or f"space {self.own}",
                "origin": origin.value,
                "batch": source.batch,
            },
        )

    def _quote(self, proposal: int, space: int, quote: Quote | None, source: Any) -> None:
        if quote is not None:
            self.transaction.run(
                "proposals.quote",
                {
                    "speaker": self.own,
                    "space": space,
                    "id": proposal,
                    "turn": source.turn,
                    "message": quote.message,
                    "quote": clean_text(quote.text),
                    "said_at": quote.said_at,
                },
            )


def _makes_nothing(change: Add, space: int) -> None:
    """A question makes no things."""


def anchor_of(quote: Quote | None, source: Any) -> str | None:
    """The message a proposal hangs on, so that what it becomes belongs to the branch it came up on."""
    anchor: str | None = quote.message if quote is not None and quote.role == "user" else source.anchor
    return anchor


def place_of(change: Change) -> str:
    """Where a proposal competes with others: the thing or slot it is about."""
    if isinstance(change, Revise | Retire):
        return f"@{change.handle.strip('[] ').lower()}"
    if change.about is not None:
        return f"{name_key(change.about.name)}>{name_key(change.towards.name) if change.towards else ''}"
    return change.subject + (f"/{change.slot}" if change.slot else "")


def edited(change: Change, text: str | None, name: str | None) -> Change:
    """The change with a person's own words in it."""
    if isinstance(change, Retire) or (text is None and name is None):
        return change
    new_text = change.text if text is None else text
    value = new_text if isinstance(change.value, str) else change.value
    index = (change.index.replace(change.text, new_text) if change.text else change.index) if change.index else ""
    if isinstance(change, Add) and name is not None and name != change.name:
        index = index.replace(change.name, name) if change.name else index
        return replace(change, text=new_text, value=value, index=index, name=name)
    return replace(change, text=new_text, value=value, index=index)
