"""The alerts for Prometheus speak of metrics and labels that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Gauge

from app.telemetry import metrics

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
THREE = {"DeadLettersAccumulate": "warning", "DeadLetterOld": "high", "ChargeNotPosted": "critical"}
_NAME = re.compile(r"\b(pms_[a-z_]+|http_[a-z_]+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
    ]
    return found


def declared() -> dict[str, set[str]]:
    """Give the labels of every gauge that we declare, by name."""
    gauges = [one for one in vars(metrics).values() if isinstance(one, Gauge)]
    return {gauge._name: set(gauge._labelnames) for gauge in gauges}


def test_the_three_alerts_are_there_with_what_to_do() -> None:
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    assert severities.items() >= THREE.items()
    for rule in rules():
        assert len(rule["annotations"]["runbook"]) > 100, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]


def test_every_metric_and_label_that_is_used_is_exported() -> None:
    known = declared()
    for rule in rules():
        used = _NAME.findall(rule["expr"])
        assert used, rule["alert"]
        labels: set[str] = set()
        for name, matchers in used:
            assert name in known, (rule["alert"], name)
            matched = set(re.findall(r"(\w+)\s*=", matchers))
            assert matched <= known[name], (rule["alert"], name)
            labels |= known[name]
        for grouping in _GROUPING.findall(rule["expr"]):
            assert {label.strip() for label in grouping.split(",")} <= labels, (rule["alert"], grouping)


def test_the_rules_are_rules_to_prometheus_itself() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH")
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    assert done.returncode == 0, done.stdout + done.stderr
