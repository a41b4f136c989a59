"""`pms-gateway keys`: who may call, and `pms-gateway secrets`: what the gateway encrypts with."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.actor import actor
from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.console import CommandError, print_table, tell

if TYPE_CHECKING:
    from app.api.deps import Gateway
    from app.store.api_keys import ApiKey
    from app.store.audit import AuditEntry

keys = typer.Typer(help="The API keys of clients, and the keys that the data is under.", no_args_is_help=True)

_CLIENT = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_TOKEN = re.compile(r"(?:pmsgw_)?(?P<prefix>[0-9a-f]{12})(?:_.*)?")


@keys.command("create")
def create(
    client: Annotated[str, typer.Option(help="Who holds the key; kept when the key is rotated.")],
    scope: Annotated[list[str], typer.Option(help="read, write, charges, ops, admin; repeat it, or use commas.")],
    hotel: Annotated[list[str] | None, typer.Option(help="A hotel that it sees; repeat it, or use commas.")] = None,
    all_hotels: Annotated[bool, typer.Option("--all-hotels", help="It sees every hotel, now and later.")] = False,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Make a key and print its token, once: nobody can see it again."""
    scopes, hotels = _scopes(scope), _hotels(hotel, all_hotels=all_hotels)
    if not _CLIENT.fullmatch(client.strip()):
        raise CommandError("--client: give a name of 1 to 100 characters")
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def make(gateway: "Gateway") -> tuple[str, list[str]]:
        async with gateway.database.unit_of_work() as work:
            made = await work.api_keys.create(client=client.strip(), scopes=scopes, hotels=hotels)
            await work.audit.append(_line("key.create", made.key, after=_recorded(made.key)))
            known = {record.id for record in await work.hotels.all(hotels)} if hotels else set()
        return made.token.get_secret_value(), [one for one in hotels or () if one not in known]

    token, unknown = at_gateway(settings, make)
    for one in unknown:
        tell(f"note: {one} is not registered yet; the key will see it when it is")
    tell(f"key for {client.strip()}: {', '.join(scopes)} at {', '.join(hotels) if hotels else 'all hotels'}")
    tell("keep it now, it is not shown again:")
    print(token)


@keys.command("list")
def list_keys(
    client: Annotated[str | None, typer.Option(help="Only the keys of this client.")] = None,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Show all keys, revoked ones too; their secrets are known to nobody."""
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def find(gateway: "Gateway") -> "list[ApiKey]":
        async with gateway.database.unit_of_work() as work:
            return await work.api_keys.all(client=client)

    headings = ("prefix", "client", "scopes", "hotels", "created", "revoked")
    print_table(headings, (_row(key) for key in at_gateway(settings, find)))


@keys.command("revoke")
def revoke(
    prefix: Annotated[str, typer.Argument(help="The key's visible prefix, as `keys list` shows it.")],
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Make a key invalid; every process knows within five seconds, mostly two."""
    found = _TOKEN.fullmatch(prefix)
    if found is None:
        raise CommandError("give the prefix of a key, 12 characters of 0-9 and a-f")
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway

    async def end(gateway: "Gateway") -> bool:
        async with gateway.database.unit_of_work() as work:
            revoked = await work.api_keys.revoke(found["prefix"])
            if revoked:
                [key] = [one for one in await work.api_keys.all() if one.prefix == found["prefix"]]
                await work.audit.append(_line("key.revoke", key, before=_recorded(key)))
            return revoked

    if not at_gateway(settings, end):
        raise CommandError(f"there is no live key with the prefix {found['prefix']}")
    tell(f"revoked {found['prefix']}")


def secrets() -> None:
    """Print fresh ENCRYPTION_KEYS, INDEX_KEYS and IDEMPOTENCY_SECRET, for a file .env."""
    from app.settings import generate_key, generate_secret

    print(f"ENCRYPTION_KEYS={generate_key()}\nINDEX_KEYS={generate_key()}\nIDEMPOTENCY_SECRET={generate_secret()}")


def _listed(values: list[str]) -> list[str]:
    return list(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))


def _scopes(given: list[str]) -> list[str]:
    from app.gateway.callers import Scope

    scopes = _listed(given)
    known = [scope.value for scope in Scope]
    if not scopes or (wrong := [scope for scope in scopes if scope not in known]):
        raise CommandError(
            f"--scope: {', '.join(wrong) if scopes else 'nothing'} is no scope; there are {', '.join(known)}"
        )
    return scopes


def _hotels(given: list[str] | None, *, all_hotels: bool) -> list[str] | None:
    from app.domain.ids import HOTEL_ID_PATTERN

    hotels = _listed(given or [])
    if all_hotels == bool(hotels):
        raise CommandError("say which hotels the key sees: --hotel ID (or several), or --all-hotels")
    if wrong := [hotel for hotel in hotels if not re.fullmatch(HOTEL_ID_PATTERN, hotel)]:
        raise CommandError(f"--hotel: {', '.join(wrong)} is no hotel id; those are 1 to 64 of A-Z a-z 0-9 _ -")
    return None if all_hotels else hotels


def _line(operation: str, key: "ApiKey", *, before: object = None, after: object = None) -> "AuditEntry":
    """Give the line of the audit that says what the operator did to a key; it belongs to no hotel."""
    from app.store.audit import AuditEntry

    return AuditEntry(
        actor=actor(),
        hotel_id=None,
        operation=operation,
        target=key.prefix,
        outcome="succeeded",
        before=before,
        after=after,
    )


def _recorded(key: "ApiKey") -> dict[str, object]:
    hotels = None if key.hotels is None else sorted(key.hotels)
    return {"client": key.client, "scopes": sorted(key.scopes), "hotels": hotels}


def _row(key: "ApiKey") -> tuple[str, ...]:
    return (
        key.prefix,
        key.client,
        ",".join(sorted(key.scopes)),
        "all" if key.hotels is None else ",".join(sorted(key.hotels)),
        f"{key.created_at:%Y-%m-%d %H:%M}",
        f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "",
    )
