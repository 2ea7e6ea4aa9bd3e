"""Hyperparameter importance: how much each dimension decides whether a trial is among the best, by head and for the mean score.

PED-ANOVA (Watanabe, Bansal, Hutter 2023, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces;
for conditional dimensions as Optuna extends it) compares the distribution of a dimension's values among the best trials with
that among all trials, by their Pearson divergence: 0 if the best trials do not depend on the dimension.

The best trials must be known, so values must be comparable, and those of pruned trials come from fewer epochs. Trials that were
pruned at the first rung are left out: if networks learn at different speeds, such early scores measure the speed rather than
the final score. A trial that was pruned later counts with the score that it would have reached, had it gained from there on as
much as complete trials. Of the rules tried, this one had the lowest error on average on synthetic learning curves with the
default rungs (three kinds of curves, ten sweeps each; truth: the shares over 3,000 trials without pruning; error: half the sum
of absolute differences): 0.37, 0.24 and 0.21 after 64, 128 and 256 trials. Complete trials alone, few and similar, had errors
of 0.49, 0.43 and 0.48; all trials with their expected scores 0.45, 0.40 and 0.38. Without any pruning 64 and 128 trials had
errors of 0.27 and 0.17 (two kinds, twelve sweeps): after few trials the order is more reliable than the shares. Measured curves
were not tried.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import Choice, Dimension
from branchsweep.metrics.functions import mean
from branchsweep.search.optuna_export import to_distribution
from branchsweep.search.search_points import index_of, to_search_point
from branchsweep.search.successive_halving import mean_gain_after_rung
from branchsweep.trial import Params, ParamValue, Result

FEWEST = 20
"""The fewest trials for which importance is computed."""

BEST = 0.1
"""The share of the trials that count as the best (Optuna's own), but at least `FEWEST_BEST` of them."""

FEWEST_BEST = 5
"""With fewer best trials the result is random, as Optuna's documentation warns."""


def importance(experiment: Experiment, results: Sequence[Result]) -> Mapping[str, Mapping[str, float]]:
    """The importance of each dimension by head, and for `mean`: shares that add up to 1 per head, the largest first.

    Args:
        experiment: Determines the space and the rungs.
        results: The sweep's results, in any order. Failed trials, and initial trials outside the space, are ignored.

    Returns:
        Shares by head and dimension. Dimensions that do not vary or occur in too few trials are left out, and so are heads for
        which all trials score alike. Empty if fewer than `FEWEST` trials can be compared.
    """
    compared = _compared(experiment, results)
    if len(compared) < FEWEST:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for every study is of no use to a user
    found = {
        **{
            head: _shares(experiment, [(point, scores[index]) for point, scores in compared])
            for index, head in enumerate(experiment.heads)
        },
        "mean": _shares(experiment, [(point, mean(scores)) for point, scores in compared]),
    }
    return {head: shares for head, shares in found.items() if shares}


def why_no_importance(experiment: Experiment, results: Sequence[Result]) -> str:
    """Why `importance` finds none, as a sentence."""
    if all(dimension.size <= 1 for dimension in experiment.space.dimensions.values()):
        return "No hyperparameter was varied."
    count = len(_compared(experiment, results))
    if count < FEWEST:
        return (
            f"Importance needs {FEWEST} trials whose scores can be compared (complete ones, and those pruned after the first "
            f"rung); this sweep has {count} of them."
        )
    return "The trials that can be compared score alike, so no hyperparameter matters among them."


def _compared(experiment: Experiment, results: Sequence[Result]) -> list[tuple[Params, Sequence[float]]]:
    """The points of the trials that are compared, each with its scores by head: those at the end, or those expected there."""
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
    """The shares of the dimensions, given points with their values."""
    dimensions = experiment.space.dimensions
    asked = Counter(name for point, _ in values for name in point)
    varied = {
        name: _distribution(dimension)
        for name, dimension in dimensions.items()
        if dimension.size > 1 and asked[name] >= FEWEST_BEST
    }
    study = optuna.create_study(direction="maximize")
    for point, value in values:
        params = {name: _encoded(dimensions[name], point[name]) for name in varied if name in point}
        distributions = {name: varied[name] for name in params}
        study.add_trial(create_trial(params=params, distributions=distributions, value=value))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(BEST, FEWEST_BEST / len(values)))
    with warnings.catch_warnings():
        # It warns if all values are equal, and about a dimension that all trials but one have.
        warnings.simplefilter("ignore")
        divergences = evaluator.evaluate(study, params=list(varied))
    total = sum(divergences.values())
    return {name: divergence / total for name, divergence in divergences.items()} if total > 0 else {}


def _distribution(dimension: Dimension) -> BaseDistribution:
    """The dimension as a distribution of Optuna, ordered choices by index, so that neighbours are similar."""
    if isinstance(dimension, Choice) and dimension.ordered:
        return IntDistribution(0, len(dimension.choices) - 1)
    return to_distribution(dimension)


def _encoded(dimension: Dimension, value: ParamValue) -> ParamValue:
    return index_of(dimension, value) if isinstance(dimension, Choice) and dimension.ordered else value
