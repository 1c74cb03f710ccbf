"""Namespaces: whose a learning is, who reads it, and where a scope writes."""

from __future__ import annotations

from typing import Any

import pytest

from learning_machine import (
    EntityMemoryConfig,
    LearnedKnowledgeConfig,
    LearningMachine,
    LearningMode,
    SessionContextConfig,
    UserProfileConfig,
)
from learning_machine.errors import ConfigurationError
from learning_machine.stores.entity_memory import EntityMemoryStore
from learning_machine.stores.learned_knowledge import LearnedKnowledgeStore
from learning_machine.testing import change

STORES = ("user_profile", "session_context", "learned_knowledge", "entity_memory")
BACKGROUND = LearningMode.BACKGROUND
SHARED = {"learned_knowledge": LearnedKnowledgeConfig(mode=BACKGROUND, namespace="engineering")}
TEAM = ("engineering",)
ASKED = "How do I retry webhooks?"


def insight(text: str = "Retry webhooks with jitter.") -> dict[str, Any]:
    return change("learned_knowledge", text, kind="insight", name="Webhooks")


def knows(world: Any, user: str | None, **scope: Any) -> bool:
    """Whether somebody is told the insight, by recall, in the context, or by the search tool."""
    found = bool(world.recall(ASKED, user=user, **scope).get("learned_knowledge"))
    read = "jitter" in world.context(ASKED, user=user, **scope)
    given = {key: value for key, value in {"user_id": user, **scope}.items() if value}
    tools = {tool.name: tool for tool in world.machine.get_tools(**given)} if given else {}
    searched = "search_learnings" in tools and "jitter" in tools["search_learnings"].invoke({"query": ASKED})
    assert found == read == (searched or (not tools and found))
    return found


# --- what an argument may be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [True, "config", "store"])
def test_every_argument_takes_three_forms(make_world: Any, form: Any) -> None:
    """Each store is asked for with `True`, with a config, or with a store; all four work together."""
    made = {
        "user_profile": UserProfileConfig(),
        "session_context": SessionContextConfig(enable_planning=True),
        "learned_knowledge": LearnedKnowledgeConfig(max_results=3),
        "entity_memory": EntityMemoryConfig(max_entities=3),
    }
    if form == "store":
        made |= {
            "learned_knowledge": LearnedKnowledgeStore(made["learned_knowledge"]),
            "entity_memory": EntityMemoryStore(),
        }  # type: ignore[dict-item]
    world = make_world(**(dict.fromkeys(STORES, True) if form is True else made))
    world.teach(
        change("user_profile", "Alice", kind="field", name="name"),
        change("session_context", "They talk about webhooks.", kind="summary"),
        insight(),
        change("entity_memory", "Sends webhooks", kind="fact", subject="Acme (company)"),
    )
    context = world.context("How does Acme retry webhooks?", session_id="s1")
    for expected in (
        "name: Alice",
        "They talk about webhooks.",
        "Retry webhooks with jitter.",
        "Acme (company):",
        "Sends webhooks",
    ):
        assert expected in context
    assert set(STORES) <= set(world.machine.stores.types)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"user_profile": UserProfileConfig(namespace="engineering", mode=BACKGROUND)}, "always private"),
        ({"session_context": SessionContextConfig(namespace="global", mode=BACKGROUND)}, "always private"),
        ({"learned_knowledge": EntityMemoryConfig()}, "LearnedKnowledgeConfig"),
        ({"entity_memory": UserProfileConfig()}, "EntityMemoryConfig"),
        ({"learned_knowledge": object()}, "no learning store"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], says: str) -> None:
    """What cannot work says so where it is written, with the remedy."""
    with pytest.raises(ConfigurationError, match=says):
        LearningMachine(**options)


