"""Trains populations in this process: fills a compiled program with lanes, feeds it, and reads the outcome.

Seeds. A lane's initial weights derive from (experiment's seed, trial, fold, seed). The order of its rows derives from
(experiment's seed, fold, seed, epoch): trials see the same batches where they have the same batch size, so that they are
compared under common random numbers, which takes the luck of the shuffle out of their difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from branchsweep import scaling, serving
from branchsweep.packing import STREAMS
from branchsweep.population import LaneOutcome, Outcome, Population, Program, TrainingRows, Weights
from branchsweep.recipe import Architecture, Recipe
from branchsweep.training import export, network, waves
from branchsweep.training.program import BETA_1, BETA_2, CHUNK, Epochs, Lanes, Layers, Plan, Rows, State, compiled

Floats32 = NDArray[np.float32]
Progress = Callable[[float], None]
"""Told the lane-epochs that were trained since it was last told."""

NEVER = np.int32(2**30)
_ORDER, _WEIGHTS = 1, 2  # the two uses of randomness, kept apart


def weight_seed(seed: int, trial: int, fold: int, lane_seed: int) -> tuple[int, ...]:
    """What a lane's initial weights derive from."""
    return (seed, _WEIGHTS, trial, fold + 1, lane_seed)


def row_order(seed: int, fold: int, lane_seed: int, epoch: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The training rows in the order of this epoch (from 0)."""
    random = np.random.default_rng(np.random.SeedSequence([seed, _ORDER, fold + 1, lane_seed, epoch]))
    return random.permutation(rows)


@dataclass(slots=True)
class PopulationTrainer:
    """Plays `roles.Trainer` in this process, one population after the other.

    Args:
        rows: What may be seen.
        progress: Called after every few epochs.
    """

    rows: TrainingRows
    progress: Progress = lambda lane_epochs: None
    _ready: set[Program] = field(default_factory=set)

    def train(self, populations: Sequence[Population], keep_weights: bool = False) -> Iterator[tuple[int, Outcome]]:
        """Train every population to its end; yields (position, outcome) in the order given."""
        for position, population in enumerate(populations):
            yield position, self.train_one(population, keep_weights)

    def export(self, folder: Path, recipe: Recipe, weights: Weights, inputs: Sequence[str], units: Mapping[str, str]) -> None:
        """Write a lane that was trained on all rows as a model, with the scalers of all rows."""
        export.export(
            folder,
            recipe.architecture,
            weights,
            inputs,
            units,
            scaling.fit(recipe.input_scaling, self.rows.x),
            scaling.fit(recipe.target_scaling, self.rows.y),
        )

    def predict(self, folder: Path, x: serving.Floats) -> serving.Floats:
        """What the exported model says."""
        return export.predict(folder, x)

    def train_one(self, population: Population, keep_weights: bool = False) -> Outcome:
        """Train all lanes of one population to their end."""
        feed = Feed(self.rows, population)
        layout = waves.lay_out(population.program, [recipe.architecture for recipe in population.recipes])
        plan, rows, state = _plan(population, feed, layout), feed.rows(), _initial_state(population, feed, layout)
        train = compiled(population.program)
        began = time.perf_counter()
        if population.program not in self._ready:
            train(state, plan, rows, feed.epochs(0, 0))  # no epochs: compiles, and leaves the time of training clean
            self._ready.add(population.program)
        compiled_at = time.perf_counter()
        curves: list[Floats32] = []
        last, lanes = max(population.stops), len(population.trials)
        epoch = trained = 0
        while epoch < last and state.lanes.going.numpy().any():
            count = min(CHUNK, last - epoch)
            state, curve = train(state, plan, rows, feed.epochs(epoch, count))
            curves.append(curve.numpy()[:count])
            epoch += count
            before, trained = trained, int(state.lanes.epoch.numpy()[:lanes].sum())
            self.progress(trained - before)
        self.progress(sum(population.stops) - trained)  # what early stopping spared counts as done
        ended = time.perf_counter()
        outcomes = _outcomes(population, feed, layout, state, np.concatenate(curves), keep_weights)
        return Outcome(outcomes, ended - compiled_at, compiled_at - began)


def _plan(population: Population, feed: Feed, layout: waves.Layout) -> Plan:
    """The population's layout and dials as arrays of the program's shapes."""
    program = population.program
    heads, lanes = len(program.losses), len(population.trials)

    def dial(values: list[float], empty: float = 0.0) -> Floats32:
        return np.array(values + [empty] * (program.lanes - lanes), np.float32)

    def per_head(values: list[list[float]], empty: float) -> Floats32:
        return np.stack([dial([of_lane[head] for of_lane in values], empty) for head in range(heads)]).reshape(-1)

    weights = per_head([list(recipe.loss_weights.values()) for recipe in population.recipes], 0.0)
    stopping = population.fit.early_stopping
    validates = np.zeros(program.lanes, bool)
    validates[:lanes] = feed.validates
    keep_last = np.full(program.lanes, population.fit.keep == "last") | ~validates
    kinds = [program.activations.index(recipe.architecture.activation) for recipe in population.recipes]
    return Plan(
        waves=tf.constant(layout.waves),
        lane_waves=tf.constant(layout.lane_waves),
        reads=tf.constant(layout.reads),
        lane=tf.constant(layout.lane),
        output_reads=tf.constant(layout.output_reads),
        consumers=tf.constant(layout.consumers),
        activation=tf.constant(dial([float(kind) for kind in kinds]).astype(np.int32)),
        stream=tf.constant(np.array(feed.stream_of_lane + [0] * (program.lanes - lanes), np.int32)),
        loss_weight=tf.constant(weights[:, None, None]),
        momentum=tf.constant(dial([recipe.momentum for recipe in population.recipes])[:, None, None]),
        stop=tf.constant(dial([float(stop) for stop in population.stops]).astype(np.int32)),
        patience=tf.constant(np.full(program.lanes, stopping.patience if stopping else NEVER, np.int32)),
        min_delta=tf.constant(np.float32(stopping.min_delta if stopping else 0.0)),
        keep_last=tf.constant(keep_last),
        validates=tf.constant(validates),
        spread=tf.constant(per_head([list(spread) for spread in feed.spreads], 1.0)),
        infinity=tf.constant(np.float32(np.inf)),
    )


def _initial_state(population: Population, feed: Feed, layout: waves.Layout) -> State:
    """Fresh lanes: initial weights, nothing trained, nothing kept."""
    program = population.program
    places, heads = waves.capacity(program), len(program.losses)
    weights = _zeros(program, places)
    for lane, recipe in enumerate(population.recipes):
        seed = weight_seed(population.seed, population.trials[lane], population.folds[lane], population.seeds[lane])
        initial = network.initial_weights(recipe.architecture, program.inputs, seed)
        _place(weights, program, lane, layout.places[lane], recipe.architecture, initial)
    going = np.zeros(program.lanes, bool)
    going[: len(population.trials)] = True
    filled = Layers(*(tf.constant(array) for array in weights))
    zeros = Layers(*(tf.zeros_like(array) for array in filled))
    return State(
        weights=filled,
        first_moment=zeros,
        second_moment=zeros,
        kept=zeros,
        lanes=Lanes(
            best=tf.fill([program.lanes], np.float32(-np.inf)),
            best_epoch=tf.zeros([program.lanes], tf.int32),
            waited=tf.zeros([program.lanes], tf.int32),
            failed_at=tf.zeros([program.lanes], tf.int32),
            epoch=tf.zeros([program.lanes], tf.int32),
            going=tf.constant(going),
        ),
        predictions=tf.zeros([feed.batches, heads * program.lanes, program.batch_size]),
    )


def _outcomes(
    population: Population, feed: Feed, layout: waves.Layout, state: State, curve: Floats32, keep_weights: bool
) -> list[LaneOutcome]:
    """What came of each lane, read out of the population's arrays."""
    program = population.program
    K, heads = program.lanes, len(program.losses)
    predictions = state.predictions.numpy().reshape(feed.batches, heads, K, program.batch_size)
    kept = Layers(*(array.numpy() for array in state.kept)) if keep_weights else None
    lanes = Lanes(*(array.numpy() for array in state.lanes))
    outcomes = []
    for lane, recipe in enumerate(population.recipes):
        stream = feed.streams[feed.stream_of_lane[lane]]
        scaled = predictions[:, :, lane].transpose(0, 2, 1).reshape(-1, heads)[: len(stream.validation)]
        weights = _taken(kept, program, lane, layout.places[lane], recipe.architecture) if kept else None
        finite = weights is None or all(np.isfinite(array).all() for array in weights)
        failed_at = int(lanes.failed_at[lane])
        outcomes.append(
            LaneOutcome(
                predictions=serving.inverse(stream.target_scaler, scaled.astype(np.float64)),
                curve=curve[: lanes.epoch[lane]].reshape(-1, heads, K)[:, :, lane].astype(np.float64),
                epochs=int(lanes.best_epoch[lane]),
                failed_at=failed_at if finite else failed_at or int(lanes.epoch[lane]),
                weights=weights,
            )
        )
    return outcomes


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows in one order and scaling, shared by all lanes that see the same."""

    fold: int
    seed: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    input_scaler: serving.Scaler
    target_scaler: serving.Scaler


class Feed:
    """The rows of a population, as arrays of fixed shapes.

    Args:
        rows: All training rows.
        population: The lanes.
    """

    def __init__(self, rows: TrainingRows, population: Population) -> None:
        self._rows, self._population = rows, population
        self._size = population.program.batch_size
        self.batches = -(-len(rows.x) // self._size)
        keys = [
            (fold, lane_seed, recipe.input_scaling, recipe.target_scaling)
            for fold, lane_seed, recipe in zip(population.folds, population.seeds, population.recipes, strict=True)
        ]
        distinct = sorted(set(keys))
        if len(distinct) > STREAMS:
            raise ValueError(f"a population holds {STREAMS} streams at most, not {len(distinct)}")
        self.streams = [_stream(rows, *key) for key in distinct]
        self.stream_of_lane = [distinct.index(key) for key in keys]
        self.validates = np.array([len(self.streams[stream].validation) > 0 for stream in self.stream_of_lane])
        spreads = [_spread(rows, stream) for stream in self.streams]
        self.spreads = [spreads[stream] for stream in self.stream_of_lane]

    def rows(self) -> Rows:
        """The streams' rows and the batches that are the same in every epoch."""
        inputs, heads = self._rows.x.shape[1], self._rows.y.shape[1]
        table = np.zeros((STREAMS, len(self._rows.x), inputs + heads), np.float32)
        validation = np.zeros((STREAMS, self.batches * self._size), np.int32)
        validation_count = np.zeros((STREAMS, self.batches), np.int32)
        train_count = np.zeros((STREAMS, self.batches), np.int32)
        for r, stream in enumerate(self.streams):
            table[r, :, :inputs] = serving.transform(stream.input_scaler, self._rows.x)
            table[r, :, inputs:] = serving.transform(stream.target_scaler, self._rows.y)
            validation[r, : len(stream.validation)] = stream.validation
            validation_count[r] = self._counts(len(stream.validation))
            train_count[r] = self._counts(len(stream.train))
        return Rows(
            table=tf.constant(table),
            streams=tf.constant(len(self.streams)),
            validation=tf.constant(validation.reshape(STREAMS, self.batches, self._size)),
            validation_count=tf.constant(validation_count),
            validation_steps=tf.constant(int((validation_count.max(0) > 0).sum())),
            train_count=tf.constant(train_count),
            train_steps=tf.constant(int((train_count.max(0) > 0).sum())),
        )

    def epochs(self, first: int, count: int) -> Epochs:
        """The orders and step sizes of `count` epochs from `first` (from 0) on."""
        order = np.zeros((CHUNK, STREAMS, self.batches * self._size), np.int32)
        shuffled: dict[tuple[int, int], int] = {}  # streams of one fold and seed differ in scaling alone
        for r, stream in enumerate(self.streams):
            twin = shuffled.setdefault((stream.fold, stream.seed), r)
            for e in range(count):
                order[e, r, : len(stream.train)] = (
                    order[e, twin, : len(stream.train)]
                    if twin != r
                    else row_order(self._population.seed, stream.fold, stream.seed, first + e, stream.train)
                )
        step_size, decay = self._steps(first, count)
        return Epochs(
            count=tf.constant(count),
            order=tf.constant(order.reshape(CHUNK, STREAMS, self.batches, self._size)),
            step_size=tf.constant(step_size),
            decay=tf.constant(decay),
        )

    def _counts(self, rows: int) -> NDArray[np.int32]:
        """How many rows of each batch count."""
        left = rows - self._size * np.arange(self.batches)
        return np.clip(left, 0, self._size).astype(np.int32)

    def _steps(self, first: int, count: int) -> tuple[Floats32, Floats32]:
        """`(CHUNK, C, K)` each: the factor of the update, bias correction included, and the share that decays.

        Computed in float32 as Keras does, lane by lane.
        """
        program = self._population.program
        step_size = np.zeros((CHUNK, self.batches, program.lanes), np.float32)
        decay = np.zeros_like(step_size)
        for lane, recipe in enumerate(self._population.recipes):
            steps = -(-len(self.streams[self.stream_of_lane[lane]].train) // self._size)
            before = np.arange(first * steps, (first + count) * steps, dtype=np.float32)
            rate = np.float32(recipe.learning_rate) * _schedule(
                recipe.learning_rate_schedule, before / np.float32(self._population.epochs[lane] * steps)
            )
            factor = rate if recipe.optimizer == "sgd" else rate * _bias_correction(before + np.float32(1))
            step_size[:count, :steps, lane] = factor.reshape(count, steps)
            decay[:count, :steps, lane] = (rate * np.float32(recipe.weight_decay)).reshape(count, steps)
        return step_size, decay


def _schedule(name: str, progress: Floats32) -> Floats32:
    """The factor of the learning rate when a share of all steps is done; `cosine` as Keras's CosineDecay to zero."""
    if name == "constant":
        return np.ones_like(progress)
    cosine: Floats32 = np.float32(0.5) * (1 + np.cos(np.float32(np.pi) * np.minimum(progress, 1)))
    return cosine


def _bias_correction(step: Floats32) -> Floats32:
    """Adam's sqrt(1 - beta_2^t) / (1 - beta_1^t) at step t from 1."""
    corrected: Floats32 = np.sqrt(1 - np.power(BETA_2, step)) / (1 - np.power(BETA_1, step))
    return corrected


def _stream(rows: TrainingRows, fold: int, seed: int, input_scaling: str, target_scaling: str) -> Stream:
    train, validation = rows.of(fold)
    return Stream(
        fold=fold,
        seed=seed,
        train=train,
        validation=validation,
        input_scaler=scaling.fit(input_scaling, rows.x[train]),
        target_scaler=scaling.fit(target_scaling, rows.y[train]),
    )


def _spread(rows: TrainingRows, stream: Stream) -> NDArray[np.float64]:
    """`(H,)` sum of squares of the scaled validation targets about their mean, the denominator of R²; 1 without any rows."""
    if not len(stream.validation):
        return np.ones(rows.y.shape[1])
    scaled = serving.transform(stream.target_scaler, rows.y[stream.validation])
    spread: NDArray[np.float64] = ((scaled - scaled.mean(0)) ** 2).sum(0)
    return spread


def _zeros(program: Program, places: int) -> list[Floats32]:
    """The weights of a population without lanes, in the order of `Layers`."""
    W, K, F, H = program.width, program.lanes, program.inputs, len(program.losses)
    shapes = [(K, W, F), (K, W, 1), (places, W, W), (places, W, 1), (H * K, 1, W), (H * K, 1, 1)]
    return [np.zeros(shape, np.float32) for shape in shapes]


def _sites(program: Program, lane: int, places: tuple[int, ...], architecture: Architecture) -> list[tuple[int, int]]:
    """Where each dense layer of a lane sits, in the order of its weights: (array in `Layers`, row)."""
    sites = [(0, lane)]
    branches, trunk = architecture.branches, len(architecture.trunk) - 1
    sites += [(2, place) for place in places[:trunk]]
    begin = trunk
    for head, branch in enumerate(branches.values()):
        sites += [(2, place) for place in places[begin : begin + len(branch)]]
        sites.append((4, head * program.lanes + lane))
        begin += len(branch)
    return sites


def _place(
    arrays: list[Floats32],
    program: Program,
    lane: int,
    places: tuple[int, ...],
    architecture: Architecture,
    weights: Weights,
) -> None:
    """Writes a network's weights into the population's arrays."""
    for (array, row), kernel, bias in zip(
        _sites(program, lane, places, architecture), weights[::2], weights[1::2], strict=True
    ):
        arrays[array][row, : kernel.shape[1], : kernel.shape[0]] = kernel.T
        arrays[array + 1][row, : len(bias), 0] = bias


def _taken(
    arrays: Layers,
    program: Program,
    lane: int,
    places: tuple[int, ...],
    architecture: Architecture,
) -> Weights:
    """Reads a network's weights out of the population's arrays: the reverse of `_place`."""
    weights: list[Floats32] = []
    sites = _sites(program, lane, places, architecture)
    shapes = network.layer_shapes(architecture, program.inputs)
    for (array, row), (fan_in, fan_out) in zip(sites, shapes, strict=True):
        weights.append(arrays[array][row, :fan_out, :fan_in].T.copy())
        weights.append(arrays[array + 1][row, :fan_out, 0].copy())
    return tuple(weights)
