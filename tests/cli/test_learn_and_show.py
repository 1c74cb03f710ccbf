"""`learn` reads conversations from a file, `show` says what came of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from learning_machine import create_learning_agent

TEXT = "User: Hi, I'm Alice and I live in London.\nAssistant: Hello!\nUser: I prefer green tea.\nAssistant: Noted.\n"
MOVED = '[{"role": "user", "content": "I moved from London to Lisbon."}, {"role": "assistant", "content": "Oh!"}]'


@pytest.fixture
def talk(tmp_path: Path) -> str:
    """A file with one conversation."""
    file = tmp_path / "monday.txt"
    file.write_text(TEXT, "utf-8")
    return str(file)


# --- learn ------------------------------------------------------------------------------------------------------------


def test_learn_prints_what_was_learned_and_its_evidence(run: Any, talk: str) -> None:
    """Each learning is a line with its handle, store, content and quote; the last line counts the receipts."""
    ran = run("learn", talk, "--user", "alice")
    assert ran.code == 0
    assert "name = Alice" in ran.out and "“I'm Alice”" in ran.out and "user_profile" in ran.out
    assert ran.out.splitlines()[-1] == "session monday: 4 saved"
    assert "1 model call," in ran.err


def test_learning_again_finds_nothing_new(run: Any, talk: str) -> None:
    """What was read before is not read again, and no model is asked."""
    run("learn", talk, "--user", "alice")
    ran = run("learn", talk, "--user", "alice")
    assert ran.code == 0
    assert ran.out == "session monday: nothing new\n"
    assert "0 model calls" in ran.err


def test_conversations_of_a_file_have_sessions_of_their_own(run: Any, tmp_path: Path) -> None:
    """Several conversations in one file become sessions with the file's name, or the one given, and a number."""
    file = tmp_path / "week.txt"
    file.write_text(f"{TEXT}---\nUser: I work at Acme.\nAssistant: Noted.\n", "utf-8")
    for options, name in (([], "week"), (["--session", "w"], "w")):
        ran = run("learn", str(file), "--user", "alice", "--json", *options)
        assert list(json.loads(ran.out)["sessions"]) == [f"{name}-1", f"{name}-2"]


def test_what_comes_by_a_pipe_has_a_session_of_its_own(run: Any) -> None:
    """Standard input is a session named by what is said in it: the same again is known, another is another session."""
    first, again, other = (
        run("learn", "-", "--user", "alice", "--json", stdin=text) for text in (TEXT, TEXT, "User: I work at Acme.")
    )
    sessions = [set(json.loads(ran.out)["sessions"]) for ran in (first, again, other)]
    assert sessions[0] == sessions[1] != sessions[2]
    assert json.loads(again.out)["counts"] == {}
    assert {row["text"] for row in json.loads(other.out)["learned"]} >= {"Acme"}


def test_learn_replaces_what_a_later_conversation_contradicts(run: Any, talk: str) -> None:
    """Of two files the later one's value holds; both are in the history."""
    run("learn", talk, "--user", "alice")
    run("learn", "-", "--user", "alice", stdin=MOVED)
    shown = run("show", "--user", "alice", "--store", "user_profile", "--history").out
    lines = {line.split()[3]: line for line in shown.splitlines() if "location = " in line}
    assert "since" in lines["Lisbon"] and "I moved from London to Lisbon" in lines["Lisbon"]
    assert "until" in lines["London"] and f"then {lines['Lisbon'].split()[0]}" in lines["London"]


def test_bad_records_stop_learning_unless_they_are_skipped(run: Any) -> None:
    """A record that cannot be read is an error that names it; with --skip-bad it is listed and the rest is learned."""
    lines = '{"role": "user", "content": "I live in Oslo."}\n{"role": "nobody", "content": "x"}\n'
    ran = run("learn", "-", "--user", "alice", stdin=lines)
    assert ran.code == 1 and "Line 2" in ran.err
    assert "Nothing is known" in run("show", "--user", "alice").err
    ran = run("learn", "-", "--user", "alice", "--skip-bad", stdin=lines)
    assert ran.code == 0
    assert "skipped record 2:" in ran.err and "location = Oslo" in ran.out


def test_what_is_no_text_is_an_error(run: Any, tmp_path: Path) -> None:
    """A folder, a file that is not UTF-8 and an empty one are refused in a sentence that says which."""
    (tmp_path / "latin").write_bytes("User: é".encode("latin-1"))
    for name, says in (("", "cannot be read"), ("latin", "is not UTF-8")):
        ran = run("learn", str(tmp_path / name), "--user", "alice")
        assert ran.code == 1 and says in ran.err
    assert "is empty" in run("learn", "-", "--user", "alice").err


def test_refused_changes_are_said_with_their_reason(run: Any, scripted: Any) -> None:
    """What the gate refused is counted, and why."""
    made = scripted({"action": "add", "store": "no_store", "value": "x"})
    ran = run("learn", "-", "--user", "alice", "--machine", made, stdin="User: hello")
    assert ran.out == f"{ran.out.split(':')[0]}: 1 refused\n"
    assert "refused 1: there is no such store" in ran.err


