"""How long the HTTP API and the pages take to answer, for one user with very much to be shown.

    python bench/serving.py [--size 10000] [--proposals 500] [--neighbours 300]

Over a real socket, from the first byte sent to the last byte read. `below` is what each has to stay under.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from filling import fill
from measuring import Timing, print_settings, print_table, side_by_side, step
from places import own_database
from worlds import world_of

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode, Scope
from learning_machine.server.standalone import configured, free_port
from learning_machine.state.changes import Add, Origin
from learning_machine.state.entities import EntityRef
from learning_machine.stores.writing import Source
from learning_machine.testing import ScriptedModel

#: What every answer has to stay below on an idle machine, in milliseconds.
BOUND = 300
USER, GROUP, REVIEWER = "alice", "engineering", "carol"


def machine_on(url: str) -> LearningMachine:
    return LearningMachine(
        db=url,
        model=ScriptedModel(),
        background="external",
        user_profile=True,
        session_context=True,
        entity_memory=True,
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.PROPOSE, namespace=GROUP),
        reviewers=[REVIEWER],
    )


def propose(machine: LearningMachine, count: int) -> None:
    """So many insights that wait."""
    adds = [
        machine.stores["learned_knowledge"].insight(
            f"Rule {number}", f"Rule number {number} of {count * 7 + number} holds."
        )
        for number in range(count)
    ]
    source = Source(
        origin=Origin.INFERENCE,
        machine=machine.name,
        modes={"learned_knowledge": LearningMode.PROPOSE},
        namespaces={"learned_knowledge": GROUP},
    )
    scope = Scope(user_id=USER, groups=(GROUP,))
    for at in range(0, count, 50):
        machine.parts.ledger.write_all(adds[at : at + 50], scope=scope, source=source)


def connect_hub(machine: LearningMachine, count: int) -> str:
    """A thing with so many neighbours, and what happened with it; its id."""
    store, hub = machine.stores["entity_memory"], EntityRef("Hubbard", "company")
    adds: list[Add] = [
        store.relationship(EntityRef(f"Neighbour {n}", "person"), "works for", hub) for n in range(count)
    ]
    adds += [store.fact(hub, f"Fact number {number} about it.") for number in range(50)]
    for at in range(0, len(adds), 50):
        machine.parts.ledger.write_all(
            adds[at : at + 50], scope=Scope(user_id=USER), source=Source(machine=machine.name)
        )
    return machine.entities(words="Hubbard", user_id=USER).items[0].id


@contextmanager
def served(machine: LearningMachine) -> Iterator[str]:
    """The app on a real port."""
    import uvicorn

    from learning_machine.server import create_app

    port = free_port()
    server = uvicorn.Server(configured(create_app(machine), "127.0.0.1", port))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def asked(client: httpx.Client, hub: str, handle: str) -> dict[str, Callable[[int], Any]]:
    """What is asked, by name."""

    def get(path: str, user: str = USER, **params: Any) -> Callable[[int], Any]:
        return lambda _: client.get(path, params=params, headers={"learning-user": user}).raise_for_status().read()

    def post(path: str, **body: Any) -> Callable[[int], Any]:
        return lambda _: client.post(path, json=body, headers={"learning-user": USER}).raise_for_status().read()

    return {
        "list 50": get("/v1/learnings"),
        "list 200": get("/v1/learnings", limit=200),
        "list one store": get("/v1/learnings", store="user_profile", limit=50),
        "list what is closed": get("/v1/learnings", state="closed"),
        "read one": get(f"/v1/learnings/{handle}"),
        "search": post("/v1/learnings/search", text="the house of the river"),
        "search for a word nobody said": post("/v1/learnings/search", text="zyzzyva"),
        "entities 200": get("/v1/entities", limit=200),
        "search entities": post("/v1/entities/search", words="hubb"),
        "entity with neighbours": get(f"/v1/entities/{hub}"),
        "neighbours, 1 hop": get(f"/v1/entities/{hub}/neighbours"),
        "neighbours, 2 hops": get(f"/v1/entities/{hub}/neighbours", hops=2),
        "timeline": get("/v1/timeline"),
        "turns": get("/v1/turns"),
        "proposals 50": get("/v1/proposals"),
        "proposals 200, reviewing": get("/v1/proposals", REVIEWER, limit=200),
        "recall": post("/v1/recall", message="what about the river?"),
    }


def looked_at(url: str, hub: str, handle: str) -> dict[str, Callable[[int], Any]]:
    """The pages, by name, for somebody who is signed in."""
    people = {user: signed_in(url, user) for user in (USER, REVIEWER)}

    def page(path: str, user: str = USER) -> Callable[[int], Any]:
        return lambda _: people[user].get(f"/learned/{path}").raise_for_status().read()

    def searched(words: str) -> Callable[[int], Any]:
        form = {"form_token": token_on(people[USER].get("/learned/search").text), "q": words}
        return lambda _: people[USER].post("/learned/search", data=form).raise_for_status().read()

    return {
        "page: overview": page(""),
        "page: about me": page("me"),
        "page: knowledge": page("knowledge"),
        "page: all that was learned": page("knowledge?store=all&state=all"),
        "page: a learning": page(f"learnings/{handle}"),
        "page: things": page("things"),
        "page: thing with neighbours": page(f"things/{hub}"),
        "page: timeline": page("timeline"),
        "page: review": page("review"),
        "page: review, reviewing": page("review", REVIEWER),
        "page: review, last page": page("review?page=25"),
        "page: turns": page("turns"),
        "page: search": searched("the house of the river"),
    }


def signed_in(url: str, user: str) -> httpx.Client:
    client = httpx.Client(base_url=url, timeout=60, follow_redirects=True)
    form = {"form_token": token_on(client.get("/learned/sign-in").text), "user": user, "groups": GROUP}
    client.post("/learned/sign-in", data=form).raise_for_status()
    return client


def token_on(page: str) -> str:
    return page.partition('name="form_token" value="')[2].partition('"')[0]


def run(size: int, proposals: int, neighbours: int, rounds: int, server: str | None) -> dict[str, Timing]:
    with own_database(server) as url, machine_on(url) as machine:
        with step(f"{proposals} proposals and {neighbours} neighbours"):
            propose(machine, proposals)
            hub = connect_hub(machine, neighbours)
        with step(f"{size:,} learnings"):
            fill(machine, world_of(size), USER)
        handle = machine.learnings(user_id=USER, limit=1).items[0].handle
        with served(machine) as base, httpx.Client(base_url=base, timeout=60) as client:
            return side_by_side(asked(client, hub, handle) | looked_at(base, hub, handle), rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=int, default=10_000, help="learnings of the user [default: 10,000]")
    parser.add_argument("--proposals", type=int, default=500, help="that wait [default: 500]")
    parser.add_argument("--neighbours", type=int, default=300, help="of one thing [default: 300]")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is asked [default: 20]")
    parser.add_argument(
        "--db", help="another server; its user must be allowed to create databases [default: an embedded one]"
    )
    options = parser.parse_args(arguments)
    found = run(options.size, options.proposals, options.neighbours, options.rounds, options.db)
    print_settings(size=options.size, proposals=options.proposals, neighbours=options.neighbours, rounds=options.rounds)
    rows = [
        (name, f"{timing.p50:.1f}", f"{timing.p95:.1f}", "yes" if timing.p95 < BOUND else "NO")
        for name, timing in found.items()
    ]
    print_table("An answer over HTTP, in milliseconds", ("asked for", "p50", "p95", f"below {BOUND}"), rows)


if __name__ == "__main__":
    main()
