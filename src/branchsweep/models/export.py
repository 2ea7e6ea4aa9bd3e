"""Writes trained lanes as files that anyone can load, and predicts from those files.

A folder with `model.keras`, an ordinary functional Keras model over encoded inputs, and beside it `serving.json`, the encoders
and names, and the encoders' code (see `serving.py`). One lane is the network that it trained. Several are their weighted mean:

    inputs.standard ── member.1 ── PE, V ─┐
                   └── member.2 ── PE, V ─┼── PE.members ── PE       and so for V
    inputs.quantile ── member.3 ── PE, V ─┘

with one input for each way in which members encode theirs, and for each head one linear layer that averages the members.
Estimators of scikit-learn beside the networks have files of their own (`estimator_files.py`).
A head's name has no dot, so these names cannot collide with it.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from branchsweep.config.codec import to_data
from branchsweep.config.sections.columns import as_written
from branchsweep.data.distributions import distribution
from branchsweep.data.encoders.encoder import FittedEncoder
from branchsweep.data.encoders.inputs import InputEncoder, InputEncoding, encoders_of
from branchsweep.data.encoders.registry import fit_target_encoder, outputs_encoder
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models import keras_network, serving
from branchsweep.models.estimator_files import write_estimators
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.models.model_files import LoadedEstimators, files_digest, read_manifest, transform
from branchsweep.models.output_clipping import output_range, ranges_by_head
from branchsweep.types import Floats

NAME = "network"
"""The name of an exported Keras model. Keras would number it by the models that the process has made before."""


def export_model(folder: Path, model: ExportedModel, rows: TrainingRows) -> None:
    """Write the files of an exported model; see `Trainer.export`. Arguments as of `export_networks`."""
    export_networks(folder, model, rows)
    write_estimators(folder, model.estimators)


def export_networks(folder: Path, model: ExportedModel, rows: TrainingRows) -> None:
    """Write the files of an exported model except those of its estimators.

    Args:
        folder: The folder, created if it does not exist.
        model: Its members were trained on all of `rows`.
        rows: The training rows: encoders are fitted on them, and the ranges of the inputs are theirs.
    """
    members = model.members
    kinds = list(model.kinds.values())
    target_encoders = {
        scaling: fit_target_encoder([kind.target_encoder(scaling) for kind in kinds], rows.y)
        for scaling in {member.recipe.target_scaling for member in members}
    }
    columns = model.input_columns
    input_encoders = {
        name: InputEncoder(tuple(columns.values()), encoding).fit(rows.x, rows.y)
        for encoding, name in _input_names(members).items()
    }
    described = as_written(columns)
    manifest = {
        "inputs": list(model.inputs),
        **({"columns": described} if isinstance(described, dict) else {}),
        **({"categories_without_rows": unseen} if (unseen := rows.categories_without_rows(columns)) else {}),
        "ranges": [list(ends) for ends in rows.ranges],
        "distributions": {
            name: to_data(distribution(rows.x[:, position], column)) for position, (name, column) in enumerate(columns.items())
        },
        "heads": model.described_heads,
        "input_scalers": {name: encoder.to_json() for name, encoder in input_encoders.items()},
        "target_scaler": outputs_encoder(
            target_encoders[members[0].recipe.target_scaling], [kind.units for kind in kinds]
        ).to_json(),
        "missing": list(model.provenance.missing) if model.provenance else [],
        "members": [_described(member) for member in members],
        "provenance": to_data(model.provenance) if model.provenance else None,
        **({"estimators": _described_estimators(model)} if model.estimators else {}),
        **({"intervals": to_data(model.intervals)} if model.intervals else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    _keras_model(model, target_encoders, rows).save(folder / serving.MODEL_FILE)
    (folder / serving.MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    of_estimators = [member.fitted.encoder for member in model.estimators if member.fitted.encoder]
    for fitted in (*input_encoders.values(), *of_estimators):
        for encoder in encoders_of(fitted):
            code = folder / serving.ENCODER_FILE.format(kind=encoder.kind)
            code.write_text(encoder.serving_source(), encoding="utf-8")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """The network of an exported model of any version: of several networks their mean.

    Args:
        digest: Of the model's files, see `files_digest`.
        manifest: The content of `serving.json`.
        network: Reads encoded inputs.
    """

    digest: str
    manifest: Mapping[str, Any]
    network: keras.Model

    @classmethod
    def of(cls, folder: Path, before: LoadedNetwork | None = None) -> LoadedNetwork:
        """That of the model in a folder; `before`, if it was read from equal files."""
        digest = files_digest(folder)
        if before and before.digest == digest:
            return before
        return cls(digest, read_manifest(folder), keras.saving.load_model(folder / serving.MODEL_FILE, compile=False))

    def predict(self, x: Floats) -> Floats:
        """Its predictions `(rows, outputs)` for inputs `(rows, inputs)`, both in natural units."""
        encoded = self.network.predict(serving.encode_inputs(self.manifest, x, transform), batch_size=4096, verbose=0)
        columns = [encoded[head["name"]] for head in self.manifest["heads"]]
        return serving.decode_targets(self.manifest, np.concatenate(columns, axis=1).astype(np.float64))


def predict_exported(folder: Path, x: Floats) -> Floats:
    """Predictions `(rows, outputs)` for inputs `(rows, inputs)`, both in natural units, by exported files of any version."""
    return LoadedEstimators.of(folder).predict(LoadedNetwork.of(folder).predict(x), x)


def measure_latency(folder: Path, x: Floats, repetitions: int = 20) -> float:
    """Median seconds that the exported model takes from raw inputs to natural units, as it is served."""
    model = serving.Predictor(folder)
    model.predict_array(x)  # reads the files, and lets Keras trace what it traces
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        model.predict_array(x)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def _described(member: ModelMember) -> dict[str, Any]:
    """What the manifest says of a network."""
    shares = {"shares": dict(member.head_shares)} if member.head_shares else {}
    return {"share": member.share, **shares, "epochs": member.epochs, "recipe": to_data(member.recipe)}


def _described_estimators(model: ExportedModel) -> dict[str, Any]:
    """What the manifest says of the estimators, which were all fitted to the same rows and so encode them alike."""
    encoder = model.estimators[0].fitted.encoder
    return {
        "inputs": encoder.to_json() if encoder else None,
        "network_shares": {head: model.network_share(head) for head in model.units},
        "members": [
            {
                "label": member.label,
                "file": serving.ESTIMATOR_FILE.format(number=number),
                "shares": dict(member.head_shares),
                "estimator": member.name,
                "params": {head: dict(params) for head, params in member.params.items()},
            }
            for number, member in enumerate(model.estimators, start=1)
        ],
    }


def _input_names(members: Sequence[ModelMember]) -> dict[InputEncoding, str]:
    """By encoding, the name of the model's input; the only input of a model is called as a single network's."""
    encodings = list(dict.fromkeys(member.recipe.encoding for member in members))
    if len(encodings) == 1:
        return {encodings[0]: "inputs"}
    names: dict[InputEncoding, str] = {}
    for encoding in encodings:
        alike = sum(other.scaling == encoding.scaling for other in names)
        names[encoding] = f"inputs.{encoding.scaling}{f'.{alike + 1}' if alike else ''}"
    return names


def _keras_model(model: ExportedModel, target_encoders: Mapping[str, FittedEncoder], rows: TrainingRows) -> keras.Model:
    """The network of the one member, or the mean of all, in the encoding of the first one's targets."""
    members, columns = model.members, tuple(model.input_columns.values())

    def network(member: ModelMember, name: str | None = None) -> keras.Model:
        recipe = member.recipe
        width, ranges = recipe.encoded_width(columns), None
        if recipe.clips_outputs:
            encoded = target_encoders[recipe.target_scaling].transform(rows.y)
            ranges = ranges_by_head(model.units, output_range(list(model.kinds.values()), encoded, rows.actual.masks))
        built = keras_network.build_network(recipe.architecture, width, member.weights, name, model.losses, ranges)
        return _with_sorted_quantiles(built, model)

    if len(members) == 1:
        return network(members[0], NAME)
    inputs = {
        encoding: keras.Input((InputEncoder(columns, encoding).width,), name=name)
        for encoding, name in _input_names(members).items()
    }
    predictions = [
        network(member, f"member.{number}")(inputs[member.recipe.encoding]) for number, member in enumerate(members, start=1)
    ]
    outputs, means = {}, {}
    for head in members[0].recipe.architecture.branches:
        beside = keras.layers.Concatenate(name=f"{head}.members")([prediction[head] for prediction in predictions])
        means[head] = keras.layers.Dense(model.kinds[head].units, name=head)
        outputs[head] = means[head](beside)
    shares = np.array([[member.share_of(head) for head in means] for member in members])
    weights = _mean_weights(members, _of_networks(shares), target_encoders)
    for (head, mean), (kernel, bias) in zip(means.items(), weights, strict=True):
        units = model.kinds[head].units  # of each member side by side, as are the members
        mean.set_weights([np.kron(kernel, np.eye(units)), np.repeat(bias, units)] if units > 1 else [kernel, bias])
    by_name = {tensor.name: tensor for tensor in inputs.values()}
    return keras.Model(by_name if len(by_name) > 1 else next(iter(by_name.values())), outputs, name=NAME)