@pytest.mark.parametrize("namespace", ["engineering", "global"])
@pytest.mark.parametrize("place", ["machine", "store"])
def test_sharing_asks_first(namespace: str, place: str) -> None:
    """With a shared namespace and no mode named, what is learned is proposed; naming BACKGROUND shares it unseen."""

    def machine(**options: Any) -> LearningMachine:
        config = {"namespace": namespace, **options} if place == "store" else options
        return LearningMachine(
            learned_knowledge=LearnedKnowledgeConfig(**config), namespace=namespace if place == "machine" else None
        )

    assert machine().stores["learned_knowledge"].mode is LearningMode.PROPOSE
    assert machine(mode=BACKGROUND).stores["learned_knowledge"].mode is BACKGROUND
    assert LearningMachine(learned_knowledge=True).stores["learned_knowledge"].mode is BACKGROUND


def test_the_machines_namespace(make_world: Any, see: Any) -> None:
    """The machine's namespace is that of every store that can be shared and names none of its own."""
    world = make_world(
        namespace="engineering",
        learned_knowledge=LearnedKnowledgeConfig(mode=BACKGROUND),
        entity_memory=EntityMemoryConfig(mode=BACKGROUND, namespace="global"),
    )
    world.teach(
        change("user_profile", "Alice", kind="field", name="name"),
        insight(),
        change("entity_memory", "Sells anvils", kind="fact", subject="Acme"),
        groups=TEAM,
    )
    rows = see(
        "select l.store, s.kind, s.grp from learning l join space s on s.id = l.space where l.kind <> 'entity' order by l.store"
    )
    assert [(row["store"], row["kind"], row["grp"]) for row in rows] == [
        ("entity_memory", "global", None),
        ("learned_knowledge", "group", "engineering"),
        ("user_profile", "user", None),
    ]


# --- who reads --------------------------------------------------------------------------------------------------------


def test_alice_helps_bob(make_world: Any) -> None:
    """Alice's insight in `engineering` helps Bob in `engineering`, and no one else, whatever they are called."""
    world = make_world(**SHARED)
    world.teach(insight(), groups=TEAM)
    assert knows(world, "alice", groups=TEAM)
    assert knows(world, "bob", groups=TEAM)
    assert knows(world, "bob", groups=("design", "engineering"))
    for user, groups in (
        ("carol", ()),
        ("dave", ("eng",)),
        ("eve", ("Engineering", "engineering ", "engineerin", "%", "engineering,design", "{engineering}")),
        ("engineering", ()),
        ("global", ()),
        ("user", ("user", "global", "session")),
        ("alice", ()),
    ):
        assert not knows(world, user, groups=groups), (user, groups)
    assert not knows(world, None)
    assert not knows(world, None, session_id="engineering")


def test_a_group_that_looks_like_something_else(make_world: Any) -> None:
    """A group called after a user, a namespace or a setting is that group and nothing more."""
    names = ("user:alice", "alice", 'a"b', "a,b", "{a}", "a\\b", "null", "NULL", " ", "グループ", "x" * 300)
    for name in names:
        world = make_world(learned_knowledge=LearnedKnowledgeConfig(mode=BACKGROUND, namespace=name))
        assert world.teach(insight(), groups=(name,), session_id=name)[0]["status"] == "saved"
        others = tuple(other for other in names if other != name)
        assert knows(world, "bob", groups=(name,)), name
        assert not knows(world, "bob", groups=others), name
        [item] = world.recall(ASKED, user="bob", groups=(name,))["learned_knowledge"].items
        world.teach(
            change("learned_knowledge", action="retire", handle=item.handle),
            groups=(name,),
            text=ASKED,
            session_id=f"{name} 2",
        )


def test_everyone(make_world: Any) -> None:
    """What is global helps everybody, and nobody in particular."""
    world = make_world(learned_knowledge=LearnedKnowledgeConfig(mode=BACKGROUND, namespace="global"))
    world.teach(insight())
    assert knows(world, "bob")
    assert knows(world, "carol", groups=("design",))
    assert knows(world, None)


def test_own(world: Any) -> None:
    """What is a user's own helps that user, in every session, and no one else."""
    world.teach(insight())
    assert knows(world, "alice", session_id="s9", groups=TEAM)
    for user in ("bob", "Alice", "alice ", "user", None):
        assert not knows(world, user, groups=("alice", "user"))


