"""Record a turn and die by `kill -9`: `before` the transaction commits, or `after`."""

import os
import signal
import sys
from dataclasses import replace

from token_agents import token_agent, token_machine, turn

machine = token_machine(background="external")
parts = machine.parts


def enqueue_and_die(*arguments):
    queued = parts.enqueue(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
    return queued


if sys.argv[1] == "before":
    machine._parts = replace(parts, enqueue=enqueue_and_die)
turn(token_agent(machine), "this is token-1", "thread")
os.kill(os.getpid(), signal.SIGKILL)
