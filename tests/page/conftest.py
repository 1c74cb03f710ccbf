"""A real browser before a served app. Whatever it complains about fails the test that made it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium
from plenty import make

from learning_machine import LearningMachine
from learning_machine.server import create_app
from learning_machine.server.standalone import configured, free_port

#: How somebody may look at the pages: on a desk or a phone, by day or by night.
LOOKS: dict[str, dict[str, Any]] = {
    f"{place}, {time}": {"viewport": {"width": width, "height": 900}, "color_scheme": time}
    for place, width in (("desk", 1280), ("phone", 390))
    for time in ("light", "dark")
}
_WATCH = """
document.addEventListener("securitypolicyviolation", (event) => console.error("CSP: " + event.violatedDirective));
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@dataclass
class Served:
    """A machine, and where its pages are."""

    machine: LearningMachine
    url: str
    app: Any

    def known(self, user: str = "alice", **which: Any) -> list[str]:
        """The texts of what somebody may see of what holds now."""
        found = self.machine.learnings(user_id=user, groups=("engineering",), limit=200, **which)
        return [one.text for one in found.items]


@pytest.fixture
def served(url: str) -> Iterator[Served]:
    """The app under a real server, where people sign in by name."""
    import uvicorn

    with make(url) as machine:
        port = free_port()
        app = create_app(machine)
        server = uvicorn.Server(configured(app, "127.0.0.1", port))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        waiting = threading.Event()
        while not server.started:
            assert thread.is_alive()
            waiting.wait(0.01)
        yield Served(machine, f"http://127.0.0.1:{port}", app)
        server.should_exit = True
        thread.join(20)


@dataclass
class Person:
    """Somebody before the browser. `complaints`: what the console said, and what was asked of other places."""

    page: Any
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "") -> Any:
        """Go to a page of ours, and wait for it."""
        self.page.goto(f"{self.url}/learned/{path}")
        return self.page

    def sign_in(self, user: str, groups: str) -> None:
        self.open("sign-in")
        self.page.get_by_label("Whose learnings").fill(user)
        self.page.get_by_label("Groups").fill(groups)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("button", name="Sign out").wait_for()

    def said(self) -> str:
        """What the page says was just done."""
        return str(self.page.locator("#said").inner_text())

    def watch(self) -> None:
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(f"{self.url}/"):
            self.complaints.append(f"asked {request.url}")


@pytest.fixture
def person(browser: Any, served: Served) -> Iterator[Callable[..., Person]]:
    """Signs somebody in: `person("alice", "engineering", color_scheme="dark")`, with options of a browser context."""
    made: list[tuple[Any, Person]] = []

    def look(user: str = "alice", groups: str = "engineering", **options: Any) -> Person:
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        if options.get("java_script_enabled", True):
            context.add_init_script(_WATCH)
        found = Person(context.new_page(), served.url)
        made.append((context, found))
        found.watch()
        if user:
            found.sign_in(user, groups)
        return found

    yield look
    for context, found in made:
        context.close()
        assert found.complaints == []
