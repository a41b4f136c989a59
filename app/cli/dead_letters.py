"""`pms-gateway dead-letters`: parked writes, as the operators' calls under /v1/dead-letters treat them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.actor import actor
from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.console import CommandError, harmless, print_table, tell

if TYPE_CHECKING:
    from pathlib import Path

    from app.api.deps import Gateway
    from app.gateway.callers import Caller
    from app.gateway.dead_letters import DeadLetterDesk, LetterQuestion
    from app.store.dead_letters import DeadLetter

dead_letters = typer.Typer(help="Writes that wait to be sent, or that need a person.", no_args_is_help=True)

LetterArgument = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id, as `list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads it later.")]


@dead_letters.command("list")
def list_letters(
    status: Annotated[str | None, typer.Option(help="pending, retrying, resolved or abandoned.")] = None,
    hotel: Annotated[str | None, typer.Option(help="Only this hotel's.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only this kind, such as charge.post.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most, the newest first.")] = 50,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Show dead letters, the newest first, without any guest's data."""
    question = _question(status, hotel, operation)
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def find(gateway: "Gateway") -> "list[DeadLetter]":
        return await gateway.dead_letters.entries(question, _operator(), limit=limit + 1)

    found = at_gateway(settings, find)
    headings = ("id", "hotel", "operation", "status", "goes on", "replayable", "tries", "code", "since")
    print_table(headings, (_row(letter) for letter in found[:limit]))
    if len(found) > limit:
        tell(f"there are more; these are the newest {limit}")


@dead_letters.command("show")
def show(letter_id: LetterArgument, embedded: Embedded = False, folder: EmbeddedFolder = None) -> None:
    """Print one dead letter as JSON, with the guest's data that the write holds."""
    import orjson

    from app.api.v1.dead_letters import letter_json

    letter = _at_desk(lambda desk: desk.get(letter_id, _operator()), embedded=embedded, folder=folder)
    print(harmless(orjson.dumps(letter_json(letter), option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()))


@dead_letters.command("retry")
def retry(letter_id: LetterArgument, embedded: Embedded = False, folder: EmbeddedFolder = None) -> None:
    """Have a write sent again; a worker does it."""
    letter = _at_desk(lambda desk: desk.retry(letter_id, _operator()), embedded=embedded, folder=folder)
    tell(f"{letter.operation} of {letter.hotel_id} is sent again; watch operation {letter.operation_id}")


@dead_letters.command("abandon")
def abandon(
    letter_id: LetterArgument, reason: Reason, embedded: Embedded = False, folder: EmbeddedFolder = None
) -> None:
    """Give a write up: it is never sent, or taken for not done."""
    why = _said(reason)
    letter = _at_desk(lambda desk: desk.abandon(letter_id, _operator(), reason=why), embedded=embedded, folder=folder)
    tell(f"abandoned {letter.operation} of {letter.hotel_id}")


@dead_letters.command("resolve")
def resolve(
    letter_id: LetterArgument,
    happened: Annotated[bool, typer.Option("--happened/--not-happened", help="Whether the PMS shows it done.")],
    reason: Reason,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Say what you found in the PMS of a write of which nobody knows whether it happened."""
    why = _said(reason)

    async def act(desk: "DeadLetterDesk") -> "DeadLetter":
        return await desk.resolve(letter_id, _operator(), happened=happened, reason=why)

    letter = _at_desk(act, embedded=embedded, folder=folder)
    became = "has succeeded" if happened else "is dead and may be sent again with retry"
    tell(f"{letter.operation} of {letter.hotel_id} {became}")


def _at_desk(
    act: "Callable[[DeadLetterDesk], Awaitable[DeadLetter]]", *, embedded: bool, folder: "Path | None"
) -> "DeadLetter":
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def run(gateway: "Gateway") -> "DeadLetter":
        return await act(gateway.dead_letters)

    return at_gateway(settings, run)


def _operator() -> "Caller":
    from app.gateway.callers import Caller, Scope

    return Caller(actor(), frozenset({Scope.OPS.value}), None)


def _question(status: str | None, hotel: str | None, operation: str | None) -> "LetterQuestion":
    from app.domain.capability import Capability
    from app.gateway.dead_letters import LetterQuestion
    from app.store.dead_letters import LetterStatus

    known = {one.value: one for one in LetterStatus}
    kinds = {one.value: one for one in Capability}
    if status is not None and status not in known:
        raise CommandError(f"--status: {status} is none; there are {', '.join(known)}")
    if operation is not None and operation not in kinds:
        raise CommandError(f"--operation: {operation} is none; there are {', '.join(kinds)}")
    return LetterQuestion(hotel_id=hotel, status=known.get(status or ""), operation=kinds.get(operation or ""))


def _said(reason: str) -> str:
    """Read a reason as the API does."""
    from pydantic import ValidationError

    from app.api.v1.dead_letters import Abandonment

    try:
        return Abandonment(reason=reason).reason
    except ValidationError as error:
        raise CommandError(f"--reason: {error.errors(include_input=False, include_url=False)[0]['msg']}") from None


def _row(letter: "DeadLetter") -> tuple[str, ...]:
    return (
        str(letter.id),
        letter.hotel_id,
        letter.operation.value,
        "notice" if letter.notice and letter.status == "pending" else letter.status.value,
        "by itself" if letter.auto_retry else "",
        "yes" if letter.replayable else "",
        str(letter.attempts),
        letter.error_code,
        f"{letter.created_at:%Y-%m-%d %H:%M}",
    )
