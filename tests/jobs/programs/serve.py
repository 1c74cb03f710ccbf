"""A worker in a process of its own, for the machines at the `module:attribute` paths given, until SIGTERM."""

import signal
import sys

from token_agents import log_to_output, settle

from learning_machine import jobs
from learning_machine.loading import load_machine

log_to_output()
settle(STALLED_AFTER=jobs.__name__, SWEEP_EVERY=jobs.__name__, FIRST_PAUSE=jobs.__name__, LINGER=jobs.__name__)
settle(MAX_ATTEMPTS=jobs.__name__)


def tell(event, facts):
    print(event, facts["machine"], facts["turn"], flush=True)


worker = jobs.Worker([load_machine(path) for path in sys.argv[1:]], on_event=tell)
signal.signal(signal.SIGTERM, lambda *_: worker.stop())
print("serving", flush=True)
worker.run()
print("stopped", flush=True)
