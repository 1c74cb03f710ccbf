"""Entity memory: facts, events and relationships of things, and the names by which things are found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from learning_machine import EntityMemoryConfig
from learning_machine.errors import InvalidInput
from learning_machine.state.messages import Said
from learning_machine.stores.protocol import Standing
from learning_machine.stores.writing import Source
from learning_machine.testing import change

STORE = "entity_memory"


def fact(subject: str, value: str, **more: Any) -> dict[str, Any]:
    return change(STORE, value, kind="fact", subject=subject, **more)


def event(subject: str, value: str, when: str | None = None, **more: Any) -> dict[str, Any]:
    return change(STORE, value, kind="event", subject=subject, when=when, **more)


def link(subject: str, name: str, target: str, **more: Any) -> dict[str, Any]:
    return change(STORE, kind="relationship", subject=subject, name=name, target=target, **more)


def alias(subject: str, value: str, **more: Any) -> dict[str, Any]:
    return change(STORE, value, kind="alias", subject=subject, **more)


def prop(subject: str, name: str, value: Any, **more: Any) -> dict[str, Any]:
    return change(STORE, value, kind="property", subject=subject, name=name, **more)


def texts(items: Any) -> list[str]:
    return [item.text for item in items]


def statuses(receipts: list[dict[str, Any]]) -> list[str]:
    return [receipt["status"] for receipt in receipts]


def names(see: Any) -> list[tuple[str, str]]:
    """Every thing there is, with its type."""
    rows = see(
        "select name, value->>'type' as type from learning where kind = 'entity' and known_to is null and status = 'active'"
    )
    return sorted((row["name"], row["type"]) for row in rows)


# --- three tiers ------------------------------------------------------------------------------------------------------


def test_facts(world: Any) -> None:
    """What is true of a thing is asked for by its name, oldest first, and of nothing else."""
    world.teach(
        fact("Acme (company)", "Uses PostgreSQL"),
        fact("Acme", "Based in London"),
        fact("Globex (company)", "Sells shoes"),
    )
    assert texts(world.entity_memory.facts("acme inc.", user_id="alice")) == ["Uses PostgreSQL", "Based in London"]
    assert world.entity_memory.facts("Initech", user_id="alice") == []
    assert world.entity_memory.facts("Acme", user_id="bob") == []


def test_events(world: Any) -> None:
    """What happened is newest first, and can be narrowed: from a day on, and before a day."""
    world.teach(
        event("Acme", "Launched v2", "2026-03-15"),
        event("Acme", "Raised a round", "2026-01-10"),
        event("Acme", "Launched v3", "2026-06-01"),
    )
    events = world.entity_memory.events
    assert texts(events("Acme", user_id="alice")) == ["Launched v3", "Launched v2", "Raised a round"]
    assert texts(events("Acme", since="2026-03-15", user_id="alice")) == ["Launched v3", "Launched v2"]
    assert texts(events("Acme", until="2026-03-15", user_id="alice")) == ["Raised a round"]
    assert texts(events("Acme", since=datetime(2026, 2, 1, tzinfo=UTC), until="2026-06", user_id="alice")) == [
        "Launched v2"
    ]
    assert texts(world.entity_memory.facts("Acme", user_id="alice")) == []


def test_relationships(world: Any, see: Any) -> None:
    """A connection is stored once, read from both ends, one hop or more, nearest first; it is said once however often learned."""
    world.teach(
        link("Bob (person)", "CEO of", "Acme (company)"),
        link("Acme", "acquired", "StartupX (company)"),
        link("StartupX", "based in", "Porto (place)"),
    )
    receipts = world.teach(link("BOB", "ceo  of", "ACME Inc."))
    assert statuses(receipts) == ["known"]
    assert see("select count(*) as n from learning where kind = 'relationship'") == [{"n": 3}]
    store = world.entity_memory

    def around(name: str, hops: int = 1) -> list[str]:
        return [str(one) for one in store.neighbours(name, hops=hops, user_id="alice")]

    assert around("Bob") == ["Bob — CEO of → Acme"]
    assert sorted(around("Acme")) == ["Acme — acquired → StartupX", "Bob — CEO of → Acme"]
    assert around("Bob", 2) == ["Bob — CEO of → Acme", "Acme — acquired → StartupX"]
    assert [one.hops for one in store.neighbours("Porto", hops=3, user_id="alice")] == [1, 2, 3]
    assert around("Nobody") == []


def test_a_circle_of_relationships(world: Any) -> None:
    """Connections that lead back to their beginning are told once each."""
    world.teach(
        link("A1", "knows", "B1"), link("B1", "knows", "C1"), link("C1", "knows", "A1"), link("A1", "likes", "B1")
    )
    assert len(world.entity_memory.neighbours("A1", hops=3, user_id="alice")) == 4


def test_no_half_relationships(world: Any) -> None:
    """A connection without a name or another end, or of a thing to itself, is refused with the reason."""
    receipts = world.teach(
        link("Bob", "", "Acme"),
        link("Bob", "CEO of", ""),
        link("Acme", "owns", "ACME Inc."),
        fact("", "Nobody's"),
        fact("!!!", "x"),
    )
    assert statuses(receipts) == ["refused"] * 5
    assert all(receipt["reason"] for receipt in receipts)


def test_properties(world: Any) -> None:
    """A property has one value: a new one takes the old one's place, whatever the spelling of its name."""
    world.teach(prop("Acme", "Plan", "starter"), prop("Acme", "employees", 40))
    receipts = world.teach(prop("Acme", "plan", "enterprise"))
    assert statuses(receipts) == ["saved"]
    assert receipts[0]["replaced"]
    entity = world.entity_memory.entity("Acme", user_id="alice")
    assert entity.properties == {"plan": "enterprise", "employees": 40}
    assert "starter" not in world.context("What is Acme's plan?")


