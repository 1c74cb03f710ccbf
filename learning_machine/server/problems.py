"""Every error as `application/problem+json` (RFC 9457). None of them quotes what somebody wrote, or what is stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from learning_machine import errors
from learning_machine.nodes.parts import trace

log = logging.getLogger("learning_machine.server")

MEDIA_TYPE = "application/problem+json"
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (errors.LearningNotFound, 404),
    (errors.ProposalNotFound, 404),
    (errors.CurationNotFound, 404),
    (errors.StaleEdit, 412),
    (errors.UndoConflict, 409),
    (errors.Erased, 409),
    (errors.NotAllowed, 403),
    (errors.InvalidInput, 422),
    (errors.MissingScope, 422),
    (errors.WriteFailed, 503),
    (errors.DatabaseUnavailable, 503),
    (errors.DatabaseUnsuitable, 503),
    (errors.SchemaOutOfDate, 503),
    (errors.SchemaTooNew, 503),
    (errors.EmbeddingFailed, 503),
    (errors.LearningMachineError, 422),
)


class Invalid(BaseModel):
    """One thing about a request that does not fit."""

    where: str = Field(description="Where it is in the request, as body/text.")
    what: str


class ProblemDetail(BaseModel):
    """An error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    errors: list[Invalid] | None = None


class Problem(Exception):
    """An error on its way to the caller."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def install(app: FastAPI) -> None:
    """Answer whatever goes wrong in this app with a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _scope)
    app.add_exception_handler(errors.LearningMachineError, _ours)
    app.add_exception_handler(psycopg.errors.QueryCanceled, _slow)


def answer(
    status: int, detail: str | None, headers: Mapping[str, str] | None = None, found: list[Invalid] | None = None
) -> Response:
    body = ProblemDetail(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=found)
    return JSONResponse(body.model_dump(exclude_none=True), status, headers=headers, media_type=MEDIA_TYPE)


def _problem(request: Request, error: Any) -> Response:
    return answer(error.status, error.detail, error.headers)


def _http(request: Request, error: Any) -> Response:
    detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else None
    return answer(error.status_code, detail, error.headers)


def _invalid(request: Request, error: Any) -> Response:
    found = [Invalid(where="/".join(map(str, one["loc"])), what=one["msg"]) for one in error.errors()]
    return answer(422, "The request does not fit; `errors` says where.", None, found)


def _scope(request: Request, error: Any) -> Response:
    return answer(422, error.errors()[0]["msg"])


def _ours(request: Request, error: Any) -> Response:
    status = status_of(error)
    if status >= 500:
        log.warning("%s %s: %s", request.method, route_of(request.scope), type(error).__name__)
    headers = {"Retry-After": "1"} if status == 503 else None
    return answer(status, str(error), headers)


def status_of(error: errors.LearningMachineError) -> int:
    """What an error of ours is over HTTP."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def _slow(request: Request, error: Any) -> Response:
    return answer(503, "The database took too long. Ask for less, or try again.", {"Retry-After": "1"})


def unexpected(scope: Mapping[str, Any], error: Exception) -> Response:
    """What nobody foresaw. Only its kind is logged: its text could hold what somebody said."""
    log.error("%s %s failed: %s, at %s", scope.get("method"), route_of(scope), type(error).__name__, trace(error))
    return answer(500, "Something went wrong here. The server's log says what kind of error it was.")


def route_of(scope: Mapping[str, Any]) -> str:
    """The route as it is declared: a path as it came holds ids."""
    return str(getattr(scope.get("route"), "path", "an unknown path"))


def plain(document: Any) -> Response:
    """A JSON document."""
    return JSONResponse(document)
