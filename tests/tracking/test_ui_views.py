"""The views of sweeps and comparisons in MLflow's pages, as values; `test_browser` opens them."""

from __future__ import annotations

import json

from branchsweep.tracking.mlflow import ui_views
from branchsweep.tracking.mlflow.ui_views import ContestantsView, SavedView, TrialsView, fitted_widths
from mlflow_views import decode_state

DIMENSIONS = ["trunk.depth", "learning_rate"]

TRIALS = TrialsView(dict.fromkeys(["PE", "V"], "r2"), DIMENSIONS, ["learning_rate"])


def test_columns_are_the_mean_then_hyperparameters_then_scores_by_head() -> None:
    state = TRIALS.table("tags.x = 'y'")
    columns = ["metrics.`r2/mean`", "params.`trunk.depth`", "params.`learning_rate`", "metrics.`r2/PE`", "metrics.`r2/V`"]
    assert state["selectedColumns"] == columns
    assert state["columnOrder"] == ["attributes.`Run Name`", *columns, "runDateAndNestInfo"]
    assert 120 < state["columnWidths"]["attributes.`Run Name`"] < ui_views.WIDEST_NAME
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`r2/mean`", False)
    assert state["searchFilter"] == "tags.x = 'y'"


SHIPPED = [
    "trunk.depth", "trunk.width", "PE.depth", "V.depth", "branch.width", "PE.loss_weight", "V.loss_weight", "learning_rate",
    "weight_decay", "activation", "input_scaling",
]  # fmt: skip
LOGARITHMIC = ["PE.loss_weight", "V.loss_weight", "learning_rate", "weight_decay"]


def test_all_hyperparameters_of_the_shipped_space_are_on_a_page_of_1400_pixels() -> None:
    state = TrialsView(dict.fromkeys(["PE", "V"], "r2"), SHIPPED, LOGARITHMIC).table("")
    *shown, by_pe, by_v = state["selectedColumns"]
    assert (by_pe, by_v) == ("metrics.`r2/PE`", "metrics.`r2/V`")
    widths = state["columnWidths"]
    before = ["attributes.`Run Name`", "runDateAndNestInfo", *shown]
    assert sum(widths[column] for column in before) <= ui_views.TABLE_WIDTH


def test_titles_of_narrow_columns_remain_distinct() -> None:
    widths = fitted_widths(SHIPPED, LOGARITHMIC, 0)
    shown = [name[: (width - ui_views.MARGIN) // ui_views.LETTER] for name, width in widths.items()]
    assert list(widths) == SHIPPED and len(set(shown)) == len(SHIPPED)
    assert min(widths[name] for name in LOGARITHMIC) > max(width for name, width in widths.items() if name not in LOGARITHMIC)


def test_columns_with_room_are_as_wide_as_their_titles_and_numbers() -> None:
    widest = ui_views.MARGIN + ui_views.LETTER * ui_views.LONG_NUMBER
    assert fitted_widths(["a", "b"], ["b"], 1000) == {"a": widest, "b": widest}
    assert fitted_widths([], [], 100) == {}


def test_charts_are_parallel_coordinates_and_a_scatter_plot_for_each_pair_of_heads() -> None:
    state = TrialsView(dict.fromkeys(["a", "b", "c"], "r2"), DIMENSIONS).table("")
    parallel, *scatters = state["compareRunCharts"]
    assert parallel["selectedParams"] == DIMENSIONS
    assert parallel["selectedMetrics"] == ["r2/a", "r2/b", "r2/c", "r2/mean"]
    pairs = [(chart["xaxis"]["key"], chart["yaxis"]["key"]) for chart in scatters]
    assert pairs == [("r2/a", "r2/b"), ("r2/a", "r2/c"), ("r2/b", "r2/c")]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} <= sections
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == 4


def test_the_axis_of_a_logarithmic_dimension_is_its_logarithm_and_its_column_the_value() -> None:
    state = TRIALS.table("")
    assert state["compareRunCharts"][0]["selectedParams"] == ["trunk.depth", "learning_rate log10"]
    assert "params.`learning_rate`" in state["selectedColumns"]


def test_one_head_has_no_mean_and_no_scatter_plot() -> None:
    state = TrialsView(dict.fromkeys(["PE"], "r2"), DIMENSIONS).table("")
    assert state["selectedColumns"][0] == "metrics.`r2/PE`" and state["selectedColumns"][1].startswith("params")
    assert [chart["type"] for chart in state["compareRunCharts"]] == ["PARALLEL"]


def test_charts_and_tags_are_limited_for_many_heads_and_dimensions() -> None:
    heads = dict.fromkeys([f"head_{number}" for number in range(20)], "r2")
    view = TrialsView(heads, [f"dimension_{number}" for number in range(40)])
    parallel, *scatters = view.table("")["compareRunCharts"]
    assert (len(parallel["selectedParams"]), len(scatters)) == (ui_views.MOST_AXES, ui_views.MOST_PAIRS)
    tags = SavedView("key", "name", 0).tags(view.table("query"), view.charts("query"))
    assert max(map(len, tags.values())) < 5000, "what a tag of an experiment may hold in MLflow before 3.17"


def test_contestants_have_scores_then_verdicts_then_costs_and_a_bar_for_each_score() -> None:
    state = ContestantsView(dict.fromkeys(["PE", "V"], "r2")).table("query")
    assert state["selectedColumns"] == [
        *(f"metrics.`r2/{head}`" for head in ("mean", "PE", "V")),
        "params.`verdict`",
        *(f"metrics.`{cost}`" for cost in ("parameters", "training_seconds", "latency_ms")),
    ]
    charts = state["compareRunCharts"]
    assert [chart["metricKey"] for chart in charts if chart["type"] == "BAR"] == ["r2/PE", "r2/V", "r2/mean"]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in charts} <= sections
    assert len({chart["uuid"] for chart in charts}) == len(charts)


def test_tags_have_the_form_that_mlflows_pages_read() -> None:
    tags = SavedView("abc", "tiny", 1_700_000_000_000).tags(TRIALS.table("query"), TRIALS.charts("query"))
    table, charts = "mlflow.sharedViewState.abc", "mlflow.sharedViewState.abc-charts"
    assert list(tags) == [table, charts]
    envelope = json.loads(tags[table])
    assert "tiny" in envelope["name"]
    assert envelope["createdAt"] == envelope["updatedAt"] == 1_700_000_000_000
    assert envelope["state"].startswith("deflate;")
    assert decode_state(tags[table]) == TRIALS.table("query")
    assert decode_state(tags[charts])["searchFilter"].startswith("query AND metrics.`r2/mean`")
