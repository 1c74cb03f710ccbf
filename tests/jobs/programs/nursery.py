"""Forks programs from a process that has imported everything. Reads orders as JSON lines, answers each with one."""

from __future__ import annotations

import json
import os
import runpy
import sys

import langchain.agents
import langgraph.checkpoint.postgres
import procrastinate
import psycopg_pool

import learning_machine.agents
import learning_machine.loading
import learning_machine.testing.scripted

LOADED = (langchain, langgraph, procrastinate, psycopg_pool, learning_machine)


def serve() -> dict[str, object] | None:
    """Answer orders until there are no more. In a child it returns the order that made it."""
    for line in sys.stdin:
        order = json.loads(line)
        if "ask" in order:
            answer = ended(order["ask"])
        else:
            answer = os.fork()
            if answer == 0:
                return dict(order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return None


def ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def become(order: dict[str, object]) -> None:
    """Leave everything of the parent's behind and be the program."""
    output = os.open(str(order["output"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(order["env"])  # type: ignore[arg-type]
    sys.argv = [str(order["program"]), *order["arguments"]]  # type: ignore[misc]
    runpy.run_path(str(order["program"]), run_name="__main__")


found = serve()
if found is not None:
    become(found)
