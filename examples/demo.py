"""Watch an agent learn: `make demo`, or `python examples/demo.py`. It needs no key, no network and no database of yours.

Everything in it is real: PostgreSQL with pgvector (embedded, started for this demo), LangGraph and its Postgres
checkpointer, and a process that ends before another one begins. Only the model is none unless you name one: without
OPENAI_API_KEY or LEARNING_MACHINE_MODEL it is the offline pattern model, which knows some forms of English sentences.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from learning_machine.errors import LearningMachineError

#: Ends the names of users and sessions, where an earlier run may have used the plain ones.
TAG = os.environ.get("LEARNING_MACHINE_DEMO_TAG", "")
USER, BOB, GROUP = f"alice{TAG}", f"bob{TAG}", f"engineering{TAG}"
ACTS = ("1", "2", "3")
COLOURED = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


# --- the story --------------------------------------------------------------------------------------------------------


def main() -> int:
    """Run the acts, each in a process of its own, on a database that begins empty."""
    title("An agent that learns")
    say("The acts run in processes of their own. All they share is a PostgreSQL database on disk.")
    with home() as settings:
        for act in ACTS:
            ended = subprocess.run([sys.executable, __file__, "--act", act], env=settings, check=False)
            if ended.returncode:
                say(f"Act {act} ended with code {ended.returncode}.")
                return ended.returncode
    title("That was it")
    say("Talk to it yourself: learning-machine chat. Ask what it knows: learning-machine show.")
    return 0


def act_1() -> None:
    """Alice introduces herself."""
    title(f"Act 1: Alice says who she is (process {os.getpid()})")
    with agent_and_machine() as (agent, machine):
        if is_offline(machine):
            say("It answers and learns by patterns of English sentences. For a real one set OPENAI_API_KEY.")
        talk(agent, 1, "Hi, I'm Alice. I work at Acme and I live in London.")
        talk(agent, 1, "I prefer short answers.")
        say("The answers are out. What they taught is learned behind them, in the background:")
        machine.flush(60)
        show(machine)
        profile = machine.recall(user_id=USER).get("user_profile")
        expect(machine, "learn Alice's name", getattr(profile, "name", None) == "Alice")
        expect(machine, "learn where she lives", "London" in str(getattr(profile, "location", "")))
    say(f"Process {os.getpid()} ends. What is left of it lies in the database.")


def act_2() -> None:
    """Another day: the agent knows her, and learns that something has changed."""
    title(f"Act 2: another process ({os.getpid()}), another session")
    with agent_and_machine() as (agent, machine):
        kept = agent.get_state(config(1)).values.get("messages", [])
        say(f"The Postgres checkpointer has kept session 1: {len(kept)} messages. Session 2 begins without them.")
        answer = answer_of(talk(agent, 2, "Hello! Where do I live?"))
        expect(machine, "answer from what was learned", "London" in answer)
        say("Now Alice says something that contradicts what is known:")
        talk(agent, 2, "I moved from London to Lisbon.")
        machine.flush(60)
        show(machine)
        places = [row for row in machine.history(store="user_profile", user_id=USER) if row["name"] == "location"]
        if closed(places, "London"):
            say("The old value is not lost. It was closed, and says what took its place:")
        for row in sorted(places, key=lambda row: row["known_from"]):
            show_period(row)
        expect(machine, "learn that Alice lives in Lisbon now", in_force(places, "Lisbon"))
        expect(machine, "keep London in the history", closed(places, "London"))
        answer = answer_of(talk(agent, 3, "Where do I live?"))
        expect(machine, "answer with the new value in a third session", "Lisbon" in answer)


def act_3() -> None:
    """What Alice learned helps Bob, once she has agreed that it may."""
    title(f"Act 3: Alice's insight helps Bob (process {os.getpid()})")
    from learning_machine import LearnedKnowledgeConfig, LearningMachine, create_learning_agent

    insight = "retry webhooks with exponential backoff"
    with LearningMachine(learned_knowledge=LearnedKnowledgeConfig(namespace=GROUP)) as machine:
        agent = create_learning_agent(machine.model, learning=machine)
        say("What goes into a shared namespace is proposed first. The reply is out before anybody is asked:")
        result = talk(agent, 4, f"Lesson: {insight}.", groups=(GROUP,))
        questions = result["__interrupt__"][0].value["action_requests"] if "__interrupt__" in result else []
        expect(machine, "propose the insight", bool(questions))
        if questions:
            print_question(questions[0])
            expect(machine, "keep what waits from Bob", insight not in asked_by(machine, BOB, groups=(GROUP,)))
            decide(agent, f"{insight[0].upper()}{insight[1:]}, at most five times.")
            say("Bob is in the same group, and asks about webhooks. This is what his agent reads:")
            seen = asked_by(machine, BOB, groups=(GROUP,))
            print("\n".join(f"    {line}" for line in seen.splitlines() if line.startswith("- ")) + "\n", flush=True)
            expect(machine, "let Alice's insight help Bob", "at most five times" in seen)
            expect(machine, "keep it from Carol, who is not in the group", not asked_by(machine, f"carol{TAG}"))


def print_question(question: dict[str, Any]) -> None:
    """What a person judges it by."""
    say("What Alice is asked:")
    print("\n".join(f"    {line}" for line in question["description"].splitlines() if line) + "\n", flush=True)


def decide(agent: Any, text: str) -> None:
    """Alice edits what was proposed, and so approves it."""
    from langgraph.types import Command

    say(f"She edits it before she agrees: {bold(text)}")
    answer = {"decisions": [{"type": "edit", "edited_action": {"name": "edit", "args": {"content": text}}}]}
    agent.invoke(Command(resume=answer), config(4), context={"user_id": USER, "groups": (GROUP,)})


def asked_by(machine: Any, user: str, **scope: Any) -> str:
    """What an agent would read when this person asks about webhooks."""
    return str(machine.build_context(message="How should we retry webhooks?", user_id=user, **scope))


def in_force(rows: list[dict[str, Any]], value: str) -> bool:
    return any(value in row["text"] and row["known_to"] is None for row in rows)


def closed(rows: list[dict[str, Any]], value: str) -> bool:
    return any(value in row["text"] and row["known_to"] is not None and row["superseded_by"] for row in rows)


# --- the parts --------------------------------------------------------------------------------------------------------


@contextmanager
def agent_and_machine() -> Iterator[tuple[Any, Any]]:
    """An agent with a user profile and session context, on the embedded database."""
    from learning_machine import LearningMachine, create_learning_agent
    from learning_machine.models import describe_model

    with LearningMachine(user_profile=True, session_context=True) as machine:
        agent = create_learning_agent(machine.model, learning=machine)
        say(f"Model: {describe_model(machine.model)}.")
        yield agent, machine


def is_offline(machine: Any) -> bool:
    from learning_machine.offline import OfflineModel

    return isinstance(machine.model, OfflineModel)


def thread(session: int) -> str:
    return f"session-{session}{TAG}"


def config(session: int) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread(session)}}


def talk(agent: Any, session: int, text: str, **scope: Any) -> dict[str, Any]:
    """Say something to the agent in this session, and print both sides."""
    print(f"\n  {dim(f'[session {session}]')} alice: {bold(text)}", flush=True)
    given = {"messages": [{"role": "user", "content": text}]}
    result: dict[str, Any] = agent.invoke(given, config(session), context={"user_id": USER, **scope})
    recalled = result["learning"]["recalled"].get("user_profile", [])
    print(dim(f"              recalled: {len(recalled)} about alice"))
    print(f"  {dim(f'[session {session}]')} agent: {answer_of(result)}\n", flush=True)
    return result


def answer_of(result: dict[str, Any]) -> str:
    return str(result["messages"][-1].text)


def show(machine: Any) -> None:
    """What holds now of Alice, with the words it stands on."""
    for row in reversed(machine.history(store="user_profile", user_id=USER, closed=False)):
        quote = f"because she said “{row['quotes'][0]}”" if row["quotes"] else ""
        print(f"    {row['name'] or row['kind']} = {bold(row['text'])}  {dim(quote)}")
    print(flush=True)


def show_period(row: dict[str, Any]) -> None:
    since = f"{row['known_from'].astimezone():%H:%M:%S}"
    until = f"{row['known_to'].astimezone():%H:%M:%S}, then {row['superseded_by']}" if row["known_to"] else "now"
    print(f"    [{row['handle']}] location = {bold(row['text'])}  {dim(f'from {since} until {until}')}", flush=True)


def expect(machine: Any, what: str, came_true: bool) -> None:
    """Check the story. The offline model has to keep to it; what a language model does otherwise is only shown."""
    if came_true:
        print(f"  {paint('32', '✓')} it had to {what}, and did", flush=True)
    elif is_offline(machine):
        sys.exit(f"The story did not come true: the model did not {what}.")
    else:
        print(f"  {paint('33', '!')} the model did not {what}", flush=True)


@contextmanager
def home() -> Iterator[dict[str, str]]:
    """Settings for the acts: the demo's own database, in LEARNING_MACHINE_HOME or in a directory that is gone afterwards."""
    settings = {name: value for name, value in os.environ.items() if name != "LEARNING_MACHINE_DATABASE_URL"}
    if settings.get("LEARNING_MACHINE_HOME"):
        yield settings | {"LEARNING_MACHINE_DEMO_TAG": f"-{os.getpid()}-{time.time():.0f}"}
    else:
        with tempfile.TemporaryDirectory(prefix="learning-machine-demo-") as folder:
            yield settings | {"LEARNING_MACHINE_HOME": folder}


# --- print ------------------------------------------------------------------------------------------------------------


def paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOURED else text


def bold(text: str) -> str:
    return paint("1", text)


def dim(text: str) -> str:
    return paint("2", text)


def title(text: str) -> None:
    print(f"\n{bold(text)}\n{'─' * len(text)}", flush=True)


def say(text: str) -> None:
    print(text, flush=True)


def run(act: str | None) -> int:
    """The whole demo, or one act of it."""
    try:
        if act is None:
            return main()
        {"1": act_1, "2": act_2, "3": act_3}[act]()
    except LearningMachineError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Watch an agent learn.")
    parser.add_argument("--act", choices=ACTS, help=argparse.SUPPRESS)
    sys.exit(run(parser.parse_args().act))
