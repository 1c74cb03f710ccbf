"""Learned knowledge: insights found by meaning and by words, the same one recognised in other words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from learning_machine import LearnedKnowledgeConfig, LearningMode
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.messages import Said
from learning_machine.state.scope import Scope
from learning_machine.stores.deciding import says_the_same
from learning_machine.stores.protocol import Standing
from learning_machine.stores.writing import Source
from learning_machine.testing import change

STORE = "learned_knowledge"
SHARED = LearnedKnowledgeConfig(mode=LearningMode.BACKGROUND, namespace="engineering")
TEAM = ("engineering",)


def insight(title: str, value: str, **more: Any) -> dict[str, Any]:
    return change(STORE, value, kind="insight", name=title, **more)


def statuses(receipts: list[dict[str, Any]]) -> list[str]:
    return [receipt["status"] for receipt in receipts]


def titles(world: Any, message: str, **scope: Any) -> list[str]:
    found = world.recall(message, **scope).get(STORE)
    return [one.title for one in found.insights] if found else []


def texts(see: Any) -> list[str]:
    return [
        row["text"]
        for row in see(
            f"select text from learning where store = '{STORE}' and known_to is null and status = 'active' order by id"
        )
    ]


# --- what an insight is -----------------------------------------------------------------------------------------------


def test_an_insight(world: Any) -> None:
    """An insight has a title, the learning, where it applies and tags; the agent reads it with its handle."""
    store = world.learned_knowledge
    made = store.insight(
        "Webhook retries", "Retry webhooks with jitter.", context="payment providers", tags=("webhooks", "http")
    )
    assert store.ledger.write([made], scope=Scope(user_id="alice"), source=Source())[0].status == "saved"
    [one] = world.recall("How do I retry webhooks?")[STORE].insights
    assert (one.title, one.learning, one.context, one.tags, one.namespace) == (
        "Webhook retries", "Retry webhooks with jitter.", "payment providers", ("webhooks", "http"), "user",
    )  # fmt: skip
    assert (
        f"- Webhook retries: Retry webhooks with jitter. (applies to: payment providers) [{one.handle}]"
        in world.context("How do I retry webhooks?")
    )


@pytest.mark.parametrize(
    "message", ["webhooks", "How should a WEBHOOK be retried?", "payment providers?", "what about resilience?"]
)
def test_found_by_words(world: Any, message: str) -> None:
    """An insight is found by the words of its title, text, context and tags, whatever their form."""
    store = world.learned_knowledge
    made = store.insight(
        "Webhook retries", "Retry them with jitter.", context="payment providers", tags=("resilience",)
    )
    store.ledger.write([made], scope=Scope(user_id="alice"), source=Source())
    assert titles(world, message) == ["Webhook retries"]


def test_found_by_meaning(world: Any) -> None:
    """An insight is found by what it means where it shares no word with the question."""
    world.teach(insight("Cars", "Quick car purchase"), insight("Bread", "Bread needs time and salt"))
    assert titles(world, "rapid automobile acquire") == ["Cars"]


def test_without_embeddings(make_world: Any) -> None:
    """An embedding model that fails takes meaning away, not words, neither when learning nor when asked."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("no network")

    from langchain_core.embeddings import FakeEmbeddings

    class Failing(FakeEmbeddings):
        size: int = 8

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise RuntimeError("no network")

        def embed_query(self, text: str) -> list[float]:
            raise RuntimeError("no network")

    world = make_world(embeddings=Failing())
    assert statuses(world.teach(insight("Bread", "Bread needs salt"))) == ["saved"]
    assert titles(world, "Does bread need salt?") == ["Bread"]


def test_the_same_title(world: Any, see: Any) -> None:
    """The same title with another text is another learning."""
    receipts = world.teach(
        insight("Deploys", "Never deploy on Fridays."), insight("Deploys", "Announce every rollout in the channel.")
    )
    assert statuses(receipts) == ["saved", "saved"]
    assert len(texts(see)) == 2


