"""The gate: its statistics against formulas and hand results, and how often it errs over many repetitions."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from branchsweep.config.objective import Objective
from branchsweep.config.promotion import Gate
from branchsweep.metrics.significance import ComparedMetrics, corrected_t, holm, mean_by_fold, paired_bootstrap
from branchsweep.tracking.protocols import PromotionDecision
from branchsweep.types import Floats
from branchsweep.workflows.promotion_gate import GateCandidate, decide_promotion
from scores import SCORE_METRICS

HEADS = ("PE", "V")
FOLDS, SEEDS = 5, 2
LANES = tuple(fold for fold in range(FOLDS) for _ in range(SEEDS))
SHARE = 1 / FOLDS
GATE = Gate(bootstrap=100)
REPETITIONS = 200

DIFFERENCES = np.array([0.004, 0.001, 0.003, 0.005, 0.002])


def test_the_correction_is_the_formula() -> None:
    found = corrected_t(DIFFERENCES, validation_share=0.2, margin=0.001, confidence=0.9)
    error = math.sqrt((1 / 5 + 0.25) * 2.5e-6)  # the sample variance of 1, 2, 3, 4, 5 thousandths
    assert found.mean == pytest.approx(0.003)
    assert found.p_better == pytest.approx(stats.t.sf(0.003 / error, 4))
    assert found.p == pytest.approx(2 * found.p_better)
    assert found.p_worse == pytest.approx(stats.t.cdf(0.004 / error, 4))
    assert (found.low, found.high) == pytest.approx((0.003 - 2.131847 * error, 0.003 + 2.131847 * error))
    assert str(found) == "+0.0030 [0.0007, 0.0053]"


def test_without_correction_it_is_the_plain_test() -> None:
    found = corrected_t(DIFFERENCES, validation_share=0.0, confidence=0.95)
    plain = stats.ttest_1samp(DIFFERENCES, 0.0)
    interval = plain.confidence_interval(0.95)
    assert (found.p, found.low, found.high) == pytest.approx((plain.pvalue, interval.low, interval.high))
    assert found.p_better == pytest.approx(stats.ttest_1samp(DIFFERENCES, 0.0, alternative="greater").pvalue)


@pytest.mark.parametrize(("each", "p", "better"), [(0.0, 1.0, 0.5), (0.001, 0.0, 0.0), (-0.001, 0.0, 1.0)])
def test_differences_that_do_not_scatter_are_certain(each: float, p: float, better: float) -> None:
    found = corrected_t(np.full(4, each), 0.25)
    assert (found.mean, found.p, found.p_better) == (each, p, better)


def test_one_fold_says_nothing() -> None:
    with pytest.raises(ValueError, match="got one fold"):
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


def test_the_bootstrap_scatters_as_theory_says() -> None:
    """Of errors e and d of unit-variance targets the difference of R² is the mean of e² - d², so its error is that mean's."""
    rng = np.random.default_rng(1)
    actual = rng.normal(size=(1000, 2))
    champion, challenger = noisy(actual, 0.5, rng), noisy(actual, 0.4, rng)
    found = paired_bootstrap(
        actual, champion, challenger, ComparedMetrics(SCORE_METRICS, Objective()), 2000, seed=3, confidence=0.9
    )
    gained = (champion - actual) ** 2 - (challenger - actual) ** 2
    for column, head in enumerate(HEADS):
        figures = found[f"r2/{head}"]
        expected = [r2_score(actual[:, column], it[:, column]) for it in (champion, challenger)]
        assert figures.mean == pytest.approx(expected[1] - expected[0])
        error = gained[:, column].std() / math.sqrt(1000) / actual[:, column].var()
        assert (figures.high - figures.low) / (2 * stats.norm.ppf(0.95)) == pytest.approx(error, rel=0.1)
        assert figures.p_better == pytest.approx(1 / 2001)  # no resample contradicts, and none is never none at all
    assert found["mean_r2"].mean == pytest.approx((found["r2/PE"].mean + found["r2/V"].mean) / 2)


