"""Properties of objectives, Holm's correction and successive halving, whatever the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.sections.objective import Objective
from branchsweep.metrics.objectives import dominates, hypervolume, make_evaluator
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.metrics.significance import holm
from branchsweep.trial import Result, Score, Status, Trial
from properties import quick
from scores import head_score

SCORES = st.integers(-20, 100).map(lambda percent: percent / 100)
"""Few distinct scores, so that there are ties."""

OBJECTIVES = st.sampled_from(
    [
        Objective(),
        Objective(maximize=["min_r2"]),
        Objective(maximize=["r2/V"], constraints=["r2/PE >= 0.4"]),
        Objective(constraints=["r2/PE >= 0.9 * article", "r2/V >= wide"]),
        Objective(maximize=["r2/PE", "r2/V"]),
        Objective(maximize=["r2/PE", "mean_r2"], choose="weighted", weights={"V": 3.0}, constraints=["r2/V >= article"]),
    ]
)


@st.composite
def results(draw: st.DrawFn) -> list[Result]:
    """Results of trials with distinct numbers, in any order; two of them may be initial trials."""
    numbers = draw(st.permutations(range(draw(st.integers(0, 12)))))
    names = {0: "article", 1: "wide"} if draw(st.booleans()) else {}
    return [Result(Trial(number, {}, names.get(number, "")), draw(scores())) for number in numbers]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """A score of two heads."""
    status = draw(st.sampled_from([Status.COMPLETE, Status.COMPLETE, Status.COMPLETE, Status.PRUNED, Status.FAILED]))
    if status is Status.FAILED:
        return Score(status)
    by_head = {"PE": draw(SCORES), "V": draw(SCORES)}
    heads = {head: head_score(value) for head, value in by_head.items()}
    return Score(status, value=sum(by_head.values()) / 2, heads=heads)


@quick
@given(OBJECTIVES, results())
def test_the_running_evaluation_equals_that_of_all_results(objective: Objective, added: list[Result]) -> None:
    running = RunningEvaluation(objective)
    for count, result in enumerate(added, start=1):
        running.add(result)
        evaluator = make_evaluator(objective, added[:count])
        assert repr(running.evaluator) == repr(evaluator)  # NaN is not equal to NaN
        assert running.incumbent is evaluator.best(added[:count])
    assert len(running) == len(added)
    number = running.incumbent.trial.number if running.incumbent else -1
    assert running.trials_since == sum(result.trial.number > number for result in added)


@quick
@given(OBJECTIVES, results(), st.randoms(use_true_random=False))
def test_ranking_and_front_do_not_depend_on_the_order_of_results(
    objective: Objective, added: list[Result], random: Random
) -> None:
    evaluator = make_evaluator(objective, added)
    shuffled = random.sample(added, len(added))
    assert evaluator.ranking(shuffled) == evaluator.ranking(added)
    assert evaluator.front(shuffled) == evaluator.front(added)
    assert evaluator.best(shuffled) == evaluator.best(added)


@quick
@given(results())
def test_the_front_dominates_all_other_results(added: list[Result]) -> None:
    evaluator = make_evaluator(Objective(maximize=["r2/PE", "r2/V"]), added)
    front = evaluator.front(added)
    points = [evaluator.values(result.score) for result in front]
    assert not any(dominates(point, other) for point in points for other in points)
    for result in added:
        if evaluator.is_eligible(result) and result not in front:
            assert any(dominates(point, evaluator.values(result.score)) for point in points)
    assert evaluator.best(added) is None or evaluator.best(added) in front


POINTS = st.lists(st.tuples(SCORES, SCORES, SCORES), max_size=6)


@quick
@given(POINTS, st.tuples(SCORES, SCORES, SCORES))
def test_the_hypervolume_grows_with_points_that_are_not_dominated(
    points: list[tuple[float, ...]], added: tuple[float, ...]
) -> None:
    before, after = hypervolume(points), hypervolume([*points, added])
    assert 0.0 <= before <= after + 1e-12 and after <= 1.0 + 1e-12
    if any(point == added or dominates(point, added) for point in points):
        assert math.isclose(before, after, abs_tol=1e-12)


P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8)


@quick
@given(P_VALUES)
def test_holms_correction_keeps_the_order_and_is_between_p_and_bonferroni(p_values: Sequence[float]) -> None:
    adjusted = holm(dict(enumerate(p_values)))
    assert list(adjusted) == list(range(len(p_values)))
    for key, p in enumerate(p_values):
        assert p <= adjusted[key] <= min(1.0, len(p_values) * p) or math.isclose(adjusted[key], len(p_values) * p)
    by_p = sorted(adjusted, key=lambda key: p_values[key])
    assert [adjusted[key] for key in by_p] == sorted(adjusted.values())


@quick
@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.1, 0.5]))
def test_holms_correction_rejects_what_the_step_down_procedure_rejects(p_values: Sequence[float], alpha: float) -> None:
    """Procedure as in Holm (1979): reject in ascending order until one p-value exceeds alpha / (m - index)."""
    adjusted = holm(dict(enumerate(p_values)))
    rejected = set()
    for index, key in enumerate(sorted(adjusted, key=lambda key: p_values[key])):
        if p_values[key] * (len(p_values) - index) > alpha:
            break
        rejected.add(key)
    assert {key for key, p in adjusted.items() if p <= alpha} == rejected