def test_what_a_turn_reads(world: Any) -> None:
    """A turn that names a thing reads it whole: type, aliases, facts, connections and dated events."""
    world.teach(
        fact("Acme (company)", "Uses PostgreSQL"),
        alias("Acme", "ACM"),
        link("Bob (person)", "CEO of", "Acme"),
        event("Acme", "Launched v2", "2026-03-15"),
        prop("Acme", "plan", "enterprise"),
    )
    context = world.context("Tell me about acm")
    for expected in (
        "Acme (company), also called ACM:",
        "- Uses PostgreSQL [k",
        "- plan: enterprise [k",
        "Bob — CEO of → Acme [k",
        "- 2026-03-15: Launched v2 [k",
    ):
        assert expected in context


def test_two_named_things(world: Any) -> None:
    """A message that names two things gets both, each with its own."""
    world.teach(
        fact("Acme (company)", "Uses PostgreSQL"),
        fact("Globex (company)", "Uses Oracle"),
        fact("Initech (company)", "Uses DB2"),
    )
    entities = world.recall("Compare Acme and Globex")[STORE].entities
    assert {entity.name: texts(entity.facts) for entity in entities} == {
        "Acme": ["Uses PostgreSQL"],
        "Globex": ["Uses Oracle"],
    }


@pytest.mark.parametrize("message", ["it is always the same", "all of them", "Alas!", "the medical file"])
def test_whole_words_only(world: Any, message: str) -> None:
    """ "Al" does not match "always"."""
    world.teach(fact("Al (person)", "Lives in Porto"))
    found = world.recall(message).get(STORE)
    assert not found or not found.entities
    assert world.recall("Where does Al live?")[STORE].entities[0].name == "Al"


