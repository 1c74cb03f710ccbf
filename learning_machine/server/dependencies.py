"""What the routes ask for: who calls, and which machine is meant."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from pydantic import AfterValidator

from learning_machine.machine import LearningMachine
from learning_machine.server.callers import Caller
from learning_machine.server.problems import Problem
from learning_machine.state.messages import clean_text


def caller(request: Request) -> Caller:
    """Who calls. It runs in a thread, like everything that may read a file or the database."""
    found: Caller = request.app.state.authentication.caller(request)
    return found


def machine(
    request: Request,
    learning_machine: Annotated[
        str | None, Header(description="Which machine, by name, where the server has several.", max_length=200)
    ] = None,
) -> LearningMachine:
    found: LearningMachine = request.app.state.machines.named(learning_machine)
    return found


def admin(who: Annotated[Caller, Depends(caller)]) -> Caller:
    if who.role != "admin":
        raise Problem(403, "Only an administrator may do this. Ask for a token with that role.")
    return who


Who = Annotated[Caller, Depends(caller)]
Admin = Annotated[Caller, Depends(admin)]
Machine = Annotated[LearningMachine, Depends(machine)]

#: A word to filter by. What Postgres cannot hold, it cannot have stored either.
Filter = Annotated[str, Query(max_length=500), AfterValidator(clean_text)]
Cursor = Annotated[str | None, Query(max_length=100, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]
Handle = str


def scoped(who: Caller, **more: Any) -> dict[str, Any]:
    """The caller's scope with what else is set."""
    return who.scope | {name: value for name, value in more.items() if value is not None}


def may_share(who: Caller, namespace: str | None) -> None:
    """Refuse a namespace that the caller is no part of."""
    if namespace not in (None, "user", *who.groups):
        raise Problem(403, 'You may write to your groups\' namespaces, and to "user".')
