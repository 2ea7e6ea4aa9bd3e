"""Writes lanes into the arrays of a compiled program, and reads their outcomes out of them.

`make_plan` and `initial_state` fill the arrays of a call (see `program_arrays.py`), `lane_outcomes` reads each lane's results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from branchsweep.data.encoders.registry import outputs_encoder
from branchsweep.metrics.output_columns import as_columns, of_head, output_columns, output_count
from branchsweep.models.architecture import Architecture, LayerShape
from branchsweep.models.arrays import NUMPY
from branchsweep.models.heads.registry import kinds_of
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.layers.registry import layers_of
from branchsweep.models.recipe import Recipe
from branchsweep.training import cost_model
from branchsweep.training.lane_score import WEIGHTED, score_weights
from branchsweep.training.lanes import Lane, LaneOutcome, LaneState
from branchsweep.training.population import (
    BETA_2,
    CLIPNORM,
    DROPOUT,
    INPUT_FACTORS,
    MOVING_AVERAGE,
    OUTPUT_CLIPPING,
    RESIDUAL,
    TARGET_NOISE,
    Population,
    Program,
)
from branchsweep.training.program.batches import BatchFeed, Floats32, Stream
from branchsweep.training.program.layer_schedule import LayerSchedule, layer_capacity, program_stages
from branchsweep.training.program.program_arrays import Lanes, Layers, Parameter, Plan, State
from branchsweep.training.program.tensor_operations import sharing_tensor, zeros_to_share
from branchsweep.types import Floats, Weights

NEVER = np.int32(2**30)
"""The patience without early stopping: more epochs than any training has."""


def make_plan(population: Population, feed: BatchFeed, schedule: LayerSchedule) -> Plan:
    """The population's layer schedule and dynamic hyperparameters as arrays of the program's shapes."""
    program = population.program
    heads, lanes = len(program.losses), len(population.lanes)

    def per_lane(values: list[float], empty: float = 0.0) -> Floats32:
        return np.array(values + [empty] * (program.lanes - lanes), np.float32)

    def per_head(values: list[list[float]], empty: float) -> Floats32:
        return np.stack([per_lane([of_lane[head] for of_lane in values], empty) for head in range(heads)]).reshape(-1)

    weights = per_head([list(recipe.loss_weights.values()) for recipe in population.recipes], 0.0)
    uncertain = per_head([[float(recipe.loss_balancing == "uncertainty")] * heads for recipe in population.recipes], 0.0)
    stopping = population.fit.early_stopping
    validates = np.zeros(program.lanes, bool)
    validates[:lanes] = feed.validates
    keep_last = np.full(program.lanes, population.fit.keep == "last") | ~validates
    kinds = [program.activations.index(recipe.architecture.activation) for recipe in population.recipes]
    return Plan(
        waves=tf.constant(np.array(schedule.waves, np.int32)),
        lane_waves=tf.constant(schedule.lane_waves),
        reads=tf.constant(schedule.reads),
        lane=tf.constant(schedule.lane),
        output_reads=tf.constant(schedule.output_reads),
        consumers=tf.constant(schedule.consumers),
        activation=tf.constant(per_lane([float(kind) for kind in kinds]).astype(np.int32)),
        layer=tf.constant(_layer_kinds(population, schedule)) if len(program.layers) > 1 else None,
        units=tf.constant(_layer_units(population, schedule))
        if any(kind.needs_units for kind in layers_of(program.layers))
        else None,
        stream=tf.constant(np.array(feed.stream_of_lane + [0] * (program.lanes - lanes), np.int32)),
        loss_weight=tf.constant(weights[:, None, None]),
        uncertain=tf.constant(uncertain[:, None, None] > 0) if "uncertainty" in program.balancing else None,
        strength=tf.constant(_strength(population, schedule)) if "gradient_norm" in program.balancing else None,
        momentum=tf.constant(per_lane([recipe.momentum for recipe in population.recipes])[:, None, None]),
        beta_2=tf.constant(per_lane([recipe.beta_2 for recipe in population.recipes])[:, None, None])
        if BETA_2 in program.options
        else None,
        residual=tf.constant(_residual_layers(population, schedule)) if RESIDUAL in program.options else None,
        input_factor_rate=tf.constant(
            per_lane([recipe.architecture.input_factor_rate for recipe in population.recipes])[:, None, None]
        )
        if INPUT_FACTORS in program.options
        else None,
        clipnorm=tf.constant(per_lane([recipe.clipnorm for recipe in population.recipes])[:, None, None])
        if CLIPNORM in program.options
        else None,
        dropout=tf.constant(_dropout_rates(population, schedule)) if DROPOUT in program.options else None,
        number=tf.constant(_layer_numbers(population, schedule)) if DROPOUT in program.options else None,
        stop=tf.constant(per_lane([float(stop) for stop in population.stops]).astype(np.int32)),
        patience=tf.constant(np.where(validates, stopping.patience if stopping else NEVER, NEVER).astype(np.int32)),
        min_delta=tf.constant(np.float32(stopping.min_delta if stopping else 0.0)),
        keep_last=tf.constant(keep_last),
        validates=tf.constant(validates),
        target_noise=tf.constant(per_lane([recipe.target_noise for recipe in population.recipes])[:, None, None])
        if TARGET_NOISE in program.options
        else None,
        output_range=tf.constant(_output_ranges(population, feed)[:, :, None, None])
        if OUTPUT_CLIPPING in program.options
        else None,
        null_deviance=tf.constant(per_head([list(deviances) for deviances in feed.null_deviances], 1.0)),
        score_weight=tf.constant(np.array(score_weights(population.objective, population.heads), np.float32)[:, None])
        if program.score_rule == WEIGHTED
        else None,
        infinity=tf.constant(np.float32(np.inf)),
    )


def _layer_kinds(population: Population, schedule: LayerSchedule) -> NDArray[np.int32]:
    """`(K + N,)` by activation row, the position of its layer's kind among the program's."""
    program = population.program
    kinds = np.zeros(program.lanes + layer_capacity(program), np.int32)
    for lane, recipe in enumerate(population.recipes):
        architecture = recipe.architecture
        trunk = program.layers.index(architecture.trunk_layer)
        of_places = [trunk] * (len(architecture.trunk) - 1)
        for head, branch in architecture.branches.items():
            of_places += [program.layers.index(architecture.branch_layer(head))] * len(branch)
        kinds[lane] = trunk
        kinds[[program.lanes + place for place in schedule.places[lane]]] = of_places
    return kinds


def _layer_units(population: Population, schedule: LayerSchedule) -> NDArray[np.int32]:
    """`(K + N,)` by activation row, the units of its layer."""
    program = population.program
    units = np.zeros(program.lanes + layer_capacity(program), np.int32)
    for lane, recipe in enumerate(population.recipes):
        architecture = recipe.architecture
        widths = (*architecture.trunk, *(width for branch in architecture.branches.values() for width in branch))
        units[_activation_rows(program, schedule, lane)] = widths
    return units


def _output_ranges(population: Population, feed: BatchFeed) -> Floats32:
    """`(2, H*K)` the least and the greatest raw output of every lane's heads; infinite where nothing is clipped."""
    program = population.program
    ends = np.full((2, len(program.losses), program.lanes), np.inf, np.float32)
    ends[0] = -np.inf
    for lane, recipe in enumerate(population.recipes):
        if recipe.clips_outputs:
            ends[:, :, lane] = feed.streams[feed.stream_of_lane[lane]].output_range
    return ends.reshape(2, -1)