def test_found_without_its_name(world: Any) -> None:
    """A fact is found by its words too, with whom it is about."""
    world.teach(fact("Acme (company)", "Stores its invoices in PostgreSQL"), fact("Globex (company)", "Sells shoes"))
    context = world.context("Who keeps invoices in PostgreSQL?")
    assert "Acme: Stores its invoices in PostgreSQL [k" in context
    assert "shoes" not in context


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_message_names_a_time(world: Any) -> None:
    """ "In March" narrows what happened to March; facts stay."""
    year = datetime.now(UTC).year - 1
    world.teach(
        fact("Acme", "Uses PostgreSQL"),
        event("Acme", "Launched the spring release", f"{year}-03-15"),
        event("Acme", "Launched the summer release", f"{year}-06-15"),
        event("Acme", "Launched the old release", f"{year - 1}-03-15"),
    )
    context = world.context(f"What did Acme release in March {year}?")
    assert "spring release" in context
    assert "summer release" not in context
    assert "old release" not in context
    assert "PostgreSQL" in context
    everything = world.context("What did Acme release?")
    assert all(word in everything for word in ("spring", "summer", "old"))


def test_the_scopes_time_zone(world: Any) -> None:
    """A day said in Auckland is that day there, is shown as that day, and is found by its month there."""
    world.teach(event("Acme", "Opened an office", "2026-03-01"), timezone="Pacific/Auckland")
    events = world.entity_memory.events
    assert texts(
        events("Acme", since="2026-03-01", until="2026-04-01", user_id="alice", timezone="Pacific/Auckland")
    ) == ["Opened an office"]
    assert "2026-03-01: Opened an office" in world.context("Acme in March 2026?", timezone="Pacific/Auckland")
    assert "Opened" not in world.context("Acme in February 2026?", timezone="Pacific/Auckland")


def test_a_date_nobody_said(world: Any) -> None:
    """An event without a date has none on the page, and is where it was learned in time."""
    world.teach(event("Acme", "Moved house", "some day"))
    assert "- Moved house [k" in world.context("Acme?")
    assert texts(world.entity_memory.events("Acme", since=datetime(2020, 1, 1, tzinfo=UTC), user_id="alice")) == [
        "Moved house"
    ]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other", ["ACME", "acme", "Acme Inc.", "Acme, Inc", "A.C.M.E.", "Acme GmbH", "ac-me", "Acme (company)"]
)
def test_names_merge(world: Any, see: Any, other: str) -> None:
    """Case, spaces, punctuation, legal suffixes and a type said later make no second thing."""
    world.teach(fact("Acme", "One"))
    world.teach(fact(other, "Two"))
    assert len(names(see)) == 1
    assert texts(world.entity_memory.facts("Acme", user_id="alice")) == ["One", "Two"]


@pytest.mark.parametrize(
    "pair", [("C", "C++"), ("C++", "C#"), ("C", "C#"), ("Müller", "Möller"), ("Acme", "Acme Labs")]
)
def test_names_stay_apart(world: Any, see: Any, pair: tuple[str, str]) -> None:
    """C, C++ and C# are three, Müller and Möller two."""
    world.teach(fact(pair[0], "One"), fact(pair[1], "Two"))
    assert len(names(see)) == 2
    assert texts(world.entity_memory.facts(pair[0], user_id="alice")) == ["One"]
    assert texts(world.entity_memory.facts(pair[1], user_id="alice")) == ["Two"]


def test_an_accent_left_out(world: Any, see: Any) -> None:
    """A spelling without accents finds the accented name, in a message, by name and when learning."""
    world.teach(fact("Müller (company)", "Bakes bread"))
    assert texts(world.entity_memory.facts("Muller", user_id="alice")) == ["Bakes bread"]
    assert "Bakes bread" in world.context("What does mueller do?")
    world.teach(fact("Muller", "Opens at six"))
    assert names(see) == [("Müller", "company")]


def test_the_exact_spelling_wins(world: Any) -> None:
    """Where both spellings are names, each finds its own."""
    world.teach(fact("Muller (person)", "Sells bread"))
    world.teach(fact("Müller (person)", "Bakes bread"))
    assert texts(world.entity_memory.facts("Muller", user_id="alice")) == ["Sells bread"]
    assert texts(world.entity_memory.facts("Müller", user_id="alice")) == ["Bakes bread"]
    assert [entity.name for entity in world.recall("Who is Muller?")[STORE].entities] == ["Muller"]


