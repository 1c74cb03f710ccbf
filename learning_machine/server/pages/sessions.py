"""Who looks at the pages: a browser is signed in once, and from then on a cookie says who it is.

The cookie holds no token, only a number that means something while this process runs. Forms prove that they are ours by
a value made from a second cookie, which only our own pages can know; and what a browser says of a request's origin is
believed where it says it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2s
from hmac import compare_digest
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from learning_machine.server.callers import (
    Authentication,
    Caller,
    LocalAuthentication,
    PlatformAuthentication,
    TokenAuthentication,
    checked,
    is_local,
)
from learning_machine.server.pages.addresses import ROOT
from learning_machine.server.problems import Problem
from learning_machine.server.tokens import Token

#: How long a browser stays signed in, in seconds, and how many may be at once.
LASTS, MOST = 12 * 3600.0, 10_000
SESSION_COOKIE, FORM_COOKIE = "learning_session", "learning_form"


class SignedOut(Exception):
    """Nobody is signed in here, and somebody could be."""


@dataclass(frozen=True)
class Session:
    """One browser that is signed in: with a token, or on this computer by name."""

    began: float
    token: Token | None = None
    user: str = ""
    groups: tuple[str, ...] = ()


class Sessions:
    """The browsers that are signed in with this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._found: dict[str, Session] = {}

    def begin(self, *, token: Token | None = None, user: str = "", groups: tuple[str, ...] = ()) -> str:
        """What the browser's cookie has to hold from now on."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._found) >= MOST:
                del self._found[next(iter(self._found))]
            self._found[_kept(key)] = Session(self._clock(), token, user, groups)
        return key

    def find(self, key: str | None) -> Session | None:
        with self._lock:
            found = self._found.get(_kept(key)) if key else None
            if found is not None and self._clock() - found.began > LASTS:
                del self._found[_kept(key or "")]
                return None
            return found

    def end(self, key: str | None) -> None:
        with self._lock:
            self._found.pop(_kept(key or ""), None)


def _kept(key: str) -> str:
    return blake2s(key.encode()).hexdigest()


# --- who --------------------------------------------------------------------------------------------------------------


def way_in(request: Request) -> str:
    """How somebody signs in here: with a `token`, by `name`, or `elsewhere`."""
    authentication: Authentication = request.app.state.authentication
    if isinstance(authentication, TokenAuthentication):
        return "token"
    if isinstance(authentication, LocalAuthentication) or _platform_without(authentication, request):
        return "name"
    return "elsewhere"


def _platform_without(authentication: Authentication, request: Request) -> bool:
    """A LangGraph server that knows no users, as on this computer."""
    user = request.scope.get("user")
    return (
        isinstance(authentication, PlatformAuthentication)
        and user is not None
        and not getattr(user, "is_authenticated", False)
    )


def reader(request: Request) -> Caller:
    """Who looks at this page. `SignedOut` when nobody is signed in, and a `Problem` when nobody can be."""
    way = way_in(request)
    if way == "elsewhere":
        authentication: Authentication = request.app.state.authentication
        return authentication.caller(request)
    if way == "name" and not is_local(request):
        raise Problem(403, "Without authentication these pages answer on this computer only.")
    sessions: Sessions = request.app.state.page_sessions
    session = sessions.find(request.cookies.get(SESSION_COOKIE))
    if session is None:
        raise SignedOut
    return _by_token(request, session) if way == "token" else checked(session.user, session.groups, "admin")


def _by_token(request: Request, session: Session) -> Caller:
    # A token that was taken away, or changed, signs out whoever came with it.
    tokens = request.app.state.authentication.tokens.all()
    token = session.token
    if token is None or token.user is None or tokens.get(token.id) != token:
        raise SignedOut
    return checked(token.user, token.groups, token.role)


# --- cookies and forms ------------------------------------------------------------------------------------------------


def keep(request: Request, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Give the browser a cookie that no script and no other site can use."""
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, path=f"{ROOT}/", secure=secure, httponly=True, samesite="strict")


def drop(response: Response, name: str) -> None:
    response.delete_cookie(name, path=f"{ROOT}/", httponly=True, samesite="strict")


def form_token(key: str) -> str:
    """What a form has to send back: only a page made for this browser can hold it."""
    return blake2s(key.encode(), person=b"lm-form").hexdigest()


def check_form(request: Request, sent: str) -> None:
    """Refuse a form that is not from a page of ours."""
    key = request.cookies.get(FORM_COOKIE, "")
    came = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "null")
    # Under our referrer policy browsers name no origin; where one is named, it has to be this one.
    ours = origin == "null" or urlsplit(origin).netloc == request.headers.get("host", "")
    if (
        not key
        or came not in ("same-origin", "none")
        or not ours
        or not compare_digest(sent.encode(), form_token(key).encode())
    ):
        raise Problem(
            403,
            "This form is not from a page of this browser, or too old. Go back, reload the page, and send it again.",
        )
