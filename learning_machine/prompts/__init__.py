"""Prompt texts, one file a task, filled strictly."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from string import Template

from learning_machine.errors import ConfigurationError

_COMMENT = re.compile(r"\A<!--.*?-->\s*", re.DOTALL)


@cache
def load(name: str) -> str:
    """The text of `prompts/<name>.md` without its header comment."""
    return _COMMENT.sub("", (files(__package__) / f"{name}.md").read_text("utf-8")).strip()


def fill(text: str, **slots: str) -> str:
    """The text with its `$slots` filled. A missing slot raises and names it."""
    try:
        return Template(text).substitute(slots)
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            f"The prompt has a slot that cannot be filled: {error}. Fill it, or write $$ for a dollar."
        ) from None
