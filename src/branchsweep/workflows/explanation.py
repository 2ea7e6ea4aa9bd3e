"""What a model's predictions rest on: the importance of its inputs, and how predictions depend on the most important ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from branchsweep.config.codec import to_public_json
from branchsweep.config.sections.columns import Column
from branchsweep.errors import DataError
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.partial_dependence import PartialDependence, partial_dependence
from branchsweep.metrics.permutation_importance import Importance, Predict, permutation_importance, shuffled_rows
from branchsweep.models.serving import MANIFEST_FILE, Predictor
from branchsweep.models.table_reading import TableReading
from branchsweep.types import Floats
from branchsweep.workflows.recorded_targets import recorded_heads, recorded_targets

if TYPE_CHECKING:
    from branchsweep.models.serving import Table

MOST_DEPENDENCES = 12
"""Inputs whose partial dependence is computed: the most important ones."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the predictions of a model rest on.

    Args:
        rows: Rows among which inputs were shuffled.
        score_metrics: By head, the name of the metric that is its score.
        importance: By input, then by head: what the head's score loses when the input is shuffled.
        dependence: By input, the most important one first: mean predictions by its value.
        heads: What the columns of `dependence` are: the heads in order, of several classes the probability of each,
            of several quantiles each.
        categories: By categorical input its categories, whose positions are the values of its dependence.
        dates: The inputs that are dates, whose values are seconds since 1970.
    """

    rows: int
    score_metrics: Mapping[str, str]
    importance: Mapping[str, Mapping[str, Importance]]
    dependence: Mapping[str, PartialDependence] = field(default_factory=dict)
    heads: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dates: tuple[str, ...] = ()

    @property
    def ranked(self) -> list[str]:
        """The inputs, the most important one first: by their mean importance over the heads."""
        return sorted(self.importance, key=lambda name: -mean_importance(self.importance[name]))

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `explain --json` states."""
        return to_public_json(self)


def mean_importance(by_head: Mapping[str, Importance]) -> float:
    """The mean over the heads; 0 where no head has one."""
    return float(np.mean([own.value for own in by_head.values()])) if by_head else 0.0


def explain(
    predict: Predict, x: Floats, actual: Actual, heads: Mapping[str, ScoredKind], inputs: Mapping[str, Column], seed: int
) -> Explanation:
    """What the predictions of a model rest on, computed from rows that it was not trained on.

    Args:
        predict: The model.
        x: `(rows, inputs)` in natural units.
        actual: `(rows, heads)`.
        heads: The kind of each head by its name, in the order of the columns.
        inputs: What the inputs are, in order.
        seed: Of shuffles and choices of rows.
    """
    importance = dict(zip(inputs, permutation_importance(predict, x, actual, heads, seed), strict=True))
    ranked = sorted(inputs, key=lambda name: -mean_importance(importance[name]))[:MOST_DEPENDENCES]
    columns = [list(inputs).index(name) for name in ranked]
    return Explanation(
        rows=shuffled_rows(*x.shape),
        score_metrics={head: kind.score for head, kind in heads.items()},
        importance=importance,
        dependence=dict(zip(ranked, partial_dependence(predict, x, columns, seed), strict=True)),
        heads=tuple(heads),
        categories={name: tuple(column.categories) for name, column in inputs.items() if column.categories},
        dates=tuple(name for name, column in inputs.items() if column.kind == "date"),
    )


def explain_files(files: Path, table: Table, where: str) -> Explanation:
    """What the predictions of an exported model rest on.

    Args:
        files: Its folder.
        table: Rows with inputs and targets.
        where: The table, for messages.

    Raises:
        DataError: The table has no targets.
        ValueError: As of `Predictor.predict`.
    """
    predictor = Predictor(files)
    manifest = json.loads((files / MANIFEST_FILE).read_text(encoding="utf-8"))
    actual = recorded_targets(manifest, table)
    if not np.isfinite(actual.values).any():
        columns = ", ".join((manifest.get("provenance") or {}).get("columns", {}).values())
        raise DataError(f"got a table without known targets, expected at least one of the columns {columns}", where)
    inputs = TableReading.of(manifest).inputs
    heads = recorded_heads(manifest)
    found = explain(predictor.predict_array, predictor.values(table), actual, heads, inputs, seed=0)
    of_outputs = [names if len(names) > 1 else [head] for head, names in predictor.output_columns.items()]
    return replace(found, heads=tuple(name for names in of_outputs for name in names))
