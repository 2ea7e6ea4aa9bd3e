"""Workbooks as they come: stray cells, formulas without values, other sheets, archives that grow when they are unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from openpyxl.chart import BarChart

from branchsweep.data.columns import to_numbers
from branchsweep.data.files import arrow_table, xlsx_table
from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.files.table_file import MOST_VALUES, check_size
from branchsweep.data.tables import FileOptions, SourceTable, read_file, read_table, sheet_named
from branchsweep.errors import DataError

ROWS: list[list[Any]] = [["load", "heat"], [1.5, 2], [3, 4.5], [5, 6]]


def workbook(path: Path, changes: Mapping[str, Any] | None = None, sheets: Mapping[str, Any] | None = None) -> Path:
    """A workbook with these sheets of rows (`Sheet` of ROWS if there are none), and these cells in the first one."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in (sheets or {"Sheet": ROWS}).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    for place, value in (changes or {}).items():
        book.worksheets[0][place] = value
    book.save(path)
    return path


def read(path: Path, sheet: str | int | None = None, *names: str) -> SourceTable:
    return read_file(path, FileOptions(sheet), ColumnSelection(dict.fromkeys(names or ("load", "heat"), "table.inputs")))


def error_of(path: Path, sheet: str | int | None = None, *names: str) -> str:
    with pytest.raises(DataError) as error:
        read(path, sheet, *names)
    return error.value.message


@pytest.mark.parametrize("place", ["XFD1048576", "C7", "XFD2", "D1048576"])
def test_a_stray_cell_right_of_the_table_is_not_read(tmp_path: Path, place: str) -> None:
    table = read(workbook(tmp_path / "t.xlsx", {place: "stray"}))
    np.testing.assert_array_equal(to_numbers(table.frame), [[1.5, 2], [3, 4.5], [5, 6]])
    assert len(table.warnings) == 1 and place in table.warnings[0]


def test_a_far_row_of_the_table_is_read_with_its_number(tmp_path: Path) -> None:
    table = read(workbook(tmp_path / "t.xlsx", {"A1048576": 7, "B1048576": 8}))
    assert table.frame.index.tolist() == [2, 3, 4, 1_048_576] and table.warnings == ()


def test_a_table_to_predict_from_is_not_as_wide_as_a_stray_cell_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_table(workbook(tmp_path / "t.xlsx", {"XFD1048576": "stray"}))
    assert "XFD1048576" in error.value.where


def test_a_sheet_says_nothing_about_its_size_that_is_believed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'ref="A1:B4"', b'ref="A1:XFD1048576"')
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert len(read(path).frame) == 3


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "anything"])
def test_an_archive_that_grows_when_it_is_unpacked_is_refused(tmp_path: Path, part: str) -> None:
    path = workbook(tmp_path / "t.xlsx")
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{part}.more", "w") as file,
    ):
        for _ in range(80):
            file.write(b" " * (1 << 20))
    assert "MiB" in error_of(path)


def test_an_old_or_protected_workbook_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    assert ".xls" in error_of(tmp_path / "t.xlsx")


@pytest.mark.parametrize("changes", [{"B3": "=A3*2"}, {"A5": "=A4", "B5": "=B4"}, {"B2": "=SUM(A2:A4)", "B4": "=1"}])
def test_a_formula_without_a_value_is_named_with_its_place(tmp_path: Path, changes: dict[str, str]) -> None:
    message = error_of(workbook(tmp_path / "t.xlsx", changes))
    place = next(place for place in changes if place[0] == "B")
    assert f"column 'heat' row {place[1:]}" in message


def test_a_formula_of_a_column_that_is_not_read_needs_no_value(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"A1": "load", "C1": "ratio", "C2": "=A2/B2", "B3": None})
    np.testing.assert_array_equal(to_numbers(read(path).frame), [[1.5, 2], [3, np.nan], [5, 6]])


