"""csv files as programs write them: separators, encodings, decimal marks; the same values by both parsers."""

from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.sections.csv_options import CsvOptions
from branchsweep.data.columns import invalid_remedy, to_numbers
from branchsweep.data.files import csv_table
from branchsweep.data.files.column_selection import ColumnSelection, all_columns_with
from branchsweep.data.files.table_file import MISSING_TEXTS
from branchsweep.data.row_warnings import looks_like_group
from branchsweep.data.tables import AS_FOUND, FileOptions, SourceTable, read_file
from branchsweep.errors import DataError
from branchsweep.types import Floats

PLAIN = "load,heat\n1.5,2.25\n-3.5,4\n1e-3,5.125\n"


def needed(*names: str) -> ColumnSelection:
    return ColumnSelection(dict.fromkeys(names, "table.inputs"), looks_like_group, others_as_text=True)


def read(path: Path, *names: str) -> SourceTable:
    return read_file(path, AS_FOUND, needed(*(names or ("load", "heat"))))


def numbers(table: SourceTable) -> Floats:
    return to_numbers(table.frame)


def error_of(path: Path, *names: str) -> DataError:
    with pytest.raises(DataError) as error:
        read(path, *names)
    return error.value


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def decimal_commas(text: str, separator: str) -> str:
    return text.replace(",", separator).replace(".", ",")


EXCEL_TEXT: dict[str, str | int] = {"sep": "\t", "encoding": "utf-16"}
FORMATS: dict[str, tuple[bytes, dict[str, str | int]]] = {
    "plain": (PLAIN.encode(), {}),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + PLAIN.encode(), {}),
    "lines of Windows": (PLAIN.replace("\n", "\r\n").encode(), {}),
    "lines of an old Mac": (PLAIN.replace("\n", "\r").encode(), {}),
    "blank lines at the end": (PLAIN.encode() + b"\n\r\n\n", {}),
    "commas at the end of blank lines": (PLAIN.encode() + b",\n,\n", {}),
    "sep=, of Excel": (b"sep=,\n" + PLAIN.encode(), {"skiprows": 1}),
    "sep=; of Excel": (b"sep=;\r\n" + PLAIN.replace(",", ";").encode(), {"sep": ";", "skiprows": 1}),
    "a separator that only sep= tells": (b'"sep=^"\n' + PLAIN.replace(",", "^").encode(), {"sep": "^", "skiprows": 1}),
    "semicolons": (PLAIN.replace(",", ";").encode(), {"sep": ";"}),
    "semicolons and decimal commas": (decimal_commas(PLAIN, ";").encode(), {"sep": ";", "decimal": ","}),
    "tabs": (PLAIN.replace(",", "\t").encode(), {"sep": "\t"}),
    "tabs and decimal commas": (decimal_commas(PLAIN, "\t").encode(), {"sep": "\t", "decimal": ","}),
    "bars": (PLAIN.replace(",", "|").encode(), {"sep": "|"}),
    "decimal commas in quotes": (b'load,heat\n"1,5","2,25"\n"-3,5",4\n"1e-3","5,125"\n', {"decimal": ","}),
    "UTF-16 of Excel": (codecs.BOM_UTF16_LE + PLAIN.replace(",", "\t").encode("utf-16-le"), EXCEL_TEXT),
    "UTF-16 the other way": (codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"), {"encoding": "utf-16"}),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "UTF-32": (codecs.BOM_UTF32_LE + PLAIN.encode("utf-32-le"), {"encoding": "utf-32"}),
}


@pytest.mark.parametrize(("content", "arguments"), FORMATS.values(), ids=FORMATS)
def test_a_csv_file_is_read_as_it_is_written(tmp_path: Path, content: bytes, arguments: dict[str, str | int]) -> None:
    table = read(write(tmp_path / "t.csv", content))
    np.testing.assert_array_equal(numbers(table), [[1.5, 2.25], [-3.5, 4.0], [1e-3, 5.125]])
    assert table.frame.index.tolist() == [2, 3, 4]
    assert table.csv_arguments == arguments
    by_pandas = pd.read_csv(tmp_path / "t.csv", **table.csv_arguments).dropna(how="all")  # type: ignore[call-overload]
    np.testing.assert_array_equal(by_pandas.astype(float).to_numpy(), numbers(table))


@pytest.mark.parametrize(("content", "arguments"), FORMATS.values(), ids=FORMATS)
def test_only_a_guessed_format_is_warned_of(tmp_path: Path, content: bytes, arguments: dict[str, str | int]) -> None:
    warnings = read(write(tmp_path / "t.csv", content)).warnings
    assert bool(warnings) == bool({"sep", "decimal"} & set(arguments))