def test_the_bootstrap_has_its_level() -> None:
    """Of two equal models it calls one better about as often as it says."""
    rng = np.random.default_rng(2)
    called = 0
    for seed in range(REPETITIONS):
        actual = rng.normal(size=(100, 1))
        found = paired_bootstrap(
            actual, noisy(actual, 0.5, rng), noisy(actual, 0.5, rng), ComparedMetrics({"PE": "r2"}, Objective()), 99, seed
        )
        called += found["mean_r2"].p_better <= 0.1
    assert 0.04 * REPETITIONS <= called <= 0.16 * REPETITIONS


def test_the_bootstrap_compares_by_the_objective() -> None:
    rng = np.random.default_rng(4)
    actual = rng.normal(size=(60, 2))
    champion, challenger = noisy(actual, 0.5, rng), noisy(actual, 0.4, rng)
    found = paired_bootstrap(
        actual, champion, challenger, ComparedMetrics(SCORE_METRICS, Objective(maximize=["min_r2"])), 50, seed=1
    )
    worst = [min(r2_score(actual[:, h], it[:, h]) for h in range(2)) for it in (champion, challenger)]
    assert found["min_r2"].mean == pytest.approx(worst[1] - worst[0])
    assert list(
        paired_bootstrap(actual, champion, challenger, ComparedMetrics(SCORE_METRICS, Objective(maximize=["r2/V"])), 50, seed=1)
    ) == [
        "r2/V",
        "r2/PE",
    ]


def test_a_model_is_not_better_than_itself() -> None:
    actual = np.random.default_rng(5).normal(size=(30, 2))
    same = paired_bootstrap(actual, actual + 0.1, actual + 0.1, ComparedMetrics(SCORE_METRICS, Objective()), 50, seed=1)[
        "mean_r2"
    ]
    assert (same.mean, same.low, same.high, same.p, same.p_better) == (0.0, 0.0, 0.0, 1.0, 1.0)


def standing(name: str, r2: Floats, predictions: Floats | None = None) -> GateCandidate:
    """Lanes with `(lanes, heads)` R²."""
    return GateCandidate(
        name, LANES, {head: tuple(r2[:, h].tolist()) for h, head in enumerate(HEADS)}, predictions, score_metrics=SCORE_METRICS
    )


def judged(
    champion: GateCandidate | None, challenger: GateCandidate, actual: Floats | None = None, gate: Gate = GATE
) -> PromotionDecision:
    return decide_promotion(gate, Objective(), champion, challenger, actual, SHARE, seed=1)


Noise = Callable[[np.random.Generator], Floats]
"""What chance does to the lanes of one contestant, `(lanes, heads)`."""


def independent(rng: np.random.Generator) -> Floats:
    """Every lane by itself."""
    return 0.002 * rng.normal(size=(len(LANES), len(HEADS)))


def alike_within_a_fold(rng: np.random.Generator) -> Floats:
    """What a recipe makes of a fold's rows, nearly the same from each seed."""
    of_fold = 0.002 * rng.normal(size=(FOLDS, len(HEADS)))
    return np.repeat(of_fold, SEEDS, axis=0) + 0.0005 * rng.normal(size=(len(LANES), len(HEADS)))


def alike_across_folds(rng: np.random.Generator) -> Floats:
    """As well as what comes of the rows that all folds train on: a tenth of the variance."""
    return alike_within_a_fold(rng) + 0.002 / 3 * rng.normal(size=(1, len(HEADS)))


def lanes(noise: Noise, gain: tuple[float, float], of_folds: Floats, rng: np.random.Generator) -> Floats:
    """R² of one contestant: what the fold does to everybody, what it is worth, and chance."""
    found: Floats = np.array([0.92, 0.85]) + of_folds + np.array(gain) + noise(rng)
    return found


def contest(noise: Noise, gain: tuple[float, float], rng: np.random.Generator, actual: Floats | None) -> PromotionDecision:
    """One meeting of a champion and a challenger that is truly better by `gain` on each head."""
    of_folds = np.repeat(0.01 * rng.normal(size=(FOLDS, len(HEADS))), SEEDS, axis=0)
    met = None if actual is None else [noisy(actual, spread, rng) for spread in _spreads(gain)]
    champion = standing("version 3", lanes(noise, (0.0, 0.0), of_folds, rng), None if met is None else met[0])
    challenger = standing("challenger", lanes(noise, gain, of_folds, rng), None if met is None else met[1])
    return judged(champion, challenger, actual)


