"""Contestants that are networks: tuned, trained on every half, tested on the other one, and measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from branchsweep.config.codec import from_data, to_data
from branchsweep.config.comparison import N_HALVES, Comparison, Network, Single
from branchsweep.metrics.comparison_result import (
    ContestantCost,
    ContestantResult,
)
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.types import Floats
from branchsweep.workflows.comparison.fits import (
    FittedNetwork,
    NetworkToFit,
    fit_networks,
    measure_network,
    predictions_by_lane,
    score_networks,
)
from branchsweep.workflows.comparison.nested_search import (
    TunedContestant,
    choose_recipes,
    contestant_networks,
    where_tuned,
)
from branchsweep.workflows.context import ComparisonContext, TrainingContext


def tune_contestant(
    name: str, contestant: Network | Single, context: ComparisonContext, recorded: Mapping[str, Any]
) -> TunedContestant:
    """What a contestant trains in every half: found by its searches, or recorded."""
    part = f"tuned/{name}"
    if part in recorded:
        context.training.progress.on_message(f"{name}: tuned before")
        return from_data(TunedContestant, recorded[part])
    start = time.perf_counter()
    networks = contestant_networks(contestant, context.comparison)
    tuned = TunedContestant(
        {network.head: choose_recipes(name, network, context.comparison, context.training) for network in networks}
    )
    if any(network.is_searched for network in networks):
        tuned = replace(tuned, seconds=time.perf_counter() - start)
        context.tracker.record_part(part, to_data(tuned))
    return tuned


def fit_contestants(
    contestants: Mapping[str, Network | Single], tuned: Mapping[str, TunedContestant], context: ComparisonContext
) -> tuple[dict[str, ContestantResult], dict[str, list[Floats]]]:
    """Trains the networks of all contestants on every half, those for the same heads side by side, and tests them.

    Returns:
        By contestant its result; and, without a failure, what the first network of every half predicts for the other one.
    """
    comparison = context.comparison
    failures = {name: tuned[name].failure for name in contestants}
    networks = [
        NetworkToFit.of(name, network, tuned[name].parts[network.head])
        for name, contestant in contestants.items()
        if not failures[name]
        for network in contestant_networks(contestant, comparison)
    ]
    fits = fit_networks(networks, comparison.networks, context.training)
    results: dict[str, ContestantResult] = {}
    predictions: dict[str, list[Floats]] = {}
    kinds = kinds_by_head(comparison.experiment)
    for name, contestant in contestants.items():
        own = [fit for fit in fits if fit.network.name == name]
        description = _description(contestant, comparison, tuned[name])
        failure = failures[name] or next((fit.failed for fit in own if fit.failed), "")
        if failure:
            cost = ContestantCost(None, 0, tuned[name].seconds, 0, 0)
            results[name] = ContestantResult(name, description, {}, {}, cost, failure=failure)
            continue
        context.training.progress.on_message(f"{name}: measuring its size and its latency")
        by_head, metrics = score_networks(own, kinds, context.training.rows)
        predictions[name] = [predicted for (_, seed), predicted in predictions_by_lane(own, kinds).items() if seed == 0]
        cost = _cost(own, tuned[name].seconds, context.training)
        recipes = tuple({fit.network.part.head: fit.network.params[half] for fit in own} for half in range(N_HALVES))
        results[name] = ContestantResult(name, description, by_head, metrics, cost, recipes)
    return results, predictions


def _cost(fits: Sequence[FittedNetwork], tuning_seconds: float, training: TrainingContext) -> ContestantCost:
    """What a contestant takes, over all its networks."""
    measured = [measure_network(fit, training) for fit in fits]
    return ContestantCost(
        parameters=sum(fit.network.parameters for fit in fits),
        training_seconds=sum(fit.seconds for fit in fits) / len(fits[0].predictions),
        tuning_seconds=tuning_seconds,
        latency=sum(latency for latency, _ in measured),
        bytes=sum(size for _, size in measured),
    )


def _description(contestant: Network | Single, comparison: Comparison, tuned: TunedContestant) -> str:
    """The description of a contestant in reports."""
    description = "a network for each head" if isinstance(contestant, Single) else "one network for all heads"
    if contestant.fixed:
        description += " with " + ", ".join(f"{name} {value}" for name, value in contestant.fixed.items())
    if contestant.experiment:
        description += f", of the experiment {contestant.experiment.name}"
    if not tuned.seconds:
        return f"{description}, not tuned"
    return f"{description}, tuned {where_tuned(comparison)}"
