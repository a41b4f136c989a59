from decimal import Decimal

import pytest

import app.core.breaker  # noqa: F401 - its errors belong to the tree
from app.domain import errors
from app.domain.capability import TRAITS, WRITES, Capability
from app.domain.errors import (
    CapabilityNotSupported,
    FieldFault,
    GatewayError,
    InvalidRequest,
    Outcome,
    PriceChanged,
    Told,
)
from app.domain.money import Money

STATUS_OF_CODE = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "validation_failed": 422,
    "idempotency_key_required": 400,
    "idempotency_key_reused": 422,
    "operation_in_progress": 409,
    "rate_limited": 429,
    "deadline_exceeded": 504,
    "storage_unavailable": 503,
    "precondition_failed": 412,
    "no_availability": 409,
    "price_changed": 409,
    "conflict": 409,
    "multi_room": 409,
    "pms_rejected": 422,
    "capability_not_supported": 501,
    "pms_auth_failed": 502,
    "pms_bad_response": 502,
    "pms_rate_limited": 503,
    "pms_unavailable": 503,
    "internal_error": 500,
    "bad_request": 400,
    "method_not_allowed": 405,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
}
"""The table of the HTTP contract."""

HTTP_ONLY = {"method_not_allowed", "payload_too_large", "unsupported_media_type"}
"""Found before any of our code runs, so that no error class stands for them."""


def kinds(kind: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in kinds(child))]


def example(kind: type[GatewayError]) -> GatewayError:
    one = Money(amount=Decimal(1), currency="EUR")
    if issubclass(kind, PriceChanged):
        return kind(one, one + one)
    if issubclass(kind, CapabilityNotSupported):
        return kind(Capability.RATES, "it has none", vendor="v", field="room_type")
    if issubclass(kind, Told):
        return kind({"code": "conflict", "detail": "no"})
    return kind("a sentence")


@pytest.mark.parametrize("kind", kinds())
def test_every_error_has_a_code_of_the_contract_and_an_outcome(kind: type[GatewayError]) -> None:
    assert kind.code in STATUS_OF_CODE
    assert isinstance(kind.outcome, Outcome)


def test_every_code_of_the_contract_has_an_error() -> None:
    assert {kind.code for kind in kinds()} == STATUS_OF_CODE.keys() - HTTP_ONLY


@pytest.mark.parametrize("kind", kinds())
def test_what_is_told_holds_no_null(kind: type[GatewayError]) -> None:
    told = example(kind).as_told()
    assert None not in told.values()
    assert told["detail"]


@pytest.mark.parametrize("kind", kinds())
def test_what_was_told_can_be_told_again_word_for_word(kind: type[GatewayError]) -> None:
    told = example(kind).as_told()
    assert Told(told).as_told() == told


def test_a_refused_field_is_named_by_its_path() -> None:
    error = InvalidRequest.of(("guest", "child_ages", 2), "too old")
    assert str(error) == "guest.child_ages.2: too old"
    assert error.errors == (FieldFault(("guest", "child_ages", 2), "too old"),)


def test_a_changed_price_says_both() -> None:
    error = PriceChanged(Money(amount=Decimal(1), currency="EUR"), Money(amount=Decimal(2), currency="EUR"))
    assert error.as_told()["extra"] == {
        "expected": {"amount": "1.00", "currency": "EUR"},
        "actual": {"amount": "2.00", "currency": "EUR"},
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AuthenticationError", "pms_auth_failed"),
        ("RateLimitError", "pms_rate_limited"),
        ("ValidationError", "validation_failed"),
        ("NotFoundError", "not_found"),
        ("PMSError", "internal_error"),
    ],
)
def test_the_five_public_names_stand_for_this_tree(name: str, code: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, GatewayError)
    assert kind.code == code


@pytest.mark.parametrize("kind", kinds())
def test_what_the_vendor_refused_is_never_tried_again(kind: type[GatewayError]) -> None:
    assert not (kind.outcome is Outcome.REJECTED and kind.retryable)


def test_writes_and_traits_are_capabilities_of_their_own() -> None:
    assert not TRAITS & WRITES
