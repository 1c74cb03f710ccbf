"""What `langgraph.json` names. Compiled without a checkpointer: the server brings one. Nothing connects at import.

`LEARNING_MACHINE_MACHINE` names the machine in code, or a list of them, and `LEARNING_MACHINE_MODELS` the chat models to
choose from; an assistant's configuration then says which, by name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from learning_machine.graphs.learning import learn_graph
from learning_machine.graphs.serving import chosen
from learning_machine.loading import load_machines, load_models, served_agents

_machines = load_machines()
learning_agent = chosen(served_agents(_machines, load_models()))
learn = chosen({name: learn_graph(machine.parts).compile(name="learn") for name, machine in _machines.items()})
curate = chosen({name: machine.curation_graph() for name, machine in _machines.items()})


@asynccontextmanager
async def lifespan(app: Any = None) -> AsyncIterator[None]:
    """For the server's own app, as `Starlette(lifespan=lifespan)`: these machines learn as long as the server runs."""
    async with AsyncExitStack() as stack:
        for machine in _machines.values():
            await stack.enter_async_context(machine.lifespan(app))
        yield
