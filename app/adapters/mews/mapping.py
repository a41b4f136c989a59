"""Between Mews's words and ours: pure functions both ways; nothing here sends anything."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from app.adapters.mews import wire
from app.adapters.mews.house import RoomPlace
from app.adapters.mews.profile import MEWS
from app.core.adapter import PropertyFound
from app.domain.errors import InvalidRequest, VendorContractBroken, VendorLacks
from app.domain.folio import Balance, FolioLine, LineKind
from app.domain.guest import GuestContact, GuestProfile, Preference, PreferenceDraft
from app.domain.hotel import Cleaning, Hotel, RoomOccupancy, RoomStatus, RoomType
from app.domain.ids import VendorRef
from app.domain.inventory import AvailabilityGrid, NightAvailability, RatePlan, RoomTypeAvailability
from app.domain.money import Money
from app.domain.reservation import Note, Reservation, ReservationStatus, ReservedRoom
from app.domain.stay import Stay
from app.domain.text import PersonalText

STATUSES: Mapping[str, ReservationStatus] = {
    "Inquired": ReservationStatus.TENTATIVE,
    "Optional": ReservationStatus.TENTATIVE,
    "Requested": ReservationStatus.WAITLISTED,
    "Confirmed": ReservationStatus.CONFIRMED,
    "Started": ReservationStatus.IN_HOUSE,
    "Processed": ReservationStatus.CHECKED_OUT,
    "Canceled": ReservationStatus.CANCELLED,
}
"""Every state that is documented. One that is not here is UNKNOWN with Mews's word kept."""
NO_SHOW = "NoShow"
CLEANING = {"Dirty": Cleaning.DIRTY, "Clean": Cleaning.CLEAN, "Inspected": Cleaning.INSPECTED}
"""What is out of order or out of service may be clean or not."""
VIP = "VeryImportant"
_VIPS = frozenset({"Important", VIP})
_TAXES = frozenset({"CityTax", "CityTaxDiscount", "TaxCorrection"})
_GONE = "Canceled"
OPEN = "Open"
STAY_ITEM = "SpaceOrder"
_REFERENCE = re.compile(r"\n?\[ref [0-9a-f]{32}\]")
_PREFERENCE = re.compile(r"([^:()\n]+): ([^()\n]+?)(?: \((.+)\))?", re.DOTALL)


# What is sold


def text(names: wire.Names | None, language: str) -> str | None:
    """Give a text in the property's own language, else in any that it has."""
    known = {code: name for code, name in (names or {}).items() if name}
    return known.get(language) or next(iter(known.values()), None)


def room_type(category: wire.Category, places: Iterable[RoomPlace], language: str) -> RoomType:
    """Give a room type; its rooms are counted among `places`."""
    return RoomType(
        room_type=category.id,
        name=text(category.names, language) or category.id,
        description=text(category.descriptions, language),
        max_occupancy=category.most,
        total=sum(place.category_id == category.id for place in places),
    )


def rate_plan(rate: wire.Rate, hotel: Hotel, language: str) -> RatePlan:
    """Give a rate plan."""
    return RatePlan(
        rate_code=rate.id,
        name=text(rate.names, language) or rate.id,
        description=text(rate.description, language),
        currency=hotel.currency,
    )


def free_rooms(found: wire.Availability, hotel: Hotel) -> Mapping[tuple[str, date], int]:
    """Give how many rooms can be sold, by type and night; adjustments are in it already (# Q21)."""
    nights = [hotel.local(unit).date() for unit in found.time_units]
    return {
        (one.category_id, night): max(0, count)
        for one in found.category_availabilities
        for night, count in zip(nights, one.availabilities, strict=False)
    }


def grid(hotel: Hotel, stay: Stay, sold: Iterable[RoomType], free: Mapping[tuple[str, date], int]) -> AvailabilityGrid:
    """Give what can be sold on each night; a type that is not mentioned for a night cannot be sold then."""
    return AvailabilityGrid(
        hotel_id=hotel.id,
        start=stay.arrival,
        end=stay.departure,
        room_types=tuple(
            RoomTypeAvailability(
                room_type=kind.room_type,
                name=kind.name,
                max_occupancy=kind.max_occupancy,
                nights=tuple(
                    NightAvailability(date=night, available=free.get((kind.room_type, night), 0), total=kind.total)
                    for night in stay
                ),
            )
            for kind in sold
        ),
    )


