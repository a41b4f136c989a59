"""Nobody but adapters and simulators names a vendor, in code, string or comment.

Bought by `TaxabilityReason.from_stripe` in a domain model and by a provider lookup that is an elif of 150 lines: a
shared file that knows vendors is a tax on every new one.
"""

import io
import tokenize

import pytest

from app.cli.vendor_name import naming
from app.core.matrix import Ledger
from tests.architecture.source import PROJECT, Module, modules, vendor_folders

OUR_OWN = "bridge"
"""Our own open contract is no vendor's, so that the command line and the composition root may name it."""
MAY_NAME_OUR_OWN = ("app/main.py", "app/cli.py", "app/cli/")
ROOMS_OF_VENDORS = ("app/adapters/", "app/simulators/")


def vendors() -> set[str]:
    simulators = (PROJECT / "app" / "simulators").iterdir()
    simulated = {path.name for path in simulators if path.is_dir() and path.name[0] not in "_."}
    return {*Ledger.load().vendors, *vendor_folders(), *simulated}


def named(module: Module, names: set[str]) -> list[str]:
    """Give the places where a module names one of them."""
    if not names:
        return []
    pattern = naming(names)
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    return [
        f"{module.path}:{token.start[0]} {hit.group()}" for token in tokens for hit in pattern.finditer(token.string)
    ]


@pytest.mark.parametrize(
    "module",
    [module for module in modules("app", "migrations") if not module.path.startswith(ROOMS_OF_VENDORS)],
    ids=lambda module: module.path,
)
def test_no_vendor_is_named_above_its_own_floor(module: Module) -> None:
    names = vendors() - ({OUR_OWN} if module.path.startswith(MAY_NAME_OUR_OWN) else set())
    assert named(module, names) == []


@pytest.mark.parametrize("vendor", vendor_folders())
def test_a_vendors_folder_names_no_other_vendor(vendor: str) -> None:
    others = vendors() - {vendor, OUR_OWN}
    assert [place for module in modules(f"app/adapters/{vendor}") for place in named(module, others)] == []


@pytest.mark.parametrize(
    "sample",
    [
        "import acme",
        "from x.acme_pms import y",
        "AcmeAdapter = 1",
        "def getAcme(): ...",
        "x = 'for ACME only'",
        "x = 1  # acme",
        'f"{acme}"',
    ],
)
def test_the_rule_finds_a_name_wherever_it_stands(sample: str) -> None:
    assert named(Module("sample.py", sample), {"acme"})


def test_the_rule_finds_no_name_in_another_word() -> None:
    assert named(Module("sample.py", "acmeology = 'bacme'"), {"acme"}) == []
