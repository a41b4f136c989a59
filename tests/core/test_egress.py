"""A hotel's `base_url` comes from outside: it leads to no address of ours, however it is written."""

import asyncio
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.egress import EgressDenied, EgressPolicy, GuardedBackend, Resolver
from app.domain.errors import InvalidRequest, Outcome, VendorUnavailable
from tests.core.vendor import LOOPBACK, Clients, ScriptedVendor, ask

STRICT = EgressPolicy()
VPN = EgressPolicy.of(allow_loopback=False, private_networks=["10.8.0.0/16", "fd12::/16"])

FORBIDDEN = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - the point
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fd00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2001:0:7f00:1::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:0a00:0001::",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::10.0.0.1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:169.254.169.254",
    "2606:4700::5efe:10.0.0.1",
    "::8.8.8.8",
    "::1%lo",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.88.99.1",
    "203.0.113.1",
    "3fff::1",
    "fd20:ce::254",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
PUBLIC += ["2606:4700::5efe:8.8.8.8"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_of_ours_are_forbidden_in_whatever_form(address: str) -> None:
    assert not STRICT.permits(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert STRICT.permits(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_however_ipv6_wraps_it(address: IPv4Address) -> None:
    number = int(address)
    wrapped = [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
    ]
    assert {STRICT.permits(other) for other in wrapped} == {STRICT.permits(address)}


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_private_is_ever_permitted_unless_it_is_listed(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        wraps = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
        assert wraps or not STRICT.permits(address)


@pytest.mark.parametrize("address", ["10.8.1.1", "::ffff:10.8.1.1", "fd12::1"])
def test_a_listed_private_network_is_permitted_and_no_other(address: str) -> None:
    assert VPN.permits(ip_address(address))
    assert not VPN.permits(ip_address("10.9.0.1"))
    assert not VPN.permits(ip_address("127.0.0.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_permitted_where_it_is_allowed(address: str) -> None:
    assert LOOPBACK.permits(ip_address(address))
    assert not LOOPBACK.permits(ip_address("10.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "https://pms.example",
        "https://pms.example:8443/api",
        "https://8.8.8.8",
        "https://[2606:4700:4700::1111]/api",
        # A name and a number in disguise are decided by what they resolve to, when a connection is opened.
        "https://2130706433",
        "https://0x7f000001",
        "https://127.1",
        "https://hôtel.example",
        "https://xn--htel-vqa.example",
        "https://my_pms.example.",
    ],
)
def test_urls_that_may_be_stored(url: str) -> None:
    STRICT.check_url("base_url", url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pms.example",
        "ftp://pms.example",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "http://pms.example",
        "http://8.8.8.8",
        "https://user:canary@pms.example",
        "https://pms.example?key=canary",
        "https://pms.example#x",
        "https://pms.example:99999",
        "https://[::1",
        "https://@pms.example",
        "https://:@pms.example",
        "https://pms.example?",
        "https://pms.example/#",
        "https://pms.example\\@127.0.0.1",
        "https://127.0.0.1#@pms.example",
        "https://pms.example:443@127.0.0.1",
        "https:/\\127.0.0.1",
        "//127.0.0.1",
        "https://pms.example/\r\nX-Evil: 1",
        "https://pms.example/\x00",
        "https://pms.example/\u2028",
        "https://\uff11\uff12\uff17.0.0.1",
        "https://\u2460\u2461\u2466.0.0.1",
        "https://0177.0.0.1",
        "https://[fe80::1%25eth0]",
        "https://[0:0:0:0:0:ffff:a9fe:a9fe]",
        "https://[fd00:ec2::254]/latest",
        "https://127.0.0.1",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]",
        "https://169.254.169.254/latest/meta-data",
        "http://localhost",
        "http://127.0.0.1",
        "http://2130706433",
        "https://xn--a.example",
        "https://\u2603\u200d.example",
        "https://a..b",
        f"https://{'a' * 64}.example",
    ],
)
def test_urls_that_may_not_be_stored(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        STRICT.check_url("base_url", url)
    assert refused.value.errors[0].loc == ("base_url",)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8900/x", "http://[::1]:8900", "http://localhost:8900"])
def test_plain_http_is_for_loopback_where_it_is_allowed(url: str) -> None:
    LOOPBACK.check_url("base_url", url)
    for elsewhere in ("http://pms.example", "http://8.8.8.8", "http://localhost.pms.example"):
        with pytest.raises(InvalidRequest):
            LOOPBACK.check_url("base_url", elsewhere)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "127.0.0.1.",
        "127\u30020\u30020\u30021",
        "%31%32%37.0.0.1",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
    ],
)
async def test_a_name_that_leads_to_a_forbidden_address_is_refused_when_a_connection_is_opened(
    vendor: ScriptedVendor, host: str
) -> None:
    clients = Clients.of(vendor.url, STRICT)
    with pytest.raises(VendorUnavailable) as refused:
        await ask(clients.make(url=vendor.url.replace("127.0.0.1", host)))
    assert refused.value.outcome is Outcome.NOT_SENT
    assert vendor.seen == []
    await clients.services.pools.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001"])
async def test_the_same_names_work_where_loopback_is_allowed(
    vendor: ScriptedVendor, clients: Clients, host: str
) -> None:
    await ask(clients.make(url=vendor.url.replace("127.0.0.1", host)))
    assert len(vendor.seen) == 1


def entries(*addresses: str) -> list[tuple[object, ...]]:
    """Give what a lookup gives for a host with these addresses."""
    return [(None, None, None, "", (address, 9)) for address in addresses]


async def test_one_forbidden_address_among_several_forbids_the_name() -> None:
    resolver = Resolver(lambda _, __: entries("8.8.8.8", "127.0.0.1"))
    with pytest.raises(EgressDenied):
        await GuardedBackend(STRICT, resolver).connect_tcp("pms.example", 9)
    resolver.close()


async def test_the_address_that_is_connected_to_is_the_one_that_was_checked(vendor: ScriptedVendor) -> None:
    """A name that answers well the first time and badly the second is asked once for each connection."""
    asked: list[str] = []
    port = int(vendor.url.rpartition(":")[2])

    def rebinding(host: str, _: int) -> Sequence[tuple[object, ...]]:
        asked.append(host)
        return entries("127.0.0.1") if len(asked) == 1 else entries("10.0.0.1")

    resolver = Resolver(rebinding)
    backend = GuardedBackend(LOOPBACK, resolver)
    stream = await backend.connect_tcp("pms.example", port, timeout=5)
    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    assert asked == ["pms.example"], "nobody asked for the name again between the check and the connection"
    with pytest.raises(EgressDenied):
        await backend.connect_tcp("pms.example", port, timeout=5)
    await stream.aclose()
    resolver.close()


@pytest.mark.parametrize("address", ["::ffff:169.254.169.254", "fd00:ec2::254", "fe80::1%2", "64:ff9b::a9fe:a9fe"])
async def test_whatever_form_a_name_server_answers_in_is_judged(address: str) -> None:
    resolver = Resolver(lambda _, __: entries("8.8.8.8", address))
    with pytest.raises(EgressDenied):
        await GuardedBackend(LOOPBACK, resolver).connect_tcp("pms.example", 9)
    resolver.close()


async def test_a_name_server_that_answers_nonsense_is_no_crash() -> None:
    resolver = Resolver(lambda _, __: entries())
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend(STRICT, resolver).connect_tcp("pms.example", 9)
    resolver.close()


async def test_a_dead_name_server_holds_one_thread_and_keeps_nobody_else_waiting() -> None:
    answers, asked = threading.Event(), []

    def silent(host: str, _: int) -> Sequence[tuple[object, ...]]:
        asked.append(host)
        if host == "dead.example":
            answers.wait()
        return entries("8.8.8.8")

    resolver = Resolver(silent)
    backend = GuardedBackend(STRICT, resolver)
    try:
        attempts = (backend.connect_tcp("dead.example", 9, timeout=0.01) for _ in range(40))
        refused = await asyncio.gather(*attempts, return_exceptions=True)
        assert {type(one) for one in refused} == {httpcore.ConnectTimeout}
        assert await resolver.addresses("alive.example", 9) == [ip_address("8.8.8.8")]
        assert await resolver.addresses("10.8.1.1", 9) == [ip_address("10.8.1.1")], "an address needs no lookup"
        late = asyncio.create_task(resolver.addresses("dead.example", 9))
        await asyncio.sleep(0)
        answers.set()
        assert await late == [ip_address("8.8.8.8")]
        assert sorted(asked) == ["alive.example", "dead.example"]
    finally:
        answers.set()
        resolver.close()


async def test_a_file_is_no_pms() -> None:
    with pytest.raises(EgressDenied):
        await GuardedBackend(LOOPBACK, Resolver()).connect_unix_socket("/run/canary.sock")


async def test_a_refused_host_looks_like_one_that_cannot_be_connected_to() -> None:
    with pytest.raises(httpcore.ConnectError) as refused:
        await GuardedBackend(STRICT, Resolver()).connect_tcp("localhost", 9)
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("host", ["nobody.invalid", "x" * 300, "a..b", ""])
async def test_a_name_that_cannot_be_resolved_is_no_crash(host: str) -> None:
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend(STRICT, Resolver()).connect_tcp(host, 9)
