"""The offline model: what its patterns learn, what they leave alone, and how it behaves as a chat model."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from learning_machine.offline import OfflineModel
from learning_machine.prompts import fill, load
from learning_machine.state.extraction import Extraction, reply_schema
from learning_machine.state.profile import ProfileFields, fields_of

FIELDS = "\n".join(
    f"- {one.name}{' (list)' if one.many else ''}: {one.description}" for one in fields_of(ProfileFields).values()
)
PROFILE = fill(load("user_profile"), fields=FIELDS)
SESSION = fill(load("session_context"), planning="")
PLANNING = fill(load("session_context"), planning=" " + load("session_planning"))
KNOWLEDGE, ENTITIES = load("learned_knowledge"), load("entity_memory")
STORES = ["user_profile", "session_context", "learned_knowledge", "entity_memory"]

CONTEXT = """You are a friendly agent.
- Be brief.

<learnings>
What earlier conversations taught. Codes such as [k3f] name an entry.
<user_profile>
- name: Alice Smith [k1]
- company: Salt &amp; Pepper &lt;Ltd&gt; [k3]
- preferences: green tea [k4]
- preferences: jazz [k6]
- Alice is training for a marathon [k5]
</user_profile>
<session_context>
- summary: A trip to Japan is being planned. [k7]
</session_context>
</learnings>"""

FOUND = """<recalled_learnings>
What earlier conversations taught. Codes such as [k3f] name an entry.
<learned_knowledge>
- (3 more not shown)
- Retrying webhooks: Retry webhooks with exponential backoff (applies to: payments) [k20]
- use Go: use Go for services [k27]
</learned_knowledge>
<entity_memory>
- Acme (company), also called Acme Inc:
  - uses PostgreSQL [k21]
  - Maria Silva — CEO of → Acme [k22]
  - 2026-03-15: launched v2 [k23]
- Bob: plays chess [k24]
</entity_memory>
<conversation>
- 2026-05-01 user: The office plant is called Fern — answered: What a name [k25]
- 2026-05-01 assistant: Maria Silva is the CEO of Acme — after: Who is the CEO [k28]
- 2026-05-01 user: Where is the office plant? — answered: I don't know that yet. [k26]
</conversation>
</recalled_learnings>"""

Said = tuple[str, str]
Known = dict[str, str]


def known(handle: str, name: str, value: str) -> Known:
    return {"handle": handle, "store": "user_profile", "kind": "field", "name": name, "value": value}


def request(
    said: list[Said], held: tuple[Known, ...] = (), guidance: tuple[str, ...] = (PROFILE,)
) -> list[BaseMessage]:
    """An extraction call as the library makes it."""
    new = [
        json.dumps({"id": f"m{number}", "role": role, "text": text})
        for number, (role, text) in enumerate(said, start=1)
    ]
    lines = [
        "Today is 2026-11-22.",
        "Already known:",
        *(map(json.dumps, held) if held else ["(nothing)"]),
        "New messages:",
        *new,
    ]
    return [SystemMessage(fill(load("extract"), stores="\n\n".join(guidance))), HumanMessage("\n".join(lines))]


def learned(
    *said: str | Said, held: tuple[Known, ...] = (), guidance: tuple[str, ...] = (PROFILE,)
) -> list[dict[str, Any]]:
    """The changes learned from these messages, each without its empty keys. Plain strings are the user's."""
    pairs = [("user", one) if isinstance(one, str) else one for one in said]
    reply = (
        OfflineModel()
        .with_structured_output(reply_schema(STORES), include_raw=True)
        .invoke(request(pairs, held, guidance))
    )
    assert isinstance(reply, dict)
    texts = [text for role, text in pairs if role == "user"]
    for change in reply["parsed"]["changes"]:
        assert change["quote"] is None or any(change["quote"] in text for text in texts)
    return [{key: value for key, value in change.items() if value is not None} for change in reply["parsed"]["changes"]]


def fields(text: str) -> list[Said]:
    """(field, value) of what one message teaches about the user; observations under their kind."""
    return [(change.get("name", change["kind"]), change["value"]) for change in learned(text)]


# --- what is learned --------------------------------------------------------------------------------------------------