def test_semicolons_are_recognised_though_names_hold_commas(tmp_path: Path) -> None:
    text = "load, kW;wind, m/s;heat\n10,3772;0,1951;12,0309\n9,6037;0,5777;12,3571\n"
    table = read(write(tmp_path / "t.csv", text), "load, kW", "wind, m/s", "heat")
    np.testing.assert_array_equal(numbers(table), [[10.3772, 0.1951, 12.0309], [9.6037, 0.5777, 12.3571]])


def test_commas_within_quotes_do_not_separate(tmp_path: Path) -> None:
    text = 'note,"load, kW","a ""quoted"" name"\n"one; two, three\nfour",1,2\n"x",3,4\n'
    table = read(write(tmp_path / "t.csv", text), "load, kW", 'a "quoted" name')
    np.testing.assert_array_equal(numbers(table), [[1, 2], [3, 4]])


def test_a_name_may_hold_a_line_break(tmp_path: Path) -> None:
    table = read(write(tmp_path / "t.csv", '"load\n(kW)",heat\n1,2\n3,4\n'), "load\n(kW)", "heat")
    np.testing.assert_array_equal(numbers(table), [[1, 2], [3, 4]])


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_file_of_windows_is_read_with_a_warning(tmp_path: Path, encoding: str) -> None:
    table = read(write(tmp_path / "t.csv", "load,Température °C\n1,2\n3,4\n".encode(encoding)), "load", "Température °C")
    np.testing.assert_array_equal(numbers(table), [[1, 2], [3, 4]])
    assert table.csv_arguments == {"encoding": "cp1252"} and len(table.warnings) == 1


def test_where_the_encoding_is_guessed_a_missing_name_is_answered_with_it(tmp_path: Path) -> None:
    assert "CSV UTF-8" in error_of(write(tmp_path / "t.csv", "load,温度\n1,2\n".encode("shift-jis")), "load", "温度").message


def test_first_rows_of_numbers_and_of_one_column_are_pointed_out(tmp_path: Path) -> None:
    assert "put a row of names" in error_of(write(tmp_path / "t.csv", "1,5;2,5\n4,5;5,5\n"), "load").message
    assert "a comma, a semicolon or a tab" in error_of(write(tmp_path / "t.csv", "load heat\n1 2\n"), "load").message


def test_numbers_of_both_marks_are_refused_with_an_example_of_each(tmp_path: Path) -> None:
    message = error_of(write(tmp_path / "t.csv", "load;heat\n1,5;2.25\n"), "load", "heat").message
    assert "'1,5'" in message and "'2.25'" in message
    late = "load;heat\n" + "1,5;x\n" * 300 + "1.234;x\n"  # after the lines by which the mark is recognised
    assert "'1.234'" in error_of(write(tmp_path / "t.csv", late), "load").message


THOUSANDS = {
    "commas, with a decimal": ('load;heat\n1,234.5;2\n"-1,234,567";3\n12;4\n', [1234.5, -1234567, 12], {"thousands": ","}),
    "commas, of millions": ("load;heat\n1,234;2\n5,678,000;3\n0.5;4\n", [1234, 5678000, 0.5], {"thousands": ","}),
    "points, with a decimal": (
        "load;heat\n1.234,5;2\n1.234;3\n1,5;4\n", [1234.5, 1234, 1.5], {"decimal": ",", "thousands": "."}
    ),
    "points, of millions": ("load;heat\n1.234.567;2\n1.234;3\n", [1234567, 1234], {"decimal": ",", "thousands": "."}),
    "spaces": ("load;heat\n1 234,5;2\n1,25;3\n", [1234.5, 1.25], {"decimal": ",", "thousands": " "}),
    "spaces and no decimal": ("load;heat\n1 234;2\n125;3\n", [1234, 125], {"thousands": " "}),
    "narrow spaces": ("load;heat\n1\u202f234,5;2\n", [1234.5], {"decimal": ",", "thousands": "\u202f"}),
    "apostrophes": ("load;heat\n1'234.5;2\n12.25;3\n", [1234.5, 12.25], {"thousands": "'"}),
    "other apostrophes": ("load;heat\n1\u2019234.5;2\n", [1234.5], {"thousands": "\u2019"}),
}  # fmt: skip


