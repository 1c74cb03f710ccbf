"""What the pages are filled with: somebody's year, hostile words, and very much of everything."""

from __future__ import annotations

from typing import Any

import psycopg

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode
from learning_machine.testing import ScriptedModel, change

GROUPS = ("engineering",)
RELATIONS = ("works with", "supplies", "owns", "knows of", "competes with", "is near")
HUB = "Hub Corporation (company)"
HOSTILE = (
    "<script>alert(1)</script> **bold** [x](javascript:alert(2)) <img src=x onerror=alert(3)> \u202edlrow\u202c \"'&"
)
HEBREW = "שלום עולם, זה נכתב מימין לשמאל"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 4


def learns(new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the scripted model finds: lines that begin with a mark, and have `|` between their parts."""
    lines = [line for one in new if one["role"] == "user" for line in one["text"].splitlines()]
    found = []
    for line in lines:
        mark, _, rest = line.partition(": ")
        parts = [*rest.split("|"), "", ""]
        if mark == "rule":
            found.append(change("learned_knowledge", rest, kind="insight", name=rest[:30], quote=line))
        if mark == "I":
            found.append(change("user_profile", rest, kind="observation", quote=line))
        if mark == "my":
            found.append(change("user_profile", parts[1], kind="field", name=parts[0], quote=line))
        if mark == "fact":
            found.append(change("entity_memory", parts[1], kind="fact", subject=parts[0], quote=line))
        if mark == "event":
            found.append(change("entity_memory", parts[1], kind="event", subject=parts[0], when=parts[2] or None))
        if mark == "link":
            found.append(
                change("entity_memory", None, kind="relationship", subject=parts[0], name=parts[1], target=parts[2])
            )
    return found


def make(url: str) -> LearningMachine:
    """A machine whose insights for the group have to be approved: by whoever said them, or by Rita."""
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


def know(machine: LearningMachine, user: str, store: str, text: str, **more: Any) -> str:
    """Somebody writes something themselves; its handle."""
    receipt = machine.add(store, text, **({"user_id": user, "groups": GROUPS, "namespace": "user"} | more))
    assert receipt.status == "saved", receipt
    return str(receipt.handle)


def a_life(machine: LearningMachine, user: str = "alice") -> None:
    """What one person has after a while: some of everything."""
    say(
        machine,
        user,
        "my: name|Alice Martins",
        "my: location|Lisbon",
        "my: role|platform engineer at Northwind Robotics",
        "I: prefers short answers, with the command first and the reason after it",
        "I: learns Portuguese, and likes to be corrected",
        "I: is off on Fridays until the end of June",
        answer="Good to meet you, Alice. I will keep it short.",
        session="monday",
    )
    say(
        machine,
        user,
        "fact: Northwind Robotics (company)|builds warehouse robots in Porto and Rotterdam",
        "fact: Northwind Robotics (company)|runs everything on one Postgres cluster",
        "fact: Project Heron (project)|moves the fleet controller to the new message bus",
        "fact: Joana Reis (person)|leads the fleet team, and decides on releases",
        "event: Project Heron (project)|was approved by the board|2026-03-02",
        "event: Project Heron (project)|first robot ran on the new bus|2026-05-19",
        "event: Northwind Robotics (company)|opened the warehouse in Rotterdam|2026-01-12",
        "link: Joana Reis (person)|leads|Project Heron (project)",
        "link: Project Heron (project)|belongs to|Northwind Robotics (company)",
        "link: Northwind Robotics (company)|supplies|Atlas Freight (company)",
        "link: Northwind Robotics (company)|competes with|Kestrel Systems (company)",
        "link: Tomás Pinto (person)|works at|Northwind Robotics (company)",
        "link: Joana Reis (person)|works at|Northwind Robotics (company)",
        "link: Northwind Robotics (company)|rents from|Porto de Leixões (place)",
        answer="I see. So Heron depends on Joana's go for the release.",
        session="heron",
    )
    say(
        machine,
        user,
        "rule: Run the migration on a copy of production first; the fleet table takes 40 minutes there",
        "rule: Restart the bus brokers one at a time, and wait for the lag to fall under a second in between",
        "rule: Never deploy the controller while a robot is charging",
        answer="I have proposed these three to your group.",
        session="heron",
    )
    know(
        machine,
        user,
        "learned_knowledge",
        "With more than 200 partitions the planner needs longer than the query; partition by month, not by day.",
        name="Partition by month",
    )
    know(machine, user, "learned_knowledge", "Joana answers mail in the morning only.", name="When to ask Joana")
    first = know(machine, user, "learned_knowledge", "The staging cluster has 3 nodes.", name="Staging size")
    machine.edit(first, "The staging cluster has 5 nodes since May.", user_id=user, groups=GROUPS)


def hostility(machine: LearningMachine, user: str) -> None:
    """Words that try to be more than words, in everything that has words."""
    say(
        machine, user, f"I: {HOSTILE}", f"rule: {HOSTILE}", f"fact: {HOSTILE[:60]} (company)|{HOSTILE}", session=HOSTILE
    )
    say(machine, user, f"I: {HEBREW}", f"rule: {HEBREW}", f"fact: {HEBREW} (company)|{LONG_WORD}", answer=HOSTILE)
    say(machine, user, f"I: {LONG_WORD}", f"link: {LONG_WORD[:300]}|{HOSTILE}|{HEBREW}")
    know(machine, user, "learned_knowledge", HOSTILE, name=HOSTILE)
    know(machine, user, "learned_knowledge", f"{LONG_WORD} {'word ' * 2_000}", name=LONG_WORD)
    know(machine, user, "entity_memory", HOSTILE, subject=f"{HEBREW} (company)", kind="event")


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
    know(machine, user, "learned_knowledge", "One of many.", name="First")
    links = [
        f"link: {HUB}|{RELATIONS[min(5, int(number**0.5) // 3)]}|Partner {number} (company)"
        for number in range(neighbours)
    ]
    say(machine, user, "rule: One of many rules", *links, session="much")
    options = "-c search_path=learning_machine,public"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        connection.execute(_LEARNINGS.replace("%s", str(learnings)))  # type: ignore[arg-type]
        connection.execute(_PROPOSALS.replace("%s", str(proposals)))  # type: ignore[arg-type]
        connection.execute("analyze learning")
        connection.execute("analyze proposal")
    return next(one.id for one in machine.entities(words="Hub Corporation", **scope).items)
