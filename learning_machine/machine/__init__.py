"""`LearningMachine`: complete by itself, with or without a graph."""

from __future__ import annotations

from learning_machine.machine.correcting import Correcting
from learning_machine.machine.curation import Curation
from learning_machine.machine.graphs import Graphs
from learning_machine.machine.ownership import Ownership
from learning_machine.machine.truth import Truth


class LearningMachine(Graphs, Truth, Curation, Correcting, Ownership):
    """What an agent learns with. Complete by itself: `recall`, `process` and the rest need no graph.

    Each store takes `True`, a config, or a store. Without any store named it keeps a user profile. Nothing connects
    before it is first used.

    >>> machine = LearningMachine(user_profile=True, session_context=True)
    >>> machine.process([{"role": "user", "content": "My name is Alice."}], user_id="alice")   # doctest: +SKIP
    >>> machine.build_context(user_id="alice")                                                 # doctest: +SKIP
    """
