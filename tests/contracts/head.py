"""What every kind of head must do."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from branchsweep.config import kinds
from branchsweep.config.estimator_names import estimators_of_task, is_joint
from branchsweep.config.metric_names import COVERAGE, METRICS
from branchsweep.config.sections.heads import Head as HeadSettings
from branchsweep.data.encoders.registry import encoder_kind, fit_target_encoder, outputs_encoder
from branchsweep.metrics.functions import METRIC_FUNCTIONS, metric_function
from branchsweep.metrics.output_columns import of_head
from branchsweep.models.arrays import NUMPY
from branchsweep.models.heads.head import Head, null_deviances
from branchsweep.models.serving import estimator_predictions
from branchsweep.types import Floats


def targets_of_task(task: str, rows: int = 40, seed: int = 0) -> Floats:
    """`(rows, 1)` targets as the encoder of a head of this task transforms them."""
    random = np.random.default_rng(seed)
    if task == kinds.BINARY:
        return (random.random((rows, 1)) < 0.3).astype(np.float64)
    if task == kinds.MULTICLASS:
        return random.permutation(np.arange(rows) % 3)[:, None].astype(np.float64)
    return random.poisson(2.0, (rows, 1)).astype(np.float64) if task == kinds.COUNT else random.normal(size=(rows, 1))


class HeadContract:
    """A subclass has the fixtures `head` and, where the head has other targets or another name in YAML, these."""

    @pytest.fixture
    def head(self) -> Head:
        raise NotImplementedError

    @pytest.fixture
    def settings(self, head: Head) -> HeadSettings:
        """How an experiment asks for the kind."""
        if head.task in (kinds.REGRESSION, "", None) or head.name in kinds.HEADS:
            return HeadSettings(loss=head.name)
        classes = [str(number) for number in range(head.units)] if head.task == kinds.MULTICLASS else None
        levels = list(kinds.quantile_levels(head.name))
        if levels:
            key, value = ("quantile", levels[0]) if len(levels) == 1 else ("quantiles", levels)
            return HeadSettings.model_validate({"task": head.task, key: value})
        return HeadSettings.model_validate({"task": head.task, "classes": classes})

    @pytest.fixture
    def targets(self, head: Head) -> Floats:
        """`(rows, 1)` as the head's encoder transforms them."""
        return targets_of_task(head.task)

    @pytest.fixture
    def outputs(self, head: Head, targets: Floats) -> Floats:
        """`(rows, units)` raw outputs, small and large, some near the targets."""
        if head.units > 1:
            return 3.0 * np.random.default_rng(5).normal(size=(len(targets), head.units))
        return targets + np.linspace(-3.0, 3.0, len(targets))[:, None]

    @pytest.fixture
    def perfect(self, head: Head, targets: Floats) -> Floats:
        """`(units, rows)` predictions than which none is better."""
        if head.task == kinds.MULTICLASS:
            return np.asarray(targets[:, 0] == np.arange(head.units)[:, None], np.float64)
        return np.repeat(targets.T, head.units, axis=0)

    @pytest.fixture
    def constants(self, head: Head, targets: Floats) -> list[Floats]:
        """`(units, 1)` raw outputs, the best constant among them."""
        levels = kinds.quantile_levels(head.name)
        if len(levels) > 1:
            return [np.quantile(targets, levels, method="inverted_cdf")[:, None]]
        if head.task == kinds.MULTICLASS:
            shares = np.array([np.mean(targets == number) for number in range(head.units)])
            return [np.log(np.maximum(shares, 1e-12))[:, None]]
        return [np.full((head.units, 1), constant) for constant in np.linspace(-3, 3, 6001)]

    def test_its_name_is_that_of_the_settings_that_ask_for_it(self, head: Head, settings: HeadSettings) -> None:
        assert settings.kind == head.name
        assert settings.score_metric == head.score
        assert HeadSettings.model_validate(json.loads(settings.model_dump_json())) == settings

    def test_the_slope_is_the_derivative_of_the_loss(self, head: Head, outputs: Floats, targets: Floats) -> None:
        for unit, slope in enumerate(head.slope(NUMPY, outputs.T, targets.T)):
            step = 1e-6 * np.eye(head.units)[:, [unit]]
            above, below = (head.loss(NUMPY, outputs.T + sign * step, targets.T)[0] for sign in (1, -1))
            np.testing.assert_allclose(slope, (above - below) / 2e-6, atol=1e-5)

    def test_the_loss_equals_that_of_keras(self, head: Head, outputs: Floats, targets: Floats) -> None:
        actual = head.loss(NUMPY, outputs.T, targets.T).mean()
        loss = keras.losses.get(head.keras_loss())
        predicted = keras.activations.get(head.output_activation)(keras.ops.convert_to_tensor(outputs.astype(np.float32)))
        expected = float(np.mean(loss(targets.astype(np.float32), predicted)))
        assert actual == pytest.approx(expected, rel=1e-4, abs=1e-5)

    def test_the_prediction_equals_the_output_activation_of_keras(self, head: Head, outputs: Floats) -> None:
        activation = keras.activations.get(head.output_activation)
        expected = np.asarray(activation(keras.ops.convert_to_tensor(outputs.astype(np.float32))))
        expected = np.sort(expected, axis=1) if head.is_sorted else expected
        np.testing.assert_allclose(head.predict(NUMPY, outputs.T).T, expected, rtol=1e-5)

    def test_the_score_of_the_best_constant_is_zero(self, head: Head, targets: Floats, constants: list[Floats]) -> None:
        rows = np.ones((1, len(targets)))
        deviance = min(
            float(np.prod(head.deviance_factors(NUMPY, constant * rows, targets.T), axis=0).sum()) for constant in constants
        )
        assert 1 - deviance / head.null_deviance(targets)[0] == pytest.approx(0.0, abs=1e-3)

    def test_the_deviance_is_that_of_the_score(self, head: Head, outputs: Floats, targets: Floats) -> None:
        deviance = np.prod(head.deviance_factors(NUMPY, outputs.T, targets.T), axis=0).sum()
        predicted = of_head(head.predict(NUMPY, outputs.T).T, slice(0, head.units))
        expected = metric_function(head, head.score)(targets[:, 0], predicted)
        assert 1 - deviance / head.null_deviance(targets)[0] == pytest.approx(expected, abs=1e-6)

    def test_the_score_of_a_perfect_prediction_is_1(self, head: Head, targets: Floats, perfect: Floats) -> None:
        own = of_head(perfect.T, slice(0, head.units))
        assert metric_function(head, head.score)(targets[:, 0], own) == pytest.approx(1.0, abs=1e-6)

    def test_a_perfect_member_of_an_ensemble_has_all_weight(
        self, head: Head, targets: Floats, outputs: Floats, perfect: Floats
    ) -> None:
        other = head.predict(NUMPY, outputs.T)
        counts = (1 + np.arange(len(targets)) % 3).astype(np.float64)
        for weights in (None, counts):
            found = head.member_weights(np.stack([other, perfect]), targets[:, 0], weights)
            np.testing.assert_allclose(found, [0.0, 1.0], atol=1e-6)
            mixed = head.member_weights(np.stack([other, 0.5 * other + 0.5 * perfect]), targets[:, 0], weights)
            assert mixed.min() >= 0 and mixed.sum() == pytest.approx(1.0)

    def test_the_null_deviance_is_computed_column_by_column(self, head: Head, targets: Floats) -> None:
        columns = np.concatenate([targets, np.roll(targets, 3)[::-1] if head.is_probability else targets[::-1] * 0.5], axis=1)
        expected = [head.null_deviance(columns[:, [0]])[0], head.null_deviance(columns[:, [1]])[0]]
        np.testing.assert_allclose(head.null_deviance(columns), expected)

    def test_targets_that_do_not_vary_have_no_null_deviance_and_the_score_0(self, head: Head, targets: Floats) -> None:
        same = np.repeat(targets[:1], len(targets), axis=0)
        assert null_deviances([head], same).tolist() == [0.0]
        assert null_deviances([head], same, np.ones_like(same)).tolist() == [0.0]
        predicted = of_head(head.predict(NUMPY, np.full((head.units, len(same)), 0.3)).T, slice(0, head.units))
        assert metric_function(head, head.score)(same[:, 0], predicted) == 0.0

    def test_whole_weights_are_rows_that_repeat(self, head: Head, targets: Floats) -> None:
        counts = 1 + np.arange(len(targets)) % 3
        weighted = head.null_deviance(targets, counts[:, None].astype(float))
        np.testing.assert_allclose(weighted, head.null_deviance(np.repeat(targets, counts, axis=0)))

    def test_whole_weights_are_rows_that_repeat_in_every_metric(self, head: Head, targets: Floats, outputs: Floats) -> None:
        counts = 1 + np.arange(len(targets)) % 3
        actual, predicted = targets[:, 0], of_head(head.predict(NUMPY, outputs.T).T, slice(0, head.units))
        for name in head.metrics:
            function = metric_function(head, name)
            repeated = function(np.repeat(actual, counts), np.repeat(predicted, counts, axis=-1))
            assert function(actual, predicted, counts.astype(float)) == pytest.approx(repeated, nan_ok=True), name

    def test_its_targets_can_be_converted_back(self, head: Head) -> None:
        for scaling in kinds.TARGET_ENCODERS:
            assert encoder_kind(head.target_encoder(scaling)).is_invertible

    def test_its_score_is_among_its_metrics_and_1_is_perfect(self, head: Head) -> None:
        assert head.score in head.metrics
        assert all(name in METRICS and name in METRIC_FUNCTIONS for name in head.metrics)
        assert METRICS[head.score].is_score

    def test_a_perfect_prediction_is_the_best_by_every_metric_in_its_direction(
        self, head: Head, targets: Floats, outputs: Floats, perfect: Floats
    ) -> None:
        other, best = (of_head(values.T, slice(0, head.units)) for values in (head.predict(NUMPY, outputs.T), perfect))
        for name in set(head.metrics) - {COVERAGE}:  # of which neither more nor less is better
            sign = 1 if METRICS[name].higher_is_better else -1
            own, expected = (sign * metric_function(head, name)(targets[:, 0], predicted) for predicted in (other, best))
            if not math.isnan(own):  # which needs rows of every class
                assert own <= expected <= METRICS[name].highest, name

    def test_a_target_is_transformed_and_back(self, head: Head, targets: Floats) -> None:
        natural = 3.0 * targets if head.target_encoder("standard") == "standard" else targets
        encoder = fit_target_encoder([head.target_encoder("standard")], natural)
        assert head.target_encoder("standard") in kinds.TARGET_ENCODERS
        repeated = np.repeat(encoder.transform(natural), head.units, axis=1)
        back = outputs_encoder(encoder, [head.units]).inverse(repeated)
        np.testing.assert_allclose(back, np.repeat(natural, head.units, axis=1), atol=1e-9)

    def test_its_first_baseline_learns(self, head: Head, targets: Floats) -> None:
        self.check_baselines(head, targets, estimators_of_task(head.task)[:1])

    @pytest.mark.slow
    def test_its_baselines_learn(self, head: Head, targets: Floats) -> None:
        self.check_baselines(head, targets, [name for name in estimators_of_task(head.task)[1:] if not is_joint(name)])

    def check_baselines(self, head: Head, targets: Floats, names: Sequence[str]) -> None:
        x = np.random.default_rng(1).normal(size=(len(targets), 2))
        for name in names:
            estimators = head.estimators(name, seed=0)
            units = head.units if len(estimators) == 1 else 1
            for estimator in estimators:
                estimator.fit(x, targets[:, 0])
                predicted = estimator_predictions(estimator, x, units)
                assert np.isfinite(predicted).all()
                assert predicted.shape == ((len(x), units) if units > 1 else (len(x),))

    def test_its_source_computes_what_keras_and_the_metric_do(self, head: Head, outputs: Floats, targets: Floats) -> None:
        score = head.score_source()
        assert score.module or score.definition
        names: dict[str, Any] = {"keras": keras, "np": np}
        imports = [f"from {call.module} import {call.name}" for call in (score, *score.uses) if call.module]
        lines = [*imports, score.definition, head.loss_definition(), f"loss = {head.loss_source()}"]
        exec("\n".join(lines), names)  # noqa: S102  # our own code
        loss = keras.losses.get(names["loss"])
        predicted = head.predict(NUMPY, outputs.T).T
        assert float(np.mean(loss(targets, predicted))) == pytest.approx(
            float(np.mean(keras.losses.get(head.keras_loss())(targets, predicted)))
        )
        own = of_head(predicted, slice(0, head.units))
        actual = names[score.name](targets[:, 0], predicted if head.units > 1 else own)
        assert actual == pytest.approx(metric_function(head, head.score)(targets[:, 0], own))
        assert not math.isnan(head.units)
