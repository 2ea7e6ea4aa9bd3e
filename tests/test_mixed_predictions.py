"""A model of texts, gaps, dates and booleans answers alike in Python, through MLflow, over HTTP and to the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from mlflow.pyfunc import PyFuncModel, load_model, scoring_server

import branchsweep
from branchsweep.cli.models import check, explain, predict
from branchsweep.config.addresses import Address
from branchsweep.config.sections.columns import NUMERIC, Column
from branchsweep.data.input_values import input_values
from branchsweep.data.tables import AS_FOUND, read_inputs
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import DataError, UserError
from branchsweep.metrics.prediction_intervals import PredictionIntervals
from branchsweep.models import export, serving
from branchsweep.models.exported_model import ExportedModel, ModelMember, Provenance
from branchsweep.models.initial_weights import initial_weights
from branchsweep.models.recipe import Recipe
from branchsweep.tracking.mlflow.model import LoadedModel, load_predictor, save_model
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionCause, PromotionDecision
from branchsweep.types import Floats
from branchsweep.workflows.table_check import check_table
from contracts.results import example_result
from contracts.tracking_records import register, sweep_record

URI = "models:/mixed/1"
HEADS = ["load", "price"]
COLUMNS = {
    "season": Column(kind="categorical", categories=["autumn", "spring", "summer", "winter"], has_gaps=True),
    "temperature": NUMERIC,
    "wind": Column(kind="numeric", missing="indicator"),
    "when": Column(kind="date", parts=["hour", "month"]),
    "heated": Column(kind="categorical", categories=["False", "True"]),
    "zone": Column(kind="categorical", categories=["1", "2", "30"]),
}
RECORDS: list[dict[str, Any]] = [
    {"season": "winter", "temperature": 3.5, "wind": 2.0, "when": "2024-01-05 10:00:00", "heated": True, "zone": 1},
    {"season": None, "temperature": 20, "wind": None, "when": "2024-06-05 12:30:00", "heated": False, "zone": 2},
    {"season": "monsoon", "temperature": 20, "wind": -9, "when": "2024-06-05 12:30:00", "heated": True, "zone": 7},
    {"season": "?", "temperature": 1, "wind": 3, "when": "2024-06-05 00:00:00", "heated": False, "zone": 30},
]
WINTER, SUMMER, MIDNIGHT = (
    pd.Timestamp(text).timestamp() for text in ("2024-01-05 10:00", "2024-06-05 12:30", "2024-06-05 00:00")
)
GAP, UNKNOWN = np.nan, -1.0
RAW = np.array(
    [
        [3, 3.5, 2.0, WINTER, 1, 0],
        [GAP, 20, GAP, SUMMER, 0, 1],
        [UNKNOWN, 20, GAP, SUMMER, 1, UNKNOWN],
        [GAP, 1, 3, MIDNIGHT, 0, 2],
    ]
)
"""The same rows as networks know them: positions of categories, seconds."""


INTERVALS = PredictionIntervals(
    (0.8, 0.9, 0.95), {"load": (1.0, 2.0, 3.0), "price": (10.0, 20.0, 30.0)}, {"load": (1.5, 2.5), "price": (15.0, 25.0)}
)


@dataclass(frozen=True)
class Registered:
    """A registered model.

    Args:
        folder: Its exported files.
        expected: By the name of a table, the predictions for its rows as networks know them.
        store: The store.
        in_python: As `branchsweep.load_model` loads it.
        loaded: As `branchsweep predict` loads it.
        served: As `mlflow models serve` loads it.
    """

    folder: Path
    store: Address
    in_python: branchsweep.Model
    loaded: LoadedModel
    served: PyFuncModel
    expected: Mapping[str, Floats]


@pytest.fixture(scope="module")
def registered(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    folder = tmp_path_factory.mktemp("mixed")
    store = Address(f"sqlite:///{shutil.copy(mlflow_template, folder / 'mlflow.db')}")
    random = np.random.default_rng(0)
    when = 1.7e9 + random.uniform(0, 3e7, 200)
    codes = [random.integers(0, number, 200) for number in (4, 2, 3)]
    x = np.column_stack([codes[0], random.normal(15, 8, 200), random.gamma(2, 2, 200), when, codes[1], codes[2]])
    x[:20, 0], x[10:50, 2] = np.nan, np.nan
    recipe = Recipe.of({}, HEADS)
    weights = initial_weights(recipe.architecture, recipe.encoded_width(COLUMNS.values()), (1,))
    provenance = Provenance(dict(zip(HEADS, HEADS, strict=True)), dict.fromkeys(HEADS, "mse"), 4, 0.2, 1, missing=[-9.0, "?"])
    members, units = [ModelMember(recipe, tuple(weights))], {"load": "MW", "price": "EUR"}
    model = ExportedModel(members, list(COLUMNS), units, provenance, columns=list(COLUMNS.values()), intervals=INTERVALS)
    every = np.arange(200)
    export.export_model(folder / "model", model, TrainingRows(x, random.normal(size=(200, 2)), ((every, every),)))
    candidate = ModelCandidate(
        "mixed", folder / "model", "", sweep_record().yaml, example_result(1), 0.9, "mean_r2", {}, "table-1", "split-1", {}
    )
    decision = PromotionDecision(True, "the first", cause=PromotionCause.BETTER)
    register(MlflowTracker.open(sweep_record(), store).tracking, candidate, decision)
    save_model(folder / "model", folder / "served")
    predicted = export.predict_exported(folder / "model", np.concatenate([rows for _, rows in TABLES.values()]))
    return Registered(
        folder / "model",
        store,
        branchsweep.load_model(URI, str(store)),
        load_predictor(URI, store),
        load_model(str(folder / "served")),
        dict(zip(TABLES, np.split(predicted, np.cumsum([len(rows) for _, rows in TABLES.values()])[:-1]), strict=True)),
    )


Answer = Callable[[Registered, pd.DataFrame, Path], pd.DataFrame]


def by_python(model: Registered, table: pd.DataFrame, _: Path) -> pd.DataFrame:
    return model.in_python.predict(table)


def by_mlflow(model: Registered, table: pd.DataFrame, _: Path) -> pd.DataFrame:
    return model.loaded(table)


def by_http(form: str) -> Answer:
    """What `mlflow models serve` answers to JSON, in this process."""

    def answer(model: Registered, table: pd.DataFrame, _: Path) -> pd.DataFrame:
        records = json.loads(table.to_json(orient="records", date_format="iso"))
        payload = {
            "dataframe_split": json.loads(table.to_json(orient="split", date_format="iso")),
            "inputs": {str(name): [record[name] for record in records] for name in table},
        }.get(form, records)
        body = json.dumps({form: payload})
        invoke: Any = scoring_server.invocations
        answered = invoke(body, "application/json", model.served, model.served.metadata.signature.inputs)
        assert answered.status == 200, answered.response
        return pd.DataFrame(json.loads(answered.response)["predictions"]).astype(float)

    return answer


def by_command(ending: str) -> Answer:
    """What `branchsweep predict` writes for a file of this kind."""

    def answer(model: Registered, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
        source, target = folder / f"t.{ending}", folder / "predicted.parquet"
        if ending == "csv":
            table.to_csv(source, index=False)
        elif ending == "xlsx":
            table.to_excel(source, index=False)
        elif ending == "jsonl":
            table.to_json(source, orient="records", lines=True, date_format="iso")
        else:
            table.to_parquet(source)
        predict(URI, source, target, tracking_uri=model.store)
        return pd.read_parquet(target)

    return answer


WAYS: dict[str, Answer] = {
    "Python": by_python,
    "MLflow": by_mlflow,
    **{f"HTTP, {form}": by_http(form) for form in ("dataframe_records", "dataframe_split", "instances", "inputs")},
}


def table(records: list[dict[str, Any]] = RECORDS, without: tuple[str, ...] = (), **dtypes: str) -> pd.DataFrame:
    """The records as a table without some columns, with others of a type."""
    return pd.DataFrame(records).drop(columns=list(without)).astype(dtypes)


def raw(rows: slice = slice(None), gaps: tuple[int, ...] = ()) -> Floats:
    """Raw rows with gaps in some columns."""
    return np.where(np.isin(np.arange(RAW.shape[1]), gaps), np.nan, RAW)[rows]


TABLES: Mapping[str, tuple[pd.DataFrame, Floats]] = {
    "texts, gaps, a code and unknown categories": (table(), raw()),
    "one row with gaps": (table(RECORDS[1:2]), raw(slice(1, 2))),
    "absent columns that may have gaps": (table(without=("season", "wind")), raw(gaps=(0, 2))),
    "categories of pandas, and times": (
        table(season="category", zone="category", when="datetime64[s]"), raw()
    ),
    "types with missing values": (table(season="string", zone="Int64", heated="boolean", wind="Float64"), raw()),
}  # fmt: skip


COMPLETE, ONE_ROW, ABSENT, CATEGORIES, _ = TABLES
COMMANDS = [("csv", COMPLETE), ("csv", ABSENT), ("xlsx", ONE_ROW), ("jsonl", COMPLETE), ("parquet", CATEGORIES)]
CASES = {
    **{f"{way}: {name}": (answer, name) for way, answer in WAYS.items() for name in TABLES},
    **{f"predict, {ending}: {name}": (by_command(ending), name) for ending, name in COMMANDS},
}


@pytest.mark.parametrize(("way", "name"), CASES.values(), ids=CASES)
def test_every_way_to_predict_answers_alike(registered: Registered, tmp_path: Path, way: Answer, name: str) -> None:
    answered = way(registered, TABLES[name][0], tmp_path)
    np.testing.assert_allclose(answered[HEADS].to_numpy(), registered.expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("column", ["temperature", "when"])
@pytest.mark.parametrize("way", [WAYS[name] for name in ("Python", "MLflow", "HTTP, dataframe_records", "HTTP, inputs")])
def test_a_row_without_a_value_that_it_needs_has_no_prediction(
    registered: Registered, tmp_path: Path, way: Answer, column: str
) -> None:
    given = table([RECORDS[0], {**RECORDS[1], column: None}])
    answered = way(registered, given, tmp_path)[HEADS].to_numpy()
    np.testing.assert_allclose(answered[0], registered.expected[COMPLETE][0], rtol=1e-5, atol=1e-6)
    assert np.isnan(answered[1]).all()


def intervals_by_http(model: Registered, table: pd.DataFrame, interval: float, joint: bool) -> pd.DataFrame:
    body = {"dataframe_records": json.loads(table.to_json(orient="records")), "params": {"interval": interval, "joint": joint}}
    invoke: Any = scoring_server.invocations
    answered = invoke(json.dumps(body), "application/json", model.served, model.served.metadata.signature.inputs)
    return pd.DataFrame(json.loads(answered.response)["predictions"]).astype(float)


def intervals_by_command(model: Registered, table: pd.DataFrame, interval: float, joint: bool) -> pd.DataFrame:
    table.to_csv(model.folder.parent / "t.csv", index=False)
    target = model.folder.parent / "predicted.parquet"
    predict(URI, model.folder.parent / "t.csv", target, interval=interval, joint=joint, tracking_uri=model.store)
    return pd.read_parquet(target)


@pytest.mark.parametrize(
    "way",
    [
        lambda model, table, interval, joint: model.in_python.predict(table, interval=interval, joint=joint),
        lambda model, table, interval, joint: model.loaded(table, interval=interval, joint=joint),
        intervals_by_http,
        intervals_by_command,
    ],
    ids=["Python", "MLflow", "HTTP", "predict"],
)
@pytest.mark.parametrize(("level", "joint", "widths"), [(0.9, False, (2, 20)), (0.83, False, (2, 20)), (0.9, True, (2.5, 25))])
def test_prediction_intervals_are_as_wide_as_the_next_level_that_the_model_has(
    registered: Registered, way: Callable[..., pd.DataFrame], level: float, joint: bool, widths: tuple[float, float]
) -> None:
    given = table([RECORDS[0], {**RECORDS[1], "temperature": None}]) if way is not intervals_by_command else table(RECORDS[:2])
    answered = way(registered, given, level, joint)
    names = [f"{head}_{end}" for head in HEADS for end in ("low", "high")]
    assert [name for name in answered.columns if name not in COLUMNS] == [*HEADS, *names]
    for head, width in zip(HEADS, widths, strict=True):
        np.testing.assert_allclose(answered[f"{head}_low"], answered[head] - width, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(answered[f"{head}_high"], answered[head] + width, rtol=1e-5, atol=1e-6)
    assert np.isfinite(answered[names].to_numpy()[0]).all()


@pytest.mark.parametrize(("level", "joint"), [(0.96, False), (0.91, True), (1.0, False), (-0.5, False), (90.0, False)])
def test_an_interval_that_a_model_does_not_have_is_an_error(registered: Registered, level: float, joint: bool) -> None:
    with pytest.raises(ValueError, match=f"{level:g}"):
        registered.in_python.predict(table(), interval=level, joint=joint)
    with pytest.raises(DataError, match=f"{level:g}"):
        registered.loaded(table(), interval=level, joint=joint)


def test_a_model_without_intervals_says_so(registered: Registered, tmp_path: Path) -> None:
    files = shutil.copytree(registered.folder, tmp_path / "model")
    manifest = json.loads((files / "serving.json").read_text(encoding="utf-8"))
    del manifest["intervals"]
    (files / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ValueError, match="no prediction intervals"):
        serving.Predictor(files).predict(table(), interval=0.9)


@pytest.mark.parametrize(
    ("given", "named"), [({"interval": 90.0}, "90"), ({"joint": True}, "--interval"), ({"interval": 0.96}, "0.96")]
)
def test_the_command_refuses_intervals_that_cannot_be_and_writes_nothing(
    registered: Registered, tmp_path: Path, given: dict[str, Any], named: str
) -> None:
    table(RECORDS[:2]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match=named):
        predict(URI, tmp_path / "t.csv", tmp_path / "p.csv", tracking_uri=registered.store, **given)
    assert not (tmp_path / "p.csv").exists()


def checked(model: Registered, given: pd.DataFrame, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """The exit code and the JSON of `branchsweep check`."""
    given.to_csv(folder / "t.csv", index=False)
    code = 0
    try:
        check(URI, folder / "t.csv", tracking_uri=model.store, as_json=True)
    except typer.Exit as ended:
        code = ended.exit_code
    return code, json.loads(capsys.readouterr().out)


def test_a_table_of_other_rows_is_told_from_the_training_rows(
    registered: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    winters = pd.DataFrame([{**RECORDS[0], "temperature": degree, "load": degree} for degree in np.linspace(-9, 60, 100)])
    winters.loc[:9, "temperature"] = np.nan
    code, found = checked(registered, winters, tmp_path, capsys)
    assert code == 1
    assert (found["rows"], list(found["inputs"]), list(found["heads"])) == (100, list(COLUMNS), ["load"])
    season, temperature = found["inputs"]["season"], found["inputs"]["temperature"]
    assert season["stability"] == temperature["stability"] == "strongly changed"
    assert (season["missing"], season["missing_in_training"]) == (0.0, 0.1)
    assert (temperature["missing"], temperature["missing_in_training"]) == (0.1, 0.0)
    assert temperature["outside"] > 0.3
    assert (found["heads"]["load"]["score"], found["heads"]["load"]["rows"], found["heads"]["load"]["test"]) == ("r2", 90, {})


def test_few_rows_are_not_called_changed(registered: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = checked(registered, table(RECORDS[:2]), tmp_path, capsys)
    assert code == 0
    assert {own["stability"] for own in found["inputs"].values()} == {"stable"}


def test_what_predictions_rest_on_is_shown_and_drawn_for_inputs_of_every_kind(
    registered: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="5D").astype(str)
    given = pd.DataFrame([{**RECORDS[row % 3], "temperature": row, "when": day, "load": row} for row, day in enumerate(days)])
    given.to_csv(tmp_path / "t.csv", index=False)
    explain(URI, tmp_path / "t.csv", tmp_path / "figures", tracking_uri=registered.store, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert set(found["importance"]) == set(found["dependence"]) == set(COLUMNS)
    assert {tuple(own) for own in found["importance"].values()} == {("load",)}
    assert (found["rows"], found["heads"], found["dates"]) == (60, HEADS, ["when"])
    assert found["dependence"]["heated"]["values"] == [0.0, 1.0]
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {"permutation_importance.png", "partial_dependence.png"}


def test_earlier_predictions_are_not_taken_for_targets(
    registered: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.DataFrame([{**RECORDS[0], "temperature": degree} for degree in np.linspace(5, 25, 30)])
    predicted = rows.assign(**registered.in_python.predict(rows))
    assert checked(registered, predicted, tmp_path, capsys)[1]["heads"] == {}
    with_targets = predicted.assign(load_actual=np.arange(30.0), price=["dear", *range(29)])
    _, found = checked(registered, with_targets, tmp_path, capsys)
    load, price = (found["heads"][head] for head in HEADS)
    assert load["rows"] == 30 and load["metrics"]["mae"] > 1
    assert (price["rows"], price["unreadable"]) == (29, 1)
    predicted.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="20"):
        explain(URI, tmp_path / "t.csv", tracking_uri=registered.store)


def test_rows_without_a_prediction_are_counted(
    registered: Registered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.DataFrame([{**RECORDS[0], "temperature": None, "load": load} for load in range(30)])
    _, found = checked(registered, rows, tmp_path, capsys)
    assert (found["rows_outside"], found["rows_without_prediction"], found["heads"]) == (0, 30, {})


def test_rows_are_explained_and_checked_in_python(registered: Registered) -> None:
    rows = pd.DataFrame([{**RECORDS[row % 2], "temperature": row, "load": row} for row in range(40)])
    found = registered.in_python.explain(rows)
    assert list(found) == ["input", "head", "importance", "low", "high"]
    assert set(found["input"]) == set(COLUMNS) and set(found["head"]) == {"load"}
    assert found["importance"].is_monotonic_decreasing
    result = registered.in_python.check(rows)
    assert (result.rows, list(result.heads)) == (40, ["load"]) and "season" in result.changed
    with pytest.raises(UserError):
        registered.in_python.check(rows[:0])


def test_a_table_without_targets_explains_nothing(registered: Registered, tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="load, price"):
        explain(URI, tmp_path / "t.csv", tmp_path / "figures", tracking_uri=registered.store)
    assert not (tmp_path / "figures").exists()


def test_a_model_without_distributions_has_no_stability_index(registered: Registered, tmp_path: Path) -> None:
    files = shutil.copytree(registered.folder, tmp_path / "model")
    manifest = json.loads((files / "serving.json").read_text(encoding="utf-8"))
    del manifest["distributions"]
    (files / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")
    found = check_table(files, table(), "mixed", "t.csv", {})
    assert {own.index for own in found.inputs.values()} == {None}
    assert found.inputs["season"].missing == 0.75
    assert (found.changed, found.rows_outside) == ([], 1)


def test_a_registered_model_names_the_kinds_of_its_inputs(registered: Registered) -> None:
    metadata = registered.served.metadata.metadata
    assert metadata is not None
    kinds = {name: (column["kind"], column["optional"]) for name, column in metadata["inputs"].items()}
    assert kinds == {
        "season": ("categorical", True),
        "temperature": ("numeric", False),
        "wind": ("numeric", True),
        "when": ("date", False),
        "heated": ("categorical", False),
        "zone": ("categorical", False),
    }


def test_the_files_of_a_model_are_named_with_those_of_all_its_encoders(registered: Registered) -> None:
    manifest = json.loads((registered.folder / "serving.json").read_text(encoding="utf-8"))
    names = serving.model_file_names(manifest)
    assert sorted(names) == sorted(path.name for path in registered.folder.iterdir())


@pytest.mark.parametrize(("column", "cell"), [("temperature", None), ("when", None), ("when", "soon"), ("wind", "calm")])
def test_the_command_names_the_row_of_a_value_that_it_cannot_use(
    registered: Registered, tmp_path: Path, column: str, cell: str | None
) -> None:
    given = table([RECORDS[0], {**RECORDS[1], column: cell}])
    with pytest.raises(DataError, match=f"'{column}' row 3"):
        by_command("csv")(registered, given, tmp_path)
    assert not (tmp_path / "predicted.parquet").exists()


def test_a_category_without_a_training_row_is_outside(tmp_path: Path) -> None:
    columns = {"season": COLUMNS["season"], "temperature": NUMERIC}
    random = np.random.default_rng(0)
    x = np.column_stack([random.choice([0.0, 2.0, 3.0], 60), random.normal(15, 8, 60)])  # no spring
    recipe = Recipe.of({}, ["load"])
    weights = initial_weights(recipe.architecture, recipe.encoded_width(columns.values()), (1,))
    model = ExportedModel([ModelMember(recipe, tuple(weights))], list(columns), {"load": "MW"}, columns=list(columns.values()))
    every = np.arange(60)
    export.export_model(tmp_path, model, TrainingRows(x, random.normal(size=(60, 1)), ((every, every),)))
    table = pd.DataFrame({"season": ["winter", "spring", "monsoon", None], "temperature": 15.0})
    assert serving.Predictor(tmp_path).predict(table, warn=True)["outside"].tolist() == [False, True, True, False]


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_columns_that_may_have_gaps_are_read_like_others(tmp_path: Path, ending: str) -> None:
    """Booleans in small letters, decimal commas: whatever the table of a training run may have."""
    inputs = {"heated": Column(kind="categorical", categories=["False", "True"], has_gaps=True), "wind": COLUMNS["wind"]}
    table = pd.DataFrame({"heated": ["true", "false", None], "wind": [1.5, None, 2.5], "note": "a"})
    path = tmp_path / f"t{ending}"
    if ending == ".csv":
        table.to_csv(path, index=False, sep=";", decimal=",")
    else:
        table.to_excel(path, index=False)
    read = read_inputs(path, AS_FOUND, inputs)
    values, _ = input_values(read.frame, inputs)
    np.testing.assert_array_equal(values, [[1, 1.5], [0, np.nan], [np.nan, 2.5]])
    absent = read_inputs(path, AS_FOUND, {**inputs, "Note": Column(kind="categorical", categories=["a"], has_gaps=True)})
    assert len(absent.warnings) == len(read.warnings) + 1 and "'note'" in absent.warnings[-1]
