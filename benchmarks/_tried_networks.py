"""Networks of the default recipe in plain TensorFlow, with layers that the compiled program does not have.

K networks of one shape train side by side, each on its own rows: arrays have the networks first. Gradients are
TensorFlow's own. In products: k networks, m members of one, h heads, b rows, i units that are read, o units.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Tensor = Any  # TensorFlow ships no types

Floats32 = NDArray[np.float32]

Variables = dict[str, Tensor]
"""By name, `(K, …)`."""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's Adam's

SLOPE_RATE = 0.1
"""The learning rate of slopes, frequencies and phases, as a multiple of that of the weights (RealMLP; its PBLD, likewise)."""


@dataclass(frozen=True)
class Periodic:
    """A periodic embedding of each input.

    Args:
        kind: `plr`: relu(W [cos v, sin v] + b) with v = 2 pi c x, beside x; `pl` the same without relu; `pbld`: x beside
            W cos(2 pi c x + phi) + b; `fixed`: [cos v, sin v] beside x, where c stays as it was drawn.
        sigma: The standard deviation of the initial frequencies c, cut at three of them.
        frequencies: Of an input.
        width: Numbers that an input becomes, beside itself; `fixed` has all waves.
    """

    kind: str
    sigma: float
    frequencies: int = 16
    width: int = 8

    @property
    def waves(self) -> int:
        """What is computed of the frequencies of an input."""
        return self.frequencies if self.kind == "pbld" else 2 * self.frequencies


@dataclass(frozen=True)
class Network:
    """The default recipe, and what is changed in it.

    Args:
        activation: One of `PLAIN`, or with a learned slope for each unit: `prelu` (begins at 0.25), `parametric_silu`
            and `parametric_mish`, z + alpha (f(z) - z) where alpha begins at 1.
        normalization: Layer normalisation of what each hidden layer computes: `none`, `plain` before its bias and activation,
            without further parameters, or `scaled` with a learned gain, too.
        periodic: An embedding of the inputs.
        members: Members of a TabM-mini: all share the weights of hidden layers; each has factors of the inputs, which begin
            as random signs, and outputs of its own.
        dropout: In the trunk.
        weight_decay: Decoupled, for kernels and biases.
        input_scaling: Of the inputs; empty for that of the recipe.
    """

    activation: str = "silu"
    normalization: str = "none"
    periodic: Periodic | None = None
    members: int = 1
    dropout: float = 0.2
    weight_decay: float = 0.1
    input_scaling: str = ""


WIDTHS = {"trunk_1": 64, "trunk_2": 64, "branches": 32}

NO_DECAY = "slope", "gain", "frequencies", "phases", "signs"
"""How the names of variables end that do not decay."""


@dataclass(frozen=True)
class Rows:
    """The rows of K networks, encoded.

    Args:
        x: `(K, n, F)`.
        y: `(K, n, H)`.
        held_out: `(K, t, F)`, to predict.
    """

    x: Floats32
    y: Floats32
    held_out: Floats32


@dataclass(frozen=True)
class Training:
    """How networks are trained: Adam with a cosine schedule.

    Args:
        epochs: Passes over the rows.
        batch_size: Rows of a step; the last of an epoch may have fewer.
        learning_rate: At the start.
    """

    epochs: int
    batch_size: int
    learning_rate: float = 5e-3


@dataclass(frozen=True)
class Draws:
    """Initial values of the variables of K networks: of one name alike, whatever else a network has.

    Args:
        seeds: Of each network.
    """

    seeds: Sequence[tuple[int, ...]]

    def random(self, name: str, draw: Callable[[np.random.Generator], NDArray[Any]]) -> Floats32:
        """Drawn for each network."""
        generators = (np.random.default_rng([*seed, zlib.crc32(name.encode())]) for seed in self.seeds)
        return np.stack([draw(generator) for generator in generators]).astype(np.float32)

    def glorot(self, name: str, shape: tuple[int, ...]) -> Floats32:
        """A Glorot-uniform kernel: the last two axes are what is read and computed."""
        limit = math.sqrt(6.0 / (shape[-2] + shape[-1]))
        return self.random(name, lambda generator: generator.uniform(-limit, limit, shape))

    def alike(self, value: float, *shape: int) -> Floats32:
        """One value everywhere."""
        return np.full((len(self.seeds), *shape), value, np.float32)


def embedding_variables(periodic: Periodic, inputs: int, draws: Draws) -> dict[str, Floats32]:
    """The variables of an embedding before the first step."""
    of_inputs, sigma = (inputs, periodic.frequencies), periodic.sigma
    made = {
        "periodic.frequencies": draws.random(
            "frequencies", lambda random: np.clip(random.normal(0.0, sigma, of_inputs), -3 * sigma, 3 * sigma)
        )
    }
    if periodic.kind == "pbld":
        made["periodic.phases"] = draws.random("phases", lambda random: random.uniform(-math.pi, math.pi, of_inputs))
    if periodic.kind != "fixed":
        made["periodic.kernel"] = draws.glorot("periodic", (inputs, periodic.waves, periodic.width))
        made["periodic.bias"] = draws.alike(0.0, inputs, periodic.width)
    return made


def initial_variables(network: Network, inputs: int, heads: int, draws: Draws) -> dict[str, Floats32]:
    """The variables before the first step. What two kinds of networks have in common begins alike in both."""
    read = inputs
    made: dict[str, Floats32] = {}
    if network.periodic is not None:
        made |= embedding_variables(network.periodic, inputs, draws)
        read += inputs * (network.periodic.waves if network.periodic.kind == "fixed" else network.periodic.width)
    if network.members > 1:
        made["members.signs"] = draws.random("signs", lambda random: random.choice([-1.0, 1.0], (network.members, inputs)))
    for name, units in WIDTHS.items():
        of_heads = (heads,) if name == "branches" else ()
        made[f"{name}.kernel"] = draws.glorot(name, (*of_heads, read, units))
        made[f"{name}.bias"] = draws.alike(0.0, *of_heads, units)
        if network.normalization == "scaled":
            made[f"{name}.gain"] = draws.alike(1.0, *of_heads, units)
        if network.activation.startswith("p"):
            made[f"{name}.slope"] = draws.alike(0.25 if network.activation == "prelu" else 1.0, *of_heads, units)
        read = units
    outputs = draws.glorot("outputs", (network.members, heads, read, 1))  # each is a layer of one unit
    return made | {"outputs.kernel": outputs[..., 0], "outputs.bias": draws.alike(0.0, network.members, heads)}


PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": tf.nn.silu,
    "relu": tf.nn.relu,
    "leaky_relu": tf.nn.leaky_relu,
    "elu": tf.nn.elu,
    "tanh": tf.tanh,
    "mish": lambda z: z * tf.tanh(tf.math.softplus(z)),
}
"""Activations without a learned slope."""


def activated(network: Network, z: Tensor, slope: Tensor | None) -> Tensor:
    """The activation of z, `(K, …, units)`.

    Args:
        network: Names the activation.
        z: Before it.
        slope: What is learned of it, so that it can be multiplied with z.
    """
    name = network.activation.removeprefix("parametric_")
    if name == "prelu":
        return tf.maximum(z, 0.0) + slope * tf.minimum(z, 0.0)
    value = PLAIN[name](z)
    return value if slope is None else z + slope * (value - z)


def embedded(periodic: Periodic, v: Variables, x: Tensor) -> Tensor:
    """`(K, B, F * (1 + width))` inputs `(K, B, F)` with their embeddings."""
    angles = 2.0 * math.pi * x[..., None] * v["periodic.frequencies"][:, None]  # (K, B, F, frequencies)
    if periodic.kind == "pbld":
        waves = tf.cos(angles + v["periodic.phases"][:, None])
    else:
        waves = tf.concat([tf.cos(angles), tf.sin(angles)], axis=-1)
    values = waves
    if periodic.kind != "fixed":
        values = tf.einsum("kbfi,kfio->kbfo", waves, v["periodic.kernel"]) + v["periodic.bias"][:, None]
        values = tf.nn.relu(values) if periodic.kind == "plr" else values
    return tf.concat([x, tf.reshape(values, [*x.shape[:2], values.shape[2] * values.shape[3]])], axis=-1)


def outputs(network: Network, v: Variables, x: Tensor, key: Tensor | None = None) -> Tensor:
    """What every member of every network computes, `(K, members, H, B)`.

    Args:
        network: What is computed.
        v: Its variables.
        x: `(K, B, F)`.
        key: From which dropout derives; None for none.
    """
    if network.periodic is not None:
        x = embedded(network.periodic, v, x)
    x = x[:, None]
    if network.members > 1:
        x = x * v["members.signs"][:, :, None]  # (K, m, B, F)

    def hidden(name: str, z: Tensor, expand: Callable[[Tensor], Tensor]) -> Tensor:
        if network.normalization != "none":
            mean = tf.reduce_mean(z, axis=-1, keepdims=True)
            z = (z - mean) * tf.math.rsqrt(tf.reduce_mean(tf.square(z - mean), axis=-1, keepdims=True) + 1e-3)
        if f"{name}.gain" in v:
            z = z * expand(v[f"{name}.gain"])
        slope = expand(v[f"{name}.slope"]) if f"{name}.slope" in v else None
        return activated(network, z + expand(v[f"{name}.bias"]), slope)

    for number, name in enumerate(("trunk_1", "trunk_2")):
        x = hidden(name, tf.einsum("kmbi,kio->kmbo", x, v[f"{name}.kernel"]), lambda by_unit: by_unit[:, None, None])
        if key is not None:
            kept = tf.random.stateless_uniform(x.shape, tf.stack([key, number])) >= network.dropout
            x = tf.where(kept, x / (1.0 - network.dropout), 0.0)
    x = tf.einsum("kmbi,khio->kmhbo", x, v["branches.kernel"])
    x = hidden("branches", x, lambda by_unit: by_unit[:, None, :, None])
    return tf.einsum("kmhbo,kmho->kmhb", x, v["outputs.kernel"]) + v["outputs.bias"][..., None]


def own_settings(network: Network, name: str) -> tuple[float, float]:
    """The factor of a variable's learning rate, and its decay."""
    rate = SLOPE_RATE if name.endswith(("slope", "frequencies", "phases")) else 1.0
    if network.periodic is not None and network.periodic.kind == "fixed" and name.endswith("frequencies"):
        rate = 0.0
    return rate, 0.0 if name.endswith(NO_DECAY) else network.weight_decay


