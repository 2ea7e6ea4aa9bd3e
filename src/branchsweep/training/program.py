"""The compiled program that trains a population: forward, backward and update of up to K branched networks at once.

The gradient is written by hand, layer by layer, because the layers run in waves (see `waves`): a loop whose length is data, so
that one program serves lanes of any depths, heads and activations, and no place that is empty costs anything.

Legend, with the shapes of the arrays (feature-major: units before rows, the fastest order on a CPU):

    K lanes   H heads   N places of hidden layers   S slots of a wave   F inputs   B rows of a batch
    W the wider of the program's two widths; a stage's layers have U <= W units and read V <= W (see `stages`)
    R streams (distinct rows, order and scaling)   n training rows   C = ceil(n / B) batches of all rows

    A   (K + N, 1 + W, B)   activations: row k the first layer of lane k, row K + p the hidden layer in place p; unit 0 is one
    D   (K + N, W, B)       slopes: the activation function's derivative at each unit
    G   (H*K + 1 + N, W, B) gradient rows: what each output and each hidden layer sends back to the layer that it reads
    X   (R, 1 + F, B)       inputs of a batch, input 0 is one
    T   (R, H, B), M (R, B) its targets, and 1 / rows for rows that count, 0 for those that pad

Units beyond a layer's own width have zero weights and f(0) = 0, so they stay zero, gradients included: no mask is needed.

Two habits of XLA on a CPU shaped the code. A buffer that is carried through a loop is updated in place only if every read of it
is known to come before the write; `_after` makes that known. And sums over rows are written as matrix products, which keeps
their order of summation (so their bits) the same in every place.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops

from branchsweep.training import program_cache
from branchsweep.training.layer_schedule import Stage, layer_capacity, program_stages
from branchsweep.training.population import Program

Tensor = Any  # TensorFlow ships no types

BETA_1, BETA_2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-7)  # Keras's Adam

FORWARD, BACK, OVER_ROWS = "sur,srb->sub", "sur,sub->srb", "sub,srb->sur"
"""Products over slots s, units u, units that are read r, and rows b. `tf.matmul` would do, but it puts notes for gradients into
a program, in an order that changes from process to process; then no process would find what another has compiled."""

SMALLEST_NORM = np.float32(1e-12)
"""A head that sends back less is not made louder."""

CHUNK = 10
"""Epochs trained between two looks of the host, at most."""

Layers = tuple[Tensor, ...]
"""One number per weight of the population (weights, their moments, or a copy of them), by shape of layer: the lanes' first ones
(K, trunk width, 1 + F), those of each stage (its places, U, 1 + V), and the outputs (H*K, 1, 1 + W). Rows are units, columns
what they read; column 0 is the bias, which reads the ones."""


class Parameter(NamedTuple):
    """The weights of layers of one shape on their way through a step, with their moments."""

    value: Tensor
    first_moment: Tensor
    second_moment: Tensor


LogVariances = Parameter | tuple[()]
"""Those of the heads' losses (H*K, 1, 1) in programs where some lanes learn them; else nothing, and nothing is computed."""


class Lanes(NamedTuple):
    """Where each lane stands. All `(K,)`."""

    best: Tensor  # the best score so far
    best_epoch: Tensor  # the epoch (from 1) of the kept weights
    waited: Tensor  # epochs since the score last rose
    failed_at: Tensor  # the epoch (from 1) whose predictions were not finite, 0 for none
    epoch: Tensor  # epochs trained
    going: Tensor  # still training


class State(NamedTuple):
    """All that changes while a population trains."""

    weights: Layers
    first_moment: Layers
    second_moment: Layers
    log_variances: LogVariances
    kept: Layers  # the weights that the policy keeps: of the best epoch, or the last
    lanes: Lanes
    predictions: Tensor  # (C, H*K, B) of the kept weights on the validation rows