def test_one_name_two_types(world: Any, see: Any) -> None:
    """One name with two types is two things, and the bare name is asked back with the options, never guessed."""
    world.teach(fact("Mercury (planet)", "Has no moon"))
    world.teach(fact("Mercury (company)", "Makes boats"))
    receipts = world.teach(fact("Mercury", "Is hot"), link("Bob", "works at", "Mercury"))
    assert statuses(receipts) == ["refused", "refused"]
    assert all(
        "Mercury (planet)" in receipt["reason"] and "Mercury (company)" in receipt["reason"] for receipt in receipts
    )
    with pytest.raises(InvalidInput, match=r"Mercury \(company\).*type in parentheses"):
        world.entity_memory.facts("Mercury", user_id="alice")
    assert texts(world.entity_memory.facts("Mercury (planet)", user_id="alice")) == ["Has no moon"]
    assert [name for name in names(see) if name[0] == "Mercury"] == [("Mercury", "company"), ("Mercury", "planet")]
    context = world.context("Tell me about Mercury")
    assert "Mercury (planet):" in context
    assert "Mercury (company):" in context


def test_a_placeholder_becomes_what_it_is(world: Any, see: Any) -> None:
    """A thing of unknown type becomes the real one when the type is said, with all that was known of it."""
    world.teach(fact("Apollo", "Is late"), link("Bob (person)", "leads", "Apollo"))
    world.teach(fact("Apollo (project)", "Uses Go"))
    world.teach(fact("Apollo", "Has ten people"))
    assert names(see) == [("Apollo", "project"), ("Bob", "person")]
    entity = world.entity_memory.entity("Apollo (project)", user_id="alice")
    assert texts(entity.facts) == ["Is late", "Uses Go", "Has ten people"]
    assert [str(one) for one in entity.relationships] == ["Bob — leads → Apollo"]


def test_aliases(world: Any, see: Any) -> None:
    """Another name finds the same thing; each new one is added to those before, and the first stays the name."""
    world.teach(fact("International Business Machines (company)", "Sells mainframes"))
    assert statuses(
        world.teach(
            alias("International Business Machines", "IBM"), alias("International Business Machines", "Big Blue")
        )
    ) == ["saved", "saved"]
    assert statuses(world.teach(alias("IBM", "I.B.M."), alias("IBM", "Big Blue"))) == ["known", "known"]
    world.teach(fact("Big Blue", "Sells Watson"))
    entity = world.entity_memory.entity("ibm", user_id="alice")
    assert (entity.name, entity.type, entity.aliases) == (
        "International Business Machines",
        "company",
        ("IBM", "Big Blue"),
    )
    assert texts(entity.facts) == ["Sells mainframes", "Sells Watson"]
    assert "Sells Watson" in world.context("What does IBM sell?")
    assert len(names(see)) == 1


def test_a_new_name(world: Any) -> None:
    """A thing that was renamed is found by its old and its new name, and learns under both."""
    world.teach(fact("Twitter (company)", "Founded in 2006"))
    world.teach(alias("Twitter", "X Corp"))
    world.teach(fact("X Corp", "Owned by Bob"))
    for name in ("Twitter", "X Corp.", "x"):
        assert texts(world.entity_memory.facts(name, user_id="alice")) == ["Founded in 2006", "Owned by Bob"]


def test_an_alias_that_is_another_name(world: Any) -> None:
    """An alias that already names something else is refused, so that two things never come to share a name."""
    world.teach(fact("Twitter (company)", "Founded in 2006"), fact("Acme (company)", "Sells anvils"))
    assert statuses(world.teach(alias("Twitter", "ACME"))) == ["refused"]
    assert texts(world.entity_memory.facts("Acme", user_id="alice")) == ["Sells anvils"]


