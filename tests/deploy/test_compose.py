"""The compose file: nothing listens but on loopback, no secret stands in it, and everything stops in time."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.serve import GRACE_SECONDS
from app.workers.worker import GRACE_SECONDS as WORKERS_GRACE

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "pms-gateway:local"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
# Of the Compose Specification, as far as it is used here: a key that is misspelt is an error to the engine.
KEYS = {
    "build", "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "init", "logging",
    "network_mode", "ports", "profiles", "read_only", "restart", "security_opt", "shm_size", "stop_grace_period",
    "tmpfs", "user", "volumes",
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_made_of_what_compose_knows(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= KEYS
    for other, how in service.get("depends_on", {}).items():
        assert how.keys() == {"condition"}
        assert how["condition"] in CONDITIONS
        assert set(SERVICES[other].get("profiles", [])) <= set(service.get("profiles", []))
        if how["condition"] == "service_healthy":
            assert "test" in SERVICES[other].get("healthcheck", {}) or other == "gateway", "the image checks itself"
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or (PROJECT / source).is_file(), source
    if (mode := service.get("network_mode", "")).startswith("service:"):
        assert mode.removeprefix("service:") in service["depends_on"]
        assert "ports" not in service


def test_nothing_listens_but_on_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_stands_in_it() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEYS?$", name):
                assert re.fullmatch(r"\$\{[A-Z_]+(:[?-][^}]*)?\}", str(value)), name
                assert not re.search(r":-[^}]", str(value)), name
    assert set(re.findall(r"://\w+:([^@\n]+)@", TEXT)) <= {
        match for match in re.findall(r"\$\{[A-Z_]+:\?[^}]+\}", TEXT) if "PASSWORD" in match
    }


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_can_change_nothing(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"][0].startswith("/tmp:")  # noqa: S108 - of a container
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


def test_who_serves_has_the_time_to_finish() -> None:
    def seconds(name: str) -> int:
        return int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

    assert seconds("gateway") >= GRACE_SECONDS + 10
    assert seconds("worker") >= WORKERS_GRACE + 10


def test_only_who_migrates_has_the_owners_password() -> None:
    knowing = {name for name, service in SERVICES.items() if "${POSTGRES_PASSWORD" in str(service.get("environment"))}
    assert knowing == {"migrate", "roles", "postgres"}


def test_the_self_hosted_pms_is_reached_under_the_name_that_browsers_use() -> None:
    (published,) = SERVICES["qloapps"]["ports"]
    listens, goes_to = SERVICES["qloapps-door"]["command"]
    host, port, inside = published.split(":")
    assert listens.startswith(f"TCP-LISTEN:{port},bind={host},")
    assert goes_to == f"TCP:qloapps:{inside}"
    assert f"PMS_BASE_URL=http://{host}:{port} " in TEXT