TEACHES: list[tuple[str, list[Said]]] = [
    ("My name is Alice.", [("name", "Alice")]),
    ("my name's alice", [("name", "alice")]),
    ("Hi, I'm Alice!", [("name", "Alice")]),
    ("I’m José.", [("name", "José")]),
    ("I am Alice Smith from Acme", [("name", "Alice Smith")]),
    ("Call me Al, please.", [("preferred_name", "Al")]),
    ("Everyone calls me Bobby", [("preferred_name", "Bobby")]),
    ("I work at Acme.", [("company", "Acme")]),
    ("I work for the University of Porto in Portugal", [("company", "the University of Porto")]),
    ("I currently work at Acme as a data engineer.", [("company", "Acme"), ("role", "data engineer")]),
    ("I work as a nurse.", [("role", "nurse")]),
    ("I work as a product manager at Globex Inc.", [("role", "product manager"), ("company", "Globex Inc")]),
    ("I'm working on a compiler for Rust", [("work", "a compiler for Rust")]),
    ("I work on search quality these days.", [("work", "search quality")]),
    ("I live in Lisbon.", [("location", "Lisbon")]),
    ("i live in lisbon", [("location", "lisbon")]),
    ("I live in São Paulo, Brazil with my cat.", [("location", "São Paulo, Brazil")]),
    ("I live in the Netherlands now", [("location", "the Netherlands")]),
    ("I just moved from London to Lisbon last year.", [("location", "Lisbon")]),
    ("I've moved to Porto.", [("location", "Porto")]),
    ("I'm based in Berlin", [("location", "Berlin")]),
    ("Please answer in German.", [("language", "German")]),
    ("Keep answers short.", [("communication_style", "Keep answers short")]),
    ("Please keep your answers short", [("communication_style", "keep your answers short")]),
    ("No emojis please", [("communication_style", "No emojis")]),
    ("I prefer short answers", [("communication_style", "short answers")]),
    ("I prefer green tea.", [("preferences", "green tea")]),
    ("I really like window seats", [("preferences", "window seats")]),
    ("I hate coffee.", [("preferences", "hate coffee")]),
    ("I don't like coffee.", [("preferences", "don't like coffee")]),
    ("Remember that the wifi at home is slow", [("observation", "the wifi at home is slow")]),
    ("Please remember I like tea.", [("preferences", "tea")]),
    ("My dog is called Rex.", [("observation", "My dog is called Rex")]),
    ("I use Vim", [("observation", "I use Vim")]),
    ("I'm allergic to nuts", [("observation", "I'm allergic to nuts")]),
    ("My name is Alice but everyone calls me Al", [("name", "Alice"), ("preferred_name", "Al")]),
    ("Actually, my name is Bob", [("name", "Bob")]),
    (
        "My name is Alice, I work at Acme and I live in Lisbon.",
        [("name", "Alice"), ("company", "Acme"), ("location", "Lisbon")],
    ),
    ("I live in Porto and work at Acme", [("location", "Porto"), ("company", "Acme")]),
    ("I'm Alice, can you help me?", [("name", "Alice")]),
    ("I live in Lisbon. I mean, I live in Porto.", [("location", "Porto")]),
]


@pytest.mark.parametrize(("text", "expected"), TEACHES, ids=[text for text, _ in TEACHES])
def test_a_statement_teaches_what_it_says(text: str, expected: list[Said]) -> None:
    """A statement about the user becomes the fields it names, with the value as it was written."""
    assert fields(text) == expected


TEACHES_NOTHING = [
    "Do I live in Lisbon?",
    "I live in Lisbon, right?",
    "My name is Alice?",
    "Where do I work?",
    "I don't live in Lisbon.",
    "I do not work at Acme",
    "My name is not Alice",
    "I'm not a doctor",
    "If I moved to Porto, I live in a nicer flat",
    "If I moved to Porto, I work at Acme",
    "Suppose I work at Acme, my name is Bob",
    "She told us, I live in Rome",
    "Let's say I live in Rome",
    "I wish I lived in Rome",
    "My friend lives in Rome.",
    "My friend is in Rome",
    "She said I live in Rome",
    "Bob works at Acme",
    "> I live in Rome",
    "I'm tired",
    "I'm OK",
    "I'm Sorry",
    "I'm a bit tired",
    "I'm in a hurry",
    "I work from home",
    "I work at night",
    "I work on Mondays",
    "Never mind, thanks",
    "I moved to a new team",
    "I live in a small house",
    "I love it",
    "I like your answer",
    "I have a question",
    "My question is how to install it",
    "My password is hunter2",
    "I use my token: hunter2",
    "Remember that my password is hunter2",
    "Call me later",
    "Thanks a lot!",
    "What is the capital of Portugal?",
    "Fix this bug for me",
    "",
    "¿Dónde vivo?",
]