def test_reading_all_at_once(make_world: Any) -> None:
    """A scope reads its own, its groups' and the global learnings at once, and each says whose it is."""
    world = make_world(learned_knowledge=LearnedKnowledgeConfig(mode=BACKGROUND))
    groups = ("engineering", "design")
    for namespace in ("user", "engineering", "design", "global"):
        receipt = world.teach(
            insight(f"Retry webhooks of the {namespace} kind with jitter"),
            namespace=namespace,
            groups=groups,
            session_id=namespace,
        )[0]
        assert receipt["status"] == "saved"
    found = world.recall(ASKED, groups=groups)["learned_knowledge"].insights
    assert {one.namespace for one in found} == {"user", "engineering", "design", "global"}
    assert all(one.namespace in one.learning for one in found)
    assert {
        one.namespace for one in world.recall(ASKED, user="bob", groups=("design",))["learned_knowledge"].insights
    } == {"design", "global"}


# --- where to write ---------------------------------------------------------------------------------------------------


def test_the_scope_says_where(make_world: Any, see: Any) -> None:
    """The scope's namespace says where a turn writes; what is always private stays private."""
    world = make_world(learned_knowledge=LearnedKnowledgeConfig(mode=BACKGROUND))
    learned = (change("user_profile", "Alice", kind="field", name="name"), insight())
    assert [one["status"] for one in world.teach(*learned, groups=TEAM, namespace="engineering")] == ["saved", "saved"]
    rows = see("select l.store, s.kind from learning l join space s on s.id = l.space order by l.store")
    assert [(row["store"], row["kind"]) for row in rows] == [("learned_knowledge", "group"), ("user_profile", "user")]
    assert knows(world, "bob", groups=TEAM)


def test_back_to_private(make_world: Any) -> None:
    """A scope may write to the user's own namespace where the store would share."""
    world = make_world(**SHARED)
    world.teach(insight(), groups=TEAM, namespace="user")
    assert knows(world, "alice")
    assert not knows(world, "bob", groups=TEAM)


def test_not_into_anothers_group(make_world: Any, see: Any) -> None:
    """A scope cannot write to a group it is not in: the change is refused with the reason, the rest is written."""
    world = make_world(**SHARED)
    receipts = world.teach(change("user_profile", "Alice", kind="field", name="name"), insight())
    assert [one["status"] for one in receipts] == ["saved", "refused"]
    assert "engineering" in receipts[1]["reason"]
    assert see("select count(*) as n from space where kind = 'group'") == [{"n": 0}]


def test_anothers_learning_by_its_handle(make_world: Any, see: Any) -> None:
    """A handle from a namespace that a scope does not see names nothing to it, nor can it be revised or taken back."""
    world = make_world(**SHARED)
    world.teach(insight(), groups=TEAM)
    [item] = world.recall(ASKED, groups=TEAM)["learned_knowledge"].items
    for action, value in (("retire", None), ("revise", "Never retry.")):
        [receipt] = world.teach(
            change("learned_knowledge", value, action=action, handle=item.handle), user="carol", session_id=action
        )
        assert receipt["status"] in ("refused", "saved")
    assert knows(world, "bob", groups=TEAM)
    assert [
        row["text"]
        for row in see(
            "select text from learning where known_to is null and status = 'active' and kind = 'insight' order by id limit 1"
        )
    ] == ["Retry webhooks with jitter."]


def test_another_persons_claim_waits(make_world: Any) -> None:
    """In a shared namespace nobody overrules another: Bob's correction of Alice's insight is a challenge that waits."""
    world = make_world(**SHARED)
    world.teach(insight(), groups=TEAM)
    [item] = world.recall(ASKED, groups=TEAM)["learned_knowledge"].items
    corrected = change("learned_knowledge", "Never retry webhooks at all.", action="revise", handle=item.handle)
    assert [one["status"] for one in world.teach(corrected, user="bob", groups=TEAM, text=ASKED)] == ["challenged"]
    assert knows(world, "carol", groups=TEAM)
    assert "Never retry" not in world.context(ASKED, user="carol", groups=TEAM)