def _dropout_rates(population: Population, schedule: LayerSchedule) -> Floats32:
    """`(K + N,)` by activation row, the dropout rate of its layer."""
    program = population.program
    rates = np.zeros(program.lanes + layer_capacity(program), np.float32)
    for lane, recipe in enumerate(population.recipes):
        rates[_activation_rows(program, schedule, lane)] = recipe.architecture.dropout_rates
    return rates


def _residual_layers(population: Population, schedule: LayerSchedule) -> NDArray[np.bool_]:
    """`(K + N,)` by activation row, whether its layer adds what it reads."""
    program = population.program
    adds = np.zeros(program.lanes + layer_capacity(program), bool)
    for lane, recipe in enumerate(population.recipes):
        adds[_activation_rows(program, schedule, lane)] = recipe.architecture.residual_layers
    return adds


def _layer_numbers(population: Population, schedule: LayerSchedule) -> NDArray[np.int32]:
    """`(K + N,)` by activation row, the number of its layer among the hidden layers of its network, from 0."""
    program = population.program
    numbers = np.zeros(program.lanes + layer_capacity(program), np.int32)
    for lane in range(len(population.lanes)):
        rows = _activation_rows(program, schedule, lane)
        numbers[rows] = range(len(rows))
    return numbers


def _activation_rows(program: Program, schedule: LayerSchedule, lane: int) -> list[int]:
    """The activation row of each hidden layer of a lane: the trunk, then head by head its branch."""
    return [lane, *(program.lanes + place for place in schedule.places[lane])]


