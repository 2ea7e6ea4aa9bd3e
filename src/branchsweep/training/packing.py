"""Packs lanes into populations: those that can share a compiled program train together.

A trial's program is a function of its own recipe, of the experiment and of the device, never of the trials that are trained
with it: that is what makes its result independent of its company. Widths are padded to a few buckets; depths, activations,
learning rates and all other dynamic hyperparameters need no padding, they are data. A core computes a few layers side by side,
and empty places in a population cost nothing (see `training/layer_schedule.py`); a GPU computes those of all lanes at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from branchsweep.config.dimensions import Choice, Dimension
from branchsweep.config.experiment import Experiment
from branchsweep.config.hyperparameters import find_hyperparameter
from branchsweep.config.kinds import DEFAULT_LAYER
from branchsweep.models.architecture import Architecture
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.training import cost_model
from branchsweep.training.lane_score import score_rule
from branchsweep.training.lanes import Lane
from branchsweep.training.population import Population, Program
from branchsweep.training.resources import CPU, SINGLE_CORE, Device, Resources
from branchsweep.trial import ParamValue

WIDTHS = (4, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Buckets: the trunk's layers are padded to the smallest of these that holds them, and so are the branches'."""

NARROW_WIDTH = 32
"""Up to this width padding costs less than a program of one's own: beside wider layers none is padded to less."""

LANES_AND_SLOTS: Mapping[int, tuple[int, int]] = {10: (64, 16), 16: (64, 8), 32: (32, 4), 64: (16, 2), 1024: (8, 2)}
"""Up to this width: (lanes, slots) of a program on a core. Wider lanes fill the cache with fewer of them. Of slots, the fewest
that cost a full population nothing: a wave that a few lanes do not fill is computed all the same."""

MAX_LANES = 1024
"""Lanes of a program on a GPU, at most."""

MEMORY_SHARE = 0.5
"""Of a GPU's memory, what `cost_model.program_bytes` may take: the rest is for rows, predictions, and what XLA copies. On a
processor, programs of 64 to 512 units took 1.3 to 1.6 times what it says, with all that TensorFlow and NumPy held besides."""

LONG_TRAINING = 150
"""Epochs of all lanes of a trial from which on it pays to pad trunk and branches apart: that halves the arithmetic of a space
with unlike widths, and trebles its programs, each of which takes seconds to compile."""

WORTH_SPLITTING = 2.0
"""Seconds that must be gained before a population is halved: the second worker may have to compile its program, too."""

MAX_STREAMS = 16
"""Distinct (fold, seed, scalings) that one population may hold; each is gathered once for all lanes that share it."""

CODE_HYPERPARAMETERS = ("activation", "trunk.layer", "branch.layer", "loss_balancing")
"""Hyperparameters whose every choice is code in a program: it has that of the choices which some trial of the experiment may
make. A head may have its own (`PE.layer`)."""


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """What the programs of an experiment must have room for, whatever trial is asked.

    Args:
        activations: Every activation that some trial may have.
        balancing: Every scheme of loss balancing, likewise.
        trunk_depth: The deepest trunk.
        branch_depth: The deepest branch of any head.
        apart: Whether trunk and branches of unlike widths are padded apart, which takes more programs.
        layers: Every kind of hidden layer that some trial may have.
    """

    activations: tuple[str, ...]
    balancing: tuple[str, ...]
    trunk_depth: int
    branch_depth: int
    apart: bool
    layers: tuple[str, ...] = (DEFAULT_LAYER,)


def program_limits(experiment: Experiment, recipes: Sequence[Recipe] = ()) -> ProgramLimits:
    """The limits of an experiment: over its space, its fixed values, its known configurations and the defaults.

    Args:
        experiment: Gives the space.
        recipes: Networks that programs must have room for as well. Those of the experiment's own trials change nothing.
    """
    choices = (
        {name: value}
        for name, dimension in experiment.space.dimensions.items()
        if _hyperparameter_name(name, experiment) in CODE_HYPERPARAMETERS
        for value in _values(dimension)
    )
    own = (recipe_for(experiment, params) for params in [{}, *experiment.search.initial_trials.values(), *choices])
    everything = [*own, *recipes]
    depths = [
        int(max(_values(dimension)))
        for name, dimension in experiment.space.dimensions.items()
        if name.endswith(".depth") and name != "trunk.depth"
    ]
    trunk = _values(experiment.space.dimensions.get("trunk.depth"))
    return ProgramLimits(
        activations=tuple(sorted({recipe.architecture.activation for recipe in everything})),
        layers=tuple(sorted(set().union(*(recipe.architecture.layer_names for recipe in everything)))),
        balancing=tuple(sorted({recipe.loss_balancing for recipe in everything})),
        trunk_depth=max([len(recipe.architecture.trunk) for recipe in everything] + [int(depth) for depth in trunk]),
        branch_depth=max([len(branch) for recipe in everything for branch in recipe.architecture.branches.values()] + depths),
        apart=experiment.fit.epochs * experiment.lanes_per_trial >= LONG_TRAINING,
    )


def _hyperparameter_name(name: str, experiment: Experiment) -> str:
    """The hyperparameter that the name of a dimension refers to: `branch.layer` for `PE.layer`."""
    hyperparameter = find_hyperparameter(name, experiment.heads)
    return hyperparameter.name if hyperparameter else ""


def _values(dimension: Dimension | None) -> list[ParamValue]:
    """The values, or the two ends, of a dimension."""
    if dimension is None:
        return []
    return list(dimension.choices) if isinstance(dimension, Choice) else [dimension.low, dimension.high]


def padded_width(width: int) -> int:
    """The smallest bucket that holds `width` units."""
    return next(size for size in WIDTHS if size >= width)


