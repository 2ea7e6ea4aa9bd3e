"""Scores of rows where some actual values are not known, and of rows with weights, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from branchsweep.config.metric_names import Metric
from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import register_metric, takes_weights, unregister_metric
from branchsweep.metrics.scores import head_scores, scores_of_many
from branchsweep.metrics.significance import ComparedMetrics, PairedPredictions, paired_bootstrap
from branchsweep.models.ensemble_selection import select_greedily
from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import head_kinds
from branchsweep.models.heads.regression import MSE
from branchsweep.types import Floats
from properties import quick

HEADS = dict.fromkeys(("PE", "V"), MSE)
ROWS = 60


def example(seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Actual values of which a third is not known, weights (some 0), and predictions."""
    random = np.random.default_rng(seed)
    values = random.normal(450.0, 17.0, (ROWS, 2))
    predicted = values + random.normal(size=values.shape)
    weights = random.choice([0.0, 0.25, 1.0, 4.0], values.shape)
    return np.where(random.random(values.shape) < 1 / 3, np.nan, values), weights, predicted


@quick
@given(seed=st.integers(0, 2**32 - 1), weighted=st.booleans())
def test_metrics_are_those_of_scikit_learn_on_the_known_values(seed: int, weighted: bool) -> None:
    values, weights, predicted = example(seed)
    scores = head_scores(Actual(values, weights if weighted else None), predicted, HEADS)
    for column, head in enumerate(HEADS):
        known = ~np.isnan(values[:, column])
        pair = values[known, column], predicted[known, column]
        of_rows = weights[known, column] if weighted else None
        assert scores[head].score == pytest.approx(r2_score(*pair, sample_weight=of_rows), rel=1e-12)
        assert scores[head].metrics["rmse"] == pytest.approx(root_mean_squared_error(*pair, sample_weight=of_rows), rel=1e-12)
        assert scores[head].metrics["mae"] == pytest.approx(mean_absolute_error(*pair, sample_weight=of_rows), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_many_are_those_of_each(weighted: bool) -> None:
    values, weights, predicted = example()
    actual = Actual(values, weights if weighted else None)
    many = np.stack([predicted, predicted + 1.0])
    expected = [[one.score for one in head_scores(actual, each, HEADS).values()] for each in many]
    np.testing.assert_allclose(scores_of_many(actual, many, HEADS), expected, rtol=1e-12)


@quick
@given(seed=st.integers(0, 2**32 - 1))
def test_a_row_without_a_known_value_is_a_row_less(seed: int) -> None:
    values, weights, predicted = example(seed)
    dropped = np.random.default_rng(seed).random(ROWS) < 0.2
    masked = head_scores(Actual(np.where(dropped[:, None], np.nan, values), weights), predicted, HEADS)
    left = head_scores(Actual(values, weights).rows(np.flatnonzero(~dropped)), predicted[~dropped], HEADS)
    assert all(masked[head].metrics == left[head].metrics for head in HEADS)


def test_weights_of_1_are_no_weights() -> None:
    values, _, predicted = example()
    weighted, plain = (head_scores(Actual(values, weights), predicted, HEADS) for weights in (np.ones_like(values), None))
    for head in HEADS:
        assert weighted[head].metrics == pytest.approx(dict(plain[head].metrics), rel=1e-12)


def test_whole_weights_are_rows_that_repeat() -> None:
    values, _, predicted = example()
    counts = np.random.default_rng(1).integers(0, 4, ROWS)
    weights = np.repeat(counts[:, None], 2, axis=1).astype(float)
    weighted = head_scores(Actual(values, weights), predicted, HEADS)
    repeated = head_scores(np.repeat(values, counts, axis=0), np.repeat(predicted, counts, axis=0), HEADS)
    for head in HEADS:
        assert weighted[head].metrics == pytest.approx(dict(repeated[head].metrics), rel=1e-12)


def test_the_bootstrap_compares_the_known_values() -> None:
    values, weights, predicted = example()
    metrics = ComparedMetrics(dict.fromkeys(HEADS, "r2"), Objective())
    pairs = PairedPredictions(Actual(values, weights), predicted + 0.5, predicted)
    found = paired_bootstrap(pairs, metrics, 200, seed=1)
    for column, head in enumerate(HEADS):
        known = ~np.isnan(values[:, column])
        better, worse = (
            r2_score(values[known, column], of_model[known, column], sample_weight=weights[known, column])
            for of_model in (predicted, predicted + 0.5)
        )
        assert found[f"r2/{head}"].mean == pytest.approx(better - worse)
        assert found[f"r2/{head}"].low <= better - worse <= found[f"r2/{head}"].high


def test_an_ensemble_is_chosen_by_the_known_values() -> None:
    values, _, _ = example()
    known = ~np.isnan(values)
    noisy = np.where(known, values, 0.0) + np.random.default_rng(2).normal(size=values.shape)
    exact_where_known = np.where(known, values, 1e6)
    assert select_greedily({"noisy": noisy, "exact": exact_where_known}, values, HEADS, 3, Objective()) == {"exact": 1.0}


def test_a_metric_says_whether_it_takes_weights() -> None:
    register_metric(
        "bias",
        Metric("bias", higher_is_better=True, is_score=False),
        lambda actual, predicted: float((predicted - actual).mean()),
    )
    try:
        assert [takes_weights(MSE, name) for name in (*MSE.metrics, "bias")] == [True, True, True, False]
    finally:
        unregister_metric("bias")


@pytest.mark.parametrize("head", head_kinds(), ids=lambda head: head.name)
def test_every_metric_of_a_built_in_head_takes_weights(head: Head) -> None:
    assert [name for name in head.metrics if not takes_weights(head, name)] == []
