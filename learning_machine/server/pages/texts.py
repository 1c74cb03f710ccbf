"""Stored text as a page shows it. It may be hostile: long, invisible, backwards, or made to look like something else."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

#: Namespaces that only their owner reads.
PRIVATE = ("user", "session")
#: As much of a text as a list shows, in characters.
SHORT = 400
#: Characters nobody sees, or that turn the rest around: shown as what they are. Joiners stay, because scripts and emoji
#: need them between two other characters.
_HIDDEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]+|(?<![^\\s])[\u200c\u200d]+|[\u200c\u200d]{2,}|[\u200c\u200d]+(?![^\\s])"
)
_LABELS = {
    "user_profile": "Profile",
    "session_context": "Conversations' state",
    "learned_knowledge": "Knowledge",
    "entity_memory": "Things",
    "field": "profile field",
}
_ORIGINS = {
    "reviewer": "decided by a reviewer",
    "user": "somebody said or wrote it",
    "import": "imported",
    "document": "from a document",
    "tool": "from a tool",
    "inference": "inferred by the agent",
    "external": "from an outside tool",
}
_DONE = {
    "save": "saved",
    "supersede": "put another in its place",
    "retire": "forgotten",
    "challenge": "contradicted",
    "propose": "proposed",
    "approve": "approved",
    "edit": "approved in other words",
    "reject": "rejected",
    "undo": "undone",
    "archive": "archived",
    "restore": "brought back",
    "merge": "merged",
    "import": "imported",
}


def shown(text: object) -> Markup:
    """Text for a page: escaped, with what is invisible in it made visible."""
    parts: list[Markup] = []
    last, whole = 0, str(text)
    for match in _HIDDEN.finditer(whole):
        parts += [escape(whole[last : match.start()]), _named(match[0])]
        last = match.end()
    return Markup("").join([*parts, escape(whole[last:])])


def _named(hidden: str) -> Markup:
    codes = [f"U+{ord(character):04X}" for character in hidden[:3]]
    rest = f" and {len(hidden) - 3:,} more" if len(hidden) > 3 else ""
    return Markup('<span class="hidden-character" title="{0}">[{1}{2}]</span>').format(
        "invisible characters", " ".join(codes), rest
    )


def plain(text: str, longest: int) -> str:
    """One line without invisible characters, for where there is no room for more."""
    line = " ".join(_HIDDEN.sub("", text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def shortened(text: object, longest: int = SHORT) -> str:
    """The beginning of a text, cut between words where there are any."""
    whole = str(text)
    if len(whole) <= longest:
        return whole
    cut = whole[:longest]
    space = cut.rfind(" ", longest // 2)
    # Not between the parts of one emoji.
    return cut[: space if space > 0 else longest].rstrip("\u200d\ufe0f ") + "…"


def is_long(text: object, longest: int = SHORT) -> bool:
    return len(str(text)) > longest


def when(moment: datetime) -> Markup:
    """A time, which our script rewrites in the reader's own zone."""
    at = moment.astimezone(UTC)
    return Markup('<time datetime="{0}">{1}</time>').format(at.isoformat(), f"{at.day} {at:%b %Y, %H:%M} UTC")


def day(moment: datetime) -> Markup:
    """A day, as it was said."""
    at = moment.astimezone(UTC)
    return Markup('<time datetime="{0}">{1}</time>').format(f"{at:%Y-%m-%d}", f"{at.day} {at:%b %Y}")


def label(name: str) -> str:
    """A name of the code's, such as a store's or a field's, in words."""
    return _LABELS.get(name) or name.replace("_", " ")


def visible(namespace: str) -> Markup:
    """Who may read what lies in a namespace."""
    if namespace in PRIVATE:
        return Markup("visible only to you")
    if namespace == "global":
        return Markup("visible to everyone")
    return Markup('visible to the group <bdi class="group">{0}</bdi>').format(shown(plain(namespace, 60)))


def said_by(origin: str, namespace: str, own: object = False) -> str:
    """Where it comes from. `own`: whether the reader has words of theirs in it."""
    if origin == "user" and (own or namespace in PRIVATE):
        return "you said or wrote it"
    return _ORIGINS.get(origin, origin)


def done(action: str) -> str:
    """A step of the record, in words."""
    return _DONE.get(action, action)
