"""The gate: whether what was measured is enough for a title to change hands.

Two models are never equally good on the same rows, and the better of two figures is the better model only if chance does not
explain the difference. Three questions are asked, and all three must be answered well:

1. Is the challenger better? Its confirmation lanes against the champion's, on the same folds: the difference of the figure by
   which trials are ranked, in a one-sided corrected resampled t-test (Nadeau and Bengio 2003) at the gate's `alpha`.
2. Does no head pay for it? No head's mean difference over the same folds is below `-margin`.
3. Do the test rows not speak against it? Of the exported models' predictions, by a paired bootstrap (Efron and Tibshirani 1993)
   and with Holm's correction over all figures (1979), none is worse by more than the margin at level `alpha`.

Only the first question can win a title, and it never sees the test rows: to choose by them would use them up. They can but
veto.

A title needs all three answers, so the level of the first alone bounds how often an equal challenger is crowned
(intersection-union, Berger 1982) and needs no correction for the number of heads. Holm's correction is for the statements about
single heads: that one of them differs, and the veto that any one of many may cast.

The second question is put to the mean and not to a test, on purpose. That a head be *proven* not to be worse takes more folds
than anybody trains: on five of them a head of equal quality, whose differences scatter by as much as the margin, would pass
less than half the time. That it be *not proven* to be worse is next to nothing, for on five folds hardly anything is proven.
The mean is unbiased, and refuses whatever the second test would: a head that is proven to be worse than the margin allows is
so on the mean as well.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from branchsweep.experiment import HEAD, Gate, Objective
from branchsweep.objective import figure, spoken
from branchsweep.population import Floats
from branchsweep.roles import Verdict
from branchsweep.score import r2

Key = TypeVar("Key", bound=Hashable)

RESAMPLED_AT_ONCE = 2_000_000
"""Numbers that one batch of resamples may hold, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one contestant.

    Args:
        name: For people (`version 3`).
        folds: Of each confirmation lane the fold it was validated on.
        r2: By head, of each lane the R² on its validation rows, in the same order.
        predictions: What the exported model says on the test rows, `(rows, heads)` in natural units, the heads in the order of
            `r2`. None if it has not met them.
    """

    name: str
    folds: tuple[int, ...]
    r2: Mapping[str, tuple[float, ...]]
    predictions: Floats | None = None

    def __post_init__(self) -> None:
        """Every head has one R² per lane.

        Raises:
            ValueError: It has not.
        """
        if any(len(lanes) != len(self.folds) for lanes in self.r2.values()):
            raise ValueError(f"{self.name}: every head must have one R² for each of the {len(self.folds)} lanes")

    @property
    def has_diverged(self) -> bool:
        """Whether some lane did: a recipe that diverges on a part of the folds is no recipe."""
        return not np.isfinite(list(self.r2.values())).all()


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the challenger is, and how sure that is.

    Args:
        mean: Challenger less champion, as measured.
        low: Lower end of the confidence interval.
        high: Upper end.
        p: Two-sided, that there is no difference.
        p_better: One-sided, that the challenger is not better; small if it is.
        p_worse: One-sided, that it is not worse by more than the margin; small if it is.
    """

    mean: float
    low: float
    high: float
    p: float
    p_better: float
    p_worse: float

    def __str__(self) -> str:
        """The difference with its interval."""
        return f"{self.mean:+.4f} [{self.low:.4f}, {self.high:.4f}]"


def by_fold(values: Floats, folds: Sequence[int]) -> Floats:
    """The mean over the lanes of each fold: `(..., lanes)` to `(..., folds)`, in rising order of the folds.

    Networks of one fold from different seeds share their rows. They are no resamples of the data, and to count them as such
    would make any difference significant with enough seeds. What they do is take the chance of the initial weights out of the
    fold's figure, and a mean says that.
    """
    numbers = np.asarray(folds)
    return np.stack([values[..., numbers == fold].mean(axis=-1) for fold in np.unique(numbers)], axis=-1)


