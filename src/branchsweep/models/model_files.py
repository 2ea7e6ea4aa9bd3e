"""Files of an exported model that are read once and predict several times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchsweep.data.encoders.inputs import fitted_inputs_from_json
from branchsweep.models import serving
from branchsweep.types import Floats


def files_digest(folder: Path) -> str:
    """The SHA-256 of the names and contents of a model's files: models with the same digest predict the same."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content of `serving.json`."""
    manifest: dict[str, Any] = json.loads((folder / serving.MANIFEST_FILE).read_text(encoding="utf-8"))
    return manifest


def transform(fitted: Mapping[str, Any], values: Floats) -> Floats:
    """The encoded inputs, by an encoder of `serving.json`."""
    return fitted_inputs_from_json(fitted).transform(values)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedEstimators:
    """The estimators of scikit-learn beside the networks of an exported model.

    Args:
        digest: Of the model's files.
        manifest: The content of `serving.json`.
        estimators: As of `serving.read_estimators`.
    """

    digest: str
    manifest: Mapping[str, Any]
    estimators: Sequence[Any]

    @classmethod
    def of(cls, folder: Path, before: LoadedEstimators | None = None) -> LoadedEstimators:
        """Those of the model in a folder; `before`, if it was read from equal files."""
        if before and before.digest == files_digest(folder):
            return before
        manifest = read_manifest(folder)
        return cls(files_digest(folder), manifest, serving.read_estimators(folder, manifest))

    def predict(self, networks: Floats, x: Floats) -> Floats:
        """The predictions of the model `(rows, outputs)`, from those of its networks and raw inputs `(rows, inputs)`."""
        return serving.with_estimators(self.manifest, networks, x, transform, self.estimators)
