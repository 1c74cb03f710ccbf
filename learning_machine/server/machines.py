"""The machines an app serves, loaded when the first of them is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from learning_machine.machine import LearningMachine
from learning_machine.server.problems import Problem

#: What `create_app` takes: one machine, several, or a function that says which when they are needed.
Given = LearningMachine | Iterable[LearningMachine] | Callable[[], Mapping[str, LearningMachine]] | None


class Machines:
    """By name, the first one the default."""

    def __init__(self, given: Given = None) -> None:
        self._given, self._lock = given, threading.Lock()
        self._found: Mapping[str, LearningMachine] | None = None

    def all(self) -> Mapping[str, LearningMachine]:
        with self._lock:
            if self._found is None:
                self._found = _load(self._given)
            return self._found

    def named(self, name: str | None) -> LearningMachine:
        """The machine of this name; without one, the default."""
        found = self.all()
        if name is None:
            return next(iter(found.values()))
        if name not in found:
            raise Problem(404, "There is no machine of this name here.")
        return found[name]

    def close(self) -> None:
        for machine in (self._found or {}).values():
            machine.close()


def _load(given: Given) -> Mapping[str, LearningMachine]:
    if given is None:
        from learning_machine.loading import load_machines

        return load_machines()
    if isinstance(given, LearningMachine):
        return {given.name: given}
    if callable(given):
        return given()
    return {machine.name: machine for machine in given}
