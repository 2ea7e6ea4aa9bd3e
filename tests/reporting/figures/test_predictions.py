"""Figures of predictions of heads with several columns, and their table."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

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
    "trip": {"task": "binary", "classes": ["no", "yes"]},
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
        "trip": HeadPredictions((np.arange(ROWS) % 2).astype(np.float64), random.random(ROWS)),
        "range": HeadPredictions(numbers, np.sort(random.normal(size=(3, ROWS)), axis=0)),
    }
    return SweepReport(experiment, [], summary, predictions=predictions)


def test_a_head_of_numbers_has_two_panels_and_one_with_classes_four(report: SweepReport) -> None:
    axes = prediction_figure(report, report.predictions, "test rows").get_axes()
    assert len(axes) == 2 + 4 + 2 + 4
    for confusion, head, classes in ((axes[5], "state", 3), (axes[11], "trip", 2)):
        shares = confusion_matrix(*_classes(report.predictions[head]), normalize="true")
        assert shares.shape == (classes, classes)
        assert [text.get_text() for text in confusion.texts] == [f"{100 * share:.0f}" for share in shares.ravel()]
    assert axes[7].get_xlabel() == "level of the quantile"


def _classes(predictions: HeadPredictions) -> tuple[np.ndarray, np.ndarray]:
    predicted = predictions.predicted
    return predictions.actual, predicted > 0.5 if predicted.ndim == 1 else predicted.argmax(axis=0)


def test_the_curves_of_a_binary_head_are_those_of_scikit_learn(report: SweepReport) -> None:
    roc, precision_recall = prediction_figure(report, report.predictions, "test rows").get_axes()[8:10]
    trip = report.predictions["trip"]
    false, true, _ = roc_curve(trip.actual, trip.predicted, drop_intermediate=False)
    np.testing.assert_allclose(np.array(roc.lines[1].get_xydata()), np.stack([false, true], axis=1))
    precision, recall, _ = precision_recall_curve(trip.actual, trip.predicted)
    drawn = np.array(precision_recall.lines[0].get_xydata())[1:]
    np.testing.assert_allclose(drawn, np.stack([recall, precision], axis=1)[:-1][::-1])


def test_predictions_are_read_from_their_table_as_they_were(report: SweepReport) -> None:
    text = report_tables(report)[PREDICTIONS]
    assert isinstance(text, str)
    for head, own in read_predictions(text).items():
        np.testing.assert_array_equal(own.actual, report.predictions[head].actual)
        np.testing.assert_array_equal(own.predicted, report.predictions[head].predicted)
