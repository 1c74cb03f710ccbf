"""Asking a model for an extraction: the request and the reading are pure, the call in between falls back where it must."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from inspect import signature
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig

from learning_machine.errors import ExtractionFailed
from learning_machine.nodes.parts import Parts
from learning_machine.nodes.reading import read_reply
from learning_machine.prompts import fill, load
from learning_machine.state.extraction import ExtractedChange, reply_schema
from learning_machine.state.items import Item
from learning_machine.state.messages import Said
from learning_machine.state.tokens import estimate_tokens, truncate
from learning_machine.telemetry import step

log = logging.getLogger("learning_machine")

#: What the call's instructions may cost, in estimated tokens, whatever the number of stores.
MAX_INSTRUCTION_TOKENS = 1_500
#: Known learnings shown to the model, in estimated tokens; newest first.
MAX_KNOWN_TOKENS = 2_000
#: As much of one message as the model is shown.
MAX_MESSAGE_TOKENS = 8_000
#: The longest answer asked for, where the model takes a limit.
MAX_ANSWER_TOKENS = 4_000
_METHODS = ("json_schema", "function_calling", "text")


def request_for(
    stores: Sequence[Any], recalled: Mapping[str, Any], said: Sequence[Said], today: str
) -> list[BaseMessage]:
    """The extraction call's messages: what the stores want, what is known, and what was newly said."""
    system = fill(load("extract"), stores="\n\n".join(wishes(stores)))
    known = [line for store in stores for line in known_lines(store, recalled.get(store.learning_type))]
    new = [
        json.dumps(
            {"id": f"m{number}", "role": one.role, "text": truncate(one.content, MAX_MESSAGE_TOKENS)},
            ensure_ascii=False,
        )
        for number, one in enumerate(said, start=1)
    ]
    text = "\n".join([f"Today is {today}.", "Already known:", *(known or ["(nothing)"]), "New messages:", *new])
    return [SystemMessage(system), HumanMessage(text)]


