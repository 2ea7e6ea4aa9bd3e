"""Generated scripts read a table as the search does: the same rows, the same numbers, the same split."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.columns import NUMERIC
from branchsweep.data.loading import load_dataset
from branchsweep.data.splits import split_rows
from branchsweep.models.codegen import generate_script
from branchsweep.models.exported_model import ModelMember, Provenance
from branchsweep.models.recipe import Recipe

ROWS = 40


def plain() -> pd.DataFrame:
    random = np.random.default_rng(0)
    a, b = random.normal(size=ROWS), random.normal(size=ROWS).round(3)
    return pd.DataFrame({"a": a, "note": "x", "b": b, "f": a + b, "heat loss": (100 * a * b).round()})


def changed(**cells: Any) -> pd.DataFrame:
    """The plain table with other cells in column a (or that of the cell's name), by row."""
    frame = plain().astype(object)
    for place, cell in cells.items():
        column, _, row = place.rpartition("_")
        frame.loc[int(row), column] = cell
    return frame


def xlsx(frame: pd.DataFrame, path: Path) -> None:
    frame.to_excel(path.with_suffix(".xlsx"), index=False)


def csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path.with_suffix(".csv"), index=False)


def parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path.with_suffix(".parquet"))


def feather(frame: pd.DataFrame, path: Path) -> None:
    frame.to_feather(path.with_suffix(".feather"))


def json_lines(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path.with_suffix(".jsonl"), orient="records", lines=True, double_precision=15)


def gzipped(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path.with_suffix(".csv.gz"), index=False)


def arff(frame: pd.DataFrame, path: Path) -> None:
    kinds = ["{x,y}" if name == "note" else "numeric" for name in frame]
    attributes = [
        f"@attribute {name if ' ' not in str(name) else repr(name)} {kind}" for name, kind in zip(frame, kinds, strict=True)
    ]
    rows = frame.to_csv(index=False, header=False, na_rep="?")
    path.with_suffix(".arff").write_text("\n".join(["@relation plain", *attributes, "@data", rows]), encoding="utf-8")


def text(change: Callable[[str], str | bytes]) -> Callable[[pd.DataFrame, Path], None]:
    """Writes a csv file, changed as a text."""

    def write(frame: pd.DataFrame, path: Path) -> None:
        written = change(frame.to_csv(index=False))
        path.with_suffix(".csv").write_bytes(written if isinstance(written, bytes) else written.encode())

    return write


def spaces(frame: pd.DataFrame, path: Path) -> None:
    written = frame.to_csv(index=False, sep=" ").replace(" x ", "   x  ").replace("\n", " \n")
    path.with_suffix(".csv").write_text(written, encoding="utf-8")


def german(content: str) -> str:
    return content.replace(",", ";").replace(".", ",")


def large() -> pd.DataFrame:
    return plain().assign(a=lambda frame: (frame["a"] * 1e5).round(2), b=lambda frame: (frame["b"] * 1e7).round())


def thousands(mark: str, decimal: str) -> Callable[[str], str]:
    """Writes numbers with a mark between thousands, and one of another grouping."""

    def change(content: str) -> str:
        header, *lines = content.splitlines()
        cells = [[f"{float(cell):,}" if is_float(cell) else cell for cell in line.split(",")] for line in lines]
        cells[3][0] = "1,23,456.5"
        marks = str.maketrans({",": mark, ".": decimal})
        return "\n".join([header.replace(",", ";"), *(";".join(cell.translate(marks) for cell in line) for line in cells)])

    return change


def is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def sheets(frame: pd.DataFrame, path: Path) -> None:
    with pd.ExcelWriter(path.with_suffix(".xlsx")) as book:
        pd.DataFrame({"nothing": [1]}).to_excel(book, sheet_name="first", index=False)
        frame.to_excel(book, sheet_name="of 'May'", index=False)


def with_notes(content: str) -> str:
    """Two more columns, of the name of one that is there."""
    return content.replace("\n", ",1,2\n").replace(",1,2", ",note,note", 1)


