"""Fills in the pages of a report: one HTML file each, that needs nothing from outside. The one address of Jinja."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.metrics.names import RMSE
from branchsweep.reporting import formatting
from branchsweep.reporting.comparison import figures, table
from branchsweep.reporting.comparison.table import ComparisonRow
from branchsweep.reporting.pages.html import figure_markup, render_template


def render_comparison_page(findings: ComparisonResult, yaml: str, command: str) -> str:
    """A comparison as one HTML file: the answer first, then what it rests on.

    Args:
        findings: What it has found.
        yaml: The comparison as it was written.
        command: What repeats it, as one types it.
    """
    rows = table.comparison_rows(findings)
    return render_template(
        "comparison.html",
        found=findings,
        synthetic_data_warning=formatting.SYNTHETIC_DATA_WARNING,
        rows=rows,
        figures=table.comparison_metrics(findings),
        halves=table.halves(findings),
        level=formatting.format_alpha(findings.alpha),
        pictures=_pictures(findings),
        captions=_captions(findings),
        errors=list(_errors(findings, rows)),
        sharing=list(_sharing(findings)),
        by_half=_by_half(findings, rows),
        recipes=[(row.one.name, list(_recipes(row))) for row in rows if any(row.one.recipes)],
        yaml=yaml,
        command=command,
    )


def _pictures(findings: ComparisonResult) -> dict[str, Markup | None]:
    draw = figures
    return {
        "intervals": figure_markup(draw.intervals(findings), "R² of every contestant, with the interval of its difference"),
        "transfer": figure_markup(draw.transfer(findings), "gain by sharing") if findings.transfer else None,
        "sharing": figure_markup(draw.sharing(findings), "R² by shared layers") if findings.sharing else None,
        "cost": figure_markup(draw.cost(findings), "R² against training time and latency"),
    }


def _captions(findings: ComparisonResult) -> dict[str, str]:
    """What a picture shows, in a sentence each."""
    level = formatting.format_alpha(findings.alpha)
    shared, single = (findings.transfer[0].contestant, findings.transfer[0].reference) if findings.transfer else ("", "")
    return {
        "intervals": (
            f"Each contestant's mean R² over the halves (small dots; right is better), around it the {level} interval of its "
            f"difference to {findings.reference} (dashed line); filled and coloured where it is significant after Holm's "
            "correction."
        ),
        "transfer": (
            f"R² of {shared}, one network for all heads, less R² of {single}, a network for each head, with its {level} "
            "interval; filled and coloured where it is significant."
        ),
        "sharing": (
            f"One recipe whose heads have {findings.sharing_layers} hidden layers each: how R² changes with how many of them "
            "all heads share, averaged over the halves, give or take a standard error (band)."
        ),
        "cost": (
            "Up is better, left is cheaper: mean R² against the time to train on one half, tuning apart, and against the time "
            "to predict 1,000 rows; a mark that points down lies below the scale."
        ),
    }


def _errors(findings: ComparisonResult, rows: tuple[ComparisonRow, ...]) -> Iterator[tuple[str, list[str]]]:
    """Root mean squared errors, by contestant and head."""
    for row in rows:
        if row.places and RMSE in row.one.metrics:
            means = (table.mean_and_error(row.one.metrics[RMSE].get(head, ()))[0] for head in findings.heads)
            yield row.one.name, ["-" if math.isnan(mean) else f"{mean:#.4g}" for mean in means]


def _sharing(findings: ComparisonResult) -> Iterator[dict[str, object]]:
    ends = {0: "own networks", findings.sharing_layers: "no branches"}
    for point in sorted(findings.sharing, key=lambda each: each.layers):
        end = f", {ends[point.layers]}" if point.layers in ends else ""
        cells = [
            formatting.format_score_with_error(*table.mean_and_error(point.scores.get(of, ())))
            for of in table.comparison_metrics(findings)
        ]
        yield {
            "name": f"{point.layers} of {findings.sharing_layers}{end}",
            "cells": cells,
            "parameters": f"{point.parameters:,}",
        }


def _by_half(findings: ComparisonResult, rows: tuple[ComparisonRow, ...]) -> dict[str, object]:
    """A row per contestant and figure, a column per half."""
    lines = [
        (row.one.name, formatting.metric_label(figure), [formatting.format_score(score) for score in place.halves])
        for row in rows
        for figure, place in row.places.items()
    ]
    return {"columns": table.half_names(table.halves(findings)), "rows": lines}


def _recipes(row: ComparisonRow) -> Iterator[tuple[str, str, str]]:
    """(half, head, recipe in words); a recipe without words is the default."""
    for name, by_head in zip(table.half_names(len(row.one.recipes)), row.one.recipes, strict=True):
        for head, params in by_head.items():
            told = ", ".join(f"{key} {formatting.format_param(param)}" for key, param in sorted(params.items()))
            yield name, head, told or "the defaults"