def corrected_t(differences: Floats, validation_share: float, margin: float = 0.0, confidence: float = 0.9) -> Difference:
    """The corrected resampled t-test (Nadeau and Bengio 2003, "Inference for the Generalization Error", section 3).

    Folds share training rows, so their differences are correlated and a plain t-test is too sure of itself. The variance of
    their mean is not s²/n but s² (1/n + n_validation/n_training), s² being their sample variance; n - 1 degrees of freedom.

    Args:
        differences: Challenger less champion, one per fold.
        validation_share: Of the rows behind a fold, the part it is validated on (0.2 with five folds), below 1. With 0 the
            test is the plain one.
        margin: By which the challenger may be worse before it counts as worse.
        confidence: Of the two-sided interval.

    Raises:
        ValueError: Fewer than two differences, which say nothing of a third.
    """
    if len(differences) < 2:
        raise ValueError("got one fold, expected at least two: one says nothing of another")
    mean = float(np.mean(differences))
    ratio = validation_share / (1.0 - validation_share)
    error = float(np.std(differences, ddof=1)) * math.sqrt(1.0 / len(differences) + ratio)
    freedom = len(differences) - 1
    reach = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
    return Difference(
        mean,
        mean - reach,
        mean + reach,
        p=2 * float(stats.t.sf(abs(standardized(mean, error)), freedom)),
        p_better=float(stats.t.sf(standardized(mean, error), freedom)),
        p_worse=float(stats.t.cdf(standardized(mean + margin, error), freedom)),
    )


def standardized(value: float, unit: float) -> float:
    """The value in units of its standard error or deviation; where that is 0, what it comes to as the unit vanishes."""
    if unit > 0:
        return value / unit
    return math.copysign(math.inf, value) if value else 0.0


