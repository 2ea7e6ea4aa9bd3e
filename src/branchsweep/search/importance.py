"""What mattered: the share of each dimension in becoming one of the best trials, for each head and for the objective.

PED-ANOVA (Watanabe, Bansal, Hutter 2023, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces;
for conditional dimensions as Optuna extends it) compares how the values of a dimension are spread among the best trials with
how they are spread among all, by their Pearson divergence: 0 where the best do not care for the dimension.

It needs to know who is best, so values must be comparable, and those of pruned trials come from fewer epochs. Trials that were
pruned at the first rung are left out: where networks learn at unlike speeds, values so early say who is fast rather than who
becomes good. One that was pruned later counts with what it would have reached, had it gained from there on as much as complete
trials did. Of the rules tried, this one came nearest on average on synthetic learning curves with the default rungs (three
kinds of curves, ten sweeps each; as the truth the shares over 3,000 trials without pruning, as the error half the sum of
absolute differences): 0.37, 0.24 and 0.21 after 64, 128 and 256 trials. Complete trials alone, few and alike, erred by 0.49,
0.43 and 0.48; all trials at the values expected of them by 0.45, 0.40 and 0.38. Without any pruning 64 and 128 trials
erred by 0.27 and 0.17 (two kinds, twelve sweeps): after few trials the order says more than the figures. Measured curves have
not been tried.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from branchsweep.config.dimensions import Choice, Dimension
from branchsweep.config.experiment import Experiment
from branchsweep.search.optuna_export import to_distribution
from branchsweep.search.sampling import index_of, to_search_point
from branchsweep.search.successive_halving import mean_gain_after_rung
from branchsweep.trial import Params, ParamValue, Result

FEWEST = 20
"""Trials below which nothing is said."""

BEST = 0.1
"""The share of the trials that count as the best (Optuna's own), but at least `FEWEST_BEST` of them."""

FEWEST_BEST = 5
"""Below this the best are a matter of chance, as Optuna's documentation warns."""


def importance(experiment: Experiment, results: Sequence[Result]) -> Mapping[str, Mapping[str, float]]:
    """By head, and for `mean`, the share of each dimension, the largest first; the shares of a head add up to 1.

    Args:
        experiment: Gives the space and the rungs.
        results: The sweep's results, in any order. Failed trials have no value, known configurations outside the space no place
            in it: both are passed over.

    Returns:
        A dimension that does not vary, or was asked in too few trials, is left out, and so is a head for which all trials are
        equal. Empty where fewer than `FEWEST` trials can be compared.
    """
    compared = _compared(experiment, results)
    if len(compared) < FEWEST:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for every study made says nothing to a user
    found = {
        **{
            head: _shares(experiment, [(point, scores[place]) for point, scores in compared])
            for place, head in enumerate(experiment.heads)
        },
        "mean": _shares(experiment, [(point, fmean(scores)) for point, scores in compared]),
    }
    return {head: shares for head, shares in found.items() if shares}


def _compared(experiment: Experiment, results: Sequence[Result]) -> list[tuple[Params, Sequence[float]]]:
    """The points of the trials that are compared, each with its R² by head: measured at the end, or expected there."""
    all_scores = [result.score for result in results]
    gains = {epoch: mean_gain_after_rung(all_scores, epoch) for epoch in experiment.pruning_schedule.rungs[1:]}
    compared: list[tuple[Params, Sequence[float]]] = []
    for result in results:
        point, scores = to_search_point(experiment, result.trial.params), list(result.score.by_head.values())
        if not result.score.is_complete:
            gain = gains.get(max(result.score.rungs, default=0), {})
            scores = [value + gain[head] for head, value in result.score.by_head.items() if head in gain]
        if point is not None and scores and all(map(math.isfinite, scores)):
            compared.append((point, scores))
    return compared


def _shares(experiment: Experiment, values: Sequence[tuple[Params, float]]) -> Mapping[str, float]:
    """The shares in getting a high value, given the points with their values."""
    dimensions = experiment.space.dimensions
    asked = Counter(name for point, _ in values for name in point)
    varied = {name: _distribution(it) for name, it in dimensions.items() if it.size > 1 and asked[name] >= FEWEST_BEST}
    study = optuna.create_study(direction="maximize")
    for point, value in values:
        params = {name: _encoded(dimensions[name], point[name]) for name in varied if name in point}
        distributions = {name: varied[name] for name in params}
        study.add_trial(create_trial(params=params, distributions=distributions, value=value))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(BEST, FEWEST_BEST / len(values)))
    with warnings.catch_warnings():
        # It warns where all values are equal, and of a dimension that all trials but one were asked.
        warnings.simplefilter("ignore")
        divergences = evaluator.evaluate(study, params=list(varied))
    total = sum(divergences.values())
    return {name: divergence / total for name, divergence in divergences.items()} if total > 0 else {}


def _distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension in Optuna's words, ordered choices by their indices, so that neighbours count as alike."""
    if isinstance(dimension, Choice) and dimension.ordered:
        return IntDistribution(0, len(dimension.choices) - 1)
    return to_distribution(dimension)


def _encoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    return index_of(dimension, value) if isinstance(dimension, Choice) and dimension.ordered else value
