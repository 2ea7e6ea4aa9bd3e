"""Where trials are ranked by a metric that is no score, it also chooses their epochs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.names import higher_is_better
from branchsweep.metrics.scores import head_scores
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.training import packing
from branchsweep.training.lane_score import METRIC, score_rule
from branchsweep.training.lanes import Lane
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Params
from task_training import experiment_with, make_lane, make_rows, train
from tiny_training import assert_same_outcome

PARAMS: Params = {"trunk.depth": 2, "trunk.width": 8, "branch.depth": 1, "branch.width": 6, "learning_rate": 0.02}
EPOCHS = 14
HEADS = ["load", "state", "trip"]
OTHER_PARAMS: list[Params] = [{**PARAMS, "learning_rate": 0.05}, {**PARAMS, "learning_rate": 0.1, "trunk.depth": 3}]


def measured_by_epoch(experiment: Experiment, lane: Lane, metric: str, head: str) -> list[float]:
    """The metric after every epoch, the higher the better, of lanes that end there and keep their last weights."""
    last = experiment.model_copy(update={"fit": experiment.fit.model_copy(update={"keep": "last", "early_stopping": None})})
    rows = make_rows(list(experiment.heads))
    actual = rows.actual.rows(rows.folds[0][1])
    values = []
    for epoch in range(1, EPOCHS + 1):
        predicted = train([replace(lane, stop=epoch)], last).lanes[0].predictions
        value = head_scores(actual, predicted, kinds_by_head(experiment))[head].metrics[metric]
        values.append(value if higher_is_better(metric) else -value)
    return values


@pytest.mark.parametrize(
    ("heads", "objective"),
    [
        (HEADS, "accuracy/trip"),
        *(
            pytest.param(heads, objective, marks=pytest.mark.slow)
            for heads, objective in (
                (HEADS, "roc_auc/state"),
                (HEADS, "mae/load"),
                (HEADS, "balanced_accuracy/state"),
                (HEADS, "average_precision/trip"),
                (HEADS, "brier/state"),
                (HEADS, "calibration_error/trip"),
                (["starts", "range"], "rmse/starts"),
                (["starts", "range"], "coverage/range"),
                (["load"], "mae/load"),
            )
        ),
    ],
)
def test_the_kept_epoch_is_the_best_by_the_metric_and_patience_counts_from_it(heads: list[str], objective: str) -> None:
    experiment = experiment_with(heads, EPOCHS, objective)
    assert score_rule(experiment) == METRIC
    lane, (metric, head) = make_lane(experiment, PARAMS), objective.split("/")
    values = measured_by_epoch(experiment, lane, metric, head)
    best = 1 + int(np.argmax(values))
    kept = train([lane], experiment).lanes[0]
    assert (kept.epochs, len(kept.curve)) == (best, EPOCHS)
    last = experiment_with(heads, EPOCHS, objective, keep="last")
    assert_same_outcome(
        replace(train([lane], experiment), lanes=[replace(kept, curve=kept.curve[:best])]),
        train([replace(lane, stop=best)], last),
    )
    stopped = train([lane], experiment_with(heads, EPOCHS, objective, early_stopping={"patience": 2})).lanes[0]
    raised = [epoch for epoch, value in enumerate(values, 1) if value > max(values[: epoch - 1], default=-np.inf)]
    end = next((epoch for epoch in range(3, EPOCHS) if not {epoch - 1, epoch} & set(raised)), EPOCHS)
    assert (stopped.epochs, len(stopped.curve)) == (max(epoch for epoch in raised if epoch <= end), end)


def test_the_metric_chooses_other_epochs_than_the_score() -> None:
    """Else the other tests would prove nothing."""
    by_metric, by_score = (
        train([make_lane(experiment, PARAMS)], experiment).lanes[0]
        for experiment in (experiment_with(HEADS, EPOCHS, name) for name in ("accuracy/trip", "d2_log_loss/trip"))
    )
    assert by_metric.epochs != by_score.epochs
    np.testing.assert_array_equal(by_metric.curve, by_score.curve)


def test_a_lane_is_alone_what_it_is_in_company_to_the_last_bit() -> None:
    experiment = experiment_with(HEADS, EPOCHS, "accuracy/trip", early_stopping={"patience": 3})
    lanes = [make_lane(experiment, params, trial, trial % 3) for trial, params in enumerate([PARAMS, *OTHER_PARAMS])]
    together = train(lanes, experiment)
    assert len({len(lane.curve) for lane in together.lanes}) > 1, "lanes should end at different times"
    for trial, lane in enumerate(lanes):
        assert_same_outcome(train([lane], experiment), replace(together, lanes=[together.lanes[trial]]))


def test_a_lane_that_pauses_continues_as_if_it_had_not_to_the_last_bit() -> None:
    experiment = experiment_with(HEADS, EPOCHS, "accuracy/trip")
    lane = make_lane(experiment, PARAMS)
    paused = train([replace(lane, stop=5, pauses=True)], experiment).lanes[0]
    assert paused.state is not None and paused.state.epoch == 5
    assert_same_outcome(train([replace(lane, state=paused.state)], experiment), train([lane], experiment))


@pytest.mark.slow
def test_where_the_rows_have_no_such_metric_the_log_loss_of_the_head_chooses() -> None:
    """The ROC AUC of validation rows of one class; the score is 0 after every epoch there."""
    experiment = experiment_with(HEADS, 4, "roc_auc/trip")
    rows = make_rows(HEADS)
    negative = np.flatnonzero(rows.y[:, 2] == 0.0)[:50]
    one_class = replace(rows, folds=((np.setdiff1d(np.arange(len(rows.y)), negative), negative),))
    lane = train([make_lane(experiment, PARAMS)], experiment, one_class).lanes[0]
    assert not lane.curve[:, 2].any()
    assert (lane.failed_at, lane.epochs) == (0, 4)


@pytest.mark.slow
def test_a_lane_that_diverges_fails_and_leaves_the_others_unchanged() -> None:
    experiment = experiment_with(HEADS, 4, "accuracy/trip")
    lanes = [make_lane(experiment, params, trial) for trial, params in enumerate([PARAMS, *OTHER_PARAMS])]
    diverging = replace(lanes[1], recipe=replace(lanes[1].recipe, learning_rate=1e38))
    together = train([lanes[0], diverging, lanes[2]], experiment)
    assert [bool(lane.failed_at) for lane in together.lanes] == [False, True, False]
    assert_same_outcome(train([lanes[2]], experiment), replace(together, lanes=together.lanes[2:]))


@pytest.mark.parametrize("objective", ["accuracy/trip", pytest.param("mean_score", marks=pytest.mark.slow)])
def test_a_refit_has_no_validation_rows_to_stop_it_early(objective: str) -> None:
    experiment = experiment_with(HEADS, 4, objective, early_stopping={"patience": 1})
    lane = make_lane(experiment, PARAMS)
    refit = replace(lane, key=replace(lane.key, fold=-1), stop=3)
    (population,) = packing.pack([refit], experiment)
    outcome = PopulationTrainer(make_rows(HEADS)).train_one(population, keep_weights=True).lanes[0]
    assert (outcome.epochs, outcome.failed_at) == (3, 0)


def test_where_nothing_chooses_epochs_the_program_does_not_wait() -> None:
    assert score_rule(experiment_with(HEADS, EPOCHS, "accuracy/trip", keep="last")) != METRIC
    for objective in ("d2_log_loss/trip", "log_loss/trip", "rmse/load", "mean_score", None):
        assert score_rule(experiment_with(HEADS, EPOCHS, objective)) != METRIC


def test_a_least_improvement_is_one_of_the_metric() -> None:
    for objective, waits in (("rmse/load", True), ("log_loss/trip", True), ("r2/load", False), ("mean_score", False)):
        experiment = experiment_with(HEADS, EPOCHS, objective, early_stopping={"patience": 2, "min_delta": 0.5})
        assert (score_rule(experiment) == METRIC) is waits
