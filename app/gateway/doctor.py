"""Is this hotel's connection healthy? Looked at without changing anything."""

from dataclasses import dataclass

from app.core import deadline
from app.core.adapter import HealthFinding
from app.core.clock import Clock
from app.core.connectors import ConnectorCache, Registration
from app.domain.errors import GatewayError
from app.gateway.credential_ages import CredentialAges
from app.gateway.reads import Patience


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found, and how long it took."""

    healthy: bool
    latency_ms: int
    checks: tuple[HealthFinding, ...]


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
                with deadline.until(patience.until):
                    findings = await connector.check_health()
        except GatewayError as error:
            findings = [HealthFinding("connection", ok=False, detail=error.detail)]
        latency = round((self._clock.monotonic() - started) * 1000)
        findings = [*findings, *await self._ages.findings(registration)]
        return Diagnosis(all(one.ok for one in findings), latency, tuple(findings))
