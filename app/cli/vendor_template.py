"""The template of a vendor: real files, linted and typed where they are, copied under another name.

In them `_template` stands for the name in code, `Template` for its classes, `TEMPLATE` for its constants,
`Template PMS` for the display name, and one date for the day on which it is copied.
"""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from app.cli.console import CommandError
from app.cli.vendor_name import VendorName, in_python, in_yaml

LEDGER = Path("capability_matrix.yaml")
_LEDGER_BLOCK = Path("app/adapters/_template/ledger.yaml")
_FOLDERS = (Path("app/adapters"), Path("app/simulators"), Path("tests/adapters"))
_CONTRACT = Path("tests/contract")
_STEM = "_template"
_PLACES = re.compile(r'"Template PMS"|Template PMS|(?<![A-Za-z0-9_])_template(?![A-Za-z0-9_])|Template|TEMPLATE')
_WRITTEN_ON = "2026-11-20"
_VENDOR_KEY = re.compile(r"^  ([A-Za-z0-9_]+):", re.MULTILINE)
_REMARKS_ABOVE = re.compile(r"(?:^  #.*\n)*\Z", re.MULTILINE)


def new_files(project: Path, vendor: VendorName, today: date) -> dict[Path, str]:
    """Give the files of a new vendor by their paths below `project`.

    Raises:
        CommandError: the template is not here, or something of that name is.
    """
    sources = {
        path: folder / vendor.code / path.relative_to(project / folder / _STEM)
        for folder in _FOLDERS
        for path in sorted((project / folder / _STEM).rglob("*"))
        if path.suffix in {".py", ".md"}
    }
    sources[project / _CONTRACT / f"{_STEM}.py"] = _CONTRACT / f"test_{vendor.code}.py"
    for there in (*(folder / vendor.code for folder in _FOLDERS), *sources.values()):
        _require_free(project, there, vendor)
    return {target: _filled_in(_read(project, source), vendor, today) for source, target in sources.items()}


def new_roots(vendor: VendorName) -> tuple[Path, ...]:
    """Give what is new as a whole: the folders and the file that joins the contract suite."""
    return (*(folder / vendor.code for folder in _FOLDERS), _CONTRACT / f"test_{vendor.code}.py")


def new_ledger(project: Path, vendor: VendorName, today: date) -> str:
    """Give the ledger with the new vendor's block in its place; every other byte is as it was.

    Raises:
        CommandError: the ledger knows the vendor already, or cannot be read.
    """
    block = _read(project, project / _LEDGER_BLOCK).partition("vendors:\n")[2]
    ledger = _read(project, project / LEDGER)
    head, found, known = ledger.partition("\nvendors:\n")
    if not found:
        raise CommandError(f"{LEDGER} has no line that says vendors:")
    keys = list(_VENDOR_KEY.finditer(known))
    if vendor.code in {key[1] for key in keys}:
        raise CommandError(f"{vendor.code} is taken: {LEDGER} has it already")
    known = known if known.endswith("\n") or not known else f"{known}\n"
    after = next((key.start() for key in keys if key[1] > vendor.code), len(known))
    remarks = _REMARKS_ABOVE.search(known[:after])
    place = remarks.start() if remarks and after < len(known) else after
    return f"{head}{found}{known[:place]}{_filled_in(block, vendor, today, yaml=True)}{known[place:]}"


def code_of(project: Path) -> Mapping[Path, str]:
    """Give all code that may not name the new vendor, by its path below `project`."""
    paths = [*sorted((project / "app").rglob("*.py")), *sorted((project / "migrations").rglob("*.py"))]
    return {path.relative_to(project): path.read_text(encoding="utf-8") for path in paths if _STEM not in path.parts}


def _filled_in(text: str, vendor: VendorName, today: date, *, yaml: bool = False) -> str:
    written = {
        '"Template PMS"': in_yaml(vendor.display) if yaml else in_python(vendor.display),
        "Template PMS": vendor.display,
        _STEM: vendor.code,
        "Template": vendor.in_classes,
        "TEMPLATE": vendor.in_constants,
    }
    return _PLACES.sub(lambda place: written[place[0]], text.replace(_WRITTEN_ON, today.isoformat()))


def _read(project: Path, path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise CommandError(
            f"new-vendor works in a source checkout of the gateway, with its tests; {project} has no "
            f"{path.relative_to(project).as_posix()}"
        ) from error


def _require_free(project: Path, there: Path, vendor: VendorName) -> None:
    for path in (there, there.with_suffix(".py")):
        if _holds_anything(project / path):
            raise CommandError(f"{vendor.code} is taken: {path.as_posix()} is there already")


def _holds_anything(path: Path) -> bool:
    """Tell whether something is there; compiled leftovers of what was deleted are nothing."""
    if not path.is_dir():
        return path.exists()
    return any(below.is_file() and "__pycache__" not in below.parts for below in path.rglob("*"))
