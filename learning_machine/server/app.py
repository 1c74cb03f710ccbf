"""What `langgraph.json` names under `http.app`: the API beside the graphs, on the machines they use.

The LangGraph server makes the app it is given its own and puts its routes, middleware and error handlers into it. So it gets
a shell, which hands on what is ours and leaves everything else alone. Who calls is who the server's authentication says;
`"enable_custom_route_auth": true` lets it say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from learning_machine.machine import LearningMachine
from learning_machine.server.application import create_app
from learning_machine.server.callers import PlatformAuthentication

#: What is ours, below these. The server's own `/metrics`, `/docs` and `/openapi.json` stay its own.
PREFIXES = ("/v1", "/learned")


def mounted(api: FastAPI, *, lifespan: Any = None) -> FastAPI:
    """The app in a shell, to be named in `langgraph.json` or mounted beside other routes."""
    shell = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    for prefix in PREFIXES:
        # A route rather than a mount: the path is handed on whole, whatever is in it; `path` would stop at a line's end.
        route = Route(f"{prefix}/{{rest:path}}", api)
        route.path_regex = re.compile(f"^{prefix}/(?P<rest>.*)$", re.DOTALL)
        shell.router.routes.append(route)
    # The server shows it in its own documentation.
    shell.openapi = api.openapi  # type: ignore[method-assign]
    return shell


def _machines() -> Mapping[str, LearningMachine]:
    """Those of the graphs in this process: one pool and one worker for both."""
    from learning_machine.graphs import exports

    return exports._machines


def _lifespan(app: Any) -> Any:
    from learning_machine.graphs import exports

    return exports.lifespan(app)


app = mounted(create_app(_machines, auth=PlatformAuthentication()), lifespan=_lifespan)
