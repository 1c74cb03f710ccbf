"""Talking to a graph in this process, by either door."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessageChunk
from langgraph.types import Command

from learning_machine import LearningMachine


def thread(name: str = "t1") -> dict[str, Any]:
    return {"configurable": {"thread_id": name}}


def say(*texts: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text} for text in texts], **more}


@dataclass
class InProcess:
    """A graph in this process, as the scenes talk to it."""

    graph: Any
    machine: LearningMachine
    asynchronous: bool
    subgraphs: bool = False

    def run(self, given: Any, config: Any, user: str = "alice") -> Any:
        if self.asynchronous:
            return asyncio.run(self.graph.ainvoke(given, config, context={"user_id": user}))
        return self.graph.invoke(given, config, context={"user_id": user})

    def asked(self, result: Any) -> list[Any]:
        found = result.get("__interrupt__") or []
        return list(found[0].value["action_requests"]) if found else []

    def say(self, text: str, thread: str = "t1", user: str = "alice") -> list[Any]:
        return self.asked(self.run(say(text), {"configurable": {"thread_id": thread}}, user))

    def resume(self, answer: Any, thread: str = "t1", user: str = "alice") -> list[Any]:
        return self.asked(self.run(Command(resume=answer), {"configurable": {"thread_id": thread}}, user))

    def messages(self, thread: str = "t1") -> list[Any]:
        return list(self.graph.get_state({"configurable": {"thread_id": thread}}).values["messages"])

    def reply(self, thread: str = "t1") -> str:
        return str(self.messages(thread)[-1].text)

    def mark(self, thread: str = "t1") -> Any:
        return self.graph.get_state({"configurable": {"thread_id": thread}}).config

    def fork(self, mark: Any, text: str) -> str:
        return str(self.run(say(text), mark)["messages"][-1].text)

    def regenerate(self) -> str:
        history = self.graph.get_state_history(thread())
        said = next(one for one in history if one.next and one.values.get("messages", [None])[-1].type == "human")
        first = [one for one in [said, *history] if one.values.get("messages") == said.values["messages"]][-1]
        return str(self.run(None, first.config)["messages"][-1].text)

    def stream(self, text: str) -> list[str]:
        options: Any = {"context": {"user_id": "alice"}, "stream_mode": "messages", "subgraphs": self.subgraphs}

        async def collected() -> list[Any]:
            return [one async for one in self.graph.astream(say(text), thread(), **options)]

        found = (
            asyncio.run(collected()) if self.asynchronous else list(self.graph.stream(say(text), thread(), **options))
        )
        chunks = [one[1][0] if self.subgraphs else one[0] for one in found]
        return [chunk.text for chunk in chunks if isinstance(chunk, AIMessageChunk) and chunk.text]

    def learned(self) -> None:
        assert self.machine.flush()
