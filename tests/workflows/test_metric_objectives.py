"""Sweeps by metrics other than scores, and by the size of the network: the whole loop, trained by a formula."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.objective_rows import objective_rows
from branchsweep.reporting.text.sweep_summary import render_sweep_summary
from branchsweep.tracking.memory import MemoryStore
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.trial import Result
from branchsweep.workflows.promotion.baseline_evaluation import baselines_of
from branchsweep.workflows.records.sweep_summary import SweepSummary
from terminal_text import rendered_text
from tiny_sweep import TinySweep, tiny_experiment

PRUNED: dict[str, Any] = {"fit": {"epochs": 8}, "pruning": {"rungs": [2, 4], "keep": 0.5}}


def by(*maximize: str, **changes: Any) -> Experiment:
    constraints = changes.pop("constraints", [])
    return tiny_experiment(objective={"maximize": list(maximize), "constraints": constraints}, **changes)


def outcomes(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """What does not depend on how long training took."""
    return [(result.trial, result.score.status, result.value, result.score.rung_metrics) for result in results]


def complete(sweep: TinySweep) -> list[Result]:
    return [result for result in sweep.search() if result.score.is_complete]


def test_the_lowest_error_is_the_best_trial_and_stops_the_search() -> None:
    results = complete(TinySweep(by("rmse/V")))
    errors = {result.trial.number: result.score.heads["V"].metrics["rmse"] for result in results}
    best = min(errors, key=lambda number: errors[number])
    sweep = TinySweep(by("rmse/V"))
    summary = sweep.run()
    assert summary.finalist is not None and summary.finalist.trial == best
    confirmed = {trial.trial: trial.others["rmse/V"] for trial in summary.confirmed}
    assert confirmed[best][0] == errors[best] and confirmed[best][1] == min(after for _, after in confirmed.values())
    assert f"{confirmed[best][1]:.4f}" in rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    target = sorted(errors.values())[4]
    found = TinySweep(by("rmse/V", search={**sweep.experiment.search.model_dump(), "batch": 1, "target": target})).run_search()
    assert (found.stop.by, found.results[-1].score.heads["V"].metrics["rmse"] <= target) == ("target", True)


def test_the_objective_is_shown_on_the_test_rows_beside_that_of_the_baselines() -> None:
    experiment = by("rmse/V", "parameters", baselines=["linear_regression", "k_nearest_neighbors"])
    summary = TinySweep(experiment).run(baselines_of(experiment))
    models = {"finalist": summary.test_metrics, **{own.name: own.test_metrics for own in summary.baselines}}
    tested = {name: f"{metrics['V']['rmse']:.4f}" for name, metrics in models.items()}
    assert len(tested) == 3
    assert {row.model: tuple(row.values) for row in objective_rows(summary)} == {name: (rmse,) for name, rmse in tested.items()}
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert all(re.search(rf"{name}\s+{rmse}", text) for name, rmse in tested.items())
    printed = json.loads(summary.to_json())
    assert summary.test_scores is not None
    assert printed["test"] == {
        "r2": summary.test_scores,
        **{name: {head: summary.test_metrics[head][name] for head in ("PE", "V")} for name in ("rmse", "mae")},
    }
    assert set(printed["baselines"][summary.baselines[0].name]["test"]) == {"r2", "rmse", "mae"}
    assert not list(objective_rows(replace(summary, test_metrics={})))  # the record of an earlier version
    assert not list(objective_rows(TinySweep(by("min_r2")).run()))


def test_rungs_keep_the_lowest_errors_and_a_resumed_sweep_prunes_alike() -> None:
    experiment = by("rmse/V", **PRUNED)
    sweep = TinySweep(experiment)
    results = sweep.search()
    first = results[:8]
    at_rung = {result.trial.number: result.score.rung_metrics[2]["rmse/V"] for result in first}
    continued = {result.trial.number for result in first if 4 in result.score.rungs}
    assert continued == set(sorted(at_rung, key=lambda number: at_rung[number])[:4])
    interrupted = TinySweep(experiment, interrupts_after=5)
    with pytest.raises(KeyboardInterrupt):
        interrupted.search()
    assert outcomes(interrupted.again().search()) == outcomes(results)


def test_a_front_of_score_and_parameters_keeps_small_networks() -> None:
    sweep = TinySweep(by("mean_r2", "parameters", **PRUNED))
    summary = sweep.run()
    results = {result.trial.number: result for result in sweep.tracker.recorded_results()}
    front = summary.pareto_front
    assert len(front) > 2
    for member in front:
        assert member.values == pytest.approx((results[member.trial].value, member.others["parameters"]), rel=1e-12)
        assert member.others == {"parameters": results[member.trial].score.network["parameters"]}
    by_size = sorted(front, key=lambda member: member.values[1])
    assert [member.values[0] for member in by_size] == sorted(member.values[0] for member in front)  # a larger one is better
    assert summary.finalist is not None and summary.finalist.trial == by_size[-1].trial  # the choice from the front is by score
    assert sweep.tracker.conclusion is not None and "hypervolume" not in sweep.tracker.conclusion.metrics
    assert SweepSummary.loads(summary.dumps()) == summary
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert f"{by_size[0].values[1]:,.0f}" in text


def test_a_model_is_promoted_for_a_lower_error() -> None:
    store = MemoryStore()

    def run(rate: float) -> SweepSummary:
        known = {"only": {"trunk.depth": 2, "trunk.width": 4, "learning_rate": rate}}
        search = {"driver": "random", "trials": 1, "initial_trials": known}
        return TinySweep.in_store(by("rmse/PE", search=search, seed=round(rate * 1e6)), store).run()

    registered = [run(rate).registered for rate in (0.1, 0.02, 0.05)]
    causes = [PromotionCause.FIRST_VERSION, PromotionCause.BETTER, PromotionCause.NOT_BETTER]
    assert [model and model.cause for model in registered] == causes
    first, second, _ = store.versions["tiny"]
    assert first.rule == "rmse/PE" and first.value > second.value > 0


def test_constraints_bound_errors_and_networks() -> None:
    sweep = TinySweep(by("mean_r2", constraints=["parameters <= 300", "rmse/PE <= 1e-9"]))
    summary = sweep.run()
    assert summary.finalist is None
    (unmet,) = summary.unmet_constraints
    assert unmet.startswith("rmse/PE <= 1e-9:")
    drawn = [result for result in sweep.tracker.recorded_results() if not result.trial.known]
    assert max(result.score.network["parameters"] for result in drawn) <= 300


@pytest.mark.parametrize(("most", "is_met"), [(1.0, True), (1e-9, False)])
def test_the_latency_of_confirmed_trials_is_measured_where_it_is_bounded(most: float, is_met: bool) -> None:
    summary = TinySweep(by("mean_r2", constraints=[f"latency <= {most}"])).run()
    assert all(trial.latency is not None and trial.latency > 0 for trial in summary.confirmed)
    assert (summary.finalist is not None, len(summary.unmet_constraints)) == (is_met, 0 if is_met else 1)


def test_a_front_of_score_and_latency_measures_each_kind_of_network_once() -> None:
    experiment = by("mean_r2", "latency", **PRUNED)
    sweep = TinySweep(experiment)
    summary = sweep.run()
    results = sweep.tracker.recorded_results()
    assert all(result.score.network["latency"] > 0 for result in results)  # of pruned trials, too
    by_shape: dict[str, set[float]] = {}
    for result in results:
        architecture = recipe_for(sweep.experiment, result.params).architecture
        by_shape.setdefault(repr(architecture), set()).add(result.score.network["latency"])
    assert all(len(latencies) == 1 for latencies in by_shape.values())
    assert len(summary.pareto_front) > 0 and all(member.others["latency"] > 0 for member in summary.pareto_front)
    assert all(trial.latency is not None and not trial.others for trial in summary.confirmed)
    assert SweepSummary.loads(summary.dumps()) == summary


def test_a_resumed_sweep_keeps_its_latencies() -> None:
    experiment = by("mean_r2", "latency", **PRUNED)
    interrupted = TinySweep(experiment, interrupts_after=5)
    with pytest.raises(KeyboardInterrupt):
        interrupted.search()
    before = {result.number: result.score.network["latency"] for result in interrupted.tracker.recorded_results()}
    after = {result.number: result.score.network["latency"] for result in interrupted.again().search()}
    assert len(after) > len(before) > 0 and all(after[number] == latency for number, latency in before.items())
