"""The quirks of the README, one test each."""

from app.domain.ids import VendorRef
from tests.adapters._template.conftest import Connected


async def test_q1_times_without_a_zone_are_the_hotels_own(connected: Connected) -> None:
    booking = connected.seeded("Lovelace")
    found = await connected.connector.get_reservation(VendorRef(booking.id))
    assert found.created_at == booking.created_at.replace(microsecond=0)
