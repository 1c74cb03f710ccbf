"""What a person does on the pages: look, put right, decide, by mouse, by keys, and without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Person, Served
from plenty import HEBREW, HOSTILE, a_life, hostility, know, much, say

from learning_machine.server.callers import TokenAuthentication
from learning_machine.server.tokens import Tokens, new_token

pytestmark = pytest.mark.page

Visits = Callable[..., Person]
RULES = ("rule: First check the logs", "rule: Second ask the owner", "rule: Third write it down")


def waiting(served: Served) -> list[str]:
    return [one.text for one in served.machine.proposals.list()]


def cards(page: Any) -> list[str]:
    """What the queue shows, card by card."""
    return [str(one) for one in page.locator(".proposal .what").all_inner_texts()]


def focused(page: Any) -> str:
    """What has the keyboard's attention: a proposal by its handle, or the kind of element."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.tagName"))


# --- review -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
def test_approve_edit_and_reject(served: Served, person: Visits, scripts: bool) -> None:
    """Each button does what it says, with a script without reloading and without one by forms; what is approved is known."""
    say(served.machine, "alice", *RULES)
    alice = person(java_script_enabled=scripts)
    page = alice.open("review")
    if scripts:
        page.evaluate("window.same = true")
    card = page.locator(".proposal")
    card.filter(has_text="First check").get_by_role("button", name="Approve", exact=False).first.click()
    page.get_by_text("Approved.", exact=True).wait_for()
    second = page.locator(".proposal").filter(has_text="Second ask")
    second.locator("summary", has_text="Edit").click()
    second.get_by_label("In these words").fill("Second ask whoever owns it")
    second.get_by_role("button", name="Approve in these words").click()
    page.get_by_text("Approved in your words.").wait_for()
    assert not scripts or page.evaluate("window.same")
    third = page.locator(".proposal").filter(has_text="Third write")
    third.locator("summary", has_text="Reject").click()
    third.get_by_label("Why").fill("that is obvious")
    third.get_by_role("button", name="Reject").last.click()
    page.get_by_text("Nothing waits").wait_for()
    assert sorted(served.known(store="learned_knowledge")) == ["First check the logs", "Second ask whoever owns it"]
    assert waiting(served) == []
    page.get_by_role("link", name="Decided").click()
    assert page.locator(".proposal .tag").filter(has_text="rejected").count() == 1


def test_deciding_by_keys_alone(served: Served, person: Visits) -> None:
    """j and k go through the queue, a approves, r rejects with a reason, e edits, u takes back; the focus is never lost."""
    say(served.machine, "alice", *RULES, "rule: Fourth tell the others")
    page = person().open("review")
    page.keyboard.press("j")
    assert focused(page) == "p1"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert focused(page) == "p2"
    page.keyboard.press("a")
    page.get_by_text("Approved.", exact=True).wait_for()
    assert focused(page) == "p3"
    assert served.known(store="learned_knowledge") == ["Second ask the owner"]
    page.keyboard.press("u")
    page.get_by_text("Undone").wait_for()
    assert served.known(store="learned_knowledge") == []
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("First read the logs, j and k too")
    page.keyboard.press("Control+Enter")
    page.get_by_text("Approved in your words.").wait_for()
    assert served.known(store="learned_knowledge") == ["First read the logs, j and k too"]
    page.keyboard.press("r")
    page.keyboard.type("not so")
    page.keyboard.press("Escape")
    assert focused(page) == "p3"
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    page.get_by_text("Rejected.").wait_for()
    assert "Third write it down" not in waiting(served)
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog", name="Keys").is_visible()


def test_keys_can_be_switched_off(served: Served, person: Visits) -> None:
    """Whoever speaks to their computer, or types elsewhere, approves nothing by a letter once the keys are off."""
    say(served.machine, "alice", *RULES)
    page = person().open("review")
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Use these keys").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.locator("#p1").focus()
    page.keyboard.press("a")
    page.keyboard.press("r")
    assert len(waiting(served)) == 3
    assert page.locator("details[open]").count() == 0


def test_several_at_once(served: Served, person: Visits) -> None:
    """All ticked are approved together."""
    say(served.machine, "alice", *RULES)
    page = person().open("review")
    page.get_by_label("All on this page").check()
    page.locator("#p2").get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="Approve ticked").click()
    page.get_by_text("2 approved.").wait_for()
    assert waiting(served) == ["Second ask the owner"]


def test_a_proposal_that_changed_is_shown_again(served: Served, person: Visits) -> None:
    """Somebody else was quicker: nothing is decided, the card says so, and what was typed is still there."""
    say(served.machine, "alice", *RULES)
    alice = person()
    page = alice.open("review")
    served.machine.proposals.reject("p1", by="alice")
    page.locator("#p1").focus()
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Other words")
    page.keyboard.press("Control+Enter")
    page.get_by_text("It has changed since it was shown to you").wait_for()
    assert "First check the logs" not in served.known()
    alice.complaints = [one for one in alice.complaints if "status of 412" not in one]


