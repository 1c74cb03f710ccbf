"""`LearningMiddleware` beside LangChain's own: each does what it does alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import embedding_scenes as scenes
import psycopg
import pytest
from in_process import say, thread
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from langsmith.utils import get_env_var

from learning_machine import (
    LearnedKnowledgeConfig,
    LearningMachine,
    LearningMiddleware,
    LearningMode,
    Scope,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.testing import ScriptedModel, change

ALICE = {"user_id": "alice"}
Run = Callable[..., Any]


@pytest.fixture
def either(asynchronous: bool) -> Run:
    """One of the two doors into a graph."""
    import asyncio

    def run(graph: Any, given: Any, name: str = "t1", **context: Any) -> Any:
        context = {**ALICE, **context}
        if asynchronous:
            return asyncio.run(graph.ainvoke(given, thread(name), context=context))
        return graph.invoke(given, thread(name), context=context)

    return run


@pytest.fixture
def pair(machine: Callable[..., LearningMachine]) -> Callable[..., tuple[ScriptedModel, LearningMachine]]:
    """A model that learns names and summaries, and a machine with both stores."""

    def make(answers: Any = "ok", **stores: Any) -> tuple[ScriptedModel, LearningMachine]:
        model = scenes.model(answers=answers)
        return model, machine(model, **{"user_profile": True, "session_context": True, **stores})

    return make


def agent(model: Any, *middleware: Any, tools: Any = (), **options: Any) -> Any:
    options = {"checkpointer": InMemorySaver(), "context_schema": Scope, **options}
    return create_agent(model, list(tools), middleware=list(middleware), **options)


def calls(name: str, number: int = 1, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"c{number}"}])


@pytest.mark.parametrize("traces", ["true", "false"])
def test_traced_only_where_it_is_wanted(
    traces: str, pair: Callable[..., tuple[ScriptedModel, LearningMachine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`create_agent` is handed a coroutine function, which LangSmith traces from threads, only where it traces."""
    monkeypatch.setenv("LANGSMITH_TRACING", traces)
    get_env_var.cache_clear()
    try:
        hook = LearningMiddleware(pair()[1]).awrap_model_call
    finally:
        monkeypatch.undo()
        get_env_var.cache_clear()
    assert inspect.iscoroutinefunction(hook) == (traces == "true")


def test_a_step_writes_little(pair: Callable[..., tuple[ScriptedModel, LearningMachine]], either: Run) -> None:
    """What a step leaves in the state is one key of its own, and the context only where it has changed."""
    model, found = pair()
    kept = InMemorySaver()
    learning = agent(model, LearningMiddleware(found), checkpointer=kept)
    for message in ("hello", "how are you?"):
        either(learning, say(message), "t1")
    written = [
        sorted(key for _, key, _ in one.pending_writes or () if not key.startswith("branch:"))
        for one in kept.list(thread("t1"))
    ]
    model_step, before, after = ["messages"], ["learning_state"], ["learning_state"]
    first = ["learning_context", "learning_state"]
    assert [one for one in reversed(written) if one] == [
        *(["messages"], first, model_step, after),
        *(["messages"], before, model_step, after),
    ]


def look(place: str) -> str:
    """Look somewhere."""
    return f"nothing in {place}"


def offered(model: ScriptedModel) -> list[str]:
    """The user's words put before extractions, in order."""
    return [one["text"] for asked in model.extractions for one in scenes.new_in(asked) if one["role"] == "user"]


def texts(result: Any) -> list[str]:
    return [message.text for message in result["messages"]]


# --- schemas ----------------------------------------------------------------------------------------------------------


def test_input_and_output_are_as_they_were(pair: Any, either: Run) -> None:
    """The agent's schemas are the same with and without, and nothing of the loop is in its result."""
    model, machine = pair()
    without, learning = create_agent(model), create_agent(model, middleware=[LearningMiddleware(machine)])
    assert learning.get_input_jsonschema() == without.get_input_jsonschema()
    assert learning.get_output_jsonschema() == without.get_output_jsonschema()
    assert set(either(learning, say("I'm Alice"))) == {"messages"}
    assert machine.flush()


