"""`pms-gateway new-vendor`: adapter, simulator, tests and ledger block of a vendor, green from the first minute."""

import importlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import CommandError, take_signals, tell
from app.cli.vendor_name import VendorName
from app.cli.vendor_template import LEDGER, code_of, new_files, new_ledger, new_roots

_PROJECT = Path(__file__).resolve().parents[2]
_PRINTED = (Path("README.md"), Path(".env.example"))


def new_vendor(
    name: Annotated[str, typer.Argument(help="The vendor in code: lower case letters, digits, underscores.")],
    display_name: Annotated[
        str | None, typer.Option("--display-name", help="As people know it; else made of NAME.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
) -> None:
    """Make a vendor from the template: adapter, simulator, tests and ledger block, all of it green at once."""
    vendor = VendorName.of(name, display_name)
    today = datetime.now(UTC).date()
    files = new_files(_PROJECT, vendor, today)
    ledger = new_ledger(_PROJECT, vendor, today)
    vendor.require_new(code_of(_PROJECT))
    _say_what(vendor, files, dry_run=dry_run)
    if dry_run:
        return
    take_signals()
    with _all_or_nothing(vendor):
        for path, text in files.items():
            _write(path, text)
        _write(LEDGER, ledger)
        _print_documents()
    _say_what_next(vendor)


@contextmanager
def _all_or_nothing(vendor: VendorName) -> Iterator[None]:
    """Undo everything unless the block comes to its end.

    Raises:
        CommandError: a file could not be written; nothing of it is left.
    """
    before = {path: (_PROJECT / path).read_bytes() for path in (LEDGER, *_PRINTED) if (_PROJECT / path).exists()}
    try:
        yield
    except BaseException as error:
        for path, content in before.items():
            if (_PROJECT / path).read_bytes() != content:
                (_PROJECT / path).write_bytes(content)
        for root in new_roots(vendor):
            shutil.rmtree(_PROJECT / root, ignore_errors=True)
            if not (_PROJECT / root).is_dir():
                (_PROJECT / root).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CommandError(f"nothing was made: {error}") from error
        raise


def _write(path: Path, text: str) -> None:
    (_PROJECT / path).parent.mkdir(parents=True, exist_ok=True)
    with (_PROJECT / path).open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _print_documents() -> None:
    """Print the tables of README.md anew, which needs the ledger and the new code to agree."""
    from app.cli.matrix import matrix
    from app.core.discovery import adapters

    importlib.invalidate_caches()
    adapters.cache_clear()
    matrix(check=False, write=True)


def _say_what(vendor: VendorName, files: Mapping[Path, str], *, dry_run: bool) -> None:
    print(f"{'would make' if dry_run else 'makes'} {vendor.display} in {_PROJECT}:")
    for path in files:
        print(f"  {path.as_posix()}")
    print(f"  {LEDGER.as_posix()} (a block)\n  {_PRINTED[0].as_posix()} (the table)", flush=True)


def _say_what_next(vendor: VendorName) -> None:
    name = vendor.code
    tell(
        f"""
{vendor.display} is there, and green: one capability, reservation.get, in a wire that is invented. Next:
  1. See it work:  pytest tests/adapters/{name} tests/contract/test_{name}.py
  2. Make the wire the vendor's own, first in app/simulators/{name}/service.py, then in app/adapters/{name} (profile,
     wire, mapping, adapter); what you find on the way that nobody told you is a quirk in its README.md.
  3. Then capability by capability, in the order of that README.md: raise the ledger's `none` in {LEDGER},
     which turns it red; show it in the simulator, override the method in the adapter, and print the table anew
     (`make docs`), until `make check` and the tests above are green again."""
    )
