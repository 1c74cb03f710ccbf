"""Looking at what was learned and putting it right from a terminal: what the HTTP API does, with the same values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Groups, Json, Machine, Session, User
from learning_machine.cli.output import console, local_time, number_of, print_json, print_note, safe_text, shorten

if TYPE_CHECKING:
    from pydantic import BaseModel

    from learning_machine.state.changes import Receipt
    from learning_machine.state.views import ConnectionView, EventView, LearningView

Store = Annotated[str | None, typer.Option(metavar="TYPE", help="Only this store, such as user_profile.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many.")]
Cursor = Annotated[str | None, typer.Option(metavar="NEXT", help="Go on where the last page ended.")]
Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="Its short name, such as k3f.")]
Thing = Annotated[str, typer.Argument(metavar="ID", help="Its id or handle; see learning-machine entities.")]
Time = Annotated[datetime | None, typer.Option(metavar="DATE", help="A day or time; without a zone it is UTC.")]
_LONGEST = 400


def list_(
    user: User,
    group: Groups = None,
    state: Annotated[
        str,
        typer.Option(metavar="holding|waiting|closed|all", help="Which: what holds, waits, no longer holds, or all."),
    ] = "holding",
    store: Store = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only this kind, such as fact.")] = None,
    namespace: Annotated[str | None, typer.Option(metavar="NAME", help="Only what these may see.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List learnings, newest first, a page at a time.

    \b
    Examples:
      learning-machine list --user alice
      learning-machine list --user alice --state closed --store user_profile --json
    """
    if state not in ("holding", "waiting", "closed", "all"):
        raise typer.BadParameter("--state is holding, waiting, closed or all")
    with opened(machine, db) as found:
        page = found.learnings(
            state=state,  # type: ignore[arg-type]
            store=store,
            kind=kind,
            visible_to=namespace,
            limit=limit,
            cursor=cursor,
            **_scope(user, group),
        )
    _print_page(page, json, _learning_line)


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for.")],
    user: User,
    group: Groups = None,
    store: Store = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Search learnings, best first: by words and meaning, and for the text as it is written.

    \b
    Examples:
      learning-machine search "how do we deploy?" --user alice --group engineering
    """
    with opened(machine, db) as found:
        learnings = found.search(text, store=store, limit=limit, **_scope(user, group))
    if json:
        print_json([one.model_dump(mode="json") for one in learnings])
    else:
        _print_lines(map(_learning_line, learnings), "Nothing fits.")


def get(
    handle: Handle,
    user: User,
    group: Groups = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show one learning, whether it holds or not. `version` is what --expected of edit and forget takes.

    \b
    Examples:
      learning-machine get k3f --user alice
    """
    with opened(machine, db) as found:
        one = found.get(handle, **_scope(user, group))
    _print_one(one, json, version=one.version)


def add(
    store: Annotated[str, typer.Argument(metavar="STORE", help="The learning type, such as user_profile.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to keep.")],
    user: User,
    group: Groups = None,
    session: Session = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="One of the store's kinds, such as field or event.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The profile field, title or relation.")] = None,
    about: Annotated[str | None, typer.Option(metavar="THING", help='What it is about, as "Acme (company)".')] = None,
    target: Annotated[str | None, typer.Option(metavar="THING", help="The other end of a relationship.")] = None,
    when: Annotated[str | None, typer.Option(metavar="DATE", help="From when it holds, or when it happened.")] = None,
    namespace: Annotated[str | None, typer.Option(metavar="NAME", help="Who else sees it: one of the groups.")] = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Keep something as the user's own word.

    \b
    Examples:
      learning-machine add user_profile "drinks tea" --user alice
      learning-machine add user_profile Alice --kind field --name name --user alice
      learning-machine add entity_memory "bought Beta" --about "Acme (company)" --kind event --when 2026-03-01 --user alice
    """
    more = {"session_id": session, "namespace": namespace}
    with opened(machine, db) as found:
        receipt = found.add(
            store,
            text,
            kind=kind,
            name=name,
            subject=about,
            target=target,
            when=when,
            **_scope(user, group),
            **{key: value for key, value in more.items() if value is not None},
        )
    _print_receipts([receipt], json)


def edit(
    handle: Handle,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What it says from now on.")],
    user: User,
    group: Groups = None,
    expected: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Only if it is still as it was shown: its `version`.")
    ] = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Put other content in the place of a learning. The old one stays in history.

    \b
    Examples:
      learning-machine edit k3f "drinks coffee" --user alice
    """
    with opened(machine, db) as found:
        receipt = found.edit(handle, text, expected=expected, **_scope(user, group))
    _print_receipts([receipt], json)


def forget(
    handle: Handle,
    user: User,
    group: Groups = None,
    expected: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Only if it is still as it was shown: its `version`.")
    ] = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let a learning no longer hold; of a thing, nothing known of it. History keeps it.

    \b
    Examples:
      learning-machine forget k3f --user alice
    """
    with opened(machine, db) as found:
        receipts = found.forget(handle, expected=expected, **_scope(user, group))
    _print_receipts(receipts, json)


def entities(
    user: User,
    group: Groups = None,
    words: Annotated[str | None, typer.Option(metavar="TEXT", help="Only names with these letters.")] = None,
    type: Annotated[str | None, typer.Option(metavar="TYPE", help="Only things of this type, such as company.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the things that are known, by name.

    \b
    Examples:
      learning-machine entities --user alice --type company
    """
    with opened(machine, db) as found:
        page = found.entities(type=type, words=words, limit=limit, cursor=cursor, **_scope(user, group))
    _print_page(
        page,
        json,
        lambda one: (
            f"{one.id}  {shorten(one.name, 80)}{f' ({shorten(one.type, 40)})' if one.type else ''}  "
            f"{number_of(one.facts, 'fact')}, {number_of(one.connections, 'connection')}"
        ),
    )