@pytest.mark.parametrize("mode", LearningMode)
def test_every_mode(mode: LearningMode, machine: Any, either: Run) -> None:
    """All stores in all modes, tools included: what is learned in one session is told in the next."""
    shared = {"mode": mode, "namespace": "engineering"}
    answers: Any = "ok"
    if mode is LearningMode.AGENTIC:
        saving = calls("save_learning", title="Retry", learning="Retry webhooks with backoff.")
        answers = [calls("update_profile", 2, field="name", value="Alice", quote="I'm Alice"), saving, "ok"]
    learned = [
        change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice"),
        change("learned_knowledge", "Retry webhooks with backoff.", kind="insight", name="Retry"),
    ]
    model = ScriptedModel(answers=answers, learns=[learned])
    found = machine(
        model,
        user_profile=UserProfileConfig(mode=mode),
        session_context=True,
        learned_knowledge=LearnedKnowledgeConfig(**shared),
        entity_memory=True,
        reviewers=["alice"],
    )
    learning = agent(model, LearningMiddleware(found))
    asked = either(learning, say("I'm Alice, retry webhooks."), groups=("engineering",)).get("__interrupt__")
    assert bool(asked) == (mode in (LearningMode.PROPOSE, LearningMode.HITL))
    if asked:
        both = {"decisions": [{"type": "approve"}] * len(asked[0].value["action_requests"])}
        either(learning, Command(resume=both), groups=("engineering",))
    assert found.flush()
    either(learning, say("How do I retry webhooks?"), "t2", groups=("engineering",))
    told = scenes.told(model.calls[-1])
    assert "- name: Alice" in told
    assert "Retry webhooks with backoff." in told
    assert found.flush()


def test_a_machine_without_a_model_learns_with_the_agents(machine: Any, either: Run) -> None:
    """Three lines are enough: the machine that was given no model reads with the agent's."""
    model, found = scenes.model(answers="ok"), machine(user_profile=True)
    either(agent(model, LearningMiddleware(found)), say("I'm Alice"))
    assert found.flush()
    assert found.recall(**ALICE)["user_profile"].name == "Alice"
    assert len(model.extractions) == 1


def test_an_answer_that_never_came(pair: Any, either: Run) -> None:
    """When the model fails, the turn has no answer and is not recorded; the next one offers its words as well."""
    fails = [True, False]

    def answer(messages: Any) -> str:
        if fails.pop(0):
            raise ConnectionError("down")
        return "ok"

    model, machine = pair(answer)
    learning = agent(model, LearningMiddleware(machine))
    with pytest.raises(ConnectionError):
        either(learning, say("I'm Alice"))
    either(learning, say("two"))
    assert machine.flush()
    assert offered(model) == ["I'm Alice", "two"]


def test_a_turn_that_was_not_recorded(pair: Any, either: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """When recording fails the reply goes out, and the next turn of the thread offers its words again."""
    model, machine = pair()
    learning = agent(model, LearningMiddleware(machine))
    turns = type(machine.parts.turns)

    def fail(*arguments: Any, **options: Any) -> Any:
        raise psycopg.OperationalError("down")

    with monkeypatch.context() as broken:
        broken.setattr(turns, "recording", fail)
        assert texts(either(learning, say("I'm Alice")))[-1] == "ok"
    either(learning, say("two"))
    assert machine.flush()
    assert offered(model) == ["I'm Alice", "two"]
    assert machine.usage.failures == {"recording the turn": 1}


def test_tools_know_where_the_conversation_stands(machine: Any, either: Run) -> None:
    """What a tool saved on a branch that was left does not count on the one gone back to."""
    saves = calls("update_profile", field="name", value="Alice", quote="I'm Alice")
    model = scenes.model(answers=["hello", saves, "saved", "ok", "ok"])
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.AGENTIC), conversation=False)
    learning = agent(model, LearningMiddleware(found))
    either(learning, say("hi"))
    early = learning.get_state(thread()).config
    either(learning, say("I'm Alice"))
    assert found.recall(**ALICE)["user_profile"].name == "Alice"
    learning.invoke(say("fork"), early, context=ALICE)
    assert "Alice" not in scenes.told(model.calls[-1])
    assert found.flush()


# --- approvals --------------------------------------------------------------------------------------------------------


