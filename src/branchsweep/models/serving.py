"""The deployed model: a table of raw inputs in, a table with one column per head in natural units out.

This file travels with every registered model: MLflow imports it where the model is loaded, and calls `_load_pyfunc`. So it
imports nothing of ours, and neither MLflow, Keras nor pandas before they are needed: the trainer scales by its functions too.
Beside it lie two files: `model.keras`, an ordinary Keras model over scaled inputs whose outputs are a dict by head, and
`serving.json`:

    {"inputs": ["AT", "AP", "RH"],
     "ranges": [[1.81, 37.11], …],                              the smallest and largest training value of each input
     "heads": [{"name": "PE", "unit": "MW"}, …],
     "input_scalers": {"inputs": SCALER}, "target_scaler": SCALER,
     "members": […], "provenance": {…}}                         whose mean it is, and where it comes from: not read here

A mean of networks whose inputs are scaled in several ways has one input for each way, and takes a dict: `input_scalers` are by
the names of the model's inputs. SCALER says how one column c becomes a scaled one:

    {"kind": "affine", "shift": [..c..], "scale": [..c..]}      (x - shift) / scale
    {"kind": "quantile", "knots": [[..q..] ..c..]}              the standard normal quantile of x's place among the knots
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

if TYPE_CHECKING:
    import pandas as pd

    Table: TypeAlias = pd.DataFrame

Scaler = dict[str, Any]

Floats = NDArray[np.float64]

MODEL_FILE, MANIFEST_FILE = "model.keras", "serving.json"
"""The two files beside this one."""

OUTSIDE_COLUMN = "outside"
"""The column of a prediction that says whether a row lies outside what the model has seen."""

PREDICTION_BATCH = 16_384
"""Rows that go through the network together: enough to keep it busy, few enough for the memory of a small server."""

QUANTILE_CLIP = 1e-7
"""Quantiles are kept this far from 0 and 1, as scikit-learn's QuantileTransformer does, so that no value becomes infinite."""


def transform(scaler: Scaler, values: Floats) -> Floats:
    """Raw columns `(rows, columns)` to scaled ones."""
    if scaler["kind"] == "affine":
        return np.asarray((values - np.asarray(scaler["shift"])) / np.asarray(scaler["scale"]), dtype=np.float64)
    return np.stack([_normal(values[:, column], np.asarray(knots)) for column, knots in enumerate(scaler["knots"])], axis=1)


def inverse(scaler: Scaler, values: Floats) -> Floats:
    """Scaled columns `(rows, columns)` back to raw ones; only affine scalers are ever inverted (targets)."""
    return np.asarray(values * np.asarray(scaler["scale"]) + np.asarray(scaler["shift"]), dtype=np.float64)


def network_inputs(manifest: Mapping[str, Any], values: Floats) -> Any:
    """What the network is called with for raw inputs `(rows, inputs)`: scaled ones, in a dict where it has several inputs."""
    scaled = {name: transform(scaler, values).astype(np.float32) for name, scaler in manifest["input_scalers"].items()}
    return scaled if len(scaled) > 1 else next(iter(scaled.values()))


def _normal(values: Floats, knots: Floats) -> Floats:
    """The standard normal quantile of each value's place among the knots.

    Where a value repeats among the knots its place is the middle of them: the mean of interpolating from the left and from
    the right, as in scikit-learn's QuantileTransformer; but a least or greatest value that repeats is treated like any other,
    where scikit-learn sends it to the very end.
    """
    places = np.linspace(0.0, 1.0, len(knots))
    left = np.interp(values, knots, places)
    right = -np.interp(-values, -knots[::-1], -places[::-1])
    clipped: Floats = ndtri(np.clip((left + right) / 2.0, QUANTILE_CLIP, 1.0 - QUANTILE_CLIP))
    return clipped


class Predictor:
    """The model as its users see it: raw inputs in, natural units out.

    Args:
        folder: Holds the two files. The network is read with the first prediction, in Keras's safe mode: no code of the
            file's own is run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))

    @property
    def inputs(self) -> list[str]:
        """The columns it reads."""
        return list(self._manifest["inputs"])

    @property
    def units(self) -> dict[str, str]:
        """The columns it answers with, each with its unit."""
        return {head["name"]: head["unit"] for head in self._manifest["heads"]}

    @property
    def example(self) -> Table:
        """A table of one row that it can predict: a row in the middle of what it was trained on."""
        import pandas as pd  # noqa: PLC0415  # needed where tables are, not where the trainer scales

        return pd.DataFrame([self._ranges.mean(axis=1)], columns=self.inputs)

    def predict(self, table: Table, params: Mapping[str, Any] | None = None, *, warn: bool = False) -> Table:
        """One column per head in natural units, with the index of `table`.

        Args:
            table: The input columns in any order and in natural units; other columns are ignored. A missing value makes the
                predictions of its row NaN.
            params: `{"warn": True}` is `warn`, as MLflow says it.
            warn: Whether the answer has one more column, `outside`: True where an input of the row is missing, or lies outside
                the range of the training rows, so that the prediction is an extrapolation.

        Raises:
            ValueError: A column is missing, or holds something that is no number; or a warning would hide a head that is
                called `outside`, too.
        """
        import pandas as pd  # noqa: PLC0415  # as above

        values = _numbers(table, self.inputs)
        predicted = pd.DataFrame(self.answer(values), index=table.index, columns=list(self.units))
        if warn or (params or {}).get("warn"):
            if OUTSIDE_COLUMN in predicted:
                raise ValueError(f"the model has a head that is called '{OUTSIDE_COLUMN}', so there is no name for the warning")
            predicted[OUTSIDE_COLUMN] = self._outside(values)
        return predicted

    def answer(self, values: Floats) -> Floats:
        """What the model says `(rows, heads)` of raw inputs `(rows, inputs)`, both in natural units."""
        answers = np.empty((len(values), len(self.units)))
        for start in range(0, len(values), PREDICTION_BATCH):
            rows = slice(start, start + PREDICTION_BATCH)
            outputs = self._network(network_inputs(self._manifest, values[rows]), training=False)
            answers[rows] = np.concatenate([np.asarray(outputs[head]) for head in self.units], axis=1)
        return inverse(self._manifest["target_scaler"], answers)

    @property
    def _ranges(self) -> Floats:
        """`(inputs, 2)` the smallest and the largest training value."""
        return np.asarray(self._manifest["ranges"], dtype=np.float64)

    def _outside(self, values: Floats) -> NDArray[np.bool_]:
        """`(rows,)` whether any of a row's values is not within its range; a missing one is within none."""
        low, high = self._ranges.T
        outside: NDArray[np.bool_] = ~((values >= low) & (values <= high)).all(axis=1)
        return outside

    @cached_property
    def _network(self) -> Any:
        import keras  # noqa: PLC0415  # takes seconds, and a model may be looked at without predicting

        return keras.saving.load_model(self._folder / MODEL_FILE, compile=False, safe_mode=True)


def _load_pyfunc(path: str) -> Predictor:
    """What MLflow calls to load the model whose files lie in `path`."""
    return Predictor(Path(path))


def _numbers(table: Table, columns: list[str]) -> Floats:
    """The columns as an array `(rows, columns)`."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"got a table with the columns {list(table.columns)}, but the model also needs {missing}")
    values = np.empty((len(table), len(columns)))
    for place, column in enumerate(columns):
        try:
            values[:, place] = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(f"column '{column}' must hold numbers: {error}") from error
    return values
