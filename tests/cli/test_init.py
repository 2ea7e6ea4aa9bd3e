"""`branchsweep init`: an experiment for any table, which loads and says what it left out; and the shipped examples."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hatchling.builders.wheel import WheelBuilder

from branchsweep.cli.init import init
from branchsweep.config.examples import example_files
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.loading import completed_by_table, load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.errors import DataError, UserError
from branchsweep.models.recipe import Recipe
from branchsweep.workflows.new_experiment import head_names
from branchsweep.workflows.starting_point import (
    STEPS,
    budget_for,
    default_recipe,
    default_trial,
    starting_dimensions,
    starting_values,
)
from processes import python_environment

ROOT = Path(__file__).parents[2]
ROWS = 300


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Columns of all kinds, some that can be no input, and targets with awkward names."""
    rng = np.random.default_rng(0)
    load = rng.normal(size=ROWS)
    frame = pd.DataFrame(
        {
            "row": range(ROWS),
            "batch": np.repeat(range(30), 10),
            "day": pd.date_range("2024-01-01", periods=ROWS, freq="7h").astype(str),
            "zone": rng.choice(["a", "b", "yes"], ROWS),
            "note": [f"text {number}" for number in range(ROWS)],
            "valve, open": rng.random(ROWS) > 0.5,
            "load": load,
            "wind": rng.normal(size=ROWS).round(3).astype(object),
            "constant": 1,
            "european": ["3/4/2024"] * ROWS,
            "heat (MW)": 2 * load + 0.3 * np.repeat(range(30), 10),
            "mean": load + rng.normal(size=ROWS),
        }
    )
    frame.loc[::17, "wind"] = "?"
    frame.loc[5:20, "mean"] = np.nan
    return frame


def dataset_of(path: str) -> tuple[Experiment, Dataset]:
    """The experiment in a file that was written, and the rows that it reads and divides."""
    experiment = completed_by_table(load_experiment(Path(path), []))
    dataset = load_dataset(experiment)
    split_rows(experiment, dataset)
    return experiment, dataset


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "jsonl", "feather"])
def test_an_experiment_for_any_table_loads(ending: str, frame: pd.DataFrame) -> None:
    path = f"my plant.{ending}"
    if ending in ("parquet", "feather"):
        frame = frame.assign(wind=frame["wind"].astype(str))
    match ending:
        case "csv":
            frame.to_csv(path, index=False)
        case "xlsx":
            frame.to_excel(path, index=False)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True)
        case "parquet":
            frame.to_parquet(path)
        case _:
            frame.to_feather(path)
    init(Path(path), heads="heat (MW),mean")
    experiment, dataset = dataset_of("my plant.yaml")
    assert dataset.rows == ROWS and dataset.inputs == ("day", "wind", "batch", "zone", "valve, open", "load")
    assert experiment.columns == {"heat_MW": "heat (MW)", "head_mean": "mean"}
    kinds = {name: (column.kind, column.missing) for name, column in dataset.input_columns.items()}
    assert kinds["day"] == ("date", "error") and kinds["wind"] == ("numeric", "indicator")
    assert kinds["zone"] == kinds["valve, open"] == ("categorical", "error")
    assert experiment.table.missing == ["?"]


def test_an_experiment_names_what_it_left_out_and_what_groups_the_rows(frame: pd.DataFrame) -> None:
    frame.to_csv("plant.csv", index=False)
    init(Path("plant.csv"), heads="heat (MW)")
    text = Path("plant.yaml").read_text("utf-8")
    for name in ("row", "note", "constant", "european"):
        assert f"# left out: {name}, which " in text
    assert "split: {group: batch}" in text.replace("\n# ", " ")


def test_plain_inputs_are_a_list_and_the_schema_is_beside_the_experiment() -> None:
    rng = np.random.default_rng(0)
    pd.DataFrame(rng.normal(size=(50, 3)), columns=["a", "b", "y"]).to_csv("t.csv", index=False)
    Path("sweeps").mkdir()
    init(Path("t.csv"), heads="y", output=Path("sweeps/first.yaml"))
    text = Path("sweeps/first.yaml").read_text("utf-8")
    schema = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    assert (Path("sweeps") / schema).is_file()
    assert "inputs: [a, b]" in text and 'source: "../t.csv"' in text
    assert list(dataset_of("sweeps/first.yaml")[0].heads) == ["y"]