def test_what_was_shown_is_what_is_decided_on(machine: Any, either: Run) -> None:
    """When what an approval would replace has changed since it was shown, it is shown anew in the same turn."""
    model = scenes.model(answers="ok")
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
    learning = agent(model, LearningMiddleware(found))
    (first,) = either(learning, say("I'm Alice"))["__interrupt__"]
    assert "Replaces" not in first.value["action_requests"][0]["description"]
    # Meanwhile the same field gets another value, in another thread.
    either(learning, say("I'm Anna"), "t2")
    either(learning, Command(resume=scenes.APPROVED), "t2")
    assert found.recall(**ALICE)["user_profile"].name == "Anna"
    (again,) = either(learning, Command(resume=scenes.APPROVED))["__interrupt__"]
    assert "Replaces: Anna" in again.value["action_requests"][0]["description"]
    assert found.recall(**ALICE)["user_profile"].name == "Anna"
    either(learning, Command(resume=scenes.APPROVED))
    assert found.recall(**ALICE)["user_profile"].name == "Alice"
    assert offered(model) == ["I'm Alice", "I'm Anna"]


#: Not among them: `None` and `{}`, which LangGraph itself refuses before any node runs.
ODD = [
    "well…",
    "",
    7,
    [],
    [{"type": "approve"}],
    [{"type": "approve"}] * 3,
    {"decisions": "approve"},
    {"decisions": [{"type": "approve"}, {"type": "perhaps"}]},
    {"decisions": [{"type": "approve", "proposal": "p9"}, {"type": "approve"}]},
    "[" * 100_000,
]


def test_answers_that_do_not_fit(machine: Any, either: Run) -> None:
    """Each is asked for again in the same turn and applies nothing; the older proposal keeps its place at the head."""
    model = scenes.model(answers="ok")
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
    learning = agent(model, LearningMiddleware(found))

    def waits(result: Any) -> list[str]:
        (question,) = result["__interrupt__"]
        return [one["args"]["content"] for one in question.value["action_requests"]]

    assert waits(either(learning, say("I'm Alice"))) == ["Alice"]
    # Talked past: it waits, and is asked about first.
    assert waits(either(learning, say("I'm Alicia"))) == ["Alice", "Alicia"]
    for answer in ODD:
        assert waits(either(learning, Command(resume=answer))) == ["Alice", "Alicia"], answer
    assert [one.status for one in found.proposals.list(status=None)] == ["pending", "pending"]
    result = either(learning, Command(resume={"decisions": [{"type": "reject"}, {"type": "approve"}]}))
    assert "__interrupt__" not in result
    assert texts(result)[-1] == "ok"
    assert found.recall(**ALICE)["user_profile"].name == "Alicia"
    assert {one.text: one.status for one in found.proposals.list(status=None)} == {
        "Alice": "rejected",
        "Alicia": "approved",
    }
    assert offered(model) == ["I'm Alice", "I'm Alicia"]


def test_progress_is_told(machine: Any) -> None:
    """A stream tells of recalled, saved, proposed, and after the answer of what was saved, as the loop's own graph does."""
    model = scenes.model(answers="ok")
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
    learning = agent(model, LearningMiddleware(found))

    def events(given: Any, **options: Any) -> list[str]:
        told = learning.stream(given, thread(), context=ALICE, stream_mode="custom", **options)
        return [(one[-1] if isinstance(one, tuple) else one)["event"] for one in told]

    assert events(say("I'm Alice")) == ["recalled", "saved", "proposed"]
    assert events(Command(resume=scenes.APPROVED)) == ["saved"]
    assert events(say("I'm Anna"), subgraphs=True) == ["recalled", "saved", "proposed"]


# --- beside the others ------------------------------------------------------------------------------------------------


def test_human_in_the_loop(pair: Any, either: Run) -> None:
    """A tool call that waits for approval pauses the turn; what the model reads afterwards is the same, and it is learned once."""
    model, machine = pair([calls("look", place="Rome"), "Nothing there."])
    asking = HumanInTheLoopMiddleware(interrupt_on={"look": True})
    for order in ([asking, LearningMiddleware(machine)], [LearningMiddleware(machine), asking]):
        name, model.answers = f"t{order.index(asking)}", [*["", ""], calls("look", place="Rome"), "Nothing there."]
        model.answers = [calls("look", place="Rome"), "Nothing there."] * 2
        learning = agent(model, *order, tools=[look])
        paused = either(learning, say("I'm Alice, look"), name)
        assert paused["__interrupt__"][0].value["action_requests"][0]["name"] == "look"
        before = [one.text for one in model.calls[-1] if one.type == "system"]
        result = either(learning, Command(resume={"decisions": [{"type": "approve"}]}), name)
        assert texts(result)[-2:] == ["nothing in Rome", "Nothing there."]
        assert [one.text for one in model.calls[-1] if one.type == "system"] == before
        assert machine.flush()
    assert offered(model) == ["I'm Alice, look"] * 2


