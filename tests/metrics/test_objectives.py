"""Judging scores: figures by hand, fronts and volumes against counting, constraints with and without a bound."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from branchsweep.config.metric_names import ObjectiveMetric
from branchsweep.config.sections.objective import Constraint, Objective
from branchsweep.metrics.functions import mean
from branchsweep.metrics.objectives import (
    ObjectiveEvaluator,
    hypervolume,
    make_evaluator,
    maximized_label,
    metric_value,
    objective_heads,
    ranking_label,
)
from branchsweep.metrics.running_evaluation import RunningEvaluation
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from scores import SCORE_METRICS, head_score

NAN = float("nan")
R2 = {"PE": 0.9, "V": 0.6}


def result(number: int, r2: Mapping[str, float], status: Status = Status.COMPLETE, known: str = "") -> Result:
    heads = {head: head_score(value, NAN, 1.0, 1.0) for head, value in r2.items()}
    return Result(Trial(number, {}, known), Score(status, value=float(np.mean(list(r2.values()))), heads=heads))


@pytest.mark.parametrize(
    ("metric", "weights", "expected"),
    [
        ("mean_r2", {}, 0.75),
        ("min_r2", {}, 0.6),
        ("r2/V", {}, 0.6),
        ("weighted", {"PE": 3.0}, 0.825),
        ("weighted", {}, 0.75),
    ],
)
def test_metrics_are_computed_from_the_scores_of_the_heads(metric: str, weights: dict[str, float], expected: float) -> None:
    assert metric_value(metric, R2, weights) == pytest.approx(expected)


def test_an_objective_depends_on_the_heads_that_it_names() -> None:
    assert objective_heads(Objective(), R2) == ["PE", "V"]
    assert objective_heads(Objective(maximize=["r2/V"]), R2) == ["V"]
    assert objective_heads(Objective(maximize=["r2/V"], choose="r2/PE"), R2) == ["PE", "V"]
    assert objective_heads(Objective(maximize=["r2/V", "min_r2"]), R2) == ["PE", "V"]


def test_ranking_metrics_have_labels() -> None:
    objectives = [Objective(maximize=[metric], weights={"PE": 2.0}) for metric in ("mean_r2", "min_r2", "r2/PE", "weighted")]
    assert [ranking_label(objective, SCORE_METRICS) for objective in objectives] == [
        "mean validation R²",
        "lowest validation R²",
        "validation R² of PE",
        "weighted (PE 2) validation R²",
    ]


def test_an_objective_may_be_any_metric_of_a_head() -> None:
    evaluator = ObjectiveEvaluator(Objective(maximize=["rmse/PE"]), ())
    accurate, inaccurate = (Score(Status.COMPLETE, 0.5, heads={"PE": head_score(0.5, rmse=rmse)}) for rmse in (1.0, 2.0))
    assert evaluator.rank(accurate) > evaluator.rank(inaccurate)  # the lower error is the better one
    assert ObjectiveEvaluator(Objective(maximize=["mean_score"]), ()).rank(accurate) == 0.5


def test_a_score_is_ranked_by_the_highest_and_an_error_by_the_lowest_value() -> None:
    score = Score(Status.COMPLETE, 0.5, heads={"PE": head_score(0.5, rmse=2.0)}, network={"parameters": 300})
    evaluator = ObjectiveEvaluator(Objective(maximize=["mean_r2", "rmse/PE", "parameters"], choose="rmse/PE"), ())
    assert evaluator.values(score) == (0.5, -2.0, -300)
    assert evaluator.measured(score) == (0.5, 2.0, 300)
    assert (evaluator.rank(score), evaluator.ranked_by(score)) == (-2.0, 2.0)
    assert maximized_label(evaluator.objective, SCORE_METRICS) == "negative validation RMSE of PE"


def test_a_metric_that_is_not_known_makes_no_best_trial() -> None:
    """Such as the area under the curve of rows that are all of one class."""
    of_class = HeadScore(0.5, NAN, {"d2_log_loss": 0.5, "roc_auc": NAN})
    unknown = Result(Trial(0, {}), Score(Status.COMPLETE, 0.5, heads={"trip": of_class}))
    evaluator = ObjectiveEvaluator(Objective(maximize=["roc_auc/trip"]), ())
    assert evaluator.rank(unknown.score) == -math.inf
    assert evaluator.best([unknown]) is None


def test_what_an_objective_names_beside_scores() -> None:
    objective = Objective(maximize=["mean_r2", "r2/PE", "rmse/V", "parameters"], choose="mae/PE")
    assert objective.others(SCORE_METRICS) == ("rmse/V", "parameters", "mae/PE")
    assert objective.by_scores(SCORE_METRICS).maximize == ["r2/PE"]
    assert objective_heads(objective, R2) == ["PE", "V"]
    assert objective_heads(Objective(maximize=["parameters", "rmse/V"], choose="rmse/V"), R2) == ["V"]
    assert objective_heads(Objective(maximize=["parameters", "size"]), R2) == ["PE", "V"]


def test_upper_bounds_and_bounds_on_the_network() -> None:
    objective = Objective(constraints=["rmse/PE <= 1.5", "parameters <= 2 * small", "latency <= 0.01"])
    heads = {"PE": head_score(0.5, rmse=1.0)}
    small, large = (
        Result(Trial(number, {}, name), Score(Status.COMPLETE, 0.5, heads=heads, network={"parameters": count}))
        for number, (name, count) in enumerate([("small", 100), ("", 250)])
    )
    evaluator = make_evaluator(objective, [small, large])
    assert evaluator.violations(small.score) == (-0.5, -100)  # its latency was not measured
    assert evaluator.violations(large.score) == (-0.5, 50)
    slow = replace(small.score, network={**small.score.network, "latency": 0.02})
    assert [evaluator.is_fast_enough(score) for score in (small.score, slow)] == [True, False]


@pytest.mark.parametrize("name", ["r2", "mean", "mean_", "/PE", "r2/", "median_r2"])
def test_names_of_other_forms_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="METRIC/HEAD"):
        ObjectiveMetric.parsed(name)


def test_weights_are_part_of_the_rule() -> None:
    weighted = Objective(maximize=["weighted"], weights={"PE": 2.0, "V": 0.5})
    assert weighted.ranking_description == "weighted (PE 2, V 0.5)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r2/PE >= 0.9", ("r2/PE", 0.9, "")),
        ("r2/PE >= 0.99 * article", ("r2/PE", 0.99, "article")),
        ("min_r2>=article", ("min_r2", 1.0, "article")),
        ("mean_r2 >= -1e-2", ("mean_r2", -0.01, "")),
        ("r2/PE >= 1 *the-wide_1", ("r2/PE", 1.0, "the-wide_1")),
    ],
)
def test_constraints_are_parsed(text: str, expected: tuple[str, float, str]) -> None:
    assert Constraint.parsed(text) == Constraint(*expected)
    assert Constraint.parsed(text.replace(">=", "<=")) == Constraint(*expected, at_most=True)


@pytest.mark.parametrize(
    "text", ["r2/PE > 0.9", "r2/PE == 0.9", "r2/PE =< 0.9", ">= 0.9", "r2/PE >= 0.9 article", "r2/PE >= 2 * 3", "r2/PE >="]
)
def test_texts_that_are_no_constraints_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="METRIC >= NUMBER"):
        Constraint.parsed(text)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_the_hypervolume_is_the_share_of_a_grid_that_is_dominated(dimensions: int) -> None:
    points = np.random.default_rng(dimensions).integers(0, 7, (9, dimensions)) / 6
    cells = (np.array(list(itertools.product(range(6), repeat=dimensions))) + 0.5) / 6
    covered = np.mean([any((cell < point).all() for point in points) for cell in cells])
    assert hypervolume([tuple(map(float, point)) for point in points]) == pytest.approx(covered)


def test_points_below_the_score_of_the_mean_add_no_hypervolume() -> None:
    assert hypervolume([(0.5, -3.0)]) == 0.0
    assert hypervolume([]) == 0.0


def test_the_best_trial_has_the_highest_rank_and_the_lowest_number_among_equals() -> None:
    results = [result(0, {"PE": 0.9, "V": 0.2}), result(1, {"PE": 0.6, "V": 0.5}), result(2, {"PE": 0.5, "V": 0.6})]
    results += [result(3, {"PE": 1.0, "V": 1.0}, Status.PRUNED), Result(Trial(4, {}), Score(Status.FAILED))]

    def best(*maximize: str) -> int:
        found = make_evaluator(Objective(maximize=list(maximize)), results).best(results)
        assert found is not None
        return found.trial.number

    assert (best("mean_r2"), best("min_r2"), best("r2/PE"), best("r2/V")) == (0, 1, 0, 2)
    assert make_evaluator(Objective(), results[3:]).best(results[3:]) is None


def test_the_front_has_the_non_dominated_trials_and_the_rule_chooses_from_it() -> None:
    drawn = np.random.default_rng(3).uniform(size=(40, 2))
    results = [result(number, {"PE": float(pe), "V": float(v)}) for number, (pe, v) in enumerate(drawn)]
    evaluator = make_evaluator(Objective(maximize=["r2/PE", "r2/V"], choose="min_r2"), results)
    front = evaluator.front(results)
    dominated = [((drawn >= point).all(1) & (drawn > point).any(1)).any() for point in drawn]
    assert sorted(result.trial.number for result in front) == [number for number in range(40) if not dominated[number]]
    assert [result.score.heads["PE"].score for result in front] == sorted(
        (result.score.heads["PE"].score for result in front), reverse=True
    )
    chosen = evaluator.best(results)
    assert chosen is max(front, key=lambda result: min(result.score.by_head.values()))


class TestConstraints:
    RESULTS = (
        result(0, {"PE": 0.8, "V": 0.5}, known="article"),
        result(1, {"PE": 0.75, "V": 0.9}),
        result(2, {"PE": 0.79, "V": 0.7}),
    )

    def evaluator(self, *constraints: str, among: tuple[Result, ...] = RESULTS) -> ObjectiveEvaluator:
        return make_evaluator(Objective(constraints=list(constraints)), among)

    def test_a_trial_that_breaks_a_constraint_is_not_the_best(self) -> None:
        best = self.evaluator("r2/PE >= 0.95 * article").best(self.RESULTS)
        assert best is not None and best.trial.number == 2
        free = self.evaluator().best(self.RESULTS)
        assert free is not None and free.trial.number == 1

    def test_violations_are_the_differences_to_the_bounds(self) -> None:
        evaluator = self.evaluator("r2/PE >= 0.95 * article", "r2/V >= 0.6")
        assert evaluator.violations(self.RESULTS[1].score) == pytest.approx((0.01, -0.3))

    def test_a_constraint_without_its_initial_trial_has_no_effect(self) -> None:
        evaluator = self.evaluator("r2/PE >= article", among=self.RESULTS[1:])
        assert math.isnan(evaluator.bounds[0])
        assert evaluator.violations(self.RESULTS[1].score) == ()
        best = evaluator.best(self.RESULTS[1:])
        assert best is not None and best.trial.number == 1


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(constraints=["r2/V >= 0.4"]),
        Objective(constraints=["r2/V >= 0.9 * second", "r2/PE >= 0.5 * first"]),
        Objective(maximize=["r2/PE", "r2/V"], choose="min_r2"),
        Objective(maximize=["r2/PE", "r2/V"], constraints=["min_r2 >= 1.0 * second"]),
    ],
)
def test_a_running_evaluation_equals_that_of_all_results_so_far(objective: Objective) -> None:
    """In any order, with ties, failed and pruned trials, and bounds that become known late."""
    rng = np.random.default_rng(3)
    statuses = [Status.COMPLETE] * 4 + [Status.PRUNED, Status.FAILED]
    results = [
        result(int(number), {"PE": rng.integers(0, 9) / 9, "V": rng.integers(0, 9) / 9}, statuses[rng.integers(6)])
        for number in rng.permutation(60)
    ]
    results.insert(20, result(60, {"PE": 0.6, "V": 0.5}, known="first"))
    results.insert(40, result(61, {"PE": 0.5, "V": 0.6}, known="second"))
    running = RunningEvaluation(objective)
    for so_far in range(1, len(results) + 1):
        running.add(results[so_far - 1])
        added = results[:so_far]
        evaluator = make_evaluator(objective, added)
        best = evaluator.best(added)
        assert len(running) == so_far
        assert str(running.evaluator) == str(evaluator)  # NaN is not equal to NaN, but its text is
        assert running.incumbent is best
        assert running.trials_since == sum(best is None or result.trial.number > best.trial.number for result in added)


def test_the_mean_of_the_largest_numbers_is_infinite_and_no_error() -> None:
    assert mean([-1e308, -1e308]) == -math.inf
    assert mean([0.25, 0.75], [3.0, 1.0]) == 0.375
