"""A user's own function that builds networks: `space.builder`, by the names of a module and of a function in it.

The dimensions of such a space are of two kinds. Those with the name of a hyperparameter of training (`learning_rate`,
`batch_size`, `PE.loss_weight`) mean what they mean elsewhere. All others are the function's own: their names are free, and
their values are handed to it.

Nothing here imports the module: a recorded experiment is read where the module is not.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from branchsweep.config.config_model import MAX_NAME, SHORT_TEXT
from branchsweep.config.hyperparameters import HYPERPARAMETERS, Binding, Hyperparameter, find_hyperparameter
from branchsweep.config.sections.dimensions import MAX_BOUND, Choice, Dimension
from branchsweep.errors import did_you_mean
from branchsweep.trial import ParamValue

BUILDER = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
"""The pattern of a builder: `module:function`."""

EXPECTED = "expected a module and a function in it, such as my_networks:residual"

_OF_THE_NETWORK = ("trunk", "branch", "residual", "activation")
"""The hyperparameters of the built-in networks, by the first word of their names: a builder may use these names as its own."""

WITHOUT_EFFECT = frozenset({"loss_balancing", "input_factor_rate", "target_noise", "output_clipping", "ema_momentum"})
"""Hyperparameters of training that Keras's `fit` does not have."""


MAX_NAMES = 1000
"""The most names of a builder's own hyperparameters."""

OWN_VALUE: Mapping[str, Any] = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "number", "minimum": -MAX_BOUND, "maximum": MAX_BOUND},
        {"type": "string", "maxLength": SHORT_TEXT},
    ]
}
"""The JSON Schema of a value of a builder's own hyperparameters."""

_OWN_NAME = re.compile(rf"[A-Za-z_][\w.-]{{0,{MAX_NAME - 1}}}")


def own_problem(name: str, known: Collection[str], values: Iterable[ParamValue]) -> str:
    """What is wrong with a hyperparameter of a builder's own; empty where nothing is.

    Args:
        name: Its name.
        known: Those that the space has.
        values: Values that it is given.
    """
    if name not in known:
        return f"got '{name}', expected a name of the space ({', '.join(known)}){did_you_mean(name, known)}"
    if not _OWN_NAME.fullmatch(name):
        return f"got '{name}', expected a name of letters, digits, '_', '-' and '.' that begins with a letter"
    for value in values:
        if isinstance(value, str) and len(value) > SHORT_TEXT:
            return f"got a text of {len(value)} letters, expected at most {SHORT_TEXT}"
        if isinstance(value, (int, float)) and not -MAX_BOUND <= value <= MAX_BOUND:
            return f"got {value!r}, expected a number from {-MAX_BOUND:g} to {MAX_BOUND:g}"
    return ""


def builder_name(builder: Any) -> Any:
    """A function as `module:function`; any other value as it is.

    Raises:
        ValueError: Another process cannot import the function.
    """
    if not callable(builder):
        return builder
    module, name = getattr(builder, "__module__", None), getattr(builder, "__qualname__", "")
    if module in (None, "__main__") or not re.fullmatch(r"\w+", name):
        raise ValueError(
            f"got the function {name or builder!r} of {module or 'no module'}, expected one at the top level of a module: the "
            "processes that train import it, and cannot import scripts and notebooks. Write it into a .py file of its own"
        )
    return f"{module}:{name}"


def is_own(name: str, heads: Iterable[str]) -> bool:
    """Whether a name in the space of a builder is the builder's own."""
    found = find_hyperparameter(name, heads)
    return found is None or found.name.partition(".")[0] in _OF_THE_NETWORK


def own_hyperparameter(name: str, dimension: Dimension | None, fixed: ParamValue | None) -> Hyperparameter:
    """A hyperparameter of a builder, as far as the space says what it is.

    Args:
        name: Its name.
        dimension: What it is varied in; None where it is fixed.
        fixed: Its value where it is fixed.
    """
    default = fixed
    if dimension is not None:
        default = dimension.choices[0] if isinstance(dimension, Choice) else dimension.low
    is_positive = isinstance(default, (int, float)) and default >= (1 if isinstance(default, int) else 0)
    least = (1 if isinstance(default, int) else 0) if is_positive else -math.inf  # a width or a share is seldom negative
    choices = tuple(dimension.choices) if isinstance(dimension, Choice) and isinstance(default, str) else ()
    texts = tuple(choice for choice in choices if isinstance(choice, str))
    return Hyperparameter(name, 0 if default is None else default, Binding.STATIC, "of the builder", low=least, choices=texts)


def without_effect(name: str, heads: Iterable[str]) -> bool:
    """Whether this is a hyperparameter that has no effect on the networks of a builder."""
    found = find_hyperparameter(name, heads)
    return found is not None and found.name in WITHOUT_EFFECT


def no_effect(name: str, builder: str) -> str:
    """That a hyperparameter has no effect on the networks of a builder, as a message."""
    return f"{name} has no effect: networks of a builder ({builder}) train by Keras's fit, which has no such thing"


def training_params() -> list[str]:
    """The hyperparameters that mean in the space of a builder what they mean elsewhere."""
    return [name for name in HYPERPARAMETERS if not is_own(name, ()) and name not in WITHOUT_EFFECT]


def look_in_working_folder() -> None:
    """Let imports find modules in the working directory, after all others, as `python -m` does."""
    folder = os.getcwd()  # noqa: PTH109  # an entry of `sys.path`
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)


def source_file(builder: str) -> Path | None:
    """The file of a builder's module; None where there is none."""
    look_in_working_folder()
    try:
        found = importlib.util.find_spec(builder.partition(":")[0])
    except (ImportError, ValueError):  # of a package that is not there, or whose own import fails
        return None
    return Path(found.origin) if found and found.origin and found.has_location else None


def source_digest(builder: str) -> str:
    """A digest of the code of a builder's module: with other code, a sweep is another one. Empty where there is no code."""
    file = source_file(builder)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file and file.is_file() else ""


def source_fact(builder: str | None) -> dict[str, str]:
    """The digest of the code of a builder's module, by its name among recorded versions; empty without a builder."""
    return {"version_builder": source_digest(builder)} if builder else {}
