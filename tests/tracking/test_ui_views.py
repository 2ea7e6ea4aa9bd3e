"""The view of a sweep that MLflow's pages are prepared with, as a value; `test_browser` looks at it."""

from __future__ import annotations

import json

from branchsweep.tracking.mlflow import ui_views

DIMENSIONS = ["trunk.depth", "learning_rate"]


def test_heads_come_first_then_their_mean_then_what_was_varied() -> None:
    state = ui_views.state(dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS, "tags.x = 'y'")
    columns = ["metrics.`r2/PE`", "metrics.`r2/V`", "metrics.`r2/mean`", "params.`trunk.depth`", "params.`learning_rate`"]
    assert state["selectedColumns"] == columns
    assert state["columnOrder"] == ["attributes.`Run Name`", *columns, "runDateAndNestInfo"]
    assert 200 < state["columnWidths"]["attributes.`Run Name`"] < ui_views.WIDEST_NAME
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`r2/mean`", False)
    assert state["searchFilter"] == "tags.x = 'y'"


def test_the_charts_are_parallel_coordinates_and_each_head_against_each_other() -> None:
    state = ui_views.state(dict.fromkeys(["a", "b", "c"], "r2"), DIMENSIONS, "")
    parallel, *scatters = state["compareRunCharts"]
    assert parallel["selectedParams"] == DIMENSIONS
    assert parallel["selectedMetrics"] == ["r2/a", "r2/b", "r2/c", "r2/mean"]
    pairs = [(chart["xaxis"]["key"], chart["yaxis"]["key"]) for chart in scatters]
    assert pairs == [("r2/a", "r2/b"), ("r2/a", "r2/c"), ("r2/b", "r2/c")]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} <= sections
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == 4


def test_one_head_is_its_own_mean_and_has_nothing_to_be_plotted_against() -> None:
    state = ui_views.state({"PE": "r2"}, DIMENSIONS, "")
    assert state["selectedColumns"][0] == "metrics.`r2/PE`" and state["selectedColumns"][1].startswith("params")
    assert [chart["type"] for chart in state["compareRunCharts"]] == ["PARALLEL"]


def test_many_heads_and_dimensions_stay_readable() -> None:
    heads = dict.fromkeys([f"head_{place}" for place in range(20)], "r2")
    dimensions = [f"dimension_{place}" for place in range(40)]
    parallel, *scatters = ui_views.state(heads, dimensions, "")["compareRunCharts"]
    assert (len(parallel["selectedParams"]), len(scatters)) == (ui_views.MOST_AXES, ui_views.MOST_PAIRS)
    value = max(ui_views.view_tags("key", "name", heads, dimensions, "query", 0).values(), key=len)
    assert len(value) < 5000, "what a tag of an experiment may hold in MLflow before 3.17"


def test_the_tags_are_such_that_mlflows_pages_list_and_open_them() -> None:
    tags = ui_views.view_tags("abc", "tiny", dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS, "query", 1_700_000_000_000)
    table, charts = "mlflow.sharedViewState.abc", "mlflow.sharedViewState.abc-charts"
    assert list(tags) == [table, charts]
    envelope = json.loads(tags[table])
    assert envelope["name"] == "tiny: best first"
    assert envelope["createdAt"] == envelope["updatedAt"] == 1_700_000_000_000
    assert envelope["state"].startswith("deflate;")
    assert ui_views.restored(tags[table]) == ui_views.state(dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS, "query")
    assert ui_views.restored(tags[charts])["searchFilter"] == "query AND metrics.`r2/mean` > 0"
