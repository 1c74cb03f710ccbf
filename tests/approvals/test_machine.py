"""Whatever happens in whatever order: nothing undecided is seen, and nothing is stored that nobody decided."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from scenes import insight, requests_of, say

from learning_machine import (
    LearnedKnowledgeConfig,
    LearningMachine,
    LearningMode,
    UserProfileConfig,
    create_learning_agent,
)
from learning_machine.errors import NotAllowed
from learning_machine.testing import ScriptedModel, change

REVIEWERS = ("carol", "dan")
PEOPLE = st.sampled_from(["alice", "bob", "carol"])
ANYBODY = st.sampled_from(["alice", "bob", "carol", "dan", "mallory", "", None])
ACTIONS = st.sampled_from(["approve", "reject", "edit"])
_numbers = itertools.count(1)


def learned(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the user's words ask for: `rule tok1`, `name tok2`."""
    words = [one["text"].split() for one in new if one["role"] == "user"]
    return [
        insight(f"Rule {token} holds.", quote=f"rule {token}")
        if kind == "rule"
        else change("user_profile", token, kind="field", name="name", quote=f"name {token}")
        for kind, token in words
    ]


def approvals(machine: LearningMachine, sql: Callable[..., Any]) -> type[RuleBasedStateMachine]:
    """The state machine on one database, which is emptied for each example."""
    agent = create_learning_agent(machine.model, learning=machine, checkpointer=InMemorySaver())

    class Approvals(RuleBasedStateMachine):
        #: Decisions that people made and were told they had made.
        made = 0
        numbers: itertools.count[int]
        operations = 0

        def scope(self, who: str) -> dict[str, Any]:
            return {"user_id": who, "session_id": f"{who} {next(_numbers)}", "groups": ("team",)}

        def token(self, again: bool) -> str:
            """A word of its own, or now and then one that was there before."""
            number = next(self.numbers)
            return f"tok{number // 2 if again else number}x"

        def waiting(self) -> list[Any]:
            return [one for one in machine.proposals.list() if one.mode in ("propose", "hitl")]

        # --- proposing ------------------------------------------------------------------------------------------------

        @rule(who=PEOPLE, kind=st.sampled_from(["rule", "name"]), again=st.booleans())
        def extract(self, who: str, kind: str, again: bool) -> None:
            messages = [("user", f"{kind} {self.token(again)}"), ("ai", "ok")]
            receipts = machine.process(messages, **self.scope(who))
            assert {one["status"] for one in receipts} <= {"pending", "refused"}

        @rule(who=PEOPLE, again=st.booleans())
        def call_tools(self, who: str, again: bool) -> None:
            tools = {tool.name: tool for tool in machine.get_tools(**self.scope(who))}
            token = self.token(again)
            for answer in (
                tools["save_learning"].invoke({"title": "", "learning": f"Rule {token} holds."}),
                tools["update_profile"].invoke({"field": "name", "value": token}),
            ):
                assert answer.startswith(("waits for approval", "refused"))

        @rule(who=PEOPLE, tokens=st.lists(st.booleans(), min_size=1, max_size=4))
        def import_many(self, who: str, tokens: list[bool]) -> None:
            memories = [
                {"id": str(number), "memory": f"Likes {self.token(again)}", "created_at": "2025-01-01T00:00:00Z"}
                for number, again in enumerate(tokens)
            ]
            imported = machine.import_([json.dumps(memories)], format="mem0", **self.scope(who))
            assert {key.split()[-1] for key in imported.counts} <= {"pending", "refused"}

        @rule(who=PEOPLE)
        def curate(self, who: str) -> None:
            machine.curator.run(user_id=who, groups=("team",))

        @rule(who=PEOPLE, which=st.integers(0, 100))
        def forget_by_tool(self, who: str, which: int) -> None:
            rows = machine.history(closed=False, **self.scope(who))
            if rows:
                tools = {tool.name: tool for tool in machine.get_tools(**self.scope(who))}
                answer = tools["forget"].invoke({"handle": rows[which % len(rows)]["handle"], "quote": ""})
                assert answer.startswith(("waits for approval", "refused"))

        # --- deciding -------------------------------------------------------------------------------------------------

        @precondition(lambda self: self.waiting())
        @rule(by=ANYBODY, action=ACTIONS, which=st.integers(0, 100))
        def decide(self, by: str | None, action: str, which: int) -> None:
            waiting = self.waiting()
            self.made += self.decided(waiting[which % len(waiting)].handle, action, by)

        @precondition(lambda self: self.waiting())
        @rule(first=ANYBODY, second=ANYBODY, actions=st.tuples(ACTIONS, ACTIONS), which=st.integers(0, 100))
        def decide_at_once(self, first: str | None, second: str | None, actions: tuple[str, str], which: int) -> None:
            waiting = self.waiting()
            handle = waiting[which % len(waiting)].handle
            with ThreadPoolExecutor(2) as pool:
                counts = list(
                    pool.map(lambda how: self.decided(handle, *how), zip(actions, (first, second), strict=True))
                )
            assert sum(counts) <= 1
            self.made += sum(counts)

        def decided(self, handle: str, action: str, by: str | None) -> int:
            """How many decisions that was: one, or none."""
            try:
                if action == "edit":
                    receipt = machine.proposals.edit(handle, text=f"edit{next(self.numbers)}x", by=by)
                else:
                    (receipt,) = getattr(machine.proposals, action)(handle, by=by)
            except NotAllowed:
                return 0
            return int(receipt.status in ("saved", "known") or receipt.reason == "rejected")

        @rule(who=PEOPLE, answer=st.sampled_from(["approve", "reject", "hm?", None]), by=PEOPLE, again=st.booleans())
        def talk(self, who: str, answer: str | None, by: str, again: bool) -> None:
            scope = self.scope(who)
            thread = {"configurable": {"thread_id": scope["session_id"]}}
            asked = requests_of(agent.invoke(say(f"name {self.token(again)}"), thread, context=scope))
            if asked and answer is not None:
                given = {**scope, "user_id": by}
                result = agent.invoke(Command(resume=[answer] * len(asked)), thread, context=given)
                told = (result.get("learning") or {}).get("decided") or ()
                self.made += sum(one["status"] in ("saved", "known") or one["reason"] == "rejected" for one in told)

        @precondition(lambda self: self.waiting())
        @rule(which=st.integers(0, 100))
        def let_time_pass(self, which: int) -> None:
            waiting = self.waiting()
            number = int(waiting[which % len(waiting)].handle[1:], 36)
            sql("update proposal set expires_at = now() - interval '1 day' where id = %s", number)

        # --- what always holds ----------------------------------------------------------------------------------------

        @invariant()
        def nothing_undecided_is_seen(self) -> None:
            type(self).operations += 1
            seen = " ".join(row["text"] for row in sql("select text from learning"))
            seen += " ".join(row["lexeme"] for row in sql("select lexeme from posting where source <> 'message'"))
            tokens: dict[bool, set[str]] = {True: set(), False: set()}
            for row in sql("select shown ->> 'text' as text, status = 'approved' as approved from proposal"):
                tokens[row["approved"]].update(word for word in row["text"].split() if word.startswith("tok"))
            assert [token for token in tokens[False] - tokens[True] if token in seen] == []

        @invariant()
        def nothing_stands_without_the_decision_its_mode_requires(self) -> None:
            rows = sql(
                "select l.id, p.mode, p.decided_by, owner.owner as speaker from learning l "
                "left join change c on c.space = l.space and c.learning = l.id and c.action = 'approved' "
                "left join proposal p on p.space = c.space and p.id = c.proposal "
                "left join space owner on owner.id = p.speaker"
            )
            for row in rows:
                assert row["mode"] is not None
                allowed = REVIEWERS if row["mode"] == "hitl" else (*REVIEWERS, row["speaker"])
                assert row["decided_by"] in allowed

        @invariant()
        def only_people_decide(self) -> None:
            count = sql("select count(*) as n from change where action in ('approved', 'rejected')")[0]["n"]
            assert count == self.made
            closed = sql("select count(*) as n from proposal where status in ('approved', 'rejected')")[0]["n"]
            assert closed == count

        def __init__(self) -> None:
            super().__init__()
            self.made, self.numbers = 0, itertools.count(1)
            sql("truncate space, change restart identity cascade")

        def teardown(self) -> None:
            report = machine.verify_audit()
            assert report["whole"], report

    return Approvals


def play(machine: Any, sql: Any, examples: int, steps: int) -> int:
    """How many operations were played."""
    found = machine(
        ScriptedModel(learns=learned),
        user_profile=UserProfileConfig(mode=LearningMode.PROPOSE),
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.HITL, namespace="team"),
        reviewers=REVIEWERS,
        conversation=False,
    )
    found.proposals.list()
    factory = approvals(found, sql)
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=examples < 10,
        database=None,
        suppress_health_check=checks,
    )
    run_state_machine_as_test(factory, settings=how)
    return factory.operations  # type: ignore[attr-defined, no-any-return]


def test_nothing_is_stored_that_nobody_decided(machine: Any, sql: Any) -> None:
    """Over tools, extraction, talk, imports, curation, the API and two who decide at once: nothing undecided is seen or stored."""
    assert play(machine, sql, examples=6, steps=20) > 20


@pytest.mark.full
@pytest.mark.parametrize("part", range(20))
def test_ten_thousand_operations(machine: Any, sql: Any, part: int) -> None:
    """The same over ten thousand operations, other ones each time."""
    operations = 0
    while operations < 500:
        operations += play(machine, sql, examples=10, steps=50)
