"""What the default pruning saves, and what it costs in quality: the same random trials with and without it, over several seeds.

    python -m benchmarks.pruning [--seeds 5] [--trials 256] [--epochs 200] [--replay] [--data PATH] [--quick] [--json]

Trials drawn at random from `search_spaces/branched.yaml` in one round, one network each on a hold-out: all trained to their
end, and with the rungs that an experiment has by default. Workers are warm, and programs are compiled before the clock starts.
Of either side the best trial by its validation R² is refitted on all training rows and meets the test rows: only there can the
two be compared, for the best of all trials has the higher validation R² by construction.

With `--replay` only the first seed is trained both ways. For the others, who would have been dropped is read off the learning
curves of the trials that were not: a trial's numbers do not depend on its company, and the first seed shows that they do not.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import _measure
from branchsweep.config.experiment import Experiment
from branchsweep.metrics import scores
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import random_trials
from branchsweep.search.successive_halving import rung_ranking, surviving_count
from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import Result, Trial
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.promotion.refit import RefitRequest, refit


@dataclass(frozen=True)
class Side:
    """The same trials, trained one way.

    Args:
        results: By number.
        seconds: They took.
        judge: Says which is best.
    """

    results: Sequence[Result]
    seconds: float
    judge: ObjectiveEvaluator

    @property
    def winner(self) -> Result:
        """The best complete trial."""
        found = self.judge.best(self.results)
        assert found is not None, "of so many trials one is complete"
        return found


def trained(setting: _measure.Setting, trials: Sequence[Trial], trainer: LocalWorkers) -> Side:
    """All trials answered, as the experiment prunes."""
    began = time.perf_counter()
    found = list(_measure.run_trials(trials, setting.experiment, setting.training(trainer)))
    return Side(
        sorted(found, key=lambda result: result.trial.number),
        time.perf_counter() - began,
        ObjectiveEvaluator.unbound(setting.experiment.objective),
    )


def replayed(everything: Side, experiment: Experiment) -> set[int]:
    """The numbers of the trials that would have trained to their end, by the curves of those that all did."""
    standing = {result.trial.number: result.score for result in everything.results}
    for epoch in experiment.pruning_schedule.rungs:
        vectors = {
            number: [curve[min(epoch, len(curve)) - 1] for curve in score.curves.values()]
            for number, score in standing.items()
            if score.is_complete
        }
        means = {number: statistics.fmean(vector) for number, vector in vectors.items()}
        kept = rung_ranking(vectors, means)[: surviving_count(len(vectors), experiment.pruning_schedule.keep)]
        standing = {number: standing[number] for number in kept}
    return set(standing)


def test_r2(setting: _measure.Setting, recipe: Recipe, epochs: float, trainer: LocalWorkers) -> float:
    """Mean R² on the test rows of a recipe that is refitted for so many epochs; NaN if it diverges."""
    request = RefitRequest("the best trial", recipe, max(1, round(epochs)))
    (members,) = refit([request], setting.experiment, setting.training(trainer)).members
    if not members:
        return math.nan
    with temporary_model_folder() as folder:
        dataset, parts = setting.dataset, setting.split
        predicted = export_and_predict(ExportedModel.of(setting.experiment, members), dataset.x[parts.test], trainer, folder)
        met = scores.head_scores(dataset.y[parts.test], predicted, kinds_by_head(setting.experiment))
    return statistics.fmean(measured.score for measured in met.values())


def one_seed(options: argparse.Namespace, seed: int, both: bool) -> dict[str, Any]:
    """Both sides with one seed, which decides trials, initial weights and the rows that validate."""
    overrides = [*_measure.SPACE, f"search.trials={options.trials}", f"fit.epochs={options.epochs}", f"seed={seed}"]
    overrides += _measure.widths(16) if options.quick else ()
    full = _measure.setting("branched", options.data, overrides)
    pruned = _measure.setting("branched", options.data, [*overrides, _measure.PRUNED])
    trials = random_trials(full.experiment, options.trials)
    with _measure.cold_cache(), LocalWorkers(full.rows, cache_folder=cache_folder()) as trainer:
        compile_all(full, trials, trainer)
        everything = trained(full, trials, trainer)
        survivors = replayed(everything, pruned.experiment)
        measurements: dict[str, Any] = {"seed": seed, "full_seconds": everything.seconds}
        if both:
            halved = trained(pruned, trials, trainer)
            complete = {result.trial.number for result in halved.results if result.score.is_complete}
            measurements |= {
                "pruned_seconds": halved.seconds,
                "share_of_time": halved.seconds / everything.seconds,
                "replay_agrees": complete == survivors,
                "scores_agree": all(
                    result.score.value == everything.results[result.trial.number].score.value
                    for result in halved.results
                    if result.score.is_complete
                ),
            }
        kept = Side([result for result in everything.results if result.trial.number in survivors], math.nan, everything.judge)
        winners = {"full": everything.winner, "pruned": kept.winner}
        recipes = {side: recipe_for(full.experiment, winner.trial.params) for side, winner in winners.items()}
        tests = {side: test_r2(full, recipes[side], winner.score.epochs, trainer) for side, winner in winners.items()}
    return {
        **measurements,
        "full_best_trial": everything.winner.trial.number,
        "pruned_best_trial": kept.winner.trial.number,
        "full_best_validation_r2": everything.winner.score.value,
        "pruned_best_validation_r2": kept.winner.score.value,
        **{f"{side}_best_test_r2": r2 for side, r2 in tests.items()},
        "test_r2_gained": tests["pruned"] - tests["full"],
    }


def compile_all(setting: _measure.Setting, trials: Sequence[Trial], trainer: LocalWorkers) -> None:
    """Has all programs compiled, by the first epoch of all trials; a worker that meets another's loads it from the cache."""
    lanes = [replace(lane, stop=1) for trial in trials for lane in search_lanes(trial, setting.experiment)]
    list(trainer.train(PopulationQueue(packing.pack(lanes, setting.experiment, trainer.resources))))


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--seeds", type=int, help="how many: 5, or 1 with --quick")
    parser.add_argument("--trials", type=int, help="of a seed: 256, or 32 with --quick")
    parser.add_argument("--epochs", type=int, help="of a trial: 200, or 30 with --quick")
    parser.add_argument("--replay", action="store_true", help="train both ways with the first seed alone")
    options = parser.parse_args()
    options.trials, options.epochs = (
        options.trials or (32 if options.quick else 256),
        options.epochs or (30 if options.quick else 200),
    )
    seeds = [
        one_seed(options, seed, both=seed == 1 or not options.replay)
        for seed in range(1, 1 + (options.seeds or (1 if options.quick else 5)))
    ]
    timed = [seed for seed in seeds if "pruned_seconds" in seed]
    gained = [seed["test_r2_gained"] for seed in seeds]
    measurements = {
        "full_seconds": statistics.median(seed["full_seconds"] for seed in timed),
        "pruned_seconds": statistics.median(seed["pruned_seconds"] for seed in timed),
        "ratio": statistics.median(seed["full_seconds"] / seed["pruned_seconds"] for seed in timed),
        "test_r2_gained_mean": statistics.fmean(gained),
        "test_r2_gained_standard_error": statistics.stdev(gained) / math.sqrt(len(gained)) if len(gained) > 1 else None,
        "trials": options.trials,
        "epochs": options.epochs,
        "seeds": {f"seed {seed['seed']}": seed for seed in seeds},
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
