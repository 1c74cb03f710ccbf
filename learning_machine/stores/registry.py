"""The stores of one machine, and how anybody's store is called: by what its signature takes, sync or async."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from learning_machine.errors import ConfigurationError
from learning_machine.stores.protocol import Extracting, LearningStore, Querying

_FIVE = ("learning_type", "recall", "process", "build_context", "get_tools")


class Registry:
    """Stores by learning type, built-in ones first."""

    def __init__(self, stores: Sequence[Any]) -> None:
        self._stores: dict[str, Any] = {}
        for store in stores:
            self._add(store)

    def _add(self, store: Any) -> None:
        missing = [name for name in _FIVE if not _has(store, name)]
        if missing:
            raise ConfigurationError(
                f"{type(store).__name__} is no learning store: it has no {', '.join(missing)}. The protocol is "
                f"{', '.join(_FIVE)}."
            )
        if store.learning_type in self._stores:
            raise ConfigurationError(
                f"Two stores have the learning type {store.learning_type!r}. Results are keyed by it: give one of them another."
            )
        self._stores[store.learning_type] = store

    def __iter__(self) -> Any:
        return iter(self._stores.values())

    def __getitem__(self, learning_type: str) -> Any:
        return self._stores[learning_type]

    def __contains__(self, learning_type: object) -> bool:
        return learning_type in self._stores

    def __len__(self) -> int:
        return len(self._stores)

    @property
    def types(self) -> list[str]:
        return list(self._stores)

    @cached_property
    def querying(self) -> list[Any]:
        """Those that recall together in one round trip."""
        return [store for store in self if isinstance(store, Querying)]

    @cached_property
    def extracting(self) -> list[Any]:
        """Those that share the one extraction call."""
        return [store for store in self if isinstance(store, Extracting)]

    @cached_property
    def custom(self) -> list[LearningStore]:
        """Those that recall and learn by themselves."""
        return [store for store in self if not isinstance(store, Querying)]


def _has(store: Any, name: str) -> bool:
    """Whether the store has it, and it can be looked at: a property that raises is not there."""
    try:
        return hasattr(store, name)
    except Exception:  # noqa: BLE001 - a store of somebody's own may raise anything
        return False


def accepts(function: Callable[..., Any], context: Mapping[str, Any], given: int = 0) -> dict[str, Any] | None:
    """The keyword arguments the function takes of these; `None` when one that it requires is absent.

    `given`: how many arguments it gets by position, which are then not given again by name.
    """
    taken: dict[str, Any] = {}
    parameters = list(inspect.signature(function).parameters.items())
    filled = {name for name, _ in parameters[:given]}
    for name, parameter in parameters[given:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            return taken | {key: value for key, value in context.items() if key not in taken and key not in filled}
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if name in context:
            taken[name] = context[name]
        elif parameter.default is parameter.empty:
            return None
    return taken


def call(store: Any, name: str, context: Mapping[str, Any], *arguments: Any) -> Any:
    """Call a store's function from sync code, whether it is `def`, `async def`, or only has an `a…` twin."""
    function = getattr(store, name)
    taken = accepts(function, context, len(arguments))
    if taken is None:
        return None
    result = function(*arguments, **taken)
    return run_now(result) if inspect.iscoroutine(result) else result


async def acall(store: Any, name: str, context: Mapping[str, Any], *arguments: Any) -> Any:
    """The async twin: the store's own async function where there is one, else the sync one in a thread."""
    function = getattr(store, f"a{name}", None) or getattr(store, name)
    taken = accepts(function, context, len(arguments))
    if taken is None:
        return None
    if inspect.iscoroutinefunction(function):
        return await function(*arguments, **taken)
    result = await asyncio.to_thread(function, *arguments, **taken)
    return await result if inspect.isawaitable(result) else result


def run_now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine from sync code, also where this thread already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, asyncio.run, coroutine).result()
