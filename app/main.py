"""The composition root: everything is made here, once, and handed to what needs it."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from fastapi import Depends, FastAPI

from app.api import docs, errors, health
from app.api.deps import Gateway, declared_query
from app.api.documents import DocumentedAPI
from app.api.middleware import Edge
from app.api.v1 import (
    audit,
    availability,
    bookings,
    charges,
    dead_letters,
    erasures,
    guests,
    hotels,
    operations,
    rates,
    reservations,
    rooms,
    vendors,
)
from app.core.clock import Clock, SystemClock
from app.core.connectors import ConnectorCache, ConnectorFactory
from app.core.discovery import adapters
from app.core.egress import EgressPolicy
from app.core.matrix import Ledger, require_truth
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.core.vault import KubernetesLogin, TokenFile, Vault, VaultAccess, VaultLogin
from app.core.webhooks import WebhookSender
from app.domain.errors import StorageUnavailable
from app.gateway.alerts import Alerts
from app.gateway.attempts import Attempts
from app.gateway.audits import Audits
from app.gateway.bookings import Bookings
from app.gateway.bookkeeper import Bookkeeper
from app.gateway.callers import Callers
from app.gateway.copies import Copies
from app.gateway.credential_ages import CredentialAges
from app.gateway.dead_letters import DeadLetterDesk
from app.gateway.doctor import Doctor
from app.gateway.erased import Erased
from app.gateway.erasures import Erasures
from app.gateway.flights import Flights
from app.gateway.folios import Folios
from app.gateway.guests import Guests
from app.gateway.hotels import HotelDirectory
from app.gateway.housekeeping import Housekeeping
from app.gateway.invalidation_repeats import InvalidationRepeats
from app.gateway.inventory import Inventory
from app.gateway.key_watch import KeyWatch
from app.gateway.letter_gauges import LetterGauges
from app.gateway.operation import OperationFactory
from app.gateway.patience import within
from app.gateway.reads import Reads
from app.gateway.record import Recorder
from app.gateway.refresh_ahead import RefreshAhead
from app.gateway.reservations import Reservations
from app.gateway.rooms import Rooms
from app.gateway.settle import Settling
from app.gateway.sweeps import CacheSweeps
from app.gateway.upkeep_gauges import UpkeepGauges
from app.gateway.waits import Waits
from app.gateway.writes import Writes
from app.settings import Settings
from app.store.cache import Cache
from app.store.client_limits import ClientLimits
from app.store.crypto import BlindIndex, IdempotencyHasher, Keyring, Marks
from app.store.database import Database
from app.store.job_runner import JobRunner
from app.store.key_register import DeclaredKeys, KeyKind, KeysRefused
from app.store.leases import Leases
from app.store.quota import SharedQuota
from app.store.redis_link import RedisLink
from app.store.repository import StoreKeys
from app.store.snapshots import Snapshots
from app.store.sweeper import Sweeper
from app.telemetry import log as logs
from app.workers.worker import Worker, rounds

ROUTERS = (
    hotels.router,
    vendors.router,
    availability.router,
    rates.router,
    reservations.router,
    bookings.router,
    guests.router,
    erasures.router,
    charges.router,
    rooms.router,
    operations.router,
    audit.router,
    dead_letters.router,
)

DESCRIPTION = """One REST API in front of many hotel property-management systems.

