"""Erasing a guest: nothing of them is left anywhere on our side, nor comes back, and nobody else loses anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx
import orjson
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.hotel import Hotel
from app.settings import Settings
from app.store.crypto import Keyring
from app.store.database import Database
from app.store.operation_records import OperationStatus
from app.store.subjects import Subject
from app.store.tables import SEALED, Base
from tests.api.test_canary import PERSON as CANARY
from tests.api.test_canary import every_cell, every_redis_value, found_in
from tests.api.tour import Tour
from tests.fixtures.gateway import HotelUnderTest, MakeHotel, RunningGateway
from tests.fixtures.own_gateway import OpenGateway, OpenHotel, Wired
from tests.fixtures.own_worker import FastHotel, Hands
from tests.fixtures.settling import AWAY
from tests.fixtures.stays import draft, eventually, fault, today

PERSON = replace(CANARY, last_name="Quillfeather", email="zyphrane@canary-mail.test")
PERSONAL = (
    PERSON.first_name,
    PERSON.last_name,
    PERSON.email,
    "canary-mail",
    PERSON.phone,
    "+4315558642",
    "5558642",
    "Xylobriar",
    "Vrandok",
    PERSON.reference,
)
STILL_LEFT = {"guests", "reservations", "operations", "operation_steps", "dead_letters", "audit_log", "outbox"}
"""Where the tour leaves something of its guest."""


def _bound(table: str, column: str, hotel_id: str, row: dict[str, Any]) -> str:
    """Give the place that a value is bound to, as the repositories write it."""
    names = {
        "operation_steps": lambda: f"{row['operation_id']}/{row['name']}",
        "outbox": lambda: str(row["event_id"]),
        "inbox": lambda: f"{row['vendor']}|{row['external_id']}",
    }
    name: Callable[[], str] = names.get(table, lambda: str(row["id"]))
    return "|".join((table, column, hotel_id, name()))


async def opened_cells(settings: Settings, hotel_id: str) -> AsyncIterator[tuple[str, bytes]]:
    """Give every encrypted value of every table of a hotel, opened with the gateway's own keys."""
    keyring = Keyring(settings.encryption_key_bytes())
    connection = await asyncpg.connect(settings.plain_database_url)
    for name, table in Base.metadata.tables.items():
        for row in await connection.fetch(f"SELECT * FROM {name}"):  # noqa: S608 - our own table
            values = dict(row)
            for column in (one.name for one in table.columns if one.info.get(SEALED)):
                if values[column] is not None:
                    place = _bound(name, column, values.get("hotel_id") or hotel_id, values)
                    yield f"{name}.{column}", keyring.decrypt(values[column], bound_to=place)
    await connection.close()


async def opened_redis(settings: Settings) -> AsyncIterator[tuple[str, bytes]]:
    """Give every answer and list of Redis, opened with the gateway's own keys."""
    keyring = Keyring(settings.encryption_key_bytes())
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        async for key in redis.scan_iter():
            if key.startswith((b"entry:", b"snapshot:")):
                value = cast("bytes", await redis.get(key) or b"")
                sealed = value[20:] if key.startswith(b"entry:") else value
                yield f"Redis {key.partition(b':')[0]!r}", keyring.decrypt(sealed, bound_to=key.decode())


async def places_of(settings: Settings, hotel: Hotel, database: Database, people: list[Subject]) -> set[str]:
    """Give the places in which anything of the guest is, readable, opened, or as a blind index."""
    cells = [cell async for cell in every_cell(settings.plain_database_url)]
    values = [value async for value in every_redis_value(settings.redis_url.get_secret_value())]
    opened = [cell async for cell in opened_cells(settings, hotel.id)]
    opened += [value async for value in opened_redis(settings)]
    opened = [(place, unescaped(value)) for place, value in opened]
    ids = [one.guest_id.encode() for one in people if one.guest_id]
    found = {place for place, _ in found_in([*cells, *values, *opened], PERSONAL)}
    found |= {place for place, cell in cells if cell in ids}
    indexes = database.subjects_of(hotel, people)
    return found | {place for place, cell in cells if any(index in cell for index in indexes)}


def unescaped(text: bytes) -> bytes:
    """Add what JSON hides behind its escapes, or behind the head of a cached answer."""
    try:
        return text + orjson.dumps(orjson.loads(text.rpartition(b"\n")[2]))
    except orjson.JSONDecodeError:
        return text


