"""Hotels through the HTTP door: registered, changed, looked after, forgotten."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.domain.capability import Capability
from app.simulators.faults import Fault, FaultKind
from tests.fixtures.gateway import HotelUnderTest, MakeHotel, RunningGateway, running_gateway, settings_for
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import eventually

MINIMAL: dict[str, Any] = {
    "name": "The Hotel Prime",
    "vendor": "bridge",
    "base_url": "https://pms.example",
    "property_id": "PRIME",
    "timezone": "Europe/Vienna",
    "currency": "EUR",
    "credentials": {"api_key": "a-key-that-nobody-may-see"},
}
DEFAULTS: dict[str, Any] = {
    "country": None,
    "options": {"day_starts": "04:00", "notify_guest": False},
    "sync": {"arrivals": {"enabled": True, "cron": "*/5 * * * *", "look_ahead_days": 1}},
    "cache": {"guest_ttl": 3600, "reservation_ttl": 300, "room_status_ttl": 60, "availability_ttl": 300},
}


@pytest.fixture
async def hotel_id(gateway: RunningGateway, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An id that no hotel has; whatever is registered under it is gone afterwards."""
    name = f"put-{abs(hash(request.node.nodeid))}"
    yield name
    await gateway.admin("DELETE", f"/v1/hotels/{name}")


async def put(gateway: RunningGateway, hotel_id: str, **changes: Any) -> httpx.Response:
    body = {name: value for name, value in {**MINIMAL, **changes}.items() if value is not ...}
    return await gateway.admin("PUT", f"/v1/hotels/{hotel_id}", json=body)


def refused(answer: httpx.Response) -> list[list[Any]]:
    """Give the places of the faults that an answer names."""
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation_failed"
    return [fault["loc"] for fault in answer.json()["errors"]]


# --- registering and changing ---


async def test_a_new_hotel_is_201_and_a_changed_one_200(gateway: RunningGateway, hotel_id: str) -> None:
    assert (await put(gateway, hotel_id)).status_code == 201
    changed = await put(gateway, hotel_id, name="The Hotel Second")
    assert changed.status_code == 200
    shown = (await gateway.admin.get(f"/v1/hotels/{hotel_id}")).json()
    assert shown["data"] == changed.json()["data"]
    assert shown["data"]["name"] == "The Hotel Second"
    assert shown["meta"]["source"] == "store"


async def test_what_is_absent_takes_the_defaults(gateway: RunningGateway, hotel_id: str) -> None:
    shown = (await put(gateway, hotel_id)).json()["data"]
    given = {name: value for name, value in MINIMAL.items() if name != "credentials"}
    assert {name: shown[name] for name in given} == given
    assert {name: shown[name] for name in ("country", "sync", "cache")} == {
        name: DEFAULTS[name] for name in ("country", "sync", "cache")
    }
    assert DEFAULTS["options"].items() <= shown["options"].items()
    assert shown["id"] == hotel_id
    assert shown.keys() == {"id", *given, *DEFAULTS}


async def test_a_put_replaces_what_an_earlier_one_set(gateway: RunningGateway, hotel_id: str) -> None:
    await put(
        gateway, hotel_id, country="AT", cache={"guest_ttl": 5}, options={"day_starts": "06:00", "notify_guest": True}
    )
    shown = (await put(gateway, hotel_id)).json()["data"]
    assert shown["country"] is None
    assert shown["cache"] == DEFAULTS["cache"]
    assert DEFAULTS["options"].items() <= shown["options"].items()


