"""The promotion gate: whether the evidence suffices for a challenger to become the champion.

Two models never have equal scores on the same rows, and the higher score belongs to the better model only if chance does not
explain the difference. Three questions are asked, and the answer to all three must be yes:

1. Is the challenger better? Its confirmation lanes against the champion's, on the same folds: the difference of the figure by
   which trials are ranked, a score or another metric (`rmse/PE`), in a one-sided corrected resampled t-test (Nadeau and Bengio
   2003) at the gate's `alpha`.
2. Is no head worse? No head's mean difference of scores over the same folds is below `-margin`.
3. Do the test rows not contradict it? Of the exported models' predictions, by a paired bootstrap (Efron and Tibshirani 1993)
   and with Holm's correction over all figures (1979), none is worse by more than the margin at level `alpha`.

Only the first question can promote a challenger, and it never uses the test rows: to choose by them would use them up. They can
only veto.

A promotion needs all three, so the level of the first alone bounds how often an equal challenger is promoted
(intersection-union, Berger 1982) and needs no correction for the number of heads. Holm's correction is for the statements about
single heads: that one of them differs, and the veto that any one of many may cast.

The second question is put to the mean and not to a test, on purpose. That a head be *proven* not to be worse takes more folds
than anybody trains: on five of them a head of equal quality, whose differences scatter by as much as the margin, would pass
less than half the time. That it be *not proven* to be worse is next to nothing, for on five folds hardly anything is proven.
The mean is unbiased, and refuses whatever the second test would: a head that is proven to be worse than the margin allows is
so on the mean as well.

Of heads with classes, McNemar's and DeLong's tests on the test rows are kept with the evidence; they decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from branchsweep.config.codec import from_data, to_data
from branchsweep.config.metric_names import ObjectiveMetric
from branchsweep.config.sections.objective import Objective
from branchsweep.config.sections.promotion import Gate
from branchsweep.metrics.actual import Actual
from branchsweep.metrics.functions import ScoredKind
from branchsweep.metrics.names import higher_is_better
from branchsweep.metrics.objectives import ranking_label, to_maximize
from branchsweep.metrics.paired_tests import PairedTest, paired_tests
from branchsweep.metrics.significance import (
    ComparedMetrics,
    Difference,
    PairedPredictions,
    SignificanceSettings,
    corrected_t,
    holm,
    mean_by_fold,
    paired_bootstrap,
)
from branchsweep.tracking.registry_protocols import PromotionCause, PromotionDecision
from branchsweep.types import Floats

PAIRED_TESTS = "paired_tests"
"""The key of the evidence of McNemar's and DeLong's tests."""


@dataclass(frozen=True, slots=True)
class GateCandidate:
    """The evidence on one model: the challenger or the champion.

    Args:
        name: For people (`version 3`).
        folds: Of each confirmation lane the fold it was validated on.
        scores: By head, of each lane the score on its validation rows, in the same order.
        predictions: What the exported model says on the test rows, `(rows, heads)` in natural units, the heads in the order of
            `scores`. None if it was not evaluated on them.
        score_metrics: The name of the metric that is the score, by head.
        ranked: Of each lane the metric that trials are ranked by, where that is no score of heads.
    """

    name: str
    folds: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    predictions: Floats | None = None
    score_metrics: Mapping[str, str] = field(kw_only=True)
    ranked: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Every head has one score per lane.

        Raises:
            ValueError: It has not.
        """
        if any(len(lanes) != len(self.folds) for lanes in self.scores.values()):
            raise ValueError(f"{self.name}: every head must have one score for each of the {len(self.folds)} lanes")

    @property
    def has_diverged(self) -> bool:
        """Whether some lane did: a recipe that diverges on a part of the folds is no recipe."""
        return not np.isfinite(list(self.scores.values())).all()


@dataclass(frozen=True, slots=True)
class GateMeasurements:
    """What was measured of the two models between which the gate decides.

    Args:
        champion: The champion; None if there is none, and then the challenger becomes it.
        challenger: The challenger. Its lanes stand in the same order of folds and seeds as the champion's.
        actual: The targets of the test rows, as of `PairedPredictions`; None where they are not to be used.
        validation_share: Of the rows behind a fold, the part it is validated on: 1 / folds.
        kinds: The kinds of the heads, where their scores are other than R².
    """

    champion: GateCandidate | None
    challenger: GateCandidate
    actual: Floats | Actual | None
    validation_share: float
    kinds: Mapping[str, ScoredKind] = field(default_factory=dict)


