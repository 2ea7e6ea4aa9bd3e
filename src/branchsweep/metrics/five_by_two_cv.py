"""Five times two-fold cross-validation: in which figures two contestants differ, and what that comes to in words.

All rows are divided into halves A and B, five times. Who has learnt from A is tested on B, and the reverse, which makes ten
differences of each figure (Dietterich 1998). Two contestants differ significantly in a figure where two tests say so:

1. the combined F test (Alpaydin 1999), corrected for the number of figures and contestants (Holm 1979);
2. the interval of the corrected resampled t (Nadeau and Bengio 2003), which leaves out 0.

Half A serves ten times for learning and for testing in turn, so the ten differences are no independent experiments, and a plain
t-test would be too sure of itself. The F test heeds that by the pairs' own variance, the interval by a wider standard error.
What is not significant is not proven equal: the interval says by how much the two may still differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from branchsweep.config.comparison import N_REPETITIONS
from branchsweep.metrics.comparison_result import ContestantResult, PairwiseDifference
from branchsweep.metrics.significance import corrected_t, holm, standardized
from branchsweep.types import Floats

HALVES_SHAPE = (N_REPETITIONS, 2)
"""The shape of a figure's differences: a row for each repetition, the half that was tested on in the columns."""

TEST_SHARE = 0.5
"""Of the rows, the part that a contestant is tested on; it learns from as many."""


def combined_f(differences: Floats) -> tuple[float, float]:
    """The combined 5x2cv F test (Alpaydin 1999).

    With p_ij the difference in half j of repetition i, and s_i² = (p_i1 - p_i2)² / 2 the variance of a repetition,

        f = Σ_ij p_ij² / (2 Σ_i s_i²)

    which follows the F distribution with 10 and 5 degrees of freedom, approximately, where there is no difference ("Combined
    5 x 2 cv F Test for Comparing Supervised Classification Learning Algorithms", Neural Computation 11).

    Args:
        differences: `(5, 2)`, finite.

    Returns:
        f and its p-value. Where nothing differs at all, 0 and 1; where the halves of each repetition agree to the last bit on a
        difference, infinity and 0.

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
    return f, float(stats.f.sf(f, 2 * N_REPETITIONS, N_REPETITIONS))


def differences_to_reference(
    measured: Sequence[ContestantResult], reference: str, alpha: float
) -> tuple[PairwiseDifference, ...]:
    """Every contestant against the reference, in every figure; without those that have failed.

    Args:
        measured: The contestants, the reference among them.
        reference: The name of the one that all others are compared with.
        alpha: Level of the tests, over all figures and contestants together; intervals are at 1 - alpha.

    Returns:
        In the order of the contestants, and of the reference's figures. Nothing if the reference has failed.

    Raises:
        ValueError: No contestant is the reference, or one has not ten of each figure.
    """
    other = next((one for one in measured if one.name == reference), None)
    if other is None:
        raise ValueError(f"got the reference '{reference}', expected one of {', '.join(one.name for one in measured)}")
    return _compared([one for one in measured if one is not other], other, alpha)


def pairwise_differences(one: ContestantResult, other: ContestantResult, alpha: float) -> tuple[PairwiseDifference, ...]:
    """One contestant against another, in every figure, corrected for the number of figures only.

    Args:
        one: Whose gain it is (the one that shares).
        other: With whom it is compared (the one that does not).
        alpha: Level of the tests, over all figures together; intervals are at 1 - alpha.

    Returns:
        In the order of the other's figures. Nothing if one of the two has failed.

    Raises:
        ValueError: One has not ten of each figure.
    """
    return _compared([one], other, alpha)


def _compared(contestants: Sequence[ContestantResult], other: ContestantResult, alpha: float) -> tuple[PairwiseDifference, ...]:
    if other.failed:
        return ()
    differences = {
        (one.name, figure): _differences(one, other, figure) for one in contestants if not one.failed for figure in other.scores
    }
    tests = {key: combined_f(values) for key, values in differences.items()}
    adjusted = holm({key: p for key, (_, p) in tests.items()})
    found = []
    for (name, figure), values in differences.items():
        f, p = tests[name, figure]
        p_adjusted = adjusted[name, figure]
        difference = corrected_t(values.ravel(), TEST_SHARE, confidence=1 - alpha)
        found.append(
            PairwiseDifference(
                figure=figure,
                one=name,
                other=other.name,
                difference=difference.mean,
                low=difference.low,
                high=difference.high,
                f=f,
                p=p,
                p_adjusted=p_adjusted,
                p_t=difference.p,
                effect=standardized(difference.mean, float(np.std(values, ddof=1))),
                is_significant=p_adjusted <= alpha and not difference.low <= 0.0 <= difference.high,
            )
        )
    return tuple(found)


def _differences(one: ContestantResult, other: ContestantResult, figure: str) -> Floats:
    """The score of the one less that of the other, `(5, 2)`."""
    values = [np.array(contestant.scores.get(figure, ()), dtype=np.float64) for contestant in (one, other)]
    for contestant, halves in zip((one, other), values, strict=True):
        if len(halves) != math.prod(HALVES_SHAPE):
            raise ValueError(f"{contestant.name}: got {len(halves)} values of {figure}, expected {math.prod(HALVES_SHAPE)}")
    difference: Floats = (values[0] - values[1]).reshape(HALVES_SHAPE)
    return difference