Send `Authorization: Bearer <api key>`. Every answer under `/v1` says where it comes from and whether it is stale;
every write can be repeated safely under its `Idempotency-Key`. Errors are `application/problem+json`."""

log = structlog.get_logger()


CONFIRM_SECONDS = 1.0
"""How long shutdown waits for the last invalidations to be confirmed."""
KEYS_SECONDS = 3.0
"""How long a start waits for Postgres to say which keys the data is under; later it is asked again."""


@dataclass(frozen=True)
class Stores:
    """Postgres and Redis."""

    database: Database
    redis: RedisLink
    cache: Cache
    snapshots: Snapshots
    leases: Leases


@dataclass(frozen=True)
class Ground:
    """What a gateway process and a worker both stand on."""

    clock: Clock
    waits: Waits
    ledger: Ledger
    policy: EgressPolicy
    services: VendorServices
    quota: SharedQuota
    stores: Stores
    copies: Copies
    directory: HotelDirectory
    ages: CredentialAges
    connectors: ConnectorCache
    bookkeeper: Bookkeeper
    recorder: Recorder
    operations: OperationFactory
    attempts: Attempts
    repeats: InvalidationRepeats
    keys: KeyWatch
    erased: Erased
    sweeps: CacheSweeps

    async def aclose(self) -> None:
        """Write down what is not written yet, then close every connection."""
        await self.bookkeeper.aclose()
        with contextlib.suppress(StorageUnavailable):  # they are repeated by another process then, which does no harm
            await within(CONFIRM_SECONDS, self.repeats.confirm())
        await self.connectors.aclose()
        await self.services.pools.aclose()
        await self.stores.redis.aclose()
        await self.stores.database.close()


@dataclass(frozen=True)
class Parts:
    """What a gateway process keeps going."""

    ground: Ground
    gateway: Gateway
    readiness: health.Readiness
    letter_gauges: LetterGauges


def lay_ground(settings: Settings, *, clock: Clock | None = None, waits: Waits | None = None) -> Ground:
    """Make what every process needs. Nothing connects yet.

    Raises:
        LedgerLies: the capability ledger and the code do not agree.
    """
    clock, waits = clock or SystemClock(), waits or Waits()
    ledger = Ledger.load()
    require_truth(ledger, adapters())
    policy = EgressPolicy.of(
        allow_loopback=settings.allow_loopback_pms,
        private_networks=[str(network) for network in settings.private_pms_networks],
    )
    stores = _stores(settings, clock)
    quota = SharedQuota(stores.redis, processes=settings.expected_processes, clock=clock)
    services, connectors = _connections(settings, policy, quota, clock)
    database, copies, bookkeeper = stores.database, Copies(clock), Bookkeeper()
    directory = HotelDirectory(database, copies, policy, connectors, clock=clock)
    max_age = settings.credential_max_age_days
    repeats = InvalidationRepeats(database, stores.cache)
    recorder = Recorder(database, stores.cache, bookkeeper, repeats)
    return Ground(
        clock=clock,
        waits=waits,
        ledger=ledger,
        policy=policy,
        services=services,
        quota=quota,
        stores=stores,
        copies=copies,
        directory=directory,
        ages=CredentialAges(directory.registrations, connectors.references, clock, max_days=max_age),
        connectors=connectors,
        bookkeeper=bookkeeper,
        recorder=recorder,
        operations=OperationFactory(database, clock, waits),
        attempts=Attempts(database=database, recorder=recorder, connectors=connectors, clock=clock, waits=waits),
        repeats=repeats,
        keys=key_watch(settings, database),
        erased=Erased(database, copies, clock),
        sweeps=CacheSweeps(database, Sweeper(stores.redis, stores.cache), clock),
    )


def _connections(
    settings: Settings, policy: EgressPolicy, quota: SharedQuota, clock: Clock
) -> tuple[VendorServices, ConnectorCache]:
    """Make what leads to the PMSs."""
    services = VendorServices.of(
        policy, clock=clock, timeout=settings.pms_timeout, quota=quota, ca_file=settings.pms_ca_file
    )
    secrets = SecretResolver(settings.pms_credentials(), settings.credentials_dir, vault_of(settings, clock))
    return services, ConnectorCache(ConnectorFactory(services, secrets))


def build(settings: Settings, *, clock: Clock | None = None, waits: Waits | None = None) -> Parts:
    """Make all parts of a gateway process and introduce them to each other. Nothing connects yet.

    Raises:
        LedgerLies: the capability ledger and the code do not agree.
    """
    ground = lay_ground(settings, clock=clock, waits=waits)
    breakers = ground.services.breakers if settings.check_pms_in_readiness else None
    readiness = health.Readiness(ground.stores.database, ground.stores.redis, breakers, ground.keys)
    hasher = IdempotencyHasher(settings.idempotency_secret_bytes())
    return Parts(ground, _gateway(settings, ground, hasher), readiness, LetterGauges(ground.stores.database))


def vault_of(settings: Settings, clock: Clock) -> Vault | None:
    """Make what reads `vault:` references; nothing where no Vault is named. Nothing connects yet."""
    login: VaultLogin | None = settings.vault_token
    if settings.vault_token_file is not None:
        login = TokenFile(settings.vault_token_file)
    elif role := settings.vault_kubernetes_role:
        login = KubernetesLogin(role, settings.vault_kubernetes_mount, settings.vault_kubernetes_token_file)
    if settings.vault_addr is None or login is None:
        return None
    access = VaultAccess(
        address=settings.vault_addr.rstrip("/"),
        login=login,
        namespace=settings.vault_namespace,
        mount=settings.vault_mount,
        prefix=settings.vault_prefix,
        ca_file=settings.vault_ca_file,
    )
    return Vault(access, clock)


def alerts(settings: Settings, ground: Ground) -> Alerts:
    """Make what tells the operator of parked writes."""
    url = settings.alert_webhook_url
    if url is None:
        return Alerts(ground.stores.database, None)
    webhook = WebhookSender(url.get_secret_value(), settings.alert_webhook_secret_bytes(), ground.services.pools)
    return Alerts(ground.stores.database, webhook)


def store_keys(settings: Settings) -> StoreKeys:
    """Make the rings of keys."""
    marks = Marks(settings.idempotency_secret_bytes())
    return StoreKeys(Keyring(settings.encryption_key_bytes()), BlindIndex(settings.index_key_bytes()), marks)


def key_watch(settings: Settings, database: Database) -> KeyWatch:
    """Make what compares a process's keys with those that the data is under."""
    keys, hasher = store_keys(settings), IdempotencyHasher(settings.idempotency_secret_bytes())
    declared = (
        DeclaredKeys(KeyKind.ENCRYPTION, keys.keyring.proofs),
        DeclaredKeys(KeyKind.INDEX, keys.index.proofs),
        DeclaredKeys(KeyKind.IDEMPOTENCY, hasher.proofs),
    )
    return KeyWatch(database, declared)