def decide_promotion(gate: Gate, objective: Objective, measured: GateMeasurements, seed: int) -> PromotionDecision:
    """Whether the challenger becomes the champion, with the cause, the evidence behind it, and both as a sentence.

    The rule is this module's first paragraphs'. Intervals are two-sided at 1 - 2 alpha, so that the interval of the ranking
    figure lies above 0 exactly where the test at alpha calls the challenger better.

    Args:
        gate: Level, margin, resamples.
        objective: By whose rule the challenger must be better.
        measured: What was measured of both.
        seed: Of the resamples.

    Raises:
        ValueError: The two have other heads or other folds, so that nothing can be compared.
    """
    champion, challenger, actual = measured.champion, measured.challenger, measured.actual
    rule = objective.ranking_metric
    metrics = ComparedMetrics(challenger.score_metrics, objective, measured.kinds)
    policy: dict[str, Any] = {
        "alpha": gate.alpha,
        "margin": gate.margin,
        "bootstrap": gate.bootstrap,
        "rule": objective.ranking_description,
        "lanes": len(challenger.folds),
        "folds": len(set(challenger.folds)),
        "validation_share": measured.validation_share,
    }
    label, name = ranking_label(objective, challenger.score_metrics), champion.name if champion else ""

    def decision(cause: PromotionCause, evidence: Mapping[str, Any]) -> PromotionDecision:
        because = decision_sentence(cause, evidence, rule, label, name)
        return PromotionDecision(cause.promotes, because, evidence, cause=cause)

    if challenger.has_diverged:
        return decision(PromotionCause.DIVERGED, policy)
    if champion is None:
        means = {metric: {"challenger": value} for metric, value in _means(challenger, metrics).items()}
        return decision(PromotionCause.FIRST_VERSION, {**policy, "figures": means})
    if (list(champion.scores), champion.folds) != (list(challenger.scores), challenger.folds):
        raise ValueError(f"{challenger.name} and {champion.name} were not measured on the same heads, folds and seeds")
    if champion.has_diverged:
        return decision(PromotionCause.CHAMPION_DIVERGED, policy)
    if policy["folds"] == 1:
        return decision(PromotionCause.ONE_FOLD, policy)

    settings = SignificanceSettings(gate.margin, confidence=max(0.0, 1 - 2 * gate.alpha))
    lanes = _over_lanes(metrics, champion, challenger, measured.validation_share, settings)
    test: Mapping[str, Difference] = {}
    if actual is not None and champion.predictions is not None and challenger.predictions is not None:
        paired = PairedPredictions(actual, champion.predictions, challenger.predictions)
        test = paired_bootstrap(paired, metrics.by_scores, gate.bootstrap, seed, settings)
        policy["rows"] = len(actual)
        if tests := paired_tests(paired, measured.kinds):
            policy[PAIRED_TESTS] = [to_data(own, nan=None) for own in tests]
    cause, decisive = _cause(gate, metrics, lanes, test)
    figures = _metric_evidence(metrics, champion, challenger, lanes, test)
    return decision(cause, {**policy, "confidence": settings.confidence, "figures": figures, "decisive": decisive})


def paired_tests_of(decision: PromotionDecision | None) -> tuple[PairedTest, ...]:
    """The tests of McNemar and DeLong in the evidence of a decision; none where there is no decision."""
    return from_data(tuple[PairedTest, ...], decision.evidence.get(PAIRED_TESTS, [])) if decision else ()


def _cause(
    gate: Gate, metrics: ComparedMetrics, lanes: Mapping[str, Difference], test: Mapping[str, Difference]
) -> tuple[PromotionCause, str]:
    """The answer to the three questions, and the metric that decides: of several objections the most important one."""
    rule = metrics.objective.ranking_metric
    if not lanes[rule].p_better <= gate.alpha:
        return PromotionCause.NOT_BETTER, rule
    of_heads = {metric: lanes[metric] for metric in metrics.of_heads}
    worst = min(of_heads, key=lambda metric: of_heads[metric].mean)
    if of_heads[worst].mean < -gate.margin:
        return PromotionCause.HEAD_WORSE, worst
    for metric, p in holm({metric: difference.p_worse for metric, difference in test.items()}).items():
        if p <= gate.alpha:
            return PromotionCause.WORSE_ON_TEST_ROWS, metric
    return PromotionCause.BETTER, rule


