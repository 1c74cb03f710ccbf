"""Templates to HTML: everything stored is escaped, and so arranged that it cannot hide or reach beyond its place."""

from __future__ import annotations

from functools import cache
from hashlib import blake2s
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from learning_machine.server.pages import texts
from learning_machine.server.pages.addresses import address

#: Nothing from elsewhere, nothing inline, and in no frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
#: The files pages may ask for, and what they are.
STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def render(template: str, **values: Any) -> str:
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("learning_machine.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "shown": texts.shown,
        "short": texts.shortened,
        "when": texts.when,
        "day": texts.day,
        "label": texts.label,
        "visible": texts.visible,
        "said_by": texts.said_by,
        "done": texts.done,
        "plain": texts.plain,
        "number": lambda count: f"{count:,}",
    }
    made.tests["long"] = texts.is_long
    made.globals |= {"address": address, "static": static, "current": current}
    return made


@cache
def asset(name: str) -> bytes:
    return (files("learning_machine.server.pages") / "static" / name).read_bytes()


@cache
def static(name: str) -> str:
    """The address of a file, which changes when the file does."""
    return address("static", name, v=blake2s(asset(name), digest_size=6).hexdigest())


@pass_context
def current(context: Context, *parts: str) -> Markup:
    """What marks the link to the page one is on."""
    here, there = str(context["path"]), address(*parts)
    inside = here == there or (bool(parts[0]) and here.startswith(f"{there}/"))
    return Markup(' aria-current="page"') if inside else Markup("")
