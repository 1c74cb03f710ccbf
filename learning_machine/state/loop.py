"""What travels through the graph, and how its parts are put together."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic reads the schemas of no other before Python 3.12


def union(left: list[str] | None, right: list[str] | None) -> list[str]:
    """Both lists in order, each element once. Idempotent, because an embedded graph hands its whole state back."""
    return list(dict.fromkeys([*(left or []), *(right or [])]))


class LearningInput(TypedDict):
    """What a caller gives: messages."""

    messages: Annotated[list[AnyMessage], add_messages]


class LearningOutput(TypedDict):
    """What a caller gets: messages, and in plain JSON what was recalled and recorded."""

    messages: Annotated[list[AnyMessage], add_messages]
    learning: NotRequired[dict[str, Any]]


class LearningState(LearningOutput, total=False):
    """Everything that travels. All of it is plain JSON but `recalled`, which is never checkpointed."""

    #: The context given to the model this turn: `{"system": …, "message": …}`.
    learning_context: dict[str, str]
    #: Keys of the answers on this branch whose turns are settled: recorded, or not to be learned from.
    learning_turns: Annotated[list[str], union]
    #: Where unread words begin, whose they are, and when this turn began: `{"key", "user", "at", "said"}`.
    learning_from: dict[str, Any]
    #: What the stores recalled; any object a store returns.
    recalled: Annotated[dict[str, Any], UntrackedValue]
    #: What a person decided, on its way from approve to store.
    learning_verdicts: list[dict[str, Any]]
    #: A batch on its way through extract, approve and store.
    batch: Annotated[Any, UntrackedValue]


class LearnInput(TypedDict):
    """What the `learn` graph is given: where an unread turn lies. `attempt` counts the tries."""

    space: int
    turn: str
    attempt: NotRequired[int]


class LearnOutput(TypedDict):
    """What became of it: how many turns were read, what was written, and whether the thread has more to read."""

    learned: dict[str, Any]


class LearnState(LearnInput, LearnOutput, total=False):
    """What travels through extract → approve → store when a worker runs them."""

    batch: Annotated[Any, UntrackedValue]
