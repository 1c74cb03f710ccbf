"""Steps that ask the database: said once, and taken in a thread or in an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from learning_machine.stores.postgres.transactions import Access, Params, Row

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """Named statements in one transaction and one network round trip, as someone."""

    access: Access
    statements: Sequence[tuple[str, Params]]
    writes: bool = False


#: Something that asks the database, once or more: it is told the rows of each statement, or that asking failed.
Steps = Generator[Ask, list[list[Row]], T]


def driven(steps: Steps[T], ask: Callable[[Ask], list[list[Row]]]) -> T:
    """The outcome of steps, each of which is asked as they say."""
    try:
        asked = next(steps)
        while True:
            try:
                rows = ask(asked)
            except Exception as error:  # noqa: BLE001 - the steps decide what becomes of it
                asked = steps.throw(error)
            else:
                asked = steps.send(rows)
    except StopIteration as ended:
        outcome: T = ended.value
        return outcome
    finally:
        steps.close()


async def adriven(steps: Steps[T], ask: Callable[[Ask], Awaitable[list[list[Row]]]]) -> T:
    try:
        asked = next(steps)
        while True:
            try:
                rows = await ask(asked)
            except Exception as error:  # noqa: BLE001 - as above
                asked = steps.throw(error)
            else:
                asked = steps.send(rows)
    except StopIteration as ended:
        outcome: T = ended.value
        return outcome
    finally:
        steps.close()
