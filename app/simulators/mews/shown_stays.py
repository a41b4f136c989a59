"""A reservation in its two shapes, and its guest."""

from collections.abc import Sequence
from typing import Any

from app.simulators.mews.enterprises import PROFILE
from app.simulators.mews.premises import Premises
from app.simulators.mews.shown import PROFILES, Shown, listed
from app.simulators.mews.times import utc
from app.simulators.records import Booking, Guest, StayStatus

IMPORTANT = frozenset({"Important", "VeryImportant"})
STATES = {
    StayStatus.TENTATIVE: "Optional",
    StayStatus.CONFIRMED: "Confirmed",
    StayStatus.IN_HOUSE: "Started",
    StayStatus.CHECKED_OUT: "Processed",
    StayStatus.CANCELLED: "Canceled",
    StayStatus.NO_SHOW: "Canceled",
}


def state(premises: Premises, booking: Booking) -> str:
    """Give where a reservation stands; a no-show is a cancelled one with a reason."""
    return premises.ledger.odd_states.get(booking.id, STATES[booking.status])


def _reason(booking: Booking) -> str | None:
    if booking.status is StayStatus.NO_SHOW:
        return "NoShow"
    return "Other" if booking.status is StayStatus.CANCELLED else None


def _options(booking: Booking) -> dict[str, bool]:
    there = booking.status in {StayStatus.IN_HOUSE, StayStatus.CHECKED_OUT}
    return dict.fromkeys(("OwnerCheckedIn", "AllCompanionsCheckedIn", "AnyCompanionCheckedIn"), there)


def _assigned(premises: Premises, booking: Booking) -> str | None:
    number = booking.rooms[0].room_number
    return premises.resource_id(number) if number else None


def _cancelled(booking: Booking) -> str | None:
    if booking.status not in {StayStatus.CANCELLED, StayStatus.NO_SHOW}:
        return None
    return utc(booking.cancelled_at or booking.updated_at)


def _common(premises: Premises, booking: Booking) -> Shown:
    return {
        "Id": booking.id,
        "ServiceId": premises.facts.stay_service,
        "GroupId": premises.group(booking),
        "Number": booking.confirmation_number,
        "ChannelNumber": premises.ledger.channel_numbers.get(booking.id),
        "ChannelManagerNumber": None,
        "State": state(premises, booking),
        "Origin": "Connector",
        "OriginDetails": None,
        "CreatedUtc": utc(booking.created_at),
        "UpdatedUtc": utc(booking.updated_at),
        "CancelledUtc": _cancelled(booking),
        "CancellationReason": _reason(booking),
        "ReleasedUtc": None,
        "StartUtc": utc(premises.started(booking) or premises.start(booking)),
        "EndUtc": utc(premises.ended(booking) or premises.end(booking)),
        "AssignedResourceId": _assigned(premises, booking),
        "AssignedResourceLocked": booking.id in premises.ledger.locked,
        "RateId": booking.rooms[0].plan,
        "VoucherId": None,
        "BusinessSegmentId": None,
        "CreditCardId": None,
        "AvailabilityBlockId": None,
        "TravelAgencyId": None,
        "BookerId": None,
        "Purpose": None,
        "PersonCounts": listed(premises.persons(booking.rooms[0])),
    }


def reservation(premises: Premises, booking: Booking) -> Shown:
    """Write a reservation as of 2023-06-06."""
    started, ended = premises.started(booking), premises.ended(booking)
    return {
        **_common(premises, booking),
        **PROFILES,
        "AccountId": booking.contact.guest_id,
        "AccountType": "Customer",
        "CommanderOrigin": None,
        "Options": {**_options(booking), "ConnectorCheckIn": False},
        "RequestedResourceCategoryId": booking.rooms[0].kind,
        "PartnerCompanyId": None,
        "ScheduledStartUtc": utc(premises.start(booking)),
        "ActualStartUtc": utc(started) if started else None,
        "ScheduledEndUtc": utc(premises.end(booking)),
        "ActualEndUtc": utc(ended) if ended else None,
        "QrCodeData": None,
    }


def old_reservation(premises: Premises, booking: Booking) -> Shown:
    """Write a reservation as of 2017-04-12, as those who write get it."""
    room = booking.rooms[0]
    common = _common(premises, booking)
    assigned: Any = common["AssignedResourceId"]
    return {
        **common,
        "State": "Enquired" if common["State"] == "Inquired" else common["State"],
        "ChannelManagerGroupNumber": None,
        "ChannelManager": None,
        "RequestedCategoryId": room.kind,
        "AssignedSpaceId": assigned,
        "AssignedSpaceLocked": common["AssignedResourceLocked"],
        "CompanyId": None,
        "AdultCount": room.adults,
        "ChildCount": len(room.child_ages),
        "OwnerId": booking.contact.guest_id,
        "CustomerId": booking.contact.guest_id,
        "CompanionIds": [],
        "ChannelManagerId": None,
        "Options": _options(booking),
    }


def _classifications(guest: Guest, written: Sequence[str]) -> list[str]:
    """Give what a guest is counted among; who is important is known to the hotel itself."""
    if not guest.vip:
        return [one for one in written if one not in IMPORTANT]
    return list(written) if IMPORTANT.intersection(written) else [*written, "VeryImportant"]


def customer(premises: Premises, guest: Guest) -> Shown:
    """Write a guest."""
    known = premises.ledger.accounts.get(guest.id, {})
    return {
        "Id": guest.id,
        "ChainId": premises.facts.chain,
        "Number": str(int(guest.id.rpartition("-")[2])),
        "Title": None,
        "Sex": None,
        "FirstName": guest.first_name,
        "LastName": guest.last_name,
        "SecondLastName": None,
        "NationalityCode": guest.country,
        "PreferredLanguageCode": guest.language,
        "LanguageCode": guest.language,
        "BirthDate": None,
        "Email": guest.email,
        "HasOtaEmail": False,
        "Phone": guest.phone,
        "LoyaltyCode": guest.loyalty_tier,
        "Notes": None,
        "DietaryRequirements": None,
        "CompanyId": None,
        "MergeTargetId": None,
        "IsActive": True,
        "PreferredSpaceFeatures": [],
        "CreatorProfileId": PROFILE,
        "UpdaterProfileId": PROFILE,
        "CreatedUtc": utc(guest.created_at),
        "UpdatedUtc": utc(guest.updated_at),
        "AddressId": None,
        "Options": [],
        **known,
        "Classifications": _classifications(guest, known.get("Classifications", ())),
    }
