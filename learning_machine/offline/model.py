"""The offline model as LangChain sees it: messages in, a message out, whole or word by word."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from learning_machine.offline.replies import answer, extract, tool_calls
from learning_machine.state.messages import text_of
from learning_machine.state.tokens import estimate_tokens


class OfflineModel(BaseChatModel):
    """Patterns on English text in the place of a language model: for the demo, without a key and without a network.

    It is not a language model, and what it learns or answers is no measure of one. It answers from the context it is
    shown, reads some forms of sentences, and says the same to the same messages.
    """

    @property
    def _llm_type(self) -> str:
        return "offline-patterns"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools. It calls those of learning stores, and the schema of an extraction, but no other."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, **kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for piece in _pieces(messages, [tool["function"] for tool in kwargs.get("tools") or []]):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk


def _pieces(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> Iterator[AIMessageChunk]:
    """The reply word by word; its last piece carries the tool calls, and the tokens it would have cost."""
    takes = {tool["name"]: tool.get("parameters", {}).get("properties", {}) for tool in tools}
    extracted = extract(messages)
    calls = tool_calls(messages, takes) if extracted is None else [(name, extracted) for name in list(takes)[-1:]]
    text = "" if calls else answer(messages) if extracted is None else json.dumps(extracted, ensure_ascii=False)
    *words, last = re.findall(r"\S+\s*", text) or [""]
    yield from (AIMessageChunk(content=word) for word in words)
    chunks = []
    for index, (name, args) in enumerate(calls):
        # The same call at the same place has the same id, and no other call has it.
        id = str(uuid5(NAMESPACE_OID, json.dumps([len(messages), index, name, args])))
        chunks.append(tool_call_chunk(name=name, args=json.dumps(args), id=id, index=index))
    spent, gained = sum(estimate_tokens(text_of(one)) for one in messages), estimate_tokens(text + json.dumps(calls))
    yield AIMessageChunk(
        content=last,
        tool_call_chunks=chunks,
        usage_metadata={"input_tokens": spent, "output_tokens": gained, "total_tokens": spent + gained},
        chunk_position="last",
    )
