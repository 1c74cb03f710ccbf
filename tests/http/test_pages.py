"""The pages without a browser: what they show, to whom, and how they take what is sent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import itertools

from reading_pages import Browser, Page
from served_machine import make

from learning_machine import LearningMachine
from learning_machine.server import create_app
from learning_machine.server.callers import TokenAuthentication
from learning_machine.server.pages.differences import differences
from learning_machine.server.pages.drawing import MOST_NAMES, branches_of, narrow, wide
from learning_machine.server.pages.texts import plain, shortened, shown
from learning_machine.server.tokens import Tokens, new_token
from learning_machine.state.changes import Add, Origin
from learning_machine.state.scope import Scope
from learning_machine.state.views import ConnectionView
from learning_machine.stores.writing import Source

PAGES = ("", "me", "knowledge", "knowledge?store=all&state=all", "things", "timeline", "review", "review?show=decided")
PAGES += ("turns", "search", "knowledge?state=closed", "knowledge?store=user_profile")
GROUPS = ("engineering",)
HOSTILE = (
    "<script>alert(1)</script> **bold** <img src=x onerror=alert(2)> \u202edlrow\u202c zero\u200bwidth 👩‍👩‍👧 \"'&"
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@pytest.fixture
def served(url: str) -> Iterator[LearningMachine]:
    found = make(db=url)
    yield found
    found.close()


@pytest.fixture
def browse(served: LearningMachine) -> Callable[..., Browser]:
    """A browser signed in by name, on a server without tokens: `browse("alice", "engineering")`."""
    app = create_app(served)

    def browser(user: str, *groups: str) -> Browser:
        made = Browser(app)
        assert made.sign_in(user=user, groups=", ".join(groups)).status_code == 200
        return made

    return browser


def teach(machine: LearningMachine, user: str, *lines: str, session: str = "s") -> None:
    messages = [{"role": "user", "content": "\n".join(lines)}, {"role": "assistant", "content": "ok"}]
    machine.process(messages, user_id=user, groups=GROUPS, session_id=session)


def know(machine: LearningMachine, user: str, store: str = "user_profile", text: str = "likes tea", **more: Any) -> str:
    receipt = machine.add(store, text, user_id=user, groups=GROUPS, namespace="user", **more)
    assert receipt.status == "saved"
    return str(receipt.handle)


def everything(machine: LearningMachine, user: str, word: str) -> list[str]:
    """Somebody who has something on every page; the addresses of what is theirs."""
    teach(machine, user, f"I: {word} one", f"Acme: {word} two", f"rule: {word} three")
    handle = know(machine, user, text=f"{word} four")
    insight = know(machine, user, "learned_knowledge", f"{word} five", name=f"{word} title")
    about = {"subject": f"{word} Ltd (company)"}
    know(machine, user, "entity_memory", f"{word} happened", kind="event", **about)
    know(machine, user, "entity_memory", "", name=f"{word} owns", target=f"{word}ling (person)", **about)
    scope = {"user_id": user, "groups": GROUPS}
    things = [one.id for one in machine.entities(**scope).items]
    turns = [str(one.id) for one in machine.turns(**scope).items]
    proposals = [one.handle for one in machine.proposals.list(**scope)]
    return [
        *(f"learnings/{one}" for one in (handle, insight)),
        *(f"learnings/{one}/{page}" for one in (handle, insight) for page in ("edit", "forget")),
        *(f"things/{one}" for one in things),
        *(f"things/{one}/timeline" for one in things),
        *(f"turns/{one}" for one in turns),
        *(f"review/{one}" for one in proposals),
    ]


# --- what they show ---------------------------------------------------------------------------------------------------


def test_every_page_stands_with_nothing_learned(browse: Callable[..., Browser]) -> None:
    """Somebody of whom nothing is known sees every page, and each says that there is nothing yet."""
    alice = browse("alice")
    for path in PAGES:
        page = alice.read(f"/learned/{path}")
        assert page.headings[0] == 1
        assert path == "search" or "yet" in page.words or "Nothing" in page.words or "No such" in page.words, path


def test_every_page_has_the_strict_policy_and_no_foreign_address(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """Each page forbids whatever is not its own, and asks for nothing from elsewhere; no style or script stands in it."""
    alice, paths = browse("alice", *GROUPS), everything(served, "alice", "word")
    for path in (*PAGES, *paths, "nowhere"):
        answer = alice.get(f"/learned/{path}")
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        for tag, given in Page(answer.text).elements:
            assert tag != "style" and "style" not in given
            assert not [name for name in given if name.startswith("on")]
            assert tag != "script" or (given.get("src") or "").startswith("/learned/static/")
            for name in ("src", "href", "action"):
                assert (given.get(name) or "/").startswith(("/learned/", "/", "#"))
                assert not (given.get(name) or "").startswith("//")


def test_headings_do_not_skip_a_level(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """One first heading a page, and below each only the next level."""
    alice, paths = browse("alice", *GROUPS), everything(served, "alice", "word")
    for path in (*PAGES, *paths):
        found = alice.read(f"/learned/{path}").headings
        assert found.count(1) == 1, path
        assert all(after - before <= 1 for before, after in itertools.pairwise(found)), (path, found)


def test_what_is_known_stands_on_the_pages(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Profile, knowledge, things, events, connections, proposals and turns are all found where a person looks for them."""
    everything(served, "alice", "zebra")
    alice = browse("alice", *GROUPS)
    expected = {
        "me": ["zebra one", "zebra four", "zebra five", "zebra Ltd"],
        "knowledge": ["zebra five"],
        "things": ["zebra Ltd", "zebraling", "Acme"],
        "timeline": ["zebra happened"],
        "review": ["zebra three"],
        "turns": ["zebra one", "Learned from it"],
    }
    for path, words in expected.items():
        page = alice.read(f"/learned/{path}")
        assert [word for word in words if word not in page.words] == [], path


