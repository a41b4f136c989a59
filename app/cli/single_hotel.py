"""The one hotel that the environment may name: `serve` registers it before it serves.

The id on our side holds vendor and property, so that the environment, pointed to another hotel, never mixes what
is stored of two. What the environment does not say of a hotel that is registered stays as it is stored.
"""

import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from pydantic import SecretStr, ValidationError

from app.api.deps import Gateway
from app.cli.children import Watched, child
from app.cli.console import CommandError, tell
from app.cli.database import at_gateway
from app.cli.serving import listening_socket
from app.core.discovery import adapters
from app.core.profile import VendorProfile
from app.domain.errors import InvalidRequest
from app.domain.ids import HOTEL_ID_PATTERN
from app.embedded import EmbeddedServerError, ephemeral_folder
from app.gateway.callers import Caller, Scope
from app.gateway.hotels import HotelDraft
from app.settings import MOCK, Settings, child_environment
from app.store.hotels import HotelRecord
from app.telemetry import log

_HOST = "127.0.0.1"
_CLIENT = "pms-gateway environment"
"""What the audit calls whoever has set the variables."""

_VARIABLES = {
    "vendor": "PMS_TYPE",
    "base_url": "PMS_BASE_URL",
    "credentials": "PMS_API_KEY",
    "property_id": "PMS_HOTEL_ID",
    "name": "PMS_HOTEL_NAME",
    "timezone": "PMS_TIMEZONE",
    "currency": "PMS_CURRENCY",
}
_THE_KEY = "api_key"
"""The one credential that the environment has a variable for."""
_ASSUMED = {"timezone": "UTC", "currency": "EUR"}
_OTHERWISE = "register the hotel with `pms-gateway hotels put` instead"

TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtext('pms-gateway single hotel'))"
"""Waits, within a transaction and until its end, for all others that register the environment's hotel."""
_TURN_WITHIN = 30.0  # seconds
_SIMULATORS_WITHIN = 60.0  # seconds; a slow machine compiles our modules first
_POLL = 0.05


@dataclass(frozen=True, slots=True)
class SingleHotel:
    """A hotel as the environment has it, in the fields of a registration."""

    hotel_id: str
    said: Mapping[str, Any]
    """What the environment decides, at every start."""
    assumed: Mapping[str, Any] = field(default_factory=dict)
    """What a hotel that is new gets besides."""

    def draft(self, stored: HotelRecord | None) -> HotelDraft:
        """Give the registration that is wanted, where this one is stored.

        Raises:
            CommandError: a variable is malformed.
        """
        kept: dict[str, Any] = {}
        if stored is not None and stored.vendor == self.said["vendor"]:
            kept = {name: getattr(stored, name) for name in HotelDraft.model_fields if name != "credentials"}
        try:
            return HotelDraft.model_validate({**self.assumed, **kept, **self.said})
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            raise _refusal((fault["loc"], fault["msg"]) for fault in faults) from None

    def is_stored(self, stored: HotelRecord | None, draft: HotelDraft) -> bool:
        """Tell whether everything that the environment says, as `draft` has read it, is stored already."""
        return stored is not None and all(getattr(stored, name) == getattr(draft, name) for name in self.said)


@contextmanager
def single_hotel(settings: Settings) -> Iterator[None]:
    """Have the environment's hotel registered, if it names one; a simulated one lives as long as the block.

    The PMS is not called. Whoever else starts at the same time waits, so that nothing is registered twice.

    Raises:
        CommandError: the variables make no hotel, the schema is not current, or the simulated hotel cannot start.
    """
    hotel = hotel_of(settings)
    with ExitStack() as stack:
        if settings.pms_type == MOCK:
            _start_simulators(stack, settings.simulators_port)
        if hotel is not None:
            tell(_register(settings, hotel))
            log.configure(settings.log_level)  # a command at the gateway speaks of errors only
        yield


def hotel_of(settings: Settings) -> SingleHotel | None:
    """Read the hotel out of the settings; None where they name none.

    Raises:
        CommandError: a variable is missing, or this hotel cannot be told in these variables.
    """
    if settings.pms_type is None:
        given = [name for name in ("base_url", "credentials") if getattr(settings, _VARIABLES[name].lower())]
        if given:
            told = " and ".join(_VARIABLES[name] for name in given)
            raise CommandError(f"PMS_TYPE is not set, but {told}: set it to the vendor, one of {_types()}")
        return None
    if settings.pms_type == MOCK:
        return _simulated_hotel(settings)
    adapter = adapters().get(settings.pms_type)
    if adapter is None:
        raise CommandError(f"PMS_TYPE={settings.pms_type} is no vendor; there are: {_types()}")
    require_one_key(adapter.profile)
    return _real_hotel(settings, adapter.profile)


def require_one_key(profile: VendorProfile) -> None:
    """Refuse a vendor that wants other credentials than one API key.

    Raises:
        CommandError: it does; with what it wants and the way that can tell it.
    """
    wanted = [name for name, part in profile.credentials.model_fields.items() if part.is_required()]
    if _THE_KEY not in profile.credentials.model_fields or set(wanted) - {_THE_KEY}:
        raise CommandError(
            f"PMS_TYPE={profile.vendor}: {profile.display_name} needs the credentials {', '.join(wanted)}, "
            f"which PMS_API_KEY cannot hold; {_OTHERWISE}"
        )


