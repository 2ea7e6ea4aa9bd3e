"""The batches of a population: the rows of each lane, their order and encoding, and the step sizes.

The order of a lane's rows derives from (experiment's seed, fold, seed, epoch). So trials with the same batch size train on the
same batches, and their difference does not depend on the shuffling (common random numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from branchsweep.data.encoders.encoder import FittedEncoder
from branchsweep.data.encoders.inputs import FittedInputs, InputEncoder, InputEncoding
from branchsweep.data.encoders.registry import fit_target_encoder
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.heads.head import Head, null_deviances
from branchsweep.models.learning_rates import schedule_factor
from branchsweep.models.output_clipping import output_range
from branchsweep.training.lanes import ORDER
from branchsweep.training.packing import MAX_STREAMS
from branchsweep.training.population import DROPOUT, MOVING_AVERAGE, TARGET_NOISE, Population
from branchsweep.training.program.dropout import step_keys
from branchsweep.training.program.optimizer_step import BETA_1
from branchsweep.training.program.program_arrays import Epochs, Rows
from branchsweep.training.program.shapes import array_shapes
from branchsweep.training.program.tensor_operations import ALIGNMENT, sharing_tensor, zeros_to_share
from branchsweep.types import Floats

Floats32 = NDArray[np.float32]

BLOCK_ROWS = 1 << 16
"""Rows that are encoded at a time, so that a large table is never there twice in double precision."""

StreamKey = tuple[int, int, InputEncoding, str]
"""Fold, seed, encoding of the inputs, target scaling: they determine a lane's rows, their order and their encoding."""


