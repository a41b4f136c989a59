"""Every way for a connection to go wrong is a finding that says what to do, against servers that are really wrong."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest

from app.core.adapter import PropertyFound
from app.core.egress import EgressPolicy
from app.domain.causes import Cause
from app.gateway.doctor import Diagnosis
from app.gateway.reads import Patience
from app.gateway.remedies import REMEDIES, wrong_property
from app.simulators.faults import Fault, FaultKind
from tests.fixtures.clock import ManualClock
from tests.fixtures.connections import (
    Authority,
    Surgery,
    http_answer,
    impostor,
    refusing_tls,
    registered,
    registration,
    surgery,
)
from tests.fixtures.simulators import FreshSite, SimulatorServer

FACTS = {
    "id": "ANY",
    "name": "Any",
    "contract_version": "1.0",
    "timezone": "UTC",
    "currency": "EUR",
    "capabilities": [],
    "idempotency_keys": True,
}


@pytest.fixture
async def waitless() -> AsyncIterator[Surgery]:
    """A doctor for whom waiting between attempts takes no time."""
    async with surgery(clock=ManualClock(), timeout_seconds=0.2) as opened:
        yield opened


async def looked_at(opened: Surgery, base_url: str, **body: object) -> Diagnosis:
    until = Patience(opened.clock.monotonic() + 30)
    return await opened.doctor.check(registration(base_url=base_url, **body), until)


async def only_finding(opened: Surgery, base_url: str, **body: object) -> tuple[str, str]:
    """Give the one thing that is wrong where nothing could be asked: its name, and what is said of it."""
    diagnosis = await looked_at(opened, base_url, **body)
    assert not diagnosis.healthy
    assert not diagnosis.reached
    (finding,) = [one for one in diagnosis.checks if not one.ok]
    return finding.name, finding.detail


def test_every_cause_has_a_sentence_that_says_what_to_do() -> None:
    assert set(REMEDIES) == set(Cause)
    for cause, remedy in REMEDIES.items():
        filled = remedy.sentence.format(host="h", port=1, property="p", wait="1 s")
        assert len(filled.split()) >= 10, cause


async def test_a_port_on_which_nobody_listens(waitless: Surgery) -> None:
    name, detail = await only_finding(waitless, "http://127.0.0.1:1")
    assert name == "host"
    assert "Nothing listens at 127.0.0.1:1" in detail


async def test_a_host_name_without_an_address(waitless: Surgery) -> None:
    name, detail = await only_finding(waitless, "https://pms.invalid/api")
    assert name == "host"
    assert "pms.invalid has no address here" in detail


async def test_a_host_that_our_own_rule_forbids() -> None:
    async with surgery(clock=ManualClock(), policy=EgressPolicy()) as opened:
        name, detail = await only_finding(opened, "https://localhost")
    assert name == "host"
    assert "PRIVATE_PMS_NETWORKS" in detail
    assert "ALLOW_LOOPBACK_PMS" in detail


async def test_a_server_that_is_silent(waitless: Surgery) -> None:
    async with impostor(None) as port:
        name, detail = await only_finding(waitless, f"http://127.0.0.1:{port}")
    assert name == "answers"
    assert "does not answer in time" in detail
    assert "PMS_TIMEOUT" in detail


async def test_a_server_that_hangs_up(waitless: Surgery) -> None:
    async with impostor(lambda: b"") as port:
        name, detail = await only_finding(waitless, f"http://127.0.0.1:{port}")
    assert (name, "ends them without an answer" in detail) == ("answers", True)


@pytest.mark.parametrize(
    ("answer", "name", "told"),
    [
        (http_answer("<html>", kind="text/html; charset=utf-8"), "answers", "a web page stands where"),
        (http_answer("<html>", status="404 Not Found", kind="text/html"), "answers", "a web page stands where"),
        (http_answer('{"hello": "world"}'), "answers", "answers otherwise than this vendor documents"),
        (http_answer("", status="302 Found", location="https://x.example/"), "answers", "redirects are not followed"),
        (http_answer("{}", status="404 Not Found"), "property", "no property ANY"),
        (http_answer("{}", status="401 Unauthorized"), "credentials", "compare the hotel's credentials"),
        (
            http_answer('{"detail": "the key lacks folio:read"}', status="403 Forbidden"),
            "rights",
            "may not do this: the key lacks folio:read",
        ),
        (http_answer("{}", status="429 Too Many", retry_after="7200"), "quota", "repeat in 7200 s"),
        (http_answer("{}", status="503 Away", retry_after="3600"), "availability", "repeat in 3600 s"),
        (http_answer("{}", status="500 Oops"), "availability", "its own log says why"),
    ],
)
async def test_answers_that_are_no_answer(waitless: Surgery, answer: Callable[[], bytes], name: str, told: str) -> None:
    async with impostor(answer) as port:
        found, detail = await only_finding(waitless, f"http://127.0.0.1:{port}")
    assert found == name
    assert told.lower() in detail.lower()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The authority, trusted by this machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "ca.pem"))
    return authority


async def tls_finding(side: ssl.SSLContext) -> str:
    async with surgery(clock=ManualClock()) as opened, impostor(http_answer(""), tls=side) as port:
        name, detail = await only_finding(opened, f"https://localhost:{port}")
    assert name == "tls"
    return detail


async def test_a_certificate_that_is_signed_by_itself(authority: Authority) -> None:
    assert "is signed by itself" in await tls_finding(authority.self_signed())


async def test_a_certificate_of_a_private_authority_and_the_way_to_trust_it(authority: Authority) -> None:
    detail = await tls_finding(authority.server())
    assert "no authority that this machine trusts" in detail
    assert "PMS_CA_FILE" in detail
    answer = http_answer(orjson.dumps(FACTS).decode())
    ca_file = authority.folder / "ca.pem"
    async with surgery(ca_file=ca_file) as opened, impostor(answer, tls=authority.server()) as port:
        assert (await looked_at(opened, f"https://localhost:{port}")).reached


async def test_a_certificate_that_has_expired(trusted: Authority) -> None:
    assert "has expired" in await tls_finding(trusted.server(ended=True))


async def test_a_certificate_that_is_not_valid_yet(trusted: Authority) -> None:
    assert "not valid yet" in await tls_finding(trusted.server(future=True))


@pytest.mark.parametrize("host", ["pms.example", "127.0.0.2"])
async def test_a_certificate_for_another_name(trusted: Authority, host: str) -> None:
    assert "is not for localhost" in await tls_finding(trusted.server(host=host))


async def test_a_server_with_nothing_but_an_old_protocol(trusted: Authority) -> None:
    side = trusted.server()
    side.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        side.minimum_version = ssl.TLSVersion.TLSv1
        side.maximum_version = ssl.TLSVersion.TLSv1_1
    async with surgery(clock=ManualClock()) as opened:
        with refusing_tls(side) as port:
            name, detail = await only_finding(opened, f"https://localhost:{port}")
    assert (name, "offers no TLS that is safe" in detail) == ("tls", True)


async def test_a_port_that_speaks_no_tls(waitless: Surgery) -> None:
    async with impostor(http_answer("{}")) as port:
        name, detail = await only_finding(waitless, f"https://127.0.0.1:{port}")
    assert (name, "does not speak TLS" in detail) == ("tls", True)


@pytest.mark.parametrize(
    ("ahead", "told"), [(timedelta(hours=1), "60 minutes ahead of"), (timedelta(seconds=-90), " s behind")]
)
async def test_a_clock_that_is_wrong_is_found_by_the_date_of_an_answer(ahead: timedelta, told: str) -> None:
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    async with surgery() as opened, impostor(http_answer(orjson.dumps(FACTS).decode(), date=date)) as port:
        diagnosis = await looked_at(opened, f"http://127.0.0.1:{port}")
    (clock,) = [one for one in diagnosis.checks if one.name == "clock"]
    assert not clock.ok
    assert not diagnosis.healthy
    assert told in clock.detail


@pytest.mark.parametrize("date", ["now", None, "yesterday"])
async def test_a_clock_that_is_right_or_that_nobody_tells_is_no_fault(date: str | None) -> None:
    said = format_datetime(datetime.now(UTC), usegmt=True) if date == "now" else date
    answer = http_answer(orjson.dumps(FACTS).decode(), **({"date": said} if said else {}))
    async with surgery() as opened, impostor(answer) as port:
        diagnosis = await looked_at(opened, f"http://127.0.0.1:{port}")
    assert diagnosis.reached
    assert all(one.ok for one in diagnosis.checks if one.name == "clock")


async def test_a_wrong_clock_is_told_also_where_the_credentials_are_refused() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    async with surgery() as opened, impostor(http_answer("{}", status="401 No", date=date)) as port:
        diagnosis = await looked_at(opened, f"http://127.0.0.1:{port}")
    assert [one.name for one in diagnosis.checks if not one.ok] == ["credentials", "clock"]


async def test_a_key_without_rights_is_told_which_ones(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps", modes={"rights": "hotels_only"})
    async with surgery() as opened:
        diagnosis = await opened.doctor.check(registered(simulators, site), Patience(opened.clock.monotonic() + 30))
    (rights,) = [one for one in diagnosis.checks if not one.ok]
    assert (rights.name, "GET orders" in rights.detail) == ("rights", True)


async def test_a_property_that_is_not_there_is_told_with_those_that_are(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps")
    wrong = registered(simulators, site, property_id="9")
    async with surgery() as opened:
        diagnosis = await opened.doctor.check(wrong, Patience(opened.clock.monotonic() + 30))
    (place,) = [one for one in diagnosis.checks if not one.ok]
    assert all(f"{hotel.setup.property_id} ({hotel.setup.name})" in place.detail for hotel in site.hotels.values())


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            [PropertyFound("A", "Inn"), PropertyFound("B")],
            "these credentials open A (Inn), B; register the hotel with one",
        ),
        ([], "these credentials open none at all; have its administrator"),
    ],
)
def test_the_properties_that_there_are_are_told_with_what_to_do(found: list[PropertyFound], told: str) -> None:
    finding = wrong_property(found, registration(base_url="https://pms.example").hotel)
    assert (finding.name, finding.ok) == ("property", False)
    assert told in finding.detail


async def test_a_vendors_own_advice_stands_alone(simulators: SimulatorServer, fresh_site: FreshSite) -> None:
    site = fresh_site("qloapps", modes={"key": "disabled"})
    async with surgery() as opened:
        diagnosis = await opened.doctor.check(registered(simulators, site), Patience(opened.clock.monotonic() + 30))
    (key, _) = diagnosis.checks
    assert key.name == "credentials"
    assert "unknown or disabled" in key.detail
    assert REMEDIES[Cause.CREDENTIALS_REFUSED].sentence[1:] not in key.detail


async def test_a_switched_off_webservice_is_no_matter_of_credentials(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("qloapps", modes={"webservice": "off"})
    async with surgery(clock=ManualClock()) as opened:
        diagnosis = await opened.doctor.check(registered(simulators, site), Patience(opened.clock.monotonic() + 30))
    (state, _) = diagnosis.checks
    assert (state.name, "switched off; enable it" in state.detail) == ("availability", True)


async def test_credentials_that_cannot_be_used_are_a_finding(waitless: Surgery) -> None:
    name, detail = await only_finding(waitless, "http://127.0.0.1:1", credentials={"token": "x"})
    assert name == "credentials"
    assert "complete credentials" in detail


async def test_a_pms_that_keeps_failing_is_not_asked_for_a_while(
    simulators: SimulatorServer, fresh_site: FreshSite
) -> None:
    site = fresh_site("bridge", faults=(Fault(kind=FaultKind.STATUS, status=500),))
    async with surgery(clock=ManualClock()) as opened:
        for _ in range(2):
            await opened.doctor.check(registered(simulators, site), Patience(opened.clock.monotonic() + 30))
        diagnosis = await opened.doctor.check(registered(simulators, site), Patience(opened.clock.monotonic() + 30))
    paused = next(one for one in diagnosis.checks if not one.ok)
    assert (paused.name, "pms-gateway doctor" in paused.detail) == ("availability", True)


async def test_the_look_ends_when_its_time_is_over() -> None:
    async with surgery(timeout_seconds=30) as opened, impostor(None) as port:
        place = registration(base_url=f"http://127.0.0.1:{port}")
        async with asyncio.timeout(5):
            diagnosis = await opened.doctor.check(place, Patience(opened.clock.monotonic() + 0.2))
    assert [one.name for one in diagnosis.checks] == ["answers"]
