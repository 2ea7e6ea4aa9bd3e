"""Predictions beside the columns of a table: what is called as what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.sections.columns import NUMERIC
from branchsweep.data.files.written_table import write_table
from branchsweep.data.prediction_columns import with_predictions, without_prediction
from branchsweep.data.tables import AS_FOUND, read_inputs, read_table
from branchsweep.errors import DataError

TABLE = pd.DataFrame({"a": [1.0, 2.0], "f": [10.0, 20.0], "g next": [5.0, 6.0]})
PREDICTED = pd.DataFrame({"f": [10.5, 19.5], "g": [5.5, 6.5]})
TARGETS = {"f": "f", "g": "g next"}


def columns(table: pd.DataFrame, targets: dict[str, str] | None = None) -> dict[str, list[float]]:
    written, _ = with_predictions(table, PREDICTED, TARGETS if targets is None else targets)
    assert written.columns.is_unique
    return {str(name): list(values) for name, values in written.items()}


def test_a_target_column_of_the_heads_name_is_the_actual_value() -> None:
    assert columns(TABLE) == {"a": [1, 2], "f_actual": [10, 20], "g next": [5, 6], "f": [10.5, 19.5], "g": [5.5, 6.5]}


def test_a_model_that_does_not_know_its_targets_takes_the_heads_name() -> None:
    assert "f_actual" in columns(TABLE, {})


def test_a_column_of_the_heads_name_that_is_not_its_target_keeps_its_name() -> None:
    written = columns(TABLE.assign(g=[0.0, 1.0]))
    assert (written["g"], written["g_predicted"]) == ([0, 1], [5.5, 6.5])


def test_an_earlier_prediction_is_never_called_actual() -> None:
    once, _ = with_predictions(TABLE, PREDICTED, TARGETS)
    twice, _ = with_predictions(once, PREDICTED, TARGETS)
    thrice, names = with_predictions(twice, PREDICTED, TARGETS)
    assert thrice.columns.is_unique and names == {"f": "f_predicted_2", "g": "g_predicted_2"}
    assert list(thrice["f_actual"]) == [10, 20] and list(thrice["f"]) == [10.5, 19.5]
    without_targets, _ = with_predictions(TABLE[["a"]], PREDICTED, TARGETS)
    again, _ = with_predictions(without_targets, PREDICTED, TARGETS)
    assert not [name for name in again.columns if "actual" in name]


def test_classes_that_are_predicted_right_in_all_rows_are_actual_values_unless_probabilities_stand_beside_them() -> None:
    predicted = pd.DataFrame({"trip": ["yes", "no"], "trip_probability": [0.9, 0.1]})
    table = pd.DataFrame({"a": [1.0, 2.0], "trip": ["yes", "no"]})
    written, names = with_predictions(table, predicted, {"trip": "trip"}, ["trip_probability"])
    assert list(written) == ["a", "trip_actual", "trip", "trip_probability"]
    again, names = with_predictions(written.drop(columns="trip_actual"), predicted, {"trip": "trip"}, ["trip_probability"])
    assert names == {"trip": "trip_predicted", "trip_probability": "trip_probability_2"}
    assert not [name for name in again if "actual" in str(name)]


def test_a_name_that_is_taken_is_left_to_its_column() -> None:
    written = columns(TABLE.assign(f_actual=[7.0, 8.0], f_predicted=0.0))
    assert (written["f_actual"], written["f"], written["f_predicted_2"]) == ([7, 8], [10, 20], [10.5, 19.5])


def test_heads_whose_names_collide_with_each_others_actual_values_keep_apart() -> None:
    predicted = pd.DataFrame({"f": [1.0], "f_actual": [2.0]})
    written, names = with_predictions(pd.DataFrame({"f": [3.0], "f_actual": [4.0]}), predicted, {})
    assert written.columns.is_unique and len(written.columns) == 4
    assert written[names["f"]].tolist() == [1] and written[names["f_actual"]].tolist() == [2]


def test_a_column_called_as_the_warning_is_kept() -> None:
    written, names = with_predictions(TABLE.assign(outside=["x", "y"]), PREDICTED.assign(outside=True), TARGETS, ["outside"])
    assert names["outside"] == "outside_2" and list(written["outside"]) == ["x", "y"]


def test_rows_without_a_finite_prediction_are_counted() -> None:
    predicted = pd.DataFrame({"f": [1.0, np.nan, 2.0], "g": [1.0, 2.0, np.inf], "h": 1.0, "outside": [1.0, 2.0, np.nan]})
    message = without_prediction(predicted.set_axis([2, 3, 4], axis="index"), ["outside"])
    assert message.startswith("2 of 3 rows") and " f, g " in message and "row 3" in message
    assert without_prediction(predicted[["h"]]) == without_prediction(PREDICTED.assign(outside=True), ["outside"]) == ""


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_a_table_with_two_columns_of_one_name_is_not_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    for names in (["a", "a"], [1, "1"], [1.0, 1]):
        with pytest.raises(DataError):
            write_table(pd.DataFrame([[1, 2]], columns=pd.Index(names)), path)
    assert list(tmp_path.iterdir()) == []
    write_table(TABLE, path)
    np.testing.assert_array_equal(read_table(path).to_numpy(), TABLE.to_numpy())


NOT_AVAILABLE = {"note": ["NA", "null", "x"], "measured": ["1.5", "NA", "2"], "only": ["NA", "", "n/a"], "a": ["1", "2", "3"]}


@pytest.mark.parametrize("blank", ["", "\n"])
def test_texts_for_missing_values_of_columns_that_are_no_inputs_pass_as_they_are_written(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(pd.DataFrame(NOT_AVAILABLE).to_csv(index=False).replace("\n", "\n" + blank, 1), encoding="utf-8")
    write_table(read_inputs(path, AS_FOUND, {"a": NUMERIC}, as_written=True).frame, tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert written.to_dict("list") == NOT_AVAILABLE | {"a": ["1.0", "2.0", "3.0"]}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
@pytest.mark.parametrize("source", [".csv", ".xlsx"])
def test_among_numbers_a_text_for_a_missing_one_is_none_in_other_kinds_of_files(
    tmp_path: Path, source: str, suffix: str
) -> None:
    numbers: dict[str, list[object]] = {"measured": [1.5, "NA", 2], "note": ["NA", "x", "null"], "a": [1, 2, 3]}
    path = tmp_path / f"t{source}"
    frame = pd.DataFrame(numbers)
    frame.to_csv(path, index=False) if source == ".csv" else frame.to_excel(path, index=False)
    write_table(read_inputs(path, AS_FOUND, {"a": NUMERIC}, as_written=suffix == ".csv").frame, tmp_path / f"out{suffix}")
    out = tmp_path / f"out{suffix}"
    read = {
        ".csv": lambda: pd.read_csv(out, keep_default_na=False),
        ".xlsx": lambda: pd.read_excel(out, keep_default_na=False),
        ".parquet": lambda: pd.read_parquet(out),
    }[suffix]()
    assert read["note"].tolist() == ["NA", "x", "null"]
    if source == suffix == ".csv":
        assert read["measured"].tolist() == ["1.5", "NA", "2"]
    else:
        assert pd.to_numeric(read["measured"]).fillna(-1).tolist() == [1.5, -1, 2]


def test_a_csv_file_with_decimal_commas_keeps_identifiers_and_has_points(tmp_path: Path) -> None:
    text = "id;measured;note;load\n00001;1,50;NA;1,5\n00002;2;1,5 or 2;2,5\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    write_table(read_inputs(tmp_path / "t.csv", AS_FOUND, {"load": NUMERIC}, as_written=True).frame, tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False).to_dict("list")
    expected = {"id": ["00001", "00002"], "measured": ["1.50", "2"], "note": ["NA", "1,5 or 2"], "load": ["1.5", "2.5"]}
    assert written == expected
    write_table(read_inputs(tmp_path / "t.csv", AS_FOUND, {"load": NUMERIC}).frame, tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet")["measured"].tolist() == [1.5, 2]


def test_texts_of_a_workbook_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["1", "2"], "a": [1, 2]}).to_excel(tmp_path / "t.xlsx", index=False)
    assert read_inputs(tmp_path / "t.xlsx", AS_FOUND, {"a": NUMERIC}).frame["id"].tolist() == ["1", "2"]


IDENTIFIERS = {"id": ["00001", "00002"], "large": [str(2**60 + 1), str(2**60 + 3)], "measured": ["1.50", "2"], "a": ["1", "2"]}


@pytest.mark.parametrize("blank", ["", "\n"])  # a file with a blank line is read by another reader
def test_columns_that_are_no_inputs_stay_as_they_are_written(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(pd.DataFrame(IDENTIFIERS).to_csv(index=False).replace("\n", "\n" + blank, 1), encoding="utf-8")
    frame = read_inputs(path, AS_FOUND, {"a": NUMERIC}, as_written=True).frame
    write_table(frame, tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert {name: written[name].tolist() for name in IDENTIFIERS} == IDENTIFIERS | {"a": ["1.0", "2.0"]}


def test_plain_numbers_of_a_csv_file_are_numbers_in_a_workbook_and_identifiers_are_texts(tmp_path: Path) -> None:
    pd.DataFrame(IDENTIFIERS).to_csv(tmp_path / "t.csv", index=False)
    write_table(read_inputs(tmp_path / "t.csv", AS_FOUND, {"a": NUMERIC}).frame, tmp_path / "out.xlsx")
    assert read_table(tmp_path / "out.xlsx").to_dict("list") == IDENTIFIERS | {"measured": [1.5, 2], "a": [1, 2]}
    numbers = {"large": [2**60 + 1, -1], "small": pd.array([1, 2], "int8"), "unsigned": pd.array([1, None], "UInt64")}
    write_table(pd.DataFrame(numbers), tmp_path / "out.xlsx")
    assert read_table(tmp_path / "out.xlsx")["large"].tolist() == [str(2**60 + 1), "-1"]
    assert read_table(tmp_path / "out.xlsx")["small"].tolist() == [1, 2]


def test_values_of_a_csv_file_keep_their_kind_in_a_parquet_file(tmp_path: Path) -> None:
    columns = {
        "a": [0.5, 1.0],
        "hour": [1, 2],
        "gap": [1.0, None],
        "on": [True, False],
        "text": ["x", None],
        "empty": [None, None],
    }
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    write_table(read_inputs(tmp_path / "t.csv", AS_FOUND, {"a": NUMERIC}).frame, tmp_path / "out.parquet")
    read = pd.read_parquet(tmp_path / "out.parquet")
    assert [read[name].dtype.kind for name in ("a", "hour", "gap", "on")] == ["f", "i", "f", "b"]
    assert read["text"].tolist()[0] == "x" and read["empty"].isna().all()
