"""The deployed model: a table of raw inputs in, a table with one column per head in natural units out.

This file travels with every registered model: MLflow imports it where the model is loaded, and calls `_load_pyfunc`. So it
imports nothing of this package, and neither MLflow, Keras nor pandas before they are needed; and it is one file, however long,
because `branchsweep export` writes it beside a network, to be copied to where that predicts. Beside it lies a folder with
`model.keras`, an ordinary Keras model over encoded inputs whose outputs are a dict by head, `encoder_KIND.py` for each kind of
encoder that the model has, and `serving.json`:

    {"inputs": ["AT", "AP", "RH"],
     "columns": {"season": {"kind": "categorical", "categories": […]}, …},   what each input is; absent where all are numbers
     "categories_without_rows": {"season": [3]},                positions of categories without a training row, if there are any
     "ranges": [[1.81, 37.11], …],                              the smallest and largest training value of each input
     "distributions": {"AT": {"counts": […], "edges": […]}, …}, training rows by bins of each input: not read here
     "heads": [{"name": "PE", "unit": "MW"}, …],                a head of classes also has "classes": ["no", "yes"]
     "input_scalers": {"inputs": ENCODER}, "target_scaler": AFFINE,
     "missing": [-200.0, "?"],                                  the numbers and texts that stand for a missing input
     "intervals": {"levels": [0.5, …, 0.999],                   shares of actual values inside; absent where there are none
                   "half_widths": {"PE": [2.1, …, 19.4], …},    half the width of a prediction interval for each share
                   "joint_half_widths": {"PE": [2.9, …], …}},   the same for intervals of all heads at once
     "members": […], "provenance": {…},                         the averaged networks and their origin: not read here
     "estimators": {"inputs": ENCODER or null, "network_shares": {"PE": 0.6, …},        absent where there are none
                    "members": [{"label": "random forest", "file": "estimator_1.skops", "shares": {"PE": 0.4, …}, …}]}}

A mean of networks whose inputs are encoded in several ways has one input for each way, and takes a dict: `input_scalers` are by
the names of the model's inputs. A model of an earlier version has no "missing".

ENCODER says how raw columns become encoded ones; its kind names the file that does it:

    {"kind": "affine", "shift": [..columns..], "scale": [..columns..]}      encoder_affine.py: (x - shift) / scale
    {"kind": "quantile", "knots": [[..knots..] ..columns..]}                encoder_quantile.py
    {"kind": "columns", "parts": [{"columns": [0, 2], "fill": [9.3, 4.0] or null, "encoder": ENCODER}, …]}

The last one encodes some columns by one encoder and others by another, side by side; `fill` stands for missing values.

A model may have estimators of scikit-learn beside its networks: `estimator_N.skops` each. For every head its prediction is
the weighted mean of the networks' mean and the estimators' predictions. They are written and read by skops, which unpickles
nothing and creates objects of known types only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    Table: TypeAlias = pd.DataFrame

Encoded = dict[str, Any]
"""A fitted encoder as plain values."""

Floats = NDArray[np.float64]

MODEL_FILE, MANIFEST_FILE = "model.keras", "serving.json"
"""The network, and what stands around it."""

NETWORK_FORMATS = {".keras": "Keras", ".onnx": "ONNX", ".tflite": "TensorFlow Lite"}
"""By suffix of the file of a network its format."""

ENCODER_FILE = "encoder_{kind}.py"
"""The code of an encoder, by its kind."""

ESTIMATOR_FILE = "estimator_{number}.skops"
"""The fitted estimators of one member, by its number from 1."""

ESTIMATOR_TYPES = (
    "numpy.asarray",
    "numpy.dot",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)
"""What such a file may contain beyond what skops trusts by itself: parts of scikit-learn's estimators."""

OUTSIDE_COLUMN = "outside"
"""The column of a prediction that says whether a row lies outside what the model has seen."""

PROBABILITY_COLUMN = "{head}_probability"
"""The column of the probability of a binary head's positive class, beside the class that is the likelier one."""

CLASS_PROBABILITY_COLUMN = "{head}_probability_{label}"
"""The same of each class of a head with more than two."""

QUANTILE_COLUMN = "{head}_q{percent:g}"
"""The column of one of a head's several quantiles: `V_q10`."""

