"""Packs trials into populations: lanes that can share a compiled program stand together.

A trial's program is a function of its own recipe and of the experiment, never of the trials it happens to meet: that is what
makes its result independent of its company. Widths are padded to a few buckets; depths, activations, learning rates and all
other dials need no padding, they are data. Empty places in a population cost nothing (see `training/waves.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchsweep.experiment import Experiment
from branchsweep.population import ALL_ROWS, Population, Program
from branchsweep.recipe import Recipe
from branchsweep.space import Choice, Dimension
from branchsweep.trial import ParamValue, Trial

WIDTHS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Buckets: every hidden layer of a lane is padded to the smallest of these that holds the lane's widest."""

PLACES: Mapping[int, tuple[int, int]] = {16: (64, 16), 32: (32, 8), 48: (16, 4), 64: (16, 4), 1024: (8, 2)}
"""Up to this width: (lanes, slots) of a program, the fastest measured. Wider lanes fill the cache with fewer of them."""

STREAMS = 16
"""Distinct (fold, seed, scalings) that one population may hold; each is gathered once for all lanes that share it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the programs of an experiment must have room for, whatever trial comes.

    Args:
        activations: Every activation that some trial may have.
        trunk_depth: The deepest trunk.
        branch_depth: The deepest branch of any head.
    """

    activations: tuple[str, ...]
    trunk_depth: int
    branch_depth: int


def limits(experiment: Experiment) -> Limits:
    """The limits of an experiment: over its space, its fixed values, its known configurations and the defaults."""
    everything = [experiment.recipe(params) for params in [{}, *experiment.search.known.values()]]
    activations = {recipe.architecture.activation for recipe in everything} | set(
        _values(experiment.space.dimensions.get("activation"))
    )
    depths = [
        int(max(_values(dimension)))
        for name, dimension in experiment.space.dimensions.items()
        if name.endswith(".depth") and name != "trunk.depth"
    ]
    trunk = _values(experiment.space.dimensions.get("trunk.depth"))
    return Limits(
        activations=tuple(sorted(str(activation) for activation in activations)),
        trunk_depth=max([len(recipe.architecture.trunk) for recipe in everything] + [int(depth) for depth in trunk]),
        branch_depth=max([len(branch) for recipe in everything for branch in recipe.architecture.branches.values()] + depths),
    )


def _values(dimension: Dimension | None) -> list[ParamValue]:
    """The values, or the two ends, of a dimension."""
    if dimension is None:
        return []
    return list(dimension.choices) if isinstance(dimension, Choice) else [dimension.low, dimension.high]


def bucket(width: int) -> int:
    """The smallest bucket that holds `width` units."""
    return next(size for size in WIDTHS if size >= width)


def program_of(recipe: Recipe, experiment: Experiment, bounds: Limits) -> Program:
    """The program that trains this recipe."""
    width = bucket(recipe.architecture.width)
    lanes, slots = next(places for up_to, places in PLACES.items() if width <= up_to)
    return Program(
        width=width,
        batch_size=recipe.batch_size,
        optimizer=recipe.optimizer,
        lanes=lanes,
        slots=slots,
        inputs=len(experiment.table.inputs),
        losses=tuple(head.loss for head in experiment.heads.values()),
        activations=bounds.activations,
        trunk_depth=bounds.trunk_depth,
        branch_depth=bounds.branch_depth,
    )


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane on its way into a population."""

    trial: int
    recipe: Recipe
    fold: int
    seed: int
    epochs: int
    stop: int

    @property
    def stream(self) -> tuple[int, int, str, str]:
        """What decides the rows that the lane sees, in which order and scaling."""
        return (self.fold, self.seed, self.recipe.input_scaling, self.recipe.target_scaling)


def lanes_of(trial: Trial, experiment: Experiment) -> list[Lane]:
    """The lanes behind one trial's score: its folds, and for each its seeds."""
    recipe, epochs = experiment.recipe(trial.params), experiment.fit.epochs
    folds = experiment.lanes_per_trial // experiment.validation.seeds
    return [
        Lane(trial.number, recipe, fold, seed, epochs, epochs)
        for fold in range(folds)
        for seed in range(experiment.validation.seeds)
    ]


