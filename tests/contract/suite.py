"""What every vendor promises. A vendor joins with a subclass that names it and says how its wire differs.

A promise is a method `test_…` of `VendorContract`. A subclass may replace one only by an
`xfail(strict=True, reason=…)`, so that a deviation is visible debt; those marked `never_waived` not even so.
`test_promises.py` holds subclasses to this.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import pytest

from app.core.adapter import PMSAdapter, implemented
from app.core.connectors import Registration
from app.core.discovery import adapter_class
from app.core.matrix import Ledger, require_truth
from app.core.operation import Operation
from app.domain.capability import WRITES, Capability, Support
from app.domain.errors import (
    Conflict,
    GatewayError,
    NotFound,
    Outcome,
    OutcomeUnknown,
    VendorAuthFailed,
    VendorContractBroken,
    VendorThrottled,
    VendorUnavailable,
)
from app.domain.ids import OperationId, VendorRef
from app.domain.reservation import ReservationDraft
from app.gateway.callers import Caller
from app.simulators.house import RoomWish
from app.simulators.records import Contact
from app.simulators.site import Site
from tests.api.process import GatewayProcess
from tests.contract.promised import QUESTIONS, new_stay
from tests.fixtures.clock import ManualClock
from tests.fixtures.gateway import HotelUnderTest
from tests.fixtures.own_gateway import Gate, OpenGateway
from tests.fixtures.simulators import FreshSite, SimulatorServer
from tests.fixtures.stays import booked, fault, seeded, today
from tests.fixtures.wire import Wire, wire_to

Promise = TypeVar("Promise", bound=Callable[..., Any])

WRONG: dict[str, tuple[dict[str, Any], type[GatewayError], Outcome]] = {
    "401": ({"kind": "status", "status": 401}, VendorAuthFailed, Outcome.REJECTED),
    "404": ({"kind": "status", "status": 404}, NotFound, Outcome.REJECTED),
    "409": ({"kind": "status", "status": 409}, Conflict, Outcome.REJECTED),
    "429": ({"kind": "status", "status": 429}, VendorThrottled, Outcome.NOT_SENT),
    "429 with Retry-After": (
        {"kind": "status", "status": 429, "headers": {"Retry-After": "9"}},
        VendorThrottled,
        Outcome.NOT_SENT,
    ),
    "500": ({"kind": "status", "status": 500}, OutcomeUnknown, Outcome.UNKNOWN),
    "reset": ({"kind": "drop_before"}, OutcomeUnknown, Outcome.UNKNOWN),
    "garbage 200": ({"kind": "garbage_undone", "body": "<html>Hello</html>"}, VendorContractBroken, Outcome.UNKNOWN),
}
LOST: dict[str, dict[str, Any]] = {
    "connection cut": {"kind": "drop_after"},
    "answer cut": {"kind": "cut_body"},
    "500": {"kind": "status_after", "status": 500},
    "garbage 200": {"kind": "garbage", "body": "<html>Fatal error</html>"},
    "late commit": {"kind": "late_commit", "status": 500},
}
CENTS = ("0.01", "0.10", "19.99", "1234567.89")


def never_waived(promise: Promise) -> Promise:
    """Mark a promise that no vendor may be excused from."""
    promise.never_waived = True  # type: ignore[attr-defined]
    return promise


@dataclass(frozen=True)
class Connection:
    """A hotel at the gateway, its adapter, and the wire between the two and the PMS."""

    hotel: HotelUnderTest
    connector: PMSAdapter
    wire: Wire

    @property
    def site(self) -> Site:
        """The PMS."""
        return self.hotel.site

    async def read(self) -> Any:
        """Read something that is there."""
        return await self.connector.get_reservation(VendorRef(seeded(self.hotel, "Lovelace").id))

    async def write(self, operation: Operation) -> Any:
        """Book something that can be booked."""
        draft = ReservationDraft.model_validate(new_stay(self.hotel))
        return await self.connector.create_reservation(draft, operation)


class VendorContract:
    """The promises. Say `vendor`, and override the hooks where the wire differs."""

    vendor: ClassVar[str]
    small_pages: ClassVar[dict[str, str]] = {}
    """Modes of the simulator under which pages are small; without them the profile's own page is overfilled."""
    booking: ClassVar[dict[str, str]] = {"method": "POST|PUT|PATCH"}
    """Which requests make a reservation, as a fault names them; what is read before that is left alone."""
    sends_before_booking: ClassVar[int] = 0
    """Writes that go before it where the guest is new, such as that of a profile."""
    charging: ClassVar[dict[str, str]] = {"method": "POST|PUT|PATCH"}
    """Which requests post a charge."""

    def make_unknown(self, site: Site) -> str | None:
        """Give one reservation a status that the vendor does not document; gives its id, None where there is none."""
        raise NotImplementedError

    # What tests stand on

    @pytest.fixture
    async def connection(
        self, open_gateway: OpenGateway, fresh_site: FreshSite, simulators: SimulatorServer
    ) -> AsyncIterator[Connection]:
        """Connects a hotel of the vendor, at a gateway of the test's own."""
        async with wire_to(simulators.url) as wire:
            gateway = await open_gateway(pms_timeout=0.5)
            site = fresh_site(self.vendor)
            hotel_id = await gateway.register(site, base_url=wire.instead_of(simulators.base_url(site)))
            hotel = HotelUnderTest(hotel_id, site, await gateway.client(hotels=[hotel_id]), gateway)
            parts = gateway.app.state.gateway
            registration: Registration = await parts.hotels.get(hotel_id, Caller("test", frozenset(), None))
            async with parts.connectors.lease(registration) as connector:
                yield Connection(hotel, connector, wire)

    @pytest.fixture
    def hotel(self, connection: Connection) -> HotelUnderTest:
        """Gives the connected hotel."""
        return connection.hotel

    def offers(self, *capabilities: Capability) -> bool:
        """Tell whether the ledger claims all of these."""
        return all(Ledger.load().of(self.vendor).supports(one) for one in capabilities)

    def needs(self, *capabilities: Capability) -> None:
        """Skip a promise about what this vendor does not claim to do."""
        if not self.offers(*capabilities):
            pytest.skip(f"the ledger claims no {', '.join(capabilities)} for {self.vendor}")

    # The ledger

    def test_the_ledger_tells_the_truth(self) -> None:
        ledger, adapter = Ledger.load(), adapter_class(self.vendor)
        entry = ledger.of(self.vendor)
        require_truth(Ledger(vendors={self.vendor: entry}), {self.vendor: adapter})
        claimed = {one for one in Capability if entry.supports(one)}
        assert claimed == implemented(adapter)
        for capability, claim in entry.capabilities.items():
            assert bool(claim.reason) or claim.support not in {Support.PARTIAL, Support.NONE}, capability

    async def test_the_ledger_is_what_callers_are_told(self, hotel: HotelUnderTest) -> None:
        told = (await hotel.get("/capabilities")).json()["data"]
        entry = Ledger.load().of(self.vendor)
        assert told == {one.value: entry.entry(one).model_dump(mode="json") for one in Capability}
        assert hotel.site.requests == []

    async def test_what_is_declared_works(self, hotel: HotelUnderTest, declared: Capability) -> None:
        question = QUESTIONS[declared]
        answer = await question.ask(hotel)
        assert answer.status_code == question.status, answer.text
        question.fits(hotel, answer.json()["data"])
        emulated = Ledger.load().of(self.vendor).capabilities[declared].support is Support.EMULATED
        assert emulated or hotel.site.requests

    async def test_what_is_not_declared_is_refused_without_a_word_to_the_pms(
        self, hotel: HotelUnderTest, undeclared: Capability
    ) -> None:
        answer = await QUESTIONS[undeclared].ask(hotel)
        if undeclared is Capability.HEALTH:  # the doctor always answers; here he says that he cannot look
            assert (answer.status_code, answer.json()["data"]["healthy"]) == (200, False)
        else:
            assert (answer.status_code, answer.json()["code"]) == (501, "capability_not_supported")
            assert (answer.json()["vendor"], undeclared.value in answer.json()["detail"]) == (self.vendor, True)
        assert hotel.site.requests == []

    # Failures

    @pytest.mark.parametrize("wrong", WRONG)
    async def test_a_read_that_fails_has_the_right_error_and_outcome(
        self, connection: Connection, clock: ManualClock, wrong: str
    ) -> None:
        values, kind, outcome = WRONG[wrong]
        connection.site.faults.add(fault(**values))
        with pytest.raises(kind) as caught:
            await connection.read()
        assert (caught.value.outcome, caught.value.vendor) == (outcome, self.vendor)
        if "Retry-After" in wrong:
            assert caught.value.retry_after == 9
            assert min(clock.slept[-2:]) >= 9
        elif wrong == "429":
            assert caught.value.retry_after is None

    @pytest.mark.parametrize("wrong", WRONG)
    async def test_a_write_that_fails_has_the_right_error_and_outcome(self, connection: Connection, wrong: str) -> None:
        self.needs(Capability.RESERVATION_CREATE)
        values, kind, outcome = WRONG[wrong]
        connection.site.faults.add(fault(**values, **self.booking))
        operation = Operation(OperationId(f"op {wrong}"))
        with pytest.raises(kind) as caught:
            await connection.write(operation)
        assert caught.value.outcome is outcome
        if outcome is not Outcome.REJECTED:
            assert (operation.sends > self.sends_before_booking) is (outcome is Outcome.UNKNOWN)
        assert booked(connection.site) == []

    async def test_a_silent_pms_is_an_unknown_outcome(self, connection: Connection, gate: Gate) -> None:
        gate.stop(connection.site)
        with pytest.raises(OutcomeUnknown) as read:
            await connection.read()
        assert read.value.outcome is Outcome.UNKNOWN
        if self.offers(Capability.RESERVATION_CREATE):
            connection.site.faults.clear()
            gate.stop(connection.site, **self.booking)
            operation = Operation(OperationId("silent"))
            with pytest.raises(OutcomeUnknown):
                await connection.write(operation)
            assert operation.sends > 0

    async def test_a_refused_connection_was_never_sent(self, connection: Connection) -> None:
        await connection.wire.cut()
        with pytest.raises(VendorUnavailable) as read:
            await connection.read()
        assert read.value.outcome is Outcome.NOT_SENT
        if self.offers(Capability.RESERVATION_CREATE):
            operation = Operation(OperationId("refused"))
            with pytest.raises(VendorUnavailable) as write:
                await connection.write(operation)
            assert (write.value.outcome, operation.sends) == (Outcome.NOT_SENT, 0)

    @never_waived
    @pytest.mark.parametrize("lost", LOST)
    async def test_a_lost_answer_never_makes_a_second_booking(self, hotel: HotelUnderTest, lost: str) -> None:
        self.needs(Capability.RESERVATION_CREATE)
        hotel.site.faults.add(fault(**LOST[lost], times=1, **self.booking))
        await self._repeat(hotel, Capability.RESERVATION_CREATE)
        assert len(booked(hotel.site)) == 1

    @never_waived
    @pytest.mark.parametrize("lost", LOST)
    async def test_a_lost_answer_never_makes_a_second_charge(self, hotel: HotelUnderTest, lost: str) -> None:
        self.needs(Capability.CHARGE_POST)
        before = len(seeded(hotel, "Lovelace").lines)
        hotel.site.faults.add(fault(**LOST[lost], times=1, **self.charging))
        await self._repeat(hotel, Capability.CHARGE_POST)
        assert len(seeded(hotel, "Lovelace").lines) == before + 1

    async def _repeat(self, hotel: HotelUnderTest, capability: Capability) -> None:
        """Do as a voice agent does: send it again and again, under one key."""
        for _ in range(3):
            answer = await QUESTIONS[capability].ask(hotel)
            assert answer.status_code in {201, 202, 409}, answer.text
        await hotel.site.settled()

    # Isolation

    @never_waived
    async def test_two_installations_never_mix(self, hotel: HotelUnderTest, fresh_site: FreshSite) -> None:
        other_site = fresh_site(self.vendor)
        other_id = await hotel.gateway.register(other_site)
        other = HotelUnderTest(other_id, other_site, await hotel.gateway.client(hotels=[other_id]), hotel.gateway)
        other_site.hotel.cancel(seeded(other, "Lamarr"))
        path = f"/reservations/{seeded(other, 'Lamarr').id}"
        told = [(await one.get(path)).json()["data"]["status"] for one in (hotel, other, hotel, other)]
        assert told == ["confirmed", "cancelled"] * 2
        foreign = await other.client.get(f"/v1/hotels/{hotel.id}{path}")
        assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
        if self.offers(Capability.CHARGE_LIST):
            await self._compare_folios(hotel, other)

    async def _compare_folios(self, hotel: HotelUnderTest, other: HotelUnderTest) -> None:
        booking = seeded(other, "Lovelace")
        other.site.hotel.charge(booking, description="Wine", amount=Decimal("77.00"))
        path = f"/reservations/{booking.id}/charges"
        told = [await one.get(path) for one in (hotel, other, hotel, other)]
        assert [len(one.json()["data"]) for one in told[:2]] == [len(one.json()["data"]) for one in told[2:]]
        owed = [sum(Decimal(line["amount"]["amount"]) for line in one.json()["data"]) for one in told[:2]]
        assert owed[1] - owed[0] == 77
        foreign = await other.client.get(f"/v1/hotels/{hotel.id}{path}")
        assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")

    @never_waived
    async def test_a_second_property_of_the_installation_is_another_hotel(
        self, hotel: HotelUnderTest, simulators: SimulatorServer
    ) -> None:
        first, second = list(hotel.site.hotels.values())[:2]
        changes = {"property_id": second.setup.property_id}
        other_id = await hotel.gateway.register(hotel.site, **changes)
        other = HotelUnderTest(other_id, hotel.site, await hotel.gateway.client(hotels=[other_id]), hotel.gateway)
        for here, house in ((hotel, first), (other, second)):
            for ref in house.bookings:
                assert (await here.get(f"/reservations/{ref}")).json()["data"]["id"] == ref
            if self.offers(Capability.ROOM_STATUS_LIST):
                rooms = (await here.get("/rooms")).json()["data"]
                assert {room["room_number"] for room in rooms} == set(house.rooms)
            if self.offers(Capability.RESERVATION_SEARCH):
                staying = (await here.get("/in-house")).json()["data"]
                assert {one["id"] for one in staying} <= set(house.bookings)
                assert len(staying) == 3
        missing = await other.get(f"/reservations/{seeded(hotel, 'Lovelace').id}")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")

    # What is told

    async def test_secrets_and_guests_are_in_no_log_line(
        self, gateway_process: GatewayProcess, simulators: SimulatorServer, fresh_site: FreshSite
    ) -> None:
        client, site = await gateway_process.client(), fresh_site(self.vendor)
        body = simulators.registration(site).body
        assert (await client("PUT", "/v1/hotels/logged", json=body)).status_code == 201
        hotel = HotelUnderTest("logged", site, client, gateway=None)  # type: ignore[arg-type] # nobody asks for it here
        asked = sorted((one for one in QUESTIONS if self.offers(one)), key=lambda one: one in WRITES)
        for capability in asked:
            await QUESTIONS[capability].ask(hotel)
        await client("DELETE", "/v1/hotels/logged/cache")
        site.faults.add(fault("status", status=400, body='{"detail": "Ada Lovelace, ada@example.test"}'))
        for capability in asked:
            await QUESTIONS[capability].ask(hotel)
        written = gateway_process.log().decode()
        assert written.count("vendor.call.succeeded") > len(asked) / 2
        assert "vendor.call.failed" in written
        people = ("Lovelace", "Shelley", "example.test", "5550101", "7946", "+43 1", "Curie", "Vegan")
        for secret in (site.api_key, client.token, *people):
            assert secret.lower() not in written.lower(), secret

    async def test_paging_reads_everything_once_and_stops(self, hotel: HotelUnderTest) -> None:
        self.needs(Capability.RESERVATION_SEARCH)
        hotel.site.set_modes(self.small_pages)
        crowd = 7 if self.small_pages else adapter_class(self.vendor).profile.page_size + 1
        house = hotel.site.hotel
        made = set()
        for night in range(crowd):
            arrival = today(hotel) + timedelta(days=100 + night)
            wish = RoomWish(
                kind=next(iter(house.kinds)),
                plan=next(iter(house.plans)),
                arrival=arrival,
                departure=arrival + timedelta(days=1),
                adults=1,
            )
            made.add(house.book([wish], Contact(last_name="Crowd", email="crowd@example.test")).id)
        found, cursor = [], None
        while True:
            page = await hotel.get(
                "/reservations", last_name="Crowd", limit=200, **({"cursor": cursor} if cursor else {})
            )
            found += [one["id"] for one in page.json()["data"]]
            cursor = page.json()["meta"]["next_cursor"]
            if cursor is None:
                break
        assert len(found) == len(set(found))
        assert set(found) == made
        assert len(hotel.site.requests) < 10 * crowd

    async def test_a_status_that_nobody_knows_is_unknown(self, hotel: HotelUnderTest) -> None:
        ref = self.make_unknown(hotel.site)
        if ref is None:
            pytest.skip(f"{self.vendor} has no status that could be unknown")
        told = (await hotel.get(f"/reservations/{ref}")).json()["data"]
        assert told["status"] == "unknown"
        assert told["vendor_status"]

    @never_waived
    async def test_money_and_dates_survive_the_way_here(self, hotel: HotelUnderTest) -> None:
        self.needs(Capability.RESERVATION_GET, Capability.BALANCE)
        house, draft = hotel.site.hotel, new_stay(hotel, nights=40)
        wish = RoomWish(
            kind=draft["room_type"],
            plan=draft["rate_code"],
            arrival=(first := today(hotel) + timedelta(days=100)),
            departure=(last := first + timedelta(days=366)),
            adults=1,
        )
        booking = house.book([wish], Contact(last_name="Long", email="long@example.test"))
        for cents in CENTS:
            house.charge(booking, description="Item", amount=Decimal(cents))
        told = (await hotel.get(f"/reservations/{booking.id}")).json()["data"]
        owed = (await hotel.get(f"/reservations/{booking.id}/balance")).json()["data"]["balance"]
        assert (told["arrival"], told["departure"]) == (str(first), str(last))
        assert owed == {"amount": str(house.balance(booking)), "currency": house.setup.currency}
        assert told["total"]["currency"] == house.setup.currency
        assert told["total"]["amount"] in {str(booking.total), str(house.balance(booking))}

    @never_waived
    async def test_money_and_dates_survive_the_way_there(self, hotel: HotelUnderTest) -> None:
        self.needs(Capability.RESERVATION_CREATE)
        draft = new_stay(hotel)
        asked = {name: draft[name] for name in ("arrival", "departure", "adults", "room_type", "rate_code")}
        rates = (await hotel.get("/rates", **asked)).json()["data"] if self.offers(Capability.RATES) else []
        made = (await hotel.send("POST", "/reservations", draft, key="stay")).json()["data"]
        [booking] = booked(hotel.site)
        assert (made["arrival"], made["departure"]) == (draft["arrival"], draft["departure"])
        assert (str(booking.arrival), str(booking.departure)) == (draft["arrival"], draft["departure"])
        assert [quoted["total"] for quoted in rates] == [made["total"]] * self.offers(Capability.RATES)
        assert Decimal(made["total"]["amount"]) == round(booking.total, 2)
        if not self.offers(Capability.CHARGE_POST):
            return
        for cents in CENTS:
            amount = {"amount": cents, "currency": hotel.site.hotel.setup.currency}
            body = {"description": "Item", "amount": amount, "category": "bar"}
            posted = await hotel.send("POST", f"/reservations/{booking.id}/charges", body, key=cents)
            assert posted.json()["data"]["total"] == amount
        assert [line.total for line in booking.lines] == [Decimal(cents) for cents in CENTS]