class Plan(NamedTuple):
    """Where the lanes' layers sit (see `waves.Layout`) and what is fixed for each lane."""

    waves: Tensor  # (stages,)
    lane_waves: Tensor
    reads: Tensor
    lane: Tensor
    output_reads: Tensor
    consumers: Tensor
    activation: Tensor  # (K,) position among the program's activations
    stream: Tensor  # (K,)
    loss_weight: Tensor  # (H*K, 1, 1)
    uncertain: Tensor | None  # (H*K, 1, 1) whether the lane learns log variances; None where the program has none
    strength: Tensor | None  # (H*K + 1 + N,) a head's share of the pull at its lane's trunk; None where none is balanced
    momentum: Tensor  # (K, 1, 1)
    stop: Tensor  # (K,) epochs after which the lane ends
    patience: Tensor  # (K,)
    min_delta: Tensor  # ()
    keep_last: Tensor  # (K,)
    validates: Tensor  # (K,) whether the lane has validation rows
    spread: Tensor  # (H*K,) sum of squares of the validation targets about their mean, as scaled
    infinity: Tensor  # () a number that XLA does not know


class Rows(NamedTuple):
    """The rows that the streams see."""

    table: Tensor  # (R, n, F + H) scaled inputs and targets of each stream
    streams: Tensor  # () streams in use
    validation: Tensor  # (R, C, B) positions of validation rows
    validation_count: Tensor  # (R, C) how many of a batch count
    validation_steps: Tensor  # ()
    train_count: Tensor  # (R, C)
    train_steps: Tensor  # ()


class Epochs(NamedTuple):
    """What changes from epoch to epoch, for up to CHUNK of them."""

    count: Tensor  # ()
    order: Tensor  # (CHUNK, R, C, B) positions of training rows
    step_size: Tensor  # (CHUNK, C, K) the update's factor, bias correction included
    decay: Tensor  # (CHUNK, C, K) the share of each weight that decays


def _start(index: Tensor, array: Tensor, unit: int = 0) -> Tensor:
    return tf.stack([index, tf.constant(unit), tf.constant(0)][: len(array.shape)])


def _read(array: Tensor, index: Tensor, count: int) -> Tensor:
    """`array[index : index + count]`."""
    return tf.slice(array, _start(index, array), [count, *array.shape[1:]])


def _write(array: Tensor, index: Tensor, rows: Tensor, unit: int = 0) -> Tensor:
    """`array` with `rows` from `index` on, and in each from `unit` on."""
    return ops.slice_update(array, _start(index, array, unit), rows)


def _with_ones(array: Tensor, infinity: Tensor) -> Tensor:
    """`array` with a unit 0 before the others that is always one.

    The one is worked out from a number that XLA does not know: else it would work out the whole array, megabytes of it, and
    make that a part of the program.
    """
    one = tf.cast(infinity > 0.0, tf.float32)
    return tf.pad(array, [[0, 0], [1, 0], [0, 0]], constant_values=one)


def _after(index: Tensor, array: Tensor, infinity: Tensor) -> Tensor:
    """`index`, but known only once `array` is: what is written there is written after all that `array` needed was read."""
    return index + tf.cast(tf.reshape(array, [-1])[0] > infinity, tf.int32)