@pytest.mark.parametrize("text", TEACHES_NOTHING)
def test_a_question_a_supposition_and_small_talk_teach_nothing(text: str) -> None:
    """What is asked, denied, supposed, quoted or said of others is not learned."""
    assert fields(text) == []


def test_only_the_user_teaches() -> None:
    """What the assistant says is not learned."""
    assert learned(("assistant", "My name is Bot and I live in Rome. You work at Acme.")) == []


def test_what_is_known_is_not_learned_again() -> None:
    """The same value, however it is capitalised, is no change."""
    held = (known("k1", "name", "Alice"), known("k2", "preferences", "green tea"))
    assert learned("My name is alice. I like Green tea.", held=held) == []


def test_a_new_value_revises_a_field_and_stands_beside_in_a_list() -> None:
    """A field with one value is revised by its handle; a list gets one more."""
    held = (known("k1", "location", "London"), known("k2", "preferences", "green tea"))
    moved, liked = learned("I moved from London to Lisbon and I like jazz", held=held)
    assert (moved["action"], moved["handle"], moved["value"]) == ("revise", "k1", "Lisbon")
    assert (liked["action"], liked["value"]) == ("add", "jazz") and "handle" not in liked


CORRECTIONS = {
    "what the user just said": ["I live in Lisbon.", ("assistant", "Nice!"), "No, it's Porto"],
    "what the user asked": ["Where do I live?", ("assistant", "I think it was Lisbon."), "no, it’s Porto, not Lisbon"],
    "in other words": ["I live in Lisbon.", "Actually, I meant Porto"],
    "right before": ["I work at Acme and I live in Lisbon", "actually it is in Porto now."],
}


@pytest.mark.parametrize("said", CORRECTIONS.values(), ids=CORRECTIONS)
def test_a_correction_revises_what_was_spoken_of(said: list[str | Said]) -> None:
    """ "No, it's …" revises the field the user spoke of last."""
    (change,) = learned(*said, held=(known("k1", "company", "Acme"), known("k2", "location", "Lisbon")))
    assert (change["action"], change["name"], change["value"], change["handle"]) == (
        "revise",
        "location",
        "Porto",
        "k2",
    )


def test_a_correction_reaches_back_over_the_summary() -> None:
    """A correction whose object was read in an earlier batch finds it in the summary."""
    summary = {"handle": "k9", "store": "session_context", "kind": "summary", "value": "I live in Lisbon."}
    held = (known("k1", "location", "Lisbon"), summary)
    revised = [change for change in learned("No, it's Porto. I like tea.", held=held) if change["kind"] == "field"]
    assert [(change["action"], change["value"]) for change in revised] == [("revise", "Porto"), ("add", "tea")]


@pytest.mark.parametrize(
    "said", [["No, it's Porto"], ["I live in Lisbon", "No, it's fine"], ["I live in Lisbon", "Hm", "No, it's Porto"]]
)
def test_a_correction_of_nothing_in_sight_is_left_alone(said: list[str | Said]) -> None:
    """ "No, it's …" is not guessed at when nothing was spoken of right before it, nor when it names nothing."""
    assert learned(*said, held=(known("k1", "location", "Lisbon"),)) == []


def test_what_is_to_be_forgotten_is_retired() -> None:
    """Asking to forget a known value retires it by its handle, and teaches nothing."""
    held = (known("k1", "company", "Acme"), known("k2", "location", "Lisbon"))
    (change,) = learned("Please forget that I work at Acme.", held=held)
    assert (change["action"], change["handle"]) == ("retire", "k1")