def test_a_formula_with_an_empty_text_as_its_value_is_a_missing_value(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"B3": "=A3"})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b'<c r="B3"><f>A3</f><v /></c>' in parts[sheet] or b'<c r="B3"><f>A3</f><v/></c>' in parts[sheet]
    parts[sheet] = parts[sheet].replace(b'<c r="B3"', b'<c r="B3" t="str"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert np.isnan(to_numbers(read(path).frame)[1, 1])


def test_the_cells_of_errors_dates_and_texts_are_no_numbers(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"A2": "#DIV/0!", "B3": pd.Timestamp("2020-01-01"), "A4": "n.v.", "B4": "7"})
    np.testing.assert_array_equal(to_numbers(read(path).frame), [[np.nan, 2], [3, np.nan], [np.nan, 7]])


def test_columns_that_another_sheet_has_are_pointed_out(tmp_path: Path) -> None:
    sheets = {"Read me": [["This file", ""], ["holds", "data"]], "Notes": [["load"], [1]], "Data": ROWS}
    path = workbook(tmp_path / "t.xlsx", sheets=sheets)
    assert "table.sheet: Data" in error_of(path)
    assert len(read(path, "Data").frame) == len(read(path, 2).frame) == 3
    assert "Data" not in error_of(path, "Notes").partition("columns of the table")[0]


def test_the_first_sheet_may_be_empty(tmp_path: Path) -> None:
    assert "table.sheet: Data" in error_of(workbook(tmp_path / "t.xlsx", sheets={"Empty": [], "Data": ROWS}))


def test_a_chart_sheet_is_no_sheet_of_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.create_chartsheet("Chart", 0).add_chart(BarChart())
    book.create_chartsheet("Chart without a drawing", 0)
    book.save(tmp_path / "t.xlsx")
    assert len(read(tmp_path / "t.xlsx").frame) == len(read(tmp_path / "t.xlsx", 0).frame) == 3
    assert sheet_named(tmp_path / "t.xlsx", "0") == 0
    message = error_of(tmp_path / "t.xlsx", "Chart")
    assert "is a chart" in message and message.endswith("are Sheet")


def test_a_workbook_of_charts_alone_has_no_table(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart").add_chart(BarChart())
    book.remove(book.active)
    book.save(tmp_path / "t.xlsx")
    assert "no sheet of cells" in error_of(tmp_path / "t.xlsx")


def test_a_sheet_is_named_by_its_name_first_and_then_by_its_position(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", sheets={"2020": ROWS, "1": ROWS[:3], "Data": ROWS})
    named = [sheet_named(path, text) for text in ("2020", "1", "2", "Data", None)]
    assert named == ["2020", "1", 2, "Data", None]
    assert "table.sheet: '2020'" in error_of(path, 2020)


def test_unused_columns_may_have_one_name_and_used_ones_may_not(tmp_path: Path) -> None:
    rows = [["note", "load", "note", "heat"], ["a", 1, "b", 2], ["c", 3, "d", 4]]
    path = workbook(tmp_path / "t.xlsx", sheets={"Sheet": rows})
    np.testing.assert_array_equal(to_numbers(read(path).frame), [[1, 2], [3, 4]])
    assert "'note'" in error_of(path, None, "note")


def test_sizes_beyond_the_budget_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"load": np.zeros(5000), "heat": np.arange(5000.0), "note": "x"})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    assert len(read(tmp_path / "t.parquet").frame) == 5000
    monkeypatch.setattr(xlsx_table, "MOST_VALUES", 5000)
    monkeypatch.setattr(arrow_table, "check_size", lambda rows, columns, where: check_size(rows, columns, where, 9999))
    assert "8,192" in error_of(tmp_path / "t.xlsx") and "10,000" in error_of(tmp_path / "t.parquet")
    assert len(read(tmp_path / "t.parquet", None, "load").frame) == 5000
    check_size(10_000_000, MOST_VALUES // 10_000_000, "t.csv")


def test_names_below_the_first_row_are_pointed_out(tmp_path: Path) -> None:
    assert "row 3 has all these names" in error_of(workbook(tmp_path / "t.xlsx", sheets={"Sheet": [["A report"], [], *ROWS]}))
