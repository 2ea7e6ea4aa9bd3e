"""The vocabulary of tunables, and the recipe that a trial's params spell out.

Every tunable stands in `TUNABLES`: one line here, one place in `training/` where it acts. A **baked** tunable shapes the
compiled program, so trials that differ in it cannot always train side by side; a **dial** is data, it rides as an array over
the lanes and costs nothing.

A tunable marked `per_head` may be named for all heads (`branch.depth`, `branch.width`, `loss_weight`) or for one
(`PE.depth`, `PE.width`, `PE.loss_weight`); the one named for the head wins.

Depth, width and taper together spell the widths of a stack of layers: see `tapered`.

`loss_balancing` says how the heads' losses L_h share the network. The `loss_weight` p_h stays in force under each scheme:

- `static` minimises sum_h p_h L_h.
- `uncertainty` minimises sum_h p_h (exp(-s_h) L_h + s_h), where the log variances s_h begin at 0 and learn with the weights, by
  the same optimizer and step size, without decay (Kendall, Gal and Cipolla 2018, their sum times two, so that a network begins
  as under `static`). At rest exp(s_h) = L_h: a head counts by its own noise, and p_h times. So slopes grow as losses fall, to
  which adam is indifferent and sgd is not.
- `gradient_norm` lets every head pull at the trunk with a strength in proportion to p_h. With Z the output of the trunk for a
  batch and g_h = p_h dL_h/dZ, the trunk learns from sum_h c_h g_h, where c_h = p_h / (sum_i p_i) (sum_i |g_i|) / |g_h|. In
  words: heads keep the sum of their norms and share it by their loss weights. That is the aim of GradNorm (Chen et al. 2018,
  alpha = 0), that all heads have the mean norm, met at every step instead of approached by gradient descent; measured at the
  shared features, as in MGDA-UB (Sener and Koltun 2018). Branches learn from p_h L_h as under `static`: no other head is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from branchsweep.config import kinds
from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.trial import ParamValue


class Binding(StrEnum):
    """Where a tunable acts."""

    BAKED = "baked"
    DIAL = "dial"


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One thing that a recipe says.

    Args:
        name: The name in YAML, in Python and in MLflow.
        default: The value where nobody says anything.
        acts: Baked into the program, or a dial.
        meaning: One sentence for the documentation and for error messages.
        low: Smallest value, for numbers.
        high: Largest value, for numbers.
        choices: The words it may be, for words.
        per_head: The name it has below a head's (`PE.depth`), empty where it is the network's.
    """

    name: str
    default: ParamValue
    acts: Binding
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    choices: Sequence[str] = ()
    per_head: str = ""

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        if math.isinf(self.high):
            return f"{kind} of at least {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def accepts(self, value: ParamValue) -> bool:
        """Whether the tunable may have this value."""
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if isinstance(value, (bool, str)) or (isinstance(self.default, int) and not isinstance(value, int)):
            return False
        return math.isfinite(value) and self.low <= value <= self.high


_TINY = 1e-12  # smallest positive value worth a word: below it a learning rate or weight is no number anyone meant

MAX_UNITS = 1024
"""Units of a layer, at most, however the layers before it widen."""