def _spreads(gain: tuple[float, float]) -> list[Floats]:
    """Errors of unit-variance targets that make the R² of the two."""
    return [np.sqrt(1 - np.array([0.92, 0.85]) - np.array(it)) for it in ((0.0, 0.0), gain)]


def crowned(noise: Noise, gain: tuple[float, float], seed: int, rows: int = 60) -> int:
    """How often the challenger takes the title."""
    rng = np.random.default_rng(seed)
    actual = rng.normal(size=(rows, len(HEADS)))
    return sum(contest(noise, gain, rng, actual).promote for _ in range(REPETITIONS))


@pytest.mark.parametrize("noise", [independent, alike_within_a_fold, alike_across_folds])
def test_equal_models_rarely_exchange_the_title(noise: Noise) -> None:
    assert crowned(noise, (0.0, 0.0), seed=11) <= 0.05 * REPETITIONS


@pytest.mark.parametrize("noise", [independent, alike_within_a_fold, alike_across_folds])
def test_a_clearly_better_model_takes_it(noise: Noise) -> None:
    assert crowned(noise, (0.006, 0.006), seed=12) >= 0.9 * REPETITIONS


@pytest.mark.parametrize("noise", [independent, alike_within_a_fold, alike_across_folds])
def test_who_is_better_at_one_head_and_worse_at_the_other_does_not(noise: Noise) -> None:
    assert crowned(noise, (0.03, -0.008), seed=13) <= 0.02 * REPETITIONS


def test_lanes_taken_for_resamples_would_exchange_it_too_often() -> None:
    """Why seeds are averaged: a plain test over all lanes is too sure, where a fold's lanes are alike."""
    rng = np.random.default_rng(14)
    plain = [
        stats.ttest_1samp((alike_within_a_fold(rng) - alike_within_a_fold(rng)).mean(axis=1), 0, alternative="greater").pvalue
        for _ in range(REPETITIONS)
    ]
    assert np.count_nonzero(np.array(plain) <= GATE.alpha) > 0.08 * REPETITIONS


def test_who_was_but_lucky_in_the_search_is_not_crowned() -> None:
    """The best of many searched scores lies far above the champion's; its confirmation lanes are ordinary."""
    rng = np.random.default_rng(15)
    above = titles = 0
    for _ in range(REPETITIONS):
        searched = 0.885 + 0.002 * rng.normal(size=300)
        above += searched.max() > 0.885 + 0.001 * rng.normal()
        titles += contest(independent, (0.0, 0.0), rng, None).promote
    assert above == REPETITIONS, "by its searched score it would always be crowned"
    assert titles <= 0.05 * REPETITIONS


STEADY = np.linspace(-0.0005, 0.0005, len(LANES))[:, np.newaxis]
BEFORE = np.array([0.92, 0.85]) + np.zeros((len(LANES), 1))


def test_the_reason_is_a_sentence_with_figures() -> None:
    better = judged(standing("version 3", BEFORE), standing("challenger", BEFORE + 0.004 + STEADY))
    assert better.promote
    assert better.because == (
        "mean validation R² 0.8890 against 0.8850 of version 3: +0.0040 [0.0035, 0.0045], p below 0.001; "
        "no head is worse by more than 0.002"
    )
    luck = judged(standing("version 3", BEFORE), standing("challenger", BEFORE + 0.0002 + STEADY))
    assert not luck.promote
    assert luck.because.endswith("p 0.222; not better beyond chance")
    paid = judged(standing("version 3", BEFORE), standing("challenger", BEFORE + STEADY + [0.02, -0.0061]))
    assert not paid.promote
    assert paid.because.endswith("; but V is worse by 0.0061, and 0.002 is allowed")
    within = judged(standing("version 3", BEFORE), standing("challenger", BEFORE + STEADY + [0.02, -0.0019]))
    assert within.promote


