"""The conclusions of a comparison, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.metrics.comparison_result import ContestantResult, PairwiseDifference
from branchsweep.metrics.names import label


def transfer_sentences(transfer: Sequence[PairwiseDifference], heads: Sequence[str]) -> tuple[str, ...]:
    """Which heads gain from shared layers significantly, which lose, and which do neither, in one sentence.

    Args:
        transfer: The contestant with shared layers against the one without.
        heads: The heads, in order.

    Returns:
        One sentence, or none if no head was compared.
    """
    by_head = {difference.head: difference for difference in transfer}
    compared = [by_head[head] for head in heads if head in by_head]
    gains = [difference for difference in compared if difference.is_significant and difference.difference > 0]
    losses = [difference for difference in compared if difference.is_significant and difference.difference < 0]
    undecided = [difference for difference in compared if difference not in gains + losses]
    clauses: list[str] = []
    if gains:
        amounts = [f"{gain.difference:.4f} [{gain.low:.4f}, {gain.high:.4f}]" for gain in gains]
        clauses.append(f"{_amounts('gains', gains, amounts)} from sharing")
    if losses:
        amounts = [f"{-loss.difference:.4f} [{-loss.high:.4f}, {-loss.low:.4f}]" for loss in losses]
        clauses.append(_amounts("loses", losses, amounts) + ("" if clauses else " by sharing"))
    if undecided:
        source = "" if clauses else " from sharing"
        if len(undecided) == 1:
            clauses.append(f"{undecided[0].head} neither gains nor loses{source} ({_with_interval(undecided[0])})")
        else:
            listed = _joined([f"{difference.head} ({_with_interval(difference)})" for difference in undecided])
            clauses.append(f"{listed} neither gain nor lose{source}")
    return (f"{'; '.join(clauses)}.",) if clauses else ()


def _amounts(verb: str, differences: Sequence[PairwiseDifference], amounts: Sequence[str]) -> str:
    """`V gains 0.0120 [0.0080, 0.0160] and PE 0.0031 [0.0011, 0.0051]`, with the verb once."""
    verbs = [f" {verb}"] + [""] * (len(differences) - 1)
    return _joined(
        [f"{difference.head}{verb} {amount}" for difference, verb, amount in zip(differences, verbs, amounts, strict=True)]
    )


def conclusions(
    contestants: Sequence[ContestantResult],
    differences: Sequence[PairwiseDifference],
    transfer: Sequence[PairwiseDifference],
    score_metrics: Mapping[str, str],
    reference: str,
) -> tuple[str, ...]:
    """What follows from a comparison, as sentences, the most important first.

    First what heads gain from shared layers; then which contestant has the highest mean score; then which contestants it does
    not differ from significantly, as far as that was tested: the reference from all others, another one from the reference
    alone.

    Args:
        contestants: The contestants in order.
        differences: Every contestant against the reference.
        transfer: The contestant with shared layers against the one without; may be empty.
        score_metrics: The name of the metric that is the score, by head, in order.
        reference: The name of the contestant that all others are compared with.
    """
    means = {contestant.name: float(np.mean(contestant.scores[MEAN])) for contestant in contestants if not contestant.failure}
    sentences = list(transfer_sentences(transfer, list(score_metrics)))
    if not means:
        return tuple(sentences)
    best = max(means, key=lambda name: means[name])
    sentences.append(f"{best} has the highest mean {label(common_metric(score_metrics.values()))}, {means[best]:.4f}.")
    of_means = {difference.contestant: difference for difference in differences if difference.head == MEAN}
    if best == reference and of_means:
        sentences.append(_reference_is_best(list(of_means.values())))
    elif best in of_means:
        differs = "differs significantly" if of_means[best].is_significant else "does not differ significantly"
        only = ", the only one it was compared with" if len(means) > 2 else ""
        sentences.append(f"It {differs} from {reference}{only} ({_with_interval(of_means[best])}).")
    return tuple(sentences)


def _reference_is_best(of_means: Sequence[PairwiseDifference]) -> str:
    """Which contestants the reference, whose mean is the highest, differs from."""
    others = [f"{difference.contestant} ({_with_interval(difference, -1)})" for difference in of_means]
    undecided = [other for other, difference in zip(others, of_means, strict=True) if not difference.is_significant]
    if not undecided:
        return f"It differs significantly from {_joined(others)}."
    rest = len(others) - len(undecided)
    remainder = {0: "", 1: "; from the other one it does"}.get(rest, "; from all others it does")
    return f"It does not differ significantly from {_joined(undecided, 'or')}{remainder}."


def _with_interval(difference: PairwiseDifference, sign: int = 1) -> str:
    """The difference with its interval; with a sign of -1, the reference's score minus the contestant's."""
    low, high = sorted((sign * difference.low, sign * difference.high))
    return f"{sign * difference.difference:+.4f} [{low:.4f}, {high:.4f}]"


def _joined(parts: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
