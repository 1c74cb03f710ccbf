"""Threads for what a reply waits for, but not for ever: it may hang, and then must hold up neither the next one nor an exit."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

#: So many threads take calls from the start, and one more each time that a call has waited so long, in seconds.
FEW, SLOW = 2, 0.1
#: How long a thread waits for the next call before it ends, in seconds.
IDLE = 10.0


class Threads:
    """A few threads for calls that wait for the database most of their time; more, up to `most`, when they are not enough.

    Where the database is near, more than two only take the interpreter from each other. Where it is far, or a call hangs, two
    are not enough. Unlike an executor's, these threads do not keep a process from ending.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._calls: deque[tuple[float, Future[Any], Callable[[], Any]]] = deque()
        self._lock = threading.Lock()
        self._called, self._late = threading.Condition(self._lock), threading.Condition(self._lock)
        #: Threads that there are, and those of them that wait for a call.
        self._alive = self._idle = 0
        self._watched = False

    def start(self, function: Callable[[], Any]) -> Future[Any]:
        """What the function will return. A call that is cancelled before its turn is left out."""
        if self._process != os.getpid():
            self._begin()  # a forked process has none of its parent's threads
        outcome: Future[Any] = Future()
        with self._lock:
            self._calls.append((time.monotonic(), outcome, partial(copy_context().run, function)))
            if self._idle >= len(self._calls):
                self._called.notify()
            elif self._alive < min(FEW, self._most):
                self._add()
            else:
                self._watch()
        return outcome

    def _add(self) -> None:
        _run(self._serve, "turn")
        self._alive += 1

    def _serve(self) -> None:
        while (call := self._next()) is not None:
            carry_out(*call)
            del call  # nothing of a turn is kept until the next one

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The call that has waited longest. `None`: this thread is not needed any more."""
        with self._lock:
            while not self._calls:
                self._idle += 1
                called = self._alive <= FEW and self._called.wait(IDLE)
                self._idle -= 1
                if not called and not self._calls:
                    self._alive -= 1
                    return None
            _, outcome, function = self._calls.popleft()
            return outcome, function

    def _watch(self) -> None:
        """See to it that no call waits for long because all threads are busy, or hang."""
        if self._alive < self._most and not self._watched:
            _run(self._add_when_late, "watch")
            self._watched = True
        self._late.notify()

    def _add_when_late(self) -> None:
        while True:
            with self._lock:
                if not self._calls and not self._late.wait(IDLE):
                    self._watched = False
                    return
                if not self._calls:
                    continue
                waits = self._calls[0][0] + SLOW - time.monotonic()
                if waits <= 0 and self._alive < self._most:
                    self._add()
            time.sleep(waits if waits > 0 else SLOW / 10)


def alone(function: Callable[[], Any]) -> Future[Any]:
    """What the function will return, from a thread of its own: for a provider that may take long, and answers many at once."""
    outcome: Future[Any] = Future()
    _run(partial(carry_out, outcome, partial(copy_context().run, function)), "turn")
    return outcome


def _run(function: Callable[[], Any], what: str) -> None:
    threading.Thread(target=function, name=f"learning-machine-{what}", daemon=True).start()


def carry_out(outcome: Future[Any], function: Callable[[], Any]) -> None:
    if outcome.set_running_or_notify_cancel():
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)
