"""Every capability of the bridge, against its reference implementation over real HTTP."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from app.core import matrix
from app.core.adapter import PropertyFound, methods
from app.core.discovery import adapter_class
from app.core.egress import EgressPolicy
from app.core.registry import get_connector
from app.domain.capability import TRAITS
from app.domain.errors import (
    Outcome,
    VersionMoved,
)
from app.domain.folio import ChargeDraft, LineKind
from app.domain.guest import GuestDraft, GuestQuery, PreferenceSet
from app.domain.hotel import Cleaning, RoomOccupancy, RoomStatusChange
from app.domain.ids import VendorRef
from app.domain.reservation import ReservationPatch, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from app.simulators.faults import Fault, FaultKind
from tests.adapters.bridge.conftest import Bridge, Connect, euro, made, ref, seeded
from tests.fixtures.simulators import SimulatorServer

TWO = Occupancy(2)


def test_ledger_and_code_agree() -> None:
    ledger = matrix.Ledger.load()
    only = ledger.model_copy(update={"vendors": {"bridge": ledger.of("bridge")}})
    matrix.require_truth(only, {"bridge": adapter_class("bridge")})
    assert all(only.of("bridge").supports(capability) for capability in methods())
    assert not any(only.of("bridge").supports(trait) for trait in TRAITS)


async def test_the_grid_shows_what_can_be_sold_and_lists_what_cannot(bridge: Bridge) -> None:
    draft = bridge.draft()
    for _ in range(2):
        await made(bridge)
    grid = await bridge.connector.get_availability(Stay(draft.arrival, draft.departure + timedelta(days=1)))
    suites = next(kind for kind in grid.room_types if kind.room_type == "STE")
    assert [night.available for night in suites.nights] == [0, 0, 2]
    assert [night.total for night in suites.nights] == [2, 2, 2]
    assert {kind.room_type for kind in grid.room_types} == {"STD", "DLX", "STE"}
    assert all(night.min_price and night.min_price.currency == "EUR" for night in suites.nights)


async def test_the_grid_of_one_room_type_fits_the_guests(bridge: Bridge) -> None:
    stay = bridge.draft().stay
    grid = await bridge.connector.get_availability(stay, room_type="DLX", occupancy=Occupancy(2, (5,)))
    assert [kind.room_type for kind in grid.room_types] == ["DLX"]
    assert not (await bridge.connector.get_availability(stay, room_type="STD", occupancy=Occupancy(3))).room_types


async def test_a_quote_is_the_price_at_which_is_booked(bridge: Bridge) -> None:
    draft = bridge.draft(child_ages=(4, 9))
    quotes = await bridge.connector.quote_rates(draft.stay, draft.occupancy, room_type="STE", rate_code="FLEX")
    assert len(quotes) == 1
    quote, reservation = quotes[0], await made(bridge, child_ages=(4, 9))
    assert quote.total == reservation.total
    assert [night.date for night in quote.nightly] == list(draft.stay)
    assert sum((night.amount.amount for night in quote.nightly), Decimal()) == quote.total.amount
    assert (quote.child_ages, quote.taxes_included, quote.available, quote.indicative) == ((4, 9), True, True, False)


async def test_all_room_types_and_rate_plans_are_quoted_and_listed(bridge: Bridge) -> None:
    quotes = await bridge.connector.quote_rates(bridge.draft().stay, TWO)
    plans = await bridge.connector.list_rate_plans()
    kinds = await bridge.connector.list_room_types()
    assert {(one.room_type, one.rate_code) for one in quotes} == {
        (kind.room_type, plan.rate_code) for kind in kinds for plan in plans
    }
    assert [(kind.room_type, kind.max_occupancy, kind.total) for kind in kinds] == [
        ("STD", 2, 6),
        ("DLX", 3, 5),
        ("STE", 4, 2),
    ]
    assert [(plan.rate_code, plan.currency) for plan in plans] == [("FLEX", "EUR"), ("SAVER", "EUR")]


async def test_a_reservation_survives_the_round_trip(bridge: Bridge) -> None:
    draft = bridge.draft(child_ages=(3,), notes=("Late", "Cot"), external_reference="V-1")
    reservation = await bridge.connector.create_reservation(draft, bridge.operation())
    assert reservation == await bridge.connector.get_reservation(reservation.id)
    assert (reservation.arrival, reservation.departure) == (draft.arrival, draft.departure)
    assert (reservation.room_type, reservation.rate_code, reservation.adults) == ("STE", "FLEX", 2)
    assert (reservation.child_ages, reservation.external_reference) == ((3,), "V-1")
    assert [note.text for note in reservation.notes] == ["Late", "Cot"]
    assert (reservation.guest.last_name, reservation.guest.email) == ("Shelley", "mary@example.test")
    assert reservation.status is ReservationStatus.CONFIRMED
    assert reservation.created_at == bridge.hotel.bookings[reservation.id].created_at
    assert reservation.balance == reservation.total


@pytest.mark.parametrize(
    ("last_name", "status"),
    [
        ("Lovelace", ReservationStatus.IN_HOUSE),
        ("Lamarr", ReservationStatus.CONFIRMED),
        ("Bohr", ReservationStatus.TENTATIVE),
        ("Newton", ReservationStatus.CANCELLED),
        ("Franklin", ReservationStatus.NO_SHOW),
    ],
)
async def test_each_status_is_told_as_it_is(bridge: Bridge, last_name: str, status: ReservationStatus) -> None:
    found = await bridge.connector.get_reservation(ref(seeded(bridge, last_name)))
    assert (found.status, found.vendor_status) == (status, status.value)


async def test_a_status_that_the_contract_does_not_list_is_unknown_with_its_word(connect: Connect) -> None:
    bridge = connect(modes={"extra_status": "on"})
    found = await bridge.connector.get_reservation(ref(seeded(bridge, "Bohr")))
    assert (found.status, found.vendor_status) == (ReservationStatus.UNKNOWN, "option")
    assert found.rooms[0].status is ReservationStatus.UNKNOWN


async def test_null_is_read_as_absent(bridge: Bridge) -> None:
    stay = seeded(bridge, "Lovelace")
    body = {
        "id": stay.id,
        "status": "confirmed",
        "rooms": [{"room_type": "STD", "arrival": "2026-12-01", "departure": "2026-12-02"}],
        "guest": {"last_name": "Lovelace", "email": None},
        "notes": None,
        "version": None,
    }
    bridge.site.faults.add(Fault(kind=FaultKind.GARBAGE, body=json.dumps(body)))
    assert (await bridge.connector.get_reservation(ref(stay))).notes == ()


async def test_a_stay_of_several_rooms_lists_them_all(bridge: Bridge) -> None:
    found = await bridge.connector.get_reservation(ref(seeded(bridge, "Noether")))
    assert [room.room_type for room in found.rooms] == ["STD", "DLX"]
    assert (found.room_type, found.adults) == (None, 2)


async def test_members_of_a_later_version_are_ignored(connect: Connect) -> None:
    bridge = connect(modes={"future_members": "on"})
    assert (await made(bridge)).guest.last_name == "Shelley"


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (lambda bridge: ReservationQuery(last_name="LOVELACE"), {"Lovelace"}),
        (lambda bridge: ReservationQuery(last_name="du chatelet"), {"du Châtelet"}),
        (lambda bridge: ReservationQuery(arrival=bridge.hotel.business_date), {"du Châtelet", "Johnson"}),
        (lambda bridge: ReservationQuery(departure=bridge.hotel.business_date), {"Hopper"}),
        (
            lambda bridge: ReservationQuery(statuses=frozenset({ReservationStatus.IN_HOUSE})),
            {"Lovelace", "Hopper", "Turing"},
        ),
        (
            lambda bridge: ReservationQuery(confirmation_number=seeded(bridge, "Bohr").confirmation_number),
            {"Bohr"},
        ),
        (
            lambda bridge: ReservationQuery(guest_id=VendorRef(str(seeded(bridge, "Turing").contact.guest_id))),
            {"Turing"},
        ),
        (lambda bridge: ReservationQuery(last_name="Nobody"), set()),
    ],
)
async def test_a_search_finds_what_matches(
    bridge: Bridge, ask: Callable[[Bridge], ReservationQuery], found: set[str]
) -> None:
    query = ask(bridge)
    answers = await bridge.connector.search_reservations(query)
    assert {answer.guest.last_name for answer in answers} == found
    assert all(query.matches(answer) for answer in answers)


@pytest.mark.parametrize("size", ["1", "2"])
async def test_lists_are_read_to_their_last_page(connect: Connect, size: str) -> None:
    bridge = connect(modes={"page_size": size})
    found = await bridge.connector.search_reservations(ReservationQuery())
    assert [one.id for one in found] == list(bridge.hotel.bookings)
    rooms = await bridge.connector.list_room_statuses()
    assert [room.room_number for room in rooms] == list(bridge.hotel.rooms)
    guests = await bridge.connector.search_guests(GuestQuery(last_name="Lovelace"))
    assert len(guests) == 1


async def test_the_unknown_status_is_no_filter_that_a_pms_can_apply(bridge: Bridge) -> None:
    query = ReservationQuery(statuses=frozenset({ReservationStatus.UNKNOWN, ReservationStatus.IN_HOUSE}))
    assert len(await bridge.connector.search_reservations(query)) == len(bridge.hotel.bookings)


async def test_a_change_keeps_what_it_does_not_name(bridge: Bridge) -> None:
    before = await made(bridge, notes=("Late",))
    patch = ReservationPatch.model_validate(
        {"departure": before.departure + timedelta(days=1), "guest": {"phone": "1"}}
    )
    after = await bridge.connector.modify_reservation(before, patch, bridge.operation())
    assert after.departure == before.departure + timedelta(days=1)
    assert (after.guest.phone, after.guest.email, after.guest.last_name) == ("1", "mary@example.test", "Shelley")
    assert (after.room_type, after.adults, [note.text for note in after.notes]) == ("STE", 2, ["Late"])
    assert after.version != before.version


async def test_null_clears_what_may_be_empty(bridge: Bridge) -> None:
    before = await made(bridge, child_ages=(3,))
    patch = ReservationPatch.model_validate({"child_ages": None, "guest": {"email": None}})
    after = await bridge.connector.modify_reservation(before, patch, bridge.operation())
    assert (after.child_ages, after.guest.email) == ((), None)


async def test_a_change_of_what_moved_on_in_between_is_refused(bridge: Bridge) -> None:
    before = await made(bridge)
    bridge.hotel.remark(bridge.hotel.bookings[before.id], "the front desk was here")
    with pytest.raises(VersionMoved) as refused:
        await bridge.connector.modify_reservation(before, ReservationPatch(adults=1), bridge.operation())
    assert refused.value.outcome is Outcome.REJECTED
    assert bridge.hotel.bookings[before.id].rooms[0].adults == 2


async def test_a_change_is_quoted_without_being_made(bridge: Bridge) -> None:
    before = await made(bridge)
    patch = ReservationPatch(rate_code="SAVER")
    quote = await bridge.connector.quote_change(before, patch)
    assert await bridge.connector.get_reservation(before.id) == before
    after = await bridge.connector.modify_reservation(before, patch, bridge.operation())
    assert (after.total, after.rate_code) == (quote.total, "SAVER")


async def test_cancelling_twice_leaves_it_cancelled(bridge: Bridge) -> None:
    reservation = await made(bridge)
    for _ in range(2):
        gone = await bridge.connector.cancel_reservation(reservation.id, "Ill", bridge.operation())
        assert gone.status is ReservationStatus.CANCELLED
    assert bridge.hotel.bookings[reservation.id].cancel_reason == "Ill"


async def test_a_note_is_added_to_those_that_stand(bridge: Bridge) -> None:
    reservation = await made(bridge, notes=("Late",))
    note = await bridge.connector.add_note(reservation.id, "Cot\nand a lamp", bridge.operation())
    assert (note.text, note.created_at is not None) == ("Cot\nand a lamp", True)
    found = await bridge.connector.get_reservation(reservation.id)
    assert [one.text for one in found.notes] == ["Late", "Cot\nand a lamp"]


async def test_a_late_checkout_is_set(bridge: Bridge) -> None:
    reservation = await made(bridge)
    later = await bridge.connector.set_checkout_time(reservation.id, "14:30", bridge.operation())
    assert (reservation.checkout_time, later.checkout_time) == (None, "14:30")


async def test_guests_are_checked_in_and_out(bridge: Bridge) -> None:
    arriving = ref(seeded(bridge, "Johnson"))
    for _ in range(2):
        came = await bridge.connector.check_in(arriving, bridge.operation())
        assert came.status is ReservationStatus.IN_HOUSE
    room = await bridge.connector.get_room_status(str(came.room_number))
    assert room.occupancy is RoomOccupancy.OCCUPIED
    for _ in range(2):
        left = await bridge.connector.check_out(arriving, bridge.operation())
        assert left.status is ReservationStatus.CHECKED_OUT
    room = await bridge.connector.get_room_status(str(came.room_number))
    assert (room.occupancy, room.cleaning) == (RoomOccupancy.VACANT, Cleaning.DIRTY)


async def test_a_profile_is_found_by_each_of_its_traits(bridge: Bridge) -> None:
    for query in (
        GuestQuery(email="ADA@example.test"),
        GuestQuery(phone="01 5550101"),
        GuestQuery(last_name="Lovelace", email="ada@example.test"),
    ):
        found = await bridge.connector.search_guests(query)
        assert [guest.last_name for guest in found] == ["Lovelace"]
    assert found[0] == await bridge.connector.get_guest(found[0].id)
    assert (found[0].loyalty_tier, found[0].vip, found[0].language) == ("Gold", True, "en")
    assert [(one.category, one.value) for one in found[0].preferences] == [("room", "quiet")]
    assert found[0].external_ids == {"pms": found[0].id}


async def test_a_profile_is_made_and_merged(bridge: Bridge) -> None:
    draft = GuestDraft.model_validate({"last_name": "Curie", "email": "marie@example.test", "vip": True})
    new = await bridge.connector.upsert_guest(draft, None, bridge.operation())
    assert (new.created, new.guest.last_name, new.guest.vip) == (True, "Curie", True)
    change = GuestDraft.model_validate({"last_name": "Curie", "first_name": "Marie", "email": None})
    merged = await bridge.connector.upsert_guest(change, new.guest, bridge.operation())
    assert (merged.created, merged.guest.id, merged.guest.first_name) == (False, new.guest.id, "Marie")
    assert (merged.guest.email, merged.guest.vip) == (None, True)


async def test_preferences_are_the_whole_set(bridge: Bridge) -> None:
    ada = VendorRef(str(seeded(bridge, "Lovelace").contact.guest_id))
    wanted = PreferenceSet.model_validate(
        {
            "preferences": [
                {"category": "pillow", "value": "feather"},
                {"category": "food", "value": "vegan", "note": "strict"},
            ]
        }
    )
    guest = await bridge.connector.set_preferences(ada, wanted, bridge.operation())
    assert [one.model_dump() for one in guest.preferences] == [one.model_dump() for one in wanted.preferences]


async def test_a_charge_is_posted_and_owed(bridge: Bridge) -> None:
    stay = ref(seeded(bridge, "Lovelace"))
    before = await bridge.connector.get_balance(stay)
    draft = ChargeDraft(description="Spa", amount=euro("33.30"), quantity=3, category="spa", reference="C-1")
    charge = await bridge.connector.post_charge(stay, draft, bridge.operation())
    assert (charge.total, charge.quantity, charge.reference) == (euro("99.90"), 3, "C-1")
    after = await bridge.connector.get_balance(stay)
    assert after.balance == before.balance + euro("99.90")
    lines = {line.id: line for line in await bridge.connector.list_charges(stay)}
    assert (lines[charge.id].amount, lines[charge.id].kind) == (euro("99.90"), LineKind.CHARGE)
    assert sum(line.amount.amount for line in lines.values()) == after.balance.amount


async def test_a_category_is_mapped_where_the_hotel_maps_it(connect: Connect) -> None:
    bridge = connect(hotel={"options": {"charge_codes": {"spa": "7100"}}})
    stay = seeded(bridge, "Lovelace")
    for category in ("spa", "bar"):
        draft = ChargeDraft(description=category, amount=euro("1.00"), category=category)
        await bridge.connector.post_charge(ref(stay), draft, bridge.operation())
    assert [line.category for line in stay.lines[-2:]] == ["7100", "bar"]


async def test_payments_lower_what_is_owed(bridge: Bridge) -> None:
    stay = ref(seeded(bridge, "Hopper"))
    balance = await bridge.connector.get_balance(stay)
    assert balance.charges is not None
    assert balance.payments == euro("200.00")
    assert balance.charges == balance.balance + euro("200.00")
    paid = [line for line in await bridge.connector.list_charges(stay) if line.kind is LineKind.PAYMENT]
    assert [line.amount for line in paid] == [euro("-200.00")]


async def test_rooms_are_shown_and_their_cleaning_is_set(bridge: Bridge) -> None:
    rooms = await bridge.connector.list_room_statuses()
    assert len(rooms) == 13
    assert {room.cleaning for room in rooms} >= {Cleaning.DIRTY, Cleaning.INSPECTED, Cleaning.CLEAN}
    assert sum(room.out_of_order for room in rooms) == 1
    change = RoomStatusChange.model_validate({"cleaning": "pickup"})
    changed = await bridge.connector.set_room_status("401", change, bridge.operation())
    assert (changed.cleaning, changed.room_type, changed.floor) == (Cleaning.PICKUP, "STE", "4")
    assert await bridge.connector.get_room_status("401") == changed


async def test_the_business_date_is_the_pmss_own(connect: Connect) -> None:
    bridge, without = connect(), connect(modes={"business_date": "off"})
    bridge.hotel.business_date_is = bridge.hotel.business_date - timedelta(days=1)
    assert await bridge.connector.find_business_date() == bridge.hotel.business_date_is
    assert await without.connector.find_business_date() is None


async def test_the_property_that_is_named_is_found_as_the_pms_describes_it(connect: Connect) -> None:
    bridge = connect()
    setup = bridge.hotel.setup
    found = PropertyFound(setup.property_id, setup.name, setup.timezone, setup.currency, setup.country)
    assert await bridge.connector.find_properties() == [found]


async def test_a_fit_installation_is_found_healthy(bridge: Bridge) -> None:
    findings = await bridge.connector.check_health()
    assert all(finding.ok for finding in findings)
    assert {"property", "contract", "capabilities", "idempotency_keys"} <= {finding.name for finding in findings}


@pytest.mark.parametrize(
    ("options", "unfit"),
    [
        ({"modes": {"built": "required"}}, "capabilities"),
        ({"modes": {"idempotency": "off"}}, "idempotency_keys"),
        ({"hotel": {"currency": "USD"}}, "currency"),
        ({"hotel": {"timezone": "UTC"}}, "timezone"),
    ],
)
async def test_what_is_unfit_is_named(connect: Connect, options: dict[str, object], unfit: str) -> None:
    findings = await connect(**options).connector.check_health()
    assert [finding.name for finding in findings if not finding.ok] == [unfit]


async def test_the_adapter_serves_as_a_library(simulators: SimulatorServer) -> None:
    site = simulators.simulators.site("bridge")
    body = simulators.registration(site).body
    config = {
        "hotel_id": "lib",
        "base_url": body["base_url"],
        "property_id": body["property_id"],
        **body["credentials"],
    }
    async with get_connector("bridge", config, policy=EgressPolicy(allow_loopback=True)) as connector:
        assert len(await connector.list_room_types()) == 3


@pytest.mark.parametrize("phone", ["anonymous", "+", "withheld"])
async def test_a_phone_number_without_digits_is_nobodys(bridge: Bridge, phone: str) -> None:
    bridge.hotel.register(last_name="Doe")
    assert await bridge.connector.search_guests(GuestQuery(phone=phone)) == []
