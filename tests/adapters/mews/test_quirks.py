"""Each numbered quirk of the README, proved."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.adapters.mews import mapping, wire
from app.adapters.mews.profile import MEWS
from app.core.faults import error_from_answer
from app.core.matrix import Ledger
from app.core.profile import VendorAnswer
from app.domain.capability import Capability
from app.domain.causes import Cause
from app.domain.errors import (
    CapabilityNotSupported,
    GatewayError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorRejected,
)
from app.domain.folio import ChargeDraft
from app.domain.guest import GuestDraft, GuestQuery, PreferenceSet
from app.domain.hotel import RoomOccupancy
from app.domain.ids import VendorRef
from app.domain.money import Money
from app.domain.reservation import ReservationPatch, ReservationQuery, ReservationStatus
from app.domain.stay import Occupancy, Stay
from tests.adapters.mews.desk import Desk, OpenDesk
from tests.fixtures.stays import fault

EUR = "EUR"


def refusal(status: int, body: bytes = b"", **headers: str) -> GatewayError:
    """Give what an answer is told as."""
    error = error_from_answer(MEWS, VendorAnswer(status, headers, body), datetime.now(UTC))
    assert error is not None
    return error


async def test_q1_everything_is_post_and_the_tokens_are_in_the_body_alone(desk: Desk) -> None:
    await desk.hotel.get_reservation(desk.ref("Lovelace"))
    assert {request.method for request in desk.requests} == {"POST"}
    for request in desk.requests:
        assert request.json()["AccessToken"] == desk.site.api_key
        assert request.json()["Client"] == "PMS Gateway 1.0.0"
        assert desk.site.api_key not in str(request.headers) + request.path + request.query
    assert desk.site.api_key not in repr(desk.hotel.client)


async def test_q2_403_is_the_users_and_401_the_hotels(desk: Desk) -> None:
    refused = refusal(403, b'{"Message": "Not enough rooms."}')
    assert isinstance(refused, VendorRejected)
    assert "Not enough rooms." in refused.detail
    unknown = refusal(401, b'{"Message": "Invalid AccessToken."}')
    assert isinstance(unknown, VendorAuthFailed)
    assert (unknown.cause, "permission" in unknown.detail) == (Cause.CREDENTIALS_REFUSED, True)
    assert isinstance(refusal(403, b"<html>"), VendorAuthFailed)  # a proxy's, in nobody's words
    desk.site.faults.add(fault("status", status=401, path="payments/getAll$", body='{"Message": "No permission."}'))
    found = {one.name: one for one in await desk.hotel.check_health()}
    assert [name for name, one in found.items() if not one.ok] == ["rights"]
    assert "payments/getAll" in found["rights"].detail


@pytest.mark.parametrize("mode", ["on", "without_retry_after"])
async def test_q3_the_quota_is_kept_and_its_refusal_may_say_nothing(open_desk: OpenDesk, mode: str) -> None:
    assert [(one.requests, one.window_seconds) for one in MEWS.rate_limits] == [(200, 30)]
    limits = Ledger.load().of("mews").limits
    assert limits is not None
    assert (limits.requests, limits.window_seconds) == (200, 30)
    async with open_desk(modes={"rate_limit": mode}) as desk:
        headers = {"Retry-After": "7"} if mode == "on" else {}
        desk.site.faults.add(fault("status", status=429, headers=headers, times=1))
        assert await desk.hotel.list_room_types()
        assert max(desk.clock.slept) >= (7 if mode == "on" else 1)


async def test_q4_a_portfolio_token_is_told_the_property_and_its_chain(open_desk: OpenDesk) -> None:
    async with open_desk(number=2) as desk:
        (found,) = await desk.hotel.find_properties()
        assert (found.id, found.timezone, found.currency) == (desk.place.id, "America/New_York", "USD")
        guest = await desk.hotel.get_guest(VendorRef(str(desk.seeded("Lovelace").contact.guest_id)))
        assert guest.last_name == "Lovelace"
        assert desk.sent("customers/getAll")[0]["ChainIds"] == [desk.place.facts.chain]
        elsewhere = next(iter(desk.site.hotel.bookings))
        with pytest.raises(NotFound):
            await desk.hotel.get_reservation(VendorRef(elsewhere))
    async with open_desk(modes={"opens": "one_enterprise"}, property_id=None) as desk:
        (found,) = await desk.hotel.find_properties()
        assert found.id == desk.place.id


async def test_q5_a_page_that_is_not_full_is_the_last(desk: Desk) -> None:
    await desk.hotel.list_room_types()
    assert [one["Limitation"] for one in desk.sent("services/getAll")] == [{"Count": 1000}]


async def test_q6_a_page_that_was_too_much_is_made_smaller(open_desk: OpenDesk) -> None:
    async with open_desk(modes={"heavy_reads": "on"}) as desk:
        assert len(await desk.hotel.list_room_statuses()) == len(desk.place.hotel.rooms)
        assert [one["Limitation"]["Count"] for one in desk.sent("services/getAll")] == [1000, 100]
    async with open_desk() as desk:
        desk.site.faults.add(fault("status", status=408))
        with pytest.raises(OutcomeUnknown):
            await desk.hotel.list_room_types()
        assert {one["Limitation"]["Count"] for one in desk.sent("services/getAll")} <= {1000, 100, 10}


async def test_q7_prices_are_asked_together_and_only_where_the_guests_fit(desk: Desk) -> None:
    nights = Stay(desk.arrival, desk.arrival + timedelta(days=3))
    quotes = await desk.hotel.quote_rates(nights, Occupancy(3))
    house = desk.place.hotel
    assert {one.room_type for one in quotes} == {kind.code for kind in house.kinds.values() if kind.max_occupancy >= 3}
    assert {one.rate_code for one in quotes} == set(house.plans)
    assert len(desk.sent("reservations/price")) == 1
    old = wire.Price.model_validate({"Identifier": "0", "Total": {"Currency": EUR, "Value": 12.5}})
    assert mapping.price(old) == Money(amount=Decimal("12.50"), currency=EUR)


@pytest.mark.parametrize(
    ("first", "unit", "arrives"),
    [
        (date(2027, 3, 28), "2027-03-27T23:00:00Z", "2027-03-28T13:00:00Z"),
        (date(2027, 3, 29), "2027-03-28T22:00:00Z", "2027-03-29T13:00:00Z"),
        (date(2027, 10, 31), "2027-10-30T22:00:00Z", "2027-10-31T14:00:00Z"),
        (date(2027, 11, 1), "2027-10-31T23:00:00Z", "2027-11-01T14:00:00Z"),
    ],
)
async def test_q8_days_begin_at_local_midnight_with_its_summer_time(
    desk: Desk, first: date, unit: str, arrives: str
) -> None:
    nights = Stay(first, first + timedelta(days=1))
    grid = await desk.hotel.get_availability(nights)
    (asked,) = desk.sent("services/getAvailability")
    assert (asked["FirstTimeUnitStartUtc"], asked["LastTimeUnitStartUtc"]) == (unit, unit)
    assert [night.date for night in grid.room_types[0].nights] == [first]
    quotes = await desk.hotel.quote_rates(nights, Occupancy(2))
    assert quotes
    assert {one["StartUtc"] for one in desk.sent("reservations/price")[0]["Reservations"]} == {arrives}


async def test_q8_who_comes_after_midnight_still_arrived_on_the_day_before(desk: Desk) -> None:
    booking = desk.seeded("Lovelace")
    booking.checked_in_at = desk.place.clock.at(booking.arrival + timedelta(days=1), "00:30")
    found = await desk.hotel.search_reservations(ReservationQuery(arrival=booking.arrival))
    assert {one.arrival for one in found if one.id == booking.id} == {booking.arrival}


async def test_q9_persons_are_counted_by_the_hotels_own_ages(desk: Desk) -> None:
    made = await desk.hotel.create_reservation(desk.draft(child_ages=[1, 9]), desk.operation())
    (sent,) = desk.sent("reservations/add")
    counts = {one["AgeCategoryId"]: one["Count"] for one in sent["Reservations"][0]["PersonCounts"]}
    assert counts == {desk.place.age_category(key): n for key, n in (("adult", 2), ("child", 1), ("infant", 1))}
    assert (made.adults, made.child_ages) == (2, None)
    alone = await desk.hotel.get_reservation(desk.ref("Lovelace"))
    assert (alone.adults, alone.child_ages) == (2, ())
    grown = [wire.AgeCategory(id="a", is_active=True, minimal_age=16, classification="Adult")]
    with pytest.raises(InvalidRequest):
        mapping.person_counts(2, (9,), grown)


async def test_q10_a_room_is_a_space_of_a_room_type_and_occupied_by_a_stay(desk: Desk) -> None:
    rooms = {room.room_number: room for room in await desk.hotel.list_room_statuses()}
    assert set(rooms) == set(desk.place.hotel.rooms)
    staying = str(desk.seeded("Lovelace").rooms[0].room_number)
    assert rooms[staying].occupancy is RoomOccupancy.OCCUPIED
    with pytest.raises(NotFound):
        await desk.hotel.get_room_status("Bicycle 1")


@pytest.mark.parametrize("place", ["general", "special_request"])
async def test_q11_our_reference_is_the_last_line_of_the_notes_and_is_not_told(open_desk: OpenDesk, place: str) -> None:
    async with open_desk(modes={"new_notes": place}) as desk:
        operation = desk.operation()
        made = await desk.hotel.create_reservation(desk.draft(notes=["Late", "Quiet, please"]), operation)
        (remark,) = desk.place.hotel.bookings[made.id].remarks
        assert remark.text == f"Late\nQuiet, please\n[ref {operation.reference('reserve')}]"
        assert [note.text for note in made.notes] == ["Late\nQuiet, please"]
        bare = await desk.hotel.create_reservation(desk.draft(), desk.operation())
        assert bare.notes == ()


async def test_q11_where_notes_are_kept_elsewhere_the_channel_number_has_the_reference(open_desk: OpenDesk) -> None:
    async with open_desk(modes={"new_notes": "apart"}, options={"reference_in": "channel_number"}) as desk:
        desk.site.faults.add(fault("drop_after", path="reservations/add$", times=1))
        made = await desk.hotel.create_reservation(desk.draft(), desk.operation())
        assert made.id in desk.place.hotel.bookings
        assert made.external_reference is None


async def test_q12_a_folio_is_what_is_linked_to_the_stay(desk: Desk) -> None:
    ref = desk.ref("Hopper")
    lines, balance = await desk.hotel.list_charges(ref), await desk.hotel.get_balance(ref)
    owed = desk.place.hotel.balance(desk.seeded("Hopper"))
    assert sum(line.amount.amount for line in lines) == balance.balance.amount == owed
    assert balance.payments is not None
    assert balance.payments.amount == -200
    dollars = wire.OrderItem.model_validate(
        {
            "Id": "1",
            "ServiceOrderId": "2",
            "Type": "CustomItem",
            "Amount": {"Currency": "USD", "GrossValue": 1},
            "ConsumedUtc": "2027-01-01T00:00:00Z",
            "AccountingState": "Open",
        }
    )
    with pytest.raises(VendorRejected):
        mapping.balance(ref, desk.hotel.hotel, [dollars], [])


async def test_q13_preferences_are_notes_of_a_form_and_other_notes_are_left_alone(desk: Desk) -> None:
    guest = desk.place.hotel.guest(str(desk.seeded("Lovelace").contact.guest_id))
    profile = await desk.hotel.get_guest(VendorRef(guest.id))
    assert [(one.category, one.value, one.note) for one in profile.preferences] == [
        ("room", "quiet", "away from the lift")
    ]
    assert mapping.preference("Remember to ask about the dog") is None
    wanted = {"category": "floor", "value": "high", "note": None}
    changed = await desk.hotel.set_preferences(
        VendorRef(guest.id), PreferenceSet.model_validate({"preferences": [wanted]}), desk.operation()
    )
    assert [one.model_dump() for one in changed.preferences] == [wanted]
    with pytest.raises(InvalidRequest):
        await desk.hotel.set_preferences(
            VendorRef(guest.id),
            PreferenceSet.model_validate({"preferences": [{"category": "a: b", "value": "c"}]}),
            desk.operation(),
        )


@pytest.mark.parametrize(
    ("number", "included", "member", "sent"),
    [(1, True, "GrossValue", 10.0), (1, False, "GrossValue", 12.1), (2, False, "NetValue", 10.0)],
)
async def test_q14_a_price_is_sent_as_the_property_counts(
    open_desk: OpenDesk, number: int, included: bool, member: str, sent: float
) -> None:
    code = {1: "NL-2019-S", 2: "US-NY-2023-S"}[number]
    async with open_desk(number=number, options={"charge_tax_code": code}) as desk:
        amount = {"amount": "10.00", "currency": desk.place.hotel.setup.currency}
        body = {"description": "Wine", "amount": amount, "category": "bar", "tax_included": included}
        operation = desk.operation()
        await desk.hotel.post_charge(desk.ref("Lovelace"), ChargeDraft.model_validate(body), operation)
        (item,) = desk.sent("orders/add")[0]["Items"]
        assert item["UnitAmount"][member] == sent
        assert item["UnitAmount"]["TaxCodes"] == [code]
        assert item["ExternalIdentifier"] == operation.reference("charge")


def test_q14_an_amount_without_an_exact_counterpart_is_refused() -> None:
    tax, cent = wire.TaxRate(code="T", value=Decimal("0.5")), Money(amount=Decimal("0.01"), currency=EUR)
    with pytest.raises(InvalidRequest):
        mapping.unit_amount(cent, included=True, pricing="Net", tax=tax)


async def test_q15_guests_are_found_by_exact_lists_and_not_by_phone(desk: Desk) -> None:
    found = await desk.hotel.search_guests(GuestQuery(last_name="LOVELACE"))
    assert [one.last_name for one in found] == ["Lovelace"]
    assert "Lovelace" in desk.sent("customers/getAll")[0]["LastNames"]
    before = len(desk.requests)
    with pytest.raises(CapabilityNotSupported) as refused:
        await desk.hotel.search_guests(GuestQuery(phone="+43 1 5550101"))
    assert refused.value.errors[0].loc == ("phone",)
    assert refused.value.capability is Capability.GUEST_SEARCH
    assert len(desk.requests) == before


async def test_q16_what_is_left_out_of_a_profile_stays_and_nothing_is_cleared(desk: Desk) -> None:
    guest = await desk.hotel.get_guest(VendorRef(str(desk.seeded("Lovelace").contact.guest_id)))
    draft = GuestDraft.model_validate({"id": guest.id, "phone": "+44 1 234"})
    changed = await desk.hotel.upsert_guest(draft, guest, desk.operation())
    assert not changed.created
    assert (changed.guest.phone, changed.guest.email, changed.guest.vip) == ("+44 1 234", guest.email, True)
    assert "Email" not in desk.sent("customers/update")[0]
    for field in ("email", "phone", "vip"):
        clearing = GuestDraft.model_validate({"id": guest.id, field: False if field == "vip" else None})
        with pytest.raises(CapabilityNotSupported) as refused:
            await desk.hotel.upsert_guest(clearing, guest, desk.operation())
        assert refused.value.errors[0].loc == (field,)


async def test_q17_who_should_have_left_long_ago_is_still_in_house(desk: Desk) -> None:
    booking = desk.seeded("Lovelace")
    booking.rooms[0].departure -= timedelta(days=1)
    query = ReservationQuery(statuses=frozenset({ReservationStatus.IN_HOUSE}))
    assert booking.id in {one.id for one in await desk.hotel.search_reservations(query)}
    (asked,) = desk.sent("2023-06-06")
    around = {name: datetime.fromisoformat(value) for name, value in asked["CollidingUtc"].items()}
    assert timedelta(days=80) < around["EndUtc"] - around["StartUtc"] < timedelta(days=89)


@pytest.mark.parametrize("notify", [False, True])
async def test_q18_mails_are_sent_only_where_the_hotel_says_so(open_desk: OpenDesk, notify: bool) -> None:
    async with open_desk(options={"notify_guest": notify}) as desk:
        made = await desk.hotel.create_reservation(desk.draft(), desk.operation())
        await desk.hotel.modify_reservation(made, ReservationPatch(adults=1), desk.operation())
        await desk.hotel.cancel_reservation(made.id, None, desk.operation())
        assert [mail.kind for mail in desk.place.ledger.mails] == ["confirmation", "cancellation"] * notify
        assert desk.sent("reservations/update")[0]["ApplyCancellationFee"] is False
        assert desk.sent("reservations/cancel")[0]["PostCancellationFee"] is False


async def test_q19_who_owes_something_is_let_go_only_where_the_hotel_says_so(open_desk: OpenDesk) -> None:
    async with open_desk() as desk:
        with pytest.raises(VendorRejected, match="balance"):
            await desk.hotel.check_out(desk.ref("Hopper"), desk.operation())
    async with open_desk(options={"check_out_unpaid": True}) as desk:
        gone = await desk.hotel.check_out(desk.ref("Hopper"), desk.operation())
        assert gone.status is ReservationStatus.CHECKED_OUT


async def test_q20_of_a_new_stay_only_the_id_is_read(desk: Desk) -> None:
    made = await desk.hotel.create_reservation(desk.draft(), desk.operation())
    assert wire.AddedReservations.model_validate(
        {"Reservations": [{"Identifier": None, "Reservation": {"Id": made.id, "State": "Enquired"}}]}
    ).reservations[0].reservation == wire.Made(id=made.id)
    assert made.room_type == desk.draft().room_type


async def test_q21_an_overbooked_type_has_nothing_to_sell(desk: Desk) -> None:
    house = desk.place.hotel
    for room in house.rooms.values():
        if room.occupied_by:
            house.take_out_of_order(room)
    nights = Stay(house.business_date, house.business_date + timedelta(days=1))
    grid = await desk.hotel.get_availability(nights)
    assert min(kind.nights[0].available for kind in grid.room_types) >= 0
    days = {"TimeUnitStartsUtc": ["2027-01-01T23:00:00Z"]}
    told = {"CategoryId": "a", "Availabilities": [-2], "Adjustments": [-1]}
    found = wire.Availability.model_validate({**days, "CategoryAvailabilities": [told]})
    assert mapping.free_rooms(found, desk.hotel.hotel) == {("a", date(2027, 1, 2)): 0}