def test_names_in_other_scripts(world: Any) -> None:
    """A name is found inside a sentence of a script without spaces."""
    world.teach(fact("阿里巴巴 (company)", "总部在杭州"), fact("東芝 (company)", "本社は川崎"))
    assert "总部在杭州" in world.context("我们和阿里巴巴合作了吗?")
    assert "本社は川崎" in world.context("東芝の本社はどこですか")
    assert "川崎" not in world.context("我们和阿里巴巴合作了吗?")


# --- spaces -----------------------------------------------------------------------------------------------------------


def test_known_in_two_namespaces(make_world: Any) -> None:
    """A thing that the user and a group both know is shown as each knows it, not mixed up."""
    world = make_world(entity_memory=EntityMemoryConfig(mode="background"))
    world.teach(fact("Acme (company)", "Pays late"))
    world.teach(fact("Acme (company)", "Uses PostgreSQL"), user="bob", groups=("engineering",), namespace="engineering")
    context = world.context("What about Acme?", groups=("engineering",))
    assert "Acme (company), known to this user:" in context
    assert "Acme (company), known to engineering:" in context
    facts = world.entity_memory.facts
    assert texts(facts("Acme", user_id="alice", groups=("engineering",))) == ["Pays late", "Uses PostgreSQL"]
    assert texts(facts("Acme", user_id="alice")) == ["Pays late"]
    assert texts(facts("Acme", user_id="bob", groups=("engineering",))) == ["Uses PostgreSQL"]
    assert [
        entity.namespace for entity in world.entity_memory.entities("Acme", user_id="alice", groups=("engineering",))
    ] == ["user", "engineering"]


def test_a_type_that_only_one_namespace_knows(make_world: Any) -> None:
    """The same name without a type in one namespace and with one in another is no riddle."""
    world = make_world(entity_memory=EntityMemoryConfig(mode="background"))
    world.teach(fact("Acme", "Pays late"))
    world.teach(fact("Acme (company)", "Uses Go"), user="bob", groups=("engineering",), namespace="engineering")
    assert texts(world.entity_memory.facts("Acme", user_id="alice", groups=("engineering",))) == [
        "Pays late",
        "Uses Go",
    ]


def test_a_store_asked_first(make_world: Any) -> None:
    """A store that is asked before its machine was ever used still shows nobody another's."""
    make_world().teach(fact("Acme", "Pays late"))
    assert make_world().entity_memory.facts("Acme", user_id="carol") == []
    assert texts(make_world().entity_memory.facts("Acme", user_id="alice")) == ["Pays late"]


# --- at once, and on branches -----------------------------------------------------------------------------------------


def test_twenty_learn_of_the_same_thing(world: Any, see: Any) -> None:
    """Twenty threads that learn about the same new thing at once make one thing with twenty facts."""
    store = world.entity_memory
    spellings = ("Acme", "ACME Inc.", "acme", "Acme (company)")

    def learn(number: int) -> str:
        from learning_machine.state.extraction import ExtractedChange
        from learning_machine.state.scope import Scope

        scope = Scope(user_id="alice")
        one = ExtractedChange(**fact(spellings[number % 4], f"Fact number {number}"))
        return str(store.ledger.write(store.changes([one], scope, None), scope=scope, source=Source())[0].status)

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(learn, range(20))) == {"saved"}
    assert (
        names(see) == [("Acme", "company")]
        or [name.lower() for name, _ in names(see)] == ["acme"]
        or len(names(see)) == 1
    )
    assert sorted(texts(store.facts("Acme", user_id="alice"))) == sorted(
        f"Fact number {number}" for number in range(20)
    )


