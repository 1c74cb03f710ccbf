"""Signing in and out, the files that pages need, and what is said of a page that is not there."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from learning_machine.server.callers import checked, is_local
from learning_machine.server.pages.addresses import ROOT, address
from learning_machine.server.pages.rendering import HEADERS, STATIC, asset
from learning_machine.server.pages.routing import pages
from learning_machine.server.pages.sessions import SESSION_COOKIE, drop, keep, way_in
from learning_machine.server.pages.visits import MACHINE_COOKIE, Anyone, Form, Sent, Visit, Visiting
from learning_machine.server.problems import Problem

router = pages()


@router.get("/sign-in")
def sign_in_page(visit: Anyone, as_user: str = "") -> Any:
    """Where somebody says who they are."""
    way = way_in(visit.request)
    if way == "elsewhere":
        return visit.go(f"{ROOT}/")
    _check_place(visit.request, way)
    return visit.show("sign_in.html", way=way, user=as_user[:500], groups="", wrong="")


@router.post("/sign-in")
def sign_in(visit: Anyone, sent: Sent) -> Any:
    """A session of its own for whoever is who they say."""
    way = way_in(visit.request)
    _check_place(visit.request, way)
    key = _by_token(visit, sent) if way == "token" else _by_name(visit, sent) if way == "name" else None
    if key is None:
        wrong = (
            "This is no token that is valid here. Copy the whole of it, from lm_ on."
            if way == "token"
            else "Nobody can have this name. Write another."
        )
        values = {"user": sent.text("user"), "groups": sent.text("groups")}
        return visit.show("sign_in.html", 401, way=way, wrong=wrong, **values)
    # Another number than before: what somebody might have put into this browser beforehand is worth nothing.
    visit.request.app.state.page_sessions.end(visit.request.cookies.get(SESSION_COOKIE))
    response = visit.go(f"{ROOT}/")
    keep(visit.request, response, SESSION_COOKIE, key)
    return response


def _by_token(visit: Visit, sent: Form) -> str | None:
    token = visit.request.app.state.authentication.tokens.holder(sent.text("token"))
    return visit.request.app.state.page_sessions.begin(token=token) if token is not None and token.user else None


def _by_name(visit: Visit, sent: Form) -> str | None:
    groups = tuple(group.strip() for group in sent.text("groups").split(",") if group.strip())
    try:
        who = checked(sent.text("user"), groups, "admin")
    except Problem:
        return None
    key: str = visit.request.app.state.page_sessions.begin(user=who.user, groups=who.groups)
    return key


def _check_place(request: Request, way: str) -> None:
    if way == "name" and not is_local(request):
        raise Problem(403, "Without authentication these pages answer on this computer only.")


@router.post("/sign-out")
def sign_out(visit: Anyone, sent: Sent) -> Any:
    visit.request.app.state.page_sessions.end(visit.request.cookies.get(SESSION_COOKIE))
    response = visit.go(address("sign-in"), "You are signed out.")
    drop(response, SESSION_COOKIE)
    return response


@router.post("/machine")
def choose_machine(visit: Visiting, sent: Sent) -> Any:
    """Look at another machine of this server."""
    visit.request.app.state.machines.named(sent.text("machine"))
    response = visit.go(f"{ROOT}/")
    keep(visit.request, response, MACHINE_COOKIE, sent.text("machine"))
    return response


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """A file of ours. Its address changes with it, so that it may be kept."""
    if name not in STATIC:
        raise Problem(404, "There is no such file here.")
    kept = {**HEADERS, "cache-control": "public, max-age=31536000, immutable"}
    return Response(asset(name), media_type=STATIC[name], headers=kept)


@router.get("/{rest:path}")
def missing(visit: Visiting, rest: str) -> Any:
    raise Problem(404, "There is no such page here.")
