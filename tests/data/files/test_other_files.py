"""Files that are neither workbooks nor plain csv: each kind gives the table that was written, or one message."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.sections.columns import NUMERIC
from branchsweep.data.columns import describe_invalid, to_numbers
from branchsweep.data.files import arrow_table, csv_table, table_file
from branchsweep.data.files.column_selection import ColumnSelection
from branchsweep.data.tables import AS_FOUND, ENDINGS, read_file, read_inputs, read_table
from branchsweep.errors import DataError


def written_arff(frame: pd.DataFrame, path: Path) -> None:
    kinds = ["numeric" if pd.api.types.is_numeric_dtype(dtype) else "{low,high}" for dtype in frame.dtypes]
    attributes = [f"@attribute '{name}' {kind}" for name, kind in zip(frame, kinds, strict=True)]
    rows = frame.to_csv(index=False, header=False, na_rep="?")
    path.write_text("\n".join(["@relation t", *attributes, "@data", rows]), encoding="utf-8")


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    ".tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    ".txt": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    ".xlsx": lambda frame, path: frame.to_excel(path, index=False),
    ".parquet": lambda frame, path: frame.to_parquet(path),
    ".feather": lambda frame, path: frame.to_feather(path),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, double_precision=15),
    ".arff": written_arff,
}


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "load+1": [0.1, 2.5, np.nan, 1e-7],
            "25400": [1.0, 2.0, 3.0, 4.0],
            "level": ["low", "high", "high", None],
        }
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_kind_of_file_gives_the_same_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    WRITERS[ending](table(), path)
    found = read_file(path)
    first = 1 if ending in {".parquet", ".feather", ".jsonl", ".arff"} else 2
    expected = table().set_axis(range(first, first + 4))
    assert (found.source, found.path, list(found.frame.columns)) == ("file", path, list(expected.columns))
    frame = found.frame.astype(dict.fromkeys(found.frame.select_dtypes("category"), object))
    pd.testing.assert_frame_equal(frame, expected.astype(frame.dtypes.to_dict()), check_dtype=False, check_names=False)


def test_messages_count_rows_as_the_file_does(tmp_path: Path) -> None:
    texts = {
        "t.csv": ("a,b\n1,2\n3,x\n", "row 3", "header is row 1"),
        "t.jsonl": ('{"a": 1, "b": 2}\n\n{"a": 3, "b": "x"}\n', "row 3", "line"),
        "t.arff": ("@relation t\n@attribute a real\n@attribute b {2,x}\n@data\n1,2\n3,x\n", "row 2", "first row is row 1"),
    }
    for name, (text, place, numbering) in texts.items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        frame = read_file(path).frame
        message = describe_invalid(frame, to_numbers(frame))
        assert f"'b' {place}: 'x'" in message and numbering in message, name


@pytest.mark.parametrize("ending", ENDINGS)
def test_only_the_columns_of_the_experiment_are_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    WRITERS[ending](table(), path)
    frame = read_file(path, selection=ColumnSelection({"25400": "heads.a.column"})).frame
    assert frame.to_dict("list") == {"25400": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(DataError, match=r"column '254' \(heads\.a\.column\) not found"):
        read_file(path, selection=ColumnSelection({"254": "heads.a.column"}))


@pytest.mark.parametrize("ending", ENDINGS)
def test_predictions_are_made_from_every_kind_of_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    WRITERS[ending](table(), path)
    inputs = read_inputs(path, AS_FOUND, {"25400": NUMERIC}).frame
    assert inputs["25400"].to_list() == [1.0, 2.0, 3.0, 4.0] and list(inputs["level"])[:3] == ["low", "high", "high"]


def test_names_of_arff_attributes_may_be_quoted_in_either_way(tmp_path: Path) -> None:
    names = {"'a'": "a", '"two words"': "two words", r"'it\'s'": "it's", "plain+1": "plain+1", "'%'": "%"}
    attributes = "".join(f"  @Attribute {name} REAL % note\n" for name in names)
    path = tmp_path / "t.arff"
    path.write_text(f"% note\n@RELATION t\n{attributes}\n@DATA\n1,2,3,4,5\n", encoding="utf-8")
    assert read_table(path).to_dict("list") == {name: [index] for index, name in enumerate(names.values(), start=1)}


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_numbers_in_json_lines_are_read_to_the_last_bit(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "t.jsonl"
    path.write_text("".join(f'{{"a": {value!r}}}\n' for value in values), encoding="utf-8")
    assert read_table(path)["a"].to_list() == values


BROKEN: dict[str, tuple[str, bytes]] = {
    "arff with texts": (".arff", b"@relation t\n@attribute a string\n@data\n'x'\n"),
    "arff without data": (".arff", b"@relation t\n@attribute a numeric\n"),
    "arff with an unknown category": (".arff", b"@relation t\n@attribute a {x}\n@data\nz\n"),
    "no arff": (".arff", b"\x00\x01"),
    "arff with rows of another length": (".arff", b"@relation t\n@attribute a numeric\n@data\n1,2\n"),
    "one json array": (".jsonl", b'[{"a": 1}]'),
    "json that ends early": (".jsonl", b'{"a": 1}\n{"a": '),
    "json with a key twice": (".jsonl", b'{"a": 1}\n{"a": 1, "a": 2}\n'),
    "json in UTF-16": (".jsonl", '{"a": 1}\n'.encode("utf-16")),
    "sparse arff": (".arff", b"@relation t\n@attribute a numeric\n@data\n{0 1}\n"),
    "arff without attributes": (".arff", b"@relation t\n@data\n1\n"),
    "no json": (".jsonl", b"\xff\xfe\x00"),
    "no feather": (".feather", b"PAR1"),
    "no gzip": (".csv.gz", b"a,b\n1,2\n"),
    "gzip that ends early": (".csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 5000)[:-20]),
    "only gzip": (".gz", gzip.compress(b"a,b\n1,2\n")),
}


@pytest.mark.parametrize(("ending", "content"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_message_that_names_it(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert caught.value.where == str(path)
    assert "\n" not in caught.value.message


def test_a_file_that_unpacks_to_more_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "MOST_UNPACKED_BYTES", 1000)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * 1000))
    with pytest.raises(DataError, match="unpacked") as caught:
        read_table(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".csv"])
def test_a_table_for_which_there_is_no_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    WRITERS[ending](pd.DataFrame({"a": np.zeros(20_000), "b": 1.5}), tmp_path / f"t{ending}")
    for module in (arrow_table, csv_table):
        monkeypatch.setattr(module, "available_memory", lambda: 1_000_000)
    assert len(read_table(tmp_path / f"t{ending}")) == 20_000
    monkeypatch.setattr(table_file, "SMALL_BYTES", 0)
    with pytest.raises(DataError, match=r"0\.0 GB are available, enough for [\d,]+ rows"):
        read_table(tmp_path / f"t{ending}")
