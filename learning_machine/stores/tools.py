"""The tools of AGENTIC mode: few, with flat arguments, and a receipt that says truly what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from inspect import Parameter, cleandoc, signature
from typing import Any

import psycopg
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import ToolRuntime

from learning_machine.errors import LearningMachineError
from learning_machine.state.changes import Change, Receipt, Refused, Retire
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.identity import scope_of
from learning_machine.state.loop import union
from learning_machine.state.messages import Said, keys_of, message_key, spoken
from learning_machine.state.modes import LearningMode
from learning_machine.state.scope import Scope
from learning_machine.stores.protocol import Standing
from learning_machine.stores.rendering import one_line
from learning_machine.stores.spaces import namespaces_of
from learning_machine.stores.writing import Source

#: What a tool call knows of the conversation it is made in: whose it is, what was said, where it stands, its own message.
_Place = tuple[Scope, Sequence[Said], Standing, str | None]


#: Modes in which the agent may write, or propose, by tools.
BY_TOOLS = (LearningMode.AGENTIC, LearningMode.PROPOSE, LearningMode.HITL)


def profile_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to keep a user's profile."""

    def update_profile(place: _Place, field: str, value: str, quote: str = "") -> str:
        """Save or correct one field of the user's profile, when the user tells it or asks for it.

        An empty value takes the field away. `quote`: the user's exact words that say so.
        """
        names = ", ".join(store.fields)
        if field not in store.fields:
            return f"refused: there is no field {field!r}; fields are {names}"
        one = ExtractedChange(store=store.learning_type, kind="field", name=field, value=value, quote=quote or None)
        return _write(store, place, store.add(one, place[0], _current(store, place) if not value else None))

    def remember(place: _Place, text: str, quote: str = "") -> str:
        """Remember something lasting about the user that fits no profile field, as one short sentence.

        Use it when the user tells something worth knowing in later conversations. `quote`: the user's exact words.
        """
        one = ExtractedChange(store=store.learning_type, kind="observation", value=text, quote=quote or None)
        return _write(store, place, store.observe(one))

    def forget(place: _Place, handle: str, quote: str) -> str:
        """Forget one thing known about the user, by its handle such as k3f, when the user says it is wrong or asks to.

        `quote`: the user's exact words that say so.
        """
        return _write(store, place, [Retire(store=store.learning_type, handle=handle, quote=quote)])

    update_profile.__doc__ = f"{cleandoc(update_profile.__doc__ or '')}\nFields: {', '.join(store.fields)}."
    return [_tool(function, context) for function in (update_profile, remember, forget)]


def session_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to keep a session's context."""

    def update_summary(place: _Place, summary: str) -> str:
        """Save what this conversation is about so far, in two to five sentences, when it has moved on."""
        return _write(store, place, store.add(ExtractedChange(kind="summary", value=summary), place[0], None))

    def update_plan(
        place: _Place, goal: str = "", step: str = "", state: str = "open", handle: str = "", progress: str = ""
    ) -> str:
        """Keep the plan of this conversation: its goal, one step with its state (open, doing, done), or its progress.

        To change a step that is known, give its handle and the new state.
        """
        ones = [
            ExtractedChange(kind=kind, value=value) for kind, value in (("goal", goal), ("progress", progress)) if value
        ]
        changes = [change for one in ones for change in store.add(one, place[0], None)]
        if handle or step:
            one = ExtractedChange(
                action="revise" if handle else "add", kind="step", name=state, value=step or None, handle=handle or None
            )
            changes += store.changes([one], place[0], _current(store, place))
        return _write(store, place, changes)

    functions: list[Callable[..., str]] = [update_summary]
    if store.config.enable_planning:
        functions.append(update_plan)
    return [_tool(function, context) for function in functions]


def knowledge_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to search learned knowledge, and in AGENTIC mode to add to it."""

    def save_learning(place: _Place, title: str, learning: str, context: str = "", tags: str = "") -> str:
        """Save an insight, pattern or best practice that will help with other tasks and other people.

        `learning`: one or two full sentences. `context`: where it applies. `tags`: words separated by commas. Search first:
        what is known already need not be saved. Nothing about one person only.
        """
        labels = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
        if not learning.strip():
            return "refused: the learning is empty"
        return _write(store, place, [store.insight(title, learning, context=context, tags=labels)])

    def search_learnings(place: _Place, query: str) -> str:
        """Search what was learned in earlier work: insights, patterns and best practices. Use it before solving a task anew."""
        return _search(store, place, query)

    functions: list[Callable[..., str]] = [search_learnings]
    if store.mode in BY_TOOLS:
        functions.append(save_learning)
    return [_tool(function, context) for function in functions]


def entity_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to search what is known of things, and in AGENTIC mode to add to it."""

    def search_entities(place: _Place, query: str) -> str:
        """Search what is known of people, companies, projects and other things: facts, events and connections.

        Name the thing, and the time if it matters: "what happened with Acme in March".
        """
        return _search(store, place, query)

    def remember_about(
        place: _Place, entity: str, fact: str = "", event: str = "", when: str = "", alias: str = "", quote: str = ""
    ) -> str:
        """Remember something about a person, company, project or other thing: a fact, or an event with its ISO date.

        `entity`: its name, with its type in parentheses, as in "Acme (company)". `quote`: the user's exact words.
        """
        ones = [
            ExtractedChange(kind=kind, subject=entity, value=value, when=when or None, quote=quote or None)
            for kind, value in (("fact", fact), ("event", event), ("alias", alias))
            if value
        ]
        return _write(store, place, [change for one in ones for change in store.add(one, place[0], None)])

    def link_entities(place: _Place, source: str, relation: str, target: str, quote: str = "") -> str:
        """Remember how two things are connected, as in source "Bob (person)", relation "CEO of", target "Acme (company)"."""
        one = ExtractedChange(kind="relationship", subject=source, name=relation, target=target, quote=quote or None)
        return _write(store, place, store.add(one, place[0], None))

    functions: list[Callable[..., str]] = [search_entities]
    if store.mode in BY_TOOLS:
        functions += [remember_about, link_entities]
    return [_tool(function, context) for function in functions]


