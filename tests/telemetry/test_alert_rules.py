"""The alerts for Prometheus speak of metrics and labels that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.telemetry.promql import strangers

PROJECT = Path(__file__).parents[2]
RULES = PROJECT / "deploy" / "prometheus" / "alerts.yml"
MANUAL = PROJECT / "docs" / "operations.md"
THREE = {"DeadLettersAccumulate": "warning", "DeadLetterOld": "high", "ChargeNotPosted": "critical"}


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
    ]
    return found


def test_the_three_alerts_are_there_with_what_to_do() -> None:
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    assert severities.items() >= THREE.items()
    for rule in rules():
        assert len(rule["annotations"]["runbook"]) > 100, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]


def test_every_metric_and_label_that_is_used_is_exported() -> None:
    assert {rule["alert"]: strangers(rule["expr"]) for rule in rules() if strangers(rule["expr"])} == {}


def test_every_alert_has_its_page_in_the_manual_and_every_page_its_alert() -> None:
    pages = re.findall(r"^### (\w+)$", MANUAL.read_text(encoding="utf-8").partition("\n## Alerts\n")[2], re.MULTILINE)
    assert sorted(pages) == sorted(rule["alert"] for rule in rules())
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_every_page_says_what_it_means_what_is_noticed_what_to_look_at_what_to_do_and_whom_to_wake() -> None:
    alerts = MANUAL.read_text(encoding="utf-8").partition("\n## Alerts\n")[2].partition("\n## ")[0]
    for page in alerts.split("\n### ")[1:]:
        said = re.findall(r"^- \*\*([A-Z][a-z ]+)\.\*\*", page, re.MULTILINE)
        assert said == ["It means", "Noticed", "Look", "Do", "Wake"], page[:30]


@pytest.mark.parametrize(
    "expression",
    [
        "pms_no_such_metric > 0",
        'pms_ready{no_such="label"} == 0',
        "sum by (no_such) (pms_ready)",
        'pms_operations{status="dead"}',
        "vector(1)",
    ],
)
def test_the_rule_finds_what_is_not_exported(expression: str) -> None:
    assert strangers(expression)


def test_the_rules_are_rules_to_prometheus_itself() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH")
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    assert done.returncode == 0, done.stdout + done.stderr