def test_the_queue_goes_on_after_its_last_card(served: Served, person: Visits) -> None:
    """When the last proposal of a page is decided, the next ones are there."""
    say(served.machine, "alice", *(f"rule: Step {number} of the release" for number in range(22)))
    page = person().open("review")
    page.keyboard.press("j")
    for left in range(20, 1, -1):
        page.keyboard.press("a")
        page.locator(".proposal").nth(left - 1).wait_for(state="detached")
    page.keyboard.press("a")
    page.get_by_text("1–2 of 2").wait_for()
    assert "Approved." in page.locator("#said").inner_text()
    assert len(cards(page)) == 2


def test_no_answer_decides_nothing(served: Served, person: Visits) -> None:
    """When the server cannot be reached the page says so, and the card stays."""
    say(served.machine, "alice", *RULES)
    alice = person()
    page = alice.open("review")
    page.route("**/review/p1", lambda route: route.abort())
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.get_by_text("The server did not answer").wait_for()
    assert len(cards(page)) == 3
    alice.complaints = [one for one in alice.complaints if "ERR_FAILED" not in one]


def test_a_change_shows_what_goes_and_what_comes(served: Served, person: Visits) -> None:
    """A proposal that would replace something shows both, word by word, also to who cannot see colours; it replaces it."""
    know(served.machine, "alice", "learned_knowledge", "Deploy on Monday only.", namespace="engineering")
    say(served.machine, "alice", "instead: k1|Deploy on Tuesday only.")
    page = person("rita").open("review")
    diff = page.locator(".diff")
    assert diff.locator("del").inner_text().split() == ["[gone:", "Monday", "]"]
    assert diff.locator("ins").inner_text().split() == ["[new:", "Tuesday", "]"]
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.get_by_text("Approved.", exact=True).wait_for()
    assert served.known(store="learned_knowledge") == ["Deploy on Tuesday only."]


# --- what is known ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
def test_what_is_known_about_me_can_be_put_right(served: Served, person: Visits, scripts: bool) -> None:
    """From one page a person adds, edits, forgets and takes back what is known of them."""
    a_life(served.machine)
    page = person(java_script_enabled=scripts).open("me")
    assert "Alice Martins" in page.locator("main").inner_text()
    page.get_by_text("Add something about you").click()
    page.get_by_label("What it is").select_option("")
    page.get_by_label("What should be known").fill("is allergic to nuts")
    page.get_by_role("button", name="Add").click()
    page.get_by_text("Saved.").wait_for()
    assert "is allergic to nuts" in served.known()
    row = page.locator(".profile > div").filter(has_text="Lisbon")
    row.get_by_role("link", name="Edit").click()
    page.get_by_role("textbox", name="location").fill("Porto")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    assert page.url.endswith("/learned/me")
    assert "Porto" in served.known() and "Lisbon" not in served.known()
    page.locator(".profile > div").filter(has_text="Porto").get_by_role("button", name="Forget").click()
    page.get_by_text("Forgotten.").wait_for()
    assert "Porto" not in served.known()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone").wait_for()
    assert "Porto" in served.known()


def test_everything_can_be_taken_along(served: Served, person: Visits) -> None:
    """The download is a file with what is known."""
    a_life(served.machine)
    page = person().open("me")
    with page.expect_download() as loading:
        page.get_by_role("link", name="Download all of it").click()
    text = loading.value.path().read_text()
    assert "Alice Martins" in text and loading.value.suggested_filename == "what-was-learned.jsonl"


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
def test_search_finds_what_fits(served: Served, person: Visits, scripts: bool) -> None:
    """The field on top finds learnings and things by their words; the address does not hold what was asked."""
    a_life(served.machine)
    page = person(java_script_enabled=scripts).open("")
    page.get_by_label("Search everything learned").fill("Northwind")
    page.get_by_role("search").get_by_role("button", name="Search").click()
    page.get_by_role("heading", name="Search").wait_for()
    assert "Northwind" not in page.url
    assert page.get_by_role("link", name="Northwind Robotics company").is_visible()
    assert "builds warehouse robots" in page.locator("main").inner_text() or page.locator(".item").count() > 0
    page.get_by_label("Words, or what it is about").fill("zyzzyva")
    page.locator("main").get_by_role("button", name="Search").click()
    page.get_by_role("status").filter(has_text="found.").wait_for()
    assert page.get_by_label("Words, or what it is about").input_value() == "zyzzyva"


def test_a_thing_shows_facts_timeline_and_a_drawing_to_walk_along(served: Served, person: Visits) -> None:
    """From a thing its neighbours are reached by the drawing as by the list."""
    a_life(served.machine)
    page = person().open("things")
    page.get_by_role("link", name=re.compile("Northwind Robotics")).click()
    text = page.locator("main").inner_text()
    assert "builds warehouse robots" in text and "opened the warehouse in Rotterdam" in text
    page.locator("svg.drawing.wide").get_by_text("Joana Reis").click()
    page.get_by_role("heading", name="Joana Reis", level=1).wait_for()
    page.get_by_role("link", name="Timeline").click()
    assert page.get_by_role("heading", name="May 2026").is_visible()


