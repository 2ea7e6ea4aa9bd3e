"""The prediction intervals of a model: from the residuals of its confirmation, checked once on the test rows."""

from __future__ import annotations

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.output_columns import output_columns
from branchsweep.metrics.prediction_intervals import CheckedIntervals, PredictionIntervals, checked_intervals
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.types import Floats
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial


def prediction_intervals(judged: ReevaluatedTrial, actual: Actual) -> PredictionIntervals | None:
    """The intervals of a model; None where no head has any, or there are too few rows.

    A model that is the mean of several networks of one recipe errs less than one of them, whose residuals these are, so its
    intervals are a little wider than needed.

    Args:
        judged: The finalist with what it, or the ensemble that it stands for, predicts for rows that it was not trained on.
        actual: Of all training rows.
    """
    kinds = kinds_by_head(judged.candidate.experiment)
    columns = [column for column, kind in enumerate(kinds.values()) if kind.has_intervals]
    rows = judged.predicted_rows
    heads = [list(kinds)[column] for column in columns]
    outputs = [output_columns(kinds.values())[column].start for column in columns]
    return PredictionIntervals.of(heads, judged.predictions[rows][:, outputs], actual.rows(rows).columns(columns))


def check_intervals(model: ExportedModel, predictions: Floats, actual: Actual) -> CheckedIntervals | None:
    """The coverage of a model's intervals on the test rows; None where it has none.

    Args:
        model: The model.
        predictions: `(test rows, outputs)` of the exported model.
        actual: Of the test rows.
    """
    if model.intervals is None:
        return None
    columns = [list(model.units).index(head) for head in model.intervals.half_widths]
    outputs = [output_columns(model.kinds.values())[column].start for column in columns]
    return checked_intervals(model.intervals, predictions[:, outputs], actual.columns(columns))
