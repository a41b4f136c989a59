"""Whether the worker does its part and the stores answer, as a monitoring system sees it."""

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.gateway.upkeep_gauges import UpkeepGauges
from app.store.database import Database
from app.telemetry import metrics
from tests.fixtures.own_gateway import OpenGateway


def told(name: str, **labels: str) -> float:
    """Give what a metric says just now, before anybody else's background check says something else."""
    found = text_string_to_metric_families(metrics.exposition(several_processes=False).decode())
    samples = (sample for family in found for sample in family.samples)
    return next(one.value for one in samples if one.name == name and one.labels == labels)


async def test_a_job_that_nobody_takes_is_told_with_its_age(open_gateway: OpenGateway, database_url: str) -> None:
    database: Database = (await open_gateway(database_url=database_url)).app.state.gateway.database
    gauges = UpkeepGauges(database)
    async with database.unit_of_work() as work:
        await work.enqueue("operation", about="later", delay=timedelta(hours=1))
    await gauges.refresh()
    assert told("pms_job_oldest_due_seconds") == 0, "what is not due yet waits for nobody"
    async with database.unit_of_work() as work:
        await work.enqueue("operation", about="now")
        await work.session.execute(text("UPDATE pgqueuer SET execute_after = execute_after - interval '10 minutes'"))
    await gauges.refresh()
    assert 600 <= told("pms_job_oldest_due_seconds") < 660


async def test_a_month_without_a_partition_is_counted_until_housekeeping_makes_it(
    open_gateway: OpenGateway, database_url: str
) -> None:
    database: Database = (await open_gateway(database_url=database_url)).app.state.gateway.database
    gauges = UpkeepGauges(database)
    await gauges.refresh()
    assert told("pms_audit_partitions_missing") == 0
    async with database.unit_of_work() as work:
        newest = await work.session.scalar(
            text("SELECT max(relname) FROM pg_class WHERE relname ~ '^audit_log_2.*_..$'")
        )
        await work.session.execute(text(f"DROP TABLE {newest}"))
    await gauges.refresh()
    assert told("pms_audit_partitions_missing") == 1
    async with database.unit_of_work() as work:
        await work.audit.ensure_partitions(months_ahead=3)
    await gauges.refresh()
    assert told("pms_audit_partitions_missing") == 0


async def test_what_the_gateway_stands_on_is_told_one_by_one(open_gateway: OpenGateway) -> None:
    readiness = (await open_gateway(redis_url="redis://127.0.0.1:1/0")).app.state.readiness
    await readiness.check()
    assert [told("pms_ready", check=name) for name in ("gateway", "postgres", "redis")] == [1, 1, 0]
    readiness.withdraw()
    assert told("pms_ready", check="gateway") == 0
