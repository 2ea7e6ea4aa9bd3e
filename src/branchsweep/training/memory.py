"""How much memory training takes on this machine: estimated from the size of the table, before a worker starts.

What does not grow with the table (TensorFlow, compiled programs) is left out where the table is small: such a sweep is never
refused. `benchmarks/large_tables.py` measures what is estimated here.
"""

from __future__ import annotations

from dataclasses import dataclass

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.dimensions import extreme_values
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.training.cost_model import program_bytes
from branchsweep.training.packing import most_streams, program_limits, program_of
from branchsweep.training.population import DROPOUT, MOVING_AVERAGE
from branchsweep.training.program.shapes import MOST_STREAM_BYTES, array_shapes
from branchsweep.trial import Params

WORKER_BYTES = 1200 << 20
"""What a worker takes whatever the table is: TensorFlow, and some compiled programs."""

SMALL_BYTES = 256 << 20
"""Tables for which a worker takes no more than this besides are never refused."""

_OF_ENCODING = ("input_scaling", "bins", "one_hot_limit", "hash_columns")  # see `Recipe.encoding`
_PREDICTION_COPIES = 4  # of the kept weights and of the present ones, before and after a call of the program
_PROGRAM_COPIES = 2  # of what `cost_model.program_bytes` counts: XLA's own are among them
_COPIES = 2  # of an array that TensorFlow copies; tables and row orders are shared with it


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What training takes, in bytes.

    Args:
        worker: Of each worker, apart from `WORKER_BYTES`.
        parent: Of the process that starts them, from now on.
        encoding: The `input_scaling` that takes most of it, where another one of this sweep takes less than half; else empty.
    """

    worker: int
    parent: int
    encoding: str = ""

    @property
    def is_small(self) -> bool:
        """Whether it is not worth a thought."""
        return self.worker <= SMALL_BYTES

    def total(self, workers: int) -> int:
        """Of so many workers, and the process that starts them."""
        return self.parent + workers * (WORKER_BYTES + self.worker)

    def fitting(self, available: int) -> int:
        """The most workers for which there is memory; 0 where there is none for one."""
        return max(0, (available - self.parent) // (WORKER_BYTES + self.worker))


def training_need(rows: TrainingRows, experiment: Experiment) -> MemoryNeed:
    """An estimate of what training takes with these rows, by the costliest of `_recipes`."""
    own = rows.x.nbytes + rows.y.nbytes + (0 if rows.weights is None else rows.weights.nbytes)
    needs = [(_worker_need(rows, experiment, recipe), recipe.input_scaling) for recipe in _recipes(experiment)]
    worker, encoding = max(needs)
    is_alone = any(need < worker / 2 for need, other in needs if other != encoding)
    parent = 2 * own  # the rows themselves, and the file of them that workers map (see `shared_rows.py`)
    return MemoryNeed(worker, parent, encoding if is_alone else "")


def _recipes(experiment: Experiment) -> list[Recipe]:
    """Networks with the default hyperparameters, with those of the initial trials, and with every encoding of the inputs.

    The encoding decides how many encoded columns there are: piecewise-linear ones are dozens of each column. Of a number that
    is varied, the least or the greatest makes the most columns.
    """
    varied: list[Params] = [{}]
    for name in _OF_ENCODING:
        if dimension := experiment.space.dimensions.get(name):
            values = [value for _, value in extreme_values(dimension)]
            ends = values if any(isinstance(value, str) for value in values) else [min(values), max(values)]
            with_value: list[Params] = [{**params, name: value} for params in varied for value in ends]
            varied = [*varied, *with_value] if dimension.when else with_value  # without one it has its fixed or default value
    return [recipe_for(experiment, params) for params in [*experiment.search.initial_trials.values(), *varied]]


def _worker_need(rows: TrainingRows, experiment: Experiment, recipe: Recipe) -> int:
    """Bytes that a worker takes for populations of this network."""
    program = program_of(recipe, experiment, program_limits(experiment, [recipe], len(rows.x)))
    count, heads = max(rows.room, len(rows.x)), len(program.losses)
    columns = program.inputs + heads * (1 if rows.count_alike else 2)
    encoded = 4 * count * columns
    lanes = max(experiment.lanes_per_trial, experiment.confirmation.folds * experiment.confirmation.seeds)
    streams = min(most_streams(program, count), lanes)
    validation = max((len(part) for _, part in rows.folds), default=0)
    shapes = array_shapes((count, columns), program.batch_size, streams, validation)
    validated = shapes.validation_batches * program.batch_size
    orders = shapes.streams * (4 * count * shapes.epochs + 4 * validated)
    numbers = 2 + (MOVING_AVERAGE in program.options) + (DROPOUT in program.options)  # of a lane's step: see `Epochs`
    steps = numbers * _COPIES * 4 * shapes.epochs * program.lanes * shapes.batches
    predictions = _PREDICTION_COPIES * 4 * validated * heads * program.output_units * program.lanes
    network = _PROGRAM_COPIES * program_bytes(program)
    held = max(shapes.streams * encoded, min(lanes * encoded, MOST_STREAM_BYTES))
    joining = streams * encoded if streams > 1 else 0  # see `BatchFeed.join`
    return held + max(rows.x.nbytes, joining, orders + steps + predictions) + network


def workers_that_fit(need: MemoryNeed, wanted: int, available: int | None, is_given: bool) -> int:
    """How many workers start: as many as are wanted, or as fit where nobody has given a number.

    Args:
        need: What training takes.
        wanted: The number of workers.
        available: Bytes of memory; None where that is not known.
        is_given: Whether the user has given the number.

    Raises:
        BackendError: There is no memory for one, or for the number that is given.
    """
    if available is None or need.is_small or need.total(wanted) <= available:
        return wanted
    fitting = need.fitting(available)
    if fitting and not is_given:
        return fitting
    number = wanted if fitting else 1
    encoded = f" and input_scaling: {need.encoding}" if need.encoding else ""
    takes = f"about {gigabytes(need.total(number))} of memory"
    taken = f"{takes} with this table{encoded}, and {gigabytes(available)} are available"
    if fitting:
        raise BackendError(f"{wanted} workers take {taken}; start {fitting} (--workers {fitting})")
    others = f"leave {need.encoding} out of the space, " if need.encoding else ""
    raise BackendError(
        f"one worker takes {taken}; {others}name fewer columns as inputs, take a part of the rows, or train on fewer folds and"
        " seeds (validation: {method: hold_out}, confirmation: {folds: 2, seeds: 1})"
    )


def gigabytes(count: int) -> str:
    """Bytes for a message."""
    return f"{count / 1e9:.1f} GB"
