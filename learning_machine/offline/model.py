"""The offline model as LangChain sees it: messages in, a message out, whole or word by word."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2s
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from learning_machine.offline.answers import answer, look
from learning_machine.offline.extraction import extract, read_request
from learning_machine.state.messages import role_of, text_of
from learning_machine.state.profile import ProfileFields
from learning_machine.state.tokens import estimate_tokens

#: The model's name, as it stands in traces and in `response_metadata`.
NAME = "offline-patterns"
_MEMORY_TOOLS = ("update_profile", "remember")
_NOT_OF_THE_USER = ("goal", "insight", "fact", "relationship")
_FIELDS = re.compile(r"\bFields: (.+)")
_PIECES = re.compile(r"\s*\S+\s*|\s+")
_EMPTY: dict[str, Any] = {"array": [], "string": "", "integer": 0, "number": 0, "boolean": False}


class OfflineModel(BaseChatModel):
    """Patterns on English text in the place of a language model: for the demo, without a key and without a network.

    It is not a language model, and what it learns or answers is no measure of one. It answers from the context blocks
    and messages it is shown, fills the extraction reply from a few dozen forms of sentences, and is deterministic.
    """

    @property
    def _llm_type(self) -> str:
        return NAME

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_reply(messages, stop or [], kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in _chunks(_reply(messages, stop or [], kwargs)):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools. Unless one is demanded it only notes facts, by `update_profile` and `remember`."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)


def _reply(messages: Sequence[BaseMessage], stop: Sequence[str], options: dict[str, Any]) -> AIMessage:
    """What the model says to these messages, with the tokens it would have cost."""
    text, calls = _content(messages, options)
    for end in filter(None, stop):
        text = text.split(end, 1)[0]
    spent = sum(estimate_tokens(text_of(message)) for message in messages)
    gained = estimate_tokens(text) + sum(estimate_tokens(json.dumps(call["args"])) for call in calls)
    usage = UsageMetadata(input_tokens=spent, output_tokens=gained, total_tokens=spent + gained)
    return AIMessage(content=text, tool_calls=calls, usage_metadata=usage, response_metadata={"model_name": NAME})


def _content(messages: Sequence[BaseMessage], options: dict[str, Any]) -> tuple[str, list[ToolCall]]:
    tools = {tool["function"]["name"]: tool["function"] for tool in options.get("tools") or []}
    demanded = _demanded(tools, options.get("tool_choice"))
    shape = (options.get("response_format") or {}).get("json_schema", {}).get("schema")
    request = read_request(messages)
    if request or demanded or shape:
        filled = extract(request) if request else _empty(tools[demanded].get("parameters") if demanded else shape)
        if demanded:
            return "", _calls(messages, [(demanded, filled)])
        return json.dumps(filled, ensure_ascii=False), []
    calls = _calls(messages, _memories(messages, tools))
    return ("", calls) if calls else (answer(messages), [])


def _demanded(tools: dict[str, Any], choice: Any) -> str:
    """The tool that has to be called. Of "any" the last: structured answers are bound after the agent's tools."""
    if isinstance(choice, dict):
        choice = choice.get("function", {}).get("name")
    if choice in tools:
        return str(choice)
    return list(tools)[-1] if tools and choice in ("any", "required", True) else ""


def _empty(schema: Any) -> Any:
    """The least that fits a schema. The model has nothing to fill it with, and invents nothing."""
    schema = schema if isinstance(schema, dict) else {}
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = schema.get("type", "object" if "properties" in schema else None)
    kind = ("null" if "null" in kinds else kinds[0]) if isinstance(kinds, list) else kinds
    if kind == "object":
        return {name: _empty(schema.get("properties", {}).get(name)) for name in schema.get("required", [])}
    return _EMPTY.get(kind or "")


def _memories(messages: Sequence[BaseMessage], tools: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The calls of memory tools for what the last message states of the user and the context does not hold."""
    if not any(name in tools for name in _MEMORY_TOOLS) or not messages or role_of(messages[-1]) != "user":
        return []
    seen = look(messages)
    held = {entry.text.casefold() for entry in seen.entries}
    found = []
    for fact in (
        fact for fact in seen.newest if fact.field not in _NOT_OF_THE_USER and fact.text.casefold() not in held
    ):
        field = next((name for name in (fact.name, fact.field) if _takes(tools.get("update_profile"), name)), "")
        tool = "update_profile" if field else "remember"
        value = fact.value if field == fact.name else fact.text
        given = {"field": field, "value": value, "text": fact.quote, "quote": fact.quote}
        takes = tools.get(tool, {}).get("parameters", {}).get("properties", {})
        found += [(tool, {name: given[name] for name in takes if name in given})] if tool in tools else []
    return found


def _takes(tool: dict[str, Any] | None, field: str) -> bool:
    """Whether the tool takes this field: one that its description lists, or where it lists none, any of the default."""
    listed = _FIELDS.search(tool.get("description") or "") if tool else None
    return field in (re.findall(r"\w+", listed[1]) if listed else ProfileFields.model_fields if tool else ())


def _calls(messages: Sequence[BaseMessage], wanted: Sequence[tuple[str, dict[str, Any]]]) -> list[ToolCall]:
    """Tool calls with ids that are the same whenever the same call stands at the same place of a conversation."""
    calls = []
    for index, (name, args) in enumerate(wanted):
        digest = blake2s(f"{len(messages)}\0{index}\0{name}\0{json.dumps(args)}".encode(), digest_size=9)
        calls.append(tool_call(name=name, args=args, id=f"call_{digest.hexdigest()}"))
    return calls


def _chunks(message: AIMessage) -> Iterator[AIMessageChunk]:
    """The message word by word; the last piece carries the tool calls and what is counted."""
    pieces = _PIECES.findall(str(message.content)) or [""]
    for piece in pieces[:-1]:
        yield AIMessageChunk(content=piece)
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    yield AIMessageChunk(
        content=pieces[-1],
        tool_call_chunks=calls,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
