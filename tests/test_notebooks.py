"""In a kernel of Jupyter: the notebooks of the documentation run from beginning to end, and an interrupted sweep goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import branchsweep
from notebook_kernel import Output, read_cells, running_kernel

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
NEEDS_THE_TABLE = "power_plant.ipynb"
SHOWN = {
    "power_plant.ipynb": ("<b>sweep plant</b>", "<b>comparison plant-networks</b>", "<b>model plant</b>", "PE_low"),
    "your_own_table.ipynb": ("<b>sweep boiler-house</b>", "alarm_probability", "trials, best:", "name: boiler-house"),
    "one_network_or_several.ipynb": ("<b>comparison one-or-several</b>", "verdict"),
}
"""By notebook, what is among the outputs of its cells."""

SWEEP = """
import numpy as np
import pandas as pd

import branchsweep
from branchsweep import Experiment, Float, Int

inputs = np.random.default_rng(0).normal(size=(2000, 3))
table = pd.DataFrame(inputs, columns=["a", "b", "c"]).assign(heat=inputs.sum(1), steam=inputs[:, 0] * inputs[:, 1])
experiment = Experiment(
    name="interrupted",
    table=["a", "b", "c"],
    heads=["heat", "steam"],
    space={"trunk.depth": Int(1, 3), "learning_rate": Float(1e-3, 1e-2, log=True), "batch_size": 32},
    search={"driver": "random", "trials": 24, "batch": 2},
    fit={"epochs": 150},
    pruning={"rungs": []},
    validation={"method": "hold_out", "fraction": 0.2},
    confirmation={"trials": 1, "folds": 2, "seeds": 1},
    promotion="interrupted",
)
branchsweep.sweep(experiment, table, workers=1)
"""


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
def test_a_notebook_runs_to_its_end_in_a_kernel(notebook: Path, tmp_path: Path) -> None:
    if notebook.name == NEEDS_THE_TABLE:
        shutil.copy(os.environ["BRANCHSWEEP_TEST_TABLE"], tmp_path / "Folds5x2_pp.xlsx")
    with running_kernel(tmp_path) as kernel:
        outputs = [output for cell in read_cells(notebook, "code") for output in kernel.run(cell)]
    assert not [output for output in outputs if output.kind == "error"]
    shown = "\n".join(output.text for output in outputs)
    assert all(text in shown for text in SHOWN[notebook.name]), shown
    assert any(output.image for output in outputs)


@pytest.mark.slow
def test_an_interrupted_cell_and_a_restarted_kernel_resume_the_sweep(tmp_path: Path) -> None:
    with running_kernel(tmp_path) as kernel:

        def trials_are_shown(least: int) -> Callable[[Output], bool]:
            def watch(output: Output) -> bool:
                found = re.search(r"(\d+)/24 trials", re.sub(r"<[^>]+>", "", output.text))
                return output.kind == "update_display_data" and found is not None and int(found[1]) >= least

            return watch

        def interrupt(output: Output) -> bool:
            if trials_are_shown(4)(output):
                kernel.manager.interrupt_kernel()
            return False

        interrupted = kernel.run(SWEEP, interrupt)
        assert interrupted[-1].text.startswith("KeyboardInterrupt")
        assert "the same call resumes it" in "".join(output.text for output in interrupted if output.kind == "stream")
        assert [output.text for output in interrupted if output.kind == "update_display_data"][-1] == ""  # progress is removed
        kernel.run(SWEEP, trials_are_shown(10))
        kernel.restart()
        resumed = kernel.run(SWEEP)
    lines = "".join(output.text for output in resumed if output.kind == "stream")
    recorded = re.search(r"resuming a sweep: (\d+) of 24 trials are recorded", lines)
    assert recorded and int(recorded[1]) >= 8, lines
    assert (resumed[-1].kind, "<b>sweep interrupted</b>" in resumed[-1].text) == ("execute_result", True)
