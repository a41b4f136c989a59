"""The simulator, a true implementation, keeps every rule in each of its modes."""

import pytest

from app.cli.conformance.rules import Outcome
from app.cli.conformance.sandbox import Terms
from tests.cli.conformance.conftest import Inspect


@pytest.mark.parametrize(
    ("modes", "not_built", "advised"),
    [
        ({}, 8, []),
        ({"idempotency": "off"}, 12, []),
        ({"idempotency": "forgotten", "second_cancel": "refused"}, 20, ["4.13", "8.34"]),
        ({"built": "required", "page_size": "1"}, 50, []),
        ({"page_size": "2", "future_members": "on", "extra_status": "on", "business_date": "off"}, 8, []),
    ],
    ids=["keys", "kept keys", "no keys", "required only", "odd but right"],
)
async def test_a_true_implementation_keeps_every_rule(
    inspect: Inspect, modes: dict[str, str], not_built: int, advised: list[str]
) -> None:
    verdict = await inspect(modes=modes, terms=Terms(tonight=True))
    assert verdict.told == {}
    assert verdict.of(Outcome.ADVICE) == advised
    assert verdict.of(Outcome.SKIPPED) == []
    assert len(verdict.of(Outcome.NOT_BUILT)) == not_built