Moments = tuple[Variables, Variables, Variables]
"""The variables and the moments of their gradients."""


def epoch_function(network: Network, rows: Rows, training: Training) -> Callable[..., Moments]:
    """Trains an epoch, from the variables with their moments, the order `(K, steps, B)` of the rows, and its first step.

    Rows are counted from 0; -1 in the order stands for none.
    """
    x, y = tf.constant(rows.x), tf.constant(rows.y)
    steps = -(-rows.x.shape[1] // training.batch_size)

    def step(number: Tensor, state: Moments, batch: Tensor) -> Moments:
        v, first, second = state
        counts = tf.cast(batch >= 0, tf.float32)
        positions = tf.maximum(batch, 0)
        x_batch, y_batch = (tf.gather(values, positions, batch_dims=1) for values in (x, y))
        with tf.GradientTape() as tape:
            tape.watch(v)
            errors = outputs(network, v, x_batch, number) - tf.transpose(y_batch, [0, 2, 1])[:, None]
            shares = counts / tf.reduce_sum(counts, axis=1, keepdims=True)
            loss = tf.reduce_sum(tf.square(errors) * shares[:, None, None]) / network.members
        gradients = tape.gradient(loss, v)
        done = tf.cast(number, tf.float32)
        rate = training.learning_rate * 0.5 * (1.0 + tf.cos(math.pi * done / (training.epochs * steps)))
        corrected = rate * tf.sqrt(1.0 - BETA_2 ** (done + 1.0)) / (1.0 - BETA_1 ** (done + 1.0))
        first = {name: BETA_1 * m + (1.0 - BETA_1) * gradients[name] for name, m in first.items()}
        second = {name: BETA_2 * m + (1.0 - BETA_2) * tf.square(gradients[name]) for name, m in second.items()}

        def updated(name: str, value: Tensor) -> Tensor:
            factor, decay = own_settings(network, name)
            value = value - value * (decay * rate)
            return value - factor * corrected * first[name] / (tf.sqrt(second[name]) + EPSILON)

        return {name: updated(name, value) for name, value in v.items()}, first, second

    def epoch(v: Variables, first: Variables, second: Variables, order: Tensor, begin: Tensor) -> Moments:
        def body(index: Tensor, state: Moments) -> tuple[Tensor, Moments]:
            return index + 1, step(begin + index, state, order[:, index])

        _, state = tf.while_loop(lambda index, _: index < steps, body, (tf.constant(0), (v, first, second)))
        return state  # type: ignore[no-any-return]  # TensorFlow ships no types

    return tf.function(epoch, jit_compile=True, autograph=False)  # type: ignore[no-any-return]  # likewise


def orders(rows: int, batch_size: int, seeds: Sequence[tuple[int, ...]], epoch: int) -> NDArray[np.int32]:
    """`(K, steps, B)` the rows of an epoch in random order, each network's own."""
    steps = -(-rows // batch_size)
    order = np.full((len(seeds), steps * batch_size), -1, np.int32)
    for network, seed in enumerate(seeds):
        order[network, :rows] = np.random.default_rng([*seed, epoch]).permutation(rows)
    return order.reshape(len(seeds), steps, batch_size)


def trained_predictions(
    network: Network, rows: Rows, training: Training, seeds: Sequence[tuple[int, ...]]
) -> tuple[Floats32, float]:
    """Trains K networks; what they predict for the rows held out, `(K, t, H)`, and processor seconds without compiling.

    Args:
        network: What is trained.
        rows: Of each network.
        training: How.
        seeds: Of each network, from which its initial variables and the order of its rows derive.
    """
    variables = initial_variables(network, rows.x.shape[2], rows.y.shape[2], Draws(seeds))
    v = {name: tf.constant(value) for name, value in variables.items()}
    state = (
        v,
        {name: tf.zeros_like(value) for name, value in v.items()},
        {name: tf.zeros_like(value) for name, value in v.items()},
    )
    epoch = epoch_function(network, rows, training)
    steps, began = -(-rows.x.shape[1] // training.batch_size), 0.0
    for number in range(training.epochs):
        order = orders(rows.x.shape[1], training.batch_size, seeds, number)
        state = epoch(*state, tf.constant(order), tf.constant(number * steps))
        if number == 0:
            began = time.process_time()
    seconds = (time.process_time() - began) * training.epochs / max(training.epochs - 1, 1)
    predicted = tf.reduce_mean(outputs(network, state[0], tf.constant(rows.held_out)), axis=1)
    return np.asarray(tf.transpose(predicted, [0, 2, 1])), seconds
