"""Credentials that live elsewhere, through the HTTP door: rotated, withdrawn, and kept where nobody answers."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.api.process import GatewayProcess, running_process
from tests.fixtures.clock import START, ManualClock
from tests.fixtures.gateway import HotelUnderTest, RunningGateway, running_gateway, settings_for
from tests.fixtures.own_gateway import OpenGateway, OpenHotel
from tests.fixtures.own_worker import FAST, Hands, HurriedClock
from tests.fixtures.settling import ended
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import asked, code_of, eventually, seeded
from tests.fixtures.vault import CREATED, POD_TOKEN, ROLE, ROOT_TOKEN, LoopbackVault

PATH = "pms-gateway/canary-place"
REFERENCE = f"vault:{PATH}#canary-field"


def keep(vault: LoopbackVault, key: str, created: datetime = CREATED) -> None:
    """Put the hotel's key into the Vault."""
    fields: dict[str, Any] = {"canary-field": key}
    vault.put(PATH, created=created, **fields)


@dataclass(frozen=True)
class AtVault:
    """A hotel whose key is kept in a Vault."""

    hotel: HotelUnderTest
    vault: LoopbackVault

    def rotate(self, key: str) -> None:
        """Give the key another value in the PMS and in the Vault."""
        self.hotel.site.api_key = key
        keep(self.vault, key)

    async def read(self) -> httpx.Response:
        """Ask the PMS, whatever is cached."""
        return await self.hotel.send("GET", "/rooms", headers={"Cache-Control": "no-cache"})

    async def put(self, **changes: Any) -> httpx.Response:
        """Put the hotel again, with the same reference unless told otherwise."""
        body = dict(self.hotel.gateway.simulators.registration(self.hotel.site).body)
        body |= {"credentials": {"api_key": REFERENCE}} | changes
        return await self.hotel.gateway.admin("PUT", f"/v1/hotels/{self.hotel.id}", json=body)


@pytest.fixture
async def at_vault(open_gateway: OpenGateway, fresh_site: FreshSite, vault: LoopbackVault, tmp_path: Path) -> AtVault:
    jwt = tmp_path / "jwt"
    jwt.write_text(POD_TOKEN)
    gateway = await open_gateway(
        vault_addr=vault.url, vault_kubernetes_role=ROLE, vault_kubernetes_token_file=jwt, credentials_dir=tmp_path
    )
    site = fresh_site("bridge")
    keep(vault, site.api_key)
    hotel_id = await gateway.register(site, credentials={"api_key": REFERENCE})
    return AtVault(HotelUnderTest(hotel_id, site, await gateway.client(hotels=[hotel_id]), gateway), vault)


async def test_a_key_in_vault_opens_the_pms_and_is_read_once(at_vault: AtVault) -> None:
    assert (await at_vault.read()).status_code == 200
    read = len(at_vault.vault.asked)
    for _ in range(5):
        assert (await at_vault.read()).status_code == 200
    assert len(at_vault.vault.asked) == read


async def test_a_key_that_was_rotated_is_in_use_a_minute_later(at_vault: AtVault, clock: ManualClock) -> None:
    await at_vault.read()
    at_vault.rotate("another-key")
    assert code_of(await at_vault.read()) == (502, "pms_auth_failed")
    clock.advance(61)
    answer = await eventually(at_vault.read, lambda answer: answer.status_code == 200)
    assert "another-key" not in answer.text


