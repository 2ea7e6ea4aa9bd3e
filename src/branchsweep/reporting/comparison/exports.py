"""Writes what a comparison has found as tables for other programs: CSV in full digits, and Markdown to read or to file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from branchsweep.config.metric_names import common_metric
from branchsweep.metrics.comparison_result import ComparisonResult, PairwiseDifference
from branchsweep.metrics.names import STANDARD_ERROR
from branchsweep.reporting.comparison.table import ComparisonRow, MetricCell, comparison_metrics, comparison_rows
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    VERDICT_MARKS,
    format_bytes,
    format_difference,
    format_milliseconds,
    format_p_value,
    format_parameters,
    format_seconds,
    metric_label,
)

_COST_COLUMNS = (
    "parameters",
    "training_seconds",
    "tuning_seconds",
    "latency",
    "bytes",
)
"""What a contestant costs; times in seconds, latency per 1,000 rows."""

DIFFERENCE_FIELDS = ("difference", "low", "high", "f", "p", "p_adjusted", "p_t", "effect", "is_significant")
"""Columns that a `Contrast` has by the same name."""


def halves_csv(findings: ComparisonResult) -> str:
    """Every score, a line each: contestant, figure, half (from 1, in the order of `Findings`), the score as `r2`."""
    rows = (
        (row.one.name, figure, half, score)
        for row in comparison_rows(findings)
        for figure, place in row.places.items()
        for half, score in enumerate(place.halves, start=1)
    )
    return _written(("contestant", "figure", "half", common_metric(findings.score_metrics.values())), rows)


def summary_csv(findings: ComparisonResult) -> str:
    """A line per contestant and figure: mean score, its standard error, the difference to the reference, costs."""
    metric = common_metric(findings.score_metrics.values())
    header = ("contestant", "figure", metric, STANDARD_ERROR.format(metric), *DIFFERENCE_FIELDS, *_COST_COLUMNS)
    rows = (_summed(row, figure, place) for row in comparison_rows(findings) for figure, place in row.places.items())
    return _written(header, rows)


def _summed(row: ComparisonRow, figure: str, place: MetricCell) -> Sequence[object]:
    contrast: PairwiseDifference | None = place.contrast
    compared = [getattr(contrast, name) if contrast else None for name in DIFFERENCE_FIELDS]
    cost = row.one.cost
    costs = (cost.parameters, cost.training_seconds, cost.tuning_seconds, cost.latency, cost.bytes)
    return row.one.name, figure, place.mean, place.error, *compared, *costs


def _written(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Numbers in the shortest digits that read back as the same number; None as an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def comparison_markdown(findings: ComparisonResult) -> str:
    """The answer, the table, what sharing gains, the protocol: a note beside a comparison, or a section of a paper."""
    shown = comparison_metrics(findings)
    parts = [f"# {_plain(findings.comparison)}"]
    if findings.question:
        parts.append(f"*{_plain(findings.question)}*")
    if findings.conclusions:
        parts.append(" ".join([f"**{_plain(findings.conclusions[0])}**", *map(_plain, findings.conclusions[1:])]))
    if findings.data["source"] == "stand-in":
        parts.append(f"**{SYNTHETIC_DATA_WARNING}**")
    parts += [f"Warning: {_plain(sentence)}" for sentence in findings.warnings]
    header = ["contestant", *map(metric_label, shown), "parameters", "training", "latency, 1,000 rows", "size"]
    parts.append(_table(header, [_line(row, shown) for row in comparison_rows(findings)]))
    parts.append(
        f"R² ± standard error over the halves, and the difference to {_plain(findings.reference)}: ▲ ▼ significantly better or "
        f"worse (combined 5x2cv F test, Holm's correction, alpha {findings.alpha:g}), = undecided."
    )
    if findings.transfer:
        gains = [_gain(gain) for gain in findings.transfer]
        parts += ["## What a head gains by sharing", _table(["figure", "gain", "interval", "p, adjusted"], gains)]
    parts += ["## How it was done", "\n".join(f"- {_plain(sentence)}" for sentence in findings.protocol)]
    return "\n\n".join(parts) + "\n"


def _line(row: ComparisonRow, shown: Sequence[str]) -> list[str]:
    """A row of the table; who failed says why in the first figure's cell."""
    name = f"**{_plain(row.one.name)}** (reference)" if row.is_reference else _plain(row.one.name)
    if not row.places:
        return [name, f"failed: {_plain(row.one.failure)}", *[""] * (len(shown) + 3)]
    cost = row.one.cost
    costs = [
        format_parameters(cost.parameters),
        format_seconds(cost.training_seconds),
        format_milliseconds(cost.latency),
        format_bytes(cost.bytes),
    ]
    return [name, *(_cell(row.places.get(figure)) for figure in shown), *costs]


def _cell(place: MetricCell | None) -> str:
    if place is None or place.contrast is None:
        return place.score if place else "-"
    told = f"{place.score} ({VERDICT_MARKS[place.verdict]} {format_difference(place.contrast.difference)})"
    return f"**{told}**" if place.contrast.is_significant else told


def _gain(gain: PairwiseDifference) -> list[str]:
    told = f"**{format_difference(gain.difference)}**" if gain.is_significant else format_difference(gain.difference)
    return [
        _plain(metric_label(gain.head)),
        told,
        f"{format_difference(gain.low)} to {format_difference(gain.high)}",
        format_p_value(gain.p_adjusted),
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ruler, *rows))


def _plain(words: str) -> str:
    """Words that Markdown takes for words: on one line, without markup, and in one cell."""
    line = " ".join(words.split())
    for mark in ("\\", "`", "*", "|", "[", "]"):
        line = line.replace(mark, f"\\{mark}")
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
