"""How a tool call of the agent reaches the ledger: whose it is, where the conversation stands, and a true receipt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import psycopg
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import ToolRuntime

from learning_machine.errors import LearningMachineError
from learning_machine.state.changes import Change, Receipt, Refused
from learning_machine.state.identity import is_kept, scope_of
from learning_machine.state.loop import union
from learning_machine.state.messages import Said, keys_of, message_key, spoken
from learning_machine.state.scope import Scope
from learning_machine.stores.protocol import Standing
from learning_machine.stores.rendering import one_line
from learning_machine.stores.spaces import modes_of, namespaces_of
from learning_machine.stores.writing import Source

#: What a tool call knows of the conversation it is made in: whose it is, what was said, where it stands, its own message.
Place = tuple[Scope, Sequence[Said], Standing, str | None]
#: Under this key a tool says what it needs.
LEARNING = "learning_machine"


def search(store: Any, place: Place, query: str) -> str:
    """What a store finds, as data; in words when there is nothing."""
    scope, _, where, _ = place
    standing = replace(where, machine=store.machine, question=store.question(query), now=datetime.now(UTC))
    found = store.build_context(store.recall(**scope.keywords(), standing=standing))
    return found or f"nothing is known about {one_line(query)!r}"


def current(store: Any, place: Place) -> Any:
    scope, _, where, _ = place
    return store.recall(**scope.keywords(), standing=replace(where, machine=store.machine))


def write(store: Any, place: Place, changes: Sequence[Change | Refused]) -> str:
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
        modes=modes_of([store], scope),
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


def tool(
    function: Callable[..., str], context: dict[str, Any], *, needs: str | None = None, writes: bool = True
) -> BaseTool:
    """The function as a tool: bound to the scope in `context`, or reading its scope from the run.

    `needs`: the scope key without which it is not offered; `writes`: nor is it where nothing may be kept.
    """
    scope = context.get("scope")
    runner = _bound(function, scope) if isinstance(scope, Scope) else _in_run(function)
    return StructuredTool.from_function(
        runner, name=function.__name__, metadata={LEARNING: {"needs": needs, "writes": writes}}
    )


def is_offered(tool: Any, scope: Scope) -> bool:
    """Whether a tool is of use to this scope. Tools that are not ours always are."""
    ours = (getattr(tool, "metadata", None) or {}).get(LEARNING)
    if ours is None:
        return True
    return (scope.learn or not ours["writes"]) and (ours["needs"] is None or getattr(scope, ours["needs"]) is not None)


def _bound(function: Callable[..., str], scope: Scope) -> Callable[..., str]:
    @wraps(function)
    def run(**arguments: Any) -> str:
        return _answered(function, (scope, (), Standing(), None), arguments)

    return _with_signature(run, function, [])


def _in_run(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def run(runtime: ToolRuntime[Any, Any], **arguments: Any) -> str:
        return _answered(function, place_in(runtime), arguments)

    return _with_signature(
        run, function, [Parameter("runtime", Parameter.KEYWORD_ONLY, annotation=ToolRuntime[Any, Any])]
    )


def _answered(function: Callable[..., str], place: Place, arguments: dict[str, Any]) -> str:
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


def place_in(runtime: ToolRuntime[Any, Any]) -> Place:
    scope = scope_of(runtime, runtime.config)
    state = runtime.state if isinstance(runtime.state, dict) else {}
    messages = state.get("messages", [])
    session = scope.session_id or ""
    calling = message_key(messages[-1], len(messages) - 1, session) if messages else None
    # Inside the loop the agent is also told which answers came before those it sees; beside it they lie in its own state.
    loop = state.get("learning_context") or {}
    own = [one for name, one in state.items() if name.startswith("learning_state") and one]
    beside = [key for one in own for key in one.get("learning_turns") or ()]
    began = [loop, *(one.get("learning_from") or {} for one in own)]
    caller: Mapping[str, Any] = next((one["caller"] for one in began if one.get("caller")), {})
    here = union(union(union(caller.get("here"), loop.get("turns")), beside), keys_of(messages, session))
    rooted = bool(loop.get("rooted")) or bool(caller.get("rooted")) or is_kept(runtime.config)
    return scope, spoken(messages, session), Standing(here=tuple(here), rooted=rooted), calling