def _activate(kinds: tuple[str, ...], kind: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Activation and slope at x, each lane's own: `kind` (S, 1, 1) says which of `kinds` it has.

    silu(x) = x * sigmoid(x) with sigmoid(x) = (1 + tanh(x / 2)) / 2, so that silu and tanh share one tanh.
    gelu(x) = x * Phi(x), the exact form that Keras has by default.
    """

    def is_kind(name: str) -> Tensor:
        return kind == kinds.index(name)

    values: dict[str, tuple[Tensor, Tensor]] = {}
    if "relu" in kinds:
        values["relu"] = (tf.nn.relu(x), tf.cast(x > 0, tf.float32))
    if "gelu" in kinds:
        below = 0.5 * (1.0 + tf.math.erf(x * np.float32(np.sqrt(0.5))))
        values["gelu"] = (x * below, below + x * tf.exp(-0.5 * x * x) * np.float32(1.0 / np.sqrt(2.0 * np.pi)))
    if "silu" in kinds or "tanh" in kinds:
        if "silu" in kinds and "tanh" in kinds:
            bent = tf.tanh(tf.where(is_kind("silu"), 0.5 * x, x))
        else:
            bent = tf.tanh(0.5 * x if "silu" in kinds else x)
        if "silu" in kinds:
            sigmoid = 0.5 * bent + 0.5
            y = x * sigmoid
            values["silu"] = (y, sigmoid + y * (1.0 - sigmoid))
        if "tanh" in kinds:
            values["tanh"] = (bent, 1.0 - bent * bent)
    value, slope = values[kinds[0]]
    for name in kinds[1:]:
        value = tf.where(is_kind(name), values[name][0], value)
        slope = tf.where(is_kind(name), values[name][1], slope)
    return value, slope


def _loss_slope(loss: str, error: Tensor) -> Tensor:
    """The derivative of Keras's loss of one row by the prediction; `huber` has delta 1."""
    if loss == "mse":
        return 2.0 * error
    return tf.sign(error) if loss == "mae" else tf.clip_by_value(error, -1.0, 1.0)


def _loss_value(loss: str, error: Tensor) -> Tensor:
    """Keras's loss of one row."""
    if loss == "mse":
        return error * error
    size = tf.abs(error)
    return size if loss == "mae" else tf.where(size <= 1.0, 0.5 * error * error, size - 0.5)


def _balanced(flows: list[Tensor], shares: Tensor) -> list[Tensor]:
    """Gradients of the same layers, (S, W, B) each, so that those which share a layer have norms in the ratio of their shares.

    The sum of the norms stays (see `recipe`, `gradient_norm`). Where a share (S, number of flows) is zero, nothing is changed.
    """
    of_rows = [tf.sqrt(tf.reduce_sum(flow * flow, 1, keepdims=True)) for flow in flows]
    norms = [tf.sqrt(tf.einsum(OVER_ROWS, of_row, of_row)) for of_row in of_rows]  # (S, 1, 1)
    together = reduce(add, norms)
    balanced = []
    for number, (flow, norm) in enumerate(zip(flows, norms, strict=True)):
        share = shares[:, number, None, None]
        balanced.append(flow * tf.where(share > 0.0, share * together / tf.maximum(norm, SMALLEST_NORM), 1.0))
    return balanced


def _while(count: Tensor, body: Any, *carried: Any) -> Any:
    """`for i in range(count): carried = body(i, *carried)`."""
    return tf.while_loop(lambda i, *_: i < count, lambda i, *now: (i + 1, *body(i, *now)), (0, *carried))[1:]


class _Networks:
    """The networks of one program, as functions on tensors: batch, forward, backward with update."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.W, self.B, self.K, self.S = program.width, program.batch_size, program.lanes, program.slots
        self.F, self.H, self.N = program.inputs, len(program.losses), layer_capacity(program)
        self.stages = program_stages(program)
        self.zero_row = self.H * self.K

    def batch(self, rows: Rows, positions: Tensor, count: Tensor, X: Tensor, T: Tensor, M: Tensor) -> tuple[Tensor, ...]:
        """Gathers one batch of every stream: `positions` (R, B), of which `count` (R,) count."""

        def stream(r: Tensor, X: Tensor, T: Tensor, M: Tensor) -> tuple[Tensor, ...]:
            both = tf.transpose(tf.gather(rows.table[r], positions[r]))  # (F + H, B)
            counts = tf.cast(tf.range(self.B) < count[r], tf.float32) / tf.cast(tf.maximum(count[r], 1), tf.float32)
            return (
                _write(X, r, both[None, : self.F], unit=1),
                _write(T, r, both[None, self.F :]),
                _write(M, r, counts[None]),
            )

        return _while(rows.streams, stream, X, T, M)  # type: ignore[no-any-return]  # TensorFlow ships no types

    def forward(self, weights: Layers, plan: Plan, X: Tensor, A: Tensor, D: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Activations of all layers for the batch X, and with D also the slopes."""

        def act(o: Tensor, lanes: Tensor, x: Tensor, A: Tensor, *slopes: Tensor) -> tuple[Tensor, ...]:
            value, slope = _activate(self.program.activations, tf.gather(plan.activation, lanes)[:, None, None], x)
            return _write(A, o, value, unit=1), *(_write(D, o, slope) for D in slopes)

        def first(i: Tensor, *buffers: Tensor) -> tuple[Tensor, ...]:
            o = i * self.S
            lanes = o + tf.range(self.S)
            x = tf.gather(X, tf.gather(plan.stream, lanes))  # (S, 1 + F, B)
            return act(o, lanes, self.apply(weights[0], o, x), *buffers)

        buffers = _while(plan.lane_waves, first, *((A,) if D is None else (A, D)))
        for number, stage in enumerate(self.stages):

            def hidden(i: Tensor, *buffers: Tensor, number: int = number, stage: Stage = stage) -> tuple[Tensor, ...]:
                o = i * self.S
                place = stage.begin + o
                x = tf.gather(buffers[0], _read(plan.reads, place, self.S))[:, : 1 + stage.reads]  # (S, 1 + V, B)
                return act(self.K + place, _read(plan.lane, place, self.S), self.apply(weights[1 + number], o, x), *buffers)

            buffers = _while(plan.waves[number], hidden, *buffers)
        return buffers if D is not None else (buffers[0], None)

    def apply(self, layers: Tensor, o: Tensor, x: Tensor) -> Tensor:
        """What S layers from row o on make of what they read, before the activation function."""
        return tf.einsum(FORWARD, _read(layers, o, self.S), x)

    def errors(self, weights: Layers, plan: Plan, o: Tensor, head: int, A: Tensor, T: Tensor) -> tuple[Tensor, ...]:
        """For S outputs of one head from row o on: what they read (S, 1 + W, B), the prediction and the target (S, 1, B)."""
        lanes = o - head * self.K + tf.range(self.S)
        x = tf.gather(A, _read(plan.output_reads, o, self.S))
        return x, self.apply(weights[-1], o, x), tf.gather(T[:, head], tf.gather(plan.stream, lanes))[:, None]

    def update(
        self,
        parameter: Parameter,
        gradient: Tensor,
        o: Tensor,
        dials: tuple[Tensor, ...],
        infinity: Tensor,
        reads_done: Tensor | None = None,
    ) -> Parameter:
        """Weights and moments after one step, S rows from row o on.

        Adam (Kingma and Ba 2015) as Keras computes it, decoupled weight decay (Loshchilov and Hutter 2019) as Keras's
        `weight_decay`; or gradient descent with Keras's momentum. Lanes that rest keep what they have.

        Args:
            parameter: The whole arrays of weights, first and second moments.
            gradient: `(S, …)`.
            o: The first row.
            dials: `(S, 1, 1)` each: step size, decay, momentum, and whether the lane trains.
            infinity: See `_after`.
            reads_done: An array that is known only when the weights from row o on have been read.
        """
        step_size, decay, momentum, trains = dials
        weights, first, second = parameter
        w, m = _read(weights, o, self.S), _read(first, o, self.S)
        at = o if reads_done is None else _after(o, reads_done, infinity)
        if self.program.optimizer == "sgd":
            moved = momentum * m - step_size * gradient
            weights = _write(weights, at, tf.where(trains, (w - w * decay) + moved, w))
            return Parameter(weights, _write(first, _after(o, weights, infinity), tf.where(trains, moved, m)), second)
        v = _read(second, o, self.S)
        m_new = m + (gradient - m) * (1 - BETA_1)
        v_new = v + (gradient * gradient - v) * (1 - BETA_2)
        weights = _write(weights, at, tf.where(trains, (w - w * decay) - m_new * step_size / (tf.sqrt(v_new) + EPSILON), w))
        moments_at = _after(o, weights, infinity)  # the line above reads both moments, so it goes first
        first = _write(first, moments_at, tf.where(trains, m_new, m))
        second = _write(second, moments_at, tf.where(trains, v_new, v))
        return Parameter(weights, first, second)

    def weigh(
        self, weight: Tensor, mean: Tensor, log_variances: Parameter, plan: Plan, o: Tensor, dials: tuple[Tensor, ...]
    ) -> tuple[Tensor, Parameter]:
        """What the losses of S outputs weigh in their lanes' sums, (S, 1, 1), and the log variances after the step.

        With p (exp(-s) L + s) in the sum, L weighs p exp(-s), and the slope of s is p (1 - exp(-s) L); see `recipe`. Where s is
        not learned it stays zero, and the weight p. It does not decay.

        Args:
            weight: `(S, 1, 1)` p, the static weight.
            mean: `(S, 1, 1)` L, the mean loss of the batch.
            log_variances: s of all outputs, with its moments.
            plan: Which lanes learn it.
            o: The first row.
            dials: See `update`.
        """
        step_size, decay, momentum, trains = dials
        precision = tf.exp(-_read(log_variances.value, o, self.S))
        slope = weight * (1.0 - precision * mean)
        own_dials = (step_size, tf.zeros_like(decay), momentum, trains & _read(plan.uncertain, o, self.S))
        return weight * precision, self.update(log_variances, slope, o, own_dials, plan.infinity, slope)

    def arrived(self, plan: Plan, G: Tensor, D: Tensor, o: Tensor, units: int) -> Tensor:
        """What flows back into the S activation rows from o on, times their slopes: (S, U, B)."""
        sources = _read(plan.consumers, o, self.S)
        flows = [tf.gather(G, sources[:, consumer]) for consumer in range(self.H)]
        if plan.strength is not None:
            flows = _balanced(flows, tf.gather(plan.strength, sources))
        return (reduce(add, flows) * _read(D, o, self.S))[:, :units]

    def step(
        self, state: State, plan: Plan, count: Tensor, step_size: Tensor, decay: Tensor, buffers: tuple[Tensor, ...]
    ) -> tuple[State, tuple[Tensor, ...]]:
        """One step of every lane on the batch that `buffers` holds."""
        X, T, M, A, D, G = buffers
        S, K = self.S, self.K
        trains = state.lanes.going & (tf.gather(count, plan.stream) > 0)
        dials = (step_size[:, None, None], decay[:, None, None], plan.momentum, trains[:, None, None])
        weights, infinity = state.weights, plan.infinity
        A, D = self.forward(weights, plan, X, A, D)
        learning = [
            Parameter(*of_shape) for of_shape in zip(state.weights, state.first_moment, state.second_moment, strict=True)
        ]
        log_variances = state.log_variances

        def dials_of(lanes: Tensor) -> tuple[Tensor, ...]:
            return tuple(tf.gather(dial, lanes) for dial in dials)

        for head, loss in enumerate(self.program.losses):

            def output(
                i: Tensor,
                G: Tensor,
                layers: Parameter,
                log_variances: LogVariances,
                head: int = head,
                loss: str = loss,
            ) -> tuple[Any, ...]:
                o = head * K + i * S
                lanes = i * S + tf.range(S)
                x, y, target = self.errors((layers.value,), plan, o, head, A, T)
                share, weight = tf.gather(M, tf.gather(plan.stream, lanes))[:, None], _read(plan.loss_weight, o, S)
                if log_variances:
                    mean = tf.einsum(OVER_ROWS, _loss_value(loss, y - target), share)
                    weight, log_variances = self.weigh(weight, mean, log_variances, plan, o, dials_of(lanes))
                slope = _loss_slope(loss, y - target) * (share * weight)  # (S, 1, B)
                G = _write(G, o, tf.transpose(_read(layers.value, o, S)[:, :, 1:], [0, 2, 1]) * slope)
                done = slope[0, 0, 0] + _read(G, o, 1)[0, 0, 0]
                layers = self.update(layers, tf.einsum(OVER_ROWS, slope, x), o, dials_of(lanes), infinity, done)
                return G, layers, log_variances

            G, learning[-1], log_variances = _while(plan.lane_waves, output, G, learning[-1], log_variances)

        for number, stage in reversed(list(enumerate(self.stages))):

            def hidden(_: Tensor, o: Tensor, G: Tensor, layers: Parameter, stage: Stage = stage) -> tuple[Any, ...]:
                place = stage.begin + o
                slope = self.arrived(plan, G, D, K + place, stage.units)
                x = tf.gather(A, _read(plan.reads, place, S))[:, : 1 + stage.reads]
                sent = tf.einsum(BACK, _read(layers.value, o, S)[:, :, 1:], slope)
                dials = dials_of(_read(plan.lane, place, S))
                layers = self.update(layers, tf.einsum(OVER_ROWS, slope, x), o, dials, infinity, sent)
                return o - S, _write(G, self.zero_row + 1 + place, sent), layers

            # The row is carried along: worked out from the number of waves, it would make that number a part of the program,
            # to be compiled anew for each.
            last = (plan.waves[number] - 1) * S
            _, G, learning[1 + number] = _while(plan.waves[number], hidden, last, G, learning[1 + number])

        def first(i: Tensor, layers: Parameter) -> tuple[Parameter]:
            o = i * S
            lanes = o + tf.range(S)
            slope = self.arrived(plan, G, D, o, self.program.trunk_width)
            x = tf.gather(X, tf.gather(plan.stream, lanes))
            return (self.update(layers, tf.einsum(OVER_ROWS, slope, x), o, dials_of(lanes), infinity),)

        (learning[0],) = _while(plan.lane_waves, first, learning[0])
        weights, first_moment, second_moment = (tuple(of_shape[part] for of_shape in learning) for part in range(3))
        state = state._replace(
            weights=weights, first_moment=first_moment, second_moment=second_moment, log_variances=log_variances
        )
        return state, (X, T, M, A, D, G)

    def validate(
        self, weights: Layers, plan: Plan, rows: Rows, buffers: tuple[Tensor, ...], predictions: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """R² (H*K,) of every output on the validation rows, and the predictions (C, H*K, B) themselves."""
        X, T, M, A, D, G = buffers

        def chunk(
            c: Tensor, squares: Tensor, predictions: Tensor, X: Tensor, T: Tensor, M: Tensor, A: Tensor
        ) -> tuple[Any, ...]:
            X, T, M = self.batch(rows, rows.validation[:, c], rows.validation_count[:, c], X, T, M)
            A, _ = self.forward(weights, plan, X, A, None)
            for head in range(self.H):

                def output(i: Tensor, squares: Tensor, predictions: Tensor, head: int = head) -> tuple[Any, ...]:
                    o = head * self.K + i * self.S
                    _, y, target = self.errors(weights, plan, o, head, A, T)
                    counts = tf.gather(M, tf.gather(plan.stream, i * self.S + tf.range(self.S)))[:, None] > 0
                    error = tf.where(counts, y - target, 0.0)
                    square = tf.einsum(OVER_ROWS, error, error)[:, 0, 0]
                    predictions = ops.slice_update(predictions, tf.stack([c, o, 0]), y[None, :, 0])
                    return _write(squares, o, _read(squares, o, self.S) + square), predictions

                squares, predictions = _while(plan.lane_waves, output, squares, predictions)
            return squares, predictions, X, T, M, A

        squares = tf.zeros([self.H * self.K])
        squares, predictions, X, T, M, A = _while(rows.validation_steps, chunk, squares, predictions, X, T, M, A)
        return 1.0 - squares / plan.spread, predictions, (X, T, M, A, D, G)


def _judge(lanes: Lanes, plan: Plan, r2: Tensor) -> tuple[Lanes, Tensor]:
    """The lanes after an epoch with this R² (H, K), and for which of them (K,) the weights are kept.

    Rises and patience count as in Keras's EarlyStopping.
    """
    score = tf.where(plan.validates, tf.reduce_mean(r2, 0), 0.0)
    epoch = lanes.epoch + tf.cast(lanes.going, tf.int32)
    finite = tf.math.is_finite(score)
    rises = score - plan.min_delta > lanes.best
    keep = lanes.going & finite & (rises | plan.keep_last)
    waited = tf.where(rises, 0, lanes.waited + 1)
    judged = Lanes(
        best=tf.where(lanes.going & rises, score, lanes.best),
        best_epoch=tf.where(keep, epoch, lanes.best_epoch),
        waited=tf.where(lanes.going, waited, lanes.waited),
        failed_at=tf.where(lanes.going & ~finite, epoch, lanes.failed_at),
        epoch=epoch,
        going=lanes.going & finite & (epoch < plan.stop) & (waited < plan.patience),
    )
    return judged, keep


def _keep(networks: _Networks, state: State, plan: Plan, rows: Rows, keep: Tensor, predictions: Tensor) -> State:
    """The state with the kept copies renewed for the lanes that `keep` (K,) names."""
    S, K, H = networks.S, networks.K, networks.H

    def renew(now: Tensor, kept: Tensor, count: Tensor, lanes_of: Any, begin: int = 0) -> Tensor:
        """The kept copies of `count` groups of S layers from row `begin` on."""

        def wave(i: Tensor, kept: Tensor) -> tuple[Tensor]:
            chosen = tf.gather(keep, lanes_of(i * S))[:, None, None]
            o = begin + i * S
            return (_write(kept, o, tf.where(chosen, _read(now, o, S), _read(kept, o, S))),)

        return _while(count, wave, kept)[0]

    def in_order(o: Tensor) -> Tensor:
        return o + tf.range(S)

    weights, kept = state.weights, list(state.kept)
    kept[0] = renew(weights[0], kept[0], plan.lane_waves, in_order)
    for number, stage in enumerate(networks.stages):

        def lanes_of(o: Tensor, stage: Stage = stage) -> Tensor:
            return _read(plan.lane, stage.begin + o, S)

        kept[1 + number] = renew(weights[1 + number], kept[1 + number], plan.waves[number], lanes_of)
    for head in range(H):
        kept[-1] = renew(weights[-1], kept[-1], plan.lane_waves, in_order, head * K)

    chosen = tf.tile(keep, [H])[None, :, None]

    def chunk(c: Tensor, kept_predictions: Tensor) -> tuple[Tensor]:
        return (_write(kept_predictions, c, tf.where(chosen, _read(predictions, c, 1), _read(kept_predictions, c, 1))),)

    kept_predictions = _while(rows.validation_steps, chunk, state.predictions)[0]
    return state._replace(kept=tuple(kept), predictions=kept_predictions)


@lru_cache(maxsize=64)
def compiled(program: Program) -> Any:
    """The function `(state, plan, rows, epochs) -> (state, r2)` that trains up to CHUNK epochs; r2 is (CHUNK, H*K).

    It is compiled by XLA at its first call with arrays of new shapes, and then kept.
    """
    networks = _Networks(program)
    W, B, K, F, H, N = networks.W, networks.B, networks.K, networks.F, networks.H, networks.N

    @tf.function(jit_compile=True, autograph=False)
    def train(state: State, plan: Plan, rows: Rows, epochs: Epochs) -> tuple[State, Tensor]:
        R = rows.table.shape[0]
        buffers = (
            _with_ones(tf.zeros([R, F, B]), plan.infinity),
            tf.zeros([R, H, B]),
            tf.zeros([R, B]),
            _with_ones(tf.zeros([K + N, W, B]), plan.infinity),
            tf.zeros([K + N, W, B]),
            tf.zeros([H * K + 1 + N, W, B]),
        )
        now = tf.zeros(state.predictions.shape)

        def epoch(e: Tensor, state: State, buffers: tuple[Tensor, ...], now: Tensor, curve: Tensor) -> tuple[Any, ...]:
            def step(s: Tensor, state: State, buffers: tuple[Tensor, ...]) -> tuple[Any, ...]:
                count = rows.train_count[:, s]
                batch = networks.batch(rows, epochs.order[e, :, s], count, *buffers[:3])
                return networks.step(state, plan, count, epochs.step_size[e, s], epochs.decay[e, s], batch + buffers[3:])

            state, buffers = _while(rows.train_steps, step, state, buffers)
            r2, now, buffers = networks.validate(state.weights, plan, rows, buffers, now)
            lanes, keep = _judge(state.lanes, plan, tf.reshape(r2, [H, K]))
            state = _keep(networks, state._replace(lanes=lanes), plan, rows, keep, now)
            return state, buffers, now, _write(curve, e, r2[None])

        state, _, _, curve = _while(epochs.count, epoch, state, buffers, now, tf.zeros([CHUNK, H * K]))
        return state, curve

    def numbered(*arguments: Any) -> Any:
        with program_cache.deterministic_names(program):
            return train(*arguments)

    return numbered
