"""Turns trained lanes into files that anyone can load, and predicts from those files.

A folder with `model.keras`, an ordinary functional Keras model over scaled inputs, and `serving.json`, the scalers and names
beside it (see `serving`). One lane is the network that it trained. Several are the mean of theirs:

    inputs.standard ── member.1 ── PE, V ─┐
                   └── member.2 ── PE, V ─┼── PE.members ── PE       and so for V
    inputs.quantile ── member.3 ── PE, V ─┘

with one input for each way in which members scale theirs, and for each head one linear layer that weighs what the members say.
Names with a dot are ours: a head's name has none.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from branchsweep.data.encoders import scalers
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import keras_network, serving
from branchsweep.models.exported_model import ExportedModel, ModelMember


def export_model(folder: Path, model: ExportedModel, rows: TrainingRows) -> None:
    """Writes the folder's two files; see `roles.Trainer.export`.

    Args:
        folder: Made if it is not there.
        model: Its members were trained on all of `rows`.
        rows: What the scalers are fitted on, and the ranges of the inputs taken from.
    """
    members = model.members
    target_scalers = {kind: scalers.fit_scaler(kind, rows.y) for kind in {member.recipe.target_scaling for member in members}}
    manifest = {
        "inputs": list(model.inputs),
        "ranges": [list(ends) for ends in rows.ranges],
        "heads": [{"name": head, "unit": unit} for head, unit in model.units.items()],
        "input_scalers": {name: scalers.fit_scaler(kind, rows.x) for kind, name in _inputs(members).items()},
        "target_scaler": target_scalers[members[0].recipe.target_scaling],
        "members": [{"share": member.share, "epochs": member.epochs, "recipe": asdict(member.recipe)} for member in members],
        "provenance": asdict(model.provenance) if model.provenance else None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    _model(members, len(model.inputs), target_scalers).save(folder / serving.MODEL_FILE)
    (folder / serving.MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def predict_exported(folder: Path, x: serving.Floats) -> serving.Floats:
    """Predictions `(rows, heads)` in natural units for inputs `(rows, inputs)` in natural units, by the exported files."""
    manifest = json.loads((folder / serving.MANIFEST_FILE).read_text(encoding="utf-8"))
    model = keras.saving.load_model(folder / serving.MODEL_FILE, compile=False)
    scaled = model.predict(serving.network_inputs(manifest, x), batch_size=4096, verbose=0)
    columns = [scaled[head["name"]] for head in manifest["heads"]]
    return serving.inverse(manifest["target_scaler"], np.concatenate(columns, axis=1).astype(np.float64))


def measure_latency(folder: Path, x: serving.Floats, repetitions: int = 20) -> float:
    """Median seconds that the exported model takes from raw inputs to natural units, as it is served; see `roles.Trainer`."""
    model = serving.Predictor(folder)
    model.answer(x)  # reads the files, and lets Keras trace what it traces
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        model.answer(x)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _inputs(members: Sequence[ModelMember]) -> dict[str, str]:
    """By kind of scaling, the name of the model's input; a model that has but one calls it as a single network does."""
    kinds = dict.fromkeys(member.recipe.input_scaling for member in members)
    return {kind: f"inputs.{kind}" if len(kinds) > 1 else "inputs" for kind in kinds}


def _model(members: Sequence[ModelMember], width: int, target_scalers: Mapping[str, serving.Scaler]) -> keras.Model:
    """The network of the one member, or the mean of all, in the scaling of the first one's targets."""
    if len(members) == 1:
        return keras_network.build_network(members[0].recipe.architecture, width, members[0].weights)
    columns = {kind: keras.Input((width,), name=name) for kind, name in _inputs(members).items()}
    answers = [
        keras_network.build_network(member.recipe.architecture, width, member.weights, f"member.{number}")(
            columns[member.recipe.input_scaling]
        )
        for number, member in enumerate(members, start=1)
    ]
    outputs, means = {}, {}
    for head in members[0].recipe.architecture.branches:
        beside = keras.layers.Concatenate(name=f"{head}.members")([answer[head] for answer in answers])
        means[head] = keras.layers.Dense(1, name=head)
        outputs[head] = means[head](beside)
    for mean, weights in zip(means.values(), _mean_weights(members, target_scalers), strict=True):
        mean.set_weights(weights)
    by_name = {column.name: column for column in columns.values()}
    return keras.Model(by_name if len(by_name) > 1 else next(iter(by_name.values())), outputs)


def _mean_weights(
    members: Sequence[ModelMember], target_scalers: Mapping[str, serving.Scaler]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Head by head the kernel `(members, 1)` and the bias `(1,)` of the weighted mean.

    A member says y = scale z + shift; the model says it in the first one's scaling, (y - shift_0) / scale_0. Of members that
    scale their targets alike, the kernel is their shares and the bias is zero.
    """
    shares = np.array([member.share for member in members])[:, None]
    scale, shift = (
        np.array([target_scalers[member.recipe.target_scaling][word] for member in members]) for word in ("scale", "shift")
    )
    kernels, biases = shares * scale / scale[0], (shares * (shift - shift[0])).sum(0) / scale[0]
    return [(kernel[:, None], bias[None]) for kernel, bias in zip(kernels.T, biases, strict=True)]