def test_only_listed_stores_are_written_to() -> None:
    """A change names no store that the instructions do not list."""
    text = "I want to learn Rust. Acme uses PostgreSQL. We decided to use Go. I live in Lisbon."
    assert {one["store"] for one in learned(text)} == {"user_profile"}
    assert {one["store"] for one in learned(text, guidance=(PLANNING, KNOWLEDGE, ENTITIES))} == set(STORES) - {
        "user_profile"
    }


def test_the_summary_grows_and_stays_short() -> None:
    """The summary builds on the known one, is revised by its handle, and has at most five sentences."""
    assert learned("Thanks!", guidance=(SESSION,)) == []
    first = learned("Help me plan a trip. Thanks!", guidance=(SESSION,))
    assert [(one["action"], one["kind"], one["value"]) for one in first] == [("add", "summary", "Help me plan a trip.")]
    held = {
        "handle": "k7",
        "store": "session_context",
        "kind": "summary",
        "value": "One is here. Two is here. Three is here. Four is here.",
    }
    (later,) = learned("Five is here. Is six here?", held=(held,), guidance=(SESSION,))
    assert (later["action"], later["handle"]) == ("revise", "k7")
    assert later["value"] == "One is here. Three is here. Four is here. Five is here. Is six here?"
    assert learned("Thanks!", held=(held,), guidance=(SESSION,)) == []


def test_a_goal_is_kept_when_planning_is_on() -> None:
    """A goal, asked for or stated, is learned only if the instructions offer it, and a later one revises it."""
    text = "Can you help me plan a trip to Japan?"
    goal = next(one for one in learned(text, guidance=(PLANNING,)) if one["kind"] == "goal")
    assert (goal["action"], goal["value"]) == ("add", "plan a trip to Japan")
    assert {one["kind"] for one in learned(text, guidance=(SESSION,))} == {"summary"}
    held = {"handle": "k1", "store": "session_context", "kind": "goal", "value": "plan a trip to Japan"}
    found = learned("My goal is to learn Rust.", held=(held,), guidance=(PLANNING,))
    assert [(one["action"], one["value"]) for one in found if one["kind"] == "goal"] == [("revise", "learn Rust")]


ABOUT_THINGS: list[tuple[str, dict[str, str]]] = [
    (
        "Maria Silva is the CEO of Acme.",
        {"kind": "relationship", "subject": "Maria Silva", "name": "CEO of", "target": "Acme"},
    ),
    ("Bob works at Acme", {"kind": "relationship", "subject": "Bob", "name": "works at", "target": "Acme"}),
    ("Acme uses PostgreSQL.", {"kind": "fact", "subject": "Acme", "value": "uses PostgreSQL"}),
    ("Acme launched v2 on March 15.", {"kind": "event", "subject": "Acme", "value": "launched v2 on March 15"}),
    ("Acme launched v2 on 2026-03-15 in Rome.", {"kind": "event", "subject": "Acme", "when": "2026-03-15"}),
    ("We decided to use Go", {"kind": "insight", "name": "use Go", "value": "use Go"}),
    ("Lesson learned: log, and keep it", {"kind": "insight", "name": "log, and keep it", "value": "log, and keep it"}),
    ("Lesson: tests come first", {"kind": "insight", "name": "tests come first", "value": "tests come first"}),
    (
        "Insight: webhooks need retries with exponential backoff and an end",
        {
            "kind": "insight",
            "name": "webhooks need retries with exponential backoff",
            "value": "webhooks need retries with exponential backoff and an end",
        },
    ),
]


@pytest.mark.parametrize(("text", "expected"), ABOUT_THINGS, ids=[text for text, _ in ABOUT_THINGS])
def test_entities_and_insights_are_learned(text: str, expected: dict[str, str]) -> None:
    """Relationships, facts, events and insights go to the stores for them, with their ends, titles and days."""
    (found,) = learned(text, guidance=(KNOWLEDGE, ENTITIES))
    assert {name: found[name] for name in expected} == expected
    assert "when" in expected or "when" not in found


