"""Lanes: the networks that train together in one program. A lane is one candidate on one fold with one seed.

Its initial weights do not depend on the other lanes. They derive from the experiment's seed and from what the lane is:

    search         (experiment seed, WEIGHTS, trial number, fold + 1, seed)
    other stages   (experiment seed, WEIGHTS, stage, digest of the recipe, fold + 1, seed)

A trial of the search is identified by its number, so that two trials with equal parameters start from different weights. What
is trained after the search is identified by its recipe alone: a baseline starts from the same weights whether or not a champion
is trained with it, and a trial that is confirmed again starts from the same weights as before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from itertools import product
from typing import Any

from numpy import float32
from numpy.typing import NDArray

from branchsweep.config.experiment import Experiment
from branchsweep.data.encoders.inputs import InputEncoding
from branchsweep.data.training_rows import ALL_ROWS
from branchsweep.models.recipe import Recipe, epochs_of, recipe_for
from branchsweep.trial import Trial
from branchsweep.types import Floats, Weights

ORDER, WEIGHTS, DROPOUT = 1, 2, 3
"""The uses of randomness, kept apart: the order of the rows, the initial weights, and what dropout draws."""

SEED_WORDS = 4
"""Words of 32 bits that initial weights take of a recipe's digest."""


class Stage(IntEnum):
    """What a lane is trained for. The numbers enter seeds: they never change."""

    SEARCH = 0
    CONFIRMATION = 1
    REFIT = 2
    COMPARISON = 3


@dataclass(frozen=True, slots=True, order=True)
class LaneKey:
    """What a lane is, among those that train together.

    Args:
        stage: What it is trained for.
        candidate: In the search, the trial's number. In the other stages, the digest of what is trained (see `recipe_lanes`).
        fold: The position of the fold that validates it; `ALL_ROWS` for none.
        seed: Which of the candidate's seeds it has, from 0.
    """

    stage: Stage
    candidate: int | str
    fold: int
    seed: int


@dataclass(frozen=True, slots=True)
class LaneState:
    """The state of a lane whose training is paused: all that it needs to continue as if it had not stopped.

    Args:
        epoch: Epochs trained.
        weights: Of all its layers.
        first_moment: The optimizer's, in the order of the weights; empty before the first step.
        second_moment: Likewise.
        kept: The weights of the best epoch; empty where the last ones are kept.
        best: The best score so far (see `lane_score.py`).
        best_epoch: The epoch (from 1) of the kept weights.
        waited: Epochs since the score last rose.
        predictions: `(validation rows, outputs)` the raw outputs of the kept weights (see `metrics/output_columns.py`).
        curve: `(epochs, heads)` the scores on the validation rows after each epoch.
        log_variances: `(heads,)` each: the log variances that balance the losses, and their first and second moments; empty
            before the first step, and in programs without such lanes.
        average: The moving average of the weights; empty before the first step, and in programs without such lanes.
    """

    epoch: int
    weights: Weights
    first_moment: Weights
    second_moment: Weights
    kept: Weights
    best: float
    best_epoch: int
    waited: int
    predictions: NDArray[float32]
    curve: Floats
    log_variances: tuple[NDArray[float32], ...] = ()
    average: Weights = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """One network to be trained, from the beginning or from a state.

    Args:
        key: Identifies it among the lanes that train together.
        recipe: The network and how it is trained.
        weight_seed: The integers that its initial weights derive from.
        epochs: The total epochs of its learning-rate schedule.
        stop: The epoch after which it ends, or pauses.
        pauses: Whether it may continue later: if it stops before its last epoch, its outcome then has a state.
        state: The state from which it continues; None to start from initial weights.
    """

    key: LaneKey
    recipe: Recipe
    weight_seed: tuple[int, ...]
    epochs: int
    stop: int
    pauses: bool = False
    state: LaneState | None = field(default=None, compare=False)

    @property
    def start(self) -> int:
        """The number of epochs that it has been trained for."""
        return self.state.epoch if self.state else 0

    @property
    def stream(self) -> tuple[int, int, InputEncoding, str]:
        """Fold, seed, input encoding, target scaling: they determine the lane's rows, their order and their encoding."""
        return (self.key.fold, self.key.seed, self.recipe.encoding, self.recipe.target_scaling)


