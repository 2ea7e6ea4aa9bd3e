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

from branchsweep.comparison import REPETITIONS
from branchsweep.evidence import corrected_t, holm, standardized
from branchsweep.findings import MEAN, Contrast, Measured
from branchsweep.population import Floats

HALVES = (REPETITIONS, 2)
"""The shape of a figure's differences: a row for each repetition, the half that was tested on in the columns."""

HALF = 0.5
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
    if differences.shape != HALVES:
        raise ValueError(f"got differences of shape {differences.shape}, expected {HALVES}")
    squares = float(np.square(differences).sum())
    if squares == 0.0:
        return 0.0, 1.0
    variances = float(np.square(differences[:, 0] - differences[:, 1]).sum()) / 2
    f = squares / (2 * variances) if variances > 0.0 else math.inf
    return f, float(stats.f.sf(f, 2 * REPETITIONS, REPETITIONS))


def contrasts(measured: Sequence[Measured], reference: str, alpha: float) -> tuple[Contrast, ...]:
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


def contrast(one: Measured, other: Measured, alpha: float) -> tuple[Contrast, ...]:
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


def _compared(contestants: Sequence[Measured], other: Measured, alpha: float) -> tuple[Contrast, ...]:
    if other.failed:
        return ()
    differences = {
        (one.name, figure): _differences(one, other, figure) for one in contestants if not one.failed for figure in other.r2
    }
    tests = {key: combined_f(values) for key, values in differences.items()}
    adjusted = holm({key: p for key, (_, p) in tests.items()})
    found = []
    for (name, figure), values in differences.items():
        f, p = tests[name, figure]
        p_adjusted = adjusted[name, figure]
        difference = corrected_t(values.ravel(), HALF, confidence=1 - alpha)
        found.append(
            Contrast(
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


def _differences(one: Measured, other: Measured, figure: str) -> Floats:
    """R² of the one less that of the other, `(5, 2)`."""
    values = [np.array(contestant.r2.get(figure, ()), dtype=np.float64) for contestant in (one, other)]
    for contestant, halves in zip((one, other), values, strict=True):
        if len(halves) != math.prod(HALVES):
            raise ValueError(f"{contestant.name}: got {len(halves)} values of {figure}, expected {math.prod(HALVES)}")
    difference: Floats = (values[0] - values[1]).reshape(HALVES)
    return difference


# --- in words ---


def transfer_sentences(contrasts: Sequence[Contrast], heads: Sequence[str]) -> tuple[str, ...]:
    """Which heads gain from sharing, which lose, and which do neither significantly: one sentence.

    Args:
        contrasts: The contestant that shares against the one that does not.
        heads: The heads, in order.

    Returns:
        Nothing if no head was compared.
    """
    of_heads = {contrast.figure: contrast for contrast in contrasts}
    told = [of_heads[head] for head in heads if head in of_heads]
    gaining = [contrast for contrast in told if contrast.is_significant and contrast.difference > 0]
    losing = [contrast for contrast in told if contrast.is_significant and contrast.difference < 0]
    neither = [contrast for contrast in told if contrast not in gaining + losing]
    clauses: list[str] = []
    if gaining:
        amounts = [f"{gain.difference:.4f} [{gain.low:.4f}, {gain.high:.4f}]" for gain in gaining]
        clauses.append(f"{_amounts('gains', gaining, amounts)} from sharing")
    if losing:
        amounts = [f"{-loss.difference:.4f} [{-loss.high:.4f}, {-loss.low:.4f}]" for loss in losing]
        clauses.append(_amounts("loses", losing, amounts) + ("" if clauses else " by sharing"))
    if neither:
        by_what = "" if clauses else " from sharing"
        if len(neither) == 1:
            clauses.append(f"{neither[0].figure} neither gains nor loses{by_what} ({_signed(neither[0])})")
        else:
            listed = _listed([f"{contrast.figure} ({_signed(contrast)})" for contrast in neither])
            clauses.append(f"{listed} neither gain nor lose{by_what}")
    return (f"{'; '.join(clauses)}.",) if clauses else ()


def _amounts(verb: str, contrasts: Sequence[Contrast], amounts: Sequence[str]) -> str:
    """`V gains 0.0120 [0.0080, 0.0160] and PE 0.0031 [0.0011, 0.0051]`: the verb stands once."""
    verbs = [f" {verb}"] + [""] * (len(contrasts) - 1)
    return _listed([f"{each.figure}{verb} {amount}" for each, verb, amount in zip(contrasts, verbs, amounts, strict=True)])


def answer(
    measured: Sequence[Measured],
    contrasts: Sequence[Contrast],
    transfer: Sequence[Contrast],
    heads: Sequence[str],
    reference: str,
) -> tuple[str, ...]:
    """What a comparison comes to, as sentences, the most important first.

    First what heads gain by sharing; then who has the highest mean R²; then from whom it does not differ significantly, as far
    as that was tested: the reference from all others, all others from the reference only.

    Args:
        measured: The contestants in order.
        contrasts: Every contestant against the reference.
        transfer: The contestant that shares against the one that does not; may be empty.
        heads: The heads, in order.
        reference: The name of the one that all others are compared with.
    """
    means = {one.name: float(np.mean(one.r2[MEAN])) for one in measured if not one.failed}
    sentences = list(transfer_sentences(transfer, heads))
    if not means:
        return tuple(sentences)
    best = max(means, key=lambda name: means[name])
    sentences.append(f"{best} has the highest mean R², {means[best]:.4f}.")
    in_mean = {contrast.one: contrast for contrast in contrasts if contrast.figure == MEAN}
    if best == reference and in_mean:
        sentences.append(_reference_is_best(list(in_mean.values())))
    elif best in in_mean:
        differs = "differs significantly" if in_mean[best].is_significant else "does not differ significantly"
        only = ", the only one it was compared with" if len(means) > 2 else ""
        sentences.append(f"It {differs} from {reference}{only} ({_signed(in_mean[best])}).")
    return tuple(sentences)


def _reference_is_best(in_mean: Sequence[Contrast]) -> str:
    """How the reference, whose mean is the highest, stands to all others."""
    others = [f"{contrast.one} ({_signed(contrast, -1)})" for contrast in in_mean]
    alike = [other for other, contrast in zip(others, in_mean, strict=True) if not contrast.is_significant]
    if not alike:
        return f"It differs significantly from {_listed(others)}."
    rest = len(others) - len(alike)
    beside = {0: "", 1: "; from the other one it does"}.get(rest, "; from all others it does")
    return f"It does not differ significantly from {_listed(alike, 'or')}{beside}."


def _signed(contrast: Contrast, sign: int = 1) -> str:
    """The difference with its interval; with -1, of the other less the one."""
    low, high = sorted((sign * contrast.low, sign * contrast.high))
    return f"{sign * contrast.difference:+.4f} [{low:.4f}, {high:.4f}]"


def _listed(words: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
