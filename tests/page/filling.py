"""Much of everything, quickly: what one person has after years, cloned in the database from one of each."""

from __future__ import annotations

from typing import Any

import psycopg

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode
from learning_machine.testing import ScriptedModel, change

GROUPS = ("engineering",)
RELATIONS = ("works with", "supplies", "owns", "knows of", "competes with", "is near")

HUB = "Hub Corporation (company)"


def learns(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the scripted model finds: lines that begin with a mark."""
    lines = [line for one in new if one["role"] == "user" for line in one["text"].splitlines()]
    found = []
    for line in lines:
        mark, _, rest = line.partition(": ")
        first, _, second = rest.partition("|")
        if mark == "rule":
            found.append(change("learned_knowledge", rest, kind="insight", name=rest[:30], quote=line))
        if mark == "I":
            found.append(change("user_profile", rest, kind="observation", quote=line))
        if mark == "my":
            found.append(change("user_profile", second, kind="field", name=first, quote=line))
        if mark == "near":
            found.append(
                change(
                    "entity_memory", None, kind="relationship", subject=HUB, name=first, target=f"{second} (company)"
                )
            )
        if mark == "Acme":
            kind = "event" if second else "fact"
            found.append(change("entity_memory", first, kind=kind, subject="Acme (company)", when=second or None))
    return found


def make(url: str) -> LearningMachine:
    """A machine whose insights for the group have to be approved, by Alice among others."""
    return LearningMachine(
        db=url,
        model=ScriptedModel(answers="ok", learns=learns),
        user_profile=True,
        entity_memory=True,
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.PROPOSE, namespace="engineering"),
        reviewers=["rita"],
        background="external",
    )


def say(machine: LearningMachine, user: str, *lines: str, answer: str = "Noted.", session: str = "talk") -> None:
    """Somebody says something, and it is learned from at once."""
    messages = [{"role": "user", "content": "\n".join(lines)}, {"role": "assistant", "content": answer}]
    machine.process(messages, user_id=user, groups=GROUPS, session_id=f"{session}-{user}")


_LEARNINGS = """
insert into learning (space, store, kind, subject, slot, name, value, text, content_key, origin, trust, status, batch)
select l.space, l.store, l.kind, l.subject, 'c' || n, 'Service ' || n % 97 || ', check ' || n, l.value,
       'Deployments of service ' || n % 97 || ' go better after check ' || n || ' was run by somebody who knows it.',
       'c' || n, l.origin, l.trust, l.status, l.batch
from learning l, generate_series(1, %s) n where l.store = 'learned_knowledge' and l.status = 'active'
"""
_PROPOSALS = """
insert into proposal (space, speaker, machine, session, turn, scope, store, kind, subject, change, shown, content_key,
                      mode, risk, origin)
select p.space, p.speaker, p.machine, p.session, p.turn, p.scope, p.store, p.kind, p.subject,
       p.change || jsonb_build_object('text', 'Run check ' || n || ' before the release of part ' || n, 'name', 'Check ' || n),
       p.shown || jsonb_build_object('text', 'Run check ' || n || ' before the release of part ' || n, 'name', 'Check ' || n),
       'c' || n, p.mode, case n % 3 when 0 then 'low' when 1 then 'medium' else 'high' end, p.origin
from proposal p, generate_series(1, %s) n where p.status = 'pending'
"""


def much(machine: LearningMachine, url: str, user: str, *, learnings: int, proposals: int, neighbours: int) -> str:
    """So many learnings of one person, proposals in their group, and neighbours of one thing, whose id is returned."""
    scope = {"user_id": user, "groups": GROUPS}
    machine.add("learned_knowledge", "One of many.", name="First", namespace="user", **scope)
    lines = [f"near: {RELATIONS[min(5, int(number**0.5) // 3)]}|Partner {number}" for number in range(neighbours)]
    say(machine, user, "rule: One of many rules", *lines, session="much")
    options = "-c search_path=learning_machine,public"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        connection.execute(_LEARNINGS.replace("%s", str(learnings)))  # type: ignore[arg-type]
        connection.execute(_PROPOSALS.replace("%s", str(proposals)))  # type: ignore[arg-type]
        connection.execute("analyze learning")
        connection.execute("analyze proposal")
    return next(one.id for one in machine.entities(words="Hub Corporation", **scope).items)
