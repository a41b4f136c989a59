"""Secrets are looked up anew behind everybody's back; who kept them may be away for five minutes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.references import References
from app.core.secrets import SecretResolver
from app.core.vault import Vault, VaultAccess
from app.domain.errors import CredentialsUnreadable, InvalidRequest, Outcome
from tests.fixtures.clock import ManualClock
from tests.fixtures.stays import eventually
from tests.fixtures.vault import CREATED, ROOT_TOKEN, LoopbackVault

PATH = "pms-gateway/prime"
READ = f"GET /v1/secret/data/{PATH}"
KEY = {"api_key": f"vault:{PATH}#api_key"}
MakeReferences = Callable[..., References]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def references(vault: LoopbackVault, clock: ManualClock, tmp_path: Path) -> AsyncIterator[References]:
    """References into a Vault, a folder and an environment."""
    access = VaultAccess(address=vault.url, login=SecretStr(ROOT_TOKEN))
    made = References(SecretResolver({"PMS_CRED_ONE": "of-env"}, tmp_path, Vault(access, clock)), clock)
    yield made
    await made.aclose()


async def look_up(references: References, credentials: dict[str, str], **how: Any) -> dict[str, str]:
    found = await references.look_up({name: SecretStr(value) for name, value in credentials.items()}, **how)
    return {name: secret.value.get_secret_value() for name, secret in found.items()}


async def test_each_kind_leads_to_its_secret_and_tells_since_when(
    references: References, vault: LoopbackVault, tmp_path: Path
) -> None:
    vault.put(PATH, api_key="of-vault")
    (tmp_path / "key").write_text("of-file")
    credentials = {"a": "literal", "b": "env:PMS_CRED_ONE", "c": "file:key", **KEY}
    assert await look_up(references, credentials) == {
        "a": "literal",
        "b": "of-env",
        "c": "of-file",
        "api_key": "of-vault",
    }
    found = await references.look_up({name: SecretStr(value) for name, value in credentials.items()})
    assert (found["a"].since, found["b"].since) == (None, None)
    since = found["c"].since
    assert since is not None
    assert since.timestamp() == pytest.approx((tmp_path / "key").stat().st_mtime)
    assert found["api_key"].since == CREATED.replace(microsecond=123456)


async def test_what_a_reference_leads_to_is_no_reference_itself(references: References, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("env:PMS_CRED_ONE")
    assert await look_up(references, {"api_key": "file:key"}) == {"api_key": "env:PMS_CRED_ONE"}


async def test_a_secret_is_read_once_however_many_ask_for_its_fields(
    references: References, vault: LoopbackVault
) -> None:
    vault.put(PATH, api_key="one", user="two")
    both = {**KEY, "user": f"vault:{PATH}#user"}
    vault.hold()
    asking = asyncio.gather(*(look_up(references, both) for _ in range(50)))
    await eventually(_asked(vault), bool)
    vault.release()
    assert await asking == [{"api_key": "one", "user": "two"}] * 50
    assert vault.count(READ) == 1


async def test_for_a_minute_nobody_is_asked_then_once_and_nobody_waits(
    references: References, vault: LoopbackVault, clock: ManualClock
) -> None:
    vault.put(PATH, api_key="old")
    await look_up(references, KEY)
    vault.put(PATH, api_key="new")
    clock.advance(59)
    assert await look_up(references, KEY) == {"api_key": "old"}
    assert vault.count(READ) == 1
    clock.advance(2)
    vault.hold()
    assert [await look_up(references, KEY) for _ in range(5)] == [{"api_key": "old"}] * 5
    vault.release()
    await eventually(lambda: look_up(references, KEY), lambda found: found == {"api_key": "new"})
    assert vault.count(READ) == 2


async def test_fields_of_one_secret_are_of_one_version(
    references: References, vault: LoopbackVault, clock: ManualClock
) -> None:
    both = {**KEY, "user": f"vault:{PATH}#user"}
    for version in ("one", "two", "three"):
        vault.put(PATH, api_key=version, user=version)
        clock.advance(400)
        assert await look_up(references, both) == {"api_key": version, "user": version}


async def test_a_vault_that_is_away_is_survived_for_five_minutes_and_told_then(
    references: References, vault: LoopbackVault, clock: ManualClock
) -> None:
    vault.put(PATH, api_key="good")
    await look_up(references, KEY)
    vault.sealed = True
    for _ in range(29):
        clock.advance(10)
        assert await look_up(references, KEY) == {"api_key": "good"}
    clock.advance(11)
    with pytest.raises(CredentialsUnreadable) as told:
        await look_up(references, KEY)
    assert (told.value.outcome, told.value.retryable, told.value.code) == (Outcome.NOT_SENT, True, "pms_unavailable")
    assert "sealed" in told.value.detail
    assert "prime" not in told.value.detail
    vault.sealed = False
    clock.advance(6)
    assert await look_up(references, KEY) == {"api_key": "good"}


async def test_after_a_lookup_in_vain_the_next_are_told_at_once(
    references: References, vault: LoopbackVault, clock: ManualClock
) -> None:
    vault.sealed = True
    for _ in range(5):
        with pytest.raises(CredentialsUnreadable):
            await look_up(references, KEY)
    asked = len(vault.asked)
    clock.advance(6)
    with pytest.raises(CredentialsUnreadable):
        await look_up(references, KEY)
    assert len(vault.asked) > asked
    assert asked <= 2, "a look at the token, and the read"


async def test_a_silent_vault_keeps_nobody_from_a_file(
    references: References, vault: LoopbackVault, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("of-file")
    vault.hold()
    waiting = [asyncio.create_task(look_up(references, {"k": f"vault:pms-gateway/{n}#k"})) for n in range(10)]
    await eventually(_asked(vault), bool)
    assert await look_up(references, {"api_key": "file:key"}) == {"api_key": "of-file"}
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in ended} == {CredentialsUnreadable}


async def test_a_secret_that_was_withdrawn_is_not_used_any_longer(
    references: References, vault: LoopbackVault, clock: ManualClock
) -> None:
    vault.put(PATH, api_key="good")
    await look_up(references, KEY)
    vault.secrets[PATH].deleted = True
    clock.advance(61)
    await look_up(references, KEY)

    async def refused() -> str | None:
        try:
            await look_up(references, KEY)
        except InvalidRequest as error:
            return error.detail
        return None

    detail = await eventually(refused, bool)
    assert detail is not None
    assert detail.startswith("credentials.api_key: ")
    assert "prime" not in detail


async def test_who_asks_for_the_newest_gets_it_and_not_what_was_asked_before(
    references: References, vault: LoopbackVault
) -> None:
    vault.put(PATH, api_key="old")
    assert await look_up(references, KEY) == {"api_key": "old"}
    vault.put(PATH, api_key="new")
    assert await look_up(references, KEY, newest=True) == {"api_key": "new"}
    assert await look_up(references, KEY) == {"api_key": "new"}
    vault.sealed = True
    with pytest.raises(CredentialsUnreadable):
        await look_up(references, KEY, newest=True)
    assert await look_up(references, KEY) == {"api_key": "new"}, "which is good enough for everybody else"


@pytest.mark.parametrize(
    "reference",
    ["vault:pms-gateway/canary#api_key", f"vault:{PATH}#canary", "vault:canary#api_key", "file:canary", "env:CANARY"],
)
async def test_a_reference_that_leads_nowhere_is_named_by_its_credential(
    references: References, vault: LoopbackVault, reference: str
) -> None:
    vault.put(PATH, api_key="good")
    with pytest.raises(InvalidRequest) as refused:
        await look_up(references, {"api_key": reference})
    assert refused.value.errors[0].loc == ("credentials", "api_key")
    assert "canary" not in refused.value.detail.casefold()


def _asked(vault: LoopbackVault) -> Callable[[], Any]:
    async def asked() -> int:
        return len(vault.asked)

    return asked
