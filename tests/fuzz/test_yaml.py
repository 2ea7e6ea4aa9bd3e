"""Experiments, search spaces and comparisons, changed at random from the shipped ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.yaml.loading import is_comparison_file, load_comparison
from branchsweep.config.yaml.yaml_parser import read_document
from branchsweep.errors import ConfigError
from fuzz.commands import run_command, try_examples
from fuzz.mutations import changed_text, changed_yaml

ROOT = Path(__file__).parents[2]
EXPERIMENTS = [path for path in sorted((ROOT / "experiments").glob("*.yaml")) if not is_comparison_file(path)]
COMPARISONS = [path for path in sorted((ROOT / "experiments").glob("*.yaml")) if is_comparison_file(path)]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped files, with a small table of the columns that they name."""
    for source in (*EXPERIMENTS, *COMPARISONS, *SPACES):
        target = tmp_path / source.parent.name / source.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    random = np.random.default_rng(0)
    columns = {name: random.uniform(1, 2, 80).round(3) for name in ("AT", "AP", "RH", "PE", "V")}
    pd.DataFrame(columns).to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_changed_experiment_is_planned_or_refused(folder: Path, path: Path) -> None:
    file = folder / "experiments" / "changed.yaml"

    def check(text: str) -> None:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        arguments = (str(file), "--data", str(folder / "table.csv"), "--trials", "4", "--workers", "1")
        run_command(folder, "run", *arguments, "--dry-run", "--json")
        run_command(folder, "draw", str(file))

    strategy = changed_text(path.read_text(encoding="utf-8")) | changed_yaml(read_document(path).data)
    try_examples(strategy, check, 12)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_changed_search_space_is_described_or_refused(folder: Path, path: Path) -> None:
    file = folder / "search_spaces" / "changed.yaml"

    def check(text: str) -> None:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        run_command(folder, "space", str(file))

    try_examples(changed_text(path.read_text(encoding="utf-8")) | changed_yaml(read_document(path).data), check, 60)


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.stem)
def test_a_changed_comparison_is_read_or_refused(folder: Path, path: Path) -> None:
    file = folder / "experiments" / "changed.yaml"

    def check(text: str) -> None:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            comparison = load_comparison(file)
        except ConfigError:
            return
        comparison.quick()
        for contestant in comparison.contestants.values():
            if contestant.kind != "estimator":
                comparison.experiment_of(contestant)

    try_examples(changed_text(path.read_text(encoding="utf-8")) | changed_yaml(read_document(path).data), check, 60)
