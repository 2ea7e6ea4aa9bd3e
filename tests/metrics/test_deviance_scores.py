"""Shares of explained deviance are those of scikit-learn, and 0 where the actual values do not vary."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from branchsweep.metrics import deviance_scores
from branchsweep.types import Floats

RANDOM = np.random.default_rng(4)
ROWS = 120
WEIGHTS = RANDOM.random(ROWS) * (RANDOM.random(ROWS) < 0.7)
PROBABILITY, MEAN = RANDOM.random(ROWS), 0.1 + 3 * RANDOM.random(ROWS)
BINARY, COUNTS = (RANDOM.random(ROWS) < 0.4).astype(float), RANDOM.poisson(2.0, ROWS).astype(float)

Score = Callable[..., Floats]
OWN: dict[str, Score] = {
    "d2_log_loss": deviance_scores.d2_log_loss,
    "d2_poisson": deviance_scores.d2_poisson,
    "d2_pinball": partial(deviance_scores.d2_pinball, level=0.9),
}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    ("name", "actual", "predicted", "reference"),
    [
        ("d2_log_loss", BINARY, PROBABILITY, metrics.d2_log_loss_score),
        ("d2_poisson", COUNTS, MEAN, partial(metrics.d2_tweedie_score, power=1)),
    ],
)
def test_a_score_is_that_of_scikit_learn(
    name: str, actual: Floats, predicted: Floats, reference: Callable[..., Any], weights: Floats | None
) -> None:
    expected = reference(actual, predicted, sample_weight=weights)
    assert OWN[name](actual, predicted, -1, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    ("name", "value", "predicted"),
    [
        ("d2_log_loss", 0.0, PROBABILITY),
        ("d2_log_loss", 1.0, PROBABILITY),
        ("d2_poisson", 0.0, MEAN),
        ("d2_poisson", 3.0, MEAN),
        ("d2_pinball", 0.3, MEAN),
    ],
)
def test_a_score_is_0_where_the_actual_values_do_not_vary(
    name: str, value: float, predicted: Floats, weights: Floats | None
) -> None:
    many = np.stack([predicted, predicted[::-1]])
    assert OWN[name](np.full(ROWS, value), many, -1, weights).tolist() == [0.0, 0.0]


def test_rows_without_weight_do_not_make_the_actual_values_vary() -> None:
    actual, weights = np.array([0.0, 0.0, 1.0]), np.array([1.0, 2.0, 0.0])
    predicted = np.array([0.2, 0.1, 0.9])
    assert deviance_scores.d2_log_loss(actual, predicted, -1, weights) == 0.0
    assert deviance_scores.d2_log_loss(actual, predicted, -1, np.zeros(3)) == 0.0


def test_each_of_many_resamples_is_judged_by_itself() -> None:
    actual = np.stack([np.zeros(ROWS), BINARY])
    found = deviance_scores.d2_log_loss(actual, PROBABILITY, -1)
    assert found.tolist() == [0.0, float(deviance_scores.d2_log_loss(BINARY, PROBABILITY, -1))]