async def walked(hotel: HotelUnderTest) -> tuple[Tour, str]:
    """Send the guest through everything, and through a few things more; gives the tour and a reservation of theirs."""
    registration = dict(hotel.gateway.simulators.registration(hotel.site).body)
    tour = await Tour(hotel.gateway.admin, hotel.id, PERSON, name=f"tour-{hotel.id}").walk(registration)
    assert [(name, answer.text) for name, answer in tour.answers if answer.status_code >= 300] == []
    second = await hotel.send("POST", "/reservations", draft(hotel, guest=PERSON.guest), key="second")
    assert second.status_code == 201, second.text
    stay = str(second.json()["data"]["id"])
    hotel.site.faults.add(fault("drop_after", method="POST", path="notes$"))
    lost = await hotel.send("POST", f"/reservations/{stay}/notes", {"text": PERSON.note}, key="lost")
    assert lost.status_code == 202, lost.text
    hotel.site.faults.clear()
    return tour, stay


async def read_again(hotel: HotelUnderTest, guest_id: str, stay: str) -> list[httpx.Response]:
    """Read the guest in every way there is, twice, the lists in pages of one."""
    answers = []
    for _ in range(2):
        answers += [
            await hotel.get(f"/guests/{guest_id}"),
            await hotel.get("/guests", email=PERSON.email),
            await hotel.get(f"/reservations/{stay}"),
            await hotel.get(f"/reservations/{stay}/charges"),
            await hotel.get(f"/reservations/{stay}/balance"),
            await hotel.get("/departures"),
            await hotel.get("/reservations", last_name=PERSON.last_name),
            *await pages(hotel, "/reservations", last_name=PERSON.last_name),
        ]
    return answers


async def pages(hotel: HotelUnderTest, path: str, **params: Any) -> list[httpx.Response]:
    """Give a list one entry at a time."""
    answers = [await hotel.get(path, limit=1, **params)]
    while (cursor := answers[-1].json()["meta"]["next_cursor"]) is not None:
        answers.append(await hotel.get(path, limit=1, cursor=cursor, **params))
    return answers


async def erase(hotel: HotelUnderTest, guest_id: str, **options: Any) -> httpx.Response:
    return await hotel.send("DELETE", f"/guests/{guest_id}/data", **options)


