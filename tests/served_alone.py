"""Exported models served by their files alone, in processes that cannot import branchsweep."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from branchsweep.models import serving

_BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ImportError("this machine has not " + name)

sys.meta_path.insert(0, Blocked())
"""

BLOCK_BRANCHSWEEP = _BLOCK.format(packages=["branchsweep"])
"""Python code that makes every import of branchsweep fail in its process."""

_PREDICT = """
sys.path.insert(0, ".")
import pathlib, pandas, serving

predictor = serving.Predictor(pathlib.Path("."), {network_file!r})
print(predictor.predict(pandas.read_json("table.json")).to_json(double_precision=12))
"""


def predict_alone(
    folder: Path, table: pd.DataFrame, network_file: str = serving.MODEL_FILE, without: Sequence[str] = ()
) -> pd.DataFrame:
    """Predictions of an exported model, with `serving.py` copied to its files.

    Args:
        folder: Of the exported model.
        table: Raw inputs.
        network_file: The file of the network.
        without: Packages that cannot be imported, beside branchsweep.
    """
    shutil.copy(serving.__file__, folder / "serving.py")
    table.to_json(folder / "table.json", double_precision=15)
    code = _BLOCK.format(packages=["branchsweep", *without]) + _PREDICT.format(network_file=network_file)
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pd.DataFrame(json.loads(done.stdout.splitlines()[-1]))
