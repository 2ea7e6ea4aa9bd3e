"""The views of a sweep in MLflow's pages, as values; `test_browser` opens them."""

from __future__ import annotations

import json

from branchsweep.tracking.mlflow import ui_views
from mlflow_views import decode_state

DIMENSIONS = ["trunk.depth", "learning_rate"]


def test_columns_are_scores_by_head_then_the_mean_then_hyperparameters() -> None:
    state = ui_views.view_state(dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS, "tags.x = 'y'")
    columns = ["metrics.`r2/PE`", "metrics.`r2/V`", "metrics.`r2/mean`", "params.`trunk.depth`", "params.`learning_rate`"]
    assert state["selectedColumns"] == columns
    assert state["columnOrder"] == ["attributes.`Run Name`", *columns, "runDateAndNestInfo"]
    assert 200 < state["columnWidths"]["attributes.`Run Name`"] < ui_views.WIDEST_NAME
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`r2/mean`", False)
    assert state["searchFilter"] == "tags.x = 'y'"


def test_charts_are_parallel_coordinates_and_a_scatter_plot_for_each_pair_of_heads() -> None:
    state = ui_views.view_state(dict.fromkeys(["a", "b", "c"], "r2"), DIMENSIONS, "")
    parallel, *scatters = state["compareRunCharts"]
    assert parallel["selectedParams"] == DIMENSIONS
    assert parallel["selectedMetrics"] == ["r2/a", "r2/b", "r2/c", "r2/mean"]
    pairs = [(chart["xaxis"]["key"], chart["yaxis"]["key"]) for chart in scatters]
    assert pairs == [("r2/a", "r2/b"), ("r2/a", "r2/c"), ("r2/b", "r2/c")]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} <= sections
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == 4


def test_one_head_has_no_mean_and_no_scatter_plot() -> None:
    state = ui_views.view_state(dict.fromkeys(["PE"], "r2"), DIMENSIONS, "")
    assert state["selectedColumns"][0] == "metrics.`r2/PE`" and state["selectedColumns"][1].startswith("params")
    assert [chart["type"] for chart in state["compareRunCharts"]] == ["PARALLEL"]


def test_charts_and_tags_are_limited_for_many_heads_and_dimensions() -> None:
    heads = dict.fromkeys([f"head_{number}" for number in range(20)], "r2")
    dimensions = [f"dimension_{number}" for number in range(40)]
    parallel, *scatters = ui_views.view_state(heads, dimensions, "")["compareRunCharts"]
    assert (len(parallel["selectedParams"]), len(scatters)) == (ui_views.MOST_AXES, ui_views.MOST_PAIRS)
    value = max(ui_views.view_tags(ui_views.SweepView("key", "name", heads, dimensions), "query", 0).values(), key=len)
    assert len(value) < 5000, "what a tag of an experiment may hold in MLflow before 3.17"


def test_tags_have_the_form_that_mlflows_pages_read() -> None:
    tags = ui_views.view_tags(
        ui_views.SweepView("abc", "tiny", dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS), "query", 1_700_000_000_000
    )
    table, charts = "mlflow.sharedViewState.abc", "mlflow.sharedViewState.abc-charts"
    assert list(tags) == [table, charts]
    envelope = json.loads(tags[table])
    assert "tiny" in envelope["name"]
    assert envelope["createdAt"] == envelope["updatedAt"] == 1_700_000_000_000
    assert envelope["state"].startswith("deflate;")
    assert decode_state(tags[table]) == ui_views.view_state(dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS, "query")
    assert decode_state(tags[charts])["searchFilter"].startswith("query AND metrics.`r2/mean`")
