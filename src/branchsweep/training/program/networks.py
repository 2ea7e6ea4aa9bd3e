"""The networks of one program, as functions on tensors: batch, forward, backward with update, validation.

The gradient is written by hand, layer by layer, because the layers run in waves (see `layer_schedule`): a loop whose length is
data, so that one program trains lanes of any depths, layers, heads and activations, and empty places cost nothing. What a
layer, an activation or a head computes is defined in `models/layers/` and `models/heads/`; a program contains those kinds that
its lanes may have and no others. The single-letter names are those of `program_arrays`; `o` is the first of S rows.

Units beyond a layer's own width have zero weights and every layer maps zeros to zeros, so they stay zero, gradients included:
no mask is needed. Sums over rows are written as matrix products, so that their order of summation, and with it their bits, are
the same in every place. `tf.matmul` would compute the same, but it adds attributes for automatic differentiation to a program,
in an order that changes from process to process, so that no process would find a program that another one has cached.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import tensorflow as tf

from branchsweep.models.heads.head import Head
from branchsweep.models.heads.registry import kinds_of
from branchsweep.models.layers.activations import evaluate_by_row
from branchsweep.models.layers.layer import BACK, FORWARD, OVER_ROWS
from branchsweep.models.layers.registry import activations_of, layers_of
from branchsweep.models.output_clipping import is_linear
from branchsweep.training.population import Program
from branchsweep.training.program.dropout import kept_share
from branchsweep.training.program.gradient_norms import balanced
from branchsweep.training.program.input_factors import factor_gradient, factor_settings, factors_of
from branchsweep.training.program.layer_kinds import KindsOfLayers, kinds_at
from branchsweep.training.program.layer_schedule import Stage, layer_capacity, program_stages
from branchsweep.training.program.optimizer_step import OptimizerStep
from branchsweep.training.program.program_arrays import (
    Layers,
    LogVariances,
    OptimizerSettings,
    Parameter,
    Plan,
    Rows,
    State,
    StepSettings,
    Tensor,
)
from branchsweep.training.program.target_noise import noisy_targets
from branchsweep.training.program.tensor_operations import TENSORS, read_rows, repeat, write_block, write_rows
from branchsweep.training.program.weight_rows import WeightRows


class Networks:
    """The networks of one program, as functions on tensors: batch, forward, backward with update, validation.

    Args:
        program: The shapes, and the kinds of layers, activations and heads.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.W, self.B, self.K, self.S = program.width, program.batch_size, program.lanes, program.slots
        self.F, self.H, self.N = program.inputs, len(program.losses), layer_capacity(program)
        self.stages = program_stages(program)
        self.heads, self.layers = kinds_of(program.losses), layers_of(program.layers)
        self.U = program.output_units
        self.activations = activations_of(program.activations)
        self.optimizer = OptimizerStep(program.optimizer, self.S)
        self.zero_row = self.H * self.K
        self.weight_rows = WeightRows(self.S, self.K, self.H, self.stages)

    def batch(self, rows: Rows, positions: Tensor, count: Tensor, X: Tensor, T: Tensor, M: Tensor) -> tuple[Tensor, ...]:
        """Gather one batch of every stream.

        Args:
            rows: The rows of the streams.
            positions: `(R, B)` positions of the batch's rows.
            count: `(R,)` how many of them are rows of the batch; the rest is padding.
            X: The buffer for the inputs, see `program_arrays`.
            T: The buffer for the targets.
            M: The buffer for the rows' weights.

        Returns:
            X, T and M with the batch.
        """

        def stream(r: Tensor, X: Tensor, T: Tensor, M: Tensor) -> tuple[Tensor, ...]:
            table = tf.transpose(tf.gather(rows.table[r], positions[r]))  # (F + H, B), or (F + 2 H, B)
            counts = tf.cast(tf.range(self.B) < count[r], tf.float32) / tf.cast(tf.maximum(count[r], 1), tf.float32)
            X = write_rows(X, r, table[None, : self.F], unit=1)
            if not self.program.weighted:
                return X, write_rows(T, r, table[None, self.F :]), write_rows(M, r, counts[None])
            end = self.F + self.H
            return X, write_rows(T, r, table[None, self.F : end]), write_rows(M, r, (table[end:] * counts)[None])

        return repeat(rows.streams, stream, X, T, M)  # type: ignore[no-any-return]  # TensorFlow ships no types

    def forward(
        self, weights: Layers, plan: Plan, X: Tensor, buffers: tuple[Tensor, ...], key: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Compute all hidden layers for a batch.

        Args:
            weights: The weights of all lanes.
            plan: The positions of the layers.
            X: `(R, 1 + F, B)` the inputs.
            buffers: A `(K + N, 1 + W, B)` for the layers' outputs; for gradients also D `(K + N, W, B)` for what they need.
            key: `(K,)` see `Epochs`; None to drop no outputs.

        Returns:
            The buffers with the layers' results.
        """

        def compute(row: Tensor, lanes: Tensor, block: Tensor, x: Tensor, A: Tensor, *saved: Tensor) -> tuple[Tensor, ...]:
            activation = tf.gather(plan.activation, lanes)[:, None, None]

            def activate(z: Tensor) -> tuple[Tensor, Tensor]:
                return evaluate_by_row(TENSORS, self.activations, activation, z)

            output, of_output = self.kinds_at(plan, row, block.shape[1]).forward(block, x, activate)
            output = self.dropped(plan, row, lanes, key, output)
            if plan.residual is not None:
                output = self.with_residual(plan, row, x[:, 1:], output)
            return write_rows(A, row, output, unit=1), *(write_rows(D, row, of_output) for D in saved)

        def first(i: Tensor, *buffers: Tensor) -> tuple[Tensor, ...]:
            o = i * self.S
            lanes = o + tf.range(self.S)
            x = tf.gather(X, tf.gather(plan.stream, lanes))  # (S, 1 + F, B)
            if plan.input_factor_rate is not None:
                x *= factors_of(plan, lanes, read_rows(weights[-1], o, self.S))
            return compute(o, lanes, read_rows(weights[0], o, self.S), x, *buffers)

        buffers = repeat(plan.lane_waves, first, *buffers)
        for number, stage in enumerate(self.stages):

            def hidden(i: Tensor, *buffers: Tensor, number: int = number, stage: Stage = stage) -> tuple[Tensor, ...]:
                o = i * self.S
                place = stage.begin + o
                x = tf.gather(buffers[0], read_rows(plan.reads, place, self.S))[:, : 1 + stage.reads]  # (S, 1 + V, B)
                block = read_rows(weights[1 + number], o, self.S)
                return compute(self.K + place, read_rows(plan.lane, place, self.S), block, x, *buffers)

            buffers = repeat(plan.waves[number], hidden, *buffers)
        return buffers

    def dropped(self, plan: Plan, row: Tensor, lanes: Tensor, key: Tensor | None, values: Tensor) -> Tensor:
        """Outputs of S layers, or gradients by them, after dropout (see `dropout.py`): `(S, U, B)`.

        Args:
            plan: Rates and numbers of the layers.
            row: The activation row of the first.
            lanes: `(S,)` their lanes.
            key: `(K,)` see `Epochs`; None for no dropout.
            values: `(S, U, B)`.
        """
        if key is None or plan.dropout is None:
            return values
        rates, numbers = read_rows(plan.dropout, row, self.S), read_rows(plan.number, row, self.S)
        return values * kept_share(rates, tf.gather(key, lanes), numbers, values.shape[1], self.B)

    def with_residual(self, plan: Plan, row: Tensor, values: Tensor, to: Tensor) -> Tensor:
        """`to`, `(S, U, B)`, plus `values`, `(S, V, B)`, where a layer adds what it reads.

        Outputs of the layer that is read, or gradients by the outputs of the one that reads. What is beyond a layer's own width
        is zero, so that the wider of the two may be cut.

        Args:
            plan: Says which layers do.
            row: The activation row of the first of S layers.
            values: See above.
            to: See above.
        """
        units = to.shape[1]
        added = tf.pad(values[:, :units], [[0, 0], [0, max(0, units - values.shape[1])], [0, 0]])
        return tf.where(read_rows(plan.residual, row, self.S)[:, None, None], to + added, to)

    def kinds_at(self, plan: Plan, row: Tensor, units: int) -> KindsOfLayers:
        """The kinds of the S layers of so many units from activation row `row` on."""
        return kinds_at(plan, self.layers, row, (self.S, units))

    def outputs(self, weights: Tensor, plan: Plan, o: Tensor, head: int, A: Tensor, T: Tensor) -> tuple[Tensor, ...]:
        """For S outputs of one head from row o on: inputs (S, 1 + W, B), raw outputs (S, units, B), and targets (S, 1, B)."""
        lanes = o - head * self.K + tf.range(self.S)
        x = tf.gather(A, read_rows(plan.output_reads, o, self.S))
        y = tf.einsum(FORWARD, read_rows(weights, o, self.S), x)
        if (units := self.heads[head].units) < self.U:
            y = y[:, :units]
        return x, y, tf.gather(T[:, head], tf.gather(plan.stream, lanes))[:, None]

    def slopes_back(self, slope: Tensor, block: Tensor) -> tuple[Tensor, Tensor]:
        """The slopes by S raw outputs with zeros for units that a head lacks (S, U, B), and by what they read (S, W, B).

        Args:
            slope: `(S, units, B)`.
            block: `(S, U, 1 + W)` the weights.
        """
        if self.U == 1:
            return slope, tf.transpose(block[:, :, 1:], [0, 2, 1]) * slope
        slope = tf.pad(slope, [[0, 0], [0, self.U - slope.shape[1]], [0, 0]])
        return slope, tf.einsum(BACK, block[:, :, 1:], slope)

    def row_shares(self, M: Tensor, head: int) -> Tensor:
        """By stream, what each row of the batch counts in the mean of one head's losses: `(R, B)`."""
        return M[:, head] if self.program.weighted else M

    def update_first(
        self,
        parameters: tuple[Parameter, ...],
        plan: Plan,
        o: Tensor,
        settings_of: Callable[[Tensor], OptimizerSettings],
        flow: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> tuple[Parameter, ...]:
        """Weights and moments of S first layers after one step; behind them those of the factors of the inputs.

        Args:
            parameters: The same before it; without factors where the program has none.
            plan: See `step`.
            o: The first lane.
            settings_of: Gives the settings of lanes, see `OptimizerStep.update`.
            flow: The lanes `(S,)`, their inputs `(S, 1 + F, B)`, what the layers saved, and the gradient by their outputs.
        """
        layers, *factors = parameters
        lanes, inputs, saved, gradient = flow
        x = inputs
        if factors:
            x = inputs * factors_of(plan, lanes, read_rows(factors[0].value, o, self.S))
        block = read_rows(layers.value, o, self.S)
        kinds = self.kinds_at(plan, o, block.shape[1])
        sent, to_weights = kinds.backward(block, x, saved, gradient)
        settings = settings_of(lanes)
        of_layers, reads_done = kinds.trained(settings), sent if factors else None
        layers = self.optimizer.update(layers, to_weights, o, of_layers, plan.infinity, reads_done)
        if not factors:
            return (layers,)
        to_factors, own_settings = factor_gradient(inputs, sent), factor_settings(plan, lanes, settings)
        return layers, self.optimizer.update(factors[0], to_factors, o, own_settings, plan.infinity, to_weights)

    def weigh(
        self, weight: Tensor, mean: Tensor, log_variances: Parameter, plan: Plan, o: Tensor, settings: OptimizerSettings
    ) -> tuple[Tensor, Parameter]:
        """The weights `(S, 1, 1)` of S losses in their lanes' sums, and the log variances after the step.

        With p (exp(-s) L + s) in the sum, L weighs p exp(-s), and the slope of s is p (1 - exp(-s) L) (`uncertainty` of
        `config/hyperparameters.py`). Where s is not learned it stays zero, and the weight p. It does not decay.

        Args:
            weight: `(S, 1, 1)` p, the static weight.
            mean: `(S, 1, 1)` L, the mean loss of the batch.
            log_variances: s of all outputs, with its moments.
            plan: Which lanes learn it.
            o: The first row.
            settings: See `OptimizerStep.update`.
        """
        precision = tf.exp(-read_rows(log_variances.value, o, self.S))
        slope = weight * (1.0 - precision * mean)
        own_settings = settings._replace(
            decay=tf.zeros_like(settings.decay), trains=settings.trains & read_rows(plan.uncertain, o, self.S)
        )
        return weight * precision, self.optimizer.update(log_variances, slope, o, own_settings, plan.infinity, slope)

    def arrived(self, plan: Plan, G: Tensor, o: Tensor, units: int) -> Tensor:
        """The gradient with respect to the S activation rows from o on, summed over the layers that read them: (S, U, B)."""
        sources = read_rows(plan.consumers, o, self.S)
        flows = [tf.gather(G, sources[:, consumer]) for consumer in range(self.H)]
        if plan.strength is not None:
            flows = balanced(flows, tf.gather(plan.strength, sources))
        return reduce(add, flows)[:, :units]

    def step(
        self, state: State, plan: Plan, count: Tensor, step: StepSettings, buffers: tuple[Tensor, ...]
    ) -> tuple[State, tuple[Tensor, ...]]:
        """Train every lane on one batch: forward, backward, update.

        Args:
            state: The lanes.
            plan: The positions of their layers, and their hyperparameters.
            count: `(R,)` rows of the batch by stream; lanes of streams with 0 do not train.
            step: The settings of this step.
            buffers: X, T and M with the batch, and A, D and G; see `program_arrays`.

        Returns:
            The state after the step, and the buffers.
        """
        X, T, M, A, D, G = buffers
        S, K, infinity = self.S, self.K, plan.infinity
        trains = state.lanes.going & (tf.gather(count, plan.stream) > 0)
        settings = OptimizerSettings(
            step_size=step.step_size[:, None, None],
            decay=step.decay[:, None, None],
            momentum=plan.momentum,
            beta_2=plan.beta_2,
            clipnorm=plan.clipnorm,
            trains=trains[:, None, None],
        )
        A, D = self.forward(state.weights, plan, X, (A, D), step.key)
        learning = [
            Parameter(*of_shape) for of_shape in zip(state.weights, state.first_moment, state.second_moment, strict=True)
        ]
        log_variances, outputs = state.log_variances, self.weight_rows.outputs

        def settings_of(lanes: Tensor) -> OptimizerSettings:
            return OptimizerSettings(*(None if setting is None else tf.gather(setting, lanes) for setting in settings))

        for head, kind in enumerate(self.heads):

            def output(
                i: Tensor,
                G: Tensor,
                layers: Parameter,
                log_variances: LogVariances,
                head: int = head,
                kind: Head = kind,
            ) -> tuple[Any, ...]:
                o = head * K + i * S
                lanes = i * S + tf.range(S)
                x, y, target = self.outputs(layers.value, plan, o, head, A, T)
                target = noisy_targets(plan, step.key, lanes, head, target) if is_linear(kind) else target
                share = tf.gather(self.row_shares(M, head), tf.gather(plan.stream, lanes))[:, None]
                weight = read_rows(plan.loss_weight, o, S)
                if log_variances:
                    mean = tf.einsum(OVER_ROWS, kind.loss(TENSORS, y, target), share)
                    weight, log_variances = self.weigh(weight, mean, log_variances, plan, o, settings_of(lanes))
                slope = kind.slope(TENSORS, y, target) * (share * weight)
                slope, sent = self.slopes_back(slope, read_rows(layers.value, o, S))
                G = write_rows(G, o, sent)
                done = slope[0, 0, 0] + read_rows(G, o, 1)[0, 0, 0]
                layers = self.optimizer.update(layers, tf.einsum(OVER_ROWS, slope, x), o, settings_of(lanes), infinity, done)
                return G, layers, log_variances

            G, learning[outputs], log_variances = repeat(plan.lane_waves, output, G, learning[outputs], log_variances)

        for number, stage in reversed(list(enumerate(self.stages))):

            def hidden(_: Tensor, o: Tensor, G: Tensor, layers: Parameter, stage: Stage = stage) -> tuple[Any, ...]:
                place = stage.begin + o
                row = K + place
                lanes = read_rows(plan.lane, place, S)
                gradient, saved = self.arrived(plan, G, row, stage.units), read_rows(D, row, S)[:, : stage.units]
                by_output, gradient = gradient, self.dropped(plan, row, lanes, step.key, gradient)
                x = tf.gather(A, read_rows(plan.reads, place, S))[:, : 1 + stage.reads]
                block = read_rows(layers.value, o, S)
                kinds = self.kinds_at(plan, row, stage.units)
                sent, to_weights = kinds.backward(block, x, saved, gradient)
                layers = self.optimizer.update(layers, to_weights, o, kinds.trained(settings_of(lanes)), infinity, sent)
                if plan.residual is not None:
                    sent = self.with_residual(plan, row, by_output, sent)
                return o - S, write_rows(G, self.zero_row + 1 + place, sent), layers

            # The row is a loop variable: computed from the number of waves, it would make that number a constant of the
            # program, which would be compiled again for each.
            last = (plan.waves[number] - 1) * S
            _, G, learning[1 + number] = repeat(plan.waves[number], hidden, last, G, learning[1 + number])

        def first(i: Tensor, layers: Parameter, *factors: Parameter) -> tuple[Parameter, ...]:
            o = i * S
            lanes = o + tf.range(S)
            units = self.program.trunk_width
            gradient, saved = self.arrived(plan, G, o, units), read_rows(D, o, S)[:, :units]
            gradient = self.dropped(plan, o, lanes, step.key, gradient)
            inputs = tf.gather(X, tf.gather(plan.stream, lanes))
            return self.update_first((layers, *factors), plan, o, settings_of, (lanes, inputs, saved, gradient))

        learning[0], *learning[outputs + 1 :] = repeat(plan.lane_waves, first, learning[0], *learning[outputs + 1 :])
        weights, first_moment, second_moment = (tuple(of_shape[part] for of_shape in learning) for part in range(3))
        state = state._replace(
            weights=weights,
            first_moment=first_moment,
            second_moment=second_moment,
            log_variances=log_variances,
            average=self.weight_rows.averaged(plan, step.average, settings.trains, weights, state.average),
        )
        return state, (X, T, M, A, D, G)

    def validate(
        self, weights: Layers, plan: Plan, rows: Rows, buffers: tuple[Tensor, ...], predictions: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """The score `(H*K,)` of every output on the validation rows, the raw outputs `(V, U*H*K, B)`, and the buffers."""
        X, T, M, A, D, G = buffers

        def chunk(
            c: Tensor, deviances: Tensor, predictions: Tensor, X: Tensor, T: Tensor, M: Tensor, A: Tensor
        ) -> tuple[Any, ...]:
            X, T, M = self.batch(rows, rows.validation[:, c], rows.validation_count[:, c], X, T, M)
            (A,) = self.forward(weights, plan, X, (A,))
            for head, kind in enumerate(self.heads):

                def output(
                    i: Tensor, deviances: Tensor, predictions: Tensor, head: int = head, kind: Head = kind
                ) -> tuple[Any, ...]:
                    o = head * self.K + i * self.S
                    _, y, target = self.outputs(weights[self.weight_rows.outputs], plan, o, head, A, T)
                    if plan.output_range is not None:
                        low, high = read_rows(plan.output_range[0], o, self.S), read_rows(plan.output_range[1], o, self.S)
                        y = tf.minimum(tf.maximum(y, low), high)
                    streams = tf.gather(plan.stream, i * self.S + tf.range(self.S))
                    share = tf.gather(self.row_shares(M, head), streams)[:, None]
                    counts = share > 0
                    factors = kind.deviance_factors(TENSORS, y, target)
                    factor, other = (tf.where(counts, value, 0.0) for value in factors)
                    if self.program.weighted:
                        rows_of_batch = tf.cast(tf.gather(rows.validation_count[:, c], streams), tf.float32)
                        other *= share * rows_of_batch[:, None, None]
                    deviance = tf.einsum(OVER_ROWS, factor, other)[:, 0, 0]
                    for unit in range(kind.units):
                        row = o + unit * self.H * self.K if unit else o
                        predictions = write_block(predictions, tf.stack([c, row, 0]), y[None, :, unit])
                    return write_rows(deviances, o, read_rows(deviances, o, self.S) + deviance), predictions

                deviances, predictions = repeat(plan.lane_waves, output, deviances, predictions)
            return deviances, predictions, X, T, M, A

        deviances = tf.zeros([self.H * self.K])
        deviances, predictions, X, T, M, A = repeat(rows.validation_steps, chunk, deviances, predictions, X, T, M, A)
        scores = tf.where(plan.null_deviance > 0.0, 1.0 - deviances / plan.null_deviance, 0.0)
        return scores, predictions, (X, T, M, A, D, G)