def _search(store: Any, place: _Place, query: str) -> str:
    """What a store finds, as data; in words when there is nothing."""
    scope, _, where, _ = place
    standing = replace(where, machine=store.machine, question=store.question(query), now=datetime.now(UTC))
    found = store.build_context(store.recall(**scope.keywords(), standing=standing))
    return found or f"nothing is known about {one_line(query)!r}"


def _current(store: Any, place: _Place) -> Any:
    scope, _, where, _ = place
    return store.recall(**scope.keywords(), standing=replace(where, machine=store.machine))


def _write(store: Any, place: _Place, changes: Sequence[Change | Refused]) -> str:
    """Write and say what happened, one sentence a change."""
    scope, said, where, anchor = place
    if not changes:
        return "nothing to change: it is not known"
    if not scope.learn:
        return "refused: nothing is kept of this conversation"
    if getattr(scope, store.needs) is None:
        return f"refused: this conversation has no {store.needs}, so there is nobody to keep it for"
    texts = [getattr(change, "index", "") for change in changes]
    source = Source(
        said=said,
        here=where.here,
        rooted=where.rooted,
        anchor=anchor,
        machine=store.machine,
        modes={store.learning_type: store.mode},
        namespaces=namespaces_of([store], scope),
        merging=[store.learning_type] if store.merges else (),
        vectors=store.vectors(texts),
    )
    return "; ".join(str(receipt) for receipt in _receipts(store, changes, scope, source))


def _receipts(store: Any, changes: Sequence[Change | Refused], scope: Scope, source: Source) -> list[Receipt]:
    try:
        return list(store.ledger.write(changes, scope=scope, source=source))
    except LearningMachineError as error:
        return [Receipt(status="failed", store=store.learning_type, reason=str(error)) for _ in changes]


def _tool(function: Callable[..., str], context: dict[str, Any]) -> BaseTool:
    """The function as a tool: bound to the scope in `context`, or reading its scope from the run."""
    scope = context.get("scope")
    runner = _bound(function, scope) if isinstance(scope, Scope) else _in_run(function)
    return StructuredTool.from_function(runner, name=function.__name__)


def _bound(function: Callable[..., str], scope: Scope) -> Callable[..., str]:
    @wraps(function)
    def run(**arguments: Any) -> str:
        return _answered(function, (scope, (), Standing(), None), arguments)

    return _with_signature(run, function, [])


def _in_run(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def run(runtime: ToolRuntime[Any, Any], **arguments: Any) -> str:
        return _answered(function, _place_in(runtime), arguments)

    return _with_signature(
        run, function, [Parameter("runtime", Parameter.KEYWORD_ONLY, annotation=ToolRuntime[Any, Any])]
    )


def _answered(function: Callable[..., str], place: _Place, arguments: dict[str, Any]) -> str:
    """What the tool says. A database that cannot be read is told to the model, and never breaks the agent's turn."""
    try:
        return function(place, **arguments)
    except LearningMachineError as error:
        return f"failed: {error}"
    except psycopg.Error as error:
        return f"failed: what is known could not be read ({type(error).__name__}), so nothing was saved"


def _with_signature(run: Callable[..., str], function: Callable[..., str], more: list[Parameter]) -> Callable[..., str]:
    """The function's own arguments without `place`, as the tool's schema is read from them."""
    parameters = [
        parameter.replace(annotation=str, kind=Parameter.KEYWORD_ONLY)
        for name, parameter in signature(function).parameters.items()
        if name != "place"
    ]
    run.__signature__ = signature(function).replace(parameters=[*parameters, *more], return_annotation=str)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*parameters, *more)} | {"return": str}
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


def _place_in(runtime: ToolRuntime[Any, Any]) -> _Place:
    scope = scope_of(runtime, runtime.config)
    messages = runtime.state.get("messages", []) if isinstance(runtime.state, dict) else []
    session = scope.session_id or ""
    calling = message_key(messages[-1], len(messages) - 1, session) if messages else None
    # Inside the loop the agent is also told which answers came before those it sees.
    loop = (runtime.state.get("learning_context") or {}) if isinstance(runtime.state, dict) else {}
    here = union(loop.get("turns"), keys_of(messages, session))
    standing = Standing(here=tuple(here), rooted=bool(loop.get("rooted")))
    return scope, spoken(messages, session), standing, calling
