"""A deepagents agent that learns, with a subagent of its own that learns beside it.

Run it:  pip install "deepagents>=0.7.32,<0.8"  and then  python examples/deep_agent.py
It needs no key and no database: the model is scripted, and PostgreSQL is the embedded one.
"""

from __future__ import annotations

from typing import Any

from deepagents import create_deep_agent
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver

from learning_machine import LearningMachine, LearningMiddleware, Scope
from learning_machine.testing import ScriptedModel, change


def says(messages: list[BaseMessage]) -> str | AIMessage:
    """The model: it plans, writes a file, hands the rest over, and shows what it was told."""
    told = "\n".join(message.text for message in messages if message.type == "system")
    if "You write drafts." in told:
        return "A draft for Alice." if "- name: Alice" in told else "A draft for somebody."
    done = [message.name for message in messages if message.type == "tool"]
    if messages[-1].type == "human" and "report" not in messages[-1].text:
        return "Noted."
    if not done:
        return AIMessage(
            "", tool_calls=[{"name": "write_file", "args": {"file_path": "/plan.md", "content": "1. draft"}, "id": "1"}]
        )
    if done[-1] == "write_file":
        work = {"description": "Write the report.", "subagent_type": "writer"}
        return AIMessage("", tool_calls=[{"name": "task", "args": work, "id": "2"}])
    return messages[-1].text


def made(machine: LearningMachine, model: Any) -> Any:
    """The agent. Its subagent has a middleware of its own: deepagents hands none on."""
    writer = {
        "name": "writer",
        "description": "Writes drafts.",
        "system_prompt": "You write drafts.",
        "middleware": [LearningMiddleware(machine)],
    }
    return create_deep_agent(
        model,
        subagents=[writer],  # type: ignore[list-item]
        middleware=[LearningMiddleware(machine)],
        context_schema=Scope,
        checkpointer=InMemorySaver(),
    )


def main() -> None:
    """Two sessions."""
    name = change("user_profile", "Alice", kind="field", name="name", quote="I'm Alice")
    model = ScriptedModel(
        answers=says, learns=lambda new: [name] if any("I'm Alice" in one["text"] for one in new) else []
    )
    with LearningMachine(model=model, user_profile=True) as machine:
        agent = made(machine, model)
        for thread, text in (("monday", "I'm Alice."), ("tuesday", "I need the report.")):
            print(f"{thread}, user:  {text}")
            result = agent.invoke(
                {"messages": [{"role": "user", "content": text}]},
                {"configurable": {"thread_id": thread}},
                context=Scope(user_id="alice"),
            )
            print(f"{thread}, agent: {result['messages'][-1].text}\n")
            machine.flush()


if __name__ == "__main__":
    main()
