"""Upkeep of what was learned: `machine.curator`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

from langgraph.graph.state import CompiledStateGraph

from learning_machine.errors import ConfigurationError, CurationNotFound
from learning_machine.graphs.curation import curation_graph
from learning_machine.machine.assembled import Assembled
from learning_machine.nodes import curate_planning, curating, judging
from learning_machine.nodes.curating import Look, OnSpace, Wanted
from learning_machine.nodes.parts import Parts
from learning_machine.state.curation import TASKS, CurationConfig, Preview, Report, Task
from learning_machine.state.scope import Scope
from learning_machine.state.times import moment
from learning_machine.stores.curation.rows import Place
from learning_machine.stores.postgres.transactions import Access
from learning_machine.stores.spaces import access_of
from learning_machine.telemetry import step

T = TypeVar("T")


class Curator:
    """Keeps what was learned small and true: fading, archiving, merging, gathering. Nothing is ever rewritten.

    Without a scope it goes over every space, which needs the administrator's role to list them; with one, such as
    `user_id="alice"`, over that user's own and the groups named. Every run is one batch: `machine.undo(report.id)`.
    """

    def __init__(self, machine: Curation, config: CurationConfig) -> None:
        self._machine, self.config = machine, config

    @property
    def _parts(self) -> Parts:
        return self._machine.parts

    # --- looking ------------------------------------------------------------------------------------------------------

    def preview(
        self,
        *,
        tasks: Iterable[Task] | None = None,
        stores: Sequence[str] = (),
        now: datetime | None = None,
        on_space: OnSpace | None = None,
        **scope: Any,
    ) -> Preview:
        """What a run would do, stored, and readable as `str(preview)`. Asks the model about what is doubtful, if there is one."""
        wanted = self._wanted(tasks, stores, now, scope)
        run, places = uuid4(), self._places(wanted)
        for done, place in enumerate(places, start=1):
            found = self._each(wanted, partial(curating.look, self._parts, wanted, place)) or Look(place)
            insights = judging.judge(self._parts, wanted, found)
            # Of spaces with nothing to do the last one alone is kept, so that each run leaves a report.
            keep = partial(curate_planning.keep, even_if_empty=done == len(places))
            self._each(wanted, partial(keep, self._parts, wanted, run, found, insights))
            _tell(on_space, done, len(places))
        return self._shown(wanted, run)

    async def apreview(
        self,
        *,
        tasks: Iterable[Task] | None = None,
        stores: Sequence[str] = (),
        now: datetime | None = None,
        on_space: OnSpace | None = None,
        **scope: Any,
    ) -> Preview:
        wanted, run = self._wanted(tasks, stores, now, scope), uuid4()
        places = await asyncio.to_thread(self._places, wanted)
        for done, place in enumerate(places, start=1):
            look = partial(curating.look, self._parts, wanted, place)
            found = await asyncio.to_thread(self._each, wanted, look) or Look(place)
            insights = await judging.ajudge(self._parts, wanted, found)
            keep = partial(curate_planning.keep, even_if_empty=done == len(places))
            await asyncio.to_thread(self._each, wanted, partial(keep, self._parts, wanted, run, found, insights))
            _tell(on_space, done, len(places))
        return await asyncio.to_thread(self._shown, wanted, run)

    def _shown(self, wanted: Wanted, run: UUID) -> Preview:
        return curate_planning.shown_plan(self._parts, wanted, run, curating.planned(self._parts, wanted, run))

    # --- doing --------------------------------------------------------------------------------------------------------

    def run(self, preview_id: UUID | str | Preview | None = None, **which: Any) -> Report:
        """Do exactly what a preview says, once; without one, make it first. What has changed since is left out and named."""
        run = self._previewed(preview_id)
        return self._made(self.preview(**which), which) if run is None else self._run(run, which)

    async def arun(self, preview_id: UUID | str | Preview | None = None, **which: Any) -> Report:
        run = self._previewed(preview_id)
        if run is None:
            return await asyncio.to_thread(self._made, await self.apreview(**which), which)
        return await asyncio.to_thread(self._run, run, which)

    def _made(self, preview: Preview, which: dict[str, Any]) -> Report:
        """The run of a preview that was made just now. Where no space was there was nothing to do."""
        return Report(id=preview.id, ran_at=None) if preview.made_at is None else self._run(preview.id, which)

    def _previewed(self, given: UUID | str | Preview | None) -> UUID | None:
        try:
            return None if given is None else given.id if isinstance(given, Preview) else UUID(str(given))
        except ValueError:
            raise CurationNotFound() from None

    @step("curate")
    def _run(self, run: UUID, which: dict[str, Any]) -> Report:
        scope = {name: value for name, value in which.items() if name not in ("tasks", "stores", "on_space", "now")}
        wanted = self._wanted(None, (), which.get("now"), scope)
        places, reports = curating.planned(self._parts, wanted, run), []
        if not places:
            raise CurationNotFound()
        for done, place in enumerate(places, start=1):
            done_there = self._each(wanted, partial(curating.apply, self._parts, wanted, run, place))
            reports.append(done_there or curating.failed())
            _tell(which.get("on_space"), done, len(places))
        return curating.report_of(run, wanted.moment, reports)

    def decay(self, **which: Any) -> Report:
        """Compute how strong everything is by now; recall shows what is stronger first. Changes no learning."""
        return self.run(**{**which, "tasks": ("decay",)})

    async def adecay(self, **which: Any) -> Report:
        return await self.arun(**{**which, "tasks": ("decay",)})

    def prune(self, **which: Any) -> Report:
        """Archive what expired or faded, and delete what was archived long enough ago. Never what is pinned."""
        return self.run(**{**which, "tasks": ("prune",)})

    async def aprune(self, **which: Any) -> Report:
        return await self.arun(**{**which, "tasks": ("prune",)})

    def deduplicate(self, **which: Any) -> Report:
        """Merge what says the same; of what may, a model is the judge, and without one it is left and named."""
        return self.run(**{**which, "tasks": ("deduplicate",)})

    async def adeduplicate(self, **which: Any) -> Report:
        return await self.arun(**{**which, "tasks": ("deduplicate",)})

    def consolidate(self, **which: Any) -> Report:
        """Write one insight of many observations, which stay. In a shared namespace by the store's mode."""
        return self.run(**{**which, "tasks": ("consolidate",)})

    async def aconsolidate(self, **which: Any) -> Report:
        return await self.arun(**{**which, "tasks": ("consolidate",)})

    # --- what was done ------------------------------------------------------------------------------------------------

    def reports(self, *, limit: int = 20, **scope: Any) -> list[Report]:
        """What runs did, newest first: of a scope its own, without one of every space."""
        self._parts.ready()
        access = access_of(Scope(**scope)) if scope else Access(admin=True)
        with self._parts.database.transaction(access) as transaction:
            rows = transaction.all("curation.reports", {"machine": self._parts.name, "limit": limit})
        return [curating.report_of(row["id"], row["ran_at"], row["reports"] or []) for row in rows]

    async def areports(self, *, limit: int = 20, **scope: Any) -> list[Report]:
        return await asyncio.to_thread(partial(self.reports, limit=limit, **scope))

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def _wanted(self, tasks: Any, stores: Sequence[str], now: datetime | None, scope: dict[str, Any]) -> Wanted:
        asked = tuple(tasks) if tasks is not None else self.config.tasks
        unknown = [task for task in asked if task not in TASKS]
        if unknown:
            raise ConfigurationError(f"{unknown[0]!r} is no task of curation. There are {', '.join(TASKS)}.")
        types = curating.types(self._parts, Wanted())
        strange = [store for store in stores if store not in types]
        if strange:
            raise ConfigurationError(f"{strange[0]!r} is no store that can be curated. There are {', '.join(types)}.")
        where = Scope(**scope) if scope else None
        at = None if now is None else moment(now, where.timezone if where is not None else None)
        return Wanted(scope=where, tasks=asked, stores=tuple(stores), config=self.config, now=at)

    def _each(self, wanted: Wanted, step: Callable[[], T]) -> T | None:
        return curating.in_space(self._parts, wanted, step)

    def _places(self, wanted: Wanted) -> list[Place]:
        self._parts.ready()
        if wanted.scope is None and not self._parts.database.sees_all:
            raise ConfigurationError(
                "Only the administrator's role can list all spaces, and this connection may not enter it. "
                "`learning-machine doctor` says how it may; or name a scope, such as user_id=."
            )
        return curating.places(self._parts, wanted)


class Curation(Assembled):
    """Upkeep of what was learned."""

    @property
    def curator(self) -> Curator:
        """`preview`, `run`, `decay`, `prune`, `deduplicate`, `consolidate`, `reports`."""
        return Curator(self, self.curation)

    def curation_graph(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Curation as a graph, to be watched and, with `{"ask": true}`, stopped at an approval."""
        return curation_graph(self.parts, self.curation).compile(name="curate")


def _tell(on_space: OnSpace | None, done: int, total: int) -> None:
    if on_space is not None:
        on_space(done, total)
