"""Compares a table with the rows that a registered model was trained on: its inputs, and its targets where it has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from branchsweep.config.codec import from_data, to_public_json
from branchsweep.config.metric_names import metric_of_head
from branchsweep.config.sections.columns import NUMERIC, Column, ColumnKind
from branchsweep.data.distributions import Distribution
from branchsweep.data.encoders.categories import UNKNOWN
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.names import TEST
from branchsweep.metrics.output_columns import output_columns
from branchsweep.metrics.population_stability import Stability, largest_by_chance, population_stability_index, stability
from branchsweep.metrics.scores import head_scores
from branchsweep.models.serving import MANIFEST_FILE, Predictor
from branchsweep.types import Floats
from branchsweep.workflows.recorded_targets import RecordedTargets, recorded_heads, recorded_targets

if TYPE_CHECKING:
    from branchsweep.models.serving import Table

FEWEST_SCORED = 2
"""Rows with different known targets that a score needs."""


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """An input of a model in a table.

    Args:
        kind: What it is.
        outside: The share of rows beyond the range of the training rows, or of a category that no training row has; a missing
            value counts where the column may have no gaps.
        missing: The share of rows without a known value.
        missing_in_training: The same of the training rows; None where the model does not say.
        index: The population stability index; None where the model does not say how its training rows are distributed.
        by_chance: The index that rows of the same distribution, as few as these, exceed once in a hundred times.
        stability: What the index says.
    """

    kind: ColumnKind
    outside: float
    missing: float
    missing_in_training: float | None = None
    index: float | None = None
    by_chance: float | None = None
    stability: Stability | None = None


@dataclass(frozen=True, slots=True)
class CheckedHead:
    """A head whose targets are in the table.

    Args:
        metrics: Its score and other metrics, by name.
        score: The name of the metric that is its score.
        rows: Rows with a target and a prediction.
        unreadable: Rows whose target is no class that the model knows, or no number, and is not missing: they are not scored.
        test: The same metrics on the test rows when it was registered, as far as they are recorded.
    """

    metrics: Mapping[str, float]
    score: str
    rows: int
    unreadable: int
    test: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TableCheck:
    """A table beside the training rows of a model.

    Args:
        model: The model.
        table: The table.
        rows: Its rows.
        rows_outside: Those of which any input is outside, and which have a prediction nevertheless.
        rows_without_prediction: Those that have none, because an input without gaps has no value there.
        inputs: By input.
        heads: By head whose targets are in the table.
    """

    model: str
    table: str
    rows: int
    rows_outside: int
    rows_without_prediction: int
    inputs: Mapping[str, CheckedInput]
    heads: Mapping[str, CheckedHead]

    @property
    def changed(self) -> list[str]:
        """The inputs whose distribution has changed, the largest index first."""
        found = {name: own.index or 0.0 for name, own in self.inputs.items() if own.stability not in (None, Stability.STABLE)}
        return sorted(found, key=lambda name: -found[name])

    @property
    def strongly_changed(self) -> list[str]:
        """Those of them that have changed strongly."""
        return [name for name in self.changed if self.inputs[name].stability is Stability.STRONGLY_CHANGED]

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `check --json` states; null for what is not known."""
        return to_public_json(self)


def check_table(files: Path, frame: Table, model: str, table: str, test: Mapping[str, float]) -> TableCheck:
    """Compare a table with the training rows of a model.

    Args:
        files: The folder of the exported model.
        frame: The table, as `read_inputs` gives it; at least one row.
        model: The model, for people.
        table: The table, likewise.
        test: The metrics on the test rows when the model was registered, by name (`test_r2/PE`).

    Raises:
        ValueError: As of `Predictor.predict`.
    """
    predictor = Predictor(files)
    manifest: Mapping[str, Any] = json.loads((files / MANIFEST_FILE).read_text(encoding="utf-8"))
    values = predictor.values(frame)
    outside = predictor.outside(values)
    kept = {name: from_data(Distribution, own) for name, own in manifest.get("distributions", {}).items()}
    columns = {name: Column.model_validate(own) if own else NUMERIC for name, own in predictor.columns().items()}
    inputs = {
        name: _checked_input(columns[name].kind or "numeric", values[:, position], outside[:, position], kept.get(name))
        for position, name in enumerate(predictor.inputs)
    }
    predictions = predictor.predict_array(values)
    is_predicted = np.isfinite(predictions).all(axis=1)
    heads = _checked_heads(manifest, recorded_targets(manifest, frame, predictions), predictions, test)
    rows_outside = int((outside.any(axis=1) & is_predicted).sum())
    return TableCheck(model, table, len(frame), rows_outside, int((~is_predicted).sum()), inputs, heads)


def _checked_input(kind: ColumnKind, values: Floats, outside: Any, training: Distribution | None) -> CheckedInput:
    if training is None:
        return CheckedInput(kind, float(outside.mean()), float((np.isnan(values) | (values == UNKNOWN)).mean()))
    here = training.of_other_rows(values)
    index, by_chance = (measure(training.counts, here.counts) for measure in (population_stability_index, largest_by_chance))
    missing, in_training = here.counts[-1] / here.rows, training.counts[-1] / training.rows
    return CheckedInput(kind, float(outside.mean()), missing, in_training, index, by_chance, stability(index, by_chance))


def _checked_heads(
    manifest: Mapping[str, Any], recorded: RecordedTargets, predictions: Floats, test: Mapping[str, float]
) -> dict[str, CheckedHead]:
    """The heads whose target columns are in the table, with known values of which not all are equal."""
    targets, checked = recorded.actual.values, {}
    kinds = recorded_heads(manifest)
    for position, ((head, kind), own) in enumerate(zip(kinds.items(), output_columns(kinds.values()), strict=True)):
        known = np.isfinite(targets[:, position]) & np.isfinite(predictions[:, own]).all(axis=1)
        if len(np.unique(targets[known, position])) < FEWEST_SCORED:
            continue
        of_head = Actual(targets[known, position, None])
        scored = head_scores(of_head, predictions[known, own], {head: kind})[head]
        names = {metric: metric_of_head(TEST.format(metric), head) for metric in scored.metrics}
        on_test = {metric: test[name] for metric, name in names.items() if name in test}
        unreadable = recorded.unreadable.get(head, 0)
        checked[head] = CheckedHead(scored.metrics, kind.score, int(known.sum()), unreadable, on_test)
    return checked
