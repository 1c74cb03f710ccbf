"""Stores of your own, written with the five functions and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, List, Optional  # noqa: UP035 - the example is taken as it was written

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine, LearningStore, Scope, create_learning_agent
from learning_machine.errors import ConfigurationError
from learning_machine.testing import ScriptedModel

ALICE = {"user_id": "alice"}
#: What the example keeps, in place of "your storage".
STORAGE: dict[str, str] = {}


@dataclass
class ProjectContext:
    """An object of the store's own class: no JSON."""

    summary: str


@dataclass
class ProjectContextStore:
    """Custom store for project-specific context."""

    @property
    def learning_type(self) -> str:
        return "project_context"

    def recall(self, project_id: str, **kwargs) -> Optional[ProjectContext]:  # type: ignore[no-untyped-def]  # noqa: UP045
        # Retrieve from your storage
        return ProjectContext(STORAGE[project_id]) if project_id in STORAGE else None

    def process(self, messages: List[Any], project_id: str, **kwargs) -> None:  # type: ignore[no-untyped-def]  # noqa: UP006
        # Extract and save
        STORAGE[project_id] = " | ".join(message.text for message in messages if message.type == "human")

    def build_context(self, data: Any) -> str:
        if not data:
            return ""
        return f"<project_context>\n{data.summary}\n</project_context>"

    def get_tools(self, **kwargs) -> List[Callable]:  # type: ignore[no-untyped-def, type-arg]  # noqa: UP006
        return []  # Or return tools for agentic mode


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    STORAGE.clear()


def machine_with(machine: Any, *stores: Any, model: Any = None, **options: Any) -> Any:
    return machine(
        model or ScriptedModel(), custom_stores={f"s{n}": store for n, store in enumerate(stores)}, **options
    )


