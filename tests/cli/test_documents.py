"""What is printed from the code is current, and the packaging files name what there is."""

import re
from pathlib import Path

import pytest
import yaml

from app.cli.matrix import env_example, settings_table
from app.domain.capability import Capability
from app.settings import Settings
from tests.cli.conftest import CommandLine

PROJECT = Path(__file__).parents[2]
NAMES = {name.upper() for name in Settings.model_fields}


def test_the_printed_documents_are_current(bare: CommandLine) -> None:
    checked = bare("matrix", "--check")
    assert checked.status == 0, checked.err


def test_the_matrix_has_a_row_for_every_capability_and_a_column_for_every_vendor(bare: CommandLine) -> None:
    rows = bare("matrix").out.splitlines()
    vendors = yaml.safe_load((PROJECT / "capability_matrix.yaml").read_text())["vendors"]
    assert [row.split("|")[1].strip(" `") for row in rows[2:-1]] == [capability.value for capability in Capability]
    assert {len(row.split("|")) - 3 for row in rows} == {len(vendors)}


def test_every_setting_has_a_line_in_the_example_and_a_row_in_the_table() -> None:
    assert set(re.findall(r"^#?([A-Z_]+)=", env_example(), re.MULTILINE)) - {"PMS_CRED_PRIME"} == NAMES
    assert set(re.findall(r"^\| `([A-Z_]+)`", settings_table(), re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", ["docker-compose.yml", ".pre-commit-config.yaml"])
def test_the_packaging_files_can_be_read(name: str) -> None:
    assert yaml.safe_load((PROJECT / name).read_text())


def test_the_compose_file_sets_only_settings_that_there_are() -> None:
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    ours = [service for service in services.values() if service["image"].startswith("pms-gateway")]
    assert len(ours) == 4
    assert services["worker"]["environment"] == services["gateway"]["environment"]
    assert {name for name in NAMES if name.startswith("PMS_")} <= set(services["gateway"]["environment"])
    assert {name for service in ours for name in service.get("environment", {})} <= NAMES
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= set(services["gateway"]["environment"])


def test_the_image_is_made_of_files_that_are_let_into_it() -> None:
    let_in = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert {source for line in copied for source in line.split()} == let_in
    assert all((PROJECT / name).exists() for name in let_in)
