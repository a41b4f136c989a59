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
from app.api.v1 import availability, bookings, charges, guests, hotels, operations, rates, reservations, rooms, vendors
from app.core.clock import Clock, SystemClock
from app.core.connectors import ConnectorCache, ConnectorFactory
from app.core.discovery import adapters
from app.core.egress import EgressPolicy
from app.core.matrix import Ledger, require_truth
from app.core.secrets import SecretResolver
from app.core.services import VendorServices
from app.gateway.bookings import Bookings
from app.gateway.bookkeeper import Bookkeeper
from app.gateway.callers import Callers
from app.gateway.copies import Copies
from app.gateway.doctor import Doctor
from app.gateway.folios import Folios
from app.gateway.guests import Guests
from app.gateway.hotels import HotelDirectory
from app.gateway.invalidation_repeats import InvalidationRepeats
from app.gateway.inventory import Inventory
from app.gateway.reads import Reads
from app.gateway.record import Recorder
from app.gateway.reservations import Reservations
from app.gateway.rooms import Rooms
from app.gateway.writes import Writes
from app.settings import Settings
from app.store.cache import Cache
from app.store.crypto import BlindIndex, IdempotencyHasher, Keyring
from app.store.database import Database
from app.store.repository import StoreKeys
from app.telemetry import log as logs

ROUTERS = (
    hotels.router,
    vendors.router,
    availability.router,
    rates.router,
    reservations.router,
    bookings.router,
    guests.router,
    charges.router,
    rooms.router,
    operations.router,
)

DESCRIPTION = """One REST API in front of many hotel property-management systems.

Send `Authorization: Bearer <api key>`. Every answer under `/v1` says where it comes from and whether it is stale;
every write can be repeated safely under its `Idempotency-Key`. Errors are `application/problem+json`."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What lives as long as the process and has to be closed."""

    gateway: Gateway
    services: VendorServices
    readiness: health.Readiness
    bookkeeper: Bookkeeper
    repeats: InvalidationRepeats


@dataclass(frozen=True)
class Stores:
    """Postgres and Redis."""

    database: Database
    cache: Cache


def build(settings: Settings, *, clock: Clock | None = None) -> Parts:
    """Make all parts and introduce them to each other. Nothing connects yet.

    Raises:
        LedgerLies: the capability ledger and the code do not agree.
    """
    clock = clock or SystemClock()
    ledger = Ledger.load()
    require_truth(ledger, adapters())
    policy = EgressPolicy.of(
        allow_loopback=settings.allow_loopback_pms,
        private_networks=[str(network) for network in settings.private_pms_networks],
    )
    services = VendorServices.of(policy, clock=clock, timeout=settings.pms_timeout)
    factory = ConnectorFactory(services, SecretResolver(settings.pms_credentials(), settings.credentials_dir))
    stores = _stores(settings, clock)
    copies = Copies(clock)
    directory = HotelDirectory(stores.database, copies, policy, factory)
    bookkeeper = Bookkeeper()
    hasher = IdempotencyHasher(settings.idempotency_secret_bytes())
    gateway = _gateway(
        ledger=ledger,
        clock=clock,
        stores=stores,
        copies=copies,
        directory=directory,
        connectors=ConnectorCache(factory),
        hasher=hasher,
        bookkeeper=bookkeeper,
    )
    breakers = services.breakers if settings.check_pms_in_readiness else None
    readiness = health.Readiness(stores.database, stores.cache, breakers)
    repeats = InvalidationRepeats(stores.database, stores.cache)
    return Parts(gateway, services, readiness, bookkeeper, repeats)


def _stores(settings: Settings, clock: Clock) -> Stores:
    keyring = Keyring(settings.encryption_key_bytes())
    index_keys = settings.index_key_bytes()
    keys = StoreKeys(keyring, BlindIndex(index_keys))
    database = Database(settings.async_database_url, keys=keys, pool_size=settings.database_pool_size)
    secret = next(iter(index_keys.values()))
    cache = Cache.connect(settings.redis_url.get_secret_value(), keyring=keyring, secret=secret, clock=clock)
    return Stores(database, cache)


def _gateway(
    *,
    ledger: Ledger,
    clock: Clock,
    stores: Stores,
    copies: Copies,
    directory: HotelDirectory,
    connectors: ConnectorCache,
    hasher: IdempotencyHasher,
    bookkeeper: Bookkeeper,
) -> Gateway:
    database, cache = stores.database, stores.cache
    reads = Reads(ledger=ledger, cache=cache, database=database, connectors=connectors, clock=clock)
    writes = Writes(
        reads=reads,
        database=database,
        recorder=Recorder(database, cache, bookkeeper),
        connectors=connectors,
        hasher=hasher,
        clock=clock,
    )
    found = Reservations(reads, clock)
    return Gateway(
        ledger=ledger,
        clock=clock,
        database=database,
        cache=cache,
        connectors=connectors,
        callers=Callers(database, copies),
        hotels=directory,
        reads=reads,
        writes=writes,
        inventory=Inventory(reads),
        reservations=found,
        bookings=Bookings(found, writes),
        guests=Guests(reads, writes),
        folios=Folios(reads, found, writes),
        rooms=Rooms(reads, writes),
        doctor=Doctor(connectors, clock),
    )


@contextlib.asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Keep the parts going: the first health check before the first request, the last write before the end."""
    await parts.readiness.check()
    watches = [asyncio.create_task(parts.readiness.watch()), asyncio.create_task(parts.repeats.watch())]
    gc.collect()
    gc.freeze()  # what start-up made stays; the collector need not look at it again
    parts.readiness.serving = True
    log.info("gateway.started", vendors=len(parts.gateway.ledger.vendors))
    try:
        yield
    finally:
        parts.readiness.serving = False
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await parts.gateway.writes.aclose()
        await parts.bookkeeper.aclose()
        await parts.gateway.reads.aclose()
        await parts.gateway.connectors.aclose()
        await parts.services.pools.aclose()
        await parts.gateway.cache.aclose()
        await parts.gateway.database.close()
        log.info("gateway.stopped")


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> FastAPI:
    """Make the application."""
    settings = settings or Settings()
    logs.configure(settings.log_level)
    parts = build(settings, clock=clock)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running(parts):
            yield

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
    app.state.readiness = parts.readiness
    app.state.breakers = parts.services.breakers
    app.state.several_processes = settings.prometheus_multiproc_dir is not None
    errors.register(app)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(declared_query)])
    app.include_router(health.router)
    app.include_router(docs.router)
    app.add_middleware(Edge)
    return app
