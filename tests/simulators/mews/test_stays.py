"""Writing and reading reservations: what is done, what the hotel's rules forbid, and who is written to."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from app.simulators.mews.ledger import Mail
from app.simulators.mews.times import utc
from app.simulators.records import Housekeeping, StayStatus
from tests.simulators.mews.caller import ALL, Connector
from tests.simulators.mews.conftest import MakeConnector

READ = "reservations/getAll/2023-06-06"


async def test_a_reservation_is_made_with_the_guests_room_dates_and_notes(call: Connector) -> None:
    told = await call.book(Notes="ref 1", ChannelNumber="C-1")
    made = call.place.hotel.bookings[told["Id"]]
    assert (made.arrival, made.departure) == (call.month_ahead(), call.month_ahead() + timedelta(days=2))
    assert (made.status, made.contact.last_name) == (StayStatus.CONFIRMED, "Shelley")
    assert [remark.text for remark in made.remarks] == ["ref 1"]
    assert (told["RequestedCategoryId"], told["OwnerId"]) == (made.rooms[0].kind, made.contact.guest_id)
    assert "AccountId" not in told
    read = await call.reservation(told["Id"])
    assert (read["RequestedResourceCategoryId"], read["AccountId"]) == (made.rooms[0].kind, made.contact.guest_id)
    assert "OwnerId" not in read
    assert {told["Number"], read["Number"]} == {made.confirmation_number}
    assert read["ChannelNumber"] == "C-1"


async def test_nobody_is_written_to_unless_that_is_asked_or_left_open(call: Connector) -> None:
    mails = call.place.ledger.mails
    booked = await call.book()
    cancellation = {"ReservationIds": [booked["Id"]], "Notes": "ill"}
    await call("reservations/cancel", SendEmail=False, **cancellation, **call.enterprise)
    assert mails == []
    sent = {"ServiceId": call.stay, "Reservations": [call.wish(CustomerId=await call.customer())]}
    told = await call("reservations/add", **call.enterprise, **sent)
    made = told["Reservations"][0]["Reservation"]["Id"]
    await call("reservations/cancel", ReservationIds=[made], Notes="ill", **call.enterprise)
    assert mails == [Mail(kind, "mary@example.test", made) for kind in ("confirmation", "cancellation")]


@pytest.mark.parametrize(
    ("state", "status", "old", "new"),
    [
        ("Optional", StayStatus.TENTATIVE, "Optional", "Optional"),
        ("Enquired", StayStatus.TENTATIVE, "Enquired", "Inquired"),
    ],
)
async def test_states_are_named_as_each_shape_names_them(
    call: Connector, state: str, status: StayStatus, old: str, new: str
) -> None:
    told = await call.book(State=state)
    assert (told["State"], (await call.reservation(told["Id"]))["State"]) == (old, new)
    assert call.place.hotel.bookings[told["Id"]].status is status
    await call("reservations/confirm", ReservationIds=[told["Id"]], SendConfirmationEmail=False, **call.enterprise)
    assert (await call.reservation(told["Id"]))["State"] == "Confirmed"
    await call("reservations/confirm", 403, ReservationIds=[told["Id"]], **call.enterprise)


async def test_the_last_room_is_sold_once_unless_overbooking_is_wanted(call: Connector) -> None:
    suite = list(call.place.hotel.kinds)[2]
    for _ in range(3):
        await call.book(RequestedCategoryId=suite)
    refused = await call.book(status=403, RequestedCategoryId=suite)
    assert set(refused) == {"Message", "RequestId", "Details"}
    wanted = call.wish(CustomerId=await call.customer(), RequestedCategoryId=suite)
    sent = {"ServiceId": call.stay, "Reservations": [wanted], "CheckOverbooking": False}
    await call("reservations/add", **call.enterprise, **sent)
    assert call.place.hotel.available(suite, call.month_ahead()) == -1


async def test_several_reservations_are_made_together_or_not_at_all(call: Connector) -> None:
    before = len(call.place.hotel.bookings)
    customer = await call.customer()
    wanted = [call.wish(CustomerId=customer, Identifier=str(number)) for number in range(2)]
    sent: dict[str, Any] = {"ServiceId": call.stay, **call.enterprise, "SendConfirmationEmail": False}
    await call("reservations/add", 400, Reservations=[*wanted, wanted[0] | {"CustomerId": "another"}], **sent)
    assert len(call.place.hotel.bookings) == before
    told = (await call("reservations/add", Reservations=wanted, **sent))["Reservations"]
    assert [one["Identifier"] for one in told] == ["0", "1"]
    assert len({one["Reservation"]["GroupId"] for one in told}) == 1


@pytest.mark.parametrize("unknown", ["CustomerId", "RateId", "RequestedCategoryId"])
async def test_what_is_not_there_cannot_be_booked(call: Connector, unknown: str) -> None:
    wanted = call.wish(**({"CustomerId": await call.customer()} | {unknown: "another"}))
    refused = await call("reservations/add", 400, ServiceId=call.stay, Reservations=[wanted], **call.enterprise)
    assert unknown in refused["Message"]


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("reservations/update", {"ReservationUpdates": [{"ReservationId": "another"}]}),
        ("reservations/updateInterval", {"ReservationId": "another", "ChargeCancellationFee": False}),
        ("reservations/cancel", {"ReservationIds": ["another"], "Notes": "ill"}),
        ("reservations/confirm", {"ReservationIds": ["another"]}),
        ("reservations/start", {"ReservationId": "another"}),
        ("reservations/process", {"ReservationId": "another"}),
        ("reservations/updateCustomer", {"ReservationId": "another", "CustomerId": "another"}),
        ("serviceOrderNotes/add", {"ServiceOrderNotes": [{"ServiceOrderId": "another", "Text": "x"}]}),
    ],
)
async def test_writes_to_what_is_not_there_are_invalid(
    call: Connector, operation: str, members: dict[str, Any]
) -> None:
    assert (await call(operation, 400, **members, **call.enterprise))["Message"].startswith("Invalid ")


@pytest.mark.parametrize("name", ["ReservationIds", "AccountIds", "Numbers", "ServiceIds", "ChannelNumbers"])
async def test_reads_of_what_is_not_there_are_empty(call: Connector, name: str) -> None:
    assert await call(READ, **{name: ["another"]}, **call.here) == {"Reservations": [], "Cursor": None}


async def test_a_reservation_of_another_enterprise_is_neither_read_nor_written(call: Connector) -> None:
    other = list(call.site.hotels.values())[1]
    reservation_id = next(iter(other.bookings))
    assert (await call(READ, ReservationIds=[reservation_id], **call.here))["Reservations"] == []
    await call("reservations/start", 400, ReservationId=reservation_id, **call.enterprise)


async def test_lists_go_by_states_and_by_when_stays_begin_end_or_collide(call: Connector) -> None:
    today = call.place.hotel.business_date
    day = {"StartUtc": call.midnight(today), "EndUtc": call.midnight(today + timedelta(days=1))}

    async def names(**asked: Any) -> set[str]:
        told = (await call(READ, **asked, **call.here))["Reservations"]
        return {call.place.hotel.bookings[one["Id"]].contact.last_name for one in told}

    assert await names(ScheduledStartUtc=day, States=["Confirmed", "Optional"]) == {"du Châtelet", "Johnson"}
    assert await names(ScheduledEndUtc=day, States=["Started"]) == {"Hopper"}
    assert await names(CollidingUtc=day, States=["Started"]) == {"Lovelace", "Hopper", "Turing"}
    assert await names(States=["Canceled"]) == {"Newton", "Franklin"}
    await call(READ, 400, ScheduledStartUtc=day, ActualStartUtc=day, **call.here)
    await call(READ, 400, States=["Enquired"], **call.here)


async def test_a_no_show_is_a_cancellation_with_a_reason(call: Connector) -> None:
    told = {name: await call.reservation(call.seeded(name).id) for name in ("Franklin", "Newton", "Lovelace")}
    assert [told[name]["State"] for name in told] == ["Canceled", "Canceled", "Started"]
    assert [told[name]["CancellationReason"] for name in told] == ["NoShow", "Other", None]


async def test_stays_over_a_change_of_the_clocks_keep_their_hours(call: Connector) -> None:
    told = await call.book(arrival=date(2027, 3, 27), nights=2)
    assert (told["StartUtc"], told["EndUtc"]) == ("2027-03-27T14:00:00Z", "2027-03-29T09:00:00Z")
    [night, _] = call.place.hotel.bookings[told["Id"]].rooms[0].nights
    assert night.date == date(2027, 3, 27)


async def test_a_change_of_what_it_costs_needs_a_reason(call: Connector) -> None:
    booked = await call.book()
    longer = utc(call.place.clock.at(call.month_ahead() + timedelta(days=3), "11:00"))
    await call.update(booked["Id"], status=400, reason="", EndUtc=longer)
    told = await call.update(booked["Id"], EndUtc=longer)
    assert told["Reservations"][0]["EndUtc"] == longer
    assert {name for name, value in told.items() if value is not None} == {"Reservations"}
    assert call.place.hotel.bookings[booked["Id"]].departure == call.month_ahead() + timedelta(days=3)


async def test_what_is_not_named_in_a_change_stays(call: Connector) -> None:
    booked = await call.book()
    before = await call.reservation(booked["Id"])
    suite, saver = list(call.place.hotel.kinds)[2], list(call.place.hotel.plans)[1]
    await call.update(booked["Id"], RequestedCategoryId=suite, RateId=saver)
    after = await call.reservation(booked["Id"])
    assert (after["RequestedResourceCategoryId"], after["RateId"]) == (suite, saver)
    assert after["UpdatedUtc"] > before["UpdatedUtc"]
    same = ("ScheduledStartUtc", "ScheduledEndUtc", "PersonCounts", "AccountId", "Number", "CreatedUtc")
    assert [after[name] for name in same] == [before[name] for name in same]


async def test_a_change_into_what_is_sold_out_is_refused(call: Connector) -> None:
    suite = list(call.place.hotel.kinds)[2]
    for _ in range(3):
        await call.book(RequestedCategoryId=suite)
    other = await call.book()
    await call.update(other["Id"], status=403, RequestedCategoryId=suite)
    assert call.place.hotel.bookings[other["Id"]].rooms[0].kind != suite


async def test_a_locked_room_is_kept_until_it_is_unlocked(call: Connector) -> None:
    booked = await call.book()
    wanted = call.place.resource_id("105")
    await call.update(booked["Id"], AssignedResourceLocked=True)
    await call.update(booked["Id"], status=403, AssignedResourceId=wanted)
    await call.update(booked["Id"], AssignedResourceLocked=False)
    await call.update(booked["Id"], AssignedResourceId=wanted)
    assert call.place.hotel.bookings[booked["Id"]].rooms[0].room_number == "105"
    other = await call.book()
    await call.update(other["Id"], status=403, AssignedResourceId=wanted)


async def test_a_later_hour_of_departure_costs_nothing(call: Connector) -> None:
    lovelace = call.seeded("Lovelace")
    total = lovelace.total
    late = utc(call.place.clock.at(lovelace.departure, "13:30"))
    await call.update(lovelace.id, reason="", EndUtc=late)
    assert (lovelace.checkout_time, lovelace.total) == ("13:30", total)
    earlier = utc(call.place.clock.at(lovelace.departure, "12:00"))
    sent = {"ReservationId": lovelace.id, "EndUtc": earlier, "ChargeCancellationFee": False}
    assert await call("reservations/updateInterval", **sent, **call.enterprise) == {}
    assert (await call.reservation(lovelace.id))["ScheduledEndUtc"] == earlier
    del sent["ChargeCancellationFee"]
    await call("reservations/updateInterval", 400, **sent, **call.enterprise)


async def test_a_change_that_meets_another_is_refused_once(connect: MakeConnector) -> None:
    call = connect(contention="on")
    booked = await call.book()
    await call.update(booked["Id"], status=409, PersonCounts=[])
    await call.update(booked["Id"], PersonCounts=[])


async def test_a_cancellation_says_why_and_is_done_once(call: Connector) -> None:
    booked = await call.book()
    one = {"ReservationIds": [booked["Id"]], "SendEmail": False, **call.enterprise}
    await call("reservations/cancel", 400, **one)
    assert await call("reservations/cancel", Notes="ill", **one) == {"ReservationIds": [booked["Id"]]}
    told = await call.reservation(booked["Id"])
    assert (told["State"], told["CancelledUtc"] is None) == ("Canceled", False)
    await call("reservations/cancel", 403, Notes="ill", **one)
    here = {"ReservationIds": [call.seeded("Lovelace").id], "SendEmail": False, **call.enterprise}
    await call("reservations/cancel", 403, Notes="ill", **here)


async def test_guests_are_let_in_on_their_day_into_an_inspected_room(call: Connector) -> None:
    johnson = call.seeded("Johnson")
    room = call.place.hotel.rooms[str(johnson.rooms[0].room_number)]
    start = {"ReservationId": johnson.id, **call.enterprise}
    room.cleaning = Housekeeping.CLEAN
    await call("reservations/start", 403, **start)
    room.cleaning = Housekeeping.INSPECTED
    assert await call("reservations/start", **start) == {}
    assert (johnson.status, room.occupied_by) == (StayStatus.IN_HOUSE, johnson.id)
    await call("reservations/start", 403, **start)
    await call("reservations/start", 403, ReservationId=call.seeded("Lamarr").id, **call.enterprise)


async def test_an_installation_may_let_nobody_in_before_the_hour(connect: MakeConnector) -> None:
    call = connect(early_start="refused")
    johnson = call.seeded("Johnson")
    call.at(call.place.clock.at(johnson.arrival, "14:59"))
    await call("reservations/start", 403, ReservationId=johnson.id, **call.enterprise)
    call.at(call.place.clock.at(johnson.arrival, "15:00"))
    await call("reservations/start", ReservationId=johnson.id, **call.enterprise)


async def test_guests_who_owe_something_leave_only_when_that_is_said_to_be_right(call: Connector) -> None:
    hopper = call.seeded("Hopper")
    process = {"ReservationId": hopper.id, **call.enterprise}
    await call("reservations/process", 403, **process)
    await call("reservations/process", 400, AllowOpenBalance=True, **process)
    assert await call("reservations/process", AllowOpenBalance=True, Notes="invoice", CloseBills=True, **process) == {}
    assert (await call.reservation(hopper.id))["State"] == "Processed"
    items = await call("orderItems/getAll", ServiceOrderIds=[hopper.id], AccountingStates=["Open"], **call.here)
    assert items["OrderItems"]
    await call("reservations/process", 403, **process)


async def test_guests_who_owe_nothing_leave_with_closed_bills(call: Connector) -> None:
    hopper = call.seeded("Hopper")
    call.place.hotel.pay(hopper, call.place.hotel.balance(hopper))
    await call("reservations/process", ReservationId=hopper.id, CloseBills=True, **call.enterprise)
    items = await call("orderItems/getAll", ServiceOrderIds=[hopper.id], **call.here)
    assert {one["AccountingState"] for one in items["OrderItems"]} == {"Closed"}


async def test_a_reservation_can_be_given_to_somebody_else(call: Connector) -> None:
    booked = await call.book()
    other = await call.customer("percy@example.test")
    sent = {"ReservationId": booked["Id"], "CustomerId": other}
    assert await call("reservations/updateCustomer", **sent, **call.enterprise) == {}
    assert (await call.reservation(booked["Id"]))["AccountId"] == other
    told = await call("companionships/getAll", CustomerIds=[other], Extent={"Customers": True}, **call.here)
    assert [one["ReservationId"] for one in told["Companionships"]] == [booked["Id"]]
    assert [one["Id"] for one in told["Customers"]] == [other]


@pytest.mark.parametrize(
    ("mode", "types", "shown"),
    [
        ("general", None, True),
        ("special_request", None, False),
        ("special_request", ["General", "ChannelManager", "SpecialRequest"], True),
        ("apart", ["General", "ChannelManager", "SpecialRequest"], False),
    ],
)
async def test_where_notes_of_new_reservations_are_found_differs(
    connect: MakeConnector, mode: str, types: list[str] | None, shown: bool
) -> None:
    call = connect(new_notes=mode)
    booked = await call.book(Notes="ref 1")
    [later] = (await call("serviceOrderNotes/add", ServiceOrderNotes=[_note(booked, "later")]))["ServiceOrderNotes"]
    told = await call("serviceOrderNotes/getAll", ServiceOrderIds=[booked["Id"]], Types=types, **call.here)
    assert [one["Text"] for one in told["ServiceOrderNotes"]] == ["later", "ref 1"][: 1 + shown]
    assert (later["OrderId"], later["Type"]) == (booked["Id"], "General")


def _note(booked: dict[str, Any], text: str) -> dict[str, str]:
    return {"ServiceOrderId": booked["Id"], "Text": text}


async def test_the_newest_reservation_is_first(call: Connector) -> None:
    booked = await call.book()
    told = await call(READ, EnterpriseIds=[call.place.id], Limitation=ALL | {"Count": 1})
    assert [one["Id"] for one in told["Reservations"]] == [booked["Id"]]
    made = datetime.fromisoformat(booked["CreatedUtc"])
    around = {"StartUtc": utc(made), "EndUtc": utc(made + timedelta(seconds=1))}
    mine = await call(READ, AccountIds=[booked["OwnerId"]], CreatedUtc=around, **call.here)
    assert [one["Id"] for one in mine["Reservations"]] == [booked["Id"]]


async def test_a_cursor_stands_when_what_it_names_is_found_no_more(call: Connector) -> None:
    asked = {"EnterpriseIds": [call.place.id], "States": ["Confirmed"]}
    everything = (await call(READ, Limitation=ALL, **asked))["Reservations"]
    page = await call(READ, Limitation={"Count": 2}, **asked)
    call.place.hotel.cancel(call.place.hotel.bookings[page["Cursor"]])
    rest = (await call(READ, Limitation={"Count": 1000, "Cursor": page["Cursor"]}, **asked))["Reservations"]
    assert [one["Id"] for one in rest] == [one["Id"] for one in everything[2:]]


async def test_prices_that_are_sent_count(call: Connector) -> None:
    amount = {"Currency": "EUR", "GrossValue": 80.0, "TaxCodes": ["NL-2019-R"]}
    booked = await call.book(TimeUnitPrices=[{"Index": 0, "Amount": amount}])
    nights = call.place.hotel.bookings[booked["Id"]].rooms[0].nights
    assert nights[0].price == 80
    assert nights[1].price > 80
    await call.update(booked["Id"], TimeUnitPrices=[{"Index": 1, "Amount": amount}])
    assert call.place.hotel.bookings[booked["Id"]].rooms[0].nights[1].price == 80
    await call.update(booked["Id"], status=400, TimeUnitPrices=[{"Index": 2, "Amount": amount}])


async def test_a_price_stays_when_it_is_said_to(call: Connector) -> None:
    booked = await call.book()
    made = call.place.hotel.bookings[booked["Id"]]
    first, last = (night.price for night in made.rooms[0].nights)
    update = {"ReservationId": booked["Id"], "RateId": {"Value": list(call.place.hotel.plans)[1]}}
    await call("reservations/update", ReservationUpdates=[update], Reprice=False, **call.enterprise)
    assert [night.price for night in made.rooms[0].nights] == [first, last]