def test_recall_runs_once_a_turn(machine: Any, either: Run) -> None:
    """However often the model is asked in a turn, and also when the turn paused for a person, what is known is looked up once."""
    looked: list[str] = []

    class Counting:
        """A store that counts how often it is asked."""

        learning_type = "counting"

        def recall(self, message: str = "", **context: Any) -> Any:
            looked.append(message)
            return f"asked {len(looked)} times"

        def process(self, messages: list[Any], **context: Any) -> None:
            pass

        def build_context(self, data: Any) -> str:
            return str(data)

        def get_tools(self, **context: Any) -> list[Any]:
            return []

    model = scenes.model(answers=[calls("look", number, place="Rome") for number in range(3)] + ["done", "ok"])
    found = machine(model, user_profile=True, custom_stores={"counting": Counting()})
    asking = HumanInTheLoopMiddleware(interrupt_on={"look": True})
    learning = agent(model, LearningMiddleware(found), asking, tools=[look])
    result = either(learning, say("I'm Alice"))
    for _ in range(3):
        result = either(learning, Command(resume=scenes.APPROVED))
    assert texts(result)[-1] == "done"
    assert looked == ["I'm Alice"]
    assert all("asked 1 times" in scenes.told(one) for one in model.calls)
    either(learning, say("two"))
    assert looked == ["I'm Alice", "two"]
    assert found.flush()


def test_human_in_the_loop_with_proposals(machine: Any, either: Run) -> None:
    """Both may ask in one turn, one after the other."""
    model = scenes.model(answers=[calls("look", place="Rome"), "Nothing there."])
    found = machine(model, user_profile=UserProfileConfig(mode=LearningMode.PROPOSE))
    asking = HumanInTheLoopMiddleware(interrupt_on={"look": True})
    learning = agent(model, asking, LearningMiddleware(found), tools=[look])
    (first,) = either(learning, say("I'm Alice"))["__interrupt__"]
    assert first.value["action_requests"][0]["name"] == "look"
    (second,) = either(learning, Command(resume=scenes.APPROVED))["__interrupt__"]
    assert second.value["action_requests"][0]["name"] == "save_user_profile"
    assert "__interrupt__" not in either(learning, Command(resume=scenes.APPROVED))
    assert found.recall(**ALICE)["user_profile"].name == "Alice"


@pytest.mark.parametrize("first", [True, False])
def test_summarization(pair: Any, either: Run, first: bool) -> None:
    """Old messages go, what they taught stays; every word is offered once, the summary never."""
    model, machine = pair()
    summarizer = ScriptedModel(answers="They talked.")
    cut = SummarizationMiddleware(summarizer, trigger=("messages", 4), keep=("messages", 2))
    learning = agent(model, *([LearningMiddleware(machine), cut] if first else [cut, LearningMiddleware(machine)]))
    said = ["I'm Alice", "two", "three", "four", "five"]
    for text in said:
        result = either(learning, say(text))
        assert machine.flush()
    assert len(result["messages"]) < 2 * len(said)
    told = scenes.told(model.calls[-1])
    assert "- name: Alice" in told
    assert "Last: four" in told
    assert offered(model) == said


def test_words_that_are_summarized_in_their_own_turn_are_learned(pair: Any, either: Run) -> None:
    """Put before summarization, learning reads what a summary takes the place of in the same turn."""
    model, machine = pair([calls("look", number, place="Rome") for number in range(3)] + ["done"])
    cut = SummarizationMiddleware(ScriptedModel(answers="S."), trigger=("messages", 4), keep=("messages", 2))
    learning = agent(model, LearningMiddleware(machine), cut, tools=[look])
    result = either(learning, say("I'm Alice", "look there"))
    assert "I'm Alice" not in texts(result)
    assert machine.flush()
    assert offered(model) == ["I'm Alice", "look there"]