async def test_a_file_that_was_rotated_is_in_use_a_minute_later(
    at_vault: AtVault, clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(at_vault.hotel.site.api_key)
    assert (await at_vault.put(credentials={"api_key": "file:key"})).status_code == 200
    assert (await at_vault.read()).status_code == 200
    at_vault.hotel.site.api_key = "another-key"
    (tmp_path / "key").write_text("another-key\n")
    clock.advance(61)
    await eventually(at_vault.read, lambda answer: answer.status_code == 200)


async def test_a_vault_that_is_down_is_not_noticed_for_five_minutes(at_vault: AtVault, clock: ManualClock) -> None:
    assert (await at_vault.read()).status_code == 200
    at_vault.vault.sealed = True
    for _ in range(4):
        clock.advance(70)
        assert (await at_vault.read()).status_code == 200


async def test_then_it_is_told_and_nothing_is_sent_and_no_other_hotel_suffers(
    at_vault: AtVault, open_hotel: OpenHotel, clock: ManualClock
) -> None:
    other = await open_hotel(at_vault.hotel.gateway)
    at_vault.vault.sealed = True
    clock.advance(301)
    at_vault.hotel.site.requests.clear()
    for _ in range(8):
        answer = await at_vault.read()
        assert code_of(answer) == (503, "pms_unavailable")
        assert "credentials of this hotel cannot be read now" in answer.json()["detail"]
        assert "canary" not in answer.text
        assert int(answer.headers["Retry-After"]) == 5
    assert len(at_vault.hotel.site.requests) == 0
    states = at_vault.hotel.gateway.app.state.breakers.states()
    assert set(states.values()) <= {"closed"}
    assert (await other.get("/rooms")).status_code == 200
    at_vault.vault.sealed = False
    clock.advance(6)
    assert (await at_vault.read()).status_code == 200


async def test_a_read_falls_back_to_the_copy_and_a_write_waits(at_vault: AtVault, clock: ManualClock) -> None:
    booking = seeded(at_vault.hotel, "Lovelace")
    path = f"/reservations/{booking.id}"
    assert (await at_vault.hotel.get(path)).status_code == 200
    at_vault.vault.sealed = True
    clock.advance(1000)
    stale = await at_vault.hotel.get(path)
    assert (stale.status_code, stale.headers["X-Cache"]) == (200, "STALE")
    note = await at_vault.hotel.send("POST", f"{path}/notes", {"text": "a cot, please"}, key="note")
    assert note.status_code == 202, note.text
    assert note.json()["data"]["status"] == "queued"
    assert not asked(at_vault.hotel.site, "/notes")


async def test_a_wrong_path_is_the_hotels_fault_as_before(at_vault: AtVault, clock: ManualClock) -> None:
    at_vault.vault.secrets.clear()
    clock.advance(301)
    answer = await at_vault.read()
    assert code_of(answer) == (502, "pms_auth_failed")
    assert "no such secret" in answer.json()["detail"]
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("vault:pms-gateway/canary-elsewhere#key", "no such secret"),
        (f"vault:{PATH}#canary-missing", "no such field"),
        ("vault:elsewhere/canary#key", "VAULT_PREFIX"),
        ("vault:pms-gateway/../canary#key", "must be written"),
    ],
)
async def test_a_reference_that_leads_nowhere_is_refused_when_it_is_put(
    at_vault: AtVault, reference: str, says: str
) -> None:
    answer = await at_vault.put(name="Another", credentials={"api_key": reference})
    assert code_of(answer) == (422, "validation_failed")
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["credentials", "api_key"]]
    assert says in answer.text
    assert "canary" not in answer.text
    assert (await at_vault.hotel.get("")).json()["data"]["name"] != "Another"


async def test_a_put_that_cannot_be_checked_is_told_so_and_stores_nothing(at_vault: AtVault) -> None:
    at_vault.vault.sealed = True
    answer = await at_vault.put(name="Another")
    assert code_of(answer) == (503, "storage_unavailable")
    assert "nothing was stored" in answer.json()["detail"]
    assert "Vault is sealed" in answer.json()["detail"]
    assert "canary" not in answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert (await at_vault.hotel.get("")).json()["data"]["name"] != "Another"
    assert (await at_vault.put(name="Another", credentials=None)).status_code == 200, "it keeps what it has"


