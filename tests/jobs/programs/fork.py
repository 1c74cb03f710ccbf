"""Make an agent, fork before it is used, and use it in both processes."""

import os

from token_agents import log_to_output, token_agent, token_machine, turn

log_to_output()
machine = token_machine()
agent = token_agent(machine)
child = os.fork()
turn(agent, f"this is token-{'parent' if child else 'child'}", f"thread {child == 0}")
if child:
    _, status = os.waitpid(child, 0)
    print("the child ended with", os.waitstatus_to_exitcode(status), flush=True)
