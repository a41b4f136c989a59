"""`pms-gateway serve`: the gateway itself."""

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.configuration import EmbeddedFolder, settings_of
from app.cli.console import CommandError, tell

if TYPE_CHECKING:
    from pathlib import Path

    import uvicorn

    from app.settings import Settings

GRACE_SECONDS = 65
"""How long a stop waits for running requests: longer than the longest budget that a caller may ask for."""
_ENDS_WITHIN = 5.0  # seconds, after what was under way


def serve(
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start Postgres and Redis along, for this machine's user alone.")
    ] = False,
    with_worker: Annotated[
        bool, typer.Option("--with-worker", help="Keep a `pms-gateway worker` going beside it, as long as it serves.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes share the port.")] = 1,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="HOST or 127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.", show_default="PORT or 8000")
    ] = None,
    drain: Annotated[
        float,
        typer.Option(min=0, max=600, help="Seconds to go on serving after SIGTERM, while /health/ready says 503."),
    ] = 0.0,
    folder: EmbeddedFolder = None,
) -> None:
    """Serve the HTTP API until told to stop (SIGTERM, Ctrl-C); running requests are finished first."""
    from app.cli.serving import listening_socket, run_server, run_workers, stops_quietly
    from app.settings import Settings

    with stops_quietly(), ExitStack() as stack:
        if embedded:
            _start_servers(stack, folder)
        settings = settings_of(Settings)
        where = (host or settings.host, port or settings.port)
        listening = stack.enter_context(listening_socket(*where, hint="--port or PORT chooses another one"))
        _require_footing(settings)
        _register_single_hotel(stack, settings)
        _count_processes(settings, workers + with_worker)
        if workers > 1:
            _share_metrics(stack)
        if with_worker:
            _start_worker(stack)
        tell(f"serving on http://{where[0]}:{where[1]}, documentation at /docs")
        if workers == 1:
            run_server(_server("app.main:create_app", where, settings, drain=drain), listening)
        else:
            config = _server("app.cli.served:create_app", where, settings, drain=drain, workers=workers)
            run_workers(config, listening)


def _start_servers(stack: ExitStack, folder: "Path | None") -> None:
    """Start Postgres and Redis, and point this process and its workers to them."""
    from app.cli.household import Household
    from app.cli.migrate import bring_up_to_date
    from app.settings import DatabaseSettings, set_environment

    household = Household.at(folder)
    values = stack.enter_context(household.running(tell))
    set_environment(**{name.upper(): value for name, value in values.items()})
    tell(f"the schema is at revision {bring_up_to_date(settings_of(DatabaseSettings))}")
    tell(f"data and keys are in {household.folder}; the other commands find them by --embedded, for example:")
    tell("  pms-gateway keys create --embedded --client me --scope read,write --all-hotels")


def _require_footing(settings: "Settings") -> None:
    """Look before anything is served: is the ledger true, does Postgres answer, are the keys those of the data.

    An outdated schema is no reason to end: it may be brought up to date while /health/ready says so.

    Raises:
        CommandError: one of them is not so.
    """
    from app.cli.database import require_keys, require_reachable
    from app.cli.ledger import true_ledger
    from app.telemetry import log

    log.configure(settings.log_level)
    true_ledger()
    asyncio.run(require_reachable(settings))
    asyncio.run(require_keys(settings))


def _register_single_hotel(stack: ExitStack, settings: "Settings") -> None:
    """Register the hotel that the environment names, if it does, once for all workers."""
    from app.cli.single_hotel import single_hotel

    stack.enter_context(single_hotel(settings))


def _count_processes(settings: "Settings", started_here: int) -> None:
    """Tell each process how many share quotas and limits, where the operator did not say."""
    from app.settings import set_environment

    if "expected_processes" not in settings.model_fields_set:
        set_environment(EXPECTED_PROCESSES=str(started_here))


def _share_metrics(stack: ExitStack) -> None:
    """Give the workers a fresh folder in which to add up their metrics; it goes when they are gone."""
    from app.embedded import EmbeddedServerError, ephemeral_folder
    from app.settings import set_environment

    try:
        set_environment(PROMETHEUS_MULTIPROC_DIR=str(stack.enter_context(ephemeral_folder("metrics"))))
    except EmbeddedServerError as error:
        raise CommandError(str(error)) from error


def _start_worker(stack: ExitStack) -> None:
    """Let a worker settle and send what no caller waits for, as long as the stack lasts."""
    from app.cli.children import companion
    from app.workers.worker import GRACE_SECONDS as WORKERS_GRACE

    stack.enter_context(companion("worker", ["worker"], stopped_within=WORKERS_GRACE + _ENDS_WITHIN))


def _server(
    application: str, where: tuple[str, int], settings: "Settings", *, drain: float, workers: int = 1
) -> "uvicorn.Config":
    from app.cli.bounded import BoundedProtocol
    from app.cli.stopping import GracefulConfig

    host, port = where
    return GracefulConfig(
        application,
        drain=drain,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,  # our own has route templates instead of paths
        log_config=None,  # telemetry.log has configured all
        log_level=settings.log_level.lower(),
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
