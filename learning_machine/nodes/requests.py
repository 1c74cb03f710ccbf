"""Middleware that changes what a model is asked, by both doors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langsmith.utils import tracing_is_enabled

Handler = Callable[[ModelRequest[Any]], ModelResponse[Any]]
AsyncHandler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


class RequestMiddleware(AgentMiddleware[Any, Any]):
    """Changes each request to the model, and leaves the answer as it is."""

    def changed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """What the model is asked instead."""
        raise NotImplementedError

    def wrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> Any:
        return handler(self.changed(request))

    @property
    def awrap_model_call(self) -> Any:
        """The same under `ainvoke`.

        `create_agent` has it traced for LangSmith, and a coroutine function is sent to a thread for that twice a call, also
        where nothing is traced. So it is one only if tracing is on when the agent is made; where it is switched on later, this
        step's own span says nothing of the answer, and the model's call stands beside it.
        """
        return self._awrap if tracing_is_enabled() else self._passed_on

    async def _awrap(self, request: ModelRequest[Any], handler: AsyncHandler) -> ModelResponse[Any]:
        return await handler(self.changed(request))

    def _passed_on(self, request: ModelRequest[Any], handler: AsyncHandler) -> Awaitable[ModelResponse[Any]]:
        return handler(self.changed(request))
