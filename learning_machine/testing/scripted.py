"""A chat model that says what you wrote, so that runs are exact."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, PrivateAttr

Answer = str | AIMessage | Callable[[list[BaseMessage]], str | AIMessage]
#: The changes of one extraction, or the reply as the model would have written it.
Learned = list[dict[str, Any]] | str | Callable[[list[dict[str, Any]]], "list[dict[str, Any]] | str"]


def change(store: str, value: Any = None, *, action: str = "add", **fields: Any) -> dict[str, Any]:
    """One change of an extraction reply.

    >>> change("user_profile", "Alice", kind="field", name="name")["name"]
    'name'
    """
    return {"action": action, "store": store, "value": value, **fields}


def extraction_request(messages: Sequence[BaseMessage]) -> list[dict[str, Any]] | None:
    """The new messages an extraction call asks about, as `{"id", "role", "text"}`; `None` for any other call."""
    text = messages[-1].text if messages else ""
    _, found, new = text.partition("\nNew messages:\n")
    return [json.loads(line) for line in new.splitlines()] if found and "Already known:\n" in text else None


class ScriptedModel(BaseChatModel):
    """Answers from a script, and learns from another.

    `answers`: what it says in the conversation, in turn (the last one again and again), or a function of the messages.
    `learns`: the changes of each extraction, in turn (then nothing), or a function of the new messages. `calls` keeps
    what it was asked; `delay` is how long a call takes, in seconds.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    answers: Any = Field(default="ok")
    learns: Any = Field(default_factory=list)
    delay: float = 0.0
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _extracted: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def calls(self) -> list[list[BaseMessage]]:
        """The messages of each conversation call, in order."""
        return list(self._asked)

    @property
    def extractions(self) -> list[list[BaseMessage]]:
        """The messages of each extraction call, in order."""
        return list(self._extracted)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[getattr(tool, "name", str(tool)) for tool in tools])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.delay)
        return self._reply(messages)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.delay)
        return self._reply(messages)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        time.sleep(self.delay)
        yield from self._chunks(messages)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(self.delay)
        for chunk in self._chunks(messages):
            yield chunk

    def _chunks(self, messages: list[BaseMessage]) -> Iterator[ChatGenerationChunk]:
        message = self._reply(messages).generations[0].message
        if isinstance(message, AIMessage) and message.tool_calls:
            calls = [
                {
                    "name": call["name"],
                    "args": json.dumps(call["args"]),
                    "id": call["id"],
                    "index": index,
                    "type": "tool_call_chunk",
                }
                for index, call in enumerate(message.tool_calls)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(content=message.content, tool_call_chunks=calls))  # type: ignore[arg-type]
            return
        words = message.text.split(" ")
        for position, word in enumerate(words):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word if position == 0 else f" {word}"))

    def _reply(self, messages: list[BaseMessage]) -> ChatResult:
        new = extraction_request(messages)
        with self._lock:
            message = self._answer(messages) if new is None else self._learn(messages, new)
        tokens = sum(len(one.text) // 4 for one in messages)
        message.usage_metadata = {
            "input_tokens": tokens,
            "output_tokens": len(message.text) // 4,
            "total_tokens": tokens + len(message.text) // 4,
        }
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        self._asked.append(list(messages))
        answer = _next(self.answers, len(self._asked) - 1, messages, last=True)
        return answer.model_copy() if isinstance(answer, AIMessage) else AIMessage(str(answer))

    def _learn(self, messages: list[BaseMessage], new: list[dict[str, Any]]) -> AIMessage:
        self._extracted.append(list(messages))
        learned = _next(self.learns, len(self._extracted) - 1, new, last=False)
        return AIMessage(
            learned if isinstance(learned, str) else json.dumps({"changes": learned or []}, ensure_ascii=False)
        )


def _next(script: Any, position: int, asked: Any, *, last: bool) -> Any:
    """The entry of a script for this call. A list of changes is one entry; a list of lists is many."""
    if callable(script):
        return script(asked)
    if not isinstance(script, list) or (script and isinstance(script[0], dict)):
        return script if last or position == 0 else []
    entry = script[position] if position < len(script) else (script[-1] if last and script else [])
    return entry(asked) if callable(entry) else entry
