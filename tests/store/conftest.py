"""A database of the test's own, and the hotel and guests that the tests of the store speak of."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.domain.capability import Capability
from app.domain.guest import GuestContact, GuestProfile
from app.domain.hotel import Hotel
from app.domain.ids import OperationId, VendorRef
from app.domain.reservation import Note, Reservation, ReservationStatus, ReservedRoom
from app.store.crypto import BlindIndex, Keyring, Marks
from app.store.database import Database
from app.store.operation_records import Intent
from app.store.repository import StoreKeys

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
CANARY = "Zwetschkenbaum"


@pytest.fixture
def keys() -> StoreKeys:
    return StoreKeys(
        Keyring({"k1": secrets.token_bytes(32)}),
        BlindIndex({"i1": secrets.token_bytes(32)}),
        Marks(secrets.token_bytes(32)),
    )


OpenDatabase = Callable[[StoreKeys], AbstractAsyncContextManager[Database]]


@pytest.fixture
def open_database(database_url: str) -> OpenDatabase:
    """Opens the test's database with any keys, as after a rotation."""

    @asynccontextmanager
    async def opened(keys: StoreKeys) -> AsyncIterator[Database]:
        database = Database(database_url, keys=keys, pool_size=5)
        try:
            yield database
        finally:
            await database.close()

    return opened


@pytest.fixture
async def database(open_database: OpenDatabase, keys: StoreKeys) -> AsyncIterator[Database]:
    async with open_database(keys) as database:
        yield database


@pytest.fixture
async def hotel(database: Database) -> Hotel:
    """A registered hotel."""
    hotel = a_hotel("prime")
    async with database.unit_of_work() as work:
        await work.hotels.put(hotel, credentials={"api_key": SecretStr("s3cret")})
    return hotel


def a_hotel(hotel_id: str) -> Hotel:
    return Hotel(
        id=hotel_id,
        name="The Hotel Prime",
        vendor="bridge",
        timezone="Europe/Vienna",
        currency="EUR",
        country="AT",
        base_url="https://pms.example",
    )


def a_guest(hotel_id: str, ref: str = "g1", *, email: str | None = None) -> GuestProfile:
    return GuestProfile(
        id=VendorRef(ref),
        hotel_id=hotel_id,
        first_name=f"Anna{CANARY}",
        last_name=f"Mayer{CANARY}",
        email=email or f"{CANARY}@guests.test",
        phone="0664 1234567",
    )


def a_reservation(
    hotel_id: str,
    ref: str = "r1",
    *,
    guest: GuestContact | None = None,
    arrival: date = date(2026, 11, 20),
    status: ReservationStatus = ReservationStatus.CONFIRMED,
) -> Reservation:
    contact = guest or GuestContact(
        id=VendorRef("g1"), last_name=f"Mayer{CANARY}", email=f"{CANARY}@guests.test", phone="+436641234567"
    )
    room = ReservedRoom(
        room_type="DLX", arrival=arrival, departure=arrival + timedelta(days=2), adults=2, status=status
    )
    return Reservation.of_rooms(
        [room],
        id=VendorRef(ref),
        hotel_id=hotel_id,
        confirmation_number=f"C-{ref}",
        status=status,
        guest=contact,
        notes=(Note(text=f"allergic {CANARY}"),),
    )


def an_intent(
    hotel_id: str,
    *,
    key_hash: bytes | None = b"k" * 32,
    target: str | None = "r1",
    subjects: tuple[bytes, ...] = (),
    owner: str = "process-1",
) -> Intent:
    return Intent(
        id=OperationId(str(uuid4())),
        hotel_id=hotel_id,
        client="voice",
        kind=Capability.RESERVATION_NOTE,
        target=target,
        method="POST",
        route="/v1/hotels/{hotel_id}/reservations/{reservation_id}/notes",
        key_hash=key_hash,
        fingerprint=b"f" * 32,
        owner=owner,
        budget=timedelta(seconds=60),
        payload={"text": f"call {CANARY}"},
        subjects=subjects,
    )
