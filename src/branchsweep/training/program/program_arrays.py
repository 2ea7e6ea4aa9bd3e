"""The arrays of a compiled program: what goes into it, changes in it, and comes out of it.

Legend, with the shapes of the arrays (feature-major: units before rows, the fastest order on a CPU):

    K lanes   H heads   N places of hidden layers   S slots of a wave   F inputs   B rows of a batch
    U the most units of an output (1 for a number)
    W the wider of the program's two widths; a stage's layers have U' <= W units and read V <= W (see `stages`)
    R streams (distinct rows, order and scaling)   n training rows   C = ceil(n / B) batches of all rows
    V batches of validation rows   E epochs of a call, at most (see `shapes.py`)

    A   (K + N, 1 + W, B)   activations: row k the first layer of lane k, row K + p the hidden layer in place p; unit 0 is one
    D   (K + N, W, B)       slopes: the activation function's derivative at each unit
    G   (H*K + 1 + N, W, B) gradient rows: what each output and each hidden layer sends back to the layer that it reads
    X   (R, 1 + F, B)       inputs of a batch, input 0 is one
    T   (R, H, B), M (R, B) its targets, and 1 / rows for rows that count, 0 for those that pad; in a program with weights M is
        (R, H, B), each of them times the weight of the target

Units beyond a layer's own width have zero weights and f(0) = 0, so they stay zero, gradients included: no mask is needed.

A stage is a group of layers of one shape (see `layer_schedule.Stage`), a slot one of the layers that are computed side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Tensor = Any  # TensorFlow ships no types

Layers = tuple[Tensor, ...]
"""One number per weight of the population (weights, their moments, or a copy of them), by shape of layer: the lanes' first ones
(K, trunk width, 1 + F), those of each stage (its places, U', 1 + V), and the outputs (H*K, U, 1 + W). Rows are units, columns
what they read; column 0 is the bias, which reads the ones. In programs with factors of the inputs these come last,
(K, 1, 1 + F), where column 0 is not used."""


class Parameter(NamedTuple):
    """The weights of layers of one shape on their way through a step, with their moments."""

    value: Tensor
    first_moment: Tensor
    second_moment: Tensor


LogVariances = Parameter | tuple[()]
"""The log variances of the heads' losses (H*K, 1, 1) in programs where some lanes learn them; else an empty tuple."""


class Lanes(NamedTuple):
    """The progress of each lane. All `(K,)`."""

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
    average: Layers  # the moving average of the weights; empty in programs without one
    kept: Layers  # the weights that the policy keeps: of the best epoch, or the last
    lanes: Lanes
    predictions: Tensor  # (V, U*H*K, B) the raw outputs of the kept weights on the validation rows

    @property
    def predicting(self) -> Layers:
        """The weights that predict: the moving average where the program has one."""
        return self.average or self.weights


class Plan(NamedTuple):
    """The positions of the lanes' layers (see `layer_schedule.LayerSchedule`), and each lane's dynamic hyperparameters."""

    waves: Tensor  # (stages,)
    lane_waves: Tensor
    reads: Tensor
    lane: Tensor
    output_reads: Tensor
    consumers: Tensor
    activation: Tensor  # (K,) position among the program's activations
    layer: Tensor | None  # (K + N,) position among the program's kinds of layers, by activation row; None where there is one
    units: Tensor | None  # (K + N,) units of the layer, by activation row; None where no kind of layer needs them
    stream: Tensor  # (K,)
    loss_weight: Tensor  # (H*K, 1, 1)
    uncertain: Tensor | None  # (H*K, 1, 1) whether the lane learns log variances; None where the program has none
    strength: (
        Tensor | None
    )  # (H*K + 1 + N,) a gradient row's share where several meet, see lane_arrays; None where none is balanced
    momentum: Tensor  # (K, 1, 1)
    beta_2: Tensor | None  # (K, 1, 1); None where all lanes have the default
    residual: Tensor | None  # (K + N,) whether a layer adds what it reads, by activation row; None where none does
    input_factor_rate: Tensor | None  # (K, 1, 1) multiple of the step size, 0 for no factors; None where no lane has any
    clipnorm: Tensor | None  # (K, 1, 1) the most norm of a gradient, 0 for any; None where no lane has a limit
    dropout: Tensor | None  # (K + N,) the dropout rate, by activation row; None where no lane has any
    number: Tensor | None  # (K + N,) the number of the layer in its network, by activation row; None likewise
    stop: Tensor  # (K,) epochs after which the lane ends
    patience: Tensor  # (K,)
    min_delta: Tensor  # ()
    keep_last: Tensor  # (K,)
    validates: Tensor  # (K,) whether the lane has validation rows
    target_noise: Tensor | None  # (K, 1, 1) standard deviation; None where no lane has any
    output_range: Tensor | None  # (2, H*K, 1, 1) the least and the greatest raw output; None where no lane clips any
    null_deviance: Tensor  # (H*K,) deviance of the best constant on the validation targets, as encoded; 0: the score is 0
    score_weight: Tensor | None  # (H, 1) a head's weight in the lane's score; None where the program weighs none
    infinity: Tensor  # () a number that XLA does not know


class StepSettings(NamedTuple):
    """What changes from step to step. All `(K,)`; see `Epochs`."""

    step_size: Tensor
    decay: Tensor
    average: Tensor | None
    key: Tensor | None


class OptimizerSettings(NamedTuple):
    """The optimizer's settings for some lanes in one step. All `(lanes, 1, 1)`."""

    step_size: Tensor
    decay: Tensor
    momentum: Tensor
    beta_2: Tensor | None
    clipnorm: Tensor | None
    trains: Tensor  # whether the lane is updated


class Rows(NamedTuple):
    """The rows of the streams."""

    table: Tensor  # (R, n, F + H) scaled inputs and targets of each stream; (R, n, F + 2 H) with the weights of the targets
    streams: Tensor  # () streams in use
    validation: Tensor  # (R, V, B) positions of validation rows
    validation_count: Tensor  # (R, V) how many of a batch count
    validation_steps: Tensor  # ()
    train_count: Tensor  # (R, C)
    train_steps: Tensor  # ()


class Epochs(NamedTuple):
    """What changes from epoch to epoch, for up to E of them."""

    count: Tensor  # ()
    order: Tensor  # (E, R, C, B) positions of training rows
    step_size: Tensor  # (E, C, K) the update's factor, bias correction included
    decay: Tensor  # (E, C, K) the share of each weight that decays
    average: Tensor | None  # (E, C, K) the share of the moving average that stays; None in programs without one
    key: Tensor | None  # (E, C, K) what draws derive from; None in programs without dropout and noise

    def at(self, epoch: Tensor, step: Tensor) -> StepSettings:
        """The settings of one step of one epoch."""
        varying = (self.step_size, self.decay, self.average, self.key)
        return StepSettings(*(None if values is None else values[epoch, step] for values in varying))
