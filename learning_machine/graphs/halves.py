"""The loop's two halves, for graphs that are somebody else's: what runs before the model, and what runs after the answer.

What passes between them lies in the graph's state, under keys that bear the machine's name, so that two machines in one
graph do not meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import blake2s
from typing import Annotated, Any, cast

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import get_runtime
from typing_extensions import TypedDict  # pydantic reads the schemas of no other before Python 3.12

from learning_machine.nodes.agent import CONTEXT_ID, FOUND_ID, started
from learning_machine.nodes.approve import approve_node
from learning_machine.nodes.build_context import build_context_node
from learning_machine.nodes.events import relayed
from learning_machine.nodes.inline import asks, inline_node
from learning_machine.nodes.parts import Parts, attempt
from learning_machine.nodes.recall import recall_node, update
from learning_machine.nodes.recording import words_of
from learning_machine.nodes.store import store_node
from learning_machine.state.identity import is_kept, scope_of
from learning_machine.state.loop import LearningState, union
from learning_machine.state.messages import last_user_key, spoken
from learning_machine.state.scope import Scope

#: What lies in the state besides the messages, and how it is kept. Each key that a step writes costs a row of the
#: checkpoint and one of the step's writes, so all that only the halves read is one; `recalled` is not kept at all.
KEYS: dict[str, Any] = {
    "learning_context": dict[str, Any],
    "learning_state": dict[str, Any],
    "recalled": Annotated[dict[str, Any], UntrackedValue],
}
#: What the loop's nodes know as keys of their own.
IN_STATE = ("learning", "learning_from", "learning_turns")
#: How the schema is called that is not said.
_SCHEMA = "learning_machine"


class Learned(TypedDict, total=False):
    """What the half after the answer changes."""

    learning: dict[str, Any]
    learning_turns: Annotated[list[str], union]


class Halves:
    """Both halves of one machine, over a state whose keys bear its name."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.suffix = suffix_of(parts)
        self.keys = {key: f"{key}{self.suffix}" for key in KEYS}
        # Called as the functions they are: a run of its own for each step inside a step costs more than the step.
        self._recall: Any = recall_node(parts)
        self._build: Any = build_context_node(parts)
        self._store: Any = store_node(parts)
        #: In the modes that ask, a graph of its own keeps what was shown until it is decided.
        self.asking = asking_graph(parts) if asks(parts) else None

    # --- before the model ---------------------------------------------------------------------------------------------

    def before(self, state: Mapping[str, Any], config: RunnableConfig) -> dict[str, Any]:
        """Recall and make the context, once a turn; later in it only note what was said meanwhile."""
        own = self.ours(state)
        if not begins(own):
            return self.theirs(own, went_on(own, config))
        found = self._recall.func(own, config)
        built = self._build.func(cast(Any, {**own, **found}), config)
        return self.theirs(own, begun(own, {**found, **built}))

    async def abefore(self, state: Mapping[str, Any], config: RunnableConfig) -> dict[str, Any]:
        own = self.ours(state)
        if not begins(own):
            return self.theirs(own, went_on(own, config))
        found = await self._recall.afunc(own, config)
        built = await self._build.afunc(cast(Any, {**own, **found}), config)
        return self.theirs(own, begun(own, {**found, **built}))

    # --- after the answer ---------------------------------------------------------------------------------------------

    def after(self, state: Mapping[str, Any], config: RunnableConfig) -> dict[str, Any]:
        """Record the turn; where a person decides, read it, ask, and carry out what they say."""
        own, asking = self._ended(state, config), self._asking(config)
        if asking is None:
            return self.theirs(own, self._store.func(own, config))
        with relayed():
            return self.theirs(own, asking.invoke(standing(own, config), config))

    async def aafter(self, state: Mapping[str, Any], config: RunnableConfig) -> dict[str, Any]:
        own, asking = self._ended(state, config), self._asking(config)
        if asking is None:
            return self.theirs(own, await self._store.afunc(own, config))
        with relayed():
            return self.theirs(own, await asking.ainvoke(standing(own, config), config))

    def _asking(self, config: Mapping[str, Any]) -> CompiledStateGraph[Any, Any, Any, Any] | None:
        """The graph that asks, also where only this run wants to be asked."""
        return self.asking or (self._when_wanted if asks(self.parts, config) else None)

    @cached_property
    def _when_wanted(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        return asking_graph(self.parts)

    def _ended(self, state: Mapping[str, Any], config: RunnableConfig) -> LearningState:
        """The state at the turn's end. When nothing ran before the model, the turn begins here."""
        own = self.ours(state)
        if goes_on(own):
            return own
        scope = attempt(self.parts, "scope", lambda: scope_of(get_runtime(), config), Scope())
        return cast(LearningState, {**own, "learning": {}, **update(own, scope, {}, None)})

    # --- whose state --------------------------------------------------------------------------------------------------

    def ours(self, state: Mapping[str, Any]) -> LearningState:
        """The graph's state as the loop's nodes know it, without what was lent to it for the model."""
        own = {key: state[name] for key, name in self.keys.items() if name in state}
        messages = [message for message in state["messages"] if message.id not in (CONTEXT_ID, FOUND_ID)]
        return cast(LearningState, {"messages": messages, **(own.pop("learning_state", None) or {}), **own})

    def theirs(self, own: LearningState, changed: Mapping[str, Any] | None) -> dict[str, Any]:
        """An update of the loop under the graph's names for it, with nothing in it that stands there already."""
        new = dict(changed or {})
        if "learning_turns" in new:
            new["learning_turns"] = union(own.get("learning_turns"), new["learning_turns"])
        known: Mapping[str, Any] = own
        update = {key: new[key] for key in KEYS if key in new and (key == "recalled" or new[key] != known.get(key))}
        if any(key in new for key in IN_STATE):
            both = {**known, **new}
            update["learning_state"] = {key: both[key] for key in IN_STATE if key in both}
        return {self.keys[key]: value for key, value in update.items()}

    def schema(self) -> Any:
        """The keys of these halves, and `messages` however the graph itself keeps them."""
        make: Any = TypedDict
        own = {self.keys[key]: kept for key, kept in KEYS.items()}
        return make("Learning", {"messages": list[AnyMessage], **own}, total=False)


def begins(state: LearningState) -> bool:
    """Whether the model is about to read a new turn, rather than to go on with one."""
    messages = state["messages"]
    answered = bool(messages) and isinstance(messages[-1], AIMessage)
    return answered or "learning_context" not in state or not goes_on(state)


def goes_on(state: LearningState) -> bool:
    """Whether the user's last message is the one that this turn began with, or has gone into a summary meanwhile."""
    return last_user_key(state["messages"]) in ("", (state.get("learning_from") or {}).get("asked"))


def begun(state: LearningState, found: Mapping[str, Any]) -> dict[str, Any]:
    """What was recalled, and for which question."""
    return {**found, "learning_from": {**found["learning_from"], "asked": last_user_key(state["messages"])}}


def went_on(state: LearningState, config: Mapping[str, Any]) -> dict[str, Any]:
    """The words of the turn so far, as they read now, because a summary may take their place before it is over."""
    resumed = started(state)
    began = resumed.get("learning_from") or state.get("learning_from") or {}
    session = str((config.get("configurable") or {}).get("thread_id") or "")
    words = [[one.key, one.role, one.content] for one in words_of(spoken(state["messages"], session), began)]
    return {**resumed, "learning_from": {**began, "said": words}} if resumed or words != began.get("said") else {}


def standing(state: LearningState, config: Mapping[str, Any]) -> Any:
    """The state as the graph that asks is given it: inside a node it cannot see where it stands.

    What was recalled may be any object, and a graph's input is checkpointed; that there was a recall is all that matters.
    """
    began = {**(state.get("learning_from") or {}), "rooted": is_kept(config)}
    return {**state, "learning_from": began, **({"recalled": {}} if "recalled" in state else {})}


def asking_graph(parts: Parts) -> CompiledStateGraph[Any, Any, Any, Any]:
    """extract → approve → store, as a graph inside a node: each step runs once, however often a person is asked."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(LearningState, output_schema=Learned)
    graph.add_node("extract", inline_node(parts))
    graph.add_node("approve", approve_node(parts))
    graph.add_node("store", store_node(parts, asks_again="approve"))
    graph.add_edge(START, "extract")
    graph.add_edge("extract", "approve")
    graph.add_edge("approve", "store")
    graph.add_edge("store", END)
    return graph.compile(name="learn")


def suffix_of(parts: Parts) -> str:
    """What tells this machine's keys from another's: its name and its schema, unless they are the usual ones."""
    schema = parts.database.names.schema
    return "".join(f"_{one}" for one, usual in ((parts.name, "default"), (schema, _SCHEMA)) if one != usual)


def tool_suffix(suffix: str) -> str:
    """The same in characters that a tool's name may have."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in "_-") else "_" for one in suffix)[:24]
    return plain if plain == suffix else f"{plain}_{blake2s(suffix.encode(), digest_size=2).hexdigest()}"


# --- as nodes ---------------------------------------------------------------------------------------------------------


def before_node(halves: Halves) -> RunnableLambda[Any, dict[str, Any]]:
    """recall and build_context as one node of somebody's graph."""

    def recall(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return halves.before(state, config)

    async def arecall(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return await halves.abefore(state, config)

    return placed(halves.schema(), recall, arecall, "recall")


def after_node(halves: Halves) -> RunnableLambda[Any, dict[str, Any]]:
    """extract, approve and store as one node of somebody's graph. What was lent to the messages goes."""

    def learn(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return {**halves.after(state, config), **without_context(state)}

    async def alearn(state: Any, config: RunnableConfig) -> dict[str, Any]:
        return {**await halves.aafter(state, config), **without_context(state)}

    return placed(halves.schema(), learn, alearn, "learn", inside=halves.asking)


def without_context(state: Mapping[str, Any]) -> dict[str, Any]:
    """The update that takes away what an agent gave back of the context it was lent."""
    lent = [message.id for message in state["messages"] if message.id in (CONTEXT_ID, FOUND_ID)]
    return {"messages": [RemoveMessage(id=one) for one in lent]} if lent else {}


def placed(
    schema: Any, run: Callable[..., dict[str, Any]], arun: Callable[..., Any], name: str, inside: Any = None
) -> RunnableLambda[Any, dict[str, Any]]:
    """A node that brings its keys along.

    LangGraph reads from the annotation of a callable what a node reads, and gives the graph those keys as private ones:
    its input and output stay as they are. `inside`: the graph in the node, for those who draw it or look into its state.
    """

    def call(self: Any, state: Any, config: RunnableConfig | None = None) -> Any:
        return self.invoke(state, config)

    call.__annotations__ = {"state": schema}
    kind: Any = type("Placed", (RunnableLambda,), {"__call__": call, "deps": [inside] if inside else []})
    return cast("RunnableLambda[Any, dict[str, Any]]", kind(run, arun, name=name))
