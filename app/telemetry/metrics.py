"""Every metric, declared once. Labels are bounded: never an id, never the host of a single hotel."""

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each of ours, which nobody asks for

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LEAD_TIME_BUCKETS = (0, 1, 3, 7, 14, 30, 60, 90, 180, 365)

OPERATIONS = Counter("pms_operations_total", "Operations by vendor and final status", ["vendor", "operation", "status"])
ERRORS = Counter("pms_errors_total", "Failed vendor calls by kind of error", ["vendor", "operation", "error_type"])
API_LATENCY = Histogram(
    "pms_api_latency_seconds",
    "Duration of single vendor calls",
    ["vendor", "endpoint", "method"],
    buckets=LATENCY_BUCKETS,
)
CACHE_HITS = Counter("pms_cache_hits_total", "Reads answered from the cache, fresh", ["operation"])
CACHE_MISSES = Counter("pms_cache_misses_total", "Reads that had to ask the PMS", ["operation"])
STALE_READS = Counter("pms_stale_reads_total", "Reads answered with a stale copy", ["operation"])
COALESCED_READS = Counter("pms_coalesced_reads_total", "Reads that joined another one's vendor call", ["operation"])
BREAKER_STATE = Gauge(
    "pms_circuit_breaker_state",
    "0 closed, 1 open, 2 half-open; for self-hosted vendors the number of hosts in the state named by service. "
    "Of several processes, each with breakers of its own: the highest among those that live, so that a host is "
    "counted once and no open circuit is hidden",
    ["vendor", "service"],
    multiprocess_mode="livemax",
)
BREAKER_CALLS = Counter("pms_circuit_breaker_calls_total", "Calls seen by a breaker", ["vendor", "state", "result"])
CLIENT_REFUSALS = Counter("pms_client_refusals_total", "Requests of clients that had used up their limit")
RESERVATIONS = Counter("pms_reservations_total", "Reservation writes that succeeded", ["vendor", "event"])
REVENUE = Counter("pms_reservation_revenue_total", "Total price of reservations made", ["currency"])
LEAD_TIME = Histogram("pms_reservation_lead_time_days", "Days from booking to arrival", buckets=LEAD_TIME_BUCKETS)
DEAD_LETTERS = Gauge(
    "pms_dead_letters",
    "Open dead letters, notices left out",
    ["operation", "status", "auto_retry"],
    multiprocess_mode="mostrecent",
)
DEAD_LETTER_AGE = Gauge(
    "pms_dead_letter_oldest_age_seconds",
    "How long the oldest open dead letter has waited, notices left out; 0 where there is none",
    ["operation", "auto_retry"],
    multiprocess_mode="mostrecent",
)
READY = Gauge(
    "pms_ready",
    "1 while it is so, else 0: `gateway` that /health/ready answers 200, `postgres` and `redis` that they answer. "
    "Of several processes the worst",
    ["check"],
    multiprocess_mode="livemin",
)
JOB_AGE = Gauge(
    "pms_job_oldest_due_seconds",
    "How long the oldest job that is due has waited for a worker; 0 where there is none",
    multiprocess_mode="mostrecent",
)
AUDIT_PARTITIONS_MISSING = Gauge(
    "pms_audit_partitions_missing",
    "How many of this month (UTC) and the next three have no partition of their own in the audit",
    multiprocess_mode="mostrecent",
)
CREDENTIALS_OVERDUE = Gauge(
    "pms_credentials_overdue",
    "Hotels that have a credential which has been the same for longer than CREDENTIAL_MAX_AGE_DAYS, or a client "
    "certificate that ends soon",
    multiprocess_mode="mostrecent",
)
HTTP_DURATION = Histogram(
    "http_request_duration_seconds",
    "Duration of requests to the gateway, by route template",
    ["method", "route", "status"],
    buckets=LATENCY_BUCKETS,
)


def exposition(*, several_processes: bool) -> bytes:
    """Give all metrics in the Prometheus text format; of all processes where there are several."""
    if not several_processes:
        return generate_latest()
    registry = CollectorRegistry()
    collector = multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    _forget_the_dead(Path(collector._path))  # noqa: SLF001 - where it will look; it tells nobody
    return generate_latest(registry)


def _forget_the_dead(folder: Path) -> None:
    """Drop what processes that are gone said of the moment; what they had counted stays.

    Done by who reads: a process that is killed tells nobody, and what had started it need not know of metrics.
    """
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if not pid.isdecimal():
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)  # somebody else may be reading, too
        except PermissionError:  # it lives, and is somebody else's
            continue
