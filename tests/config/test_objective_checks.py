"""Objectives and constraints by name: which metrics a head has, what is said of the others, and which way constraints look."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEASURED_NETWORK_METRICS
from tiny_sweep import tiny_experiment

HEADS = {
    "PE": {"task": "regression"},
    "trip": {"task": "binary"},
    "state": {"task": "multiclass"},
    "starts": {"task": "count"},
    "limit": {"task": "quantile", "quantile": 0.9},
}


def experiment(objective: str | list[str] | dict[str, Any], **changes: Any) -> Experiment:
    """With one metric, several, or the whole section."""
    metrics = [objective] if isinstance(objective, str) else objective
    return tiny_experiment(heads=HEADS, objective=metrics if isinstance(metrics, dict) else {"maximize": metrics}, **changes)


def messages(objective: str | list[str] | dict[str, Any], **changes: Any) -> dict[str, str]:
    """The messages by the keys that they are about."""
    with pytest.raises(ValidationError) as caught:
        experiment(objective, **changes)
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(
    "metric",
    [
        *("r2/PE", "rmse/PE", "mae/PE", "accuracy/trip", "balanced_accuracy/state", "roc_auc/trip", "average_precision/trip"),
        *("brier/trip", "log_loss/state", "coverage/limit", "pinball_loss/limit", "poisson_deviance/starts", "rmse/starts"),
    ],
)
def test_every_metric_of_a_head_may_be_the_objective(metric: str) -> None:
    assert experiment(metric).objective.maximize == [metric]
    assert experiment({"maximize": ["mean_score", metric], "choose": metric}).objective.ranking_metric == metric


@pytest.mark.parametrize("metric", MEASURED_NETWORK_METRICS)
def test_metrics_of_the_network_stand_beside_a_score_or_in_constraints(metric: str) -> None:
    assert experiment(["mean_score", metric]).objective.is_multi_objective
    assert experiment({"constraints": [f"{metric} <= 5000"]}).objective.parsed_constraints[0].at_most
    assert list(messages(metric)) == ["objective.maximize.0"]
    assert list(messages({"maximize": ["mean_score", metric], "choose": metric})) == ["objective.choose"]


def test_metrics_of_the_network_alone_are_no_objective() -> None:
    assert list(messages(["latency", "parameters"])) == ["objective.maximize.0", "objective.maximize.1"]


def test_latency_is_measured_of_every_trial_where_it_is_an_objective() -> None:
    bounded, optimized = experiment({"constraints": ["latency <= 0.01"]}), experiment(["mean_score", "latency"])
    assert (bounded.objective.constrains_latency, bounded.objective.optimizes_latency) == (True, False)
    assert (optimized.objective.constrains_latency, optimized.objective.optimizes_latency) == (False, True)
    assert optimized.can_ask_ahead is False  # it is measured while nothing trains


@pytest.mark.parametrize(
    ("metric", "possible"),
    [
        ("accuracy/PE", ["r2/PE", "rmse/PE", "mae/PE"]),
        ("rmse/limit", ["d2_pinball/limit", "pinball_loss/limit", "coverage/limit"]),
        ("coverage/starts", ["d2_poisson/starts", "poisson_deviance/starts", "rmse/starts", "mae/starts"]),
    ],
)
def test_a_metric_that_a_head_does_not_have_is_answered_by_those_that_it_has(metric: str, possible: list[str]) -> None:
    (message,) = messages(metric).values()
    assert message.partition(": ")[2].partition(";")[0].split(", ") == possible


@pytest.mark.parametrize("metric", ["rmse/EP", "accuracy", "mean_accuracy"])
def test_a_name_of_no_metric_is_answered_by_scores_and_an_example(metric: str) -> None:
    (message,) = messages({"constraints": [f"{metric} >= 0.5"]}).values()
    assert {"mean_score", "r2/PE", "parameters"} <= set(message.partition("expected one of ")[2].split(", "))


@pytest.mark.parametrize("text", ["rmse/PE >= 4", "accuracy/trip <= 0.9", "parameters >= 100", "min_score <= 0.5"])
def test_a_constraint_that_looks_the_wrong_way_is_refused(text: str) -> None:
    assert list(messages({"constraints": [text]})) == ["objective.constraints.0"]


@pytest.mark.parametrize(
    "text", ["accuracy/trip >= 90", "mean_score >= 2", "r2/PE >= 1.5", "rmse/PE <= -1", "parameters <= 0", "latency <= 0"]
)
def test_a_constraint_that_no_trial_can_meet_is_refused(text: str) -> None:
    assert list(messages({"constraints": [text]})) == ["objective.constraints.0"]


@pytest.mark.parametrize("text", ["accuracy/trip >= 1", "rmse/PE <= 0", "r2/PE >= -1", "brier/state <= 2"])
def test_a_constraint_that_a_trial_can_just_meet_is_none_of_these(text: str) -> None:
    assert experiment({"constraints": [text]}).objective.constraints == [text]


def test_coverage_is_bounded_from_both_sides() -> None:
    texts = ["coverage/limit >= 0.85", "coverage/limit <= 0.95"]
    assert [bound.at_most for bound in experiment({"constraints": texts}).objective.parsed_constraints] == [False, True]


@pytest.mark.parametrize(("objective", "target"), [("rmse/PE", 4.0), ("r2/PE", 0.99)])
def test_a_target_is_a_value_of_the_objective(objective: str, target: float) -> None:
    assert experiment(objective, search={"target": target}).search.target == target


@pytest.mark.parametrize(
    ("objective", "target"), [("r2/PE", 1.0), ("mean_score", 1.0), ("accuracy/trip", 90.0), ("rmse/PE", -1.0)]
)
def test_a_target_that_nothing_reaches_is_refused(objective: str, target: float) -> None:
    assert list(messages(objective, search={"target": target})) == ["search.target"]


def test_a_head_alone_keeps_the_metric_that_ranks_it_and_the_constraints_on_the_network() -> None:
    constraints = ["parameters <= 900", "accuracy/trip >= 0.5", "rmse/PE <= 9"]
    alone = experiment({"maximize": ["rmse/PE"], "constraints": constraints}).for_single_head("PE").objective
    assert (alone.maximize, alone.constraints) == (["rmse/PE"], ["parameters <= 900", "rmse/PE <= 9"])
    other = experiment({"maximize": ["rmse/PE"], "constraints": constraints}).for_single_head("trip").objective
    assert (other.maximize, other.constraints) == (["mean_d2_log_loss"], ["parameters <= 900", "accuracy/trip >= 0.5"])


def test_of_networks_of_the_users_own_parameters_are_known_and_multiplications_are_not() -> None:
    space = {"builder": "some_networks:build", "dimensions": {"units": {"type": "int", "low": 1, "high": 4}}}
    own = {"space": space, "search": {"driver": "random"}}
    assert experiment(["mean_score", "parameters"], **own).objective.is_multi_objective
    constraints = {"constraints": ["size <= 900", "multiplications <= 900", "latency <= 0.1"]}
    assert list(messages(constraints, **own)) == ["objective.constraints.1", "objective.constraints.2"]
