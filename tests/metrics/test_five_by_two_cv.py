"""5x2 cross-validation: the F test against mlxtend, its error rates, and the sentences of the conclusions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mlxtend.evaluate import combined_ftest_5x2cv
from scipy import stats
from sklearn.linear_model import Lasso, LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from branchsweep.config.comparison import EQUIVALENCE_MARGIN
from branchsweep.metrics.comparison_conclusions import conclusions, transfer_sentences
from branchsweep.metrics.comparison_result import ContestantCost, ContestantResult, PairwiseDifference
from branchsweep.metrics.five_by_two_cv import combined_f, differences_to_reference, pairwise_differences
from branchsweep.metrics.significance import SignificanceSettings, corrected_t, equivalence_p
from branchsweep.types import Floats
from contracts.comparison_results import example_comparison

ALPHA = 0.05
REPETITIONS = 2000
COST = ContestantCost(None, 1.0, 0.0, 0.1, 100.0)


def contestant(name: str, r2: Mapping[str, Floats | tuple[float, ...]], failed: str = "") -> ContestantResult:
    """A contestant, its mean made from its heads."""
    by_head = {head: tuple(np.asarray(values).tolist()) for head, values in r2.items()}
    mean = {"mean": tuple(np.mean(list(by_head.values()), axis=0).tolist())} if by_head else {}
    return ContestantResult(name, "", {**by_head, **mean}, {}, COST, failure=failed)


def scattered(seed: int, centre: float = 0.9, spread: float = 0.01) -> Floats:
    return centre + spread * np.random.default_rng(seed).normal(size=10)


# --- the F test ---


@pytest.mark.parametrize("random_seed", [1, 2, 3])
def test_the_combined_f_test_equals_that_of_mlxtend(random_seed: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = x @ [1.0, 0.5, 0.2, 0.0] + 0.5 * rng.normal(size=80)
    linear, lasso = LinearRegression(), Lasso(alpha=0.1)
    expected = combined_ftest_5x2cv(linear, lasso, x, y, random_seed=random_seed)

    def difference(x_train: Floats, x_test: Floats, y_train: Floats, y_test: Floats) -> float:
        return float(np.subtract(*(r2_score(y_test, model.fit(x_train, y_train).predict(x_test)) for model in (linear, lasso))))

    draws, differences = np.random.RandomState(random_seed), []
    for _ in range(5):
        x_a, x_b, y_a, y_b = train_test_split(x, y, test_size=0.5, random_state=draws.randint(low=0, high=32767))
        differences.append([difference(x_a, x_b, y_a, y_b), difference(x_b, x_a, y_b, y_a)])
    assert combined_f(np.array(differences)) == pytest.approx(expected, rel=0, abs=1e-10)


def test_the_combined_f_test_by_hand() -> None:
    differences = np.array([[0.03, 0.01], [0.02, 0.02], [0.01, -0.01], [0.0, 0.02], [0.02, 0.0]])
    f, p = combined_f(differences)
    assert f == pytest.approx((9 + 1 + 4 + 4 + 1 + 1 + 4 + 4) / (2 * (2 + 0 + 2 + 2 + 2)))
    assert p == pytest.approx(1 - stats.f.cdf(f, 10, 5))


@pytest.mark.parametrize(("difference", "expected"), [(0.0, (0.0, 1.0)), (0.1, (math.inf, 0.0)), (-0.1, (math.inf, 0.0))])
def test_differences_without_variance_are_certain(difference: float, expected: tuple[float, float]) -> None:
    assert combined_f(np.full((5, 2), difference)) == expected


def test_the_f_test_has_the_error_rate_of_theory() -> None:
    """Of independent differences 2f - 1 is the ratio of the pairs' means squared to their variances: F with 5 and 5 degrees."""
    rng = np.random.default_rng(7)
    errors = np.mean([combined_f(rng.normal(size=(5, 2)))[1] <= ALPHA for _ in range(REPETITIONS)])
    expected = float(stats.f.sf(2 * stats.f.ppf(1 - ALPHA, 10, 5) - 1, 5, 5))
    assert errors == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / REPETITIONS))
    assert expected < ALPHA


def test_differences_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 5\).*\(5, 2\)"):
        combined_f(np.zeros((2, 5)))


# --- pairwise differences ---


def test_a_pairwise_difference_has_the_values_of_each_test() -> None:
    first, second = contestant("first", {"PE": scattered(1, 0.93)}), contestant("second", {"PE": scattered(2)})
    found = pairwise_differences(first, second, ALPHA)
    assert [difference.head for difference in found] == ["PE", "mean"]
    differences = np.array(first.scores["PE"]) - np.array(second.scores["PE"])
    expected = corrected_t(differences, 0.5, SignificanceSettings(confidence=0.95))
    pe = found[0]
    assert (pe.contestant, pe.reference) == ("first", "second")
    assert (pe.difference, pe.low, pe.high, pe.p_t) == (expected.mean, expected.low, expected.high, expected.p)
    assert (pe.f, pe.p) == combined_f(differences.reshape(5, 2))
    assert pe.effect == pytest.approx(differences.mean() / differences.std(ddof=1))