def test_the_test_rows_can_refuse_the_title_and_cannot_give_it() -> None:
    rng = np.random.default_rng(6)
    actual = rng.normal(size=(400, 2))
    good, bad = noisy(actual, 0.1, rng), noisy(actual, 0.4, rng)
    vetoed = judged(standing("version 3", BEFORE, good), standing("challenger", BEFORE + 0.004 + STEADY, bad), actual)
    assert not vetoed.promote
    assert "clearly worse on the test rows, mean_r2 by -0.1" in vetoed.because
    equal = judged(standing("version 3", BEFORE, bad), standing("challenger", BEFORE - STEADY, good), actual)
    assert not equal.promote
    assert equal.because.endswith("not better beyond chance")
    unmet = judged(standing("version 3", BEFORE, good), standing("challenger", BEFORE + 0.004 + STEADY), actual)
    assert unmet.promote


def test_the_evidence_says_everything_as_json() -> None:
    rng = np.random.default_rng(7)
    actual = rng.normal(size=(50, 2))
    verdict = judged(
        standing("version 3", BEFORE, noisy(actual, 0.3, rng)),
        standing("challenger", BEFORE + 0.004 + STEADY, noisy(actual, 0.3, rng)),
        actual,
    )
    told = json.loads(json.dumps(verdict.evidence, allow_nan=False))
    assert {key: told[key] for key in ("alpha", "margin", "bootstrap", "rule", "lanes", "folds", "rows")} == {
        "alpha": 0.05,
        "margin": 0.002,
        "bootstrap": 100,
        "rule": "mean_r2",
        "lanes": 10,
        "folds": 5,
        "rows": 50,
    }
    assert list(told["figures"]) == ["mean_r2", "r2/PE", "r2/V"]
    of_head = told["figures"]["r2/V"]
    assert of_head["champion"] == pytest.approx(0.85)
    assert of_head["challenger"] == pytest.approx(0.854)
    assert of_head["interval"][0] < of_head["difference"] < of_head["interval"][1]
    assert of_head["p"] <= of_head["p_adjusted"]
    assert of_head["test"]["p_worse"] <= of_head["test"]["p_worse_adjusted"]


def test_the_same_is_decided_again() -> None:
    rng = np.random.default_rng(8)
    actual = rng.normal(size=(50, 2))
    champion = standing("version 3", BEFORE + STEADY, noisy(actual, 0.3, rng))
    challenger = standing("challenger", BEFORE - STEADY, noisy(actual, 0.3, rng))
    assert judged(champion, challenger, actual) == judged(champion, challenger, actual)


def test_the_first_of_its_name_needs_no_evidence() -> None:
    verdict = judged(None, standing("challenger", BEFORE))
    assert verdict.promote
    assert verdict.because == "the first version, with a mean validation R² of 0.8850"
    assert verdict.evidence["figures"]["r2/PE"]["challenger"] == pytest.approx(0.92)


def test_who_diverged_on_a_fold_has_no_title() -> None:
    diverged = BEFORE.copy()
    diverged[3] = np.nan
    whole, broken = standing("version 3", BEFORE), standing("challenger", diverged)
    for champion in (None, whole, broken):
        assert not judged(champion, broken).promote
    assert judged(broken, whole).promote


def one_head(name: str, folds: tuple[int, ...], r2: float, head: str = "PE") -> GateCandidate:
    return GateCandidate(name, folds, {head: (r2, r2)}, score_metrics={head: "r2"})


def test_one_fold_cannot_crown() -> None:
    verdict = judged(one_head("version 3", (0, 0), 0.9), one_head("challenger", (0, 0), 0.99))
    assert not verdict.promote
    assert "one fold" in verdict.because


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="version 3: every head must have one score for each of the 3 lanes"):
        one_head("version 3", (0, 1, 2), 0.9)
    mine = one_head("it", (0, 1), 0.9)
    for folds, head in itertools.product([(1, 0), (0, 1)], ["PE", "V"]):
        other = one_head("version 3", folds, 0.9, head)
        if (folds, head) != ((0, 1), "PE"):
            with pytest.raises(ValueError, match="not measured on the same heads, folds and seeds"):
                judged(other, mine)