def test_the_articles_store_works_unchanged(
    machine: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """The example store learns from a turn, and the next turn of the project reads what it built, through both doors."""
    model = ScriptedModel()
    found = machine_with(machine, ProjectContextStore(), model=model)
    assert isinstance(ProjectContextStore(), LearningStore)
    agent = create_learning_agent(model, learning=found)
    apollo = Scope(user_id="alice", project_id="apollo")
    door(agent, say("Apollo lands in July."), thread("t1"), context=apollo)
    assert found.flush()
    assert STORAGE == {"apollo": "Apollo lands in July."}
    result = door(agent, say("When?"), thread("t2"), context=apollo)
    assert "<project_context>\nApollo lands in July.\n</project_context>" in seen(model)
    assert result["learning"]["recalled"] == {"project_context": ["…"]}
    door(agent, say("When?"), thread("t3"), context=Scope(user_id="alice", project_id="gemini"))
    assert "July" not in seen(model)
    assert found.flush()
    assert model.extractions == []


def test_without_its_required_key_a_store_is_skipped(
    machine: Any, thread: Any, say: Any, seen: Any, either: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A turn without the key that a store requires neither recalls nor processes with it, and says nothing of it."""
    model = ScriptedModel()
    found = machine_with(machine, ProjectContextStore(), model=model, user_profile=True)
    agent = create_learning_agent(model, learning=found)
    either(agent, say("Apollo lands in July."), thread("t1"), context=ALICE)
    assert found.flush()
    assert STORAGE == {}
    assert not [kind for kind in found.usage.failures if "project_context" in kind]
    assert "project_context" not in caplog.text
    assert found.recall(user_id="alice") == {}
    assert found.recall(user_id="alice", project_id="apollo") == {}


@pytest.mark.parametrize("pause", ["agent", "build_context"])
def test_it_works_across_a_breakpoint(
    pause: str, machine: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """A run that stops before a node and is resumed shows the model the same text, though what was recalled is no JSON."""
    STORAGE["apollo"] = "Apollo lands in July."
    model = ScriptedModel()
    found = machine_with(machine, ProjectContextStore(), model=model)
    agent = create_learning_agent(model, learning=found, interrupt_before=[pause])
    apollo = {"user_id": "alice", "project_id": "apollo"}
    door(agent, say("When?"), thread("t1"), context=apollo)
    assert model.calls == []
    assert agent.get_state(thread("t1")).next == (pause,)
    result = door(agent, None, thread("t1"), context=apollo)
    assert result["messages"][-1].text == "ok"
    assert "Apollo lands in July." in seen(model)
    assert found.flush()


def test_the_machine_alone_uses_it_too(machine: Any) -> None:
    """`recall`, `build_context` and `process` of the machine reach a store of your own without any graph."""
    found = machine_with(machine, ProjectContextStore())
    said = [("user", "Apollo lands in July."), ("assistant", "Noted.")]
    found.process(said, user_id="alice", session_id="t1", project_id="apollo")
    assert found.recall(project_id="apollo")["project_context"].summary == "Apollo lands in July."
    assert "Apollo lands in July." in found.build_context(project_id="apollo")

    async def asynchronously() -> str:
        await found.aprocess(
            [("user", "Or August."), ("assistant", "Hm.")], user_id="a", session_id="t2", project_id="apollo"
        )
        recalled = await found.arecall(project_id="apollo")
        return str(recalled["project_context"].summary)

    assert asyncio.run(asynchronously()) == "Or August."


# --- signatures -------------------------------------------------------------------------------------------------------


class Silent:
    """The least a store can be; the others add what they are about."""

    learning_type = "silent"

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def recall(self, **context: Any) -> Any:
        return None

    def process(self, messages: list[Any], **context: Any) -> None: ...

    def build_context(self, data: Any) -> str:
        return f"<{self.learning_type}>{data}</{self.learning_type}>" if data else ""

    def get_tools(self, **context: Any) -> list[Any]:
        return []


class Narrow(Silent):
    """Names exactly what it wants."""

    learning_type = "narrow"

    def recall(self, user_id: str, message: str) -> str:  # type: ignore[override]
        return f"{user_id} asked {message}"

    def process(self, messages: list[Any], user_id: str) -> None:  # type: ignore[override]
        self.heard.append((user_id, [message.text for message in messages]))

    def get_tools(self) -> list[Any]:  # type: ignore[override]
        return []


class Everything(Silent):
    """Takes all there is."""

    learning_type = "everything"

    def recall(self, **context: Any) -> Any:
        self.heard.append(context)
        return "all"


class Defaults(Silent):
    """Has a default for what may be absent, and takes keywords only."""

    learning_type = "defaults"

    def recall(self, *, project_id: str = "none", groups: tuple[str, ...] = ()) -> str:  # type: ignore[override]
        return f"{project_id} {groups}"


class Asynchronous(Silent):
    """Only async recall and process."""

    learning_type = "asynchronous"

    async def recall(self, user_id: str, **context: Any) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return f"async for {user_id}"

    async def process(self, messages: list[Any], **context: Any) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.heard.append([message.text for message in messages])


class Twins(Silent):
    """Both, and each says which was asked."""

    learning_type = "twins"

    def recall(self, **context: Any) -> str:
        return "sync"

    async def arecall(self, **context: Any) -> str:
        return "async"


def test_a_store_is_given_what_its_signature_takes(
    machine: Any, thread: Any, say: Any, seen: Any, either: Callable[..., Any]
) -> None:
    """Narrow signatures, keyword-only ones, defaults and `**context` each get what they name, and no more."""
    narrow, everything = Narrow(), Everything()
    model = ScriptedModel()
    found = machine_with(machine, narrow, everything, Defaults(), model=model)
    agent = create_learning_agent(model, learning=found)
    scope = Scope(user_id="alice", groups=("team",), agent_id="a1", project_id="apollo")
    either(agent, say("Hello"), thread("t1"), context=scope)
    assert "alice asked Hello" in seen(model)
    assert "apollo (&#x27;team&#x27;,)" in seen(model) or "apollo ('team',)" in seen(model)
    given = everything.heard[0]
    assert {name: given[name] for name in ("user_id", "session_id", "agent_id", "project_id", "message")} == {
        "user_id": "alice",
        "session_id": "t1",
        "agent_id": "a1",
        "project_id": "apollo",
        "message": "Hello",
    }
    assert given["groups"] == ("team",)
    assert given["messages"][-1].text == "Hello"
    assert given["now"].tzinfo is not None
    assert found.flush()
    assert narrow.heard == [("alice", ["Hello", "ok"])]


def test_async_only_functions_work_through_both_doors(
    request: pytest.FixtureRequest, machine: Any, thread: Any, say: Any, seen: Any, door: Callable[..., Any]
) -> None:
    """`async def recall` and `process` run under `invoke`, `ainvoke` and in the worker; a twin is used where it fits."""
    store = Asynchronous()
    model = ScriptedModel()
    found = machine_with(machine, store, Twins(), model=model)
    agent = create_learning_agent(model, learning=found)
    door(agent, say("Hello"), thread("t1"), context=ALICE)
    assert "async for alice" in seen(model)
    expected = "async" if request.node.callspec.params["door"] == "ainvoke" else "sync"
    assert f"<twins>{expected}</twins>" in seen(model)
    assert found.flush()
    assert store.heard == [["Hello", "ok"]]


def test_sync_code_inside_an_event_loop_can_recall(machine: Any) -> None:
    """`machine.recall()` called from a running event loop works with an async store."""
    found = machine_with(machine, Asynchronous())

    async def main() -> Any:
        return found.recall(user_id="alice")

    assert asyncio.run(main()) == {"asynchronous": "async for alice"}


def test_tools_of_a_store_reach_the_agent(machine: Any, thread: Any, say: Any, either: Callable[..., Any]) -> None:
    """What `get_tools` returns, plain functions included, is there for the agent to call."""
    kept: list[str] = []

    class WithTools(Silent):
        learning_type = "with_tools"

        def get_tools(self, **context: Any) -> list[Any]:
            def jot(text: str) -> str:
                """Jot something down."""
                kept.append(text)
                return "jotted"

            return [jot]

    model = ScriptedModel(
        answers=[AIMessage("", tool_calls=[{"name": "jot", "args": {"text": "milk"}, "id": "c1"}]), "done"]
    )
    found = machine_with(machine, WithTools(), model=model)
    agent = create_learning_agent(model, learning=found)
    result = either(agent, say("Jot down milk"), thread("t1"), context=ALICE)
    assert [message.text for message in result["messages"] if isinstance(message, ToolMessage)] == ["jotted"]
    assert kept == ["milk"]
    assert found.flush()


# --- failures ---------------------------------------------------------------------------------------------------------


class Failing(Silent):
    """Raises in one of its functions."""

    learning_type = "failing"

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def _maybe(self, name: str) -> None:
        if name == self.name:
            raise RuntimeError("Rumpelstilz")

    def recall(self, **context: Any) -> Any:
        self._maybe("recall")
        return "something"

    def process(self, messages: list[Any], **context: Any) -> None:
        self._maybe("process")
        self.heard.append(messages)

    def build_context(self, data: Any) -> str:
        self._maybe("build_context")
        return ""


@pytest.mark.parametrize("name", ["recall", "process", "build_context"])
def test_a_store_that_raises_breaks_nothing(
    name: str,
    machine: Any,
    thread: Any,
    say: Any,
    seen: Any,
    taught: Any,
    either: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A function that raises is counted and logged by its kind, and neither the turn nor any other store suffers."""
    STORAGE["apollo"] = "Apollo lands in July."
    model = taught()
    found = machine_with(machine, Failing(name), ProjectContextStore(), model=model, user_profile=True)
    agent = create_learning_agent(model, learning=found)
    apollo = {"user_id": "alice", "project_id": "apollo"}
    result = either(agent, say("my name is Alice"), thread("t1"), context=apollo)
    assert result["messages"][-1].text == "ok"
    assert "Apollo lands in July." in seen(model)
    assert found.flush()
    assert found.recall(user_id="alice")["user_profile"].name == "Alice"
    assert STORAGE["apollo"] == "my name is Alice"
    counted = {"build_context": "context of failing"}.get(name, f"{name} of failing")
    assert found.usage.failures[counted] >= 1
    assert "Rumpelstilz" not in caplog.text
    assert "learning" not in found.usage.failures


@pytest.mark.parametrize("wrong", [7, {"not": "text"}, ["a"], None], ids=["number", "dict", "list", "none"])
def test_a_context_that_is_no_text_breaks_nothing(
    wrong: Any, machine: Any, thread: Any, say: Any, either: Callable[..., Any]
) -> None:
    """A `build_context` that returns something else than text does not break the turn."""

    class Odd(Silent):
        learning_type = "odd"

        def recall(self, **context: Any) -> str:
            return "data"

        def build_context(self, data: Any) -> str:
            return wrong  # type: ignore[no-any-return]

    found = machine_with(machine, Odd())
    agent = create_learning_agent(ScriptedModel(), learning=found)
    assert either(agent, say("Hello"), thread("t1"), context=ALICE)["messages"][-1].text == "ok"
    assert found.flush()


def test_tools_that_cannot_be_made_are_left_out(machine: Any, thread: Any, say: Any) -> None:
    """A store whose `get_tools` raises leaves the agent with the tools of the others."""

    class NoTools(Silent):
        learning_type = "no_tools"

        def get_tools(self, **context: Any) -> list[Any]:
            raise RuntimeError("Rumpelstilz")

    def look(place: str) -> str:
        """Look somewhere."""
        return "nothing"

    class WithTools(Silent):
        learning_type = "with_tools"

        def get_tools(self, **context: Any) -> list[Any]:
            return [look]

    found = machine_with(machine, NoTools(), WithTools())
    agent = create_learning_agent(ScriptedModel(), learning=found)
    assert agent.invoke(say("Hello"), thread("t1"), context=ALICE)["messages"][-1].text == "ok"
    assert [getattr(tool, "__name__", "") for tool in found.get_tools()] == ["look"]
    assert found.usage.failures["tools of no_tools"] >= 1
    assert found.flush()


def test_a_learning_type_that_raises_is_a_configuration_error() -> None:
    """A store that cannot say its own type, or lacks a function, is refused where it is given."""

    class Nameless(Silent):
        @property
        def learning_type(self) -> str:  # type: ignore[override]
            raise RuntimeError("no name")

    class Half:
        learning_type = "half"

        def recall(self, **context: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="learning_type"):
        LearningMachine(custom_stores={"x": Nameless()})
    with pytest.raises(ConfigurationError, match="process, build_context, get_tools"):
        LearningMachine(custom_stores={"x": Half()})
    with pytest.raises(ConfigurationError, match="Two stores have the learning type 'silent'"):
        LearningMachine(custom_stores={"x": Silent(), "y": Silent()})


def test_what_a_slow_store_recalls_does_not_block_the_loop(machine: Any, thread: Any, say: Any) -> None:
    """Under `ainvoke` sync stores recall side by side, in threads."""
    import threading

    together = threading.Barrier(2, timeout=10)

    class Waiting(Silent):
        def recall(self, **context: Any) -> str:
            together.wait()
            return "met"

    class One(Waiting):
        learning_type = "one"

    class Two(Waiting):
        learning_type = "two"

    model = ScriptedModel()
    found = machine_with(machine, One(), Two(), model=model)
    agent = create_learning_agent(model, learning=found, checkpointer=InMemorySaver())
    asyncio.run(agent.ainvoke(say("Hello"), thread("t1"), context=ALICE))
    assert "<one>met</one>" in model.calls[0][0].text
    assert "<two>met</two>" in model.calls[0][0].text
    assert found.flush()
