"""Die by `kill -9` when the answer is there but its turn is not recorded yet. Argument: the durability of checkpoints."""

import os
import signal
import sys

from token_agents import token_agent, token_machine

from learning_machine.stores.turns import Turns

Turns.recording = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
token_agent(token_machine()).invoke(
    {"messages": [{"role": "user", "content": "this is token-1"}]},
    {"configurable": {"thread_id": "thread"}},
    context={"user_id": "alice"},
    durability=sys.argv[1],
)
