"""Keras's own `fit`: rows that lack some targets, rows with weights, moving averages of weights, and schedules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.models.keras_fit import KerasFit, keras_optimizer
from branchsweep.models.recipe import Recipe
from tiny_sweep import tiny_experiment
from tiny_training import tiny_rows


def test_missing_targets_have_weight_0_in_loss_and_metrics() -> None:
    rows, random = tiny_rows(), np.random.default_rng(1)
    y = np.where(random.random(rows.y.shape) < 0.3, np.nan, rows.y)
    partial = replace(rows, y=y, weights=random.choice([0.5, 2.0], y.shape))
    fit, recipe = KerasFit(tiny_experiment(fit={"epochs": 1}), partial), Recipe.of({}, ["PE", "V"])
    arrays = fit.arrays(recipe)
    train, validation = partial.fold_rows(0)
    assert arrays.sample_weight is not None
    for column, head in enumerate(("PE", "V")):
        np.testing.assert_allclose(arrays.sample_weight[head], partial.actual.masks[train, column])
        assert np.isfinite(arrays.y[head]).all()
    model = fit.model(recipe, weighted_metrics=fit.score_metrics())
    history = fit.fit(model, recipe, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    predicted = model.predict(arrays.validation_data[0], verbose=0)["PE"][:, 0]
    actual, in_metric, *weights = partial.actual.rows(validation).head(0, predicted.astype(float))
    scaled = (actual - np.nanmean(y[train, 0])) / np.nanstd(y[train, 0])
    expected = r2_score(scaled, in_metric, sample_weight=weights[0])
    assert history["val_PE_r2"][-1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("patience", [100, 1])
def test_a_moving_average_validates_and_is_saved_and_remains(tmp_path: Path, patience: int) -> None:
    """Also where training ends early, which Keras would let end with the weights that it averages."""
    fit = KerasFit(tiny_experiment(fit={"epochs": 3}), tiny_rows())
    recipe = Recipe.of({"ema_momentum": 0.999, "learning_rate": 0.05}, ["PE", "V"])
    model, file = fit.model(recipe), tmp_path / "last.weights.h5"
    stopping = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=patience, min_delta=1e9)
    saving = keras.callbacks.ModelCheckpoint(str(file), save_weights_only=True)
    history = fit.fit(model, recipe, callbacks=[saving, stopping], verbose=0).history
    assert len(history["loss"]) == min(3, 1 + patience)
    rows = fit.arrays(recipe)
    left = model.get_weights()
    assert model.evaluate(*rows.validation_data[:2], verbose=0)[0] == pytest.approx(history["val_loss"][-1], rel=1e-4)
    model.load_weights(str(file))
    for of_file, of_model in zip(model.get_weights(), left, strict=True):
        np.testing.assert_array_equal(of_file, of_model)


@pytest.mark.parametrize("params", [{"learning_rate_schedule": "coslog4"}, {"warmup": 0.2}])
def test_a_schedule_is_saved_with_the_model(params: dict[str, float], tmp_path: Path) -> None:
    recipe = Recipe.of(params, ["y"])
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras_optimizer(recipe, 10), loss="mse")
    model.fit(np.ones((4, 1)), np.ones(4), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    rates = [[float(of.optimizer._learning_rate(step)) for step in range(10)] for of in (model, loaded)]
    assert rates[0] == rates[1]


def test_clipping_acts_on_predictions_and_not_on_training(tmp_path: Path) -> None:
    """Also in a model that was saved."""
    rows = tiny_rows()
    fit = KerasFit(tiny_experiment(fit={"epochs": 2}), replace(rows, y=rows.y + 100.0))
    weights, predictions = [], []
    for clipping in ({}, {"output_clipping": "training_range"}):
        recipe = Recipe.of({"target_scaling": "none", "learning_rate": 1e-4, **clipping}, ["PE", "V"])
        keras.utils.set_random_seed(1)
        model = fit.model(recipe)
        fit.fit(model, recipe, verbose=0)
        model.save(tmp_path / "model.keras")
        x = fit.arrays(recipe).validation_data[0]
        predictions.append(keras.models.load_model(tmp_path / "model.keras").predict(x, verbose=0)["PE"])
        weights.append(model.get_weights())
    for free, clipped in zip(*weights, strict=True):
        np.testing.assert_array_equal(free, clipped)
    low, high = fit.arrays(recipe).output_ranges["PE"]
    assert (predictions[0] < low).any()
    np.testing.assert_array_equal(predictions[1], np.clip(predictions[0], low, high))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_factors_of_the_inputs_learn_at_a_rate_of_their_own_which_is_saved(optimizer: str, tmp_path: Path) -> None:
    """The first step of Adam is the learning rate, whatever the gradient; that of SGD is proportional to it."""
    fit, moved = KerasFit(tiny_experiment(fit={"epochs": 1}), tiny_rows()), []
    for rate in (1.0, 6.0):
        recipe = Recipe.of({"input_factor_rate": rate, "learning_rate": 0.01, "optimizer": optimizer}, ["PE", "V"])
        keras.utils.set_random_seed(1)
        model = fit.model(recipe)
        arrays = fit.arrays(recipe)
        x, y = arrays.x[:32], {head: column[:32] for head, column in arrays.y.items()}
        model.fit(x, y, batch_size=32, verbose=0)
        moved.append(model.get_layer("inputs.factors").get_weights()[0] - 1.0)
        model.save(tmp_path / "model.keras")
        assert keras.models.load_model(tmp_path / "model.keras").optimizer.get_config()["input_factor_rate"] == rate
    np.testing.assert_allclose(moved[1], 6.0 * moved[0], rtol=1e-3)
    if optimizer == "adam":
        np.testing.assert_allclose(np.abs(moved[0]), 0.01, rtol=1e-3)


def test_noise_of_targets_is_that_of_predictions_in_training() -> None:
    fit = KerasFit(tiny_experiment(fit={"epochs": 1}), tiny_rows())
    recipe = Recipe.of({"target_noise": 0.25}, ["PE", "V"])
    model, x = fit.model(recipe), fit.arrays(recipe).x
    noisy, plain = (np.asarray(model(x, training=training)["PE"]) for training in (True, False))
    assert np.std(noisy - plain) == pytest.approx(0.25, rel=0.2)
    np.testing.assert_array_equal(plain, np.asarray(model(x)["PE"]))
