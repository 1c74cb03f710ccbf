"""What the tests of this folder share: a served app, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from learning_machine import LearningMachine
from learning_machine.server.tokens import Role


@dataclass
class Api:
    """A served app: where it is, the machine beside it, and clients for anybody."""

    url: str
    machine: LearningMachine
    bearer: Callable[[str, tuple[str, ...], Role], str]
    kind: Literal["alone", "mounted"]

    def client(self, user: str, *groups: str, role: Role = "user") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.bearer(user, groups, role)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)

    def teach(self, user: str, *lines: str, groups: tuple[str, ...] = (), session: str = "s") -> None:
        """Let somebody say something that is learned at once."""
        messages = [{"role": "user", "content": "\n".join(lines)}, {"role": "assistant", "content": "ok"}]
        self.machine.process(messages, user_id=user, groups=groups, session_id=f"{session}-{user}")


def add(client: httpx.Client, **what: Any) -> dict[str, Any]:
    answer = client.post("/v1/learnings", json={"store": "user_profile", **what})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["learning"])


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem an error is answered with."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert found["title"]
    return dict(found)
