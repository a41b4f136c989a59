"""What becomes of an operation that may have landed: looked for again, seen absent, or given to a person.

The one place where an unknown write may turn into one that is sent again (writes.md, Settling).
"""

from datetime import timedelta

from app.domain.capability import Capability
from app.domain.errors import CannotBeSeen, GatewayError, NotSeen
from app.gateway.waits import ABSENCES_NEEDED, Waits
from app.store.dead_letters import Letter
from app.store.operation_records import OperationRecord, OperationStatus, Result

NEVER_TWICE = frozenset({Capability.RESERVATION_CREATE, Capability.CHARGE_POST})
"""What the machine never sends again without a vendor's key, however sure it is: money and rooms."""


def after_doubt(
    operation: OperationRecord, error: GatewayError, *, counts: bool, has_key: bool, age: timedelta, waits: Waits
) -> tuple[Result, Letter | None]:
    """Tell how an attempt that ended in doubt leaves its operation, and the dead letter that says so, if any.

    `counts`: whether not seeing the send means anything by now. `has_key`: whether the vendor honours ours. `age`:
    for how long nobody has known.
    """
    told = error.as_told()
    absences = operation.absences + int(counts and isinstance(error, NotSeen))
    if absences >= ABSENCES_NEEDED:
        return _never_done(operation, told, has_key=has_key)
    seconds = age.total_seconds()
    for_a_person = isinstance(error, CannotBeSeen) or seconds > waits.settle_life
    shown = for_a_person or seconds > waits.doubt_shown_after or operation.dead_letter_id is not None
    result = Result(
        status=OperationStatus.UNKNOWN,
        error=told,
        absences=absences,
        handed_over=for_a_person,
        next_in=None if for_a_person else waits.until_look(operation.looks),
    )
    return result, Letter(error=told) if shown else None


def _never_done(operation: OperationRecord, told: object, *, has_key: bool) -> tuple[Result, Letter | None]:
    if operation.kind in NEVER_TWICE and not has_key:
        return Result(status=OperationStatus.DEAD, error=told, absences=0), Letter(error=told, replayable=True)
    result = Result(
        status=OperationStatus.QUEUED,
        error=told,
        absences=0,
        next_in=timedelta(),
    )
    return result, Letter(error=told, auto_retry=True, replayable=True)