def entity(
    id: Thing,
    user: User,
    group: Groups = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show one thing: its facts, its latest events, and what it is connected to.

    \b
    Examples:
      learning-machine entity k4 --user alice
    """
    with opened(machine, db) as found:
        one = found.entity(id, **_scope(user, group))
    if json:
        print_json(one.model_dump(mode="json"))
        return
    out = console()
    out.print(f"{shorten(one.name, 200)}{f' ({shorten(one.type, 40)})' if one.type else ''}  {one.id}", style="bold")
    lines = [*map(_learning_line, one.facts), *map(_event_line, one.events), *map(_connection_line, one.connections)]
    _print_lines(lines, "Nothing is known of it.")


def timeline(
    user: User,
    group: Groups = None,
    about: Annotated[str | None, typer.Option(metavar="ID", help="Only of this thing, by its id or handle.")] = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what happened, newest first: with all things or one, from a day on and before another.

    \b
    Examples:
      learning-machine timeline --user alice --since 2026-03-01 --until 2026-04-01
    """
    with opened(machine, db) as found:
        page = found.timeline(entity=about, since=since, until=until, limit=limit, cursor=cursor, **_scope(user, group))
    _print_page(page, json, _event_line)


def neighbours(
    id: Thing,
    user: User,
    group: Groups = None,
    hops: Annotated[int, typer.Option(min=1, max=2, help="How many steps away.")] = 1,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what is connected to a thing, one step or two away.

    \b
    Examples:
      learning-machine neighbours k4 --hops 2 --user alice
    """
    with opened(machine, db) as found:
        known = found.neighbours(id, hops=hops, **_scope(user, group))
    if json:
        print_json(known.model_dump(mode="json"))
    else:
        _print_lines(map(_connection_line, known.edges), "Nothing is connected to it.")


def turns(
    user: User,
    session: Session = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a user's latest turns, and what was learned from each.

    \b
    Examples:
      learning-machine turns --user alice --limit 5
    """
    with opened(machine, db) as found:
        page = found.turns(session=session, limit=limit, cursor=cursor, user_id=user)
    if json:
        print_json(page.model_dump(mode="json"))
        return
    out = console()
    for one in page.items:
        out.print(f"{local_time(one.recorded_at)}  {shorten(one.session, 60)}  {one.status}", style="bold")
        for said in one.said:
            out.print(f"  {said.role}: {shorten(said.text, _LONGEST)}", soft_wrap=True)
        for taught in (*one.learned, *one.proposed):
            out.print(
                f"  {taught.handle}  {shorten(taught.text, _LONGEST)} ({taught.status})", style="green", soft_wrap=True
            )
    _say_rest(page.items, page.next, "No turns yet.")


# --- how they look ----------------------------------------------------------------------------------------------------


def _scope(user: str, groups: Sequence[str] | None) -> dict[str, Any]:
    return {"user_id": user, "groups": tuple(groups or ())}


def _learning_line(one: LearningView) -> str:
    about = f"{shorten(one.about, 60)}: " if one.about else ""
    name = f"{shorten(one.name, 80)}: " if one.name else ""
    shared = f"  [{shorten(one.namespace, 40)}]" if one.namespace not in ("user", "session") else ""
    gone = "" if one.holds else f"  ({one.status if one.status != 'active' else 'no longer holds'})"
    return f"{one.handle}  {one.store}  {about}{name}{shorten(one.text, _LONGEST)}{shared}{gone}"


def _event_line(one: EventView) -> str:
    day = one.at.astimezone(UTC).strftime("%Y-%m-%d") if one.dated else f"~{local_time(one.at)}"
    return f"{one.handle}  {day}  {shorten(one.about or '?', 60)}: {shorten(one.text, _LONGEST)}"


def _connection_line(one: ConnectionView) -> str:
    ends = shorten(one.source_name, 60), shorten(one.target_name, 60)
    return f"{one.handle}  {ends[0]} — {shorten(one.relation, 60)} → {ends[1]}"


def _print_page(page: Any, json: bool, line: Any) -> None:
    if json:
        print_json(page.model_dump(mode="json"))
        return
    _print_lines(map(line, page.items), None)
    _say_rest(page.items, page.next, "There is nothing.")


def _say_rest(items: Sequence[Any], next: str | None, nothing: str) -> None:
    if not items:
        print_note(nothing)
    elif next is not None:
        print_note(f"There is more: --cursor {next}")


def _print_lines(lines: Iterable[str], nothing: str | None) -> None:
    out, some = console(), False
    for text in lines:
        some = True
        out.print(text, soft_wrap=True)
    if not some and nothing is not None:
        print_note(nothing)


def _print_one(one: BaseModel, json: bool, **more: Any) -> None:
    shown = {**one.model_dump(mode="json"), **more}
    if json:
        print_json(shown)
        return
    out = console()
    for name, value in shown.items():
        if value not in (None, "", [], {}, False):
            text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
            out.print(f"{name}: {shorten(safe_text(text), 2_000)}", soft_wrap=True)


def _print_receipts(receipts: Sequence[Receipt], json: bool) -> None:
    """What became of it, and exit code 1 where nothing was kept."""
    if json:
        print_json(
            [{name: getattr(one, name) for name in ("status", "handle", "replaced", "reason")} for one in receipts]
        )
    else:
        for one in receipts:
            console().print(safe_text(str(one)), soft_wrap=True)
    if any(one.status in ("refused", "failed") for one in receipts):
        raise typer.Exit(1)
