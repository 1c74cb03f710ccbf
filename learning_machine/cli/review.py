"""`learning-machine review`: decide on what was proposed."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learning_machine.cli.opening import opened
from learning_machine.cli.options import Db, Debug, Json, Machine, login_name
from learning_machine.cli.output import console, local_time, number_of, print_json, print_note, safe_text, shorten
from learning_machine.errors import LearningMachineError

if TYPE_CHECKING:
    from rich.console import Console

    from learning_machine.state.proposals import Proposal
    from learning_machine.stores.proposals import ProposalQueue

_ANSWERS = "[a]pprove  [e]dit  [r]eject  [s]kip  [q]uit"


def review(
    by: Annotated[str | None, typer.Option(metavar="ID", help="Who decides. [default: your login name]")] = None,
    store: Annotated[str | None, typer.Option(metavar="TYPE", help="Only this store's proposals.")] = None,
    risk: Annotated[str | None, typer.Option(metavar="low|medium|high", help="Only proposals of this risk.")] = None,
    approve_all: Annotated[
        bool, typer.Option("--approve-all", help="Approve all that are listed, without asking.")
    ] = False,
    reject_all: Annotated[
        bool, typer.Option("--reject-all", help="Reject all that are listed, without asking.")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only list what waits.")] = False,
    machine: Machine = None,
    db: Db = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Decide on what agents proposed, one by one, or many at once.

    What is approved is stored as it is shown; what is rejected is not proposed again until the user says it anew. Only
    those the machine accepts as reviewers, or whom a proposal came from, may decide; the others are told so.

    \b
    Examples:
      learning-machine review --by carol
      learning-machine review --list --json
      learning-machine review --by carol --store learned_knowledge --risk low --approve-all
    """
    if approve_all and reject_all:
        raise typer.BadParameter("--approve-all and --reject-all exclude each other")
    with opened(machine, db) as found:
        queue = found.proposals
        waiting = queue.list(store=store, risk=risk)
        if listing or json:
            _list(waiting, as_json=json)
        elif not waiting:
            print_note("Nothing waits for a decision.")
        elif approve_all or reject_all:
            _decide_all(queue, waiting, "approve" if approve_all else "reject", by or login_name())
        else:
            _ask(queue, waiting, by or login_name())


# --- listing ----------------------------------------------------------------------------------------------------------


def _list(waiting: list[Proposal], *, as_json: bool) -> None:
    if as_json:
        print_json([_as_json(one) for one in waiting])
        return
    out = console()
    for one in waiting:
        out.print(
            f"{one.handle}  {one.risk:6}  {one.mode}  {safe_text(one.namespace)}  {one.store}  {_line(one)}",
            soft_wrap=True,
        )
    print_note(f"{number_of(len(waiting), 'proposal')} waiting." if waiting else "Nothing waits for a decision.")


def _as_json(one: Proposal) -> dict[str, Any]:
    names = (
        "handle",
        "store",
        "kind",
        "action",
        "name",
        "text",
        "about",
        "namespace",
        "mode",
        "risk",
        "replaces",
        "quote",
        "proposer",
    )
    return {
        **{name: getattr(one, name) for name in names},
        "supporters": one.supporters,
        "proposed_at": one.proposed_at,
        "expires_at": one.expires_at,
    }


def _line(one: Proposal) -> str:
    title = f"{shorten(one.name, 60)}: " if one.name else ""
    about = f"{shorten(one.about, 60)}: " if one.about else ""
    return f"{about}{title}{shorten(one.text, 200) or '(no longer holds)'}"


# --- deciding ---------------------------------------------------------------------------------------------------------


def _decide_all(queue: ProposalQueue, waiting: list[Proposal], action: str, by: str) -> None:
    outcomes: Counter[str] = Counter()
    for one in waiting:
        outcomes[_decide(queue, one, action, by)] += 1
    print_note(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    if outcomes["not allowed"]:
        raise typer.Exit(1)


def _decide(queue: ProposalQueue, one: Proposal, action: str, by: str, **more: Any) -> str:
    """Carry out one decision, bound to what was shown, and say in a word what became of it."""
    from learning_machine.errors import NotAllowed
    from learning_machine.state.proposals import Verdict

    try:
        receipt = queue.decide(Verdict(handle=one.handle, action=action, shown=one.shown, **more), by=by)  # type: ignore[arg-type]
    except NotAllowed as error:
        print_note(safe_text(str(error)), style="yellow")
        return "not allowed"
    except LearningMachineError as error:
        print_note(safe_text(str(error)), style="red")
        return "failed"
    print_note(f"{one.handle}: {receipt}")
    return "rejected" if action == "reject" and receipt.reason == "rejected" else receipt.status


def _ask(queue: ProposalQueue, waiting: list[Proposal], by: str) -> None:
    """One proposal after the other, as the person at the terminal judges it."""
    if not sys.stdin.isatty():
        print_note("There is nobody to ask here. Use --list, --approve-all or --reject-all.")
        raise typer.Exit(1)
    out = console()
    for position, one in enumerate(waiting, start=1):
        _show(out, one, position, len(waiting))
        if not _answer(queue, one, by):
            print_note(f"{number_of(len(waiting) - position + 1, 'proposal')} left for later.")
            return
    print_note("That was all.")


def _show(out: Console, one: Proposal, position: int, total: int) -> None:
    """What a person needs to judge it: what, what it replaces, from which words, who will see it."""
    out.print()
    out.print(f"{position} of {total}  {one.handle}  {one.store}, {one.mode}, risk {one.risk}", style="bold")
    if one.replaces:
        out.print(f"- {shorten(one.replaces, 400)}", style="red", soft_wrap=True)
    out.print(f"+ {_line(one)}", style="green", soft_wrap=True)
    out.print(
        f"  from: “{shorten(one.quote, 400)}”" if one.quote else "  inferred by the agent", style="dim", soft_wrap=True
    )
    people = f", proposed by {one.supporters} people" if one.supporters > 1 else ""
    out.print(
        f"  goes to: {safe_text(one.namespace)}{people}, {local_time(one.proposed_at)}", style="dim", soft_wrap=True
    )


def _answer(queue: ProposalQueue, one: Proposal, by: str) -> bool:
    """Ask until there is an answer. `False`: the person leaves."""
    while True:
        answer = typer.prompt(_ANSWERS, default="s", show_default=False).strip().lower()[:1]
        if answer == "q":
            return False
        if answer == "s":
            return True
        if answer == "a":
            _decide(queue, one, "approve", by)
            return True
        if answer == "r":
            _decide(queue, one, "reject", by, message=typer.prompt("Why", default="", show_default=False))
            return True
        if answer == "e":
            text = typer.prompt("Text", default=safe_text(one.text))
            _decide(
                queue,
                one,
                "edit",
                by,
                text=text,
                name=typer.prompt("Title", default=safe_text(one.name)) if one.name else None,
            )
            return True