def _strength(population: Population, schedule: LayerSchedule) -> Floats32:
    """`(H*K + 1 + N,)` by gradient row, its share where several meet in a lane that balances gradients; else 0."""
    program = population.program
    zero, lanes = len(program.losses) * program.lanes, program.lanes
    strength = np.zeros(zero + 1 + layer_capacity(program), np.float32)
    for lane, recipe in enumerate(population.recipes):
        if recipe.loss_balancing != "gradient_norm":
            continue
        weights = list(recipe.loss_weights.values())
        for layer in [lane, *(lanes + place for place in schedule.places[lane])]:
            meeting = [row for row in schedule.consumers[layer] if row != zero]
            meeting.sort(key=lambda row: schedule.heads[row])
            behind = np.array([sum(weights[head] for head in schedule.heads[row]) for row in meeting])
            if len(meeting) > 1 and behind.any():
                strength[meeting] = behind / behind.sum()
    return strength


def _new_state(lane: Lane, program: Program) -> LaneState:
    """The state of a lane before its first step."""
    nothing = np.zeros((0, len(program.losses)))
    no_predictions = np.zeros((0, output_count(kinds_of(program.losses))), np.float32)
    return LaneState(
        epoch=0,
        weights=initial_weights(lane.recipe.architecture, program.inputs, lane.weight_seed),
        first_moment=(),
        second_moment=(),
        kept=(),
        best=-np.inf,
        best_epoch=0,
        waited=0,
        predictions=no_predictions,
        curve=nothing,
    )


def initial_state(population: Population, feed: BatchFeed, schedule: LayerSchedule) -> State:
    """The states of the population's lanes, new ones for lanes without, as arrays of the program's shapes."""
    program, heads = population.program, len(population.program.losses)
    kinds = kinds_of(program.losses)
    own_columns = output_columns(kinds)
    states = [lane.state or _new_state(lane, program) for lane in population.lanes]
    batches = feed.shapes.validation_batches
    shape = (batches, program.output_units, heads, program.lanes, program.batch_size)
    predictions = zeros_to_share(shape, np.float32)
    weights, first_moment, second_moment, kept, average = (_zeros(program) for _ in range(5))
    log_variances = np.zeros((len(Parameter._fields), heads, program.lanes), np.float32)
    for lane, state in enumerate(states):
        sites = _sites(program, lane, schedule.places[lane], population.recipes[lane].architecture)
        for layers, of_lane in (
            (weights, state.weights),
            (first_moment, state.first_moment),
            (second_moment, state.second_moment),
            (kept, state.kept),
            (average, state.average),
        ):
            _write_weights(layers, sites, of_lane)
        for head, columns in enumerate(own_columns):
            for unit, outputs in enumerate(state.predictions[:, columns].T):
                predictions[:, unit, head, lane] = _in_batches(outputs, batches, program.batch_size)
        if state.log_variances:
            log_variances[:, :, lane] = state.log_variances

    def per_lane(values: list[float] | list[int], empty: float, kind: type) -> Any:
        return tf.constant(np.array([*values, *[empty] * (program.lanes - len(values))], kind))

    return State(
        weights=_tensors(weights),
        first_moment=_tensors(first_moment),
        second_moment=_tensors(second_moment),
        log_variances=Parameter(*map(tf.constant, log_variances.reshape(3, -1, 1, 1)))
        if "uncertainty" in program.balancing
        else (),
        average=_tensors(average) if MOVING_AVERAGE in program.options else (),
        kept=_tensors(kept),
        lanes=Lanes(
            best=per_lane([state.best for state in states], -np.inf, np.float32),
            best_epoch=per_lane([state.best_epoch for state in states], 0, np.int32),
            waited=per_lane([state.waited for state in states], 0, np.int32),
            failed_at=tf.zeros([program.lanes], tf.int32),
            epoch=per_lane([state.epoch for state in states], 0, np.int32),
            going=tf.constant(np.arange(program.lanes) < len(states)),
        ),
        predictions=sharing_tensor(predictions.reshape(batches, -1, program.batch_size)),
    )


