"""Sweeps with a trainer by a formula and a tracker in memory."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.estimators import TunedEstimator
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Ensemble, Promotion
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.sections.training import Pruning
from branchsweep.config.sections.validation import HoldOut
from branchsweep.config.sections.workers import RayWorkersConfig
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.config.yaml.yaml_parser import parse_yaml
from branchsweep.data.dataset import Dataset
from branchsweep.errors import ConfigError, UnreadableRecordError
from branchsweep.metrics.objectives import hypervolume, make_evaluator
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.mlflow_descriptions import finished_description
from branchsweep.reporting.text.promotion import render_promotion_outcome
from branchsweep.reporting.text.sweep_summary import render_sweep_summary
from branchsweep.search.drivers import open_driver
from branchsweep.search.stopping import StoppedBy
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.tracking.protocols import SweepConclusion, TableRecord
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import Device, Resources
from branchsweep.trial import EndCause, Result, Score, Status, Trial
from branchsweep.workflows.dry_run import make_dry_run
from branchsweep.workflows.promotion.baseline_evaluation import Baseline, baselines_of, check_baseline_experiment
from branchsweep.workflows.promotion.champion import model_name
from branchsweep.workflows.records.sweep_record import RecordedSweep, new_sweep_record, warm_start_results
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.reporter import TableReporter
from branchsweep.workflows.sweep import finished_result, promote_recorded, run_sweep
from fakes import FormulaTrainer
from terminal_text import rendered_text
from tiny_sweep import TinySweep, tiny_experiment, tiny_table

OPTUNA: Mapping[str, Any] = {"driver": "optuna", "trials": 20, "batch": 8, "initial_trials": {"small": {"trunk.depth": 1}}}

PENDING: Mapping[str, Any] = {**OPTUNA, "batch": 5, "pending_rounds": 2}
"""Rounds of five, of which three are pending at once."""


@pytest.fixture(params=["random", "optuna", "pending_rounds", "first_batch"])
def experiment(request: pytest.FixtureRequest) -> Experiment:
    searches: Mapping[str, Mapping[str, Any]] = {
        "random": {},
        "optuna": {"search": OPTUNA},
        "pending_rounds": {"search": PENDING},
        "first_batch": {"search": {**OPTUNA, "first_batch": 1}},
    }
    return tiny_experiment(**searches[request.param])


def test_a_search_scores_every_trial_and_starts_with_the_known_configurations(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)
    results = sweep.search()
    assert [result.trial.number for result in results] == list(range(20))
    assert results[0].trial.known == "small"
    assert sweep.tracker.recorded_results() == results
    assert sorted(sweep.progress.trials) == list(range(20))
    assert len(sweep.trainer.trained) == len(set(sweep.trainer.trained)) == 60


def interrupted(experiment: Experiment, populations: int) -> tuple[list[Result], TinySweep]:
    """What a search has recorded that was interrupted after so many populations, and the same sweep in another process."""
    cut = TinySweep(experiment, interrupts_after=populations)
    with pytest.raises(KeyboardInterrupt):
        cut.search()
    return cut.tracker.recorded_results(), cut.again()


@pytest.mark.parametrize("populations", [0, 1, 2, 5, 9])
def test_an_interrupted_sweep_resumes_with_the_results_of_an_uninterrupted_one(
    experiment: Experiment, populations: int
) -> None:
    """Nothing that was recorded is trained again or lost, and the trials are those of an uninterrupted sweep."""
    uninterrupted = TinySweep(experiment).search()
    before, resumed = interrupted(experiment, populations)
    results = resumed.search()
    assert [result.trial for result in results] == [result.trial for result in uninterrupted]
    assert [result.score.value for result in results] == [result.score.value for result in uninterrupted]
    assert resumed.tracker.recorded_results() == results
    again = {trial for trial, _ in resumed.trainer.trained}
    assert again == set(range(20)) - {result.trial.number for result in before}
    assert resumed.progress.lines[0] == f"begin {len(before)}/20"


def test_a_sweep_with_a_trial_that_this_version_does_not_know_is_not_resumed(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)
    sweep.tracker.record([Result(Trial(3, {"trunk.depth": 2, "trunk.shape": 3}), Score(Status.FAILED, math.nan))])
    with pytest.raises(UnreadableRecordError, match=rf"trial 3 of sweep tiny \({sweep.tracker.run_id[:8]}\).*trunk\.shape"):
        sweep.search()
    assert sweep.trainer.trained == []


def test_a_sweep_resumed_with_more_trials_trains_the_additional_ones(experiment: Experiment) -> None:
    small = experiment.model_copy(update={"search": experiment.search.model_copy(update={"trials": 11})})
    sweep = TinySweep(small)
    sweep.search()
    larger = sweep.again(experiment)
    assert [result.trial for result in larger.search()] == [result.trial for result in TinySweep(experiment).search()]
    assert {trial for trial, _ in larger.trainer.trained} == set(range(11, 20))


def test_a_failed_trial_is_recorded_with_its_reason_and_the_search_goes_on(experiment: Experiment) -> None:
    sweep = TinySweep(experiment, diverges_above=0.05)
    summary = sweep.run()
    failed = [result for result in sweep.tracker.recorded_results() if result.score.status is Status.FAILED]
    assert 0 < len(failed) < 20
    assert summary.trials == {"complete": 20 - len(failed), "pruned": 0, "failed": len(failed)}
    assert {(result.score.cause, result.score.ended_at) for result in failed} == {(EndCause.DIVERGED, 1)}
    assert all(result.score.reason for result in failed)


@dataclass
class ShuffledTrainer(FormulaTrainer):
    """Trains populations in random order and records how many wait meanwhile.

    Args:
        order_seed: The seed of the order; 0 trains them in the order of the queue.
    """

    order_seed: int = 0
    waiting: list[int] = field(default_factory=list)

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        rng = np.random.default_rng(self.order_seed)
        while queue:
            skipped = int(rng.integers(len(queue))) if self.order_seed else 0
            passed = [(position, queue.take(position)) for _ in range(skipped) for position, _ in queue.next[:1]]
            position, population = queue.next[0]
            queue.take(position)
            for skipped_position, skipped_population in reversed(passed):
                queue.put_back(skipped_position, skipped_population)
            self.waiting.append(len(queue))
            yield position, PopulationOutcome([*self._lanes(population)], seconds=1.0, compile_seconds=0.0)


@pytest.mark.parametrize("order_seed", range(8))
def test_results_do_not_depend_on_which_population_finishes_first(order_seed: int) -> None:
    experiment = tiny_experiment(fit={"epochs": 6}, pruning={"rungs": [1, 3]}, search={**PENDING, "trials": 40})
    expected, sweep = TinySweep(experiment).search(), TinySweep(experiment)
    sweep.trainer = ShuffledTrainer(sweep.rows, order_seed=order_seed)
    assert sweep.search() == expected
    assert sweep.tracker.recorded_results() == expected


def test_the_trials_of_a_small_first_round_end_first_and_compete_with_no_others() -> None:
    pruned = {"fit": {"epochs": 6}, "pruning": {"rungs": [1, 3]}}
    first, usual = (TinySweep(tiny_experiment(**pruned, search={**OPTUNA, "first_batch": first})) for first in (1, None))
    results = first.search()
    assert (first.progress.trials[0], results[0].score.is_complete) == (0, True)
    assert [sum(result.score.is_complete for result in results[start : start + 8]) for start in (1, 9)] == [2, 2]
    assert [result.trial for result in results[:8]] == [result.trial for result in usual.search()[:8]], "of the same design"


def test_a_search_whose_workers_waited_recommends_more_pending_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = tiny_experiment(search={**OPTUNA, "trials": 40})
    monkeypatch.setattr(FormulaTrainer, "resources", Resources(10**6))  # its populations take a second each
    sweep = TinySweep(experiment)
    sweep.search()
    assert "search.pending_rounds" in sweep.progress.lines[-1]
    for busy in (tiny_experiment(search=OPTUNA), tiny_experiment(search={**OPTUNA, "algorithm": "cma_es", "trials": 40})):
        sweep = TinySweep(busy)
        sweep.search()
        assert "search.pending_rounds" not in sweep.progress.lines[-1], "too few rounds, or rounds that cannot be pending"


@pytest.mark.parametrize("pending_rounds", [0, 1, 2])
def test_populations_of_pending_rounds_wait_while_one_trains(pending_rounds: int) -> None:
    """So that no worker is idle at a rung or at the end of a round, before the last rounds."""
    experiment = tiny_experiment(
        fit={"epochs": 6}, pruning={"rungs": [1, 3]}, search={**PENDING, "trials": 40, "pending_rounds": pending_rounds}
    )
    sweep = TinySweep(experiment)
    sweep.trainer = trainer = ShuffledTrainer(sweep.rows)
    sweep.search()
    assert min(trainer.waiting[: len(trainer.waiting) // 2]) == (0, 3, 6)[pending_rounds]


@pytest.fixture(params=["random", "optuna", "pending_rounds"])
def pruned(request: pytest.FixtureRequest) -> Experiment:
    """Rounds of eight, of which four train on after the first epoch, two after the third, and those to the end."""
    searches: Mapping[str, Mapping[str, Any]] = {
        "random": {},
        "optuna": {"search": OPTUNA},
        "pending_rounds": {"search": {**OPTUNA, "pending_rounds": 1}},
    }
    changes = searches[request.param]
    return tiny_experiment(fit={"epochs": 6}, pruning={"rungs": [1, 3]}, **changes)


def test_at_each_rung_the_better_half_of_a_round_continues(pruned: Experiment) -> None:
    sweep = TinySweep(pruned)
    results = sweep.search()
    assert [result.trial.number for result in results] == list(range(20))
    by_round = [[result.score for result in results[start : start + 8]] for start in (0, 8, 16)]
    reached = [Counter(tuple(score.rungs) for score in scores) for scores in by_round]
    assert reached[0] == reached[1] == {(1,): 4, (1, 3): 4}
    assert reached[2] == {(1,): 2, (1, 3): 2}
    assert [sum(score.is_complete for score in scores) for scores in by_round] == [2, 2, 1]
    assert sweep.trainer.epochs == 3 * (2 * (8 * 1 + 4 * 2 + 2 * 3) + (4 * 1 + 2 * 2 + 1 * 3))  # three folds
    for scores in by_round:
        complete = [score.value for score in scores if score.is_complete]
        dropped = [score for score in scores if score.status is Status.PRUNED]
        assert all((score.cause, score.ended_at) == (EndCause.PRUNED, max(score.rungs)) for score in dropped)
        assert all(score.reason for score in dropped)
        assert min(complete) > max(score.value for score in dropped)
        assert all(score.rungs[max(score.rungs)] == tuple(head.score for head in score.heads.values()) for score in dropped)


def test_without_pruning_the_same_trials_train_to_their_end(pruned: Experiment) -> None:
    everything = TinySweep(pruned.model_copy(update={"pruning": Pruning(rungs=[])}))
    assert all(result.score.is_complete and not result.score.rungs for result in everything.search())
    assert everything.trainer.epochs == 20 * 3 * 6


@pytest.mark.parametrize("populations", range(0, 24, 3))
def test_an_interrupted_sweep_resumes_with_the_pruning_of_an_uninterrupted_one(pruned: Experiment, populations: int) -> None:
    """Recorded trials compete at the rungs with the trials that are trained again."""

    def pruning(results: list[Result]) -> list[tuple[Any, ...]]:
        return [
            (result.trial, result.score.status, result.score.value, result.score.rungs, result.score.cause, result.score.reason)
            for result in results
        ]

    uninterrupted = TinySweep(pruned).search()
    before, resumed = interrupted(pruned, populations)
    assert pruning(resumed.search()) == pruning(uninterrupted)
    assert {trial for trial, _ in resumed.trainer.trained} == set(range(20)) - {result.trial.number for result in before}


def test_failed_trials_do_not_count_at_a_rung(pruned: Experiment) -> None:
    results = TinySweep(pruned, diverges_above=0.05).search()[:8]
    failed = [result for result in results if result.score.status is Status.FAILED]
    remaining = 8 - len(failed)
    assert 0 < len(failed) < 8
    assert sum(3 in result.score.rungs for result in results) == -(-remaining // 2)


@pytest.fixture
def epochs_vary() -> Experiment:
    """One round of six with rungs at 2 and 4 of 8 epochs: networks that end before, between, at and after the rungs."""
    return tiny_experiment(
        space={"dimensions": {"epochs": {"type": "choice", "choices": [1, 2, 3, 4, 5, 8], "ordered": True}}},
        search={"driver": "random", "trials": 6, "batch": 6},
        fit={"epochs": 8},
        pruning={"rungs": [2, 4], "keep": 0.9},
    )


def test_networks_with_fewer_epochs_are_complete_between_the_rungs(epochs_vary: Experiment) -> None:
    sweep = TinySweep(epochs_vary)
    results = sweep.search()
    assert all(result.score.is_complete for result in results)
    assert {result.trial.params["epochs"]: result.score.epochs for result in results} == {n: n for n in (1, 2, 3, 4, 5, 8)}
    assert {result.trial.params["epochs"]: tuple(result.score.rungs) for result in results} == {
        1: (),
        2: (),
        3: (2,),
        4: (2,),
        5: (2, 4),
        8: (2, 4),
    }
    assert sweep.trainer.epochs == 3 * (1 + 2 + 3 + 4 + 5 + 8)  # three folds
    assert sweep.progress.planned - sweep.trainer.epochs == 0


@pytest.mark.parametrize("populations", [0, 1])  # interrupted before the first rung, and after it
def test_complete_networks_count_at_later_rungs_also_after_a_resume(epochs_vary: Experiment, populations: int) -> None:
    halved = epochs_vary.model_copy(update={"pruning": Pruning(rungs=[2, 4], keep=0.5)})
    uninterrupted = TinySweep(halved).search()
    statuses = {result.trial.params["epochs"]: result.score.status for result in uninterrupted}
    assert statuses[1] is statuses[2] is Status.COMPLETE
    assert Status.PRUNED in statuses.values()
    interrupted = TinySweep(halved, interrupts_after=populations)
    with pytest.raises(KeyboardInterrupt):
        interrupted.search()
    again = interrupted.again().search()
    assert [(result.trial, result.score.status, result.score.value) for result in again] == [
        (result.trial, result.score.status, result.score.value) for result in uninterrupted
    ]


def test_an_exhausted_space_ends_the_search() -> None:
    space = {"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 3}}}
    sweep = TinySweep(tiny_experiment(space=space, search={"driver": "random", "trials": 20, "batch": 8}))
    found = sweep.run_search()
    assert (len(found.results), found.stop.by) == (3, StoppedBy.EXHAUSTED)


def with_search(experiment: Experiment, **search: Any) -> Experiment:
    return experiment.model_copy(update={"search": experiment.search.model_copy(update=search)})


def test_reaching_the_target_ends_the_search(pruned: Experiment) -> None:
    everything = TinySweep(pruned).search()
    target = next(result.score.value for result in everything if result.score.is_complete) - 1e-9
    sweep = TinySweep(with_search(pruned, target=target))
    found = sweep.run_search()
    assert found.stop.by is StoppedBy.TARGET
    assert len(found.results) == 8 * (1 + pruned.pending_rounds)
    assert max(result.score.value for result in found.results if result.score.is_complete) >= target


def test_when_the_seconds_are_spent_trials_at_a_rung_are_pruned(pruned: Experiment) -> None:
    assert TinySweep(with_search(pruned, seconds=1e-9)).search() == []
    found = TinySweep(with_search(pruned, seconds=100.0)).run_search(seconds_before=99.9999)
    assert found.stop.by is StoppedBy.SECONDS
    assert len(found.results) in (0, 8)
    assert all((result.score.status, [*result.score.rungs]) == (Status.PRUNED, [1]) for result in found.results)
    assert all((result.score.cause, result.score.ended_at) == (EndCause.STOPPED, 1) for result in found.results)


def test_a_search_without_improvement_ends_after_its_patience(experiment: Experiment) -> None:
    sweep = TinySweep(with_search(experiment, patience=2, trials=60))
    summary = sweep.run()
    assert summary.stopped_by == StoppedBy.PATIENCE and sum(summary.trials.values()) < 40
    assert finished_result(sweep.experiment, sweep.tracker.conclusion) is not None
    assert finished_result(with_search(sweep.experiment, patience=200), sweep.tracker.conclusion) is None


def test_several_objectives_have_a_front_and_a_hypervolume(experiment: Experiment) -> None:
    several = experiment.model_copy(update={"objective": Objective(maximize=["r2/PE", "r2/V"], choose="min_r2")})
    sweep = TinySweep(several)
    summary = sweep.run()
    evaluator = make_evaluator(several.objective, sweep.tracker.recorded_results())
    assert [trial.trial for trial in summary.pareto_front] == [
        result.trial.number for result in evaluator.front(sweep.tracker.recorded_results())
    ]
    assert summary.finalist is not None and summary.finalist.trial in [trial.trial for trial in summary.pareto_front]
    assert sweep.tracker.conclusion is not None
    assert sweep.tracker.conclusion.metrics["hypervolume"] == pytest.approx(
        hypervolume(trial.values for trial in summary.pareto_front)
    )
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    for trial in summary.pareto_front:
        assert re.search(rf"^ +{trial.trial} +{trial.scores['PE']:.4f} +{trial.scores['V']:.4f}", text, re.MULTILINE)
    assert SweepSummary.loads(summary.dumps()).pareto_front == summary.pareto_front


def test_a_constraint_that_no_trial_meets_is_reported(experiment: Experiment) -> None:
    hard = experiment.model_copy(update={"objective": Objective(constraints=["r2/PE >= 0.9999999", "r2/PE >= 0.5 * small"])})
    summary = TinySweep(hard).run()
    assert summary.finalist is None
    (constraint,) = summary.unmet_constraints
    assert constraint.startswith("r2/PE >= 0.9999999:")
    assert constraint in " ".join(rendered_text(render_sweep_summary(summary, {"PE": "", "V": ""})).split())


def test_the_initial_trial_that_a_constraint_names_is_not_pruned(pruned: Experiment) -> None:
    bounded = pruned.model_copy(update={"objective": Objective(constraints=["r2/PE >= 0.9 * small"])})
    small = next(result for result in TinySweep(bounded).search() if result.trial.known == "small")
    assert small.score.is_complete


def test_a_driver_learns_from_earlier_sweeps_of_the_same_space_and_table() -> None:
    experiment = tiny_experiment(search=OPTUNA)
    first = TinySweep(experiment)
    results = first.search()
    earlier = RecordedSweep("run-1", first.tracker._sweep.record, experiment, results)
    later = experiment.model_copy(update={"seed": 7})
    prior = warm_start_results(later, first.dataset, [earlier])
    assert prior == results

    def second_round(*known: Any) -> list[Trial]:
        driver = open_driver(later, *known)
        for trial in driver.ask(8) + driver.ask(8):
            driver.tell(Result(trial, results[0].score))
        return driver.ask(4)

    assert second_round(prior) != second_round()
    assert second_round(prior) == second_round(prior)
    keys = {new_sweep_record(later, first.dataset, first.split, known).key for known in ([], prior, prior[:5])}
    assert len(keys) == 3


def test_an_earlier_sweep_of_another_table_or_space_is_refused() -> None:
    experiment, sweep = tiny_experiment(search=OPTUNA), TinySweep(tiny_experiment(search=OPTUNA))
    earlier = RecordedSweep("0123456789", sweep.tracker._sweep.record, experiment, [])
    with pytest.raises(ConfigError, match=r"\(01234567\).*\btable\b") as caught:
        warm_start_results(experiment, replace(sweep.dataset, digest="t2"), [earlier])
    assert caught.value.where == "search.warm_start"
    other = tiny_experiment(search=OPTUNA, space={"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 3}}})
    with pytest.raises(ConfigError, match=r"\(01234567\).*trunk\.depth") as caught:
        warm_start_results(other, sweep.dataset, [earlier])
    assert caught.value.where == "search.warm_start"


def test_a_summary_says_how_many_trials_were_confirmed_of_how_many_that_were_to_be() -> None:
    experiment = tiny_experiment(search={"driver": "random", "trials": 3, "batch": 8}, confirmation={"trials": 4, "folds": 3})
    summary = TinySweep(experiment).run()
    assert (len(summary.confirmed), summary.to_confirm) == (3, 4)
    data = json.loads(summary.to_json())
    assert (len(data["confirmed"]), data["to_confirm"]) == (3, 4)
    assert summary.confirmed_counts.startswith("3 of 4 confirmed") and "3 trials (3 complete)" in summary.trial_counts
    assert "confirmed" not in replace(summary, to_confirm=0).trial_counts


def test_a_summary_has_the_best_trial_its_test_scores_the_champion_and_the_baselines(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)
    summary = sweep.run([Baseline("linear_regression")])
    assert summary.finalist is not None and summary.test_scores is not None and summary.registered is not None
    results = sweep.tracker.recorded_results()
    assert summary.finalist.scores.mean == max(result.score.value for result in results)
    winner = results[summary.finalist.trial]
    error = sweep.trainer.error(recipe_for(experiment, winner.trial.params))
    actual = sweep.dataset.y[sweep.split.test]
    spread = ((actual - actual.mean(0)) ** 2).sum(0)
    assert list(summary.test_scores.values()) == pytest.approx(list(1 - ((error * actual) ** 2).sum(0) / spread), rel=1e-5)
    assert summary.registered.promoted and summary.registered.version == 1
    (linear,) = summary.baselines
    assert linear.name == "linear_regression".replace("_", " ") and linear.test_scores["V"] == pytest.approx(1.0)
    assert set(json.loads(summary.to_json())) == {
        "sweep", "run_id", "data", "trials", "finalist", "test", "registered", "seconds", "baselines",
        "stopped_by", "pareto_front", "unmet_constraints", "importance", "boundary_warnings", "confirmed", "members",
        "test_evaluations",
        "collapses", "shift", "without_importance", "to_confirm", "best_baselines", "ensemble", "intervals", "stages",
        "paired_tests",
    }  # fmt: skip
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert f"trial {summary.finalist.trial}" in text and linear.name in text and "models:/tiny@champion" in text


def test_a_summary_compares_the_finalist_with_the_best_baseline_of_each_head_wherever_it_stands(experiment: Experiment) -> None:
    summary = TinySweep(experiment).run([Baseline("k_nearest_neighbors"), Baseline("linear_regression")])
    assert [baseline.name for baseline in summary.baselines] == ["k nearest neighbors", "linear regression"]
    assert [baseline.name for baseline in summary.baselines_best_first] == ["linear regression", "k nearest neighbors"]
    best = json.loads(summary.to_json())["best_baselines"]
    assert summary.finalist_scores is not None
    for head in ("PE", "V", "mean"):
        scores = {baseline.name: baseline.scores.values[head] for baseline in summary.baselines}
        assert (best[head]["name"], best[head]["r2"]) == ("linear regression", scores["linear regression"])
        expected = summary.finalist_scores.values[head] - scores["linear regression"]
        assert best[head]["difference"] == pytest.approx(expected)
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert text.index("linear regression") < text.index("k nearest neighbors")


def test_a_searched_baseline_is_recorded_and_shown_with_what_was_chosen(experiment: Experiment) -> None:
    space = {"n_neighbors": {"type": "choice", "choices": [2]}}
    chosen = TunedEstimator.model_validate({"estimator": "joint_k_nearest_neighbors", "fixed": {"p": 1}, "space": space})
    fixed = TunedEstimator.model_validate({"estimator": "random_forest", "fixed": {"n_estimators": 3}})
    baselines = baselines_of(experiment.model_copy(update={"baselines": ["joint_k_nearest_neighbors", chosen, fixed]}))
    sweep = TinySweep(experiment)
    summary = sweep.run(baselines)
    plain, tuned, forest = summary.baselines
    assert [baseline.name for baseline in (plain, tuned, forest)] == [
        "joint k nearest neighbors", "joint k nearest neighbors, p 1, tuned", "random forest, n_estimators 3"
    ]  # fmt: skip
    assert (tuned.params, tuned.trials) == ({"p": 1, "n_neighbors": 2}, experiment.search.trials)
    assert (forest.params, forest.trials) == ({"n_estimators": 3}, 0)
    assert (plain.params, plain.trials) == ({}, 0)
    assert tuned.scores.values != plain.scores.values and tuned.test_scores != plain.test_scores
    assert SweepSummary.loads(summary.dumps()) == summary
    assert json.loads(summary.to_json())["baselines"][tuned.name]["params"] == tuned.params
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert re.search(r"joint k nearest neighbors, p 1, tuned: p 1, n_neighbors 2 .*20 trials", text)


def test_a_sweep_record_describes_the_space_the_table_and_the_environment() -> None:
    conditional = {"type": "int", "low": 0, "high": 2, "when": {"trunk.depth": [2]}}
    space = {"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 2}, "branch.depth": conditional}}
    sweep = TinySweep(tiny_experiment(space=space, search={"driver": "random", "trials": 2}, question="How *far*?"))
    record = sweep.tracker._sweep.record
    assert record.dimensions == ["trunk.depth"], "what every trial has a value of"
    assert record.table == TableRecord("file", "tiny.csv", "t1", 120)
    assert (record.table.name, record.table.columns) == ("tiny.csv", ["a", "b", "PE", "V"])
    space_data, _ = parse_yaml(record.files["search_space.yaml"], "space")
    assert SearchSpace.model_validate(space_data) == sweep.experiment.space
    assert json.loads(record.files["environment.json"])["cores"] >= 1
    assert json.loads(record.files["environment.json"])["device"] == record.environment["device"] == "processor"
    on_gpu = new_sweep_record(sweep.experiment, sweep.dataset, sweep.split, device=Device("gpu", 2**34, "Tesla T4"))
    assert (on_gpu.key, on_gpu.environment["device"]) == (record.key, "Tesla T4"), "where it is trained makes it no other sweep"
    synthetic = new_sweep_record(sweep.experiment, replace(sweep.dataset, source="synthetic"), sweep.split).table
    assert synthetic.name == "tiny.csv (synthetic)"


def test_the_description_of_a_sweep_has_the_best_five_trials(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)

    class Describer(TableReporter):
        def finished_description(self, *described: Any) -> str:
            return finished_description(*described)

    summary = run_sweep(replace(sweep.context, reporter=Describer()), open_driver(experiment))
    assert summary.finalist is not None
    description = sweep.tracker._sweep.description
    numbers = [int(number) for number in re.findall(r"^\| \**(\d{3})", description, re.MULTILINE)]
    complete = [result for result in sweep.tracker.recorded_results() if result.score.is_complete]
    assert numbers == [result.trial.number for result in sorted(complete, key=lambda result: -result.score.value)[:5]]
    assert f"trial {summary.finalist.trial} " in description


def test_a_summary_has_hyperparameter_importance_and_values_at_a_bound() -> None:
    rate = {"type": "float", "low": 0.01, "high": 1.0, "log": True}  # the formula's best value is its low end
    depth = {"type": "choice", "choices": [1, 2, 3], "ordered": True}
    space = {"dimensions": {"learning_rate": rate, "trunk.depth": depth}}
    sweep = TinySweep(tiny_experiment(space=space, search={"driver": "random", "trials": 40, "batch": 40}))
    summary = sweep.run()
    assert list(summary.importance) == ["PE", "V", "mean"]
    assert all(next(iter(shares)) == "learning_rate" for shares in summary.importance.values())
    assert (
        summary.boundary_warnings[0].startswith("learning_rate ")
        and "low: 0.001, high: 1.0, log: true}" in summary.boundary_warnings[0]
    )
    conclusion = sweep.tracker.conclusion
    assert conclusion is not None
    assert conclusion.metrics["importance/PE/learning_rate"] == summary.importance["PE"]["learning_rate"]
    files = sweep.tracker._sweep.files
    assert json.loads(files["importance.json"]) == json.loads(files["summary.json"])["importance"] == summary.importance
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert f"warning: {summary.boundary_warnings[0]}" in text.replace("\n", " ").replace("  ", " ")
    assert "learning_rate" in text and "%" in text and "█" in text
    loaded = SweepSummary.loads(summary.dumps())
    assert (loaded.importance, loaded.boundary_warnings) == (summary.importance, summary.boundary_warnings)


def test_a_result_is_read_back_from_json(experiment: Experiment) -> None:
    result = TinySweep(experiment.model_copy(update={"validation": HoldOut(method="hold_out")})).run()
    assert result.finalist is not None
    assert math.isnan(result.finalist.scores.errors["PE"]), "one lane has no standard error"
    assert repr(SweepSummary.loads(result.dumps())) == repr(result)


LATER_FIELDS = {"score_metrics", "cause", "without_importance", "has_branches", "stages", "test_metrics"}
"""Fields that the version did not have."""


def as_7eea3c4_wrote(result: SweepSummary) -> str:
    """The JSON of a version that knew no other score than R², and had null where a number is not finite."""
    names = {
        "finalist": "best",
        "scores": "r2", "test_scores": "test_r2", "baselines": "references", "registered": "champion", "promoted": "crowned",
        "test_evaluations": "meetings", "pareto_front": "front", "unmet_constraints": "unmet", "boundary_warnings": "edges",
    }  # fmt: skip

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(inner) for inner in value]
        if not isinstance(value, dict):
            return None if value == "nan" else value
        earlier = {names.get(name, name): renamed(inner) for name, inner in value.items() if name not in LATER_FIELDS}
        if "errors" in earlier.get("r2", {}):
            means = earlier.pop("r2")
            earlier |= {"r2": means["values"], "r2_se": means["errors"]}
        return earlier

    return json.dumps(renamed(json.loads(result.dumps())))


def test_a_result_of_an_earlier_version_is_read(experiment: Experiment) -> None:
    result = TinySweep(experiment.model_copy(update={"validation": HoldOut(method="hold_out")})).run()
    earlier = as_7eea3c4_wrote(result)
    assert '"r2_se": {"PE": null' in earlier
    assert result.registered is not None
    assert result.finalist is not None
    without = replace(
        result, registered=replace(result.registered, cause=None), finalist=replace(result.finalist, has_branches=None),
        without_importance="", stages={}, test_metrics={},
    )  # fmt: skip
    assert repr(SweepSummary.loads(earlier)) == repr(without)
    oldest = json.loads(earlier)
    del oldest["importance"], oldest["edges"]
    loaded = SweepSummary.loads(json.dumps(oldest))
    assert (loaded.importance, loaded.boundary_warnings) == ({}, ())


def test_the_summary_of_a_finished_sweep_is_read_from_its_conclusion(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)
    summary = sweep.run()
    recorded = finished_result(experiment, sweep.again().tracker.conclusion)
    assert recorded is not None
    assert recorded.to_json() == summary.to_json()
    of_another_version = SweepConclusion({}, '{"from": "another version"}')
    assert finished_result(experiment, of_another_version) is None
    more = experiment.model_copy(update={"search": experiment.search.model_copy(update={"trials": 21})})
    assert finished_result(more, sweep.tracker.conclusion) is None


def test_a_sweep_without_a_complete_trial_registers_nothing(experiment: Experiment) -> None:
    summary = TinySweep(experiment, diverges_above=0.0).run()
    assert (summary.finalist, summary.test_scores, summary.registered) == (None, None, None)
    assert json.loads(summary.to_json())["finalist"] is None
    text = rendered_text(render_sweep_summary(summary, {"PE": "", "V": ""}))
    assert "20 failed" in text and "models:/" not in text


def test_the_key_of_a_sweep_depends_on_what_its_scores_depend_on(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)

    def key(changed: Experiment, dataset: Dataset = sweep.dataset) -> str:
        return new_sweep_record(changed, dataset, sweep.split).key

    irrelevant = {
        "question": "another?",
        "baselines": ["linear_regression"],
        "promotion": None,
        "workers": RayWorkersConfig(kind="ray"),
    }
    assert key(experiment.model_copy(update=irrelevant)) == key(experiment)
    assert key(experiment.model_copy(update={"seed": 2})) != key(experiment)
    assert key(experiment.model_copy(update={"fit": experiment.fit.model_copy(update={"epochs": 4})})) != key(experiment)
    assert key(experiment, replace(sweep.dataset, digest="t2")) != key(experiment)


def test_a_synthetic_registers_under_another_name() -> None:
    experiment = tiny_experiment()
    assert model_name(experiment, tiny_table()) == "tiny"
    assert model_name(experiment, replace(tiny_table(), source="synthetic")) == "tiny-synthetic"


class TestPromotion:
    """Successive sweeps under one model name. The trainer has no noise: a better model is better on every fold."""

    def run(self, store: MemoryStore, best_rate: float, **changed: Any) -> tuple[SweepSummary, MemoryTracker]:
        """A sweep whose best trial has this learning rate; the nearer to 0.01, the better."""
        known = {"only": {"trunk.depth": 2, "trunk.width": 4, "learning_rate": best_rate}}
        search = {"driver": "random", "trials": 1, "initial_trials": known}
        experiment = tiny_experiment(**{"search": search, "seed": round(best_rate * 1e6), **changed})
        sweep = TinySweep.in_store(experiment, store)
        return sweep.run(), sweep.tracker

    def test_the_first_model_becomes_champion_and_then_only_a_better_one(self) -> None:
        store = MemoryStore()
        registered = [self.run(store, rate)[0].registered for rate in (0.1, 0.02, 0.05)]
        assert [model is not None and model.promoted for model in registered] == [True, True, False]
        assert [model is not None and model.version for model in registered] == [1, 2, 3]
        causes = [PromotionCause.FIRST_VERSION, PromotionCause.BETTER, PromotionCause.NOT_BETTER]
        assert [model and model.cause for model in registered] == causes
        assert all(model and model.because for model in registered)
        assert store.champions["tiny"].version == 2

    @pytest.mark.parametrize(
        ("yaml", "cause"),
        [
            (b"", PromotionCause.CHAMPION_NOT_RECORDED),
            (b"name: of_a_later_version\n", PromotionCause.CHAMPION_UNREADABLE),
        ],
    )
    def test_a_champion_that_cannot_be_trained_again_is_replaced(self, yaml: bytes, cause: PromotionCause) -> None:
        store = MemoryStore()
        self.run(store, 0.02)
        store.files["tiny", 1]["experiment.yaml"] = yaml
        summary, _ = self.run(store, 0.05)
        assert summary.registered is not None and summary.registered.because
        assert (summary.registered.version, summary.registered.promoted, summary.registered.cause) == (2, True, cause)

    def test_a_sweep_that_was_interrupted_after_its_promotion_keeps_the_cause(self) -> None:
        store = MemoryStore()
        summary, tracker = self.run(store, 0.02)
        again = TinySweep(parse_recorded_experiment(tracker.sweep.yaml, "recorded"), tracker).run()
        assert summary.registered is not None
        assert again.registered == summary.registered and again.registered.cause is PromotionCause.FIRST_VERSION

    def test_an_equal_model_does_not_become_champion(self) -> None:
        store = MemoryStore()
        self.run(store, 0.02)
        summary, _ = self.run(store, 0.02, seed=9)
        assert summary.registered is not None
        assert (summary.registered.promoted, summary.registered.cause) == (False, PromotionCause.NOT_BETTER)

    def test_a_champion_scored_on_other_rows_is_trained_again_on_these(self) -> None:
        store = MemoryStore()
        self.run(store, 0.02, test={"fraction": 0.3, "seed": 5})
        worse, _ = self.run(store, 0.05)
        better, _ = self.run(store, 0.01)
        assert worse.registered is not None and not worse.registered.promoted
        assert better.registered is not None and better.registered.promoted

    def test_a_champion_that_predicts_something_else_is_an_error_before_the_search(self) -> None:
        store = MemoryStore()
        self.run(store, 0.02)
        with pytest.raises(ConfigError, match=r"\bversion 1 of 'tiny'") as caught:
            self.run(store, 0.01, heads={"PE": {"unit": "MW"}})
        assert caught.value.where == "promotion.model"

    def test_a_dry_run_of_a_promotion_decides_and_registers_nothing(self) -> None:
        store = MemoryStore()
        self.run(store, 0.02)
        _, tracker = self.run(store, 0.01, promotion=None)
        sweep = TinySweep(tiny_experiment(), tracker)
        dry = promote_recorded(sweep.context, dry_run=True)
        assert dry.decision is not None and dry.decision.promote and dry.registered is None
        assert store.champions["tiny"].version == 1
        assert dry.decision.cause is PromotionCause.BETTER
        text = " ".join(rendered_text(render_promotion_outcome(dry, ["PE", "V"])).split())
        assert "trial 0 " in text and dry.decision.because in text
        promoted = promote_recorded(sweep.context, number=0)
        assert promoted.registered is not None and promoted.registered.promoted and store.champions["tiny"].version == 2
        with pytest.raises(ConfigError, match=r"\b7\b") as caught:
            promote_recorded(sweep.context, number=7, dry_run=True)
        assert caught.value.where == "trial"

    def test_the_score_of_a_baseline_does_not_change_when_there_is_a_champion(self) -> None:
        known = {"only": {"trunk.depth": 3, "trunk.width": 5, "learning_rate": 0.02}}
        other = tiny_experiment(name="other", search={"driver": "random", "trials": 1, "initial_trials": known})
        experiment = tiny_experiment(confirmation={"trials": 2, "folds": 3, "seeds": 2})
        baselines = [check_baseline_experiment(other, "other.yaml", experiment)]
        empty, store = MemoryStore(), MemoryStore()
        self.run(store, 0.5, seed=experiment.seed)
        assert store.champions["tiny"].version == 1
        without, beside = (TinySweep.in_store(experiment, chosen, seed_effect=0.05).run(baselines) for chosen in (empty, store))
        assert beside.baselines == without.baselines
        assert beside.confirmed == without.confirmed

    def test_a_trial_that_is_promoted_is_confirmed_from_the_weights_that_it_had_in_the_sweep(self) -> None:
        experiment = tiny_experiment(confirmation={"trials": 3, "folds": 3, "seeds": 2})
        sweep = TinySweep(experiment, seed_effect=0.05)
        confirmed = {scores.trial: scores for scores in sweep.run().confirmed}
        for number, in_sweep in confirmed.items():
            outcome = promote_recorded(sweep.again(seed_effect=0.05).context, number, dry_run=True)
            (candidate,) = [
                trial for trial in outcome.confirmed if trial.candidate.trial.number == number and trial.candidate.searched
            ]
            assert candidate.score.means == in_sweep.scores

    def test_every_model_that_is_evaluated_on_the_test_rows_is_counted(self) -> None:
        store = MemoryStore()
        counts = [self.run(store, rate)[0].test_evaluations for rate in (0.1, 0.02)]
        other, _ = self.run(store, 0.05, test={"fraction": 0.3, "seed": 5})
        assert [*counts, other.test_evaluations] == [1, 2, 1]


@pytest.mark.parametrize(("choose", "members"), [("seeds", 3), ("greedy", None)])
def test_an_ensemble_is_one_model(experiment: Experiment, choose: str, members: int | None) -> None:
    policy = experiment.model_copy(update={"promotion": Promotion(model="tiny", ensemble=Ensemble(size=3, choose=choose))})
    summary = TinySweep(policy).run()
    assert summary.members == members if members else 1 <= summary.members <= 3
    assert summary.test_scores is not None


def test_the_best_trials_are_shown_with_their_searched_and_confirmed_scores(experiment: Experiment) -> None:
    summary = TinySweep(experiment).run()
    assert len(summary.confirmed) == 4
    assert summary.finalist is not None and summary.finalist.trial in [trial.trial for trial in summary.confirmed]
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert "confirmed" in text and "selection bias" in text and f"{summary.selection_bias.shift['mean']:+.4f}" in text


def test_a_baseline_must_be_one_known_trial_on_the_same_heads() -> None:
    other = tiny_experiment(search={"driver": "random", "trials": 2})
    with pytest.raises(ConfigError, match=r"search\.trials.*search\.initial_trials") as caught:
        check_baseline_experiment(other, "other.yaml", tiny_experiment())
    assert caught.value.where == "other.yaml"
    fixed = {"driver": "random", "trials": 1, "initial_trials": {"only": {}}}
    with pytest.raises(ConfigError, match=r"\{'PE': 'PE'\}.*\['a', 'b'\]") as caught:
        check_baseline_experiment(tiny_experiment(search=fixed, heads={"PE": {}}), "other.yaml", tiny_experiment())
    assert caught.value.where == "other.yaml"
    baseline = check_baseline_experiment(tiny_experiment(search=fixed), "other.yaml", tiny_experiment())
    assert baseline.experiment is not None


def test_a_network_among_the_baselines_is_scored_on_the_same_folds_and_test_rows(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)
    fixed = {"driver": "random", "trials": 1, "initial_trials": {"only": {"learning_rate": 0.01, "trunk.depth": 4}}}
    summary = sweep.run(
        [check_baseline_experiment(tiny_experiment(search=fixed, name="baseline"), "baseline.yaml", experiment)]
    )
    (baseline,) = summary.baselines
    assert baseline.name == "baseline"
    assert summary.finalist is not None and baseline.scores.mean > summary.finalist.scores.mean - 0.05
    assert set(baseline.test_scores) == {"PE", "V"}


def test_a_dry_run_counts_what_would_be_trained(experiment: Experiment) -> None:
    sweep = TinySweep(experiment)
    planned = make_dry_run(experiment, [], sweep.split, Resources(2))
    assert (planned.trials, planned.lanes) == (
        20,
        101,
    )  # three folds each; four trials on five folds from two seeds; and the refit
    assert planned.programs <= planned.populations <= planned.lanes
    assert planned.seconds > 0
    assert sum(program.lanes for program in planned.plan) == 101
    assert all(0 < program.useful <= 1 for program in planned.plan)
    halved = make_dry_run(
        tiny_experiment(fit={"epochs": 60_000}, pruning={"rungs": [6000, 12_000]}), [], sweep.split, Resources(2)
    )
    unpruned = make_dry_run(tiny_experiment(fit={"epochs": 60_000}, pruning={"rungs": []}), [], sweep.split, Resources(2))
    assert (dict(halved.rungs), dict(unpruned.rungs)) == ({6000: 4, 12_000: 2}, {})
    assert halved.seconds < unpruned.seconds
    assert json.loads(planned.to_json())["workers"] == 2
    assert not sweep.trainer.trained
