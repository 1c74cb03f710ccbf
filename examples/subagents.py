"""An agent with a subagent that learns: what the one was told on Monday, the other knows on Tuesday.

Run it:  python examples/subagents.py
It needs no key and no database: the models are scripted, and PostgreSQL is the embedded one.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain.tools import tool
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine, LearningMiddleware, Scope
from learning_machine.testing import ScriptedModel, change


def researcher_says(messages: list[BaseMessage]) -> str:
    """What the researcher's model answers: it shows whether it was told of the client."""
    told = "\n".join(message.text for message in messages[:-1])
    return "Acme's offer goes to Ines, in Portuguese." if "writes Portuguese" in told else "Noted."


def manager_says(messages: list[BaseMessage]) -> str | AIMessage:
    """The manager hands everything to the researcher, and repeats what comes back."""
    if messages[-1].type == "tool":
        return messages[-1].text
    return AIMessage("", tool_calls=[{"name": "research", "args": {"task": messages[-1].text}, "id": "1"}])


def made(machine: LearningMachine, model: Any) -> Any:
    """The manager: its one tool is an agent that learns."""
    researcher = create_agent(model, middleware=[LearningMiddleware(machine)], context_schema=Scope)

    @tool
    def research(task: str) -> str:
        """Let the researcher find something out."""
        # The run's scope, thread and checkpointer reach the subagent by themselves.
        return str(researcher.invoke({"messages": [{"role": "user", "content": task}]})["messages"][-1].text)

    return create_agent(
        ScriptedModel(answers=manager_says), [research], context_schema=Scope, checkpointer=InMemorySaver()
    )


def main() -> None:
    """Two sessions."""
    fact = change("entity_memory", "writes Portuguese", kind="fact", subject="Acme (company)")
    model = ScriptedModel(answers=researcher_says, learns=[[fact]])
    with LearningMachine(model=model, entity_memory=True) as machine:
        manager = made(machine, model)
        for thread, text in (("monday", "Acme writes Portuguese."), ("tuesday", "Who gets the offer to Acme?")):
            print(f"{thread}, user:  {text}")
            result = manager.invoke(
                {"messages": [{"role": "user", "content": text}]},
                {"configurable": {"thread_id": thread}},
                context=Scope(user_id="alice"),
            )
            print(f"{thread}, agent: {result['messages'][-1].text}\n")
            machine.flush()


if __name__ == "__main__":
    main()
