"""The nodes of the `curate` graph: each a step of `curating`, with what travels in between as plain JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, NotRequired
from uuid import UUID, uuid4

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import get_runtime
from langgraph.types import interrupt
from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the schemas of no other before Python 3.12

from learning_machine.nodes import curate_planning, curating, judging
from learning_machine.nodes.curating import Look, Wanted
from learning_machine.nodes.events import tell
from learning_machine.nodes.parts import Parts
from learning_machine.state.curation import TASKS, CurationConfig
from learning_machine.state.identity import can_wait, scope_of
from learning_machine.state.scope import GLOBAL
from learning_machine.stores.curation.rows import Place
from learning_machine.stores.postgres.transactions import Space

Node = Callable[..., dict[str, Any]]

#: Lines of a diff that are shown to a person at once.
MOST_LINES = 1_000


class CurateInput(TypedDict, total=False):
    """What to do: everything, unless it says less."""

    tasks: Annotated[list[str], Field(description=f"What to do, of {', '.join(TASKS)}. Default: as the machine says.")]
    stores: Annotated[list[str], Field(description="Learning types to go over. Default: all.")]
    ask: Annotated[bool, Field(description="Stop for a person before anything is done.")]


class CurateOutput(TypedDict):
    """What was planned and what was done."""

    preview: NotRequired[
        Annotated[dict[str, Any], Field(description="The plan: its id, its diff as text, its figures.")]
    ]
    report: NotRequired[Annotated[dict[str, Any], Field(description="What was done, with figures.")]]


class CurateState(CurateInput, CurateOutput, total=False):
    """What travels from node to node."""

    spaces: Annotated[list[dict[str, Any]], Field(description="The spaces that are gone over.")]
    found: Annotated[dict[str, Any], Field(description="How much there is, and how much of it is doubtful.")]
    insights: Annotated[dict[str, Any], Field(description="Insights that a model made of observations, by space.")]
    approved: Annotated[bool, Field(description="Whether it is to be done.")]


def find_node(parts: Parts, settings: CurationConfig) -> Node:
    """Which spaces there are, and what in them is doubtful."""

    def find(state: CurateState, config: RunnableConfig) -> dict[str, Any]:
        wanted = wanted_of(state, config, settings)
        spaces, found = curating.places(parts, wanted), dict.fromkeys(("learnings", "same", "doubtful", "groups"), 0)
        for place in spaces:
            # One space after the other, and none of them kept: all together may not fit.
            for name, count in counted(looked_at(parts, wanted, place)).items():
                found[name] += count
        tell("curation found", spaces=len(spaces), **found)
        return {"spaces": [_as_json(place) for place in spaces], "found": found}

    return find


def looked_at(parts: Parts, wanted: Wanted, place: Place) -> Look:
    return curating.in_space(parts, wanted, partial(curating.look, parts, wanted, place)) or Look(place)


def counted(look: Look) -> dict[str, int]:
    """How much there is in a space."""
    same, doubtful = len(look.compared.same), len(look.compared.doubtful) + look.compared.more
    return {"learnings": len(look.rows), "same": same, "doubtful": doubtful, "groups": len(look.groups)}


def judge_node(parts: Parts, settings: CurationConfig) -> RunnableLambda[CurateState, dict[str, Any]]:
    """The model's verdicts on what is doubtful, and its insights."""

    def judge(state: CurateState, config: RunnableConfig) -> dict[str, Any]:
        wanted = wanted_of(state, config, settings)
        made = {}
        for place in _spaces(state):
            made[str(place.id)] = judging.judge(parts, wanted, looked_at(parts, wanted, place), config)
        return {"insights": {space: found for space, found in made.items() if found}}

    async def ajudge(state: CurateState, config: RunnableConfig) -> dict[str, Any]:
        wanted = wanted_of(state, config, settings)
        made = {}
        for place in _spaces(state):
            found = await asyncio.to_thread(looked_at, parts, wanted, place)
            made[str(place.id)] = await judging.ajudge(parts, wanted, found, config)
        return {"insights": {space: found for space, found in made.items() if found}}

    return RunnableLambda(judge, ajudge, name="judge")


