"""Is this hotel's connection healthy? Looked at without changing anything."""

from dataclasses import dataclass

from app.core.adapter import HealthFinding
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.domain.errors import GatewayError
from app.gateway.connection import look_after
from app.gateway.credential_ages import CredentialAges
from app.gateway.reads import Patience
from app.gateway.remedies import failure


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found, and how long it took."""

    healthy: bool
    latency_ms: int
    checks: tuple[HealthFinding, ...]
    reached: bool = True
    """Whether the PMS let itself be asked; where not, `checks` say why."""


class Doctor:
    """Asks a hotel's adapter to look after its connection."""

    def __init__(self, connectors: ConnectorCache, clock: Clock, ages: CredentialAges) -> None:
        self._connectors = connectors
        self._clock = clock
        self._ages = ages

    async def check(self, registration: Registration, patience: Patience) -> Diagnosis:
        """Look after the connection; a broken one is a finding, never an error."""
        started = self._clock.monotonic()
        try:
            async with self._connectors.lease(registration) as connector:
                reached, findings = await look_after(connector, patience.until)
        except GatewayError as error:  # the credentials cannot be used; nothing was asked
            reached, findings = False, [failure(error, registration.hotel)]
        latency = round((self._clock.monotonic() - started) * 1000)
        findings = [*findings, *await self._ages.findings(registration)]
        return Diagnosis(all(one.ok for one in findings), latency, tuple(findings), reached)
