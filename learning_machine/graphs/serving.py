"""The graphs a server offers: one, or of several machines the one that an assistant's configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from langchain.agents.middleware import ModelRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field, create_model

from learning_machine.graphs.learning import learning_graph
from learning_machine.nodes.agent import inner_agent
from learning_machine.nodes.parts import Parts
from learning_machine.nodes.requests import RequestMiddleware
from learning_machine.state.scope import ChoosingScope, Scope

Graph = CompiledStateGraph[Any, Any, Any, Any]


def context_for(machines: Mapping[str, Any], models: Mapping[str, Any]) -> type[Scope]:
    """The context of a run: its scope, and by name what can be chosen, where there is more than one."""
    fields: dict[str, Any] = {}
    if len(machines) > 1:
        first = next(iter(machines))
        fields["machine"] = _choice(machines, f"Which machine learns and recalls. Default: {first}.")
    if models:
        fields["model"] = _choice(models, "Which chat model answers. Default: the machine's own.")
    return cast(type[Scope], create_model("LearningContext", __base__=ChoosingScope, **fields)) if fields else Scope


def _choice(names: Mapping[str, Any], description: str) -> Any:
    return Literal[tuple(names)] | None, Field(None, description=description)


def agent_of(
    parts: Parts, model: BaseChatModel, tools: list[Any], models: Mapping[str, BaseChatModel], context: type[Scope]
) -> Any:
    """The loop around an agent whose chat model the run may choose, to be compiled."""
    middleware = [ModelChoice(models)] if models else []
    agent = inner_agent(model, tools, middleware=middleware, context_schema=context)
    return learning_graph(parts, agent, reads_context=True, context_schema=context, passes_on=False)


def chosen(graphs: Mapping[str, Graph]) -> Graph | Callable[[RunnableConfig], Graph]:
    """The graph; or of several, by machine, a function that a server asks for each run. All have the same steps."""
    first = next(iter(graphs.values()))
    if len(graphs) == 1:
        return first

    def graph(config: RunnableConfig) -> Graph:
        named = (config.get("configurable") or {}).get("machine")
        # A name that is none is refused where the run's context is read, with the names there are.
        return graphs.get(named, first) if isinstance(named, str) else first

    return graph


class ModelChoice(RequestMiddleware):
    """Lets a run's context choose among chat models by name. Any other name is as good as none."""

    def __init__(self, models: Mapping[str, BaseChatModel]) -> None:
        super().__init__()
        self.models = dict(models)

    def changed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        model = self.models.get(getattr(request.runtime.context, "model", None) or "")
        return request if model is None else request.override(model=model)
