"""`pms-gateway setup`: from a vendor, an address and credentials to a registered hotel that has been looked after."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.configuration import Embedded, EmbeddedFolder, operator_settings
from app.cli.questions import Questions
from app.cli.wishes import Wish, read_credentials, read_options

if TYPE_CHECKING:
    from app.api.deps import Gateway

CredentialPairs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Repeat it. VALUE is a reference (env:PMS_CRED_X, file:PATH, vault:PATH#FIELD), - for a line of standard "
        "input, or the secret itself, which everybody on this machine can read in the list of processes.",
    ),
]
OptionPairs = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the vendor; repeat it.")
]

_UNHEALTHY = 1


def setup(
    vendor: Annotated[str | None, typer.Option(help="Whose PMS it is; `pms-gateway matrix` lists them.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Where its API is.")] = None,
    credential: CredentialPairs = None,
    property_id: Annotated[str | None, typer.Option(help="Which of the PMS's properties.")] = None,
    hotel_id: Annotated[str | None, typer.Option("--id", help="The hotel's id at the gateway.")] = None,
    name: Annotated[str | None, typer.Option(help="The hotel's name.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Its IANA time zone, such as Europe/Vienna.")] = None,
    currency: Annotated[str | None, typer.Option(help="Its currency, such as EUR.")] = None,
    country: Annotated[str | None, typer.Option(help="Its country, such as AT.")] = None,
    option: OptionPairs = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: what is missing ends the command.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but register.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Register also what does not work yet.")] = False,
    embedded: Embedded = False,
    folder: EmbeddedFolder = None,
) -> None:
    """Connect to a hotel's PMS, show what is there, and register the hotel; asks for what it is not told.

    Repeated for a registered hotel, it changes it. Ends with 0 when the hotel is registered and well, 1 when it is
    not, 2 when something that is needed was not given.
    """
    wish = Wish(
        vendor=vendor,
        base_url=base_url,
        property_id=property_id,
        hotel_id=hotel_id,
        said={"name": name, "timezone": timezone, "currency": currency, "country": country},
        credentials=read_credentials(credential or []),
        options=read_options(option or []),
        dry_run=dry_run,
        force=force,
        flags=(" --embedded" if embedded else "") + (f" --folder {folder}" if folder else ""),
    )
    settings = operator_settings(embedded=embedded, folder=folder)
    from app.cli.database import at_gateway
    from app.cli.registering import Registering

    async def work(gateway: "Gateway") -> bool:
        return await Registering(gateway, wish, Questions(unattended=yes), port=settings.port).run()

    if not at_gateway(settings, work):
        raise typer.Exit(_UNHEALTHY)
