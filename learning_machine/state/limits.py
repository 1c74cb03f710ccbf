"""When learning runs, and how much of it: the batch window and the hourly limits."""

from __future__ import annotations

from dataclasses import dataclass

from learning_machine.errors import ConfigurationError

#: How long unread turns wait at most for the window to fill, in seconds, when nothing else is said.
LONGEST_WAIT = 600.0


@dataclass(frozen=True)
class BatchWindow:
    """When the unread turns of a thread are read together: as soon as one of the limits is reached.

    `after_seconds` counts from the first unread turn. Without any limit a turn is read at once, together with what its
    thread said in the meantime.
    """

    after_turns: int | None = None
    after_seconds: float | None = None
    after_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("after_turns", "after_seconds", "after_tokens"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigurationError(f"BatchWindow({name}={value!r}) cannot be: give a number from 0 on.")

    @property
    def delay(self) -> float:
        """How long a first unread turn waits at most, in seconds."""
        if self.after_seconds is not None:
            return float(self.after_seconds)
        return LONGEST_WAIT if self.after_turns or self.after_tokens else 0.0


@dataclass(frozen=True)
class HourlyLimits:
    """How many model calls and tokens learning may spend an hour, all processes of a machine together."""

    max_calls: int | None = None
    max_tokens: int | None = None

    def is_spent(self, calls: int, tokens: int) -> bool:
        by_calls = self.max_calls is not None and calls >= self.max_calls
        return by_calls or (self.max_tokens is not None and tokens >= self.max_tokens)

    def __bool__(self) -> bool:
        return self.max_calls is not None or self.max_tokens is not None