def test_consecutive_halves_are_a_repetition() -> None:
    """Where both halves of a repetition agree, the F test finds no variance at all; in another order it would."""
    steps = np.repeat([0.01, 0.02, 0.03, 0.04, 0.05], 2)
    found = pairwise_differences(contestant("first", {"PE": steps}), contestant("second", {"PE": np.zeros(10)}), ALPHA)
    assert [(difference.f, difference.p) for difference in found] == [(math.inf, 0.0)] * 2


def test_differences_to_the_reference_are_corrected_together() -> None:
    contestants = [contestant(name, {"PE": scattered(seed), "V": scattered(seed + 10)}) for seed, name in enumerate("abcd")]
    contestants[2] = contestant("c", {}, failed="diverged")
    found = differences_to_reference(contestants, "b", ALPHA)
    assert [(difference.contestant, difference.head) for difference in found] == [
        (name, head) for name in "ad" for head in ("PE", "V", "mean")
    ]
    assert {difference.reference for difference in found} == {"b"}
    in_order = sorted(found, key=lambda difference: difference.p)
    assert in_order[0].p_adjusted == pytest.approx(min(1.0, 6 * in_order[0].p))
    assert in_order[1].p_adjusted == pytest.approx(max(in_order[0].p_adjusted, min(1.0, 5 * in_order[1].p)))
    alone = pairwise_differences(contestants[0], contestants[1], ALPHA)
    assert min(difference.p_adjusted for difference in alone) == pytest.approx(
        min(1.0, 3 * min(difference.p for difference in alone))
    )


def test_a_contestant_equal_to_the_reference_does_not_differ() -> None:
    for found in differences_to_reference([contestant(name, {"PE": scattered(1)}) for name in "ab"], "a", ALPHA):
        assert (found.difference, found.low, found.high, found.f, found.p, found.p_t, found.effect) == (0, 0, 0, 0, 1, 1, 0)
        assert (found.is_significant, found.is_equivalent) == (False, True)


# --- equality ---


@pytest.mark.parametrize("shift", [0.0, 0.002, 0.004, 0.006])
def test_two_are_equal_where_the_interval_at_twice_alpha_lies_within_the_margin(shift: float) -> None:
    other = scattered(1)
    first, second = contestant("first", {"PE": other + shift + scattered(2, 0.0, 0.0008)}), contestant("second", {"PE": other})
    margin = 0.005
    pair = pairwise_differences(first, second, ALPHA, margin)[0]
    differences = np.subtract(first.scores["PE"], second.scores["PE"])
    p = equivalence_p(differences, 0.5, margin)
    interval = corrected_t(differences, 0.5, SignificanceSettings(confidence=1 - 2 * ALPHA))
    assert (p <= ALPHA) == (-margin < interval.low and interval.high < margin)
    assert pair.p_equivalence == pytest.approx(min(1.0, 2 * p))  # the head, and the mean, which is the same
    assert pair.is_equivalent == (2 * p <= ALPHA)


def test_equal_contestants_are_undecided_where_the_halves_scatter() -> None:
    first, second = contestant("first", {"PE": scattered(1)}), contestant("second", {"PE": scattered(2)})
    assert pairwise_differences(first, second, ALPHA)[0].verdict == "undecided"
    assert pairwise_differences(first, first, ALPHA)[0].verdict == "equal"
    better = contestant("better", {"PE": scattered(1) + 0.1})
    assert [pairwise_differences(*pair, ALPHA)[0].verdict for pair in ((better, first), (first, better))] == ["gains", "loses"]


def test_contestants_at_the_margin_are_rarely_called_equal() -> None:
    rng = np.random.default_rng(3)
    errors = np.mean([equivalence_p(rng.normal(0.005, 0.002, 10), 0.0, 0.005) <= ALPHA for _ in range(REPETITIONS)])
    assert errors == pytest.approx(ALPHA, abs=3 * math.sqrt(ALPHA * (1 - ALPHA) / REPETITIONS))


def test_a_pair_of_another_family_is_not_tested_again() -> None:
    contestants = [contestant(name, {"PE": scattered(seed)}) for seed, name in enumerate("abc")]
    for tested in (
        pairwise_differences(contestants[0], contestants[1], ALPHA),
        pairwise_differences(contestants[1], contestants[0], ALPHA),
    ):
        found = differences_to_reference(contestants, "b", ALPHA, tested=tested)
        alone = differences_to_reference(contestants[1:], "b", ALPHA)
        expected = tested if tested[0].contestant == "a" else tuple(pair.reversed for pair in tested)
        assert found == (*expected, *alone)
        assert tested[0].reversed.reversed == tested[0]