def test_a_branch_left_behind(world: Any, thread: Any) -> None:
    """What was learned of a thing on a branch left behind is not known on another, and learned there it is one thing again."""
    store = world.entity_memory

    def learn(line: list[str], text: str) -> None:
        change = store.fact(store_ref("Acme (company)"), text)
        source = Source(machine="default", here=line, anchor=line[-1])
        assert store.ledger.write([change], scope=thread.scope, source=source)[0].status == "saved"

    first = thread.turn([], "u1", "a1")
    left = thread.turn(first, "u2", "a2")
    learn(left, "Uses Oracle")
    kept = thread.turn(first, "u3", "a3")
    assert store.facts("Acme", user_id="alice") == []
    learn(kept, "Uses PostgreSQL")
    assert texts(store.facts("Acme", user_id="alice")) == ["Uses PostgreSQL"]
    there = Standing(machine="default", here=tuple(left))
    assert texts(store.facts("Acme", user_id="alice", session_id="s1", standing=there)) == ["Uses Oracle"]


def store_ref(name: str) -> Any:
    from learning_machine.state.entities import EntityRef

    return EntityRef.parse(name)


def test_a_value_replaced_on_a_branch_left_behind(world: Any, thread: Any) -> None:
    """A property replaced on a branch left behind still has its old value on the other."""
    store = world.entity_memory

    def learn(line: list[str], value: str) -> None:
        source = Source(machine="default", here=line, anchor=line[-1])
        store.ledger.write([store.property(store_ref("Acme"), "plan", value)], scope=thread.scope, source=source)

    first = thread.turn([], "u1", "a1")
    learn(first, "starter")
    learn(thread.turn(first, "u2", "a2"), "enterprise")
    assert store.entity("Acme", user_id="alice").properties == {"plan": "enterprise"}
    thread.turn(first, "u3", "a3")
    assert store.entity("Acme", user_id="alice").properties == {"plan": "starter"}
    assert "plan: starter" in world.context("Which plan does the customer Acme have?")


# --- evidence and limits ----------------------------------------------------------------------------------------------


def test_evidence_of_a_name(world: Any, see: Any) -> None:
    """The user's words stand behind what they say of a thing, and behind another name for it."""
    said = [Said("u1", "user", "Acme, which we call the anvil shop, uses PostgreSQL.")]
    store = world.entity_memory
    from learning_machine.state.scope import Scope

    ref = store_ref("Acme")
    changes = [
        store.fact(ref, "Uses PostgreSQL", "uses PostgreSQL"),
        store.named(type(ref)("Acme", "", ("The Anvil Shop",)), "which we call the anvil shop"),
    ]
    store.ledger.write(changes, scope=Scope(user_id="alice"), source=Source(said=said))
    assert [row["quote"] for row in see("select quote from evidence order by id")] == [
        "uses PostgreSQL",
        "which we call the anvil shop",
    ]


def test_many_facts(world: Any) -> None:
    """Of a thing of which much is known a turn reads the newest, and says how many more there are."""
    world.teach(
        *(fact("Acme", f"Fact number {number}") for number in range(30)),
        *(event("Acme", f"Event {number}", f"2026-01-{number + 1:02}") for number in range(25)),
    )
    context = world.context("Tell me about Acme")
    assert "Fact number 29" in context
    assert "Fact number 3 " not in context
    assert "(10 more facts not shown)" in context
    assert "(5 more events not shown)" in context
    assert len(world.entity_memory.facts("Acme", user_id="alice")) == 30


def test_few_entities(make_world: Any) -> None:
    """No more things are shown than the config says, the longest names first."""
    world = make_world(entity_memory=EntityMemoryConfig(max_entities=2))
    world.teach(*(fact(f"Planet{'x' * number}", "Exists") for number in range(4)))
    found = world.recall("Planet Planetx Planetxx Planetxxx")[STORE].entities
    assert [entity.name for entity in found] == ["Planetxxx", "Planetxx"]


def test_a_name_alone_is_not_shown(world: Any) -> None:
    """A thing of which nothing is known adds nothing to what the agent reads."""
    world.teach(link("Bob", "works at", "Acme"))
    world.machine.stores[STORE]
    world.teach(change(STORE, kind="entity", subject="Initech (company)"))
    assert "Initech" not in world.context("What about Initech?")
