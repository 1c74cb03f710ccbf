"""A browser without a script, for tests: it follows links, keeps cookies and sends forms as they stand in the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
from starlette.testclient import TestClient

#: Elements without an end.
_VOID = ("meta", "link", "input", "br", "img", "path", "circle", "rect")


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What is on a page: its forms, links, headings, the attributes of its elements, and its text outside of fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._area: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag == "form":
            self.forms.append(Form(given.get("action") or "", given.get("method") or "get"))
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if tag in ("input", "select") and given.get("name") and self.forms and given.get("type") != "checkbox":
            self.forms[-1].fields[str(given["name"])] = given.get("value") or ""
        if tag == "textarea":
            self._area = str(given.get("name"))
            self.forms[-1].fields[self._area] = ""

    def handle_endtag(self, tag: str) -> None:
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1].fields[self._area] += data
        else:
            self.words += data

    def form(self, ending: str, **fields: str) -> Form:
        """The first form whose address ends like this, and that holds these values."""
        for one in self.forms:
            if one.action.endswith(ending) and all(one.fields.get(name) == value for name, value in fields.items()):
                return one
        raise AssertionError(f"no form {ending!r} among {[one.action for one in self.forms]}")


class Browser:
    """Somebody who looks at the pages of an app."""

    def __init__(self, app: Any, base_url: str = "http://127.0.0.1:8100") -> None:
        self.client = TestClient(app, base_url=base_url, follow_redirects=True)

    def sign_in(self, **fields: str) -> httpx.Response:
        page = self.read("/learned/sign-in")
        return self.send(page.form("/sign-in"), **fields)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def read(self, path: str, status: int = 200) -> Page:
        answer = self.get(path)
        assert answer.status_code == status, answer.text
        return Page(answer.text)

    def send(self, form: Form, **fields: str) -> httpx.Response:
        return self.client.post(form.action, data={**form.fields, **fields})