def price(found: wire.Price) -> Money:
    """Give the price of a stay, with taxes (# Q7).

    Raises:
        VendorContractBroken: there is no amount.
    """
    if found.total_amount is not None:
        return money(found.total_amount)
    if found.total is not None:
        return Money.rounded(found.total.value, found.total.currency)
    raise VendorContractBroken(f"{MEWS.display_name} gave a price without an amount", vendor=MEWS.vendor)


def money(amount: wire.Amount) -> Money:
    """Give an amount, with its taxes."""
    return Money.rounded(amount.gross_value, amount.currency)


# Stays


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What belongs to stays and is not part of them."""

    places: Mapping[str, RoomPlace]
    ages: Sequence[wire.AgeCategory]
    customers: Mapping[str, wire.Customer]
    notes: Mapping[str, Sequence[wire.OrderNote]]
    items: Mapping[str, Sequence[wire.OrderItem]]


def reservation(stay: wire.Reservation, hotel: Hotel, around: Surroundings) -> Reservation:
    """Give a stay as a reservation of one room."""
    place = around.places.get(stay.assigned_resource_id or "")
    state = status(stay)
    adults, children = party(stay.person_counts, around.ages)
    room = ReservedRoom(
        room_type=stay.category_id,
        rate_code=stay.rate_id,
        room_number=place.number if place else None,
        arrival=hotel.local(stay.scheduled_start_utc).date(),  # Q8
        departure=hotel.local(stay.scheduled_end_utc).date(),
        adults=adults,
        child_ages=None if children else (),  # Q9
        status=state,
    )
    return Reservation.of_rooms(
        [room],
        id=VendorRef(stay.id),
        hotel_id=hotel.id,
        confirmation_number=stay.number,
        booking_id=stay.group_id,
        status=state,
        vendor_status=stay.state,
        guest=_contact(stay.guest_id, around.customers),
        total=total(around.items.get(stay.id, ())),
        checkout_time=f"{hotel.local(stay.scheduled_end_utc):%H:%M}",
        notes=tuple(_notes(around.notes.get(stay.id, ()))),
        external_reference=None if is_ours(stay.channel_number) else stay.channel_number or None,
        created_at=stay.created_utc,
        updated_at=stay.updated_utc,
    )


def status(stay: wire.Reservation) -> ReservationStatus:
    """Tell where a stay stands; a no-show is a cancellation for that reason."""
    if stay.state == "Canceled" and stay.cancellation_reason == NO_SHOW:
        return ReservationStatus.NO_SHOW
    return STATUSES.get(stay.state, ReservationStatus.UNKNOWN)


def states(wanted: Iterable[ReservationStatus] | None) -> dict[str, list[str]]:
    """Say which states are looked for; nothing where one of them has no word of Mews's."""
    asked = {ReservationStatus.CANCELLED if one is ReservationStatus.NO_SHOW else one for one in wanted or ()}
    if not asked or ReservationStatus.UNKNOWN in asked:
        return {}
    return {"States": [word for word, ours in STATUSES.items() if ours in asked]}


def party(counts: Iterable[wire.PersonCount], ages: Iterable[wire.AgeCategory]) -> tuple[int, int]:
    """Count adults and children; a category that nobody knows is one of adults."""
    children = {category.id for category in ages if category.classification == "Child"}
    told = [(one.age_category_id in children, one.count) for one in counts]
    return sum(n for is_child, n in told if not is_child), sum(n for is_child, n in told if is_child)


def person_counts(adults: int, child_ages: Sequence[int], ages: Sequence[wire.AgeCategory]) -> list[dict[str, Any]]:
    """Say who stays, in the hotel's own age categories: children in one of children, if any is of their age (# Q9).

    Raises:
        InvalidRequest: the hotel has no category for somebody.
    """
    active = [category for category in ages if category.is_active]
    counts: dict[str, int] = {}
    grown = [category for category in active if category.classification == "Adult"]
    if not grown:
        raise InvalidRequest.of("adults", "this hotel has no age category of adults")
    counts[min(grown, key=lambda one: one.minimal_age or 0).id] = adults
    for age in child_ages:
        fitting = sorted((one for one in active if one.holds(age)), key=lambda one: one.classification != "Child")
        if not fitting:
            raise InvalidRequest.of("child_ages", f"this hotel has no age category for {age} years")
        counts[fitting[0].id] = counts.get(fitting[0].id, 0) + 1
    return [{"AgeCategoryId": category, "Count": count} for category, count in counts.items()]


