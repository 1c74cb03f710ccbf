"""Notes for agents in Markdown, such as AGENTS.md or CLAUDE.md: each bullet or paragraph is one insight, under its headings.

There is no format beyond Markdown (agents.md says so itself): headings say where an instruction applies; code blocks
belong to the paragraph or bullet before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from learning_machine.stores.importing.found import Finding, insight

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_BULLET = re.compile(r"\s{0,3}(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_RULE = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$")


def read(file: TextIO) -> Finding:
    """The bullets and paragraphs, each with its headings as title and context."""
    for number, headings, text in _blocks(file):
        title = headings[-1] if headings else ""
        yield insight(title, text, f"line {number}", context=" > ".join(headings[:-1]) or None)


def _blocks(file: TextIO) -> Iterator[tuple[int, list[str], str]]:
    """Pieces of text with the number of their first line and the headings above them."""
    headings: list[tuple[int, str]] = []
    block: list[str] = []
    began, fence, comment, gap = 0, "", False, False

    def ended() -> Iterator[tuple[int, list[str], str]]:
        text = "\n".join(block).strip()
        block.clear()
        if text:
            yield began, [name for _, name in headings], text

    for number, raw in enumerate(file, 1):
        line = raw.rstrip("\n").removeprefix("\ufeff")
        if fence or _FENCE.match(line):
            mark = _FENCE.match(line)
            fence = "" if fence and mark and mark[1].startswith(fence[:3]) else fence or (mark[1] if mark else "")
            began = began if block else number
            block.append(line)
            gap = False
            continue
        comment = comment or line.lstrip().startswith("<!--")
        if comment:
            comment = "-->" not in line
            continue
        if heading := _HEADING.match(line):
            yield from ended()
            headings = [one for one in headings if one[0] < len(heading[1])] + [(len(heading[1]), heading[2])]
        elif _BULLET.match(line):
            yield from ended()
            began = number
            block.append(_BULLET.sub("", line, count=1))
        elif _RULE.match(line):
            yield from ended()
        elif not line.strip():
            # What comes next may be a code block, which belongs to what stands before it.
            gap = True
            continue
        else:
            if gap:
                yield from ended()
            began = began if block else number
            block.append(line.strip() if not block or not line.startswith("    ") else line)
        gap = False
    yield from ended()
