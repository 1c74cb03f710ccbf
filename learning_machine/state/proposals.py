"""What waits for a person, what they are shown, and what they answered. All of it plain values.

On the wire a question is LangChain's `HITLRequest` and an answer its `HITLResponse`; older and freer forms of an answer
are understood too, because user interfaces send them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Risk = Literal["low", "medium", "high"]
Action = Literal["approve", "edit", "reject"]
#: What an answer means that decides nothing: the proposal goes on waiting.
LEAVE: Literal["leave"] = "leave"
#: The words user interfaces have for the three answers, and for none.
_WORDS: dict[str, Action | Literal["leave"]] = {
    **dict.fromkeys(("approve", "approved", "accept", "accepted", "yes", "y", "ok"), "approve"),
    **dict.fromkeys(("edit", "edited"), "edit"),
    **dict.fromkeys(("reject", "rejected", "response", "respond", "no", "n", "deny"), "reject"),
    **dict.fromkeys(("ignore", "ignored", "skip", "later"), LEAVE),
}


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Something proposed, as a person judges it. `shown` is the digest of what they see: a verdict is bound to it."""

    handle: str
    store: str
    kind: str
    action: str
    name: str
    text: str
    about: str
    namespace: str
    mode: str
    risk: Risk
    status: str
    proposed_at: datetime
    shown: str
    replaces: str = ""
    quote: str = ""
    proposer: str | None = None
    supporters: int = 1
    session: str | None = None
    expires_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    learning: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """What, why, from which words, what it replaces, and who will see it; in Markdown."""
        what = {"add": "Remember", "revise": "Change", "retire": "Forget", "challenge": "Believe", "keep": "Keep"}.get(
            self.action, "Remember"
        )
        subject = f" about **{plain(self.about)}**" if self.about else ""
        title = f"**{plain(self.name)}**: " if self.name else ""
        lines = [f"{what}{subject}: {title}{plain(self.text) or '(no longer holds)'}"]
        if self.replaces:
            lines.append(f"Replaces: {plain(self.replaces)}")
        lines.append(
            f"From the words: “{plain(self.quote)}”"
            if self.quote
            else "Inferred by the agent; nobody said it in these words."
        )
        if self.supporters > 1:
            lines.append(f"Proposed by {self.supporters} people.")
        lines.append(f"Who will see it: {seen_by(self.namespace)}. Risk: {self.risk}. Proposal {self.handle}.")
        return "\n\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a person decided on one proposal."""

    handle: str
    action: Action
    text: str | None = None
    name: str | None = None
    message: str = ""
    shown: str | None = None


def plain(text: str) -> str:
    """Stored text as one line that is no Markdown."""
    folded = " ".join(str(text).split())
    return "".join(f"\\{character}" if character in "\\`*_[]<>#|" else character for character in folded)


def seen_by(namespace: str) -> str:
    if namespace in ("user", "session"):
        return "only this user"
    return "everyone" if namespace == "global" else f"the group {namespace}"


# --- asking -----------------------------------------------------------------------------------------------------------


def as_request(proposals: Sequence[Proposal]) -> dict[str, Any]:
    """One question with all proposals, in LangChain's `HITLRequest` form. Arguments are flat text, because people edit text."""
    requests = [
        {
            "name": f"save_{one.store}",
            "args": (
                args := {"proposal": one.handle, "title": one.name, "content": one.text, "namespace": one.namespace}
            ),
            "arguments": args,
            "description": one.description,
        }
        for one in proposals
    ]
    names = dict.fromkeys(request["name"] for request in requests)
    return {
        "action_requests": requests,
        "review_configs": [{"action_name": name, "allowed_decisions": ["approve", "edit", "reject"]} for name in names],
    }


# --- reading answers --------------------------------------------------------------------------------------------------


def read_answer(answer: Any, proposals: Sequence[Proposal]) -> list[Verdict] | None:
    """The verdicts in an answer, by position; `None` when it does not fit and nothing may be applied.

    Understood: `{"decisions": […]}`, a list, one decision, a word, and the inbox form `[{"type": "accept", "args": …}]`,
    which answers only the first of several. A decision that names another proposal than the one in its place does not fit.
    Who ignores a proposal has not decided on it, so there is no verdict for it.
    """
    answer = loaded(answer) if isinstance(answer, str) else answer
    found = decisions_in(answer)
    if found is None or not found or len(found) > len(proposals):
        return None
    whole = len(found) == len(proposals) or is_inbox(answer)
    if not whole:
        return None
    verdicts = [read_decision(one, proposal) for one, proposal in zip(found, proposals, strict=False)]
    if any(verdict is None for verdict in verdicts):
        return None
    return [verdict for verdict in verdicts if isinstance(verdict, Verdict)]


def decisions_in(answer: Any) -> list[Any] | None:
    if isinstance(answer, Mapping):
        inner = answer.get("decisions")
        return list(inner) if isinstance(inner, list | tuple) else [answer]
    if isinstance(answer, list | tuple):
        return list(answer)
    return [answer] if isinstance(answer, str) else None


def loaded(text: str) -> Any:
    """JSON in a string, as some user interfaces send it; else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip().lower()


def is_inbox(answer: Any) -> bool:
    """The older form, whose sender knows only of the first request."""
    first = answer[0] if isinstance(answer, list | tuple) and len(answer) == 1 else None
    return (
        isinstance(first, Mapping) and "args" in first and first.get("type") in ("accept", "edit", "response", "ignore")
    )


def read_decision(decision: Any, proposal: Proposal) -> Verdict | Literal["leave"] | None:
    """The verdict on one proposal, that it is left undecided, or `None` for what does not fit it."""
    if isinstance(decision, str):
        action = _WORDS.get(decision.strip().lower())
        if action is None or action == "edit":
            return None
        return LEAVE if action == LEAVE else Verdict(handle=proposal.handle, action=action, shown=proposal.shown)
    if not isinstance(decision, Mapping):
        return None
    action = _WORDS.get(str(decision.get("type") or decision.get("action") or "").lower())
    args = edited_args(decision)
    named = args.get("proposal") or decision.get("proposal")
    if action is None or (named is not None and str(named) != proposal.handle):
        return None
    if action == LEAVE:
        return LEAVE
    message = decision.get("message") or (decision.get("args") if isinstance(decision.get("args"), str) else "") or ""
    if action != "edit":
        return Verdict(handle=proposal.handle, action=action, message=str(message), shown=proposal.shown)
    text, name = as_text(args.get("content", proposal.text)), as_text(args.get("title", proposal.name))
    if not text.strip() and proposal.text.strip():
        # Words taken away are no edit: whoever wants nothing stored rejects it.
        return None
    return Verdict(
        handle=proposal.handle, action="edit", text=text, name=name, message=str(message), shown=proposal.shown
    )


def edited_args(decision: Mapping[str, Any]) -> Mapping[str, Any]:
    """The edited arguments, wherever a user interface puts them."""
    inner = decision.get("edited_action") or decision.get("args") or {}
    if isinstance(inner, Mapping):
        args = inner.get("args", inner.get("arguments", inner))
        return args if isinstance(args, Mapping) else {}
    return {}


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
