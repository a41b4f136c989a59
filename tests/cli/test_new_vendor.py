"""`pms-gateway new-vendor`: what it makes is green at once; what it refuses leaves no trace."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from app.adapters._template import ADAPTER
from app.adapters._template.profile import TEMPLATE
from app.cli.vendor_name import VendorName
from app.cli.vendor_template import LEDGER, new_files, new_ledger, new_roots
from app.core.adapter import methods
from app.core.discovery import adapters
from app.core.matrix import Ledger, require_truth
from app.simulators._template import SIMULATOR
from app.simulators.server import simulators
from tests.cli.conftest import COMMAND, Ran

PROJECT = Path(__file__).parents[2]
NOT_OURS = shutil.ignore_patterns(".git", ".venv", ".env", ".local", ".*_cache", ".hypothesis", "__pycache__")
TODAY = date(2026, 12, 1)
LONGEST = "z" * 24

Command = Callable[..., Ran]


def environment(project: Path) -> Mapping[str, str]:
    """Give what a newcomer has: no setting at all, and servers that come with the tests."""
    return {"PATH": os.environ["PATH"], "HOME": str(project), "PYTHONPATH": str(project)}


def checkout_at(folder: Path) -> Path:
    return Path(shutil.copytree(PROJECT, folder / "checkout", ignore=NOT_OURS))


def new_vendor(project: Path, *arguments: str) -> Ran:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*COMMAND, "new-vendor", *arguments],
        cwd=project.parent,
        env=environment(project),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def contents(project: Path) -> dict[str, str]:
    """Give a digest of every file."""
    return {
        path.relative_to(project).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nothing is ever made."""
    return checkout_at(tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A checkout of the test's own."""
    return checkout_at(tmp_path)


# What it makes


@pytest.mark.timeout(400)
def test_a_new_vendor_is_green_at_once(own: Path, tmp_path: Path) -> None:
    before = contents(own)
    made = new_vendor(own, "stayfair", "--display-name", 'Stay\'n"Fair" Hôtel™ \\ Co')
    assert made.status == 0, made.err
    after = contents(own)
    assert {name for name in before if before[name] != after.get(name)} == {"README.md", LEDGER.as_posix()}
    assert all(f"  {name}\n" in made.out for name in after.keys() - before.keys())
    roots = [root.as_posix() for root in new_roots(VendorName.of("stayfair", None))]
    assert all(name.startswith(tuple(roots)) for name in after.keys() - before.keys())
    report = tmp_path / "report.xml"
    rules = ("fences", "promises", "quirks", "rooms", "sizes", "vendor_names")
    tested = ["tests/adapters/stayfair", "tests/contract/test_stayfair.py", "tests/contract/test_promises.py"]
    tested += [f"tests/architecture/test_{rule}.py" for rule in rules]
    tested += ["tests/simulators/test_server.py", "-k", "not test_server or every_simulator"]
    _all_pass(
        own,
        ["pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *tested],
        ["mypy", "--follow-imports=silent", "--cache-dir", str(tmp_path / "mypy"), *roots],
        ["ruff", "format", "--no-cache", "--check", *roots],
        ["ruff", "check", "--no-cache", *roots],
        ["app.cli", "matrix", "--check"],
    )
    _require_that_the_vendor_was_tested(report)


def _all_pass(project: Path, *commands: list[str]) -> None:
    """Run modules of Python side by side; the two slow ones need a core each."""
    with ExitStack() as stack:
        running = []
        for number, command in enumerate(commands):
            log = project.parent / f"{number}.log"
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-m", *command],
                cwd=project,
                env=environment(project),
                stdout=stack.enter_context(log.open("wb")),
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.kill)
            running.append((command, process, log))
        for command, process, log in running:
            assert process.wait(300) == 0, f"{command}\n{log.read_text(errors='replace')}"


def _require_that_the_vendor_was_tested(report: Path) -> None:
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - written by our own pytest
    skipped = {case.get("name") for case in cases if case.find("skipped") is not None}
    promises = {case.get("name") for case in cases if str(case.get("classname")).endswith("TestStayfair")} - skipped
    assert {
        "test_what_is_declared_works[reservation.get]",
        "test_what_is_not_declared_is_refused_without_a_word_to_the_pms[rates]",
        "test_two_installations_never_mix",
        "test_a_second_property_of_the_installation_is_another_hotel",
        "test_a_status_that_nobody_knows_is_unknown",
    } <= promises
    assert len(promises) > 35
    assert sum(str(case.get("classname")).startswith("tests.adapters.stayfair") for case in cases) > 10


NAMES = {
    "yx": "A'b",
    "a_1": "The \"A\" 'n' 'One' \\",
    "stayfair": "Ételhôzó ÅØ — ¡Ω!",
    LONGEST: "x" * 60,
    "z_" * 11 + "zz": "[*anchor]: {yaml} # & - %",
}


def test_whatever_it_is_called_it_is_formatted_and_says_its_name(own: Path) -> None:
    for code, display in NAMES.items():
        made = new_vendor(own, code, "--display-name", display)
        assert made.status == 0, made.err
    # The linter knows what is ours, which is sorted apart, by what is there: so it is asked in a whole checkout.
    _all_pass(own, ["ruff", "format", "--no-cache", "--check", "."], ["ruff", "check", "--no-cache", "."])
    ledger = Ledger.load(own / LEDGER)
    assert list(ledger.vendors) == sorted(ledger.vendors)
    for code, display in NAMES.items():
        folder = own / "app/adapters" / code
        profile = ast.parse((folder / "profile.py").read_text(encoding="utf-8"))
        assert {display, code} <= {node.value for node in ast.walk(profile) if isinstance(node, ast.Constant)}
        assert ledger.of(code).display_name == display
        assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {display}\n")


def test_no_word_of_the_template_is_left(untouched: Path) -> None:
    files = new_files(untouched, VendorName.of("stayfair", None), TODAY)
    assert not [path for path, text in files.items() if "template" in f"{path}{text}".lower()]


@pytest.mark.parametrize(
    ("known", "neighbour"),
    [(["bridge", "qloapps"], "qloapps"), (["bridge"], None), (["zeta"], "zeta"), ([], None)],
)
def test_the_ledger_gets_a_block_in_its_place_and_keeps_every_byte(
    tmp_path: Path, known: list[str], neighbour: str | None
) -> None:
    remarks = "# The ledger\n\nvendors:\n"
    blocks = [f"  # about {name}\n  {name}:\n    display_name:   {name}   # odd  spaces\n" for name in known]
    ledger = remarks + "".join(blocks)
    (tmp_path / LEDGER).write_text(ledger)
    template = tmp_path / "app/adapters/_template/ledger.yaml"
    template.parent.mkdir(parents=True)
    shutil.copy(PROJECT / "app/adapters/_template/ledger.yaml", template)
    grown = new_ledger(tmp_path, VendorName.of("middle", None), TODAY)
    before, _, rest = grown.partition("  middle:\n")
    _, comment, after = rest.partition(f"  # about {neighbour}\n") if neighbour else (rest, "", "")
    assert before + comment + after == ledger
    assert list(yaml.safe_load(grown)["vendors"]) == sorted([*known, "middle"])


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Stayfair"], "no name of a vendor"),
        (["stay-fair"], "no name of a vendor"),
        (["../stayfair"], "no name of a vendor"),
        (["stay__fair"], "no name of a vendor"),
        (["1stayfair"], "no name of a vendor"),
        (["_template"], "no name of a vendor"),
        (["stayfäir"], "no name of a vendor"),
        (["s"], "no name of a vendor"),
        ([LONGEST + "z"], "no name of a vendor"),
        (["import"], "a word of Python"),
        (["match"], "a word of Python"),
        (["bridge"], "app/adapters/bridge is there already"),
        (["site"], "app/simulators/site.py is there already"),
        (["promises"], "tests/contract/test_promises.py is there already"),
        (["hotel"], "is there already"),
        (["template"], "a word of the code already"),
        (["reservation"], "a word of the code already (app/"),
        (["stayfair", "--display-name", ""], "--display-name: 1 to 60"),
        (["stayfair", "--display-name", "A|B"], "--display-name: 1 to 60"),
        (["stayfair", "--display-name", "A\nB"], "--display-name: 1 to 60"),
        (["stayfair", "--display-name", "A\u202eB"], "--display-name: 1 to 60"),
        (["stayfair", "--display-name", "x" * 61], "--display-name: 1 to 60"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_made(untouched: Path, arguments: list[str], told: str) -> None:
    before = contents(untouched)
    refused = new_vendor(untouched, *arguments)
    assert (refused.status, refused.out) == (1, "")
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert contents(untouched) == before


def test_a_dry_run_tells_all_and_makes_nothing(untouched: Path) -> None:
    before = contents(untouched)
    told = new_vendor(untouched, "stayfair", "--dry-run")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith("would make Stayfair in ")
    assert all(
        f"  {path.as_posix()}\n" in told.out for path in new_files(untouched, VendorName.of("stayfair", None), TODAY)
    )
    assert contents(untouched) == before


def test_nothing_of_somebodys_own_is_overwritten_or_taken_along(own: Path) -> None:
    mine = own / "tests/adapters/stayfair/mine.py"
    mine.parent.mkdir()
    mine.write_text("MINE = 1\n")
    before = contents(own)
    refused = new_vendor(own, "stayfair")
    assert (refused.status, "tests/adapters/stayfair is there already" in refused.err) == (1, True)
    assert contents(own) == before


@pytest.mark.parametrize(
    "broken", ["no place for the table", "a ledger that lies", "an adapter that cannot be imported"]
)
def test_what_cannot_be_finished_is_undone(own: Path, broken: str) -> None:
    match broken:
        case "no place for the table":
            (own / "README.md").write_text("# Nothing is printed here\n")
        case "a ledger that lies":
            shutil.move(own / "app/adapters/bridge", own / "app/adapters/_away")
        case _:
            (own / "app/adapters/_template/wire.py").write_text("raise SystemExit(7)\n")
    before = contents(own)
    failed = new_vendor(own, "stayfair")
    assert failed.status != 0
    assert "is there, and green" not in failed.err
    assert contents(own) == before


def test_without_a_source_checkout_it_says_what_it_needs(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    shutil.copytree(PROJECT / "app", installed / "app", ignore=NOT_OURS)
    shutil.copy(PROJECT / LEDGER, installed)
    refused = new_vendor(installed, "stayfair")
    assert (refused.status, refused.out) == (1, "")
    assert "new-vendor works in a source checkout of the gateway" in refused.err


# The template itself


def test_the_template_is_no_vendor() -> None:
    assert TEMPLATE.vendor not in adapters()
    assert SIMULATOR.vendor not in simulators()
    assert TEMPLATE.vendor not in Ledger.load().vendors


def test_the_templates_ledger_and_code_agree_and_its_readme_leads_to_every_capability() -> None:
    folder = PROJECT / "app/adapters/_template"
    require_truth(Ledger.load(folder / "ledger.yaml"), {TEMPLATE.vendor: ADAPTER})
    _, _, road = (folder / "README.md").read_text(encoding="utf-8").partition("## Next\n")
    assert not [capability for capability in methods() if f"`{capability}`" not in road]