async def test_credentials_are_kept_when_absent_and_shown_nowhere(
    gateway: RunningGateway, hotel: HotelUnderTest
) -> None:
    body = dict(gateway.simulators.registration(hotel.site).body)
    del body["credentials"]
    answers = [
        await gateway.admin("PUT", f"/v1/hotels/{hotel.id}", json=body),
        await hotel.get(""),
        await hotel.client.get("/v1/hotels"),
        await hotel.send("POST", "/check"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert hotel.site.api_key not in answer.text
        assert "credentials" not in answer.text
    assert answers[-1].json()["data"]["healthy"]


async def test_a_new_hotel_needs_credentials(gateway: RunningGateway, hotel_id: str) -> None:
    assert refused(await put(gateway, hotel_id, credentials=...)) == [["credentials"]]
    assert (await gateway.admin.get(f"/v1/hotels/{hotel_id}")).status_code == 404


@pytest.mark.parametrize(
    "base_url",
    [
        "https://other.example",
        "http://127.0.0.1:9",
        "https://pms.example:8443",
        "https://pms.example.evil.example",
        "https://pms",
    ],
)
async def test_another_host_needs_the_credentials_again(gateway: RunningGateway, hotel_id: str, base_url: str) -> None:
    await put(gateway, hotel_id)
    assert refused(await put(gateway, hotel_id, base_url=base_url, credentials=...)) == [["credentials"]]
    assert (await gateway.admin.get(f"/v1/hotels/{hotel_id}")).json()["data"]["base_url"] == MINIMAL["base_url"]
    assert (await put(gateway, hotel_id, base_url=base_url)).status_code == 200


async def test_another_scheme_needs_the_credentials_again(gateway: RunningGateway, hotel_id: str) -> None:
    await put(gateway, hotel_id, base_url="https://127.0.0.1")
    assert refused(await put(gateway, hotel_id, base_url="http://127.0.0.1", credentials=...)) == [["credentials"]]


async def test_another_path_at_the_same_host_keeps_the_credentials(gateway: RunningGateway, hotel_id: str) -> None:
    await put(gateway, hotel_id)
    answer = await put(gateway, hotel_id, base_url="https://pms.example/api/v2", credentials=...)
    assert answer.status_code == 200


async def test_another_vendor_needs_the_credentials_again(gateway: RunningGateway, hotel_id: str) -> None:
    await put(gateway, hotel_id)
    assert refused(await put(gateway, hotel_id, vendor="qloapps", credentials=...)) == [["credentials"]]


@pytest.mark.parametrize(
    "base_url",
    [
        "http://pms.example",
        "ftp://pms.example",
        "pms.example",
        "",
        "https://",
        "https://user:password@pms.example",
        "https://user@pms.example",
        "https://pms.example/?key=1",
        "https://pms.example/#part",
        "https://10.0.0.1",
        "https://192.168.1.10:8080/api",
        "https://172.16.0.1",
        "https://100.64.0.1",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]",
        "https://[fd00::1]",
        "https://[::ffff:10.0.0.1]",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://pms.example:port",
        "https://[",
        "https://pms.example/a\u0000b",
        "https://pms.example/a\nb",
        "https://pms.example/a b",
        "https://" + "x" * 500,
    ],
)
async def test_a_base_url_that_may_not_be_called_is_refused(
    gateway: RunningGateway, hotel_id: str, base_url: str
) -> None:
    answer = await put(gateway, hotel_id, base_url=base_url)
    assert refused(answer) == [["base_url"]]
    assert "password" not in answer.text


async def test_loopback_and_private_networks_are_for_the_operator_to_allow(
    session_database_url: str, redis_url: str, simulators: SimulatorServer, hotel_id: str
) -> None:
    settings = settings_for(
        session_database_url, redis_url, allow_loopback_pms=False, private_pms_networks=("10.1.0.0/16",)
    )
    async with running_gateway(settings, simulators) as gateway:
        for base_url in ("http://127.0.0.1:8900", "https://127.0.0.1", "http://localhost", "https://[::1]"):
            assert refused(await put(gateway, hotel_id, base_url=base_url)) == [["base_url"]], base_url
        assert refused(await put(gateway, hotel_id, base_url="https://10.2.0.1")) == [["base_url"]]
        assert refused(await put(gateway, hotel_id, base_url="http://10.1.0.1")) == [["base_url"]]
        assert (await put(gateway, hotel_id, base_url="https://10.1.0.1")).status_code == 201


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ...}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "two\nlines"}, ["name"]),
        ({"vendor": ...}, ["vendor"]),
        ({"vendor": "no-such"}, ["vendor"]),
        ({"vendor": "../bridge"}, ["vendor"]),
        ({"base_url": ...}, ["base_url"]),
        ({"property_id": ...}, ["property_id"]),
        ({"timezone": ...}, ["timezone"]),
        ({"timezone": "Mars/Olympus"}, ["timezone"]),
        ({"timezone": "../../etc/passwd"}, ["timezone"]),
        ({"timezone": ""}, ["timezone"]),
        ({"timezone": "Europe/Vie\u0000nna"}, ["timezone"]),
        ({"currency": "euro"}, ["currency"]),
        ({"currency": ...}, ["currency"]),
        ({"country": "Austria"}, ["country"]),
        ({"options": {"day_starts": "25:00"}}, ["options", "day_starts"]),
        ({"options": {"notify_guest": "perhaps"}}, ["options", "notify_guest"]),
        ({"options": {"no_such_option": 1}}, ["options", "no_such_option"]),
        ({"options": {"charge_codes": {"minibar": "a\u0000b"}}}, ["options", "charge_codes", "minibar"]),
        ({"sync": {"arrivals": {"cron": "often"}}}, ["sync", "arrivals", "cron"]),
        ({"sync": {"arrivals": {"cron": "61 * * * *"}}}, ["sync", "arrivals", "cron"]),
        ({"sync": {"arrivals": {"cron": "* * * * * *"}}}, ["sync", "arrivals", "cron"]),
        ({"sync": {"arrivals": {"cron": "*/0 * * * *"}}}, ["sync", "arrivals", "cron"]),
        ({"sync": {"arrivals": {"look_ahead_days": 400}}}, ["sync", "arrivals", "look_ahead_days"]),
        ({"cache": {"guest_ttl": -1}}, ["cache", "guest_ttl"]),
        ({"cache": {"no_such_ttl": 1}}, ["cache", "no_such_ttl"]),
        ({"credentials": {}}, ["credentials", "api_key"]),
        ({"credentials": {"api_key": ""}}, ["credentials", "api_key"]),
        ({"credentials": {"api_key": 5}}, ["credentials", "api_key"]),
        ({"credentials": {"api_key": "two\r\nlines"}}, ["credentials", "api_key"]),
        ({"credentials": {"api_key": "k", "extra": "e"}}, ["credentials", "extra"]),
        ({"credentials": "k"}, ["credentials"]),
        ({"id": "another"}, ["id"]),
    ],
    ids=str,
)
async def test_a_member_that_is_wrong_is_named(
    gateway: RunningGateway, hotel_id: str, changes: dict[str, Any], field: list[str]
) -> None:
    assert field in refused(await put(gateway, hotel_id, **changes))
    assert (await gateway.admin.get(f"/v1/hotels/{hotel_id}")).status_code == 404


