"""`pms-gateway demo`: the whole house, once, by one command."""

import os
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

from app.core.matrix import Ledger
from app.domain.capability import Capability
from tests.cli.conftest import CommandLine, FreePorts, Running, all_gone, family

NEEDED_TO_BOOK = (
    Capability.RATES,
    Capability.RESERVATION_CREATE,
    Capability.RESERVATION_GET,
    Capability.RESERVATION_CANCEL,
)
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels tell no orphans")


def _ports(free_ports: FreePorts) -> dict[str, str]:
    port, simulators = free_ports(2)
    return {"PORT": str(port), "SIMULATORS_PORT": str(simulators)}


def _until_serving(demo: Running) -> set[int]:
    demo.until(lambda: "guests/search\n" in demo.said().partition("Try it:")[2], "the end of the tour")
    assert "NOT as promised" not in demo.said()
    return family(demo.process.pid)


def _folder(demo: Running) -> Path:
    found = re.search(r"^  logs +(\S+)$", demo.said(), re.MULTILINE)
    assert found
    return Path(found[1])


def test_the_tour_is_as_promised_and_ends_the_demo(bare: CommandLine, free_ports: FreePorts) -> None:
    shown = bare("demo", DEMO_EXIT="1", **_ports(free_ports))
    assert shown.status == 0, shown.out + shown.err
    calls = [line for line in shown.out.splitlines() if re.match(r"[✓✗] \d{3} ", line)]
    assert len(calls) >= 50
    assert not [line for line in calls if line.startswith("✗")]
    assert f"{len(calls)} calls, all as promised" in shown.out
    booked = re.findall(r"^A booking at (\S+)$", shown.out, re.MULTILINE)
    able = [vendor for vendor in Ledger.load().vendors.values() if all(map(vendor.supports, NEEDED_TO_BOOK))]
    assert len(booked) == len(able) >= 2
    assert re.findall(r"^When things go wrong at (\S+)$", shown.out, re.MULTILINE) == booked
    noted = sum(vendor.supports(Capability.RESERVATION_NOTE) for vendor in able)
    assert shown.out.count("is queued, until") == shown.out.count("the PMS's own books have the note once") == noted


@linux_only
def test_the_demo_serves_until_ctrl_c_and_leaves_nothing(bare: CommandLine, free_ports: FreePorts) -> None:
    ports = _ports(free_ports)
    with bare.start("demo", environment=ports) as demo:
        children = _until_serving(demo)
        key = re.search(r"pmsgw_\S+", demo.said())
        assert key
        headers = {"Authorization": f"Bearer {key[0]}"}
        answer = httpx.get(f"http://127.0.0.1:{ports['PORT']}/v1/hotels", headers=headers, trust_env=False)
        assert answer.status_code == 200
        folder = _folder(demo)
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.ends() == 0, demo.said()
        assert all_gone(children)
        assert not folder.exists()


@linux_only
def test_a_killed_parent_takes_the_demo_along(bare: CommandLine, free_ports: FreePorts) -> None:
    launcher = (sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    with bare.start("demo", "--with-parent", launcher=launcher, environment=_ports(free_ports)) as demo:
        demo.until(lambda: "Reading at" in demo.said(), "the tour")
        children = family(demo.process.pid)
        demo.process.kill()
        assert all_gone(children)


@linux_only
def test_a_killed_demo_leaves_no_orphan(bare: CommandLine, free_ports: FreePorts) -> None:
    with bare.start("demo", environment=_ports(free_ports)) as demo:
        demo.until(lambda: "Reading at" in demo.said(), "the tour")
        children = family(demo.process.pid)
        assert len(children) >= 5
        demo.process.kill()
        assert all_gone(children)


@linux_only
def test_the_demo_ends_with_the_log_of_a_child_that_died(bare: CommandLine, free_ports: FreePorts) -> None:
    with bare.start("demo", environment=_ports(free_ports)) as demo:
        children = _until_serving(demo)
        gateway = next(pid for pid in children if _is(pid, "serve"))
        os.kill(gateway, signal.SIGKILL)
        assert demo.ends() == 1
        assert "gateway has ended unexpectedly" in demo.said()
        assert "request.finished" in demo.said()
        assert all_gone(children)


@pytest.mark.parametrize("variable", ["PORT", "SIMULATORS_PORT"])
def test_a_taken_port_is_named_with_its_variable(
    bare: CommandLine, free_ports: FreePorts, taken_port: int, variable: str
) -> None:
    refused = bare("demo", DEMO_EXIT="1", **(_ports(free_ports) | {variable: str(taken_port)}))
    assert refused.status == 1
    assert f"port {taken_port} of 127.0.0.1 is taken: set {variable} to another one" in refused.err


def _is(pid: int, command: str) -> bool:
    return command.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
