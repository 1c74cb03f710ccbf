"""What people own: taking along what is known of them, and bringing it in, and taking it out."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, cast
from uuid import UUID

from langchain_core.messages import BaseMessage

from learning_machine.checkpointer import without
from learning_machine.errors import InvalidInput, MissingScope
from learning_machine.machine.imports import Import, Imported, Progress
from learning_machine.machine.learning import Learning
from learning_machine.state.messages import as_messages, spoken
from learning_machine.state.scope import Scope
from learning_machine.stores import importing
from learning_machine.stores.erasing import Threads, Wanted, erase, own_threads, receipts
from learning_machine.stores.exporting import Report, as_line, records
from learning_machine.stores.importing import own
from learning_machine.stores.importing.found import Found, Problem
from learning_machine.stores.importing.tables import learnings_of
from learning_machine.stores.indexing import message_text
from learning_machine.stores.postgres import queue
from learning_machine.stores.postgres.transactions import WRITE_TIMEOUT_MS, Transaction
from learning_machine.stores.spaces import access_of, own_space

#: A path, an open text file, the lines of one, or for agno's table a Postgres URL.
ImportSource = str | Path | TextIO | Iterable[str]


class Ownership(Learning):
    """Export, import and erasure."""

    # --- export -------------------------------------------------------------------------------------------------------

    def export(self, *, on_progress: Report | None = None, **scope: Any) -> Iterator[str]:
        """All that is known of a person, as lines of JSON: what may be read in this scope, and whose it is only of theirs.

        The lines are read from one snapshot as they are asked for, so that a file of any size can be written.

        >>> open("alice.jsonl", "w").writelines(machine.export(user_id="alice"))   # doctest: +SKIP
        """
        where = Scope(**scope)
        if own_space(where) is None:
            raise MissingScope()
        return self._export(where, on_progress)

    def _export(self, scope: Scope, report: Report | None) -> Iterator[str]:
        self._make_ready()
        for record in records(self.parts.database, scope, machine=self.name, report=report):
            yield as_line(record)

    async def aexport(self, *, on_progress: Report | None = None, **scope: Any) -> list[str]:
        """The same lines, all at once."""
        return await asyncio.to_thread(lambda: list(self.export(on_progress=on_progress, **scope)))

    # --- import -------------------------------------------------------------------------------------------------------

    def import_(
        self,
        source: ImportSource,
        *,
        format: str | None = None,
        dry_run: bool = False,
        learn: bool = False,
        trusted: bool | None = None,
        from_user: str | None = None,
        on_progress: Progress | None = None,
        **scope: Any,
    ) -> Imported:
        """Bring in a file for one person: an export of this library, or what another system wrote down.

        Importing again doubles nothing, so an import that was stopped can simply be run again. `learn`: conversations are
        also read by the model, not only kept. `trusted`: an export of this library is brought back as it was, which only an
        operator may decide; by default whoever may act as the database's administrator. Else all of it counts as imported.
        """
        where = Scope(**scope)
        if own_space(where) is None:
            raise MissingScope()
        with _opened(source) as file:
            name = format or _detected(source, file)
            imported = Imported(name, dry_run)
            read = importing.reader(name)
            run = Import(
                self.parts, where, imported, self._keeper(learn), on_progress or (lambda so_far: None), _name_of(source)
            )
            if not dry_run:
                self._make_ready()
            if importing.FORMATS[name] is own and self._trusts(trusted, dry_run):
                run.restore(file)
                self._queue_unread(where, dry_run)
            elif _is_url(source):
                run.learn(learnings_of(str(source), from_user or where.user_id))
            else:
                run.learn(_of_user(read(file), from_user, where, name))
        return imported

    async def aimport(self, source: ImportSource, **options: Any) -> Imported:
        return await asyncio.to_thread(self.import_, source, **options)

    def _trusts(self, trusted: bool | None, dry_run: bool) -> bool:
        return trusted if trusted is not None else dry_run or self.parts.database.sees_all

    def _keeper(self, learn: bool) -> Callable[[list[BaseMessage], Scope], int]:
        """What is done with a conversation: its turns are kept and searchable, and with `learn` read by the model."""

        def keep(messages: list[BaseMessage], scope: Scope) -> int:
            before = self._turns(scope)
            if learn:
                self.process(messages, **scope.model_dump(exclude_none=True))
            else:
                recorded = self._record_all(messages, scope)
                self._make_searchable(recorded, messages, scope)
            return self._turns(scope) - before

        return keep

    def _turns(self, scope: Scope) -> int:
        return self.parts.turns.count(scope)

    def _make_searchable(self, recorded: list[Any], messages: list[BaseMessage], scope: Scope) -> None:
        if not recorded or "conversation" not in self.parts.registry:
            return
        said = spoken(as_messages(messages), scope.session_id or "")
        texts = {(turn, one.key): message_text(one.role, one.at, one.content) for _, turn in recorded for one in said}
        self.parts.turns.index(recorded[0][0], texts, self.parts.embedder.vectors(list(texts.values())))

    def _queue_unread(self, scope: Scope, dry_run: bool) -> None:
        """What waited to be learned when it was exported waits here too."""
        if dry_run:
            return
        for space, turn, session in self.parts.turns.unread_threads(scope):
            access = access_of(scope, timeout_ms=WRITE_TIMEOUT_MS)
            self.parts.turns.queue(access, space, turn, session, self.parts.window)
            self.parts.wake()

    # --- erasure ------------------------------------------------------------------------------------------------------

    def erase(
        self,
        *,
        entity: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        server: Any = None,
        **scope: Any,
    ) -> dict[str, Any]:
        """Remove a person everywhere, or of theirs one session, one thing, one file or one time; the receipt of it.

        With `user_id` alone all that is known of them goes, in whatever table; `session_id`, `entity`, `source` (the name of
        an imported file), `since` and `until` narrow it. What others said, too, is told from their words alone, or goes. What
        was said before is refused when it is brought in again; a new conversation starts anew. `server`: a client of
        langgraph_sdk (`get_sync_client`), whose threads of this person go too; `threads_left` names those it did not delete.

        >>> machine.erase(user_id="alice")["removed"]   # doctest: +SKIP
        {'learnings': 12, 'messages': 40, 'turns': 20}
        """
        wanted = Wanted(scope=Scope(**scope), entity=entity, source=source, since=since, until=until)
        threads, shared = self._server_threads(wanted, server)
        left = tuple(thread for thread in threads if not _deleted(server, thread))
        return self._erase(wanted, Threads(server is not None, len(threads) - len(left), shared, left))

    async def aerase(
        self,
        *,
        entity: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        server: Any = None,
        **scope: Any,
    ) -> dict[str, Any]:
        """The same. `server` is the asynchronous client, `langgraph_sdk.get_client`."""
        wanted = Wanted(scope=Scope(**scope), entity=entity, source=source, since=since, until=until)
        threads, shared = await asyncio.to_thread(self._server_threads, wanted, server)
        left = tuple([thread for thread in threads if not await _adeleted(server, thread)])
        done = Threads(server is not None, len(threads) - len(left), shared, left)
        return await asyncio.to_thread(self._erase, wanted, done)

    def _erase(self, wanted: Wanted, threads: Threads) -> dict[str, Any]:
        receipt = erase(self.parts.database, wanted, requeue=self._requeue, rewrite=without, server=threads)
        # Only said, not kept: a thread's id may be a name that the person gave it.
        return {**receipt, "threads_left": list(threads.left)} if threads.left else receipt

    def _server_threads(self, wanted: Wanted, server: Any) -> tuple[list[str], int]:
        """The threads that go on a server, and how many others hold something of what is wanted."""
        self._make_ready()
        return own_threads(self.parts.database, wanted) if server is not None else ([], 0)

    def _requeue(self, transaction: Transaction, machine: str, space: int, turn: UUID, session: str) -> None:
        queue.enqueue(transaction, machine, space, turn, session)

    def receipts(self) -> list[dict[str, Any]]:
        """The receipts of all erasures, oldest first. They name nobody."""
        self._make_ready()
        return receipts(self.parts.database)

    async def areceipts(self) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.receipts)


def _deleted(server: Any, thread: str) -> bool:
    """Delete a thread on a server; whether it is gone."""
    try:
        server.threads.delete(thread)
    except Exception as error:  # noqa: BLE001 - whatever its client raises, the receipt says what is left
        return _was_gone(error)
    return True


async def _adeleted(server: Any, thread: str) -> bool:
    try:
        await server.threads.delete(thread)
    except Exception as error:  # noqa: BLE001 - as above
        return _was_gone(error)
    return True


def _was_gone(error: Exception) -> bool:
    """One that is not there, another run of the same erasure has deleted."""
    return getattr(getattr(error, "response", None), "status_code", None) == 404


def _is_url(source: ImportSource) -> bool:
    return isinstance(source, str) and source.startswith(("postgresql://", "postgres://"))


def _name_of(source: ImportSource) -> str:
    """What a file is called, to erase by: a path's last part. A URL may hold a password, and lines have no name."""
    if _is_url(source):
        return "agno"
    text = isinstance(source, str) and (source.lstrip()[:1] in ("{", "[") or "\n" in source)
    path = source if isinstance(source, str | Path) else getattr(source, "name", "")
    return "" if text or not isinstance(path, str | Path) else Path(path).name


