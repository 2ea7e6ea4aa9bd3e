"""The space that `branchsweep init` writes: what changes of it are worth to a search of as many trials.

    python -m benchmarks.starting_space --tables FOLDER [--names enb,jura,slump,…] [--seeds 3] [--only NAME …] [--trials 64]
                                        [--store FOLDER] [--epochs N] [--data PATH] [--quick] [--json]

Each table has the space, folds, epochs, rungs, trials and rounds that `branchsweep init` writes for it, and its first trial. A
search by TPE goes through that space, and one through the space with each change; for every seed another fifth of the rows is
left out. The best four trials of each search are trained anew from other seeds on other folds of the same rows, which are the
same for all searches (five folds, two networks each). Compared are these scores (mean R² of the heads), paired by seed: of the
best trial of the search, and of the finalist, the best of the four. All train in one process with one thread; `epochs` are
those of all networks of a search together, `seconds` those of a processor without compiling. What is finished is kept in
`--store`.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _measure, _tables
from benchmarks._tables import full_setting_of
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.data.training_rows import training_rows
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.models.recipe import epochs_of, recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.search.nearest_point import nearest_point
from branchsweep.tracking.memory import MemoryTracker
from branchsweep.training.program import program_cache
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Result
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.progress import NoProgress
from branchsweep.workflows.promotion.confirmation import best_candidates, reevaluate
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.search_loop import run_search
from branchsweep.workflows.starting_point import budget_for, default_recipe

SMALL = "enb,jura,slump,edm,atp1d,scpf,osales,flare1,water-quality,oes97"


@dataclass(frozen=True)
class Change:
    """What a search has in place of what `branchsweep init` writes.

    Args:
        least_epochs: The fewest epochs of a trial, as a share of the most; 1 where all have as many.
        prunes: Whether there are rungs.
    """

    least_epochs: float = 1.0
    prunes: bool = True

    def of(self, experiment: Experiment, rows: int, trials: int | None) -> Experiment:
        """The experiment that is searched.

        Args:
            experiment: The space, folds and epochs as written.
            rows: Of the table.
            trials: Of the search; those that are written if None.
        """
        most, budget, heads = experiment.fit.epochs, budget_for(rows), list(experiment.heads)
        dimensions: dict[str, Any] = dict(experiment.space.dimensions)
        if self.least_epochs < 1.0:
            least = max(1, round(self.least_epochs * most))
            dimensions["epochs"] = {"type": "int", "low": least, "high": most, "log": True}
        space = SearchSpace.model_validate({"dimensions": dimensions, "fixed": experiment.space.fixed})
        count = trials or budget.trials
        search = {
            "trials": count,
            "batch": min(count // 2, 32),
            "first_batch": 1,
            "initial_trials": {"default": nearest_point(space, default_recipe(heads, budget), heads)},
        }
        pruning = experiment.pruning if self.prunes else experiment.pruning_schedule.model_copy(update={"rungs": []})
        return experiment.model_copy(
            update={
                "space": space,
                "search": experiment.search.model_copy(update=search),
                "pruning": pruning,
                "confirmation": experiment.confirmation.model_copy(update={"trials": 4, "seeds": 2}),
            }
        )


CHANGES: dict[str, Change] = {
    "as written": Change(),
    "epochs from a quarter": Change(least_epochs=0.25),
    "epochs from a half": Change(least_epochs=0.5),
    "unpruned": Change(prunes=False),
    "unpruned, epochs from a quarter": Change(least_epochs=0.25, prunes=False),
}
"""The first one is what the others are compared with."""


def searched(setting: _measure.Setting, trainer: PopulationTrainer) -> dict[str, Any]:
    """What a search finds, and what it takes.

    Returns:
        `best` and `finalist`: scores on the other folds; `in_search`: that of the best trial in the search; `epochs` and
        `seconds`; the hyperparameters of the finalist.
    """
    experiment, clocked = setting.experiment, _measure.Clocked(trainer)
    tracker = MemoryTracker.open(new_sweep_record(experiment, setting.dataset, setting.split))
    results = run_search(experiment, open_driver(experiment), setting.training(clocked), tracker).results
    candidates = best_candidates(experiment, results, ObjectiveEvaluator.unbound(experiment.objective))
    confirmed = reevaluate(candidates, experiment, TrainingContext(trainer, trainer.rows, NoProgress()))
    values = [max(trial.score.value, -1.0) if trial.score.is_complete else -1.0 for trial in confirmed]
    finalist = candidates[values.index(max(values))].trial
    return {
        "best": values[0],
        "finalist": max(values),
        "in_search": max(result.score.value for result in results if result.score.is_complete),
        "epochs": clocked.epochs,
        "seconds": clocked.seconds,
        "params": dict(finalist.params),
        "asked": _mean_epochs(results, experiment),
        "complete": _mean_epochs([result for result in results if result.score.is_complete], experiment),
    }


def _mean_epochs(results: Sequence[Result], experiment: Experiment) -> float:
    """The mean of the epochs that the training of these trials is laid out for, as a share of the most."""
    most = experiment.fit.epochs
    return statistics.fmean(epochs_of(recipe_for(experiment, result.params), experiment) / most for result in results)


def compared(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """By change, means over the seeds, what was gained over the first change, and ratios of epochs and seconds to it.

    Args:
        found: By change, what `searched` returned for each seed.
    """
    reference = next(iter(found.values()))
    summary: dict[str, dict[str, Any]] = {}
    for change, of_seeds in found.items():
        means = {name: statistics.fmean(one[name] for one in of_seeds) for name in ("best", "finalist", "epochs", "seconds")}
        gained = {
            f"{name} gained": _measure.paired_gain([one[name] for one in of_seeds], [one[name] for one in reference])
            for name in ("best", "finalist")
        }
        ratios = {
            f"{name}, ratio": statistics.fmean(one[name] / other[name] for one, other in zip(of_seeds, reference, strict=True))
            for name in ("epochs", "seconds")
        }
        summary[change] = {**means, **gained, **ratios}
    return summary


def main() -> None:
    """Measures and prints."""
    parser = _tables.parser(__doc__, SMALL)
    _tables.add_only(parser)
    parser.add_argument("--store", type=Path, help="a folder in which finished searches are kept, and found again")
    options = _tables.parsed(
        parser,
        seeds=_tables.Size("how many", 3, 1),
        trials=_tables.Size("of a search", None, 8),
        epochs=_tables.Size("of a network", None, 20),
    )
    program_cache.use_cache_folder(cache_folder())
    _measure.import_tensorflow(threads=1)
    changes = _tables.chosen(CHANGES, options.only)
    measurements: dict[str, Any] = {}
    for name in options.names:
        found: dict[str, list[dict[str, Any]]] = {change: [] for change in changes}
        for seed in range(1, 1 + options.seeds):
            setting = full_setting_of(name, seed, options)
            trainer = PopulationTrainer(training_rows(setting.dataset, setting.split))
            for label, change in changes.items():
                experiment = change.of(setting.experiment, len(setting.dataset.x), options.trials)
                found[label].append(_kept(options.store, f"{name}, {seed}, {label}", setting.of(experiment), trainer))
        measurements[name] = compared(found)
        _measure.note(f"{name}: {json.dumps(measurements[name])}")
    _measure.conclude(measurements, options.json)


def _kept(store: Path | None, name: str, setting: _measure.Setting, trainer: PopulationTrainer) -> dict[str, Any]:
    """What `searched` returns, or what is kept of it."""
    file = store and store / f"{name}.json"
    if file and file.exists():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    found = searched(setting, trainer)
    _measure.note(f"{name}: {json.dumps(found)}")
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
