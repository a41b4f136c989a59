"""What a hotel has, as the vendor's JSON: its house and its prices."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from app.simulators.mews.enterprises import PROFILE, SINCE, AgeCategory, TaxRate, guid
from app.simulators.mews.premises import Premises
from app.simulators.mews.times import duration, utc
from app.simulators.records import Housekeeping, Plan, Room, RoomKind

Shown = dict[str, Any]
_CENT = Decimal("0.01")
_STATES = {
    Housekeeping.CLEAN: "Clean",
    Housekeeping.DIRTY: "Dirty",
    Housekeeping.INSPECTED: "Inspected",
    Housekeeping.PICKUP: "Dirty",
}
NO_PROMOTIONS = dict.fromkeys(
    ("BeforeCheckIn", "AfterCheckIn", "DuringStay", "BeforeCheckOut", "AfterCheckOut", "DuringCheckOut"), False
)


def text(english: str) -> dict[str, str]:
    """Write a text in the languages that the installation has."""
    return {"en-US": english}


def number(value: Decimal) -> float:
    """Write an amount: a plain number."""
    return float(value)


def without_tax(gross: Decimal, rate: TaxRate) -> Decimal:
    """Take the tax off."""
    return (gross / (1 + rate.value)).quantize(_CENT, ROUND_HALF_UP)


def amount(premises: Premises, gross: Decimal, rate: TaxRate | None) -> Shown:
    """Write money; what has no tax rate, such as a payment, is the same before and after tax."""
    net = gross if rate is None else without_tax(gross, rate)
    taxes = [] if rate is None else [{"Code": rate.code, "Value": number(gross - net)}]
    items = [{"TaxRateCode": rate and rate.code, "NetValue": number(net), "TaxValue": number(gross - net)}]
    return {
        "Currency": premises.hotel.setup.currency,
        "NetValue": number(net),
        "GrossValue": number(gross),
        "TaxValues": taxes,
        "Breakdown": {"Items": items},
    }


def stay_amount(premises: Premises, gross: Decimal) -> Shown:
    """Write the price of a stay."""
    return amount(premises, gross, premises.facts.stay_tax)


def configuration(premises: Premises, now: datetime, *, pricing: str) -> Shown:
    """Write what an enterprise is."""
    return {
        "NowUtc": utc(now),
        "Enterprise": _enterprise(premises, pricing),
        "Service": None,
        "PaymentCardStorage": None,
        "IsIdentityDocumentNumberRequired": False,
    }


def _enterprise(premises: Premises, pricing: str) -> Shown:
    setup, facts = premises.hotel.setup, premises.facts
    codes = (
        "LegalEnvironmentCode",
        "AccommodationEnvironmentCode",
        "AccountingEnvironmentCode",
        "TaxEnvironmentCode",
    )
    return {
        "Id": premises.id,
        "ExternalIdentifier": None,
        "HoldingKey": None,
        "ChainId": facts.chain,
        "ChainName": f"{setup.name} Company",
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
        "Name": setup.name,
        "ShortName": None,
        "TimeZoneIdentifier": setup.timezone,
        **dict.fromkeys(codes, facts.environment),
        "DefaultLanguageCode": "en-US",
        "AccountingEditableHistoryInterval": "P0M7DT0H0M0S",
        "OperationalEditableHistoryInterval": "P0M7DT0H0M0S",
        "EditableHistoryInterval": "P0M7DT0H0M0S",
        "BusinessDayClosingOffset": None,
        "Pricing": pricing,
        "TaxPrecision": None,
        "AddressId": facts.guid("address"),
        "Address": {"Id": facts.guid("address"), "Line1": "1 Main Street", "CountryCode": setup.country},
        "GroupNames": [],
        "Subscription": {"TaxIdentifier": None},
        "Currencies": [{"Currency": setup.currency, "IsDefault": True, "IsEnabled": True}],
        "AccountingConfiguration": None,
        "IsPortfolio": False,
    }


def service(premises: Premises, service_id: str, name: str, place: int) -> Shown:
    """Write a service: rooms by the day, meeting rooms by the hour, or things to be ordered."""
    facts = premises.facts
    data: Shown = {"Discriminator": "Additional", "Value": {"Promotions": NO_PROMOTIONS}}
    if service_id != facts.order_service:
        days = service_id == facts.stay_service
        start = duration(facts.start if days else "00:00")
        end = duration(premises.hotel.setup.checkout_time if days else "00:00")
        period = "Day" if days else "Hour"
        value = {
            "StartOffset": start,
            "EndOffset": end,
            "OccupancyStartOffset": start,
            "OccupancyEndOffset": end,
            "TimeUnitPeriod": period,
            "TimeUnit": period,
        }
        data = {"Discriminator": "Bookable", "Value": value}
    return {
        "Id": service_id,
        "EnterpriseId": premises.id,
        "IsActive": True,
        "Names": text(name),
        "Name": name,
        "Options": {"BillAsPackage": False},
        "Ordering": place,
        "Data": data,
        "ExternalIdentifier": None,
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
    }


def category(premises: Premises, kind: RoomKind, place: int) -> Shown:
    """Write a room type: so many regular beds, the others are extra."""
    capacity = min(2, kind.max_occupancy)
    return {
        "Id": kind.code,
        "EnterpriseId": premises.id,
        "ServiceId": premises.facts.stay_service,
        "IsActive": True,
        "Type": "Room",
        "Classification": "StandardDouble",
        "Names": text(kind.name),
        "ShortNames": text(kind.name[:12]),
        "Descriptions": text(kind.description),
        "Ordering": place,
        "Capacity": capacity,
        "ExtraCapacity": kind.max_occupancy - capacity,
        "ExternalIdentifier": None,
        "AccountingCategoryId": premises.facts.guid("accounting", "accommodation"),
    }


def assignment(premises: Premises, room: Room) -> Shown:
    """Write of which type a room is."""
    return {
        "Id": assignment_id(premises, room),
        "IsActive": True,
        "ResourceId": premises.resource_id(room.number),
        "CategoryId": room.kind,
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
    }


def assignment_id(premises: Premises, room: Room) -> str:
    """Give the id under which it is written of which type a room is."""
    return premises.facts.guid("assignment", room.number)


def resource(premises: Premises, room: Room) -> Shown:
    """Write a room; nothing tells whether somebody is in it."""
    return {
        "Id": premises.resource_id(room.number),
        "EnterpriseId": premises.id,
        "IsActive": True,
        "ParentResourceId": None,
        "Name": room.number,
        "State": "OutOfOrder" if room.out_of_order else _STATES[room.cleaning],
        "Descriptions": {},
        "ExternalNames": {},
        "Directions": {},
        "CreatedUtc": SINCE,
        "UpdatedUtc": utc(room.updated_at),
        "Data": {"Discriminator": "Space", "Value": {"FloorNumber": room.floor, "LocationNotes": None}},
    }


def bicycle(premises: Premises) -> Shown:
    """Write a resource that is no room."""
    return {
        "Id": premises.facts.guid("bicycle"),
        "EnterpriseId": premises.id,
        "IsActive": True,
        "ParentResourceId": None,
        "Name": "Bicycle 1",
        "State": "Clean",
        "Descriptions": {},
        "ExternalNames": {},
        "Directions": {},
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
        "Data": {"Discriminator": "Object", "Value": {}},
    }


def rate(premises: Premises, plan: Plan, place: int) -> Shown:
    """Write a rate."""
    return {
        "Id": plan.code,
        "GroupId": premises.facts.guid("rate group"),
        "ServiceId": premises.facts.stay_service,
        "BaseRateId": None,
        "IsBaseRate": place == 0,
        "BusinessSegmentId": None,
        "IsActive": True,
        "IsEnabled": True,
        "IsPublic": True,
        "IsDefault": place == 0,
        "Type": "Public",
        "Names": text(plan.name),
        "ShortName": plan.name[:12],
        "UpdatedUtc": SINCE,
        "ExternalNames": text(plan.name),
        "Description": text(plan.description),
        "ExternalIdentifier": None,
        "Name": plan.name,
    }


def closed_rate(premises: Premises, *, key: str, name: str, **switched: bool) -> Shown:
    """Write a rate that nobody can book from outside."""
    plan = Plan(code=premises.facts.guid("rate", key), name=name, description=name, factor=Decimal(1), refundable=True)
    kind = "Private" if switched.get("IsPublic") is False else "Public"
    return rate(premises, plan, 9) | {"Type": kind} | switched


def rate_group(premises: Premises) -> Shown:
    """Write the group that all rates are in."""
    return {
        "Id": premises.facts.guid("rate group"),
        "ServiceId": premises.facts.stay_service,
        "IsActive": True,
        "Name": "Standard",
        "ExternalIdentifier": None,
    }


def age(premises: Premises, category: AgeCategory) -> Shown:
    """Write an age category."""
    return {
        "Id": premises.age_category(category.key),
        "ServiceId": premises.facts.stay_service,
        "MinimalAge": category.minimal,
        "MaximalAge": category.maximal,
        "Names": text(category.name),
        "ShortNames": None,
        "CreatedUtc": SINCE,
        "UpdatedUtc": SINCE,
        "Classification": category.classification,
        "IsActive": True,
        "ExternalIdentifier": None,
    }


def listed(counts: Mapping[str, int]) -> list[Shown]:
    """Write how many persons of each age category there are."""
    return [{"AgeCategoryId": category_id, "Count": count} for category_id, count in counts.items() if count]


def tax_rates(rates: Iterable[TaxRate], environment: str) -> list[Shown]:
    """Write tax rates."""
    return [
        {
            "Code": one.code,
            "TaxationCode": environment,
            "Value": number(one.value),
            "ValidityInvervalsUtc": None,
            "Strategy": {"Discriminator": "Relative", "Value": {"Value": number(one.value)}},
        }
        for one in rates
    ]


PROFILES = {"CreatorProfileId": PROFILE, "UpdaterProfileId": PROFILE}
"""Who made and who changed a record."""


def request_id(count: int) -> str:
    """Give the id of a request."""
    return guid("request", count)
