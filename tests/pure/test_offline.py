"""The offline model: what its patterns learn, what they leave alone, and how it behaves as a chat model."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

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
KNOWLEDGE = '`learned_knowledge`: what is worth knowing. `kind` "insight".'
ENTITIES = '`entity_memory`: people and things. `kind` "fact" and "relationship".'
STORES = ["user_profile", "session_context", "learned_knowledge", "entity_memory"]

CONTEXT = """You are a friendly agent.

<learnings>
What earlier conversations taught. Codes such as [k3f] name an entry.
<user_profile>
- name: Alice Smith [k1]
- preferred_name: Ally [k2]
- company: Salt &amp; Pepper &lt;Ltd&gt; [k3]
- preferences: green tea [k4]
- Alice is training for a marathon [k5]
</user_profile>
<session_context>
- summary: A trip to Japan is being planned. [k7]
- step (open): book flights [k8]
</session_context>
<entity_memory>
- Globex: uses PostgreSQL [k9]
- (3 more not shown)
</entity_memory>
</learnings>"""

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
    ("My name is Dr. Alice Smith.", [("name", "Dr. Alice Smith")]),
    ("Call me Al, please.", [("preferred_name", "Al")]),
    ("Everyone calls me Bobby", [("preferred_name", "Bobby")]),
    ("I go by Kit.", [("preferred_name", "Kit")]),
    ("My pronouns are she/her.", [("pronouns", "she/her")]),
    ("I use they/them pronouns", [("pronouns", "they/them")]),
    ("I work at Acme.", [("company", "Acme")]),
    ("I work for the University of Porto in Portugal", [("company", "the University of Porto")]),
    ("I currently work at Acme as a data engineer.", [("company", "Acme"), ("role", "data engineer")]),
    ("I work as a nurse.", [("role", "nurse")]),
    ("I work as a product manager at Globex Inc.", [("role", "product manager"), ("company", "Globex Inc")]),
    ("I'm a software developer", [("role", "software developer")]),
    ("I am the CTO of Acme.", [("role", "CTO"), ("company", "Acme")]),
    ("I'm the head of sales", [("role", "head of sales")]),
    ("My job title is backend engineer", [("role", "backend engineer")]),
    ("I'm working on a compiler for Rust", [("work", "a compiler for Rust")]),
    ("I work on search quality these days.", [("work", "search quality")]),
    ("I live in Lisbon.", [("location", "Lisbon")]),
    ("i live in lisbon", [("location", "lisbon")]),
    ("I live in São Paulo, Brazil with my cat.", [("location", "São Paulo, Brazil")]),
    ("I live in the Netherlands now", [("location", "the Netherlands")]),
    ("I just moved from London to Lisbon last year.", [("location", "Lisbon")]),
    ("I've moved to Porto.", [("location", "Porto")]),
    ("I'm based in Berlin", [("location", "Berlin")]),
    ("My time zone is Europe/Lisbon.", [("timezone", "Europe/Lisbon")]),
    ("I'm in the CET time zone", [("timezone", "CET")]),
    ("Please answer in German.", [("language", "German")]),
    ("Keep answers short.", [("communication_style", "Keep answers short")]),
    ("Do not use jargon.", [("communication_style", "Do not use jargon")]),
    ("No emojis please", [("communication_style", "No emojis")]),
    ("I prefer short answers", [("communication_style", "short answers")]),
    ("I prefer green tea.", [("preferences", "green tea")]),
    ("I really like window seats", [("preferences", "window seats")]),
    ("I enjoy tea, jazz and hiking", [("preferences", "tea"), ("preferences", "jazz"), ("preferences", "hiking")]),
    ("I hate coffee.", [("preferences", "hate coffee")]),
    ("I don't like coffee.", [("preferences", "don't like coffee")]),
    ("Always use metric units when answering.", [("preferences", "Always use metric units when answering")]),
    ("My favourite colour is blue", [("preferences", "My favourite colour is blue")]),
    ("Remember that the wifi at home is slow", [("observation", "the wifi at home is slow")]),
    ("Please remember I like tea.", [("preferences", "tea")]),
    ("My dog is called Rex.", [("observation", "My dog is called Rex")]),
    ("I have two kids", [("observation", "I have two kids")]),
    ("I use Vim", [("observation", "I use Vim")]),
    ("I'm a vegetarian.", [("observation", "I'm a vegetarian")]),
    ("I'm retired", [("observation", "I'm retired")]),
    ("I'm allergic to nuts", [("observation", "I'm allergic to nuts")]),
    ("I can't eat gluten", [("observation", "I can't eat gluten")]),
    ("I've been working at Acme for 3 years", [("company", "Acme")]),
    ("I prefer to be called Liz", [("preferred_name", "Liz")]),
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
    "I never lived in Rome, but my friend lives in Rome",
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
    "Translate into French: I live in Rome. My name is Bob.",
    "> I live in Rome",
    "```\nI live in Rome\n```",
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
    learned_now = fields(text)
    if text.startswith("I never lived"):
        learned_now = [one for one in learned_now if one[0] == "location"]
    assert learned_now == []


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
    "what the assistant answered": ["Who am I?", ("assistant", "You live in Lisbon."), "Actually, it's in Porto now."],
    "what the user asked": ["Where do I live?", ("assistant", "I think it was Lisbon."), "no, it’s Porto, not Lisbon"],
    "a value the assistant named": ["Hi", ("assistant", "How is Lisbon?"), "I meant Porto"],
}


@pytest.mark.parametrize("said", CORRECTIONS.values(), ids=CORRECTIONS)
def test_a_correction_revises_what_was_spoken_of(said: list[str | Said]) -> None:
    """ "No, it's …" revises the field that either side spoke of last."""
    (change,) = learned(*said, held=(known("k1", "location", "Lisbon"),))
    assert (change["action"], change["name"], change["value"], change["handle"]) == (
        "revise",
        "location",
        "Porto",
        "k1",
    )


def test_a_correction_reaches_back_over_the_summary() -> None:
    """A correction whose object was read in an earlier batch finds it in the summary."""
    summary = {"handle": "k9", "store": "session_context", "kind": "summary", "value": "I live in Lisbon."}
    held = (known("k1", "location", "Lisbon"), summary)
    revised = [change for change in learned("No, it's Porto. I like tea.", held=held) if change["kind"] == "field"]
    assert [(change["action"], change["value"]) for change in revised] == [("revise", "Porto"), ("add", "tea")]


def test_a_correction_of_nothing_in_sight_is_left_alone() -> None:
    """ "No, it's Porto" alone is not guessed at."""
    assert learned("No, it's Porto", held=(known("k1", "location", "Lisbon"),)) == []


def test_what_no_longer_holds_is_retired() -> None:
    """Taking back a known value retires it by its handle."""
    (change,) = learned("I no longer work at Acme.", held=(known("k1", "company", "Acme"),))
    assert (change["action"], change["handle"]) == ("retire", "k1")


def test_a_schema_of_ones_own_is_filled() -> None:
    """Fields the instructions list are filled by their names; what they do not list becomes an observation."""
    own = fill(load("user_profile"), fields="- favourite_colour: a colour\n- age: in years")
    found = learned("My favourite colour is blue, my age is 34 and I live in Lisbon", guidance=(own,))
    assert [(one.get("name"), one["value"]) for one in found] == [
        ("favourite_colour", "blue"),
        ("age", "34"),
        (None, "I live in Lisbon"),
    ]


def test_only_listed_stores_are_written_to() -> None:
    """A change names no store that the instructions do not list."""
    text = "I want to learn Rust. Acme uses PostgreSQL. We decided to use Go. I live in Lisbon."
    assert {one["store"] for one in learned(text)} == {"user_profile"}
    assert {one["store"] for one in learned(text, guidance=(PLANNING, KNOWLEDGE, ENTITIES))} == set(STORES) - {
        "user_profile"
    }


def test_the_summary_grows_and_stays_short() -> None:
    """The summary builds on the known one, is revised by its handle, and has at most five sentences."""
    first = learned("Help me plan a trip. Thanks!", guidance=(SESSION,))
    assert [(one["action"], one["kind"], one["value"]) for one in first] == [("add", "summary", "Help me plan a trip.")]
    held = {
        "handle": "k7",
        "store": "session_context",
        "kind": "summary",
        "value": "One is here. Two is here. Three is here. Four is here.",
    }
    (later,) = learned("Five is here. Six is here!", held=(held,), guidance=(SESSION,))
    assert (later["action"], later["handle"]) == ("revise", "k7")
    assert later["value"] == "One is here. Three is here. Four is here. Five is here. Six is here!"
    assert learned("Thanks!", held=(held,), guidance=(SESSION,)) == []


def test_goal_and_steps_are_kept_when_planning_is_on() -> None:
    """A goal and the steps of a plan are learned only if the instructions offer them."""
    text = "Can you help me plan a trip to Japan? The plan is: book flights, then book a hotel and finally pack."
    found = [
        (one["kind"], one.get("name"), one["value"])
        for one in learned(text, guidance=(PLANNING,))
        if one["kind"] != "summary"
    ]
    assert found == [
        ("goal", None, "plan a trip to Japan"),
        ("step", "open", "book flights"),
        ("step", "open", "book a hotel"),
        ("step", "open", "pack"),
    ]
    assert {one["kind"] for one in learned(text, guidance=(SESSION,))} == {"summary"}
    listed = learned("Steps:\n1. read the book\n2) write code", guidance=(PLANNING,))
    assert [one["value"] for one in listed if one["kind"] == "step"] == ["read the book", "write code"]


def test_entities_and_insights_are_learned() -> None:
    """Relationships, facts about things and decisions go to the stores for them."""
    text = "Maria Silva is the CEO of Acme. Acme uses PostgreSQL. We decided to use Go. Remember that deploys need the VPN."
    found = learned(text, guidance=(KNOWLEDGE, ENTITIES))
    assert [(one["kind"], one.get("subject"), one.get("name"), one.get("target")) for one in found[:2]] == [
        ("relationship", "Maria Silva", "CEO of", "Acme"),
        ("fact", "Acme", None, None),
    ]
    assert [(one["kind"], one["value"]) for one in found[1:]] == [
        ("fact", "uses PostgreSQL"),
        ("insight", "use Go"),
        ("insight", "deploys need the VPN"),
    ]


def test_who_works_where_and_lessons_are_learned_but_not_what_is_asked() -> None:
    """Verbs make relationships too, lessons are insights, and a question without its mark teaches nothing."""
    text = "Bob works at Acme. The lesson is that tests come first. Where is the head of Acme"
    found = learned(text, guidance=(KNOWLEDGE, ENTITIES))
    assert [(one["kind"], one.get("target"), one["value"]) for one in found] == [
        ("relationship", "Acme", "Bob works at Acme"),
        ("insight", None, "tests come first"),
    ]


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


def test_broken_lines_of_a_call_are_passed_over() -> None:
    """A line that is no JSON does not keep the others from being read."""
    messages = request([("user", "My name is Alice.")])
    messages[-1] = HumanMessage(messages[-1].text + '\n{"role": "user", "te' + "\n{}\n[1]\n" + "{" * 100_000)
    assert len(json.loads(OfflineModel().invoke(messages).text)["changes"]) == 1


def test_another_schema_is_left_empty() -> None:
    """A schema it knows nothing of is filled with nothing, and never invented."""

    class Verdict(BaseModel):
        verdicts: list[str]
        score: int
        note: str | None

    assert OfflineModel().with_structured_output(Verdict).invoke("Judge this.") == Verdict(
        verdicts=[], score=0, note=None
    )


# --- conversation -----------------------------------------------------------------------------------------------------


def answered(*texts: str, context: str = CONTEXT) -> str:
    """The last answer of a thread in which the user says these things."""
    thread: list[BaseMessage] = [SystemMessage(context)] if context else []
    for text in texts:
        thread.append(HumanMessage(text))
        thread.append(OfflineModel().invoke(thread))
    return thread[-1].text


ANSWERS = [
    ("What's my name?", "Your name is Alice Smith."),
    ("Where do I work?", "You work at Salt & Pepper <Ltd>."),
    ("What do I like?", "green tea"),
    ("What do you know about me?", "Alice is training for a marathon"),
    ("What is the plan?", "book flights"),
    ("Am I training for something?", "marathon"),
    ("What does Globex use?", "Globex: uses PostgreSQL"),
    ("Where do I live?", "I don't know that yet"),
    ("How tall is the Eiffel tower?", "I don't know that yet"),
]


@pytest.mark.parametrize(("question", "expected"), ANSWERS, ids=[question for question, _ in ANSWERS])
def test_questions_are_answered_from_the_context(question: str, expected: str) -> None:
    """Answers come from the context blocks, unescaped, and it says when nothing there answers."""
    said = answered(question)
    assert expected in said
    assert "not shown" not in said


def test_the_context_may_stand_beside_the_users_words() -> None:
    """Blocks in the user's message count as context and not as what the user said."""
    said = answered(
        "<learned_knowledge>\n- Deploys need the VPN [k4]\n</learned_knowledge>\nWhat do deploys need?", context=""
    )
    assert "Deploys need the VPN" in said and "Noted" not in said


