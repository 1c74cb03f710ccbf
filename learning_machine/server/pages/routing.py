"""Routes of pages: whatever goes wrong on them is told to a person, on a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from learning_machine.errors import LearningMachineError
from learning_machine.server.pages.addresses import ROOT, address
from learning_machine.server.pages.sessions import SignedOut, reader
from learning_machine.server.pages.visits import Visit
from learning_machine.server.problems import Problem, status_of, unexpected

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route that answers with pages, also when it fails."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a page and the log its kind
                return await run_in_threadpool(failure, request, error)

        return handled


def pages() -> APIRouter:
    """A router for pages, which are no part of the API's description."""
    return APIRouter(prefix=ROOT, route_class=PageRoute, include_in_schema=False)


def failure(request: Request, error: Exception) -> Response:
    """The page about an error, or the way to sign in."""
    if isinstance(error, SignedOut):
        return _signed_out(request)
    status, detail = told(request, error)
    return Visit(request, _reader(request)).show(
        "failure.html", status, code=status, title=HTTPStatus(status).phrase, detail=detail
    )


def told(request: Request, error: Exception) -> tuple[int, str]:
    """The status of an error, and what is said of it: never what somebody wrote."""
    match error:
        case Problem():
            return error.status, error.detail
        case HTTPException():
            return error.status_code, error.detail
        case LearningMachineError():
            return status_of(error), str(error)
        case RequestValidationError():
            return 422, "The address does not fit this page."
        case ValidationError():
            return 422, "A name in it cannot be stored."
        case psycopg.errors.QueryCanceled():
            return 503, "The database took too long. Ask for less, or try again."
        case _:
            unexpected(request.scope, error)
            return 500, "Something went wrong here. The server's log says what kind of error it was."


def _reader(request: Request) -> Any:
    """Who looks at the failure, as far as that can be known."""
    try:
        return reader(request)
    except (SignedOut, Problem, LearningMachineError):
        return None


def _signed_out(request: Request) -> Response:
    where = Visit(request)
    if request.method == "GET":
        return where.go(address("sign-in"))
    return where.show(
        "failure.html",
        401,
        code=401,
        title="You are signed out",
        detail="Nothing was changed. Sign in again in another tab; then go back here and send the form once more: "
        "what you wrote is still in it.",
    )
