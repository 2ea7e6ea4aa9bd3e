"""The promotion gate: its statistics against formulas, and its error rates over many repetitions."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Gate
from branchsweep.metrics.significance import (
    ComparedMetrics,
    PairedPredictions,
    SignificanceSettings,
    corrected_t,
    holm,
    mean_by_fold,
    paired_bootstrap,
)
from branchsweep.tracking.registry_protocols import PromotionCause, PromotionDecision
from branchsweep.types import Floats
from branchsweep.workflows.promotion.gate import GateCandidate, GateMeasurements, decide_promotion
from scores import SCORE_METRICS

HEADS = ("PE", "V")
FOLDS, SEEDS = 5, 2
LANES = tuple(fold for fold in range(FOLDS) for _ in range(SEEDS))
SHARE = 1 / FOLDS
GATE = Gate(bootstrap=100)
REPETITIONS = 200

DIFFERENCES = np.array([0.004, 0.001, 0.003, 0.005, 0.002])


def test_the_corrected_t_test_is_the_formula() -> None:
    found = corrected_t(DIFFERENCES, 0.2, SignificanceSettings(margin=0.001, confidence=0.9))
    error = math.sqrt((1 / 5 + 0.25) * 2.5e-6)  # the sample variance of 1, 2, 3, 4, 5 thousandths
    assert found.mean == pytest.approx(0.003)
    assert found.p_better == pytest.approx(stats.t.sf(0.003 / error, 4))
    assert found.p == pytest.approx(2 * found.p_better)
    assert found.p_worse == pytest.approx(stats.t.cdf(0.004 / error, 4))
    assert (found.low, found.high) == pytest.approx((0.003 - 2.131847 * error, 0.003 + 2.131847 * error))


def test_without_correction_the_test_is_that_of_scipy() -> None:
    found = corrected_t(DIFFERENCES, 0.0, SignificanceSettings(confidence=0.95))
    plain = stats.ttest_1samp(DIFFERENCES, 0.0)
    interval = plain.confidence_interval(0.95)
    assert (found.p, found.low, found.high) == pytest.approx((plain.pvalue, interval.low, interval.high))
    assert found.p_better == pytest.approx(stats.ttest_1samp(DIFFERENCES, 0.0, alternative="greater").pvalue)


@pytest.mark.parametrize(("difference", "p", "better"), [(0.0, 1.0, 0.5), (0.001, 0.0, 0.0), (-0.001, 0.0, 1.0)])
def test_differences_without_variance_are_certain(difference: float, p: float, better: float) -> None:
    found = corrected_t(np.full(4, difference), 0.25)
    assert (found.mean, found.p, found.p_better) == (difference, p, better)


def test_a_test_over_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\b1\b.*\b2\b"):
        corrected_t(DIFFERENCES[:1], 0.2)


def test_seeds_are_averaged_within_their_fold() -> None:
    assert mean_by_fold(np.array([[1.0, 5.0, 3.0, 7.0, 8.0]]), (4, 2, 4, 2, 9)).tolist() == [[6.0, 2.0, 8.0]]


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),
        ((0.5, 0.6), (1.0, 1.0)),
        ((0.02, 0.02, 0.02), (0.06, 0.06, 0.06)),
        ((0.03,), (0.03,)),
        ((), ()),
    ],
)
def test_holm_by_hand(p_values: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    assert list(holm(dict(enumerate(p_values))).values()) == pytest.approx(list(adjusted))


def noisy(actual: Floats, spread: float | Floats, rng: np.random.Generator) -> Floats:
    return actual + spread * rng.normal(size=actual.shape)


def test_the_interval_of_the_bootstrap_has_the_width_of_theory() -> None:
    """Of errors e and d of unit-variance targets the difference of R² is the mean of e² - d², so its error is that mean's."""
    rng = np.random.default_rng(1)
    actual = rng.normal(size=(1000, 2))
    champion, challenger = noisy(actual, 0.5, rng), noisy(actual, 0.4, rng)
    predictions, settings = PairedPredictions(actual, champion, challenger), SignificanceSettings(confidence=0.9)
    found = paired_bootstrap(predictions, ComparedMetrics(SCORE_METRICS, Objective()), 2000, 3, settings)
    gained = (champion - actual) ** 2 - (challenger - actual) ** 2
    for column, head in enumerate(HEADS):
        difference = found[f"r2/{head}"]
        expected = [r2_score(actual[:, column], predicted[:, column]) for predicted in (champion, challenger)]
        assert difference.mean == pytest.approx(expected[1] - expected[0])
        error = gained[:, column].std() / math.sqrt(1000) / actual[:, column].var()
        assert (difference.high - difference.low) / (2 * stats.norm.ppf(0.95)) == pytest.approx(error, rel=0.1)
        assert difference.p_better == pytest.approx(1 / 2001)  # no resample contradicts; the p-value is never 0
    assert found["mean_r2"].mean == pytest.approx((found["r2/PE"].mean + found["r2/V"].mean) / 2)


