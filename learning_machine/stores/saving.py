"""How the gate decides one change: what stands is looked up, and what becomes of the change is decided and kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cached_property
from uuid import uuid4

from learning_machine.state.changes import TRUST, Add, Change, Origin, Quote, Receipt, Retire, Revise
from learning_machine.state.handles import SAID, handle_of, id_of
from learning_machine.state.messages import clean_text, clean_value
from learning_machine.stores.deciding import Incumbent, Outcome, decide, says_the_same
from learning_machine.stores.echoing import Shown, echo_of
from learning_machine.stores.indexing import Question
from learning_machine.stores.keeping import Content, Keeping, Planned
from learning_machine.stores.naming import ENTITY
from learning_machine.stores.postgres.transactions import Row
from learning_machine.stores.timing import Claim, Landing, as_end, ends_what_stands, land


class Saving(Keeping):
    """Writes planned changes, one after the other, inside the gate's transaction."""

    def _write_one(self, plan: Planned) -> Receipt:
        content = self._content(plan)
        if isinstance(content, Receipt):
            return content
        if plan.kind == ENTITY and isinstance(plan.change, Add) and plan.change.about is not None:
            # Finding the name has written it.
            receipt = self._support(plan, Incumbent.of(self._rows(plan)), replace(content, text=plan.name))
            return replace(receipt, status="saved") if plan.slot in self.made else receipt
        place = self._place(plan, content.key)
        if isinstance(plan.change, Revise) and place != plan.slot:
            return self._merge(plan, plan.change)
        plan.slot = place
        incumbent = self._incumbent(plan, content)
        return self._known_already(plan, incumbent, content) or self._land(plan, incumbent, content)

    def _content(self, plan: Planned) -> Content | Receipt:
        change = plan.change
        text = clean_text(getattr(change, "text", "")).strip()
        value = clean_value(getattr(change, "value", None))
        quote = self.witness.find(change.quote)
        origin = self._origin(quote)
        sources = self._sources(change)
        if isinstance(sources, Receipt):
            return sources
        # What is derived is never more trusted than the least of what it was derived from.
        trust = min([TRUST[origin], *(row["trust"] for row in sources)])
        return Content(text, value, plan.key(text, value), quote, origin, trust, tuple(row["id"] for row in sources))

    def _sources(self, change: Change) -> list[Row] | Receipt:
        handles = getattr(change, "derived_from", ())
        if not handles:
            return []
        ids = {id_of(handle) for handle in handles}
        rows = self.transaction.all("truth.sources", {"ids": [number for number in ids if number is not None]})
        if len({row["id"] for row in rows}) < len(ids):
            return self._refuse(change, "something it is derived from is not known here")
        return rows

    def _incumbent(self, plan: Planned, content: Content) -> Incumbent:
        """What stands where the change goes. A place made for this content may have been revised to other content since."""
        incumbent, change = Incumbent.of(self._rows(plan)), plan.change
        if isinstance(change, Add) and not change.slot and incumbent.active and incumbent.content_key != content.key:
            plan.slot, incumbent = f"{plan.slot}~{uuid4().hex[:8]}", Incumbent()
        return incumbent

    def _known_already(self, plan: Planned, incumbent: Incumbent, content: Content) -> Receipt | None:
        """The receipt of what needs no writing: what no longer holds, what the agent was shown, what others say."""
        change = plan.change
        if not isinstance(change, Add) and not incumbent.active:
            return self._refuse(change, f"{change.handle} no longer holds")
        if (echo := self._echo(plan, content.text, content.origin)) is not None:
            handle = handle_of(echo.id) if echo.id else None
            return Receipt(status="known", store=change.store, handle=handle, text=content.text)
        if not incumbent.active and (twin := self._twin(plan)) is not None:
            return self._support(plan, Incumbent(id=twin["id"]), content)
        return None

    def _land(self, plan: Planned, incumbent: Incumbent, content: Content) -> Receipt:
        """Where in time the change belongs, and what becomes of it there."""
        change, now = plan.change, self.now
        assert now is not None
        claim = Claim.of(change, content.quote, now)
        if claim.impossible:
            return self._refuse(change, "it would end before it begins")
        same = incumbent.active and incumbent.content_key == content.key
        if not isinstance(change, Retire) and ends_what_stands(
            change, claim, now, same=same, began=incumbent.holds_from
        ):
            end = replace(plan, change=as_end(change, claim, handle_of(incumbent.id or 0)))
            return self._write_one(end)
        began = Landing("open", incumbent.true_from, incumbent.holds_from) if same else None
        next_start = self._next_start(plan, claim, now)
        landing = land(claim, now, next_start=next_start, had=incumbent.id is not None, inherits=began)
        if landing.kind == "past":
            return self._save_past(plan, content, landing)
        outcome = self._decide(plan, incumbent, content)
        if outcome == "known":
            return self._support(plan, incumbent, content)
        if outcome == "challenge" and (waiting := self._waiting(plan, content.key)) is not None:
            again = self._support(plan, Incumbent(id=waiting), content)
            return replace(again, status="challenged", replaced=handle_of(incumbent.id or 0))
        return self._save(plan, content, landing, incumbent, outcome)

    def _next_start(self, plan: Planned, claim: Claim, now: datetime) -> datetime | None:
        """When something began in the slot that is known to be later than what is claimed. What is taken back is over."""
        if claim.start is None or plan.slot.startswith("=") or isinstance(plan.change, Retire):
            return None
        params = {**self._where(plan), "since": claim.start, "said_at": claim.said_at or now}
        row = self.transaction.one("truth.next_start", params)
        return row["at"] if row is not None else None

    def _decide(self, plan: Planned, incumbent: Incumbent, content: Content) -> Outcome:
        """What becomes of a claim. What a thing is called only grows, so nobody contradicts anybody there."""
        change = plan.change
        if plan.kind == ENTITY and isinstance(change, Add):
            return "known" if incumbent.active and incumbent.content_key == content.key else "save"
        outcome = decide(incumbent, content.key, content.trust, actor=self.actor, shared=plan.shared)
        if outcome == "known" and content.trust >= incumbent.trust and self._dates(change, incumbent):
            # The same with the day since when: that is news.
            return "save"
        return "save" if outcome == "challenge" and self.source.decided else outcome

    def _dates(self, change: Change, incumbent: Incumbent) -> bool:
        until = getattr(change, "until", None)
        return (change.since is not None and change.since != incumbent.true_from) or until is not None

    def _save_past(self, plan: Planned, content: Content, landing: Landing) -> Receipt:
        """Closed history: it lies beside what holds, replaces nothing, and is not searched for."""
        params = {
            **self._where(plan),
            "content_key": content.key,
            "holds_from": landing.holds_from,
            "holds_to": landing.holds_to,
        }
        same = self.transaction.one("truth.same_past", params)
        if same is not None:
            return replace(self._support(plan, Incumbent(id=same["id"]), content), past=True)
        covering = self.transaction.all("truth.covering", {**params, "at": landing.since}) if landing.since else []
        against = Incumbent.of(covering)
        outcome = decide(against, content.key, content.trust, actor=self.actor, shared=plan.shared)
        if outcome == "known":
            return replace(self._support(plan, against, content), past=True)
        if outcome == "challenge" and not self.source.decided:
            return self._refuse(plan.change, "what is known of that time is better supported")
        return self._save(plan, content, landing, Incumbent(), "past")

    def _origin(self, quote: Quote | None) -> Origin:
        """The user's own words raise an inference to what the user said; nothing else does."""
        own_words = quote is not None and quote.role == "user" and self.source.origin is Origin.INFERENCE
        return Origin.USER if own_words else self.source.origin

    def _merge(self, plan: Planned, change: Revise) -> Receipt:
        """A revision to what another learning says already: that one stands, and this one goes."""
        same = {name: getattr(change, name) for name in ("store", "quote", "since")}
        gone = self._write_one(replace(plan, change=Retire(handle=change.handle, **same)))
        if gone.status != "saved":
            return gone
        content = {name: getattr(change, name) for name in ("text", "value", "index")}
        stays = self._write_one(replace(plan, change=Add(kind=plan.kind, **content, **same)))
        return replace(stays, replaced=gone.replaced)

    def _place(self, plan: Planned, key: str) -> str:
        """The slot to write to: what has none of its own goes where the same content already stands."""
        change = plan.change
        if isinstance(change, Retire) or (isinstance(change, Add) and change.slot):
            return plan.slot
        row = self.transaction.one(
            "ledger.same_content",
            {
                "space": plan.space,
                "store": change.store,
                "subject": plan.subject,
                "kind": plan.kind,
                "content_key": key,
            },
        )
        return plan.slot if row is None else str(row["slot"])

    def _twin(self, plan: Planned) -> Row | None:
        """A learning that says the same in other words."""
        change = plan.change
        if not isinstance(change, Add) or change.store not in self.source.merging:
            return None
        rows = self.transaction.all(
            "search.near",
            {
                "space": plan.space,
                "source": change.store,
                "kind": plan.kind,
                **Question.of(change.index).params(),
                "model": self.source.vectors.model,
                "vector": self.source.vectors.of(change.index),
                "session": self.scope.session_id,
                "here": list(self.source.here),
            },
        )
        return next((row for row in rows if says_the_same(change.text, row["text"], row["meaning"])), None)

    def _echo(self, plan: Planned, text: str, origin: Origin) -> Shown | None:
        """What the agent was shown and this merely repeats. The user's own words, and other sources, are no echo."""
        change = plan.change
        if isinstance(change, Retire) or origin is not Origin.INFERENCE or change.store not in self.source.guarded:
            return None
        about = change.about.name if isinstance(change, Add) and change.about and not change.towards else ""
        said = f"{about} {text}".strip()
        return echo_of(said, self._shown, store=change.store, subject=plan.subject, slot=plan.slot)

    @cached_property
    def _shown(self) -> list[Shown]:
        ids = [number for handle in self.source.shown if (number := id_of(handle)) is not None]
        said = [number for handle in self.source.shown if (number := id_of(handle, SAID)) is not None]
        rows = self.transaction.all("ledger.shown", {"ids": ids}) if ids else []
        answers = self.transaction.all("ledger.shown_answers", {"space": self.own, "ids": said}) if said else []
        return [*map(Shown.of, rows), *(Shown(row["content"]) for row in answers)]

    def _waiting(self, plan: Planned, key: str) -> int | None:
        """The challenge that says this already."""
        row = self.transaction.one("ledger.challenge", {**self._where(plan), "content_key": key})
        return None if row is None else int(row["id"])
