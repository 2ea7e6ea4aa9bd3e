"""Five times two-fold cross-validation: the tests by which two contestants of a comparison differ.

All rows are divided into halves A and B, five times. Contestants are trained on A and tested on B and vice versa, which makes
ten differences of each score (Dietterich 1998). Two contestants differ significantly where two tests agree:

1. the combined F test (Alpaydin 1999), corrected for all tests of its family (Holm 1979);
2. the confidence interval of the corrected resampled t (Nadeau and Bengio 2003), which must not contain 0.

The halves of a repetition exchange roles, and repetitions share rows, so the ten differences are not independent, and a plain
t-test would reject too often. The F test uses the variance within each repetition, the interval a wider standard error.
A difference that is not significant is not evidence of equality: the interval says how large it may still be. Equal within a
margin is what two one-sided tests on the statistic of that interval say (Schuirmann 1987), with the same correction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.config.comparison import EQUIVALENCE_MARGIN, N_REPETITIONS
from branchsweep.metrics.collapse import collapsed_positions
from branchsweep.metrics.comparison_result import ContestantResult, PairwiseDifference
from branchsweep.metrics.significance import SignificanceSettings, corrected_t, equivalence_p, holm, standardized
from branchsweep.types import Floats

HALVES_SHAPE = (N_REPETITIONS, 2)
"""The shape of the differences of one score: repetitions x halves that were tested on."""

TEST_SHARE = 0.5
"""The share of the rows that a contestant is tested on; it is trained on the others."""


def combined_f(differences: Floats) -> tuple[float, float]:
    """The combined 5x2cv F test (Alpaydin 1999).

    With p_ij the difference in half j of repetition i, and s_i² = (p_i1 - p_i2)² / 2 the variance of a repetition,

        f = Σ_ij p_ij² / (2 Σ_i s_i²)

    which approximately follows the F distribution with 10 and 5 degrees of freedom under the null hypothesis ("Combined
    5 x 2 cv F Test for Comparing Supervised Classification Learning Algorithms", Neural Computation 11).

    Args:
        differences: `(5, 2)`, finite.

    Returns:
        The statistic and its p-value. 0 and 1 if all differences are 0; infinity and 0 if both halves of every repetition have
        the same difference.

    Raises:
        ValueError: The differences have another shape.
    """
    if differences.shape != HALVES_SHAPE:
        raise ValueError(f"got differences of shape {differences.shape}, expected {HALVES_SHAPE}")
    squares = float(np.square(differences).sum())
    if squares == 0.0:
        return 0.0, 1.0
    variances = float(np.square(differences[:, 0] - differences[:, 1]).sum()) / 2
    f = squares / (2 * variances) if variances > 0.0 else math.inf
    from scipy.stats import f as f_distribution  # noqa: PLC0415  # takes half a second, and a sweep needs none

    return f, float(f_distribution.sf(f, 2 * N_REPETITIONS, N_REPETITIONS))


def differences_to_reference(
    contestants: Sequence[ContestantResult],
    reference: str,
    alpha: float,
    margin: float = EQUIVALENCE_MARGIN,
    tested: Sequence[PairwiseDifference] = (),
) -> tuple[PairwiseDifference, ...]:
    """Compare every contestant with the reference, head by head; contestants that failed are left out.

    Args:
        contestants: The contestants, the reference among them.
        reference: The name of the contestant that all others are compared with.
        alpha: Level of the tests, over all heads and contestants together; intervals are at 1 - alpha.
        margin: What still counts as equal.
        tested: Differences of another family of tests (the gain by sharing). A pair among them is not tested again: it has one
            adjusted p-value, and does not count in this family.

    Returns:
        In the order of the contestants, and of the reference's scores. Empty if the reference failed.

    Raises:
        ValueError: No contestant is the reference, or one has not ten scores of each head.
    """
    found = next((contestant for contestant in contestants if contestant.name == reference), None)
    if found is None:
        names = ", ".join(contestant.name for contestant in contestants)
        raise ValueError(f"got the reference '{reference}', expected one of {names}")
    known = [either for pair in tested for either in (pair, pair.reversed) if either.reference == reference]
    others = [contestant for contestant in contestants if contestant is not found]
    untested = [contestant for contestant in others if contestant.name not in {pair.contestant for pair in known}]
    compared = [*known, *_compare(untested, found, alpha, margin)]
    return tuple(difference for contestant in others for difference in compared if difference.contestant == contestant.name)


def pairwise_differences(
    contestant: ContestantResult, reference: ContestantResult, alpha: float, margin: float = EQUIVALENCE_MARGIN
) -> tuple[PairwiseDifference, ...]:
    """Compare one contestant with another, head by head, corrected for the number of heads alone.

    Args:
        contestant: The contestant whose gain is measured (the one with shared layers).
        reference: The contestant that it is compared with (the one without).
        alpha: Level of the tests, over all heads together; intervals are at 1 - alpha.
        margin: What still counts as equal.

    Returns:
        In the order of the reference's scores. Empty if one of the two failed.

    Raises:
        ValueError: One has not ten scores of each head.
    """
    return _compare([contestant], reference, alpha, margin)


def _compare(
    contestants: Sequence[ContestantResult], reference: ContestantResult, alpha: float, margin: float
) -> tuple[PairwiseDifference, ...]:
    if reference.failure:
        return ()
    differences = {
        (contestant.name, head): _score_differences(contestant, reference, head)
        for contestant in contestants
        if not contestant.failure
        for head in reference.scores
    }
    tests = {key: combined_f(values) for key, values in differences.items()}
    adjusted = holm({key: p for key, (_, p) in tests.items()})
    equivalent = holm({key: equivalence_p(values.ravel(), TEST_SHARE, margin) for key, values in differences.items()})
    by_name = {contestant.name: contestant for contestant in (reference, *contestants)}
    compared = []
    for (name, head), values in differences.items():
        f, p = tests[name, head]
        p_adjusted = adjusted[name, head]
        difference = corrected_t(values.ravel(), TEST_SHARE, SignificanceSettings(confidence=1 - alpha))
        compared.append(
            PairwiseDifference(
                head=head,
                contestant=name,
                reference=reference.name,
                difference=difference.mean,
                low=difference.low,
                high=difference.high,
                f=f,
                p=p,
                p_adjusted=p_adjusted,
                p_t=difference.p,
                effect=standardized(difference.mean, float(np.std(values, ddof=1))),
                is_significant=p_adjusted <= alpha and not difference.low <= 0.0 <= difference.high,
                p_equivalence=equivalent[name, head],
                is_equivalent=equivalent[name, head] <= alpha,
                collapsed=_collapsed_halves((by_name[name], reference), head),
            )
        )
    return tuple(compared)


def _collapsed_halves(pair: Sequence[ContestantResult], head: str) -> Mapping[str, tuple[int, ...]]:
    """By contestant, the halves (from 1) in which it collapsed; without those that did in none."""
    found = {}
    for contestant in pair:
        halves = collapsed_positions(contestant.scores[head])
        if halves:
            found[contestant.name] = tuple(half + 1 for half in halves)
    return found


def _score_differences(contestant: ContestantResult, reference: ContestantResult, head: str) -> Floats:
    """The contestant's scores minus the reference's, `(5, 2)`."""
    pair = (contestant, reference)
    values = [np.array(either.scores.get(head, ()), dtype=np.float64) for either in pair]
    for either, halves in zip(pair, values, strict=True):
        if len(halves) != math.prod(HALVES_SHAPE):
            raise ValueError(f"{either.name}: got {len(halves)} values of {head}, expected {math.prod(HALVES_SHAPE)}")
    difference: Floats = (values[0] - values[1]).reshape(HALVES_SHAPE)
    return difference
