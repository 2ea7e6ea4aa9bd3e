"""Writes programs of a GPU, with their inputs and a CPU's outputs, to a folder that `gpu_program.py` reads without TensorFlow.

A program is exported as StableHLO before any optimization, as TensorFlow gives it to XLA. So another machine compiles for its
GPU what TensorFlow would have compiled there.

Of each network (see `NETWORKS`) there are 64 lanes, the *base*. Wider programs train copies of them, so their inputs are small:
they are rows of the base's arrays, and an index says which. The same index tells where in the outputs each base lane is found.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks import _measure
from branchsweep.models.heads.registry import kinds_of
from branchsweep.models.keras_fit import KerasFit
from branchsweep.models.recipe import recipe_for
from branchsweep.search.drivers import random_trials
from branchsweep.training import packing
from branchsweep.training.lanes import Lane, search_lane, search_lanes
from branchsweep.training.population import Population, Program
from branchsweep.training.program.batches import BatchFeed, make_stream
from branchsweep.training.program.compiled_program import compiled
from branchsweep.training.program.lane_arrays import initial_state, make_plan
from branchsweep.training.program.layer_schedule import LayerSchedule, program_stages, schedule_layers
from branchsweep.training.program.program_arrays import Epochs, Lanes, Plan, Rows, State
from branchsweep.training.program.shapes import EPOCHS
from branchsweep.training.worker_process import use_exact_arithmetic

BASE = 64
"""Lanes of the base."""

ALONE = 512
"""Lanes of the program that also trains one lane alone."""

LONELY = 5
"""The lane of the base that is trained alone, in the place of the first lane."""

CHECKED_EPOCHS = 2
"""Epochs after which outputs are compared: rounding has not yet grown."""

DRAWN = 3000
"""Random trials of the shipped space, among which there are 64 of each program of `PROGRAMS`."""

PROGRAMS = ((32, 32), (128, 64))
"""Trunk and branch width of the space's programs that are measured: a narrow and a wide one."""

OWN, SHARED, LANE, OUTPUT = "own", "shared", "lane", "output"
"""Inputs that each case has of its own, those that all cases of a network share, and those whose rows are lanes or outputs."""

Index = Mapping[str, NDArray[np.int32]]
"""By what rows belong to (`lane`, `output`, `stage0`, …): for each row of a program the base's row, or -1 for zeros."""


