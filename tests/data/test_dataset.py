"""Tables: reading, checking, splitting, writing."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, train_test_split

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.columns import NUMERIC
from branchsweep.data import tables
from branchsweep.data.dataset import Dataset, Halves
from branchsweep.data.files import written_table
from branchsweep.data.files.written_table import write_table
from branchsweep.data.halves import split_halves
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.tables import AS_FOUND, read_inputs, read_table
from branchsweep.errors import DataError

SUFFIXES = [".xlsx", ".csv", ".parquet"]
PLANT: dict[str, Any] = {"heads": {"PE": {"unit": "MW"}, "V": {"unit": "cm Hg"}}, "table_inputs": ["AT", "AP", "RH"]}
"""The power-plant table's heads and inputs, for `make_experiment`."""


def make_experiment(source: Path | str = "ccpp", *, heads: dict[str, Any] | None = None, **changes: Any) -> Experiment:
    """An experiment over a small table; keyword arguments named `table_…` change the table."""
    table = {"source": str(source), "inputs": ["speed", "load"]}
    table |= {name.removeprefix("table_"): value for name, value in changes.items() if name.startswith("table_")}
    return Experiment.model_validate(
        {
            "name": "small",
            "table": table,
            "heads": heads or {"power": {"unit": "MW"}, "heat": {"column": "heat loss"}},
            "space": {"dimensions": {}},
            **{name: value for name, value in changes.items() if not name.startswith("table_")},
        }
    )


