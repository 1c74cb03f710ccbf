"""Every exception of the library, grouped by who must act.

The docstring of a class is its default message. What was wrong is in the attributes; the last sentence says what to do.
"""

from __future__ import annotations

from inspect import cleandoc


class LearningMachineError(Exception):
    """Something in the learning machine went wrong."""

    def __init__(self, message: str | None = None, **facts: object) -> None:
        super().__init__(message or " ".join(cleandoc(type(self).__doc__ or "").split()))
        self.facts = facts


# --- the developer: something in code or set-up -----------------------------------------------------------------------


class ConfigurationError(LearningMachineError, ValueError):
    """The configuration cannot work as it is written."""


class MissingScope(LearningMachineError, ValueError):
    """This call needs a scope key it did not get, such as `user_id`. Pass it, for example `Scope(user_id="alice")`."""


class MissingPackage(LearningMachineError, ImportError):
    """An optional package is not installed. Install the extra the message names."""


class SchemaOutOfDate(LearningMachineError):
    """The database schema is older than this code. Run `learning-machine migrate` with a role that may create tables."""


class SchemaTooNew(LearningMachineError):
    """The database schema was migrated by newer code that this version cannot work with. Upgrade this installation."""


# --- the operator: the database or a server ---------------------------------------------------------------------------


class DatabaseUnavailable(LearningMachineError):
    """The database cannot be reached. Check the URL, that the server runs, and that it accepts connections from here."""


class DatabaseUnsuitable(LearningMachineError):
    """The database lacks something this library needs: a version, an extension or a right."""


class EmbeddedServerError(LearningMachineError):
    """The embedded PostgreSQL server could not be started."""


# --- the person who decides -------------------------------------------------------------------------------------------


class ProposalNotFound(LearningMachineError, LookupError):
    """There is no such proposal here. List them with `machine.proposals.list()`."""


class CurationNotFound(LearningMachineError, LookupError):
    """There is no such preview here. Make one with `machine.curator.preview()`, and run it with its id."""


class LearningNotFound(LearningMachineError, LookupError):
    """There is no such learning here. List what there is with `machine.learnings(user_id=…)`."""


class StaleEdit(LearningMachineError):
    """It has changed since it was read, so nothing was written. Read it again, and decide anew."""


class UndoConflict(LearningMachineError):
    """Something was built upon what should be undone. Undo the later change first, or what can be with `partly=True`."""


class NotAllowed(LearningMachineError, PermissionError):
    """This identity may not decide this proposal. Ask a reviewer."""


# --- at run time ------------------------------------------------------------------------------------------------------


class WriteFailed(LearningMachineError):
    """The ledger could not be written, so nothing was saved. It is safe to try again."""


class ReadElsewhere(WriteFailed):
    """Another worker read part of this batch. It is safe to try again."""


class Erased(WriteFailed):
    """What this would have been written for was erased meanwhile, so nothing was written. There is nothing to do."""


class ExtractionFailed(LearningMachineError):
    """The model gave no answer that could be read as learnings. The batch will be tried again."""


class EmbeddingFailed(LearningMachineError):
    """The embedding model gave no vectors. What was made so far is kept: try again."""


class BudgetExceeded(LearningMachineError):
    """The hourly limit of model calls for learning is used up. The batch waits for the next hour."""


class InvalidInput(LearningMachineError, ValueError):
    """What was given cannot be read."""