HYPERPARAMETERS: Mapping[str, Hyperparameter] = {
    tunable.name: tunable
    for tunable in (
        Hyperparameter("trunk.depth", 2, Binding.DIAL, "hidden layers shared by all heads", low=1, high=16),
        Hyperparameter("trunk.width", 10, Binding.BAKED, "units of each trunk layer", low=1, high=MAX_UNITS),
        Hyperparameter(
            "trunk.taper", 1.0, Binding.BAKED, "factor of the units from one trunk layer to the next", low=0.25, high=2.0
        ),
        Hyperparameter("trunk.layer", kinds.DEFAULT_LAYER, Binding.DIAL, "kind of the trunk layers", choices=kinds.LAYERS),
        Hyperparameter("branch.depth", 1, Binding.DIAL, "hidden layers of a head's own", low=0, high=16, per_head="depth"),
        Hyperparameter(
            "branch.width", 10, Binding.BAKED, "units of each branch layer", low=1, high=MAX_UNITS, per_head="width"
        ),
        Hyperparameter(
            "branch.taper",
            1.0,
            Binding.BAKED,
            "factor of the units from one branch layer to the next",
            low=0.25,
            high=2.0,
            per_head="taper",
        ),
        Hyperparameter(
            "branch.layer",
            kinds.DEFAULT_LAYER,
            Binding.DIAL,
            "kind of the branch layers",
            choices=kinds.LAYERS,
            per_head="layer",
        ),
        Hyperparameter(
            "loss_weight", 1.0, Binding.DIAL, "factor of a head's loss in the sum", low=0.0, high=1e6, per_head="loss_weight"
        ),
        Hyperparameter(
            "loss_balancing",
            "static",
            Binding.DIAL,
            "how heads with unlike losses share the trunk",
            choices=("static", "uncertainty", "gradient_norm"),
        ),
        Hyperparameter("activation", "relu", Binding.DIAL, "of every hidden layer", choices=kinds.ACTIVATIONS),
        Hyperparameter("optimizer", "adam", Binding.BAKED, "the update rule", choices=("adam", "sgd")),
        Hyperparameter("learning_rate", 1e-3, Binding.DIAL, "step size at the start", low=_TINY, high=100.0),
        Hyperparameter(
            "learning_rate_schedule", "constant", Binding.DIAL, "how the step size falls", choices=("constant", "cosine")
        ),
        Hyperparameter("momentum", 0.0, Binding.DIAL, "of sgd; adam has none", low=0.0, high=0.999),
        Hyperparameter("weight_decay", 0.0, Binding.DIAL, "decoupled decay, as Keras's `weight_decay`", low=0.0, high=10.0),
        Hyperparameter("batch_size", 128, Binding.BAKED, "rows per step", low=1, high=65536),
        Hyperparameter(
            "input_scaling",
            "standard",
            Binding.DIAL,
            "of the input columns, fitted on training rows",
            choices=kinds.ENCODERS,
        ),
        Hyperparameter(
            "target_scaling", "standard", Binding.DIAL, "of the targets, fitted on training rows", choices=kinds.TARGET_ENCODERS
        ),
        Hyperparameter(
            "epochs", 0, Binding.DIAL, "passes over the training rows, at most fit.epochs; 0: fit.epochs", low=0, high=1e6
        ),
    )
}


def find_hyperparameter(name: str, heads: Iterable[str]) -> Hyperparameter | None:
    """The tunable that `name` names (`"PE.depth"` names `branch.depth`), or None."""
    if name in HYPERPARAMETERS:
        return HYPERPARAMETERS[name]
    head, _, rest = name.rpartition(".")
    if head in set(heads):
        return next((tunable for tunable in HYPERPARAMETERS.values() if tunable.per_head == rest), None)
    return None


def hyperparameter_names(heads: Iterable[str]) -> list[str]:
    """Every name that a space or a configuration may use, given the heads."""
    per_head = [tunable.per_head for tunable in HYPERPARAMETERS.values() if tunable.per_head]
    return [*HYPERPARAMETERS, *(f"{head}.{rest}" for head in heads for rest in per_head)]


def check_value(name: str, value: ParamValue, heads: Sequence[str]) -> None:
    """Raise ConfigError unless `name` is a tunable's and may have `value`."""
    wrong = value_problem(name, value, heads)
    if wrong:
        raise ConfigError(f"{name}: {wrong}")


def value_problem(name: str, value: ParamValue, heads: Sequence[str]) -> str:
    """What is wrong with `name: value`, in a sentence; empty where nothing is."""
    tunable = find_hyperparameter(name, heads)
    if tunable is None:
        return unknown_name_problem(name, heads)
    if tunable.accepts(value):
        return ""
    hint = did_you_mean(value, tunable.choices) if isinstance(value, str) else ""
    return f"got {value!r}, expected {tunable.expected}{hint}"


def unknown_name_problem(name: str, heads: Sequence[str]) -> str:
    """That `name` names no tunable, in a sentence."""
    valid = hyperparameter_names(heads)
    return f"got '{name}', expected the name of a tunable ({', '.join(valid)}){did_you_mean(name, valid)}"