async def sql(settings: Settings, statement: str) -> Any:
    connection = await asyncpg.connect(settings.plain_database_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def is_settled(settings: Settings) -> bool:
    live = "SELECT count(*) FROM operations WHERE status IN ('running', 'queued', 'unknown')"
    return bool(await sql(settings, live) == 0)


async def test_nothing_of_an_erased_guest_is_left_anywhere_and_nothing_comes_back(
    fast_hotel: FastHotel, fast_settings: Settings, hands: Hands, clean_redis: str
) -> None:
    hotel = await fast_hotel()
    tour, stay = await walked(hotel)
    guest_id = (await hotel.get("/guests", email=PERSON.email)).json()["data"][0]["id"]
    assert (await erase(hotel, guest_id)).json()["code"] == "conflict"  # the lost note is not settled
    async with hands.working():
        await eventually(lambda: is_settled(fast_settings), bool, within=30)
    await read_again(hotel, guest_id, stay)
    assert (await hotel.get(f"/guests/{guest_id}/export")).status_code == 200

    gateway = hotel.gateway.app.state.gateway
    domain_hotel = (await gateway.hotels.visible(await gateway.callers.authenticate(hotel.client.token)))[0]
    stays = [one["id"] for one in (await hotel.get("/reservations", guest_id=guest_id)).json()["data"]]
    people = [Subject(guest_id=guest_id, email=PERSON.email, phone=PERSON.phone)]
    people += [Subject(reservation_id=one) for one in {*stays, stay}]
    before = await places_of(fast_settings, domain_hotel, gateway.database, people)
    assert {place.partition(".")[0] for place in before} >= {*STILL_LEFT, "Redis b'entry'", "Redis b'snapshot'"}

    other = (await hotel.get("/reservations", last_name="Lamarr")).json()["data"][0]  # whose stay the tour cancelled
    assert (await erase(hotel, other["guest"]["id"])).status_code == 204
    erased = await erase(hotel, guest_id)
    assert (erased.status_code, erased.content) == (204, b"")
    assert await places_of(fast_settings, domain_hotel, gateway.database, people) == set()

    answers = await read_again(hotel, guest_id, stay)
    assert {answer.status_code for answer in answers} == {200}
    kept = {answer.url.path.rpartition("/")[2] for answer in answers if answer.headers["x-cache"] != "MISS"}
    assert kept <= {"departures"}  # which does not name them
    listed = [answer.json()["data"] for answer in await pages(hotel, "/reservations", last_name=PERSON.last_name)]
    assert len(listed) == len(stays) > 1
    assert {one["guest"]["email"] for [one] in listed} == {PERSON.email}
    assert await places_of(fast_settings, domain_hotel, gateway.database, people) == set()
    assert (await hotel.get(f"/guests/{guest_id}/export")).status_code == 404
    assert (await erase(hotel, guest_id)).status_code == 204
    lines = (await hotel.client.get("/v1/audit", hotel_id=hotel.id, operation="guest.erase")).json()["data"]
    assert [(line["target"], line["before"], line["after"], line["outcome"]) for line in lines] == [
        (None, None, None, "succeeded")
    ] * 3
    assert tour.guest_id == guest_id


async def test_who_shares_an_address_with_an_erased_guest_loses_nothing(
    hotel: HotelUnderTest, gateway: RunningGateway
) -> None:
    shared = "lovers@shared.test"
    ada, george = [
        {"first_name": first, "last_name": last, "email": shared, "country": "GB"}
        for first, last in (("Ada", "Noel"), ("George", "Byron"))
    ]
    ids, stays = [], []
    for number, person in enumerate((ada, george)):
        body = {**person, "on_conflict": "create"}
        made = await hotel.send("PUT", "/guests", body, key=f"guest-{number}")
        assert made.status_code == 201, made.text
        ids.append(made.json()["data"]["id"])
        guest = {**person, "id": ids[-1]}
        booked = await hotel.send("POST", "/reservations", draft(hotel, guest=guest), key=f"stay-{number}")
        assert booked.status_code == 201, booked.text
        stays.append(booked.json())
        await hotel.get(f"/guests/{ids[-1]}")
    assert "Byron" not in (await hotel.get(f"/guests/{ids[0]}/export")).text
    assert (await erase(hotel, ids[0])).status_code == 204

    async with gateway.app.state.gateway.database.unit_of_work() as work:
        assert await work.guests.find(hotel.id, ids[0]) is None
        assert await work.reservations.find(hotel.id, stays[0]["data"]["id"]) is None
        assert await work.guests.find(hotel.id, ids[1]) is not None
        assert await work.reservations.find(hotel.id, stays[1]["data"]["id"]) is not None
    results = []
    for stay in stays:
        operation = await hotel.client.get(f"/v1/operations/{stay['meta']['operation_id']}")
        results.append(operation.json()["data"].get("result", {}).get("guest", {}).get("last_name"))
    assert results == [None, "Byron"]
    for _ in range(2):
        hers, his = [await hotel.get(f"/guests/{guest_id}") for guest_id in ids]
    assert [hers.headers["x-cache"], his.headers["x-cache"]] == ["MISS", "HIT"]
    assert "Noel" not in (await hotel.get(f"/guests/{ids[1]}/export")).text


async def test_a_draft_that_was_never_sent_is_found_by_the_address_and_name_in_it(
    open_hotel: OpenHotel,
) -> None:
    hotel = await open_hotel()
    guest = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]
    hotel.site.faults.add(AWAY)
    wanted = draft(hotel, guest={name: guest[name] for name in ("first_name", "last_name", "email")})
    refused = await hotel.send("POST", "/reservations", wanted, key="k", headers={"X-Request-Timeout": "2"})
    assert refused.status_code == 503, refused.text
    hotel.site.faults.clear()
    [letter] = (await hotel.client.get("/v1/dead-letters", hotel_id=hotel.id)).json()["data"]
    assert letter["payload"] is not None
    export = (await hotel.get(f"/guests/{guest['id']}/export")).json()["data"]
    assert [one["id"] for one in export["dead_letters"]] == [letter["id"]]
    assert (await erase(hotel, guest["id"])).status_code in {202, 204}
    gone = (await hotel.client.get(f"/v1/dead-letters/{letter['id']}")).json()["data"]
    assert (gone["payload"], gone["replayable"]) == (None, False)


