"""The tools of AGENTIC mode: few, with flat arguments, and a receipt that says truly what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Any

from langchain_core.tools import BaseTool

from learning_machine.state.changes import Retire
from learning_machine.state.extraction import ExtractedChange
from learning_machine.state.handles import id_of
from learning_machine.state.modes import LearningMode
from learning_machine.stores.rendering import one_line
from learning_machine.stores.spaces import access_of
from learning_machine.stores.tool_calls import Place, current, search, tool, write

#: Modes in which the agent may write, or propose, by tools.
BY_TOOLS = (LearningMode.AGENTIC, LearningMode.PROPOSE, LearningMode.HITL)


def profile_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to keep a user's profile."""

    def update_profile(place: Place, field: str, value: str, quote: str = "") -> str:
        """Save or correct one field of the user's profile, when the user tells it or asks for it.

        An empty value takes the field away. `quote`: the user's exact words that say so.
        """
        names = ", ".join(store.fields)
        if field not in store.fields:
            return f"refused: there is no field {field!r}; fields are {names}"
        one = ExtractedChange(store=store.learning_type, kind="field", name=field, value=value, quote=quote or None)
        return write(store, place, store.add(one, place[0], current(store, place) if not value else None))

    def remember(place: Place, text: str, quote: str = "") -> str:
        """Remember something lasting about the user that fits no profile field, as one short sentence.

        Use it when the user tells something worth knowing in later conversations. `quote`: the user's exact words.
        """
        one = ExtractedChange(store=store.learning_type, kind="observation", value=text, quote=quote or None)
        return write(store, place, store.observe(one))

    update_profile.__doc__ = f"{cleandoc(update_profile.__doc__ or '')}\nFields: {', '.join(store.fields)}."
    return [tool(function, context, needs=store.needs) for function in (update_profile, remember)]


def session_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to keep a session's context."""

    def update_summary(place: Place, summary: str) -> str:
        """Save what this conversation is about so far, in two to five sentences, when it has moved on."""
        return write(store, place, store.add(ExtractedChange(kind="summary", value=summary), place[0], None))

    def update_plan(
        place: Place, goal: str = "", step: str = "", state: str = "open", handle: str = "", progress: str = ""
    ) -> str:
        """Keep the plan of this conversation: its goal, one step with its state (open, doing, done), or its progress.

        To change a step that is known, give its handle and the new state.
        """
        ones = [
            ExtractedChange(kind=kind, value=value) for kind, value in (("goal", goal), ("progress", progress)) if value
        ]
        changes = [change for one in ones for change in store.add(one, place[0], None)]
        if handle or step:
            one = ExtractedChange(
                action="revise" if handle else "add", kind="step", name=state, value=step or None, handle=handle or None
            )
            changes += store.changes([one], place[0], current(store, place))
        return write(store, place, changes)

    functions: list[Callable[..., str]] = [update_summary]
    if store.config.enable_planning:
        functions.append(update_plan)
    return [tool(function, context, needs=store.needs) for function in functions]


def knowledge_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to search learned knowledge, and in AGENTIC mode to add to it."""

    def save_learning(place: Place, title: str, learning: str, context: str = "", tags: str = "") -> str:
        """Save an insight, pattern or best practice that will help with other tasks and other people.

        `learning`: one or two full sentences. `context`: where it applies. `tags`: words separated by commas. Search first:
        what is known already need not be saved. Nothing about one person only.
        """
        labels = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
        if not learning.strip():
            return "refused: the learning is empty"
        return write(store, place, [store.insight(title, learning, context=context, tags=labels)])

    def search_learnings(place: Place, query: str) -> str:
        """Search what was learned in earlier work: insights, patterns and best practices. Use it before solving a task anew."""
        return search(store, place, query)

    searching = tool(search_learnings, context, writes=False)
    return [searching, tool(save_learning, context, needs=store.needs)] if store.mode in BY_TOOLS else [searching]


def entity_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """Tools to search what is known of things, and in AGENTIC mode to add to it."""

    def search_entities(place: Place, query: str) -> str:
        """Search what is known of people, companies, projects and other things: facts, events and connections.

        Name the thing, and the time if it matters: "what happened with Acme in March".
        """
        return search(store, place, query)

    def remember_about(
        place: Place, entity: str, fact: str = "", event: str = "", when: str = "", alias: str = "", quote: str = ""
    ) -> str:
        """Remember something about a person, company, project or other thing: a fact, or an event with its ISO date.

        `entity`: its name, with its type in parentheses, as in "Acme (company)". `quote`: the user's exact words.
        """
        ones = [
            ExtractedChange(kind=kind, subject=entity, value=value, when=when or None, quote=quote or None)
            for kind, value in (("fact", fact), ("event", event), ("alias", alias))
            if value
        ]
        return write(store, place, [change for one in ones for change in store.add(one, place[0], None)])

    def link_entities(place: Place, source: str, relation: str, target: str, quote: str = "") -> str:
        """Remember how two things are connected, as in source "Bob (person)", relation "CEO of", target "Acme (company)"."""
        one = ExtractedChange(kind="relationship", subject=source, name=relation, target=target, quote=quote or None)
        return write(store, place, store.add(one, place[0], None))

    searching = tool(search_entities, context, writes=False)
    writing = [tool(function, context, needs=store.needs) for function in (remember_about, link_entities)]
    return [searching, *writing] if store.mode in BY_TOOLS else [searching]


def item_tools(store: Any, context: dict[str, Any]) -> list[BaseTool]:
    """The one tool that a store on the ledger has as it is: to keep one more item."""

    def save(place: Place, text: str, name: str = "", quote: str = "") -> str:
        one = ExtractedChange(store=store.learning_type, name=name or None, value=text, quote=quote or None)
        return write(store, place, store.add(one, place[0], None))

    what = store.learning_type.replace("_", " ")
    save.__name__ = f"save_{store.learning_type}"
    save.__doc__ = f"Save one thing for {what}, as a short sentence. `quote`: the user's exact words that say so."
    return [tool(save, context, needs=store.needs)]


def forget_tools(stores: Sequence[Any], context: dict[str, Any]) -> list[BaseTool]:
    """One tool to forget by handle, for all stores whose mode lets the agent write."""
    writable = {store.learning_type: store for store in stores if getattr(store, "mode", None) in BY_TOOLS}
    if not writable:
        return []

    def forget(place: Place, handle: str, quote: str) -> str:
        """Forget one thing that is known, by its handle such as k3f, when the user says it is wrong or asks to.

        `quote`: the user's exact words that say so.
        """
        store = next(iter(writable.values()))
        with store.ledger.database.transaction(access_of(place[0])) as transaction:
            row = transaction.one("ledger.targets", {"ids": [id_of(handle) or -1]})
        if row is None:
            return f"refused: there is nothing with the handle {one_line(handle)[:20]}"
        if row["store"] not in writable:
            return f"refused: {row['store']} is not kept by tools"
        return write(writable[row["store"]], place, [Retire(store=row["store"], handle=handle, quote=quote)])

    return [tool(forget, context)]
