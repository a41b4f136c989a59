"""The names and labels that dashboards rely on, word for word."""

from collections.abc import Iterator

import prometheus_client
import pytest
from prometheus_client.metrics import MetricWrapperBase

from app.telemetry import metrics

CONTRACT = {
    "pms_operations": ("vendor", "operation", "status"),
    "pms_errors": ("vendor", "operation", "error_type"),
    "pms_api_latency_seconds": ("vendor", "endpoint", "method"),
    "pms_cache_hits": ("operation",),
    "pms_cache_misses": ("operation",),
    "pms_stale_reads": ("operation",),
    "pms_coalesced_reads": ("operation",),
    "pms_circuit_breaker_state": ("vendor", "service"),
    "pms_circuit_breaker_calls": ("vendor", "state", "result"),
    "pms_reservations": ("vendor", "event"),
    "pms_reservation_revenue": ("currency",),
    "pms_reservation_lead_time_days": (),
    "http_request_duration_seconds": ("method", "route", "status"),
}
UNBOUNDED = {"hotel", "hotel_id", "host", "guest", "guest_id", "reservation_id", "operation_id", "path", "client"}


def declared() -> Iterator[MetricWrapperBase]:
    for value in vars(metrics).values():
        if isinstance(value, MetricWrapperBase):
            yield value


@pytest.mark.parametrize("name", CONTRACT)
def test_every_metric_of_the_contract_is_declared_with_its_labels(name: str) -> None:
    found = {metric._name: tuple(metric._labelnames) for metric in declared()}
    assert found[name] == CONTRACT[name]


def test_no_label_is_without_bound() -> None:
    assert not UNBOUNDED & {label for metric in declared() for label in metric._labelnames}


def test_the_exposition_is_the_text_format() -> None:
    text = metrics.exposition(several_processes=False).decode()
    assert "# TYPE pms_api_latency_seconds histogram" in text
    assert prometheus_client.CONTENT_TYPE_LATEST.startswith("text/plain")