DROP = {"invalid": "drop"}
BY_NOTE = {"split": {"group": "note"}}
DAYS = pd.date_range("2024-02-20", periods=ROWS).strftime("%Y-%m-%d").to_numpy()[np.random.default_rng(4).permutation(ROWS)]
ZEROS = {"a_5": 0.0, "a_6": -0.0, "b_5": 1, "b_6": 1, "f_5": 2, "f_6": 2}
TABLES: dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame, Path], None], dict[str, Any]]] = {
    "csv": (plain(), csv, {}),
    "xlsx": (plain(), xlsx, {}),
    "feather": (plain(), feather, {}),
    "groups": (plain().assign(note=[f"n{row % 17}" for row in range(ROWS)]), csv, BY_NOTE),
    "groups that are numbers": (plain().assign(note=[row % 13 for row in range(ROWS)]), xlsx, BY_NOTE),
    "groups and gaps": (changed(a_5=None).assign(note=[row // 5 for row in range(ROWS)]), csv, DROP | BY_NOTE),
    "an input as group": (plain().assign(b=[row % 11 for row in range(ROWS)]), csv, {"split": {"group": "b"}}),
    "numbers as times": (plain().assign(note=lambda frame: -frame["a"]), csv, {"split": {"time": "note"}}),
    "dates as times": (plain().assign(note=DAYS), csv, {"split": {"time": "note", "gap": 3}}),
    "dates of a workbook as times": (
        plain().assign(note=pd.to_datetime(DAYS)), xlsx, {"split": {"time": "note", "gap": "4d"}}
    ),
    "times and gaps": (
        changed(a_5=None).assign(note=pd.to_datetime(DAYS)), parquet, DROP | {"split": {"time": "note", "gap": "36h"}}
    ),
    "equal times": (plain().assign(note=[row % 9 for row in range(ROWS)]), csv, {"split": {"time": "note", "gap": 2}}),
    "given parts": (plain().assign(note=["train", "Test ", "train", "train"] * 10), csv, {"split": {"column": "note"}}),
    "given folds": (plain().assign(note=[row % 5 for row in range(ROWS)]), xlsx, {"split": {"column": "note"}}),
    "classes": (plain().assign(note=["x", "x", "y", "x"] * 10), csv, {"split": {"stratify": "note"}}),
    "classes of a head": (plain(), csv, {"split": {"stratify": "f", "bins": 4}}),
    "classes of a head with decimal commas": (plain(), text(german), {"split": {"stratify": "heat", "bins": 5}}),
    "an outer fold": (plain(), csv, {"test": {"folds": 4, "fold": 2}}),
    "an outer fold by group": (
        plain().assign(note=[row % 17 for row in range(ROWS)]), csv, BY_NOTE | {"test": {"folds": 4, "fold": 4}}
    ),
    "an outer fold in time": (
        plain().assign(note=DAYS), csv, {"split": {"time": "note", "gap": 1}, "test": {"folds": 3, "fold": 2}}
    ),
    "the last outer fold in time": (
        plain().assign(note=DAYS), csv, {"split": {"time": "note", "gap": "2d"}, "test": {"folds": 3, "fold": 3}}
    ),
    "an outer fold of classes": (
        plain().assign(note=["x", "x", "y", "x"] * 10), csv, {"split": {"stratify": "note"}, "test": {"folds": 3, "fold": 1}}
    ),
    "equal rows together": (pd.concat([plain(), plain().iloc[:9]]), csv, {"duplicates": "together"}),
    "JSON lines": (plain(), json_lines, {}),
    "gzipped csv": (plain(), gzipped, {}),
    "arff": (plain(), arff, {}),
    "gaps, JSON lines": (changed(a_5=None, f_8=None), json_lines, DROP),
    "gaps, arff": (changed(a_5=None, f_8=None), arff, DROP),
    "parquet": (plain(), parquet, {}),
    "infinite": (changed(a_5=np.inf, f_7=-np.inf), csv, DROP),
    "infinite, xlsx": (changed(a_5=np.inf, f_7=-np.inf), xlsx, DROP),
    "infinite, parquet": (plain().assign(a=lambda frame: frame["a"].where(frame.index != 5, np.inf)), parquet, DROP),
    "missing": (changed(a_5=None, f_7=None, b_39="NA"), csv, DROP),
    "missing, xlsx": (changed(a_5=None, f_7=None, b_39="n/a"), xlsx, DROP),
    "texts": (changed(a_5="n.v.", b_7="?", f_9=" "), csv, DROP),
    "numbers as texts": (plain().astype(str), xlsx, {}),
    "texts among numbers, xlsx": (changed(a_5="n.v.", b_7="12.5"), xlsx, DROP),
    "dates": (changed(a_5=pd.Timestamp("2020-01-01"), b_7="2020-01-01"), xlsx, DROP),
    "dates, csv": (changed(a_5=pd.Timestamp("2020-01-01")), csv, DROP),
    "errors of a sheet": (changed(a_5="#DIV/0!", b_6="#N/A"), xlsx, DROP),
    "booleans": (changed(a_5=True, b_6=False), xlsx, {}),
    "a column of booleans": (
        plain().assign(b=lambda frame: frame["b"] > 0), csv, {"inputs": {"a": {}, "b": {"kind": "numeric"}}}
    ),
    "categories": (plain().assign(b=lambda frame: frame["b"].round(0).astype("category")), parquet, {}),
    "whole numbers with gaps": (plain().assign(b=pd.array([None, *range(ROWS - 1)], dtype="Int64")), parquet, DROP),
    "codes": (changed(a_5=-200, f_7=-9999), csv, DROP | {"missing": [-200, -9999]}),
    "partial targets": (changed(f_7=None, **{"heat loss_9": None}), csv, {}),
    "partial targets and texts, xlsx": (changed(a_3=None, f_7=None, f_8="n.v.", **{"heat loss_7": None}), xlsx, DROP),
    "partial targets and codes": (changed(f_7=-9999, f_8=" ?"), csv, {"missing": [-9999, "?"]}),
    "partial targets, equal rows together": (
        pd.concat([changed(f_7=None), changed(f_7=None).iloc[[7, 7, 3]]]), csv, {"duplicates": "together"}
    ),
    "partial targets, classes of a head": (
        changed(**{f"f_{row}": None for row in range(0, ROWS, 4)}), csv, {"split": {"stratify": "f", "bins": 4}}
    ),
    "weights": (plain().assign(note=[row % 3 for row in range(ROWS)]), csv, {"weight": "note"}),
    "codes, xlsx": (changed(a_5=-200, f_7=-9999), xlsx, DROP | {"missing": [-200, -9999]}),
    "codes with decimals": (changed(a_5=-99.9), csv, DROP | {"missing": [-99.9]}),
    "no codes in the table": (plain(), csv, {"missing": [-200]}),
    "duplicates": (pd.concat([plain(), plain().iloc[[3, 3, 9]].assign(note="y")]), csv, {"duplicates": "drop"}),
    "duplicates that are kept": (pd.concat([plain(), plain().iloc[[3, 3, 9]]]), csv, {}),
    "duplicates but for a sign of zero": (
        changed(**ZEROS, **{"heat loss_5": 3, "heat loss_6": 3}), csv, {"duplicates": "drop"}
    ),
    "duplicates and gaps": (pd.concat([changed(a_5=None), plain().iloc[[3, 5]]]), xlsx, DROP | {"duplicates": "drop"}),
    "blank rows": (plain(), text(lambda content: content.replace("\n", "\n\n", 5) + "\n,,,,\n"), {}),
    "semicolons and decimal commas": (plain(), text(german), {}),
    "decimal commas and texts": (changed(a_5="n.v."), text(german), DROP),
    "decimal commas and codes": (changed(a_5=-99.9), text(german), DROP | {"missing": [-99.9]}),
    "points between thousands": (large(), text(thousands(".", ",")), DROP),
    "commas between thousands": (large(), text(thousands(",", ".")), DROP),
    "spaces between thousands": (large(), text(thousands("\u202f", ",")), DROP),
    "a named separator": (plain(), text(lambda content: content.replace(",", "^")), {"csv": {"separator": "^"}}),
    "spaces between columns": (plain(), spaces, {"csv": {"separator": " "}}),
    "texts that stand for missing": (changed(a_5="?", f_7=" ?"), csv, DROP | {"missing": ["?"]}),
    "tabs in UTF-16": (plain(), text(lambda content: content.replace(",", "\t").encode("utf-16")), {}),
    "sep=": (plain(), text(lambda content: "sep=,\n" + content), {}),
    "Windows": (plain().assign(note="é"), text(lambda content: content.encode("cp1252")), {}),
    "unused columns of one name": (plain(), text(with_notes), {}),
    "another sheet": (plain(), sheets, {"sheet": "of 'May'"}),
    "a sheet by its position": (plain(), sheets, {"sheet": 1}),
    "an index": (plain().set_index("a"), parquet, {}),
    "names that are numbers": (plain().rename(columns={"note": 2020}), xlsx, {}),
}  # fmt: skip


def experiment(path: Path, table: dict[str, Any]) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "rows",
            "table": {
                "source": str(path),
                "inputs": ["a", "b"],
                **{k: v for k, v in table.items() if k not in ("split", "test")},
            },
            "split": table.get("split", {}),
            "test": table.get("test", {}),
            "validation": {"method": "k_fold", "folds": 4 if table.get("split", {}).get("column") else 3},
            "heads": {"f": {}, "heat": {"column": "heat loss"}},
            "space": {"dimensions": {}},
        }
    )


@pytest.mark.parametrize(("frame", "write", "table"), TABLES.values(), ids=TABLES)
def test_a_script_takes_the_rows_that_the_search_took(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    frame: pd.DataFrame,
    write: Callable[[pd.DataFrame, Path], None],
    table: dict[str, Any],
) -> None:
    write(frame, tmp_path / "table")
    (path,) = tmp_path.iterdir()
    chosen = experiment(path, table)
    dataset = load_dataset(chosen)
    split = split_rows(chosen, dataset)
    script = generate_script(
        "models:/rows/1",
        dict(zip(dataset.inputs, dataset.columns, strict=True)),
        [ModelMember(Recipe.of({}, ["f", "heat"]), ())],
        Provenance.of(chosen, dataset.csv_arguments, dataset.partial_targets),
    )
    reading, found, _ = script.partition("keras.utils.set_random_seed")
    assert found
    monkeypatch.setattr(sys, "argv", ["script.py", str(path)])
    names: dict[str, Any] = {}
    exec(compile(reading.replace("import keras\n", ""), "script.py", "exec"), names)  # noqa: S102  # the script's own lines
    for rows, part in ((split.train, names["train"]), (split.test, names["test"])):
        np.testing.assert_array_equal(part[["a", "b"]].to_numpy(), dataset.x[rows])
        np.testing.assert_array_equal(part[["f", "heat loss"]].to_numpy(), dataset.y[rows])


@pytest.mark.parametrize(
    "table",
    [{}, DROP | {"duplicates": "drop"}, BY_NOTE, {"split": {"stratify": "note"}}],
    ids=["as they are", "policies", "groups", "classes"],
)
def test_a_script_takes_the_test_rows_of_a_table_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Any]
) -> None:
    rows = changed(a_5=None) if table.get("invalid") else plain()
    rows = rows.assign(note=[f"n{row % 10}" for row in range(ROWS)])
    rows.to_csv(tmp_path / "train.csv", index=False)
    pd.concat([rows.assign(note="m", a=lambda frame: frame["a"] + 1)] * 2).to_excel(tmp_path / "test.xlsx", index=False)
    paths = [tmp_path / "train.csv", tmp_path / "test.xlsx"]
    chosen = experiment(paths[0], table | {"test": {"path": str(paths[1])}})
    dataset = load_dataset(chosen)
    split = split_rows(chosen, dataset)
    members, provenance = [ModelMember(Recipe.of({}, ["f", "heat"]), ())], Provenance.of(chosen, dataset.csv_arguments)
    script = generate_script("models:/rows/1", dict.fromkeys(dataset.inputs, NUMERIC), members, provenance)
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, paths)])
    names: dict[str, Any] = {}
    reading = script.partition("keras.utils.set_random_seed")[0].replace("import keras\n", "")
    exec(compile(reading, "script.py", "exec"), names)  # noqa: S102  # likewise
    for positions, part in ((split.train, names["train"]), (split.test, names["test"])):
        np.testing.assert_array_equal(part[["a", "b"]].to_numpy(), dataset.x[positions])
        np.testing.assert_array_equal(part[["f", "heat loss"]].to_numpy(), dataset.y[positions])


