"""Fewer folds at the first rungs: what they save, and what they cost in quality, by table.

    python -m benchmarks.pruning_folds [--tables FOLDER] [--names enb,jura,slump] [--pools 3] [--trials 128] [--draws 500]
                                       [--repeats 3] [--store FOLDER] [--data PATH] [--quick] [--json]

Each table has the search space, folds and epochs that `branchsweep init` writes for it. For every pool, random trials are
trained to their end on all folds, and once more from other seeds on other folds of the same rows, which tells what each is
worth without selection. Scores of a network do not depend on what else is trained, so the learning curves of each fold say
which trials a schedule prunes and how many epochs it trains. Searches are drawn from a pool: trials in random order, in rounds
of 32 (a quarter of the pool), until a schedule has trained as many epochs as 64 trials (half the pool) take that are pruned on
all folds, or as many processor seconds. A schedule's seconds of an epoch are those that it takes for a round: the median of
several runs of the pool's first trials, in turn with the other schedules, without compiling. Compared are the scores on the
other folds: of the best trial of each search, and of the finalist (the best of the best four by these scores). Trained pools
and seconds are kept in `--store`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _measure, _tables
from benchmarks._tables import POWER_PLANT, setting_of
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.training import Pruning
from branchsweep.data.training_rows import TrainingRows
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import random_trials
from branchsweep.search.successive_halving import rung_ranking, surviving_count
from branchsweep.training.lanes import LaneOutcome, search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.program import program_cache
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


def trained_pool(experiment: Experiment, rows: TrainingRows, trials: Sequence[Trial], kept: Path | None) -> Pool:
    """All trials, trained on all folds of the search and on those of the confirmation.

    Args:
        experiment: How they are trained.
        rows: On what.
        trials: All of them.
        kept: The beginning of the files in which both parts are kept; None for none.
    """
    with LocalWorkers(rows, cache_folder=cache_folder()) as trainer:
        training = TrainingContext(trainer, rows, NoProgress())
        return Pool(
            _kept_array(kept and kept.with_name(f"{kept.name}, curves.npy"), partial(_curves, experiment, training, trials)),
            _kept_array(
                kept and kept.with_name(f"{kept.name}, confirmed.npy"), partial(_confirmed, experiment, training, trials)
            ),
        )


LOWEST = -1e9
"""The score of a network that diverged."""


def _curves(experiment: Experiment, training: TrainingContext, trials: Sequence[Trial]) -> Floats:
    outcomes = train_lanes([lane for trial in trials for lane in search_lanes(trial, experiment)], experiment, training)
    by_trial: dict[Any, list[LaneOutcome]] = {trial.number: [] for trial in trials}
    for key in sorted(outcomes):
        by_trial[key.candidate].append(outcomes[key])
    curves = np.full((len(trials), experiment.folds, experiment.fit.epochs, len(experiment.heads)), LOWEST)
    for index, lanes in enumerate(by_trial.values()):
        for fold, lane in enumerate(lanes):
            if not lane.failed_at:
                curves[index, fold] = np.nan_to_num(lane.curve, nan=LOWEST, neginf=LOWEST)
    return curves


def _confirmed(experiment: Experiment, training: TrainingContext, trials: Sequence[Trial]) -> Floats:
    candidates = [ConfirmationCandidate(str(trial.number), experiment, trial) for trial in trials]
    return np.nan_to_num([trial.score.value for trial in reevaluate(candidates, experiment, training)], nan=LOWEST)


def _kept_array(file: Path | None, made: Callable[[], Floats]) -> Floats:
    """What is kept in the file, which is written where it is not there yet."""
    if file is None:
        return made()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, made())
    return np.asarray(np.load(file))


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


def searched(
    pool: Pool, order: NDArray[np.int64], batch: int, budget: float, experiment: Experiment
) -> tuple[float, float, int]:
    """A search through trials in this order.

    Args:
        pool: Of the trials.
        order: In which they are asked.
        batch: Trials of a round.
        budget: The most epochs that all networks train together.
        experiment: With the schedule.

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


