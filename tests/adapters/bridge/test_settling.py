"""How a write whose answer was lost is settled by reading, at an installation that honours no keys."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.adapters.bridge.profile import BridgeOptions
from app.core.operation import Operation
from app.domain.errors import GatewayError, NotSeen, Outcome, OutcomeUnknown
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft, PreferenceSet
from app.domain.hotel import RoomStatusChange
from app.domain.ids import VendorRef
from app.domain.reservation import ReservationPatch
from app.simulators.faults import Fault, FaultKind
from tests.adapters.bridge.conftest import Bridge, Connect, euro, ref, seeded

WITHOUT_KEYS = {"options": BridgeOptions(idempotency_keys=False)}
SPA = ChargeDraft(description="Spa", amount=euro("33.30"), quantity=3, category="spa", reference="C-1")
CURIE = GuestDraft.model_validate({"last_name": "Curie", "email": "marie@example.test"})
LIKINGS = PreferenceSet.model_validate(
    {
        "preferences": [
            {"category": "pillow", "value": "feather"},
            {"category": "food", "value": "vegan", "note": "no egg"},
        ]
    }
)
CHANGE = ReservationPatch.model_validate(
    {"adults": 1, "room_type": "DLX", "child_ages": None, "guest": {"phone": "+43 1 5550177", "email": None}}
)


async def modify(bridge: Bridge, op: Operation, patch: ReservationPatch = CHANGE) -> Any:
    current = await bridge.connector.get_reservation(ref(seeded(bridge, "Lamarr")))
    return await bridge.connector.modify_reservation(current, patch, op)


def ada(bridge: Bridge) -> VendorRef:
    return VendorRef(str(seeded(bridge, "Lovelace").contact.guest_id))


async def merge(bridge: Bridge, op: Operation) -> Any:
    existing = await bridge.connector.get_guest(ada(bridge))
    draft = GuestDraft.model_validate({"last_name": "Lovelace", "language": "fr", "vip": False, "phone": None})
    return await bridge.connector.upsert_guest(draft, existing, op)


@dataclass(frozen=True)
class Kind:
    """One kind of write: its step, where it is sent, how it is done, and what stands in the hotel's books of it."""

    step: str
    method: str
    path: str
    do: Callable[[Bridge, Operation], Awaitable[Any]]
    books: Callable[[Bridge], Any]


def stay(last_name: str, read: Callable[[Any], Any]) -> Callable[[Bridge], Any]:
    return lambda bridge: read(seeded(bridge, last_name))


ADDING = {
    "create": Kind(
        "reserve",
        "POST",
        "/reservations$",
        lambda b, op: b.connector.create_reservation(b.draft(notes=("Late",)), op),
        lambda b: [one for one in b.hotel.bookings.values() if one.contact.last_name == "Shelley"],
    ),
    "note": Kind(
        "note",
        "POST",
        "/notes$",
        lambda b, op: b.connector.add_note(ref(seeded(b, "Lovelace")), "Extra pillows, please", op),
        stay("Lovelace", lambda one: one.remarks[1:]),
    ),
    "charge": Kind(
        "charge",
        "POST",
        "/charges$",
        lambda b, op: b.connector.post_charge(ref(seeded(b, "Lovelace")), SPA, op),
        stay("Lovelace", lambda one: one.lines[1:]),
    ),
    "guest": Kind(
        "guest",
        "POST",
        "/guests$",
        lambda b, op: b.connector.upsert_guest(CURIE, None, op),
        lambda b: [guest for guest in b.hotel.guests.values() if guest.last_name == "Curie"],
    ),
}
SETTING = {
    "modify": Kind(
        "modify", "PATCH", "/reservations/[^/]+$", modify, stay("Lamarr", lambda one: [1] * (one.rooms[0].adults == 1))
    ),
    "cancel": Kind(
        "cancel",
        "POST",
        "/cancel$",
        lambda b, op: b.connector.cancel_reservation(ref(seeded(b, "Lamarr")), "Ill", op),
        stay("Lamarr", lambda one: [1] * (one.status == "cancelled")),
    ),
    "check_in": Kind(
        "check_in",
        "POST",
        "/check-in$",
        lambda b, op: b.connector.check_in(ref(seeded(b, "Johnson")), op),
        stay("Johnson", lambda one: [1] * (one.status == "in_house")),
    ),
    "check_out": Kind(
        "check_out",
        "POST",
        "/check-out$",
        lambda b, op: b.connector.check_out(ref(seeded(b, "Hopper")), op),
        stay("Hopper", lambda one: [1] * (one.status == "checked_out")),
    ),
    "checkout_time": Kind(
        "checkout_time",
        "PUT",
        "/checkout-time$",
        lambda b, op: b.connector.set_checkout_time(ref(seeded(b, "Lovelace")), "14:00", op),
        stay("Lovelace", lambda one: [1] * (one.checkout_time == "14:00")),
    ),
    "merge": Kind("guest", "PATCH", "/guests/[^/]+$", merge, lambda b: [1] * (b.hotel.guests[ada(b)].language == "fr")),
    "preferences": Kind(
        "preferences",
        "PUT",
        "/preferences$",
        lambda b, op: b.connector.set_preferences(ada(b), LIKINGS, op),
        lambda b: [1] * (len(b.hotel.guests[ada(b)].likings) == 2),
    ),
    "room_status": Kind(
        "room_status",
        "PUT",
        "/rooms/401/status$",
        lambda b, op: b.connector.set_room_status("401", RoomStatusChange.model_validate({"cleaning": "pickup"}), op),
        lambda b: [1] * (b.hotel.rooms["401"].cleaning == "pickup"),
    ),
}
KINDS = ADDING | SETTING

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
every_addition = pytest.mark.parametrize("kind", ADDING.values(), ids=ADDING.keys())
every_state = pytest.mark.parametrize("kind", SETTING.values(), ids=SETTING.keys())


