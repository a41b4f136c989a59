"""A PMS that wants to see a certificate: shown by the hotel that has one, refused where it cannot be used."""

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.simulators.server import server_config
from app.simulators.site import Site
from tests.fixtures.certificates import Authority, Pair
from tests.fixtures.clock import START, ManualClock
from tests.fixtures.gateway import RunningGateway
from tests.fixtures.own_gateway import OpenGateway
from tests.fixtures.simulators import FreshSite, QuietServer, SimulatorServer
from tests.fixtures.stays import code_of, eventually


@contextlib.asynccontextmanager
async def demanding(simulators: SimulatorServer, server: Pair, ca_file: Path) -> AsyncIterator[str]:
    """Serve the simulators to those who show a certificate of that authority; gives the URL."""
    config = server_config(simulators.simulators)
    config.ssl_certfile, config.ssl_keyfile = str(server.cert_file), str(server.key_file)
    config.ssl_ca_certs, config.ssl_cert_reqs = str(ca_file), ssl.CERT_REQUIRED
    listening = socket.create_server(("127.0.0.1", 0))
    running = QuietServer(config)
    task = asyncio.create_task(running.serve(sockets=[listening]))
    while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    await task


@dataclass(frozen=True)
class Demanding:
    """A PMS that wants a certificate, and a gateway that trusts its authority."""

    url: str
    site: Site
    gateway: RunningGateway
    authority: Authority

    async def put(self, hotel_id: str, credentials: dict[str, str]) -> httpx.Response:
        """Register the hotel of that PMS."""
        body = dict(self.gateway.simulators.registration(self.site).body)
        body["base_url"] = self.url + self.site.path
        body["credentials"] = {"api_key": self.site.api_key, **credentials}
        return await self.gateway.admin("PUT", f"/v1/hotels/{hotel_id}", json=body)

    async def rooms(self, hotel_id: str) -> httpx.Response:
        """Ask the PMS for something."""
        return await self.gateway.admin.get(f"/v1/hotels/{hotel_id}/rooms")


@pytest.fixture
async def pms(
    open_gateway: OpenGateway, fresh_site: FreshSite, simulators: SimulatorServer, authority: Authority, tmp_path: Path
) -> AsyncIterator[Demanding]:
    ca_file = authority.ca_file
    async with demanding(simulators, authority.certify("pms"), ca_file) as url:
        gateway = await open_gateway(pms_ca_file=ca_file, credentials_dir=tmp_path)
        yield Demanding(url, fresh_site("bridge"), gateway, authority)
        for hotel_id in ("with", "without", "another"):
            await gateway.admin("DELETE", f"/v1/hotels/{hotel_id}")
        await gateway.app.state.gateway.connectors.aclose()
        await gateway.app.state.gateway.connectors._factory.services.pools.aclose()


def given(pair: Pair) -> dict[str, str]:
    return {"client_cert": pair.cert, "client_key": pair.key}


async def test_a_hotel_with_a_certificate_is_let_in_and_one_without_is_not(pms: Demanding) -> None:
    assert (await pms.put("with", given(pms.authority.certify("gateway")))).status_code == 201
    assert (await pms.put("without", {})).status_code == 201
    for _ in range(2):
        answers = [await pms.rooms("with"), await pms.rooms("without")]
        assert [code_of(answer) for answer in answers] == [(200, None), (503, "pms_unavailable")]
    assert "PRIVATE KEY" not in answers[1].text


async def test_a_certificate_may_be_a_reference(pms: Demanding, tmp_path: Path) -> None:
    pair = pms.authority.certify("gateway")
    (tmp_path / "crt").write_text(pair.cert)
    (tmp_path / "key").write_text(pair.key)
    assert (await pms.put("with", {"client_cert": "file:crt", "client_key": "file:key"})).status_code == 201
    assert (await pms.rooms("with")).status_code == 200