def test_todo_list(pair: Any, either: Run) -> None:
    """The to-do list's tool, prompt and state work, and the turn is learned."""
    todos = [{"content": "look", "status": "in_progress"}]
    model, machine = pair([calls("write_todos", todos=todos), "done"])
    learning = agent(model, TodoListMiddleware(), LearningMiddleware(machine))
    result = either(learning, say("I'm Alice"))
    assert result["todos"] == todos
    assert "write_todos" in model.calls[-1][0].text
    assert machine.flush()
    assert machine.recall(**ALICE)["user_profile"].name == "Alice"


MAIL = "alice@example.com"


def kept(url: str, *savers: Any) -> str:
    """Every row of the machine's tables, as text."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute(
            "select schemaname || '.' || tablename from pg_tables "
            "where schemaname in ('learning_machine', 'learning_machine_jobs')"
        ).fetchall()
        rows = [connection.execute(f"select * from {name}").fetchall() for (name,) in names]  # type: ignore[arg-type]
    return repr(rows)


@pytest.mark.parametrize(
    ("mode", "last", "summarizing"),
    [
        (LearningMode.BACKGROUND, False, True),
        (LearningMode.PROPOSE, True, True),
        pytest.param(LearningMode.BACKGROUND, True, False, marks=pytest.mark.full),
        pytest.param(LearningMode.PROPOSE, False, False, marks=pytest.mark.full),
    ],
)
def test_what_is_redacted_is_never_seen(
    machine: Any, either: Run, url: str, mode: LearningMode, last: bool, summarizing: bool
) -> None:
    """What PIIMiddleware takes out reaches neither extraction nor the database, wherever learning stands."""
    model = scenes.model(answers=[calls("look", number, place="Rome") for number in range(3)] + ["ok"])
    asked: list[str] = []

    class Watching:
        """A store that hears what is asked."""

        learning_type = "watching"

        def recall(self, message: str = "", **context: Any) -> Any:
            asked.append(message)

        def process(self, messages: list[Any], **context: Any) -> None:
            asked.extend(one.text for one in messages)

        def build_context(self, data: Any) -> str:
            return ""

        def get_tools(self, **context: Any) -> list[Any]:
            return []

    found = machine(model, user_profile=UserProfileConfig(mode=mode), custom_stores={"watching": Watching()})
    redacting: list[Any] = [PIIMiddleware("email", strategy="redact", apply_to_output=True)]
    if summarizing:
        cut = SummarizationMiddleware(ScriptedModel(answers="S."), trigger=("messages", 4), keep=("messages", 2))
        redacting.append(cut)
    learns = LearningMiddleware(found)
    learning = agent(model, *([*redacting, learns] if last else [redacting[0], learns, *redacting[1:]]), tools=[look])
    result = either(learning, say(f"I'm Alice, write to {MAIL}"))
    assert MAIL not in "\n".join(texts(result))
    assert found.flush()
    words = "\n".join(one.text for asking in model.extractions for one in asking)
    assert "I'm Alice, write to [REDACTED_EMAIL]" in words
    assert MAIL not in words + "\n".join(asked)
    assert any("Alice" in one for one in asked)
    assert MAIL not in kept(url)


def test_redaction_behind_learning_still_keeps_it_out(pair: Any, either: Run, url: str) -> None:
    """In the wrong order recall reads the words, but nothing is stored or learned that was taken out behind it."""
    model, machine = pair()
    learning = agent(model, LearningMiddleware(machine), PIIMiddleware("email", strategy="redact"))
    either(learning, say(f"I'm Alice, write to {MAIL}"))
    assert machine.flush()
    assert offered(model) == ["I'm Alice, write to [REDACTED_EMAIL]"]
    assert MAIL not in kept(url)


def test_words_that_are_redacted_and_summarized_in_one_turn(pair: Any, either: Run, url: str) -> None:
    """Put before both, learning reads a message that goes into a summary as it read last, without what was taken out."""
    model, machine = pair([calls("look", number, place="Rome") for number in range(4)] + ["done"])
    cut = SummarizationMiddleware(ScriptedModel(answers="S."), trigger=("messages", 6), keep=("messages", 2))
    redacts = PIIMiddleware("email", strategy="redact")
    learning = agent(model, LearningMiddleware(machine), redacts, cut, tools=[look])
    result = either(learning, say(f"I'm Alice, write to {MAIL}"))
    assert "I'm Alice" not in "".join(texts(result))
    assert machine.flush()
    assert offered(model) == ["I'm Alice, write to [REDACTED_EMAIL]"]
    assert MAIL not in kept(url)


@pytest.mark.parametrize("own", [True, False])
def test_an_agent_inside_the_loop_that_redacts(machine: Any, either: Run, url: str, own: bool) -> None:
    """In the loop's own graph, and around a compiled agent, nothing is learned or stored either that the agent takes out."""
    model = scenes.model(answers=[calls("look", number, place="Rome") for number in range(3)] + ["ok"])
    found = machine(model, user_profile=True)
    redacting = [
        PIIMiddleware("email", strategy="redact"),
        SummarizationMiddleware(ScriptedModel(answers="S."), trigger=("messages", 4), keep=("messages", 2)),
    ]
    saver = InMemorySaver()
    if own:
        learning = create_learning_agent(model, [look], learning=found, middleware=redacting, checkpointer=saver)
    else:
        learning = found.builder(create_agent(model, [look], middleware=redacting)).compile(checkpointer=saver)
    either(learning, say(f"I'm Alice, write to {MAIL}"))
    assert found.flush()
    assert MAIL not in kept(url)
    assert model.extractions
    assert MAIL not in "\n".join(one.text for asking in model.extractions for one in asking)