def strike(bridge: Bridge, kind: Kind, fault: FaultKind) -> None:
    bridge.site.faults.add(Fault(kind=fault, method=kind.method, path=kind.path))


def sends(bridge: Bridge, kind: Kind) -> int:
    requests = bridge.site.requests
    return sum(one.method == kind.method and re.search(kind.path, one.path) is not None for one in requests)


def resumed(bridge: Bridge, lost: Operation, kind: Kind) -> Operation:
    """The operation as a later attempt takes it up again."""
    return Operation(lost.id, doubtful={kind.step})


@pytest.fixture
def keyless(connect: Connect) -> Bridge:
    return connect(hotel=WITHOUT_KEYS, modes={"idempotency": "off", "page_size": "2"})


@every_kind
@pytest.mark.parametrize("fault", [FaultKind.DROP_AFTER, FaultKind.STATUS_AFTER, FaultKind.CUT_BODY, FaultKind.GARBAGE])
async def test_what_has_landed_is_found_in_the_request_itself(keyless: Bridge, kind: Kind, fault: FaultKind) -> None:
    strike(keyless, kind, fault)
    op = keyless.operation()
    found = await kind.do(keyless, op)
    assert len(kind.books(keyless)) == sends(keyless, kind) == 1
    assert await kind.do(keyless, op) == found
    assert sends(keyless, kind) == 1


@every_kind
async def test_what_is_found_is_what_would_have_been_answered(connect: Connect, kind: Kind) -> None:
    told = []
    for lose in (False, True):
        bridge = connect(hotel=WITHOUT_KEYS, modes={"idempotency": "off"})
        if lose:
            strike(bridge, kind, FaultKind.DROP_AFTER)
        told.append(_told(await kind.do(bridge, bridge.operation())))
    assert told[0] == told[1]


