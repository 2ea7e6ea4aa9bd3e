"""Fewer folds at the first rungs: what they save, and what they cost in quality, by table.

    python -m benchmarks.pruning_folds [--tables FOLDER] [--names enb,jura,slump] [--pools 3] [--trials 128] [--draws 500]
                                       [--data PATH] [--quick] [--json]

Each table has the search space, folds and epochs that `branchsweep init` writes for it. For every pool, random trials are
trained to their end on all folds, and once more from other seeds on other folds of the same rows, which tells what each is
worth without selection. Scores of a network do not depend on what else is trained, so the learning curves of each fold say
which trials a schedule prunes and how many epochs it trains. Searches are drawn from a pool: trials in random order, in rounds
of 32 (a quarter of the pool), until a schedule has trained as many epochs as 64 trials (half the pool) take that are pruned on
all folds. Compared are the scores on the other folds: of the best trial of each search, and of the finalist (the best of the
best four by these scores). Last, the seconds of a processor that a round takes with each schedule.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT, setting_of
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.training import Pruning
from branchsweep.data.training_rows import TrainingRows
from branchsweep.search.drivers import random_trials
from branchsweep.search.successive_halving import rung_ranking, surviving_count
from branchsweep.training.lanes import LaneOutcome, search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Trial
from branchsweep.types import Floats
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.promotion.confirmation import reevaluate
from branchsweep.workflows.train_lanes import train_lanes

CONFIRMED = 4
"""The best trials of a search, of which the finalist is chosen."""


def schedules(experiment: Experiment) -> dict[str, Pruning]:
    """By name: all folds at every rung, and fewer at the first ones."""
    every, most = experiment.pruning_schedule, experiment.folds
    counts = {"all folds": None, "1, 2, 3": [1, 2, 3], "1, 1, 2": [1, 1, 2], "1, 1, 1": [1, 1, 1]}
    return {
        name: every.model_copy(update={"folds": folds and [min(count, most) for count in folds[: len(every.rungs)]]})
        for name, folds in counts.items()
    }


@dataclass(frozen=True)
class Pool:
    """Random trials of one experiment, all trained to their end.

    Args:
        curves: `(trials, folds, epochs, heads)`: the score on the validation rows after each epoch; lower than any other where
            a network diverged.
        confirmed: `(trials,)`: the mean score on the other folds, from other seeds.
    """

    curves: Floats
    confirmed: Floats


def trained_pool(experiment: Experiment, rows: TrainingRows, trials: Sequence[Trial]) -> Pool:
    """All trials, trained on all folds of the search and on those of the confirmation."""
    with LocalWorkers(rows) as trainer:
        training = TrainingContext(trainer, rows, NoProgress())
        outcomes = train_lanes([lane for trial in trials for lane in search_lanes(trial, experiment)], experiment, training)
        candidates = [ConfirmationCandidate(str(trial.number), experiment, trial) for trial in trials]
        confirmed = reevaluate(candidates, experiment, training)
    by_trial: dict[Any, list[LaneOutcome]] = {trial.number: [] for trial in trials}
    for key in sorted(outcomes):
        by_trial[key.candidate].append(outcomes[key])
    lowest = -1e9
    curves = np.full((len(trials), experiment.folds, experiment.fit.epochs, len(experiment.heads)), lowest)
    for index, lanes in enumerate(by_trial.values()):
        for fold, lane in enumerate(lanes):
            if not lane.failed_at:
                curves[index, fold] = np.nan_to_num(lane.curve, nan=lowest, neginf=lowest)
    values = [trial.score.value for trial in confirmed]
    return Pool(curves, np.nan_to_num(values, nan=lowest))


def halved(pool: Pool, trials: Sequence[int], experiment: Experiment) -> tuple[list[int], int]:
    """The trials of a round that train to their end, and the epochs that all its networks train together."""
    standing, epochs, before = list(trials), 0, 0
    for phase in experiment.phases:
        trained = phase.networks * phase.epoch
        epochs += len(standing) * (trained - before)
        before = trained
        if phase.epoch == experiment.fit.epochs:
            break
        scores = pool.curves[standing, : phase.folds, phase.epoch - 1].mean(axis=1)
        vectors = {trial: tuple(by_head) for trial, by_head in zip(standing, scores.tolist(), strict=True)}
        ranking = rung_ranking(vectors, {trial: statistics.fmean(vector) for trial, vector in vectors.items()})
        standing = ranking[: surviving_count(len(standing), experiment.pruning_schedule.keep)]
    return standing, epochs


def searched(pool: Pool, order: NDArray[np.int64], batch: int, budget: int, experiment: Experiment) -> tuple[float, float, int]:
    """A search through trials in this order with a budget of epochs.

    Returns:
        The confirmed score of its best trial and that of the finalist, and the number of its trials.
    """
    complete: list[int] = []
    spent = asked = 0
    while asked < len(order):
        count = min(batch, len(order) - asked)
        while count and spent + halved(pool, order[asked : asked + count].tolist(), experiment)[1] > budget:
            count -= 1
        if not count:
            break
        ended, epochs = halved(pool, order[asked : asked + count].tolist(), experiment)
        complete, spent, asked = [*complete, *ended], spent + epochs, asked + count
    values = pool.curves[complete, :, -1].mean(axis=(1, 2))
    best = [complete[index] for index in np.argsort(-values, kind="stable")[:CONFIRMED]]
    return float(pool.confirmed[best[0]]), float(pool.confirmed[best].max()), asked


def of_pool(name: str, seed: int, options: argparse.Namespace) -> dict[str, Mapping[str, float]]:
    """By schedule: mean confirmed scores of the searches that are drawn from a pool, their trials, the epochs of a round."""
    experiment, rows = setting_of(name, seed, options)
    pool = trained_pool(experiment, rows, random_trials(experiment, options.trials))
    batch, generator = options.trials // 4, np.random.default_rng(seed)
    pruned = {label: experiment.model_copy(update={"pruning": pruning}) for label, pruning in schedules(experiment).items()}
    of_round = {label: halved(pool, range(batch), each)[1] for label, each in pruned.items()}
    budget = 2 * of_round["all folds"]
    found: dict[str, list[tuple[float, float, int]]] = {label: [] for label in pruned}
    for _ in range(options.draws):
        order = generator.permutation(options.trials)
        for label, each in pruned.items():
            found[label].append(searched(pool, order, batch, budget, each))
    measured: dict[str, Mapping[str, float]] = {
        label: dict(zip(("best", "finalist", "trials"), np.mean(values, axis=0).tolist(), strict=True))
        | {"epochs of a round": of_round[label] / of_round["all folds"]}
        for label, values in found.items()
    }
    _measure.note(f"{name}, pool {seed}: {json.dumps(measured)}")
    return measured


def round_seconds(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of a processor that a round takes with each schedule, without compiling."""
    experiment, rows = setting_of(name, 1, options)
    trials = random_trials(experiment, options.trials // 4)
    trainer = PopulationTrainer(rows)
    training = TrainingContext(trainer, rows, NoProgress())
    train_lanes([replace(lane, stop=1) for trial in trials for lane in search_lanes(trial, experiment)], experiment, training)

    def seconds(pruning: Pruning) -> float:
        began = time.process_time()
        list(_measure.run_trials(trials, experiment.model_copy(update={"pruning": pruning}), training))
        return time.process_time() - began

    return {label: seconds(pruning) for label, pruning in schedules(experiment).items()}


def of_table(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """By schedule, means over the pools, and what is gained over all folds at every rung."""
    pools = [of_pool(name, seed, options) for seed in range(1, 1 + options.pools)]
    seconds = round_seconds(name, options)
    return {
        label: {measure: statistics.fmean(pool[label][measure] for pool in pools) for measure in pools[0][label]}
        | {"seconds of a round": seconds[label]}
        | {
            f"{measure} gained": _measure.paired_gain(
                [pool[label][measure] for pool in pools], [pool["all folds"][measure] for pool in pools]
            )
            for measure in ("best", "finalist")
        }
        for label in seconds
    }


def main() -> None:
    """Measures and prints."""
    options = _tables.parsed(
        _tables.parser(__doc__, f"{POWER_PLANT},enb,jura,slump"),
        pools=_tables.Size("of trials, each with its own rows for the test", 3, 1),
        trials=_tables.Size("of a pool", 128, 16),
        draws=_tables.Size("searches drawn from a pool", 500, 20),
        epochs=_tables.Size("of a network", None, 40),
    )
    _measure.conclude({name: of_table(name, options) for name in options.names}, options.json)


if __name__ == "__main__":
    main()
