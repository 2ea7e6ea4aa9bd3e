"""What every kind of head must do."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from branchsweep.config import kinds
from branchsweep.data.encoders.registry import encoder_kind
from branchsweep.metrics.functions import METRIC_FUNCTIONS
from branchsweep.metrics.names import METRICS
from branchsweep.models.arrays import NUMPY
from branchsweep.models.heads.head import Head
from branchsweep.types import Floats


class HeadContract:
    """A subclass has the fixtures `head` and, where the head has other targets, `targets`."""

    @pytest.fixture
    def head(self) -> Head:
        raise NotImplementedError

    @pytest.fixture
    def targets(self) -> Floats:
        """`(rows, 1)` as the head's encoder transforms them."""
        return np.random.default_rng(0).normal(size=(40, 1))

    @pytest.fixture
    def outputs(self, targets: Floats) -> Floats:
        """Raw outputs, small and large, some near the targets."""
        return targets + np.linspace(-3.0, 3.0, len(targets))[:, None]

    def test_its_name_is_one_that_an_experiment_may_use(self, head: Head) -> None:
        assert head.name in kinds.HEADS
        assert kinds.HEAD_SCORES[head.name] == head.score

    def test_the_slope_is_the_derivative_of_the_loss(self, head: Head, outputs: Floats, targets: Floats) -> None:
        step = 1e-6
        above, below = head.loss(NUMPY, outputs + step, targets), head.loss(NUMPY, outputs - step, targets)
        np.testing.assert_allclose(head.slope(NUMPY, outputs, targets), (above - below) / (2 * step), atol=1e-5)

    def test_the_loss_equals_that_of_keras(self, head: Head, outputs: Floats, targets: Floats) -> None:
        actual = head.loss(NUMPY, outputs, targets).mean()
        loss = keras.losses.get(head.keras_loss())
        predicted = keras.activations.get(head.output_activation)(keras.ops.convert_to_tensor(outputs.astype(np.float32)))
        expected = float(np.mean(loss(targets.astype(np.float32), predicted)))
        assert actual == pytest.approx(expected, rel=1e-4, abs=1e-5)

    def test_the_prediction_equals_the_output_activation_of_keras(self, head: Head, outputs: Floats) -> None:
        activation = keras.activations.get(head.output_activation)
        expected = np.asarray(activation(keras.ops.convert_to_tensor(outputs.astype(np.float32))))
        np.testing.assert_allclose(head.predict(NUMPY, outputs), expected, rtol=1e-5)

    def test_the_score_of_the_best_constant_is_zero(self, head: Head, targets: Floats) -> None:
        deviance = min(
            float(np.prod(head.deviance_factors(NUMPY, np.full_like(targets, constant), targets), axis=0).sum())
            for constant in np.linspace(-3, 3, 6001)
        )
        assert 1 - deviance / head.null_deviance(targets)[0] == pytest.approx(0.0, abs=1e-4)

    def test_the_null_deviance_is_computed_column_by_column(self, head: Head, targets: Floats) -> None:
        columns = np.concatenate([targets, targets[::-1] * 0.5], axis=1)
        expected = [head.null_deviance(columns[:, [0]])[0], head.null_deviance(columns[:, [1]])[0]]
        np.testing.assert_allclose(head.null_deviance(columns), expected)

    def test_whole_weights_are_rows_that_repeat(self, head: Head, targets: Floats) -> None:
        counts = 1 + np.arange(len(targets)) % 3
        weighted = head.null_deviance(targets, counts[:, None].astype(float))
        np.testing.assert_allclose(weighted, head.null_deviance(np.repeat(targets, counts, axis=0)))

    def test_its_targets_can_be_converted_back(self, head: Head) -> None:
        for scaling in kinds.TARGET_ENCODERS:
            assert encoder_kind(head.target_encoder(scaling)).is_invertible

    def test_its_score_is_among_its_metrics_and_1_is_perfect(self, head: Head) -> None:
        assert head.score in head.metrics
        assert all(name in METRICS and name in METRIC_FUNCTIONS for name in head.metrics)
        assert METRICS[head.score].is_score

    def test_its_baseline_learns(self, head: Head) -> None:
        x = np.random.default_rng(1).normal(size=(60, 2))
        y = np.exp(0.3 * x[:, 0])
        estimator = head.estimator("linear_regression", seed=0)
        estimator.fit(x, y)
        assert np.isfinite(estimator.predict(x)).all()

    def test_its_source_compiles(self, head: Head) -> None:
        compile(head.loss_source(), "loss", "eval")
        assert head.score_source().module
        assert not math.isnan(head.units)
