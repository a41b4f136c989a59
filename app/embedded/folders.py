"""Folders that the servers can work in, whoever we are, and that no two runs share."""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.embedded.terms import EmbeddedServerError, Progress

_EPHEMERAL_NAME = re.compile(r"pms-gateway-[a-z]+-(?P<uid>\d+)-(?P<pid>\d+)-\w+")
_MEMORY = Path("/dev/shm")  # noqa: S108 - what is made in these three has a random name or is checked  # nosec B108
_SYSTEM_TEMPORARY = Path("/tmp")  # noqa: S108 - as above  # nosec B108
_SURVIVING_TEMPORARY = Path("/var/tmp")  # noqa: S108 - as above  # nosec B108
_PLENTY = 1024**3  # bytes
_LOCK_FREE_WITHIN = 20.0  # seconds; longer than a server takes to stop
_POLL = 0.02


@contextmanager
def ephemeral_folder(purpose: str) -> Iterator[Path]:
    """Lend a temporary folder until the block ends.

    It is in memory where there is plenty, unless TMPDIR asks for another place: a database is some 450 files,
    whose copy takes 12 ms there and took 450 ms on a disk.
    A killed process cannot tidy up, so the folders of our own user's dead processes are removed first.

    Args:
        purpose: One lower-case word, part of the folder's name.
    """
    account = unprivileged_account()
    disk = shared_temporary_folder(account)
    base = _MEMORY if disk == _SYSTEM_TEMPORARY and _has_plenty(_MEMORY, account) else disk
    for swept in {disk, _MEMORY}:
        _sweep(swept)
    folder = Path(tempfile.mkdtemp(dir=base, prefix=f"pms-gateway-{purpose}-{os.geteuid()}-{os.getpid()}-"))
    if account:
        folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_plenty(memory: Path, account: pwd.struct_passwd | None) -> bool:
    """Whether it can hold a database and its log; a container's default of 64 MB cannot."""
    usable = memory.is_dir() and os.access(memory, os.W_OK) and may_enter(memory, account)
    return usable and shutil.disk_usage(memory).free > _PLENTY


def _sweep(base: Path) -> None:
    for folder in base.glob(f"pms-gateway-*-{os.geteuid()}-*"):
        parts = _EPHEMERAL_NAME.fullmatch(folder.name)
        if parts and int(parts["uid"]) == os.geteuid() and not _is_alive(int(parts["pid"])) and is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process is a living one
    return True


def is_ours(folder: Path) -> bool:
    """Whether it is a real folder that nobody but our user could have made or filled."""
    with suppress(FileNotFoundError):
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return False


def unprivileged_account() -> pwd.struct_passwd | None:
    """Name the account that servers run as, None for our own."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedServerError(
            "Postgres does not run as root, and there is no account `nobody` to run it as: use another user"
        ) from None


def may_enter(folder: Path, account: pwd.struct_passwd | None) -> bool:
    """Whether an account reaches a folder, going by the modes of it and of all its ancestors."""
    if account is None:
        return True
    for step in (folder.resolve(), *folder.resolve().parents):
        found = step.stat()
        if found.st_uid == account.pw_uid:
            needed = stat.S_IXUSR
        else:
            needed = stat.S_IXGRP if found.st_gid == account.pw_gid else stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True


def reachable_folder(wished: Path, account: pwd.struct_passwd | None, progress: Progress) -> Path:
    """Make the wished folder, or one of the same meaning below /var/lib where `nobody` cannot reach it."""
    wished = wished.absolute()
    _make_folder(wished, account)
    if may_enter(wished, account):
        return wished
    instead = Path("/var/lib/pms-gateway", hashlib.sha256(bytes(wished.resolve())).hexdigest()[:16])
    _make_folder(instead, account)
    if not may_enter(instead, account) or not is_ours(instead):
        raise EmbeddedServerError(
            f"neither {wished} nor {instead} can be reached by `nobody`, whom Postgres runs as under root: "
            "name a folder whose ancestors others may pass, or do not run as root"
        )
    progress(f"`nobody` cannot reach {wished}; the files are in {instead}")
    return instead


def _make_folder(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder and its missing ancestors; under root others may pass through those that we made."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(exist_ok=True)
        if account:
            missing.chmod(0o711)


def shared_temporary_folder(account: pwd.struct_passwd | None) -> Path:
    """Find a folder for temporary files that an account can reach.

    Raises:
        EmbeddedServerError: There is none.
    """
    for path in (Path(tempfile.gettempdir()), _SYSTEM_TEMPORARY, _SURVIVING_TEMPORARY):
        if path.is_dir() and may_enter(path, account):
            return path
    raise EmbeddedServerError("`nobody` reaches no temporary folder: set TMPDIR to one with mode 1777")


def take_lock(path: Path, progress: Progress) -> int:
    """Reserve a folder for us and for the servers that inherit the returned descriptor.

    A server of a killed run may still be shutting down; it is waited for. A living owner is an error.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + _LOCK_FREE_WITHIN
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode()
            if (owner and _is_alive(int(owner))) or time.monotonic() > deadline:
                os.close(lock)
                raise EmbeddedServerError(
                    f"{path.parent} is in use by process {owner or 'unknown'}: stop it or name another folder"
                ) from None
            if not told:
                progress("waiting for the servers of the previous run to stop")
            told = True
            time.sleep(_POLL)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock
