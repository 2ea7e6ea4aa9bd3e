"""Greedy ensemble selection: planted pairs, and properties of every selection."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.objectives import ranking_value
from branchsweep.models.ensemble_selection import select_greedily
from branchsweep.models.heads.regression import MAE, MSE
from branchsweep.types import Floats

HEADS = {"PE": MSE, "V": MAE}
ROWS = 400


def score_of(actual: Floats, predicted: Floats, objective: Objective | None = None) -> float:
    r2 = {head: float(r2_score(actual[:, h], predicted[:, h])) for h, head in enumerate(HEADS)}
    return ranking_value(objective or Objective(), r2)


def mean_of(predictions: Mapping[int, Floats], shares: Mapping[int, float]) -> Floats:
    """The predictions of the ensemble: those of its networks, by their shares."""
    mean: Floats = sum((share * predictions[key] for key, share in shares.items()), np.zeros((1, 2)))
    return mean


def library(rng: np.random.Generator, networks: int) -> tuple[Floats, dict[int, Floats]]:
    """Networks with errors of their own and in common, some better than others."""
    actual = rng.normal(size=(ROWS, 2))
    common = 0.2 * rng.normal(size=actual.shape)
    return actual, {
        number: actual + common + rng.uniform(0.2, 0.5) * rng.normal(size=actual.shape) for number in range(networks)
    }


def test_a_pair_with_cancelling_errors_is_selected() -> None:
    """Their mean is the best, though other networks are better alone."""
    rng = np.random.default_rng(1)
    actual = rng.normal(size=(ROWS, 2))
    error = rng.normal(size=actual.shape)
    predictions = {f"alone {n}": actual + 0.35 * rng.normal(size=actual.shape) for n in range(4)}
    predictions |= {"over": actual + 0.3 * error, "under": actual - 0.3 * error + 0.01 * rng.normal(size=actual.shape)}
    assert select_greedily(predictions, actual, HEADS, 2, Objective()) == {"over": 0.5, "under": 0.5}


def test_a_better_network_has_a_larger_share() -> None:
    rng = np.random.default_rng(2)
    actual = rng.normal(size=(ROWS, 2))
    predictions = {"good": actual + 0.2 * rng.normal(size=actual.shape), "fair": actual + 0.3 * rng.normal(size=actual.shape)}
    shares = select_greedily(predictions, actual, HEADS, 8, Objective())
    assert list(shares) == ["good", "fair"]
    assert 0.5 < shares["good"] < 0.9  # 0.09 / (0.04 + 0.09) in theory


def test_the_best_network_is_selected_alone_if_others_add_nothing() -> None:
    actual = np.random.default_rng(3).normal(size=(ROWS, 2))
    assert select_greedily({"bad": -actual, "perfect": actual, "again": actual}, actual, HEADS, 8, Objective()) == {
        "perfect": 1.0
    }


@pytest.mark.parametrize("maximize", ["mean_r2", "min_r2", "r2/V"])
@pytest.mark.parametrize("seed", range(5))
def test_the_ensemble_is_never_worse_than_the_best_network_on_its_rows(seed: int, maximize: str) -> None:
    objective = Objective(maximize=[maximize])
    actual, predictions = library(np.random.default_rng(seed), 12)
    shares = select_greedily(predictions, actual, HEADS, 8, objective)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert len(shares) <= 8
    assert all(round(1 / share, 9) >= 1 for share in shares.values())
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    single = max(score_of(actual, predicted, objective) for predicted in predictions.values())
    assert score_of(actual, mean_of(predictions, shares), objective) >= single


def test_the_ensemble_is_better_on_other_rows_too() -> None:
    """The selection is by the first half of the rows; on the second it still beats the best single network of the first."""
    better = 0
    for seed in range(20):
        actual, predictions = library(np.random.default_rng(seed), 12)
        first, second = slice(0, ROWS // 2), slice(ROWS // 2, ROWS)
        selection_rows = {key: predicted[first] for key, predicted in predictions.items()}
        shares = select_greedily(selection_rows, actual[first], HEADS, 8, Objective())
        single = max(selection_rows, key=lambda key: score_of(actual[first], selection_rows[key]))
        together = mean_of({key: predicted[second] for key, predicted in predictions.items()}, shares)
        better += score_of(actual[second], together) > score_of(actual[second], predictions[single][second])
    assert better >= 19


def test_a_selection_without_predictions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\b0\b.*\b1\b"):
        select_greedily({}, np.zeros((3, 2)), HEADS, 2, Objective())
