"""The machine a command works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from learning_machine.errors import ConfigurationError

if TYPE_CHECKING:
    from learning_machine.machine import LearningMachine


def load(path: str | None, db: str | None) -> LearningMachine:
    """The machine at `module:attribute` or the default one, on this database if one is named. Nothing connects yet."""
    from learning_machine.loading import load_machine

    machine = load_machine(path)
    if db:
        try:
            machine.give(db=db)
        except ConfigurationError as error:
            raise ConfigurationError(
                "--db names another database than the one the machine was made with. Leave --db out."
            ) from error
    return machine


@contextmanager
def opened(path: str | None, db: str | None) -> Iterator[LearningMachine]:
    """The same machine, closed at the end."""
    machine = load(path, db)
    try:
        yield machine
    finally:
        machine.close()