@pytest.mark.parametrize("last", ["", "\n\n;\n", "n.v.;5\n"], ids=["plain", "blank lines", "a text"])
@pytest.mark.parametrize(("text", "load", "arguments"), THOUSANDS.values(), ids=THOUSANDS)
def test_a_mark_between_thousands_is_recognised_where_it_can_be_nothing_else(
    tmp_path: Path, text: str, load: list[float], arguments: dict[str, str], last: str
) -> None:
    table = read(write(tmp_path / "t.csv", text + last))
    np.testing.assert_array_equal(numbers(table)[: len(load), 0], load)
    assert table.csv_arguments == {"sep": ";", **arguments} and len(table.warnings) == 1


def test_a_comma_before_three_digits_is_no_mark_between_thousands_unless_it_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "load\theat\n1,234\t2\n5,678\t3\n")
    assert np.isnan(numbers(read(path))[:, 0]).all()
    for options, expected in ((CsvOptions(thousands=","), [1234, 5678]), (CsvOptions(decimal=","), [1.234, 5.678])):
        np.testing.assert_array_equal(
            numbers(read_file(path, FileOptions(csv=options), needed("load", "heat")))[:, 0], expected
        )


@pytest.mark.parametrize("cell", ["12.34", "1.2345", "1.23.456", "0.123", "1,234.5"])
def test_a_number_of_another_grouping_is_none(tmp_path: Path, cell: str) -> None:
    text = "load;heat\n" + "1.234,5;2\n" * 300
    path = write(tmp_path / "t.csv", f"{text}{cell};3\n")
    with suppress(DataError):  # which says that both marks are there
        assert np.isnan(numbers(read(path))[-1, 0])


GIVEN = {
    "a separator": ("load^heat\n1.5^2\n", {"separator": "^"}),
    "a tab as YAML may have it": ("load\theat\n1.5\t2\n", {"separator": "\\t"}),
    "spaces": ("load    heat\n  1.5 2\n", {"separator": " "}),
    "a comma where semicolons fit, too": ("load,heat;b\n1.5,2;1\n", {"separator": ","}),
    "a decimal comma": ('load,heat\n"1,500",2\n', {"decimal": ","}),
    "an encoding": ("load,heat,温度\n1.5,2,x\n".encode("shift-jis"), {"encoding": "shift_jis"}),
    "all": ("größe^load^heat\n1'000^1,5^2\n".encode("cp1250"), {"separator": "^", "decimal": ",", "encoding": "cp1250"}),
}


@pytest.mark.parametrize(("content", "given"), GIVEN.values(), ids=GIVEN)
def test_what_is_said_of_a_file_holds(tmp_path: Path, content: str | bytes, given: dict[str, str]) -> None:
    table = read_file(
        write(tmp_path / "t.csv", content),
        FileOptions(csv=CsvOptions.model_validate(given)),
        all_columns_with({"load": "inputs"}),
    )
    assert numbers(table)[0, list(table.frame.columns).index("load")] == 1.5


WRONG = {
    "a separator that is not there": ({"separator": ";"}, "load,heat\n1,2\n", ["';'", "commas"]),
    "a decimal comma that is a point": ({"decimal": ","}, "load,heat\n1.5,2\n", ["row 2", "'1.5'"]),
    "an encoding of other bytes": ({"encoding": "utf-8"}, "load,heat,ä\n1,2,3\n".encode("cp1252"), ["utf-8", "cp1252"]),
    "an encoding of two bytes": ({"encoding": "utf-16"}, "load,heat\n1,2\n3", ["utf-16", "utf-8"]),
}


