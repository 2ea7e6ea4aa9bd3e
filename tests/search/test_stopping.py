"""When a search is over."""

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


def standing(results: list[Result]) -> RunningEvaluation:
    return RunningEvaluation(experiment().objective, results)


def stopped_by(results: list[Result], after: float = 0.0, **search: Any) -> StoppedBy | None:
    found = check_stop(experiment(**search), standing(results), after)
    return found.by if found else None


RISING = [result(number, number / 10) for number in range(6)]


def test_nothing_ends_it_before_its_budget() -> None:
    assert stopped_by([]) is None
    assert stopped_by(RISING, after=1e9) is None


@pytest.mark.parametrize(
    ("search", "after", "expected"),
    [
        ({"trials": 6}, 0.0, StoppedBy.TRIALS),
        ({"seconds": 5.0}, 5.0, StoppedBy.SECONDS),
        ({"seconds": 5.0}, 4.9, None),
        ({"target": 0.5}, 0.0, StoppedBy.TARGET),
        ({"target": 0.51}, 0.0, None),
        ({"patience": 1}, 0.0, None),  # the last trial is the best
        ({"target": 0.5, "trials": 6}, 0.0, StoppedBy.TARGET),  # reached is more than done
    ],
)
def test_whichever_comes_first(search: dict[str, Any], after: float, expected: StoppedBy | None) -> None:
    assert stopped_by(RISING, after, **search) is expected


def test_patience_counts_the_trials_after_the_best() -> None:
    results = [*RISING[::-1], Result(Trial(6, {}), Score(Status.FAILED)), result(7, 0.5)]  # 5 is the best, 7 equals it
    assert stopped_by(results, patience=2) is StoppedBy.PATIENCE
    assert stopped_by(results, patience=3) is None
    failed = [Result(Trial(number, {}), Score(Status.FAILED)) for number in range(3)]
    assert stopped_by(failed, patience=3) is StoppedBy.PATIENCE


def test_why_is_said_in_words() -> None:
    found = check_stop(experiment(target=0.4), standing(RISING), 0.0)
    assert found is not None
    assert found.because == "trial 5 reaches the target: mean_r2 0.5000, asked 0.4"
