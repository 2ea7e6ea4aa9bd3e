"""What people read of a table's columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.column_summary import ColumnSummary, count_and_names, summarize_columns
from branchsweep.data.loading import load_dataset

ROWS = 40


def summaries(wind: str) -> dict[str, ColumnSummary]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"zone": ["a", "b"] * (ROWS // 2), **{name: rng.normal(size=ROWS) for name in ("wind", "y", "z")}})
    table.loc[:3, "wind"], table.loc[5, "zone"], table.loc[:1, "z"] = np.nan, None, np.nan
    experiment = Experiment.model_validate(
        {
            "name": "summary",
            "table": {"source": "dataframe", "inputs": {"zone": {}, "wind": {"missing": wind}}},
            "heads": {"y": {}, "z": {}},
            "space": {"dimensions": {}},
        }
    )
    return {column.name: column for column in summarize_columns(load_dataset(experiment, table))}


@pytest.mark.parametrize(("wind", "words"), [("mean", "training rows"), ("indicator", "further column")])
def test_a_column_with_gaps_says_what_becomes_of_them(wind: str, words: str) -> None:
    columns = summaries(wind)
    assert "4 rows" in columns["wind"].detail and words in columns["wind"].detail
    assert "1 row" in columns["zone"].detail and "category of its own" in columns["zone"].detail
    assert "2 rows" in columns["z"].detail and "other heads" in columns["z"].detail
    assert columns["y"].detail == ""


def test_categories_are_counted_and_the_first_named_on_one_line() -> None:
    assert count_and_names(["a"]) == ("1 category", "a")
    assert count_and_names(list("abcde")) == ("5 categories", "a, b, c, d, …")
    assert count_and_names(["x" * 20_000, "a\nb"]) == ("2 categories", f"{'x' * 40}…, a\\nb")