async def test_a_certificate_that_was_replaced_is_shown_a_minute_later(
    pms: Demanding, clock: ManualClock, tmp_path: Path
) -> None:
    stranger = Authority(pms.authority.folder, "stranger").certify("stranger")
    (tmp_path / "crt").write_text(stranger.cert)
    (tmp_path / "key").write_text(stranger.key)
    await pms.put("with", {"client_cert": "file:crt", "client_key": "file:key"})
    assert code_of(await pms.rooms("with")) == (503, "pms_unavailable")
    pair = pms.authority.certify("gateway")
    (tmp_path / "crt").write_text(pair.cert)
    (tmp_path / "key").write_text(pair.key)
    clock.advance(301)
    # For a quarter of a second the failure is told to whoever had waited for the answer.
    await eventually(lambda: pms.rooms("with"), lambda answer: answer.status_code == 200)


async def test_a_server_of_an_authority_that_nobody_named_is_not_trusted(
    pms: Demanding, open_gateway: OpenGateway
) -> None:
    doubting = await open_gateway()
    here = Demanding(pms.url, pms.site, doubting, pms.authority)
    await here.put("another", given(pms.authority.certify("gateway")))
    assert code_of(await here.rooms("another")) == (503, "pms_unavailable")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("client_key", "other key"),
        ("client_key", "sealed key"),
        ("client_key", "no key"),
        ("client_key", "absent"),
        ("client_cert", "no certificate"),
        ("client_cert", "absent"),
        ("client_cert", "the key"),
    ],
)
async def test_a_pair_that_cannot_be_used_is_refused_with_the_field(pms: Demanding, field: str, wrong: str) -> None:
    pair = pms.authority.certify("gateway")
    values = {
        "other key": pms.authority.certify("other").key,
        "sealed key": pms.authority.certify("sealed", passphrase=b"x").key,
        "no key": "canary",
        "no certificate": "canary",
        "the key": pair.key,
        "absent": None,
    }
    credentials = {name: value for name, value in {**given(pair), field: values[wrong]}.items() if value}
    answer = await pms.put("with", credentials)
    assert code_of(answer) == (422, "validation_failed")
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["credentials", field]]
    assert "canary" not in answer.text
    assert "PRIVATE" not in answer.text
    assert code_of(await pms.rooms("with")) == (404, "not_found")


async def test_no_file_stays_behind(pms: Demanding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    await pms.put("with", given(pms.authority.certify("gateway")))
    assert (await pms.rooms("with")).status_code == 200
    assert list(folder.iterdir()) == []


async def test_without_a_place_for_the_file_nothing_is_sent_and_it_is_told(
    pms: Demanding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    answer = await pms.put("with", given(pms.authority.certify("gateway")))
    assert code_of(answer) == (503, "storage_unavailable")
    assert "temporary files" in answer.json()["detail"]


async def test_hotels_share_connections_only_where_they_show_the_same(pms: Demanding) -> None:
    one, other = pms.authority.certify("one"), pms.authority.certify("other")
    pools = pms.gateway.app.state.gateway.connectors._factory.services.pools
    for hotel_id, pair in (("with", one), ("without", one), ("another", other)):
        await pms.put(hotel_id, given(pair))
        assert (await pms.rooms(hotel_id)).status_code == 200
    assert len(pools._pools) == 2
    shown = repr(list(pools._pools))
    assert "PRIVATE" not in shown
    assert "CERTIFICATE" not in shown


async def test_older_tls_is_refused(pms: Demanding) -> None:
    pools = pms.gateway.app.state.gateway.connectors._factory.services.pools
    await pms.put("with", given(pms.authority.certify("gateway")))
    await pms.rooms("with")
    contexts = [pool._transport._pool._ssl_context for pool in pools._pools.values()]
    assert {context.minimum_version for context in contexts} == {ssl.TLSVersion.TLSv1_2}
    assert all(context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname for context in contexts)


async def test_the_doctor_tells_of_a_certificate_that_ends(pms: Demanding, clock: ManualClock) -> None:
    async def notice() -> list[dict[str, Any]]:
        answer = await pms.gateway.admin("POST", "/v1/hotels/with/check")
        return [check for check in answer.json()["data"]["checks"] if check["name"] == "credentials"]

    ends = 40 + (START - datetime.now(UTC)).days
    await pms.put("with", given(pms.authority.certify("gateway", days=max(1, ends))))
    before = await notice()
    clock.advance(20 * 86_400)
    after = await notice()
    assert all(check["ok"] for check in before + after)
    assert "client_cert end" in after[0]["detail"]
