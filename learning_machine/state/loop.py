"""What travels through the graph, and how its parts are put together."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph.message import add_messages
from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the schemas of no other before Python 3.12


def union(left: list[str] | None, right: list[str] | None) -> list[str]:
    """Both lists in order, each element once. Idempotent, because an embedded graph hands its whole state back."""
    return list(dict.fromkeys([*(left or []), *(right or [])]))


#: What is said of the messages where a schema is shown.
_MESSAGES = Field(description="The conversation.")


class LearningInput(TypedDict):
    """What a caller gives: messages."""

    messages: Annotated[list[AnyMessage], _MESSAGES, add_messages]


class LearningOutput(TypedDict):
    """What a caller gets: messages, and in plain JSON what was recalled and recorded."""

    messages: Annotated[list[AnyMessage], _MESSAGES, add_messages]
    learning: NotRequired[
        Annotated[
            dict[str, Any],
            Field(description="What was recalled for this turn, the text made of it, and what became of the turn."),
        ]
    ]


class LearningState(LearningOutput, total=False):
    """Everything that travels. All of it is plain JSON but `recalled`, which is never checkpointed."""

    learning_context: Annotated[
        dict[str, str], Field(description="The context given to the model this turn, beside the agent's own words.")
    ]
    learning_turns: Annotated[
        list[str],
        Field(description="The answers on this branch whose turns are settled: recorded, or not to be learned from."),
        union,
    ]
    #: `{"key", "user", "at", "said", "caller"}`; in somebody else's graph also `asked`, the user's message that the turn is about.
    learning_from: Annotated[
        dict[str, Any], Field(description="Where unread words begin, whose they are, and when this turn began.")
    ]
    #: What the stores recalled; any object a store returns.
    recalled: Annotated[dict[str, Any], UntrackedValue]
    learning_verdicts: Annotated[
        list[dict[str, Any]], Field(description="What a person decided, on its way from approve to store.")
    ]
    #: A batch on its way through extract, approve and store.
    batch: Annotated[Any, UntrackedValue]


class LearnInput(TypedDict):
    """What the `learn` graph is given: an unread turn. `attempt` counts the tries."""

    space: NotRequired[Annotated[int, Field(description="The space the turn lies in. Default: it is looked up.")]]
    turn: Annotated[str, Field(description="The id of the turn, as `learning.turn` of an agent's state says it.")]
    attempt: NotRequired[Annotated[int, Field(description="How often it was tried, with this time. Default: 1.")]]


class LearnOutput(TypedDict):
    """What became of it: how many turns were read, what was written, and whether the thread has more to read."""

    learned: Annotated[
        dict[str, Any], Field(description="How many turns were read, what was written, and whether more waits.")
    ]


class LearnState(LearnInput, LearnOutput, total=False):
    """What travels through extract → approve → store when a worker runs them."""

    batch: Annotated[Any, UntrackedValue]
