"""What an endpoint is handed: the gateway, the caller, the hotel, and how the caller wants to be answered.

All of it is `async`, also what awaits nothing: FastAPI runs anything else in a thread, which costs more than it does.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from app.api.prefer import Preference, preference_of
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.core.matrix import Ledger
from app.domain.errors import FieldFault, Forbidden, IdempotencyKeyRequired, InvalidRequest, Unauthorized
from app.domain.hotel import Hotel
from app.domain.ids import HOTEL_ID_PATTERN
from app.gateway.audits import Audits
from app.gateway.bookings import Bookings
from app.gateway.callers import Caller, Callers, Scope
from app.gateway.credential_ages import CredentialAges
from app.gateway.dead_letters import DeadLetterDesk
from app.gateway.doctor import Doctor
from app.gateway.erased import Erased
from app.gateway.erasures import Erasures
from app.gateway.folios import Folios
from app.gateway.guests import Guests
from app.gateway.hotels import HotelDirectory
from app.gateway.inventory import Inventory
from app.gateway.key_watch import KeyWatch
from app.gateway.reads import Patience, Reads
from app.gateway.reservations import Reservations
from app.gateway.rooms import Rooms
from app.gateway.sweeps import CacheSweeps
from app.gateway.write import Order
from app.gateway.writes import Writes
from app.store.cache import Cache
from app.store.client_limits import ClientLimits
from app.store.database import Database
from app.store.snapshots import Snapshots

DEFAULT_TIMEOUT = 30.0
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 0.1, 60.0

bearer = HTTPBearer(auto_error=False, description="An API key, `pmsgw_…`.")


@dataclass(frozen=True)
class Gateway:
    """The use cases and what they stand on; made once, in the composition root."""

    ledger: Ledger
    clock: Clock
    database: Database
    cache: Cache
    snapshots: Snapshots
    connectors: ConnectorCache
    callers: Callers
    client_limits: ClientLimits
    hotels: HotelDirectory
    reads: Reads
    writes: Writes
    inventory: Inventory
    reservations: Reservations
    bookings: Bookings
    guests: Guests
    folios: Folios
    rooms: Rooms
    doctor: Doctor
    credential_ages: CredentialAges
    audits: Audits
    dead_letters: DeadLetterDesk
    erased: Erased
    erasures: Erasures
    sweeps: CacheSweeps
    keys: KeyWatch


async def the_gateway(request: Request) -> Gateway:
    """Give the gateway of this application."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def the_caller(
    request: Request,
    gateway: Annotated[Gateway, Depends(the_gateway)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Tell who calls, and count the request; once, as FastAPI asks a dependency once for each request.

    Raises:
        Unauthorized: no API key, or one that is not valid.
        CallerThrottled: the client has used up its limit.
        StorageUnavailable: it is not known yet whether this process has the keys that the data is under.
    """
    gateway.keys.require_passed()
    if credentials is None:
        raise Unauthorized("send an API key as Authorization: Bearer <key>")
    moment = _end_of(request, gateway, _asked(request))
    caller = await gateway.callers.authenticate(credentials.credentials, until=moment)
    await gateway.client_limits.admit(caller.client, until=moment)
    return caller


def _asked(request: Request) -> float:
    """Read the caller's budget before it is checked: who calls is found out first, and in time, too."""
    try:
        asked = float(request.headers.get("x-request-timeout", DEFAULT_TIMEOUT))
    except ValueError:
        return DEFAULT_TIMEOUT
    return asked if SHORTEST_TIMEOUT <= asked <= LONGEST_TIMEOUT else DEFAULT_TIMEOUT


def _end_of(request: Request, gateway: Gateway, seconds: float) -> float:
    spent: float = time.monotonic() - request.state.started
    return gateway.clock.monotonic() + seconds - spent


async def until(
    request: Request,
    gateway: Annotated[Gateway, Depends(the_gateway)],
    x_request_timeout: Annotated[
        float,
        Header(
            ge=SHORTEST_TIMEOUT,
            le=LONGEST_TIMEOUT,
            allow_inf_nan=False,
            description="Seconds that the caller is ready to wait, 0.1 to 60.",
        ),
    ] = DEFAULT_TIMEOUT,
) -> float:
    """Give the moment, in the gateway's monotonic seconds, at which the caller's budget ends."""
    return _end_of(request, gateway, x_request_timeout)


HotelPath = Annotated[str, Path(pattern=HOTEL_ID_PATTERN, examples=["prime"])]
ReservationPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=512,
        description="The reservation's id, or `confirmation:<number>`.",
        examples=["RES-1001"],
    ),
]


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request."""

    request: Request
    gateway: Gateway
    caller: Caller
    until: float
    """When the caller's budget ends, in the gateway's monotonic seconds."""

    @property
    def left(self) -> float:
        """The seconds that are left of the caller's budget."""
        return max(0.0, self.until - self.gateway.clock.monotonic())

    @property
    def now(self) -> datetime:
        """The instant of the answer."""
        return self.gateway.clock.now()

    @property
    def hotel(self) -> Hotel | None:
        """The one hotel that it is about, if there is one."""
        return None

    @property
    def revision(self) -> int | None:
        """Tells answers from before a change of the hotel's registration from those after it."""
        return None