def test_a_half_that_collapsed_is_part_of_the_difference() -> None:
    fallen = scattered(1)
    fallen[3] = -1.9
    pair = pairwise_differences(contestant("well", {"V": scattered(2)}), contestant("fallen", {"V": fallen}), ALPHA)
    assert [difference.collapsed for difference in pair] == [{"fallen": (4,)}] * 2
    assert pair[0].verdict == "undecided"


def test_a_failed_contestant_has_no_differences() -> None:
    well, failed = contestant("well", {"PE": scattered(1)}), contestant("failed", {}, failed="diverged")
    assert (
        differences_to_reference([well, failed], "well", ALPHA)
        == differences_to_reference([well, failed], "failed", ALPHA)
        == ()
    )
    assert pairwise_differences(well, failed, ALPHA) == pairwise_differences(failed, well, ALPHA) == ()


def test_an_unknown_reference_and_a_wrong_number_of_scores_are_refused() -> None:
    well = contestant("well", {"PE": scattered(1)})
    with pytest.raises(ValueError, match=r"'wel'.*\bwell\b"):
        differences_to_reference([well], "wel", ALPHA)
    with pytest.raises(ValueError, match=r"\bshort\b.*\b9\b.*\bPE\b.*\b10\b"):
        pairwise_differences(contestant("short", {"PE": scattered(1)[:9]}), well, ALPHA)


def significant_heads(rng: np.random.Generator, gain: float) -> list[str]:
    """The heads with a significant difference between two contestants with effects of the halves and noise of deviation 1.

    Args:
        rng: Draws them.
        gain: Of the one over the other, in every half.
    """
    by_half = rng.normal(scale=5.0, size=(2, 10))
    first, second = (by_half + rng.normal(size=(2, 10)) + shift for shift in (gain, 0.0))
    pair = [contestant(name, {"PE": values[0], "V": values[1]}) for name, values in (("first", first), ("second", second))]
    return [difference.head for difference in differences_to_reference(pair, "second", ALPHA) if difference.is_significant]


@pytest.mark.slow
def test_equal_contestants_rarely_differ_significantly() -> None:
    rng = np.random.default_rng(5)
    errors = sum(bool(significant_heads(rng, 0.0)) for _ in range(REPETITIONS))
    assert errors / REPETITIONS <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / REPETITIONS)


def test_a_large_difference_is_significant() -> None:
    rng = np.random.default_rng(6)
    assert sum(significant_heads(rng, 8.0) == ["PE", "V", "mean"] for _ in range(100)) >= 95


# --- sentences ---


def difference(
    head: str,
    value: float,
    margin: float = 0.002,
    name: str = "shared",
    *,
    is_significant: bool = True,
    is_equivalent: bool = False,
    **changed: Any,
) -> PairwiseDifference:
    low, high = value - margin, value + margin
    verdict = {"is_significant": is_significant, "is_equivalent": is_equivalent, **changed}
    return PairwiseDifference(head, name, "single", value, low, high, 9.0, 0.01, 0.03, 0.01, 1.5, **verdict)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([("V", 0.012)], "V gains 0.0120 [0.0100, 0.0140] from sharing."),
        ([("V", -0.005)], "V loses 0.0050 [0.0030, 0.0070] by sharing."),
        ([("V", 0.001)], "Whether V (+0.0010 [-0.0010, 0.0030]) gains or loses by sharing is undecided."),
        ([("V", 0.0)], "V (+0.0000 [-0.0020, 0.0020]) is equal within 0.005 with and without sharing."),
        (
            [("PE", 0.0), ("V", 0.012)],
            "V gains 0.0120 [0.0100, 0.0140] from sharing; PE (+0.0000 [-0.0020, 0.0020]) is equal within 0.005.",
        ),
        (
            [("PE", 0.006), ("V", 0.012)],
            "PE gains 0.0060 [0.0040, 0.0080] and V 0.0120 [0.0100, 0.0140] from sharing.",
        ),
        (
            [("PE", -0.001), ("V", 0.0)],
            (
                "V (+0.0000 [-0.0020, 0.0020]) is equal within 0.005 with and without sharing; "
                "PE (-0.0010 [-0.0030, 0.0010]) is undecided."
            ),
        ),
        (
            [("PE", -0.001), ("V", 0.0015)],
            "Whether PE (-0.0010 [-0.0030, 0.0010]) and V (+0.0015 [-0.0005, 0.0035]) gain or lose by sharing is undecided.",
        ),
        (
            [("A", -0.005), ("B", 0.0), ("C", 0.012), ("D", -0.006), ("E", 0.001), ("F", 0.003), ("G", 0.004)],
            (
                "C gains 0.0120 [0.0100, 0.0140], F 0.0030 [0.0010, 0.0050] and G 0.0040 [0.0020, 0.0060] from sharing; "
                "A loses 0.0050 [0.0030, 0.0070] and D 0.0060 [0.0040, 0.0080]; "
                "B (+0.0000 [-0.0020, 0.0020]) is equal within 0.005; E (+0.0010 [-0.0010, 0.0030]) is undecided."
            ),
        ),
    ],
)
def test_gains_and_losses_by_sharing_are_one_sentence(found: list[tuple[str, float]], sentence: str) -> None:
    differences = [
        difference(head, value, is_significant=abs(value) > 0.002, is_equivalent=value == 0.0) for head, value in found
    ]
    assert transfer_sentences([*differences, difference("mean", 0.1)], [head for head, _ in found]) == (sentence,)


