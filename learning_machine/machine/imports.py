"""A file on its way into a machine: batch by batch, each through the gate, so that it can be stopped and run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TextIO, TypeVar
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from learning_machine.errors import WriteFailed
from learning_machine.nodes.parts import Parts
from learning_machine.state.changes import Add, Change, Origin, Receipt, Refused
from learning_machine.state.entities import EntityRef
from learning_machine.state.scope import Scope
from learning_machine.stores.importing import own
from learning_machine.stores.importing.found import ENTITIES, KNOWLEDGE, PROFILE, Found, Learned, Problem, Talk
from learning_machine.stores.restoring import Placed, Restoring
from learning_machine.stores.sources import note_import, note_turns
from learning_machine.stores.spaces import modes_of, namespaces_of
from learning_machine.stores.writing import Source

T = TypeVar("T")

#: Records that are written in one transaction, and problems that are kept word for word.
AT_ONCE, MOST_PROBLEMS = 200, 1_000
#: Where a thing goes when the machine has not the store it is meant for.
_ELSE = {PROFILE: KNOWLEDGE, KNOWLEDGE: PROFILE}


@dataclass
class Imported:
    """What became of a file: `counts` of its records by what happened to them, and `problems`, each with its place."""

    format: str
    dry_run: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    #: How many problems there were in all; of very many not each is kept.
    unread: int = 0

    def note(self, problem: Problem) -> None:
        self.unread += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    @property
    def done(self) -> int:
        """How many records have been dealt with."""
        return sum(self.counts.values()) + self.unread


#: Called with what has become of the file so far.
Progress = Callable[[Imported], None]
#: Records one conversation: its turns are kept, and with a model read.
Keep = Callable[[list[BaseMessage], Scope], int]


def batches(items: Iterable[T], size: int = AT_ONCE) -> Iterator[list[T]]:
    """The items in lists of at most so many, read no further ahead than that."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