def test_the_bootstrap_has_the_error_rate_of_its_level() -> None:
    """Of two equal models one is significantly better about as often as the level."""
    rng = np.random.default_rng(2)
    significant = 0
    for seed in range(REPETITIONS):
        actual = rng.normal(size=(100, 1))
        predictions = PairedPredictions(actual, noisy(actual, 0.5, rng), noisy(actual, 0.5, rng))
        found = paired_bootstrap(predictions, ComparedMetrics({"PE": "r2"}, Objective()), 99, seed)
        significant += found["mean_r2"].p_better <= 0.1
    assert 0.04 * REPETITIONS <= significant <= 0.16 * REPETITIONS


def test_the_bootstrap_compares_the_metrics_of_the_objective() -> None:
    rng = np.random.default_rng(4)
    actual = rng.normal(size=(60, 2))
    champion, challenger = noisy(actual, 0.5, rng), noisy(actual, 0.4, rng)
    predictions = PairedPredictions(actual, champion, challenger)
    found = paired_bootstrap(predictions, ComparedMetrics(SCORE_METRICS, Objective(maximize=["min_r2"])), 50, seed=1)
    worst = [min(r2_score(actual[:, h], predicted[:, h]) for h in range(2)) for predicted in (champion, challenger)]
    assert found["min_r2"].mean == pytest.approx(worst[1] - worst[0])
    of_one_head = ComparedMetrics(SCORE_METRICS, Objective(maximize=["r2/V"]))
    assert list(paired_bootstrap(predictions, of_one_head, 50, seed=1)) == ["r2/V", "r2/PE"]


def test_a_model_is_not_better_than_itself() -> None:
    actual = np.random.default_rng(5).normal(size=(30, 2))
    predictions = PairedPredictions(actual, actual + 0.1, actual + 0.1)
    same = paired_bootstrap(predictions, ComparedMetrics(SCORE_METRICS, Objective()), 50, seed=1)["mean_r2"]
    assert (same.mean, same.low, same.high, same.p, same.p_better) == (0.0, 0.0, 0.0, 1.0, 1.0)


def gate_candidate(name: str, r2: Floats, predictions: Floats | None = None) -> GateCandidate:
    """Lanes with `(lanes, heads)` R²."""
    return GateCandidate(
        name, LANES, {head: tuple(r2[:, h].tolist()) for h, head in enumerate(HEADS)}, predictions, score_metrics=SCORE_METRICS
    )


def decide(
    champion: GateCandidate | None, challenger: GateCandidate, actual: Floats | None = None, gate: Gate = GATE
) -> PromotionDecision:
    return decide_promotion(gate, Objective(), GateMeasurements(champion, challenger, actual, SHARE), seed=1)


Noise = Callable[[np.random.Generator], Floats]
"""Random effects on the lanes of one contestant, `(lanes, heads)`."""


def independent(rng: np.random.Generator) -> Floats:
    """Independent for every lane."""
    return 0.002 * rng.normal(size=(len(LANES), len(HEADS)))


def alike_within_a_fold(rng: np.random.Generator) -> Floats:
    """An effect of the fold, nearly the same for each seed."""
    fold_effects = 0.002 * rng.normal(size=(FOLDS, len(HEADS)))
    return np.repeat(fold_effects, SEEDS, axis=0) + 0.0005 * rng.normal(size=(len(LANES), len(HEADS)))


def alike_across_folds(rng: np.random.Generator) -> Floats:
    """As before, with an effect common to all folds: a tenth of the variance."""
    return alike_within_a_fold(rng) + 0.002 / 3 * rng.normal(size=(1, len(HEADS)))


