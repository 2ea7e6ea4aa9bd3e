"""Exports the result of a comparison: CSV with all digits for other programs, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from branchsweep.data.dataset import is_synthetic
from branchsweep.data.spreadsheets import csv_text
from branchsweep.metrics.comparison_conclusions import quick_sentence
from branchsweep.metrics.comparison_result import ComparisonResult, PairwiseDifference
from branchsweep.metrics.names import MEDIAN, STANDARD_ERROR, label
from branchsweep.reporting.comparison.table import ComparisonRow, ScoreCell, comparison_rows, scored_heads, verdict_text
from branchsweep.reporting.escaping import escape_markdown
from branchsweep.reporting.formatting import (
    SYNTHETIC_DATA_WARNING,
    VERDICT_MARKS,
    format_bytes,
    format_difference,
    format_milliseconds,
    format_p_cell,
    format_parameters,
    format_seconds,
    head_label,
    verdict_legend,
)
from branchsweep.reporting.markdown_table import markdown_table
from branchsweep.reporting.paired_test_rows import PAIRED_TESTS_OF_HALVES, paired_test_markdown

COST_FIELDS = ("parameters", "training_seconds", "tuning_seconds", "latency", "bytes")
"""Columns with fields of `ContestantCost`; times in seconds, latency per 1,000 rows."""

DIFFERENCE_FIELDS = (
    "difference",
    "low",
    "high",
    "f",
    "p",
    "p_adjusted",
    "p_t",
    "effect",
    "is_significant",
    "p_equivalence",
    "verdict",
)
"""Columns with fields of `PairwiseDifference`."""


def halves_csv(result: ComparisonResult) -> str:
    """Every score as CSV, one per line: contestant, head (`figure`), half (from 1), and the score by its metric's name."""
    rows = (
        (row.contestant.name, head, half, score)
        for row in comparison_rows(result)
        for head, cell in row.cells.items()
        for half, score in enumerate(cell.halves, start=1)
    )
    return csv_text(("contestant", "figure", "half", result.metric), rows)


def summary_csv(result: ComparisonResult) -> str:
    """A line per contestant and head: mean score, its standard error, the difference to the reference, and costs."""
    error, median = STANDARD_ERROR.format(result.metric), MEDIAN.format(result.metric)
    header = ("contestant", "figure", result.metric, error, median, "collapsed_halves", *DIFFERENCE_FIELDS, *COST_FIELDS)
    rows = (_summary(row, head, cell) for row in comparison_rows(result) for head, cell in row.cells.items())
    return csv_text(header, rows)


def _summary(row: ComparisonRow, head: str, cell: ScoreCell) -> Sequence[object]:
    difference = [getattr(cell.difference, name) if cell.difference else None for name in DIFFERENCE_FIELDS]
    cost = [getattr(row.contestant.cost, name) for name in COST_FIELDS]
    collapsed = " ".join(collapse.where.removeprefix("half ") for collapse in cell.collapses)
    return row.contestant.name, head, cell.mean, cell.error, cell.median, collapsed, *difference, *cost


def comparison_markdown(result: ComparisonResult) -> str:
    """The conclusions, the table of contestants, the gain by sharing, and the protocol, as Markdown."""
    heads = scored_heads(result)
    parts = [f"# {escape_markdown(result.comparison)}"]
    if result.conclusions:
        parts.append(" ".join([f"**{escape_markdown(result.conclusions[0])}**", *map(escape_markdown, result.conclusions[1:])]))
    if result.question:
        parts.append(f"*{escape_markdown(result.question)}*")
    if result.cuts:
        parts.append(f"**{escape_markdown(quick_sentence(result.cuts))}**")
    if is_synthetic(result.data["source"]):
        parts.append(f"**{SYNTHETIC_DATA_WARNING}**")
    parts += [f"Warning: {escape_markdown(sentence)}" for sentence in result.warnings]
    header = ["contestant", *map(head_label, heads), "parameters", "training", "latency, 1,000 rows", "size"]
    parts.append(markdown_table(header, [_line(row, heads) for row in comparison_rows(result)]))
    parts.append(
        f"{label(result.metric)} ± standard error over the halves, and the difference to {escape_markdown(result.reference)}: "
        f"{verdict_legend(result.alpha, result.equivalence_margin)}."
    )
    if result.transfer:
        gains = [_gain(gain, result.equivalence_margin) for gain in result.transfer]
        parts += ["## Gain by sharing layers", markdown_table(["head", "gain", "interval", "adjusted p", "verdict"], gains)]
    if result.transfer_tests:
        tests = paired_test_markdown(result.transfer_tests)
        parts += [f"McNemar's and DeLong's tests ({PAIRED_TESTS_OF_HALVES}):", tests]
    parts += ["## Protocol", "\n".join(f"- {escape_markdown(sentence)}" for sentence in result.protocol)]
    return "\n\n".join(parts) + "\n"


def _line(row: ComparisonRow, heads: Sequence[str]) -> list[str]:
    """A row of the table of contestants; one that failed has the reason in the first cell of scores."""
    name = (
        f"**{escape_markdown(row.contestant.name)}** (reference)" if row.is_reference else escape_markdown(row.contestant.name)
    )
    if not row.cells:
        return [name, f"failed: {escape_markdown(row.contestant.failure)}", *[""] * (len(heads) + 3)]
    cost = row.contestant.cost
    costs = [
        format_parameters(cost.parameters),
        format_seconds(cost.training_seconds),
        format_milliseconds(cost.latency),
        format_bytes(cost.bytes),
    ]
    return [name, *(_cell(row.cells.get(head)) for head in heads), *costs]


def _cell(cell: ScoreCell | None) -> str:
    if cell is None or cell.difference is None:
        return cell.text if cell else "-"
    text = f"{cell.text} ({VERDICT_MARKS[cell.verdict]} {format_difference(cell.difference.difference)})"
    return f"**{text}**" if cell.difference.is_significant else text


def _gain(gain: PairwiseDifference, margin: float) -> list[str]:
    difference = format_difference(gain.difference)
    return [
        escape_markdown(head_label(gain.head)),
        f"**{difference}**" if gain.is_significant else difference,
        f"{format_difference(gain.low)} to {format_difference(gain.high)}",
        format_p_cell(gain.p_adjusted),
        escape_markdown(f"{VERDICT_MARKS[gain.verdict]} {verdict_text(gain, margin)}"),
    ]