def test_a_page_without_a_session_leads_to_sign_in(served: LearningMachine) -> None:
    """Whoever is not signed in is shown the sign-in page and nothing else."""
    stranger = Browser(create_app(served))
    for path in PAGES:
        answer = stranger.get(f"/learned/{path}")
        assert answer.url.path == "/learned/sign-in"
    assert stranger.get("/").url.path == "/learned/sign-in"


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_nobody_sees_anything_of_another(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Bob finds nothing of Alice's on any page, and each of her addresses is not there for him."""
    paths = everything(served, "alice", "canary")
    bob = browse("bob", *GROUPS)
    for path in PAGES:
        assert "canary" not in bob.get(f"/learned/{path}").text
    search = bob.read("/learned/search").form("/search", q="")
    assert bob.send(search, q="canary").text.count("canary") == 1  # his own word, in the field
    for path in paths:
        answer = bob.get(f"/learned/{path}")
        assert answer.status_code == 404, path
        assert "canary" not in answer.text
    handle = paths[0].split("/")[1]
    token = search.fields["form_token"]
    for path in (f"learnings/{handle}/forget", f"learnings/{handle}/edit"):
        sent = {"form_token": token, "version": "x", "text": "mine now"}
        assert bob.client.post(f"/learned/{path}", data=sent).status_code == 404
    undo = bob.client.post("/learned/undo", data={"form_token": token, "what": handle})
    assert "nothing to undo" in undo.text
    assert served.get(handle, user_id="alice").holds


def test_who_said_and_decided_what_in_a_group_is_told_to_nobody_else(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """What Alice said became the group's knowledge. Her words and her name are on no page of Bob's, in none of his tools'
    answers, and in nothing that the machine tells in his name: history, explanations, recall, export."""
    served.process(
        [
            {"role": "user", "content": "My canary says:\nrule: Check the fuse twice."},
            {"role": "assistant", "content": "ok"},
        ],
        user_id="alice",
        groups=GROUPS,
        session_id="s",
    )
    (proposal,) = served.proposals.list()
    (receipt,) = served.proposals.approve(proposal.handle, by="alice")
    handle, bob, scope = str(receipt.handle), browse("bob", *GROUPS), {"user_id": "bob", "groups": GROUPS}
    search = bob.read("/learned/search").form("/search", q="")
    told = [bob.get(f"/learned/{path}").text for path in (*PAGES, f"learnings/{handle}", f"learnings/{handle}/edit")]
    told.append(bob.send(search, q="fuse").text)
    assert "Check the fuse twice." in told[-1] and "Check the fuse twice." in told[-3]
    told += [str(served.explain(handle, **scope)), str(served.history(**scope)), str(served.history(handle, **scope))]
    told += [str(served.explain_recall("fuse canary", **scope)), str(served.recall(message="fuse canary", **scope))]
    told += [*served.export(**scope), str(served.standing(**scope)), served.build_context(message="fuse", **scope)]
    for tool in served.get_tools(**scope):
        asked = {name: "fuse canary" for name, spec in tool.args.items() if spec.get("type") == "string"}
        told.append(str(tool.invoke(asked)))
    for one in told:
        for hidden in ("canary says", "rule: Check", "alice"):
            assert hidden not in one, (hidden, one[:2_000])
    mine = served.explain(handle, user_id="alice", groups=GROUPS)
    assert mine["verdicts"][0]["decided_by"] == "alice"
    assert mine["sources"]["quotes"] == ["rule: Check the fuse twice."]


def test_stored_text_is_harmless_and_readable(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Markup in a learning, a name or a conversation is text on every page; what is invisible in it is named."""
    teach(served, "alice", f"I: {HOSTILE}", f"rule: {HOSTILE}", f"Acme: {HOSTILE}")
    know(served, "alice", "learned_knowledge", HOSTILE, name=HOSTILE)
    know(served, "alice", "entity_memory", HOSTILE, subject="<b>x</b> (<i>y</i>)", kind="event")
    alice = browse("alice", *GROUPS)
    scope = {"user_id": "alice", "groups": GROUPS}
    own = [f"learnings/{one.handle}" for one in served.learnings(**scope).items]
    own += [f"things/{one.id}" for one in served.entities(**scope).items]
    for path in (*PAGES, *own):
        text = alice.get(f"/learned/{path}").text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "<b>" not in text and "<i>" not in text
        assert "\u202e" not in Page(text).words
    page = alice.get(f"/learned/{own[0]}").text
    assert "[U+202E]" in page and "[U+200B]" in page and "👩‍👩‍👧" in page


def test_a_very_long_text_is_cut_in_lists_and_whole_by_itself(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """A list shows the beginning of a text as long as can be; the learning's own page has all of them."""
    handle = know(served, "alice", "learned_knowledge", "word " * 3_900, name="long")
    alice = browse("alice")
    assert len(alice.get("/learned/knowledge").text) < 20_000
    assert "Show all (19,499 characters)" in alice.get("/learned/knowledge").text
    assert alice.read(f"/learned/learnings/{handle}").words.count("word") > 3_900


# --- forms ------------------------------------------------------------------------------------------------------------


def test_every_form_that_writes_carries_the_token(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Each form that is posted holds the value that only a page of this browser knows."""
    alice, paths = browse("alice", *GROUPS), everything(served, "alice", "word")
    seen = 0
    for path in (*PAGES, *paths):
        for form in alice.read(f"/learned/{path}").forms:
            assert form.method != "post" or len(form.fields["form_token"]) == 64, (path, form.action)
            seen += form.method == "post"
    assert seen > 50


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        ({}, {}),
        ({"form_token": "0" * 64}, {}),
        (None, {"sec-fetch-site": "cross-site"}),
        (None, {"sec-fetch-site": "same-site"}),
        (None, {"origin": "http://evil.example"}),
    ],
)
def test_a_form_from_elsewhere_is_refused(
    served: LearningMachine, browse: Callable[..., Browser], sent: Any, headers: dict[str, str]
) -> None:
    """Without the token, or when the browser says it comes from another site, nothing is written."""
    alice = browse("alice")
    form = alice.read("/learned/me").form("/add", store="user_profile")
    data = {**form.fields, "text": "forged"} if sent is None else {"store": "user_profile", "text": "forged", **sent}
    answer = alice.client.post("/learned/add", data=data, headers=headers)
    assert answer.status_code == 403
    assert "Not allowed" in answer.text
    assert served.learnings(user_id="alice").items == ()


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(browse: Callable[..., Browser]) -> None:
    """Every cookie is HttpOnly and SameSite=strict, and only for the pages."""
    alice = browse("alice")
    answer = alice.client.get("/learned/sign-in", headers={"cookie": ""})
    assert answer.status_code == 200
    fresh = Browser(alice.client.app)
    set_cookies = [fresh.get("/learned/sign-in").headers["set-cookie"]]
    form = fresh.read("/learned/sign-in").form("/sign-in")
    fresh.client.follow_redirects = False
    set_cookies += fresh.send(form, user="alice").headers.get_list("set-cookie")
    assert len(set_cookies) == 2
    for one in set_cookies:
        assert {"httponly", "samesite=strict", "path=/learned/"} <= {part.strip().lower() for part in one.split(";")}


def test_add_edit_forget_and_undo(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """What a person adds, edits and forgets is so at once, and each can be taken back on the page after it."""
    alice = browse("alice")
    added = alice.send(alice.read("/learned/me").form("/add", store="user_profile"), name="role", text="captain")
    assert "Saved." in added.text and "captain" in added.text
    (one,) = served.learnings(user_id="alice").items
    form = alice.read(f"/learned/learnings/{one.handle}/edit").form("/edit")
    assert form.fields["text"] == "captain"
    edited = alice.send(form, text="admiral")
    assert "Saved." in edited.text and "admiral" in edited.text
    (now,) = served.learnings(user_id="alice").items
    assert (now.text, now.name, now.origin) == ("admiral", "role", "user")
    undone = alice.send(Page(edited.text).form("/undo"))
    assert "Undone" in undone.text
    assert [one.text for one in served.learnings(user_id="alice").items] == ["captain"]
    forgotten = alice.send(alice.read("/learned/me").form(f"{one.handle}/forget"))
    assert "Forgotten." in forgotten.text
    assert served.learnings(user_id="alice").items == ()
    assert "Undone" in alice.send(Page(forgotten.text).form("/undo")).text
    assert [one.text for one in served.learnings(user_id="alice").items] == ["captain"]


def test_forgetting_a_thing_asks_first_and_comes_back_whole(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """With a thing goes all that is known of it, after a question; undo brings all of it back."""
    for text in ("makes rockets", "is in Lisbon"):
        know(served, "alice", "entity_memory", text, subject="Acme (company)")
    alice = browse("alice")
    (thing,) = served.entities(user_id="alice").items
    page = alice.read(f"/learned/things/{thing.id}")
    question = next(link for link in page.links if link.endswith("/forget"))
    forgotten = alice.send(alice.read(question).form("/forget"))
    assert "Forgotten, with 2 learnings about it." in forgotten.text
    assert alice.read(f"/learned/things/{thing.id}", 404)
    alice.send(Page(forgotten.text).form("/undo"))
    assert {one.text for one in served.entity(thing.id, user_id="alice").facts} == {"makes rockets", "is in Lisbon"}


def test_a_stale_edit_shows_what_is_known_now_and_keeps_what_was_typed(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """Somebody edits what has changed since: nothing is written, both are shown, and saving again puts theirs in place."""
    handle = know(served, "alice", name="role", text="captain")
    alice = browse("alice")
    form = alice.read(f"/learned/learnings/{handle}/edit").form("/edit")
    served.edit(handle, "general", user_id="alice")
    answer = alice.send(form, text="admiral of the fleet")
    assert answer.status_code == 412
    assert "It has changed since you opened it" in answer.text
    again = Page(answer.text)
    assert "general" in again.words
    assert again.form("/edit").fields["text"] == "admiral of the fleet"
    alice.send(again.form("/edit"))
    assert [one.text for one in served.learnings(user_id="alice").items] == ["admiral of the fleet"]


def test_a_stale_forget_forgets_nothing(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Somebody forgets what has changed since: it is shown as it is now, and still holds."""
    handle = know(served, "alice", name="role", text="captain")
    alice = browse("alice")
    form = alice.read("/learned/me").form("/forget")
    served.edit(handle, "general", user_id="alice")
    answer = alice.send(form)
    assert answer.status_code == 412
    assert "general" in answer.text
    assert [one.text for one in served.learnings(user_id="alice").items] == ["general"]


@pytest.mark.parametrize(("text", "told"), [("x" * 20_001, "at most 20,000 characters"), ("   ", "nothing in it")])
def test_what_cannot_be_saved_is_not_lost(
    served: LearningMachine, browse: Callable[..., Browser], text: str, told: str
) -> None:
    """A text that is refused comes back in the form, with the reason."""
    handle = know(served, "alice", text="likes tea")
    alice = browse("alice")
    for form in (
        alice.read(f"/learned/learnings/{handle}/edit").form("/edit"),
        alice.read("/learned/me").form("/add", store="user_profile"),
    ):
        answer = alice.send(form, text=text)
        assert answer.status_code == 422
        assert told in answer.text
        assert Page(answer.text).form(form.action.rpartition("/")[2]).fields["text"].strip() == text.strip()


def test_a_form_cannot_lead_elsewhere(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Where a form comes back to is a page of these, whatever it says."""
    alice = browse("alice")
    alice.client.follow_redirects = False
    form = alice.read("/learned/me").form("/add", store="user_profile")
    for number, back in enumerate(
        ("https://evil.example/", "//evil.example", "/learned/../v1", "/learned//evil.example")
    ):
        answer = alice.send(form, text=f"text {number}", back=back)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/learned/")
        assert "evil" not in answer.headers["location"]


# --- review -----------------------------------------------------------------------------------------------------------


def test_approve_edit_reject(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """Each verdict does what it says, and an approval can be undone."""
    teach(served, "alice", "rule: deploy on Monday", "rule: lint before tests", "rule: never on Friday")
    alice = browse("alice", *GROUPS)

    def handle(text: str) -> str:
        return next(one.handle for one in served.proposals.list() if one.text == text)

    page = alice.read("/learned/review")
    approved = alice.send(page.form(handle("deploy on Monday"), action="approve"))
    assert "Approved." in approved.text
    edited = alice.send(page.form(handle("lint before tests"), action="edit"), text="lint before all tests")
    assert "Approved in your words." in edited.text
    rejected = alice.send(page.form(handle("never on Friday"), action="reject"), reason="not so")
    assert "Rejected." in rejected.text and "Nothing waits" in rejected.text
    known = {one.text for one in served.learnings(store="learned_knowledge", user_id="bob", groups=GROUPS).items}
    assert known == {"deploy on Monday", "lint before all tests"}
    assert "never on Friday" in alice.read("/learned/review?show=decided").words
    alice.send(Page(approved.text).form("/undo"))
    known = {one.text for one in served.learnings(store="learned_knowledge", user_id="bob", groups=GROUPS).items}
    assert known == {"lint before all tests"}


def test_two_values_are_settled_on_the_page(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """A claim that contradicts what stands is laid beside it, and one click settles which holds."""
    city = {"store": "user_profile", "kind": "field", "name": "location", "slot": "location"}
    for text, origin in (("Lisbon", Origin.USER), ("Porto", Origin.INFERENCE)):
        claim = Add(**city, text=text, value=text)
        served.parts.ready()
        served.parts.ledger.write([claim], scope=Scope(user_id="alice"), source=Source(origin=origin))
    alice = browse("alice")
    page = alice.read("/learned/review")
    words = " ".join(page.words.split())
    assert "Believe: location" in words and "Lisbon" in words
    (waits,) = served.proposals.list()
    assert "Approved." in alice.send(page.form(waits.handle, action="approve")).text
    assert served.recall(user_id="alice")["user_profile"].location == "Porto" and not served.proposals.list()
    assert waits.handle not in browse("bob").read("/learned/review").words


def test_a_batch_is_approved_together(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """All that were ticked are decided; one that was decided in between is said, and stops no other."""
    teach(served, "alice", *(f"rule: step {number} comes after step {number - 1}" for number in range(1, 6)))
    alice = browse("alice", *GROUPS)
    page = alice.read("/learned/review")
    ticked = [given["value"] for tag, given in page.elements if given.get("name") == "chosen"]
    assert len(ticked) == 5
    served.proposals.reject(str(ticked[0]).partition(".")[0], by="alice")
    form = page.form("/review", page="1")
    answer = alice.client.post(form.action, data={**form.fields, "action": "approve", "chosen": ticked})
    assert "4 approved." in answer.text and "1 had changed since" in answer.text
    assert served.proposals.list() == []


def test_a_stale_verdict_shows_it_again_with_what_was_typed(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """Who decides on something else than what stands there decides nothing, and their words are still in the form."""
    teach(served, "alice", "rule: deploy on Monday")
    alice = browse("alice", *GROUPS)
    form = alice.read("/learned/review").form("", action="edit")
    answer = alice.send(form, version="another", text="deploy on Tuesday")
    assert answer.status_code == 412
    assert "It has changed since it was shown to you" in answer.text
    assert Page(answer.text).form("", action="edit").fields["text"] == "deploy on Tuesday"
    assert len(served.proposals.list()) == 1


def test_a_reviewer_sees_the_proposal_and_not_whose_words_they_are(
    served: LearningMachine, browse: Callable[..., Browser]
) -> None:
    """The quote is shown to whoever said it; a reviewer of the group judges the learning without it, and without the name."""
    teach(served, "alice", "rule: deploy on Monday")
    assert "<blockquote" in browse("alice", *GROUPS).get("/learned/review").text
    text = browse("carol", *GROUPS).get("/learned/review").text
    assert "deploy on Monday" in text
    assert "<blockquote" not in text
    assert "alice" not in text
    assert "deploy on Monday" not in browse("bob", *GROUPS).get("/learned/review").text


# --- signing in -------------------------------------------------------------------------------------------------------


def test_signing_in_with_a_token(served: LearningMachine, tmp_path: Path) -> None:
    """A token opens the pages of who holds it until it is taken away or they sign out; it is in no cookie and no page."""
    tokens = Tokens(tmp_path / "tokens.json")
    kept, token = new_token("user", "alice")
    tokens.add(kept)
    know(served, "alice", text="likes tea")
    app = create_app(served, auth=TokenAuthentication(tokens))
    alice = Browser(app, "http://pages.example")
    assert alice.sign_in(token="lm_0123456789ab_" + "x" * 43).status_code == 401
    assert alice.sign_in(token=f" {token} ").status_code == 200
    page = alice.get("/learned/me")
    assert "likes tea" in page.text
    assert token not in page.text and token not in str(list(alice.client.cookies.items()))
    alice.send(Page(page.text).form("/sign-out"))
    assert alice.get("/learned/me").url.path == "/learned/sign-in"
    alice.sign_in(token=token)
    tokens.remove(kept.id)
    assert alice.get("/learned/me").url.path == "/learned/sign-in"


def test_without_tokens_only_this_computer_is_answered(served: LearningMachine) -> None:
    """A name that points here from elsewhere gets no page, and no session."""
    stranger = Browser(create_app(served), "http://evil.example")
    assert stranger.get("/learned/sign-in").status_code == 403
    assert stranger.client.post("/learned/sign-in", data={"user": "alice"}).status_code == 403


def test_a_form_sent_after_signing_out_loses_nothing(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """A session that has ended says so, writes nothing, and the same form is good again after signing in."""
    alice = browse("alice")
    form = alice.read("/learned/me").form("/add", store="user_profile")
    alice.send(alice.read("/learned/me").form("/sign-out"))
    answer = alice.send(form, text="likes tea")
    assert answer.status_code == 401
    assert "send the form once more" in answer.text
    alice.sign_in(user="alice")
    assert "Saved." in alice.send(form, text="likes tea").text


def test_the_export_is_the_asker_s_own(served: LearningMachine, browse: Callable[..., Browser]) -> None:
    """What one takes along holds one's own and nothing of another."""
    know(served, "alice", text="likes tea")
    know(served, "bob", text="likes gin")
    answer = browse("alice").get("/learned/me/export")
    assert "attachment" in answer.headers["content-disposition"]
    assert "likes tea" in answer.text and "likes gin" not in answer.text


def test_static_files_are_ours_and_only_those(browse: Callable[..., Browser]) -> None:
    """Files are named one by one; a path leads nowhere else."""
    alice = browse("alice")
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        answer = alice.get(f"/learned/static/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert "immutable" in answer.headers["cache-control"]
        assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")
    assert alice.get("/learned/static/..%2Fpages%2Fvisits.py").status_code == 404


# --- the parts --------------------------------------------------------------------------------------------------------


def test_differences_show_the_words_that_change() -> None:
    """What stays is told from what goes and comes; texts with nothing in common stand apart; huge ones are not compared."""
    found = differences("deploy on Monday only", "deploy on Friday only")
    assert [(piece.what, piece.text) for piece in found] == [
        ("same", "deploy on "),
        ("gone", "Monday"),
        ("new", "Friday"),
        ("same", " only"),
    ]
    assert [piece.what for piece in differences("apples", "completely other words")] == ["gone", "new"]
    assert [piece.what for piece in differences("a " * 5_000, "a " * 5_001)] == ["gone", "new"]


def connections(count: int, relations: int = 6) -> list[ConnectionView]:
    return [
        ConnectionView(
            handle=f"k{number}",
            source="hub" if number % 2 else f"n{number}",
            source_name="Hub",
            relation=f"relation {number % relations}",
            target=f"n{number}" if number % 2 else "hub",
            target_name=f"Neighbour {number}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 7, 36, 37, 300])
@pytest.mark.parametrize("draw", [wide, narrow])
def test_a_drawing_stays_readable(draw: Any, count: int) -> None:
    """No two texts overlap, all lie inside, and no more names are drawn than can be taken in; each one left out is counted."""
    branches = branches_of("hub", connections(count))
    drawing = draw("Hub", branches)
    placed = [(text, group.down) for group in drawing.groups for text in group.texts]
    boxes = []
    for text, down in placed:
        width = 8 * len(text.text)
        left = text.x - {"start": 0, "middle": width // 2, "end": width}[text.anchor]
        assert left >= 0 and left + width <= drawing.width + 20
        assert 0 < text.y + down <= drawing.height
        boxes.append((left, text.y + down - 14, left + width, text.y + down + 4))
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    named = sum(text.kind == "neighbour" for text, _ in placed)
    more = sum(int(text.text.split()[1].replace(",", "")) for text, _ in placed if text.kind == "more")
    assert named <= MOST_NAMES
    assert named + more == count


def test_what_is_invisible_is_named_and_what_scripts_need_stays() -> None:
    """Overrides, tags and zero-width spaces are shown as what they are; joiners inside words and emoji are left alone."""
    assert shown("a\u202eb") == 'a<span class="hidden-character" title="invisible characters">[U+202E]</span>b'
    assert "[U+E0041 U+E0042]" in shown("x\U000e0041\U000e0042")
    assert "[U+200B" in shown("x" + "\u200b" * 1_000) and "and 997 more" in shown("x" + "\u200b" * 1_000)
    for fine in ("👩‍👩‍👧", "می‌خواهم", "a\tb\nc", "עברית"):
        assert shown(fine) == fine
    assert plain("a\u202e \n b", 10) == "a b"
    assert shortened("word " * 200, 100) == "word " * 19 + "word…"
