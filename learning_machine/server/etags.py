"""ETags: an edit is bound to what was read. Without one it is refused (428), and after a change in between too (412)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Response
from pydantic import BaseModel

from learning_machine.server.problems import Problem
from learning_machine.state.views import View

IfMatch = Annotated[str | None, Header(description="The ETag of what was read. Required.")]
IfNoneMatch = Annotated[str | None, Header(description="An ETag: when it still fits, the answer is 304.")]


def tagged(view: View, response: Response, if_none_match: str | None = None) -> BaseModel | Response:
    """The view with its ETag; or that the reader has it already."""
    tag = f'"{view.version}"'
    if if_none_match and tag in [one.strip().removeprefix("W/") for one in if_none_match.split(",")]:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return view


def required(if_match: str | None) -> str:
    """The version an edit is bound to."""
    if not if_match:
        raise Problem(428, "Say what you read: send its ETag as If-Match.")
    tag = if_match.strip()
    if tag.startswith("W/") or "," in tag or tag == "*":
        raise Problem(412, "If-Match has to be the one ETag of what you read.")
    return tag.strip('"')