@pytest.mark.parametrize("cron", ["*/5 * * * *", "0 4 * * 1-5", "0,30 6-22/2 1 1,7 7", "15 3 31 12 0"])
async def test_a_schedule_is_stored_as_it_is(gateway: RunningGateway, hotel_id: str, cron: str) -> None:
    answer = await put(gateway, hotel_id, sync={"arrivals": {"cron": cron}})
    assert answer.json()["data"]["sync"]["arrivals"]["cron"] == cron


async def test_a_hotel_is_put_once_however_many_put_it(gateway: RunningGateway, hotel_id: str) -> None:
    answers = await asyncio.gather(*(put(gateway, hotel_id, name=f"The Hotel {number}") for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]


async def test_who_puts_without_credentials_while_another_registers_does_not_get_theirs(
    gateway: RunningGateway, hotel_id: str, session_database_url: str
) -> None:
    connection = await asyncpg.connect(session_database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE hotels IN SHARE MODE")  # who looks may look, who writes waits
        late = asyncio.create_task(put(gateway, hotel_id, base_url="https://evil.example", credentials=...))
        await eventually(lambda: is_waiting(connection), lambda waits: waits or late.done())
        await connection.execute(
            "INSERT INTO hotels (id, name, vendor, base_url, timezone, currency, options, sync, cache, credentials, "
            "revision) VALUES ($1, 'x', 'bridge', 'https://pms.example', 'UTC', 'EUR', '{}', '{}', '{}', '\\x01', "
            "nextval('read_numbers'))",
            hotel_id,
        )
    answer = await late
    stored = await connection.fetchval("SELECT base_url FROM hotels WHERE id = $1", hotel_id)
    await connection.execute("DELETE FROM hotels WHERE id = $1", hotel_id)
    await connection.close()
    assert (refused(answer), stored) == ([["credentials"]], "https://pms.example")


async def is_waiting(connection: asyncpg.Connection) -> bool:
    """Tell whether somebody waits for a lock on the table of hotels."""
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'hotels'::regclass)"
    return bool(await connection.fetchval(waiting))


@pytest.mark.parametrize("hotel_id", ["a.b", "ä", "a" * 65, "a%20b"])
async def test_an_id_of_another_form_is_refused(gateway: RunningGateway, hotel_id: str) -> None:
    assert refused(await put(gateway, hotel_id)) == [["hotel_id"]]


async def test_an_id_may_be_as_long_as_64_characters(gateway: RunningGateway) -> None:
    longest = "A-z_0" * 12 + "abcd"
    assert (await put(gateway, longest)).status_code == 201
    assert (await gateway.admin("DELETE", f"/v1/hotels/{longest}")).status_code == 204


# --- credentials that live elsewhere ---


@pytest.fixture
def secrets_dir(tmp_path: Path) -> Path:
    """A folder of credentials, with a file beside it and a link that leads out."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (tmp_path / "outside").write_text("not for you")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "blank").write_text("\n")
    return folder


@pytest.fixture
async def referring_gateway(
    session_database_url: str,
    redis_url: str,
    simulators: SimulatorServer,
    secrets_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[RunningGateway]:
    """A gateway that may look credentials up: `PMS_CRED_SET` and the folder's files are there."""
    monkeypatch.setenv("PMS_CRED_SET", "from-the-environment")
    monkeypatch.setenv("PMS_CRED_EMPTY", "")
    settings = settings_for(session_database_url, redis_url, credentials_dir=secrets_dir)
    async with running_gateway(settings, simulators) as gateway:
        yield gateway


@pytest.mark.parametrize("kind", ["env", "file"])
async def test_a_reference_is_looked_up_when_the_pms_is_called(
    referring_gateway: RunningGateway, fresh_site: FreshSite, secrets_dir: Path, kind: str
) -> None:
    site = fresh_site("bridge")
    site.api_key = "from-the-environment"
    (secrets_dir / "bridge").write_text("from-the-environment\n")
    reference = {"env": "env:PMS_CRED_SET", "file": "file:bridge"}[kind]
    hotel_id = await referring_gateway.register(site, credentials={"api_key": reference})
    answer = await referring_gateway.admin.get(f"/v1/hotels/{hotel_id}/rooms")
    assert answer.status_code == 200, answer.text
    assert site.requests[-1].headers["authorization"] == "Bearer from-the-environment"


@pytest.mark.parametrize(
    "reference",
    [
        "env:DATABASE_URL",
        "env:PMS_CRED_UNSET",
        "env:PMS_CRED_EMPTY",
        "file:../outside",
        "file:link",
        "file:missing",
        "file:blank",
        "file:/etc/passwd",
        "file:a\u0000b",
        "vault:secret#key",
    ],
)
async def test_a_reference_that_leads_nowhere_or_out_is_refused(
    referring_gateway: RunningGateway, hotel_id: str, reference: str
) -> None:
    answer = await put(referring_gateway, hotel_id, credentials={"api_key": reference})
    assert refused(answer) == [["credentials", "api_key"]]
    assert reference.partition(":")[2] not in answer.text


async def test_files_need_a_folder_that_the_operator_named(gateway: RunningGateway, hotel_id: str) -> None:
    assert refused(await put(gateway, hotel_id, credentials={"api_key": "file:bridge"})) == [["credentials", "api_key"]]


# --- served with the new settings ---


async def test_a_hotel_is_served_with_its_new_settings_at_once(
    gateway: RunningGateway, hotel: HotelUnderTest, fresh_site: FreshSite
) -> None:
    before = await hotel.get("/rooms")
    assert (await hotel.get("/rooms")).headers["x-cache"] == "HIT"
    other = fresh_site("bridge")
    other.hotel.take_out_of_order(next(iter(other.hotel.rooms.values())))
    await gateway.register(other, hotel.id)
    after = await hotel.get("/rooms")
    assert after.headers["x-cache"] == "MISS"
    assert after.json()["data"] != before.json()["data"]
    assert len(other.requests) == 1
    assert len(hotel.site.requests) == 1


async def test_new_credentials_are_used_at_once(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    hotel.site.api_key = "ANOTHERKEY"
    assert (await hotel.get("/rooms")).json()["code"] == "pms_auth_failed"
    await gateway.register(hotel.site, hotel.id)
    assert (await hotel.get("/rooms")).status_code == 200


async def test_two_hotels_may_be_the_same_property(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    twin = await gateway.register(hotel.site)
    assert (await gateway.admin.get(f"/v1/hotels/{twin}/rooms")).status_code == 200
    assert (await hotel.get("/rooms")).headers["x-cache"] == "MISS"
    assert (await gateway.admin("DELETE", f"/v1/hotels/{twin}")).status_code == 204
    assert (await hotel.get("/rooms")).headers["x-cache"] == "HIT"


# --- what is known of a hotel, and looking after it ---


async def test_every_capability_is_told_with_its_reason(gateway: RunningGateway, hotel: HotelUnderTest) -> None:
    answer = await hotel.get("/capabilities")
    told = answer.json()
    assert set(told["data"]) == {capability.value for capability in Capability}
    for capability, entry in told["data"].items():
        assert entry.keys() == {"support", "reason"}
        assert entry["support"] in {"native", "emulated", "partial", "none"}
        assert bool(entry["reason"]) or entry["support"] in {"native", "emulated"}, capability
    assert told["meta"]["quota"] is None
    assert hotel.site.requests == []


async def test_a_healthy_connection_is_called_healthy(hotel: HotelUnderTest) -> None:
    told = (await hotel.send("POST", "/check")).json()["data"]
    assert told["healthy"]
    assert told["latency_ms"] >= 0
    assert told["checks"]
    assert all(check["ok"] and check["name"] and check["detail"] for check in told["checks"])


async def unhealthy(hotel: HotelUnderTest) -> str:
    """Give what is told about a connection that is not healthy, as one text."""
    answer = await hotel.send("POST", "/check")
    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert not told["healthy"]
    return " ".join(f"{check['name']}: {check['detail']}" for check in told["checks"] if not check["ok"]).lower()


async def test_a_wrong_key_is_found(hotel: HotelUnderTest) -> None:
    hotel.site.api_key = "ANOTHERKEY"
    assert "credentials" in await unhealthy(hotel)


async def test_a_property_that_is_not_there_is_found(make_hotel: MakeHotel) -> None:
    assert "property" in await unhealthy(await make_hotel("bridge", changes={"property_id": "NOWHERE"}))


async def test_another_currency_than_registered_is_found(make_hotel: MakeHotel) -> None:
    assert "currency" in await unhealthy(await make_hotel("bridge", changes={"currency": "CHF"}))


async def test_a_host_that_is_away_is_found(make_hotel: MakeHotel) -> None:
    assert "reach" in await unhealthy(await make_hotel("bridge", changes={"base_url": "http://127.0.0.1:1"}))


async def test_a_host_name_that_leads_nowhere_is_found(make_hotel: MakeHotel) -> None:
    assert "reach" in await unhealthy(await make_hotel("bridge", changes={"base_url": "https://pms.invalid"}))


@pytest.mark.parametrize("kind", [FaultKind.GARBAGE, FaultKind.STATUS, FaultKind.DROP_BEFORE])
async def test_a_pms_that_talks_nonsense_is_found(own_hotel: HotelUnderTest, kind: FaultKind) -> None:
    own_hotel.site.faults.add(Fault(kind=kind, status=500))
    assert await unhealthy(own_hotel)


async def test_a_key_of_strange_letters_is_simply_wrong(make_hotel: MakeHotel) -> None:
    hotel = await make_hotel("bridge", changes={"credentials": {"api_key": "schlüssel ключ"}})
    assert "credentials" in await unhealthy(hotel)
    assert (await hotel.get("/rooms")).json()["code"] == "pms_auth_failed"


async def test_a_manual_refresh_makes_the_next_read_ask(hotel: HotelUnderTest) -> None:
    await hotel.get("/rooms")
    assert (await hotel.get("/rooms")).headers["x-cache"] == "HIT"
    answer = await hotel.send("DELETE", "/cache")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await hotel.get("/rooms")).headers["x-cache"] == "MISS"


# --- vendors ---


async def test_the_ledger_is_shown_with_what_a_hotel_has_to_give(gateway: RunningGateway) -> None:
    shown = {one["vendor"]: one for one in (await gateway.admin.get("/v1/vendors")).json()["data"]}
    assert {"bridge", "qloapps"} <= shown.keys()
    for vendor, one in shown.items():
        assert one == (await gateway.admin.get(f"/v1/vendors/{vendor}")).json()["data"]
        assert "api_key" in one["credentials_schema"]["properties"] or one["credentials_schema"]["properties"]
        assert {"day_starts", "notify_guest", "charge_codes"} <= one["options_schema"]["properties"].keys()
        assert set(one["capabilities"]) == {capability.value for capability in Capability}


async def test_vendors_are_found_by_what_they_can_do(gateway: RunningGateway) -> None:
    everyone = (await gateway.admin.get("/v1/vendors")).json()["data"]
    for capability in Capability:
        found = (await gateway.admin.get("/v1/vendors", capability=capability.value)).json()["data"]
        able = [one["vendor"] for one in everyone if one["capabilities"][capability.value]["support"] != "none"]
        assert [one["vendor"] for one in found] == able, capability
    assert refused(await gateway.admin.get("/v1/vendors", capability="telepathy")) == [["capability"]]