def _stores(settings: Settings, clock: Clock) -> Stores:
    keys, index_keys = store_keys(settings), settings.index_key_bytes()
    keyring = keys.keyring
    database = Database(settings.async_database_url, keys=keys, pool_size=settings.database_pool_size)
    redis = RedisLink(settings.redis_url.get_secret_value())
    cache = Cache(redis, keyring=keyring, secret=next(iter(index_keys.values())), clock=clock)
    return Stores(database, redis, cache, Snapshots(redis, keyring=keyring), Leases(redis, cache, keyring=keyring))


def _gateway(settings: Settings, ground: Ground, hasher: IdempotencyHasher) -> Gateway:
    database, cache, clock = ground.stores.database, ground.stores.cache, ground.clock
    reads = _reads(settings, ground)
    writes = Writes(
        reads=reads,
        database=database,
        attempts=ground.attempts,
        recorder=ground.recorder,
        operations=ground.operations,
        hasher=hasher,
        clock=clock,
    )
    found = Reservations(reads, clock)
    return Gateway(
        ledger=ground.ledger,
        clock=clock,
        database=database,
        cache=cache,
        snapshots=ground.stores.snapshots,
        connectors=ground.connectors,
        callers=Callers(database, ground.copies),
        client_limits=_client_limits(settings, ground),
        hotels=ground.directory,
        reads=reads,
        writes=writes,
        inventory=Inventory(reads),
        reservations=found,
        bookings=Bookings(found, writes),
        guests=Guests(reads, writes),
        folios=Folios(reads, found, writes),
        rooms=Rooms(reads, writes),
        doctor=Doctor(ground.connectors, clock, ground.ages),
        credential_ages=ground.ages,
        audits=Audits(database, ground.directory, found, clock),
        dead_letters=DeadLetterDesk(database, ground.directory, cache, ground.waits),
        erased=ground.erased,
        erasures=Erasures(reads=reads, database=database, sweeps=ground.sweeps, erased=ground.erased, clock=clock),
        sweeps=ground.sweeps,
        keys=ground.keys,
    )


