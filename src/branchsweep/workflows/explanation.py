"""What a model's predictions rest on: the importance of its inputs, and how predictions depend on the most important ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from branchsweep.config.codec import to_public_json
from branchsweep.config.sections.columns import Column
from branchsweep.data.columns import count_noun
from branchsweep.errors import DataError
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.partial_dependence import PartialDependence, partial_dependence
from branchsweep.metrics.permutation_importance import Importance, Predict, permutation_importance, shuffled_rows
from branchsweep.models.serving import MANIFEST_FILE, Predictor, output_column_names
from branchsweep.models.table_reading import TableReading
from branchsweep.types import Floats
from branchsweep.workflows.recorded_targets import recorded_heads, recorded_targets

if TYPE_CHECKING:
    from branchsweep.models.serving import Table

FEWEST_ROWS = 20
"""Rows of a table from which a model is explained: the importance of fewer says nothing."""

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

    @property
    def explained_heads(self) -> list[str]:
        """The heads for which there is any importance, in order."""
        return [head for head in self.score_metrics if any(head in own for own in self.importance.values())]

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `explain --json` states."""
        return to_public_json(self)


def mean_importance(by_head: Mapping[str, Importance]) -> float:
    """The mean over the heads; 0 where no head has one."""
    return float(np.mean([own.value for own in by_head.values()])) if by_head else 0.0


@dataclass(frozen=True, slots=True)
class Explained:
    """The model whose predictions are explained.

    Args:
        heads: The kind of each head by its name, in order.
        inputs: What the inputs are, in order.
        outputs: What the columns of predictions are called.
    """

    heads: Mapping[str, ScoredKind]
    inputs: Mapping[str, Column]
    outputs: tuple[str, ...]


def explain(predict: Predict, x: Floats, actual: Actual, model: Explained, seed: int) -> Explanation:
    """What the predictions of a model rest on, computed from rows that it was not trained on.

    Args:
        predict: The model.
        x: `(rows, inputs)` in natural units.
        actual: `(rows, heads)`.
        model: What is known of it.
        seed: Of shuffles and choices of rows.
    """
    importance = dict(zip(model.inputs, permutation_importance(predict, x, actual, model.heads, seed), strict=True))
    ranked = sorted(model.inputs, key=lambda name: -mean_importance(importance[name]))[:MOST_DEPENDENCES]
    columns = [list(model.inputs).index(name) for name in ranked]
    return Explanation(
        rows=shuffled_rows(*x.shape),
        score_metrics={head: kind.score for head, kind in model.heads.items()},
        importance=importance,
        dependence=dict(zip(ranked, partial_dependence(predict, x, columns, seed), strict=True)),
        heads=model.outputs,
        categories={name: tuple(column.categories) for name, column in model.inputs.items() if column.categories},
        dates=tuple(name for name, column in model.inputs.items() if column.kind == "date"),
    )


def explain_files(files: Path, table: Table, where: str) -> Explanation:
    """What the predictions of an exported model rest on.

    Args:
        files: Its folder.
        table: Rows with inputs and targets.
        where: The table, for messages.

    Raises:
        DataError: Too few rows have a target.
        ValueError: As of `Predictor.predict`.
    """
    predictor = Predictor(files)
    manifest = json.loads((files / MANIFEST_FILE).read_text(encoding="utf-8"))
    values = predictor.values(table)
    predictions = predictor.predict_array(values)
    actual = recorded_targets(manifest, table, predictions).actual
    usable = np.flatnonzero(np.isfinite(predictions).all(axis=1) & np.isfinite(actual.values).any(axis=1))
    if len(usable) < FEWEST_ROWS:
        columns = ", ".join((manifest.get("provenance") or {}).get("columns", {}).values())
        message = f"{count_noun(len(usable), 'row')} with a prediction and a known target, expected {FEWEST_ROWS} or more"
        raise DataError(f"got {message}; the targets of this model are {columns}", where)
    inputs = TableReading.of(manifest).inputs
    model = Explained(recorded_heads(manifest), inputs, output_names(manifest["heads"]))
    return explain(predictor.predict_array, values[usable], actual.rows(usable), model, seed=0)


def output_names(described_heads: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the columns of predictions are called: a head of one output by its own name, others as in a table of predictions.

    Args:
        described_heads: The heads as `serving.json` has them.
    """
    names = [(str(head["name"]), output_column_names(head)) for head in described_heads]
    return tuple(name for head, own in names for name in (own if len(own) > 1 else [head]))
