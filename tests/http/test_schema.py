"""schemathesis against the API's own description: no 5xx, and every answer as it is described."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
from http_api import Api, add
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import utils

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

generator = pytest.importorskip("hypothesis_jsonschema._from_schema")


class Many(utils.many):
    """What hypothesis-jsonschema asks elements of, in the way it still does: newer hypothesis has a loop for it."""

    def more(self) -> bool:
        if self._depth is None:
            self.__enter__()
            self._steps = iter(self)
        return next(self._steps, False) is None


generator.cu = SimpleNamespace(many=Many)

FULL = bool(os.environ.get("LEARNING_MACHINE_FULL"))


def cases(api: Api, count: int) -> int:
    """Put that many generated requests to the API, spread over its operations; how many there were."""
    client = api.client("fuzz", "engineering", role="admin")
    things = seeded(api, client)
    schema = schemathesis.openapi.from_dict(client.get("/v1/openapi.json").json())
    operations = [one.ok() for one in schema.get_all_operations() if one.ok().path.startswith("/v1/")]
    each, tried = -(-count // len(operations)), 0

    def run(operation: Any) -> None:
        # Half of them with ids and versions that there are, or nothing behind a 404 would ever be looked at.
        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), real=st.booleans(), pick=st.integers(0, 50))
        def one(case: Any, real: bool, pick: int) -> None:
            nonlocal tried
            tried += 1
            if real:
                filled(case, things, pick, client)
            headers = {"Authorization": client.headers["authorization"]}
            case.call_and_validate(base_url=api.url, headers=headers, checks=CHECKS, timeout=20)

        one()

    for operation in operations:
        run(operation)
    return tried


CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


def seeded(api: Api, client: Any) -> dict[str, list[str]]:
    """Something of everything, by the name of its path parameter."""
    for number in range(5):
        add(client, text=f"note {number}")
        add(client, store="entity_memory", subject=f"Thing{number} (company)", text="exists")
    api.teach("fuzz", "rule: Fuzz every parser.", groups=("engineering",))
    return {
        "learnings": [one["handle"] for one in client.get("/v1/learnings").json()["items"]],
        "entities": [one["id"] for one in client.get("/v1/entities").json()["items"]],
        "turns": [one["id"] for one in client.get("/v1/turns").json()["items"]],
        "proposals": [one["handle"] for one in client.get("/v1/proposals").json()["items"]],
    }


def filled(case: Any, things: dict[str, list[str]], pick: int, client: Any) -> None:
    kind = case.path.split("/")[2]
    for name in case.path_parameters or {}:
        if things.get(kind):
            case.path_parameters[name] = things[kind][pick % len(things[kind])]
            found = client.get(f"/v1/{kind}/{case.path_parameters[name]}")
            if case.method in ("PATCH", "DELETE", "POST") and "etag" in found.headers:
                case.headers = {**(case.headers or {}), "If-Match": found.headers["etag"]}


def test_generated_requests(alone: Api) -> None:
    """A few hundred generated requests; 2,000 in the long form."""
    wanted = 2_000 if FULL else 200
    assert cases(alone, wanted) >= wanted


@pytest.mark.full
def test_generated_requests_when_mounted(mounted: Api) -> None:
    """The same where the app is mounted."""
    assert cases(mounted, 2_000) >= 2_000