def wishes(stores: Sequence[Any]) -> list[str]:
    """What each store wants, cut where all together would be more than a call may have: the longest first."""
    texts = [store.guidance() for store in stores]
    left, room = MAX_INSTRUCTION_TOKENS - estimate_tokens(load("extract")) - len(texts), dict[int, str]()
    for done, number in enumerate(sorted(range(len(texts)), key=lambda number: estimate_tokens(texts[number]))):
        room[number] = truncate(texts[number], left // (len(texts) - done))
        left -= estimate_tokens(room[number])
    cut = tuple(store.learning_type for number, store in enumerate(stores) if room[number] != texts[number])
    if cut:
        warn_of_cut(cut)
    return [room[number] for number in range(len(texts))]


@cache
def warn_of_cut(stores: tuple[str, ...]) -> None:
    """Once a process: whoever wrote the instructions can shorten them."""
    log.warning(
        "the instructions of %s are cut: all stores together may have %d tokens. Write them shorter.",
        ", ".join(stores),
        MAX_INSTRUCTION_TOKENS,
    )


def known_lines(store: Any, data: Any) -> list[str]:
    """What a store knows, one JSON line each, as many of the newest as the budget holds."""
    lines: list[str] = []
    left = MAX_KNOWN_TOKENS
    for item in sorted(store.known(data), key=lambda item: -item.id):
        line = known_line(item)
        left -= estimate_tokens(line)
        if left < 0:
            break
        lines.append(line)
    return lines[::-1]


def known_line(item: Item) -> str:
    entry = {
        "handle": item.handle,
        "store": item.store,
        "kind": item.kind,
        "name": item.name or None,
        "value": item.text,
    }
    return json.dumps({name: value for name, value in entry.items() if value is not None}, ensure_ascii=False)


# --- the call ---------------------------------------------------------------------------------------------------------


def ask(parts: Parts, messages: list[BaseMessage], types: list[str], config: RunnableConfig) -> list[ExtractedChange]:
    """What the model learned. Tries a response format, then a function call, then JSON in text; remembers what worked.

    Raises `BudgetExceeded` before the call when the hour's calls or tokens are used up, else `ExtractionFailed`.
    """
    parts.spending.check()
    for method in methods(parts):
        try:
            with step("extract", machine=parts.name, by=method):
                reply = runnable(parts.model(), method, types).invoke(prompt(messages, method, types), quiet(config))
        except Exception as error:  # noqa: BLE001 - a provider may raise anything
            refuse(parts, method, error)
        else:
            raw = accept(parts, method, reply)
            parts.spending.note(getattr(raw, "usage_metadata", None))
            return read_reply(raw)
    raise ExtractionFailed()


async def aask(
    parts: Parts, messages: list[BaseMessage], types: list[str], config: RunnableConfig
) -> list[ExtractedChange]:
    await asyncio.to_thread(parts.spending.check)
    for method in methods(parts):
        try:
            with step("extract", machine=parts.name, by=method):
                request = prompt(messages, method, types)
                reply = await runnable(parts.model(), method, types).ainvoke(request, quiet(config))
        except Exception as error:  # noqa: BLE001 - a provider may raise anything
            refuse(parts, method, error)
        else:
            raw = accept(parts, method, reply)
            await asyncio.to_thread(parts.spending.note, getattr(raw, "usage_metadata", None))
            return read_reply(raw)
    raise ExtractionFailed()


def methods(parts: Parts) -> Sequence[str]:
    """The ways to ask that are left: what worked before and what comes after it."""
    return _METHODS[_METHODS.index(parts.methods.get("extract", _METHODS[0])) :]


def runnable(model: BaseChatModel, method: str, types: list[str]) -> Runnable[Any, Any]:
    """The model, set to answer in the reply's schema by this method."""
    limited = with_limit(model)
    if method == "text":
        return limited
    # The schema is one that strict services take; where strictness can be asked for, the reply is sure to fit it.
    strict = method == "json_schema" and "strict" in signature(limited.with_structured_output).parameters
    options: dict[str, Any] = {"strict": True} if strict else {}
    return limited.with_structured_output(reply_schema(types), method=method, include_raw=True, **options)


def with_limit(model: BaseChatModel) -> BaseChatModel:
    """The model with a limit on its answer, where it has none of its own."""
    if "max_tokens" in type(model).model_fields and getattr(model, "max_tokens", 0) is None:
        return model.model_copy(update={"max_tokens": MAX_ANSWER_TOKENS})
    return model


def prompt(messages: list[BaseMessage], method: str, types: list[str]) -> list[BaseMessage]:
    """The messages; for a model without formats or tools, with the schema in words."""
    if method != "text":
        return messages
    words = fill(load("json_only"), schema=json.dumps(reply_schema(types)))
    return [SystemMessage(f"{messages[0].text}\n\n{words}"), *messages[1:]]


def quiet(config: RunnableConfig) -> RunnableConfig:
    """The call under its own name, and out of token streams."""
    return {**config, "tags": [*(config.get("tags") or []), "nostream"], "run_name": "learning: extract"}


def refuse(parts: Parts, method: str, error: Exception) -> None:
    """Go on to the next method when this one is not to be had here; anything else is the call's failure."""
    parts.usage.fail(f"extract by {method}")
    if method == "text" or not is_unsupported(error):
        raise ExtractionFailed(
            f"The model could not be asked ({type(error).__name__}). The batch will be tried again."
        ) from error


def is_unsupported(error: Exception) -> bool:
    """Whether an error says that this way of asking does not exist here: not written, or refused by the server."""
    status = getattr(error, "status_code", None)
    return isinstance(error, NotImplementedError | ValueError | TypeError | AttributeError) or status in (
        400,
        404,
        422,
        500,
        501,
    )


def accept(parts: Parts, method: str, reply: Any) -> Any:
    """The model's message, counted; and this way of asking is the one to begin with from now on."""
    raw = reply["raw"] if isinstance(reply, dict) and "raw" in reply else reply
    parts.methods["extract"] = method
    parts.usage.count(getattr(raw, "usage_metadata", None))
    return raw
