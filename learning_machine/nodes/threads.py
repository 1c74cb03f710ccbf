"""Threads for what a reply waits for, but not for ever: it may hang, and then must hold up neither the next one nor an exit."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any

Call = tuple["Future[Any]", Callable[[], Any]]


class Threads:
    """Threads that are kept for the next call. At most so many calls run at a time; the others wait for their turn.

    More threads than connections only take the interpreter from each other: a hundred conversations at once took a fifth
    longer with a thread for each. Unlike an executor's, these threads do not keep a process from ending.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._calls: SimpleQueue[Call] = SimpleQueue()
        self._lock = threading.Lock()
        #: Threads that there are, those of them that have nothing to do, and calls that wait for one.
        self._alive = self._idle = self._waiting = 0

    def start(self, function: Callable[[], Any]) -> Future[Any]:
        """What the function will return. A call that is cancelled before its turn is left out."""
        if self._process != os.getpid():
            self._begin()  # a forked process has none of its parent's threads
        outcome: Future[Any] = Future()
        self._calls.put((outcome, partial(copy_context().run, function)))
        with self._lock:
            fresh = not self._idle and self._alive < self._most
            if self._idle:
                self._idle -= 1
            elif fresh:
                self._alive += 1
            else:
                self._waiting += 1
        if fresh:
            threading.Thread(target=self._serve, name="learning-machine-turn", daemon=True).start()
        return outcome

    def _serve(self) -> None:
        while True:
            carry_out(*self._calls.get())
            with self._lock:
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._idle += 1


def alone(function: Callable[[], Any]) -> Future[Any]:
    """What the function will return, from a thread of its own: for a provider that may take long, and answers many at once."""
    outcome: Future[Any] = Future()
    call = partial(carry_out, outcome, partial(copy_context().run, function))
    threading.Thread(target=call, name="learning-machine-turn", daemon=True).start()
    return outcome


def carry_out(outcome: Future[Any], function: Callable[[], Any]) -> None:
    if outcome.set_running_or_notify_cancel():
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)