async def test_a_put_uses_what_vault_says_at_that_moment(at_vault: AtVault) -> None:
    await at_vault.read()
    at_vault.rotate("another-key")
    assert (await at_vault.put()).status_code == 200
    assert (await at_vault.read()).status_code == 200


@pytest.fixture
async def process_at_vault(
    database_url: str, redis_url: str, vault: LoopbackVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[GatewayProcess]:
    """A gateway in a process of its own, logging everything that it can."""
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", ROOT_TOKEN)
    settings = settings_for(database_url, redis_url, log_level="DEBUG")
    async with running_process(settings, tmp_path / "gateway.log") as process:
        yield process


async def test_no_log_names_a_secret_or_where_it_is(
    process_at_vault: GatewayProcess, simulators: SimulatorServer, fresh_site: FreshSite, vault: LoopbackVault
) -> None:
    site = fresh_site("bridge")
    keep(vault, site.api_key)
    client = await process_at_vault.client()
    body = dict(simulators.registration(site).body) | {"credentials": {"api_key": REFERENCE}}

    async def put_and_read() -> tuple[int, int]:
        put = await client("PUT", "/v1/hotels/logged", json=body)
        read = await client("GET", "/v1/hotels/logged/rooms", headers={"Cache-Control": "no-cache"})
        assert "canary" not in put.text + read.text
        return put.status_code, read.status_code

    assert await put_and_read() == (201, 200)
    vault.sealed = True
    assert await put_and_read() == (503, 200)
    vault.sealed = False
    vault.forbidden.add(PATH)
    assert await put_and_read() == (422, 502)
    vault.forbidden.clear()
    vault.secrets.clear()
    assert await put_and_read() == (422, 502)
    written = process_at_vault.log().decode()
    assert "credentials.source_away" in written
    assert "Vault is sealed" in written
    assert "canary" not in written
    assert site.api_key not in written


async def test_a_write_that_waited_for_vault_is_sent_when_it_is_back(
    database_url: str, redis_url: str, simulators: SimulatorServer, fresh_site: FreshSite, vault: LoopbackVault
) -> None:
    settings = settings_for(database_url, redis_url, pms_timeout=5, vault_addr=vault.url, vault_token=ROOT_TOKEN)
    site = fresh_site("bridge")
    keep(vault, site.api_key)
    clock = HurriedClock()
    async with running_gateway(settings, simulators, clock=clock, waits=FAST) as gateway:
        hotel_id = await gateway.register(site, credentials={"api_key": REFERENCE})
        hotel = HotelUnderTest(hotel_id, site, await gateway.client(hotels=[hotel_id]), gateway)
        booking = seeded(hotel, "Lovelace")
        vault.sealed = True
        clock.skip(301)
        note = await hotel.send("POST", f"/reservations/{booking.id}/notes", {"text": "a cot, please"}, key="note")
        assert (note.status_code, note.json()["data"]["status"]) == (202, "queued")
        vault.sealed = False
        async with Hands(settings).working():
            await ended(hotel, note, "succeeded")
    assert [remark.text for remark in booking.remarks].count("a cot, please") == 1


# --- how old they are ---


async def notice(hotel: HotelUnderTest) -> str | None:
    """Give what the doctor says of the credentials."""
    answer = (await hotel.send("POST", "/check")).json()["data"]
    found = [check for check in answer["checks"] if check["name"] == "credentials"]
    assert all(check["ok"] for check in found)
    return found[0]["detail"] if found else None


async def since(gateway: RunningGateway, hotel_id: str) -> dict[str, datetime]:
    """Give what is written down of the ages."""
    async with gateway.app.state.gateway.database.unit_of_work() as work:
        record = await work.hotels.find(hotel_id)
    return dict(record.credentials_since)


async def test_the_age_of_a_literal_begins_with_another_value(own_hotel: HotelUnderTest, clock: ManualClock) -> None:
    gateway, key = own_hotel.gateway, own_hotel.site.api_key
    assert await since(gateway, own_hotel.id) == {"api_key": START}
    clock.advance(timedelta(days=91).total_seconds())
    await gateway.register(own_hotel.site, own_hotel.id)
    assert await since(gateway, own_hotel.id) == {"api_key": START}, "the same value is no rotation"
    told = await notice(own_hotel)
    assert told is not None
    assert "api_key has been the same for 91 days; rotate it" in told
    own_hotel.site.api_key = "another-key"
    await gateway.register(own_hotel.site, own_hotel.id)
    assert await since(gateway, own_hotel.id) == {"api_key": clock.now()}
    assert await notice(own_hotel) is None
    for answer in (await own_hotel.get(""), await own_hotel.client.get("/v1/hotels")):
        assert key not in answer.text
        assert "since" not in answer.text


async def test_a_put_without_credentials_keeps_their_ages(own_hotel: HotelUnderTest, clock: ManualClock) -> None:
    clock.advance(1000)
    body = dict(own_hotel.gateway.simulators.registration(own_hotel.site).body)
    del body["credentials"]
    answer = await own_hotel.gateway.admin("PUT", f"/v1/hotels/{own_hotel.id}", json=body)
    assert answer.status_code == 200
    assert await since(own_hotel.gateway, own_hotel.id) == {"api_key": START}


async def test_vault_and_files_tell_themselves_how_old_a_secret_is(
    at_vault: AtVault, clock: ManualClock, tmp_path: Path
) -> None:
    keep(at_vault.vault, at_vault.hotel.site.api_key, START - timedelta(days=200))
    clock.advance(301)
    told = await notice(at_vault.hotel)
    assert told is not None
    assert "api_key has been the same for 200 days" in told
    keep(at_vault.vault, at_vault.hotel.site.api_key, START)
    clock.advance(301)
    assert await notice(at_vault.hotel) is None
    (tmp_path / "key").write_text(at_vault.hotel.site.api_key)
    old = (START - timedelta(days=300)).timestamp()
    os.utime(tmp_path / "key", (old, old))
    await at_vault.put(credentials={"api_key": "file:key"})
    told = await notice(at_vault.hotel)
    assert told is not None
    assert "300 days" in told


async def test_while_vault_is_away_the_age_is_what_was_known(at_vault: AtVault, clock: ManualClock) -> None:
    at_vault.vault.sealed = True
    clock.advance(timedelta(days=100).total_seconds())
    told = await notice(at_vault.hotel)
    assert told is not None
    assert "119 days" in told, "since 2026-11-01, as Vault had said at the put"


@pytest.mark.parametrize(("most", "overdue"), [(0, False), (10, True), (3650, False)])
async def test_the_most_days_are_the_operators_choice(
    open_gateway: OpenGateway, open_hotel: OpenHotel, clock: ManualClock, most: int, overdue: bool
) -> None:
    hotel = await open_hotel(await open_gateway(credential_max_age_days=most))
    clock.advance(timedelta(days=11).total_seconds())
    told = await notice(hotel)
    assert (told is not None) is overdue


async def test_how_many_hotels_should_rotate_is_a_metric(
    open_gateway: OpenGateway, open_hotel: OpenHotel, clock: ManualClock, database_url: str
) -> None:
    gateway = await open_gateway(database_url=database_url)
    for _ in range(2):
        await open_hotel(gateway)
    standings = gateway.app.state.gateway.credential_ages.standings
    assert [one.notices for one in (await standings()).values()] == [(), ()]
    clock.advance(timedelta(days=91).total_seconds())
    another = await open_hotel(gateway)
    found = await standings()
    assert sorted(one.oldest_days for one in found.values()) == [0, 91, 91]
    assert found[another.id].notices == ()

    async def counted() -> float:
        return REGISTRY.get_sample_value("pms_credentials_overdue") or 0.0

    await open_gateway(database_url=database_url)  # one that begins to count now
    assert await eventually(counted, lambda count: count == 2) == 2
