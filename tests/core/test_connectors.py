"""Connectors are kept per hotel, bounded, replaced when settings change, and closed after their last use."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.adapter import PMSAdapter
from app.core.connectors import ConnectorCache, ConnectorFactory, Registration, _account
from app.core.secrets import SecretResolver
from app.domain.errors import InvalidRequest, VendorAuthFailed
from app.domain.hotel import Hotel
from tests.core.vendor import Clients, TestCredentials


class Recording(ConnectorFactory):
    """Opens connectors that tell when they were closed."""

    def make(self, hotel: Hotel, resolved: Mapping[str, SecretStr]) -> PMSAdapter:
        connector = super().make(hotel, resolved)
        opened.append(connector)
        inner = connector.aclose

        async def aclose() -> None:
            await asyncio.sleep(0)
            closed.append(connector)
            await inner()

        connector.aclose = aclose  # type: ignore[method-assign]
        return connector


opened: list[PMSAdapter] = []
closed: list[PMSAdapter] = []


@pytest.fixture
def cache(clients: Clients) -> ConnectorCache:
    """A cache of two connectors."""
    opened.clear()
    closed.clear()
    factory = Recording(clients.services, SecretResolver({"PMS_CRED_PRIME": "canary-key"}))
    return ConnectorCache(factory, capacity=2)


def registration(hotel_id: str, revision: int = 1, credentials: Mapping[str, str] | None = None) -> Registration:
    values: dict[str, Any] = {"id": hotel_id, "name": "H", "vendor": "bridge", "timezone": "UTC", "currency": "EUR"}
    hotel = Hotel.model_validate({**values, "base_url": f"https://{hotel_id}.example", "property_id": "1"})
    given = {"api_key": "literal"} if credentials is None else credentials
    return Registration(hotel, {name: SecretStr(value) for name, value in given.items()}, revision)


async def use(cache: ConnectorCache, *args: Any) -> PMSAdapter:
    async with cache.lease(registration(*args)) as connector:
        assert connector not in closed
        return connector


async def test_a_hotel_keeps_its_connector(cache: ConnectorCache) -> None:
    assert await use(cache, "one") is await use(cache, "one")
    assert len(opened) == 1
    assert closed == []


async def test_changed_settings_bring_a_new_connector_and_close_the_old(cache: ConnectorCache) -> None:
    first = await use(cache, "one", 1)
    second = await use(cache, "one", 2)
    assert second is not first
    assert closed == [first]
    assert await use(cache, "one", 2) is second


async def test_the_one_unused_for_longest_is_pushed_out(cache: ConnectorCache) -> None:
    one, two = await use(cache, "one"), await use(cache, "two")
    await use(cache, "one")
    await use(cache, "three")
    assert closed == [two]
    assert await use(cache, "one") is one


async def test_a_connector_in_use_is_closed_only_after_its_last_use(cache: ConnectorCache) -> None:
    async with cache.lease(registration("one", 1)) as first:
        async with cache.lease(registration("one", 1)):
            await use(cache, "one", 2)
            assert closed == []
        assert closed == []
    assert closed == [first]


async def test_a_connector_is_not_closed_between_being_found_and_being_lent(cache: ConnectorCache) -> None:
    await use(cache, "zero")
    await use(cache, "one", 1)
    results = await asyncio.gather(
        *(use(cache, name, revision) for revision in (1, 2, 3) for name in ("one", "two", "three")),
        return_exceptions=True,
    )
    assert [result for result in results if isinstance(result, BaseException)] == []
    assert len(closed) == len(opened) - 2
    assert len(set(map(id, closed))) == len(closed), "each is closed once"


async def test_a_hotel_that_is_gone_loses_its_connector(cache: ConnectorCache) -> None:
    one = await use(cache, "one")
    await cache.forget("one")
    await cache.forget("ghost")
    assert closed == [one]


async def test_at_the_end_all_are_closed(cache: ConnectorCache) -> None:
    both = [await use(cache, "one"), await use(cache, "two")]
    await cache.aclose()
    assert closed == both


async def test_two_that_close_at_once_close_each_connector_once(cache: ConnectorCache) -> None:
    both = [await use(cache, "one"), await use(cache, "two")]
    await asyncio.gather(cache.aclose(), cache.aclose())
    assert sorted(map(id, closed)) == sorted(map(id, both))


async def test_a_reference_is_looked_up_when_the_connector_is_made(cache: ConnectorCache) -> None:
    await use(cache, "one", 1, {"api_key": "env:PMS_CRED_PRIME"})
    with pytest.raises(VendorAuthFailed, match=r"credentials\.api_key: .* is not set") as refused:
        await use(cache, "two", 1, {"api_key": "env:PMS_CRED_MISSING"})
    assert "PMS_CRED_MISSING" not in refused.value.detail
    assert refused.value.errors == (), "the caller's request has no part in it"


async def test_a_registration_that_is_tried_out_is_told_what_is_wrong_with_it(clients: Clients) -> None:
    factory = ConnectorFactory(clients.services, SecretResolver({}))
    with pytest.raises(InvalidRequest) as refused:
        factory.open(registration("one", 1, {"api_key": "env:PMS_CRED_MISSING"}))
    assert refused.value.errors[0].loc == ("credentials", "api_key")


async def test_a_registration_that_cannot_be_used_leaves_the_old_connector_alone(cache: ConnectorCache) -> None:
    first = await use(cache, "one", 1)
    with pytest.raises(VendorAuthFailed):
        await use(cache, "one", 2, {})
    assert first not in closed
    assert await use(cache, "one", 1) is first


async def test_hotels_that_share_credentials_and_host_share_a_quota(cache: ConnectorCache) -> None:
    same = {"api_key": "shared"}
    accounts = {(await use(cache, "one", revision, same)).client.account for revision in (1, 2)}
    assert len(accounts) == 1
    other = (await use(cache, "one", 3, {"api_key": "another"})).client.account
    assert other not in accounts
    assert "shared" not in accounts.pop()


def test_an_account_does_not_depend_on_how_its_url_is_spelled() -> None:
    credentials = TestCredentials(api_key=SecretStr("key"))

    def account(base_url: str) -> str:
        hotel = Hotel(id="one", name="One", vendor="bridge", timezone="UTC", currency="EUR", base_url=base_url)
        return _account(hotel, credentials)

    spellings = ("pms.example/api", "pms.example/api/", "PMS.example/api", "pms.example:443/api")
    assert len({account(f"https://{spelling}") for spelling in spellings}) == 1
    others = (
        "https://pms.example/other",
        "https://pms.example:444/api",
        "http://pms.example/api",
        "https://a.example/api",
    )
    assert len({account(url) for url in (*others, "https://pms.example/api")}) == 5
