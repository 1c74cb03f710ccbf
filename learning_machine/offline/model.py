"""The offline model as LangChain sees it: messages in, a message out, whole or word by word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from learning_machine.offline.replies import reply


class OfflineModel(BaseChatModel):
    """Patterns on English text in the place of a language model: for the demo, without a key and without a network.

    It is not a language model, and what it learns or answers is no measure of one. It answers from the context it is
    shown, reads some forms of sentences, and says the same to the same messages.
    """

    @property
    def _llm_type(self) -> str:
        return "offline-patterns"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools. It calls those of learning stores, and the schema of an extraction, but no other."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages, **kwargs))

    def _stream(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        tools = [tool["function"] for tool in kwargs.get("tools") or []]
        text, calls = reply(messages, {tool["name"]: tool.get("parameters", {}) for tool in tools})
        *words, last = re.findall(r"\S+\s*", text) or [""]
        yield from (ChatGenerationChunk(message=AIMessageChunk(content=word)) for word in words)
        chunks = [
            tool_call_chunk(name=name, args=json.dumps(args), id=f"call_{len(messages)}_{index}", index=index)
            for index, (name, args) in enumerate(calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(content=last, tool_call_chunks=chunks, chunk_position="last"))
