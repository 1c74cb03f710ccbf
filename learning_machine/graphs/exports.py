"""What `langgraph.json` names. Compiled without a checkpointer: the server brings one. Nothing connects at import."""

from __future__ import annotations

from learning_machine.graphs.learning import learn_graph
from learning_machine.loading import load_machine

_machine = load_machine()
learning_agent = _machine.graph()
learn = learn_graph(_machine.parts).compile(name="learn")
