"""The fits of a comparison: networks trained on every half, side by side, and what they say of the other half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.config.training import Fit
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics import scores
from branchsweep.metrics.comparison_result import LATENCY_ROWS, MEAN
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.recipe import Recipe, epochs_of, recipe_for
from branchsweep.training import packing
from branchsweep.training.packing import Lane
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer
from branchsweep.trial import Params
from branchsweep.types import Floats, Weights
from branchsweep.workflows.comparison.nested_search import ChosenRecipe, ContestantNetwork
from branchsweep.workflows.progress import ProgressCallback
from branchsweep.workflows.promotion import temporary_model_folder

ByHalf = dict[str, tuple[float, ...]]
"""By figure, one number per half."""


@dataclass(frozen=True, slots=True)
class NetworkToFit:
    """A network to be trained in every half.

    Args:
        name: Whose it is.
        part: Which of its networks.
        params: What is trained, half by half, with what the experiment fixes.
        epochs: For how long, likewise.
    """

    name: str
    part: ContestantNetwork
    params: tuple[Params, ...]
    epochs: tuple[int, ...]

    @property
    def recipes(self) -> list[Recipe]:
        """The same in full."""
        return [recipe_for(self.part.experiment, params) for params in self.params]

    @property
    def parameters(self) -> float:
        """Weights and biases, averaged over the halves."""
        inputs = len(self.part.experiment.table.inputs)
        return float(np.mean([recipe.architecture.parameters(inputs) for recipe in self.recipes]))

    @classmethod
    def of(cls, name: str, part: ContestantNetwork, chosen: Sequence[ChosenRecipe]) -> NetworkToFit:
        """What was chosen, to be trained."""
        params = tuple({**part.experiment.space.fixed, **one.params} for one in chosen)
        most = [epochs_of(recipe_for(part.experiment, each), part.experiment) for each in params]
        return cls(name, part, params, tuple(min(one.epochs or last, last) for one, last in zip(chosen, most, strict=True)))


@dataclass(slots=True)
class FittedNetwork:
    """What came of a network in all halves.

    Args:
        predictions: By (half, seed), what it said of the other half, in natural units.
        seconds: Its share of the time that its populations took.
        weights: Of its first network.
        failed: Where it diverged, in words.
    """

    predictions: dict[tuple[int, int], Floats] = field(default_factory=dict)
    seconds: float = 0.0
    weights: Weights | None = None
    failed: str = ""


def fit_networks(
    wanted: Sequence[NetworkToFit], networks: int, trainer: Trainer, progress: ProgressCallback
) -> list[FittedNetwork]:
    """Trains networks in every half, those with the same heads and losses as lanes of the same populations."""
    fits = [FittedNetwork() for _ in wanted]
    alike: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for place, one in enumerate(wanted):
        losses = tuple((name, head.loss) for name, head in one.part.experiment.heads.items())
        alike.setdefault(losses, []).append(place)
    for places in alike.values():
        lanes = [
            Lane(place, recipe, half, seed, epochs_of(recipe, wanted[place].part.experiment), epochs)
            for place in places
            for half, (recipe, epochs) in enumerate(zip(wanted[place].recipes, wanted[place].epochs, strict=True))
            for seed in range(networks)
        ]
        populations = packing.pack(lanes, _common([wanted[place] for place in places]), trainer.resources)
        named = ", ".join(dict.fromkeys(wanted[place].name for place in places))
        progress.on_training_planned(sum(lane.stop for lane in lanes), f"{len(lanes)} networks on the halves: {named}")
        for position, outcome in trainer.train(PopulationQueue(populations), keep_weights=True):
            of = populations[position]
            for place, half, seed, lane in zip(of.trials, of.folds, of.seeds, outcome.lanes, strict=True):
                fit = fits[place]
                fit.predictions[half, seed] = lane.predictions
                fit.seconds += outcome.seconds / len(outcome.lanes)
                if (half, seed) == (0, 0):
                    fit.weights = lane.weights
                if lane.failed_at:
                    fit.failed = f"diverged after epoch {lane.failed_at} of half {half + 1}"
    return fits


def _common(wanted: Sequence[NetworkToFit]) -> Experiment:
    """An experiment whose programs have room for all these recipes: the first one's, with what the others need beside it.

    Weights are those of the last epoch. A lane knows by itself when it ends, and the rows that it is tested on must not choose.
    """
    first = wanted[0].part.experiment
    everything = {
        f"recipe_{place}_{half}": params for place, one in enumerate(wanted) for half, params in enumerate(one.params)
    }
    search = first.search.model_copy(update={"initial_trials": {**first.search.initial_trials, **everything}})
    return first.model_copy(update={"search": search, "fit": Fit(epochs=first.fit.epochs, keep="last")})


def score_networks(
    fits: Sequence[FittedNetwork], parts: Sequence[ContestantNetwork], heads: Sequence[str], rows: TrainingRows
) -> tuple[ByHalf, ByHalf]:
    """By figure R², and by head the RMSE, of every half, averaged over the networks that differ in their initial weights."""
    each = sorted(fits[0].predictions)
    halves = sorted({half for half, _ in each})
    r2: dict[str, list[float]] = {figure: [] for figure in (*heads, MEAN)}
    rmse: dict[str, list[float]] = {head: [] for head in heads}
    for half in halves:
        of_seeds = []
        for seed in sorted(seed for of, seed in each if of == half):
            columns = {
                head: fit.predictions[half, seed][:, column]
                for fit, part in zip(fits, parts, strict=True)
                for column, head in enumerate(part.experiment.heads)
            }
            actual = rows.y[rows.fold_rows(half)[1]]
            of_seeds.append(scores.head_scores(actual, np.stack([columns[head] for head in heads], axis=1), heads))
        averaged, mean, _ = scores.average_scores(of_seeds)
        for head in heads:
            r2[head].append(averaged[head].r2)
            rmse[head].append(averaged[head].rmse)
        r2[MEAN].append(mean)
    return {name: tuple(values) for name, values in r2.items()}, {name: tuple(values) for name, values in rmse.items()}


def measure_network(one: NetworkToFit, fits: FittedNetwork, rows: TrainingRows, trainer: Trainer) -> tuple[float, float]:
    """Seconds for a thousand rows, and bytes on disk, of a network as it would leave the house."""
    assert fits.weights is not None, "its first half was trained"
    experiment = one.part.experiment
    units = {name: head.unit for name, head in experiment.heads.items()}
    model = ExportedModel([ModelMember(one.recipes[0], fits.weights)], experiment.table.inputs, units)
    with temporary_model_folder() as folder:
        trainer.export(folder, model)
        size = sum(file.stat().st_size for file in folder.iterdir())
        x = np.resize(rows.x, (LATENCY_ROWS, rows.x.shape[1]))
        return trainer.clock(folder, x), float(size)
