"""What a column is follows from its cells, unless the experiment says it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.config.sections.heads import Head
from branchsweep.config.yaml.recorded import dump_yaml, parse_recorded_experiment
from branchsweep.data.column_kinds import inferred_kind
from branchsweep.data.loading import load_dataset, with_named_inputs, with_resolved_columns
from branchsweep.data.splits import split_rows
from branchsweep.data.tables import AS_FOUND, read_inputs
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import DataError

ROWS = 60


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    wind = rng.gamma(2.0, 2.0, ROWS)
    wind[::7] = np.nan
    season = pd.Series(rng.choice(["spring", "summer", "winter"], ROWS), dtype=object)
    season[3] = None
    return pd.DataFrame(
        {
            "season": season,
            "T": rng.normal(15.0, 8.0, ROWS),
            "wind": wind,
            "when": pd.date_range("2024-01-01", periods=ROWS, freq="7h"),
            "heated": rng.random(ROWS) < 0.5,
            "zone": rng.integers(1, 4, ROWS),
            "load": rng.normal(30.0, 5.0, ROWS),
        }
    )


def experiment(inputs: Any, **table: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "kinds",
            "table": {"source": "dataframe", "inputs": inputs, **table},
            "heads": {"load": {}},
            "space": {"dimensions": {}, "fixed": {"trunk.width": 4}},
            "search": {"trials": 1},
            "fit": {"epochs": 5},
        }
    )


DATE = {"kind": "date", "parts": ["hour"]}
CATEGORICAL = {"kind": "categorical"}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1.5, 2.0, None], "numeric"),
        ([1, 2, 3], "numeric"),
        (["1.5", "2", "x"], "numeric"),  # most are numbers: the text is a mistake
        (["1,5", "2,5", "3,5"], "numeric"),  # which a message then explains
        (["a", "b", None], "categorical"),
        ([True, False, True], "categorical"),
        (["True", "False", None], "categorical"),
        (["2024-01-01", "2024-01-02 10:00"], "date"),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]), "date"),
        (["31.12.2024", "1.1.2025 10:00"], "date"),  # in forms that are not read, which a message then says
        (["12/31/2024", "1/2/2025"], "date"),
        (["31-12-24", None], "date"),
        (["2024/12/31", "2025/01/01"], "date"),
        (["2024-01-01", "2024-01-02", "soon"], "date"),
        (["1.2.3", "2.10.41"], "categorical"),
        (["40-12-2024", "12-99-2024"], "categorical"),
        (pd.Categorical(["1", "2", "1"]), "categorical"),
        ([None, None], "numeric"),
        ([[1.0], [2.0]], "numeric"),
    ],
)
def test_kinds_are_inferred(cells: Any, kind: str) -> None:
    assert inferred_kind(pd.Series(cells)) == kind


def test_a_dataset_has_the_kinds_categories_and_gaps() -> None:
    given = {"season": {}, "T": None, "wind": {"missing": "indicator"}, "when": DATE, "heated": {}, "zone": CATEGORICAL}
    dataset = load_dataset(experiment(given), frame())
    columns = dataset.input_columns
    kinds = ["categorical", "numeric", "numeric", "date", "categorical", "categorical"]
    assert [column.kind for column in columns.values()] == kinds
    assert (columns["season"].categories, columns["season"].has_gaps) == (["spring", "summer", "winter"], True)
    assert (columns["zone"].categories, columns["zone"].has_gaps) == (["1", "2", "3"], False)
    assert columns["heated"].categories == ["False", "True"]
    assert np.isnan(dataset.x[3, 0]) and np.isnan(dataset.x[::7, 2]).all() and dataset.rows == ROWS
    resolved = experiment(given).with_inputs(columns)
    assert parse_recorded_experiment(dump_yaml(resolved), "recorded").table.inputs == resolved.table.inputs
    assert load_dataset(resolved, frame()).digest == dataset.digest


def test_all_other_columns_stand_beside_named_ones() -> None:
    chosen = experiment({"when": DATE, "*": {"missing": "indicator"}}, exclude=["zone"])
    named = with_named_inputs(chosen, frame())
    assert list(named.table.inputs) == ["when", "season", "T", "wind", "heated"]
    columns = load_dataset(named, frame()).input_columns
    assert (columns["T"].missing, columns["wind"].missing) == ("mean", "indicator")  # T has no gap to point out


def test_the_inputs_that_a_table_resolves_are_those_of_its_dataset(tmp_path: Path) -> None:
    given = {"season": {}, "T": None, "wind": {"missing": "indicator"}, "when": DATE, "heated": {}, "zone": CATEGORICAL}
    chosen = experiment(given)
    assert with_resolved_columns(chosen, frame()).table.inputs == load_dataset(chosen, frame()).input_columns
    frame().to_csv(tmp_path / "t.csv", index=False)
    of_file = experiment(given, source=str(tmp_path / "t.csv"))
    assert with_resolved_columns(of_file).table.inputs == with_resolved_columns(chosen, frame()).table.inputs
    numeric = experiment({"T": {"kind": "numeric"}, "when": DATE})
    assert with_resolved_columns(numeric, frame()) == numeric
    of_classes = numeric.model_copy(update={"heads": {"season": Head(), "zone": Head(task="multiclass")}})
    resolved = with_resolved_columns(of_classes, frame()).heads
    assert (resolved["season"].kind, resolved["zone"].kind) == ("multiclass(3)", "multiclass(3)")
    numeric = numeric.model_copy(update={"heads": {"load": Head(task="regression")}})
    assert with_resolved_columns(numeric) is numeric  # no table is needed


@pytest.mark.parametrize(
    ("inputs", "change", "match"),
    [
        (["when"], {}, r"'when'.*dates.*parts"),
        (["T", "wind"], {}, r"wind.*missing.*\{wind: \{missing: indicator\}\}"),
        (["T", "season"], {"season": [f"name {row}" for row in range(ROWS)]}, "60 different values"),
        ({"T": {"missing": "mean"}}, {"T": ["x", *np.arange(ROWS - 1.0)]}, "'T' row 2: 'x'"),
        (["T", "season"], {"season": None}, "no row is left"),
        ({"when": DATE}, {"when": ["soon", *["2024-01-01"] * (ROWS - 1)]}, "'when' row 2: 'soon'"),
    ],
    ids=["dates", "gaps", "identifiers", "texts among filled numbers", "empty", "no date"],
)
def test_what_cannot_be_used_is_answered_with_what_to_write(inputs: Any, change: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_dataset(experiment(inputs), frame().assign(**change))


BAD_CELL = pd.Series([f"2024-01-{day % 28 + 1:02}" for day in range(ROWS - 1)] + ["soon"], dtype=object)
OTHER_FORM = pd.Series([f"{day % 28 + 1:02}.01.2024" for day in range(ROWS)], dtype=object)
EMPTY = pd.Series([None] * ROWS, dtype=object)
TEXTS = pd.Series([f"level {row % 30}" for row in range(ROWS)], dtype=object)
HALF = pd.Series([1.5] * (ROWS // 2) + ["abc"] * (ROWS // 2), dtype=object)


@pytest.mark.parametrize(
    ("inputs", "change", "words"),
    [
        (["T", "when"], {"when": BAD_CELL}, ["'soon'", "row 61", "2024-05-31", "table.exclude"]),
        (["T", "when"], {"when": OTHER_FORM}, ["'01.01.2024'", "2024-05-31"]),
        ({"T": {}, "when": DATE}, {"when": OTHER_FORM}, ["no date", "2024-05-31"]),
        ({"T": {}, "zone": DATE}, {}, ["no date", "2024-05-31"]),
        ({"*": CATEGORICAL}, {"wind": EMPTY}, ["'wind'", "no values", "table.exclude"]),
        (["T", "wind"], {"wind": EMPTY}, ["'wind'", "no values", "table.exclude"]),
        (["T"], {"load": TEXTS}, ["heads.load", "'load' holds words"]),
        (["T"], {"load": EMPTY}, ["head load"]),
        (["T", "season"], {"season": pd.Series(map(str, range(ROWS))) + "x"}, ["{season: {kind: categorical}}"]),
        (["T", "wind"], {"wind": HALF}, ["{wind: {kind: categorical}}"]),
        (["T", "wind"], {}, ["{wind: {missing: indicator}}"]),
        (["T", "wind", "zone"], {"zone": pd.Series([None] + [1.0] * (ROWS - 1))}, ["2 inputs", "{'*': {missing: indicator}}"]),
    ],
)
def test_a_message_names_the_column_by_its_role_and_says_what_to_write(
    inputs: Any, change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        load_dataset(with_named_inputs(experiment(inputs), frame().assign(**change)), frame().assign(**change))
    message = str(error.value)
    assert [word for word in words if word not in message] == []
    assert "code for missing" not in message


def test_a_table_to_predict_from_is_answered_as_the_training_table_is(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    pd.DataFrame({"when": ["31.12.2024", "2024-12-31"], "T": [1.0, 2.0]}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"no date .*'31\.12\.2024'.* 2024-05-31"):
        read_inputs(path, AS_FOUND, {"when": Column.model_validate(DATE), "T": NUMERIC})
    pd.DataFrame({"T": ["low", "high"]}).to_csv(path, index=False)
    with pytest.raises(DataError, match="correct it") as error:
        read_inputs(path, AS_FOUND, {"T": NUMERIC})
    assert "table.inputs" not in str(error.value)


def test_a_weight_of_texts_is_answered_with_its_key() -> None:
    with pytest.raises(DataError, match=r"leave table\.weight out"):
        load_dataset(experiment(["T"], weight="season"), frame().assign(season=TEXTS))


@pytest.mark.parametrize(
    ("column", "match"),
    [
        ({"kind": "date"}, "parts"),
        ({"parts": ["hour"]}, "kind: date"),
        ({"categories": ["a"]}, "kind: categorical"),
        ({"kind": "categorical", "missing": "mean"}, "numeric"),
        ({"kind": "categorical", "categories": ["a", "a"]}, "once"),
        ({"kind": "text"}, "numeric"),
        ({"input_scaling": "quantil"}, "quantile"),
        ({"kind": "categorical", "input_scaling": "quantile"}, "numeric"),
    ],
)
def test_a_column_that_contradicts_itself_is_a_mistake(column: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        experiment({"T": column})


WRITERS: dict[str, Callable[..., None]] = {
    ".csv": pd.DataFrame.to_csv,
    ".xlsx": pd.DataFrame.to_excel,
    ".parquet": pd.DataFrame.to_parquet,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_every_kind_of_file_gives_the_same_categories_and_gaps(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t{ending}"
    WRITERS[ending](frame(), path, index=False)
    given = {"season": {}, "wind": {"missing": "mean"}, "when": DATE, "heated": {}, "zone": {"kind": "categorical"}}
    chosen = experiment(given)
    of_file = load_dataset(chosen.model_copy(update={"table": chosen.table.model_copy(update={"source": str(path)})}))
    in_memory = load_dataset(chosen, frame())
    assert of_file.columns == in_memory.columns
    np.testing.assert_allclose(of_file.x, in_memory.x, rtol=1e-12)


def test_the_same_numbers_with_other_categories_have_another_digest() -> None:
    chosen = experiment({"season": {}, "T": {}})
    renamed = frame().assign(season=frame()["season"].replace({"spring": "rainy"}))
    assert load_dataset(chosen, frame()).digest != load_dataset(chosen, renamed).digest


def test_a_list_of_categories_is_checked_against_the_table() -> None:
    given = {"season": {"kind": "categorical", "categories": ["spring", "summer"]}, "T": {}}
    warnings = load_dataset(experiment(given), frame()).warnings
    assert any("'season'" in warning and "spring, summer" in warning for warning in warnings)
    with pytest.raises(DataError, match=r"spring, summer, winter.*wet, dry"):
        load_dataset(experiment({"season": {"kind": "categorical", "categories": ["wet", "dry"]}}), frame())


def test_lists_are_no_categories() -> None:
    with pytest.raises(DataError, match="'season'"):
        load_dataset(
            experiment({"season": {"kind": "categorical"}}), frame().assign(season=pd.Series([["a"]] * ROWS, dtype=object))
        )


def test_a_column_without_a_value_in_the_training_rows_of_a_fold_is_named() -> None:
    chosen = experiment({"T": {}, "wind": {"missing": "mean"}})
    split = split_rows(chosen, load_dataset(chosen, frame()))
    gaps = frame()
    gaps.loc[split.folds[1][0], "wind"] = np.nan
    dataset = load_dataset(chosen, gaps)
    with pytest.raises(DataError, match=r"'wind'.*fold 2"):
        training_rows(dataset, split_rows(chosen, dataset))
