"""A guest and two secrets that nobody else has are sent through everything; then every place is searched for them.

Personal data may be in the answers to those who ask for it, and encrypted in Postgres and Redis. Anywhere else it
would be a leak: in logs, metrics, problems, plain columns, keys and values of the cache.
"""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from app.simulators.faults import Fault, FaultKind
from app.simulators.site import Site
from tests.api.process import GatewayProcess
from tests.api.tour import Person, Tour
from tests.fixtures.gateway import Client
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.wire import wire_to

PMS_KEY = "CanaryPmsKey7Qx9vT2mWz4"
IDEMPOTENCY_KEY = "canary-idempotency-5fK2"
PERSON = Person(
    first_name="Zyphrané",
    last_name="Quillfeather-Öztürk",
    email="zyphrane.quillfeather@canary-mail.test",
    phone="+43 1 5558642",
    note="Prefers marmalade of Xylobriar",
    preference="a window towards Mount Vrandok",
    reference="canary-agency-ref-88217",
)
PERSONAL = (
    PERSON.first_name,
    PERSON.last_name,
    "Quillfeather",
    PERSON.email,
    "canary-mail",
    PERSON.phone,
    "+4315558642",
    "5558642",
    PERSON.note,
    "Xylobriar",
    PERSON.preference,
    "Vrandok",
    PERSON.reference,
)


@dataclass(frozen=True)
class Needle:
    """One canary in every form in which bytes may hide it."""

    canary: str

    @property
    def forms(self) -> Iterator[bytes]:
        """ASCII letters are lower case, as they are in the haystacks."""
        for text in {self.canary, self.canary.casefold(), self.canary.upper()}:
            yield text.encode().lower()
            yield quote(text).lower().encode()
            yield text.encode("unicode_escape").lower()
            for encoded in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
                yield encoded.hex().encode()
                for shift in range(3):  # base64 of the canary inside a longer text, at each of three alignments
                    whole = base64.b64encode(b"\0" * shift + encoded)
                    yield whole[4 if shift else 0 : -4].lower()


def found_in(haystacks: Iterable[tuple[str, bytes]], canaries: Iterable[str]) -> list[tuple[str, str]]:
    """Give the places in which a canary sits, and which one."""
    forms = {canary: [form for form in Needle(canary).forms if len(form) >= 6] for canary in canaries}
    return [
        (place, canary)
        for place, hay in ((place, hay.lower()) for place, hay in haystacks)
        for canary, needles in forms.items()
        if any(needle in hay for needle in needles)
    ]