def lanes(noise: Noise, gain: tuple[float, float], fold_effects: Floats, rng: np.random.Generator) -> Floats:
    """R² of one contestant: an effect of the fold that all contestants have, its gain, and noise."""
    found: Floats = np.array([0.92, 0.85]) + fold_effects + np.array(gain) + noise(rng)
    return found


def random_decision(
    noise: Noise, gain: tuple[float, float], rng: np.random.Generator, actual: Floats | None
) -> PromotionDecision:
    """The decision between a champion and a challenger that is truly better by `gain` on each head."""
    fold_effects = np.repeat(0.01 * rng.normal(size=(FOLDS, len(HEADS))), SEEDS, axis=0)
    predictions = None if actual is None else [noisy(actual, spread, rng) for spread in _spreads(gain)]
    champion = gate_candidate(
        "version 3", lanes(noise, (0.0, 0.0), fold_effects, rng), None if predictions is None else predictions[0]
    )
    challenger = gate_candidate(
        "challenger", lanes(noise, gain, fold_effects, rng), None if predictions is None else predictions[1]
    )
    return decide(champion, challenger, actual)


def _spreads(gain: tuple[float, float]) -> list[Floats]:
    """Errors of unit-variance targets that make the R² of the two."""
    return [np.sqrt(1 - np.array([0.92, 0.85]) - np.array(difference)) for difference in ((0.0, 0.0), gain)]


def promotions(noise: Noise, gain: tuple[float, float], seed: int, rows: int = 60) -> int:
    """How often the challenger is promoted."""
    rng = np.random.default_rng(seed)
    actual = rng.normal(size=(rows, len(HEADS)))
    return sum(random_decision(noise, gain, rng, actual).promote for _ in range(REPETITIONS))


@pytest.mark.parametrize("noise", [independent, alike_within_a_fold, alike_across_folds])
def test_an_equal_model_is_rarely_promoted(noise: Noise) -> None:
    assert promotions(noise, (0.0, 0.0), seed=11) <= 0.05 * REPETITIONS


@pytest.mark.parametrize("noise", [independent, alike_within_a_fold, alike_across_folds])
def test_a_clearly_better_model_is_promoted(noise: Noise) -> None:
    assert promotions(noise, (0.006, 0.006), seed=12) >= 0.9 * REPETITIONS


@pytest.mark.parametrize("noise", [independent, alike_within_a_fold, alike_across_folds])
def test_a_model_that_is_worse_on_one_head_is_not_promoted(noise: Noise) -> None:
    assert promotions(noise, (0.03, -0.008), seed=13) <= 0.02 * REPETITIONS


def test_a_plain_test_over_all_lanes_promotes_equal_models_too_often() -> None:
    """Why seeds are averaged: the lanes of a fold are not independent."""
    rng = np.random.default_rng(14)
    plain = [
        stats.ttest_1samp((alike_within_a_fold(rng) - alike_within_a_fold(rng)).mean(axis=1), 0, alternative="greater").pvalue
        for _ in range(REPETITIONS)
    ]
    assert np.count_nonzero(np.array(plain) <= GATE.alpha) > 0.08 * REPETITIONS


def test_a_model_with_a_lucky_searched_score_is_not_promoted() -> None:
    """The best of many searched scores lies far above the champion's; its confirmation lanes are ordinary."""
    rng = np.random.default_rng(15)
    above = promoted = 0
    for _ in range(REPETITIONS):
        searched = 0.885 + 0.002 * rng.normal(size=300)
        above += searched.max() > 0.885 + 0.001 * rng.normal()
        promoted += random_decision(independent, (0.0, 0.0), rng, None).promote
    assert above == REPETITIONS, "by its searched score it would always be promoted"
    assert promoted <= 0.05 * REPETITIONS


STEADY = np.linspace(-0.0005, 0.0005, len(LANES))[:, np.newaxis]
BEFORE = np.array([0.92, 0.85]) + np.zeros((len(LANES), 1))