@dataclass(frozen=True)
class Network:
    """Networks that one program trains.

    Args:
        name: Its name in the results.
        setting: The experiment and its rows.
        lanes: The base's.
        program: The program that trains them on a core.
    """

    name: str
    setting: _measure.Setting
    lanes: Sequence[Lane]
    program: Program

    def population(self, program: Program, lanes: Sequence[int]) -> Population:
        """These lanes of the base, one after the other, in a program."""
        return packing.make_population(program, [self.lanes[lane] for lane in lanes], self.setting.experiment)

    @property
    def middling(self) -> Lane:
        """The lane of the base whose network has the median amount of arithmetic."""
        inputs = self.program.inputs
        ordered = sorted(self.lanes, key=lambda lane: _measure.multiplications(lane.recipe.architecture, inputs))
        return ordered[len(ordered) // 2]

    @property
    def wide(self) -> Program:
        """The program of the base: all lanes in one wave, as on a GPU."""
        return self.of_width(BASE)

    def of_width(self, lanes: int) -> Program:
        """A program with more lanes, all in one wave."""
        return replace(self.program, lanes=lanes, slots=lanes)


def tutorial(table: Path | None) -> Network:
    """The tutorial's network, from different initial weights."""
    setting = _measure.setting("article", table)
    experiment = setting.experiment
    (params,) = experiment.search.initial_trials.values()
    recipe = recipe_for(experiment, params)
    lanes = [search_lane(number, recipe, experiment) for number in range(BASE)]
    return Network("tutorial", setting, lanes, packing.program_of(recipe, experiment, packing.program_limits(experiment)))


def space(table: Path | None) -> list[Network]:
    """Random networks of the shipped space, for each of `PROGRAMS`."""
    setting = _measure.setting("branched", table, [*_measure.SPACE, "fit.epochs=200"])
    experiment = setting.experiment
    lanes = [lane for trial in random_trials(experiment, DRAWN) for lane in search_lanes(trial, experiment)]
    limits = packing.program_limits(experiment)
    by_program: dict[Program, list[Lane]] = {}
    for lane in lanes:
        by_program.setdefault(packing.program_of(lane.recipe, experiment, limits), []).append(lane)
    found = []
    for trunk, branch in PROGRAMS:
        program = next(one for one in by_program if (one.trunk_width, one.branch_width) == (trunk, branch))
        found.append(Network(f"space {trunk}x{branch}", setting, by_program[program][:BASE], program))
    return found


def export(folder: Path, table: Path | None, sizes: Sequence[int], epochs: int = EPOCHS) -> dict[str, Any]:
    """Write everything that `gpu_program.py` needs, and return what was written.

    Args:
        folder: Made if it is not there.
        table: The table; None for the one that `branchsweep data` finds.
        sizes: The numbers of lanes.
        epochs: The most epochs of a call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    use_exact_arithmetic(tf)
    networks = [tutorial(table), *space(table)]
    manifest = {network.name: export_network(folder, network, sizes, epochs) for network in networks}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return manifest


def export_network(folder: Path, network: Network, sizes: Sequence[int], epochs: int) -> dict[str, Any]:
    """Write one network's base, its cases, and its Keras model; returns its part of the manifest."""
    stem = network.name.replace(" ", "-")
    population = network.population(network.wide, range(BASE))
    rows = network.setting.rows
    feed = BatchFeed.of(population, lambda key: make_stream(rows, kinds_of(network.program.losses), key))
    schedule = schedule_of(population)
    arguments = (
        initial_state(population, feed, schedule),
        make_plan(population, feed, schedule),
        feed.rows(),
        feed.epochs(0, epochs),
    )
    counted = (*arguments[:3], arguments[3]._replace(count=tf.constant(CHECKED_EPOCHS)))
    reached, scores, _ = compiled(network.wide).train(*counted)
    numbers = {id(tensor): number for number, tensor in enumerate(tensors((reached, scores)))}
    recorded = {
        numbers[id(tensor)]: tensor for tensor in tensors((reached.weights, reached.lanes, reached.predictions, scores))
    }
    arrays = numbered("in", dict(enumerate(tensors(arguments)))) | numbered("out", recorded) | fit_arrays(network)
    save(folder / f"{stem}.npz", arrays)
    KerasFit(network.setting.experiment, rows).model(network.middling.recipe).save(folder / f"{stem}.keras")

    exporter = Exporter(folder, stem, network, feed, arguments, schedule)
    cases = [exporter.case(f"{size} lanes", network.of_width(size), np.arange(size) % BASE) for size in sizes]
    if ALONE in sizes:
        cases.append(exporter.case("one lane alone", network.of_width(ALONE), np.array([LONELY])))
    cases.append(exporter.case("one core", network.program, np.arange(min(network.program.lanes, BASE))))
    train, validation = rows.fold_rows(0)
    return {
        "base": f"{stem}.npz",
        "keras": f"{stem}.keras",
        "batch_size": network.program.batch_size,
        "rows": [len(train), len(validation)],
        "program": repr(network.program),
        "checked_epochs": CHECKED_EPOCHS,
        "epochs": epochs,
        "count_input": next(number for number, tensor in enumerate(tensors(arguments)) if tensor is arguments[3].count),
        "inputs": kinds_of_inputs(arguments),
        "outputs": [*kinds_of_state(arguments[0]), f"{OUTPUT}@1"],
        "cases": cases,
    }


@dataclass(frozen=True)
class Exporter:
    """Writes the cases of one network.

    Args:
        folder: Where to.
        stem: How its files begin.
        network: The network.
        feed: The base's.
        arguments: The base's, as its program is called.
        schedule: The base's.
    """

    folder: Path
    stem: str
    network: Network
    feed: BatchFeed
    arguments: tuple[State, Plan, Rows, Epochs]
    schedule: LayerSchedule

    def case(self, name: str, program: Program, lanes: NDArray[np.int64]) -> dict[str, Any]:
        """Write a program that trains these lanes of the base, and what it is called with."""
        population = self.network.population(program, [int(lane) for lane in lanes])
        feed = BatchFeed(population, self.feed.streams, [self.feed.stream_of_lane[lane] for lane in lanes])
        schedule = schedule_of(population)
        state, _, rows, epochs = self.arguments
        arguments = (state, make_plan(population, feed, schedule), rows, epochs)
        index = index_of(program, schedule, self.schedule, lanes)
        flat, kinds = tensors(arguments), kinds_of_inputs(arguments)
        own = numbered("in", {number: flat[number] for number, kind in enumerate(kinds) if kind == OWN})
        inputs_file = f"{self.stem}-{name.replace(' ', '-')}.npz"
        save(self.folder / inputs_file, {**own, **index})
        specs = [spec(tensor, kind, index) for tensor, kind in zip(flat, kinds, strict=True)]
        module_file = f"{self.stem}-{program.lanes}-{program.slots}.mlir"
        (self.folder / module_file).write_bytes(stable_hlo(program, arguments, specs))
        return {"name": name, "lanes": len(lanes), "places": program.lanes, "inputs": inputs_file, "module": module_file}


def stable_hlo(program: Program, arguments: Any, specs: Sequence[Any]) -> bytes:
    """A program as MLIR's bytecode of StableHLO, not yet optimized, as the worker of a GPU would hand it to XLA.

    Args:
        program: The program.
        arguments: What it is called with, of any shapes.
        specs: The shapes, in the order of `tensors`.
    """

    def flat(*inputs: Any) -> Any:
        given = iter(inputs)
        own = tf.nest.map_structure(lambda leaf: None if leaf is None else next(given), arguments)
        return compiled(program).train(*own)[:2]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the device's name is deprecated; without it, a random number finds one
        made = tf.function(flat, jit_compile=True, autograph=False).experimental_get_compiler_ir(*specs)(
            stage="stablehlo_serialized", device_name="/CPU:0"
        )
    assert isinstance(made, bytes)
    return made


def schedule_of(population: Population) -> LayerSchedule:
    """The positions of a population's layers."""
    return schedule_layers(population.program, [recipe.architecture for recipe in population.recipes])


def index_of(program: Program, schedule: LayerSchedule, base: LayerSchedule, lanes: NDArray[np.int64]) -> Index:
    """Where each row of a program's arrays is found in those of the base.

    Args:
        program: The program.
        schedule: The positions of its lanes' layers.
        base: The positions of the base's.
        lanes: Which lane of the base each of its lanes is.
    """
    of_lane = np.full(program.lanes, -1, np.int32)
    of_lane[: len(lanes)] = lanes
    heads = range(len(program.losses))
    index = {LANE: of_lane, OUTPUT: np.concatenate([np.where(of_lane < 0, -1, head * BASE + of_lane) for head in heads])}
    wide = program_stages(replace(program, lanes=BASE, slots=BASE))
    for number, (stage, base_stage) in enumerate(zip(program_stages(program), wide, strict=True)):
        places = np.full(stage.places, -1, np.int32)
        for own, original in zip(schedule.places, (base.places[lane] for lane in lanes), strict=True):
            for place, base_place in zip(own, original, strict=True):
                if stage.begin <= place < stage.begin + stage.places:
                    places[place - stage.begin] = base_place - base_stage.begin
        index[f"stage{number}"] = places
    return index


def kinds_of_state(state: State) -> list[str]:
    """What the rows of each array of a state belong to; `@` and the axis follow where it is not the first."""
    layers = [LANE, *(f"stage{number}" for number in range(len(state.weights) - 2)), OUTPUT]
    learned = [OUTPUT] * len(tensors(state.log_variances))
    return [*layers * 3, *learned, *layers, *[LANE] * len(Lanes._fields), f"{OUTPUT}@1"]


def kinds_of_inputs(arguments: tuple[State, Plan, Rows, Epochs]) -> list[str]:
    """The same for all inputs of a program."""
    state, plan, rows, _ = arguments
    return [
        *kinds_of_state(state),
        *[OWN] * len(tensors(plan)),
        *[SHARED] * len(tensors(rows)),
        SHARED,
        SHARED,
        *[f"{LANE}@2"] * 2,
    ]


def tensors(tree: Any) -> list[Any]:
    """The tensors of a program's inputs or outputs, in the order of its parameters."""
    return [leaf for leaf in tf.nest.flatten(tree) if leaf is not None]


def numbered(prefix: str, arrays: Mapping[int, Any]) -> dict[str, NDArray[Any]]:
    """Arrays by name."""
    return {f"{prefix}{number:03}": tensor.numpy() for number, tensor in arrays.items()}


def save(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by their names, compressed."""
    np.savez_compressed(file, allow_pickle=False, **arrays)


def spec(tensor: Any, kind: str, index: Index) -> Any:
    """The shape of an input, from that of the base."""
    shape = list(tensor.shape)
    name, _, axis = kind.partition("@")
    if name in index:
        shape[int(axis or 0)] = len(index[name])
    return tf.TensorSpec(shape, tensor.dtype)


def fit_arrays(network: Network) -> dict[str, NDArray[Any]]:
    """What Keras's `fit` is given: the rows as the network's middling recipe encodes them."""
    arrays = KerasFit(network.setting.experiment, network.setting.rows).arrays(network.middling.recipe)
    x, targets = arrays.validation_data[:2]
    learned = {"fit_x": arrays.x, **{f"fit_y_{head}": column for head, column in arrays.y.items()}}
    return learned | {"fit_validation_x": x, **{f"fit_validation_y_{head}": column for head, column in targets.items()}}