async def test_a_guest_whom_nobody_knows_cannot_be_erased_and_has_no_data(hotel: HotelUnderTest) -> None:
    answers = [await erase(hotel, "no-such-guest"), await hotel.get("/guests/no-such-guest/export")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 2


async def test_a_guest_is_erased_while_the_pms_is_away_and_the_answer_says_what_was_not_looked_for(
    wired: Wired,
) -> None:
    hotel = wired.hotel
    guest_id = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]["id"]
    await hotel.get(f"/guests/{guest_id}")
    await wired.pms.cut()
    erased = await erase(hotel, guest_id)
    assert erased.status_code == 202, erased.text
    assert [one["code"] for one in erased.json()["meta"]["warnings"]] == ["pms_not_asked"]
    assert erased.json()["data"]["rows"] >= 2
    assert (await hotel.get(f"/guests/{guest_id}")).status_code == 503  # nothing is held any more
    await wired.pms.mend()


async def test_a_guest_is_erased_while_redis_is_away_and_the_answer_says_so(wired: Wired) -> None:
    hotel = wired.hotel
    guest_id = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]["id"]
    await wired.redis.cut()
    erased = await erase(hotel, guest_id)
    assert erased.status_code == 202, erased.text
    assert [one["code"] for one in erased.json()["meta"]["warnings"]] == ["cache_pending"]
    await wired.redis.mend()
    await eventually(lambda: erase(hotel, guest_id), lambda answer: answer.status_code == 204)


async def test_a_worker_removes_what_another_process_kept_after_the_erasing(
    fast_hotel: FastHotel, fast_settings: Settings, hands: Hands, clean_redis: str
) -> None:
    hotel = await fast_hotel()
    guest_id = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]["id"]
    assert (await erase(hotel, guest_id)).status_code == 204
    async with Redis.from_url(clean_redis) as redis:
        names = (f"entry:{hotel.id}:late", f"snapshot:{hotel.id}:late", "entry:another-hotel:x")
        for name in names:
            await redis.set(name, b"x")
        await sql(fast_settings, "UPDATE pgqueuer SET execute_after = now()")

        async def left() -> int:
            return int(await redis.exists(*names))

        async with hands.working():
            await eventually(left, lambda count: count == 1)
        assert await redis.exists(names[2]) == 1


async def test_other_processes_keep_nothing_of_an_erased_guest_once_they_have_its_marks(
    open_gateway: OpenGateway, open_hotel: OpenHotel, clock: Any
) -> None:
    ours, theirs = await open_gateway(), await open_gateway()
    hotel = await open_hotel(ours)
    there = HotelUnderTest(hotel.id, hotel.site, await theirs.client(hotels=[hotel.id]), theirs)
    guest_id = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]["id"]
    for _ in range(2):
        kept = await there.get(f"/guests/{guest_id}")
    assert kept.headers["x-cache"] == "HIT"
    assert (await erase(hotel, guest_id)).status_code == 204
    clock.advance(5.0)
    for _ in range(3):
        assert (await there.get(f"/guests/{guest_id}")).headers["x-cache"] == "MISS"


async def test_an_erased_guest_who_books_again_is_served_and_can_be_erased_again(hotel: HotelUnderTest) -> None:
    guest = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]
    assert (await erase(hotel, guest["id"])).status_code == 204
    names = ("id", "first_name", "last_name", "email")
    wanted = draft(hotel, guest={name: guest[name] for name in names})
    made = await hotel.send("POST", "/reservations", wanted, key="again")
    assert made.status_code == 201, made.text
    again = await hotel.send("POST", "/reservations", wanted, key="again")
    assert (again.headers["idempotent-replayed"], again.json()["data"]) == ("true", made.json()["data"])
    export = (await hotel.get(f"/guests/{guest['id']}/export")).json()["data"]
    assert (export["profiles"], export["reservations"], len(export["operations"])) == ([], [], 1)
    assert (await erase(hotel, guest["id"])).status_code == 204
    assert (await hotel.get(f"/guests/{guest['id']}/export")).status_code == 404


