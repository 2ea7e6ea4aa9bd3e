"""The contracts of imports in pyproject.toml: they hold, and each notices what breaks it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import run_python

ROOT = Path(__file__).parents[1]

HEAVY = {
    "jinja2",
    "keras",
    "keras_tuner",
    "matplotlib",
    "mlflow",
    "optuna",
    "pandas",
    "plotly",
    "pyarrow",
    "ray",
    "requests",
    "scipy",
    "sklearn",
    "tensorflow",
    "torch",
}
"""Libraries that take long to import."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts on the package in `folder`."""
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache", "--config", ROOT / "pyproject.toml"],
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_contracts_hold() -> None:
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "violation"),
    [
        ("trial.py", "from branchsweep import config", "branchsweep.trial -> branchsweep.config"),
        ("metrics/scores.py", "def late():\n    import branchsweep.models", "branchsweep.metrics.scores -> branchsweep.models"),
        ("search/random.py", "import branchsweep.tracking", "branchsweep.search.random -> branchsweep.tracking"),
        ("training/packing.py", "import branchsweep.search", "branchsweep.training.packing -> branchsweep.search"),
        ("workflows/sweep.py", "from branchsweep import cli", "branchsweep.workflows.sweep -> branchsweep.cli"),
        ("newcomer.py", "", "branchsweep.newcomer"),
        ("cli/models.py", "def late():\n    import tensorflow", "branchsweep.cli.models -> tensorflow"),
        ("training/local_workers.py", "def late():\n    import ray", "branchsweep.training.local_workers -> ray"),
        ("workflows/replay.py", "from mlflow.entities import Run", "branchsweep.workflows.replay -> mlflow"),
        ("tracking/open.py", "from mlflow import MlflowClient", "branchsweep.tracking.open -> mlflow"),
        (
            "workflows/replay.py",
            "from branchsweep.tracking.mlflow.serialization.tags import tag_name",
            "branchsweep.workflows.replay -> branchsweep.tracking.mlflow.serialization.tags",
        ),
        ("workflows/search_loop.py", "import optuna", "branchsweep.workflows.search_loop -> optuna"),
        ("models/keras_network.py", "import keras_tuner", "branchsweep.models.keras_network -> keras_tuner"),
        ("tracking/memory.py", "from ruamel.yaml import YAML", "branchsweep.tracking.memory -> ruamel"),
        ("trial.py", "import pydantic", "branchsweep.trial -> pydantic"),
        ("metrics/scores.py", "import pandas as pd", "branchsweep.metrics.scores -> pandas"),
        ("data/splits.py", "import requests", "branchsweep.data.splits -> requests"),
        ("workflows/sweep.py", "from sklearn.metrics import r2_score", "branchsweep.workflows.sweep -> sklearn"),
        ("workflows/sweep.py", "from rich import print", "branchsweep.workflows.sweep -> rich"),
        ("workflows/sweep.py", "import plotly", "branchsweep.workflows.sweep -> plotly"),
    ],
)
def test_a_contract_notices_a_violation(tmp_path: Path, module: str, line: str, violation: str) -> None:
    package = tmp_path / "branchsweep"
    shutil.copytree(ROOT / "src" / "branchsweep", package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout
    assert violation in done.stdout


@pytest.mark.parametrize("module", ["branchsweep", "branchsweep.cli", "branchsweep.config.yaml.loading"])
def test_nothing_heavy_is_imported_by(module: str) -> None:
    done = run_python(f"import sys, {module}; print(*sorted(sys.modules.keys() & {HEAVY!r}))")
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_reading_an_experiment_imports_nothing_heavy() -> None:
    code = f"""
import pathlib, sys
from branchsweep.config.yaml.loading import load_experiment
load_experiment(pathlib.Path(sys.argv[1]))
print(*sorted(sys.modules.keys() & {HEAVY!r}))
"""
    done = run_python(code, str(ROOT / "experiments" / "branched.yaml"))
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_help_needs_neither_markdown_nor_tracebacks() -> None:
    code = """
import contextlib, io, sys
from branchsweep.cli import main
sys.argv = ["branchsweep", "--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as printed:
    main()
assert "Usage" in printed.getvalue()
print(*sorted(sys.modules.keys() & {"markdown_it", "pygments", "rich.markdown", "rich.traceback", "typer.rich_utils"}))
"""
    done = run_python(code)
    assert (done.returncode, done.stdout.split()) == (0, ["typer.rich_utils"]), done.stderr


def test_a_worker_that_starts_imports_no_keras() -> None:
    code = """
import sys
import numpy as np
from branchsweep.data.training_rows import TrainingRows
from branchsweep.training import worker_process
worker_process.start(print, None)(TrainingRows(np.zeros((2, 1)), np.zeros((2, 1)), ()))
print(*sorted(sys.modules.keys() & {"keras", "pandas", "sklearn", "tensorflow"}))
"""
    done = run_python(code)
    assert (done.returncode, done.stdout.split()) == (0, ["tensorflow"]), done.stderr
