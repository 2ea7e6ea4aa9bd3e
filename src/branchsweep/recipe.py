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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from branchsweep.errors import ConfigError, did_you_mean
from branchsweep.trial import Params, ParamValue


class Acts(StrEnum):
    """Where a tunable acts."""

    BAKED = "baked"
    DIAL = "dial"


@dataclass(frozen=True, slots=True)
class Tunable:
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
    acts: Acts
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
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

WIDEST = 1024
"""Units of a layer, at most, however the layers before it widen."""

TUNABLES: Mapping[str, Tunable] = {
    tunable.name: tunable
    for tunable in (
        Tunable("trunk.depth", 2, Acts.DIAL, "hidden layers shared by all heads", low=1, high=16),
        Tunable("trunk.width", 10, Acts.BAKED, "units of each trunk layer", low=1, high=WIDEST),
        Tunable("trunk.taper", 1.0, Acts.BAKED, "factor of the units from one trunk layer to the next", low=0.25, high=2.0),
        Tunable("branch.depth", 1, Acts.DIAL, "hidden layers of a head's own", low=0, high=16, per_head="depth"),
        Tunable("branch.width", 10, Acts.BAKED, "units of each branch layer", low=1, high=WIDEST, per_head="width"),
        Tunable(
            "branch.taper",
            1.0,
            Acts.BAKED,
            "factor of the units from one branch layer to the next",
            low=0.25,
            high=2.0,
            per_head="taper",
        ),
        Tunable("loss_weight", 1.0, Acts.DIAL, "factor of a head's loss in the sum", low=0.0, high=1e6, per_head="loss_weight"),
        Tunable(
            "loss_balancing",
            "static",
            Acts.DIAL,
            "how heads with unlike losses share the trunk",
            choices=("static", "uncertainty", "gradient_norm"),
        ),
        Tunable("activation", "relu", Acts.DIAL, "of every hidden layer", choices=("relu", "silu", "tanh", "gelu")),
        Tunable("optimizer", "adam", Acts.BAKED, "the update rule", choices=("adam", "sgd")),
        Tunable("learning_rate", 1e-3, Acts.DIAL, "step size at the start", low=_TINY, high=100.0),
        Tunable("learning_rate_schedule", "constant", Acts.DIAL, "how the step size falls", choices=("constant", "cosine")),
        Tunable("momentum", 0.0, Acts.DIAL, "of sgd; adam has none", low=0.0, high=0.999),
        Tunable("weight_decay", 0.0, Acts.DIAL, "decoupled decay, as Keras's `weight_decay`", low=0.0, high=10.0),
        Tunable("batch_size", 128, Acts.BAKED, "rows per step", low=1, high=65536),
        Tunable(
            "input_scaling",
            "standard",
            Acts.DIAL,
            "of the input columns, fitted on training rows",
            choices=("none", "min_max", "standard", "quantile"),
        ),
        Tunable(
            "target_scaling", "standard", Acts.DIAL, "of the targets, fitted on training rows", choices=("none", "standard")
        ),
        Tunable("epochs", 0, Acts.DIAL, "passes over the training rows, at most fit.epochs; 0: fit.epochs", low=0, high=1e6),
    )
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of one branched network.

    Args:
        trunk: Units of the layers that all heads share, from the inputs on; at least one.
        branches: By head, the units of the layers of its own; empty where the head's output stands on the trunk itself.
        activation: Of every hidden layer; the outputs are linear, one unit each.
    """

    trunk: tuple[int, ...]
    branches: Mapping[str, tuple[int, ...]]
    activation: str

    @property
    def width(self) -> int:
        """Units of the widest hidden layer."""
        return max(self.trunk + tuple(width for branch in self.branches.values() for width in branch))

    def layers(self, inputs: int) -> Iterator[tuple[int, int]]:
        """`(in, out)` of every dense layer over `inputs` columns: the trunk, then head by head its branch and its output."""
        before = inputs
        for width in self.trunk:
            yield before, width
            before = width
        for branch in self.branches.values():
            last = before
            for width in branch:
                yield last, width
                last = width
            yield last, 1

    def parameters(self, inputs: int) -> int:
        """Weights and biases of the network over `inputs` columns."""
        return sum((read + 1) * units for read, units in self.layers(inputs))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a trial's params mean in full: every tunable with its value. Equal recipes train equal networks.

    Args:
        architecture: The network.
        loss_weights: By head, the factor of its loss.
        loss_balancing: See the module; `static` for a network of one head, which has nothing to balance.
        optimizer, learning_rate, learning_rate_schedule, momentum, weight_decay, batch_size, input_scaling, target_scaling,
            epochs: See the tunables of these names.
    """

    architecture: Architecture
    loss_weights: Mapping[str, float]
    loss_balancing: str
    optimizer: str
    learning_rate: float
    learning_rate_schedule: str
    momentum: float
    weight_decay: float
    batch_size: int
    input_scaling: str
    target_scaling: str
    epochs: int

    @classmethod
    def of(cls, params: Params, heads: Sequence[str]) -> Recipe:
        """The recipe that `params` spell out for a network with these heads; what they do not name has its default.

        Raises:
            ConfigError: A name is not a tunable's, or a value is not one it may have.
        """
        for name, value in params.items():
            check(name, value, heads)

        def said(name: str) -> ParamValue:
            return params.get(name, TUNABLES[name].default)

        def of_head(head: str, name: str) -> ParamValue:
            return params.get(f"{head}.{TUNABLES[name].per_head}", said(name))

        def stack(part: str, spelled: Callable[[str], ParamValue]) -> tuple[int, ...]:
            depth, width, taper = (spelled(f"{part}.{word}") for word in ("depth", "width", "taper"))
            return tapered(int(depth), int(width), float(taper))

        return cls(
            architecture=Architecture(
                trunk=stack("trunk", said),
                branches={head: stack("branch", partial(of_head, head)) for head in heads},
                activation=str(said("activation")),
            ),
            loss_weights={head: float(of_head(head, "loss_weight")) for head in heads},
            loss_balancing=str(said("loss_balancing")) if len(heads) > 1 else "static",
            optimizer=str(said("optimizer")),
            learning_rate=float(said("learning_rate")),
            learning_rate_schedule=str(said("learning_rate_schedule")),
            momentum=float(said("momentum")) if said("optimizer") == "sgd" else 0.0,
            weight_decay=float(said("weight_decay")),
            batch_size=int(said("batch_size")),
            input_scaling=str(said("input_scaling")),
            target_scaling=str(said("target_scaling")),
            epochs=int(said("epochs")),
        )


def recalled(plain: Mapping[str, Any]) -> Recipe:
    """The recipe that `dataclasses.asdict` made plain, before or after it was JSON."""
    shape = plain["architecture"]
    branches = {head: tuple(branch) for head, branch in shape["branches"].items()}
    architecture = Architecture(tuple(shape["trunk"]), branches, shape["activation"])
    return Recipe(**{**plain, "architecture": architecture})


def tapered(depth: int, width: int, taper: float) -> tuple[int, ...]:
    """Units of so many layers: the first has `width`, each further one `taper` times as many as the one before.

    Rounding does not add up along the stack; no layer has fewer than one unit, or more than `WIDEST`.
    """
    return tuple(min(WIDEST, max(1, round(width * taper**layer))) for layer in range(depth))


def tunable_of(name: str, heads: Iterable[str]) -> Tunable | None:
    """The tunable that `name` names (`"PE.depth"` names `branch.depth`), or None."""
    if name in TUNABLES:
        return TUNABLES[name]
    head, _, rest = name.rpartition(".")
    if head in set(heads):
        return next((tunable for tunable in TUNABLES.values() if tunable.per_head == rest), None)
    return None


def names(heads: Iterable[str]) -> list[str]:
    """Every name that a space or a configuration may use, given the heads."""
    per_head = [tunable.per_head for tunable in TUNABLES.values() if tunable.per_head]
    return [*TUNABLES, *(f"{head}.{rest}" for head in heads for rest in per_head)]


def check(name: str, value: ParamValue, heads: Sequence[str]) -> None:
    """Raise ConfigError unless `name` is a tunable's and may have `value`."""
    wrong = complaint(name, value, heads)
    if wrong:
        raise ConfigError(f"{name}: {wrong}")


def complaint(name: str, value: ParamValue, heads: Sequence[str]) -> str:
    """What is wrong with `name: value`, in a sentence; empty where nothing is."""
    tunable = tunable_of(name, heads)
    if tunable is None:
        return unknown(name, heads)
    if tunable.accepts(value):
        return ""
    hint = did_you_mean(value, tunable.choices) if isinstance(value, str) else ""
    return f"got {value!r}, expected {tunable.expected}{hint}"


def unknown(name: str, heads: Sequence[str]) -> str:
    """That `name` names no tunable, in a sentence."""
    valid = names(heads)
    return f"got '{name}', expected the name of a tunable ({', '.join(valid)}){did_you_mean(name, valid)}"
