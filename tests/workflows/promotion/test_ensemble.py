"""Ensembles whose members have weights by head, estimators among them: how they are chosen, scored, recorded and judged."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.errors import ConfigError
from branchsweep.models.heads.regression import MSE
from branchsweep.models.stacking import stack
from branchsweep.reporting.text.sweep_summary import render_sweep_summary
from branchsweep.tracking.memory import MemoryStore
from branchsweep.workflows.promotion.baseline_evaluation import baselines_of
from branchsweep.workflows.promotion.ensemble import network_counts
from branchsweep.workflows.records.ensemble_summary import EnsembleMember, EnsembleSummary, model_description
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep import promote_recorded
from terminal_text import rendered_text
from tiny_sweep import TinySweep, tiny_experiment

BASELINES = ["linear_regression", "k_nearest_neighbors"]


def experiment(choose: str, members: str = "networks", **changed: Any) -> Experiment:
    ensemble = {"size": 4, "choose": choose, "members": members}
    promotion = {"model": "tiny", "ensemble": ensemble}
    return tiny_experiment(
        promotion=promotion, baselines=BASELINES, confirmation={"trials": 3, "folds": 4, "seeds": 1}, **changed
    )


def run(own: Experiment, store: MemoryStore | None = None) -> tuple[SweepSummary, TinySweep]:
    sweep = TinySweep.in_store(own, store or MemoryStore(), seed_effect=0.05)
    return sweep.run(baselines_of(own)), sweep


def ensemble_of(summary: SweepSummary) -> EnsembleSummary:
    assert summary.ensemble is not None
    return summary.ensemble


@pytest.mark.parametrize(
    ("choose", "members"), [("stack", "networks"), ("stack", "any"), ("greedy", "any"), ("greedy", "networks")]
)
def test_weights_are_not_negative_and_add_up_to_one_for_each_head(choose: str, members: str) -> None:
    summary, _ = run(experiment(choose, members))
    ensemble = ensemble_of(summary)
    assert ensemble.choose == choose
    for head in ("PE", "V"):
        weights = [member.weights[head] for member in ensemble.members]
        assert min(weights) >= 0
        assert sum(weights) == pytest.approx(1.0)
    assert sum(member.networks for member in ensemble.members) == summary.members <= 4
    assert (ensemble.scores is None) == ((choose, members) == ("greedy", "networks"))
    assert SweepSummary.loads(summary.dumps()) == summary


def test_estimators_are_members_only_where_they_are_asked_for() -> None:
    without, beside = (run(experiment("stack", members))[0] for members in ("networks", "any"))
    assert ensemble_of(without).estimators == 0
    (best,) = [member for member in ensemble_of(beside).members if not member.networks]
    assert best.name == "linear regression"  # the targets are a sum of the inputs
    assert best.weights["PE"] == pytest.approx(1.0, abs=0.01)
    assert beside.members == 1  # a model has a network, whatever it weighs
    assert [baseline.name for baseline in beside.baselines] == [name.replace("_", " ") for name in BASELINES]


def test_an_ensemble_is_scored_on_each_fold_by_what_the_others_choose() -> None:
    own = experiment("stack")
    summary, sweep = run(own)
    outcome = promote_recorded(sweep.again(seed_effect=0.05).context, dry_run=True)
    confirmed = [trial for trial in outcome.confirmed if trial.candidate.searched]
    rows, errors = sweep.rows, []
    for train, validation in rows.folds[own.folds :]:
        of_others = {i: trial.predictions[train] for i, trial in enumerate(confirmed)}
        weights = stack(of_others, rows.actual.rows(train), [MSE, MSE])
        predicted = sum(own_weights * confirmed[i].predictions[validation] for i, own_weights in weights.items())
        actual = rows.y[validation]
        errors.append(1 - ((actual - predicted) ** 2).sum(0) / ((actual - actual.mean(0)) ** 2).sum(0))
    scores = ensemble_of(summary).scores
    assert scores is not None
    np.testing.assert_allclose([scores.values[head] for head in ("PE", "V")], np.mean(errors, axis=0), rtol=1e-9)
    assert summary.finalist_scores == scores


def test_a_sweep_is_promoted_again_with_its_estimators() -> None:
    own = experiment("stack", "any")
    summary, sweep = run(own)
    outcome = promote_recorded(sweep.again(seed_effect=0.05).context)
    assert outcome.ensemble == summary.ensemble


def test_a_stack_is_judged_against_all_members_of_the_champion() -> None:
    store = MemoryStore()
    first, _ = run(experiment("stack", "any"), store)
    again, _ = run(experiment("stack", "any", seed=5), store)
    assert first.registered is not None and first.registered.promoted
    assert again.registered is not None and not again.registered.promoted


def test_json_has_the_members_and_the_scores_of_the_ensemble() -> None:
    summary, _ = run(experiment("stack", "any"))
    printed = json.loads(summary.to_json())["ensemble"]
    assert printed["choose"] == "stack"
    assert {"name", "networks", "weights"} == set(printed["members"][0])
    assert set(printed["r2"]) == {"PE", "V", "mean"}
    one, _ = run(tiny_experiment())
    assert json.loads(one.to_json())["ensemble"] is None


@pytest.mark.parametrize(("choose", "baselines"), [("seeds", BASELINES), ("stack", []), ("greedy", ["other.yaml"])])
def test_estimators_cannot_be_members_where_none_is_chosen_or_named(choose: str, baselines: list[str]) -> None:
    ensemble = {"size": 4, "choose": choose, "members": "any"}
    with pytest.raises(ValueError, match=r"promotion\.ensemble\.members|any"):
        tiny_experiment(promotion={"model": "tiny", "ensemble": ensemble}, baselines=baselines)


def test_the_message_about_members_has_its_line(tmp_path: Any) -> None:
    file = tmp_path / "wrong.yaml"
    lines = [
        "name: wrong",
        "table: ccpp",
        "heads: {PE: {}, V: {}}",
        "space: {dimensions: {}}",
        "search: {driver: random, trials: 1}",
    ]
    lines += ["promotion:", "  model: wrong", "  ensemble:", "    choose: seeds", "    members: any"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="seeds") as caught:
        Experiment.from_yaml(file)
    assert "10" in str(caught.value)


@pytest.mark.parametrize("size", [3, 4, 7, 16])
def test_networks_are_shared_out_in_proportion_to_the_weights(size: int) -> None:
    counts = network_counts({0: 0.6, 1: 0.3, 2: 0.01}, size)
    assert sum(counts.values()) == size
    assert min(counts.values()) >= 1
    assert counts[0] >= counts[1] >= counts[2]


def test_the_summary_lists_the_members_with_their_weights() -> None:
    summary, _ = run(experiment("stack", "any"))
    text = rendered_text(render_sweep_summary(summary, {"PE": "MW", "V": "cm Hg"}))
    assert "members of the model" in text
    for member in ensemble_of(summary).members:
        assert member.name in text and f"{member.weights['PE']:.3f}" in text
    assert "1 network and 1 estimator" in text
    one, _ = run(tiny_experiment())
    assert "members of the model" not in rendered_text(render_sweep_summary(one, {"PE": "MW", "V": "cm Hg"}))


@pytest.mark.parametrize(
    ("networks", "weights", "expected"),
    [
        (1, [(1, 1.0, 1.0)], ""),
        (8, [(8, 1.0, 1.0)], "the mean of 8 networks"),
        (8, [(5, 0.5, 0.6), (3, 0.5, 0.4)], "the weighted mean of 8 networks"),
        (1, [(1, 0.5, 0.5), (0, 0.5, 0.5)], "the weighted mean of 1 network and 1 estimator of scikit-learn"),
        (3, [(3, 0.5, 0.5), (0, 0.3, 0.3), (0, 0.2, 0.2)], "the weighted mean of 3 networks and 2 estimators of scikit-learn"),
    ],
)
def test_a_model_is_described_by_what_it_consists_of(
    networks: int, weights: list[tuple[int, float, float]], expected: str
) -> None:
    members = [EnsembleMember(str(number), count, {"PE": pe, "V": v}) for number, (count, pe, v) in enumerate(weights)]
    assert model_description(networks, members) == expected
