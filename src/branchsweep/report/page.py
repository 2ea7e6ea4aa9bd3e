"""Fills in the pages of a report: one HTML file each, that needs nothing from outside. The one address of Jinja."""

from __future__ import annotations

import math
from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from branchsweep.findings import Findings
from branchsweep.report import figures_of_comparison, standing, words
from branchsweep.report.plots import Figure, svg
from branchsweep.report.standing import Standing

_TEMPLATES = Environment(
    loader=PackageLoader("branchsweep.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

_TEMPLATES.filters |= {
    each.__name__: each
    for each in (
        words.signed,
        words.p_value,
        words.effect,
        words.named,
        words.seconds,
        words.milliseconds,
        words.size,
        words.parameters,
    )
}


def filled(template: str, **values: object) -> str:
    """A page. Values are text: what is markup in them is shown, not obeyed.

    Args:
        template: Its name in `report/templates`; it extends `layout.html`.
        values: What it names; one that is missing is an error.
    """
    return _TEMPLATES.get_template(template).render(values)


def drawn(figure: Figure, label: str) -> Markup:
    """A picture as a value for a template; see `plots.svg`."""
    return trusted(svg(figure, label))  # matplotlib and `svg` escape every word in it


def trusted(html: str) -> Markup:
    """HTML whose maker has escaped whatever stands in it."""
    return Markup(html)  # noqa: S704  # the caller's word for it


def page_of_comparison(findings: Findings, yaml: str, command: str) -> str:
    """A comparison as one HTML file: the answer first, then what it rests on.

    Args:
        findings: What it has found.
        yaml: The comparison as it was written.
        command: What repeats it, as one types it.
    """
    rows = standing.standings(findings)
    return filled(
        "comparison.html",
        found=findings,
        rows=rows,
        figures=standing.figures(findings),
        halves=standing.halves(findings),
        level=words.level(findings.alpha),
        pictures=_pictures(findings),
        captions=_captions(findings),
        errors=list(_errors(findings, rows)),
        sharing=list(_sharing(findings)),
        by_half=_by_half(findings, rows),
        recipes=[(row.one.name, list(_recipes(row))) for row in rows if any(row.one.recipes)],
        yaml=yaml,
        command=command,
    )


def _pictures(findings: Findings) -> dict[str, Markup | None]:
    draw = figures_of_comparison
    return {
        "intervals": drawn(draw.intervals(findings), "R² of every contestant, with the interval of its difference"),
        "transfer": drawn(draw.transfer(findings), "gain by sharing") if findings.transfer else None,
        "sharing": drawn(draw.sharing(findings), "R² by shared layers") if findings.sharing else None,
        "cost": drawn(draw.cost(findings), "R² against training time and latency"),
    }


def _captions(findings: Findings) -> dict[str, str]:
    """What a picture shows, in a sentence each."""
    level = words.level(findings.alpha)
    shared, single = (findings.transfer[0].one, findings.transfer[0].other) if findings.transfer else ("", "")
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


def _errors(findings: Findings, rows: tuple[Standing, ...]) -> Iterator[tuple[str, list[str]]]:
    """Root mean squared errors, by contestant and head."""
    for row in rows:
        if row.places and row.one.rmse:
            means = (standing.mean_and_error(row.one.rmse.get(head, ()))[0] for head in findings.heads)
            yield row.one.name, ["-" if math.isnan(mean) else f"{mean:#.4g}" for mean in means]


def _sharing(findings: Findings) -> Iterator[dict[str, object]]:
    ends = {0: "own networks", findings.sharing_layers: "no branches"}
    for point in sorted(findings.sharing, key=lambda each: each.layers):
        end = f", {ends[point.layers]}" if point.layers in ends else ""
        cells = [words.with_error(*standing.mean_and_error(point.r2.get(of, ()))) for of in standing.figures(findings)]
        yield {
            "name": f"{point.layers} of {findings.sharing_layers}{end}",
            "cells": cells,
            "parameters": f"{point.parameters:,}",
        }


def _by_half(findings: Findings, rows: tuple[Standing, ...]) -> dict[str, object]:
    """A row per contestant and figure, a column per half."""
    lines = [
        (row.one.name, words.named(figure), [words.number(r2) for r2 in place.halves])
        for row in rows
        for figure, place in row.places.items()
    ]
    return {"columns": standing.half_names(standing.halves(findings)), "rows": lines}


def _recipes(row: Standing) -> Iterator[tuple[str, str, str]]:
    """(half, head, recipe in words); a recipe without words is the default."""
    for name, by_head in zip(standing.half_names(len(row.one.recipes)), row.one.recipes, strict=True):
        for head, params in by_head.items():
            told = ", ".join(f"{key} {words.value(param)}" for key, param in sorted(params.items()))
            yield name, head, told or "the defaults"