def _in_batches(values: Floats32, batches: int, size: int) -> Floats32:
    """`(batches, size)` the values one after the other, and zeros behind them."""
    return np.pad(values, (0, batches * size - len(values))).reshape(batches, size)


def _tensors(layers: Sequence[Floats32]) -> Layers:
    return tuple(tf.constant(array) for array in layers)


def _arrays(layers: Layers) -> list[Floats32]:
    return [tensor.numpy() for tensor in layers]


class LaneResults(NamedTuple):
    """The arrays of a population after training.

    Args:
        state: What the program returned.
        curve: `(epochs, H*K)` the scores of all outputs after each of these epochs.
        keep_weights: Whether outcomes have weights.
    """

    state: State
    curve: Floats32
    keep_weights: bool


def lane_outcomes(population: Population, feed: BatchFeed, schedule: LayerSchedule, results: LaneResults) -> list[LaneOutcome]:
    """The outcome of each lane, read out of the population's arrays."""
    program, fit = population.program, population.fit
    state, curve, keep_weights = results
    K, heads = program.lanes, len(program.losses)
    predictions = state.predictions.numpy()
    lanes = Lanes(*(array.numpy() for array in state.lanes))
    patience = [fit.early_stopping.patience if fit.early_stopping and validates else NEVER for validates in feed.validates]
    ends = population.epochs if population.pauses else population.stops
    goes_on = [
        not lanes.failed_at[lane] and lanes.waited[lane] < patience[lane] and lanes.epoch[lane] < end
        for lane, end in enumerate(ends)
    ]
    kept = _arrays(state.kept) if keep_weights or (any(goes_on) and fit.keep == "best") else None
    weights, first_moment, second_moment, average = (
        _arrays(layers) if any(goes_on) else []
        for layers in (state.weights, state.first_moment, state.second_moment, state.average)
    )

    def outcome(lane: int, recipe: Recipe, before: LaneState | None) -> LaneOutcome:
        stream = feed.streams[feed.stream_of_lane[lane]]
        scaled = raw_outputs(program, predictions, lane)[: len(stream.validation)]
        epoch, new = int(lanes.epoch[lane]), curve.reshape(-1, heads, K)[:, :, lane].astype(np.float64)
        whole_curve = np.concatenate([before.curve, new[: epoch - before.epoch]]) if before else new[:epoch]

        def weights_of(layers: Sequence[Floats32]) -> Weights:
            sites = _sites(program, lane, schedule.places[lane], recipe.architecture)
            return _read_weights(layers, sites, recipe.architecture.layers(program.inputs))

        final = weights_of(kept) if kept and keep_weights else None
        finite = final is None or all(np.isfinite(array).all() for array in final)
        failed_at = int(lanes.failed_at[lane])
        next_state = None
        if goes_on[lane]:
            next_state = LaneState(
                epoch=epoch,
                weights=weights_of(weights),
                first_moment=weights_of(first_moment),
                second_moment=weights_of(second_moment),
                kept=weights_of(kept) if kept and fit.keep == "best" else (),
                best=float(lanes.best[lane]),
                best_epoch=int(lanes.best_epoch[lane]),
                waited=int(lanes.waited[lane]),
                predictions=scaled.copy(),
                curve=whole_curve,
                average=weights_of(average) if average else (),
                log_variances=tuple(array.numpy().reshape(heads, K)[:, lane] for array in state.log_variances),
            )
        return LaneOutcome(
            predictions=natural_predictions(program, stream, scaled.astype(np.float64)),
            curve=whole_curve,
            epochs=int(lanes.best_epoch[lane]),
            failed_at=failed_at if finite else failed_at or epoch,
            weights=final,
            state=next_state,
        )

    return [outcome(lane, recipe, population.states[lane]) for lane, recipe in enumerate(population.recipes)]