@dataclass(frozen=True, slots=True)
class Visit(Call):
    """One authorised request about one hotel."""

    registration: Registration
    patience: Patience

    @property
    def hotel(self) -> Hotel:
        """The hotel that it is about."""
        return self.registration.hotel

    @property
    def revision(self) -> int | None:
        """Tells answers from before a change of the hotel's registration from those after it."""
        return self.registration.revision

    @property
    def prefers(self) -> Preference | None:
        """Whether the caller takes 202 for an answer, and after how long."""
        return preference_of(self.request.headers.get("prefer"))

    def order(self, body: BaseModel | None, key: str | None, *, if_match: str | None = None) -> Order:
        """Make the order of a write out of what the caller sent."""
        prefers = self.prefers
        return Order(
            caller=self.caller,
            method=self.request.method,
            path=self.request.url.path,
            route=self.request.scope["route"].path,
            body=None if body is None else body.model_dump(mode="json", exclude_unset=True),
            if_match=if_match,
            key=key,
            until=self.until,
            preference=prefers.applied if prefers else None,
            patient_until=self.gateway.clock.monotonic() + (prefers.seconds if prefers else float("inf")),
        )


def at_hotel(scope: Scope) -> Callable[..., Awaitable[Visit]]:
    """Make the dependency of an endpoint about one hotel: the key needs `scope` and has to see the hotel."""

    async def visit(
        request: Request,
        hotel_id: HotelPath,
        gateway: Annotated[Gateway, Depends(the_gateway)],
        caller: Annotated[Caller, Depends(the_caller)],
        moment: Annotated[float, Depends(until)],
    ) -> Visit:
        caller.require(scope)
        registration = await gateway.hotels.get(hotel_id, caller, until=moment)
        fresh = "no-cache" in request.headers.get("cache-control", "").lower()
        return Visit(
            request,
            gateway,
            caller,
            moment,
            registration,
            Patience(moment, fresh=fresh, began=gateway.clock.monotonic()),
        )

    return visit


def with_scope(scope: Scope | None, *, every_hotel: bool = False) -> Callable[..., Awaitable[Call]]:
    """Make the dependency of an endpoint that is about no hotel in particular, or about one that may not be there."""

    async def call(
        request: Request,
        gateway: Annotated[Gateway, Depends(the_gateway)],
        caller: Annotated[Caller, Depends(the_caller)],
        moment: Annotated[float, Depends(until)],
    ) -> Call:
        if scope is not None:
            caller.require(scope)
        if every_hotel and caller.hotels is not None:
            raise Forbidden("this needs an API key for all hotels")
        return Call(request, gateway, caller, moment)

    return call


async def declared_query(request: Request, _: Annotated[Caller, Depends(the_caller)]) -> None:
    """Refuse query parameters that the operation does not have: a misspelt filter must not be an unfiltered list.

    Raises:
        InvalidRequest: with every one of them.
    """
    if not request.query_params:
        return
    parameters = get_flat_params(request.scope["route"].dependant)
    declared = {one.alias for one in parameters if isinstance(one.field_info, Query)}
    unknown = [name for name in request.query_params if name not in declared]
    if unknown:
        faults = [FieldFault((name,), "there is no such query parameter") for name in unknown]
        raise InvalidRequest(f"there is no such query parameter: {', '.join(unknown)}", errors=faults)


def writing_at_hotel(scope: Scope) -> Callable[..., Awaitable[Visit]]:
    """Make the dependency of an endpoint that changes something at one hotel."""

    async def visit(
        visit: Annotated[Visit, Depends(at_hotel(scope))],
        prefer: Annotated[
            str | None,
            Header(
                description="`respond-async[, wait=N]`: 202 as soon as N seconds (default: the whole budget) have "
                "passed or the PMS is away, instead of waiting or 503.",
                examples=["respond-async, wait=5"],
            ),
        ] = None,
    ) -> Visit:
        return visit

    return visit


Reading = Annotated[Visit, Depends(at_hotel(Scope.READ))]
Writing = Annotated[Visit, Depends(writing_at_hotel(Scope.WRITE))]
Charging = Annotated[Visit, Depends(writing_at_hotel(Scope.CHARGES))]
Operating = Annotated[Visit, Depends(at_hotel(Scope.OPS))]
Calling = Annotated[Call, Depends(with_scope(None))]
Browsing = Annotated[Call, Depends(with_scope(Scope.READ))]
AdministeringHotel = Annotated[Visit, Depends(at_hotel(Scope.ADMIN))]
Administering = Annotated[Call, Depends(with_scope(Scope.ADMIN))]
AdministeringAll = Annotated[Call, Depends(with_scope(Scope.ADMIN, every_hotel=True))]


async def idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="1 to 255 visible ASCII characters; a repeat with the same key gets the same answer. "
            "Required where `idempotency_key_required` is among the problems.",
        ),
    ] = None,
) -> str | None:
    """Give the caller's idempotency key, if it sent one."""
    return idempotency_key


async def required_key(request: Request, key: Annotated[str | None, Depends(idempotency_key)]) -> str:
    """Give the caller's idempotency key.

    Raises:
        IdempotencyKeyRequired: it sent none.
    """
    if key is None:
        raise IdempotencyKeyRequired(f"{request.method} here needs an Idempotency-Key")
    return key


Key = Annotated[str | None, Depends(idempotency_key)]
RequiredKey = Annotated[str, Depends(required_key)]


def child_ages(text: str | None) -> tuple[int, ...]:
    """Read `5,9` as ages in years.

    Raises:
        InvalidRequest: a part is no age from 0 to 17.
    """
    ages = [part.strip() for part in text.split(",")] if text else []
    if len(ages) > 20 or not all(age.isdecimal() and age.isascii() and int(age) <= 17 for age in ages):
        raise InvalidRequest.of("child_ages", "must be ages from 0 to 17, separated by commas")
    return tuple(int(age) for age in ages)
