"""The app: what was learned, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from learning_machine.server import pages, problems
from learning_machine.server.callers import Authentication, LocalAuthentication
from learning_machine.server.machines import Given, Machines
from learning_machine.server.metrics import Metrics
from learning_machine.server.routes import ROUTERS
from learning_machine.server.routes.operation import VERSION
from learning_machine.server.watching import Watching

DESCRIPTION = """\
What a learning machine has learned, to be looked at and put right.

Every caller is one person, and sees what that person may see; another's record is not there (404). Lists have pages:
`next` of one is the `cursor` of the following. A single resource has an `ETag`; edits, verdicts and forgetting name it as
`If-Match`, and are refused when what was read has changed (412) or nothing is named (428). Errors are
`application/problem+json`.
"""


def create_app(machines: Given = None, *, auth: Authentication | None = None, closes: bool = False) -> FastAPI:
    """What was learned over HTTP, as an ASGI app.

    `machines`: one, several, or a function that returns them by name; without, those of the environment. `auth`: how
    callers are known; without, they say so themselves, and only on this computer. `closes`: close the machines with the app.
    """
    found = Machines(machines)
    metrics = Metrics(found.all)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if closes:
            found.close()

    app = FastAPI(
        title="Learning Machine",
        version=VERSION,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_name,
    )
    app.state.machines, app.state.metrics = found, metrics
    app.state.authentication = auth or LocalAuthentication()
    app.add_middleware(Watching, metrics=metrics)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    pages.install(app)
    app.openapi = _documented(app.openapi)  # type: ignore[method-assign]
    app.add_route("/openapi.json", lambda request: problems.plain(app.openapi()), include_in_schema=False)
    return app


def _name(route: APIRoute) -> str:
    return route.name


def _documented(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """The app's own description, which says of every error that it is a problem."""

    def documented() -> dict[str, Any]:
        document = openapi()
        schemas = document["components"]["schemas"]
        if "ProblemDetail" in schemas:
            return document
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        template = "#/components/schemas/{model}"
        schemas["ProblemDetail"] = problems.ProblemDetail.model_json_schema(ref_template=template)
        schemas |= schemas["ProblemDetail"].pop("$defs", {})
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _document(path, operation)
        return document

    return documented


def _document(path: str, operation: dict[str, Any]) -> None:
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetail"}}}
    responses = operation["responses"]
    responses.pop("422", None)
    responses["4XX"] = {"description": "A problem with the request", "content": content}
    responses["5XX"] = {"description": "A problem here", "content": content}
    if not path.endswith(("/health", "/ready")):
        operation["security"] = [{"token": []}, {}]
