"""The board for Grafana asks for what we export, and has the form that Grafana imports."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.telemetry.promql import exported, strangers

BOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "deploy" / "grafana" / "pms-gateway.json").read_text(encoding="utf-8")
)
PANELS: list[dict[str, Any]] = BOARD["panels"]
CHARTS = [panel for panel in PANELS if panel["type"] != "row"]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


def test_every_chart_asks_for_metrics_and_labels_that_are_exported() -> None:
    asked = [(panel["title"], target["expr"]) for panel in CHARTS for target in panel["targets"]]
    assert len(asked) > 20
    assert {title: strangers(expression) for title, expression in asked if strangers(expression)} == {}


def test_every_metric_of_ours_is_on_the_board() -> None:
    asked = " ".join(target["expr"] for panel in CHARTS for target in panel["targets"])
    families = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in exported()}
    assert [family for family in sorted(families) if family not in asked] == []


def test_panels_have_ids_of_their_own_and_places_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        place = panel["gridPos"]
        assert place.keys() == {"h", "w", "x", "y"}
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS, panel["title"]
    assert [
        (one["title"], other["title"])
        for one, other in combinations(PANELS, 2)
        if overlap(one["gridPos"], other["gridPos"])
    ] == []


def test_it_can_be_imported_beside_any_prometheus() -> None:
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= BOARD.keys()
    assert "id" not in BOARD, "Grafana gives its own"
    variables = {one["name"]: one for one in BOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in CHARTS:
        assert panel["datasource"] == DATASOURCE
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(target["legendFormat"] for target in panel["targets"])
    named = json.dumps(BOARD).count("$vendor")
    assert named > 5
    assert strangers(variables["vendor"]["definition"].partition("(")[2].partition(",")[0]) == []
