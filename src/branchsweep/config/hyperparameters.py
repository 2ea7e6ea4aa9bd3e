"""All hyperparameters, each with its type, default and bounds.

`HYPERPARAMETERS` has one entry per hyperparameter. A **static** one shapes the compiled program, so that trials that differ in
it cannot always train together; a **dynamic** one is an array over the lanes of a program and costs no compilation.

A hyperparameter with `per_head` can be given for all heads (`branch.depth`, `branch.width`, `loss_weight`) or for one
(`PE.depth`, `PE.width`, `PE.loss_weight`); the value of the head takes precedence. `reads` names another head, so it can be
given for one only.

`exit` and `reads` say where a head's branch begins:

- With `PE.exit: 2`, the first layer of PE's branch (its output, where it has no layers) reads the second layer of the trunk. 0,
  and any number of at least `trunk.depth`, is the trunk's end. Trunk layers that come after the last exit would be read by no
  head, and are left out.
- With `V.reads: PE`, the first layer of V's branch (its output, where it has no layers) reads the last hidden layer of PE's
  branch in place of the trunk. Both learn together: the layers of PE's branch from the losses of both heads. Where PE has no
  layers of its own, V's branch begins where PE's output does. `V.exit` has no effect then. A head may read those that stand
  before it in `heads`, so there are no circles.

`loss_balancing` is the scheme by which the heads' losses L_h are combined. The `loss_weight` p_h has an effect in each:

- `static` minimises sum_h p_h L_h.
- `uncertainty` minimises sum_h p_h (exp(-s_h) L_h + s_h), where the log variances s_h begin at 0 and learn with the weights, by
  the same optimizer and step size, without decay (Kendall, Gal and Cipolla 2018, their sum times two, so that a network begins
  as under `static`). At the optimum exp(s_h) = L_h: a head is weighted by its noise, and by p_h. So gradients grow as losses
  fall, which affects sgd but not adam.
- `gradient_norm` gives every head a gradient at the trunk whose norm is proportional to p_h. With Z the output of the trunk for
  a batch and g_h = p_h dL_h/dZ, the trunk learns from sum_h c_h g_h, where c_h = p_h / (sum_i p_i) (sum_i |g_i|) / |g_h|. The
  sum of the norms is kept and shared by the loss weights. That is the aim of GradNorm (Chen et al. 2018,
  alpha = 0), that all heads have the mean norm, reached at every step instead of approached by gradient descent; measured at
  the shared features, as in MGDA-UB (Sener and Koltun 2018). Branches learn from p_h L_h as under `static`. Where heads leave
  the trunk at different layers, or read each other, the same holds at every layer Z that several layers read: g_i is then the
  gradient that comes back from the i-th of them, balanced already, and p_i the sum of the loss weights of the heads behind it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from branchsweep.config import kinds
from branchsweep.config.entry_points import EntryPointError
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.trial import ParamValue


class Binding(StrEnum):
    """How a hyperparameter enters the compiled program."""

    STATIC = "static"
    DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A hyperparameter of networks and their training.

    Args:
        name: The name in YAML, in Python and in MLflow.
        default: The value where none is given.
        binding: Whether it is static or dynamic.
        meaning: A phrase for tables, the JSON Schema and messages.
        low: Smallest value of a number.
        high: Largest value of a number.
        choices: The values of a text.
        per_head: Its name after that of a head (`PE.depth`); empty for one of the whole network.
        zero_means: What 0 stands for, where it is not the smallest amount; else empty.
        names_heads: Whether its choices are `trunk` and the heads before its own, so that it is given for one head only.
    """

    name: str
    default: ParamValue
    binding: Binding
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    choices: Sequence[str] = ()
    per_head: str = ""
    zero_means: str = ""
    names_heads: bool = False

    @property
    def expected(self) -> str:
        """What a value must be, as the end of a message."""
        if self.names_heads:
            return f"{' or '.join(self.choices)} (a head can only read those before it in heads)"
        if self.choices:
            return "one of " + ", ".join(kinds.all_names(self.choices))
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        if math.isinf(self.high):
            return f"{kind} of at least {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def accepts(self, value: ParamValue) -> bool:
        """Whether the hyperparameter can have this value."""
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if isinstance(value, (bool, str)) or (isinstance(self.default, int) and not isinstance(value, int)):
            return False
        return math.isfinite(value) and self.low <= value <= self.high


_TINY = 1e-12  # smallest positive value: no learning rate or weight below it is meant

MAX_UNITS = 1024
"""Units of a layer, at most, whatever the taper."""

MAX_TRUNK_LAYERS = 16

TRUNK = "trunk"
"""The value of `reads` of a head whose branch begins at the trunk."""