def refit_lane(trial: Trial, experiment: Experiment, seed: int, stop: int) -> Lane:
    """The lane that trains a trial's recipe anew on all training rows, for `stop` of its epochs."""
    return Lane(trial.number, experiment.recipe(trial.params), ALL_ROWS, seed, experiment.fit.epochs, stop)


def pack(lanes: Sequence[Lane], experiment: Experiment) -> list[Population]:
    """Populations that hold every lane once, the costliest first.

    Lanes of one program are spread evenly over as few populations as hold them.
    """
    bounds = limits(experiment)
    by_program: dict[Program, list[Lane]] = {}
    for lane in lanes:
        by_program.setdefault(program_of(lane.recipe, experiment, bounds), []).append(lane)
    populations = [
        population(program, chunk, experiment)
        for program, members in by_program.items()
        for chunk in _chunks(members, program.lanes)
    ]
    return sorted(populations, key=cost, reverse=True)


def population(program: Program, lanes: Sequence[Lane], experiment: Experiment) -> Population:
    """These lanes as one population."""
    return Population(
        program=program,
        fit=experiment.fit,
        seed=experiment.seed,
        trials=tuple(lane.trial for lane in lanes),
        recipes=tuple(lane.recipe for lane in lanes),
        folds=tuple(lane.fold for lane in lanes),
        seeds=tuple(lane.seed for lane in lanes),
        epochs=tuple(lane.epochs for lane in lanes),
        stops=tuple(lane.stop for lane in lanes),
    )


def _chunks(lanes: Sequence[Lane], places: int) -> list[list[Lane]]:
    """Cuts lanes into parts of at most `places` lanes and `STREAMS` streams, of nearly equal size.

    The lanes of a trial stay together where they can, so that its score is known, and recorded, as early as possible.
    """
    ordered = sorted(lanes, key=lambda lane: (lane.trial, lane.fold, lane.seed))
    parts: list[list[Lane]] = []
    even = -(-len(ordered) // -(-len(ordered) // places))
    for lane in ordered:
        streams = {other.stream for other in parts[-1]} | {lane.stream} if parts else set()
        if not parts or len(parts[-1]) == even or len(streams) > STREAMS:
            parts.append([])
        parts[-1].append(lane)
    return parts


SPEED: Mapping[int, float] = {8: 15, 12: 23, 16: 28, 24: 39, 32: 41, 48: 48, 64: 53, 96: 57, 1024: 69}
"""Up to this width: thousand millions of operations a second that one core reaches, as `benchmarks/cost.py` measures them."""

COMPILE_SECONDS = 3.3
"""To compile a program, about."""

STEP_SECONDS = 1e-4
"""What a step costs however few lanes it trains."""


def speed(width: int) -> float:
    """Thousand millions of operations a second that one core reaches at this width."""
    return next(reached for up_to, reached in SPEED.items() if width <= up_to)


def operations(members: Population, train_rows: int, validation_rows: int) -> float:
    """Multiplies and adds of a population's padded layers: a training row is worth three passes, a validation row one."""
    width, program = members.program.width, members.program
    passes = 3 * train_rows + validation_rows
    return sum(
        stop * passes * 2 * width * (program.inputs + width * hidden_layers(recipe) + len(program.losses))
        for recipe, stop in zip(members.recipes, members.stops, strict=True)
    )


def seconds(members: Population, train_rows: int, validation_rows: int) -> float:
    """An estimate of the time that a population takes on one core, compilation apart."""
    steps = max(members.stops) * (train_rows + validation_rows) / members.program.batch_size
    arithmetic = operations(members, train_rows, validation_rows) / (speed(members.program.width) * 1e9)
    return arithmetic + steps * STEP_SECONDS


ROWS = 5000
"""Training rows for which populations are put in order."""


def cost(members: Population) -> float:
    """What populations are ordered by, the costliest first, so that no worker is left with a long one at the end."""
    return seconds(members, ROWS, 0)


def hidden_layers(recipe: Recipe) -> int:
    """Hidden layers beyond the first."""
    return len(recipe.architecture.trunk) - 1 + sum(len(branch) for branch in recipe.architecture.branches.values())