class Claude(ChatAnthropic):
    """Anthropic's chat model, which asks a scripted one instead of the service."""

    script: Any = None

    def _generate(self, messages: Any, *arguments: Any, **options: Any) -> Any:
        return self.script._generate(messages)

    async def _agenerate(self, messages: Any, *arguments: Any, **options: Any) -> Any:
        return self.script._generate(messages)


def test_anthropic_prompt_caching(pair: Any, either: Run) -> None:
    """Put before learning, it marks the agent's own words for the cache; what was learned follows, and is not marked."""
    model, machine = pair()
    chat = Claude(model="claude-sonnet-4-5", api_key="none", script=model)
    learning = agent(chat, AnthropicPromptCachingMiddleware(), LearningMiddleware(machine), system_prompt="Be brief.")
    either(learning, say("I'm Alice"))
    assert machine.flush()
    either(learning, say("Who am I?"), "t2")
    first, second = model.calls[-1][0].content
    assert (first["text"], "cache_control" in first) == ("Be brief.", True)
    assert ("- name: Alice" in second["text"], "cache_control" in second) == (True, False)


@pytest.mark.parametrize("first", [True, False])
def test_retries(pair: Any, either: Run, first: bool) -> None:
    """Model and tool calls that fail are tried again; the context stands once in each, and the turn is learned once."""
    tries = {"model": 0, "tool": 0}

    def answer(messages: Any) -> Any:
        tries["model"] += 1
        if tries["model"] == 1:
            raise ConnectionError("once")
        return "ok" if messages[-1].type == "tool" else calls("fetch", place="Rome")

    def fetch(place: str) -> str:
        """Fetch something."""
        tries["tool"] += 1
        if tries["tool"] == 1:
            raise ConnectionError("once")
        return "here"

    model, machine = pair(answer)
    machine.process([{"role": "user", "content": "I'm Alice"}], **ALICE)
    retrying = [ModelRetryMiddleware(initial_delay=0.0), ToolRetryMiddleware(initial_delay=0.0)]
    learns = LearningMiddleware(machine)
    learning = agent(model, *([learns, *retrying] if first else [*retrying, learns]), tools=[fetch])
    result = either(learning, say("go on"))
    assert texts(result)[-2:] == ["here", "ok"]
    assert [scenes.told(one).count("- name: Alice") for one in model.calls] == [1, 1, 1]
    assert machine.flush()
    assert offered(model)[1:] == ["go on"]


