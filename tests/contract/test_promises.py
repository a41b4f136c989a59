"""Holds vendors to the contract: each has joined it, and none has quietly left a part of it out."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.adapter import methods
from app.core.matrix import Ledger
from app.domain.capability import Capability
from tests import contract
from tests.contract.promised import QUESTIONS
from tests.contract.suite import VendorContract


def _marked(**values: Any) -> Any:
    """Make something that stands in the place of a promise, with an xfail."""

    def replacement() -> None: ...

    return pytest.mark.xfail(**values)(replacement)


WAIVED = _marked(strict=True, reason="the vendor's wire cannot say it")


def _vendors() -> list[type[VendorContract]]:
    for module in pkgutil.iter_modules(contract.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{contract.__name__}.{module.name}")
    return [one for one in _below(VendorContract) if one.__module__.startswith(contract.__name__)]


def _below(base: type[VendorContract]) -> Iterator[type[VendorContract]]:
    for one in base.__subclasses__():
        yield one
        yield from _below(one)


def _broken(vendor: type[VendorContract]) -> list[str]:
    """Name the promises that a subclass replaces without being allowed to."""
    own = [base for base in vendor.__mro__ if issubclass(base, VendorContract) and base is not VendorContract]
    replaced = {name: value for base in reversed(own) for name, value in vars(base).items()}
    promises = {name: value for name, value in vars(VendorContract).items() if name.startswith("test_")}
    left = [name for name in replaced.keys() & promises.keys() if not _may_replace(promises[name], replaced[name])]
    return sorted([*left, *(replaced.keys() & {"pytestmark", "offers", "needs", "connection"})])


def _may_replace(promise: Any, replacement: Any) -> bool:
    marks = [mark for mark in getattr(replacement, "pytestmark", ()) if mark.name == "xfail"]
    excused = any(mark.kwargs.get("strict") is True and mark.kwargs.get("reason") for mark in marks)
    return excused and not getattr(promise, "never_waived", False)


def test_every_vendor_of_the_ledger_has_joined() -> None:
    assert sorted(one.vendor for one in _vendors()) == sorted(Ledger.load().vendors)


def test_no_vendor_leaves_a_promise_out() -> None:
    assert {one.__name__: _broken(one) for one in _vendors() if _broken(one)} == {}


def test_every_capability_is_asked_for() -> None:
    assert set(QUESTIONS) == set(methods())
    assert len(QUESTIONS) < len(Capability)


def test_lost_answers_isolation_and_money_cannot_be_waived() -> None:
    never = {name for name, value in vars(VendorContract).items() if getattr(value, "never_waived", False)}
    assert len(never) == 6
    for subject, count in (("lost_answer", 2), ("money", 2), ("two_installations", 1), ("second_property", 1)):
        assert sum(subject in name for name in never) == count


@pytest.mark.parametrize(
    ("members", "broken"),
    [
        ({}, []),
        ({"helper": lambda _: None}, []),
        ({"test_more": lambda _: None}, []),
        ({"test_the_ledger_tells_the_truth": lambda _: None}, ["test_the_ledger_tells_the_truth"]),
        ({"test_the_ledger_tells_the_truth": None}, ["test_the_ledger_tells_the_truth"]),
        ({"test_the_ledger_tells_the_truth": WAIVED}, []),
        (
            {"test_the_ledger_tells_the_truth": _marked(reason="not strict", strict=False)},
            ["test_the_ledger_tells_the_truth"],
        ),
        ({"test_the_ledger_tells_the_truth": _marked(strict=True)}, ["test_the_ledger_tells_the_truth"]),
        ({"test_two_installations_never_mix": WAIVED}, ["test_two_installations_never_mix"]),
        ({"pytestmark": pytest.mark.skip}, ["pytestmark"]),
        ({"needs": lambda *_: pytest.skip("no")}, ["needs"]),
    ],
)
def test_the_watchman_sees_what_a_vendor_replaces(members: dict[str, Any], broken: list[str]) -> None:
    made = type("Sample", (VendorContract,), {"vendor": "sample", "__module__": "elsewhere", **members})
    assert _broken(made) == broken
