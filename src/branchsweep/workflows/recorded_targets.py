"""The targets of a registered model in another table: which heads have any there, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from branchsweep.config.kinds import DEFAULT_HEAD
from branchsweep.data.columns import to_numbers, without_missing_texts
from branchsweep.data.encoders.categories import UNKNOWN, category_codes
from branchsweep.data.prediction_columns import ACTUAL_COLUMN
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.output_columns import output_columns
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.serving import likeliest_positions
from branchsweep.types import Floats

if TYPE_CHECKING:
    from branchsweep.models.serving import Table


def recorded_heads(manifest: Mapping[str, Any]) -> dict[str, Head]:
    """By head of a model its kind.

    Args:
        manifest: Its `serving.json`.
    """
    losses = (manifest.get("provenance") or {}).get("losses", {})
    return {str(head["name"]): head_kind(losses.get(head["name"], DEFAULT_HEAD)) for head in manifest["heads"]}


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTargets:
    """The targets of a model in a table.

    Args:
        actual: `(rows, heads)`, NaN where there is none.
        unreadable: By head, rows whose cell is no class that the model knows, or no number, and is not missing either.
    """

    actual: Actual
    unreadable: Mapping[str, int]


def recorded_targets(manifest: Mapping[str, Any], table: Table, predictions: Floats) -> RecordedTargets:
    """The targets of a model in a table.

    Where predictions were written into the table before, as `branchsweep predict` does, the targets are in `<head>_actual`; a
    column that holds what this model predicts is no target.

    Args:
        manifest: Its `serving.json`, which names the target column of each head.
        table: The table.
        predictions: `(rows, outputs)` of the model for its rows.
    """
    columns = (manifest.get("provenance") or {}).get("columns", {})
    values, unreadable = np.full((len(table), len(manifest["heads"])), np.nan), {}
    outputs = output_columns(recorded_heads(manifest).values())
    for position, (described, own) in enumerate(zip(manifest["heads"], outputs, strict=True)):
        head, classes = str(described["name"]), described.get("classes")
        column = columns.get(head)
        if column == head and ACTUAL_COLUMN.format(head=head) in table.columns:
            column = ACTUAL_COLUMN.format(head=head)
        if column not in table.columns:
            continue
        targets, wrong = _targets(table[[column]], classes, manifest.get("missing", []))
        was_predicted = any(str(name).startswith(f"{head}_probability") for name in table.columns) if classes else True
        if column == head and was_predicted and _are_equal(targets, predictions[:, own], bool(classes)):
            continue
        values[:, position] = targets
        if wrong:
            unreadable[head] = wrong
    return RecordedTargets(Actual(values), unreadable)


def _targets(column: Table, classes: list[str] | None, missing: list[float | str]) -> tuple[Floats, int]:
    """The targets of a head `(rows,)`, of classes their positions; and how many cells are none, and not missing."""
    frame = without_missing_texts(column, missing)
    if classes:
        codes = category_codes(frame.iloc[:, 0].astype(object), classes)
        codes[np.isin(codes, UNKNOWN) & _is_code(frame, missing)] = np.nan
        return np.where(codes == UNKNOWN, np.nan, codes), int((codes == UNKNOWN).sum())
    wrong = np.isnan(to_numbers(frame)[:, 0]) & ~frame.iloc[:, 0].isna().to_numpy()
    return to_numbers(frame, missing)[:, 0], int(wrong.sum())


def _is_code(frame: Table, missing: list[float | str]) -> Any:
    """`(rows,)` whether a cell is a number that stands for a missing value."""
    return np.isfinite(to_numbers(frame)[:, 0]) & np.isnan(to_numbers(frame, missing)[:, 0])


def _are_equal(targets: Floats, predictions: Floats, are_classes: bool) -> bool:
    """Whether all targets are what the model predicts, to the digits of a file."""
    own = likeliest_positions(predictions).astype(np.float64) if are_classes else predictions[:, 0]
    known = np.isfinite(targets) & np.isfinite(predictions).all(axis=1)
    return bool(known.any() and np.allclose(targets[known], own[known], rtol=1e-5, atol=0.0))
