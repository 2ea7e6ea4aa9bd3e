"""Metrics of heads with several quantiles rest on scikit-learn's pinball loss."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import d2_pinball_score, mean_pinball_loss

from branchsweep.metrics.functions import metric_function
from branchsweep.models.heads.registry import head_kind

LEVELS = (0.1, 0.5, 0.9)
KIND = head_kind("quantile(0.1, 0.5, 0.9)")
RANDOM = np.random.default_rng(1)
ACTUAL = RANDOM.normal(size=300)
PREDICTED = np.sort(ACTUAL + 0.5 * RANDOM.normal(size=(3, 300)), axis=0)


@pytest.mark.parametrize("weights", [None, RANDOM.random(300)], ids=["alike", "weighted"])
def test_losses_and_scores_are_those_of_scikit_learn_over_the_levels(weights: np.ndarray | None) -> None:
    own = [] if weights is None else [weights]
    losses = [
        mean_pinball_loss(ACTUAL, values, sample_weight=weights, alpha=level)
        for level, values in zip(LEVELS, PREDICTED, strict=True)
    ]
    assert metric_function(KIND, "pinball_loss")(ACTUAL, PREDICTED, *own) == pytest.approx(np.mean(losses))
    inside = (PREDICTED[0] <= ACTUAL) & (PREDICTED[-1] >= ACTUAL)
    assert metric_function(KIND, "coverage")(ACTUAL, PREDICTED, *own) == pytest.approx(np.average(inside, weights=weights))


def test_the_score_of_equal_levels_of_one_quantile_is_that_of_scikit_learn() -> None:
    best = [np.quantile(ACTUAL, level, method="inverted_cdf") for level in LEVELS]
    null = [mean_pinball_loss(ACTUAL, np.full(300, own), alpha=level) for own, level in zip(best, LEVELS, strict=True)]
    explained = [d2_pinball_score(ACTUAL, own, alpha=level) for own, level in zip(PREDICTED, LEVELS, strict=True)]
    expected = np.average(explained, weights=null)  # the share of explained loss, level by level
    assert metric_function(KIND, "d2_pinball")(ACTUAL, PREDICTED) == pytest.approx(expected, abs=1e-3)
    constants = np.repeat(np.array(best)[:, None], 300, axis=1)
    assert metric_function(KIND, "d2_pinball")(ACTUAL, constants) == pytest.approx(0.0)
