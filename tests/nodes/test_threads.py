"""The threads in which a reply waits for the database."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import CancelledError, Future
from contextvars import ContextVar
from typing import Any

import pytest

from learning_machine.nodes.threads import FEW, SLOW, Threads, alone

_said: ContextVar[str] = ContextVar("said", default="nothing")


def ours() -> int:
    return sum(thread.name == "learning-machine-turn" for thread in threading.enumerate())


def test_every_call_is_answered() -> None:
    """Of a thousand calls from twenty sides each gets its own result, in the context it was made in; errors come back."""
    threads = Threads(10)
    found: dict[int, Future[Any]] = {}

    def side(number: int) -> None:
        for call in range(50):
            _said.set(f"{number} {call}")
            found[number * 50 + call] = threads.start(_said.get)

    sides = [threading.Thread(target=side, args=(number,)) for number in range(20)]
    for one in sides:
        one.start()
    for one in sides:
        one.join()
    assert {number: one.result(10) for number, one in found.items()} == {n: f"{n // 50} {n % 50}" for n in range(1_000)}
    with pytest.raises(ZeroDivisionError):
        threads.start(lambda: 1 / 0).result(10)
    assert threads.start(lambda: "still here").result(10) == "still here"


def test_few_threads_where_the_database_is_near() -> None:
    """Calls that take no time are made in few threads, however many there are."""
    threads, before = Threads(10), ours()
    for _ in range(3):
        assert [one.result(10) for one in [threads.start(ours) for _ in range(200)]][-1] <= before + FEW


def test_more_threads_where_it_is_far() -> None:
    """Calls that wait too long get more threads, as many as allowed and no more; and those go when nobody waits."""
    threads, before, most = Threads(6), ours(), []

    def far() -> None:
        most.append(ours() - before)
        time.sleep(0.05)

    began = time.monotonic()
    for one in [threads.start(far) for _ in range(60)]:
        one.result(30)
    assert FEW < max(most) <= 6
    assert time.monotonic() - began < 60 * 0.05 / FEW
    ends = time.monotonic() + 10
    while ours() - before > FEW:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_hanging_call_takes_nobodys_place_for_long() -> None:
    """While calls hang in all threads, the next is made a little later, in another one."""
    threads, released = Threads(FEW + 2), threading.Event()
    hanging = [threads.start(lambda: released.wait(30)) for _ in range(FEW)]
    while ours() < FEW:
        time.sleep(0.01)
    late = threads.start(lambda: "late")
    time.sleep(2 * SLOW)
    later = threads.start(lambda: "later")
    assert (late.result(10), later.result(10)) == ("late", "later")
    released.set()
    assert [one.result(10) for one in hanging] == [True] * FEW


def test_a_cancelled_call_is_left_out() -> None:
    """A call that is given up before its turn is not made."""
    threads, released, made = Threads(1), threading.Event(), []
    first = threads.start(lambda: released.wait(30))
    given_up = threads.start(lambda: made.append(1))
    assert given_up.cancel()
    released.set()
    assert first.result(10) and threads.start(lambda: made).result(10) == []
    with pytest.raises(CancelledError):
        given_up.result(10)


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing is called for a while no thread is left, and the next call is answered all the same."""
    monkeypatch.setattr("learning_machine.nodes.threads.IDLE", 0.05)
    names, threads = {one.name for one in threading.enumerate()}, Threads(4)
    for _ in range(2):
        assert [one.result(10) for one in [threads.start(lambda: time.sleep(0.02)) for _ in range(20)]] == [None] * 20
        ends = time.monotonic() + 10
        while {one.name for one in threading.enumerate()} - names:
            assert time.monotonic() < ends, threading.enumerate()
            time.sleep(0.02)


class Turn:
    """What a call holds on to."""


def test_nothing_of_a_call_stays() -> None:
    """What a call was about is let go when it is done, not when the next one comes."""
    threads, turn = Threads(2), Turn()
    gone = weakref.ref(turn)
    assert threads.start(lambda held=turn: held is not None).result(10)
    del turn
    ends = time.monotonic() + 10
    while gone() is not None:
        assert time.monotonic() < ends
        gc.collect()
        time.sleep(0.01)


def test_alone_waits_for_nobody() -> None:
    """Calls to a provider are made all at once."""
    together = threading.Barrier(30)
    assert sorted(one.result(20) for one in [alone(lambda: together.wait(20)) for _ in range(30)]) == list(range(30))


EXITS = """
import threading
from learning_machine.nodes.threads import Threads, alone
threads = Threads(4)
assert threads.start(lambda: 1).result(5) == 1
threads.start(threading.Event().wait), alone(threading.Event().wait)
"""


def test_a_hanging_call_keeps_no_process() -> None:
    """A process ends although calls hang."""
    assert subprocess.run([sys.executable, "-c", EXITS], timeout=60).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_its_own() -> None:
    """After a fork the child's calls are made by threads of its own."""
    threads = Threads(2)
    assert threads.start(lambda: 1).result(10) == 1
    child = os.fork()
    if not child:
        try:
            os._exit(0 if threads.start(lambda: 2).result(10) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert threads.start(lambda: 3).result(10) == 3
