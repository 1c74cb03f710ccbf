"""One visit to a page: who looks, at which machine, and what they are answered."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from learning_machine.machine import LearningMachine
from learning_machine.server.callers import Caller
from learning_machine.server.pages.rendering import HEADERS, render
from learning_machine.server.pages.sessions import FORM_COOKIE, check_form, drop, form_token, keep, reader, way_in
from learning_machine.server.problems import Problem
from learning_machine.state.messages import clean_text

#: What was just done, told on the next page; and which machine this browser looks at.
SAID_COOKIE, MACHINE_COOKIE = "learning_said", "learning_machine"
#: As many fields as a form may have: a page of proposals has a few each.
MAX_FIELDS = 2_000


class Form(dict[str, str]):
    """What a form sent; of a field sent more than once, `all` knows every value."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__((name, clean_text(value).replace("\r\n", "\n")) for name, value in pairs)
        self._pairs = pairs

    def text(self, name: str) -> str:
        return self.get(name, "").strip()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]


@dataclass
class Visit:
    """What a page needs to know of whoever looks at it."""

    request: Request
    who: Caller | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self.key = self.request.cookies.get(FORM_COOKIE) or self.key

    @property
    def caller(self) -> Caller:
        assert self.who is not None
        return self.who

    @property
    def scope(self) -> dict[str, Any]:
        return self.caller.scope

    @property
    def machine(self) -> LearningMachine:
        machines = self.request.app.state.machines
        chosen = self.request.cookies.get(MACHINE_COOKIE)
        found: LearningMachine = machines.named(chosen if chosen in machines.all() else None)
        return found

    @property
    def partly(self) -> bool:
        """Whether our script asked, which needs only the part that changed."""
        return self.request.headers.get("learning-part") == "1"

    # --- answers ------------------------------------------------------------------------------------------------------

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        said = self._said()
        names = list(self.request.app.state.machines.all()) if self.who else []
        known = {
            "who": self.who,
            "way_in": way_in(self.request),
            "machines": names if len(names) > 1 else [],
            "machine_name": self.machine.name if self.who else "",
            "form_token": form_token(self.key),
            "path": self.request.url.path,
            "here": self._here(),
            "said": said,
        }
        response = HTMLResponse(render(template, **known, **values), status, headers=HEADERS)
        if FORM_COOKIE not in self.request.cookies:
            keep(self.request, response, FORM_COOKIE, self.key)
        if SAID_COOKIE in self.request.cookies and not self.partly:
            drop(response, SAID_COOKIE)
        return response

    def part(self, template: str, status: int = 200, **values: Any) -> Response:
        """A piece of a page, for our script."""
        text = render(template, form_token=form_token(self.key), who=self.who, **values)
        return HTMLResponse(text, status, headers=HEADERS)

    def go(self, where: str, said: str = "", *, undo: str = "", kind: str = "done") -> Response:
        """On to another page, which says what was just done, and offers to undo it."""
        response = RedirectResponse(where, 303, headers=HEADERS)
        if said:
            told = json.dumps({"text": said, "undo": undo, "kind": kind})
            keep(self.request, response, SAID_COOKIE, urlsafe_b64encode(told.encode()).decode(), 60)
        return response

    def _here(self) -> str:
        """This page, for a form that comes back to it; none where it was itself made by a form."""
        url = self.request.url
        return "" if self.request.method != "GET" else f"{url.path}?{url.query}" if url.query else url.path

    def _said(self) -> dict[str, str] | None:
        try:
            told = json.loads(urlsafe_b64decode(self.request.cookies.get(SAID_COOKIE, "")))
            return {name: str(told[name]) for name in ("text", "undo", "kind")}
        except (ValueError, KeyError, TypeError):
            return None


def visit(request: Request) -> Visit:
    """A visit by somebody who is signed in. It runs in a thread: tokens are in a file."""
    return Visit(request, reader(request))


def anyone(request: Request) -> Visit:
    """A visit by whoever it is."""
    return Visit(request)


async def form(request: Request) -> Form:
    """What was sent, from a page of ours. It is refused from anywhere else."""
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(422, "The form cannot be read. Go back, and send it again.") from None
    sent = Form(pairs)
    check_form(request, sent.get("form_token", ""))
    return sent


Visiting = Annotated[Visit, Depends(visit)]
Anyone = Annotated[Visit, Depends(anyone)]
Sent = Annotated[Form, Depends(form)]