async def test_an_export_holds_all_of_the_guest_and_works_while_the_pms_is_away(
    make_hotel: MakeHotel, wired: Wired
) -> None:
    hotel = wired.hotel
    made = await hotel.send("POST", "/reservations", draft(hotel, guest=PERSON.guest), key="k")
    stay = made.json()["data"]
    note = await hotel.send("POST", f"/reservations/{stay['id']}/notes", {"text": PERSON.note}, key="n")
    assert note.status_code == 201
    await hotel.get(f"/reservations/{stay['id']}")
    await hotel.get(f"/guests/{stay['guest']['id']}")
    await wired.pms.cut()
    answer = await hotel.get(f"/guests/{stay['guest']['id']}/export")
    assert answer.status_code == 200, answer.text
    held, meta = answer.json()["data"], answer.json()["meta"]
    assert (meta["source"], meta["complete"]) == ("store", True)
    assert [one["last_name"] for one in held["profiles"]] == [PERSON.last_name]
    assert [one["id"] for one in held["reservations"]] == [stay["id"]]
    assert [one["kind"] for one in held["operations"]] == ["reservation.note", "reservation.create"]
    assert held["operations"][0]["payload"]["body"] == {"text": PERSON.note}
    assert all(one["steps"] for one in held["operations"])
    assert {one["operation"] for one in held["audit"]} == {"reservation.note", "reservation.create"}
    assert [one["type"] for one in held["events"]] == ["reservation.note_added", "reservation.created"]
    await wired.pms.mend()
    lines = (await hotel.client.get("/v1/audit", hotel_id=hotel.id, operation="guest.export")).json()["data"]
    assert [line["target"] for line in lines] == [stay["guest"]["id"]]


async def test_an_export_is_not_crowded_out_by_those_who_share_an_address(
    hotel: HotelUnderTest, gateway: RunningGateway
) -> None:
    agency = "desk@agency.test"
    stays = []
    for number, last in enumerate(("Noel", "Byron", "Shelley", "Keats")):
        guest = {"first_name": "Guest", "last_name": last, "email": agency}
        arrival = today(hotel) + timedelta(days=30 + 2 * number)  # a room of the kind is free each time
        dates = {"arrival": str(arrival), "departure": str(arrival + timedelta(days=2))}
        made = await hotel.send("POST", "/reservations", draft(hotel, guest=guest, **dates), key=f"stay-{number}")
        assert made.status_code == 201, made.text
        stays.append(made.json()["data"])
    parts = gateway.app.state.gateway
    caller = await parts.callers.authenticate(hotel.client.token)
    registration = await parts.hotels.get(hotel.id, caller)
    held = await parts.erasures.export(registration, stays[0]["guest"]["id"], caller, limit=2)
    assert [one.facts["target"] for one in held.of("operations")] == [stays[0]["id"]]
    assert not held.complete  # nobody has looked through all that names the address
    whole = await parts.erasures.export(registration, stays[0]["guest"]["id"], caller, limit=9)
    assert ([one.facts["target"] for one in whole.of("operations")], whole.complete) == ([stays[0]["id"]], True)


async def test_a_write_that_somebody_sends_again_meanwhile_is_not_emptied(open_hotel: OpenHotel) -> None:
    hotel = await open_hotel()
    guest = (await hotel.get("/reservations", last_name="Lovelace")).json()["data"][0]["guest"]
    hotel.site.faults.add(AWAY)
    wanted = draft(hotel, guest={name: guest[name] for name in ("first_name", "last_name", "email")})
    await hotel.send("POST", "/reservations", wanted, key="k", headers={"X-Request-Timeout": "2"})
    hotel.site.faults.clear()
    database = hotel.gateway.app.state.gateway.database
    [found] = (await hotel.client.get("/v1/dead-letters", hotel_id=hotel.id)).json()["data"]
    async with database.unit_of_work() as work:  # what the desk does, one step at a time
        letter = await work.dead_letters.hold(UUID(found["id"]), found["operation_id"])
        operation = await work.operations.find(found["operation_id"])
        erasing = asyncio.create_task(erase(hotel, guest["id"]))
        await eventually(lambda: is_locked_out(work.session), lambda waits: waits or erasing.done())
        await work.operations.end(operation.id, of=[operation.status], status=OperationStatus.QUEUED)
        await work.dead_letters.send_again(operation.id, by="somebody")
        await work.invalidations.add(hotel.id, ["reservations"])
    answer = await erasing
    assert (answer.status_code, answer.json().get("code")) == (409, "conflict"), answer.text
    [after] = (await hotel.client.get("/v1/dead-letters", hotel_id=hotel.id)).json()["data"]
    assert (letter is not None, after["payload"]) == (True, found["payload"])


async def is_locked_out(session: AsyncSession) -> bool:
    """Tell whether somebody waits for what this transaction holds."""
    waiting = text("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))")
    return bool(await session.scalar(waiting))