def as_sent(stay: wire.Reservation) -> dict[str, Any]:
    """Give a stay's present values as a change of them would say them."""
    return {
        "StartUtc": moment(stay.scheduled_start_utc),
        "EndUtc": moment(stay.scheduled_end_utc),
        "RequestedCategoryId": stay.category_id,
        "RateId": stay.rate_id,
        "PersonCounts": [{"AgeCategoryId": one.age_category_id, "Count": one.count} for one in stay.person_counts],
    }


def marked(notes: Sequence[str], reference: str) -> str:
    """Write the notes of a new stay, with the reference by which it is found again below them (# Q11)."""
    return "\n".join([*notes, f"[ref {reference}]"])


def is_ours(channel_number: str | None) -> bool:
    """Tell whether a channel number is a reference of ours (# Q11)."""
    return re.fullmatch(r"[0-9a-f]{32}", channel_number or "") is not None


def total(items: Iterable[wire.OrderItem]) -> Money | None:
    """Give what a stay costs as booked: all its own items; None where there are none, or of several currencies."""
    live = [item.amount for item in items if item.accounting_state != _GONE]
    currencies = {amount.currency for amount in live}
    if len(currencies) != 1:
        return None
    return Money.rounded(sum((amount.gross_value for amount in live), Decimal()), currencies.pop())


def _notes(found: Iterable[wire.OrderNote]) -> Iterable[Note]:
    """Give the notes, the oldest first, without references of ours."""
    for note in sorted(found, key=lambda one: one.created_utc.timestamp() if one.created_utc else 0.0):
        told = _REFERENCE.sub("", note.text or "").strip()
        if told:
            yield Note(text=PersonalText(told), created_at=note.created_utc)


def _contact(guest_id: str | None, customers: Mapping[str, wire.Customer]) -> GuestContact:
    customer = customers.get(guest_id or "")
    if customer is None:
        return GuestContact(id=VendorRef(guest_id) if guest_id else None)
    return GuestContact.model_validate({"id": customer.id, **_person(customer)})


# Guests


def _person(customer: wire.Customer) -> dict[str, str | None]:
    return {
        "first_name": customer.first_name or None,
        "last_name": customer.last_name or None,
        "email": customer.email or None,
        "phone": customer.phone or None,
        "country": customer.nationality_code or None,
    }


def guest(customer: wire.Customer, notes: Iterable[wire.AccountNote], hotel: Hotel) -> GuestProfile:
    """Give a profile; its preferences are those of the notes that read like one."""
    return GuestProfile.model_validate(
        {
            "id": customer.id,
            "hotel_id": hotel.id,
            **_person(customer),
            "language": customer.preferred_language_code or None,
            "vip": not _VIPS.isdisjoint(customer.classifications),
            "preferences": [liking for note in notes if (liking := preference(note.content))],
            "external_ids": {"pms": customer.id},
            "updated_at": customer.updated_utc,
        }
    )


def preference(content: str) -> Preference | None:
    """Read a note on a guest as `category: value (note)`, or None where it is another kind of note (# Q13)."""
    read = _PREFERENCE.fullmatch(content)
    if read is None:
        return None
    note = PersonalText(read[3]) if read[3] else None
    return Preference(category=read[1], value=PersonalText(read[2]), note=note)


def preference_to_wire(wanted: PreferenceDraft) -> str:
    """Write a preference as a note on a guest (# Q13).

    Raises:
        InvalidRequest: it would not be read again as it is.
    """
    content = f"{wanted.category}: {wanted.value}" + (f" ({wanted.note})" if wanted.note else "")
    read = preference(content)
    if read is None or (read.category, read.value, read.note) != (wanted.category, wanted.value, wanted.note):
        raise InvalidRequest.of("preferences", "this PMS keeps them as text: no : ( or ) in category and value")
    if len(content) > 1000:
        raise InvalidRequest.of(
            "preferences", "this PMS takes at most 1000 characters each, category and note included"
        )
    return content


