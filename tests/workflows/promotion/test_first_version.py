"""Which model may become the first champion of its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Gate, Promotion
from branchsweep.metrics.scores import average_scores
from branchsweep.tracking.memory import MemoryStore
from branchsweep.tracking.registry_protocols import PromotionCause
from branchsweep.trial import MeanScores, Score, Status, Trial
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.first_version import FirstVersion, Objection
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.sweep import promote_recorded
from scores import head_score
from tiny_sweep import TinySweep, tiny_experiment

LANES = {"PE": (0.93, 0.94, 0.92), "V": (0.81, 0.80, 0.82)}
LINEAR = {"PE": 0.92, "V": 0.75}
GUESS, BASELINE = PromotionCause.CONSTANT_GUESS, PromotionCause.BASELINE_BETTER


def first_version(
    test: Mapping[str, float] | None,
    lanes: Mapping[str, tuple[float, ...]] = LANES,
    baseline: Mapping[str, float] = LINEAR,
    baseline_test: Mapping[str, float] = LINEAR,
) -> FirstVersion:
    experiment = tiny_experiment()
    by_lane = [{head: head_score(scores[lane], math.nan, 1.0, 1.0) for head, scores in lanes.items()} for lane in range(3)]
    heads, value, error = average_scores(by_lane)
    score = Score(Status.COMPLETE, value=value, value_se=error, heads=heads, lane_scores=lanes)
    lane_scores = {(fold, 0): {head: scores[fold] for head, scores in lanes.items()} for fold in range(3)}
    candidate = ConfirmationCandidate("trial 3", experiment, Trial(3, {}))
    finalist = ReevaluatedTrial(candidate, score, lane_scores, np.zeros((1, 2)), 10)
    baselines = [BaselineResult("linear regression", MeanScores(baseline, {}), baseline_test)]
    return FirstVersion(finalist, test, baselines)


def objection(test: Mapping[str, float] | None, objective: Objective | None = None, **changed: Any) -> Objection | None:
    return first_version(test, **changed).objection(objective or Objective(), Gate().margin)


@pytest.mark.parametrize("test", [None, {"PE": 0.93, "V": 0.79}, {"PE": 0.95, "V": 0.85}])
def test_a_model_as_good_as_confirmed_and_better_than_the_baseline_is_sound(test: Mapping[str, float] | None) -> None:
    assert objection(test) is None


@pytest.mark.parametrize(
    ("changed", "cause", "words"),
    [
        ({"test": {"PE": 0.93, "V": -0.2}}, GUESS, ["V", "constant guess", "-0.2000", "test rows"]),
        ({"test": None, "lanes": {**LANES, "V": (-0.1, 0.0, -0.3)}}, GUESS, ["V", "constant guess", "confirmed"]),
        ({"test": {"PE": 0.93, "V": 0.5}}, PromotionCause.NOT_AS_CONFIRMED, ["V", "0.5000", "0.8100 ± "]),
        (
            {"test": {"PE": 0.93, "V": 0.79}, "baseline": {"PE": 0.98, "V": 0.97}},
            BASELINE,
            ["linear regression", "0.9750", "0.8700"],
        ),
        (
            {"test": {"PE": 0.93, "V": 0.79}, "baseline_test": {"PE": 0.93, "V": 0.99}},
            BASELINE,
            ["linear regression", "0.9900", "0.79"],
        ),
    ],
)
def test_a_model_that_is_not_sound_has_an_objection(changed: dict[str, Any], cause: PromotionCause, words: list[str]) -> None:
    found = objection(**changed)
    assert found is not None and found.cause is cause and not cause.promotes
    assert all(word in found.sentence for word in words), found.sentence


def test_a_baseline_may_be_better_by_the_margin_and_one_that_failed_says_nothing() -> None:
    nearly = {"PE": 0.931, "V": 0.812}
    assert objection({"PE": 0.93, "V": 0.79}, baseline=nearly) is None
    assert objection({"PE": 0.93, "V": 0.79}, baseline={"PE": math.nan, "V": 0.99}) is None


def test_heads_that_the_objective_leaves_out_need_not_be_predicted() -> None:
    guessing = {**LANES, "V": (-0.1, 0.0, -0.3)}
    assert objection({"PE": 0.93, "V": -0.2}, Objective(maximize=["r2/PE"]), lanes=guessing) is None


# --- in a sweep ---


def sweep(store: MemoryStore, first: str = "sound") -> TinySweep:
    """A sweep whose only trial is worse than a linear regression, which is exact on this table."""
    known = {"only": {"trunk.depth": 2, "trunk.width": 4, "learning_rate": 1e-4}}
    policy = Promotion.model_validate({"model": "tiny", "gate": {"first": first}})
    experiment = tiny_experiment(search={"driver": "random", "trials": 1, "initial_trials": known}, promotion=policy)
    return TinySweep.in_store(experiment, store)


def test_a_first_version_worse_than_a_baseline_is_registered_as_challenger() -> None:
    store = MemoryStore()
    summary = sweep(store).run([Baseline("linear_regression")])
    assert summary.registered is not None
    assert (summary.registered.promoted, summary.registered.version) == (False, 1)
    assert summary.registered.cause is PromotionCause.BASELINE_BETTER
    assert "linear regression" in summary.registered.because
    assert "tiny" not in store.champions


def test_any_first_version_becomes_champion_where_the_gate_says_so() -> None:
    store = MemoryStore()
    summary = sweep(store, "any").run([Baseline("linear_regression")])
    assert summary.registered is not None and summary.registered.promoted
    assert store.champions["tiny"].version == 1


def test_a_recorded_sweep_is_judged_by_its_recorded_baselines() -> None:
    store = MemoryStore()
    recorded = sweep(store)
    recorded.run([Baseline("linear_regression")])
    again = promote_recorded(recorded.again().context)
    assert again.registered is not None and not again.registered.promoted
    accepted = promote_recorded(recorded.again(sweep(store, "any").experiment).context)
    assert accepted.registered is not None and accepted.registered.promoted


def test_without_a_baseline_the_first_version_becomes_champion() -> None:
    summary = sweep(MemoryStore()).run()
    assert summary.registered is not None and summary.registered.promoted
