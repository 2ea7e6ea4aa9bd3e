"""Generated scripts read and encode columns of any kind as the search does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.encoders.inputs import InputEncoder
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.models.codegen import generate_script
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.recipe import Recipe
from branchsweep.types import Floats

ROWS = 60
INPUTS: Mapping[str, Any] = {
    "season": {},
    "temperature": {},
    "wind": {"missing": "indicator"},
    "rain": {"missing": "mean"},
    "when": {"kind": "date", "parts": ["hour", "month", "day_of_week", "minute", "elapsed"]},
    "until": {"kind": "date", "parts": ["year", "day_of_year", "day_of_month"]},
    "heated": {},
    "zone": {"kind": "categorical"},
}


def mixed() -> pd.DataFrame:
    random = np.random.default_rng(3)
    season = random.choice(["spring", "summer, dry", "autumn"], ROWS).astype(object)
    season[[4, 9, 30]] = None
    season[7] = "a single winter"
    temperature, wind, rain = random.normal(15, 8, ROWS), random.gamma(2, 2, ROWS), random.gamma(1, 3, ROWS)
    wind[random.random(ROWS) < 0.2] = np.nan
    rain[[3, 5]] = np.nan
    when = pd.Timestamp("2023-03-01 12:00") + pd.to_timedelta(random.integers(0, 600 * 24 * 60, ROWS), unit="min")
    return pd.DataFrame(
        {
            "season": season,
            "temperature": temperature,
            "wind": wind,
            "rain": rain,
            "when": when,
            "until": when.floor("D") + pd.Timedelta("3D"),
            "heated": temperature < 10,
            "zone": random.choice([1, 2, 30], ROWS),
            "load": temperature + random.normal(size=ROWS),
            "price": temperature**2,
        }
    )


def changed(cells: Mapping[tuple[int, str], Any]) -> pd.DataFrame:
    """The mixed table with other cells."""
    frame = mixed().astype(object)
    for place, cell in cells.items():
        frame.loc[place] = cell
    return frame


def repeated() -> pd.DataFrame:
    """The mixed table with rows that repeat others, those with gaps too."""
    return pd.concat([mixed(), mixed().iloc[[4, 9, 4, 20]]])


def csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path.with_suffix(".csv"), index=False)


def german_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path.with_suffix(".csv"), index=False, sep=";", decimal=",")


def xlsx(frame: pd.DataFrame, path: Path) -> None:
    frame.to_excel(path.with_suffix(".xlsx"), index=False)


def parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.astype({"season": "category", "zone": "float32"}).to_parquet(path.with_suffix(".parquet"))


def json_lines(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path.with_suffix(".jsonl"), orient="records", lines=True, double_precision=15, date_format="iso")


def arff(frame: pd.DataFrame, path: Path) -> None:
    kinds = {"season": "{spring,summer,autumn,winter}", "heated": "{True,False}"}
    frame = frame.replace({"summer, dry": "summer", "a single winter": "winter"})
    dates = 'date "yyyy-MM-dd HH:mm:ss"'
    attributes = [f"@attribute {name} {kinds.get(str(name), dates if name in DATES else 'numeric')}" for name in frame]
    rows = frame.to_csv(index=False, header=False, na_rep="?", date_format="%Y-%m-%d %H:%M:%S")
    path.with_suffix(".arff").write_text("\n".join(["@relation mixed", *attributes, "@data", rows]), encoding="utf-8")


DATES = ("when", "until")
DROP = {"invalid": "drop"}
CODES = {(0, "wind"): -9, (1, "season"): " ?", (2, "wind"): "?", (6, "zone"): "?"}
INVALID = {(0, "wind"): "calm", (1, "temperature"): None, (2, "when"): None, (6, "until"): "soon", (8, "rain"): np.inf}
ZONES = {(0, "zone"): "01", (1, "zone"): " 2.0", (2, "zone"): "3e1", (6, "zone"): "north", (8, "zone"): True}
Write = Callable[[pd.DataFrame, Path], None]
TABLES: dict[str, tuple[pd.DataFrame, Write, dict[str, Any]]] = {
    "csv": (mixed(), csv, {}),
    "xlsx": (mixed(), xlsx, {}),
    "parquet": (mixed(), parquet, {}),
    "JSON lines": (mixed(), json_lines, {}),
    "decimal commas": (mixed(), german_csv, {}),
    "codes": (changed(CODES), csv, {"missing": [-9, "?"]}),
    "invalid values": (changed(INVALID), csv, DROP),
    "invalid values, xlsx": (changed(INVALID), xlsx, DROP),
    "numbers written in several ways": (changed(ZONES), csv, {}),
    "numbers written in several ways, xlsx": (changed(ZONES), xlsx, {}),
    "duplicates": (repeated(), csv, {"duplicates": "drop"}),
    "equal rows together": (repeated(), csv, {"duplicates": "together"}),
    "partial targets": (changed({(0, "load"): None, (1, "price"): None}), csv, {}),
    "categories that are not listed": (
        repeated(), csv,
        {"duplicates": "drop", "inputs": {**INPUTS, "season": {"kind": "categorical", "categories": ["spring", "autumn"]}}},
    ),
    "weights": (mixed(), csv, {"weight": "zone", "inputs": {name: INPUTS[name] for name in ("season", "wind", "when")}}),
    "numbers and gaps": (mixed(), csv, {"inputs": {name: INPUTS[name] for name in ("temperature", "rain", "wind")}}),
    "texts alone": (changed({(0, "season"): "?"}), csv, {"missing": ["?"], "inputs": ["season", "heated"]}),
    "dates alone": (changed({(0, "until"): None}), csv, DROP | {"inputs": {"until": INPUTS["until"]}}),
    "arff": (mixed(), arff, {"inputs": {name: column for name, column in INPUTS.items() if name not in DATES}}),
}  # fmt: skip


def experiment(path: Path, table: Mapping[str, Any]) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "mixed",
            "table": {"source": str(path), "inputs": INPUTS, **table},
            "validation": {"method": "k_fold", "folds": 3},
            "heads": {"load": {}, "price": {}},
            "space": {"dimensions": {}},
        }
    )


def encoded_by_script(chosen: Experiment, recipe: Recipe) -> tuple[dict[str, Any], Floats]:
    """The names that the script has defined before it builds the network, and its encoded rows, test rows last."""
    dataset = load_dataset(chosen)
    columns = dict(zip(dataset.inputs, dataset.columns, strict=True))
    provenance = Provenance.of(chosen, dataset.csv_arguments, dataset.partial_targets)
    script = generate_script("models:/mixed/1", columns, [ModelMember(recipe, ())], provenance)
    reading, found, _ = script.partition("# The trunk")
    assert found
    names: dict[str, Any] = {"__name__": "script"}
    without_keras = reading.replace("import keras\n", "").replace("keras.utils.set_random_seed(1)\n", "")
    exec(compile(without_keras, "script.py", "exec"), names)  # noqa: S102  # the script's own lines
    return names, np.concatenate([names["x_train"], names["x_test"]])


def assert_same_columns(found: Floats, expected: Floats) -> None:
    """Check that both have the same columns in any order, apart from those of zeros."""
    found, expected = found[:, found.any(axis=0)], expected[:, expected.any(axis=0)]
    assert found.shape == expected.shape
    left = list(found.T)
    for column in expected.T:
        alike = [position for position, other in enumerate(left) if np.allclose(other, column, rtol=1e-9, atol=1e-9)]
        assert alike
        del left[alike[0]]


def assert_encoded_alike(path: Path, table: Mapping[str, Any], recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the script of such a network takes and encodes the rows that the search does."""
    chosen = experiment(path, table)
    dataset = load_dataset(chosen)
    split = split_rows(chosen, dataset)
    monkeypatch.setattr(sys, "argv", ["script.py", str(path)])
    names, encoded = encoded_by_script(chosen, recipe)
    for rows, part in ((split.train, names["train"]), (split.test, names["test"])):
        np.testing.assert_array_equal(part[["load", "price"]].to_numpy(), dataset.y[rows])
    fitted = InputEncoder(dataset.columns, recipe.encoding).fit(dataset.x[split.train], dataset.y[split.train])
    expected = [fitted.transform(dataset.x[rows]) for rows in (split.train, split.test)]
    assert_same_columns(encoded, np.concatenate(expected))


