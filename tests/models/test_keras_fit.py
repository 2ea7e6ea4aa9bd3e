"""Keras's own `fit` on rows that lack some targets, and on rows with weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.models.keras_fit import KerasFit
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