def test_a_turn_leads_to_what_it_taught_and_back(served: Served, person: Visits) -> None:
    """From what was said one gets to the learning, and from there to why it is known: the own words, and the turn."""
    a_life(served.machine)
    page = person().open("turns")
    page.get_by_role("link", name="location: Lisbon").click()
    assert "I live in Lisbon" in page.locator("blockquote").inner_text()
    page.get_by_role("link", name="a turn of a conversation").click()
    assert page.get_by_role("heading", name="A turn").is_visible()


def test_a_stale_edit_keeps_what_was_typed(served: Served, person: Visits) -> None:
    """When it has changed meanwhile, both are shown, and saving again puts mine in its place."""
    handle = know(served.machine, "alice", "user_profile", "likes tea")
    alice = person()
    page = alice.open(f"learnings/{handle}/edit")
    served.machine.edit(handle, "likes coffee", user_id="alice")
    page.locator("#text").fill("likes water")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("It has changed since you opened it").wait_for()
    assert "likes coffee" in page.locator("main").inner_text()
    page.get_by_role("button", name="Save mine instead").click()
    page.get_by_text("Saved.").wait_for()
    assert served.known() == ["likes water"]
    alice.complaints = [one for one in alice.complaints if "status of 412" not in one]


# --- by keyboard, hostile, and much -----------------------------------------------------------------------------------


def test_the_keyboard_reaches_everything_and_shows_where_it_is(served: Served, person: Visits) -> None:
    """The first Tab skips to the content; every stop can be seen, and the last one leads out of the page."""
    a_life(served.machine)
    page = person().open("me")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for stops in range(200):  # noqa: B007 - how many there were
        page.keyboard.press("Tab")
        if focused(page) == "BODY":
            break
        seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert seen, page.evaluate("document.activeElement.outerHTML")
    links = page.locator("a:visible, button:visible, input:visible, summary:visible").count()
    assert links - 3 <= stops < 199


def test_hostile_words_do_nothing(served: Served, person: Visits) -> None:
    """Stored markup runs nowhere and is shown as it was written; right-to-left text stays in its place."""
    hostility(served.machine, "alice")
    alice = person()
    for path in ("", "me", "knowledge", "things", "timeline", "review", "turns"):
        page = alice.open(path)
        text = page.locator("main").inner_text()
        assert "<script>alert(1)</script>" in text or HEBREW in text, path
        assert page.locator("main script, main img, main b").count() == 0
    page.locator("body").press("End")
    page = alice.open("review")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.get_by_text("Approved.", exact=True).wait_for()
    assert HOSTILE in served.known(store="learned_knowledge")


def test_a_token_signs_in(served: Served, person: Visits, tmp_path: Any) -> None:
    """Where there are tokens, one opens the pages of who holds it, and nothing in the browser's storage holds it."""
    tokens = Tokens(tmp_path / "tokens.json")
    kept, token = new_token("user", "alice")
    tokens.add(kept)
    served.app.state.authentication = TokenAuthentication(tokens)
    alice = person("")
    page = alice.open("me")
    page.get_by_label("Your token").fill("lm_0123456789ab_" + "x" * 43)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This is no token").wait_for()
    page.get_by_label("Your token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert token not in stored and "session" not in page.evaluate("document.cookie")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    alice.complaints = [one for one in alice.complaints if "status of 401" not in one]


def test_very_much_stays_readable(served: Served, url: str, person: Visits) -> None:
    """With 500 proposals and a thing of 300 neighbours pages are short, say how much there is, and lead to the rest."""
    hub = much(served.machine, url, "alice", learnings=2_000, proposals=500, neighbours=300)
    for width in (1280, 390):
        page = person(viewport={"width": width, "height": 900}).open("review")
        assert page.get_by_role("status").filter(has_text="of 501").is_visible()
        assert page.locator(".proposal").count() == 20
        page.get_by_role("link", name="Next").click()
        assert "Page 2 of 26" in page.locator("main").inner_text()
        page.goto(f"{served.url}/learned/things/{hub}")
        assert page.get_by_role("link", name="Connections (300)").is_visible()
        texts = page.locator("svg.drawing:visible text").all()
        boxes = [one.bounding_box() for one in texts]
        assert 10 < len(boxes) < 70
        frame = page.locator(".neighbourhood").bounding_box()
        for index, one in enumerate(boxes):
            assert one["x"] >= frame["x"] and one["x"] + one["width"] <= frame["x"] + frame["width"]
            for other in boxes[index + 1 :]:
                apart_x = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
                apart_y = one["y"] + one["height"] <= other["y"] + 6 or other["y"] + other["height"] <= one["y"] + 6
                assert apart_x or apart_y
        assert page.evaluate("document.body.scrollHeight") < 9_000