def test_a_file_is_overwritten_with_force_alone() -> None:
    pd.DataFrame({"a": range(30), "x": np.sin(range(30)), "y": np.cos(range(30))}).to_csv("t.csv", index=False)
    Path("t.yaml").write_text("mine", "utf-8")
    with pytest.raises(UserError, match="--force"):
        init(Path("t.csv"), heads="y")
    assert Path("t.yaml").read_text("utf-8") == "mine" and sorted(path.name for path in Path().iterdir()) == ["t.csv", "t.yaml"]
    init(Path("t.csv"), heads="y", force=True)
    assert load_experiment(Path("t.yaml"), []).name == "t"


@pytest.mark.parametrize("heads", ["hat", "note", "", "constant", 'x,y,"a, b"'])
def test_heads_that_cannot_be_predicted_are_one_message(heads: str, frame: pd.DataFrame) -> None:
    frame.to_csv("plant.csv", index=False)
    with pytest.raises(DataError) as raised:
        init(Path("plant.csv"), heads=heads)
    assert raised.value.where == "--heads" and "heat (MW)" in raised.value.message
    assert not Path("plant.yaml").exists()


def test_a_table_that_leaves_no_input_or_too_few_rows_is_refused() -> None:
    pd.DataFrame({"y": np.sin(range(30)), "z": np.cos(range(30))}).to_csv("t.csv", index=False)
    with pytest.raises(DataError):
        init(Path("t.csv"), heads="y,z")
    pd.DataFrame({"x": np.sin(range(9)), "y": np.cos(range(9))}).to_csv("few.csv", index=False)
    with pytest.raises(DataError, match="20"):
        init(Path("few.csv"), heads="y")


def test_rare_values_of_a_head_are_spread_over_all_parts() -> None:
    frame = pd.DataFrame({"x": np.sin(range(200)), "class": 0, "rare": 0})
    frame.loc[:19, "class"], frame.loc[:2, "rare"] = 1, 1
    frame.to_csv("t.csv", index=False)
    init(Path("t.csv"), heads="class")
    experiment, dataset = dataset_of("t.yaml")
    assert experiment.split.stratify == "class"
    assert all(np.ptp(dataset.y[validation, 0]) > 0 for _, validation in split_rows(experiment, dataset).folds)
    frame.loc[1:2, "rare"] = 0
    frame.to_csv("t.csv", index=False)
    init(Path("t.csv"), heads="class,rare", force=True)
    assert load_experiment(Path("t.yaml"), []).split.stratify is None


@pytest.mark.parametrize("rare", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("rows", [20, 60, 201])
def test_a_rare_value_of_few_rows_has_as_many_folds_as_it_can_be_in(rare: int, rows: int) -> None:
    pd.DataFrame({"x": np.sin(range(rows)), "trip": ["yes"] * rare + ["no"] * (rows - rare)}).to_csv("t.csv", index=False)
    init(Path("t.csv"), heads="trip", force=True)
    experiment, dataset = dataset_of("t.yaml")
    split = split_rows(experiment, dataset)
    parts = [split.test, *(part for fold in (*split.folds, *split.confirmation) for part in fold)]
    assert all(np.ptp(dataset.y[part, 0]) > 0 for part in parts)


def test_columns_of_words_are_heads_of_classes_with_their_rare_ones_in_all_parts() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=200), "y": random.normal(size=200), "trip": "no", "state": "low"})
    frame.loc[random.permutation(200)[:30], "trip"] = "yes"
    frame.loc[::3, "state"], frame.loc[1::3, "state"] = "mid", "high"
    frame.to_csv("t.csv", index=False)
    init(Path("t.csv"), heads="y,trip,state")
    experiment, dataset = dataset_of("t.yaml")
    assert {head: list(classes) for head, classes in dataset.classes.items()} == {
        "trip": ["no", "yes"],
        "state": ["high", "low", "mid"],
    }
    assert experiment.split.stratify == "trip" and dataset.inputs == ("x",)
    assert all(0 in dataset.y[rows, 1] and 1 in dataset.y[rows, 1] for _, rows in split_rows(experiment, dataset).folds)