def padded_widths(architecture: Architecture, apart: bool) -> tuple[int, int]:
    """The buckets of a network's trunk and of its branches: their own, where one is at least twice as wide as the other."""
    trunk, branch = padded_width(max(architecture.trunk)), padded_width(max(chain(*architecture.branches.values()), default=1))
    wide, narrow = max(trunk, branch), max(min(trunk, branch), NARROW_WIDTH)
    if not apart or wide < 2 * narrow or not any(architecture.branches.values()):
        return wide, wide
    return (wide, narrow) if trunk == wide else (narrow, wide)


def program_of(recipe: Recipe, experiment: Experiment, bounds: ProgramLimits, device: Device = CPU) -> Program:
    """The program that trains this recipe on such a device."""
    trunk, branch = padded_widths(recipe.architecture, bounds.apart)
    lanes, slots = next(places for up_to, places in LANES_AND_SLOTS.items() if max(trunk, branch) <= up_to)
    program = Program(
        trunk_width=trunk,
        branch_width=branch,
        batch_size=recipe.batch_size,
        optimizer=recipe.optimizer,
        lanes=lanes,
        slots=slots,
        inputs=recipe.encoded_width(len(experiment.table.inputs)),
        losses=tuple(head.loss for head in experiment.heads.values()),
        activations=bounds.activations,
        balancing=bounds.balancing,
        trunk_depth=bounds.trunk_depth,
        branch_depth=bounds.branch_depth,
        layers=bounds.layers,
        score_rule=score_rule(experiment.objective, list(experiment.heads)),
    )
    return program if device.kind == "cpu" else widened_for_gpu(program, experiment, device)


def widened_for_gpu(program: Program, experiment: Experiment, device: Device) -> Program:
    """The program on a GPU: all lanes in one wave, as many as fit and a round can fill, rounded down to a power of two.

    No fewer than on a core, and no more than `MAX_LANES`. A round's lanes bound them because an empty place in a wave is
    computed all the same.
    """
    alone = cost_model.program_bytes(replace(program, lanes=1, slots=1))  # so many bytes for every lane, as all have a slot
    fitting = int(MEMORY_SHARE * device.memory) // alone
    of_round = 2 ** (experiment.batch * experiment.lanes_per_trial - 1).bit_length()  # the power of two that holds them
    most = min(fitting, of_round, MAX_LANES)
    lanes = max(program.lanes, 2 ** (most.bit_length() - 1) if most else 0)
    return replace(program, lanes=lanes, slots=lanes)


def pack(lanes: Sequence[Lane], experiment: Experiment, resources: Resources = SINGLE_CORE) -> list[Population]:
    """Populations that hold every lane once, the costliest first.

    Lanes of one program that stand at the same epoch are spread evenly over as few populations as hold them, and those over as
    many more as it takes to keep all workers busy; not so on GPUs, on which half a wave takes as long as a whole one.

    Args:
        lanes: What is to be trained.
        experiment: What the lanes are of. Their programs have room for whatever trial its search asks, and for all of them.
        resources: Where it is trained.
    """
    bounds = program_limits(experiment, [lane.recipe for lane in lanes])
    alike: dict[tuple[Program, int], list[Lane]] = {}
    for lane in lanes:
        alike.setdefault((program_of(lane.recipe, experiment, bounds, resources.device), lane.start), []).append(lane)
    populations = [
        make_population(program, chunk, experiment)
        for (program, _), members in alike.items()
        for chunk in _chunks(members, program.lanes)
    ]
    if resources.device.kind == "gpu":
        return sorted(populations, key=cost_model.relative_cost, reverse=True)
    return _balanced(populations, resources.workers)


def _balanced(populations: Sequence[Population], workers: int) -> list[Population]:
    """The same lanes, the costliest population first; halved while that has all workers done clearly sooner."""
    ordered = sorted(populations, key=cost_model.relative_cost, reverse=True)
    while ordered and len(ordered[0].lanes) > 1:
        costliest, *others = ordered
        middle = len(costliest.lanes) // 2
        halves = [replace(costliest, lanes=part) for part in (costliest.lanes[:middle], costliest.lanes[middle:])]
        split = sorted([*halves, *others], key=cost_model.relative_cost, reverse=True)
        if _makespan(ordered, workers) - _makespan(split, workers) < WORTH_SPLITTING:
            break
        ordered = split
    return ordered


def _makespan(populations: Sequence[Population], workers: int) -> float:
    """Seconds until all workers are done, if each takes the next population when it is idle (Graham 1969)."""
    busy = [0.0] * workers
    for members in populations:
        busy[busy.index(min(busy))] += cost_model.relative_cost(members)
    return max(busy)


def make_population(program: Program, lanes: Sequence[Lane], experiment: Experiment) -> Population:
    """These lanes as one population."""
    return Population(program, experiment.fit, experiment.objective, experiment.seed, tuple(lanes))


def _chunks(lanes: Sequence[Lane], places: int) -> list[list[Lane]]:
    """Cuts lanes into parts of at most `places` lanes and `MAX_STREAMS` streams, of nearly equal size.

    The lanes of a candidate stay together where they can, so that its score is known, and recorded, as early as possible.
    """
    ordered = sorted(lanes, key=lambda lane: lane.key)
    parts: list[list[Lane]] = []
    even = -(-len(ordered) // -(-len(ordered) // places))
    for lane in ordered:
        streams = {other.stream for other in parts[-1]} | {lane.stream} if parts else set()
        if not parts or len(parts[-1]) == even or len(streams) > MAX_STREAMS:
            parts.append([])
        parts[-1].append(lane)
    return parts