def _reads(settings: Settings, ground: Ground) -> Reads:
    return Reads(
        ledger=ground.ledger,
        cache=ground.stores.cache,
        flights=Flights(ground.stores.leases, ground.stores.cache),
        database=ground.stores.database,
        connectors=ground.connectors,
        clock=ground.clock,
        erased=ground.erased,
        refresh_ahead=RefreshAhead() if settings.refresh_ahead else None,
    )


def _client_limits(settings: Settings, ground: Ground) -> ClientLimits:
    return ClientLimits(
        ground.stores.redis,
        limit=settings.client_requests_per_minute,
        processes=settings.expected_processes,
        secret=next(iter(settings.index_key_bytes().values())),
        clock=ground.clock,
    )


@contextlib.asynccontextmanager
async def working(
    settings: Settings, *, clock: Clock | None = None, waits: Waits | None = None
) -> AsyncIterator[Worker]:
    """Make a worker, and close what it used when it has ended.

    Raises:
        LedgerLies: the capability ledger and the code do not agree.
        KeysRefused: data is under a key that the settings do not have.
    """
    ground = lay_ground(settings, clock=clock, waits=waits)
    await _require_keys(ground)
    settling = Settling(
        database=ground.stores.database,
        hotels=ground.directory,
        connectors=ground.connectors,
        operations=ground.operations,
        attempts=ground.attempts,
        clock=ground.clock,
        waits=ground.waits,
    )
    housekeeping = Housekeeping(ground.stores.database)
    made = rounds(
        settling, housekeeping, ground.repeats, alerts(settings, ground), ground.keys, sweep=ground.waits.sweep
    )
    jobs = JobRunner(settings.plain_database_url, look_every=ground.waits.job_poll)
    present = asyncio.create_task(ground.quota.watch())
    try:
        yield Worker(jobs, settling, made, ground.sweeps, ground.keys)
    finally:
        present.cancel()
        await asyncio.gather(present, return_exceptions=True)
        await ground.aclose()


async def _require_keys(ground: Ground) -> None:
    """Compare the keys, where Postgres answers, before anything is read or written under them."""
    try:
        with contextlib.suppress(StorageUnavailable):
            await within(KEYS_SECONDS, ground.keys.check())
    except KeysRefused:
        await ground.aclose()
        raise


@contextlib.asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Keep the parts going: the first health check before the first request, the last write before the end.

    Raises:
        KeysRefused: data is under a key that the settings do not have.
    """
    ground = parts.ground
    await _require_keys(ground)
    await parts.readiness.check()
    gauges = (parts.letter_gauges, UpkeepGauges(ground.stores.database), ground.ages)
    watched = (parts.readiness, *gauges, ground.repeats, ground.quota, ground.copies, ground.keys, ground.erased)
    watches = [asyncio.create_task(part.watch()) for part in watched]
    gc.collect()
    gc.freeze()  # what start-up made stays; the collector need not look at it again
    parts.readiness.open()
    log.info("gateway.started", vendors=len(parts.gateway.ledger.vendors))
    try:
        yield
    finally:
        parts.readiness.withdraw()
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await parts.gateway.writes.aclose()
        await parts.gateway.reads.aclose()
        await parts.gateway.client_limits.aclose()
        await parts.ground.aclose()
        log.info("gateway.stopped")


def create_app(settings: Settings | None = None, *, clock: Clock | None = None, waits: Waits | None = None) -> FastAPI:
    """Make the application."""
    settings = settings or Settings()
    logs.configure(settings.log_level)
    parts = build(settings, clock=clock, waits=waits)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        async with running(parts):
            yield {"withdraw": parts.readiness.withdraw}  # for the server that is told to stop

    app = DocumentedAPI(
        title="PMS gateway",
        version="1.0.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=True,
    )
    app.state.gateway = parts.gateway
    app.state.letter_gauges = parts.letter_gauges
    app.state.readiness = parts.readiness
    app.state.breakers = parts.ground.services.breakers
    app.state.several_processes = settings.prometheus_multiproc_dir is not None
    errors.register(app)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(declared_query)])
    app.include_router(health.router)
    app.include_router(docs.router)
    app.add_middleware(Edge)
    return app