def decision_sentence(cause: PromotionCause, evidence: Mapping[str, Any], rule: str, label: str, champion: str) -> str:
    """The decision as a sentence, made from its cause and its evidence alone.

    Args:
        cause: The cause.
        evidence: As in `PromotionDecision.evidence`.
        rule: The metric that trials are ranked by.
        label: Its display label.
        champion: The champion's name; empty for none.
    """
    figures = evidence.get("figures", {})
    match cause:
        case PromotionCause.FIRST_VERSION:
            return f"the first version, with a {label} of {figures[rule]['challenger']:.4f}"
        case PromotionCause.CHAMPION_DIVERGED:
            return f"{champion} diverged on a part of the folds, and the challenger on none"
        case PromotionCause.DIVERGED:
            return "diverged in confirmation on a part of the folds"
        case PromotionCause.ONE_FOLD:
            return "one fold cannot tell merit from chance; confirm on several"
    ranked, decisive, margin = figures[rule], figures[evidence["decisive"]], evidence["margin"]
    measured = f"{label} {ranked['challenger']:.4f} against {ranked['champion']:.4f} of {champion}: {_with_interval(ranked)}"
    measured += f", p {_rounded(ranked['p_better'])}"
    match cause:
        case PromotionCause.NOT_BETTER:
            return f"{measured}; not better beyond chance"
        case PromotionCause.HEAD_WORSE:
            head = ObjectiveMetric.parsed(evidence["decisive"]).head
            return f"{measured}; but {head} is worse by {-decisive['difference']:.4f}, and {margin:g} is allowed"
        case PromotionCause.WORSE_ON_TEST_ROWS:
            worse = f"{evidence['decisive']} by {_with_interval(decisive['test'])}"
            return f"{measured}; but clearly worse on the test rows, {worse}, and {margin:g} is allowed"
    return f"{measured}; no head is worse by more than {margin:g}"


def _with_interval(difference: Mapping[str, Any]) -> str:
    low, high = difference["interval"]
    return f"{difference['difference']:+.4f} [{low:.4f}, {high:.4f}]"


def _lane_figures(candidate: GateCandidate, metrics: ComparedMetrics) -> Floats:
    """Figures of each lane, averaged by fold: `(figures, folds)`; the higher, the better."""
    by_lane = np.array(list(candidate.scores.values())).T
    figures = metrics.values(by_lane)
    if candidate.ranked:
        figures[0] = [to_maximize(metrics.objective.ranking_metric, value) for value in candidate.ranked]
    return mean_by_fold(figures, candidate.folds)


def _means(candidate: GateCandidate, metrics: ComparedMetrics) -> Mapping[str, float]:
    """Each figure over the folds, as it is named: of some less is better."""
    means = _lane_figures(candidate, metrics).mean(axis=-1).tolist()
    return {name: _sign(name) * mean for name, mean in zip(metrics.names, means, strict=True)}


def _sign(metric: str) -> int:
    """-1 where less of it is better, else 1."""
    return 1 if higher_is_better(ObjectiveMetric.parsed(metric).metric) else -1


def _over_lanes(
    metrics: ComparedMetrics,
    champion: GateCandidate,
    challenger: GateCandidate,
    validation_share: float,
    settings: SignificanceSettings,
) -> Mapping[str, Difference]:
    """What the folds say, by figure."""
    differences = _lane_figures(challenger, metrics) - _lane_figures(champion, metrics)
    return {
        metric: corrected_t(row, validation_share, settings) for metric, row in zip(metrics.names, differences, strict=True)
    }


def _metric_evidence(
    metrics: ComparedMetrics,
    champion: GateCandidate,
    challenger: GateCandidate,
    lanes: Mapping[str, Difference],
    test: Mapping[str, Difference],
) -> Mapping[str, Mapping[str, Any]]:
    """Everything that was measured, by figure."""
    before, after = _means(champion, metrics), _means(challenger, metrics)
    adjusted = holm({metric: lanes[metric].p for metric in metrics.of_heads})
    vetoes = holm({metric: difference.p_worse for metric, difference in test.items()})
    evidence: dict[str, dict[str, Any]] = {}
    for metric, difference in lanes.items():
        evidence[metric] = {
            "champion": before[metric],
            "challenger": after[metric],
            "difference": _sign(metric) * difference.mean,
            "interval": sorted([_sign(metric) * difference.low, _sign(metric) * difference.high]),
            "p": difference.p,
            "p_better": difference.p_better,
        }
        if metric in adjusted:
            evidence[metric]["p_adjusted"] = adjusted[metric]
        if metric in test:
            rows = test[metric]
            evidence[metric]["test"] = {
                "difference": rows.mean,
                "interval": [rows.low, rows.high],
                "p": rows.p,
                "p_worse": rows.p_worse,
                "p_worse_adjusted": vetoes[metric],
            }
    return evidence


def _rounded(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