def preview_node(parts: Parts, settings: CurationConfig) -> Node:
    """The plan, stored, with its diff to be read."""

    def preview(state: CurateState, config: RunnableConfig) -> dict[str, Any]:
        wanted, run, spaces = wanted_of(state, config, settings), uuid4(), _spaces(state)
        for place in spaces:
            insights, found = (state.get("insights") or {}).get(str(place.id), []), looked_at(parts, wanted, place)
            keep = partial(curate_planning.keep, even_if_empty=place == spaces[-1])
            curating.in_space(parts, wanted, partial(keep, parts, wanted, run, found, insights))
        shown = curate_planning.shown_plan(parts, wanted, run, curating.planned(parts, wanted, run))
        # Everybody's words do not belong into the state of a thread that nobody is asked in.
        watched = state.get("ask") or wanted.scope is not None
        diff = shown.diff(MOST_LINES) if watched else shown.diff(0)
        return {"preview": {"id": str(run), "diff": diff, "steps": len(shown.steps), "figures": shown.figures}}

    return preview


def approve(state: CurateState, config: RunnableConfig) -> dict[str, Any]:
    """Where a person looks at the diff, if they are to be asked. What does not fit as an answer is asked again."""
    preview = state.get("preview") or {}
    if not state.get("ask") or not preview.get("steps"):
        return {"approved": True}
    if not can_wait(config):
        tell("curation waits", preview=preview["id"], reason="there is no checkpointer; run it by its id")
        return {"approved": False}
    request: dict[str, Any] = as_request(preview)
    while True:
        verdict = read_approval(interrupt(request))
        if verdict is not None:
            return {"approved": verdict}
        request = {**as_request(preview), "problem": "The last answer did not fit: approve or reject."}


def as_request(preview: Mapping[str, Any]) -> dict[str, Any]:
    """The question, in LangChain's `HITLRequest` form."""
    args = {"preview": preview["id"], "steps": preview["steps"]}
    # In a fence, where nothing that was learned is Markdown.
    shown = f"```diff\n{preview['diff']}\n```"
    action = {"name": "curate", "args": args, "arguments": args, "description": shown}
    review = {"action_name": "curate", "allowed_decisions": ["approve", "reject"]}
    return {"action_requests": [action], "review_configs": [review]}


def read_approval(answer: Any) -> bool | None:
    """Yes, no, or `None` for what is neither."""
    if isinstance(answer, Mapping):
        answer = answer.get("decisions", answer)
    if isinstance(answer, list | tuple):
        answer = answer[0] if len(answer) == 1 else None
    if isinstance(answer, Mapping):
        answer = answer.get("type")
    if isinstance(answer, bool):
        return answer
    words = {"approve": True, "accept": True, "yes": True, "reject": False, "ignore": False, "no": False}
    return words.get(str(answer).strip().lower())


def apply_node(parts: Parts, settings: CurationConfig) -> Node:
    """Exactly the plan, if it was approved."""

    def apply(state: CurateState, config: RunnableConfig) -> dict[str, Any]:
        preview = state.get("preview") or {}
        if not state.get("approved") or not state.get("spaces"):
            return {"report": {"preview": preview.get("id"), "approved": False, "figures": {}}}
        wanted, run = wanted_of(state, config, settings), UUID(preview["id"])
        does = partial(curating.apply, parts, wanted, run)
        reports = [
            curating.in_space(parts, wanted, partial(does, place)) or curating.failed()
            for place in curating.planned(parts, wanted, run)
        ]
        report = curating.report_of(run, wanted.moment, reports)
        tell("curated", preview=str(run), **report.figures)
        return {"report": {**asdict(report), "id": str(run), "ran_at": wanted.moment.isoformat(), "approved": True}}

    return apply


# --- what is wanted ---------------------------------------------------------------------------------------------------


def wanted_of(state: CurateState, config: RunnableConfig, settings: CurationConfig) -> Wanted:
    """Whose learnings: the run's user and their groups; of a run that belongs to nobody, everybody's.

    A run with an authenticated user never goes beyond what that user sees.
    """
    scope = scope_of(get_runtime(), config)
    whose = scope if scope.user_id is not None or scope.groups or scope.namespace == GLOBAL else None
    tasks = tuple(task for task in TASKS if task in (state.get("tasks") or settings.tasks))
    return Wanted(scope=whose, tasks=tasks, stores=tuple(state.get("stores") or ()), config=settings)


def _spaces(state: CurateState) -> list[Place]:
    return [Place(one["id"], Space(one["kind"], one["key"])) for one in state.get("spaces") or []]


def _as_json(place: Place) -> dict[str, Any]:
    return {"id": place.id, "kind": place.space.kind, "key": place.space.key}
