"""Every store keeps the protocol's promises: ours, one on the ledger in a few lines, and one with just the five functions."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from pydantic import BaseModel, Field

from learning_machine import (
    EntityMemoryConfig,
    LearnedKnowledgeConfig,
    LearningMode,
    LearningStore,
    LedgerStore,
    SessionContextConfig,
    StoreConfig,
    UserProfileConfig,
)
from learning_machine.errors import ConfigurationError
from learning_machine.testing import ScriptedModel, change, check_store

WORD = re.compile(r"zebrafish\w{8}")
Extracted = dict[str, Any]


def words_in(messages: Sequence[Extracted]) -> list[tuple[str, str]]:
    """The words of a conversation from which a store should learn, with what was said."""
    return [(found, one["text"]) for one in messages if one["role"] == "user" for found in WORD.findall(one["text"])]


def learns(store: str, **fields: Any) -> ScriptedModel:
    """A model that learns what was said, for this store."""
    return ScriptedModel(learns=lambda new: [change(store, text, **fields) for _, text in words_in(new)])


# --- stores of our own ------------------------------------------------------------------------------------------------

BUILT_IN: dict[str, tuple[Any, dict[str, Any]]] = {
    "user_profile": (True, {"kind": "observation"}),
    "session_context": (SessionContextConfig(enable_planning=True), {"kind": "step", "name": "open"}),
    "learned_knowledge": (True, {"kind": "insight", "name": "A taste"}),
    "entity_memory": (True, {"kind": "fact", "subject": "The user's fish (animal)"}),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_stores(make_world: Any, name: str) -> None:
    """Each built-in store keeps every promise, sync and async."""
    config, fields = BUILT_IN[name]
    others = dict.fromkeys(BUILT_IN)
    world = make_world(model=learns(name, **fields), conversation=False, **{**others, name: config})
    report = check_store(lambda: world.machine.stores[name])
    report.raise_if_failed()
    assert len(report.checked) == 10


def test_the_conversation_as_a_store(make_world: Any) -> None:
    """The conversation keeps the promises of a store that learns nothing by itself."""
    world = make_world()
    check_store(lambda: world.machine.stores["conversation"], learns=False).raise_if_failed()


def test_agentic_stores(make_world: Any) -> None:
    """Stores that learn by tools keep the promises of a store that learns nothing from conversations."""
    made = {
        "user_profile": UserProfileConfig,
        "session_context": SessionContextConfig,
        "learned_knowledge": LearnedKnowledgeConfig,
        "entity_memory": EntityMemoryConfig,
    }
    world = make_world(**{name: config(mode=LearningMode.AGENTIC) for name, config in made.items()})
    for name in made:
        check_store(lambda name=name: world.machine.stores[name], learns=False).raise_if_failed()


# --- a store on the ledger, in a few lines ----------------------------------------------------------------------------


class TodoStore(LedgerStore):
    """What the user has to do."""

    learning_type = "todo"

    def instructions(self) -> str:
        return '`todo`: what the user has to do: `kind` "task", the task in `value`. Retire a task by its handle when it is done.'


def test_a_store_on_the_ledger(make_world: Any) -> None:
    """A store of a few lines on the ledger keeps every promise."""
    world = make_world(
        model=learns("todo", kind="task"),
        conversation=False,
        **dict.fromkeys(BUILT_IN),
        custom_stores={"my list": TodoStore()},
    )
    check_store(lambda: world.machine.stores["todo"]).raise_if_failed()


def test_a_store_on_the_ledger_in_a_turn(make_world: Any) -> None:
    """It takes part in the one extraction call, is read with the others, and is told what is known by handles."""
    world = make_world(custom_stores={"my list": TodoStore()})
    world.teach(
        change("todo", "Book the ferry", kind="task"), change("user_profile", "Alice", kind="field", name="name")
    )
    assert len(world.model.extractions) == 1
    assert "what the user has to do" in world.model.extractions[0][0].text
    [task] = world.recall("")["todo"]
    assert f"<todo>\n- Book the ferry [{task.handle}]\n</todo>" in world.context("")
    world.teach(change("todo", action="retire", handle=task.handle))
    assert f'"handle": "{task.handle}"' in world.model.extractions[1][-1].text
    assert "todo" not in world.recall("")


class Wordless(LedgerStore):
    learning_type = "wordless"


def test_a_store_that_says_nothing() -> None:
    """A store that does not say what to extract is told so, with the remedy."""
    with pytest.raises(ConfigurationError, match="instructions"):
        Wordless().guidance()
    assert Wordless(StoreConfig(instructions="`wordless`: nothing.")).guidance() == "`wordless`: nothing."


def test_a_store_of_no_machine() -> None:
    """A store that belongs to no machine says so."""
    with pytest.raises(ConfigurationError, match="no machine"):
        TodoStore().recall(user_id="alice")
    with pytest.raises(ConfigurationError, match="no model"):
        TodoStore().process([], user_id="alice")


# --- a store with just the five functions -----------------------------------------------------------------------------


class Pipeline:
    """Deals in a sales pipeline, one stage each, kept in memory."""

    def __init__(self) -> None:
        self.deals: dict[str, dict[str, str]] = defaultdict(dict)
        self.lock = threading.Lock()

    @property
    def learning_type(self) -> str:
        return "sales_pipeline"

    def recall(self, user_id: str, **context: Any) -> dict[str, str] | None:
        return dict(self.deals[user_id]) if self.deals.get(user_id) else None

    def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        for message in messages:
            for word in WORD.findall(message.text):
                with self.lock:
                    self.deals[user_id][word] = "open"

    def build_context(self, data: dict[str, str] | None) -> str:
        if not data:
            return ""
        return "\n".join(
            ["<sales_pipeline>", *(f"- {deal}: {stage}" for deal, stage in data.items()), "</sales_pipeline>"]
        )

    def get_tools(self, **context: Any) -> list[Any]:
        def move_deal(deal: str, stage: str) -> str:
            """Move a deal to another stage."""
            return "moved"

        return [move_deal]


class AsyncPipeline(Pipeline):
    """The same, of a library that is async."""

    async def recall(self, user_id: str, **context: Any) -> dict[str, str] | None:  # type: ignore[override]
        return super().recall(user_id)

    async def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:  # type: ignore[override]
        super().process(messages, user_id)


class TwoDoors(Pipeline):
    """The same with an async function beside each."""

    async def arecall(self, user_id: str, **context: Any) -> dict[str, str] | None:
        return self.recall(user_id)

    async def aprocess(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        self.process(messages, user_id)


@pytest.mark.parametrize("kind", [Pipeline, AsyncPipeline, TwoDoors])
def test_a_store_of_five_functions(kind: type[Pipeline]) -> None:
    """A store with only the five functions, sync, async or both, keeps every promise and is a `LearningStore`."""
    store = kind()
    assert isinstance(store, LearningStore)
    check_store(lambda: store).raise_if_failed()


@pytest.mark.parametrize("kind", [Pipeline, AsyncPipeline])
def test_a_store_of_five_functions_in_a_machine(make_world: Any, kind: type[Pipeline]) -> None:
    """In a machine it learns from every batch, is recalled beside the others and lends its tools."""
    world = make_world(custom_stores={"sales": kind()})
    world.teach(text="We may win zebrafish00000001")
    assert world.recall("")["sales_pipeline"] == {"zebrafish00000001": "open"}
    assert "- zebrafish00000001: open" in world.context("")
    assert "move_deal" in [
        getattr(tool, "name", getattr(tool, "__name__", "")) for tool in world.machine.get_tools(user_id="alice")
    ]
    assert "sales_pipeline" not in world.recall("", user=None)


# --- stores that are broken -------------------------------------------------------------------------------------------


class Nameless(Pipeline):
    learning_type = ""  # type: ignore[assignment]


class Raises(Pipeline):
    def recall(self, user_id: str, **context: Any) -> Any:
        return dict(self.deals[user_id]) if user_id in self.deals else {}["nobody"]


class Chatty(Pipeline):
    def build_context(self, data: Any) -> str:
        return super().build_context(data) or "<sales_pipeline>\n</sales_pipeline>"


class Wordy(Pipeline):
    def get_tools(self, **context: Any) -> list[Any]:
        def move_deal(deal: str) -> str:
            return deal

        return [move_deal]


class Forgetful(Pipeline):
    def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        """Learns nothing."""


class OneDoor(Pipeline):
    async def arecall(self, user_id: str, **context: Any) -> None:
        return None


class Open(Pipeline):
    def recall(self, user_id: str, **context: Any) -> Any:
        return (
            {word: stage for deals in self.deals.values() for word, stage in deals.items()}
            if user_id in self.deals or self.met(user_id)
            else None
        )

    def met(self, user_id: str) -> bool:
        return user_id.startswith("user-")


class Doubling(Pipeline):
    def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        for word in [word for message in messages for word in WORD.findall(message.text)]:
            with self.lock:
                self.deals[user_id][f"{word} {len(self.deals[user_id])}"] = "open"


class Racing(Pipeline):
    def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        before = dict(self.deals[user_id])
        threading.Event().wait(0.02)
        self.deals[user_id] = before | {word: "open" for message in messages for word in WORD.findall(message.text)}


class Trusting(Pipeline):
    def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        for message in messages:
            if WORD.search(message.text):
                with self.lock:
                    self.deals[user_id][message.text] = "open"


class Fragile(Pipeline):
    def process(self, messages: list[BaseMessage], user_id: str, **context: Any) -> None:
        if "\x00" in messages[0].text:
            self.deals.clear()
            raise ValueError("a NUL")
        super().process(messages, user_id)


class Numbers(Pipeline):
    def build_context(self, data: Any) -> Any:
        return len(data) if data else ""


BROKEN = [
    (Nameless, "it has a learning type", "learning_type is no text"),
    (Raises, "recalling nothing is nothing, and no error", "it raised KeyError"),
    (Chatty, "the context of nothing is empty", "is not ''"),
    (Wordy, "its tools have names, descriptions and JSON arguments", "docstring|description"),
    (Forgetful, "what process saved, recall finds in the same scope", "not in the context"),
    (OneDoor, "async and sync code learn and recall the same", "async code does not recall"),
    (Open, "what one scope said, another never sees", "another scope recalled it"),
    (Doubling, "the same messages twice do not double it", "it stood there 1 times, and then 2"),
    (Racing, "many who write at once lose nothing", r"\d of 8 are lost"),
    (Trusting, "hostile text is kept as data, and takes nothing with it", "closes the block|line of its own"),
    (Fragile, "hostile text is kept as data, and takes nothing with it", "it raised ValueError"),
    (Numbers, "what process saved, recall finds in the same scope", "gave int, not text"),
]


@pytest.mark.parametrize(("kind", "promise", "why"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_store_is_found_out(kind: type[Pipeline], promise: str, why: str) -> None:
    """A store that breaks a promise fails the check, with the promise and what was found in words."""
    store = kind()
    report = check_store(lambda: store)
    assert not report.ok
    assert re.search(why, report.failures[promise]), report
    assert f"✗ {promise}: " in str(report)
    with pytest.raises(AssertionError, match=rf"of 10 promises are not kept:\n(.*\n)*- {promise}: "):
        report.raise_if_failed()


def test_every_promise_can_be_broken() -> None:
    """For each promise there is a store above that breaks it."""
    store = Pipeline()
    assert {promise for _, promise, _ in BROKEN} == set(check_store(lambda: store).checked)


# --- configs ----------------------------------------------------------------------------------------------------------


class Sailor(BaseModel):
    boat: str | None = Field(None, description="the boat's name")


def asked_of(world: Any) -> str:
    """What the last extraction call was told."""
    return str(world.model.extractions[-1][0].text)


def said(world: Any, *learned: Extracted, asked: str = "What of bread?") -> str:
    world.teach(*learned)
    return str(world.context(asked, session_id="s1"))


def archived(world: Any, *learned: Extracted) -> int:
    """How many learnings curation would archive in a month."""
    world.teach(*learned)
    preview = world.machine.curator.preview(now=datetime.now(UTC) + timedelta(days=30), user_id="alice")
    return int(preview.figures["to_archive"])


TEA = [change("user_profile", f"{word} with the tea", kind="observation") for word in ("Honey", "Lemon")]
BREAD = [
    change("learned_knowledge", f"Bread number {number} needs salt", kind="insight", name=f"B{number}")
    for number in range(6)
]
BOATS = [
    change("entity_memory", f"Boat fact {number}", kind="fact", subject=f"Boat{number} (boat)") for number in range(4)
]
FIELDS: list[tuple[str, str, Any, Any]] = [
    (
        "user_profile",
        "mode",
        LearningMode.AGENTIC,
        lambda world: "update_profile" in [tool.name for tool in world.machine.get_tools()],
    ),
    (
        "user_profile",
        "instructions",
        "`user_profile`: only shoe sizes.",
        lambda world: said(world) is not None and "only shoe sizes" in asked_of(world),
    ),
    (
        "user_profile",
        "additional",
        "Never note ages.",
        lambda world: said(world) is not None and "\nNever note ages." in asked_of(world),
    ),
    (
        "user_profile",
        "schema",
        Sailor,
        lambda world: (
            "- boat: Matilda" in said(world, change("user_profile", "Matilda", kind="field", name="boat"))
            and "the boat's name" in asked_of(world)
        ),
    ),
    ("user_profile", "four_eyes", True, lambda world: "user_profile" in world.machine.parts.proposals.four_eyes),
    (
        "user_profile",
        "max_context_tokens",
        20,
        lambda world: (
            "not shown"
            in said(world, *(change("user_profile", f"Likes dish {n}", kind="observation") for n in range(9)))
        ),
    ),
    (
        "session_context",
        "enable_planning",
        True,
        lambda world: "- goal: Sail" in said(world, change("session_context", "Sail", kind="goal")),
    ),
    (
        "session_context",
        "instructions",
        "`session_context`: one word.",
        lambda world: said(world) is not None and "one word" in asked_of(world),
    ),
    (
        "learned_knowledge",
        "namespace",
        "engineering",
        lambda world: world.machine.stores["learned_knowledge"].namespace == "engineering",
    ),
    ("learned_knowledge", "max_results", 2, lambda world: said(world, *BREAD).count("needs salt") == 2),
    (
        "learned_knowledge",
        "additional",
        "Only about bread.",
        lambda world: said(world) is not None and "Only about bread." in asked_of(world),
    ),
    ("learned_knowledge", "max_context_tokens", 30, lambda world: "not shown" in said(world, *BREAD)),
    (
        "entity_memory",
        "max_entities",
        1,
        lambda world: said(world, *BOATS, asked="Boat1 and Boat2").count("(boat):") == 1,
    ),
    (
        "entity_memory",
        "max_results",
        1,
        lambda world: said(world, *BOATS, asked="Which boat fact?").count("Boat fact") == 1,
    ),
    ("user_profile", "half_life_days", {"observation": 1.0}, lambda world: archived(world, *TEA) == 2),
    ("user_profile", "max_learnings", 1, lambda world: archived(world, *TEA) == 1),
    (
        "entity_memory",
        "instructions",
        "`entity_memory`: boats only.",
        lambda world: said(world) is not None and "boats only" in asked_of(world),
    ),
]
CONFIGS = {
    "user_profile": UserProfileConfig,
    "session_context": SessionContextConfig,
    "learned_knowledge": LearnedKnowledgeConfig,
    "entity_memory": EntityMemoryConfig,
}


@pytest.mark.parametrize(
    ("store", "field", "value", "holds"),
    FIELDS,
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_each_config_field_does_something(make_world: Any, store: str, field: str, value: Any, holds: Any) -> None:
    """Every field of every config changes what it says it changes, and nothing without it."""
    assert holds(make_world(conversation=False, **{store: CONFIGS[store](**{field: value})}))


@pytest.mark.parametrize(
    ("store", "field", "value", "holds"),
    FIELDS,
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_without_the_field_it_does_not(make_world: Any, store: str, field: str, value: Any, holds: Any) -> None:
    """The other way round: with the default, the same check fails."""
    assert not holds(make_world(conversation=False))


def test_every_field_is_checked() -> None:
    """No field of a config is missing above, whichever store it is shown on."""
    shown = {field for _, field, _, _ in FIELDS}
    declared = {info.alias or name for config in CONFIGS.values() for name, info in config.model_fields.items()}
    assert declared == shown


def test_a_config_takes_no_other_fields() -> None:
    """A field that a config does not have is an error where it is written, not silently nothing; none can be changed later."""
    for config in CONFIGS.values():
        with pytest.raises(ValueError, match="max_contxt_tokens"):
            config(max_contxt_tokens=5)
        with pytest.raises(ValueError, match="frozen"):
            config().max_context_tokens = 5  # type: ignore[misc]
