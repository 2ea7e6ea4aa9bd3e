"""The rule and the weights by which a lane's score follows the objective."""

from __future__ import annotations

from typing import Any

import pytest

from branchsweep.config.sections.objective import Objective
from branchsweep.training.lane_score import MEAN, METRIC, MIN, WEIGHTED, score_rule, score_weights
from tiny_sweep import tiny_experiment

HEADS = ["PE", "V"]


@pytest.mark.parametrize(
    ("objective", "rule"),
    [
        ({}, MEAN),
        ({"maximize": ["min_r2"]}, MIN),
        ({"maximize": ["weighted"]}, WEIGHTED),
        ({"maximize": ["r2/V"]}, WEIGHTED),
        ({"maximize": ["rmse/V"]}, WEIGHTED),
        ({"maximize": ["mae/V"]}, METRIC),
        ({"maximize": ["mean_r2", "parameters"]}, MEAN),
        ({"maximize": ["r2/PE", "r2/V"]}, MEAN),
        ({"maximize": ["r2/PE", "r2/V"], "choose": "min_r2"}, MIN),
        ({"maximize": ["r2/PE", "r2/V"], "choose": "mae/PE"}, METRIC),
    ],
)
def test_the_rule_follows_the_ranking_metric(objective: dict[str, Any], rule: str) -> None:
    experiment = tiny_experiment(heads={"PE": {}, "V": {}}, objective=objective)
    assert score_rule(experiment) == rule


def test_one_head_needs_no_rule() -> None:
    assert score_rule(tiny_experiment(heads={"PE": {}}, objective={"maximize": ["r2/PE"]})) == MEAN


def test_one_head_has_all_the_weight() -> None:
    for metric in ("r2/V", "rmse/V"):  # the program computes scores, so an error of a head follows its score
        assert score_weights(Objective(maximize=[metric]), HEADS) == (0.0, 1.0)


def test_weights_add_up_to_1() -> None:
    assert score_weights(Objective(maximize=["weighted"], weights={"PE": 3.0}), HEADS) == (0.75, 0.25)
