"""Which baseline is the best, over all heads and of each head."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from branchsweep.trial import MeanScores
from branchsweep.workflows.records.baseline_result import BaselineResult, best_baselines, best_first


def result(name: str, pe: float, v: float) -> BaselineResult:
    return BaselineResult(name, MeanScores({"PE": pe, "V": v, "mean": (pe + v) / 2}, {}), {})


BASELINES = [
    result("diverged", math.nan, math.nan),
    result("linear regression", 0.92, 0.74),
    result("random forest", 0.93, 0.82),
    result("joint random forest", 0.94, 0.80),
]


def test_baselines_are_ranked_by_their_confirmed_mean_and_those_without_scores_come_last() -> None:
    names = [baseline.name for baseline in best_first(BASELINES)]
    assert names == ["random forest", "joint random forest", "linear regression", "diverged"]


def test_every_head_is_compared_with_the_baseline_that_is_the_best_for_it() -> None:
    finalist = MeanScores({"PE": 0.95, "V": 0.81, "mean": 0.88}, {})
    best = best_baselines(BASELINES, finalist, ["PE", "V"])
    assert {head: baseline.name for head, baseline in best.items()} == {
        "PE": "joint random forest",
        "V": "random forest",
        "mean": "random forest",
    }
    assert [baseline.difference for baseline in best.values()] == pytest.approx([0.01, -0.01, 0.005])


def test_the_best_baseline_of_a_head_has_the_label_of_its_estimator_there() -> None:
    both = {"PE": "linear regression", "V": "logistic regression"}
    baseline = replace(result("linear and logistic regression", 0.92, 0.74), estimators=both)
    best = best_baselines([baseline], MeanScores({"PE": 0.95, "V": 0.81, "mean": 0.88}, {}), both)
    assert {head: own.label for head, own in best.items()} == {**both, "mean": baseline.name}
    assert {own.name for own in best.values()} == {baseline.name}


def test_without_a_baseline_that_has_scores_there_is_no_best_one() -> None:
    assert not best_baselines(BASELINES[:1], MeanScores({"PE": 0.9, "V": 0.8, "mean": 0.85}, {}), ["PE", "V"])