def test_a_script_reads_a_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/plant.db"
    with closing(sqlite3.connect(tmp_path / "plant.db")) as connection:
        plain().to_sql("plant", connection, index=False)
    query = "select a, b, f, \"heat loss\"\nfrom plant where '12:30' <> ':x' and note like '%x%'\n-- a comment\norder by a"
    chosen = experiment(Path("x"), {"source": url, "query": query})
    dataset = load_dataset(chosen)
    split = split_rows(chosen, dataset)
    members = [ModelMember(Recipe.of({}, ["f", "heat"]), ())]
    script = generate_script("models:/rows/1", dict.fromkeys(dataset.inputs, NUMERIC), members, Provenance.of(chosen, {}))
    monkeypatch.setattr(sys, "argv", ["script.py", url])
    names: dict[str, Any] = {}
    reading = script.partition("keras.utils.set_random_seed")[0].replace("import keras\n", "")
    exec(compile(reading, "script.py", "exec"), names)  # noqa: S102  # likewise
    np.testing.assert_array_equal(names["train"][["a", "b"]].to_numpy(), dataset.x[split.train])


def no_number(path: Path) -> None:
    changed(a_5="n.v.").to_csv(path, index=False)


def no_columns(path: Path) -> None:
    plain().drop(columns=["b", "heat loss"]).to_csv(path, index=False)