def test_a_half_that_collapsed_is_named_beside_the_verdict() -> None:
    collapsed = difference("V", 0.3, is_significant=False, collapsed={"single": (3, 7)})
    assert transfer_sentences([collapsed], ["V"])[1:] == (
        "This counts collapses: single for V in half 3 and half 7; see the medians.",
    )


def test_there_is_no_sentence_without_a_pair() -> None:
    assert transfer_sentences((), ["PE", "V"]) == ()


def with_mean(name: str, mean: float) -> ContestantResult:
    return contestant(name, {"PE": np.full(10, mean)})


def concluded(
    contestants: Sequence[ContestantResult],
    differences: Sequence[PairwiseDifference] = (),
    transfer: Sequence[PairwiseDifference] = (),
) -> tuple[str, ...]:
    """The conclusions of a comparison with the contestant `single`."""
    compared = example_comparison(
        contestants=tuple(contestants),
        differences=tuple(differences),
        transfer=tuple(transfer),
        score_metrics={"PE": "r2"},
        reference="single",
        equivalence_margin=EQUIVALENCE_MARGIN,
    )
    return conclusions(compared)


CONTESTANTS = [with_mean("single", 0.93), with_mean("shared", 0.92), with_mean("forest", 0.91)]


@pytest.mark.parametrize(
    ("significant", "sentence"),
    [
        ("", "Against it shared (-0.0100 [-0.0120, -0.0080]) and forest (-0.0200 [-0.0220, -0.0180]) are undecided."),
        ("shared forest", "Against it shared (-0.0100 [-0.0120, -0.0080]) and forest (-0.0200 [-0.0220, -0.0180]) lose."),
        ("forest", "Against it shared (-0.0100 [-0.0120, -0.0080]) is undecided; forest loses."),
    ],
)
def test_a_sentence_names_whom_the_best_does_not_differ_from_if_it_is_the_reference(significant: str, sentence: str) -> None:
    against = [
        difference("mean", value, name=name, is_significant=name in significant)
        for name, value in (("shared", -0.01), ("forest", -0.02))
    ]
    transfer = [difference("PE", 0.012)]
    assert concluded(CONTESTANTS, against, transfer) == (
        "PE gains 0.0120 [0.0100, 0.0140] from sharing.",
        "single has the highest mean R², 0.9300.",
        sentence,
    )


@pytest.mark.parametrize(
    ("is_significant", "is_equivalent", "predicate"),
    [
        (True, False, "is significantly better than"),
        (False, False, "is not shown to be better or worse than"),
        (False, True, "is equal within 0.005 to"),
    ],
)
def test_a_sentence_says_that_the_best_was_compared_with_the_reference_only(
    is_significant: bool, is_equivalent: bool, predicate: str
) -> None:
    against = [
        difference("mean", 0.01, name="shared", is_significant=is_significant, is_equivalent=is_equivalent),
        difference("mean", -0.01, name="forest"),
    ]
    best = replace(CONTESTANTS[1], scores=with_mean("", 0.94).scores)
    contestants = [CONTESTANTS[0], best, CONTESTANTS[2]]
    highest = "shared has the highest mean R², 0.9400."
    only = ", the only one it was compared with"
    assert concluded(contestants, against) == (
        highest,
        f"It {predicate} single{only} (+0.0100 [0.0080, 0.0120]).",
    )
    assert concluded(contestants[:2], against[:1]) == (
        highest,
        f"It {predicate} single (+0.0100 [0.0080, 0.0120]).",
    )


def test_conclusions_ignore_failed_contestants() -> None:
    failed = contestant("single", {}, failed="diverged")
    (sentence,) = concluded([failed, CONTESTANTS[1]])
    assert "shared" in sentence and "0.9200" in sentence and "single" not in sentence
    assert concluded([failed]) == ()
