"""Record turns and fall off the end. Arguments: seconds the model takes, and `invoke`, `ainvoke`, `raise` or `exit`."""

import asyncio
import sys

from token_agents import log_to_output, settle, slowly, token_agent, token_machine, turn

import learning_machine.machine.working
from learning_machine.testing import ScriptedModel

log_to_output()
settle(EXIT_PATIENCE=learning_machine.machine.working.__name__)
seconds, how = float(sys.argv[1]), sys.argv[2]
machine = token_machine(ScriptedModel(learns=slowly(seconds)))
agent = token_agent(machine)


async def main():
    await agent.ainvoke(
        {"messages": [{"role": "user", "content": "this is token-1"}]},
        {"configurable": {"thread_id": "thread"}},
        context={"user_id": "alice"},
    )


if how == "ainvoke":
    asyncio.run(main())
else:
    turn(agent, "this is token-1", "thread")
print("at the end", flush=True)
if how == "raise":
    raise SystemError("the program failed")
if how == "exit":
    sys.exit(3)
