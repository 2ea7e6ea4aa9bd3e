"""Turns a trained lane into files that anyone can load, and predicts from those files.

A folder with `model.keras`, an ordinary functional Keras model over scaled inputs, and `serving.json`, the scalers and names
beside it (see `serving`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from branchsweep import serving
from branchsweep.population import Weights
from branchsweep.recipe import Architecture
from branchsweep.training import network


def export(
    folder: Path,
    architecture: Architecture,
    weights: Weights,
    inputs: Sequence[str],
    units: Mapping[str, str],
    input_scaler: serving.Scaler,
    target_scaler: serving.Scaler,
) -> None:
    """Writes the folder's two files.

    Args:
        folder: Made if it is not there.
        architecture: The network.
        weights: Of all its layers.
        inputs: Names of the input columns, in order.
        units: Unit of each head, in the order of the heads.
        input_scaler: As fitted on the rows that the network was trained on.
        target_scaler: Likewise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network.build(architecture, len(inputs), weights).save(folder / "model.keras")
    manifest = {
        "inputs": list(inputs),
        "heads": [{"name": head, "unit": unit} for head, unit in units.items()],
        "input_scaler": input_scaler,
        "target_scaler": target_scaler,
    }
    (folder / "serving.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def predict(folder: Path, x: serving.Floats) -> serving.Floats:
    """Predictions `(rows, heads)` in natural units for inputs `(rows, inputs)` in natural units, by the exported files."""
    manifest = json.loads((folder / "serving.json").read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    scaled = model.predict(serving.transform(manifest["input_scaler"], x), batch_size=4096, verbose=0)
    columns = [scaled[head["name"]] for head in manifest["heads"]]
    return serving.inverse(manifest["target_scaler"], np.concatenate(columns, axis=1).astype(np.float64))
