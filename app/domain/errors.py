"""One tree of errors, and the one question each of them answers: did it happen?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.capability import Capability
from app.domain.causes import Cause
from app.domain.money import Money


class Outcome(StrEnum):
    """What a failure says about the vendor's side. Only this decides retry, dead letter and breaker."""

    REJECTED = "rejected"
    """The vendor did not do it."""
    NOT_SENT = "not_sent"
    """It never reached the vendor."""
    UNKNOWN = "unknown"
    """It may have happened."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """Which part of a request is wrong, as a path, and why."""

    loc: tuple[str | int, ...]
    msg: str


class GatewayError(Exception):
    """Something that a caller is told, with a stable `code` of the HTTP contract.

    `detail` is a sentence for a person and never holds a secret, a guest's data or a vendor's body. `cause` is why,
    where that is known, and `is_advised` tells that `detail` says already what to do about it; both are for this
    process only, callers are not told.
    """

    code: ClassVar[str] = "internal_error"
    outcome: ClassVar[Outcome] = Outcome.UNKNOWN
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        vendor: str | None = None,
        vendor_code: str | None = None,
        retry_after: float | None = None,
        errors: Sequence[FieldFault] = (),
        extra: Mapping[str, Any] | None = None,
        cause: Cause | None = None,
        is_advised: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.vendor = vendor
        self.vendor_code = vendor_code
        self.retry_after = retry_after
        self.errors = tuple(errors)
        self.extra = dict(extra or {})
        self.cause = cause
        self.is_advised = is_advised

    def as_told(self) -> dict[str, Any]:
        """Give what a caller is told of this, JSON-like, so that it can be told again."""
        faults = [{"loc": list(fault.loc), "msg": fault.msg} for fault in self.errors]
        told = {
            "code": self.code,
            "detail": self.detail,
            "vendor": self.vendor,
            "vendor_code": self.vendor_code,
            "errors": faults,
            "extra": self.extra,
        }
        return {name: value for name, value in told.items() if value}


def _faults(told: Mapping[str, Any]) -> list[FieldFault]:
    return [FieldFault(tuple(fault["loc"]), fault["msg"]) for fault in told.get("errors", ())]


class Told(GatewayError):
    """An error that a caller was told before, given again word for word."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(
            problem["detail"],
            vendor=problem.get("vendor"),
            vendor_code=problem.get("vendor_code"),
            errors=_faults(problem),
            extra=problem.get("extra"),
        )
        self.told_code: str = problem["code"]

    def as_told(self) -> dict[str, Any]:
        """Give what was told, under the code that it was told with."""
        return {**super().as_told(), "code": self.told_code}


class RequestRejected(GatewayError):
    """The request cannot be served as it is; nothing was sent."""

    outcome = Outcome.REJECTED


class InvalidRequest(RequestRejected):
    """A field is missing, malformed or contradicts another one."""

    code = "validation_failed"

    @classmethod
    def of(cls, field: str | Sequence[str | int], msg: str) -> "InvalidRequest":
        """Refuse one field, named as a path such as `("guest", "email")`."""
        loc = (field,) if isinstance(field, str) else tuple(field)
        return cls(f"{'.'.join(map(str, loc))}: {msg}", errors=[FieldFault(loc, msg)])


class BadRequest(RequestRejected):
    """The body cannot be read at all."""

    code = "bad_request"


class Unauthorized(RequestRejected):
    """No API key, or one that is not valid."""

    code = "unauthorized"


class Forbidden(RequestRejected):
    """The API key lacks the scope."""

    code = "forbidden"


class UnknownResource(RequestRejected):
    """There is no such thing on our side, or the caller may not know that there is."""

    code = "not_found"


class IdempotencyKeyRequired(RequestRejected):
    """The operation asks for an `Idempotency-Key`."""

    code = "idempotency_key_required"


class IdempotencyKeyReused(RequestRejected):
    """The key stands for another request."""

    code = "idempotency_key_reused"


class OperationInProgress(RequestRejected):
    """The same request is running now."""

    code = "operation_in_progress"


class CallerThrottled(RequestRejected):
    """The caller exceeded our own limit."""

    code = "rate_limited"


class CapabilityNotSupported(RequestRejected):
    """The vendor cannot do this, or cannot carry one field of it."""

    code = "capability_not_supported"

    def __init__(self, capability: Capability, reason: str, *, vendor: str, field: str | None = None) -> None:
        what = capability.value if field is None else f"{capability.value}: {field}"
        fault = [FieldFault((field,), reason)] if field else []
        super().__init__(f"{what} is not supported: {reason}", vendor=vendor, errors=fault)
        self.capability = capability


