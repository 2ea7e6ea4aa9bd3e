"""The notebooks of the documentation run from beginning to end, and are kept without outputs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import branchsweep
from notebook_cells import as_script, read_cells

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
NEEDS_THE_TABLE = "power_plant.ipynb"
SHOWN = {
    "power_plant.ipynb": ("<b>sweep plant</b>", "<b>comparison plant-networks</b>", "<b>model plant</b>", "PE_low"),
    "your_own_table.ipynb": ("<b>sweep boiler-house</b>", "alarm_probability", "trials, best:", "name: boiler-house"),
    "one_network_or_several.ipynb": ("<b>comparison one-or-several</b>", "verdict"),
}
"""By notebook, what is among the outputs of its cells."""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_has_code_without_outputs_that_names_public_names_alone(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    code = "\n".join(read_cells(notebook, "code"))
    compile(code, notebook.name, "exec")
    imported = [
        line.removeprefix("from branchsweep import ").split(", ") for line in code.splitlines() if "from branchsweep" in line
    ]
    assert {name for names in imported for name in names} <= set(branchsweep.__all__)


@pytest.mark.slow
@pytest.mark.parametrize(
    "notebook",
    [pytest.param(path, marks=[pytest.mark.needs_table] * (path.name == NEEDS_THE_TABLE), id=path.name) for path in NOTEBOOKS],
)
def test_a_notebook_runs_to_its_end(notebook: Path, tmp_path: Path) -> None:
    if notebook.name == NEEDS_THE_TABLE:
        shutil.copy(os.environ["BRANCHSWEEP_TEST_TABLE"], tmp_path / "Folds5x2_pp.xlsx")
    script = tmp_path / "notebook.py"
    script.write_text(as_script(notebook), encoding="utf-8")
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for text in SHOWN[notebook.name]), done.stdout
