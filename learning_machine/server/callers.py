"""Who is calling: by a token, by the platform's authentication, or on this computer by name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.requests import Request

from learning_machine.server.problems import Problem
from learning_machine.server.tokens import Role, Tokens
from learning_machine.state.scope import Scope

#: Who a caller without any authentication is, on this computer: in a header, or where a page cannot send one, the query.
USER_HEADER, GROUPS_HEADER, USER_PARAMETER = "learning-user", "learning-groups", "as_user"
#: What the platform's user may have among its permissions to see to the machine as a whole.
ADMIN_PERMISSION = "learning:admin"
_LOOPBACK_NAMES = ("localhost", "testserver")


@dataclass(frozen=True)
class Caller:
    """Somebody who calls: one person, in a role. Whatever they ask for, they ask for as that person."""

    user: str
    groups: tuple[str, ...] = ()
    role: Role = "user"

    @property
    def scope(self) -> dict[str, Any]:
        """The scope they see with."""
        return {"user_id": self.user, "groups": self.groups}

    @property
    def reviewer(self) -> str | None:
        """Who decides as a reviewer; `None` for somebody whose token is not for that."""
        return None if self.role == "user" else self.user


class Authentication(Protocol):
    """How callers are known."""

    def caller(self, request: Request) -> Caller:
        """Who sent this, or a `Problem` with 401 or 403."""
        ...


class TokenAuthentication:
    """The stand-alone server's: a bearer token says who calls, and nothing else does."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def caller(self, request: Request) -> Caller:
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        token = self.tokens.holder(sent.strip()) if scheme.lower() == "bearer" else None
        if token is None or token.user is None:
            raise unknown("Send a token as `Authorization: Bearer …`; learning-machine token add makes one.")
        return checked(token.user, token.groups, token.role)


class LocalAuthentication:
    """None at all: whoever sits at this computer says who they are. Never for callers from elsewhere."""

    def caller(self, request: Request) -> Caller:
        if not is_local(request):
            raise unknown("Nothing says who you are. Without authentication this answers on this computer only.")
        user = request.headers.get(USER_HEADER) or request.query_params.get(USER_PARAMETER)
        if not user:
            raise unknown(f"Say whose learnings: send the header `{USER_HEADER}`.")
        groups = [group.strip() for group in request.headers.get(GROUPS_HEADER, "").split(",")]
        return checked(user, tuple(group for group in groups if group), "admin")


class PlatformAuthentication:
    """In a LangGraph server: who its authentication says. Where it has none, as on this computer."""

    def __init__(self) -> None:
        self._local = LocalAuthentication()

    def caller(self, request: Request) -> Caller:
        user = request.scope.get("user")
        if user is None:
            raise unknown(
                "The server's authentication does not reach this app. "
                'Set "enable_custom_route_auth": true under "http" in langgraph.json.'
            )
        if not getattr(user, "is_authenticated", False):
            return self._local.caller(request)
        permissions = getattr(request.scope.get("auth"), "scopes", ()) or field_of(user, "permissions") or ()
        # Who may review is the machine's to say; whoever it accepts does.
        role: Role = "admin" if ADMIN_PERMISSION in permissions else "reviewer"
        groups = field_of(user, "groups") or ()
        return checked(str(field_of(user, "identity") or ""), (groups,) if isinstance(groups, str) else groups, role)


def field_of(user: Any, name: str) -> Any:
    """What the platform knows of its user: an attribute, or a key."""
    found = getattr(user, name, None)
    if found is None and hasattr(user, "__getitem__"):
        try:
            found = user[name]
        except (KeyError, TypeError):
            return None
    return found


def checked(user: str, groups: Any, role: Role) -> Caller:
    """The caller, if this can be somebody."""
    try:
        scope = Scope(user_id=user, groups=tuple(map(str, groups)))
    except ValidationError:
        raise unknown("The name of the user or group is none that can be stored.") from None
    if scope.user_id is None:
        raise unknown("Nothing says who you are.")
    return Caller(scope.user_id, scope.groups, role)


def unknown(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


def is_local(request: Request) -> bool:
    """Whether this came to an address of this computer, by a name of it.

    The name counts too: a page from elsewhere may have its own name point here, and read what it is answered.
    """
    address = (request.scope.get("server") or ("", 0))[0] or ""
    name = _host(request.scope, request.headers)
    return is_loopback(address) and is_loopback(name)


def _host(scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    host = headers.get("host", "")
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def is_loopback(address: str) -> bool:
    """Whether an address or name is this computer's own."""
    if address.lower().rstrip(".") in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