HYPERPARAMETERS: Mapping[str, Hyperparameter] = {
    hyperparameter.name: hyperparameter
    for hyperparameter in (
        Hyperparameter("trunk.depth", 2, Binding.DYNAMIC, "hidden layers shared by all heads", low=1, high=MAX_TRUNK_LAYERS),
        Hyperparameter("trunk.width", 10, Binding.STATIC, "units of each trunk layer", low=1, high=MAX_UNITS),
        Hyperparameter(
            "trunk.taper", 1.0, Binding.STATIC, "factor of the units from one trunk layer to the next", low=0.25, high=2.0
        ),
        Hyperparameter("trunk.layer", kinds.DEFAULT_LAYER, Binding.DYNAMIC, "kind of the trunk layers", choices=kinds.LAYERS),
        Hyperparameter(
            "trunk.dropout",
            0.0,
            Binding.DYNAMIC,
            "share of each trunk layer's outputs that a step sets to 0",
            low=0.0,
            high=0.9,
        ),
        Hyperparameter("branch.depth", 1, Binding.DYNAMIC, "hidden layers of a head's own", low=0, high=16, per_head="depth"),
        Hyperparameter(
            "branch.width", 10, Binding.STATIC, "units of each branch layer", low=1, high=MAX_UNITS, per_head="width"
        ),
        Hyperparameter(
            "branch.taper",
            1.0,
            Binding.STATIC,
            "factor of the units from one branch layer to the next",
            low=0.25,
            high=2.0,
            per_head="taper",
        ),
        Hyperparameter(
            "branch.layer",
            kinds.DEFAULT_LAYER,
            Binding.DYNAMIC,
            "kind of the branch layers",
            choices=kinds.LAYERS,
            per_head="layer",
        ),
        Hyperparameter(
            "branch.exit",
            0,
            Binding.DYNAMIC,
            "trunk layers before a branch begins; 0, or more than there are: all",
            low=0,
            high=MAX_TRUNK_LAYERS,
            per_head="exit",
            zero_means="all",
        ),
        Hyperparameter(
            "branch.reads",
            TRUNK,
            Binding.DYNAMIC,
            "where a branch begins: at the trunk, or at another head's last hidden layer",
            choices=(TRUNK,),
            per_head="reads",
            names_heads=True,
        ),
        Hyperparameter(
            "branch.dropout",
            0.0,
            Binding.DYNAMIC,
            "share of each branch layer's outputs that a step sets to 0",
            low=0.0,
            high=0.9,
            per_head="dropout",
        ),
        Hyperparameter(
            "loss_weight", 1.0, Binding.DYNAMIC, "factor of a head's loss in the sum", low=0.0, high=1e6, per_head="loss_weight"
        ),
        Hyperparameter(
            "loss_balancing",
            "static",
            Binding.DYNAMIC,
            "how heads with unlike losses share the trunk",
            choices=("static", "uncertainty", "gradient_norm"),
        ),
        Hyperparameter(
            "residual",
            "none",
            Binding.DYNAMIC,
            "which hidden layers add what they read to what they compute: none, or those as wide as the layer that they read",
            choices=("none", "equal_widths"),
        ),
        Hyperparameter(
            "input_factor_rate",
            0.0,
            Binding.DYNAMIC,
            "learning rate of a learned factor of each encoded input, as a multiple of that of the weights; 0: no factors",
            low=0.0,
            high=100.0,
            zero_means="no factors",
        ),
        Hyperparameter("activation", "relu", Binding.DYNAMIC, "of every hidden layer", choices=kinds.ACTIVATIONS),
        Hyperparameter("optimizer", "adam", Binding.STATIC, "the update rule", choices=("adam", "sgd")),
        Hyperparameter("learning_rate", 1e-3, Binding.DYNAMIC, "step size at the start", low=_TINY, high=100.0),
        Hyperparameter(
            "learning_rate_schedule",
            "constant",
            Binding.DYNAMIC,
            "how the step size falls",
            choices=kinds.LEARNING_RATE_SCHEDULES,
        ),
        Hyperparameter(
            "warmup", 0.0, Binding.DYNAMIC, "share of all steps over which the step size rises from 0", low=0.0, high=0.9
        ),
        Hyperparameter("momentum", 0.0, Binding.DYNAMIC, "of sgd; adam has none", low=0.0, high=0.999),
        Hyperparameter("beta_2", 0.999, Binding.DYNAMIC, "of adam: memory of the squared gradients", low=0.5, high=0.99999),
        Hyperparameter(
            "ema_momentum",
            0.0,
            Binding.DYNAMIC,
            "of the moving average of the weights, which predicts in their place; 0: none",
            low=0.0,
            high=0.9999,
        ),
        Hyperparameter(
            "clipnorm",
            0.0,
            Binding.DYNAMIC,
            "most norm of the gradient of each kernel and each bias, as Keras's `clipnorm`; 0: any",
            low=0.0,
            high=1e6,
            zero_means="any",
        ),
        Hyperparameter("weight_decay", 0.0, Binding.DYNAMIC, "decoupled decay, as Keras's `weight_decay`", low=0.0, high=10.0),
        Hyperparameter("batch_size", 128, Binding.STATIC, "rows per step", low=1, high=65536),
        Hyperparameter(
            "input_scaling",
            "standard",
            Binding.DYNAMIC,
            "of the input columns, fitted on training rows",
            choices=kinds.ENCODERS,
        ),
        Hyperparameter("bins", 48, Binding.STATIC, "of piecewise-linear encoding, for each column", low=1, high=256),
        Hyperparameter(
            "one_hot_limit",
            64,
            Binding.STATIC,
            "most categories of a column that is one-hot; others are hashed",
            low=0,
            high=1e4,
        ),
        Hyperparameter("hash_columns", 16, Binding.STATIC, "encoded columns of a hashed column", low=1, high=1024),
        Hyperparameter(
            "target_scaling",
            "standard",
            Binding.DYNAMIC,
            "of the targets, fitted on training rows",
            choices=kinds.TARGET_ENCODERS,
        ),
        Hyperparameter(
            "target_noise",
            0.0,
            Binding.DYNAMIC,
            "standard deviation of the noise that each training step adds to the scaled targets",
            low=0.0,
            high=10.0,
        ),
        Hyperparameter(
            "output_clipping",
            "none",
            Binding.DYNAMIC,
            "whether predictions are clipped to the range of the training targets",
            choices=("none", "training_range"),
        ),
        Hyperparameter(
            "epochs",
            0,
            Binding.DYNAMIC,
            "passes over the training rows, at most fit.epochs; 0: fit.epochs",
            low=0,
            high=1e6,
            zero_means="fit.epochs",
        ),
    )
}


