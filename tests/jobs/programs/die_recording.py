"""Record a turn and die by `kill -9` right after it, if nobody has done it before."""

import os
import signal

from token_agents import token_agent, token_machine, turn

turn(token_agent(token_machine(background="external")), "this is token-1", "thread")
os.kill(os.getpid(), signal.SIGKILL)
