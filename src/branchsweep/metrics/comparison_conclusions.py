"""The conclusions of a comparison, as sentences.

They use the four verdicts of every table: a contestant gains or loses, it is undecided, or it is equal within a margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from branchsweep.config.comparison import EQUIVALENCE_MARGIN
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.metrics.comparison_result import ComparisonResult, PairwiseDifference, Verdict
from branchsweep.metrics.names import label


def quick_sentence(cuts: Sequence[str]) -> str:
    """What the quick form of a comparison cut off, in a sentence."""
    return f"This is a first look (--quick): {'; '.join(cuts) or 'nothing was cut'}."


def headline(result: ComparisonResult) -> str:
    """The most important conclusion in a few words, for a title: `by sharing, PE gains 0.0021; V undecided`.

    Without contestants that share and do not share, the contestant with the highest mean score; empty if all failed.
    """
    if result.transfer:
        heads = [difference for difference in result.transfer if difference.head != MEAN] or result.transfer
        return f"by sharing, {'; '.join(map(_in_a_few_words, heads))}"
    means = {
        contestant.name: float(np.mean(scores))
        for contestant in result.contestants
        if not contestant.failure
        and (scores := contestant.scores.get(MEAN) or next(iter(contestant.scores.values()), ()))
        and np.isfinite(scores).all()
    }
    best = max(means, key=lambda name: means[name], default="")
    return f"{best} has the highest mean {label(result.metric)}, {means[best]:.3f}" if best else ""


def _in_a_few_words(difference: PairwiseDifference) -> str:
    """`PE gains 0.0021`, `V undecided`."""
    amount = f" {abs(difference.difference):.4f}" if difference.verdict in {"gains", "loses"} else ""
    return f"{difference.head} {difference.verdict}{amount}"


def transfer_sentences(
    transfer: Sequence[PairwiseDifference], heads: Sequence[str], margin: float = EQUIVALENCE_MARGIN
) -> tuple[str, ...]:
    """The verdict on each head's gain by shared layers, in one sentence; a second one names halves that collapsed.

    Args:
        transfer: The contestant with shared layers against the one without.
        heads: The heads, in order.
        margin: What counts as equal.

    Returns:
        No sentence if no head was compared.
    """
    by_head = {difference.head: difference for difference in transfer}
    compared = [by_head[head] for head in heads if head in by_head]
    if not compared:
        return ()
    return (f"{'; '.join(_transfer_clauses(compared, margin))}.", *_collapsed(compared))


def _transfer_clauses(compared: Sequence[PairwiseDifference], margin: float) -> Iterator[str]:
    """A clause for each verdict; the first one says what it is about."""
    by_verdict = _by_verdict(compared)
    about = " by sharing"
    if gains := by_verdict["gains"]:
        amounts = [f"{gain.difference:.4f} [{gain.low:.4f}, {gain.high:.4f}]" for gain in gains]
        yield f"{_amounts('gains', gains, amounts)} from sharing"
        about = ""
    if losses := by_verdict["loses"]:
        amounts = [f"{-loss.difference:.4f} [{-loss.high:.4f}, {-loss.low:.4f}]" for loss in losses]
        yield f"{_amounts('loses', losses, amounts)}{about}"
        about = ""
    if equal := by_verdict["equal"]:
        listed = _joined([f"{difference.head} ({_with_interval(difference)})" for difference in equal])
        without = " with and without sharing" if about else ""
        yield f"{listed} {_is(equal)} equal within {margin:g}{without}"
    if undecided := by_verdict["undecided"]:
        listed = _joined([f"{difference.head} ({_with_interval(difference)})" for difference in undecided])
        if about and not equal:  # the only clause
            yield f"Whether {listed} {_verb('gain', undecided)} or {_verb('lose', undecided)}{about} is undecided"
        else:
            yield f"{listed} {_is(undecided)} undecided"


def _by_verdict(differences: Sequence[PairwiseDifference]) -> Mapping[Verdict, list[PairwiseDifference]]:
    found: dict[Verdict, list[PairwiseDifference]] = {"gains": [], "loses": [], "equal": [], "undecided": []}
    for difference in differences:
        found[difference.verdict].append(difference)
    return found


def _is(differences: Sequence[PairwiseDifference]) -> str:
    return "is" if len(differences) == 1 else "are"


def _verb(verb: str, differences: Sequence[PairwiseDifference]) -> str:
    return f"{verb}s" if len(differences) == 1 else verb


def _amounts(verb: str, differences: Sequence[PairwiseDifference], amounts: Sequence[str]) -> str:
    """`V gains 0.0120 [0.0080, 0.0160] and PE 0.0031 [0.0011, 0.0051]`, with the verb once."""
    verbs = [f" {verb}"] + [""] * (len(differences) - 1)
    return _joined(
        [f"{difference.head}{verb} {amount}" for difference, verb, amount in zip(differences, verbs, amounts, strict=True)]
    )


def _collapsed(differences: Sequence[PairwiseDifference]) -> Iterator[str]:
    """That verdicts rest on halves in which a contestant collapsed; nothing where none did."""
    cases = [
        f"{contestant} for {difference.head} in {_joined([f'half {half}' for half in halves])}"
        for difference in differences
        for contestant, halves in difference.collapsed.items()
    ]
    if cases:
        yield f"This counts collapses: {_joined(cases)}; see the medians."


def conclusions(result: ComparisonResult) -> tuple[str, ...]:
    """What follows from a comparison, as sentences, the most important first.

    First what heads gain from shared layers; then which contestant has the highest mean score; then the verdicts on the others
    against it, as far as that was tested: the reference against all others, another one against the reference alone.

    Args:
        result: The comparison, whose conclusions need not be there yet.
    """
    complete = [contestant for contestant in result.contestants if not contestant.failure]
    means = {contestant.name: float(np.mean(contestant.scores[MEAN])) for contestant in complete}
    score_metrics, reference, margin = result.score_metrics, result.reference, result.equivalence_margin
    sentences = list(transfer_sentences(result.transfer, list(score_metrics), margin))
    if not means:
        return tuple(sentences)
    best = max(means, key=lambda name: means[name])
    sentences.append(f"{best} has the highest mean {label(common_metric(score_metrics.values()))}, {means[best]:.4f}.")
    of_means = {difference.contestant: difference for difference in result.differences if difference.head == MEAN}
    if best == reference and of_means:
        sentences.append(_against_the_best(list(of_means.values()), margin))
    elif best in of_means:
        only = ", the only one it was compared with" if len(means) > 2 else ""
        sentences.append(f"It {_predicate(of_means[best], margin)} {reference}{only} ({_with_interval(of_means[best])}).")
    return tuple(sentences)


def _predicate(difference: PairwiseDifference, margin: float) -> str:
    """What a contestant does against the reference, up to the reference's name."""
    words: dict[Verdict, str] = {
        "gains": "is significantly better than",
        "loses": "is significantly worse than",
        "equal": f"is equal within {margin:g} to",
        "undecided": "is not shown to be better or worse than",
    }
    return words[difference.verdict]


def _against_the_best(of_means: Sequence[PairwiseDifference], margin: float) -> str:
    """The verdicts on all others against the reference, whose mean is the highest."""
    by_verdict = _by_verdict(of_means)
    clauses = []
    for found, predicate in ((by_verdict["undecided"], "undecided"), (by_verdict["equal"], f"equal within {margin:g}")):
        if found:
            listed = _joined([f"{difference.contestant} ({_with_interval(difference)})" for difference in found])
            clauses.append(f"{listed} {_is(found)} {predicate}")
    losing = by_verdict["loses"]
    if losing and clauses:
        clauses.append(f"{'all others lose' if len(losing) > 1 else f'{losing[0].contestant} loses'}")
    elif losing:
        clauses.append(f"{_joined([f'{loss.contestant} ({_with_interval(loss)})' for loss in losing])} {_verb('lose', losing)}")
    return f"Against it {'; '.join(clauses)}."


def _with_interval(difference: PairwiseDifference) -> str:
    """The difference with its interval."""
    return f"{difference.difference:+.4f} [{difference.low:.4f}, {difference.high:.4f}]"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
