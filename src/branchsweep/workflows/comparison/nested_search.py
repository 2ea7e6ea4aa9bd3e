"""Tuning for a comparison: what each contestant trains in each of the halves that it learns from.

The searches of one network in the ten halves are independent. Their rounds run side by side, so that their lanes fill the same
populations.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.config.comparison import N_HALVES, Comparison, Network, Single
from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.search.drivers import open_driver
from branchsweep.search.protocols import Driver
from branchsweep.trial import Params, Result, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.latency import SearchLatencies
from branchsweep.workflows.trial_runner import TrialGroup, run_groups

MIN_ROUNDS = 3
"""Rounds that a search has at least: a driver that is asked for all trials at once learns nothing from any."""


@dataclass(frozen=True, slots=True)
class ContestantNetwork:
    """One network of a contestant: for all heads, or for one of them.

    Args:
        head: For which; empty for all.
        experiment: How it is searched and trained.
    """

    head: str
    experiment: Experiment

    @property
    def candidates(self) -> list[Params]:
        """What may be trained where nothing is varied: the initial trials, or what the experiment fixes."""
        return list(self.experiment.search.initial_trials.values()) or [{}]

    @property
    def is_searched(self) -> bool:
        """Whether there is anything to choose from."""
        return bool(self.experiment.space.dimensions) or len(self.candidates) > 1


@dataclass(frozen=True, slots=True)
class ChosenRecipe:
    """What a network is trained with in one half.

    Args:
        params: Those of the best trial.
        epochs: How many; 0 for as many as its recipe is laid out for.
        failed: Why there is nothing to train; empty where there is.
    """

    params: Params
    epochs: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class TunedContestant:
    """What a contestant trains, in every half.

    Args:
        parts: By head (empty for all heads), the choice for each half.
        seconds: Wall time of its searches.
    """

    parts: Mapping[str, tuple[ChosenRecipe, ...]]
    seconds: float = 0.0

    @property
    def failure(self) -> str:
        """Why one of its networks has nothing to train; empty if all have."""
        return next((choice.failed for chosen in self.parts.values() for choice in chosen if choice.failed), "")


def contestant_networks(contestant: Network | Single, comparison: Comparison) -> list[ContestantNetwork]:
    """The networks of a contestant, each with its share of the budget."""
    derived = comparison.experiment_of(contestant)
    heads = list(derived.heads) if isinstance(contestant, Single) else [""]
    return [
        ContestantNetwork(head, _budgeted(derived.for_single_head(head) if head else derived, comparison, len(heads)))
        for head in heads
    ]


def _budgeted(experiment: Experiment, comparison: Comparison, parts: int) -> Experiment:
    """The experiment with its share of a contestant's budget, scored as the comparison says, in several rounds."""
    trials = max(1, comparison.budget.trials // parts)
    search = experiment.search.model_copy(
        update={
            "trials": trials,
            "seconds": comparison.budget.seconds and comparison.budget.seconds / parts,
            "batch": max(1, min(experiment.search.batch, -(-trials // MIN_ROUNDS))),
            "first_batch": None,  # nobody waits for the first result
            "pending_rounds": 0,  # the searches of all halves are under way together, and keep workers busy
        }
    )
    return experiment.model_copy(update={"search": search, "validation": comparison.validation})


def choose_recipes(
    name: str, part: ContestantNetwork, comparison: Comparison, training: TrainingContext
) -> tuple[ChosenRecipe, ...]:
    """What a network of a contestant trains, half by half.

    Args:
        name: The contestant's.
        part: Which of its networks.
        comparison: Says whether it is tuned in every half, or once.
        training: Trains the trials of its searches.
    """
    if not part.is_searched:
        return (ChosenRecipe(part.candidates[0]),) * N_HALVES
    label = f"{name}, {part.head}" if part.head else name
    count = part.experiment.folds
    searches = [range(first, first + count) for first in range(N_HALVES, len(training.rows.folds), count)]
    training.progress.on_message(f"{label}: {part.experiment.search.trials} trials {where_tuned(comparison)}")
    chosen = [_best(part.experiment, results) for results in nested_search(part.experiment, searches, training)]
    return tuple(chosen if comparison.tuning == "nested" else chosen * N_HALVES)


def where_tuned(comparison: Comparison) -> str:
    """Where contestants are tuned, as the end of a sentence."""
    return "inside every half" if comparison.tuning == "nested" else "once"


def nested_search(experiment: Experiment, folds: Sequence[Sequence[int]], training: TrainingContext) -> list[list[Result]]:
    """Independent searches of one experiment on several parts of the table, whose rounds train side by side.

    Args:
        experiment: With the budget of one search; its seconds are those of all of them together.
        folds: For each search, the folds on which its trials are scored.
        training: Trains the trials.

    Returns:
        For each search its results, in order of the trials' numbers.
    """
    began = time.perf_counter()
    drivers = [open_driver(experiment.model_copy(update={"seed": experiment.seed + index})) for index in range(len(folds))]
    results: list[list[Result]] = [[] for _ in folds]
    latencies = SearchLatencies(experiment, training)

    def group(driver: Driver, found: Sequence[Result], search_folds: Sequence[int]) -> TrialGroup:
        trials = _ask(driver, experiment, len(found))
        return TrialGroup(trials, search_folds, latencies=latencies.of(trials))

    def time_is_over() -> str:
        seconds = experiment.search.seconds
        return f"{seconds:g} seconds are over" if seconds and time.perf_counter() - began > seconds else ""

    while not time_is_over():
        groups = [group(*search) for search in zip(drivers, results, folds, strict=True)]
        if not any(asked.trials for asked in groups):
            break
        finished: list[dict[int, Result]] = [{} for _ in folds]
        for index, result in run_groups(groups, experiment, training, time_is_over):
            finished[index][result.trial.number] = result.without_curves()
        for driver, found, by_number in zip(drivers, results, finished, strict=True):
            for number in sorted(by_number):
                driver.tell(by_number[number])
                found.append(by_number[number])
    return results


def _ask(driver: Driver, experiment: Experiment, finished: int) -> list[Trial]:
    left = experiment.search.trials - finished
    return driver.ask(min(experiment.batch, left)) if left > 0 else []


def _best(experiment: Experiment, results: Sequence[Result]) -> ChosenRecipe:
    best = make_evaluator(experiment.objective, results).best(results)
    if best is None:
        return ChosenRecipe({}, failed="no trial of its search is complete, or meets the constraints")
    return ChosenRecipe(best.trial.params, max(1, round(best.score.epochs)))
