"""How old the credentials of hotels are, and who has one that should be rotated.

A place that tells since when a secret is what it is (Vault, the time of a file) is asked; what it does not say, or
cannot say now, is told from what was written down when the credential was put. Values are never shown nor compared.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.adapter import HealthFinding
from app.core.clock import Clock
from app.core.connectors import Registration
from app.core.references import References
from app.core.secrets import is_reference
from app.core.tls import CERT, KEY, ClientCertificate
from app.domain.errors import CredentialsUnreadable, InvalidRequest
from app.gateway.measuring import count_every
from app.telemetry import metrics

EVERY_SECONDS = 300.0
"""Between two counts; ages are days."""
ENDS_SOON = timedelta(days=30)
"""How long before its end a client certificate is told of: time enough to get another one."""
CHECK = "credentials"


@dataclass(frozen=True, slots=True)
class Ages:
    """Since when each credential of a hotel is what it is, and when its client certificate ends, where it has one."""

    since: Mapping[str, datetime]
    certificate_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a hotel's credentials stand: days of the oldest, and a sentence for each that wants to be rotated."""

    oldest_days: int
    notices: tuple[str, ...]


class CredentialAges:
    """Tells the ages of credentials, and keeps count of those that are past `max_days`; 0 lets them be of any age."""

    def __init__(
        self,
        registrations: Callable[[], Awaitable[Sequence[Registration]]],
        references: References,
        clock: Clock,
        *,
        max_days: int,
    ) -> None:
        """`registrations` gives those of all hotels."""
        self._registrations = registrations
        self._references = references
        self._clock = clock
        self._max_days = max_days

    async def findings(self, registration: Registration) -> list[HealthFinding]:
        """Give what the doctor says of a hotel's credentials: a notice where one is past its time, else nothing."""
        notices = self._standing(await self._ages(registration)).notices
        return [HealthFinding(CHECK, ok=True, detail="; ".join(notices))] if notices else []

    async def standings(self) -> dict[str, Standing]:
        """Give how the credentials of every hotel stand, by its id.

        Raises:
            StorageUnavailable: Postgres cannot be reached.
        """
        found: dict[str, Standing] = {}
        is_away = False
        for registration in await self._registrations():
            ages = Ages(registration.since)
            if not is_away or not _has_references(registration):  # who is away is not waited for hotel by hotel
                try:
                    ages = await self._asked(registration)
                except CredentialsUnreadable:
                    is_away = True
            found[registration.hotel.id] = self._standing(ages)
        return found

    async def watch(self) -> None:
        """Count again and again, until cancelled."""
        await count_every(EVERY_SECONDS, "credentials", self._count)

    async def _count(self) -> None:
        standings = await self.standings()
        metrics.CREDENTIALS_OVERDUE.set(sum(1 for one in standings.values() if one.notices))

    async def _ages(self, registration: Registration) -> Ages:
        try:
            return await self._asked(registration)
        except CredentialsUnreadable:
            return Ages(registration.since)

    async def _asked(self, registration: Registration) -> Ages:
        """Give the ages as their places tell them, or as written down where a reference leads nowhere.

        Raises:
            CredentialsUnreadable: a place cannot be asked now.
        """
        try:
            found = await self._references.look_up(registration.credentials)
        except InvalidRequest:
            return Ages(registration.since)
        since = {name: found[name].since or at for name, at in registration.since.items()}
        if CERT not in found or KEY not in found:
            return Ages(since)
        try:
            return Ages(since, ClientCertificate(found[CERT].value, found[KEY].value).ends)
        except InvalidRequest:
            return Ages(since)

    def _standing(self, ages: Ages) -> Standing:
        now = self._clock.now()
        days = {name: max(0, (now - since).days) for name, since in ages.since.items()}
        notices = [
            f"{name} has been the same for {age} days; rotate it (CREDENTIAL_MAX_AGE_DAYS is {self._max_days})"
            for name, age in sorted(days.items())
            if 0 < self._max_days < age and name != CERT
        ]
        ends = ages.certificate_ends
        if ends is not None and ends - now < ENDS_SOON:
            said = "ended" if ends <= now else "ends"
            notices.append(f"{CERT} {said} on {ends:%Y-%m-%d}; get another one and put it with its key")
        return Standing(max(days.values(), default=0), tuple(notices))


def _has_references(registration: Registration) -> bool:
    return any(is_reference(value.get_secret_value()) for value in registration.credentials.values())
