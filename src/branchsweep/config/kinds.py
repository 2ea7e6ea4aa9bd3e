"""The kinds that the extension points offer, by the names that YAML has for them.

What a kind does stands in `data/encoders/`, `models/layers/` and `models/heads/`. Its name stands here, below them: so an
experiment is checked and its JSON Schema printed without importing a network, and imports still point downwards. A kind that a
user brings along adds its name when it is registered in its folder, with the module that registers it, which worker processes
import; one of another package is found by its entry point (`entry_points.py`). The built-in ones are listed, in the order of
messages.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from branchsweep.config.entry_points import ExtensionPoint
from branchsweep.config.metric_names import D2_LOG_LOSS, D2_PINBALL, D2_POISSON, R2


class KindNames(Sequence[str]):
    """The names of one extension point, each once, in the order in which they were added.

    A name of another package is contained in it, too, but not listed.

    Args:
        names: Those of the built-in kinds.
        point: How other packages offer theirs; None where they cannot.
    """

    def __init__(self, names: Iterable[str], point: ExtensionPoint | None = None) -> None:
        self._names = list(names)
        self._built_in = frozenset(self._names)
        self._modules: dict[str, str] = {}
        self._point = point

    def add(self, name: str, module: str = "") -> None:
        """Offer one name more, or one that is offered already from another module.

        Args:
            name: The name of the kind.
            module: The module that registers the kind when it is imported.
        """
        if name not in self._names:
            self._names.append(name)
        self._modules[name] = module

    def discard(self, name: str) -> None:
        """Offer a name no longer."""
        if name in self._names:
            self._names.remove(name)
        self._modules.pop(name, None)

    def is_built_in(self, name: str) -> bool:
        """Whether this package defines the kind of this name, and nobody has registered another one in its place."""
        return name in self._built_in and name in self._names and name not in self._modules

    def of_package(self, name: str) -> Any:
        """The object that another package offers under this name; None if none does.

        Raises:
            EntryPointError: What the package offers cannot be used.
        """
        return self._point.load(name) if self._point else None

    @property
    def of_packages(self) -> list[str]:
        """The names that other packages offer, which takes a while to find out.

        Raises:
            EntryPointError: What a package offers cannot be used.
        """
        return self._point.names() if self._point else []

    @property
    def modules(self) -> list[str]:
        """The modules that registered kinds from outside this package and that another process can import."""
        return [module for module in dict.fromkeys(self._modules.values()) if module not in ("", "__main__")]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._names[index]

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names or (isinstance(name, str) and self.of_package(name) is not None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __repr__(self) -> str:
        return f"KindNames({self._names!r})"


def all_names(names: Sequence[str]) -> list[str]:
    """These names, with those that other packages offer: for messages and the JSON Schema."""
    return [*names, *(names.of_packages if isinstance(names, KindNames) else [])]


class Named(Protocol):
    """A kind: what an extension point offers under a name."""

    @property
    def name(self) -> str:
        """The name in YAML."""


Kind = TypeVar("Kind", bound=Named)


class KindRegistry(Generic[Kind]):
    """The kinds of one extension point: the built-in ones, and those that users register or that other packages offer.

    Args:
        names: The names that experiments are checked against; they follow the registered kinds.
        built_in: The kinds of this package, whose names are listed already.
    """

    def __init__(self, names: KindNames, built_in: Iterable[Kind]) -> None:
        self._names = names
        self._kinds = {kind.name: kind for kind in built_in}

    def register(self, kind: Kind, module: str) -> None:
        """Offer a kind more, which this module registers when it is imported."""
        self._kinds[kind.name] = kind
        self._names.add(kind.name, module)

    def unregister(self, name: str) -> None:
        """Offer a kind no longer."""
        self._kinds.pop(name, None)
        self._names.discard(name)

    def __getitem__(self, name: str) -> Kind:
        kind: Kind | None = self._kinds.get(name) or self._names.of_package(name)
        if kind is None:
            raise KeyError(name)
        return kind

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def of_packages(self) -> list[Kind]:
        """Those of other packages, which are imported."""
        return [self[name] for name in self._names.of_packages]


def _kind_names(group: str, names: Iterable[str], contract: str, attributes: Sequence[str]) -> KindNames:
    """The names of one extension point.

    Args:
        group: Of its entry points, such as `heads`.
        names: The built-in ones.
        contract: The class of its objects.
        attributes: What they must have, besides `name`.
    """
    built_in = tuple(names)
    where = f"an object of branchsweep.{contract}"
    point = ExtensionPoint(f"branchsweep.{group}", group.removesuffix("s"), built_in, where, ("name", *attributes))
    return KindNames(built_in, point)


ENCODERS = _kind_names(
    "encoders",
    ("none", "min_max", "standard", "robust", "quantile", "piecewise_linear", "piecewise_linear_tree", "periodic"),
    "data.encoders.encoder.Encoder",
    ("fit_state", "served", "source", "width", "beside", "with_bins"),
)
"""What `input_scaling` may be."""

TARGET_ENCODERS = KindNames(("none", "standard"))
"""What `target_scaling` may be: encoders whose result can be converted back."""

LEARNING_RATE_SCHEDULES = ("constant", "cosine", "flat_cosine", "coslog4")
"""What `learning_rate_schedule` may be; `models/learning_rates.py` defines them."""

LAYERS = _kind_names(
    "layers",
    ("dense", "layer_normalization"),
    "models.layers.layer.Layer",
    (
        *("trainable", "needs_units", "with_units", "initial_weights", "forward", "backward"),
        *("products", "parameters", "keras_layer", "source", "label"),
    ),
)
"""What `trunk.layer` and `branch.layer` may be."""

ACTIVATIONS = _kind_names(
    "activations",
    ("relu", "silu", "tanh", "gelu", "mish", "leaky_relu"),
    "models.layers.activations.Activation",
    ("evaluate", "inner", "inner_scale"),
)
"""What `activation` may be."""

HEAD_SCORES = {"mse": R2, "mae": R2, "huber": R2}
"""By loss, the name of the metric that is the head's score."""

