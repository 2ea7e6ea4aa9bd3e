"""Packs lanes into populations: those that can share a compiled program train together.

A trial's program is a function of its own recipe, of the experiment, of the number of training rows and of the device, never of
the trials that are trained with it, so that its result does not depend on them. Widths are padded to a few buckets; depths,
activations, learning rates and all other dynamic hyperparameters are data and need no padding. A core computes a few layers at
a time, and empty places in a population cost nothing (see `training/program/layer_schedule.py`); a GPU computes the layers of
all lanes at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import HYPERPARAMETERS, TRUNK, find_hyperparameter
from branchsweep.config.kinds import DEFAULT_LAYER
from branchsweep.config.sections.dimensions import Dimension, extreme_values
from branchsweep.models.architecture import Architecture
from branchsweep.models.recipe import DEFAULT_BETA_2, Recipe, recipe_for
from branchsweep.training import cost_model
from branchsweep.training.lane_score import score_rule
from branchsweep.training.lanes import Lane
from branchsweep.training.population import (
    BETA_2,
    CLIPNORM,
    DROPOUT,
    INPUT_FACTORS,
    MOVING_AVERAGE,
    OPTIONS,
    OUTPUT_CLIPPING,
    RESIDUAL,
    TARGET_NOISE,
    Population,
    Program,
)
from branchsweep.training.resources import CPU, SINGLE_CORE, Device, Resources
from branchsweep.trial import Params, ParamValue

WIDTHS = (4, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Buckets: the trunk's layers are padded to the smallest of these that holds them, and so are the branches'."""

NARROW_WIDTH = 32
"""Narrower trunks or branches beside wider ones are padded to at least this width: up to it, padding costs less than another
program."""

LANES_AND_SLOTS: Mapping[int, tuple[int, int]] = {10: (64, 16), 16: (64, 8), 32: (32, 4), 64: (16, 2), 1024: (8, 2)}
"""By the greatest width: (lanes, slots) of a program on a core. The wider the lanes, the fewer fill the CPU cache. Slots are
the fewest that do not slow a full population down, as a wave that is only partly filled takes as long as a full one."""

LARGE_BATCH = 1024
"""From batches of so many rows on, a core has half as many slots where there are more than two: the activations of fewer layers
stay in its cache. With a single slot XLA multiplies by another routine, of other last bits."""

MAX_LANES = 1024
"""The most lanes of a program on a GPU."""

MEMORY_SHARE = 0.5
"""The share of a GPU's memory that `cost_model.program_bytes` may reach: the rest is for rows, predictions, and XLA's copies.
On a CPU, processes with programs of 64 to 512 units took 1.3 to 1.6 times that estimate."""

LONG_TRAINING = 150
"""From this many epochs of a trial (summed over its lanes) on, trunk and branches are padded separately: that halves the
arithmetic of a space with different widths, and triples its programs, each of which takes seconds to compile. An epoch of a
large table counts as several."""

LARGE_TABLE, EPOCH_ROWS = 50_000, 10_000
"""The training rows from which on a table is large, and for each of how many of them an epoch then counts as one of those."""

WORTH_SPLITTING = 2.0
"""A population is halved if that saves at least this many seconds: the second worker may have to compile its program, too."""

MAX_STREAMS = 16
"""The most streams (distinct fold, seed and scalings) of a population; each batch is gathered once per stream."""

MOST_TABLE_BYTES = 1 << 28
"""The most bytes of encoded rows (each stream has its own) of a population of a core on a large table; one may have more."""

CODE_HYPERPARAMETERS = (
    "activation",
    "trunk.layer",
    "branch.layer",
    "loss_balancing",
    "ema_momentum",
    "beta_2",
    "output_clipping",
    "clipnorm",
    "input_factor_rate",
    "target_noise",
    "residual",
)
"""Hyperparameters that need code in a program. A program contains the code of every value that some trial of the experiment may
have, also of those for one head (`PE.layer`)."""


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """The limits of all networks of an experiment, which its programs must support.

    Args:
        activations: Every activation that some trial may have.
        balancing: Every scheme of loss balancing that some trial may have.
        trunk_depth: The layers of the deepest trunk.
        branch_depth: The layers of the deepest branch of any head.
        apart: Whether trunk and branches of different widths are padded separately, which takes more programs.
        layers: Every kind of hidden layer that some trial may have.
        reads_heads: Whether in some trial a head may read another one.
        options: What else some trial may have, of `population.OPTIONS`.
    """

    activations: tuple[str, ...]
    balancing: tuple[str, ...]
    trunk_depth: int
    branch_depth: int
    apart: bool
    layers: tuple[str, ...] = (DEFAULT_LAYER,)
    reads_heads: bool = False
    options: tuple[str, ...] = ()


