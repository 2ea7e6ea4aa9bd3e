"""The code of encoders beside an exported model."""

from __future__ import annotations

import json
from pathlib import Path

from branchsweep.data.encoders.inputs import encoders_of, fitted_inputs_from_json
from branchsweep.models.serving import ENCODER_FILE, MANIFEST_FILE


def add_encoder_files(folder: Path) -> None:
    """Write `encoder_KIND.py` for the encoders of a model that was exported before these files existed.

    Args:
        folder: Holds `serving.json`.
    """
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    for data in manifest["input_scalers"].values():
        for encoder in encoders_of(fitted_inputs_from_json(data)):
            file = folder / ENCODER_FILE.format(kind=encoder.kind)
            if not file.exists():
                file.write_text(encoder.serving_source(), encoding="utf-8")