def row_order(seed: int, fold: int, lane_seed: int, epoch: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The training rows in the order of an epoch.

    Args:
        seed: The experiment's seed.
        fold: The position of the fold that validates.
        lane_seed: The lane's seed, from 0.
        epoch: The epoch, from 0.
        rows: `(n,)` positions of the training rows.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, ORDER, fold + 1, lane_seed, epoch]))
    return random.permutation(rows)


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows in one order and encoding, shared by all lanes with the same `StreamKey`.

    Args:
        fold: The fold.
        seed: Which of a trial's seeds, from 0.
        train: Positions of the rows to train on.
        validation: Positions of the rows to validate on.
        target_encoder: Encodes the targets of all heads.
        table: `(n, F + H)` all training rows, encoded; `(n, F + 2 H)` with the weights of the targets where they have some.
            Below them rows that nothing reads, up to `TrainingRows.room`.
        output_range: `(2, H)` the least and the greatest output of networks that clip them (see `output_clipping.py`).
        null_deviance: `(H,)` the deviance of the best constant on the encoded validation targets, see `null_deviances`.
    """

    fold: int
    seed: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    target_encoder: FittedEncoder
    table: Floats32
    output_range: Floats32
    null_deviance: Floats


def stream_keys(population: Population) -> list[StreamKey]:
    """For each lane, the key of its stream."""
    return [
        (fold, lane_seed, recipe.encoding, recipe.target_scaling)
        for fold, lane_seed, recipe in zip(population.folds, population.seeds, population.recipes, strict=True)
    ]


class BatchFeed:
    """The rows of a population, as arrays of fixed shapes.

    Args:
        population: The lanes.
        streams: Those of its lanes, each once.
        stream_of_lane: For each lane, the index of its stream.
    """

    def __init__(self, population: Population, streams: list[Stream], stream_of_lane: list[int]) -> None:
        self._population, self._size = population, population.program.batch_size
        self.streams, self.stream_of_lane = streams, stream_of_lane
        most = max(len(stream.validation) for stream in streams)
        self.shapes = array_shapes(streams[0].table.shape, self._size, len(streams), most)
        self.validates = np.array([len(streams[stream].validation) > 0 for stream in stream_of_lane])
        self.null_deviances = [streams[stream].null_deviance for stream in stream_of_lane]

    @classmethod
    def of(cls, population: Population, stream: Callable[[StreamKey], Stream]) -> Self:
        """The feed of a population.

        Args:
            population: The lanes.
            stream: Gives the stream of a key.
        """
        keys = stream_keys(population)
        distinct = sorted(set(keys))
        if len(distinct) > MAX_STREAMS:
            raise ValueError(f"a population holds {MAX_STREAMS} streams at most, not {len(distinct)}")
        return cls(population, [stream(key) for key in distinct], [distinct.index(key) for key in keys])

    def rows(self) -> Rows:
        """The streams' rows and the batches that are the same in every epoch."""
        room, batches, validation_batches = self.shapes.streams, self.shapes.batches, self.shapes.validation_batches
        table, _ = _joined([stream.table for stream in self.streams], room)
        validation = np.zeros((room, validation_batches * self._size), np.int32)
        validation_count = np.zeros((room, validation_batches), np.int32)
        train_count = np.zeros((room, batches), np.int32)
        for r, stream in enumerate(self.streams):
            validation[r, : len(stream.validation)] = stream.validation
            validation_count[r] = self._counts(len(stream.validation), validation_batches)
            train_count[r] = self._counts(len(stream.train), batches)
        return Rows(
            table=sharing_tensor(table),
            streams=tf.constant(len(self.streams)),
            validation=tf.constant(validation.reshape(room, validation_batches, self._size)),
            validation_count=tf.constant(validation_count),
            validation_steps=tf.constant(int((validation_count.max(0) > 0).sum())),
            train_count=tf.constant(train_count),
            train_steps=tf.constant(int((train_count.max(0) > 0).sum())),
        )

    def join(self) -> bool:
        """Let the streams' tables be parts of one array, which `rows` then need not copy, and say whether that took a copy."""
        table, is_copy = _joined([stream.table for stream in self.streams], self.shapes.streams)
        if is_copy:
            self.streams = [replace(stream, table=table[r]) for r, stream in enumerate(self.streams)]
        return is_copy

    def epochs(self, first: int, count: int) -> Epochs:
        """The row orders and step sizes of `count` epochs, at most E, from epoch `first` (counted from 0) on."""
        room, batches = self.shapes.streams, self.shapes.batches
        order = zeros_to_share((self.shapes.epochs, room, batches * self._size), np.int32)
        shuffled: dict[tuple[int, int], int] = {}  # streams of one fold and seed differ in scaling alone
        for r, stream in enumerate(self.streams):
            same_order = shuffled.setdefault((stream.fold, stream.seed), r)
            for e in range(count):
                order[e, r, : len(stream.train)] = (
                    order[e, same_order, : len(stream.train)]
                    if same_order != r
                    else row_order(self._population.seed, stream.fold, stream.seed, first + e, stream.train)
                )
        step_size, decay = self._steps(first, count)
        options = self._population.program.options
        return Epochs(
            count=tf.constant(count),
            order=sharing_tensor(order.reshape(-1, room, batches, self._size)),
            step_size=tf.constant(step_size),
            decay=tf.constant(decay),
            average=tf.constant(self._averages(first, count)) if MOVING_AVERAGE in options else None,
            key=tf.constant(self._step_keys(first, count)) if {DROPOUT, TARGET_NOISE} & set(options) else None,
        )

    def _steps_of(self, lane: int) -> int:
        """The steps of an epoch of a lane."""
        return -(-len(self.streams[self.stream_of_lane[lane]].train) // self._size)

    def _averages(self, first: int, count: int) -> Floats32:
        """`(E, C, K)` the share of the moving average that stays: as in Keras, the first step's weights begin it."""
        shares = self._by_step(np.float32)
        for lane, recipe in enumerate(self._population.recipes):
            shares[:count, :, lane] = recipe.ema_momentum
        if first == 0:
            shares[0, 0] = 0.0
        return shares

    def _step_keys(self, first: int, count: int) -> NDArray[np.int32]:
        """`(E, C, K)` what the draws of dropout and noise derive from (see `dropout.py`)."""
        keys = self._by_step(np.int32)
        for position, lane in enumerate(self._population.lanes):
            if lane.recipe.target_noise or any(lane.recipe.architecture.dropout_rates):
                for epoch in range(count):
                    drawn = step_keys(lane.weight_seed, first + epoch, self._steps_of(position))
                    keys[epoch, : len(drawn), position] = drawn
        return keys

    def _by_step(self, kind: type) -> NDArray[Any]:
        """`(E, C, K)` zeros."""
        return np.zeros((self.shapes.epochs, self.shapes.batches, self._population.program.lanes), kind)

    def _counts(self, rows: int, batches: int) -> NDArray[np.int32]:
        """`(batches,)` the number of rows in each batch, without padding."""
        left = rows - self._size * np.arange(batches)
        return np.clip(left, 0, self._size).astype(np.int32)

    def _steps(self, first: int, count: int) -> tuple[Floats32, Floats32]:
        """`(E, C, K)` each: the factor of the update, bias correction included, and the share that decays.

        Computed in float32 as Keras does, lane by lane.
        """
        step_size = self._by_step(np.float32)
        decay = np.zeros_like(step_size)
        corrections: dict[tuple[int, float], Floats32] = {}  # folds may differ by a step, most lanes have one beta_2
        for lane, recipe in enumerate(self._population.recipes):
            steps = self._steps_of(lane)
            before = np.arange(first * steps, (first + count) * steps, dtype=np.float32)
            if (steps, recipe.beta_2) not in corrections:
                corrections[steps, recipe.beta_2] = _bias_correction(before + np.float32(1), np.float32(recipe.beta_2))
            progress = before / np.float32(self._population.epochs[lane] * steps)
            rate = np.float32(recipe.learning_rate) * schedule_factor(
                np, recipe.learning_rate_schedule, recipe.warmup, progress
            )
            factor = rate if recipe.optimizer == "sgd" else rate * corrections[steps, recipe.beta_2]
            step_size[:count, :steps, lane] = factor.reshape(count, steps)
            decay[:count, :steps, lane] = (rate * np.float32(recipe.weight_decay)).reshape(count, steps)
        return step_size, decay


def _bias_correction(step: Floats32, beta_2: np.float32) -> Floats32:
    """Adam's sqrt(1 - beta_2^t) / (1 - beta_1^t) at step t from 1."""
    corrected: Floats32 = np.sqrt(1 - np.power(beta_2, step)) / (1 - np.power(BETA_1, step))
    return corrected


def make_stream(rows: TrainingRows, heads: Sequence[Head], key: StreamKey) -> Stream:
    """The stream of a key, with encoders fitted on the rows that it trains on.

    Args:
        rows: All training rows.
        heads: The kinds of the heads, in the order of the targets' columns.
        key: See `StreamKey`.
    """
    fold, seed, encoding, target_scaling = key
    train, validation = rows.fold_rows(fold)
    input_encoder = InputEncoder(rows.input_columns, encoding).fit(rows.x[train], rows.y[train])
    target_encoder = fit_target_encoder([head.target_encoder(target_scaling) for head in heads], rows.y[train])
    targets = target_encoder.transform(rows.y)
    columns, weights = [targets], None
    if not rows.count_alike:
        weights = rows.loss_weights(train)
        targets = _without_gaps(targets, train)
        columns = [targets, weights]
    table = _in_blocks(input_encoder, rows.x, columns, max(rows.room, len(rows.x)))
    return Stream(
        fold=fold,
        seed=seed,
        train=train,
        validation=validation,
        target_encoder=target_encoder,
        table=table,
        output_range=output_range(heads, targets[train], None if weights is None else weights[train]),
        null_deviance=null_deviances(heads, targets[validation], None if weights is None else weights[validation]),
    )


def _in_blocks(encoder: FittedEncoder | FittedInputs, values: Floats, further: Sequence[Floats], room: int) -> Floats32:
    """`(room, width)` the encoded values in single precision with further columns behind them, and below them zeros.

    An encoder treats every row by itself, so the values are encoded a block at a time, each to where it stays.
    """
    block = encoder.transform(values[:BLOCK_ROWS])
    table = zeros_to_share((room, block.shape[1] + sum(part.shape[1] for part in further)), np.float32)
    for start in range(0, len(values), BLOCK_ROWS):
        stop = start + BLOCK_ROWS
        block = block if start == 0 else encoder.transform(values[start:stop])
        end = 0
        for part in (block, *(part[start:stop] for part in further)):
            begin, end = end, end + part.shape[1]
            table[start : start + len(part), begin:end] = part
    return table


def _joined(tables: Sequence[Floats32], room: int) -> tuple[Floats32, bool]:
    """`(room, n, width)` the tables one after the other, and whether that is a copy: they may be parts of such an array.

    Args:
        tables: `(n, width)` each, from `zeros_to_share` or parts of what is returned here.
        room: For how many tables there is to be room.
    """
    first, size = tables[0], tables[0].nbytes
    memory = first.base
    begin = first.ctypes.data - memory.ctypes.data if isinstance(memory, np.ndarray) else 0
    if isinstance(memory, np.ndarray) and memory.dtype == np.uint8 and begin + room * size <= memory.nbytes:
        follow = all(
            table.base is memory and table.ctypes.data == first.ctypes.data + r * size for r, table in enumerate(tables)
        )
        if follow and first.ctypes.data % ALIGNMENT == 0:
            return memory[begin : begin + room * size].view(np.float32).reshape(room, *first.shape), False
    together = zeros_to_share((room, *first.shape), np.float32)
    for r, table in enumerate(tables):
        together[r] = table
    return together, True


def _without_gaps(targets: Floats, train: NDArray[np.int64]) -> Floats:
    """Targets `(n, H)` with the first known one of the rows to train on in place of those that are not known.

    Their weight is 0, so any number would do for which a head's loss is finite; one that occurs is such a number.
    """
    known = ~np.isnan(targets)
    return np.where(known, targets, targets[train[known[train].argmax(axis=0)], np.arange(targets.shape[1])])