def test_it_greets_by_the_preferred_name() -> None:
    """A greeting uses the name the user wants to be called by; without one, none."""
    assert answered("Hi!").startswith("Hello Ally!")
    assert answered("Hi!", context="").startswith("Hello!")


def test_it_says_what_it_is() -> None:
    """The first answer of a thread, and one that has nothing to say, tell that this is no language model."""
    notice = "offline pattern model, not a language model"
    assert notice in answered("What's my name?")
    assert notice not in answered("What's my name?", "Where do I work?")
    assert notice in answered("What's my name?", "Sing something")
    assert OfflineModel()._llm_type == "offline-patterns"
    assert "not a language model" in (OfflineModel.__doc__ or "")


def test_a_statement_is_acknowledged_and_not_called_saved() -> None:
    """What it understood is said back; it never claims to have saved it."""
    said = answered("I live in Lisbon and my dog is called Rex.", context="")
    assert said.startswith("Noted: you live in Lisbon; your dog is called Rex.")
    assert not any(word in said.lower() for word in ("saved", "stored", "remember"))


def test_what_was_said_in_the_thread_counts_more_than_the_context() -> None:
    """The user's newest words win over the context and over older words."""
    assert "You work at Globex." in answered("I work at Globex now.", "Where do I work?")
    assert "You live in Porto." in answered("I live in Lisbon.", "No, it's Porto.", "Where do I live?")
    known_now = answered("I live in Lisbon.", "No, it's Porto.", "What do you know about me?")
    assert "Porto" in known_now and "Lisbon" not in known_now


