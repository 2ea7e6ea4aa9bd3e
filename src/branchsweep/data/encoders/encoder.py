"""The contract of an encoder: how raw columns become numbers for a network, fitted on training rows alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from branchsweep.types import Floats, SourceCall

Fit = Callable[[Floats, Floats], Mapping[str, Any]]
"""From the training rows, columns `(rows, columns)` and targets `(rows, heads)`, to what was fitted, as plain values."""


def same_width(columns: int) -> int:
    """The width of an encoding that has one column for each raw one."""
    return columns


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """One kind of encoding. It has no state: what is fitted is a `FittedEncoder`.

    Args:
        name: As in YAML: `input_scaling`, and `target_scaling` for those that can be inverted.
        fit_state: Fits it. What it returns is all that encoding needs, as plain values that JSON knows.
        served: The module that encodes with `transform(state, values)`, and converts back with `inverse(state, values)` if it
            can. It imports NumPy and SciPy at most, for its file is copied beside exported models and runs there alone. Its
            name is the `kind` under which `serving.json` records what was fitted.
        source: The transformer that does the same, in generated code, of scikit-learn or defined there; it may use `train`, the
            training rows. None where values stay as they are.
        width: Encoded columns of so many raw ones, known before fitting: it is a shape of the compiled program.
        beside: The name of the encoder whose columns a network reads beside these; empty for none.
        with_bins: The same kind with another number of bins (the hyperparameter `bins`); None for one that has none.
    """

    name: str
    fit_state: Fit
    served: ModuleType
    source: SourceCall | None
    width: Callable[[int], int] = same_width
    beside: str = ""
    with_bins: Callable[[int], Encoder] | None = None

    @property
    def is_invertible(self) -> bool:
        """Whether encoded values can be converted back, as predictions must be: then it may encode targets."""
        return hasattr(self.served, "inverse")

    def fit(self, values: Floats, targets: Floats) -> FittedEncoder:
        """The encoder of these columns.

        Args:
            values: `(rows, columns)` of the training rows; nothing else may be seen.
            targets: `(rows, heads)` of the same rows, for encoders that look at them.
        """
        return FittedEncoder(self.served, self.fit_state(values, targets))


@dataclass(frozen=True, slots=True, eq=False)
class FittedEncoder:
    """An encoder that has seen its training rows.

    Args:
        served: See `Encoder`.
        state: What was fitted.
    """

    served: ModuleType
    state: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker process receives the module by its name, because modules have no pickle."""
        return _unpickled, (self.served.__name__, dict(self.state))

    @property
    def kind(self) -> str:
        """The name under which it is recorded and served."""
        return served_kind(self.served)

    def transform(self, values: Floats) -> Floats:
        """Raw columns `(rows, columns)` to encoded ones `(rows, width)`."""
        encoded: Floats = self.served.transform(self.state, values)
        return encoded

    def inverse(self, values: Floats) -> Floats:
        """Encoded columns back to raw ones; of encoders that are invertible."""
        raw: Floats = self.served.inverse(self.state, values)
        return raw

    def to_json(self) -> dict[str, Any]:
        """As plain values, for `registry.fitted_from_json` and for `models/serving.py`."""
        return {"kind": self.kind, **self.state}

    def serving_source(self) -> str:
        """The source code that encodes where this package is not."""
        assert self.served.__file__, "a served module is a file"
        return Path(self.served.__file__).read_text(encoding="utf-8")


def _unpickled(module: str, state: Mapping[str, Any]) -> FittedEncoder:
    """The encoder that `__reduce__` describes."""
    return FittedEncoder(importlib.import_module(module), state)


def served_kind(served: ModuleType) -> str:
    """The name of a served module, without the packages that it is in."""
    return served.__name__.rpartition(".")[2]
