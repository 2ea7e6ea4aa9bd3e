"""The floors of the house, kept by contracts in pyproject.toml: they hold, and they notice what breaks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HEAVY = (
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
)


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
    ("module", "line", "told"),
    [
        ("trial.py", "from branchsweep import config", "branchsweep.trial -> branchsweep.config"),
        ("score.py", "def late():\n    from branchsweep import sweep", "branchsweep.score -> branchsweep.sweep"),
        ("drivers/random.py", "import branchsweep.ledgers", "branchsweep.search.random -> branchsweep.ledgers"),
        ("sweep.py", "from branchsweep import cli", "branchsweep.sweep -> branchsweep.cli"),
        ("utils.py", "", "branchsweep.utils"),
        ("cli/models.py", "def late():\n    import tensorflow", "branchsweep.cli.models -> tensorflow"),
        ("ledgers/memory.py", "from mlflow.entities import Run", "branchsweep.ledgers.memory -> mlflow"),
        ("drivers/random.py", "import optuna", "branchsweep.search.random -> optuna"),
        ("training/network.py", "import keras_tuner", "branchsweep.training.network -> keras_tuner"),
        ("training/workers.py", "def late():\n    import ray", "branchsweep.training.workers -> ray"),
        ("ledgers/memory.py", "from ruamel.yaml import YAML", "branchsweep.ledgers.memory -> ruamel"),
        ("score.py", "import pandas as pd", "branchsweep.score -> pandas"),
        ("data.py", "import requests", "branchsweep.data -> requests"),
        ("sweep.py", "from sklearn.metrics import r2_score", "branchsweep.sweep -> sklearn"),
        ("report/sweep_page.py", "import plotly", "branchsweep.report.sweep_page -> plotly"),
        ("sweep.py", "from rich import print", "branchsweep.sweep -> rich"),
        ("report/page.py", "from matplotlib.figure import Figure", "branchsweep.report.page -> matplotlib"),
        ("report/text.py", "import jinja2", "branchsweep.report.text -> jinja2"),
    ],
)
def test_the_contracts_notice(tmp_path: Path, module: str, line: str, told: str) -> None:
    package = tmp_path / "branchsweep"
    shutil.copytree(ROOT / "src" / "branchsweep", package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout
    assert told in done.stdout


def test_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, branchsweep.cli; print(*sorted(sys.modules.keys() & {set(HEAVY)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_reading_an_experiment_imports_nothing_heavy() -> None:
    code = f"import sys, branchsweep.config; print(*sorted(sys.modules.keys() & {set(HEAVY)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