@dataclass(frozen=True, slots=True)
class LaneOutcome:
    """The result of training one lane.

    Args:
        predictions: `(validation rows, outputs)` by the kept weights, in natural units; no rows for a refit.
        curve: `(epochs, heads)` the scores on the validation rows after each epoch that was trained.
        epochs: The epoch (from 1) of the kept weights.
        failed_at: The epoch (from 1) after which a prediction was not finite, 0 if that never happened.
        weights: The kept weights; None unless asked for.
        state: The state from which it may continue; None if it has ended.
        seconds: Its share of the wall time that its population took.
        error: Why a user's builder, or the training of what it built, failed; empty otherwise.
    """

    predictions: Floats
    curve: Floats
    epochs: int
    failed_at: int
    weights: Weights | None = None
    state: LaneState | None = None
    seconds: float = 0.0
    error: str = ""


def search_lane(number: int, recipe: Recipe, experiment: Experiment, fold: int = 0, seed: int = 0) -> Lane:
    """The lane of a trial of the search on one fold, from one of its seeds.

    Args:
        number: The trial's number.
        recipe: The recipe of the trial's parameters.
        experiment: Determines the seed, and the most epochs of a network.
        fold: The position of the fold.
        seed: Which of the trial's seeds, from 0.
    """
    epochs = epochs_of(recipe, experiment)
    weight_seed = (experiment.seed, WEIGHTS, number, fold + 1, seed)
    return Lane(LaneKey(Stage.SEARCH, number, fold, seed), recipe, weight_seed, epochs, epochs)


def search_lanes(
    trial: Trial, experiment: Experiment, folds: Sequence[int] | None = None, recipe: Recipe | None = None
) -> list[Lane]:
    """The lanes behind a trial's score in a search: for each fold the seeds of the experiment's validation.

    Args:
        trial: The trial.
        experiment: Determines the folds and the seeds per fold.
        folds: The positions of the folds; the experiment's if None.
        recipe: The recipe of the trial's parameters; that of the experiment if None.
    """
    recipe = recipe or recipe_for(experiment, trial.params)
    folds_and_seeds = product(range(experiment.folds) if folds is None else folds, range(experiment.validation.seeds))
    return [search_lane(trial.number, recipe, experiment, fold, seed) for fold, seed in folds_and_seeds]


def recipe_lanes(
    stage: Stage, recipe: Recipe, experiment: Experiment, folds_and_seeds: Iterable[tuple[int, int]], stop: int | None = None
) -> list[Lane]:
    """Lanes that train a recipe in a stage after the search.

    Equal recipes of one experiment have equal lanes: equal keys, and equal initial weights. How long they train does not enter
    their initial weights, but their keys.

    Args:
        stage: What they are trained for.
        recipe: The network and how it is trained.
        experiment: Determines the seed, and the most epochs of a network.
        folds_and_seeds: `(fold, seed)` of each lane.
        stop: The epoch after which they end; if None or greater than the recipe's epochs, those.
    """
    epochs = epochs_of(recipe, experiment)
    last = epochs if stop is None else min(stop, epochs)
    digest = recipe_digest(recipe, epochs)
    seed_words = [int.from_bytes(digest[4 * word : 4 * word + 4]) for word in range(SEED_WORDS)]
    return [
        Lane(
            LaneKey(stage, f"{digest.hex()}/{last}", fold, seed),
            recipe,
            (experiment.seed, WEIGHTS, int(stage), *seed_words, fold + 1, seed),
            epochs,
            last,
        )
        for fold, seed in folds_and_seeds
    ]


def refit_lanes(recipe: Recipe, experiment: Experiment, seeds: Iterable[int], stop: int) -> list[Lane]:
    """Lanes that train a recipe on all training rows, without rows that validate, for `stop` epochs."""
    return recipe_lanes(Stage.REFIT, recipe, experiment, ((ALL_ROWS, seed) for seed in seeds), stop)


def recipe_digest(recipe: Recipe, epochs: int) -> bytes:
    """The SHA-256 digest of a recipe, and of the epochs that its training is laid out for.

    What has its default value does not enter. So a hyperparameter that a later version adds leaves the seeds of recipes that
    do not use it as they are.
    """
    heads = list(recipe.architecture.branches)
    defaults = _fields(Recipe.of({}, heads))
    chosen = {name: value for name, value in _fields(recipe).items() if value != defaults[name]}
    return hashlib.sha256(json.dumps([heads, chosen, epochs], sort_keys=True).encode()).digest()


def _fields(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe, those of its architecture among them, by name."""
    fields = asdict(recipe)
    return {**fields.pop("architecture"), **fields}


def distinct_lanes(lanes: Iterable[Lane]) -> list[Lane]:
    """The lanes without duplicates.

    Raises:
        ValueError: Two lanes with the same key differ.
    """
    by_key: dict[LaneKey, Lane] = {}
    for lane in lanes:
        if by_key.setdefault(lane.key, lane) != lane:
            raise ValueError(f"two unlike lanes have the key {lane.key}")
    return list(by_key.values())