def test_what_is_known_of_a_thing_is_not_learned_again() -> None:
    """The same fact is no change, and a question about a thing teaches nothing."""
    held = {"handle": "k1", "store": "entity_memory", "kind": "fact", "value": "uses PostgreSQL"}
    said = ("Acme uses PostgreSQL.", "Where is the head of Acme", "Is Bob the CEO of Acme?")
    assert learned(*said, held=(held,), guidance=(KNOWLEDGE, ENTITIES)) == []


# --- how the extraction call may arrive -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_the_reply_comes_by_every_method(method: str) -> None:
    """By every method of structured output the parsed reply is the same, and the raw message holds it."""
    model = OfflineModel()
    messages = request([("user", "My name is Alice.")])
    reply = model.with_structured_output(reply_schema(STORES), include_raw=True, method=method).invoke(messages)
    assert isinstance(reply, dict) and reply["parsing_error"] is None
    (call,) = reply["raw"].tool_calls
    assert call["args"] == reply["parsed"]
    assert reply["parsed"]["changes"][0]["value"] == "Alice"
    typed = model.with_structured_output(Extraction, method=method).invoke(messages)
    assert isinstance(typed, Extraction) and typed.changes[0].quote == "My name is Alice"


def test_the_reply_comes_as_text() -> None:
    """Asked without tools or a format it answers with the JSON object alone; with a bound format too."""
    messages = request([("user", "My name is Alice.")])
    text = OfflineModel().invoke(messages).text
    assert json.loads(text)["changes"][0]["name"] == "name"
    wanted = {"type": "json_schema", "json_schema": {"name": "extraction", "schema": reply_schema(STORES)}}
    assert OfflineModel().bind(response_format=wanted).invoke(messages).text == text


# --- conversation -----------------------------------------------------------------------------------------------------


def answered(*texts: str, context: str = CONTEXT, found: str = "") -> str:
    """The last answer of a thread in which the user says these things. `found` stands before the last message."""
    thread: list[BaseMessage] = [SystemMessage(context)] if context else []
    for text in texts:
        asked = [*thread, HumanMessage(found)] if found else thread
        thread = [*thread, HumanMessage(text), OfflineModel().invoke([*asked, HumanMessage(text)])]
    return thread[-1].text


ANSWERS = [
    ("What's my name?", "Your name is Alice Smith."),
    ("Where do I work?", "You work at Salt & Pepper <Ltd>."),
    ("What do I like?", "Your preferences: green tea; jazz."),
    ("What do you know about me?", "Alice is training for a marathon"),
    ("Which trip is planned?", "A trip to Japan"),
    ("What do we know about Acme?", "Acme: uses PostgreSQL; Maria Silva CEO of Acme; Acme: 2026-03-15: launched v2"),
    ("Who is the CEO of Acme?", "From what I have: Maria Silva CEO of Acme."),
    ("How should I retry webhooks?", "Retry webhooks with exponential backoff"),
    ("What does Bob play?", "Bob: plays chess"),
    ("What do services use?", "From what I have: use Go for services."),
    ("What is the office plant called?", "user: The office plant is called Fern."),
    ("Where do I live?", "I don't know that yet."),
    ("How tall is the Eiffel tower?", "I don't know that yet."),
]


@pytest.mark.parametrize(("question", "expected"), ANSWERS, ids=[question for question, _ in ANSWERS])
def test_questions_are_answered_from_the_context(question: str, expected: str) -> None:
    """Answers come from both places of the context, unescaped, and it says when nothing there answers."""
    said = answered(question, found=FOUND)
    assert expected in said
    assert "not shown" not in said and "[k" not in said and "Noted" not in said


def test_what_was_recalled_is_not_what_the_user_said() -> None:
    """The message with what was recalled is no statement of the user, to be noted or saved by a tool."""
    found = "<recalled_learnings>\n<conversation>\n- I live in Rome [k1]\n</conversation>\n</recalled_learnings>\nI live in Rome."
    said = answered("Thanks", context="", found=found)
    assert "Rome" not in said and "Noted" not in said
    calls = OfflineModel().bind_tools([update_profile]).invoke([HumanMessage(found), HumanMessage("Thanks")]).tool_calls
    assert calls == []


