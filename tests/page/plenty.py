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
    """What the scripted model finds: the sentences it knows, and lines that begin with a mark and have `|` in them."""
    lines = [line for one in new if one["role"] == "user" for line in one["text"].splitlines()]
    return [
        change(store, text, **(more if more["kind"] in ("event", "relationship") else {"quote": line, **more}))
        for line in lines
        for store, text, more in found_in(line)
    ]


def found_in(line: str) -> list[tuple[str, Any, dict[str, Any]]]:
    """Store, text and the rest of what one line teaches."""
    if line in SENTENCES:
        return SENTENCES[line]
    mark, _, rest = line.partition(": ")
    match mark, rest.split("|"):
        case "rule", [text]:
            return [insight(text[:30], text)]
        case "I", [text]:
            return [noted(text)]
        case "instead", [handle, text]:
            return [("learned_knowledge", text, {"kind": "insight", "action": "revise", "handle": handle})]
        case "fact", [thing, text]:
            return [fact(thing, text)]
        case "link", [thing, relation, other]:
            return [link(thing, relation, other)]
    return []


def noted(text: str) -> Any:
    return "user_profile", text, {"kind": "observation"}


def mine(field: str, text: str) -> Any:
    return "user_profile", text, {"kind": "field", "name": field}


def insight(name: str, text: str) -> Any:
    return "learned_knowledge", text, {"kind": "insight", "name": name}


def fact(thing: str, text: str) -> Any:
    return "entity_memory", text, {"kind": "fact", "subject": thing}


def event(thing: str, text: str, when: str) -> Any:
    return "entity_memory", text, {"kind": "event", "subject": thing, "when": when}


def link(thing: str, relation: str, other: str) -> Any:
    return "entity_memory", None, {"kind": "relationship", "subject": thing, "name": relation, "target": other}


NORTHWIND, HERON, JOANA = "Northwind Robotics (company)", "Project Heron (project)", "Joana Reis (person)"
SENTENCES: dict[str, list[Any]] = {
    "Hi, I am Alice Martins. I live in Lisbon and I look after the platform at Northwind Robotics.": [
        mine("name", "Alice Martins"),
        mine("location", "Lisbon"),
        mine("role", "platform engineer at Northwind Robotics"),
    ],
    "Please keep answers short: the command first, the reason after it.": [
        noted("prefers short answers, with the command first and the reason after it"),
    ],
    "I am learning Portuguese, so correct me when I get it wrong. And I am off on Fridays until the end of June.": [
        noted("learns Portuguese, and likes to be corrected"),
        noted("is off on Fridays until the end of June"),
    ],
    "We build warehouse robots in Porto and, since January, in Rotterdam. All of it runs on one Postgres cluster.": [
        fact(NORTHWIND, "builds warehouse robots in Porto and Rotterdam"),
        fact(NORTHWIND, "runs everything on one Postgres cluster"),
        event(NORTHWIND, "opened the warehouse in Rotterdam", "2026-01-12"),
    ],
    "Heron moves the fleet controller to the new message bus. The board said yes on 2 March; Joana leads it.": [
        fact(HERON, "moves the fleet controller to the new message bus"),
        event(HERON, "was approved by the board", "2026-03-02"),
        link(JOANA, "leads", HERON),
        link(HERON, "belongs to", NORTHWIND),
    ],
    "Joana Reis and Tomás Pinto both work at Northwind; Joana decides on releases. Our customer is Atlas Freight.": [
        fact(JOANA, "leads the fleet team, and decides on releases"),
        link(JOANA, "works at", NORTHWIND),
        link("Tomás Pinto (person)", "works at", NORTHWIND),
        link(NORTHWIND, "supplies", "Atlas Freight (company)"),
        link(NORTHWIND, "competes with", "Kestrel Systems (company)"),
        link(NORTHWIND, "rents from", "Porto de Leixões (place)"),
    ],
    "On 19 May the first robot ran on the new bus!": [event(HERON, "first robot ran on the new bus", "2026-05-19")],
    "The migration took 40 minutes on the copy, so always try it on a copy of production first.": [
        insight("Migrations", "Run a migration on a copy of production first; the fleet table takes 40 minutes there."),
    ],
    "We lost messages when all brokers restarted together. One at a time, and wait for the lag in between.": [
        insight(
            "Restarting brokers", "Restart the bus brokers one at a time; wait for the lag to fall under a second."
        ),
    ],
    "And never deploy the controller while a robot is charging.": [
        insight("Deploying the controller", "Never deploy the controller while a robot is charging."),
    ],
}


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
    said = list(SENTENCES)
    say(machine, user, *said[:3], answer="Good to meet you, Alice. I will keep it short.", session="monday")
    say(machine, user, *said[3:6], answer="I see. So Heron depends on Joana's go for the release.", session="heron")
    say(machine, user, *said[6:], answer="I have proposed these three to your group.", session="heron")
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
