"""What was erased, as salted digests: asked before anything is brought in, so that it does not come back."""

from __future__ import annotations

from collections.abc import Sequence

from learning_machine.state.changes import Change, Refused
from learning_machine.state.scope import Scope
from learning_machine.stores.deciding import content_key
from learning_machine.stores.postgres.transactions import Transaction

#: What a thing is, and what it says.
Mark = tuple[str, str]


def tombstone_owner(scope: Scope) -> str:
    """Whom tombstones are for: told apart by kind, so that no id of one is another's."""
    return f"user {scope.user_id}" if scope.user_id is not None else f"session {scope.session_id}"


def learned_mark(store: str, kind: str, text: str) -> Mark:
    """What a tombstone remembers of a learning: its words, however they are cased or spaced."""
    return "learning", "\x1f".join((store, kind, content_key("", "", text)))


def message_mark(session: str, key: str) -> Mark:
    """What a tombstone remembers of a message, without its words."""
    return "message", f"{session}\x1f{key}"


def entomb(transaction: Transaction, space: int, owner: str, marks: Sequence[Mark]) -> int:
    """Remember that these were erased; how many there are."""
    distinct = list(dict.fromkeys(marks))
    if not distinct:
        return 0
    params = {"whats": [what for what, _ in distinct], "contents": [content for _, content in distinct]}
    return transaction.run("erase.entomb", {"space": space, "owner": owner, **params})


def erased(transaction: Transaction, scope: Scope, marks: Sequence[Mark]) -> set[Mark]:
    """Which of these were erased by the person in this scope."""
    params = {"whats": [what for what, _ in marks], "contents": [content for _, content in marks]}
    rows = transaction.all("export.erased", {"owner": tombstone_owner(scope), **params}) if marks else []
    return {(row["what"], row["content"]) for row in rows}


def refuse_erased(
    transaction: Transaction, scope: Scope, changes: Sequence[Change | Refused]
) -> list[Change | Refused]:
    """The changes, with those refused that say what was erased."""
    marks = {id(one): learned_mark(one.store, getattr(one, "kind", ""), getattr(one, "text", "")) for one in changes}
    gone = erased(transaction, scope, list(dict.fromkeys(marks.values())))
    return [Refused(store=one.store, reason="it was erased") if marks[id(one)] in gone else one for one in changes]
