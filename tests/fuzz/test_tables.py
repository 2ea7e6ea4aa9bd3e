"""Tables, changed at random in their bytes and in their cells."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import strategies as st

from fuzz.commands import run_command, try_examples
from fuzz.mutations import changed_bytes, changed_text

EXPERIMENT = """\
name: table
table: {source: table.csv, inputs: [a, b]}
heads: {y: {}}
space: {dimensions: {trunk.depth: {type: int, low: 1, high: 2}}}
search: {driver: random, trials: 2}
"""

CELLS: list[Any] = [None, "", " ", "x", "1,5", "nan", "#N/A", "=1+1", "=A1", 10**18, -1e308, 1e-320, True, "2020-01-01", "é\n"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return tmp_path


def make_frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({name: random.normal(size=40).round(3) for name in ("a", "b", "y")})


def make_workbook(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_excel(content, index=False)
    return content.getvalue()


@st.composite
def workbooks(draw: st.DrawFn) -> bytes:
    """The workbook with a few cells replaced, far away ones among them."""
    book = openpyxl.load_workbook(io.BytesIO(make_workbook(make_frame())))
    sheet = book.active
    for _ in range(draw(st.integers(1, 5))):
        row, column = draw(st.integers(1, 45)), draw(st.integers(1, 5))
        sheet.cell(row, column).value = draw(st.sampled_from(CELLS) | st.integers(-9, 9) | st.floats(-9, 9))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_table_with_changed_bytes_is_read_or_refused(folder: Path, suffix: str) -> None:
    frame, file = make_frame(), folder / f"changed{suffix}"
    content = frame.to_csv(index=False).encode() if suffix == ".csv" else make_workbook(frame)

    def check(changed: bytes) -> None:
        file.write_bytes(changed)
        run_command(folder, "data", "experiment.yaml", "--data", file.name)

    try_examples(changed_bytes(content), check, 60)


def test_a_csv_table_with_changed_cells_is_read_or_refused(folder: Path) -> None:
    file = folder / "changed.csv"

    def check(text: str) -> None:
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        run_command(folder, "data", "experiment.yaml", "--data", file.name)

    try_examples(changed_text(make_frame().to_csv(index=False)), check, 60)


def test_a_workbook_with_changed_cells_is_read_or_refused(folder: Path) -> None:
    file = folder / "changed.xlsx"

    def check(content: bytes) -> None:
        file.write_bytes(content)
        run_command(folder, "data", "experiment.yaml", "--data", file.name)

    try_examples(workbooks(), check, 40)
