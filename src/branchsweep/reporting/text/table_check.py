"""A table beside the training rows of a model, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.metrics.names import label
from branchsweep.metrics.population_stability import CHANCE, SLIGHT, STRONG, Stability
from branchsweep.reporting.formatting import format_score, format_share
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow

if TYPE_CHECKING:
    from branchsweep.workflows.table_check import CheckedInput, TableCheck

MOST_STABLE = 20
"""Inputs that have not changed and that are listed, at most."""

_STYLES = {Stability.CHANGED: "yellow", Stability.STRONGLY_CHANGED: "bold red"}


def render_table_check(check: TableCheck) -> RenderableType:
    """Render the inputs, those that changed most first, the heads with their scores, and what follows from both."""
    parts: list[RenderableType] = [
        Text.assemble((check.model, "bold"), f" and {check.rows:,} row{'s' * (check.rows != 1)} of {check.table}"),
        _inputs(check),
    ]
    if check.heads:
        parts += [Text(), _heads(check)]
    return Group(*parts, Text(), *(Text(sentence) for sentence in _conclusions(check)))


def _inputs(check: TableCheck) -> ResponsiveTable:
    changed = check.changed
    others = [name for name in check.inputs if name not in changed]
    others.sort(key=lambda name: (-check.inputs[name].outside, -(check.inputs[name].index or 0.0)))
    columns = (
        TableColumn("input"),
        TableColumn("kind", priority=3),
        TableColumn("stability index", right=True),
        TableColumn("by chance up to", priority=2, right=True),
        TableColumn("outside the range", right=True),
        TableColumn("missing", priority=1, right=True),
        TableColumn("in training", priority=1, right=True),
        TableColumn(""),
    )
    return ResponsiveTable(columns, [_input(name, check.inputs[name]) for name in (*changed, *others[:MOST_STABLE])])


def _input(name: str, own: CheckedInput) -> TableRow:
    in_training = "-" if own.missing_in_training is None else format_share(own.missing_in_training)
    indices = ["-" if index is None else f"{index:.3f}" for index in (own.index, own.by_chance)]
    shares = (format_share(own.outside), format_share(own.missing), in_training)
    said = own.stability.value if own.stability else ""
    return TableRow((name, own.kind, *indices, *shares, said), _STYLES.get(own.stability, "") if own.stability else "")


def _heads(check: TableCheck) -> ResponsiveTable:
    """Of each head its score, and the first of the other metrics: a score is low, too, where targets hardly vary."""
    columns = (
        TableColumn("head"),
        TableColumn("metric"),
        TableColumn("in this table", right=True),
        TableColumn("on the test rows", right=True),
        TableColumn("rows", right=True),
    )
    rows = []
    for head, own in check.heads.items():
        for metric in dict.fromkeys((own.score, *own.metrics)):
            values = (format_score(own.metrics[metric]), format_score(own.test.get(metric)))
            first = metric == own.score
            rows.append(TableRow((head if first else "", label(metric), *values, f"{own.rows:,}" if first else "")))
            if not first:
                break
    return ResponsiveTable(columns, rows)


def _conclusions(check: TableCheck) -> list[str]:
    """What the tables say, as sentences."""
    changed = check.changed
    sentences = []
    left_out = len(check.inputs) - len(changed) - MOST_STABLE
    if left_out > 0:
        sentences.append(f"{left_out:,} more inputs are not listed: they have not changed.")
    if any(own.index is None for own in check.inputs.values()):
        sentences.append(
            "The model was registered by a version that did not keep the distribution of its inputs: there is no stability"
            " index. A version that is promoted now has one."
        )
    elif changed:
        of = f"{len(changed):,} of {len(check.inputs):,} inputs"
        sentences.append(f"{of} {'has' if len(changed) == 1 else 'have'} another distribution than in the training rows.")
    else:
        sentences.append("No input has another distribution than in the training rows.")
    if check.rows_outside:
        outside = f"{check.rows_outside:,} of {check.rows:,} rows"
        sentences.append(f"{outside} lie outside the range of the training rows: there predictions are extrapolations.")
    else:
        sentences.append("No row lies outside the range of the training rows.")
    if check.rows_without_prediction:
        none = f"{check.rows_without_prediction:,} of {check.rows:,} rows"
        sentences.append(f"{none} have no prediction: an input has no value there, and its column had no gaps in training.")
    sentences += [
        f"{own.unreadable:,} rows of {head} hold another class than the model knows, or no number: they are not scored."
        for head, own in check.heads.items()
        if own.unreadable
    ]
    if any(own.index is not None for own in check.inputs.values()):
        sentences.append(
            f"Population stability index: from {SLIGHT:g} on changed, from {STRONG:g} on strongly changed, unless so few rows"
            f" have such an index by chance ({format_share(CHANCE)} of the time)."
        )
    return sentences
