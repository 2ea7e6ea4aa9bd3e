"""Commands that show an experiment count the columns that its table has."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from branchsweep.cli.experiments import data, draw, space

EXPERIMENT = """
name: mixed
table: {source: t.csv, inputs: [season, T]}
heads: {load: {}}
space: {dimensions: {}, fixed: {trunk.depth: 1, trunk.width: 4, branch.depth: 0}}
"""
COUNTED, AS_NUMBERS = (3 + 1 + 1) * 4 + 4 + 5, 2 * 4 + 4 + 5
"""Parameters: three seasons, a missing one and a number; two numbers."""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mixed.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


def write_table(folder: Path) -> None:
    season, numbers = ["spring", "summer", None, "autumn"] * 5, range(20)
    pd.DataFrame({"season": season, "T": numbers, "load": numbers}).to_csv(folder / "t.csv", index=False)


def sampled_parameters(experiment: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The parameters of a sampled network, and what is said on standard error."""
    space(experiment, samples=1, as_json=True)
    out, err = capsys.readouterr()
    return json.loads(out)["samples"][0]["parameters"], err


def test_networks_are_counted_with_the_categories_of_the_table(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(experiment.parent)
    assert sampled_parameters(experiment, capsys) == (COUNTED, "")
    draw(experiment)
    out, err = capsys.readouterr()
    assert f"{COUNTED} parameters" in out and not err


def test_without_the_table_columns_are_counted_as_numbers_which_is_said_once(
    experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters, err = sampled_parameters(experiment, capsys)
    assert parameters == AS_NUMBERS
    assert err.count("warning") == 1 and "t.csv" in err
    draw(experiment)
    out, err = capsys.readouterr()
    assert f"{AS_NUMBERS} parameters" in out and err.count("warning") == 1


@pytest.mark.parametrize(("written", "notes"), [("", 0), ("test: {fraction: 0.3}\n", 1), ("test: other.csv\n", 1)])
def test_test_rows_that_replace_those_of_the_experiment_are_named(
    experiment: Path, capsys: pytest.CaptureFixture[str], written: str, notes: int
) -> None:
    write_table(experiment.parent)
    experiment.write_text(EXPERIMENT + written, encoding="utf-8")
    data(experiment, test_data=Path("t.csv"))
    assert capsys.readouterr().err.count("note:") == notes