def test_limits(pair: Any, either: Run) -> None:
    """Call limits end the turn as they would alone, before or behind learning; what was said is learned all the same."""
    for order in (0, 1):
        model, machine = pair([calls("look", number, place="Rome") for number in range(5)], name=f"m{order}")
        limits = [
            ModelCallLimitMiddleware(run_limit=2, exit_behavior="end"),
            ToolCallLimitMiddleware(run_limit=9, exit_behavior="end"),
        ]
        learns = LearningMiddleware(machine)
        learning = agent(model, *([learns, *limits] if order else [*limits, learns]), tools=[look])
        result = either(learning, say("I'm Alice"), f"t{order}")
        assert "limit" in texts(result)[-1]
        assert len(model.calls) == 2
        assert machine.flush()
        assert offered(model) == ["I'm Alice"]


def test_a_limit_that_lets_nothing_through(pair: Any, either: Run) -> None:
    """When a turn ends before the model was asked at all, the turn is still recorded as one of its own."""
    model, machine = pair()
    learning = agent(model, ModelCallLimitMiddleware(thread_limit=1), LearningMiddleware(machine))
    either(learning, say("I'm Alice"))
    result = either(learning, say("two"))
    assert "limit" in texts(result)[-1]
    assert machine.flush()
    assert offered(model) == ["I'm Alice", "two"]


# --- two machines -----------------------------------------------------------------------------------------------------


def test_two_machines_in_one_agent(machine: Any, either: Run) -> None:
    """Machines with names of their own both learn, both tell, and neither's tools or keys meet the other's."""
    one, two = scenes.model(answers="ok"), scenes.model(answers="ok")
    agentic = UserProfileConfig(mode=LearningMode.AGENTIC)
    first, second = machine(one, user_profile=agentic), machine(two, user_profile=agentic, name="crm")
    third = machine(scenes.model(), user_profile=True, schema="elsewhere")
    answers = [
        calls("update_profile", field="name", value="Alice", quote="I'm Alice"),
        calls("update_profile_crm", 2, field="name", value="Alicia", quote="Alicia"),
        "ok",
    ]
    seen: list[list[str]] = []

    class Watching(AgentMiddleware[Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            seen.append([tool.name for tool in request.tools])
            return handler(request)

        async def awrap_model_call(self, request: Any, handler: Any) -> Any:
            seen.append([tool.name for tool in request.tools])
            return await handler(request)

    chat = ScriptedModel(answers=answers)
    learning = agent(chat, *map(LearningMiddleware, (first, second, third)), Watching())
    either(learning, say("I'm Alice or Alicia"))
    assert len(seen[0]) == len(set(seen[0]))
    assert {"update_profile", "update_profile_crm"} <= set(seen[0])
    for found in (first, second, third):
        assert found.flush()
    names = [found.recall(**ALICE)["user_profile"].name for found in (first, second, third)]
    # The first two keep one ledger, in which the newer value took the other's place; the third has its own.
    assert names == ["Alicia", "Alicia", "Alice"]
    either(learning, say("Who am I?"), "t2")
    assert scenes.told(chat.calls[-1]).count("- name: Al") == 3
    for found in (first, second, third):
        assert found.flush()


def test_two_machines_with_proposals(machine: Any, either: Run) -> None:
    """Each asks for itself, one after the other, and each answer reaches the one that asked."""
    propose = UserProfileConfig(mode=LearningMode.PROPOSE)
    first = machine(scenes.model(), user_profile=propose)
    second = machine(scenes.model(), user_profile=propose, schema="elsewhere")
    learning = agent(ScriptedModel(answers="ok"), LearningMiddleware(first), LearningMiddleware(second))
    assert either(learning, say("I'm Alice"))["__interrupt__"]
    assert either(learning, Command(resume={"decisions": [{"type": "reject"}]}))["__interrupt__"]
    assert "__interrupt__" not in either(learning, Command(resume=scenes.APPROVED))
    # What runs after the answer runs in reverse order: the second asked first.
    assert second.recall(**ALICE).get("user_profile") is None
    assert first.recall(**ALICE)["user_profile"].name == "Alice"


def test_the_same_machine_twice_is_refused(pair: Any) -> None:
    """Two middlewares of one name are a mistake that LangChain reports."""
    model, machine = pair()
    with pytest.raises(AssertionError, match="duplicate"):
        agent(model, LearningMiddleware(machine), LearningMiddleware(machine))
