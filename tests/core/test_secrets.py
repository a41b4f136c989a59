"""A reference to a secret leads only where the operator said, and no refusal shows where it pointed."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.secrets import SecretResolver, is_reference
from app.domain.errors import InvalidRequest

CANARY = "canary-secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of credentials, with secrets inside and outside."""
    inside = tmp_path / "credentials"
    (inside / "below").mkdir(parents=True)
    (inside / "below" / "key").write_text(f"  {CANARY}\n")
    (tmp_path / "outside").write_text(CANARY)
    (tmp_path / "credentials-too").mkdir()
    (tmp_path / "credentials-too" / "key").write_text(CANARY)
    return inside


def resolve(reference: str, folder: Path | None = None) -> str:
    environment = {"PMS_CRED_PRIME": CANARY, "PMS_CRED_EMPTY": "", "DATABASE_URL": CANARY}
    return SecretResolver(environment, folder).resolve("api_key", SecretStr(reference)).get_secret_value()


def refusal(reference: str, folder: Path | None = None) -> str:
    with pytest.raises(InvalidRequest) as refused:
        resolve(reference, folder)
    assert refused.value.errors[0].loc == ("credentials", "api_key")
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return f"{refused.value} {refused.value.errors}"


@pytest.mark.parametrize("literal", ["plain", "https://x", "environment", "", "ENV:PMS_CRED_PRIME"])
def test_a_literal_is_itself(literal: str) -> None:
    assert not is_reference(literal)
    assert resolve(literal) == literal


def test_an_allowed_variable_gives_its_value() -> None:
    assert is_reference("env:PMS_CRED_PRIME")
    assert resolve("env:PMS_CRED_PRIME") == CANARY


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "PMS_CRED_MISSING", "PMS_CRED_EMPTY", "pms_cred_prime", " PMS_CRED_PRIME", "", "PATH"]
)
def test_any_other_variable_is_refused_and_not_named(name: str) -> None:
    told = refusal(f"env:{name}")
    assert CANARY not in told
    assert not name or name not in told


def test_a_file_below_the_folder_gives_its_text(folder: Path) -> None:
    assert resolve("file:below/key", folder) == CANARY
    assert resolve("file:below/../below/key", folder) == CANARY


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "below/../../outside",
        "../credentials-too/key",
        "/etc/hostname",
        "missing",
        "below",
        "",
        ".",
        "..",
        "below/key/more",
        "a\x00b",
        "x" * 5_000,
    ],
)
def test_no_other_file_is_read_and_no_path_is_told(folder: Path, name: str) -> None:
    told = refusal(f"file:{name}", folder)
    assert CANARY not in told
    assert str(folder) not in told
    assert len(name) < 5 or name not in told


def test_an_absolute_path_outside_is_refused(folder: Path) -> None:
    assert CANARY not in refusal(f"file:{folder.parent / 'outside'}", folder)


def test_a_link_out_of_the_folder_leads_nowhere(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "up").symlink_to(folder.parent, target_is_directory=True)
    refusal("file:link", folder)
    refusal("file:up/outside", folder)


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to("below/key")
    assert resolve("file:link", folder) == CANARY


def test_links_in_a_circle_lead_nowhere(folder: Path) -> None:
    (folder / "one").symlink_to("other")
    (folder / "other").symlink_to("one")
    refusal("file:one", folder)


def test_a_pipe_is_no_file_and_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    refusal("file:pipe", folder)


@pytest.mark.parametrize("content", [b"x" * 16_385, b"", b" \n", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_refused(folder: Path, content: bytes) -> None:
    (folder / "odd").write_bytes(content)
    refusal("file:odd", folder)


def test_without_a_folder_no_file_is_read() -> None:
    assert "CREDENTIALS_DIR" in refusal("file:/etc/hostname")


def test_without_a_vault_none_is_asked() -> None:
    told = refusal("vault:pms-gateway/canary#key")
    assert "VAULT_ADDR" in told
    assert "canary" not in told
