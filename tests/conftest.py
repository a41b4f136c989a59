"""What all tests share lives in `tests/fixtures`, one file a subject; here they are only introduced."""

import pytest

pytest_plugins = [
    "tests.fixtures.services",
    "tests.fixtures.simulators",
    "tests.fixtures.gateway",
    "tests.fixtures.own_gateway",
    "tests.fixtures.own_worker",
    "tests.fixtures.caches",
    "tests.fixtures.certificates",
    "tests.fixtures.vault",
    "tests.api.document",
    "tests.api.process",
]


# What `new-vendor` copies has no vendor to talk to until it is copied: tests/cli/test_new_vendor.py runs it then.
collect_ignore_glob = ["adapters/_*"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a change of the API be written down: `pytest tests/api/test_openapi.py --renew-openapi`."""
    parser.addoption("--renew-openapi", action="store_true", help="write tests/api/openapi.json anew")