def test_it_says_what_it_is() -> None:
    """The first answer of a thread, and one that has nothing to say, tell that this is no language model."""
    notice = "offline pattern model, not a language model"
    assert notice in answered("What's my name?")
    assert notice not in answered("What's my name?", "Where do I work?")
    assert notice in answered("What's my name?", "Sing something")
    assert notice in answered("Hi!", context="")
    assert OfflineModel()._llm_type == "offline-patterns"
    assert "not a language model" in (OfflineModel.__doc__ or "")


def test_a_statement_is_acknowledged_and_not_called_saved() -> None:
    """What it understood is said back; it never claims to have saved it."""
    said = answered("I live in Lisbon and my dog is called Rex.", context="")
    assert said.startswith("Noted: “I live in Lisbon”; “my dog is called Rex”.")
    assert not any(word in said.lower() for word in ("saved", "stored", "remember"))


def test_what_was_said_in_the_thread_counts_more_than_the_context() -> None:
    """The user's newest words win over the context and over older words."""
    assert "You work at Globex." in answered("I work at Globex now.", "Where do I work?")
    assert "You live in Porto." in answered("I live in Lisbon.", "No, it's Porto.", "Where do I live?")
    assert "don't know" in answered("Forget that I live in Lisbon.", "Where do I live?", context="")
    known_now = answered("I live in Lisbon.", "No, it's Porto.", "What do you know about me?")
    assert "Porto" in known_now and "Lisbon" not in known_now


# --- as a chat model --------------------------------------------------------------------------------------------------


class Heard(BaseCallbackHandler):
    """Keeps the tokens it is told."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.tokens.append(token)


def test_streaming_and_async_equal_invoke() -> None:
    """Streamed, awaited and plain answers are the same; a stream comes word by word, and callbacks hear each word."""
    model = OfflineModel()
    thread = [SystemMessage(CONTEXT), HumanMessage("What do you know about me?")]
    whole = model.invoke(thread)
    heard = Heard()
    pieces = list(model.stream(thread, {"callbacks": [heard]}))
    joined = pieces[0]
    for piece in pieces[1:]:
        joined += piece
    waited = asyncio.run(model.ainvoke(thread))
    assert len(pieces) > 5
    assert heard.tokens == [piece.text for piece in pieces]
    assert joined.content == waited.content == whole.content
    assert isinstance(joined, AIMessageChunk)


@tool
def update_profile(field: str, value: str, quote: str = "") -> str:
    """Save one field of the user's profile."""
    return f"saved as {field}"


@tool
def remember(text: str, quote: str = "") -> str:
    """Remember something about the user."""
    return "saved as k1"


@tool
def save_learning(title: str, learning: str, context: str = "", tags: str = "") -> str:
    """Save an insight."""
    return "saved as k2"


@tool
def remember_about(entity: str, fact: str = "", event: str = "", when: str = "", quote: str = "") -> str:
    """Remember something about a thing."""
    return "saved as k3"


@tool
def link_entities(source: str, relation: str, target: str, quote: str = "") -> str:
    """Remember how two things are connected."""
    return "saved as k4"


@tool
def search(query: str) -> str:
    """Search the web."""
    return "nothing"


def test_a_streamed_tool_call_equals_the_invoked_one() -> None:
    """Tool calls survive streaming."""
    model = OfflineModel().bind_tools([update_profile, remember])
    joined, *rest = model.stream("I live in Lisbon and my dog is called Rex.")
    for piece in rest:
        joined += piece
    whole = model.invoke("I live in Lisbon and my dog is called Rex.")
    assert joined.tool_calls == whole.tool_calls and len(whole.tool_calls) == 2


def test_it_calls_the_memory_tools_in_an_agent_and_then_answers() -> None:
    """With memory tools it calls them with what they take, once, and answers after their results."""
    agent = create_agent(OfflineModel(), [search, update_profile, remember])
    result = agent.invoke({"messages": [HumanMessage("I live in Lisbon and my dog is called Rex.")]})
    calls = [call for message in result["messages"] if isinstance(message, AIMessage) for call in message.tool_calls]
    assert [(call["name"], call["args"]) for call in calls] == [
        ("update_profile", {"field": "location", "value": "Lisbon", "quote": "I live in Lisbon"}),
        ("remember", {"text": "my dog is called Rex", "quote": "my dog is called Rex"}),
    ]
    assert len({call["id"] for call in calls}) == 2
    assert sum(isinstance(message, ToolMessage) for message in result["messages"]) == 2
    assert "I live in Lisbon" in result["messages"][-1].text