# Money


def folio_item(item: wire.OrderItem) -> FolioLine:
    """Give a line of what is owed."""
    return FolioLine(
        id=VendorRef(item.id),
        kind=LineKind.TAX if item.type in _TAXES else LineKind.CHARGE,
        description=item.billing_name or item.type,
        amount=money(item.amount),
        posted_at=item.consumed_utc,
    )


def folio_payment(payment: wire.Payment) -> FolioLine:
    """Give a payment, which is below zero there and here."""
    return FolioLine(
        id=VendorRef(payment.id),
        kind=LineKind.PAYMENT,
        description=payment.type,
        amount=money(payment.amount),
        posted_at=payment.charged_utc or payment.created_utc,
        reference=payment.identifier or None,
    )


def balance(ref: VendorRef, hotel: Hotel, items: Iterable[wire.OrderItem], payments: Iterable[wire.Payment]) -> Balance:
    """Give what is owed: what is open of items and payments (# Q12).

    Raises:
        VendorLacks: not all of it is in the hotel's currency.
    """
    owed = [item.amount for item in items if item.accounting_state == OPEN]
    paid = [payment.amount for payment in payments if payment.accounting_state == OPEN]
    if {amount.currency for amount in (*owed, *paid)} - {hotel.currency}:
        raise VendorLacks("the stay is charged in several currencies, which has no one balance", vendor=MEWS.vendor)
    charges = sum((amount.gross_value for amount in owed), Decimal())
    payed = sum((amount.gross_value for amount in paid), Decimal())
    return Balance(
        reservation_id=ref,
        balance=Money.rounded(charges + payed, hotel.currency),
        charges=Money.rounded(charges, hotel.currency),
        payments=Money.rounded(payed, hotel.currency),
    )


def unit_amount(amount: Money, *, included: bool, pricing: str, tax: wire.TaxRate | None) -> dict[str, Any]:
    """Say what one unit costs, before or after tax as the property counts (# Q14).

    Raises:
        InvalidRequest: there is no amount in that way of counting that comes to the same.
    """
    factor = 1 + tax.value if tax else Decimal(1)
    is_gross = pricing == "Gross"
    value = amount
    if included is not is_gross:
        value = Money.rounded(amount.amount * factor if is_gross else amount.amount / factor, amount.currency)
        back = value.amount / factor if is_gross else value.amount * factor
        if Money.rounded(back, amount.currency) != amount:
            raise InvalidRequest.of(
                "tax_included", f"the hotel counts {pricing.lower()}, in which no amount comes to exactly this"
            )
    return {
        "Currency": value.currency,
        "GrossValue" if is_gross else "NetValue": orjson.Fragment(str(value.amount)),
        "TaxCodes": [tax.code] if tax else [],
    }


# Rooms, and the property itself


def room_status(resource: wire.Resource, place: RoomPlace | None, occupied: frozenset[str]) -> RoomStatus:
    """Give a room as it is now; `occupied` are the ids of the rooms of stays that have begun (# Q10)."""
    floor = resource.data.value.floor_number if resource.data.value else None
    return RoomStatus(
        room_number=resource.name,
        room_type=place.category_id if place else None,
        floor=floor or None,
        cleaning=CLEANING.get(resource.state, Cleaning.UNKNOWN),
        occupancy=RoomOccupancy.OCCUPIED if resource.id in occupied else RoomOccupancy.VACANT,
        out_of_order=resource.state == "OutOfOrder",
        updated_at=resource.updated_utc,
        vendor_status=resource.state,
    )


def property_found(enterprise: wire.Enterprise) -> PropertyFound:
    """Give the property as Mews describes it."""
    country = enterprise.address.country_code if enterprise.address else None
    return PropertyFound(enterprise.id, enterprise.name, enterprise.time_zone_identifier, enterprise.currency, country)


def moment(value: datetime) -> str:
    """Write an instant."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def interval(start: datetime, end: datetime) -> dict[str, str]:
    """Write an interval, its end not included."""
    return {"StartUtc": moment(start), "EndUtc": moment(end)}
