"""Asks the ledger which capabilities a contract test is about, so that each is a test of its own."""

import pytest

from app.core.adapter import methods
from app.core.matrix import Ledger


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    vendor = getattr(metafunc.cls, "vendor", None)
    for name, wanted in (("declared", True), ("undeclared", False)):
        if vendor is not None and name in metafunc.fixturenames:
            entry = Ledger.load().of(vendor)
            metafunc.parametrize(name, [one for one in methods() if entry.supports(one) is wanted], ids=str)
