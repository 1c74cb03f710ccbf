"""What every request passes: its size is limited, its time measured, and whatever goes wrong ends here."""

from __future__ import annotations

import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from learning_machine.server.metrics import Metrics
from learning_machine.server.problems import answer, route_of, unexpected

#: As large as a request may be, in bytes.
MAX_BODY = 1_000_000
_HEADERS = {
    b"cache-control": b"private, no-cache",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Watching:
    """The outermost layer of the app. It logs and counts routes, never paths: those hold ids."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in _HEADERS.items() if name not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            if _declared(scope) > MAX_BODY:
                await answer(413, _TOO_LARGE)(scope, receive, sending)
            else:
                await self.app(scope, _limited(receive), sending)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log its kind
            response = unexpected(scope, error)
            if not status:
                await response(scope, receive, sending)
        finally:
            self.metrics.request(scope["method"], route_of(scope), status or 500, time.perf_counter() - began)


_TOO_LARGE = f"A request may have at most {MAX_BODY:,} bytes."


def _declared(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


def _limited(receive: Receive) -> Receive:
    """What arrives, up to the limit, also where nobody said how much it would be."""
    total = 0

    async def receiving() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return receiving
