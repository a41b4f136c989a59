"""What the adapter tells of the PMS's records, and how it says what goes wrong.

What every vendor promises is not repeated here: it stands in `tests/contract`.
"""

import pytest

from app.domain.errors import NotFound, VendorAuthFailed, VendorContractBroken, VendorUnavailable
from app.domain.ids import VendorRef
from app.domain.money import Money
from app.domain.reservation import ReservationStatus
from app.simulators.faults import Fault, FaultKind
from tests.adapters._template.conftest import Connect, Connected


async def test_a_reservation_is_told_as_the_pms_has_it(connected: Connected) -> None:
    booking = connected.seeded("Lovelace")
    found = await connected.connector.get_reservation(VendorRef(booking.id))
    assert (found.id, found.confirmation_number) == (booking.id, booking.confirmation_number)
    assert (found.arrival, found.departure) == (booking.arrival, booking.departure)
    assert (found.room_type, found.rate_code, found.room_number) == ("STD", "FLEX", booking.rooms[0].room_number)
    assert (found.guest.first_name, found.guest.last_name) == ("Ada", "Lovelace")
    assert found.total == Money(amount=booking.total, currency="EUR")
    assert [note.text for note in found.notes] == ["Extra pillows, please"]


async def test_a_stay_of_several_rooms_lists_them_all(connected: Connected) -> None:
    found = await connected.connector.get_reservation(VendorRef(connected.seeded("Noether").id))
    assert [room.room_type for room in found.rooms] == ["STD", "DLX"]
    assert found.room_type is None


@pytest.mark.parametrize(
    ("last_name", "status"),
    [
        ("Bohr", ReservationStatus.TENTATIVE),
        ("Lamarr", ReservationStatus.CONFIRMED),
        ("Lovelace", ReservationStatus.IN_HOUSE),
        ("Newton", ReservationStatus.CANCELLED),
        ("Franklin", ReservationStatus.NO_SHOW),
    ],
)
async def test_each_state_is_told_in_our_word(connected: Connected, last_name: str, status: ReservationStatus) -> None:
    found = await connected.connector.get_reservation(VendorRef(connected.seeded(last_name).id))
    assert found.status is status


async def test_a_state_that_nobody_documents_is_unknown_with_the_vendors_word(connect: Connect) -> None:
    connected = connect(modes={"odd_state": "on"})
    found = await connected.connector.get_reservation(VendorRef(connected.seeded("Bohr").id))
    assert (found.status, found.vendor_status) == (ReservationStatus.UNKNOWN, "ON_LOAN")


async def test_a_stay_that_is_not_there_is_not_found_although_the_vendor_says_400(connected: Connected) -> None:
    with pytest.raises(NotFound) as refused:
        await connected.connector.get_reservation(VendorRef("nowhere"))
    assert refused.value.vendor_code == "UNKNOWN_STAY"


async def test_a_key_that_the_pms_does_not_know_is_told_as_such(connect: Connect) -> None:
    connected = connect(changes={"credentials": {"api_key": "another"}})
    with pytest.raises(VendorAuthFailed):
        await connected.connector.get_reservation(VendorRef(connected.seeded("Lovelace").id))


async def test_a_pms_that_is_closed_for_the_audit_did_nothing(connected: Connected) -> None:
    closed = Fault(kind=FaultKind.STATUS, status=500, body='{"error": {"code": "CLOSED_FOR_AUDIT"}}')
    connected.site.faults.add(closed)
    with pytest.raises(VendorUnavailable):
        await connected.connector.get_reservation(VendorRef(connected.seeded("Lovelace").id))


@pytest.mark.parametrize("body", ["[]", '{"error": "no"}', '{"error": {"code": 7, "text": null}}', "Fatal error"])
async def test_an_error_in_another_form_is_told_by_its_status(connected: Connected, body: str) -> None:
    connected.site.faults.add(Fault(kind=FaultKind.STATUS, status=404, body=body))
    with pytest.raises(NotFound) as refused:
        await connected.connector.get_reservation(VendorRef(connected.seeded("Lovelace").id))
    assert refused.value.vendor_code == "404"


async def test_an_answer_that_lacks_something_is_a_broken_contract(connected: Connected) -> None:
    connected.site.faults.add(Fault(kind=FaultKind.GARBAGE_UNDONE, body='{"id": "1", "rooms": []}'))
    with pytest.raises(VendorContractBroken):
        await connected.connector.get_reservation(VendorRef(connected.seeded("Lovelace").id))
