"""Looking at what was learned and putting it right from a terminal: what the HTTP API does, with the same values."""

from __future__ import annotations

from typing import Annotated

import typer

from learning_machine.cli.listing import (
    LONGEST,
    learning_line,
    print_lines,
    print_one,
    print_page,
    print_receipts,
    say_rest,
)
from learning_machine.cli.opening import opened
from learning_machine.cli.options import Cursor, Db, Debug, Groups, Json, Limit, Machine, Session, User, scoped
from learning_machine.cli.output import console, local_time, print_json, shorten

Store = Annotated[str | None, typer.Option(metavar="TYPE", help="Only this store, such as user_profile.")]
Handle = Annotated[str, typer.Argument(metavar="HANDLE", help="Its short name, such as k3f.")]


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
            **scoped(user, group),
        )
    print_page(page, json, learning_line)


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
        learnings = found.search(text, store=store, limit=limit, **scoped(user, group))
    if json:
        print_json([one.model_dump(mode="json") for one in learnings])
    else:
        print_lines(map(learning_line, learnings), "Nothing fits.")


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
        one = found.get(handle, **scoped(user, group))
    print_one(one, json, version=one.version)


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
            **scoped(user, group),
            **{key: value for key, value in more.items() if value is not None},
        )
    print_receipts([receipt], json)


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
        receipt = found.edit(handle, text, expected=expected, **scoped(user, group))
    print_receipts([receipt], json)


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
        receipts = found.forget(handle, expected=expected, **scoped(user, group))
    print_receipts(receipts, json)


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
            out.print(f"  {said.role}: {shorten(said.text, LONGEST)}", soft_wrap=True)
        for taught in (*one.learned, *one.proposed):
            out.print(
                f"  {taught.handle}  {shorten(taught.text, LONGEST)} ({taught.status})", style="green", soft_wrap=True
            )
    say_rest(page.items, page.next, "No turns yet.")
