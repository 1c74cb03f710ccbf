"""The pages: what was learned, to be looked at and put right by a person. Made on the server, and light.

Everything works without a script; the one there is adds keys and saves reloading. No page asks for anything from elsewhere.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response

from learning_machine.server.pages.addresses import ROOT
from learning_machine.server.pages.sessions import Sessions
from learning_machine.server.pages.views import ROUTERS

__all__ = ["ROOT", "install"]


def install(app: FastAPI) -> None:
    """Put the pages into the app, below `ROOT`. Where nothing else is at `/`, it leads there."""
    app.state.page_sessions = Sessions()
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/", _to_the_pages, methods=["GET"], include_in_schema=False)


def _to_the_pages() -> Response:
    return RedirectResponse(f"{ROOT}/", 303)
