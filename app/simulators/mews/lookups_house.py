"""Questions about the house: what it has, what it costs, what is free."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from app.simulators.hotel import RoomWish
from app.simulators.mews import sent, shown
from app.simulators.mews.enterprises import AGES
from app.simulators.mews.exchange import Problem, Visit, invalid
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import Shown
from app.simulators.mews.times import utc
from app.simulators.records import nights_of
from app.simulators.rules import night_price

LONGEST_DAYS = 367
"""Of days that one question can be about."""


def configuration(visit: Visit) -> Shown:
    """What the enterprise is."""
    premises = visit.one(visit.read(sent.ConfigurationQuestion).enterprise_id)
    return shown.configuration(premises, visit.site.now(), pricing=pricing(visit, premises))


def pricing(visit: Visit, premises: Premises) -> str:
    """Give whether prices are told before or after tax."""
    return premises.facts.pricing if visit.is_on("pricing", "own") else "Net"


def services(visit: Visit) -> Shown:
    """The services that can be booked or ordered."""
    asked = visit.read(sent.ServicesQuestion)
    found = [
        one
        for premises in visit.among(asked.enterprise_ids)
        for one in _services(visit, premises)
        if among(one["Id"], asked.service_ids) and asked.service_type in {None, one["Data"]["Discriminator"]}
    ]
    return _listing(visit, asked, "Services", found)


def _services(visit: Visit, premises: Premises) -> list[Shown]:
    facts = premises.facts
    named = [(facts.order_service, "Front desk", 2), (facts.stay_service, "Stay", 0)]
    if visit.is_on("meeting_rooms"):
        named.insert(0, (facts.hour_service, "Meeting rooms", 1))
    return [shown.service(premises, *one) for one in named]


def categories(visit: Visit) -> Shown:
    """The room types."""
    asked = visit.read(sent.CategoriesQuestion)
    found = [
        shown.category(premises, kind, place)
        for premises in visit.among(asked.enterprise_ids)
        for place, kind in enumerate(premises.hotel.kinds.values())
        if premises.facts.stay_service in asked.service_ids and among(kind.code, asked.resource_category_ids)
    ]
    return _listing(visit, asked, "ResourceCategories", found)


def assignments(visit: Visit) -> Shown:
    """Of which type each room is."""
    asked = visit.read(sent.AssignmentsQuestion)
    found = [
        one
        for premises in visit.among(asked.enterprise_ids)
        for room in premises.hotel.rooms.values()
        if room.kind in asked.resource_category_ids
        and among((one := shown.assignment(premises, room))["Id"], asked.resource_category_assignment_ids)
        and among(one["ResourceId"], asked.resource_ids)
    ]
    return _listing(visit, asked, "ResourceCategoryAssignments", found)


def resources(visit: Visit) -> Shown:
    """The rooms, and what else can be given to a guest."""
    asked = visit.read(sent.ResourcesQuestion)
    there = visit.among(asked.enterprise_ids)
    found = [
        one
        for premises in there
        for one in (
            shown.bicycle(premises),
            *(
                shown.resource(premises, room)
                for room in premises.hotel.rooms.values()
                if asked.updated_utc is None or asked.updated_utc.holds(room.updated_at)
            ),
        )
        if among(one["Id"], asked.resource_ids) and among(one["Name"], asked.names)
    ]
    answer = _listing(visit, asked, "Resources", found if asked.extent.resources else [])
    extent = asked.extent
    kinds = [
        shown.category(premises, kind, place)
        for premises in there
        for place, kind in enumerate(premises.hotel.kinds.values())
    ]
    given = [shown.assignment(premises, room) for premises in there for room in premises.hotel.rooms.values()]
    return answer | {
        "ResourceCategories": kinds if extent.resource_categories else None,
        "ResourceCategoryAssignments": given if extent.resource_category_assignments else None,
        "ResourceCategoryImageAssignments": None,
        "ResourceFeatures": None,
        "ResourceFeatureAssignments": None,
    }


def rates(visit: Visit) -> Shown:
    """The rates: those for sale, one that is switched off, and one for staff alone."""
    asked = visit.read(sent.RatesQuestion)
    there = [one for one in visit.among(asked.enterprise_ids) if one.facts.stay_service in asked.service_ids]
    found = [
        one
        for premises in there
        for one in _rates(premises)
        if among(one["Id"], asked.rate_ids) and among(one["ExternalIdentifier"], asked.external_identifiers)
    ]
    groups = [shown.rate_group(one) for one in there] if asked.extent and asked.extent.rate_groups else []
    nothing: Shown = {"DateRestrictions": [], "EarlinessRestrictions": [], "LengthRestrictions": []}
    return _listing(visit, asked, "Rates", found) | {"RateGroups": groups, "RateRestrictions": nothing}


def _rates(premises: Premises) -> list[Shown]:
    closed = [
        shown.closed_rate(premises, key="OLD", name="Last year's rate", IsEnabled=False),
        shown.closed_rate(premises, key="STAFF", name="Staff rate", IsPublic=False),
    ]
    return closed + [shown.rate(premises, plan, place) for place, plan in enumerate(premises.hotel.plans.values())]


def ages(visit: Visit) -> Shown:
    """The age categories."""
    asked = visit.read(sent.AgesQuestion)
    found = [
        one
        for premises in visit.among(asked.enterprise_ids)
        for category in AGES
        if among((one := shown.age(premises, category))["Id"], asked.age_category_ids)
        and among(premises.facts.stay_service, asked.service_ids)
    ]
    return _listing(visit, asked, "AgeCategories", found)


def availability(visit: Visit) -> Shown:
    """How many rooms of each type are free, day by day."""
    asked = visit.read(sent.UnitsQuestion)
    premises = of_service(visit, asked.service_id)
    days = _days(premises, asked)
    sold, hotel = premises.hotel.sold(), premises.hotel
    return {
        "TimeUnitStartsUtc": [utc(premises.clock.at(day)) for day in days],
        "DatesUtc": [utc(premises.clock.at(day)) for day in days],
        "CategoryAvailabilities": [
            {
                "CategoryId": kind,
                "Availabilities": [hotel.sellable(kind) - sold[kind, day] for day in days],
                "Adjustments": [0 for _ in days],
            }
            for kind in hotel.kinds
        ],
    }


def nightly_prices(visit: Visit) -> Shown:
    """What each day costs in each room type, for as many adults as its regular beds hold."""
    asked = visit.read(sent.PricingQuestion)
    premises = next((one for one in visit.premises if asked.rate_id in one.hotel.plans), None)
    if premises is None:
        raise invalid("RateId")
    days = _days(premises, asked)
    listed = {kind: _prices(premises, kind, asked.rate_id, days) for kind in premises.hotel.kinds}
    base = next(iter(listed.values()))
    return {
        "Currency": premises.hotel.setup.currency,
        "TimeUnitStartsUtc": [utc(premises.clock.at(day)) for day in days],
        "DatesUtc": [utc(premises.clock.at(day)) for day in days],
        "BaseAmountPrices": [shown.stay_amount(premises, price) for price in base],
        "BasePrices": [shown.number(price) for price in base],
        "CategoryPrices": [
            {
                "CategoryId": kind,
                "AmountPrices": [shown.stay_amount(premises, price) for price in prices],
                "Prices": [shown.number(price) for price in prices],
            }
            for kind, prices in listed.items()
        ],
        "CategoryAdjustments": [],
        "AgeCategoryAdjustments": [],
        "RelativeAdjustment": 0,
        "AbsoluteAdjustment": 0,
        "EmptyUnitAdjustment": 0,
        "ExtraUnitAdjustment": 0,
    }


def _prices(premises: Premises, kind: str, plan: str, days: Sequence[date]) -> list[Decimal]:
    adults = min(2, premises.hotel.kind(kind).max_occupancy)
    after = date.fromordinal(days[-1].toordinal() + 1)
    nights = premises.hotel.price(RoomWish(kind=kind, plan=plan, arrival=days[0], departure=after, adults=adults))
    return [night.price for night in nights]


def price(visit: Visit) -> Shown:
    """What stays cost; whether there is room for them is not looked at."""
    asked = visit.read(sent.PriceQuestion)
    premises = of_service(visit, asked.service_id)
    return {
        "ReservationPrices": [
            {
                "Identifier": wanted.identifier,
                "TotalAmount": shown.stay_amount(premises, _total(premises, wanted)),
                "Total": {"Currency": premises.hotel.setup.currency, "Value": shown.number(_total(premises, wanted))},
            }
            for wanted in asked.reservations
        ]
    }


def _total(premises: Premises, wanted: sent.PriceWish) -> Decimal:
    """Give the price of a stay; whether so many persons have room there is not looked at either."""
    room, hotel = wish(premises, wanted), premises.hotel
    nights = nights_of(room.arrival, room.departure)
    if not nights:
        raise invalid("EndUtc")
    kind, plan, children = hotel.kind(room.kind), hotel.plan(room.plan), len(room.child_ages)
    prices = (night_price(kind, plan, night, adults=room.adults, children=children) for night in nights)
    return sum(prices, Decimal())


def wish(premises: Premises, wanted: sent.PriceWish) -> RoomWish:
    """Give the room that a stay needs; instants become days of the hotel."""
    hotel = premises.hotel
    if wanted.requested_category_id not in hotel.kinds:
        raise invalid("RequestedCategoryId")
    if wanted.rate_id not in hotel.plans:
        raise invalid("RateId")
    adults, child_ages = party(premises, wanted.person_counts)
    return RoomWish(
        kind=wanted.requested_category_id,
        plan=wanted.rate_id,
        arrival=premises.clock.day(wanted.start_utc),
        departure=premises.clock.day(wanted.end_utc),
        adults=adults,
        child_ages=child_ages,
    )


def party(premises: Premises, counts: Sequence[sent.PersonCount]) -> tuple[int, tuple[int, ...]]:
    """Give adults and ages of children."""
    found = premises.party({one.age_category_id: one.count for one in counts})
    if found is None:
        raise invalid("PersonCounts")
    return found


def of_service(visit: Visit, service_id: str) -> Premises:
    """Give the enterprise that a stay's service is of."""
    found = next((one for one in visit.premises if one.facts.stay_service == service_id), None)
    if found is None:
        raise invalid("ServiceId")
    return found


def _days(premises: Premises, asked: sent.UnitsQuestion | sent.PricingQuestion) -> list[date]:
    """Give the days that are asked for: each named by the very instant at which it begins here."""
    first = premises.clock.unit(asked.first_time_unit_start_utc)
    last = premises.clock.unit(asked.last_time_unit_start_utc)
    if first is None:
        raise invalid("FirstTimeUnitStartUtc")
    if last is None or last < first:
        raise invalid("LastTimeUnitStartUtc")
    if (last - first).days >= LONGEST_DAYS:
        raise Problem(400, f"Invalid interval: more than {LONGEST_DAYS} time units.")
    return premises.clock.units(first, last)


def among(value: str | None, wanted: Sequence[str] | None) -> bool:
    """Tell whether a filter lets a value through; one that is not set lets everything through."""
    return wanted is None or value in wanted


def _listing(visit: Visit, asked: sent.ListQuestion, name: str, found: Sequence[Shown]) -> Shown:
    records = [(str(one["Id"]), one) for one in found] if asked.wants_active else []
    rows, cursor = visit.page(records, asked.limitation)
    return {name: rows, "Cursor": cursor}