def test_it_calls_the_tools_of_every_store() -> None:
    """Insights, facts, events and relationships are saved by the tools for them, with flat arguments."""
    model = OfflineModel().bind_tools([save_learning, remember_about, link_entities])
    text = "Insight: test first. Acme uses Go. Acme launched v2 on 2026-03-15. Bob is the CEO of Acme."
    assert [(call["name"], call["args"]) for call in model.invoke(text).tool_calls] == [
        ("save_learning", {"title": "test first", "learning": "test first"}),
        ("remember_about", {"entity": "Acme", "fact": "uses Go", "quote": "Acme uses Go"}),
        (
            "remember_about",
            {
                "entity": "Acme",
                "event": "launched v2 on 2026-03-15",
                "when": "2026-03-15",
                "quote": "Acme launched v2 on 2026-03-15",
            },
        ),
        (
            "link_entities",
            {"source": "Bob", "relation": "CEO of", "target": "Acme", "quote": "Bob is the CEO of Acme"},
        ),
    ]


def test_it_calls_no_tool_without_a_new_fact() -> None:
    """A question, a known value and an agent without memory tools make no call."""
    model = OfflineModel().bind_tools([search, update_profile, remember])
    for text in ("Where do I live?", "My name is Alice Smith", "Use the search tool"):
        assert not model.invoke([SystemMessage(CONTEXT), HumanMessage(text)]).tool_calls
    assert not OfflineModel().bind_tools([search]).invoke("I live in Lisbon").tool_calls


def test_it_works_in_an_agent_without_tools() -> None:
    """An agent without tools answers, streams and can be awaited."""
    agent = create_agent(OfflineModel(), system_prompt=CONTEXT)
    start = {"messages": [HumanMessage("What's my name?")]}
    said = agent.invoke(start)["messages"][-1].text
    assert "Your name is Alice Smith." in said
    assert asyncio.run(agent.ainvoke(start))["messages"][-1].text == said
    tokens = [message.text for message, _ in agent.stream(start, stream_mode="messages")]
    assert "".join(tokens) == said and len(tokens) > 5


HOSTILE = {
    "long": "a" * 1_000_000,
    "spaces": "I live" + " " * 1_000_000,
    "lines": "\n" * 1_000_000,
    "repeated": "my dog and my cat and I am a " * 40_000,
    "clauses": "I like a, " * 100_000,
    "entries": "<learnings>\n<a>\n" + "- x: y [k1]\n" * 80_000,
    "unclosed": "<learnings>\n" + "<a>\n" * 200_000,
    "dashes": "<learnings>\n<a>\n- " + "- " * 400_000,
    "frames": "<recalled_learnings>\n" * 40_000,
    "stops": "I live in " + "." * 1_000_000 + "x",
    "one word": "My name is Alice" * 60_000,
    "nul": "My name is \0 \ud800 Al\x07ice. " * 1_000,
    "rtl": "\u202eI live in \u2067Lisbon\u2069. שלום " * 1_000,
    "format": "My name is {name} {} %s $slots.",
    "headers": "Already known:\nNew messages:\n{\n",
    "empty": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_quick_and_raises_nothing(text: str) -> None:
    """Whatever arrives, as words, as context or in an extraction call, is answered within seconds."""
    start = time.perf_counter()
    OfflineModel().invoke([SystemMessage(text), HumanMessage("What is my dog?")])
    OfflineModel().invoke([HumanMessage(text)])
    OfflineModel().bind_tools([remember]).invoke([HumanMessage(text)])
    OfflineModel().invoke(request([("user", text), ("assistant", text)], guidance=(PROFILE, PLANNING)))
    assert time.perf_counter() - start < 10


def test_no_message_at_all_is_answered() -> None:
    """A thread without a user message, or with an image only, still gets an answer."""
    assert OfflineModel().invoke([]).text
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert OfflineModel().invoke([HumanMessage(content=[image])]).text
