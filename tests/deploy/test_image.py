"""The image holds what serves and nothing else, and the linter has nothing to say."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
BUILD, LAST = DOCKERFILE.split("\nFROM ")[1:]


def only_for(extra: set[str]) -> set[str]:
    """Give the packages of the lock file that nothing but an extra needs, and that itself."""
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    needed_by = {
        pinned[1]: set(re.findall(r"^    #(?: via)? +(?!via)([\w.-]+)", block, re.MULTILINE))
        for block in re.split(r"\n(?=[a-z0-9])", lock)
        if (pinned := re.match(r"([a-z0-9._-]+)(?:\[[^\]]*\])?==", block))
    }
    found = set(extra)
    while more := {name for name, users in needed_by.items() if users and users <= found} - found:
        found |= more
    return found


def test_the_linter_has_nothing_to_say_and_is_told_to_ignore_nothing() -> None:
    hadolint = shutil.which("hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if hadolint is None:
        pytest.skip("hadolint is not installed: it comes with requirements-dev.lock")
    done = subprocess.run([hadolint, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hadolint ignore" not in DOCKERFILE


def test_no_server_of_the_demo_is_in_it() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    embedded = {requirement.partition("==")[0] for requirement in project["optional-dependencies"]["embedded"]}
    removed = re.search(r"pip uninstall -y (pixel.*)", BUILD)
    assert removed
    assert set(removed[1].split()) == only_for(embedded)


def test_what_is_installed_is_what_the_lock_file_holds() -> None:
    installs = re.findall(r"pip install (.*?)(?: \\)?$", DOCKERFILE, re.MULTILINE)
    assert installs == [
        "--require-hashes --only-binary :all: -r requirements.lock",
        "--no-deps --no-build-isolation -e .",
    ]


def test_the_last_stage_builds_nothing_and_runs_as_nobody() -> None:
    assert not re.search(r"apt-get|pip install|gcc|curl|wget|\bADD\b", LAST)
    assert re.search(r"^USER (\d+):\d+$", LAST, re.MULTILINE), "a number, so that Kubernetes sees that it is not root"
    assert "COPY --from=build" in LAST
    assert not re.search(r"^COPY (?!--from=build)", LAST, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", LAST, re.MULTILINE)


def test_its_health_is_asked_where_it_listens() -> None:
    health = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z/]+)", LAST.partition("HEALTHCHECK")[2])
    assert health
    assert f'"--port", "{health[1]}"' in LAST
    assert f"EXPOSE {health[1]}" in LAST
    assert health[2] == "/health/live"