def find_hyperparameter(name: str, heads: Iterable[str]) -> Hyperparameter | None:
    """The hyperparameter of a name (`"PE.depth"` is `branch.depth` of the head PE), or None.

    One whose values are heads has those before `PE` as its choices.
    """
    if name in HYPERPARAMETERS:
        return None if HYPERPARAMETERS[name].names_heads else HYPERPARAMETERS[name]
    head, _, rest = name.rpartition(".")
    names = list(heads)
    if head not in names:
        return None
    found = next((hyperparameter for hyperparameter in HYPERPARAMETERS.values() if hyperparameter.per_head == rest), None)
    if found is None or not found.names_heads:
        return found
    return replace(found, choices=(*found.choices, *names[: names.index(head)]))


def hyperparameter_names(heads: Iterable[str]) -> list[str]:
    """Every name that a space or an initial trial may use, given the heads."""
    per_head = [hyperparameter.per_head for hyperparameter in HYPERPARAMETERS.values() if hyperparameter.per_head]
    for_all = [name for name, hyperparameter in HYPERPARAMETERS.items() if not hyperparameter.names_heads]
    return [*for_all, *(f"{head}.{rest}" for head in heads for rest in per_head)]


def check_value(name: str, value: ParamValue, heads: Sequence[str]) -> None:
    """Raise ConfigError unless `name` is a hyperparameter and can have `value`."""
    problem = value_problem(name, value, heads)
    if problem:
        raise ConfigError(problem, where=name)


def value_problem(name: str, value: ParamValue, heads: Sequence[str]) -> str:
    """What is wrong with a value of a hyperparameter, as a message; empty where nothing is."""
    hyperparameter = find_hyperparameter(name, heads)
    if hyperparameter is None:
        return unknown_name_problem(name, heads)
    try:
        if hyperparameter.accepts(value):
            return ""
    except EntryPointError as error:
        return error.message
    hint = did_you_mean(value, kinds.all_names(hyperparameter.choices)) if isinstance(value, str) else ""
    return f"got {value!r}, expected {hyperparameter.expected}{hint}"


def unknown_name_problem(name: str, heads: Sequence[str]) -> str:
    """That `name` is no hyperparameter, as a message."""
    if name in HYPERPARAMETERS:
        of_heads = " or ".join(f"{head}.{HYPERPARAMETERS[name].per_head}" for head in heads)
        return f"got '{name}', expected the name of the head that reads another: {of_heads}"
    valid = hyperparameter_names(heads)
    alike = [
        other for other in HYPERPARAMETERS if other in valid and (other.endswith(f".{name}") or other.startswith(f"{name}_"))
    ]
    hint = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else did_you_mean(name, valid)
    return f"got '{name}', expected the name of a hyperparameter ({', '.join(valid)}){hint}"