def _simulated_hotel(settings: Settings) -> SingleHotel:
    from app.simulators.server import simulators

    demo = simulators()["bridge"].demo_hotel(f"http://{_HOST}:{settings.simulators_port}")
    secrets = {name: SecretStr(value) for name, value in demo.body["credentials"].items()}
    return SingleHotel(demo.hotel_id, {**demo.body, "credentials": secrets})


def _real_hotel(settings: Settings, profile: VendorProfile) -> SingleHotel:
    for missing in ("base_url", "credentials"):
        if not getattr(settings, _VARIABLES[missing].lower()):
            raise CommandError(f"PMS_TYPE={profile.vendor} needs {_VARIABLES[missing]} too")
    hotel_id = f"{profile.vendor}-{settings.pms_hotel_id}"
    if not re.fullmatch(HOTEL_ID_PATTERN, hotel_id):
        raise CommandError(f"PMS_HOTEL_ID makes no hotel id, {hotel_id!r}; {_OTHERWISE}")
    said = {
        "vendor": profile.vendor,
        "base_url": settings.pms_base_url,
        "credentials": {_THE_KEY: settings.pms_api_key},
        "property_id": settings.pms_hotel_id,
    }
    named = {"name": settings.pms_hotel_name, "timezone": settings.pms_timezone, "currency": settings.pms_currency}
    said |= {name: value for name, value in named.items() if value is not None}
    return SingleHotel(hotel_id, said, {"name": f"{profile.display_name} {settings.pms_hotel_id}", **_ASSUMED})


def _types() -> str:
    return ", ".join((*adapters(), MOCK))


def _register(settings: Settings, hotel: SingleHotel) -> str:
    """Bring what is stored in line with the environment; gives the sentence on what was done."""

    async def work(gateway: Gateway) -> str:
        async with _alone(settings):
            async with gateway.database.unit_of_work() as stores:
                stored = await stores.hotels.find(hotel.hotel_id)
            draft = hotel.draft(stored)
            if hotel.is_stored(stored, draft):
                return f"{hotel.hotel_id} is registered as the environment has it"
            try:
                await gateway.hotels.put(hotel.hotel_id, draft, _environment())
            except InvalidRequest as error:
                raise _refusal((fault.loc, fault.msg) for fault in error.errors) from None
        if stored is not None:
            return f"changed {hotel.hotel_id} to what the environment says"
        return f"registered {hotel.hotel_id} from the environment{_assumptions(hotel)}"

    return at_gateway(settings, work)


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[None]:
    """Keep other gateways that start from looking while we have looked and not yet stored."""
    connection = await asyncpg.connect(settings.plain_database_url, timeout=_TURN_WITHIN)
    try:
        async with connection.transaction():
            try:
                await connection.execute(TAKE_TURN, timeout=_TURN_WITHIN)
            except TimeoutError:
                raise CommandError("another gateway has begun to register this hotel and does not end") from None
            yield
    finally:
        await connection.close()


def _environment() -> Caller:
    return Caller(_CLIENT, frozenset(scope.value for scope in Scope), None)


def _assumptions(hotel: SingleHotel) -> str:
    """Say which guesses a price or a date of this hotel now depends on."""
    guesses = [f"{_VARIABLES[name]} {value}" for name, value in _ASSUMED.items() if name not in hotel.said]
    return f"; taken for granted, as it does not say: {', '.join(guesses)}" if guesses else ""


def _refusal(faults: Iterable[tuple[tuple[int | str, ...], str]]) -> CommandError:
    """Name the variables that are wrong; what is in them may be a secret and is not repeated."""
    lines = [f"  {_VARIABLES.get(str(where[0]), '.'.join(map(str, where)))}: {why}" for where, why in faults]
    return CommandError("\n".join(["the hotel of PMS_TYPE cannot be registered:", *lines]))


def _start_simulators(stack: ExitStack, port: int) -> None:
    """Serve the simulated hotel systems until the stack ends.

    Raises:
        CommandError: the port is taken, or they do not start.
    """
    listening_socket(_HOST, port, hint="SIMULATORS_PORT chooses another one").close()
    url = f"http://{_HOST}:{port}"
    try:
        folder = stack.enter_context(ephemeral_folder("mock"))
    except EmbeddedServerError as error:
        raise CommandError(str(error)) from error
    arguments = ["simulate", "--host", _HOST, "--port", str(port)]
    process = stack.enter_context(child("simulators", arguments, environment=child_environment(), folder=folder))
    _await(process, f"{url}/_control/")
    tell(f"a simulated hotel system is at {url}; it forgets everything when the gateway stops")


def _await(process: Watched, url: str) -> None:
    deadline = time.monotonic() + _SIMULATORS_WITHIN
    with httpx.Client(trust_env=False, timeout=5) as http:
        while time.monotonic() < deadline:
            process.require_alive()
            with suppress(httpx.TransportError):
                http.get(url)
                return
            time.sleep(_POLL)
    raise CommandError(f"{process.name} did not answer within {_SIMULATORS_WITHIN:.0f} s")