def program_limits(experiment: Experiment, recipes: Sequence[Recipe] = (), rows: int = cost_model.ROWS) -> ProgramLimits:
    """The limits over the search space of an experiment, its fixed values, its initial trials and the defaults.

    Args:
        experiment: Determines the space.
        recipes: Further networks that the programs must support. Those of the experiment's own trials change nothing.
        rows: All training rows, those of all folds.
    """
    choices = (
        {name: value}
        for name, dimension in experiment.space.dimensions.items()
        if _hyperparameter_name(name, experiment) in CODE_HYPERPARAMETERS
        for value in _values(dimension)
    )
    named: list[Params] = [{}, *experiment.search.initial_trials.values()]
    own = (recipe_for(experiment, params) for params in [*named, *choices])
    everything = [*own, *recipes]
    depths = [
        int(max(_values(dimension)))
        for name, dimension in experiment.space.dimensions.items()
        if name.endswith(".depth") and name != "trunk.depth"
    ]
    trunk = [*_values(experiment.space.dimensions.get("trunk.depth")), *(_trunk_depth(params, experiment) for params in named)]
    return ProgramLimits(
        activations=tuple(sorted({recipe.architecture.activation for recipe in everything})),
        layers=tuple(sorted(set().union(*(recipe.architecture.layer_names for recipe in everything)))),
        balancing=tuple(sorted({recipe.loss_balancing for recipe in everything})),
        trunk_depth=max([len(recipe.architecture.trunk) for recipe in recipes] + [int(depth) for depth in trunk]),
        branch_depth=max([len(branch) for recipe in everything for branch in recipe.architecture.branches.values()] + depths),
        options=tuple(
            option
            for option in OPTIONS
            if any(option in options_of(recipe) for recipe in everything)
            or (option == DROPOUT and _may_be(_has_dropout, experiment))
        ),
        apart=_is_long(experiment, rows),
        reads_heads=_may_be(_reads_head, experiment) or any(recipe.architecture.reads for recipe in recipes),
    )


