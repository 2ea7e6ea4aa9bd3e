"""The HTML page of a comparison: the conclusions first, then tables and figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from branchsweep.config.metric_names import RMSE
from branchsweep.data.dataset import is_synthetic
from branchsweep.metrics.comparison_conclusions import quick_sentence
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.metrics.names import label
from branchsweep.reporting import formatting
from branchsweep.reporting.comparison import figures, table
from branchsweep.reporting.comparison.table import ComparisonRow
from branchsweep.reporting.figures.plot_style import Figure
from branchsweep.reporting.pages.html import Picture, picture, render_template
from branchsweep.reporting.paired_test_rows import PAIRED_TESTS_OF_HALVES, paired_test_rows
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs


def render_comparison_page(
    result: ComparisonResult, yaml: str, command: str, pictures: Mapping[str, Picture | None] | None = None
) -> str:
    """A comparison as one HTML file that loads nothing.

    Args:
        result: The result of the comparison.
        yaml: The comparison as it was run.
        command: The command that runs it again.
        pictures: Of `comparison_pictures`; drawn here if None.
    """
    rows = table.comparison_rows(result)
    return render_template(
        "comparison.html",
        result=result,
        synthetic_data_warning=formatting.SYNTHETIC_DATA_WARNING if is_synthetic(result.data["source"]) else "",
        rows=rows,
        heads=table.scored_heads(result),
        metric=label(result.metric),
        half_count=table.half_count(result),
        level=formatting.format_alpha(result.alpha),
        legend=formatting.verdict_legend(result.alpha, result.equivalence_margin),
        marks=formatting.VERDICT_MARKS,
        verdict_text=partial(table.verdict_text, margin=result.equivalence_margin),
        cuts=quick_sentence(result.cuts) if result.cuts else "",
        figures=comparison_pictures(result) if pictures is None else pictures,
        captions=_captions(result),
        errors=list(_errors(result, rows)),
        sharing=list(_sharing(result)),
        paired_tests=list(paired_test_rows(result.transfer_tests)),
        paired_tests_of_halves=PAIRED_TESTS_OF_HALVES,
        by_half=_by_half(result, rows),
        recipes=[(row.contestant.name, list(_recipes(row))) for row in rows if any(row.contestant.recipes)],
        yaml=yaml,
        command=command,
    )


def comparison_pictures(result: ComparisonResult, optional: OptionalOutputs = SILENT) -> dict[str, Picture | None]:
    """The pictures of a comparison by name; None for what was not measured, and for what cannot be drawn.

    Args:
        result: The result of the comparison.
        optional: Reports pictures that cannot be made.
    """
    metric = label(result.metric)
    drawn = {
        "contestants": (figures.contestants, f"{metric} of contestants, with intervals of differences"),
        "cost": (figures.costs, f"{metric} against training time and latency"),
        "transfer": (figures.transfer, "gain by sharing layers") if result.transfer else None,
        "sharing": (figures.sharing, f"{metric} by shared layers") if result.sharing else None,
    }
    return {
        name: optional.make(f"the figure {name}", partial(_picture, *how, result), None) if how else None
        for name, how in drawn.items()
    }


def _picture(draw: Callable[[ComparisonResult], Figure], shows: str, result: ComparisonResult) -> Picture:
    return picture(draw(result), shows)


def _captions(result: ComparisonResult) -> dict[str, str]:
    """How to read the figures."""
    level, metric = formatting.format_alpha(result.alpha), label(result.metric)
    shared, single = (result.transfer[0].contestant, result.transfer[0].reference) if result.transfer else ("", "")
    return {
        "contestants": (
            f"The mean {metric} of each contestant over the halves (small points; right is better), with the {level} interval "
            f"of its difference to {result.reference} (dashed line). Blue gains, orange loses, filled grey is equal within the "
            "margin, hollow is undecided."
        ),
        "transfer": (
            f"{metric} of {shared}, one network for all heads, minus {metric} of {single}, one network per head, with the "
            f"{level} interval. Blue gains, orange loses, filled grey is equal within the margin, hollow is undecided."
        ),
        "sharing": (
            f"One recipe whose heads have {result.sharing_layers} hidden layers each: {metric} by the number of layers that "
            "all heads share, averaged over the halves, with a band of one standard error."
        ),
        "cost": (
            f"Up is better, left is cheaper: the mean {metric} against the time to train on one half, without tuning, and "
            "against the time to predict 1,000 rows. A marker that points down lies below the axis."
        ),
    }


def _errors(result: ComparisonResult, rows: Sequence[ComparisonRow]) -> Iterator[tuple[str, list[str]]]:
    """Root mean squared errors by contestant, in the order of the heads."""
    for row in rows:
        errors = row.contestant.metrics.get(RMSE)
        if row.cells and errors is not None:
            means = (table.mean_and_error(errors.get(head, ()))[0] for head in result.heads)
            yield row.contestant.name, ["-" if math.isnan(mean) else f"{mean:#.4g}" for mean in means]


def _sharing(result: ComparisonResult) -> Iterator[dict[str, object]]:
    """Rows of the table of scores by shared layers."""
    remarks = {0: "one network per head", result.sharing_layers: "no branches"}
    for point in sorted(result.sharing, key=lambda point: point.layers):
        remark = f", {remarks[point.layers]}" if point.layers in remarks else ""
        cells = [
            formatting.format_score_with_error(*table.mean_and_error(point.scores.get(head, ())))
            for head in table.scored_heads(result)
        ]
        name = f"{point.layers} of {result.sharing_layers}{remark}"
        yield {"name": name, "cells": cells, "parameters": f"{point.parameters:,}"}


def _by_half(result: ComparisonResult, rows: Sequence[ComparisonRow]) -> dict[str, object]:
    """The table of scores by half: a row per contestant and head, a column per half."""
    lines = [
        (row.contestant.name, formatting.head_label(head), [formatting.format_score(score) for score in cell.halves])
        for row in rows
        for head, cell in row.cells.items()
    ]
    return {"columns": table.half_labels(table.half_count(result)), "rows": lines}


def _recipes(row: ComparisonRow) -> Iterator[tuple[str, str, str]]:
    """Half, head, and hyperparameters of everything that was trained for a contestant."""
    recipes = row.contestant.recipes
    for half, by_head in zip(table.half_labels(len(recipes)), recipes, strict=True):
        for head, params in by_head.items():
            text = ", ".join(f"{name} {formatting.format_param(value)}" for name, value in sorted(params.items()))
            yield half, head, text or "defaults"