def test_other_words_by_handle(world: Any) -> None:
    """An insight that is put otherwise keeps where it applies, is found by its new words, and no longer by the old ones."""
    store = world.learned_knowledge
    made = store.insight("Timeouts", "Wait ten seconds for the warehouse.", context="reports")
    store.ledger.write([made], scope=Scope(user_id="alice"), source=Source())
    [before] = world.recall("warehouse")[STORE].insights
    world.teach(change(STORE, "Give the lake a minute.", action="revise", handle=before.handle), text="warehouse")
    assert titles(world, "warehouse seconds") == []
    [after] = world.recall("the lake")[STORE].insights
    assert (after.learning, after.context, after.title) == ("Give the lake a minute.", "reports", "Timeouts")


def test_taken_back(world: Any) -> None:
    """An insight that no longer holds is found no more."""
    world.teach(insight("Bread", "Bread needs salt"))
    [known] = world.recall("bread")[STORE].insights
    world.teach(change(STORE, action="retire", handle=known.handle), text="bread")
    assert titles(world, "bread") == []


# --- the same in other words ------------------------------------------------------------------------------------------

SAME = [
    ("Retry webhooks with exponential backoff and jitter.", "Retry webhooks with jitter and exponential backoff"),
    ("Never deploy on Fridays.", "Never deploy on a Friday!"),
    ("Don't cache user profiles at the edge.", "Do not cache user profiles at the edge"),
    ("Keep pull requests below 400 lines.", "Pull requests: keep them below 400 lines"),
    ("Always pin the base image of containers", "Always pin the containers' base image."),
    ("Logs müssen immer eine Korrelations-ID tragen.", "Logs müssen immer eine Korrelations-ID tragen!"),
]
DIFFERENT = [
    ("Keep pull requests below 400 lines.", "Keep pull requests below 200 lines."),
    ("Cache user profiles at the edge.", "Do not cache user profiles at the edge."),
    ("Deploy on Fridays.", "Never deploy on Fridays."),
    ("Use Python 3.11 for the workers", "Use Python 3.12 for the workers"),
    ("Retry webhooks with jitter.", "Sign webhooks with a secret."),
    ("The staging database is in Frankfurt.", "The production database is in Frankfurt."),
    ("Prefer tabs over spaces in Go", "Prefer spaces over tabs in Go"),
    ("Ohne Review darf nichts live gehen.", "Nach dem Review darf alles live gehen."),
    ("Send invoices before the tenth.", "Send invoices after the tenth."),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_recognised(world: Any, see: Any, one: str, other: str) -> None:
    """The same insight in other words is recognised when it is written: one learning, and a receipt that says so."""
    assert statuses(world.teach(insight("One", one))) == ["saved"]
    assert statuses(world.teach(insight("Other", other))) == ["known"]
    assert texts(see) == [one]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_kept_apart(world: Any, see: Any, one: str, other: str) -> None:
    """A number, a denial, an order or a telling word that differs makes two learnings."""
    assert statuses(world.teach(insight("One", one))) == ["saved"]
    assert statuses(world.teach(insight("Other", other))) == ["saved"]
    assert texts(see) == [one, other]


def test_recognised_by_meaning(world: Any, see: Any) -> None:
    """Synonyms do not make a second learning."""
    world.teach(insight("Cars", "A quick car purchase needs a doctor of engines nearby"))
    assert statuses(world.teach(insight("Cars", "A rapid automobile acquire needs a physician of engines nearby"))) == [
        "known"
    ]


@pytest.mark.parametrize("meaning", [None, 0.95])
def test_nothing_says_nothing(meaning: float | None) -> None:
    """Texts without a word in common say the same only if they are the same."""
    assert not says_the_same("bread", "salt", meaning)
    assert says_the_same("bread", "bread", meaning)
    assert not says_the_same("", "bread", meaning)


def test_recognised_among_many(world: Any, see: Any) -> None:
    """A twin is found among hundreds that share its common words."""
    world.teach(
        *(
            insight(f"Rule {number}", f"The team of service{number} should always use the queue{number} for its work")
            for number in range(150)
        )
    )
    twin = "The team of service77 should always use the queue77 for its work!"
    assert statuses(world.teach(insight("Another", twin))) == ["known"]
    assert len(texts(see)) == 150


def test_evidence_of_both(make_world: Any, see: Any) -> None:
    """A shared insight that two people had has the words of both behind it, and each can read only their own."""
    world = make_world(learned_knowledge=SHARED)
    alice, bob = "we learned to retry webhooks with jitter", "always retry the webhooks, with jitter"
    world.teach(
        insight("Webhooks", "Retry webhooks with jitter.", quote=alice), text=f"Yesterday {alice}!", groups=TEAM
    )
    receipts = world.teach(
        insight("Hooks", "Retry the webhooks with jitter", quote=bob), text=f"So: {bob}", user="bob", groups=TEAM
    )
    assert statuses(receipts) == ["known"]
    assert texts(see) == ["Retry webhooks with jitter."]
    assert sorted(row["quote"] for row in see("select quote from evidence")) == sorted([alice, bob])

    def quotes(user: str) -> list[str]:
        return [
            quote for row in world.machine.history(store=STORE, user_id=user, groups=TEAM) for quote in row["quotes"]
        ]

    assert (quotes("alice"), quotes("bob"), quotes("carol")) == ([alice], [bob], [])
    assert alice not in world.context("How do I retry webhooks?", user="bob", groups=TEAM)


def test_twenty_at_once(make_world: Any, see: Any) -> None:
    """Twenty people who have the same insight at the same time, each in their own words, make one."""
    world = make_world(learned_knowledge=SHARED)
    store = world.learned_knowledge
    forms = (
        "Retry webhooks with exponential backoff and jitter.",
        "Retry webhooks with jitter and exponential backoff",
        "retry webhooks, with exponential backoff and jitter!",
    )

    def learn(number: int) -> str:
        quote = f"I am number {number}"
        scope = Scope(user_id=f"user{number}", groups=TEAM)
        one = ExtractedChange(**insight("Webhooks", forms[number % 3], quote=quote))
        source = Source(said=[Said("u1", "user", quote)], namespaces={STORE: "engineering"}, merging=[STORE])
        return str(store.ledger.write(store.changes([one], scope, None), scope=scope, source=source)[0].status)

    with ThreadPoolExecutor(20) as threads:
        statuses = sorted(threads.map(learn, range(20)))
    assert statuses == ["known"] * 19 + ["saved"]
    assert len(texts(see)) == 1
    assert see("select count(*) as n from evidence") == [{"n": 20}]


def test_a_twin_left_behind(world: Any, thread: Any, see: Any) -> None:
    """An insight is not merged into one that was left behind with its branch."""
    store = world.learned_knowledge

    def learn(line: list[str], text: str) -> str:
        source = Source(machine="default", here=line, anchor=line[-1], merging=[STORE])
        return str(store.ledger.write([store.insight("Webhooks", text)], scope=thread.scope, source=source)[0].status)

    first = thread.turn([], "u1", "a1")
    assert learn(thread.turn(first, "u2", "a2"), "Retry webhooks with jitter.") == "saved"
    kept = thread.turn(first, "u3", "a3")
    assert titles(world, "webhooks jitter") == []
    assert learn(kept, "Retry the webhooks with jitter") == "saved"
    assert titles(world, "webhooks jitter") == ["Webhooks"]


def test_put_otherwise_on_a_branch_left_behind(world: Any, thread: Any) -> None:
    """An insight revised on a branch left behind is found as it was before, even by its newer words."""
    store = world.learned_knowledge

    def write(line: list[str], change: Any) -> Any:
        return store.ledger.write(
            [change], scope=thread.scope, source=Source(machine="default", here=line, anchor=line[-1])
        )[0]

    first = thread.turn([], "u1", "a1")
    held = write(first, store.insight("Webhooks", "Retry webhooks with jitter."))
    other = thread.turn(first, "u2", "a2")
    item = world.recall("webhooks")[STORE].items[0]
    one = ExtractedChange(action="revise", handle=held.handle, value="Retry webhooks with patience.")
    assert write(other, store.revise(one, item)[0]).status == "saved"
    thread.turn(first, "u3", "a3")
    assert [one.learning for one in world.recall("how to retry webhooks")[STORE].insights] == [
        "Retry webhooks with jitter."
    ]
    there = Standing(machine="default", here=tuple(other), question=store.question("how to retry webhooks"))
    assert [one.learning for one in store.recall(user_id="alice", session_id="s1", standing=there).insights] == [
        "Retry webhooks with patience."
    ]
