"""The tour's bad times: an answer that gets lost, a PMS that is away, and what becomes of the writes."""

from typing import Any, Protocol

from app.cli.booking import Hotel, ask_price, cancel, draft_of, new_key
from app.cli.guide import Answer, Guide, Note, require

_GUEST = {
    "first_name": "Sophie",
    "last_name": "Germain",
    "email": "sophie.germain@example.test",
    "phone": "+33 1 44 27 67 97",
}
_SAID = "Brings her own blackboard"
_DELIVERED_WITHIN = 30.0  # seconds; the first replay comes after five


class Troubles(Protocol):
    """What can be made to go wrong at the PMSs of the tour."""

    def switched_off(self, hotel_id: str) -> Any:
        """Let a PMS be away, as a context."""
        ...

    def losing_an_answer(self, hotel_id: str) -> Any:
        """Let a PMS make a booking without answering, as a context."""
        ...

    def count(self, hotel_id: str, text: str) -> int:
        """Count how often a text stands in a PMS's own books."""
        ...


class Stricken(Hotel, Protocol):
    """The hotel at which it happens."""

    @property
    def id(self) -> str:
        """How the gateway calls it."""
        ...


def suffer(guide: Guide, hotel: Stricken, troubles: Troubles, *, by_hand: bool) -> None:
    """Lose the answer to a booking, then switch the PMS off while a note is written.

    With `by_hand` the note is sent again by staff, else by the worker in its own time.

    Raises:
        Unexpected: a step went wrong; those after it stand on it.
    """
    made = _book_unheard(guide, hotel, troubles)
    path = f"{hotel.path}/reservations/{made['id']}"
    if hotel.offers("reservation.note"):
        _note_unreachable(guide, hotel, troubles, path, by_hand=by_hand)
    asked = f"/v1/audit?hotel_id={hotel.id}&reservation_id={made['id']}"
    guide.ask("GET", asked, _audited(once="reservation.create"))
    cancel(guide, hotel, made)


def _book_unheard(guide: Guide, hotel: Stricken, troubles: Troubles) -> Any:
    """Book where the PMS does what it is asked and hangs up: the caller gets a plain 201, the PMS has one booking."""
    quote = ask_price(guide, hotel)
    before = troubles.count(hotel.id, _GUEST["last_name"])
    guide.tell("the PMS makes the next booking and hangs up instead of answering")
    with troubles.losing_an_answer(hotel.id):
        made = guide.ask(
            "POST",
            f"{hotel.path}/reservations",
            _booked,
            status=201,
            key=new_key(),
            json=draft_of(hotel, quote, _GUEST),
        ).data
    found = troubles.count(hotel.id, _GUEST["last_name"]) - before
    guide.check(found == 1, f"the PMS's own books have {_GUEST['last_name']} {_times(found)}")
    return made


def _note_unreachable(guide: Guide, hotel: Stricken, troubles: Troubles, path: str, *, by_hand: bool) -> None:
    """Write a note while the PMS is away, and see it delivered once when it is back."""
    key, body = new_key(), {"text": _SAID}
    before = troubles.count(hotel.id, _SAID)
    guide.tell("the PMS is switched off; the gateway tries for some seconds, then queues the note")
    with troubles.switched_off(hotel.id):
        accepted = guide.ask("POST", f"{path}/notes", _queued, status=202, key=key, json=body)
        operation = accepted.data["id"]
        parked = guide.ask("GET", f"/v1/dead-letters?hotel_id={hotel.id}&status=pending", _parked(operation)).data
    if by_hand:
        letter = next(one["id"] for one in parked if one["operation_id"] == operation)
        guide.tell("the PMS is back, and staff do not want to wait")
        guide.ask("POST", f"/v1/dead-letters/{letter}/retry", _sent_again)
    else:
        guide.tell("the PMS is back; the worker tries again about five seconds after the first try")
    guide.wait(f"/v1/operations/{operation}", _is_over, _delivered, within=_DELIVERED_WITHIN)
    guide.ask("POST", f"{path}/notes", _replayed, status=201, key=key, json=body)
    found = troubles.count(hotel.id, _SAID) - before
    guide.check(found == 1, f"the PMS's own books have the note {_times(found)}")


def _booked(answer: Answer) -> str:
    made = answer.data
    require(made["status"] == "confirmed", f"status {made['status']}")
    require(made["guest"]["last_name"] == _GUEST["last_name"], "another guest")
    return f"{made['id']} {made['status']} all the same: the answer was lost, the booking is not"


def _queued(answer: Answer) -> str:
    operation = answer.data
    require(operation["status"] == "queued", f"it is {operation['status']}")
    require(answer.headers.get("Location") == f"/v1/operations/{operation['id']}", "no Location of the operation")
    return f"{operation['kind']} is {operation['status']}, until {operation['expires_at'][:16]}"


def _parked(operation: str) -> Note:
    def note(answer: Answer) -> str:
        letter = next(one for one in answer.data if one["operation_id"] == operation)
        require((letter["status"], letter["auto_retry"]) == ("pending", True), f"{letter['status']}, not sent again")
        return f"{letter['operation']} {letter['status']}, auto_retry: {letter['error']['message']}"

    return note


def _sent_again(answer: Answer) -> str:
    require(answer.data["status"] in {"pending", "retrying", "resolved"}, f"it is {answer.data['status']}")
    return f"{answer.data['operation']} is due now"


def _is_over(answer: Answer) -> bool:
    return answer.data["status"] not in {"running", "queued", "unknown"}


def _delivered(answer: Answer) -> str:
    operation = answer.data
    require(operation["status"] == "succeeded", f"it is {operation['status']}")
    require(operation["result"]["text"] == _SAID, "another text")
    return f"{operation['kind']} {operation['status']}, after {operation['attempts']} attempts"


def _replayed(answer: Answer) -> str:
    require(answer.headers.get("Idempotent-Replayed") == "true", "not marked as replayed")
    require(answer.data["text"] == _SAID, "another text")
    return "the same key again: what came of it (Idempotent-Replayed: true)"


def _audited(*, once: str) -> Note:
    def note(answer: Answer) -> str:
        done = [line["operation"] for line in answer.data if line["outcome"] == "succeeded"]
        require(done.count(once) == 1, f"{once} is in the audit {_times(done.count(once))}")
        return f"{len(answer.data)} lines: " + ", ".join(
            f"{line['operation']} {line['outcome']}" for line in reversed(answer.data)
        )

    return note


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