@pytest.mark.parametrize(("frame", "write", "table"), TABLES.values(), ids=TABLES)
def test_a_script_takes_and_encodes_the_rows_of_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame, write: Write, table: dict[str, Any]
) -> None:
    write(frame, tmp_path / "table")
    (path,) = tmp_path.iterdir()
    assert_encoded_alike(path, table, Recipe.of({"input_scaling": "standard"}, ["load", "price"]), monkeypatch)


SCALINGS = ("none", "min_max", "robust", "quantile", "piecewise_linear", "piecewise_linear_tree", "periodic")


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("inputs", [INPUTS, ["temperature", "load of yesterday"]], ids=["mixed", "numbers"])
def test_a_script_encodes_numbers_as_input_scaling_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Any, scaling: str
) -> None:
    frame, path = mixed(), tmp_path / "t.csv"
    frame.assign(**{"load of yesterday": frame["load"].shift(fill_value=3.5)}).to_csv(path, index=False)
    recipe = Recipe.of({"input_scaling": scaling, "bins": 5}, ["load", "price"])
    assert_encoded_alike(path, {"inputs": inputs}, recipe, monkeypatch)


@pytest.mark.parametrize("scaling", ["none", "standard", "piecewise_linear"])
@pytest.mark.parametrize("with_gaps", [False, True])
def test_a_script_encodes_columns_with_an_input_scaling_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scaling: str, with_gaps: bool
) -> None:
    inputs: dict[str, Any] = {
        "temperature": {"input_scaling": "none"},
        "wind": {"missing": "indicator", "input_scaling": "piecewise_linear_tree"},
        "rain": {"missing": "mean"},
        "season": {},
        "price of yesterday": {"input_scaling": "quantile"},
    }
    if not with_gaps:
        inputs = {name: column for name, column in inputs.items() if "missing" not in column}
    frame = mixed()
    csv(frame.assign(**{"price of yesterday": frame["price"].shift(fill_value=3.5)}), tmp_path / "t")
    recipe = Recipe.of({"input_scaling": scaling, "bins": 5}, ["load", "price"])
    assert_encoded_alike(tmp_path / "t.csv", {"inputs": inputs}, recipe, monkeypatch)


@pytest.mark.parametrize("limit", [0, 3, 4])
def test_a_script_hashes_the_categories_of_columns_that_have_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    csv(mixed(), tmp_path / "t")
    recipe = Recipe.of({"one_hot_limit": limit, "hash_columns": 2}, ["load", "price"])
    assert_encoded_alike(tmp_path / "t.csv", {}, recipe, monkeypatch)