def _is_long(experiment: Experiment, rows: int) -> bool:
    """Whether a trial trains so long that programs with less padding are worth compiling."""
    epochs = experiment.fit.epochs * experiment.lanes_per_trial
    return epochs * (rows // EPOCH_ROWS if rows >= LARGE_TABLE else 1) >= LONG_TRAINING


def _trunk_depth(params: Params, experiment: Experiment) -> int:
    """The trunk's layers, those among them that no head reads."""
    return int({**experiment.space.fixed, **params}.get("trunk.depth", HYPERPARAMETERS["trunk.depth"].default))


def _may_be(holds: Callable[[str, ParamValue], bool], experiment: Experiment) -> bool:
    """Whether some trial may have a value of which this holds, given the name of its hyperparameter (`branch.reads`).

    Whether the value takes effect may depend on others (a branch without layers has no dropout), which are not looked at.
    """
    space = experiment.space
    given = [*space.fixed.items(), *(pair for params in experiment.search.initial_trials.values() for pair in params.items())]
    varied = [(name, value) for name, dimension in space.dimensions.items() for value in _values(dimension)]
    return any(holds(_hyperparameter_name(name, experiment), value) for name, value in chain(given, varied))


def _reads_head(name: str, value: ParamValue) -> bool:
    return name == "branch.reads" and value != TRUNK


def _has_dropout(name: str, value: ParamValue) -> bool:
    return name in ("trunk.dropout", "branch.dropout") and value != 0


def options_of(recipe: Recipe) -> set[str]:
    """What a recipe needs of a program, of `population.OPTIONS`."""
    architecture = recipe.architecture
    needs = {
        DROPOUT: bool(architecture.trunk_dropout or architecture.branch_dropouts),
        MOVING_AVERAGE: recipe.ema_momentum > 0,
        BETA_2: recipe.beta_2 != DEFAULT_BETA_2,
        OUTPUT_CLIPPING: recipe.clips_outputs,
        CLIPNORM: recipe.clipnorm > 0,
        INPUT_FACTORS: architecture.input_factor_rate > 0,
        TARGET_NOISE: recipe.target_noise > 0,
        RESIDUAL: architecture.residual,
    }
    return {option for option, needed in needs.items() if needed}


def _hyperparameter_name(name: str, experiment: Experiment) -> str:
    """The hyperparameter that the name of a dimension refers to: `branch.layer` for `PE.layer`."""
    hyperparameter = find_hyperparameter(name, experiment.heads)
    return hyperparameter.name if hyperparameter else ""


def _values(dimension: Dimension | None) -> list[ParamValue]:
    """The values, or the two ends, of a dimension."""
    return [value for _, value in extreme_values(dimension)] if dimension else []


def padded_width(width: int) -> int:
    """The smallest bucket that holds `width` units."""
    return next(size for size in WIDTHS if size >= width)


def padded_widths(architecture: Architecture, apart: bool) -> tuple[int, int]:
    """The padded widths of a network's trunk and of its branches.

    Args:
        architecture: The network.
        apart: Whether they may differ; they do if one bucket is at least twice as wide as the other.
    """
    trunk, branch = padded_width(max(architecture.trunk)), padded_width(max(chain(*architecture.branches.values()), default=1))
    wide, narrow = max(trunk, branch), max(min(trunk, branch), NARROW_WIDTH)
    if not apart or wide < 2 * narrow or not any(architecture.branches.values()):
        return wide, wide
    return (wide, narrow) if trunk == wide else (narrow, wide)


def lanes_and_slots(width: int, batch_size: int) -> tuple[int, int]:
    """The lanes and the slots of a program on a core. From two on, slots change no result, not even its last bit.

    Args:
        width: The greatest width.
        batch_size: The rows of a batch.
    """
    lanes, slots = next(numbers for up_to, numbers in LANES_AND_SLOTS.items() if width <= up_to)
    return lanes, max(2, slots // 2) if batch_size >= LARGE_BATCH else slots


def program_of(recipe: Recipe, experiment: Experiment, bounds: ProgramLimits, device: Device = CPU) -> Program:
    """The program that trains this recipe on this kind of device."""
    trunk, branch = padded_widths(recipe.architecture, bounds.apart)
    lanes, slots = lanes_and_slots(max(trunk, branch), recipe.batch_size)
    program = Program(
        trunk_width=trunk,
        branch_width=branch,
        batch_size=recipe.batch_size,
        optimizer=recipe.optimizer,
        lanes=lanes,
        slots=slots,
        inputs=recipe.encoded_width(experiment.table.inputs.values()),
        losses=tuple(head.kind for head in experiment.heads.values()),
        activations=bounds.activations,
        balancing=bounds.balancing,
        trunk_depth=bounds.trunk_depth,
        branch_depth=bounds.branch_depth,
        layers=bounds.layers,
        reads_heads=bounds.reads_heads,
        score_rule=score_rule(experiment),
        options=bounds.options,
    )
    return program if device.kind == "cpu" else widened_for_gpu(program, experiment, device)


def widened_for_gpu(program: Program, experiment: Experiment, device: Device) -> Program:
    """The program on a GPU: all lanes in one wave, as many as fit in memory and a round can fill, in powers of two.

    There are at least as many lanes as on a core, at most `MAX_LANES`. A round's lanes limit them because an empty place in a
    wave takes as long as a full one.
    """
    alone = cost_model.program_bytes(replace(program, lanes=1, slots=1))  # the bytes of each lane, as every lane has a slot
    fitting = int(MEMORY_SHARE * device.memory) // alone
    of_round = 2 ** (experiment.batch * experiment.lanes_per_trial - 1).bit_length()  # the power of two that holds them
    most = min(fitting, of_round, MAX_LANES)
    lanes = max(program.lanes, 2 ** (most.bit_length() - 1) if most else 0)
    return replace(program, lanes=lanes, slots=lanes)


def pack(
    lanes: Sequence[Lane],
    experiment: Experiment,
    resources: Resources = SINGLE_CORE,
    rows: int = cost_model.ROWS,
) -> list[Population]:
    """Distribute lanes over populations, the costliest population first.

    Lanes of one program at the same epoch are distributed evenly over as few populations as possible. For CPU cores,
    populations are then halved while that ends the training sooner; on a GPU half a wave takes as long as a whole one.

    Args:
        lanes: What is to be trained.
        experiment: The lanes' experiment. Programs support every trial that its search may ask, and all of these lanes.
        resources: The workers that train.
        rows: All training rows, those of all folds.
    """
    if experiment.space.builder:
        return [_alone(lane, experiment) for lane in sorted(lanes, key=lambda lane: lane.start - lane.stop)]
    bounds = program_limits(experiment, [lane.recipe for lane in lanes], rows)
    alike: dict[tuple[Program, int], list[Lane]] = {}
    for lane in lanes:
        alike.setdefault((program_of(lane.recipe, experiment, bounds, resources.device), lane.start), []).append(lane)
    populations = [
        make_population(program, chunk, experiment)
        for (program, _), members in alike.items()
        for chunk in _chunks(members, program.lanes, most_streams(program, rows, resources.device))
    ]
    if resources.device.kind == "gpu":
        return sorted(populations, key=cost_model.relative_cost, reverse=True)
    return _balanced(populations, resources.workers, rows)


def _alone(lane: Lane, experiment: Experiment) -> Population:
    """A population of one lane, whose network a user's builder builds: its program says what `fit` must know besides."""
    program = Program(
        trunk_width=1,
        branch_width=1,
        batch_size=lane.recipe.batch_size,
        optimizer=lane.recipe.optimizer,
        lanes=1,
        slots=1,
        inputs=lane.recipe.encoded_width(experiment.table.inputs.values()),
        losses=tuple(head.kind for head in experiment.heads.values()),
        activations=(lane.recipe.architecture.activation,),
        balancing=(lane.recipe.loss_balancing,),
        trunk_depth=1,
        branch_depth=0,
        score_rule=score_rule(experiment),
    )
    return make_population(program, [lane], experiment)


class _Estimated:
    """A population with its relative cost, and with its halves once they are asked for.

    Args:
        members: The population.
        rows: All training rows.
    """

    def __init__(self, members: Population, rows: int) -> None:
        self.members, self._rows, self.cost = members, rows, cost_model.relative_cost(members, rows)

    @cached_property
    def halves(self) -> list[_Estimated]:
        """Its lanes as two populations; none where it is one lane."""
        lanes, middle = self.members.lanes, len(self.members.lanes) // 2
        parts = (lanes[:middle], lanes[middle:]) if middle else ()
        return [_Estimated(replace(self.members, lanes=part), self._rows) for part in parts]


def _balanced(populations: Sequence[Population], workers: int, rows: int) -> list[Population]:
    """The populations, the costliest first, and some halved: so many that each saves `WORTH_SPLITTING` seconds on average.

    One halving alone may save nothing, as of two populations of the same cost for four workers. So more are tried while they
    may still be worth it, and the best division is returned.
    """
    ordered = best = _costliest_first([_Estimated(members, rows) for members in populations])
    least, halved = _worker_seconds(ordered, workers)[0], 0
    even = sum(population.cost for population in ordered) / workers  # no division ends the training sooner
    while even + WORTH_SPLITTING * (halved + 1) <= least:
        divisions = [
            _costliest_first([*ordered[:index], *population.halves, *ordered[index + 1 :]])
            for index, population in enumerate(ordered)
            if population.halves
        ]
        if not divisions:
            break
        ordered, halved = min(divisions, key=lambda division: _worker_seconds(division, workers)), halved + 1
        seconds = _worker_seconds(ordered, workers)[0] + WORTH_SPLITTING * halved
        if seconds <= least:
            best, least = ordered, seconds
    return [population.members for population in best]


def _costliest_first(populations: Sequence[_Estimated]) -> list[_Estimated]:
    return sorted(populations, key=lambda population: population.cost, reverse=True)


def _worker_seconds(populations: Sequence[_Estimated], workers: int) -> list[float]:
    """Seconds until each worker is done, the last one first, if each takes the next population when idle (Graham 1969)."""
    busy = [0.0] * workers  # a heap
    for population in populations:
        heapq.heapreplace(busy, busy[0] + population.cost)
    return sorted(busy, reverse=True)


def make_population(program: Program, lanes: Sequence[Lane], experiment: Experiment) -> Population:
    """These lanes as one population."""
    return Population(program, experiment.fit, experiment.objective, experiment.seed, tuple(lanes))


def most_streams(program: Program, rows: int, device: Device = CPU) -> int:
    """The most streams of a population with this program.

    Args:
        program: Says how many columns the encoded rows have.
        rows: All training rows, those of all folds.
        device: On a GPU, where half a wave takes as long as a whole one, a large table changes nothing.
    """
    if device.kind == "gpu" or rows < LARGE_TABLE:
        return MAX_STREAMS
    encoded = 4 * rows * (program.inputs + len(program.losses))
    return max(1, min(MOST_TABLE_BYTES // encoded, MAX_STREAMS))


def _chunks(lanes: Sequence[Lane], most: int, streams_at_most: int) -> list[list[Lane]]:
    """Divide lanes into parts of at most `most` lanes and `streams_at_most` streams, of nearly equal size.

    Lanes of a candidate stay together where possible, so that its score is known, and recorded, as early as possible. Where
    there are too many streams on a large table, lanes of one stream stay together.
    """
    ordered = sorted(lanes, key=lambda lane: lane.key)
    if streams_at_most < MAX_STREAMS and len({lane.stream for lane in lanes}) > streams_at_most:
        ordered.sort(key=lambda lane: lane.stream)
    parts: list[list[Lane]] = []
    even = -(-len(ordered) // -(-len(ordered) // most))
    for lane in ordered:
        streams = {other.stream for other in parts[-1]} | {lane.stream} if parts else set()
        if not parts or len(parts[-1]) == even or len(streams) > streams_at_most:
            parts.append([])
        parts[-1].append(lane)
    return parts