OUTPUT_COLUMN = "{head}_{name}"
"""The column of one of several outputs of a head that are neither probabilities nor quantiles."""

THRESHOLD = 0.5
"""The positive class is predicted where its probability is above this."""

LOWER_COLUMN, UPPER_COLUMN = "{head}_low", "{head}_high"
"""The columns of the ends of a head's prediction interval."""

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

_COLUMNS = "columns"  # the kind of an encoder of several ones

PREDICTION_BATCH = 16_384
"""Rows that go through the network together: enough to keep it busy, few enough for the memory of a small server."""


def encode_inputs(manifest: Mapping[str, Any], values: Floats, transform: Callable[[Encoded, Floats], Floats]) -> Any:
    """What the network is called with for raw inputs `(rows, inputs)`: encoded ones, in a dict where it has several inputs.

    Args:
        manifest: The content of `serving.json`.
        values: The raw inputs.
        transform: From a fitted encoder and raw columns to encoded ones.
    """
    with np.errstate(over="ignore"):  # what is too large for the network becomes infinite, and so has no finite prediction
        encoded = {name: transform(fitted, values).astype(np.float32) for name, fitted in manifest["input_scalers"].items()}
    return encoded if len(encoded) > 1 else next(iter(encoded.values()))


def model_file_names(manifest: Mapping[str, Any]) -> list[str]:
    """The names of all files of an exported model."""
    encoders = [ENCODER_FILE.format(kind=kind) for kind in _encoder_kinds(manifest)]
    return [MODEL_FILE, MANIFEST_FILE, *encoders, *estimator_file_names(manifest)]


def estimator_file_names(manifest: Mapping[str, Any]) -> list[str]:
    """The names of the files with estimators of scikit-learn."""
    return [str(member["file"]) for member in manifest.get("estimators", {}).get("members", [])]


def read_estimators(folder: Path, manifest: Mapping[str, Any]) -> list[Any]:
    """The fitted estimators of scikit-learn beside the networks: of each member those whose predictions are the heads' columns.

    Raises:
        skops.io.exceptions.UntrustedTypesFoundException: A file contains other types than an estimator's.
    """
    names = estimator_file_names(manifest)
    if not names:
        return []
    import skops.io  # noqa: PLC0415  # takes a second, and most models have none

    return [skops.io.load(folder / name, trusted=list(ESTIMATOR_TYPES)) for name in names]


def with_estimators(
    manifest: Mapping[str, Any],
    networks: Floats,
    values: Floats,
    transform: Callable[[Encoded, Floats], Floats],
    estimators: Sequence[Any],
) -> Floats:
    """The predictions `(rows, outputs)` of a model, from those of its networks.

    Args:
        manifest: The content of `serving.json`.
        networks: Their mean `(rows, outputs)` in natural units; NaN where they have none, and then the model has none.
        values: The raw inputs `(rows, inputs)`.
        transform: From a fitted encoder and raw columns to encoded ones.
        estimators: As of `read_estimators`.
    """
    if not estimators:
        return networks
    described, units = manifest["estimators"], output_units(manifest)
    encoded = values if described["inputs"] is None else transform(described["inputs"], values)
    with np.errstate(over="ignore"):  # trees read 32 bits
        known = np.isfinite(encoded.astype(np.float32)).all(axis=1) & np.isfinite(networks).all(axis=1)
    predictions = np.full_like(networks, np.nan)
    if known.any():
        predictions[known] = networks[known] * _by_output(described["network_shares"], units)
        for member, own in zip(described["members"], estimators, strict=True):
            of_each = list(units.values()) if len(own) == len(units) else [1]  # one estimator may predict all heads, of numbers
            parts = zip(own, of_each, strict=True)
            of_heads = np.column_stack([estimator_predictions(estimator, encoded[known], count) for estimator, count in parts])
            _sort_quantiles(of_heads, manifest)
            predictions[known] += of_heads * _by_output(member["shares"], units)
    return predictions


def _sort_quantiles(values: Floats, manifest: Mapping[str, Any]) -> None:
    """Sort each head's several quantiles in the rows of predictions `(rows, outputs)`."""
    end = 0
    for head, units in zip(manifest["heads"], output_units(manifest).values(), strict=True):
        end += units
        if "quantiles" in head:
            values[:, end - units : end].sort(axis=1)


