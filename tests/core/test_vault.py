"""Vault is asked as the operator said, by nobody else's leave, and what it says is told without naming the place."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.core.secrets import CannotLookNow, LeadsNowhere
from app.core.vault import KubernetesLogin, TokenFile, Vault, VaultAccess
from tests.fixtures.certificates import Authority
from tests.fixtures.clock import ManualClock
from tests.fixtures.vault import POD_TOKEN, ROLE, ROOT_TOKEN, LoopbackVault, loopback_vault

PATH = "pms-gateway/hotels/prime"
DATA = f"GET /v1/secret/data/{PATH}"
LOGIN = "POST /v1/auth/kubernetes/login"
RENEW = "POST /v1/auth/token/renew-self"
LOOKUP = "GET /v1/auth/token/lookup-self"


@contextmanager
def reader(vault: LoopbackVault, clock: ManualClock | None = None, **access: Any) -> Iterator[Vault]:
    """Open what reads of that Vault, with the given token unless told otherwise."""
    values = {"address": vault.url, "login": SecretStr(ROOT_TOKEN), **access}
    made = Vault(VaultAccess(**values), clock or ManualClock())
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def pod(tmp_path: Path) -> KubernetesLogin:
    """The login of a pod."""
    token = tmp_path / "jwt"
    token.write_text(f"{POD_TOKEN}\n")
    return KubernetesLogin(ROLE, token_file=token)


def read(vault: Vault, field: str = "api_key") -> str:
    return vault.read(PATH).fields[field].get_secret_value()


def test_a_secret_is_read_with_the_time_of_its_version(vault: LoopbackVault) -> None:
    vault.put(PATH, api_key="canary-key", user="canary-user")
    with reader(vault) as made:
        found = made.read(PATH)
    assert {name: value.get_secret_value() for name, value in found.fields.items()} == {
        "api_key": "canary-key",
        "user": "canary-user",
    }
    assert found.since is not None
    assert found.since.replace(microsecond=0) == datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
    assert "canary" not in f"{found}{made}"


@pytest.mark.parametrize("value", ["", "x" * 16_385, 7, None, True, {"nested": "x"}, ["x"]])
def test_what_is_no_credential_is_left_out(vault: LoopbackVault, value: Any) -> None:
    vault.put(PATH, api_key=value, other="good")
    with reader(vault) as made:
        assert set(made.read(PATH).fields) == {"other"}


# --- where a reference may point ---


def test_a_reference_names_a_path_below_the_prefix_and_a_field(vault: LoopbackVault) -> None:
    with reader(vault) as made:
        assert made.locate(f"{PATH}#api_key") == (PATH, "api_key")
        assert made.locate("pms-gateway/a.b-c_D#x") == ("pms-gateway/a.b-c_D", "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#api_key",
        PATH,
        f"{PATH}#",
        f"{PATH}#a/b",
        f"{PATH}#a#b",
        "pms-gateway#api_key",
        "pms-gateway/#api_key",
        "pms-gateway-too/canary#api_key",
        "other/canary#api_key",
        "/pms-gateway/canary#api_key",
        "pms-gateway//canary#api_key",
        "pms-gateway/canary/#api_key",
        "pms-gateway/../canary#api_key",
        "pms-gateway/./canary#api_key",
        "pms-gateway/..#api_key",
        "pms-gateway/%2e%2e/canary#api_key",
        "pms-gateway/a%2fcanary#api_key",
        "pms-gateway/..;/canary#api_key",
        "pms-gateway\\canary#api_key",
        "pms-gateway/canary?version=1#api_key",
        "pms-gateway/can ary#api_key",
        "pms-gateway/canary\n#api_key",
        "pms-gateway/canary#api_key\n",
        "pms-gateway/canäry#api_key",
        f"pms-gateway/{'x' * 129}#api_key",
    ],
)
def test_no_other_reference_is_taken_and_none_is_repeated(vault: LoopbackVault, text: str) -> None:
    with reader(vault) as made, pytest.raises(LeadsNowhere) as refused:
        made.locate(text)
    assert "canary" not in str(refused.value)
    assert vault.asked == []


def test_a_prefix_may_be_several_segments(vault: LoopbackVault) -> None:
    with reader(vault, prefix="apps/pms") as made:
        assert made.locate("apps/pms/prime#key") == ("apps/pms/prime", "key")
        for outside in ("apps/other/prime#key", "apps/pms#key", "pms/prime#key"):
            with pytest.raises(LeadsNowhere):
                made.locate(outside)


# --- logging in ---


def test_a_pod_logs_in_once_and_reads_often(vault: LoopbackVault, pod: KubernetesLogin) -> None:
    vault.put(PATH, api_key="canary-key")
    with reader(vault, login=pod) as made:
        assert [read(made) for _ in range(3)] == ["canary-key"] * 3
    assert vault.asked == [LOGIN, DATA, DATA, DATA]
    assert "x-vault-token" not in vault.headers[0]


async def test_many_who_read_at_once_make_one_login(vault: LoopbackVault, pod: KubernetesLogin) -> None:
    vault.put(PATH, api_key="canary-key")
    with reader(vault, login=pod) as made:
        found = await asyncio.gather(*(asyncio.to_thread(read, made) for _ in range(8)))
    assert found == ["canary-key"] * 8
    assert vault.count(LOGIN) == 1


def test_a_token_that_vault_has_forgotten_is_replaced_by_a_new_login_once(
    vault: LoopbackVault, pod: KubernetesLogin
) -> None:
    vault.put(PATH, api_key="canary-key")
    with reader(vault, login=pod) as made:
        read(made)
        vault.tokens.clear()
        assert read(made) == "canary-key"
        assert vault.asked == [LOGIN, DATA, DATA, LOOKUP, LOGIN, DATA]
        vault.forbidden.add(PATH)
        with pytest.raises(LeadsNowhere, match="policy"):
            read(made)
        assert vault.asked[6:] == [DATA, LOOKUP]


def test_a_token_is_renewed_before_it_ends(vault: LoopbackVault, pod: KubernetesLogin) -> None:
    vault.put(PATH, api_key="canary-key")
    clock = ManualClock()
    with reader(vault, clock, login=pod) as made:
        read(made)
        clock.advance(0.7 * vault.lease_seconds)
        read(made)
    assert vault.asked == [LOGIN, DATA, RENEW, DATA]


def test_where_it_may_not_be_renewed_there_is_a_new_login(vault: LoopbackVault, pod: KubernetesLogin) -> None:
    vault.put(PATH, api_key="canary-key")
    clock, vault.is_renewable = ManualClock(), False
    with reader(vault, clock, login=pod) as made:
        read(made)
        clock.advance(0.7 * vault.lease_seconds)
        read(made)
    assert vault.asked == [LOGIN, DATA, LOGIN, DATA]


def test_a_token_in_a_file_is_read_again_when_vault_refuses_it(vault: LoopbackVault, tmp_path: Path) -> None:
    vault.put(PATH, api_key="canary-key")
    file = tmp_path / "token"
    file.write_text(ROOT_TOKEN)
    with reader(vault, login=TokenFile(file)) as made:
        read(made)
        vault.tokens = {"hvs.another"}
        with pytest.raises(CannotLookNow, match="does not accept the gateway's token"):
            read(made)
        file.write_text("hvs.another\n")
        assert read(made) == "canary-key"


@pytest.mark.parametrize("may_look", [True, False])
def test_a_token_whose_policy_forbids_a_secret_is_told_from_one_that_is_not_accepted(
    vault: LoopbackVault, may_look: bool
) -> None:
    vault.put(PATH, api_key="canary-key")
    vault.forbidden.add(PATH)
    with reader(vault) as made, pytest.raises(LeadsNowhere, match="policy") as refused:
        read(made)
    assert "prime" not in str(refused.value)
    vault.tokens.clear()
    vault.may_look_at_itself = may_look
    with reader(vault) as made, pytest.raises(CannotLookNow, match="does not accept"):
        read(made)


def test_a_secret_that_a_pod_may_not_read_costs_no_login_each_time(vault: LoopbackVault, pod: KubernetesLogin) -> None:
    vault.put(PATH, api_key="x")
    vault.forbidden.add(PATH)
    clock = ManualClock()
    with reader(vault, clock, login=pod) as made:
        for _ in range(5):
            with pytest.raises(LeadsNowhere, match="policy"):
                read(made)
        assert vault.count(LOGIN) == 1
        clock.advance(60)  # the role may have another policy by now, which only a new login brings
        with pytest.raises(LeadsNowhere, match="policy"):
            read(made)
        assert vault.count(LOGIN) == 2


@pytest.mark.parametrize("content", [None, "", "somebody-else"])
def test_a_pod_that_cannot_log_in_is_told_so(vault: LoopbackVault, pod: KubernetesLogin, content: str | None) -> None:
    vault.put(PATH, api_key="canary-key")
    pod.token_file.unlink()
    if content is not None:
        pod.token_file.write_text(content)
    says = "Kubernetes role" if content else "VAULT_KUBERNETES_TOKEN_FILE"
    with reader(vault, login=pod) as made, pytest.raises(CannotLookNow, match=says):
        read(made)


def test_a_namespace_goes_along(vault: LoopbackVault, pod: KubernetesLogin) -> None:
    vault.put(PATH, api_key="canary-key")
    vault.namespace = "hotels"
    with reader(vault, login=pod, namespace="hotels") as made:
        assert read(made) == "canary-key"
    with reader(vault, login=pod) as made, pytest.raises(CannotLookNow):
        read(made)


# --- what may go wrong ---


def test_what_is_not_there_is_told_without_its_name(vault: LoopbackVault) -> None:
    with reader(vault) as made:
        with pytest.raises(LeadsNowhere, match="no such secret") as missing:
            read(made)
        vault.put(PATH, api_key="canary-key")
        vault.secrets[PATH].deleted = True
        with pytest.raises(LeadsNowhere, match="deleted") as deleted:
            read(made)
    assert "prime" not in f"{missing.value}{deleted.value}"
    assert missing.value.__suppress_context__


def test_a_sealed_vault_cannot_be_asked_now(vault: LoopbackVault) -> None:
    vault.sealed = True
    with reader(vault) as made, pytest.raises(CannotLookNow, match="sealed"):
        read(made)


def test_a_vault_that_is_down_cannot_be_asked_now() -> None:
    with loopback_vault() as vault:
        pass
    with reader(vault) as made, pytest.raises(CannotLookNow, match="does not answer"):
        read(made)


def test_a_silent_vault_is_waited_for_two_seconds(vault: LoopbackVault) -> None:
    vault.hold()
    started = time.monotonic()
    with reader(vault) as made, pytest.raises(CannotLookNow, match="does not answer"):
        read(made)
    assert 1.5 < time.monotonic() - started < 4


def test_an_answer_that_drips_holds_no_thread(vault: LoopbackVault) -> None:
    vault.put(PATH, api_key="x" * 200)
    vault.drips = True
    started = time.monotonic()
    with reader(vault) as made, pytest.raises(CannotLookNow, match="does not answer"):
        read(made)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("text", [b'{"data": "', b""])
def test_an_answer_without_end_is_not_read_to_its_end(vault: LoopbackVault, text: bytes) -> None:
    vault.body = text + b" " * 50_000_000
    with reader(vault) as made, pytest.raises(CannotLookNow, match="no active Vault"):
        read(made)
    assert vault.sent < 20_000_000


def test_a_redirect_is_not_followed_and_the_token_stays_here(vault: LoopbackVault) -> None:
    with loopback_vault() as other:
        vault.elsewhere = f"{other.url}/v1/secret/data/{PATH}"
        with reader(vault) as made, pytest.raises(CannotLookNow, match="no active Vault"):
            read(made)
        assert other.asked == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"data": {"data": []}}', b'{"auth": {}}', b"\xff"])
def test_what_is_no_vault_gives_no_secret(vault: LoopbackVault, pod: KubernetesLogin, body: bytes) -> None:
    vault.body = body
    for login in (SecretStr(ROOT_TOKEN), pod):
        with reader(vault, login=login) as made, pytest.raises((CannotLookNow, LeadsNowhere)):
            read(made)


@pytest.mark.parametrize("body", [b"[]", b'{"errors": 7}', b'{"errors": [7]}', b"<html>"])
def test_an_error_that_is_not_in_vaults_form_is_one_all_the_same(vault: LoopbackVault, body: bytes) -> None:
    vault.body, vault.sealed = body, True
    with reader(vault) as made, pytest.raises(CannotLookNow):
        read(made)


def test_a_certificate_of_an_authority_that_was_named_is_trusted_and_no_other(authority: Authority) -> None:
    with loopback_vault(tls=authority.certify("vault")) as vault:
        vault.put(PATH, api_key="canary-key")
        with reader(vault, ca_file=authority.ca_file) as made:
            assert read(made) == "canary-key"
        with reader(vault) as made, pytest.raises(CannotLookNow, match="does not answer"):
            read(made)
        stranger = Authority(authority.folder, "stranger")
        with reader(vault, ca_file=stranger.ca_file) as made, pytest.raises(CannotLookNow):
            read(made)


def test_nothing_of_the_environment_decides(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with loopback_vault() as stranger, loopback_vault(tls=authority.certify("vault")) as vault:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login canary password canary\n")
        (tmp_path / ".vault-token").write_text("hvs.of-the-home")
        for name, value in {
            "HOME": str(tmp_path),
            "NETRC": str(netrc),
            "HTTP_PROXY": stranger.url,
            "HTTPS_PROXY": stranger.url,
            "ALL_PROXY": stranger.url,
            "VAULT_ADDR": stranger.url,
            "VAULT_TOKEN": "hvs.of-the-environment",
            "VAULT_NAMESPACE": "of-the-environment",
            "VAULT_CACERT": str(authority.ca_file),
            "REQUESTS_CA_BUNDLE": str(authority.ca_file),
            "CURL_CA_BUNDLE": str(authority.ca_file),
        }.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setenv(name.lower(), value)
        vault.put(PATH, api_key="canary-key")
        with reader(vault) as made, pytest.raises(CannotLookNow):
            read(made)  # whom the environment trusts is not trusted
        with reader(vault, ca_file=authority.ca_file) as made:
            assert read(made) == "canary-key"
        assert stranger.asked == []
        assert {headers["x-vault-token"] for headers in vault.headers} == {ROOT_TOKEN}
        assert not any({"authorization", "x-vault-namespace"} & headers.keys() for headers in vault.headers)