HEAD_OUTPUTS: dict[str, tuple[str, ...]] = {}
"""By loss of heads of several units, how the columns of their predictions end."""

HEAD_METRICS: dict[str, tuple[str, ...]] = {}
"""By loss of a kind that a user registered, the names of all its metrics; those of built-in kinds go with their score."""

_HEAD_ATTRIBUTES = (
    *("task", "units", "output_activation", "metrics", "score", "loss", "slope", "deviance_factors", "null_deviance"),
    *("predict", "target_encoder", "keras_loss", "keras_score", "loss_source", "score_source", "estimator"),
)

HEADS = _kind_names("heads", HEAD_SCORES, "models.heads.head.Head", _HEAD_ATTRIBUTES)
"""What the `loss` of a regression head may be. It names the kind of the head."""

REGRESSION, BINARY, MULTICLASS, COUNT, QUANTILE = "regression", "binary", "multiclass", "count", "quantile"
"""What a head's `task` may be. Each but regression has one loss, and names the kind of the head."""

TASK_SCORES = {BINARY: D2_LOG_LOSS, MULTICLASS: D2_LOG_LOSS, COUNT: D2_POISSON, QUANTILE: D2_PINBALL}
"""By task other than regression, the name of the metric that is the head's score."""


def head_score(loss: str) -> str:
    """The name of the metric that is the score of a regression head with this loss."""
    return HEAD_SCORES[loss] if loss in HEAD_SCORES else str(HEADS.of_package(loss).score)


def head_metrics(loss: str) -> tuple[str, ...]:
    """The names of all metrics of a registered kind, or of one that a package brings along; empty for a built-in one."""
    if loss in HEAD_SCORES:
        return HEAD_METRICS.get(loss, ())
    return tuple(HEADS.of_package(loss).metrics)


_MULTICLASS_KIND = re.compile(rf"{MULTICLASS}\((?P<classes>[0-9]+)\)")
_QUANTILE_KIND = re.compile(rf"{QUANTILE}\((?P<levels>[0-9.e, -]+)\)")


def quantile_kind(*levels: float) -> str:
    """The name of the kind of the heads that predict these quantiles: `quantile(0.9)`, `quantile(0.1, 0.5, 0.9)`."""
    return f"{QUANTILE}({', '.join(map(repr, levels))})"


def multiclass_kind(classes: int) -> str:
    """The name of the kind of the heads that predict the probability of each of so many classes: `multiclass(3)`."""
    return f"{MULTICLASS}({classes})"


def class_count(kind: str) -> int | None:
    """The classes of a kind that `multiclass_kind` named; None for another kind."""
    found = _MULTICLASS_KIND.fullmatch(kind)
    return int(found["classes"]) if found else None


def is_of_task(kind: str) -> bool:
    """Whether this is the name of a kind that belongs to a task with one loss, which are all built in."""
    return kind in (BINARY, COUNT) or bool(quantile_levels(kind)) or class_count(kind) is not None


def quantile_levels(kind: str) -> tuple[float, ...]:
    """The levels of a kind that `quantile_kind` named; none of another kind."""
    found = _QUANTILE_KIND.fullmatch(kind)
    return tuple(map(float, found["levels"].split(", "))) if found else ()


def output_names(kind: str) -> tuple[str, ...]:
    """How the columns of predictions of a kind of several units end; none of a kind of one unit, of classes or of quantiles."""
    if kind in HEAD_SCORES or kind not in HEADS:
        return HEAD_OUTPUTS.get(kind, ())
    return tuple(HEADS.of_package(kind).output_names)


def output_units(kind: str) -> int:
    """The output units of a kind."""
    return class_count(kind) or max(1, len(quantile_levels(kind)), len(output_names(kind)))


DEFAULT_LAYER, DEFAULT_HEAD = "dense", "mse"
"""The default kinds."""


def extension_modules() -> tuple[str, ...]:
    """The modules that a worker process imports to know every kind that is registered in this process."""
    extensible = (ENCODERS, LAYERS, ACTIVATIONS, HEADS)
    return tuple(dict.fromkeys(module for names in extensible for module in names.modules))


def registering_module() -> str:
    """The module that called the function that calls this one, such as `register_head`.

    It is not the module of the kind's class: `Regression("log_cosh", …)` registered elsewhere is an instance of a class of
    this package.
    """
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame else None
    return str(frame.f_globals.get("__name__", "")) if frame else ""
