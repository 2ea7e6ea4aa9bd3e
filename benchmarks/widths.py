"""How the widths of a stack of layers are best asked for: one for all layers, a width and a taper, or one for each layer.

    python -m benchmarks.widths [--seeds 5] [--trials 128] [--epochs 60] [--folds 3] [--jointly]
                                [--data PATH] [--quick] [--json]

The shipped space with widths of each branch's own, searched three ways by the same driver (TPE) in equal rounds, with the
default pruning and one budget of trials. What differs is how a list of widths is spelled:

- one: a width for the trunk and one for each branch; all layers of a stack are alike;
- taper: the same, and a factor for each stack by which its layers narrow or widen;
- slots: a width for each layer that the deepest trunk and the deepest branches have.

What means nothing for a trial (the taper of a single layer, the slot of a layer that is not there) is asked under a condition.
TPE suggests only dimensions of one condition together; with `--jointly` there are no conditions, and it suggests all together.
No layer is wider than the widest that the space names, so that no way buys its quality by size.

Ways are compared with the same seed, which decides the rows that validate and the first, evenly spread round: by the best
validation R² after a quarter, a half and all of the trials, and by the R² of the refitted best on the test rows.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import _measure
from benchmarks.pruning import test_r2
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import find_hyperparameter
from branchsweep.config.sections.dimensions import Choice
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.models.architecture import Architecture
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.trial import Params, Result
from branchsweep.workflows.trial_runner import TrialGroup, run_groups

TAPER = {"type": "float", "low": 0.5, "high": 2.0, "log": True}

Written = dict[str, Any]
"""Dimensions as a file of search_spaces/ has them."""


def shaped(recipe: Recipe, trunk: Sequence[int], branches: Mapping[str, Sequence[int]]) -> Recipe:
    """The same recipe with these widths."""
    of_heads = {head: tuple(units) for head, units in branches.items()}
    return replace(recipe, architecture=Architecture(tuple(trunk), of_heads, recipe.architecture.activation))


def tapered(experiment: Experiment, params: Params) -> Recipe:
    """What the parameters of a trial mean, without a layer that is wider than the widest first one of the space."""
    recipe = recipe_for(experiment, params)
    widths = experiment.space.dimensions["trunk.width"]
    assert isinstance(widths, Choice), "the shipped space chooses widths"
    widest = max(int(width) for width in widths.choices)

    def capped(units: Sequence[int]) -> list[int]:
        return [min(width, widest) for width in units]

    network = recipe.architecture
    return shaped(recipe, capped(network.trunk), {head: capped(units) for head, units in network.branches.items()})


def slotted(experiment: Experiment, params: Params) -> Recipe:
    """What the parameters of a trial mean that name a width for each layer, by a name that stands for it: `trunk_1.width`.

    A layer whose width they do not name has that of its stack.
    """
    known = {name: value for name, value in params.items() if find_hyperparameter(name, experiment.heads)}
    recipe = recipe_for(experiment, known)

    def stack(part: str, units: Sequence[int]) -> list[int]:
        return [int(params.get(slot(part, layer), width)) for layer, width in enumerate(units, start=1)]

    network = recipe.architecture
    return shaped(recipe, stack("trunk", network.trunk), {head: stack(head, units) for head, units in network.branches.items()})


def slot(part: str, layer: int) -> str:
    """The name of a layer's width. It is that of a head's width, for any driver knows how to ask for one."""
    return f"{part}_{layer}.width"


@dataclass(frozen=True)
class Way:
    """How widths are asked for.

    Args:
        asking: What the driver is asked by. For `slots` each layer stands there as a head that is never trained.
        answering: What trials are trained by.
        recipe_of: What their parameters mean.
    """

    asking: Experiment
    answering: Experiment
    recipe_of: Callable[[Experiment, Params], Recipe] = recipe_for

    def recipe(self, result: Result) -> Recipe:
        """What was trained."""
        return self.recipe_of(self.answering, result.trial.params)


def ways(shipped: Experiment, jointly: bool) -> dict[str, Way]:
    """The three of them."""
    written: Written = shipped.model_dump(exclude_none=True)["space"]["dimensions"]
    trunk, branch = written.pop("trunk.width"), written.pop("branch.width")

    def when(part: str, layer: int) -> Written:
        """The condition that a stack has this layer."""
        depth = f"{part}.depth"
        deep = [layers for layers in range(layer, written[depth]["high"] + 1) if layers >= written[depth]["low"]]
        return {} if jointly or layer <= written[depth]["low"] else {"when": {depth: deep}}

    one = {"trunk.width": trunk, **{f"{head}.width": branch | when(head, 1) for head in shipped.heads}}
    parts = ["trunk", *shipped.heads]
    taper = {f"{part}.taper": TAPER | when(part, 2) for part in parts}
    slots = {
        slot(part, layer): (trunk if part == "trunk" else branch) | when(part, layer)
        for part in parts
        for layer in range(1, written[f"{part}.depth"]["high"] + 1)
    }

    def made(widths: Written, *heads: str) -> Experiment:
        data = shipped.model_dump(exclude_none=True)
        data["space"]["dimensions"] = written | widths
        data["heads"] |= {head: {} for head in heads}
        return Experiment.model_validate(data)

    of_one, of_taper = made(one), made(one | taper)
    layers = [name.removesuffix(".width") for name in slots]
    return {
        "one": Way(of_one, of_one),
        "taper": Way(of_taper, of_taper, tapered),
        "slots": Way(made(slots, *layers), made(one), slotted),
    }


def search(way: Way, setting: _measure.Setting, trainer: LocalWorkers) -> Iterator[Result]:
    """Ask, train, tell, as `sweep.search` does; the results in order of their numbers."""
    driver, left = open_driver(way.asking), way.asking.search.trials
    while left and (trials := driver.ask(min(way.asking.search.batch, left))):
        group = TrialGroup(trials, range(way.answering.folds), recipe_of=way.recipe_of)
        found = (result for _, result in run_groups([group], way.answering, setting.training(trainer)))
        for result in sorted(found, key=lambda result: result.trial.number):
            driver.tell(result)
            yield result
        left -= len(trials)


def outcome(way: Way, setting: _measure.Setting, trainer: LocalWorkers) -> dict[str, Any]:
    """What one way has found."""
    began = time.perf_counter()
    results = [result.without_curves() for result in search(way, setting, trainer)]
    seconds = time.perf_counter() - began
    winner = make_evaluator(way.answering.objective, results).best(results)
    assert winner is not None, "of so many trials one is complete"
    recipes = [way.recipe(result) for result in results]
    inputs = len(way.answering.table.inputs)
    return {
        "after_a_quarter": best_of(way, results[: len(results) // 4]),
        "after_a_half": best_of(way, results[: len(results) // 2]),
        "validation_r2": winner.score.value,
        "test_r2": test_r2(setting.of(way.answering), way.recipe(winner), winner.score.epochs, trainer),
        "trunk": list(recipes[winner.trial.number].architecture.trunk),
        "branches": {head: list(units) for head, units in recipes[winner.trial.number].architecture.branches.items()},
        "parameters": recipes[winner.trial.number].architecture.parameters(inputs),
        "parameters_of_a_trial": statistics.fmean(recipe.architecture.parameters(inputs) for recipe in recipes),
        "trials": len(results),
        "seconds": seconds,
    }


def best_of(way: Way, results: Sequence[Result]) -> float:
    """The highest validation R²; NaN where nothing is complete."""
    found = make_evaluator(way.answering.objective, results).best(results)
    return found.score.value if found else math.nan


def one_seed(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """All ways with one seed."""
    overrides = [*_measure.SPACE, _measure.PRUNED, "search.driver=optuna", "search.algorithm=tpe", f"seed={seed}"]
    overrides += [f"search.trials={options.trials}", f"search.batch={options.batch}", f"fit.epochs={options.epochs}"]
    overrides += [f"validation={{method: k_fold, folds: {options.folds}}}"] if options.folds > 1 else []
    overrides += _measure.widths(12, 16) if options.quick else ()
    setting = _measure.setting("branched", options.data, overrides)
    with _measure.cold_cache(), LocalWorkers(setting.rows, cache_folder=cache_folder()) as trainer:
        return {name: outcome(way, setting, trainer) for name, way in ways(setting.experiment, options.jointly).items()}


def gained(seeds: Sequence[Mapping[str, Any]], way: str, against: str, figure: str) -> dict[str, Any]:
    """By how much one way is above another, paired over the seeds."""
    differences = [seed[way][figure] - seed[against][figure] for seed in seeds]
    error = statistics.stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else None
    return {
        "mean": statistics.fmean(differences),
        "standard_error": error,
        "seeds_above": sum(difference > 0 for difference in differences),
    }


def main() -> None:
    """Measures and prints."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--seeds", type=int, help="how many: 5, or 1 with --quick")
    parser.add_argument("--trials", type=int, help="of a search: 128, or 32 with --quick")
    parser.add_argument("--batch", type=int, help="trials of a round: 32, or 16 with --quick")
    parser.add_argument("--epochs", type=int, help="of a trial: 60, or 8 with --quick")
    parser.add_argument("--folds", type=int, help="networks of a trial: 3, or 1, on a hold-out, with --quick")
    parser.add_argument("--jointly", action="store_true", help="ask without conditions, so that all is suggested together")
    options = parser.parse_args()
    for name, (full, quick) in {"trials": (128, 32), "batch": (32, 16), "epochs": (60, 8), "folds": (3, 1)}.items():
        setattr(options, name, getattr(options, name) or (quick if options.quick else full))
    seeds = [one_seed(options, seed) for seed in range(1, 1 + (options.seeds or (1 if options.quick else 5)))]
    compared = (("taper", "one"), ("slots", "one"), ("taper", "slots"))
    figures = ("after_a_quarter", "after_a_half", "validation_r2", "test_r2")
    measurements = {
        **{
            way: {
                figure: statistics.fmean(seed[way][figure] for seed in seeds)
                for figure in (*figures, "parameters", "parameters_of_a_trial", "seconds")
            }
            for way in seeds[0]
        },
        **{
            f"{way}_above_{other}": {figure: gained(seeds, way, other, figure) for figure in figures} for way, other in compared
        },
        "trials": options.trials,
        "epochs": options.epochs,
        "folds": options.folds,
        "jointly": options.jointly,
        "seeds": {f"seed {number}": seed for number, seed in enumerate(seeds, start=1)},
    }
    _measure.conclude(measurements, options.json)


if __name__ == "__main__":
    main()