@pytest.mark.parametrize(
    ("gain", "cause", "decisive"),
    [
        ([0.004, 0.004], PromotionCause.BETTER, "mean_r2"),
        ([0.0002, 0.0002], PromotionCause.NOT_BETTER, "mean_r2"),
        ([0.02, -0.0061], PromotionCause.HEAD_WORSE, "r2/V"),
        ([0.02, -0.0019], PromotionCause.BETTER, "mean_r2"),  # within the margin of 0.002
    ],
)
def test_a_decision_has_its_cause_and_the_metric_that_decides(gain: list[float], cause: PromotionCause, decisive: str) -> None:
    decision = decide(gate_candidate("version 3", BEFORE), gate_candidate("challenger", BEFORE + STEADY + gain))
    assert (decision.promote, decision.cause) == (cause is PromotionCause.BETTER, cause)
    assert decision.evidence["decisive"] == decisive
    figures = decision.evidence["figures"]
    assert [figures[metric]["difference"] for metric in ("r2/PE", "r2/V")] == pytest.approx(gain)
    assert (figures["mean_r2"]["p_better"] <= GATE.alpha) == (cause is not PromotionCause.NOT_BETTER)


def test_the_sentence_of_a_decision_has_scores_interval_p_value_and_objection() -> None:
    def sentence(gain: list[float]) -> str:
        return decide(gate_candidate("version 3", BEFORE), gate_candidate("challenger", BEFORE + STEADY + gain)).because

    assert sentence([0.004, 0.004]) == (
        "mean validation R² 0.8890 against 0.8850 of version 3: +0.0040 [0.0035, 0.0045], p below 0.001; "
        "no head is worse by more than 0.002"
    )
    assert sentence([0.0002, 0.0002]).endswith("p 0.222; not better beyond chance")
    assert sentence([0.02, -0.0061]).endswith("; but V is worse by 0.0061, and 0.002 is allowed")


def test_the_test_rows_can_prevent_a_promotion_and_cannot_cause_one() -> None:
    rng = np.random.default_rng(6)
    actual = rng.normal(size=(400, 2))
    good, bad = noisy(actual, 0.1, rng), noisy(actual, 0.4, rng)
    vetoed = decide(
        gate_candidate("version 3", BEFORE, good), gate_candidate("challenger", BEFORE + 0.004 + STEADY, bad), actual
    )
    assert (vetoed.promote, vetoed.cause) == (False, PromotionCause.WORSE_ON_TEST_ROWS)
    assert vetoed.evidence["decisive"] == "mean_r2"
    figures = vetoed.evidence["figures"]["mean_r2"]
    assert figures["p_better"] <= GATE.alpha and figures["test"]["p_worse_adjusted"] <= GATE.alpha
    assert figures["test"]["difference"] < -0.1
    equal = decide(gate_candidate("version 3", BEFORE, bad), gate_candidate("challenger", BEFORE - STEADY, good), actual)
    assert (equal.promote, equal.cause) == (False, PromotionCause.NOT_BETTER)
    figures = equal.evidence["figures"]["mean_r2"]
    assert figures["p_better"] > GATE.alpha and figures["test"]["difference"] > 0.1
    without_predictions = decide(
        gate_candidate("version 3", BEFORE, good), gate_candidate("challenger", BEFORE + 0.004 + STEADY), actual
    )
    assert without_predictions.promote


def test_the_evidence_of_a_decision_as_json() -> None:
    rng = np.random.default_rng(7)
    actual = rng.normal(size=(50, 2))
    decision = decide(
        gate_candidate("version 3", BEFORE, noisy(actual, 0.3, rng)),
        gate_candidate("challenger", BEFORE + 0.004 + STEADY, noisy(actual, 0.3, rng)),
        actual,
    )
    evidence = json.loads(json.dumps(decision.evidence, allow_nan=False))
    assert {key: evidence[key] for key in ("alpha", "margin", "bootstrap", "rule", "lanes", "folds", "rows")} == {
        "alpha": 0.05,
        "margin": 0.002,
        "bootstrap": 100,
        "rule": "mean_r2",
        "lanes": 10,
        "folds": 5,
        "rows": 50,
    }
    assert list(evidence["figures"]) == ["mean_r2", "r2/PE", "r2/V"]
    head_evidence = evidence["figures"]["r2/V"]
    assert head_evidence["champion"] == pytest.approx(0.85)
    assert head_evidence["challenger"] == pytest.approx(0.854)
    assert head_evidence["interval"][0] < head_evidence["difference"] < head_evidence["interval"][1]
    assert head_evidence["p"] <= head_evidence["p_adjusted"]
    assert head_evidence["test"]["p_worse"] <= head_evidence["test"]["p_worse_adjusted"]


