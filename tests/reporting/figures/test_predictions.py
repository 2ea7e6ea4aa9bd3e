"""Figures of predictions of heads with several columns, and their table."""

from __future__ import annotations

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.reporting.figures.predictions import prediction_figure
from branchsweep.workflows.records.report_tables import PREDICTIONS, read_predictions, report_tables
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep_report import HeadPredictions, SweepReport

ROWS = 60
HEADS = {
    "load": {},
    "state": {"task": "multiclass", "classes": ["low", "a class with a name that is too long", "high"]},
    "range": {"task": "quantile", "quantiles": [0.1, 0.5, 0.9]},
}


@pytest.fixture
def report() -> SweepReport:
    random = np.random.default_rng(0)
    experiment = Experiment.model_validate(
        {"name": "e", "table": {"source": "t.csv", "inputs": ["a"]}, "heads": HEADS, "space": {"dimensions": {}}}
    )
    summary = SweepSummary(
        "e", "0", {}, {}, None, None, (), None, 1.0, 1.0, "trials", "", {}, score_metrics=experiment.score_metrics
    )
    numbers = random.normal(size=ROWS)
    predictions = {
        "load": HeadPredictions(numbers, numbers + 0.1),
        "state": HeadPredictions((np.arange(ROWS) % 3).astype(np.float64), random.dirichlet([1, 1, 1], ROWS).T),
        "range": HeadPredictions(numbers, np.sort(random.normal(size=(3, ROWS)), axis=0)),
    }
    return SweepReport(experiment, [], summary, predictions=predictions)


def test_every_head_has_two_panels(report: SweepReport) -> None:
    axes = prediction_figure(report, report.predictions, "test rows").get_axes()
    assert len(axes) == 2 * len(HEADS)
    confusion = axes[3]
    assert [text.get_text() for text in confusion.texts] == [
        f"{100 * share:.0f}" for share in _shares(report.predictions["state"]).ravel()
    ]
    assert axes[5].get_xlabel() == "level of the quantile"


def _shares(predictions: HeadPredictions) -> np.ndarray:
    chosen = predictions.predicted.argmax(axis=0)
    return np.array([[np.mean(chosen[predictions.actual == row] == column) for column in range(3)] for row in range(3)])


def test_predictions_are_read_from_their_table_as_they_were(report: SweepReport) -> None:
    text = report_tables(report)[PREDICTIONS]
    assert isinstance(text, str)
    for head, own in read_predictions(text).items():
        np.testing.assert_array_equal(own.actual, report.predictions[head].actual)
        np.testing.assert_array_equal(own.predicted, report.predictions[head].predicted)
