"""What a comparison found, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.metrics.comparison_result import ContestantResult, PairwiseDifference
from branchsweep.metrics.names import label


def transfer_sentences(contrasts: Sequence[PairwiseDifference], heads: Sequence[str]) -> tuple[str, ...]:
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


def _amounts(verb: str, contrasts: Sequence[PairwiseDifference], amounts: Sequence[str]) -> str:
    """`V gains 0.0120 [0.0080, 0.0160] and PE 0.0031 [0.0011, 0.0051]`: the verb stands once."""
    verbs = [f" {verb}"] + [""] * (len(contrasts) - 1)
    return _listed([f"{each.figure}{verb} {amount}" for each, verb, amount in zip(contrasts, verbs, amounts, strict=True)])


def conclusions(
    measured: Sequence[ContestantResult],
    contrasts: Sequence[PairwiseDifference],
    transfer: Sequence[PairwiseDifference],
    score_metrics: Mapping[str, str],
    reference: str,
) -> tuple[str, ...]:
    """What a comparison comes to, as sentences, the most important first.

    First what heads gain by sharing; then who has the highest mean R²; then from whom it does not differ significantly, as far
    as that was tested: the reference from all others, all others from the reference only.

    Args:
        measured: The contestants in order.
        contrasts: Every contestant against the reference.
        transfer: The contestant that shares against the one that does not; may be empty.
        score_metrics: The name of the metric that is the score, by head, in order.
        reference: The name of the one that all others are compared with.
    """
    means = {one.name: float(np.mean(one.scores[MEAN])) for one in measured if not one.failed}
    sentences = list(transfer_sentences(transfer, list(score_metrics)))
    if not means:
        return tuple(sentences)
    best = max(means, key=lambda name: means[name])
    sentences.append(f"{best} has the highest mean {label(common_metric(score_metrics.values()))}, {means[best]:.4f}.")
    in_mean = {contrast.one: contrast for contrast in contrasts if contrast.figure == MEAN}
    if best == reference and in_mean:
        sentences.append(_reference_is_best(list(in_mean.values())))
    elif best in in_mean:
        differs = "differs significantly" if in_mean[best].is_significant else "does not differ significantly"
        only = ", the only one it was compared with" if len(means) > 2 else ""
        sentences.append(f"It {differs} from {reference}{only} ({_signed(in_mean[best])}).")
    return tuple(sentences)


def _reference_is_best(in_mean: Sequence[PairwiseDifference]) -> str:
    """How the reference, whose mean is the highest, stands to all others."""
    others = [f"{contrast.one} ({_signed(contrast, -1)})" for contrast in in_mean]
    alike = [other for other, contrast in zip(others, in_mean, strict=True) if not contrast.is_significant]
    if not alike:
        return f"It differs significantly from {_listed(others)}."
    rest = len(others) - len(alike)
    beside = {0: "", 1: "; from the other one it does"}.get(rest, "; from all others it does")
    return f"It does not differ significantly from {_listed(alike, 'or')}{beside}."


def _signed(contrast: PairwiseDifference, sign: int = 1) -> str:
    """The difference with its interval; with -1, of the other less the one."""
    low, high = sorted((sign * contrast.low, sign * contrast.high))
    return f"{sign * contrast.difference:+.4f} [{low:.4f}, {high:.4f}]"


def _listed(words: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
