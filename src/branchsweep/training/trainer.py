"""Trains populations in this process: fills a compiled program with lanes, feeds it, and reads the outcome."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import export, keras_network, serving
from branchsweep.models.architecture import Architecture
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.recipe import Recipe
from branchsweep.training import cost_model, layer_schedule, program_cache
from branchsweep.training.batches import BatchFeed, Floats32, Stream, StreamKey, make_stream
from branchsweep.training.lanes import Lane, LaneOutcome, LaneState
from branchsweep.training.layer_schedule import layer_capacity, program_stages
from branchsweep.training.population import Population, PopulationOutcome, Program
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.program import CHUNK, Lanes, Layers, Parameter, Plan, State, compiled
from branchsweep.training.resources import CPU, Device, Resources
from branchsweep.types import Weights

Progress = Callable[[float], None]
"""Told the lane-epochs that were trained since it was last told."""

NEVER = np.int32(2**30)

MOST_STREAMS = 128
"""Streams that are remembered, some hundred kilobytes each."""

WORTH_MOVING = 0.75
"""When no more than this share of a population's lanes is still going, they move together: that takes less than an epoch."""


@dataclass(slots=True)
class PopulationTrainer:
    """Plays `roles.Trainer` in this process, one population after the other.

    Args:
        rows: What may be seen.
        progress: Called after every few epochs.
        device: What TensorFlow computes on in this process.
    """

    rows: TrainingRows
    progress: Progress = lambda lane_epochs: None
    device: Device = CPU
    _ready: set[Program] = field(default_factory=set)
    _streams: dict[tuple[tuple[str, ...], StreamKey], Stream] = field(default_factory=dict)

    @property
    def resources(self) -> Resources:
        """One population trains at a time."""
        return Resources(1, self.device)

    def train(self, line: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train every population to its end; yields (position, outcome) in the line's order."""
        while line:
            position, population = line.next[0]
            line.take(position)
            yield position, self.train_one(population, keep_weights)

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write lanes that were trained on all rows as one model, with the scalers of all rows."""
        export.export_model(folder, model, self.rows.for_heads(list(model.units)))

    def predict(self, folder: Path, x: serving.Floats) -> serving.Floats:
        """What the exported model says."""
        return export.predict_exported(folder, x)

    def clock(self, folder: Path, x: serving.Floats) -> float:
        """Seconds that the exported model takes."""
        return export.measure_latency(folder, x)

    def train_one(self, population: Population, keep_weights: bool = False) -> PopulationOutcome:
        """Train all lanes of one population to their stops.

        When many lanes have come to their end, the others move together and train on without them.
        """
        began = time.perf_counter()
        compile_seconds = self._compile(population)
        lanes: dict[int, LaneOutcome] = {}
        members, going = list(range(len(population.lanes))), population
        while members:
            leg = self._leg(going, keep_weights)
            lanes |= dict(zip(members, leg, strict=True))
            states = [(place, lane.state) for place, lane in enumerate(leg) if lane.state]
            rest = [(place, state) for place, state in states if state.epoch < going.stops[place]]
            members = [members[place] for place, _ in rest]
            if members:
                going = going.only([place for place, _ in rest], [state for _, state in rest])
        spared = sum(population.stops[lane] - len(outcome.curve) for lane, outcome in lanes.items())
        self.progress(spared)  # as good as done
        seconds = time.perf_counter() - began - compile_seconds
        return PopulationOutcome([lanes[lane] for lane in range(len(lanes))], seconds, compile_seconds)

    def _compile(self, population: Population) -> float:
        """Seconds that compiling took: by a run over no epochs, which leaves the time of training clean."""
        if population.program in self._ready:
            return 0.0
        began = time.perf_counter()
        feed, layout = self._prepared(population)
        words = (_initial_state(population, feed, layout), _plan(population, feed, layout), feed.rows(), feed.epochs(0, 0))
        try:
            compiled(population.program)(*words)
        except tf.errors.OpError:
            if not program_cache.clear_cache():
                raise
            compiled.cache_clear()  # TensorFlow remembers a failure by the function's name: traced anew, it gets another
            compiled(population.program)(*words)
        self._ready.add(population.program)
        _give_back_memory()
        return time.perf_counter() - began

    def _prepared(self, population: Population) -> tuple[BatchFeed, layer_schedule.LayerSchedule]:
        layout = layer_schedule.schedule_layers(population.program, [recipe.architecture for recipe in population.recipes])
        rows = self.rows.for_heads(population.heads)
        return BatchFeed(rows, population, partial(self._stream, rows)), layout

    def _stream(self, rows: TrainingRows, key: StreamKey) -> Stream:
        """Rows in one order and scaling; those that were met are remembered."""
        name = (rows.heads, key)
        if name not in self._streams:
            if len(self._streams) == MOST_STREAMS:
                self._streams.clear()
            self._streams[name] = make_stream(rows, key)
        return self._streams[name]

    def _leg(self, population: Population, keep_weights: bool) -> list[LaneOutcome]:
        """Train until all lanes have come to their stops or ends, or so many that the others had better move together."""
        feed, layout = self._prepared(population)
        plan, rows, state = _plan(population, feed, layout), feed.rows(), _initial_state(population, feed, layout)
        train = compiled(population.program)
        curves: list[Floats32] = []
        last, lanes, epoch = max(population.stops), len(population.lanes), population.start
        trained, going = lanes * epoch, lanes
        while epoch < last and going > lanes * WORTH_MOVING:
            count = min(CHUNK, last - epoch)
            state, curve = train(state, plan, rows, feed.epochs(epoch, count))
            curves.append(curve.numpy()[:count])
            epoch += count
            before, trained = trained, int(state.lanes.epoch.numpy()[:lanes].sum())
            self.progress(trained - before)
            going = int(state.lanes.going.numpy().sum())
        return _outcomes(population, feed, layout, state, np.concatenate(curves), keep_weights)


def _give_back_memory() -> None:
    """What compiling took and freed goes back to the system; malloc would keep some hundred megabytes (glibc's, at least)."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


def _plan(population: Population, feed: BatchFeed, layout: layer_schedule.LayerSchedule) -> Plan:
    """The population's layout and dials as arrays of the program's shapes."""
    program = population.program
    heads, lanes = len(program.losses), len(population.lanes)

    def dial(values: list[float], empty: float = 0.0) -> Floats32:
        return np.array(values + [empty] * (program.lanes - lanes), np.float32)

    def per_head(values: list[list[float]], empty: float) -> Floats32:
        return np.stack([dial([of_lane[head] for of_lane in values], empty) for head in range(heads)]).reshape(-1)

    weights = per_head([list(recipe.loss_weights.values()) for recipe in population.recipes], 0.0)
    uncertain = per_head([[float(recipe.loss_balancing == "uncertainty")] * heads for recipe in population.recipes], 0.0)
    stopping = population.fit.early_stopping
    validates = np.zeros(program.lanes, bool)
    validates[:lanes] = feed.validates
    keep_last = np.full(program.lanes, population.fit.keep == "last") | ~validates
    kinds = [program.activations.index(recipe.architecture.activation) for recipe in population.recipes]
    return Plan(
        waves=tf.constant(np.array(layout.waves, np.int32)),
        lane_waves=tf.constant(layout.lane_waves),
        reads=tf.constant(layout.reads),
        lane=tf.constant(layout.lane),
        output_reads=tf.constant(layout.output_reads),
        consumers=tf.constant(layout.consumers),
        activation=tf.constant(dial([float(kind) for kind in kinds]).astype(np.int32)),
        stream=tf.constant(np.array(feed.stream_of_lane + [0] * (program.lanes - lanes), np.int32)),
        loss_weight=tf.constant(weights[:, None, None]),
        uncertain=tf.constant(uncertain[:, None, None] > 0) if "uncertainty" in program.balancing else None,
        strength=tf.constant(_strength(population, layout)) if "gradient_norm" in program.balancing else None,
        momentum=tf.constant(dial([recipe.momentum for recipe in population.recipes])[:, None, None]),
        stop=tf.constant(dial([float(stop) for stop in population.stops]).astype(np.int32)),
        patience=tf.constant(np.full(program.lanes, stopping.patience if stopping else NEVER, np.int32)),
        min_delta=tf.constant(np.float32(stopping.min_delta if stopping else 0.0)),
        keep_last=tf.constant(keep_last),
        validates=tf.constant(validates),
        spread=tf.constant(per_head([list(spread) for spread in feed.has_initial_design], 1.0)),
        infinity=tf.constant(np.float32(np.inf)),
    )


def _strength(population: Population, layout: layer_schedule.LayerSchedule) -> Floats32:
    """By gradient row (see `waves`): the share of a head that reaches the trunk there, in lanes that balance gradients."""
    heads, lanes = len(population.program.losses), population.program.lanes
    strength = np.zeros(heads * lanes + 1 + layer_capacity(population.program), np.float32)
    for lane, recipe in enumerate(population.recipes):
        weights = np.array([*recipe.loss_weights.values()])
        if recipe.loss_balancing == "gradient_norm" and weights.any():
            strength[layout.arrivals[lane::lanes]] = weights / weights.sum()
    return strength


def _fresh(lane: Lane, program: Program) -> LaneState:
    """The state of a lane before its first step."""
    nothing = np.zeros((0, len(program.losses)))
    return LaneState(
        epoch=0,
        weights=keras_network.initial_weights(lane.recipe.architecture, program.inputs, lane.weight_seed),
        first_moment=(),
        second_moment=(),
        kept=(),
        best=-np.inf,
        best_epoch=0,
        waited=0,
        predictions=nothing.astype(np.float32),
        curve=nothing,
    )


def _initial_state(population: Population, feed: BatchFeed, layout: layer_schedule.LayerSchedule) -> State:
    """The lanes where they stand."""
    program, heads = population.program, len(population.program.losses)
    states = [lane.state or _fresh(lane, program) for lane in population.lanes]
    predictions = np.zeros((feed.batches * program.batch_size, heads, program.lanes), np.float32)
    weights, first_moment, second_moment, kept = (_zeros(program) for _ in range(4))
    log_variances = np.zeros((len(Parameter._fields), heads, program.lanes), np.float32)
    for lane, state in enumerate(states):
        sites = _sites(program, lane, layout.places[lane], population.recipes[lane].architecture)
        for layers, of_lane in (
            (weights, state.weights),
            (first_moment, state.first_moment),
            (second_moment, state.second_moment),
            (kept, state.kept),
        ):
            _place(layers, sites, of_lane)
        predictions[: len(state.predictions), :, lane] = state.predictions
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
        kept=_tensors(kept),
        lanes=Lanes(
            best=per_lane([state.best for state in states], -np.inf, np.float32),
            best_epoch=per_lane([state.best_epoch for state in states], 0, np.int32),
            waited=per_lane([state.waited for state in states], 0, np.int32),
            failed_at=tf.zeros([program.lanes], tf.int32),
            epoch=per_lane([state.epoch for state in states], 0, np.int32),
            going=tf.constant(np.arange(program.lanes) < len(states)),
        ),
        predictions=tf.constant(
            predictions.reshape(feed.batches, program.batch_size, heads * program.lanes).transpose(0, 2, 1)
        ),
    )


def _tensors(layers: Sequence[Floats32]) -> Layers:
    return tuple(tf.constant(array) for array in layers)


def _arrays(layers: Layers) -> list[Floats32]:
    return [tensor.numpy() for tensor in layers]


def _outcomes(
    population: Population,
    feed: BatchFeed,
    layout: layer_schedule.LayerSchedule,
    state: State,
    curve: Floats32,
    keep_weights: bool,
) -> list[LaneOutcome]:
    """What came of each lane, read out of the population's arrays."""
    program, fit = population.program, population.fit
    K, heads = program.lanes, len(program.losses)
    predictions = state.predictions.numpy().reshape(feed.batches, heads, K, program.batch_size)
    lanes = Lanes(*(array.numpy() for array in state.lanes))
    patience = fit.early_stopping.patience if fit.early_stopping else NEVER
    ends = population.epochs if population.pauses else population.stops
    goes_on = [
        not lanes.failed_at[lane] and lanes.waited[lane] < patience and lanes.epoch[lane] < end for lane, end in enumerate(ends)
    ]
    kept = _arrays(state.kept) if keep_weights or (any(goes_on) and fit.keep == "best") else None
    weights, first_moment, second_moment = (
        _arrays(layers) if any(goes_on) else [] for layers in (state.weights, state.first_moment, state.second_moment)
    )

    def outcome(lane: int, recipe: Recipe, before: LaneState | None) -> LaneOutcome:
        stream = feed.streams[feed.stream_of_lane[lane]]
        scaled = predictions[:, :, lane].transpose(0, 2, 1).reshape(-1, heads)[: len(stream.validation)]
        epoch, new = int(lanes.epoch[lane]), curve.reshape(-1, heads, K)[:, :, lane].astype(np.float64)
        whole = np.concatenate([before.curve, new[: epoch - before.epoch]]) if before else new[:epoch]

        def taken(layers: Sequence[Floats32]) -> Weights:
            sites = _sites(program, lane, layout.places[lane], recipe.architecture)
            return _taken(layers, sites, recipe.architecture.layers(program.inputs))

        final = taken(kept) if kept and keep_weights else None
        finite = final is None or all(np.isfinite(array).all() for array in final)
        failed_at = int(lanes.failed_at[lane])
        on = None
        if goes_on[lane]:
            on = LaneState(
                epoch=epoch,
                weights=taken(weights),
                first_moment=taken(first_moment),
                second_moment=taken(second_moment),
                kept=taken(kept) if kept and fit.keep == "best" else (),
                best=float(lanes.best[lane]),
                best_epoch=int(lanes.best_epoch[lane]),
                waited=int(lanes.waited[lane]),
                predictions=scaled.copy(),
                curve=whole,
                log_variances=tuple(array.numpy().reshape(heads, K)[:, lane] for array in state.log_variances),
            )
        return LaneOutcome(
            predictions=serving.inverse(stream.target_scaler, scaled.astype(np.float64)),
            curve=whole,
            epochs=int(lanes.best_epoch[lane]),
            failed_at=failed_at if finite else failed_at or epoch,
            weights=final,
            state=on,
        )

    return [outcome(lane, recipe, population.states[lane]) for lane, recipe in enumerate(population.recipes)]


def _zeros(program: Program) -> list[Floats32]:
    """The weights of a population without lanes, shape by shape as in `Layers`."""
    return [np.zeros((layers, units, 1 + read), np.float32) for layers, units, read in cost_model.weight_shapes(program)]


def _sites(program: Program, lane: int, places: tuple[int, ...], architecture: Architecture) -> list[tuple[int, int]]:
    """Where each dense layer of a lane sits, in the order of its weights: (position in `Layers`, row)."""
    parts = program_stages(program)

    def of_place(place: int) -> tuple[int, int]:
        number, stage = next((n, s) for n, s in enumerate(parts) if place < s.begin + s.places)
        return 1 + number, place - stage.begin

    sites = [(0, lane)]
    branches, trunk = architecture.branches, len(architecture.trunk) - 1
    sites += [of_place(place) for place in places[:trunk]]
    begin = trunk
    for head, branch in enumerate(branches.values()):
        sites += [of_place(place) for place in places[begin : begin + len(branch)]]
        sites.append((1 + len(parts), head * program.lanes + lane))
        begin += len(branch)
    return sites


def _place(layers: Sequence[Floats32], sites: Sequence[tuple[int, int]], weights: Weights) -> None:
    """Writes a network's weights into the population's arrays; where there are none, the arrays keep their zeros."""
    for (shape, row), kernel, bias in zip(sites, weights[::2], weights[1::2], strict=False):
        layers[shape][row, : len(bias), 0] = bias
        layers[shape][row, : len(bias), 1 : 1 + len(kernel)] = kernel.T


def _taken(layers: Sequence[Floats32], sites: Sequence[tuple[int, int]], shapes: Iterable[tuple[int, int]]) -> Weights:
    """Reads a network's weights out of the population's arrays: the reverse of `_place`."""
    weights: list[Floats32] = []
    for (shape, row), (read, units) in zip(sites, shapes, strict=True):
        weights.append(layers[shape][row, :units, 1 : 1 + read].T.copy())
        weights.append(layers[shape][row, :units, 0].copy())
    return tuple(weights)
