"""Warnings of numbers that may stand for missing values, and of rows that are not independent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.codec import to_data
from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.sections.columns import NUMERIC
from branchsweep.data.dataset import Dataset
from branchsweep.data.loading import load_dataset
from branchsweep.data.row_warnings import code_warnings, dependence_warnings, looks_like_group
from branchsweep.data.splits import split_rows
from branchsweep.data.tables import AS_FOUND, read_inputs
from branchsweep.errors import DataError
from branchsweep.types import Floats

ROWS = 400


def experiment(path: Path | str = "t.csv", heads: dict[str, Any] | None = None, **table: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "codes",
            "table": {"source": str(path), "inputs": ["a", "b"], **table},
            "heads": heads or {"f": {}, "g": {}},
            "space": {"dimensions": {}},
        }
    )


def rows(seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    a, b = random.normal(20, 3, ROWS), random.uniform(0, 1500, ROWS)
    return pd.DataFrame({"a": a, "b": b, "f": a + b, "g": a * b})


def coded(column: str, code: float, share: float = 0.1) -> pd.DataFrame:
    frame = rows()
    frame.loc[np.random.default_rng(7).random(ROWS) < share, column] = code
    return frame


def load(frame: pd.DataFrame, **table: Any) -> Dataset:
    return load_dataset(experiment(**table), frame)


# --- codes for missing ---


def normal(random: np.random.Generator) -> Floats:
    return random.normal(12, 3, ROWS)


SOUND: dict[str, Callable[[np.random.Generator], Floats]] = {
    "normal": normal,
    "rounded": lambda random: normal(random).round(),
    "heavy tails": lambda random: random.lognormal(0, 2, ROWS),
    "many zeros": lambda random: np.maximum(0, normal(random) - 12),
    "cut off above": lambda random: np.minimum(14, normal(random)),
    "levels of a design": lambda random: random.choice([-1.0, 0.0, 1.0], ROWS),
    "levels far apart": lambda random: random.choice(10.0 ** np.arange(7), ROWS),
    "two values": lambda random: random.choice([0.0, 99.0], ROWS),
    "a single outlier": lambda random: np.append(normal(random)[1:], -999.0),
    "two outliers": lambda random: np.append(normal(random)[2:], [500.0, 501.0]),
    "grades": lambda random: random.integers(1, 7, ROWS).astype(float),
    "years": lambda random: random.integers(1980, 2021, ROWS).astype(float),
    "a count with a rare high value": lambda random: random.poisson(3, ROWS).astype(float),
}


@pytest.mark.parametrize("values", SOUND.values(), ids=SOUND)
def test_sound_columns_are_not_warned_of(values: Callable[[np.random.Generator], Floats]) -> None:
    for seed in range(20):
        assert code_warnings(["a"], values(np.random.default_rng(seed))[:, None]) == []


@pytest.mark.parametrize(
    ("column", "code"),
    [("a", -200.0), ("b", -200.0), ("f", -9999.0), ("g", 999999.0), ("a", 0.0), ("a", -1.0), ("b", 99999.0), ("a", -99.9)],
)
def test_a_value_that_repeats_far_from_all_others_is_warned_of(column: str, code: float) -> None:
    (warning,) = load(coded(column, code)).warnings
    assert f"table.missing: [{code:g}]" in warning or f"table.missing: [{code:.0f}]" in warning
    assert f"column {column}" in warning


def test_codes_beside_few_values_are_recognised_by_their_form() -> None:
    grades = np.random.default_rng(0).integers(1, 7, ROWS).astype(float)
    grades[::50] = 99.0
    (warning,) = code_warnings(["grade"], grades[:, None])
    assert "table.missing: [99]" in warning and "8 rows" in warning


def test_several_codes_are_named_together() -> None:
    frame = coded("a", -200.0)
    frame.loc[::9, "a"] = -9999.0
    frame.loc[::11, "g"] = -200.0
    (warning,) = load(frame).warnings
    assert "table.missing: [-9999, -200]" in warning


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, object, str])
def test_a_code_is_a_missing_value(dtype: type) -> None:
    frame = rows().round()
    frame.loc[[3, 5], "a"] = -99.0
    frame.loc[7, "g"] = -9999.0
    with pytest.raises(DataError, match="a code for missing") if dtype is not str else pytest.raises(DataError):
        load(frame.astype(dtype), missing=[-99, -9999])
    dataset = load(frame.astype(dtype), missing=[-99, -9999], invalid="drop")
    assert np.isnan(dataset.y).sum() == 1
    np.testing.assert_array_equal(dataset.x, frame.drop([3, 5])[["a", "b"]].to_numpy())


def test_a_code_with_decimals_is_found_in_single_precision() -> None:
    frame = rows().astype(np.float32)
    frame.loc[[3, 5], "a"] = np.float32(-99.9)
    assert load(frame, missing=[-99.9], invalid="drop").rows == ROWS - 2


def test_no_codes_leave_the_key_of_a_sweep_as_it_was() -> None:
    assert "missing" not in sweep_key_fields(experiment())["table"]
    assert sweep_key_fields(experiment(missing=[-200]))["table"]["missing"] == [-200]


def test_a_text_may_stand_for_a_missing_value(tmp_path: Path) -> None:
    frame = rows().astype(object)
    frame.loc[3, "a"], frame.loc[5, "g"] = "?", " ? "
    with pytest.raises(DataError, match="column 'a' row 5: missing"):
        load(frame, missing=["?"])
    dataset = load(frame, missing=["?"], invalid="drop")
    assert (dataset.rows, np.isnan(dataset.y).sum()) == (ROWS - 1, 1)
    frame.to_csv(tmp_path / "t.csv", index=False)
    further = read_inputs(tmp_path / "t.csv", AS_FOUND, {"b": NUMERIC}, ["?"]).frame
    assert further.loc[5, "a"] == "?", "a column that is no input is as it was"


def test_a_text_that_is_a_number_is_that_code() -> None:
    assert experiment(missing=["-200", " ? ", "nan"]).table.missing == [-200.0, "?", "nan"]


def test_how_a_csv_file_is_written_does_not_change_the_key_of_a_sweep() -> None:
    assert sweep_key_fields(experiment(csv={"decimal": ","})) == sweep_key_fields(experiment())


def test_text_with_decimal_commas_is_answered_with_what_to_write() -> None:
    frame = rows().round(2).astype({"a": object})
    frame["a"] = frame["a"].map(lambda value: str(value).replace(".", ","))
    with pytest.raises(DataError, match="with a decimal point"):
        load(frame)


# --- groups ---


@pytest.mark.parametrize(
    "name",
    ["subject#", "Subject ID", "patientId", "batch_no", "Batch", "day", "DAY_OF_TEST", "timestamp", "users"],
)
def test_names_of_groups_are_recognised(name: str) -> None:
    assert looks_like_group(name)


@pytest.mark.parametrize("name", ["load", "humidity", "width", "acid", "steam flow", "residual", "PE", "solid", "holiday"])
def test_names_of_quantities_are_not_taken_for_groups(name: str) -> None:
    assert not looks_like_group(name)


def grouped(values: Any, effect: float) -> pd.DataFrame:
    frame = rows()
    numbers = np.arange(ROWS) // 20
    return frame.assign(subject=values(numbers), f=frame["f"] + effect * np.random.default_rng(1).normal(size=20)[numbers])


LABELS: dict[str, Callable[[Any], Any]] = {
    "numbers": lambda numbers: numbers,
    "texts": lambda numbers: [f"S{number}" for number in numbers],
    "days": lambda numbers: pd.Timestamp("2020-01-01") + pd.to_timedelta(numbers, "D"),
    "times": lambda numbers: pd.Timestamp("2020-01-01") + pd.to_timedelta(numbers * 24 + np.arange(ROWS) % 20, "h"),
    "times as texts": lambda numbers: [f"2020-01-{number + 1:02} {row % 20}:00" for row, number in enumerate(numbers)],
}


@pytest.mark.parametrize("values", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ""])
def test_rows_that_are_alike_within_groups_are_warned_of(tmp_path: Path, values: Callable[[Any], Any], suffix: str) -> None:
    frame = grouped(values, 1000.0)
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif suffix == ".parquet":
        frame.to_parquet(path, index=False)
    dataset = load_dataset(experiment(path), None if suffix else frame)
    (warning,) = dataset.warnings
    assert "'subject'" in warning and "20 values in 400 rows" in warning and "head f" in warning


def test_groups_that_say_nothing_about_the_targets_are_not_warned_of() -> None:
    for seed in range(20):
        targets = {"f": np.random.default_rng(seed).normal(size=ROWS)}
        assert dependence_warnings(pd.DataFrame({"batch": np.arange(ROWS) // 4}), targets) == []


def test_rows_that_follow_each_other_in_time_and_are_alike_are_warned_of() -> None:
    random = np.random.default_rng(0)
    wandering, independent = np.cumsum(random.normal(size=ROWS)), random.normal(size=ROWS)
    order = random.permutation(ROWS)
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=ROWS).astype(str), "measured": np.arange(ROWS)}).iloc[
        order
    ]
    (warning,) = dependence_warnings(frame, {"f": independent[order], "g": wandering[order]})
    assert "'date'" in warning and "head g" in warning and "split: {time: date}" in warning
    assert dependence_warnings(frame, {"f": independent[order]}) == []


def test_a_column_with_a_value_of_its_own_in_every_row_is_no_group() -> None:
    frame = pd.DataFrame({"id": np.arange(ROWS), "sample": "the same"})
    assert dependence_warnings(frame, {"f": np.arange(ROWS, dtype=float)}) == []


def test_an_input_may_be_a_group() -> None:
    frame = grouped(lambda numbers: numbers, 1000.0).rename(columns={"b": "c", "subject": "batch"})
    chosen = Experiment.model_validate(
        {"name": "x", "table": {"source": "t", "inputs": ["a", "batch"]}, "heads": {"f": {}}, "space": {"dimensions": {}}}
    )
    assert "'batch'" in load_dataset(chosen, frame).warnings[0]


# --- rare targets ---


def test_a_rare_target_is_answered_with_a_split_that_works() -> None:
    frame = rows().assign(g=0.0)
    frame.loc[np.arange(0, ROWS, 40), "g"] = 1.0
    messages = []
    for seed in range(1, 60):
        chosen = experiment().model_copy(update={"seed": seed, "test": experiment().test.model_copy(update={"seed": seed})})
        dataset = load_dataset(chosen, frame)
        try:
            split_rows(chosen, dataset)
        except DataError as error:
            messages.append(error.message)
            stratified = Experiment.model_validate({**to_data(chosen), "split": {"stratify": "g"}})
            assert not split_rows(stratified, load_dataset(stratified, frame)).warnings
    assert messages and all("all but 10 rows" in message and "stratify: g" in message for message in messages)