UNUSABLE: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "a value is missing": (no_number, "t.csv", ["values are missing"]),
    "columns are missing": (no_columns, "t.csv", ["b, heat loss"]),
    "no such file": (str, "t.csv", []),
    "a folder": (Path.mkdir, "t.csv", []),
    "no UTF-8": (lambda path: path.write_bytes("a,b\n\xe9,1\n".encode("cp1252")), "t.csv", []),
    "an empty file": (Path.touch, "t.csv", []),
    "no workbook": (no_number, "t.xlsx", []),
    "no parquet": (no_number, "t.parquet", []),
    "no feather": (no_number, "t.feather", []),
    "no JSON lines": (no_number, "t.jsonl", []),
    "no arff": (no_number, "t.arff", []),
    "no gzip": (no_number, "t.csv.gz", []),
}


@pytest.mark.parametrize(("write", "name", "expected"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_script_ends_with_one_message_about_a_table_that_it_cannot_use(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write: Callable[[Path], object],
    name: str,
    expected: list[str],
) -> None:
    path = tmp_path / name
    write(path)
    members = [ModelMember(Recipe.of({}, ["f", "heat"]), ())]
    provenance = Provenance({"f": "f", "heat": "heat loss"}, {"f": "mse", "heat": "mse"}, 4, 0.25, 1)
    script = generate_script("models:/rows/1", dict.fromkeys(["a", "b"], NUMERIC), members, provenance).replace(
        "import keras\n", ""
    )
    monkeypatch.setattr(sys, "argv", ["script.py", str(path)])
    with pytest.raises(SystemExit) as ended:
        exec(compile(script, "script.py", "exec"), {})  # noqa: S102  # up to the message it needs no Keras
    (message,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert all(text in message for text in [str(path), *expected])


def test_a_script_without_a_table_says_how_it_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provenance = Provenance({"f": "f"}, {"f": "mse"}, 4, 0.25, 1)
    script = generate_script("models:/rows/1", {"a": NUMERIC}, [ModelMember(Recipe.of({}, ["f"]), ())], provenance)
    monkeypatch.setattr(sys, "argv", ["script.py"])
    with pytest.raises(SystemExit) as ended:
        exec(compile(script.replace("import keras\n", ""), "script.py", "exec"), {})  # noqa: S102  # as above
    assert ended.value.code == 2 and "script.py TABLE" in capsys.readouterr().err
