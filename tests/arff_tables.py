"""Folders of tables as the benchmarks of several targets read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def write_arff_table(folder: Path, name: str, rows: int) -> None:
    """Write a table of two random inputs, a and b, and two targets, y and z, and `targets.json` beside it."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2))
    y = x @ random.normal(size=(2, 2)) + random.normal(size=(rows, 2))
    lines = "\n".join(",".join(f"{value:.6f}" for value in row) for row in np.hstack([x, y]))
    columns = "\n".join(f"@attribute {column} numeric" for column in "abyz")
    (folder / f"{name}.arff").write_text(f"@relation {name}\n{columns}\n@data\n{lines}\n", encoding="utf-8")
    (folder / "targets.json").write_text(json.dumps({name: ["y", "z"]}), encoding="utf-8")