def test_decisions_are_reproducible() -> None:
    rng = np.random.default_rng(8)
    actual = rng.normal(size=(50, 2))
    champion = gate_candidate("version 3", BEFORE + STEADY, noisy(actual, 0.3, rng))
    challenger = gate_candidate("challenger", BEFORE - STEADY, noisy(actual, 0.3, rng))
    assert decide(champion, challenger, actual) == decide(champion, challenger, actual)


def test_the_first_model_of_its_name_is_promoted() -> None:
    decision = decide(None, gate_candidate("challenger", BEFORE))
    assert (decision.promote, decision.cause) == (True, PromotionCause.FIRST_VERSION)
    assert decision.evidence["figures"]["mean_r2"]["challenger"] == pytest.approx(0.885)
    assert decision.evidence["figures"]["r2/PE"]["challenger"] == pytest.approx(0.92)


def test_a_model_that_diverged_on_a_fold_is_not_promoted() -> None:
    diverged = BEFORE.copy()
    diverged[3] = np.nan
    complete, with_nan = gate_candidate("version 3", BEFORE), gate_candidate("challenger", diverged)
    for champion in (None, complete, with_nan):
        decision = decide(champion, with_nan)
        assert (decision.promote, decision.cause) == (False, PromotionCause.DIVERGED)
    decision = decide(with_nan, complete)
    assert (decision.promote, decision.cause) == (True, PromotionCause.CHAMPION_DIVERGED)


@pytest.mark.parametrize(("rmse", "cause"), [(3.9, PromotionCause.BETTER), (4.1, PromotionCause.NOT_BETTER)])
def test_models_are_compared_by_the_metric_of_the_objective(rmse: float, cause: PromotionCause) -> None:
    """Of an error the lower one is better, though no score differs; test rows and single heads are judged by scores."""
    rng = np.random.default_rng(0)
    scores, actual = np.full((len(LANES), len(HEADS)), 0.9), rng.normal(size=(200, 2))
    champion, challenger = (
        replace(
            gate_candidate(name, scores, actual + 0.1), ranked=tuple((value + 0.001 * rng.normal(size=len(LANES))).tolist())
        )
        for name, value in (("version 3", 4.0), ("challenger", rmse))
    )
    measured = GateMeasurements(champion, challenger, actual, SHARE)
    decision = decide_promotion(GATE, Objective(maximize=["rmse/PE"]), measured, seed=1)
    assert decision.cause == cause
    figure = decision.evidence["figures"]["rmse/PE"]
    assert (figure["champion"], figure["challenger"]) == pytest.approx((4.0, rmse), abs=0.01)
    assert figure["difference"] == pytest.approx(rmse - 4, abs=0.01)
    assert figure["interval"][0] <= figure["difference"] <= figure["interval"][1]
    assert "test" not in figure and "test" in decision.evidence["figures"]["r2/PE"]


def one_head(name: str, folds: tuple[int, ...], r2: float, head: str = "PE") -> GateCandidate:
    return GateCandidate(name, folds, {head: (r2, r2)}, score_metrics={head: "r2"})


def test_confirmation_on_one_fold_promotes_no_model() -> None:
    decision = decide(one_head("version 3", (0, 0), 0.9), one_head("challenger", (0, 0), 0.99))
    assert (decision.promote, decision.cause) == (False, PromotionCause.ONE_FOLD)
    assert decision.evidence["folds"] == 1


def test_candidates_of_other_heads_or_folds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^version 3: .*\b3 lanes\b"):
        one_head("version 3", (0, 1, 2), 0.9)
    challenger = one_head("challenger", (0, 1), 0.9)
    for folds, head in itertools.product([(1, 0), (0, 1)], ["PE", "V"]):
        other = one_head("version 3", folds, 0.9, head)
        if (folds, head) != ((0, 1), "PE"):
            with pytest.raises(ValueError, match=r"\bchallenger\b.*\bversion 3\b"):
                decide(other, challenger)
