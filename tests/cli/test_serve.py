"""`pms-gateway serve` and `simulate`: they answer, stop in order, and leave nobody behind."""

import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.embedded import ephemeral_folder
from tests.cli.conftest import CommandLine, FreePorts, all_gone, family

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels tell no orphans")


@pytest.fixture
def embedded_folder() -> Iterator[Path]:
    """A folder that the servers reach under root too, unlike pytest's own."""
    with ephemeral_folder("tests") as folder:
        yield folder / "embedded"


def test_embedded_serving_answers_stops_on_sigterm_and_finds_its_data_again(
    bare: CommandLine, embedded_folder: Path, free_ports: FreePorts
) -> None:
    (port,) = free_ports(1)
    where = ("--folder", str(embedded_folder))
    with bare.start("serve", "--embedded", *where, "--port", str(port)) as served:
        served.answers(f"http://127.0.0.1:{port}/health/ready")
        made = bare("keys", "create", "--embedded", *where, "--client", "me", "--scope", "read", "--all-hotels")
        assert made.status == 0, made.err
        headers = {"Authorization": f"Bearer {made.out.strip()}"}
        hotels = f"http://127.0.0.1:{port}/v1/hotels"
        answer = httpx.get(hotels, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["data"]) == (200, [])
        assert "server" not in answer.headers
        children = family(served.process.pid)
        assert len(children) >= 2
        served.process.terminate()
        assert served.ends() == 0, served.said()
        assert all_gone(children)
        assert "Traceback" not in served.said()
    assert stat.S_IMODE((embedded_folder / "environment").stat().st_mode) == 0o600
    with bare.start("serve", "--embedded", *where, "--port", str(port)) as again:
        again.answers(f"http://127.0.0.1:{port}/health/ready")
        assert httpx.get(hotels, headers=headers, trust_env=False).status_code == 200


@linux_only
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_master(operator: CommandLine, free_ports: FreePorts, ending: signal.Signals) -> None:
    (port,) = free_ports(1)
    with operator.start("serve", "--workers", "2", "--port", str(port)) as served:
        served.answers(f"http://127.0.0.1:{port}/health/ready")
        children = family(served.process.pid)
        assert len(children) >= 2
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert "http_request_duration_seconds_count" in metrics.text
        os.kill(served.process.pid, ending)
        assert served.ends() == (0 if ending is signal.SIGTERM else -signal.SIGKILL), served.said()
        assert all_gone(children)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False)


@linux_only
def test_a_killed_embedded_gateway_leaves_no_server_behind(
    bare: CommandLine, embedded_folder: Path, free_ports: FreePorts
) -> None:
    (port,) = free_ports(1)
    with bare.start("serve", "--embedded", "--folder", str(embedded_folder), "--port", str(port)) as served:
        served.answers(f"http://127.0.0.1:{port}/health/ready")
        children = family(served.process.pid)
        served.process.kill()
        assert all_gone(children)


@linux_only
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_served_along_ends_with_the_gateway(
    bare: CommandLine, embedded_folder: Path, free_ports: FreePorts, ending: signal.Signals
) -> None:
    (port,) = free_ports(1)
    where = ("--folder", str(embedded_folder), "--port", str(port))
    with bare.start("serve", "--embedded", "--with-worker", *where) as served:
        served.answers(f"http://127.0.0.1:{port}/health/ready")
        served.until(lambda: "worker.started" in served.said(), "the worker")
        children = family(served.process.pid)
        os.kill(served.process.pid, ending)
        assert served.ends() == (0 if ending is signal.SIGTERM else -signal.SIGKILL), served.said()
        assert all_gone(children)
        if ending is signal.SIGTERM:
            assert "worker.stopped" in served.said()
            assert "Traceback" not in served.said()


@linux_only
def test_a_worker_that_dies_beside_the_gateway_is_replaced(operator: CommandLine, free_ports: FreePorts) -> None:
    (port,) = free_ports(1)
    with operator.start("serve", "--with-worker", "--port", str(port), environment={"LOG_LEVEL": "INFO"}) as served:
        served.until(lambda: served.said().count("worker.started") == 1, "the worker")
        (worker,) = family(served.process.pid)
        os.kill(worker, signal.SIGKILL)
        served.until(lambda: served.said().count("worker.started") == 2, "another worker")
        assert family(served.process.pid) - {worker}
        served.answers(f"http://127.0.0.1:{port}/health/ready")


@pytest.mark.parametrize("command", ["serve", "simulate"])
def test_a_taken_port_is_named(operator: CommandLine, taken_port: int, command: str) -> None:
    refused = operator(command, "--port", str(taken_port))
    assert refused.status == 1
    assert f"port {taken_port} of 127.0.0.1 is taken: --port" in refused.err
    assert "Traceback" not in refused.err


def test_simulators_are_served_until_they_are_told_to_stop(bare: CommandLine, free_ports: FreePorts) -> None:
    (port,) = free_ports(1)
    with bare.start("simulate", "--port", str(port)) as simulators:
        simulators.until(lambda: f"http://127.0.0.1:{port}/bridge/demo" in simulators.said(), "the addresses")
        simulators.process.terminate()
        assert simulators.ends() == 0, simulators.said()


def test_the_commands_of_nothing_embedded_say_what_to_do(bare: CommandLine) -> None:
    refused = bare("keys", "list", "--embedded", "--folder", str(bare.folder / "none"))
    assert refused.status == 1
    assert "run pms-gateway serve --embedded first" in refused.err