class Import:
    """One file on its way into one scope."""

    def __init__(
        self, parts: Parts, scope: Scope, imported: Imported, keep: Keep, progress: Progress, name: str = ""
    ) -> None:
        self.parts, self.scope, self.imported, self.keep, self.progress = parts, scope, imported, keep, progress
        self.batch, self.name = uuid4(), name

    # --- what was exported here -----------------------------------------------------------------------------------------

    def restore(self, file: TextIO) -> None:
        """Bring back an export as it was."""
        header = own.header_of(file.readline())
        run = Restoring(self.parts.database, self.scope, header, self.parts.embedder.vectors)
        if not self.imported.dry_run:
            run.keep_spaces()
            note_import(self.parts.database, self.scope, run.batch, self.name)
        for batch in batches(own.records(file)):
            placed: list[Placed] = []
            for one in batch:
                self.imported.note(one) if isinstance(one, Problem) else placed.append(one)
            if self.imported.dry_run:
                self.imported.counts.update(f"{record['record']} found" for _, record in placed)
            else:
                run.write(placed)
                self._take_over(run)
            self.progress(self.imported)
        if not self.imported.dry_run:
            run.finish()

    def _take_over(self, run: Restoring) -> None:
        progress = run.progress
        for problem in progress.problems:
            self.imported.note(problem)
        progress.problems.clear()
        self.imported.counts = Counter({f"{kind} {what}": number for (what, kind), number in progress.counts.items()})

    # --- what comes from elsewhere --------------------------------------------------------------------------------------

    def learn(self, found: Iterable[Found]) -> None:
        """Write what parsers found, through the gate, as imported."""
        if not self.imported.dry_run:
            note_import(self.parts.database, self.scope, self.batch, self.name)
        for batch in batches(found):
            learned: list[Learned] = []
            for one in batch:
                if isinstance(one, Problem):
                    self.imported.note(one)
                elif isinstance(one, Talk):
                    self._keep(one)
                else:
                    learned.append(one)
            for session, group in _by_session(learned).items():
                self._write(session, group)
            self.progress(self.imported)

    def _keep(self, talk: Talk) -> None:
        kinds: dict[str, type[AIMessage | HumanMessage]] = {"user": HumanMessage, "assistant": AIMessage}
        messages: list[BaseMessage] = [
            kinds[one.role](one.content, id=one.id, additional_kwargs={"at": one.at} if one.at else {})
            for one in talk.messages
        ]
        if self.imported.dry_run:
            self.imported.counts["conversation found"] += 1
            return
        scope = self.scope.model_copy(update={"session_id": talk.id})
        fresh = self.keep(messages, scope)
        note_turns(self.parts.database, scope, self.batch)
        self.imported.counts["conversation saved" if fresh else "conversation known"] += 1
        self.progress(self.imported)

    def _write(self, session: str | None, learned: list[Learned]) -> None:
        scope = self.scope if session is None else self.scope.model_copy(update={"session_id": session})
        changes = [(one, change) for one in learned for change in self._changes(one, scope)]
        if self.imported.dry_run:
            for one, change in changes:
                if isinstance(change, Refused):
                    self.imported.note(Problem(one.where, change.reason))
                else:
                    self.imported.counts[f"{change.store} found"] += 1
            return
        for (one, _), receipt in zip(changes, self._through(scope, [change for _, change in changes]), strict=True):
            if receipt.status in ("refused", "failed"):
                self.imported.note(Problem(one.where, receipt.reason))
            else:
                self.imported.counts[f"{receipt.store} {receipt.status}"] += 1

    def _through(self, scope: Scope, changes: list[Change | Refused]) -> list[Receipt]:
        """Through the gate, together; where that fails, one by one, so that one bad thing costs no other."""
        source = self._source(scope, changes)
        try:
            return self.parts.ledger.write_all(changes, scope=scope, source=source)
        except WriteFailed:
            return [self.parts.ledger.write([one], scope=scope, source=source)[0] for one in changes]

    def _source(self, scope: Scope, changes: list[Change | Refused]) -> Source:
        stores = list(self.parts.registry)
        return Source(
            origin=Origin.IMPORT,
            batch=self.batch,
            machine=self.parts.name,
            namespaces=namespaces_of(self.parts.registry.extracting, scope),
            modes=modes_of(self.parts.registry.extracting, scope),
            merging=[store.learning_type for store in stores if getattr(store, "merges", False)],
            vectors=self.parts.embedder.vectors([getattr(change, "index", "") for change in changes]),
        )

    def _changes(self, one: Learned, scope: Scope) -> list[Change | Refused]:
        """What a parser found, as the machine's stores understand it."""
        types = self.parts.registry.types
        name = one.change.store if one.change.store in types else _ELSE.get(one.change.store, "")
        if name not in types:
            return [Refused(store=one.change.store, reason=f"the machine has no store {one.change.store!r}")]
        store, extracted = self.parts.registry[name], one.change.model_copy(update={"store": name})
        if name != one.change.store:
            extracted = extracted.model_copy(update={"kind": None, "subject": None})
        if not hasattr(store, "changes"):
            return [Refused(store=name, reason="its store learns from conversations alone")]
        return [_with_more(store, change, one) for change in store.changes([extracted], scope, None)]


def _with_more(store: Any, change: Change | Refused, one: Learned) -> Change | Refused:
    """The change with the tags or other names that it came with."""
    if one.tags and store.learning_type == KNOWLEDGE and isinstance(change, Add):
        whole: Add = store.insight(change.name, change.text, context=one.change.subject or "", tags=one.tags)
        return whole
    if one.aliases and store.learning_type == ENTITIES and isinstance(change, Add) and change.about:
        about = EntityRef(change.about.name, change.about.type, one.aliases)
        named: Change = replace(store.named(about))
        return named
    return change


def _by_session(learned: list[Learned]) -> dict[str | None, list[Learned]]:
    found: dict[str | None, list[Learned]] = {}
    for one in learned:
        found.setdefault(one.session, []).append(one)
    return found
