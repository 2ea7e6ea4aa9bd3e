"""The rule and the weights by which a lane's score follows the objective."""

from __future__ import annotations

import pytest

from branchsweep.config.sections.objective import Objective
from branchsweep.training.lane_score import MEAN, MIN, WEIGHTED, epoch_rule, score_rule, score_weights
from tiny_sweep import tiny_experiment

HEADS = ["PE", "V"]


@pytest.mark.parametrize(
    ("objective", "rule"),
    [
        (Objective(), MEAN),
        (Objective(maximize=["min_r2"]), MIN),
        (Objective(maximize=["weighted"]), WEIGHTED),
        (Objective(maximize=["r2/V"]), WEIGHTED),
        (Objective(maximize=["rmse/V"]), WEIGHTED),
        (Objective(maximize=["mean_r2", "parameters"]), MEAN),
        (Objective(maximize=["r2/PE", "r2/V"]), MEAN),
        (Objective(maximize=["r2/PE", "r2/V"], choose="min_r2"), MIN),
    ],
)
def test_the_rule_follows_the_ranking_metric(objective: Objective, rule: str) -> None:
    assert score_rule(objective, HEADS) == rule


def test_one_head_needs_no_rule() -> None:
    assert score_rule(Objective(maximize=["r2/PE"]), ["PE"]) == MEAN


def test_one_head_has_all_the_weight() -> None:
    for metric in ("r2/V", "rmse/V"):  # the program computes scores, so an error of a head follows its score
        assert score_weights(Objective(maximize=[metric]), HEADS) == (0.0, 1.0)


def test_weights_add_up_to_1() -> None:
    assert score_weights(Objective(maximize=["weighted"], weights={"PE": 3.0}), HEADS) == (0.75, 0.25)


@pytest.mark.parametrize(
    ("objective", "fit", "rule"),
    [
        ("accuracy/trip", {"keep": "best"}, "d2_log_loss/trip"),
        ("accuracy/trip", {"early_stopping": {"patience": 5}}, "d2_log_loss/trip"),
        ("mae/PE", {"keep": "best"}, "r2/PE"),
        ("rmse/PE", {"keep": "best"}, ""),  # of one head and the same rows, R² chooses the same epoch
        ("log_loss/trip", {"keep": "best"}, ""),
        ("r2/PE", {"keep": "best"}, ""),
        ("mean_score", {"keep": "best"}, ""),
        ("accuracy/trip", {"keep": "last"}, ""),
    ],
)
def test_it_is_said_where_epochs_are_chosen_by_another_metric_than_trials(
    objective: str, fit: dict[str, object], rule: str
) -> None:
    heads = {"PE": {}, "trip": {"task": "binary"}}
    experiment = tiny_experiment(heads=heads, objective={"maximize": [objective]}, fit={"epochs": 4, **fit})
    assert (rule in epoch_rule(experiment)) if rule else not epoch_rule(experiment)
