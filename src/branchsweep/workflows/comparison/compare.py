"""The comparison: single- against multi-output networks, and whoever else competes, by 5x2 cross-validation.

    ten halves ── tuning: a search inside each ── fits: all networks side by side ── the other half ── five_by_two ── Findings
               └─ estimators of scikit-learn's, fitted and tested likewise

The table is cut into two halves five times. Every contestant learns from each half and is tested on the other one (Dietterich
1998), so it has ten figures, which `five_by_two` compares. What is tuned is tuned inside the half that it learns from, by
searches whose rounds run side by side. In the end each network trains on the whole half, for as many epochs as its best trial
took for the weights that were scored: the rows it is tested on say nothing about when to stop.

What is finished is kept by the tracker: the searches of one contestant, the fits of one estimator. A comparison that was killed
goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from branchsweep.config.codec import from_data, to_data
from branchsweep.config.comparison import N_HALVES, Comparison, Estimator, Network, Single
from branchsweep.config.identity import comparison_key_fields
from branchsweep.config.metric_names import MEAN, common_metric
from branchsweep.config.recorded import dump_yaml
from branchsweep.config.search_space import SearchSpace
from branchsweep.config.validation import KFold
from branchsweep.data.dataset import Dataset, Halves
from branchsweep.data.digest import combined_digest
from branchsweep.data.splits import make_folds, split_rows
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics import comparison_conclusions, five_by_two_cv
from branchsweep.metrics.comparison_result import (
    ComparisonResult,
    ContestantCost,
    ContestantResult,
    PairwiseDifference,
    SharingResult,
    contestant_from_data,
    contestant_to_data,
)
from branchsweep.metrics.scores import by_half, head_scores, mean_score
from branchsweep.models import baselines
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.runtime import environment_facts
from branchsweep.tracking.protocols import ComparisonRecord
from branchsweep.workflows.comparison.fits import NetworkToFit, fit_networks, measure_network, score_networks
from branchsweep.workflows.comparison.nested_search import (
    ChosenRecipe,
    ContestantNetwork,
    TunedContestant,
    choose_recipes,
    contestant_networks,
)
from branchsweep.workflows.context import ComparisonContext, TrainingContext


def compare(context: ComparisonContext) -> ComparisonResult:
    """A comparison from beginning to end. The parts of it that the tracker has recorded are not made again."""
    began = time.perf_counter()
    comparison, dataset = context.comparison, context.dataset
    recorded = context.tracker.recorded_parts()
    networks = {name: one for name, one in comparison.contestants.items() if not isinstance(one, Estimator)}
    tuned = {name: _tuned(name, one, context, recorded) for name, one in networks.items()}
    measured = fitted(networks, tuned, context)
    for name, one in comparison.contestants.items():
        if isinstance(one, Estimator):
            measured[name] = _estimated(name, one, context, recorded)
    in_order = tuple(measured[name] for name in comparison.contestants)
    standing = [one for one in in_order if not one.failure]
    contrasts = five_by_two_cv.differences_to_reference(standing, comparison.reference_name, comparison.alpha)
    transfer = _transfer(comparison, measured)
    shared = shared_layers(comparison, context.training)
    return ComparisonResult(
        comparison=comparison.name,
        question=comparison.question,
        run_id=context.tracker.run_id,
        heads={name: head.unit for name, head in comparison.experiment.heads.items()},
        data={"source": dataset.source, "location": dataset.location, "digest": dataset.digest, "rows": dataset.rows},
        protocol=protocol(comparison, context.halves),
        reference=comparison.reference_name,
        alpha=comparison.alpha,
        contestants=in_order,
        differences=contrasts,
        transfer=transfer,
        conclusions=comparison_conclusions.conclusions(
            standing, contrasts, transfer, comparison.experiment.score_metrics, comparison.reference_name
        ),
        sharing=shared,
        sharing_layers=comparison.sharing.layers if comparison.sharing else 0,
        warnings=_warnings(comparison, dataset, in_order),
        seconds=time.perf_counter() - began,
        score_metrics=comparison.experiment.score_metrics,
    )


def record(comparison: Comparison, dataset: Dataset, halves: Halves) -> ComparisonRecord:
    """What the tracker writes down when the comparison begins.

    The key is a digest of all that decides what comes out: the same key is the same comparison. Who trains decides nothing.
    """
    return ComparisonRecord(
        name=comparison.name,
        key=combined_digest([json.dumps(comparison_key_fields(comparison)), dataset.digest, halves.digest]),
        question=comparison.question,
        yaml=dump_yaml(comparison),
        heads={name: head.unit for name, head in comparison.experiment.heads.items()},
        score_metrics=comparison.experiment.score_metrics,
        tags={
            "data_source": dataset.source,
            "data_location": dataset.location,
            "data_digest": dataset.digest,
            "data_rows": str(dataset.rows),
            "halves_digest": halves.digest,
            "seed": str(comparison.seed),
            **environment_facts(),
        },
    )


def comparison_rows(comparison: Comparison, dataset: Dataset, halves: Halves) -> TrainingRows:
    """All rows of the table. The first ten folds learn from one half and are tested on the other; then come those of tuning."""
    tests = [fold for first, second in halves.pairs for fold in ((first, second), (second, first))]
    nested = comparison.tuning == "nested"
    places = [learning for learning, _ in tests] if nested else [split_rows(comparison.experiment, dataset).train]
    inside = [fold for place in places for fold in make_folds(comparison.validation, place, comparison.seed)]
    return TrainingRows(dataset.x, dataset.y, (*tests, *inside), dataset.heads)


def _tuned(name: str, contestant: Network | Single, context: ComparisonContext, recorded: Mapping[str, Any]) -> TunedContestant:
    """What a contestant trains in every half: found by its searches, or recorded."""
    part = f"tuned/{name}"
    if part in recorded:
        context.training.progress.on_message(f"{name}: tuned before")
        return from_data(TunedContestant, recorded[part])
    began = time.perf_counter()
    parts = contestant_networks(contestant, context.comparison)
    tuned = TunedContestant({one.head: choose_recipes(name, one, context.comparison, context.training) for one in parts})
    if any(one.is_searched for one in parts):
        tuned = replace(tuned, seconds=time.perf_counter() - began)
        context.tracker.record_part(part, to_data(tuned))
    return tuned


def fitted(
    networks: Mapping[str, Network | Single], tuned: Mapping[str, TunedContestant], context: ComparisonContext
) -> dict[str, ContestantResult]:
    """Trains the networks of all contestants on every half, those for the same heads side by side, and tests them."""
    comparison, training = context.comparison, context.training
    rows = training.rows
    failed = {
        name: next((one.failed for chosen in found.parts.values() for one in chosen if one.failed), "")
        for name, found in tuned.items()
    }
    wanted = [
        NetworkToFit.of(name, part, tuned[name].parts[part.head])
        for name, contestant in networks.items()
        if not failed[name]
        for part in contestant_networks(contestant, comparison)
    ]
    fits = fit_networks(wanted, comparison.networks, training)
    measured = {}
    for name, contestant in networks.items():
        what = _what(contestant, comparison, tuned[name])
        own = [(one, of) for one, of in zip(wanted, fits, strict=True) if one.name == name]
        failed[name] = failed[name] or next((of.failed for _, of in own if of.failed), "")
        if failed[name]:
            measured[name] = ContestantResult(
                name, what, {}, {}, ContestantCost(None, 0, tuned[name].seconds, 0, 0), failure=failed[name]
            )
            continue
        training.progress.on_message(f"{name}: measuring its size and its latency")
        by_head, metrics = score_networks(
            [of for _, of in own], [one.part for one, _ in own], list(comparison.experiment.heads), rows
        )
        sizes = [measure_network(one, of, training) for one, of in own]
        lanes = len(own[0][1].predictions)
        cost = ContestantCost(
            parameters=sum(one.parameters for one, _ in own),
            training_seconds=sum(of.seconds for _, of in own) / lanes,
            tuning_seconds=tuned[name].seconds,
            latency=sum(latency for latency, _ in sizes),
            bytes=sum(size for _, size in sizes),
        )
        recipes = tuple({one.part.head: one.params[half] for one, _ in own} for half in range(N_HALVES))
        measured[name] = ContestantResult(name, what, by_head, metrics, cost, recipes)
    return measured


def _estimated(name: str, one: Estimator, context: ComparisonContext, recorded: Mapping[str, Any]) -> ContestantResult:
    """An estimator fitted and tested on every half, or recorded."""
    part, metric = f"estimator/{name}", common_metric(context.comparison.experiment.score_metrics.values())
    words = one.estimator.replace("_", " ")
    what = f"{words}, a chain of {' and then '.join(one.chain)}" if one.chain else f"{words} for each head"
    if part in recorded:
        return replace(contestant_from_data({"name": name, "what": what, **recorded[part]}, metric), description=what)
    context.training.progress.on_message(f"{name}: fitting it on every half")
    result = _fit_estimator(name, what, one, context.comparison, context.training.rows)
    context.tracker.record_part(part, contestant_to_data(result, metric))
    return result


def _fit_estimator(name: str, what: str, one: Estimator, comparison: Comparison, rows: TrainingRows) -> ContestantResult:
    kinds = kinds_by_head(comparison.experiment)
    heads = list(kinds)
    of = rows.for_heads(heads)
    scores, seconds, cost = [], [], None
    for half in range(N_HALVES):
        learning, test = of.fold_rows(half)
        fitted = baselines.fit(one.estimator, of.x[learning], of.y[learning], kinds, one.chain, comparison.seed)
        scores.append(head_scores(of.y[test], fitted.predict(of.x[test]), heads))
        seconds.append(fitted.seconds)
        cost = cost or baselines.measure_cost(fitted, of.x)  # of the first one: a forest is too large to keep all ten
    assert cost is not None, "there are halves"
    by_head, metrics = by_half(scores)
    means = tuple(mean_score(measured) for measured in scores)
    cost = replace(cost, training_seconds=float(np.mean(seconds)))
    return ContestantResult(name, what, {**by_head, MEAN: means}, metrics, cost)


def shared_layers(comparison: Comparison, training: TrainingContext) -> tuple[SharingResult, ...]:
    """Scores by the layers that the heads share, from none (networks of their own) to all: one recipe, tuned for none."""
    if comparison.sharing is None:
        return ()
    training.progress.on_message("how much is shared: one recipe, with its branches leaving the trunk ever later")
    points = [_shared(comparison, layers) for layers in range(comparison.sharing.layers + 1)]
    wanted = [
        NetworkToFit.of(f"{layers} shared", part, [ChosenRecipe(part.candidates[0])] * N_HALVES)
        for layers, parts in enumerate(points)
        for part in parts
    ]
    fits = fit_networks(wanted, comparison.networks, training)
    found = []
    rows = training.rows
    for layers in range(len(points)):
        own = [(one, of) for one, of in zip(wanted, fits, strict=True) if one.name == f"{layers} shared"]
        if not any(of.failed for _, of in own):
            by_head, _ = score_networks(
                [of for _, of in own], [one.part for one, _ in own], list(comparison.experiment.heads), rows
            )
            found.append(SharingResult(layers, by_head, round(sum(one.parameters for one, _ in own))))
    return tuple(found)


def _shared(comparison: Comparison, layers: int) -> list[ContestantNetwork]:
    """The networks whose heads share so many hidden layers: one for all of them, or one for each where they share none."""
    assert comparison.sharing is not None, "it is asked for"
    sharing, base = comparison.sharing, comparison.experiment
    recipe = {**base.space.fixed, **sharing.fixed, "trunk.depth": layers or sharing.layers}
    recipe |= {f"{head}.depth": sharing.layers - layers if layers else 0 for head in base.heads}
    update = {
        "space": SearchSpace(dimensions={}, fixed=recipe),
        "search": base.search.model_copy(update={"initial_trials": {}}),
        "seed": comparison.seed,
    }
    whole = base.model_copy(update=update)
    return (
        [ContestantNetwork("", whole)]
        if layers
        else [ContestantNetwork(head, whole.for_single_head(head)) for head in base.heads]
    )


def _transfer(comparison: Comparison, measured: Mapping[str, ContestantResult]) -> tuple[PairwiseDifference, ...]:
    """What is gained by sharing, where both contestants have figures."""
    if comparison.transfer_pair is None:
        return ()
    shared, single = (measured[name] for name in comparison.transfer_pair)
    return () if shared.failure or single.failure else five_by_two_cv.pairwise_differences(shared, single, comparison.alpha)


def _what(contestant: Network | Single, comparison: Comparison, tuned: TunedContestant) -> str:
    """What a contestant is, in words."""
    what = "a network for each head" if isinstance(contestant, Single) else "one network for all heads"
    if contestant.fixed:
        what += " with " + ", ".join(f"{name} {value}" for name, value in contestant.fixed.items())
    if contestant.experiment:
        what += f", of the experiment {contestant.experiment.name}"
    if not tuned.seconds:
        return f"{what}, not tuned"
    return f"{what}, tuned {'inside every half' if comparison.tuning == 'nested' else 'once'}"


def protocol(comparison: Comparison, halves: Halves) -> tuple[str, ...]:
    """How it is done, as sentences."""
    budget = comparison.budget
    limit = f" or {budget.seconds:g} seconds, whichever is spent first" if budget.seconds else ""
    validation = comparison.validation
    scored = f"{validation.folds}-fold cross-validation" if isinstance(validation, KFold) else "a hold-out"
    seeds = comparison.networks
    if comparison.tuning == "nested":
        tuning = (
            f"Tuning is nested: each of the ten halves has a search of its own, in which trials are scored by {scored}. It "
            "never sees the rows that are tested on."
        )
    else:
        tuning = (
            f"Tuning was done once, by {scored} on the training rows of the experiment {comparison.experiment.name}. Most of "
            "them are tested on here, so what is tuned flatters itself a little. No network has "
            "learnt from a row that it is tested on."
        )
    cut = (
        f"5x2 cross-validation: five times the table is cut into two halves ({halves.origin}); every contestant learns from "
        "each half and is tested on the other one."
    )
    spent = (
        f"Budget: {budget.trials} trials{limit} for each contestant that is tuned; one with a network for each head splits "
        "them evenly among its searches."
    )
    trained = (
        f"In every half {f'{seeds} networks' if seeds > 1 else 'one network'} of the chosen recipe train{'s' * (seeds == 1)} "
        "on all its rows, as long as the best trial did."
    )
    decided = (
        f"A difference counts where Alpaydin's combined 5x2cv F test rejects at {comparison.alpha:g} after Holm's correction, "
        "and the interval of the corrected resampled t excludes zero."
    )
    return cut, spent, tuning, trained, decided


def _warnings(comparison: Comparison, dataset: Dataset, measured: Sequence[ContestantResult]) -> tuple[str, ...]:
    """What a reader should know."""
    said = list(dataset.warnings)
    if comparison.budget.seconds:
        said.append("The budget has seconds, so another machine may find other recipes.")
    return (*said, *(f"{one.name} has no figures: {one.failure}." for one in measured if one.failure))
