"""Errors as people read them: one clear line and exit code 1; the traceback with `--debug`."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from learning_machine.cli.output import print_note, safe_text
from learning_machine.errors import LearningMachineError

_debugging = False


class ReportingGroup(TyperGroup):
    """The commands, with what `LearningMachineError` says in place of its traceback."""

    def invoke(self, ctx: Any) -> Any:
        debug(False)
        try:
            return super().invoke(ctx)
        except LearningMachineError as error:
            if _debugging:
                traceback.print_exception(error)
            else:
                print_note("Error: " + safe_text(str(error), keep="\n"), style="red")
            raise typer.Exit(1) from error


def debug(wanted: bool) -> None:
    """Set up what is said about the run itself: our own warnings and others' errors, or with `--debug` everything."""
    global _debugging
    _debugging = wanted
    _handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s" if wanted else "%(message)s"))
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(_handler)
    logging.getLogger("learning_machine").setLevel(logging.DEBUG if wanted else logging.NOTSET)


def _is_said(record: logging.LogRecord) -> bool:
    """Whether a log line helps the person at the terminal. A pool repeats what a command says once and better."""
    return _debugging or record.name.startswith("learning_machine") or record.levelno >= logging.ERROR


_handler = logging.StreamHandler()
_handler.addFilter(_is_said)


def is_debugging() -> bool:
    """Whether `--debug` was given."""
    return _debugging
