"""The cost model of training: a population's arithmetic with and without padding, its memory, and an estimate of its time.

The estimate is a linear model fitted to measurements (`benchmarks/cost.py`). `packing.py` uses it to balance populations over
workers, and `--dry-run` to estimate the time of a sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from branchsweep.models.architecture import Architecture, LayerShape
from branchsweep.training.population import INPUT_FACTORS, MOVING_AVERAGE, Population, Program
from branchsweep.training.program.layer_schedule import layer_capacity, program_stages


@dataclass(frozen=True, slots=True)
class StepCost:
    """The time of a step on one core, fitted to measurements by `benchmarks/cost.py`. All in nanoseconds.

    Args:
        step: Per step of a population, whatever the number of its lanes.
        layer: Per layer of a lane in a training step.
        unit: Per input or output unit of a layer, and row.
        weight: Per weight in a training step: the optimizer's work.
        product: Per weight and row: a multiplication and an addition, once forward and twice backward.
    """

    step: float
    layer: float
    unit: float
    weight: float
    product: float

    def training(self, layer: LayerShape, rows: int) -> float:
        """Nanoseconds of a layer in a training step on a batch of `rows` rows."""
        units = self.unit * (layer.read + layer.units) * rows
        return self.layer + units + self.weight * layer.parameters + self.product * layer.products * rows

    def validation(self, layer: LayerShape, rows: int) -> float:
        """Nanoseconds of a layer in a validation step: a third of a training step without the optimizer."""
        return (self.training(layer, rows) - self.weight * layer.parameters) / 3


STEP_COST = StepCost(step=171_000.0, layer=446.0, unit=0.826, weight=0.0, product=0.0769)

COMPILE_SECONDS = 2.9
"""About the time to compile a program."""

LOAD_SECONDS = 0.5
"""About the time to load a program that another worker, or another run, has compiled: a sixth, see `benchmarks/programs.py`."""


BUILT_START, BUILT_STEP = 2.5, 2.5e-3
"""Seconds until a user's network of a few layers trains by Keras's fit, and of one of its steps, about."""


def arithmetic_operations(members: Population, train_rows: int, validation_rows: int) -> float:
    """Multiplies and adds of a population's padded layers: a training row is worth three passes, a validation row one."""
    passes = 3 * train_rows + validation_rows
    return sum(
        (stop - members.start)
        * passes
        * 2
        * sum(layer.products for layer in padded_layers(recipe.architecture, members.program))
        for recipe, stop in zip(members.recipes, members.stops, strict=True)
    )


def useful_share(populations: Sequence[Population]) -> float:
    """The share of the arithmetic that is not padding: multiplies and adds of the networks themselves, by those computed."""
    own = computed = 0.0
    for members in populations:
        for recipe, stop in zip(members.recipes, members.stops, strict=True):
            architecture, epochs = recipe.architecture, stop - members.start
            own += epochs * sum(layer.products for layer in architecture.layers(members.program.inputs))
            computed += epochs * sum(layer.products for layer in padded_layers(architecture, members.program))
    return own / computed


def padded_layers(architecture: Architecture, program: Program) -> Iterator[LayerShape]:
    """Every layer of a network as its program computes it; the outputs read the wider of the two widths."""
    trunk, branch = program.trunk_width, program.branch_width
    wide = replace(
        architecture,
        trunk=(trunk,) * len(architecture.trunk),
        branches={head: (branch,) * len(layers) for head, layers in architecture.branches.items()},
    )
    read, units = program.width, program.output_units
    return (layer if layer.kind else layer._replace(read=read, units=units) for layer in wide.layers(program.inputs))


STATE = 8
"""Numbers stored per weight: itself, its two moments and the kept copy, once as input and once as output of a program. With
a moving average of the weights there are two more."""


def weight_shapes(program: Program) -> list[tuple[int, int, int]]:
    """`(layers, units, read)` of the arrays of weights: the lanes' first layers, those of each stage, the outputs.

    In programs with factors of the inputs, these come last.
    """
    lanes, outputs = program.lanes, len(program.losses) * program.lanes
    hidden = ((stage.places, stage.units, stage.reads) for stage in program_stages(program))
    factors = [(lanes, 1, program.inputs)] if INPUT_FACTORS in program.options else []
    return [(lanes, program.trunk_width, program.inputs), *hidden, (outputs, program.output_units, program.width), *factors]


def program_bytes(program: Program) -> int:
    """Bytes of a program's arrays that do not depend on the table: state, activations, slopes and gradients of a batch.

    With K lanes, N places of hidden layers, H heads, widths up to W and batches of B rows that is
    4 (8 weights + (K + N)(1 + W) B + (K + N) W B + (H K + 1 + N) W B). Apart from it come, table by table, the scaled rows of
    each stream and the predictions of the validation rows; and what XLA needs besides.
    """
    weights = sum(layers * units * (1 + read) for layers, units, read in weight_shapes(program))
    rows, width = program.lanes + layer_capacity(program), program.width
    sent = len(program.losses) * program.lanes + 1 + layer_capacity(program)
    numbers = STATE + 2 * (MOVING_AVERAGE in program.options)
    return 4 * (numbers * weights + (rows * (1 + width) + rows * width + sent * width) * program.batch_size)


def estimated_seconds(members: Population, train_rows: int, validation_rows: int, cost: StepCost = STEP_COST) -> float:
    """An estimate of the seconds that a population trains on one core, without compilation.

    Args:
        members: The population.
        train_rows: The training rows of a lane.
        validation_rows: The validation rows of a lane.
        cost: The time of a step.
    """
    size, epochs = members.program.batch_size, max(members.stops) - members.start
    if members.is_built:
        return BUILT_START + epochs * -(-train_rows // size) * BUILT_STEP
    train_steps, validation_steps = -(-train_rows // size), -(-validation_rows // size)
    total = epochs * (train_steps + validation_steps) * cost.step
    for recipe, stop in zip(members.recipes, members.stops, strict=True):
        for layer in padded_layers(recipe.architecture, members.program):
            of_epoch = train_steps * cost.training(layer, size) + validation_steps * cost.validation(layer, size)
            total += (stop - members.start) * of_epoch
    return total / 1e9


ROWS = 5000
"""The number of training rows that `relative_cost` assumes, and of which it takes a multiple for a large table."""


def relative_cost(members: Population, rows: int = ROWS) -> float:
    """The estimated seconds by which populations are ordered, so that no worker starts a long one at the end.

    Args:
        members: The population.
        rows: All training rows of the table, those of all folds.
    """
    return estimated_seconds(members, ROWS, 0) * max(1, rows // ROWS)