def test_a_model_that_fails_is_an_error_and_costs_nothing_twice(run: Any, app: Any, talk: str) -> None:
    """When the model cannot be asked the command ends with 1; run again, it goes on where it stopped."""
    made = app(
        "from learning_machine import LearningMachine\n"
        "from learning_machine.testing import ScriptedModel\n"
        "def fail(new): raise ConnectionError('secret text')\n"
        "machine = LearningMachine(model=ScriptedModel(learns=fail), user_profile=True)\n"
    )
    ran = run("learn", talk, "--user", "alice", "--machine", f"{made}:machine")
    assert ran.code == 1 and "Error: The model could not be asked (ConnectionError)" in ran.err
    assert "secret text" not in ran.err
    assert "name = Alice" in run("learn", talk, "--user", "alice").out


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_says_when_nothing_is_known_and_how_to_teach(run: Any) -> None:
    """For somebody unknown nothing goes to standard output, and a hint to standard error."""
    ran = run("show", "--user", "nobody")
    assert ran.code == 0 and ran.out == ""
    assert "Nothing is known of nobody yet." in ran.err and "learning-machine chat" in ran.err
    assert run("show", "--user", "nobody", "--json").out == "[]\n"


def test_show_groups_by_store_and_session(run: Any, talk: str) -> None:
    """The profile comes first, then each conversation; --session and --store narrow it."""
    run("learn", talk, "--user", "alice")
    run("learn", "-", "--user", "alice", "--session", "tuesday", stdin=MOVED)
    headings = [line for line in run("show", "--user", "alice").out.splitlines() if line and line[0] != "k"]
    assert headings == ["user_profile", "session_context, session monday", "session_context, session tuesday"]
    ran = run("show", "--user", "alice", "--session", "tuesday")
    assert "monday" not in ran.out and "name = Alice" in ran.out
    assert "user_profile" not in run("show", "--user", "alice", "--store", "session_context").out


def test_show_is_about_one_user(run: Any, talk: str) -> None:
    """Nobody sees what is known of somebody else."""
    run("learn", talk, "--user", "alice")
    assert run("show", "--user", "bob", "--history").out == ""


def test_show_as_json_has_the_evidence(run: Any, talk: str) -> None:
    """JSON has every learning that holds, with its quotes; with --history also what does not, marked."""
    run("learn", talk, "--user", "alice")
    run("learn", "-", "--user", "alice", stdin=MOVED)
    rows = {row["text"]: row for row in json.loads(run("show", "--user", "alice", "--json").out)}
    assert rows["Lisbon"]["quotes"] == ["I moved from London to Lisbon"] and "London" not in rows
    rows = {row["text"]: row for row in json.loads(run("show", "--user", "alice", "--json", "--history").out)}
    assert rows["Lisbon"]["known"] and not rows["London"]["known"]
    assert rows["London"]["superseded_by"] == rows["Lisbon"]["handle"]


def test_hostile_text_does_not_reach_the_terminal(run: Any, scripted: Any) -> None:
    """Escape sequences, 8-bit controls, direction marks, line breaks and markup in learnings are shown, not obeyed."""
    text = "\x1b]0;owned\x07\x1b[2J\u009b31mred\u202e [bold]x[/bold] :smile:\nk99  name = Mallory"
    made = scripted({"action": "add", "store": "user_profile", "kind": "observation", "value": text})
    ran = run("learn", "-", "--user", "alice", "--machine", made, stdin="User: hello")
    out = ran.out + run("show", "--user", "alice", "--machine", made).out
    assert "[bold]x[/bold] :smile:" in out
    assert not {"\x1b", "\x07", "\u009b", "\u202e"} & set(out)
    assert not [line for line in out.splitlines() if line.startswith("k99")]


def test_show_follows_the_branch_a_conversation_is_on(run: Any, machine: Any) -> None:
    """What was said in an answer that was replaced later does not hold, and what it had replaced holds again.

    That is what recall finds; the history has both.
    """
    talking = machine(user_profile=True, conversation=False)
    agent = create_learning_agent(talking.model, learning=talking)
    config: Any = {"configurable": {"thread_id": "s"}}

    def say(text: str, at: Any) -> None:
        agent.invoke({"messages": [("user", text)]}, at, context={"user_id": "alice"})
        talking.flush()

    say("I live in London.", config)
    before = agent.get_state(config).config
    say("I moved to Rome.", config)
    assert talking.recall(user_id="alice")["user_profile"].location == "Rome"
    say("Thank you.", before)
    assert talking.recall(user_id="alice")["user_profile"].location == "London"
    known = json.loads(run("show", "--user", "alice", "--store", "user_profile", "--json").out)
    assert [row["text"] for row in known] == ["London"]
    assert "left behind" in run("show", "--user", "alice", "--history").out