def of_pool(name: str, seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """By schedule: mean confirmed scores of the searches that are drawn from a pool, their trials, what a round takes.

    Scores and trials are there for equal epochs (`epochs: best`) and for equal seconds (`seconds: best`).
    """
    experiment, rows = setting_of(name, seed, options)
    trials = random_trials(experiment, options.trials)
    pool = trained_pool(experiment, rows, trials, options.store and options.store / f"{name}, {seed}")
    batch, generator = options.trials // 4, np.random.default_rng(seed)
    pruned = {label: experiment.model_copy(update={"pruning": pruning}) for label, pruning in schedules(experiment).items()}
    epochs = {label: halved(pool, range(batch), each)[1] for label, each in pruned.items()}
    seconds = _kept_seconds(options, f"{name}, {seed}", pruned, rows, trials[:batch])
    budgets = {
        "epochs": dict.fromkeys(pruned, 2.0 * epochs["all folds"]),
        "seconds": {label: 2.0 * seconds["all folds"] * epochs[label] / seconds[label] for label in pruned},  # in epochs
    }
    orders = [generator.permutation(options.trials) for _ in range(options.draws)]
    measured: dict[str, dict[str, float]] = {}
    for label, each in pruned.items():
        measured[label] = {
            "epochs of a round": epochs[label] / epochs["all folds"],
            "seconds of a round": seconds[label] / seconds["all folds"],
        }
        for equal, budget in budgets.items():
            found = [searched(pool, order, batch, budget[label], each) for order in orders]
            means = np.mean(found, axis=0).tolist()
            measured[label] |= {
                f"{equal}: {of}": value for of, value in zip(("best", "finalist", "trials"), means, strict=True)
            }
    _measure.note(f"{name}, pool {seed}: {json.dumps(measured)}")
    return measured


def _kept_seconds(
    options: argparse.Namespace, name: str, pruned: Mapping[str, Experiment], rows: TrainingRows, trials: Sequence[Trial]
) -> dict[str, float]:
    """As of `round_seconds`, or what is kept of it."""
    file = options.store and options.store / f"{name}, seconds.json"
    if file and file.exists():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    seconds = round_seconds(pruned, rows, trials, options.repeats)
    if file:
        file.write_text(json.dumps(seconds), encoding="utf-8")
    return seconds


def round_seconds(
    pruned: Mapping[str, Experiment], rows: TrainingRows, trials: Sequence[Trial], repeats: int
) -> dict[str, float]:
    """Seconds of a processor that a round takes with each schedule, without compiling.

    Args:
        pruned: By schedule, the experiment with it.
        rows: Its rows.
        trials: Of the round.
        repeats: Runs of each schedule, of which the median counts.
    """
    trainer = PopulationTrainer(rows)

    def seconds(experiment: Experiment) -> float:
        clocked = _measure.Clocked(trainer)
        list(_measure.run_trials(trials, experiment, TrainingContext(clocked, rows, NoProgress())))
        return clocked.seconds

    return _measure.interleaved({label: partial(seconds, each) for label, each in pruned.items()}, repeats)


def of_table(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """By schedule, means over the pools, and what is gained over all folds at every rung."""
    return compared([of_pool(name, seed, options) for seed in range(1, 1 + options.pools)])


def compared(pools: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """By schedule, means over pools, and what is gained over all folds at every rung, paired."""
    return {
        label: {measure: statistics.fmean(pool[label][measure] for pool in pools) for measure in pools[0][label]}
        | {
            f"{measure} gained": _measure.paired_gain(
                [pool[label][measure] for pool in pools], [pool["all folds"][measure] for pool in pools]
            )
            for measure in pools[0][label]
            if measure.endswith(("best", "finalist"))
        }
        for label in pools[0]
    }


def main() -> None:
    """Measures and prints."""
    parser = _tables.parser(__doc__, f"{POWER_PLANT},enb,jura,slump")
    parser.add_argument("--store", type=Path, help="a folder in which trained pools are kept, and found again")
    options = _tables.parsed(
        parser,
        pools=_tables.Size("of trials, each with its own rows for the test", 3, 1),
        trials=_tables.Size("of a pool", 128, 16),
        draws=_tables.Size("searches drawn from a pool", 500, 20),
        repeats=_tables.Size("runs of a round whose seconds are measured", 3, 1),
        epochs=_tables.Size("of a network", None, 40),
    )
    program_cache.use_cache_folder(cache_folder())
    _measure.import_tensorflow(threads=1)
    _measure.conclude({name: of_table(name, options) for name in options.names}, options.json)


if __name__ == "__main__":
    main()
