"""What the rules and boards for Prometheus ask for, and whether we export it."""

import re

from prometheus_client import Counter, Gauge, Histogram

from app.telemetry import metrics

_NAME = re.compile(r"\b((?:pms|http)_[a-z_]+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_ADDED_BY_PROMETHEUS = {"instance", "job"}


def exported() -> dict[str, set[str]]:
    """Give the labels of every series that we export, by name."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        match metric:
            case Gauge():
                found[metric._name] = set(metric._labelnames)
            case Counter():
                found[f"{metric._name}_total"] = set(metric._labelnames)
            case Histogram():
                for part in ("count", "sum"):
                    found[f"{metric._name}_{part}"] = set(metric._labelnames)
                found[f"{metric._name}_bucket"] = {*metric._labelnames, "le"}
    return found


def strangers(expression: str) -> list[str]:
    """Name the metrics and labels of an expression that we do not export; that it asks for nothing is strange, too."""
    known, used = exported(), _NAME.findall(expression)
    strange = [name for name, _ in used if name not in known]
    labels: set[str] = set(_ADDED_BY_PROMETHEUS)
    for name, matchers in used:
        mine = known.get(name, set())
        strange += [
            f"{name}{{{label}}}" for label in re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\"", matchers) if label not in mine
        ]
        labels |= mine
    grouped = [label.strip() for grouping in _GROUPING.findall(expression) for label in grouping.split(",")]
    return strange + [label for label in grouped if label not in labels] + ([] if used else ["nothing is asked for"])