def _with_sorted_quantiles(network: keras.Model, model: ExportedModel) -> keras.Model:
    """The network, where heads with several quantiles predict them in order."""
    several = [head for head, kind in model.kinds.items() if kind.is_sorted]
    if not several:
        return network
    outputs = dict(network.output)
    for head in several:
        outputs[head] = keras.ops.sort(outputs[head], axis=-1)
        outputs[head]._keras_history.operation.name = f"{head}.sorted"  # noqa: SLF001  # it has no argument for a name
    return keras.Model(network.input, outputs, name=network.name)


def _of_networks(shares: Floats) -> Floats:
    """The networks' shares `(members, heads)` in their own mean: over their sum, where estimators have the rest."""
    sums = shares.sum(0)
    if np.allclose(sums, 1.0):  # to the last bit what they were given
        return shares
    return np.where(sums > 0, shares / np.where(sums > 0, sums, 1.0), 1 / len(shares))


def _mean_weights(
    members: Sequence[ModelMember], shares: Floats, target_encoders: Mapping[str, FittedEncoder]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Head by head the kernel `(members, 1)` and the bias `(1,)` of the weighted mean.

    A member's z is scale z + shift in natural units; the model predicts in the first one's encoding, (y - shift_0) / scale_0.
    Of members that encode their targets alike, the kernel is their shares `(members, heads)` and the bias is zero.
    """
    scale, shift = (
        np.array([target_encoders[member.recipe.target_scaling].state[name] for member in members])
        for name in ("scale", "shift")
    )
    kernels, biases = shares * scale / scale[0], (shares * (shift - shift[0])).sum(0) / scale[0]
    return [(kernel[:, None], bias[None]) for kernel, bias in zip(kernels.T, biases, strict=True)]
