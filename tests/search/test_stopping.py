"""The stopping criteria of a search."""

from __future__ import annotations

from typing import Any

import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.search.stopping import StoppedBy, check_stop
from branchsweep.trial import Result, Score, Status, Trial
from scores import head_score
from tiny_sweep import tiny_experiment


def result(number: int, r2: float) -> Result:
    head = head_score(r2, float("nan"), 1.0, 1.0)
    return Result(Trial(number, {}), Score(Status.COMPLETE, value=r2, heads={"PE": head, "V": head}))


def experiment(**search: Any) -> Experiment:
    return tiny_experiment(search={"driver": "random", "trials": 10, "batch": 4, **search})


def evaluation_of(results: list[Result]) -> RunningEvaluation:
    evaluation = RunningEvaluation(experiment().objective)
    for found in results:
        evaluation.add(found)
    return evaluation


def stopped_by(results: list[Result], seconds_spent: float = 0.0, **search: Any) -> StoppedBy | None:
    found = check_stop(experiment(**search), evaluation_of(results), seconds_spent)
    return found.by if found else None


RISING = [result(number, number / 10) for number in range(6)]


def test_a_search_goes_on_within_its_budget() -> None:
    assert stopped_by([]) is None
    assert stopped_by(RISING, seconds_spent=1e9) is None


@pytest.mark.parametrize(
    ("search", "seconds_spent", "expected"),
    [
        ({"trials": 6}, 0.0, StoppedBy.TRIALS),
        ({"seconds": 5.0}, 5.0, StoppedBy.SECONDS),
        ({"seconds": 5.0}, 4.9, None),
        ({"target": 0.5}, 0.0, StoppedBy.TARGET),
        ({"target": 0.51}, 0.0, None),
        ({"patience": 1}, 0.0, None),  # the last trial is the best
        ({"target": 0.5, "trials": 6}, 0.0, StoppedBy.TARGET),  # the target has priority over the trials
    ],
)
def test_the_first_criterion_that_is_reached_ends_the_search(
    search: dict[str, Any], seconds_spent: float, expected: StoppedBy | None
) -> None:
    assert stopped_by(RISING, seconds_spent, **search) is expected


def test_patience_counts_the_trials_after_the_best() -> None:
    results = [*RISING[::-1], Result(Trial(6, {}), Score(Status.FAILED)), result(7, 0.5)]  # 5 is the best, 7 equals it
    assert stopped_by(results, patience=2) is StoppedBy.PATIENCE
    assert stopped_by(results, patience=3) is None
    failed = [Result(Trial(number, {}), Score(Status.FAILED)) for number in range(3)]
    assert stopped_by(failed, patience=3) is StoppedBy.PATIENCE


def test_the_reason_names_the_trial_and_the_target() -> None:
    found = check_stop(experiment(target=0.4), evaluation_of(RISING), 0.0)
    assert found is not None
    assert found.by is StoppedBy.TARGET
    assert all(part in found.because for part in ("trial 5", "mean_r2 0.5000", "0.4"))