async def every_cell(database_url: str) -> AsyncIterator[tuple[str, bytes]]:
    """Give every value of every table: as Postgres writes it, and bytes as they are."""
    connection = await asyncpg.connect(database_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        every_row = f"SELECT *, whole::text AS as_text FROM {table} AS whole"  # noqa: S608 - our own table
        for row in await connection.fetch(every_row):
            for column, value in row.items():
                for one in value if isinstance(value, list) else [value]:
                    yield f"{table}.{column}", one if isinstance(one, bytes) else str(one).encode()
    await connection.close()


async def every_redis_value(redis_url: str) -> AsyncIterator[tuple[str, bytes]]:
    """Give every key and value of the cache."""
    async with Redis.from_url(redis_url) as redis:
        async for key in redis.scan_iter():
            yield "a key of Redis", key
            yield f"Redis {key!r}", await _stored(redis, key)


async def _stored(redis: Redis, key: bytes) -> bytes:
    match await redis.type(key):
        case b"zset":
            parts: list[Any] = await redis.zrange(key, 0, -1)
        case b"hash":
            parts = list(itertools.chain(*(await redis.hgetall(key)).items()))
        case _:
            parts = [await redis.get(key) or b""]
    return b" ".join(parts)


async def wrong_requests(client: Client, hotel_id: str) -> list[httpx.Response]:
    """Send what is refused: each holds something of the guest where it does not belong."""
    at = f"/v1/hotels/{hotel_id}"
    guest = {**PERSON.guest, "email": f"{PERSON.last_name} at nowhere", "phone": [PERSON.phone]}
    bodies: list[dict[str, Any]] = [
        {"guest": guest},
        {"guest": PERSON.last_name, "notes": PERSON.note},
        {"adults": PERSON.note, "arrival": PERSON.first_name, "status": PERSON.reference},
        {"guest": {"last_name": PERSON.last_name + "\u0000"}},
    ]
    query = {"last_name": PERSON.last_name, "status": PERSON.note}
    search = {"email": PERSON.last_name, "phone": {"number": PERSON.phone}}
    return [
        *[await client("POST", f"{at}/reservations", json=body, key=IDEMPOTENCY_KEY) for body in bodies],
        await client("POST", f"{at}/reservations", content=PERSON.email.encode(), key=IDEMPOTENCY_KEY),
        await client(
            "POST",
            f"{at}/reservations",
            content=f'{{"guest": "{PERSON.email}'.encode(),
            headers={"Content-Type": "application/json"},
            key=IDEMPOTENCY_KEY,
        ),
        await client("PUT", f"{at}/guests", json=guest, key=IDEMPOTENCY_KEY),
        await client("POST", f"{at}/guests/search", json=search),
        await client("GET", f"{at}/reservations", params=query),
        await client("GET", f"{at}/guests", params={"mail": PERSON.email}),
        await client("GET", f"{at}/guests", params={"email": PERSON.last_name}),
        await client("GET", f"{at}/guests/{PERSON.last_name}"),
        await client("GET", f"{at}/reservations/confirmation:{PERSON.reference}"),
        await client("GET", f"{at}/{PERSON.last_name}"),
        await client("DELETE", f"{at}/reservations/{PERSON.reference}"),
        await client("PUT", at, json={"credentials": {"api_key": f"file:{PMS_KEY}"}, "name": [PERSON.last_name]}),
        await client("PUT", at, json={"credentials": PMS_KEY}),
        await client("GET", "/v1/hotels", headers={"Authorization": f"Bearer {client.token}x"}),
        await client("GET", "/v1/hotels", headers={"Authorization": f"Basic {client.token}"}),
    ]


async def failing_pms(client: Client, hotel_id: str, site: Site, url: str) -> list[httpx.Response]:
    """Let the PMS fail in every way while it is asked about the guest; its own words quote the guest.

    Each way has an address of its own, so that no circuit opens before the next one was tried.
    """
    words = f'{{"detail": "{PERSON.last_name} {PERSON.phone} {PMS_KEY}", "code": "{PERSON.note}"}}'
    kinds: list[dict[str, Any]] = [
        {"kind": FaultKind.STATUS, "status": 500, "body": words},
        {"kind": FaultKind.STATUS, "status": 401, "body": words},
        {"kind": FaultKind.STATUS, "status": 429, "body": words, "headers": {"Retry-After": "1"}},
        {"kind": FaultKind.GARBAGE_UNDONE, "body": f"<html>{words}</html>"},
        {"kind": FaultKind.GARBAGE_UNDONE, "body": f'{{"data": [{{"guest": "{PERSON.last_name}"}}]}}'},
        {"kind": FaultKind.DROP_AFTER},
        {"kind": FaultKind.CUT_BODY},
    ]
    at = f"/v1/hotels/{hotel_id}"
    answers: list[httpx.Response] = []
    hurry = {"X-Request-Timeout": "0.7", "Cache-Control": "no-cache"}
    draft = {
        "arrival": "2027-03-01",
        "departure": "2027-03-02",
        "room_type": "STE",
        "rate_code": "FLEX",
        "adults": 1,
        "guest": PERSON.guest,
        "notes": [PERSON.note],
        "external_reference": PERSON.reference,
    }
    for number, kind in enumerate(kinds):
        site.faults.clear()
        async with wire_to(url) as wire:
            body = {**site.registration(url).body, "base_url": wire.instead_of(url + site.path)}
            assert (await client("PUT", at, json=body)).status_code == 200
            site.faults.add(Fault(**kind))
            answers += await asyncio.gather(
                client("GET", f"{at}/guests", params={"last_name": PERSON.last_name}, headers=hurry),
                client("GET", f"{at}/reservations/{PERSON.reference}", headers=hurry),
                client("POST", f"{at}/reservations", json=draft, headers=hurry, key=f"{IDEMPOTENCY_KEY}-{number}"),
                client("PUT", f"{at}/guests", json=PERSON.guest, headers=hurry, key=f"{IDEMPOTENCY_KEY}-g{number}"),
                client("POST", f"{at}/check", headers=hurry),
            )
    site.faults.clear()
    return answers


@pytest.fixture
def canary_site(fresh_site: FreshSite) -> Site:
    """A PMS whose key is a canary."""
    site = fresh_site("bridge")
    site.api_key = PMS_KEY
    return site


async def test_what_is_confidential_is_nowhere_to_be_found(
    gateway_process: GatewayProcess,
    simulators: SimulatorServer,
    canary_site: Site,
    database_url: str,
    clean_redis: str,
) -> None:
    client = await gateway_process.client()
    tour = Tour(client, "canary-hotel", PERSON, name=IDEMPOTENCY_KEY)
    await tour.walk(dict(simulators.registration(canary_site).body))
    assert [(name, answer.text) for name, answer in tour.answers if answer.status_code >= 300] == []
    refused = await wrong_requests(client, "canary-hotel")
    assert [answer.text for answer in refused if answer.status_code < 400] == []
    failed = await failing_pms(client, "canary-hotel", canary_site, simulators.url)
    assert {answer.status_code for answer in failed} >= {202, 502, 503}

    answered = [answer for _, answer in tour.answers]
    for canary in (PERSON.last_name, PERSON.phone, PERSON.note, PERSON.preference, PERSON.reference):
        assert any(canary in answer.text for answer in answered), "the canary never flew"
    assert any(request.headers.get("authorization") == f"Bearer {PMS_KEY}" for request in canary_site.requests)

    secrets = [PMS_KEY, client.token, client.token.rpartition("_")[2][:20], client.token.split("_", 2)[2]]
    cells = [cell async for cell in every_cell(database_url)]
    cached = [value async for value in every_redis_value(clean_redis)]
    assert {"reservations.payload", "guests.payload", "operations.payload", "audit_log.as_text"} <= {
        place for place, _ in cells
    }
    assert any(place.startswith("Redis b'entry:") for place, _ in cached)
    log = gateway_process.log()
    assert log.count(b'"request.finished"') > 80
    assert b"vendor.call.succeeded" in log
    metrics = await gateway_process.http.get("/metrics")
    problems = [(answer.request.url.path, answer.content) for answer in [*refused, *failed] if answer.is_error]
    hidden = [("the log", log), ("the metrics", metrics.content), *problems]
    hidden += [("a header", repr(answer.headers).encode()) for answer in [*answered, *refused, *failed]]

    assert found_in([*hidden, *cells, *cached], [*PERSONAL, *secrets]) == []
    assert found_in([("the log", log), ("the metrics", metrics.content), *cells, *cached], [IDEMPOTENCY_KEY]) == []
    assert found_in([(name, answer.content) for name, answer in tour.answers], secrets) == []


@pytest.mark.parametrize(
    "hiding_place",
    [
        lambda text: f"before {text} after".encode(),
        lambda text: text.upper().encode(),
        lambda text: b"\\x" + f"a{text}b".encode().hex().encode(),
        lambda text: base64.b64encode(f"a{text}b".encode()),
        lambda text: base64.b64encode(f"ab{text}".encode()),
        lambda text: base64.b64encode(text.encode()),
        lambda text: f"last_name={quote(text)}".encode(),
    ],
)
def test_the_search_finds_what_hides(hiding_place: Any) -> None:
    for canary in (PERSON.last_name, PERSON.email, PMS_KEY):
        assert found_in([("here", hiding_place(canary))], [canary]) == [("here", canary)]
    assert found_in([("here", hiding_place("someone-else-entirely"))], [*PERSONAL, PMS_KEY]) == []