@pytest.mark.parametrize(("given", "content", "named"), WRONG.values(), ids=WRONG)
def test_what_is_said_wrongly_is_answered_with_what_the_file_has(
    tmp_path: Path, given: dict[str, str], content: str | bytes, named: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        read_file(write(tmp_path / "t.csv", content), FileOptions(csv=CsvOptions.model_validate(given)), needed("load", "heat"))
    assert all(text in error.value.message for text in named), error.value.message


def test_a_separator_that_is_not_recognised_is_answered_with_its_option(tmp_path: Path) -> None:
    assert "{separator: '^'}" in error_of(write(tmp_path / "t.csv", "load^heat\n1^2\n")).message


REMEDIES = {
    "1\u00a0234,5": "decimal point",
    "1\u00a0234": "mark between thousands",
    "1\u202f234.5": "mark between thousands",
    "1'234.5": "mark between thousands",
    "1\u2019234": "mark between thousands",
    "1 234 567": "mark between thousands",
    "1.234,5": "decimal point",
    "\u22125.5": "hyphen",
    "\u2013 5": "hyphen",
    "12,5 %": "percent",
    "fast": "",
    "2020-01-01": "",
}


@pytest.mark.parametrize(("cell", "advice"), REMEDIES.items())
def test_a_number_that_is_written_otherwise_is_answered_with_what_to_write(cell: str, advice: str) -> None:
    columns = pd.DataFrame({"load": [cell, 3], "heat": [2, 4]})
    remedy = invalid_remedy(columns, to_numbers(columns))
    assert advice in remedy and bool(remedy) == bool(advice)


def test_several_ways_of_writing_are_answered_together() -> None:
    columns = pd.DataFrame({"load": ["1'234", "\u22125"], "heat": [2, 4]})
    remedy = invalid_remedy(columns, to_numbers(columns))
    assert "thousands" in remedy and "hyphen" in remedy


def test_a_bad_cell_does_not_spoil_its_column_of_decimal_commas(tmp_path: Path) -> None:
    table = read(write(tmp_path / "t.csv", "load;heat\n1,5;2\nn.v.;3\n2,5;4\n"))
    np.testing.assert_array_equal(numbers(table)[:, 0], [1.5, np.nan, 2.5])


def test_a_line_with_too_many_values_is_named(tmp_path: Path) -> None:
    message = error_of(write(tmp_path / "t.csv", "load,heat\n1,2\n" * 1 + "1,2\n" * 300 + "3,4,5\n")).message
    assert "row 303" in message and "3 values" in message


def test_unused_columns_may_have_one_name_and_used_ones_may_not(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "note,load,note,heat,note\n1,2,3,4,5\n6,7,8,9,10\n")
    np.testing.assert_array_equal(numbers(read(path)), [[2, 4], [7, 9]])
    assert "'note'" in error_of(path, "note", "load").message
    everything = read_file(path, AS_FOUND, ColumnSelection({"load": "an input"}, lambda _: True)).frame
    assert list(everything.columns) == ["note", "load", "note.1", "heat", "note.2"]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"PK\x03\x04\0\0\x08\0load,heat\0\0\xff\xfe")
    assert error_of(path).where == str(path)


AWKWARD = {
    "missing": "load,heat\nNA,1\n,2\nn/a,3\nnan,4\n5,null\n",
    "text": "load,heat\nfast,1\n2,x\n3,4\n",
    "infinite": "load,heat\ninf,1\n-inf,2\n1e400,3\n4,5\n",
    "booleans": "load,heat\nTrue,1\nFALSE,2\n,3\n",
    "booleans among numbers": "load,heat\nTrue,1\n2,2\n",
    "spaces": "load,heat\n 1.5,2 \n3 , 4\n",
    "quotes": 'load,heat\n"1.5","2"\n"",4\n',
    "short lines": "load,heat\n1\n3,4\n",
    "blank lines between": "load,heat\n1,2\n\n3,4\n",
    "empty rows": "load,heat,note\n1,2,x\n,,\n,,note\n3,4,\n",
    "large whole numbers": "load,heat\n9007199254740993,1\n123456789012345678901234,2\n",
    "odd numbers": "load,heat\n+1,.5\n1.,1E5\n-0.0,0x10\n",
    "underscores": "load,heat\n1_000,2\n3,4\n",
    "dates": "load,heat,day\n2020-01-01,1,2020-01-01\n2020-01-02,2,2020-01-02\n",
    "many digits": "load,heat\n" + "".join(f"{v!r},{v:.30f}\n" for v in np.random.default_rng(1).normal(size=500)),
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_both_parsers_read_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = write(tmp_path / "t.csv", text)
    fast = read(path)
    monkeypatch.setattr(csv_table, "_read_with_pyarrow", lambda *_: None)
    slow = read(path)
    assert fast.frame.index.tolist() == slow.frame.index.tolist()
    columns = ["load", "heat"]
    np.testing.assert_array_equal(to_numbers(fast.frame[columns]), to_numbers(slow.frame[columns]))


def test_texts_that_are_missing_are_those_of_pandas(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a\n" + "".join(f'"{text}"\n' for text in sorted(MISSING_TEXTS)))
    assert pd.read_csv(path, skip_blank_lines=False)["a"].isna().all()


def test_only_the_columns_that_are_named_are_read(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(3000)]
    path = write(tmp_path / "t.csv", ",".join([*names, "subject"]) + "\n" + ("1.5," * 3000 + "A\n") * 3)
    assert read(path, "c7", "c2999").frame.columns.tolist() == ["c7", "c2999", "subject"]


def test_names_below_the_first_row_are_pointed_out(tmp_path: Path) -> None:
    assert "row 3 has all these names" in error_of(write(tmp_path / "t.csv", f"# a report\n\n{PLAIN}")).message
