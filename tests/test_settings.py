from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import DatabaseSettings, Settings, generate_key, generate_secret, parse_keys

GIVEN = {
    "DATABASE_URL": "postgresql://u:pw@h:5432/db",
    "REDIS_URL": "redis://h/0",
    "ENCRYPTION_KEYS": generate_key("k2") + ", " + generate_key("k1"),
    "INDEX_KEYS": generate_key(),
    "IDEMPOTENCY_SECRET": generate_secret(),
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PRIVATE_PMS_NETWORKS", "10.0.0.0/8, fd00::/8")
    environment.setenv("log_level", "debug")
    settings = Settings()
    assert settings.async_database_url == "postgresql+asyncpg://u:pw@h:5432/db"
    assert settings.plain_database_url == "postgresql://u:pw@h:5432/db"
    assert list(settings.encryption_key_bytes()) == ["k2", "k1"]
    assert len(settings.idempotency_secret_bytes()) == 32
    assert [str(network) for network in settings.private_pms_networks] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.log_level == "DEBUG"
    assert (settings.host, settings.port, settings.allow_loopback_pms) == ("127.0.0.1", 8000, False)


def test_a_file_is_read_and_the_environment_wins(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9001\nHOST=::1\nSOMETHING_ELSE=1\n")
    environment.setenv("HOST", "0.0.0.0")  # noqa: S104 - nothing listens
    settings = Settings()
    assert (settings.port, settings.host) == (9001, "0.0.0.0")  # noqa: S104 - nothing listens


def test_migrations_need_the_database_only(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ENCRYPTION_KEYS")
    assert DatabaseSettings().plain_database_url == "postgresql://u:pw@h:5432/db"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ENCRYPTION_KEYS", "canary", "id:base64"),
        ("ENCRYPTION_KEYS", "k1:canary!", "key k1: is not base64"),
        ("INDEX_KEYS", "k1:Y2FuYXJ5", "key k1: must be 32 bytes, not 6"),
        ("INDEX_KEYS", " , ", "at least one key"),
        ("IDEMPOTENCY_SECRET", "Y2FuYXJ5", "must be 32 bytes"),
        ("DATABASE_URL", "mysql://canary@h/db", "must begin with postgresql://"),
        ("PRIVATE_PMS_NETWORKS", "canary", "private_pms_networks"),
        ("LOG_LEVEL", "loud", "DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_malformed_value_is_named_and_never_shown(
    environment: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert says in str(caught.value)
    if name != "PRIVATE_PMS_NETWORKS":
        assert "canary" not in str(caught.value)
        assert "Y2FuYXJ5" not in str(caught.value)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="k1 stands twice"):
        parse_keys(f"{generate_key()},{generate_key()}")


def test_no_secret_is_in_the_settings_repr(environment: pytest.MonkeyPatch) -> None:
    shown = repr(Settings())
    assert all(value not in shown for value in GIVEN.values())


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


VAULT = {"VAULT_ADDR": "https://vault.example:8200", "VAULT_TOKEN": "canary-token"}


def test_a_vault_is_named_with_one_way_to_log_in(environment: pytest.MonkeyPatch) -> None:
    for name, value in VAULT.items():
        environment.setenv(name, value)
    environment.setenv("VAULT_PREFIX", "/apps/pms/")
    settings = Settings()
    assert (settings.vault_mount, settings.vault_prefix) == ("secret", "apps/pms")
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"VAULT_TOKEN": ""}, "VAULT_ADDR needs one of VAULT_TOKEN, VAULT_TOKEN_FILE, VAULT_KUBERNETES_ROLE"),
        ({"VAULT_KUBERNETES_ROLE": "gateway"}, "there is VAULT_TOKEN and VAULT_KUBERNETES_ROLE"),
        ({"VAULT_ADDR": ""}, "VAULT_TOKEN without VAULT_ADDR"),
        ({"VAULT_ADDR": "http://vault.example"}, "must be an https URL"),
        ({"VAULT_ADDR": "http://127.0.0.1:8200"}, "must be an https URL"),
        ({"VAULT_ADDR": "https://user:canary@vault.example"}, "must be an https URL"),
        ({"VAULT_ADDR": "https://vault.example/?canary"}, "must be an https URL"),
        ({"VAULT_ADDR": "https://"}, "must be an https URL"),
        ({"VAULT_PREFIX": "apps/../canary"}, "must be a path"),
        ({"VAULT_PREFIX": "/"}, "must be a path"),
        ({"VAULT_MOUNT": "a//canary"}, "must be a path"),
        ({"VAULT_CA_FILE": "canary.pem"}, "certificates in PEM form"),
        ({"PMS_CA_FILE": "canary.pem"}, "certificates in PEM form"),
        ({"CREDENTIAL_MAX_AGE_DAYS": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_vault_that_cannot_be_used_is_told_with_what_to_set(
    environment: pytest.MonkeyPatch, changes: dict[str, str], says: str
) -> None:
    for name, value in {**VAULT, **changes}.items():
        environment.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_vault_on_this_machine_may_be_http_where_a_pms_may(environment: pytest.MonkeyPatch) -> None:
    for name, value in {**VAULT, "VAULT_ADDR": "http://127.0.0.1:8200", "ALLOW_LOOPBACK_PMS": "true"}.items():
        environment.setenv(name, value)
    assert Settings().vault_addr == "http://127.0.0.1:8200"


def test_a_file_of_certificates_that_holds_none_is_refused_at_start(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    environment.setenv("PMS_CA_FILE", str(tmp_path / "empty.pem"))
    with pytest.raises(ValidationError, match="certificates in PEM form"):
        Settings()
