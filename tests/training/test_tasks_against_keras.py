"""Heads of every task in the compiled program: one lane equals `keras.Model.fit`; alone it is what it is in company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.class_weights import ClassWeight
from branchsweep.data.encoders.inputs import InputEncoder
from branchsweep.data.encoders.registry import fit_target_encoder, outputs_encoder
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.scores import head_scores
from branchsweep.models import keras_network
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.keras_fit import KerasFit, keras_optimizer
from branchsweep.models.recipe import recipe_for
from branchsweep.training.lanes import Lane
from branchsweep.training.program.batches import row_order
from branchsweep.trial import Params
from branchsweep.types import Floats, Weights
from branchsweep.workflows.search_space_summary import summarize_space
from task_training import BATCH, HEADS, SEED, experiment_with, make_lane, make_rows, train
from tiny_training import assert_same_outcome

TASKS = {
    "binary": ["trip"],
    "multiclass": ["state"],
    "count": ["starts"],
    "quantile": ["outer"],
    "quantiles": ["range"],
    "all": list(HEADS),
}


def fit_with_keras(lane: Lane, experiment: Experiment, rows: TrainingRows) -> tuple[Weights, Floats]:
    """The lane by `keras.Model.fit` with Keras's losses: its weights, its predictions on the validation rows."""
    recipe, kinds = lane.recipe, kinds_by_head(experiment)
    training, validation = rows.fold_rows(lane.key.fold)
    x = InputEncoder(rows.input_columns, recipe.encoding).fit(rows.x[training], rows.y[training]).transform(rows.x)
    encoder = fit_target_encoder([kind.target_encoder(recipe.target_scaling) for kind in kinds.values()], rows.y[training])
    x, y = x.astype(np.float32), encoder.transform(rows.y).astype(np.float32)
    weights = initial_weights(recipe.architecture, x.shape[1], lane.weight_seed)
    losses = {name: kind.name for name, kind in kinds.items()}
    model = keras_network.build_network(recipe.architecture, x.shape[1], weights, losses=losses)
    steps = -(-len(training) // recipe.batch_size)
    model.compile(
        keras_optimizer(recipe, steps * lane.epochs),
        loss={name: kind.keras_loss() for name, kind in kinds.items()},
        loss_weights=dict(recipe.loss_weights),
    )

    counted = rows.loss_weights(training)

    def batches() -> Iterator[tuple[Any, ...]]:
        for epoch in range(lane.stop):
            order = row_order(SEED, lane.key.fold, lane.key.seed, epoch, training)
            for begin in range(0, len(order), recipe.batch_size):
                batch = order[begin : begin + recipe.batch_size]
                of_heads = ({head: values[batch, column] for column, head in enumerate(kinds)} for values in (y, counted))
                yield x[batch], *of_heads

    model.fit(batches(), steps_per_epoch=steps, epochs=lane.stop, shuffle=False, verbose=0)
    outputs = model.predict(x[validation], verbose=0)
    in_order = {head: np.sort(values, axis=1) if kinds[head].task == "quantile" else values for head, values in outputs.items()}
    predicted = np.concatenate([in_order[head] for head in kinds], axis=1).astype(np.float64)
    natural = outputs_encoder(encoder, [kind.units for kind in kinds.values()]).inverse(predicted)
    return keras_network.network_weights(model, recipe.architecture), natural


def assert_is_keras_fit(
    experiment: Experiment, params: Params, tolerance: float, class_weights: tuple[ClassWeight, ...] = ()
) -> None:
    lane = make_lane(experiment, params)
    rows = replace(make_rows(list(experiment.heads)), class_weights=class_weights)
    outcome = train([lane], experiment, rows).lanes[0]
    weights, predictions = fit_with_keras(lane, experiment, rows)
    assert outcome.weights is not None
    for own, expected in zip(outcome.weights, weights, strict=True):
        np.testing.assert_allclose(own, expected, atol=tolerance)
    np.testing.assert_allclose(outcome.predictions, predictions, rtol=tolerance, atol=tolerance)


PARAMS: Params = {"trunk.depth": 2, "trunk.width": 8, "branch.depth": 1, "branch.width": 6, "learning_rate": 0.01}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_lane_is_keras_fit_over_60_steps(task: str) -> None:
    assert_is_keras_fit(experiment_with(TASKS[task], keep="last"), PARAMS, tolerance=2e-4)


@pytest.mark.slow
def test_after_every_epoch_a_validation_fold_of_one_class_has_the_score_that_its_predictions_have() -> None:
    experiment = experiment_with(["load", "state", "trip"], epochs=4)
    rows = make_rows(list(experiment.heads))
    of_one_class = np.flatnonzero((rows.y[:, 1] == 1.0) & (rows.y[:, 2] == 0.0))
    others = np.setdiff1d(np.arange(len(rows.y)), of_one_class)
    one_class = replace(rows, folds=((others, of_one_class),))
    lane = train([make_lane(experiment, PARAMS)], experiment, one_class).lanes[0]
    assert not lane.failed_at
    assert np.asarray(lane.curve).reshape(-1, 3)[:, 1:].tolist() == [[0.0, 0.0]] * 4
    measured = head_scores(one_class.actual.rows(of_one_class), lane.predictions, kinds_by_head(experiment))
    assert (measured["state"].score, measured["trip"].score) == (0.0, 0.0)


def test_networks_of_a_search_space_have_the_parameters_of_keras() -> None:
    experiment = experiment_with(["load", "state", "range"])
    for sampled in summarize_space("tasks", experiment, samples=2).samples:
        network = keras_network.build_network(
            sampled.architecture, 3, initial_weights(sampled.architecture, 3, (1,)), losses={"state": "multiclass(3)"}
        )
        assert sampled.parameters == network.count_params()


@pytest.mark.slow
def test_a_lane_with_weights_of_classes_is_keras_fit() -> None:
    experiment = experiment_with(["load", "state", "trip"], keep="last")
    assert_is_keras_fit(experiment, PARAMS, tolerance=2e-4, class_weights=(None, "balanced", (1.0, 5.0)))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_lane_is_keras_fit_over_600_steps(task: str) -> None:
    experiment = experiment_with(TASKS[task], epochs=86, keep="last")
    params: Params = {**PARAMS, "learning_rate": 0.003}
    if "range" not in TASKS[task]:
        assert_is_keras_fit(experiment, params, tolerance=1e-2)
        return
    # At the kink of a pinball loss rounding decides which way a row pulls, and several levels have several: scores stay alike.
    lane, rows = make_lane(experiment, params), make_rows(TASKS[task])
    actual, kinds = rows.y[rows.fold_rows(0)[1]], kinds_by_head(experiment)
    predictions = train([lane], experiment).lanes[0].predictions, fit_with_keras(lane, experiment, rows)[1]
    own, expected = (head_scores(actual, predicted, kinds) for predicted in predictions)
    for head in kinds:
        assert own[head].score == pytest.approx(expected[head].score, abs=0.02), head


@pytest.mark.slow
def test_a_lane_of_several_classes_is_alone_what_it_is_in_company() -> None:
    experiment = experiment_with(["state", "load", "grade", "range"])
    space: list[Params] = [
        PARAMS,
        {**PARAMS, "loss_balancing": "static", "weight_decay": 0.01, "branch.depth": 0},
        {**PARAMS, "learning_rate": 0.1, "trunk.depth": 3},
    ]
    lanes = [make_lane(experiment, params, trial) for trial, params in enumerate(space)]
    together = train(lanes, experiment)
    for trial, lane in enumerate(lanes):
        assert_same_outcome(train([lane], experiment), replace(together, lanes=[together.lanes[trial]]))


def test_predictions_of_classes_are_probabilities_and_the_curve_is_their_score() -> None:
    experiment = experiment_with(["load", "state"], keep="last")
    lane = make_lane(experiment, PARAMS)
    outcome, rows = train([lane], experiment).lanes[0], make_rows(["load", "state"])
    assert outcome.predictions.shape == (100, 4)
    np.testing.assert_allclose(outcome.predictions[:, 1:].sum(axis=1), 1.0, atol=1e-6)
    measured = head_scores(rows.y[rows.fold_rows(0)[1]], outcome.predictions, kinds_by_head(experiment))
    np.testing.assert_allclose(outcome.curve[-1], [own.score for own in measured.values()], atol=1e-4)
    assert measured["state"].score > 0.3


@pytest.mark.slow
def test_a_hypermodel_trains_heads_of_every_task() -> None:
    experiment = experiment_with(list(HEADS))
    fit, recipe = KerasFit(experiment, make_rows(list(HEADS))), recipe_for(experiment, {"batch_size": BATCH, **PARAMS})
    history = fit.fit(fit.model(recipe), recipe, verbose=0).history
    for head in HEADS:
        assert history[f"{head}_loss"][-1] < history[f"{head}_loss"][0], head
        assert np.isfinite(history[f"val_{head}_loss"]).all()
