"""Text that spreadsheet programs would take for a formula stays text, in every table that is written."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.data.files.written_table import write_table
from branchsweep.data.spreadsheets import csv_text, formula_as_text, plain_text
from branchsweep.data.tables import read_table
from branchsweep.errors import DataError
from properties import quick

ATTACKS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "'=1", "''=1"]

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")) | st.sampled_from(ATTACKS)


@quick
@given(cells)
def test_text_reads_back_as_it_was(text: str) -> None:
    assert plain_text(str(formula_as_text(text))) == text


@quick
@given(cells)
def test_no_text_begins_like_a_formula(text: str) -> None:
    written = str(formula_as_text(text))
    assert written[:1] not in set("=+-@\t\r") or not pd.isna(pd.to_numeric(pd.Series([written]), errors="coerce")).any()


@pytest.mark.parametrize("cell", [-1.5, 3, None, "-1.5", "+3e-4", "-.5", "a=b", ""])
def test_numbers_and_ordinary_text_stay_as_they_are(cell: object) -> None:
    assert formula_as_text(cell) == cell


@quick
@given(st.lists(st.tuples(cells, st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_csv_reads_back_as_it_was(rows: list[tuple[str, float]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(("name", "score"), rows))))[1:]
    assert [(plain_text(name), float(score)) for name, score in read] == rows


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet"])
def test_a_table_with_formulas_in_header_and_cells_is_read_back(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"=a|b": [1.5, -2.5], "-x": ["=1+1", "plain"]})
    write_table(frame, tmp_path / name)
    again = read_table(tmp_path / name)
    assert list(again.columns) == list(frame.columns)
    assert again["=a|b"].tolist() == frame["=a|b"].tolist()
    assert plain_text(again["-x"].iloc[0]) == "=1+1"


def test_no_cell_of_a_workbook_is_a_formula(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"=a": ATTACKS}), tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert sheet is not None
    assert [cell.data_type for row in sheet.iter_rows() for cell in row] == ["s"] * (1 + len(ATTACKS))
    assert [cell.value for [cell] in sheet.iter_rows(min_row=2)] == ATTACKS


def test_categories_are_no_formulas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"kind": pd.Categorical([*ATTACKS, None]), "text": pd.array([*ATTACKS, None], dtype="string")})
    write_table(frame.assign(level=pd.Categorical([1, 2] * 4)), tmp_path / "t.csv")
    written = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert [plain_text(cell) for cell in written["kind"]] == [*ATTACKS, ""]
    assert [cell[0] for name in ("kind", "text") for cell in written[name][:-1]] == ["'"] * 2 * len(ATTACKS)
    assert written["level"].tolist() == [1, 2] * 4
    write_table(frame, tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert sheet is not None and {cell.data_type for row in sheet.iter_rows(max_row=8) for cell in row} == {"s"}


@pytest.mark.parametrize("text", ["a\x01b", "a\0", "\ufffe", "x" * 32_768])
@pytest.mark.parametrize("is_category", [False, True])
def test_a_text_that_no_workbook_holds_is_an_error_with_its_column(tmp_path: Path, text: str, is_category: bool) -> None:
    frame = pd.DataFrame({"load": [1, 2], "note": pd.Series(["", text], dtype=object)})
    frame = frame.astype({"note": "category"}) if is_category else frame
    with pytest.raises(DataError, match=r"'note' \(row 3\)"):
        write_table(frame, tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="column 2"):
        write_table(pd.DataFrame({"load": [1], text: [2]}), tmp_path / "t.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_workbook_holds_every_text_up_to_its_longest(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"note": ["x" * 32_767, "a\n\tb", "\U0001f600"]}), tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx")["note"].tolist() == ["x" * 32_767, "a\n\tb", "\U0001f600"]