def output_units(manifest: Mapping[str, Any]) -> dict[str, int]:
    """By head the columns of its predictions: one for each of more than two classes, or of several quantiles or outputs."""
    return {
        head["name"]: len(head.get("quantiles", ()) or head.get("outputs", ())) or _unit_count(head.get("classes", ()))
        for head in manifest["heads"]
    }


def _unit_count(classes: Sequence[str]) -> int:
    return len(classes) if len(classes) > 2 else 1  # the probability of one of two classes says that of the other


def _by_output(shares: Mapping[str, float], units: Mapping[str, int]) -> Floats:
    """The share of each head for every column of its predictions."""
    return np.repeat([shares[head] for head in units], list(units.values()))


def estimator_predictions(estimator: Any, values: Floats, units: int = 1) -> Floats:
    """What a fitted estimator predicts for encoded inputs: of a classifier of 0 and 1 the probability of a 1.

    Args:
        estimator: The estimator; or a list of those of a head's several units.
        values: `(rows, columns)`.
        units: Of more than one, the classes, whose probabilities `(rows, units)` it predicts. One that it has not seen has 0.
    """
    if isinstance(estimator, list):
        return np.column_stack([own.predict(values) for own in estimator])
    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(values))
    if units > 1:
        probabilities = np.zeros((len(values), units))
        probabilities[:, np.asarray(estimator.classes_, dtype=np.int64)] = estimator.predict_proba(values)
        return probabilities
    return np.asarray(estimator.predict_proba(values) @ estimator.classes_, dtype=np.float64)


def decode_targets(manifest: Mapping[str, Any], values: Floats) -> Floats:
    """The network's predictions `(rows, outputs)` in natural units: the inverse of the affine encoding of the targets.

    Probabilities of several classes add up to 1 to the last bits of 64, while the network computes with 32.
    """
    fitted = manifest["target_scaler"]
    natural = np.asarray(values * np.asarray(fitted["scale"]) + np.asarray(fitted["shift"]), dtype=np.float64)
    end = 0
    for head, units in zip(manifest["heads"], output_units(manifest).values(), strict=True):
        end += units
        if units > 1 and "classes" in head:
            natural[:, end - units : end] /= natural[:, end - units : end].sum(axis=1, keepdims=True)
    return natural


def read_network(file: Path) -> Callable[[Any], Mapping[str, Any]]:
    """A network as a function from encoded inputs, as of `encode_inputs`, to encoded outputs `(rows, units)` by head.

    Args:
        file: In one of `NETWORK_FORMATS`. A Keras file needs Keras, an ONNX file onnxruntime, a TensorFlow Lite file
            ai-edge-litert or TensorFlow.

    Raises:
        ValueError: The suffix is of none of these formats.
    """
    readers = {".keras": _read_keras, ".onnx": _read_onnx, ".tflite": _read_tflite}
    if file.suffix not in readers:
        raise ValueError(f"got {file.name}, expected a file that ends in one of {', '.join(readers)}")
    return readers[file.suffix](file)


def _network_file_in(folder: Path) -> str:
    """The name of the network's file in a folder that has no other one, or one that is called `model.keras`.

    Raises:
        ValueError: There is none, or there are several and none is called so.
    """
    names = sorted(file.name for file in folder.iterdir() if file.suffix in NETWORK_FORMATS)
    if MODEL_FILE in names or len(names) == 1:
        return MODEL_FILE if MODEL_FILE in names else names[0]
    found = f"has the networks {', '.join(names)}: name one of them" if names else "has no network"
    raise ValueError(f"the folder {folder} {found}")


def _read_keras(file: Path) -> Callable[[Any], Mapping[str, Any]]:
    import keras  # noqa: PLC0415  # takes seconds, and a model may be looked at without predicting

    network = keras.saving.load_model(file, compile=False, safe_mode=True)
    return lambda encoded: network(encoded, training=False)