def raw_outputs(program: Program, predictions: Floats32, lane: int) -> Floats32:
    """A lane's raw outputs `(rows, outputs)` from `(V, U*H*K, B)`, without the units that a head lacks."""
    heads, units = len(program.losses), program.output_units
    of_lane = predictions.reshape(-1, units, heads, program.lanes, program.batch_size)[:, :, :, lane]
    by_row = of_lane.transpose(0, 3, 2, 1).reshape(-1, heads, units)
    if program.output_units == 1:
        return by_row[:, :, 0]
    kinds = kinds_of(program.losses)
    return np.concatenate([by_row[:, head, : kind.units] for head, kind in enumerate(kinds)], axis=1)


def natural_predictions(program: Program, stream: Stream, outputs: Floats) -> Floats:
    """Predictions `(rows, outputs)` in natural units of raw outputs."""
    kinds = kinds_of(program.losses)
    columns = [
        as_columns(kind.predict(NUMPY, of_head(outputs, own))) for kind, own in zip(kinds, output_columns(kinds), strict=True)
    ]
    return outputs_encoder(stream.target_encoder, [kind.units for kind in kinds]).inverse(np.concatenate(columns, axis=1))


def _zeros(program: Program) -> list[Floats32]:
    """The weights of a population without lanes, shape by shape as in `Layers`."""
    return [np.zeros((layers, units, 1 + read), np.float32) for layers, units, read in cost_model.weight_shapes(program)]


def _sites(program: Program, lane: int, places: tuple[int, ...], architecture: Architecture) -> list[tuple[int, int]]:
    """`(index in Layers, row)` of each layer of a lane, in the order of its weights."""
    parts = program_stages(program)

    def site_of(place: int) -> tuple[int, int]:
        number, stage = next((n, s) for n, s in enumerate(parts) if place < s.begin + s.places)
        return 1 + number, place - stage.begin

    sites = [(2 + len(parts), lane)] if architecture.input_factor_rate else []
    sites.append((0, lane))
    branches, trunk = architecture.branches, len(architecture.trunk) - 1
    sites += [site_of(place) for place in places[:trunk]]
    begin = trunk
    for head, branch in enumerate(branches.values()):
        sites += [site_of(place) for place in places[begin : begin + len(branch)]]
        sites.append((1 + len(parts), head * program.lanes + lane))
        begin += len(branch)
    return sites


def _write_weights(layers: Sequence[Floats32], sites: Sequence[tuple[int, int]], weights: Weights) -> None:
    """Write a network's weights into the population's arrays. Empty weights leave the zeros in the arrays."""
    for (shape, row), kernel, bias in zip(sites, weights[::2], weights[1::2], strict=False):
        layers[shape][row, : len(bias), 0] = bias
        layers[shape][row, : len(bias), 1 : 1 + len(kernel)] = kernel.T


def _read_weights(layers: Sequence[Floats32], sites: Sequence[tuple[int, int]], shapes: Iterable[LayerShape]) -> Weights:
    """Read a network's weights out of the population's arrays: the inverse of `_write_weights`."""
    weights: list[Floats32] = []
    for (shape, row), (_, read, units) in zip(sites, shapes, strict=True):
        weights.append(layers[shape][row, :units, 1 : 1 + read].T.copy())
        weights.append(layers[shape][row, :units, 0].copy())
    return tuple(weights)
