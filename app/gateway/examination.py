"""The whole examination of a hotel: its connection, then every capability of the ledger, changing nothing."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.core import deadline
from app.core.adapter import PMSAdapter
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.core.matrix import Ledger
from app.domain.capability import TRAITS, WRITES, Capability
from app.domain.errors import CapabilityNotSupported, GatewayError, InvalidRequest, VendorLacks, VendorRejected
from app.domain.hotel import Hotel
from app.gateway.doctor import Diagnosis
from app.gateway.mapping_faults import contract_kept
from app.gateway.probes import PROBES, NothingToAsk, Probe, Round, Unexpected
from app.gateway.remedies import cause_of, failure

PROBE_SECONDS = 15.0
"""Seconds for one probe at most: one patient attempt, and a repeat of a quick failure."""


class Result(StrEnum):
    """How a probe ended."""

    OK = "ok"
    NO = "no"
    SKIPPED = "skipped"
    NOT_PROBED = "not probed"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one capability by one question; `milliseconds` only where the PMS was asked."""

    capability: Capability
    asked: str
    result: Result
    detail: str
    milliseconds: int | None = None


class Examiner:
    """Probes the capabilities of a hotel whose connection works."""

    def __init__(self, connectors: ConnectorCache, ledger: Ledger, clock: Clock) -> None:
        self._connectors = connectors
        self._ledger = ledger
        self._clock = clock

    async def examine(self, registration: Registration, diagnosis: Diagnosis, until: float) -> list[Finding]:
        """Probe every capability by `until` (monotonic seconds); in the order of the ledger's table.

        A PMS that could not be asked for its health (`diagnosis`) is asked nothing more.
        """
        hotel = registration.hotel
        asked: dict[Capability, list[Finding]] = defaultdict(list)
        asked[Capability.HEALTH].append(_health(diagnosis))
        if diagnosis.reached:
            async with self._connectors.lease(registration) as connector:
                for finding in await self._probed(connector, until):
                    asked[finding.capability].append(finding)
        return [one for capability in Capability for one in asked.get(capability) or self._unasked(hotel, capability)]

    async def _probed(self, connector: PMSAdapter, until: float) -> list[Finding]:
        day = await self._day(connector, until)
        at = Round(connector, day)
        offered = [one for one in PROBES if self._offers(connector.hotel, one.capability)]
        return [await self._probe(probe, at, until) for probe in offered]

    async def _day(self, connector: PMSAdapter, until: float) -> date:
        """Give the hotel's day; where the PMS does not tell it, a probe will tell why."""
        moment = min(until, self._clock.monotonic() + PROBE_SECONDS)
        try:
            with deadline.until(moment), contract_kept(connector.profile.vendor):
                day = await connector.find_business_date()
        except GatewayError:
            day = None
        return day or connector.hotel.civil_date(self._clock.now())

    async def _probe(self, probe: Probe, at: Round, until: float) -> Finding:
        started = self._clock.monotonic()
        if started >= until:
            return Finding(probe.capability, probe.asked, Result.SKIPPED, "the time for the examination was over")
        try:
            with deadline.until(min(until, started + PROBE_SECONDS)), contract_kept(at.connector.profile.vendor):
                result, detail = Result.OK, await probe.ask(at)
        except NothingToAsk as nothing:
            return Finding(probe.capability, probe.asked, Result.SKIPPED, str(nothing))
        except InvalidRequest:
            reason = "what was found has a text that cannot be searched for in this PMS"
            return Finding(probe.capability, probe.asked, Result.SKIPPED, reason)
        except Unexpected as unexpected:
            result, detail = Result.NO, str(unexpected)
        except CapabilityNotSupported as error:
            result, detail = Result.NOT_OFFERED, error.detail
        except VendorLacks:
            result, detail = Result.NOT_OFFERED, "this installation does not offer it, although the vendor's others may"
        except GatewayError as error:
            result, detail = Result.NO, _told(error, at.connector.hotel)
        milliseconds = round((self._clock.monotonic() - started) * 1000)
        return Finding(probe.capability, probe.asked, result, detail, milliseconds)

    def _unasked(self, hotel: Hotel, capability: Capability) -> Iterator[Finding]:
        """Give the row of a capability that was not probed, and why."""
        if not self._offers(hotel, capability):
            reason = self._ledger.of(hotel.vendor).capabilities[capability].reason or ""
            yield Finding(capability, "", Result.NOT_OFFERED, reason)
        elif capability in WRITES:
            yield Finding(capability, "", Result.NOT_PROBED, "it would change the hotel's data")
        elif capability in TRAITS:
            yield Finding(capability, "", Result.NOT_PROBED, "it is no call")
        else:
            yield Finding(capability, "", Result.SKIPPED, "the connection does not work")

    def _offers(self, hotel: Hotel, capability: Capability) -> bool:
        return self._ledger.of(hotel.vendor).supports(capability)


def _health(diagnosis: Diagnosis) -> Finding:
    result, detail = (Result.OK, "the checks above") if diagnosis.reached else (Result.NO, "the PMS could not be asked")
    return Finding(Capability.HEALTH, "the connection", result, detail, diagnosis.latency_ms)


def _told(error: GatewayError, hotel: Hotel) -> str:
    """Say what went wrong without the vendor's own words about one guest's reservation."""
    if isinstance(error, VendorRejected) and not error.is_advised:
        code = f", code {error.vendor_code}" if error.vendor_code else ""
        return f"the PMS refused ({error.code}{code}); its own log says more"
    return failure(error, hotel).detail if cause_of(error) else error.detail