def _detected(source: ImportSource, file: TextIO) -> str:
    if _is_url(source):
        return "agno"
    return importing.detect(file, str(source) if isinstance(source, str | Path) else getattr(source, "name", "") or "")


@contextmanager
def _opened(source: ImportSource) -> Iterator[TextIO]:
    """The source as a text file that can be read from its beginning."""
    if isinstance(source, str) and (_is_url(source) or source.lstrip()[:1] in ("{", "[") or "\n" in source):
        yield io.StringIO("" if _is_url(source) else source)
    elif isinstance(source, str | Path):
        try:
            with Path(source).open(encoding="utf-8-sig") as file:
                yield file
        except OSError as error:
            raise InvalidInput(f"The file cannot be read: {error.strerror}. Name a file that you may read.") from error
        except UnicodeDecodeError as error:
            raise InvalidInput(f"The file is not UTF-8 (byte {error.start}). Save it as UTF-8 text.") from None
    elif isinstance(source, io.TextIOBase) and source.seekable():
        yield cast(TextIO, source)
    else:
        yield io.StringIO("".join(source))


def _of_user(found: Iterable[Found], from_user: str | None, scope: Scope, format: str) -> Iterator[Found]:
    """Only what is this person's, where the file says whose things are."""
    whose = from_user or scope.user_id
    for one in found:
        owners = getattr(one, "owners", ())
        if whose is None or not owners or whose in owners or (from_user is None and format == "langgraph"):
            yield one
        else:
            yield Problem(one.where, "it is another user's: import it for them, or say whose with --from-user")