def small_table(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    speed, load_ = rng.normal(10.0, 2.0, rows).round(3), rng.integers(0, 100, rows)
    return pd.DataFrame(
        {
            "day": [f"day {number}" for number in range(rows)],
            "speed": speed,
            "load": load_,
            "power": (3.0 * speed + 0.1 * load_).round(3),
            "heat loss": rng.normal(size=rows).round(3),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a file without the code under test."""
    if path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def counts(message: str) -> list[int]:
    """The whole numbers in a message, from left to right."""
    return [int(number.replace(",", "")) for number in re.findall(r"(?<![\w.])\d[\d,]*(?![\w.])", message)]


def error_of(call: Callable[..., object], *arguments: Any) -> DataError:
    """The error that a call raises."""
    with pytest.raises(DataError) as error:
        call(*arguments)
    return error.value


# --- reading ---


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_is_read_from_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    table = small_table()
    read = read_table(write(table, tmp_path / f"table{suffix}"))
    pd.testing.assert_frame_equal(read.reset_index(drop=True), table, check_dtype=False)
    assert list(read.index[:2]) == ([1, 2] if suffix == ".parquet" else [2, 3])  # a spreadsheet has the names in row 1


def test_a_suffix_may_be_written_in_capitals(tmp_path: Path) -> None:
    write(small_table(), tmp_path / "table.csv").rename(tmp_path / "TABLE.CSV")
    assert len(read_table(tmp_path / "TABLE.CSV")) == 40


def two_sheets(path: Path) -> Path:
    with pd.ExcelWriter(path) as workbook:
        small_table(10).to_excel(workbook, sheet_name="Spring", index=False)
        small_table(20).to_excel(workbook, sheet_name="Autumn", index=False)
    return path


@pytest.mark.parametrize(("sheet", "rows"), [(None, 10), ("Spring", 10), ("Autumn", 20), (0, 10), (1, 20)])
def test_a_sheet_is_named_or_counted(tmp_path: Path, sheet: str | int | None, rows: int) -> None:
    assert len(read_table(two_sheets(tmp_path / "workbook.xlsx"), sheet)) == rows


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [("Autum", ["Spring, Autumn", "'Autumn'"]), (2, ["Spring, Autumn", "0 to 1"])],
)
def test_a_missing_sheet_is_reported_with_the_sheets_of_the_workbook(
    tmp_path: Path, sheet: str | int, expected: list[str]
) -> None:
    error = error_of(read_table, two_sheets(tmp_path / "workbook.xlsx"), sheet)
    assert all(text in error.message for text in expected)
    assert "workbook.xlsx" in error.where


def test_only_a_workbook_has_sheets(tmp_path: Path) -> None:
    error = error_of(read_table, write(small_table(), tmp_path / "table.csv"), "Sheet1")
    assert "'Sheet1'" in error.message and "table.sheet" in error.message


def test_a_missing_file_is_reported_with_the_nearest_name_in_its_folder(tmp_path: Path) -> None:
    write(small_table(), tmp_path / "plant.csv")
    misspelled, elsewhere = tmp_path / "plnat.csv", tmp_path / "nowhere" / "plant.csv"
    error = error_of(read_table, misspelled)
    assert error.where == str(misspelled) and "'plant.csv'" in error.message
    error = error_of(read_table, elsewhere)
    assert error.where == str(elsewhere) and "plant.csv" not in error.message


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").mkdir()
    error = error_of(read_table, tmp_path / "table.csv")
    assert error.where == str(tmp_path / "table.csv") and "folder" in error.message


def test_the_error_for_an_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    error = error_of(read_table, tmp_path / "table.xls")
    assert "'.xls'" in error.message and all(suffix in error.message for suffix in SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_broken_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"\xff\xfe\x00 this is no table \x81\x00")
    error = error_of(read_table, path)
    assert error.where == str(path) and isinstance(error.__cause__, Exception)


def test_a_zip_that_is_no_workbook_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as archive:
        archive.writestr("hello.txt", "hello")
    error = error_of(read_table, tmp_path / "table.xlsx")
    assert error.where == str(tmp_path / "table.xlsx") and isinstance(error.__cause__, Exception)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows_is_empty(tmp_path: Path, suffix: str) -> None:
    assert "empty" in error_of(read_table, write(small_table().iloc[:0], tmp_path / f"table{suffix}")).message


def test_a_file_without_anything_is_empty(tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    pd.DataFrame().to_excel(tmp_path / "table.xlsx", index=False)
    for name in ("table.csv", "table.xlsx"):
        assert "empty" in error_of(read_table, tmp_path / name).message


def test_a_csv_whose_separator_is_not_the_same_in_all_lines_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("day;speed;load\n1;2;3\n1,2,3\n")
    assert "'day;speed;load'" in error_of(read_table, tmp_path / "table.csv").message


@pytest.mark.parametrize("line", ["1,2,3", "1,2,3\n4,5,6"])
def test_a_csv_line_with_too_many_values_is_not_cut(tmp_path: Path, line: str) -> None:
    (tmp_path / "table.csv").write_text(f"a,b\n{line}\n")
    assert isinstance(error_of(read_table, tmp_path / "table.csv").__cause__, Exception)


def test_a_csv_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("\ufeffa,b\n1,2\n", encoding="utf-8")
    assert list(read_table(tmp_path / "table.csv").columns) == ["a", "b"]


def test_blank_rows_are_skipped_and_counted_in_row_numbers(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n\n3,4\n\n")
    frame = read_table(tmp_path / "table.csv")
    assert list(frame.index) == [2, 4]
    cells = pd.DataFrame([["a", "b"], [1, 2], [None, None], [3, 4]])
    cells.to_excel(tmp_path / "table.xlsx", header=False, index=False)
    assert list(read_table(tmp_path / "table.xlsx").index) == [2, 4]


def test_numbers_in_a_csv_are_read_to_the_last_bit(tmp_path: Path) -> None:
    written = np.random.default_rng(3).normal(size=2000) * 10.0 ** np.arange(-10, 10).repeat(100)
    pd.DataFrame({"a": written, "b": 1.0}).to_csv(tmp_path / "table.csv", index=False)
    np.testing.assert_array_equal(read_table(tmp_path / "table.csv")["a"].to_numpy(), written)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b,a\n1,2,3\n")
    pd.DataFrame([["a", "b", "a"], [1, 2, 3]]).to_excel(tmp_path / "table.xlsx", header=False, index=False)
    for name in ("table.csv", "table.xlsx"):
        assert "'a'" in error_of(read_table, tmp_path / name).message


def test_names_of_columns_are_text(tmp_path: Path) -> None:
    cells = pd.DataFrame([["a", 2020, None], [1, 2, 3], [4, 5, 6]])
    cells.to_excel(tmp_path / "table.xlsx", header=False, index=False)
    assert list(read_table(tmp_path / "table.xlsx").columns) == ["a", "2020", "Unnamed: 2"]


def test_a_first_row_without_names_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(",,\n1,2,3\n")
    assert "row 1" in error_of(read_table, tmp_path / "table.csv").message


def test_an_index_with_a_name_is_a_column_of_a_parquet_file(tmp_path: Path) -> None:
    small_table().set_index("day").to_parquet(tmp_path / "table.parquet")
    assert "day" in read_table(tmp_path / "table.parquet").columns


# --- loading ---


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_dataset_holds_inputs_and_targets_in_order(tmp_path: Path, suffix: str) -> None:
    table = small_table()
    dataset = load_dataset(make_experiment(write(table, tmp_path / f"table{suffix}")))
    assert (dataset.source, dataset.is_synthetic, dataset.rows) == ("file", False, 40)
    assert (dataset.inputs, dataset.heads, dataset.warnings) == (("speed", "load"), ("power", "heat"), ())
    np.testing.assert_array_equal(dataset.x, table[["speed", "load"]].to_numpy(dtype=float))
    np.testing.assert_array_equal(dataset.y, table[["power", "heat loss"]].to_numpy())
    assert dataset.x.dtype == dataset.y.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        dataset.x[0, 0] = 1.0


def test_the_digest_does_not_depend_on_the_kind_of_file(tmp_path: Path) -> None:
    table = small_table()
    files = [write(table, tmp_path / f"table{suffix}") for suffix in SUFFIXES]
    shuffled = table.sample(frac=1.0, random_state=5)[list(reversed(table.columns))].astype({"load": float})
    files.append(write(shuffled, tmp_path / "shuffled.parquet"))
    assert len({load_dataset(make_experiment(path)).digest for path in files}) == 1


def test_the_digest_depends_on_every_value_name_and_row(tmp_path: Path) -> None:
    table = small_table()
    other_value = table.assign(speed=table["speed"].where(table.index != 7, 11.0))
    other_name = table.rename(columns={"speed": "velocity"})
    swapped = table.rename(columns={"speed": "load", "load": "speed"})
    twice = pd.concat([table, table.iloc[[3]]])
    digests = {
        load_dataset(make_experiment(write(table, tmp_path / "0.parquet"))).digest,
        load_dataset(make_experiment(write(other_value, tmp_path / "1.parquet"))).digest,
        load_dataset(make_experiment(write(other_name, tmp_path / "2.parquet"), table_inputs=["velocity", "load"])).digest,
        load_dataset(make_experiment(write(swapped, tmp_path / "3.parquet"))).digest,
        load_dataset(make_experiment(write(twice, tmp_path / "4.parquet"))).digest,
    }
    assert len(digests) == 5


def test_columns_outside_the_experiment_do_not_change_the_digest(tmp_path: Path) -> None:
    table = small_table()
    other = table.assign(day="the same")
    paths = write(table, tmp_path / "a.csv"), write(other, tmp_path / "b.csv")
    assert load_dataset(make_experiment(paths[0])).digest == load_dataset(make_experiment(paths[1])).digest


def test_a_file_given_as_data_replaces_the_experiments_own(tmp_path: Path) -> None:
    path = write(small_table(30), tmp_path / "other.csv")
    dataset = load_dataset(make_experiment("elsewhere.xlsx", table_sheet="Sheet1"), data=path)
    assert (dataset.rows, dataset.location) == (30, str(path))


def test_the_error_for_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    path = write(small_table().rename(columns={"power": "powr"}), tmp_path / "table.csv")
    error = error_of(load_dataset, make_experiment(path))
    assert error.where == str(path)
    assert all(text in error.message for text in ("'power'", "heads.power.column", "'powr'"))


def test_the_error_for_a_missing_column_lists_the_columns_of_the_table(tmp_path: Path) -> None:
    error = error_of(load_dataset, make_experiment(**PLANT), write(small_table(), tmp_path / "table.csv"))
    assert all(text in error.message for text in ("'AT'", "table.inputs", ", ".join(small_table().columns)))


def test_a_column_with_swapped_letters_is_suggested(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 5)), columns=["AT", "V", "AP", "RH", "EP"])
    experiment = make_experiment(write(table, tmp_path / "t.csv"), heads={"PE": {}}, table_inputs=["AT", "RH"])
    error = error_of(load_dataset, experiment)
    assert all(text in error.message for text in ("'PE'", "heads.PE.column", "'EP'"))


def test_one_error_names_all_missing_columns(tmp_path: Path) -> None:
    path = write(small_table().rename(columns={"speed": "a1", "heat loss": "b2"}), tmp_path / "table.csv")
    error = error_of(load_dataset, make_experiment(path))
    assert all(text in error.message for text in ("'speed'", "table.inputs", "'heat loss'", "heads.heat.column"))


def broken_table() -> pd.DataFrame:
    """Missing and invalid values in rows 4, 5, 6 and 9."""
    table = small_table().astype({"speed": object, "heat loss": object})
    table.loc[2, "speed"] = None
    table.loc[3, "speed"] = "n.v."
    table.loc[4, "heat loss"] = np.inf
    table.loc[7, ["speed", "heat loss"]] = "broken"
    return table


def test_values_that_are_no_numbers_are_named_with_column_and_row(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    broken_table().to_csv(path, index=False)
    error = error_of(load_dataset, make_experiment(path))
    assert error.where == str(path)
    assert re.findall(r"'(speed|heat loss)' row (\d+): '?([\w.]+)", error.message) == [
        ("speed", "4", "missing"),
        ("speed", "5", "n.v."),
        ("heat loss", "6", "inf"),
        ("speed", "9", "broken"),
        ("heat loss", "9", "broken"),
    ]
    assert counts(error.message)[:2] == [5, 4] and "table.invalid: drop" in error.message


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_rows_without_numbers_may_be_left_out(tmp_path: Path, suffix: str) -> None:
    path = write(broken_table(), tmp_path / f"table{suffix}")
    dataset = load_dataset(make_experiment(path, table_invalid="drop"))
    assert dataset.rows == 36
    (warning,) = dataset.warnings
    assert counts(warning)[:2] == [5, 4] and "table.invalid: drop" in warning
    kept = small_table().drop([2, 3, 4, 7])
    np.testing.assert_array_equal(dataset.y, kept[["power", "heat loss"]].to_numpy())


def test_a_table_without_a_valid_row_is_an_error(tmp_path: Path) -> None:
    path = write(small_table().assign(speed="1,5"), tmp_path / "table.parquet")
    error = error_of(load_dataset, make_experiment(path, table_invalid="drop"))
    assert counts(error.message)[:2] == [40, 40] and "…" in error.message


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(pd.timedelta_range("1h", periods=40)),
        pd.Series([[1.0, 2.0]] * 40),
    ],
    ids=["spans", "lists"],
)
def test_columns_of_spans_and_lists_are_an_error(tmp_path: Path, cells: pd.Series[Any]) -> None:
    path = write(small_table().assign(speed=cells), tmp_path / "table.parquet")
    assert counts(error_of(load_dataset, make_experiment(path)).message)[:2] == [40, 40]


def test_numbers_stored_as_text_or_categories_are_read(tmp_path: Path) -> None:
    table = small_table()
    plain = load_dataset(make_experiment(write(table, tmp_path / "plain.parquet")))
    odd = table.assign(speed=table["speed"].map(str), load=table["load"].astype("Int64").astype("category"))
    assert load_dataset(make_experiment(write(odd, tmp_path / "odd.parquet"))).digest == plain.digest


@pytest.mark.parametrize(("policy", "rows"), [("keep", 43), ("drop", 40)])
def test_duplicates_are_warned_of_and_follow_the_policy(tmp_path: Path, policy: str, rows: int) -> None:
    table = small_table()
    path = write(pd.concat([table, table.iloc[[5, 5, 9]].assign(day="another")]), tmp_path / "table.csv")
    dataset = load_dataset(make_experiment(path, table_duplicates=policy))
    assert dataset.rows == rows
    (warning,) = dataset.warnings
    assert counts(warning)[:3] == [3, 42, 7]  # rows, the first of them, and the row that it repeats
    assert "(speed, load, power, heat loss)" in warning and f"table.duplicates: {policy}" in warning
    if policy == "drop":
        assert dataset.digest == load_dataset(make_experiment(write(table, tmp_path / "once.csv"))).digest


def test_a_constant_target_is_refused(tmp_path: Path) -> None:
    path = write(small_table().assign(**{"heat loss": 5}), tmp_path / "table.csv")
    error = error_of(load_dataset, make_experiment(path))
    assert error.where == str(path)
    assert "'heat loss'" in error.message and counts(error.message) == [5, 40]


@pytest.mark.parametrize("name", ["load", "heat loss"])
@pytest.mark.parametrize("factor", [1e-310, 1e-200, 1e-17, 1e150, 1e300])
def test_values_that_cannot_be_computed_with_are_refused(tmp_path: Path, name: str, factor: float) -> None:
    table = small_table()
    path = write(table.assign(**{name: table[name] * factor}), tmp_path / "table.parquet")
    error = error_of(load_dataset, make_experiment(path))
    assert error.where == str(path)
    assert f"column '{name}'" in error.message and "power of ten" in error.message


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308], [0.0, 5e-324]])
def test_the_ends_of_what_a_number_can_be_are_refused(tmp_path: Path, values: list[float]) -> None:
    path = write(small_table().assign(load=values * 20), tmp_path / "table.parquet")
    assert "'load'" in error_of(load_dataset, make_experiment(path)).message


def test_a_column_that_varies_by_rounding_alone_is_read(tmp_path: Path) -> None:
    load = np.where(np.arange(40) % 2, 0.1, np.nextafter(0.1, 1))
    dataset = load_dataset(make_experiment(write(small_table().assign(load=load), tmp_path / "table.parquet")))
    assert len(set(dataset.x[:, 1])) == 2


@pytest.mark.parametrize("factor", [1e-15, 1e95])
def test_every_unit_within_the_bounds_is_read(tmp_path: Path, factor: float) -> None:
    table = small_table()
    path = write(table.assign(load=table["load"] * factor), tmp_path / "table.parquet")
    assert load_dataset(make_experiment(path)).x[:, 1].tolist() == (table["load"] * factor).tolist()


def test_a_constant_input_is_warned_of(tmp_path: Path) -> None:
    dataset = load_dataset(make_experiment(write(small_table().assign(load=0.5), tmp_path / "table.csv")))
    (warning,) = dataset.warnings
    assert "'load'" in warning and "0.5" in warning


@pytest.mark.parametrize(
    ("rows", "changes", "settings", "sizes"),
    [
        (7, {}, ["test.fraction 0.2", "validation.folds 3"], (2, 1, 3)),
        (1, {}, [], ()),
        (20, {"validation": {"method": "k_fold", "folds": 10}}, ["validation.folds 10"], (4, 1, 14)),
        (20, {"validation": {"method": "hold_out", "fraction": 0.95}}, ["validation.fraction 0.95"], (4, 16, 0)),
        (20, {"test": {"fraction": 0.95}}, ["test.fraction 0.95"], (19, 0, 0)),
    ],
)
def test_too_few_rows_are_refused(
    tmp_path: Path, rows: int, changes: dict[str, Any], settings: list[str], sizes: tuple[int, ...]
) -> None:
    """The message has the settings and how many test, validation and training rows they make."""
    path = write(small_table(rows), tmp_path / "table.csv")
    message = error_of(load_dataset, make_experiment(path, **changes)).message
    assert all(setting in message for setting in settings)
    assert counts(message)[0] == rows and (sizes == () or counts(message)[-4:-1] == list(sizes))  # then the fewest


def test_eight_rows_are_enough_for_three_folds(tmp_path: Path) -> None:
    experiment = make_experiment(write(small_table(8), tmp_path / "table.csv"))
    parts = split_rows(experiment, load_dataset(experiment))
    assert [len(parts.test), *(len(validation) for _, validation in parts.folds)] == [2, 2, 2, 2]


# --- a DataFrame instead of a file ---


def test_a_dataframe_is_read_like_the_file_with_its_rows(tmp_path: Path) -> None:
    table = small_table()
    from_file = load_dataset(make_experiment(write(table, tmp_path / "table.parquet")))
    dataset = load_dataset(make_experiment("elsewhere.csv"), table.set_index("day", drop=False))
    np.testing.assert_array_equal(dataset.x, from_file.x)
    np.testing.assert_array_equal(dataset.y, from_file.y)
    assert (dataset.source, dataset.path, dataset.digest) == ("dataframe", None, from_file.digest)


def test_a_dataframe_is_checked_like_a_file() -> None:
    table = small_table().astype({"speed": object})
    table.loc[3, "speed"] = "n.v."
    error = error_of(load_dataset, make_experiment(), table)
    assert error.where == "the DataFrame"
    assert "'speed' row 5: 'n.v.'" in error.message
    assert "empty" in error_of(load_dataset, make_experiment(), table.iloc[:0]).message


def test_a_dataframe_is_not_changed() -> None:
    table = small_table()
    before = table.copy()
    load_dataset(make_experiment(), table)
    pd.testing.assert_frame_equal(table, before)


# --- splitting ---


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(make_experiment(write(small_table(), tmp_path / "small.parquet")))


def test_the_split_is_that_of_scikit_learn(dataset: Dataset) -> None:
    parts = split_rows(make_experiment(seed=3), dataset)
    frame = pd.DataFrame(dataset.x)
    train, test = train_test_split(frame, test_size=0.2, random_state=1)
    assert list(parts.train) == list(train.index)
    assert list(parts.test) == list(test.index)
    for (learning, validation), (a, b) in zip(parts.folds, KFold(3, shuffle=True, random_state=3).split(train), strict=True):
        assert list(learning) == list(train.index[a])
        assert list(validation) == list(train.index[b])


def test_a_hold_out_is_one_more_split_of_the_training_rows(dataset: Dataset) -> None:
    parts = split_rows(make_experiment(seed=4, validation={"method": "hold_out", "fraction": 0.25}), dataset)
    learning, validation = train_test_split(parts.train, test_size=0.25, random_state=4)
    assert len(parts.folds) == 1
    np.testing.assert_array_equal(parts.folds[0][0], learning)
    np.testing.assert_array_equal(parts.folds[0][1], validation)


def test_every_training_row_is_validated_once_and_no_test_row_is(dataset: Dataset) -> None:
    parts = split_rows(make_experiment(validation={"method": "k_fold", "folds": 5}), dataset)
    assert sorted(np.concatenate([validation for _, validation in parts.folds])) == sorted(parts.train)
    assert sorted([*parts.train, *parts.test]) == list(range(40))
    for learning, validation in parts.folds:
        assert sorted([*learning, *validation]) == sorted(parts.train)


def test_the_digest_of_a_split_depends_on_which_rows_are_used_for_what(dataset: Dataset, tmp_path: Path) -> None:
    same = split_rows(make_experiment(), dataset).digest
    assert split_rows(make_experiment(), dataset).digest == same
    others = [
        split_rows(make_experiment(seed=2), dataset).digest,
        split_rows(make_experiment(test={"seed": 2}), dataset).digest,
        split_rows(make_experiment(test={"fraction": 0.3}), dataset).digest,
        split_rows(make_experiment(validation={"method": "k_fold", "folds": 4}), dataset).digest,
        split_rows(make_experiment(validation={"method": "hold_out"}), dataset).digest,
    ]
    shuffled = load_dataset(make_experiment(write(small_table().iloc[::-1], tmp_path / "reversed.parquet")))
    assert shuffled.digest == dataset.digest
    others.append(split_rows(make_experiment(), shuffled).digest)  # the same positions, but other rows
    assert len({same, *others}) == 7


def test_test_rows_among_the_training_rows_are_warned_of(tmp_path: Path) -> None:
    table = small_table(30)
    path = write(pd.concat([table, table]), tmp_path / "table.csv")
    experiment = make_experiment(path)
    dataset = load_dataset(experiment)
    parts = split_rows(experiment, dataset)
    known = {tuple(row) for row in np.hstack([dataset.x, dataset.y])[parts.train]}
    count = sum(tuple(row) in known for row in np.hstack([dataset.x, dataset.y])[parts.test])
    assert count > 1
    assert counts(parts.warnings[0])[:2] == [count, 12]
    once = make_experiment(path, table_duplicates="drop")
    assert split_rows(once, load_dataset(once)).warnings == ()


def test_a_target_that_is_constant_in_a_part_is_refused(tmp_path: Path) -> None:
    table = small_table()
    table["heat loss"] = 0.0
    table.loc[0, "heat loss"] = 1.0
    experiment = make_experiment(write(table, tmp_path / "table.csv"))
    assert "heads.heat" in error_of(split_rows, experiment, load_dataset(experiment)).message


def with_rare_target(path: Path, experiment: Experiment, in_validation: Iterable[int]) -> Dataset:
    """The table with a `heat loss` of 0 but for a test row and one validation row of each of these folds, or training rows."""
    split = split_rows(experiment, load_dataset(experiment))
    table = pd.read_csv(path)
    table["heat loss"] = 0.0
    ones = [split.test[0], *(split.folds[fold][1][0] for fold in in_validation)]
    if not in_validation:
        ones += list(split.folds[0][0][:6])
    table.loc[ones, "heat loss"] = 1.0
    write(table, path)
    return load_dataset(experiment)


def test_a_target_may_be_constant_in_folds_of_several(tmp_path: Path) -> None:
    path = write(small_table(100), tmp_path / "table.csv")
    experiment = make_experiment(path, validation={"method": "k_fold", "folds": 5}, confirmation={"folds": 5})
    split = split_rows(experiment, with_rare_target(path, experiment, in_validation=(1, 3)))
    (warning,) = split.warnings
    assert "heads.heat" in warning
    assert [f"validation (fold {number})" in warning for number in range(1, 6)] == [True, False, True, False, True]


def test_the_warning_names_a_split_with_which_the_target_varies_everywhere(tmp_path: Path) -> None:
    path = write(small_table(100), tmp_path / "table.csv")
    folds: dict[str, Any] = {"validation": {"method": "k_fold", "folds": 3}, "confirmation": {"folds": 2}}
    experiment = make_experiment(path, **folds)
    dataset = with_rare_target(path, experiment, in_validation=(0, 1, 1, 0))
    table = pd.read_csv(path)
    rows = split_rows(experiment, dataset).folds
    table.loc[rows[0][1][1:3], "heat loss"] = 1.0  # so that there are some for every part
    write(table, path)
    (warning,) = split_rows(experiment, load_dataset(experiment)).warnings
    assert "stratify: heat loss" in warning
    stratified = make_experiment(path, **folds, split={"stratify": "heat loss"})
    assert not split_rows(stratified, load_dataset(stratified)).warnings


def test_a_target_that_is_constant_in_a_hold_out_is_refused(tmp_path: Path) -> None:
    path = write(small_table(100), tmp_path / "table.csv")
    experiment = make_experiment(path, validation={"method": "hold_out", "fraction": 0.2})
    dataset = with_rare_target(path, experiment, in_validation=())
    error = error_of(split_rows, experiment, dataset)
    assert "heads.heat" in error.message and "validation (fold 1)" in error.message and "stratify: heat loss" in error.message


def test_a_target_too_rare_for_every_fold_is_answered_by_a_split_in_which_it_varies_where_it_must(tmp_path: Path) -> None:
    table = small_table(100)
    path = write(table, tmp_path / "table.csv")
    folds: dict[str, Any] = {"validation": {"method": "k_fold", "folds": 8}, "confirmation": {"folds": 2}}
    experiment = make_experiment(path, **folds)
    dataset = with_rare_target(path, experiment, in_validation=())
    heat = np.zeros(100)
    heat[split_rows(experiment, dataset).folds[0][0][:3]] = 1.0
    write(table.assign(**{"heat loss": heat}), path)
    error = error_of(split_rows, experiment, load_dataset(experiment))
    found = re.search(r"seed: (\d+) and test.seed", error.message)
    assert found
    other = make_experiment(path, **folds, seed=int(found[1]), test={"seed": int(found[1])})
    (warning,) = split_rows(other, load_dataset(other)).warnings
    assert "validation (fold" in warning


@pytest.mark.needs_table
def test_the_real_tables_duplicates_and_leaks_are_counted(real_table: Path) -> None:
    experiment = make_experiment(**PLANT)
    dataset = load_dataset(experiment, data=real_table)
    (warning,) = dataset.warnings
    assert counts(warning)[0] == 41 and "(AT, AP, RH, PE, V)" in warning
    parts = split_rows(experiment, dataset)
    assert counts(parts.warnings[0])[:2] == [15, 1914]
    train, test = train_test_split(pd.read_excel(real_table), test_size=0.2, random_state=1)
    np.testing.assert_array_equal(dataset.y[parts.train], train[["PE", "V"]].to_numpy())
    np.testing.assert_array_equal(dataset.x[parts.test], test[["AT", "AP", "RH"]].to_numpy())


# --- the halves ---


def plant_table(rows: int = 41) -> pd.DataFrame:
    """Rows such as the power plant's, of which the last repeats the first."""
    table = pd.DataFrame(np.random.default_rng(0).normal(50.0, 9.0, (rows, 5)).round(2), columns=["AT", "V", "AP", "RH", "PE"])
    table.iloc[-1] = table.iloc[0]
    return table


def workbook(sheets: Iterable[pd.DataFrame], path: Path) -> Path:
    with pd.ExcelWriter(path) as workbook:
        for number, sheet in enumerate(sheets, start=1):
            sheet.to_excel(workbook, sheet_name=f"Sheet{number}", index=False)
    return path


def shuffles(table: pd.DataFrame, number: int = 5) -> list[pd.DataFrame]:
    """The table as it is, and shuffled."""
    return [table, *(table.sample(frac=1.0, random_state=seed) for seed in range(1, number))]


def assert_halves(halves: Halves, dataset: Dataset) -> None:
    assert len(halves.pairs) == 5
    for half_a, half_b in halves.pairs:
        assert len(half_a) == dataset.rows // 2
        assert sorted([*half_a, *half_b]) == list(range(dataset.rows))
    assert len({tuple(half_a) for half_a, _ in halves.pairs}) == 5


@pytest.mark.parametrize(("policy", "rows"), [("keep", 41), ("drop", 40)])
def test_the_sheets_of_the_power_plants_workbook_are_its_halves(tmp_path: Path, policy: str, rows: int) -> None:
    sheets = shuffles(plant_table(), 6)
    experiment = make_experiment(**PLANT, table_duplicates=policy, table_sheet=2)
    dataset = load_dataset(experiment, workbook(sheets, tmp_path / "plant.xlsx"))
    assert dataset.path == tmp_path / "plant.xlsx"
    halves = split_halves(experiment, dataset, None, 1)
    assert (halves.source, halves.seed) == ("sheets", None)
    assert dataset.rows == rows
    assert_halves(halves, dataset)
    for pair, sheet in zip(halves.pairs, sheets[:5], strict=True):
        left = sheet.drop_duplicates() if policy == "drop" else sheet
        np.testing.assert_array_equal(dataset.y[np.concatenate(pair)], left[["PE", "V"]].to_numpy())
        np.testing.assert_array_equal(dataset.x[np.concatenate(pair)], left[["AT", "AP", "RH"]].to_numpy())
    assert np.concatenate(halves.pairs[2]).tolist() == list(range(rows))  # the sheet that the rows were read from
    assert split_halves(experiment, dataset, None, 2).digest == halves.digest


def test_dropped_rows_are_dropped_from_every_sheet(tmp_path: Path) -> None:
    table = plant_table(20)
    table.loc[3, "AP"] = np.nan
    experiment = make_experiment(**PLANT, table_invalid="drop")
    dataset = load_dataset(experiment, workbook(shuffles(table), tmp_path / "plant.xlsx"))
    halves = split_halves(experiment, dataset, None, 1)
    assert halves.source == "sheets"
    assert_halves(halves, dataset)


def test_halves_are_read_from_the_sheets_of_a_file_given_as_data(tmp_path: Path) -> None:
    experiment = make_experiment(**PLANT)
    dataset = load_dataset(experiment, write(plant_table(), tmp_path / "plant.csv"))
    assert split_halves(experiment, dataset, None, 1).source == "shuffles"
    assert split_halves(experiment, dataset, workbook(shuffles(plant_table()), tmp_path / "plant.xlsx"), 1).source == "sheets"


def other_value(sheets: list[pd.DataFrame]) -> list[pd.DataFrame]:
    return [*sheets[:3], sheets[3].assign(AT=sheets[3]["AT"] + 0.01), sheets[4]]


def other_columns(sheets: list[pd.DataFrame]) -> list[pd.DataFrame]:
    return [*sheets[:4], pd.DataFrame({"notes": ["shuffled four times"]})]


@pytest.mark.parametrize(
    "change",
    [
        other_value,
        other_columns,
        lambda sheets: sheets[:4],
        lambda sheets: [*sheets[:4], sheets[4].iloc[1:]],
        lambda sheets: [*sheets[:3], pd.DataFrame(), sheets[4]],
        lambda sheets: [*sheets[:4], sheets[0]],
    ],
    ids=["another value", "other columns", "four sheets", "a row less", "an empty sheet", "an order twice"],
)
def test_sheets_with_other_rows_are_not_used_as_halves(
    tmp_path: Path, change: Callable[[list[pd.DataFrame]], list[pd.DataFrame]]
) -> None:
    experiment = make_experiment(**PLANT)
    dataset = load_dataset(experiment, workbook(change(shuffles(plant_table())), tmp_path / "plant.xlsx"))
    halves = split_halves(experiment, dataset, None, 1)
    assert (halves.source, halves.seed) == ("shuffles", 1)
    assert_halves(halves, dataset)


def test_sheets_of_other_tables_are_not_used_as_halves(tmp_path: Path) -> None:
    experiment = make_experiment(workbook(shuffles(plant_table()), tmp_path / "other.xlsx"), **PLANT)
    halves = split_halves(experiment, load_dataset(experiment), None, 7)
    assert (halves.source, halves.seed) == ("shuffles", 7)


def test_shuffles_depend_on_their_seed_alone(tmp_path: Path) -> None:
    experiment = make_experiment(write(small_table(31), tmp_path / "table.csv"))
    dataset = load_dataset(experiment)
    halves, again, others = (split_halves(experiment, dataset, None, seed) for seed in (3, 3, 4))
    assert_halves(halves, dataset)
    assert [[half.tolist() for half in pair] for pair in halves.pairs] == [
        [half.tolist() for half in pair] for pair in again.pairs
    ]
    assert halves.digest == again.digest != others.digest


def test_a_target_that_is_constant_in_a_half_is_refused(tmp_path: Path) -> None:
    table = small_table()
    table["power"] = [1.0] + [0.0] * 39
    experiment = make_experiment(write(table, tmp_path / "table.csv"), validation={"method": "hold_out", "fraction": 0.2})
    error = error_of(split_halves, experiment, load_dataset(experiment), None, 1)
    assert "heads.power" in error.message and counts(error.message)[:2] == [20, 1]  # rows of a half, and the repetition


def test_the_synthetic_table_has_no_file() -> None:
    experiment = make_experiment(**PLANT)
    dataset = load_dataset(experiment)
    assert dataset.is_synthetic
    assert dataset.path is None
    assert split_halves(experiment, dataset, None, 1).source == "shuffles"


@pytest.mark.needs_table
def test_the_halves_of_the_real_table_are_those_of_its_five_sheets(real_table: Path) -> None:
    experiment = make_experiment(**PLANT)
    dataset = load_dataset(experiment, data=real_table)
    halves = split_halves(experiment, dataset, None, 1)
    assert halves.source == "sheets"
    assert dataset.path == real_table
    assert_halves(halves, dataset)
    assert np.array_equal(halves.pairs[0][0], np.arange(4784))
    assert np.array_equal(halves.pairs[0][1], np.arange(4784, 9568))
    last = pd.read_excel(real_table, sheet_name=4)
    np.testing.assert_array_equal(dataset.y[np.concatenate(halves.pairs[4])], last[["PE", "V"]].to_numpy().round(2))
    np.testing.assert_array_equal(dataset.x[np.concatenate(halves.pairs[4])], last[["AT", "AP", "RH"]].to_numpy().round(2))


# --- predicting from, and writing ---


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_inputs_are_read_with_all_other_columns(tmp_path: Path, suffix: str) -> None:
    table = small_table().drop(columns=["power", "heat loss"])
    read = read_inputs(write(table, tmp_path / f"table{suffix}"), AS_FOUND, {"load": NUMERIC, "speed": NUMERIC}).frame
    assert list(read.columns) == ["day", "speed", "load"]
    assert read["load"].dtype == read["speed"].dtype == np.float64
    assert list(read["day"]) == list(table["day"])


def test_a_missing_input_is_reported_with_the_nearest_name(tmp_path: Path) -> None:
    path = write(small_table().rename(columns={"speed": "Sped"}), tmp_path / "table.csv")
    error = error_of(read_inputs, path, AS_FOUND, {"speed": NUMERIC})
    assert "'speed'" in error.message and "'Sped'" in error.message


def test_an_input_that_is_not_a_number_is_an_error_with_its_row(tmp_path: Path) -> None:
    path = write(broken_table(), tmp_path / "table.xlsx")
    error = error_of(read_inputs, path, AS_FOUND, {"speed": NUMERIC, "load": NUMERIC})
    assert counts(error.message)[:2] == [3, 3] and "'speed' row 5: 'n.v.'" in error.message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_written_table_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("the existing file")
    write_table(small_table(), path)
    pd.testing.assert_frame_equal(read_table(path).reset_index(drop=True), small_table(), check_dtype=False)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)  # as any other new file


@pytest.mark.parametrize(("name", "expected"), [("out.txt", ["'.txt'", ", ".join(SUFFIXES)]), ("nowhere/out.csv", ["nowhere"])])
def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path, name: str, expected: list[str]) -> None:
    error = error_of(write_table, small_table(), tmp_path / name)
    assert error.where == str(tmp_path / name)
    assert all(text in error.message for text in expected)


def test_a_failed_write_keeps_the_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    path.write_text("the existing file")
    zoned = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=2, tz="UTC")})  # a workbook has no time zones
    assert error_of(write_table, zoned, path).where == str(path)
    assert path.read_text() == "the existing file"
    assert [file.name for file in tmp_path.iterdir()] == ["out.xlsx"]


def test_every_kind_of_file_that_is_written_can_be_read() -> None:
    assert list(written_table.WRITERS) == SUFFIXES
    assert written_table.WRITERS.keys() <= set(tables.ENDINGS)
