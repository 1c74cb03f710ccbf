"""Where the pages are. One prefix holds them all, so that they can be mounted beside whatever else there is."""

from __future__ import annotations

from urllib.parse import quote, urlencode

ROOT = "/learned"


def address(*parts: str, **query: object) -> str:
    """The address of a page. Ids may hold anything, so each part is quoted whole; what is empty is no part of the query."""
    path = "/".join(quote(part, safe="") for part in parts)
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{ROOT}/{path}" + (f"?{urlencode(given)}" if given else "")
