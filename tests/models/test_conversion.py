"""Networks as ONNX and TensorFlow Lite files predict what the Keras files predict, wherever they are loaded."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from branchsweep.config import kinds
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError
from branchsweep.models import conversion, serving
from branchsweep.models.export import export_model
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.recipe import Recipe
from served_alone import predict_alone

INPUTS = ["AT", "AP", "RH"]
LOSSES = {
    "PE": "mse",
    "trip": "binary",
    "state": kinds.multiclass_kind(3),
    "V": kinds.quantile_kind(0.1, 0.5, 0.9),
    "starts": "count",
}
CLASSES = {"trip": ["no", "yes"], "state": ["low", "middle", "high"]}
UNITS = {head: units for head, kind in LOSSES.items() if (units := kinds.output_units(kind)) > 1}
ROWS = 80


def training_rows() -> TrainingRows:
    random = np.random.default_rng(3)
    x = random.normal([20.0, 1013.0, 73.0], [7.0, 6.0, 15.0], (ROWS, 3))
    columns = [random.normal(454.0, 17.0, ROWS), *(np.arange(ROWS) % count for count in (2, 3))]
    return TrainingRows(x, np.column_stack([*columns, random.normal(54.0, 12.7, ROWS), random.poisson(2.0, ROWS)]), ())


TABLE = pd.DataFrame(training_rows().x, columns=INPUTS)


def member(seed: int, share: float = 1.0, **params: Any) -> ModelMember:
    recipe = Recipe.of({name.replace("__", "."): value for name, value in params.items()}, list(LOSSES), UNITS)
    return ModelMember(recipe, initial_weights(recipe.architecture, 3, (seed,)), share)


MODELS = {
    "every kind of head": [member(1, trunk__depth=3, residual="equal_widths", input_factor_rate=4.0)],
    "layer normalisation": [member(4, trunk__layer="layer_normalization", branch__layer="layer_normalization")],
    "clipped outputs": [member(2, output_clipping="training_range", PE__depth=0)],
    "a mean with two inputs": [
        member(1, 0.5, input_scaling="quantile", activation="gelu"),
        member(2, 0.5, input_scaling="min_max"),
    ],
    **{activation: [member(3, activation=activation)] for activation in kinds.ACTIVATIONS},
}


def exported(folder: Path, members: list[ModelMember]) -> Path:
    model = ExportedModel(members, INPUTS, dict.fromkeys(LOSSES, ""), losses=LOSSES, classes=CLASSES)
    export_model(folder, model, training_rows())
    return folder


def predictions(folder: Path, network_file: str) -> Mapping[str, Any]:
    """Numbers alone, by column."""
    predicted = serving.Predictor(folder, network_file).predict(TABLE)
    return {str(name): column.to_numpy() for name, column in predicted.drop(columns=list(CLASSES)).items()}


def needs(suffix: str) -> None:
    if suffix == ".onnx" and importlib.util.find_spec("tf2onnx") is None:
        pytest.skip("no network is converted to ONNX: pip install 'branchsweep[onnx]'")
    if suffix == ".tflite" and importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("no TensorFlow Lite file is run: pip install ai-edge-litert")


@pytest.mark.slow
@pytest.mark.parametrize("members", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_converted_network_predicts_as_the_keras_file_does(tmp_path: Path, members: list[ModelMember], suffix: str) -> None:
    needs(suffix)
    folder = exported(tmp_path, members)
    conversion.convert_network(folder / serving.MODEL_FILE, folder / f"network{suffix}")
    found, expected = predictions(folder, f"network{suffix}"), predictions(folder, serving.MODEL_FILE)
    assert list(found) == list(expected)
    for column, values in expected.items():
        np.testing.assert_allclose(found[column], values, rtol=1e-5, atol=1e-5, err_msg=column)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_converted_network_is_served_where_neither_this_package_nor_keras_is(tmp_path: Path, suffix: str) -> None:
    needs(suffix)
    folder = exported(tmp_path, MODELS["a mean with two inputs"])
    conversion.convert_network(folder / serving.MODEL_FILE, folder / f"network{suffix}")
    expected = serving.Predictor(folder).predict(TABLE)
    shutil.move(folder / serving.MODEL_FILE, tmp_path / "hidden")
    found = predict_alone(folder, TABLE, f"network{suffix}", ("keras", "tensorflow"))
    for column in expected.columns.difference(list(CLASSES)):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-5, atol=1e-5, err_msg=column)


def test_a_network_that_is_converted_to_another_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported(tmp_path, MODELS["relu"])

    def to_another(network: keras.Model, file: Path) -> None:
        """As a faulty converter would."""
        network.get_layer("PE").bias.assign([1.0])
        network.save(file)

    monkeypatch.setitem(conversion._CONVERTERS, ".keras", (to_another, ()))
    with pytest.raises(BackendError):
        conversion.convert_network(folder / serving.MODEL_FILE, folder / "other.keras")


def test_the_only_network_of_a_folder_need_not_be_named(tmp_path: Path) -> None:
    folder = exported(tmp_path, MODELS["relu"])
    expected = serving.Predictor(folder).predict(TABLE)
    (folder / serving.MODEL_FILE).rename(folder / "plant.keras")
    pd.testing.assert_frame_equal(serving.Predictor(folder).predict(TABLE), expected)
    shutil.copy(folder / "plant.keras", folder / "other.keras")
    with pytest.raises(ValueError, match=r"other\.keras, plant\.keras"):
        serving.Predictor(folder).predict(TABLE)
    for name in ("plant.keras", "other.keras"):
        (folder / name).unlink()
    with pytest.raises(ValueError, match="no network"):
        serving.Predictor(folder).predict(TABLE)


def test_a_file_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"network\.h5"):
        serving.Predictor(exported(tmp_path, MODELS["relu"]), "network.h5").predict(TABLE)