def paired_bootstrap(
    actual: Floats,
    champion: Floats,
    challenger: Floats,
    heads: Sequence[str],
    objective: Objective,
    resamples: int,
    seed: int,
    margin: float = 0.0,
    confidence: float = 0.9,
) -> Mapping[str, Difference]:
    """Differences of R² on the same rows, which are drawn anew with replacement, for both alike (Efron and Tibshirani 1993).

    The interval is the percentile interval. A p-value is the share of the resamples that contradict the claim, with
    one added to either count (Davison and Hinkley 1997, section 4.2), so it is never 0. All of it holds for these two trained
    models on other rows of the same kind; what other initial weights would have done, the lanes know.

    Args:
        actual: `(rows, heads)` in natural units, at least two rows.
        champion: Its predictions, likewise.
        challenger: Its predictions, likewise.
        heads: The heads' names, in the order of the columns.
        objective: By whose rule the challenger is to be better.
        resamples: How often the rows are drawn.
        seed: Of the draws.
        margin: By which the challenger may be worse before it counts as worse.
        confidence: Of the two-sided interval.

    Returns:
        By figure: the objective's rule, and `r2/HEAD` for each head.
    """

    def differences(actual: Floats, champion: Floats, challenger: Floats, axis: int) -> Floats:
        of_challenger, of_champion = (r2(actual, predicted, axis).T for predicted in (challenger, champion))
        return _figures(of_challenger, heads, objective) - _figures(of_champion, heads, objective)

    measured = differences(actual.T[:, np.newaxis], champion.T[:, np.newaxis], challenger.T[:, np.newaxis], axis=-1)[:, 0]
    drawn = stats.bootstrap(
        (actual.T, champion.T, challenger.T),
        differences,
        n_resamples=resamples,
        batch=max(1, RESAMPLED_AT_ONCE // actual.size),
        vectorized=True,
        paired=True,
        axis=-1,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    found = {}
    for position, metric in enumerate(_metrics(heads, objective)):
        values = drawn.bootstrap_distribution[position]
        not_better, not_less = _share(values <= 0), _share(values >= 0)
        found[metric] = Difference(
            float(measured[position]),
            float(drawn.confidence_interval.low[position]),
            float(drawn.confidence_interval.high[position]),
            p=min(1.0, 2 * min(not_better, not_less)),
            p_better=not_better,
            p_worse=_share(values >= -margin),
        )
    return found


def _share(contradict: NDArray[np.bool_]) -> float:
    return float((1 + np.count_nonzero(contradict)) / (1 + contradict.size))


def _metrics(heads: Sequence[str], objective: Objective) -> list[str]:
    """What is compared: the figure by which trials are ranked, and each head's. They may be the same."""
    return list(dict.fromkeys([objective.rule, *(f"{HEAD}{head}" for head in heads)]))


def _figures(of_heads: Floats, heads: Sequence[str], objective: Objective) -> Floats:
    """The figures that are compared, `(figures, measurements)`, from R² `(measurements, heads)`."""
    measured = [dict(zip(heads, values, strict=True)) for values in of_heads.tolist()]
    return np.array(
        [[figure(metric, values, objective.weights) for values in measured] for metric in _metrics(heads, objective)]
    )


def holm(p_values: Mapping[Key, float]) -> Mapping[Key, float]:
    """Adjusted p-values of several tests: those at most alpha may be called significant, and hold together at that level.

    The step-down procedure of Holm (1979): the smallest of m is multiplied by m, the next by m - 1, and so on, none becoming
    smaller than the one before it, nor larger than 1.
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for place, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[key]))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def decide(
    gate: Gate,
    objective: Objective,
    champion: Standing | None,
    challenger: Standing,
    actual: Floats | None,
    validation_share: float,
    seed: int,
) -> Verdict:
    """Whether the challenger takes the title, with the reason as a sentence and the figures behind it.

    The rule is this module's first paragraphs'. Intervals are two-sided at 1 - 2 alpha, so that the interval of the ranking
    figure lies above 0 exactly where the test at alpha calls the challenger better.

    Args:
        gate: Level, margin, resamples.
        objective: By whose rule the challenger must be better.
        champion: Who holds the title; None if nobody does, and then the challenger takes it.
        challenger: Who asks for it. Its lanes stand in the same order of folds and seeds as the champion's.
        actual: The targets of the test rows, `(rows, heads)` in natural units; None where they are not to be heard.
        validation_share: Of the rows behind a fold, the part it is validated on: 1 / folds.
        seed: Of the resamples.

    Raises:
        ValueError: The two have other heads or other folds, so that nothing can be compared.
    """
    rule, heads = objective.rule, list(challenger.r2)
    words = spoken(objective.rule_in_words)
    policy: dict[str, Any] = {
        "alpha": gate.alpha,
        "margin": gate.margin,
        "bootstrap": gate.bootstrap,
        "rule": objective.rule_in_words,
        "lanes": len(challenger.folds),
        "folds": len(set(challenger.folds)),
        "validation_share": validation_share,
    }
    if challenger.has_diverged:
        return Verdict(False, "diverged in confirmation on a part of the folds", policy)
    if champion is None:
        means = _means(challenger, objective)
        evidence = {**policy, "figures": {metric: {"challenger": value} for metric, value in means.items()}}
        return Verdict(True, f"first of its name, with a {words} of {means[rule]:.4f}", evidence)
    if (list(champion.r2), champion.folds) != (heads, challenger.folds):
        raise ValueError(f"{challenger.name} and {champion.name} were not measured on the same heads, folds and seeds")
    if champion.has_diverged:
        return Verdict(True, f"{champion.name} diverged on a part of the folds, and the challenger on none", policy)
    if policy["folds"] == 1:
        return Verdict(False, "one fold cannot tell merit from chance; confirm on several", policy)

    confidence = max(0.0, 1 - 2 * gate.alpha)
    lanes = _over_lanes(objective, champion, challenger, validation_share, gate.margin, confidence)
    test: Mapping[str, Difference] = {}
    if actual is not None and champion.predictions is not None and challenger.predictions is not None:
        predicted = champion.predictions, challenger.predictions
        test = paired_bootstrap(actual, *predicted, heads, objective, gate.bootstrap, seed, gate.margin, confidence)
        policy["rows"] = len(actual)
    evidence = {**policy, "confidence": confidence, "figures": _figures_told(objective, champion, challenger, lanes, test)}
    of_champion, of_challenger = (_means(standing, objective)[rule] for standing in (champion, challenger))
    measured = f"{words} {of_challenger:.4f} against {of_champion:.4f} of {champion.name}: {lanes[rule]}"
    measured += f", p {_rounded(lanes[rule].p_better)}"
    objection = _objection(gate, rule, lanes, test)
    return Verdict(not objection, f"{measured}; {objection or f'no head is worse by more than {gate.margin:g}'}", evidence)


def _objection(gate: Gate, rule: str, lanes: Mapping[str, Difference], test: Mapping[str, Difference]) -> str:
    """What speaks against the challenger, the weightiest first; empty for nothing."""
    if lanes[rule].p_better > gate.alpha:
        return "not better beyond chance"
    of_heads = {metric: difference for metric, difference in lanes.items() if metric.startswith(HEAD)}
    worst = min(of_heads, key=lambda metric: of_heads[metric].mean)
    if of_heads[worst].mean < -gate.margin:
        return f"but {worst.removeprefix(HEAD)} is worse by {-of_heads[worst].mean:.4f}, and {gate.margin:g} is allowed"
    for metric, p in holm({metric: difference.p_worse for metric, difference in test.items()}).items():
        if p <= gate.alpha:
            return f"but clearly worse on the test rows, {metric} by {test[metric]}, and {gate.margin:g} is allowed"
    return ""


def _lane_figures(standing: Standing, objective: Objective) -> Floats:
    """Figures of each lane, averaged by fold: `(figures, folds)`."""
    heads = list(standing.r2)
    of_lanes = np.array([standing.r2[head] for head in heads]).T
    return by_fold(_figures(of_lanes, heads, objective), standing.folds)


def _means(standing: Standing, objective: Objective) -> Mapping[str, float]:
    """Each figure over the folds."""
    means = _lane_figures(standing, objective).mean(axis=-1).tolist()
    return dict(zip(_metrics(list(standing.r2), objective), means, strict=True))


def _over_lanes(
    objective: Objective,
    champion: Standing,
    challenger: Standing,
    validation_share: float,
    margin: float,
    confidence: float,
) -> Mapping[str, Difference]:
    """What the folds say, by figure."""
    differences = _lane_figures(challenger, objective) - _lane_figures(champion, objective)
    metrics = _metrics(list(challenger.r2), objective)
    return {
        metric: corrected_t(row, validation_share, margin, confidence) for metric, row in zip(metrics, differences, strict=True)
    }


def _figures_told(
    objective: Objective,
    champion: Standing,
    challenger: Standing,
    lanes: Mapping[str, Difference],
    test: Mapping[str, Difference],
) -> Mapping[str, Mapping[str, Any]]:
    """Everything that was measured, by figure."""
    before, after = _means(champion, objective), _means(challenger, objective)
    adjusted = holm({metric: difference.p for metric, difference in lanes.items() if metric.startswith(HEAD)})
    vetoes = holm({metric: difference.p_worse for metric, difference in test.items()})
    told: dict[str, dict[str, Any]] = {}
    for metric, difference in lanes.items():
        told[metric] = {
            "champion": before[metric],
            "challenger": after[metric],
            "difference": difference.mean,
            "interval": [difference.low, difference.high],
            "p": difference.p,
            "p_better": difference.p_better,
        }
        if metric in adjusted:
            told[metric]["p_adjusted"] = adjusted[metric]
        if metric in test:
            rows = test[metric]
            told[metric]["test"] = {
                "difference": rows.mean,
                "interval": [rows.low, rows.high],
                "p": rows.p,
                "p_worse": rows.p_worse,
                "p_worse_adjusted": vetoes[metric],
            }
    return told


def _rounded(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
