"""Threads for what a reply waits for, but not for ever: it may hang, and then must hold up neither the next one nor an exit."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any

#: So many threads take calls from the start, and another one for each call that has waited so long, in seconds.
FEW, SLOW = 2, 0.2


class Threads:
    """A few threads for calls that wait for the database most of their time; more, up to `most`, when they are not enough.

    Threads take the interpreter from each other: a hundred conversations at once take a sixth longer with ten of them than
    with two, where the database is near. Where it is far, two are not enough. Unlike an executor's, these threads do not keep
    a process from ending.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._calls: SimpleQueue[tuple[float, Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        #: Threads that there are, those of them that have nothing to do, and calls that nobody is about to take.
        self._alive = self._idle = self._waiting = 0

    def start(self, function: Callable[[], Any]) -> Future[Any]:
        """What the function will return. A call that is cancelled before its turn is left out."""
        if self._process != os.getpid():
            self._begin()  # a forked process has none of its parent's threads
        outcome: Future[Any] = Future()
        self._calls.put((time.monotonic(), outcome, partial(copy_context().run, function)))
        with self._lock:
            if self._idle:
                self._idle -= 1
                return outcome
            self._waiting += 1
        self._add(FEW)
        return outcome

    def _add(self, most: int) -> None:
        """One more thread for a call that waits, if there are not so many already."""
        with self._lock:
            if not self._waiting or self._alive >= min(most, self._most):
                return
            self._waiting -= 1
            self._alive += 1
        threading.Thread(target=self._serve, name="learning-machine-turn", daemon=True).start()

    def _serve(self) -> None:
        while True:
            since, outcome, function = self._calls.get()
            if time.monotonic() - since > SLOW:
                self._add(self._most)
            carry_out(outcome, function)
            del outcome, function  # nothing of a turn is kept until the next one
            with self._lock:
                if self._waiting:
                    self._waiting -= 1
                elif self._alive > FEW:
                    self._alive -= 1
                    return
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