def _read_onnx(file: Path) -> Callable[[Any], Mapping[str, Any]]:
    import onnxruntime  # noqa: PLC0415  # only for such files

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    inputs, heads = [tensor.name for tensor in session.get_inputs()], [tensor.name for tensor in session.get_outputs()]
    return lambda encoded: dict(zip(heads, session.run(heads, _by_input(encoded, inputs)), strict=True))


def _read_tflite(file: Path) -> Callable[[Any], Mapping[str, Any]]:
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  # only for such files
    except ModuleNotFoundError:
        from tensorflow.lite import Interpreter  # noqa: PLC0415  # the same one, until TensorFlow leaves it out

    runner = Interpreter(model_path=str(file)).get_signature_runner()
    inputs = list(runner.get_input_details())
    return lambda encoded: runner(**_by_input(encoded, inputs))


def _by_input(encoded: Any, names: Sequence[str]) -> dict[str, Any]:
    """Encoded inputs by the names that a converted network has for them: letters, digits and underscores."""
    if not isinstance(encoded, dict):
        return {names[0]: encoded}
    given = {re.sub(r"\W", "_", name): values for name, values in encoded.items()}
    return {name: given[re.sub(r"\W", "_", name)] for name in names}


class Predictor:
    """The model as its users see it: raw inputs in, natural units out.

    Args:
        folder: Holds the files that `models/export.py` writes. They are read when they are needed, the network and the
            encoders with the first prediction, the network in Keras's safe mode and estimators by skops: of the files, only
            the encoders' code is run.
        network_file: The file of the network in it; see `read_network`. Else `model.keras`, or the only such file.
    """

    def __init__(self, folder: Path, network_file: str | None = None) -> None:
        self._folder, self._network_file = folder, network_file

    @property
    def inputs(self) -> list[str]:
        """The columns it reads."""
        return list(self._manifest["inputs"])

    @property
    def units(self) -> dict[str, str]:
        """The columns of its predictions, each with its unit."""
        return {head["name"]: head["unit"] for head in self._manifest["heads"]}

    @property
    def classes(self) -> dict[str, list[str]]:
        """By head that has some, its classes; of a binary one the positive one last."""
        return {head["name"]: head["classes"] for head in self._manifest["heads"] if "classes" in head}

    @property
    def outputs(self) -> dict[str, int]:
        """By head the columns of `predict_array`."""
        return output_units(self._manifest)

    @property
    def output_columns(self) -> dict[str, list[str]]:
        """By head the names of these columns: its own, or those of its probabilities or quantiles."""
        return {head["name"]: output_column_names(head) for head in self._manifest["heads"]}

    @property
    def estimators(self) -> list[str]:
        """The estimators of scikit-learn beside its networks, in words."""
        return [str(member["label"]) for member in self._manifest.get("estimators", {}).get("members", [])]

    @property
    def example(self) -> Table:
        """A table of one row that it can predict: a row in the middle of what it was trained on."""
        import pandas as pd  # noqa: PLC0415  # needed where tables are

        middle = dict(zip(self.inputs, self._ranges.mean(axis=1), strict=True))
        return pd.DataFrame([{name: self._cell(name, value) for name, value in middle.items()}], columns=self.inputs)

    def predict(
        self,
        table: Table,
        params: Mapping[str, Any] | None = None,
        *,
        warn: bool = False,
        interval: float = 0.0,
        joint: bool = False,
    ) -> Table:
        """One column per head in natural units, with the index of `table`; of a binary head its class and `trip_probability`.

        A head `state` with more classes has its most probable one, and `state_probability_low` and the like for each; a head
        `V` with several quantiles has a column `V_q10` and the like for each in place of its own.

        Args:
            table: The input columns in any order and in natural units; other columns are ignored. A missing number or date, or
                what stands for one, makes the predictions of its row NaN, unless its column may have gaps: such a column may be
                absent, too. A category that training did not know is none of the known ones, and so is a missing one where
                training had none missing.
            params: `{"warn": True, "interval": 0.9, "joint": True}` are `warn`, `interval` and `joint`, as MLflow says it.
            warn: Whether the result has one more column, `outside`: True where an input of the row is missing, or lies outside
                the range of the training rows, so that the prediction is an extrapolation.
            interval: The share of actual values that are to lie between two more columns of each head, `PE_low` and `PE_high`;
                0 for no such columns. The next larger share for which the model has intervals is taken.
            joint: Whether that is the share of rows in which the actual values of all heads lie inside at once.

        Raises:
            ValueError: A column is missing, or holds something that is no number; the model has no intervals of this share; or
                a further column would hide that of a head.
        """
        import pandas as pd  # noqa: PLC0415  # as above

        values = self.values(table)
        predicted = pd.DataFrame(self._columns_of(self.predict_array(values)), index=table.index)
        asked = {"warn": warn, "interval": interval, "joint": joint, **(params or {})}
        further = self._interval_ends(predicted, float(asked["interval"]), bool(asked["joint"])) if asked["interval"] else {}
        if asked["warn"]:
            further[OUTSIDE_COLUMN] = self.outside(values).any(axis=1)
        if taken := [name for name in further if name in predicted]:
            raise ValueError(f"the model has a head that is called '{taken[0]}', as a column is that was asked for")
        return predicted.assign(**further)

    def _columns_of(self, values: Floats) -> dict[str, Any]:
        """The columns of predictions `(rows, outputs)`: of a head with classes these, and beside them their probabilities."""
        columns: dict[str, Any] = {}
        ends = np.cumsum(list(self.outputs.values()))
        for (head, units), end in zip(self.outputs.items(), ends.tolist(), strict=True):
            own, classes = values[:, end - units : end], self.classes.get(head, [])
            if classes:
                columns[head] = predicted_classes(own, classes)
            columns |= dict(zip(self.output_columns[head], own.T, strict=True))
        return columns

    def _interval_ends(self, predicted: Table, level: float, joint: bool) -> dict[str, Any]:
        """The columns of the ends of the prediction intervals; see `predict`."""
        ends: dict[str, Any] = {}
        for head, half_width in self.half_widths(level, joint).items():
            ends[LOWER_COLUMN.format(head=head)] = predicted[head] - half_width
            ends[UPPER_COLUMN.format(head=head)] = predicted[head] + half_width
        return ends

    def half_widths(self, level: float, joint: bool = False) -> dict[str, float]:
        """By head that has prediction intervals, half the width of one that contains this share of actual values.

        Args:
            level: The share, above 0 and below 1; the next larger one that the model has is taken.
            joint: See `predict`.

        Raises:
            ValueError: The model has no intervals, or none of this share.
        """
        intervals = self._manifest.get("intervals")
        if not intervals:
            raise ValueError("the model has no prediction intervals: it was registered without them, or had too few rows")
        if not 0 < level < 1:
            raise ValueError(f"got the interval {level:g}, expected a share of actual values above 0 and below 1, such as 0.9")
        by_head: dict[str, list[float]] = intervals["joint_half_widths" if joint else "half_widths"]
        kept = intervals["levels"][: len(next(iter(by_head.values())))]
        found = [position for position, share in enumerate(kept) if share >= level]
        if not found:
            known = f"at most {kept[-1]:g}" if kept else "none"
            raise ValueError(f"got the interval {level:g}, but the model was trained on too few rows for it (it has {known})")
        return {head: own[found[0]] for head, own in by_head.items()}

    def predict_array(self, values: Floats) -> Floats:
        """Predictions `(rows, outputs)` for raw inputs `(rows, inputs)`, in natural units; NaN where an input is missing."""
        predictions = np.empty((len(values), sum(self.outputs.values())))
        for start in range(0, len(values), PREDICTION_BATCH):
            rows = slice(start, start + PREDICTION_BATCH)
            outputs = self._network(encode_inputs(self._manifest, values[rows], self._transform))
            predictions[rows] = np.concatenate([np.asarray(outputs[head]) for head in self.units], axis=1)
        predictions[np.isnan(values[:, self._needed]).any(axis=1)] = np.nan
        networks = decode_targets(self._manifest, predictions)
        return with_estimators(self._manifest, networks, values, self._transform, self._estimators)

    def columns(self) -> dict[str, dict[str, Any]]:
        """By input what it is: its kind (`numeric` where there is none), categories, and whether it may have gaps."""
        described = self._manifest.get("columns", {})
        return {name: described.get(name, {}) for name in self.inputs}

    def may_be_missing(self, name: str) -> bool:
        """Whether a row without a value in this input is predicted like others."""
        column = self.columns()[name]
        return column.get("missing", "error") != "error" or bool(column.get("has_gaps", False))

    def values(self, table: Table) -> Floats:
        """The inputs `(rows, inputs)` of a table, as encoders know them: numbers, positions of categories, seconds of dates.

        Raises:
            ValueError: As of `predict`.
        """
        by_name = {str(column): column for column in table.columns}  # a model knows columns by text, a DataFrame by any label
        absent = [name for name in self.inputs if name not in by_name and not self.may_be_missing(name)]
        if absent:
            raise ValueError(f"got a table with the columns {list(by_name)}, but the model also needs {absent}")
        values = np.full((len(table), len(self.inputs)), np.nan)
        for position, (name, column) in enumerate(self.columns().items()):
            if name not in by_name:
                continue
            missing = self._manifest.get("missing", [])
            cells, kind = _without_texts(table[by_name[name]], missing), column.get("kind", "numeric")
            if kind == "categorical":
                values[:, position] = self._encoders["categories"]["category_codes"](cells.astype(object), column["categories"])
            elif kind == "date":
                values[:, position] = self._encoders["date_parts"]["seconds"](cells)
            else:
                values[:, position] = _numbers(cells, name, missing)
        return values

    def _cell(self, name: str, value: float) -> Any:
        """The cell of a table that has this value as an input."""
        column = self.columns()[name]
        if column.get("kind") == "categorical":
            return column["categories"][int(value)]
        if column.get("kind") == "date":
            return str(np.datetime64(int(value), "s"))
        return value

    def _transform(self, fitted: Encoded, values: Floats) -> Floats:
        if fitted["kind"] == _COLUMNS:
            parts = [
                self._transform(part["encoder"], _filled(values[:, part["columns"]], part["fill"])) for part in fitted["parts"]
            ]
            return np.concatenate(parts, axis=1)
        encoded: Floats = self._encoders[fitted["kind"]]["transform"](fitted, values)
        return encoded

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        """The content of `serving.json`."""
        manifest: dict[str, Any] = json.loads((self._folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return manifest

    @cached_property
    def _encoders(self) -> dict[str, dict[str, Any]]:
        """The names that each encoder's file defines, by its kind. Executed, not imported: nothing is cached in the folder."""
        found: dict[str, dict[str, Any]] = {}
        for kind in _encoder_kinds(self._manifest):
            file = self._folder / ENCODER_FILE.format(kind=kind)
            found[kind] = {"__name__": file.stem, "__file__": str(file)}
            exec(compile(file.read_text(encoding="utf-8"), file, "exec"), found[kind])  # noqa: S102  # written by export.py
        return found

    @property
    def _needed(self) -> list[bool]:
        """By input, whether a row without a value in it has no prediction. A missing category is none of the known ones."""
        kinds = {name: column.get("kind", "numeric") for name, column in self.columns().items()}
        return [kind != "categorical" and not self.may_be_missing(name) for name, kind in kinds.items()]

    @property
    def _ranges(self) -> Floats:
        """`(inputs, 2)` the smallest and the largest training value."""
        return np.asarray(self._manifest["ranges"], dtype=np.float64)

    def outside(self, values: Floats) -> NDArray[np.bool_]:
        """`(rows, inputs)` whether a raw value is not within its range, or is none of the known categories.

        A missing value is within no range, unless its column may have gaps.
        """
        low, high = self._ranges.T
        may_be_missing = np.array([self.may_be_missing(name) for name in self.inputs])
        inside = ((values >= low) & (values <= high)) | (np.isnan(values) & may_be_missing)
        for name, positions in self._manifest.get("categories_without_rows", {}).items():
            column = self.inputs.index(name)
            inside[:, column] &= ~np.isin(values[:, column], positions)
        outside: NDArray[np.bool_] = ~inside
        return outside

    @cached_property
    def _network(self) -> Callable[[Any], Mapping[str, Any]]:
        return read_network(self._folder / (self._network_file or _network_file_in(self._folder)))

    @cached_property
    def _estimators(self) -> list[Any]:
        return read_estimators(self._folder, self._manifest)


def output_column_names(described: Mapping[str, Any]) -> list[str]:
    """The names of the columns of what is predicted for a head, as the manifest describes it (`heads`)."""
    head, classes = described["name"], described.get("classes", [])
    if "quantiles" in described:
        return [QUANTILE_COLUMN.format(head=head, percent=100 * level) for level in described["quantiles"]]
    if "outputs" in described:
        return [OUTPUT_COLUMN.format(head=head, name=name) for name in described["outputs"]]
    if _unit_count(classes) > 1:
        return [CLASS_PROBABILITY_COLUMN.format(head=head, label=label) for label in classes]
    return [PROBABILITY_COLUMN.format(head=head)] if classes else [head]


def likeliest_positions(probabilities: Floats) -> NDArray[np.intp]:
    """`(rows,)` the position of the likeliest class of each row.

    Args:
        probabilities: `(rows, 1)` of the second class of two, else `(rows, classes)`.
    """
    return (probabilities[:, 0] > THRESHOLD).astype(np.intp) if probabilities.shape[1] == 1 else probabilities.argmax(axis=1)


def predicted_classes(probabilities: Floats, classes: Sequence[str]) -> Any:
    """The likeliest class of each row as pandas holds a column of them: missing where there is no probability.

    Args:
        probabilities: `(rows, 1)` of the second class of two, else `(rows, classes)`.
        classes: Their labels.
    """
    import pandas as pd  # noqa: PLC0415  # needed where tables are

    values = class_values(classes)
    chosen = likeliest_positions(probabilities)
    missing = np.isnan(probabilities.sum(axis=1))
    labels = [None if no_class else values[int(number)] for number, no_class in zip(chosen, missing, strict=True)]
    return pd.Series(labels, dtype=object if missing.any() else None).array


def class_values(labels: Sequence[str]) -> list[Any]:
    """The classes of a head as a table has them: booleans, whole numbers or numbers where all are, else texts.

    Args:
        labels: Their names, in which numbers have one form only: 1, 1.0 and "01" are one class, the number 1.
    """
    if set(labels) <= {"True", "False"}:
        return [label == "True" for label in labels]
    if all(map(_WHOLE_NUMBER.fullmatch, labels)):
        return [int(label) for label in labels]
    return [float(label) for label in labels] if all(map(_NUMBER.fullmatch, labels)) else list(labels)


def _load_pyfunc(path: str) -> Predictor:
    """Called by MLflow to load the model whose files lie in `path`.

    Raises:
        OSError: There is no `serving.json`.
        ValueError: It is not that of a model.
    """
    predictor = Predictor(Path(path))
    if not predictor.inputs:  # reads it now, and not with the first prediction
        raise ValueError(f"{path}: {MANIFEST_FILE} names no inputs")
    return predictor


def _encoder_kinds(manifest: Mapping[str, Any]) -> list[str]:
    """The kinds of all encoders of inputs."""
    of_estimators = manifest.get("estimators", {}).get("inputs")
    fitted = [*manifest["input_scalers"].values(), *([of_estimators] if of_estimators else [])]
    parts = [part["encoder"] for own in fitted if own["kind"] == _COLUMNS for part in own["parts"]]
    return sorted({encoder["kind"] for encoder in (*fitted, *parts)} - {_COLUMNS})


def _numbers(cells: Any, column: str, missing: list[float | str]) -> Floats:
    """A column as an array `(rows,)`, NaN where there is a number or text that stands for a missing value."""
    numbers = [code for code in missing if not isinstance(code, str)]
    try:
        values: Floats = cells.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    except (TypeError, ValueError) as error:
        raise ValueError(f"column '{column}' must hold numbers: {error}") from error
    codes = np.array(numbers, dtype=np.float64)
    if cells.dtype == np.float32:  # in which no number is -99.9
        codes = codes.astype(np.float32).astype(np.float64)
    values[np.isin(values, codes)] = np.nan
    return values


def _without_texts(cells: Any, missing: list[float | str]) -> Any:
    """A column without the texts that stand for a missing value."""
    texts = [code for code in missing if isinstance(code, str)]
    return cells.mask(cells.isin(texts)) if texts else cells


def _filled(values: Floats, fill: list[float] | None) -> Floats:
    """The values with those that stand for missing ones."""
    return values if fill is None else np.where(np.isnan(values), np.asarray(fill), values)
