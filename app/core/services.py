"""What all connectors of a process share: connection pools, breakers, quota, time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pybreaker

from app.core.breaker import STATE_NUMBERS, Breaker
from app.core.clock import Clock, SystemClock
from app.core.egress import EgressPolicy
from app.core.pools import HttpPools
from app.core.profile import VendorProfile
from app.core.throttle import LocalQuota, Quota
from app.telemetry import metrics

SELF_HOSTED = "self-hosted"


class Breakers:
    """One breaker per vendor and host, so that one self-hosted PMS going down does not cut off the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._services: dict[str, str] = {}

    def of(self, profile: VendorProfile, host: str) -> Breaker:
        """Give the breaker of `host`."""
        key = (profile.vendor, host)
        if key not in self._breakers:
            self._breakers[key] = Breaker(profile.vendor, self._clock, on_change=self.publish)
            self._services.setdefault(profile.vendor, host if profile.shared_host else SELF_HOSTED)
            self.publish()
        return self._breakers[key]

    def states(self) -> Mapping[tuple[str, str], str]:
        """Give the state of each breaker, by vendor and host."""
        return {key: breaker.state for key, breaker in self._breakers.items()}

    def publish(self) -> None:
        """Write the states to the metrics, as happens with every change: hosts of single hotels as counts by state.

        Whoever collects the metrics of several processes asks one of them and sees the states of all.
        """
        for vendor, service in self._services.items():
            states = [state for (name, _), state in self.states().items() if name == vendor]
            if service == SELF_HOSTED:
                for state in STATE_NUMBERS:
                    metrics.BREAKER_STATE.labels(vendor, f"{SELF_HOSTED}:{state}").set(states.count(state))
            else:
                worst = max(states, key=lambda state: (state == pybreaker.STATE_OPEN, STATE_NUMBERS[state]))
                metrics.BREAKER_STATE.labels(vendor, service).set(STATE_NUMBERS[worst])


@dataclass(frozen=True)
class VendorServices:
    """Made once in the composition root and handed to every connector."""

    pools: HttpPools
    breakers: Breakers
    quota: Quota
    clock: Clock = field(default_factory=SystemClock)
    timeout: float = 10.0
    """Seconds for one attempt where a profile names no other (`PMS_TIMEOUT`)."""

    @classmethod
    def of(
        cls,
        policy: EgressPolicy,
        *,
        clock: Clock | None = None,
        timeout: float = 10.0,
        quota: Quota | None = None,
        ca_file: Path | None = None,
    ) -> "VendorServices":
        """Make the services of one process; without `quota` it keeps one that no other process knows of."""
        clock = clock or SystemClock()
        return cls(HttpPools(policy, ca_file=ca_file), Breakers(clock), quota or LocalQuota(clock), clock, timeout)
