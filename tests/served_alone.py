"""Exported models served by their files alone, in processes that cannot import branchsweep."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from branchsweep.models import serving

BLOCK_BRANCHSWEEP = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "branchsweep":
            raise ImportError("this machine has not branchsweep")

sys.meta_path.insert(0, Blocked())
"""
"""Python code that makes every import of branchsweep fail in its process."""

_PREDICT = """
sys.path.insert(0, ".")
import pathlib, pandas, serving

print(serving.Predictor(pathlib.Path(".")).predict(pandas.read_json("table.json")).to_json(double_precision=12))
"""


def predict_alone(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Predictions of an exported model, with `serving.py` copied to its files.

    Args:
        folder: Of the exported model.
        table: Raw inputs.
    """
    shutil.copy(serving.__file__, folder / "serving.py")
    table.to_json(folder / "table.json", double_precision=15)
    command = [sys.executable, "-I", "-c", BLOCK_BRANCHSWEEP + _PREDICT]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pd.DataFrame(json.loads(done.stdout.splitlines()[-1]))