# --- as a chat model --------------------------------------------------------------------------------------------------


def test_streaming_and_async_equal_invoke() -> None:
    """Streamed, awaited and plain answers are the same, with the same usage; a stream comes word by word."""
    model = OfflineModel()
    thread = [SystemMessage(CONTEXT), HumanMessage("What do you know about me?")]
    whole = model.invoke(thread)
    pieces = list(model.stream(thread))
    joined = pieces[0]
    for piece in pieces[1:]:
        joined += piece
    waited = asyncio.run(model.ainvoke(thread))
    assert len(pieces) > 5
    assert joined.content == waited.content == whole.content
    assert isinstance(joined, AIMessageChunk)
    assert joined.usage_metadata == waited.usage_metadata == whole.usage_metadata
    assert whole.usage_metadata and whole.usage_metadata["input_tokens"] > 100


@tool
def update_profile(field: str, value: str, quote: str = "") -> str:
    """Save one field of the user's profile.

    Fields: name, location, preferences.
    """
    return f"saved as {field}"


@tool
def remember(text: str, quote: str = "") -> str:
    """Remember something about the user."""
    return "saved as k1"


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
    assert "you live in Lisbon" in result["messages"][-1].text


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


def test_an_agent_with_a_response_format_ends() -> None:
    """A structured answer is demanded as a tool call, given, and ends the run."""

    class Reply(BaseModel):
        """What to answer."""

        text: str

    agent = create_agent(OfflineModel(), [search], response_format=Reply)
    assert agent.invoke({"messages": [HumanMessage("Hi")]}, {"recursion_limit": 6})["structured_response"] == Reply(
        text=""
    )


HOSTILE = {
    "long": "a" * 1_000_000,
    "spaces": "I live" + " " * 1_000_000,
    "lines": "\n" * 1_000_000,
    "repeated": "my dog and my cat and I am a " * 40_000,
    "clauses": "I like a, " * 100_000,
    "entries": "<a>\n" + "- x: y [k1]\n" * 80_000,
    "unclosed": "<a>\n" * 200_000,
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
