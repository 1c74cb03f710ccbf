"""The things that are known: their facts, what happened with them, and what they are connected to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from learning_machine.server.dependencies import Cursor, Filter, Limit, Machine, Who
from learning_machine.server.etags import IfNoneMatch, tagged
from learning_machine.server.models import EntitySearch
from learning_machine.state.views import EntitySummary, EntityView, EventView, Neighbourhood, Page

router = APIRouter(prefix="/v1", tags=["entities"])

Since = Annotated[datetime | None, Query(description="From then on.")]
Until = Annotated[datetime | None, Query(description="Before then.")]


@router.get("/entities", summary="List entities")
def list_entities(
    who: Who,
    machine: Machine,
    type: Filter | None = None,
    namespace: Filter | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EntitySummary]:
    """The things that are known to you, by name."""
    return machine.entities(type=type, visible_to=namespace, limit=limit, cursor=cursor, **who.scope)


@router.post("/entities/search", summary="Search entities")
def search_entities(who: Who, machine: Machine, asked: EntitySearch) -> Page[EntitySummary]:
    """Those whose names hold some letters."""
    return machine.entities(
        type=asked.type,
        words=asked.words,
        visible_to=asked.namespace,
        limit=asked.limit,
        cursor=asked.cursor,
        **who.scope,
    )


@router.get(
    "/entities/{id}",
    summary="Read an entity",
    response_model=EntityView,
    responses={304: {"description": "Not modified"}},
)
def read_entity(who: Who, machine: Machine, id: str, response: Response, if_none_match: IfNoneMatch = None) -> Any:
    """One thing with its facts, its latest events and its connections."""
    return tagged(machine.entity(id, **who.scope), response, if_none_match)


@router.get("/entities/{id}/timeline", summary="Read an entity's timeline")
def read_entity_timeline(
    who: Who,
    machine: Machine,
    id: str,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventView]:
    """What happened with it, newest first."""
    return machine.timeline(entity=id, since=since, until=until, limit=limit, cursor=cursor, **who.scope)


@router.get("/entities/{id}/neighbours", summary="Read an entity's neighbourhood")
def read_neighbours(who: Who, machine: Machine, id: str, hops: Annotated[int, Query(ge=1, le=2)] = 1) -> Neighbourhood:
    """What is connected to it, one step or two away: nodes and edges, to be drawn."""
    return machine.neighbours(id, hops=hops, **who.scope)


@router.get("/timeline", summary="Read the timeline")
def read_timeline(
    who: Who, machine: Machine, since: Since = None, until: Until = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[EventView]:
    """What happened with all things, newest first."""
    return machine.timeline(since=since, until=until, limit=limit, cursor=cursor, **who.scope)