class PreconditionFailed(RequestRejected):
    """The resource is not at the version that the caller named."""

    code = "precondition_failed"


class PriceChanged(RequestRejected):
    """The price is not the one that was promised."""

    code = "price_changed"

    def __init__(self, expected: Money, actual: Money) -> None:
        super().__init__(
            f"the total is {actual.amount} {actual.currency}, not {expected.amount} {expected.currency}",
            extra={"expected": expected.model_dump(mode="json"), "actual": actual.model_dump(mode="json")},
        )


class ConflictRefused(RequestRejected):
    """Doing this would contradict something that exists; refused by the gateway, nothing was sent."""

    code = "conflict"


class MultiRoom(RequestRejected):
    """The change speaks of one room, the stay has several."""

    code = "multi_room"


class DeadlineExceeded(RequestRejected):
    """The caller's budget ended before there was an answer. A read, or a write that was never sent."""

    code = "deadline_exceeded"
    outcome = Outcome.NOT_SENT


class StorageUnavailable(RequestRejected):
    """Our own database is away; nothing was sent."""

    code = "storage_unavailable"
    outcome = Outcome.NOT_SENT
    retryable = True


class GatewayFailed(GatewayError):
    """A fault of ours, which the log tells more of."""


class VendorError(GatewayError):
    """Something that has to do with the vendor."""

    def as_shared(self) -> dict[str, Any]:
        """Give it JSON-like, so that another process can raise it to those who had waited for the same answer."""
        kind = next(one for one in type(self).__mro__ if one.__module__ == __name__)
        return {"kind": kind.__name__, "retry_after": self.retry_after, **self.as_told()}

    @staticmethod
    def shared(failure: Mapping[str, Any]) -> "VendorError":
        """Give what another process shared.

        Raises:
            KeyError: it is nothing that this version knows.
        """
        kinds = {one.__name__: one for one in _descendants(VendorError)}
        return kinds[failure["kind"]](
            failure["detail"],
            vendor=failure.get("vendor"),
            vendor_code=failure.get("vendor_code"),
            retry_after=failure["retry_after"],
            errors=_faults(failure),
            extra=failure.get("extra"),
        )


class VendorRejected(VendorError):
    """The vendor understood and said no, with its own code and words."""

    code = "pms_rejected"
    outcome = Outcome.REJECTED


class VendorLacks(VendorRejected):
    """This installation of the vendor's cannot do it, although others can."""

    code = "capability_not_supported"


class NotFound(VendorRejected):
    """The vendor has no such thing."""

    code = "not_found"


class NoAvailability(VendorRejected):
    """The vendor has no room to sell."""

    code = "no_availability"


class Conflict(VendorRejected):
    """The vendor's state does not allow this now."""

    code = "conflict"


class VersionMoved(VendorRejected):
    """The vendor's record changed between our reading and our writing."""

    code = "precondition_failed"


class VendorAuthFailed(VendorError):
    """The vendor refused this hotel's credentials. Alerts; never trips the breaker."""

    code = "pms_auth_failed"
    outcome = Outcome.REJECTED


class VendorThrottled(VendorError):
    """The vendor's quota is used up; the vendor did not act."""

    code = "pms_rate_limited"
    outcome = Outcome.NOT_SENT
    retryable = True


class VendorUnavailable(VendorError):
    """The vendor could not be reached: breaker open, connection refused, name not resolved."""

    code = "pms_unavailable"
    outcome = Outcome.NOT_SENT
    retryable = True


class CredentialsUnreadable(VendorUnavailable):
    """The place that this hotel's credentials are kept in cannot be asked now; nothing was sent."""


class OutcomeUnknown(VendorError):
    """The request was sent and no usable answer came back: a timeout, a reset, a 5xx."""

    code = "pms_unavailable"
    outcome = Outcome.UNKNOWN
    retryable = True


class CannotBeSeen(OutcomeUnknown):
    """A send whose answer was lost, and the PMS has no way to show what became of it."""


class NotSeen(OutcomeUnknown):
    """A send whose answer was lost was looked for in the PMS, and is not there so far."""


class VendorContractBroken(VendorError):
    """The vendor answered 2xx with something that is not what it documents."""

    code = "pms_bad_response"
    outcome = Outcome.UNKNOWN
    retryable = True


def _descendants(cls: type[VendorError]) -> list[type[VendorError]]:
    return [cls, *(one for child in cls.__subclasses__() for one in _descendants(child))]


PMSError = GatewayError
AuthenticationError = VendorAuthFailed
RateLimitError = VendorThrottled
ValidationError = InvalidRequest
NotFoundError = NotFound
