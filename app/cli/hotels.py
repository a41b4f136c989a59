"""`pms-gateway hotels`: the registered hotels, as PUT and DELETE /v1/hotels/{hotel_id} treat them."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.actor import actor
from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.console import CommandError, print_table, tell

if TYPE_CHECKING:
    from app.api.deps import Gateway
    from app.domain.hotel import Hotel
    from app.gateway.callers import Caller
    from app.gateway.credential_ages import Standing
    from app.gateway.hotels import HotelDraft

hotels = typer.Typer(help="The registered hotels.", no_args_is_help=True)

HotelArgument = Annotated[str, typer.Argument(metavar="ID", help="The hotel's id.")]


@hotels.command("list")
def list_hotels(embedded: Embedded = False, folder: EmbeddedFolder = None) -> None:
    """Show all hotels, never their credentials, but the age of the oldest one."""
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def find(gateway: "Gateway") -> "list[tuple[Hotel, Standing]]":
        standings = await gateway.credential_ages.standings()
        return [(hotel, standings[hotel.id]) for hotel in await gateway.hotels.visible(_operator())]

    headings = ("id", "name", "vendor", "property", "timezone", "currency", "credentials", "base_url")
    print_table(headings, (_row(hotel, standing) for hotel, standing in at_gateway(settings, find)))


@hotels.command("put")
def put(
    hotel_id: HotelArgument,
    file: Annotated[str, typer.Option(help="The body of PUT /v1/hotels/{id} as JSON; - reads standard input.")],
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Register or change a hotel; its PMS is not asked."""
    _require_id(hotel_id)
    draft = _draft(_content(file))
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def store(gateway: "Gateway") -> bool:
        _, created = await gateway.hotels.put(hotel_id, draft, _operator())
        return created

    created = at_gateway(settings, store)
    tell(f"{'registered' if created else 'changed'} {hotel_id}")


@hotels.command("delete")
def delete(
    hotel_id: HotelArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Erase a hotel with all data under its id, on our side; its PMS is untouched."""
    _require_id(hotel_id)
    settings = operator_settings(embedded=embedded, folder=folder)
    if not yes and not typer.confirm(f"Erase {hotel_id} with everything that is stored under it?", err=True):
        raise CommandError("nothing was erased")
    from app.cli.database import at_gateway

    async def erase(gateway: "Gateway") -> None:
        await gateway.hotels.delete(hotel_id, _operator())
        if not await gateway.sweeps.now(hotel_id):
            tell("note: Redis cannot be told; a worker repeats it until what Redis holds of the hotel is gone")

    at_gateway(settings, erase)
    tell(f"erased {hotel_id}")


def _operator() -> "Caller":
    from app.gateway.callers import Caller, Scope

    return Caller(actor(), frozenset(scope.value for scope in Scope), None)


def _require_id(hotel_id: str) -> None:
    from app.domain.ids import HOTEL_ID_PATTERN

    if not re.fullmatch(HOTEL_ID_PATTERN, hotel_id):
        raise CommandError(f"{hotel_id!r} is no hotel id; those are 1 to 64 of A-Z a-z 0-9 _ -")


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def _draft(body: bytes) -> "HotelDraft":
    """Read the body; what is wrong with it is told without the values, which may be credentials."""
    from pydantic import ValidationError

    from app.gateway.hotels import HotelDraft

    try:
        return HotelDraft.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        lines = [f"  {'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults]
        raise CommandError("\n".join(["the hotel cannot be registered with this body:", *lines])) from None


def _row(hotel: "Hotel", standing: "Standing") -> tuple[str, ...]:
    place = hotel.property_id or ""
    age = f"{standing.oldest_days} d{' ROTATE' if standing.notices else ''}"
    return hotel.id, hotel.name, hotel.vendor, place, hotel.timezone, hotel.currency, age, hotel.base_url