def _told(result: Any) -> Any:
    """Give a result without the moments at which it came to be; ids are counted alike at every site."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[^\"]+|datetime\.datetime\([^)]*\)", "then", repr(result))
    return re.sub(r"\w*version='[^']*'", "", text)


@every_kind
async def test_what_lands_late_is_found_later_and_never_sent_again(keyless: Bridge, kind: Kind) -> None:
    landing = asyncio.Event()

    async def until_it_lands(_: float) -> None:
        await landing.wait()

    keyless.site.wait = until_it_lands
    strike(keyless, kind, FaultKind.LATE_COMMIT)
    op = keyless.operation()
    with pytest.raises(OutcomeUnknown) as lost:
        await kind.do(keyless, op)
    assert (lost.value.outcome, type(lost.value)) == (Outcome.UNKNOWN, OutcomeUnknown)
    with pytest.raises(NotSeen):
        await kind.do(keyless, resumed(keyless, op, kind))
    landing.set()
    await keyless.site.settled()
    assert await kind.do(keyless, resumed(keyless, op, kind))
    assert len(kind.books(keyless)) == sends(keyless, kind) == 1


@every_kind
async def test_what_never_arrived_is_not_found(keyless: Bridge, kind: Kind) -> None:
    strike(keyless, kind, FaultKind.DROP_BEFORE)
    op = keyless.operation()
    with pytest.raises(OutcomeUnknown):
        await kind.do(keyless, op)
    for _ in range(2):
        with pytest.raises(NotSeen):
            await kind.do(keyless, resumed(keyless, op, kind))
    assert (len(kind.books(keyless)), sends(keyless, kind)) == (0, 1)


@every_addition
async def test_the_same_thing_of_another_operation_is_not_taken_for_ours(keyless: Bridge, kind: Kind) -> None:
    await kind.do(keyless, keyless.operation())
    strike(keyless, kind, FaultKind.DROP_BEFORE)
    op = keyless.operation()
    with pytest.raises(OutcomeUnknown):
        await kind.do(keyless, op)
    with pytest.raises(NotSeen):
        await kind.do(keyless, resumed(keyless, op, kind))
    assert len(kind.books(keyless)) == 1


@every_addition
@pytest.mark.parametrize("modes", [{"idempotency": "forgotten"}, {"idempotency": "on"}])
async def test_what_cannot_be_looked_up_is_for_a_person(connect: Connect, kind: Kind, modes: dict[str, str]) -> None:
    bridge = connect(hotel=WITHOUT_KEYS, modes=modes)
    strike(bridge, kind, FaultKind.DROP_AFTER)
    op = bridge.operation()
    with pytest.raises(OutcomeUnknown):
        await kind.do(bridge, op)
    with pytest.raises(OutcomeUnknown, match="somebody has to look there") as open_question:
        await kind.do(bridge, resumed(bridge, op, kind))
    assert not isinstance(open_question.value, NotSeen)
    assert len(kind.books(bridge)) == sends(bridge, kind) == 1


@every_state
@pytest.mark.parametrize(
    "options",
    [{"hotel": WITHOUT_KEYS, "modes": {"idempotency": "forgotten"}}, {}],
    ids=["keys forgotten", "keys honoured"],
)
async def test_a_state_is_seen_wherever_it_can_be_read(connect: Connect, kind: Kind, options: dict[str, Any]) -> None:
    bridge = connect(**options)
    strike(bridge, kind, FaultKind.STATUS_AFTER)
    assert await kind.do(bridge, bridge.operation())
    assert len(kind.books(bridge)) == 1


async def test_what_the_list_to_look_in_is_not_built_for_is_for_a_person(connect: Connect) -> None:
    bridge = connect(hotel=WITHOUT_KEYS, modes={"idempotency": "off"})
    for name in ("charge", "guest", "merge", "room_status"):
        bridge.site.set_modes({"built": "all"})
        kind, op = KINDS[name], bridge.operation()
        strike(bridge, kind, FaultKind.DROP_BEFORE)
        with pytest.raises(OutcomeUnknown):
            await kind.do(bridge, op)
        facts = Fault(kind=FaultKind.GARBAGE_UNDONE, method="GET", path="/HARBOUR$", body=_facts_of_a_small_house())
        bridge.site.faults.add(facts)
        with pytest.raises(OutcomeUnknown, match="to look in") as open_question:
            await kind.do(bridge, resumed(bridge, op, kind))
        assert not isinstance(open_question.value, NotSeen)
        bridge.site.faults.clear()


def _facts_of_a_small_house() -> str:
    named = {"id": "HARBOUR", "name": "H", "contract_version": "1.0", "timezone": "Europe/Vienna", "currency": "EUR"}
    return json.dumps({**named, "capabilities": [], "idempotency_keys": False, "write_keys": True})


async def test_a_pms_that_cannot_be_read_leaves_the_first_error(keyless: Bridge) -> None:
    kind = ADDING["create"]
    strike(keyless, kind, FaultKind.STATUS_AFTER)
    keyless.site.faults.add(Fault(kind=FaultKind.STATUS, status=401, path="/search$|HARBOUR$"))
    with pytest.raises(GatewayError) as lost:
        await kind.do(keyless, keyless.operation())
    assert lost.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "other",
    [
        {"adults": 1, "room_type": "STE"},
        {"adults": 1, "departure": "2031-01-02", "arrival": "2031-01-01"},
        {"adults": 1, "child_ages": [3]},
        {"adults": 1, "rate_code": "SAVER"},
        {"adults": 1, "guest": {"phone": "+43 1 5550178"}},
        {"adults": 1, "guest": {"phone": "+43 1 5550177", "last_name": "Kiesler"}},
        {"adults": 1, "guest": {"email": "hedy@example.test"}},
        {"guest": None},
    ],
)
async def test_a_change_of_which_a_member_does_not_hold_is_not_done(keyless: Bridge, other: dict[str, Any]) -> None:
    await modify(keyless, keyless.operation())
    op = keyless.operation()
    op.doubtful = {"modify"}
    with pytest.raises(NotSeen):
        await modify(keyless, op, ReservationPatch.model_validate(other))


@pytest.mark.parametrize(
    "same",
    [
        {"room_type": "DLX", "child_ages": []},
        {"guest": {"phone": "01 5550177", "last_name": "Lamarr", "email": None}},
        {"guest": {}},
    ],
)
async def test_a_change_of_which_every_member_holds_is_done(keyless: Bridge, same: dict[str, Any]) -> None:
    await modify(keyless, keyless.operation())
    op = keyless.operation()
    op.doubtful = {"modify"}
    patch = ReservationPatch.model_validate(same)
    assert (await modify(keyless, op, patch)).room_type == "DLX"
    assert sends(keyless, SETTING["modify"]) == 1


async def test_children_are_the_same_in_any_order(keyless: Bridge) -> None:
    children = ReservationPatch(room_type="STE", child_ages=(9, 4))
    await modify(keyless, keyless.operation(), children)
    op = keyless.operation()
    op.doubtful = {"modify"}
    assert (await modify(keyless, op, ReservationPatch(child_ages=(4, 9)))).child_ages == (9, 4)


async def test_a_stay_of_several_rooms_was_never_changed_as_one(keyless: Bridge) -> None:
    current = await keyless.connector.get_reservation(ref(seeded(keyless, "Noether")))
    op = keyless.operation()
    op.doubtful = {"modify"}
    with pytest.raises(NotSeen):
        await keyless.connector.modify_reservation(current, ReservationPatch(adults=current.adults), op)


async def test_some_of_the_preferences_are_not_the_whole_set(keyless: Bridge) -> None:
    await SETTING["preferences"].do(keyless, keyless.operation())
    op = keyless.operation()
    op.doubtful = {"preferences"}
    with pytest.raises(NotSeen):
        await keyless.connector.set_preferences(ada(keyless), PreferenceSet(preferences=LIKINGS.preferences[:1]), op)
    turned = PreferenceSet(preferences=LIKINGS.preferences[::-1])
    assert len((await keyless.connector.set_preferences(ada(keyless), turned, op)).preferences) == 2


async def test_a_charge_whose_tax_is_a_line_of_its_own_is_the_charge(keyless: Bridge) -> None:
    kind, op = ADDING["charge"], keyless.operation()
    strike(keyless, kind, FaultKind.DROP_BEFORE)
    with pytest.raises(OutcomeUnknown):
        await kind.do(keyless, op)
    same = {"description": "Spa", "posted_at": "2026-11-20T10:00:00Z", "write_key": op.reference("charge")}
    lines = [
        {"id": "L2", "kind": "tax", "amount": {"amount": "9.99", "currency": "EUR"}, **same},
        {"id": "L1", "kind": "charge", "amount": {"amount": "89.91", "currency": "EUR"}, **same},
    ]
    folio = json.dumps({"items": lines, "next_cursor": None})
    keyless.site.faults.add(Fault(kind=FaultKind.GARBAGE_UNDONE, path="/folio$", body=folio))
    found = await kind.do(keyless, resumed(keyless, op, kind))
    assert (found.id, found.amount, found.quantity, found.total) == ("L1", euro("33.30"), 3, euro("89.91"))


@every_addition
async def test_the_newest_record_is_told_where_keys_are_kept(keyless: Bridge, kind: Kind) -> None:
    before = await keyless.connector.find_newest_record()
    await kind.do(keyless, keyless.operation())
    after = await keyless.connector.find_newest_record()
    assert before is not None
    assert after is not None
    assert before < after


async def test_who_keeps_no_keys_tells_of_no_newest_record(connect: Connect) -> None:
    for mode in ("on", "forgotten"):
        assert await connect(modes={"idempotency": mode}).connector.find_newest_record() is None


@pytest.mark.parametrize(("mode", "said"), [("off", "kept to look by"), ("forgotten", "a person settles")])
async def test_the_check_says_what_becomes_of_lost_answers(connect: Connect, mode: str, said: str) -> None:
    findings = await connect(hotel=WITHOUT_KEYS, modes={"idempotency": mode}).connector.check_health()
    (keys,) = (finding for finding in findings if finding.name == "idempotency_keys")
    assert keys.ok
    assert said in keys.detail