def test_heads_of_numbers_name_the_tasks_that_the_numbers_may_stand_for() -> None:
    random = np.random.default_rng(1)
    columns = {
        "x": random.normal(size=90),
        "y": random.normal(size=90),
        "failed": np.arange(90) % 2,
        "year": 2000 + np.arange(90) % 4,
    }
    frame = pd.DataFrame({**columns, "visits": random.integers(0, 60, 90), "grade": np.arange(90) % 4})
    frame.to_csv("t.csv", index=False)
    init(Path("t.csv"), heads="y,failed,year,visits,grade")
    lines = {line.split(":")[0].strip(): line for line in Path("t.yaml").read_text().splitlines() if "{}" in line}
    named = {head: re.findall(r"task: (\w+)", lines[head]) for head in ("y", "failed", "year", "visits", "grade")}
    assert named == {"y": [], "failed": ["binary"], "year": [], "visits": ["count"], "grade": ["count", "multiclass"]}
    dataset_of("t.yaml")


def test_a_column_of_many_words_is_no_head() -> None:
    frame = pd.DataFrame({"x": np.sin(range(200)), "y": np.cos(range(200)), "town": [f"town {row % 21}" for row in range(200)]})
    frame.to_csv("t.csv", index=False)
    with pytest.raises(DataError, match="21"):
        init(Path("t.csv"), heads="town")


def run_init(stdin: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "branchsweep", "init", "t.csv"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, stdin=stdin, text=True, env=python_environment(), **pipes)  # type: ignore[call-overload, no-any-return]


def test_heads_are_asked_for_in_a_terminal_until_they_can_be_predicted() -> None:
    pd.DataFrame({"x": np.sin(range(30)), "y": np.cos(range(30)), "name": "n"}).to_csv("t.csv", index=False)
    terminal, end = pty.openpty()
    process = run_init(end)
    os.write(terminal, b"name\ny\n")
    _, err = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == 0 and "x, y" in err
    assert list(load_experiment(Path("t.yaml"), []).heads) == ["y"]


def test_without_a_terminal_the_message_names_the_columns_that_can_be_predicted() -> None:
    pd.DataFrame({"x": np.sin(range(30)), "y": np.cos(range(30)), "name": "n"}).to_csv("t.csv", index=False)
    process = run_init(subprocess.DEVNULL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "--heads" in err and "x, y" in err and not Path("t.yaml").exists()


@pytest.mark.parametrize("rows", [20, 100, 1_000, 10_000, 1_000_000])
def test_networks_of_every_table_train_enough_steps(rows: int) -> None:
    budget = budget_for(rows)
    steps = budget.steps_per_epoch * budget.epochs
    assert steps >= STEPS or budget.epochs == 500
    assert budget.training >= budget.batch_size or budget.batch_size == 16


@pytest.mark.parametrize("rows", [100, 2_000, 20_000])
@pytest.mark.parametrize("heads", [["a"], ["a", "b"], list("abcdefg")])
def test_the_first_trial_is_a_point_of_the_starting_space_and_trains_the_default_recipe(heads: list[str], rows: int) -> None:
    budget = budget_for(rows)
    space = SearchSpace.model_validate({
        "dimensions": starting_dimensions(heads, budget), "fixed": starting_values(heads, budget)
    })  # fmt: skip
    first = default_trial(heads, budget)
    assert space.contains(first)
    assert Recipe.of({**space.fixed, **first}, heads) == Recipe.of(default_recipe(heads, budget), heads)


def test_every_column_has_a_head_of_a_valid_name() -> None:
    columns = ["PE", "25400", "mean", "trunk", "Y", "Y_1", "a b", "a-b", "a_b", "°C", "outside", "x" * 200, "inputs"]
    names = head_names(columns)
    assert list(names) == columns and len(set(names.values())) == len(columns) and names["PE"] == "PE"
    rest = {"name": "n", "table": {"source": "dataframe", "inputs": ["input"]}, "space": {"dimensions": {}}}
    heads = {name: {"column": column} for column, name in names.items()}
    assert Experiment.model_validate({**rest, "heads": heads}).heads


def test_the_shipped_examples_are_copied_and_load() -> None:
    init(Path("here"), example=True)
    assert load_experiment(Path("here/experiments/quickstart.yaml"), []).space.dimensions
    before = Path("here/experiments/article.yaml")
    before.write_text("mine", "utf-8")
    with pytest.raises(UserError, match="--force"):
        init(Path("here"), example=True)
    assert before.read_text("utf-8") == "mine"


def test_the_shipped_examples_are_in_the_wheel(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("branchsweep/examples/") for name in archive.namelist() if "/examples/" in name}
    assert packed == set(example_files())
