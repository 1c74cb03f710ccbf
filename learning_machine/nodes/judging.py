"""The judge of curation: whether pairs say the same, and what many observations say together. Asked in batches, as data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import json_repair
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from learning_machine.nodes.asking import quiet, with_limit
from learning_machine.nodes.curating import Insight, Look, Wanted, reading
from learning_machine.nodes.parts import Parts, note
from learning_machine.prompts import fill, load
from learning_machine.state.curation import CurationConfig
from learning_machine.state.tokens import truncate
from learning_machine.stores.curation.rows import Row

#: Pairs asked about in one call, and as much of one text as the model is shown.
AT_ONCE, SHOWN = 20, 400


def judges(parts: Parts) -> bool:
    """Whether there is a language model to ask. The offline patterns are none."""
    return getattr(parts.model(), "_llm_type", "") != "offline-patterns"


def questions(found: Look, config: CurationConfig) -> list[list[tuple[int, int]]]:
    """The doubtful pairs, in batches."""
    asked = list(found.compared.doubtful[: config.max_pairs])
    return [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]


def judge_request(found: Look, asked: Sequence[tuple[int, int]]) -> list[BaseMessage]:
    """What a judge is asked of some pairs."""
    by_id = {row.id: row for row in found.rows}
    lines = [
        _line({"pair": number, "one": _shown(by_id[one]), "other": _shown(by_id[other])})
        for number, (one, other) in enumerate(asked, start=1)
    ]
    return _fenced("curate_judge", lines)


def read_verdicts(reply: str, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bool]:
    """What a judge said, by pair. A pair in neither list, or in both, was not judged."""
    answer = _json(reply)
    same, different = (_numbers(answer.get(name)) for name in ("same", "different"))
    return {
        pair: number in same for number, pair in enumerate(asked, start=1) if (number in same) != (number in different)
    }


def gather_request(found: Look) -> list[BaseMessage]:
    """What a model is asked of groups of observations."""
    lines = [
        _line({"group": number, "observations": [_shown(row) for row in group]})
        for number, group in enumerate(found.groups, start=1)
    ]
    return _fenced("curate_gather", lines)


def read_insights(reply: str, groups: Sequence[Sequence[Row]]) -> list[Insight]:
    """One insight a group at most, with the ids of what it was made of."""
    made: dict[int, Insight] = {}
    given = _json(reply).get("insights")
    for one in given if isinstance(given, list) else ():
        number, text = (one.get("group"), one.get("text")) if isinstance(one, dict) else (None, None)
        if isinstance(number, int) and 0 < number <= len(groups) and isinstance(text, str) and text.strip():
            title = one.get("title")
            ids = [row.id for row in groups[number - 1]]
            title = title if isinstance(title, str) else ""
            made.setdefault(number, {"ids": ids, "title": title, "text": text.strip()})
    return list(made.values())


def judge(parts: Parts, wanted: Wanted, found: Look, config: RunnableConfig | None = None) -> list[Insight]:
    """Ask about what is doubtful, keep the verdicts, and say which insights could be written."""
    if not (found.compared.doubtful or found.groups) or not judges(parts):
        return []
    try:
        for asked in questions(found, wanted.config):
            verdicts = read_verdicts(_ask(parts, judge_request(found, asked), config), asked)
            reading(parts, wanted).note_verdicts(found.place, verdicts)
        return read_insights(_ask(parts, gather_request(found), config), found.groups) if found.groups else []
    except Exception as error:  # noqa: BLE001 - a provider may raise anything; what was not judged stays as it is
        return note(parts, "judging", error, [])  # type: ignore[no-any-return]


async def ajudge(parts: Parts, wanted: Wanted, found: Look, config: RunnableConfig | None = None) -> list[Insight]:
    if not (found.compared.doubtful or found.groups) or not judges(parts):
        return []
    try:
        for asked in questions(found, wanted.config):
            verdicts = read_verdicts(await _aask(parts, judge_request(found, asked), config), asked)
            await asyncio.to_thread(reading(parts, wanted).note_verdicts, found.place, verdicts)
        return read_insights(await _aask(parts, gather_request(found), config), found.groups) if found.groups else []
    except Exception as error:  # noqa: BLE001 - as above
        return note(parts, "judging", error, [])  # type: ignore[no-any-return]


def _ask(parts: Parts, messages: list[BaseMessage], config: RunnableConfig | None) -> str:
    parts.spending.check()
    reply = with_limit(parts.model()).invoke(messages, _named(config))
    parts.usage.count(reply.usage_metadata)
    parts.spending.note(reply.usage_metadata)
    return reply.text


async def _aask(parts: Parts, messages: list[BaseMessage], config: RunnableConfig | None) -> str:
    await asyncio.to_thread(parts.spending.check)
    reply = await with_limit(parts.model()).ainvoke(messages, _named(config))
    parts.usage.count(reply.usage_metadata)
    await asyncio.to_thread(parts.spending.note, reply.usage_metadata)
    return reply.text


def _named(config: RunnableConfig | None) -> RunnableConfig:
    return {**quiet(config or {}), "run_name": "learning: curate"}


def _shown(row: Row) -> str:
    about = f"{row.about}: " if row.about else ""
    return truncate(f"{about}{row.says}", SHOWN)


def _line(entry: dict[str, Any]) -> str:
    """One line that cannot close the fence: no line end and no bracket of it is left as it is."""
    return json.dumps(entry, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


def _fenced(name: str, lines: Sequence[str]) -> list[BaseMessage]:
    fence = f"<data-{uuid4().hex[:8]}>"
    return [SystemMessage(fill(load(name), fence=fence)), HumanMessage("\n".join([fence, *lines, fence]))]


def _json(reply: str) -> dict[str, Any]:
    found: Any = json_repair.loads(reply)
    if isinstance(found, list):
        found = next((one for one in found if isinstance(one, dict)), {})
    return found if isinstance(found, dict) else {}


def _numbers(given: Any) -> set[int]:
    listed = given if isinstance(given, list) else []
    return {number for number in listed if isinstance(number, int) and not isinstance(number, bool)}
