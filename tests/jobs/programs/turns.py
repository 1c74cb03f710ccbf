"""Take turns in three threads, and note each token once its reply is out. Arguments: the notes, this life's name, turns."""

import os
import sys

from token_agents import learn_stamped, log_to_output, settle, token_agent, token_machine, turn

from learning_machine import jobs
from learning_machine.testing import ScriptedModel

log_to_output()
settle(STALLED_AFTER=jobs.__name__, SWEEP_EVERY=jobs.__name__, LINGER=jobs.__name__)
notes, life, count = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT), sys.argv[2], int(sys.argv[3])
agent = token_agent(token_machine(ScriptedModel(learns=learn_stamped)))
for number in range(count):
    token = f"token-{life}-{number}"
    turn(agent, f"this is {token}", f"thread {number % 3}")
    os.write(notes, f"{token}\n".encode())
    os.fsync(notes)
print("done", flush=True)
