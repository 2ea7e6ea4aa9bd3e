"""Tables from databases: a SQLite file, and PostgreSQL where its programs are installed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy

from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import sweep_key_fields
from branchsweep.config.sections.database import PASSWORD, USERNAME
from branchsweep.data.dataset import Dataset
from branchsweep.data.loading import load_dataset, with_named_inputs
from branchsweep.errors import ConfigError, DataError, UserError
from servers import PASSWORDS, postgresql
from yaml_files import write_yaml

ROWS = 40


def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    load, wind = random.normal(50, 5, ROWS), random.normal(5, 1, ROWS).round(3)
    return pd.DataFrame({"id": range(ROWS), "load": load, "wind": wind, "heat": 2 * load + wind, "time": "12:30"})


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A SQLite file with the table `plant`."""
    file = tmp_path / "plant.db"
    with closing(sqlite3.connect(file)) as connection:
        rows().to_sql("plant", connection, index=False)
    return file


def experiment(source: str, query: str | None = None, **table: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "sql",
            "table": {"source": source, "query": query, "inputs": ["load", "wind"], **table},
            "heads": {"heat": {"unit": "MW"}},
            "space": {"dimensions": {}},
        }
    )


def load(database: Path, query: str, **table: Any) -> Dataset:
    return load_dataset(experiment(f"sqlite:///{database}", query, **table))


QUERIES = {
    "the name of a table": ("plant", 1),
    "an order": ("select * from plant order by id", 0),
    "a comment with an order": ("-- order by id\nSELECT load, wind, heat FROM plant", 1),
    "colons, percent signs and a semicolon": (
        "select * from plant where time = '12:30' and time like '12%' and ':x' <> '::y' order by id;", 0
    ),
    "a common table expression": ("with p as (select * from plant) select * from p order by id", 0),
}  # fmt: skip


@pytest.mark.parametrize(("query", "warnings"), QUERIES.values(), ids=QUERIES)
def test_the_rows_of_a_query_are_the_table(database: Path, query: str, warnings: int) -> None:
    dataset = load(database, query)
    np.testing.assert_array_equal(dataset.x, rows()[["load", "wind"]].to_numpy())
    assert (dataset.source, dataset.path) == ("database", None)
    assert len(dataset.warnings) == warnings
    assert dataset.digest == load_dataset(experiment("dataframe"), rows()).digest


def test_missing_values_and_texts_are_those_of_any_table(database: Path) -> None:
    query = (
        "select case id when 3 then null else load end as load, case id when 5 then '?' else wind end as wind, heat from plant"
    )
    with pytest.raises(DataError, match="column 'load' row 4: missing, column 'wind' row 6: missing"):
        load(database, query, missing=["?"])
    assert load(database, query, missing=["?"], invalid="drop").rows == ROWS - 2


def test_many_rows_are_read_in_parts(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("branchsweep.data.sql_table._ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(load(database, "select * from plant order by id").x, rows()[["load", "wind"]].to_numpy())


def test_inputs_may_be_all_other_columns(database: Path) -> None:
    chosen = experiment(f"sqlite:///{database}", "plant", inputs="*", exclude=["id", "time"])
    assert list(with_named_inputs(chosen).table.inputs) == ["load", "wind"]


def test_a_file_may_be_read_instead(database: Path, tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "plant.csv", index=False)
    found = load_dataset(experiment("sqlite:///nowhere.db", "plant"), tmp_path / "plant.csv")
    assert found.digest == load(database, "plant").digest


def test_the_query_does_not_change_the_key_of_a_sweep(database: Path) -> None:
    keys = [sweep_key_fields(experiment(f"sqlite:///{database}", "plant")), sweep_key_fields(experiment("plant.csv"))]
    assert keys[0] == keys[1]


WRONG_QUERIES = {
    "no such table": ("select * from plants", "no such table: plants"),
    "no SQL": ("select from where", "syntax error"),
    "no such column": ("select id, load from plant", "column 'wind' (table.inputs) not found"),
    "no rows": ("select * from plant where id < 0", "returns no rows"),
    "two columns of one name": ("select load, load, wind, heat from plant", "'load'"),
    "a change in disguise": ("with p as (select 1) insert into plant (id) select * from p", "readonly"),
    "two statements": ("select * from plant; drop table plant", "one statement"),
}


@pytest.mark.parametrize(("query", "reason"), WRONG_QUERIES.values(), ids=WRONG_QUERIES)
def test_a_wrong_query_ends_in_one_message_and_changes_nothing(database: Path, query: str, reason: str) -> None:
    before = database.read_bytes()
    with pytest.raises(UserError) as error:
        load(database, query)
    assert reason in error.value.message and error.value.where == f"sqlite:///{database}"
    assert database.read_bytes() == before


SOURCES = {
    "no such file": ("sqlite:///plants.db", "no such file"),
    "no database": ("sqlite:///notes.txt", "not a database"),
    "no such kind": ("oracles://host/db", "unknown kind of database"),
    "no driver": ("mysql://host/db", "pip install pymysql"),
    "no server": ("postgresql+psycopg://127.0.0.1:1/db", "cannot be reached"),
}


@pytest.mark.parametrize(("source", "reason"), SOURCES.values(), ids=SOURCES)
def test_a_database_that_cannot_be_read_ends_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no database\n" * 100, encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_dataset(experiment(source, "plant"))
    assert reason in error.value.message and not (tmp_path / "plants.db").exists()


@pytest.mark.parametrize("path", ["plant.db", "sqlite:/plant.db", "postgresql:/host/plant"])
def test_a_database_in_place_of_a_file_is_answered_with_how_it_is_named(path: str) -> None:
    with pytest.raises(DataError, match=r"table\.source: sqlite:///FILE"):
        load_dataset(experiment("t.csv"), Path(path))


YAML = """\
name: sql
table: {source: "sqlite:///plant.db", query: select * from plant order by id, inputs: [load, wind]}
heads: {heat: {}}
space: {dimensions: {}}
"""


def test_the_path_of_a_sqlite_file_is_looked_up_from_the_file_of_the_experiment(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_yaml(YAML, str(database.parent / "x.yaml"))
    monkeypatch.chdir("/")
    assert Experiment.from_yaml(file).table.source == f"sqlite:///{database}"


def test_a_server_is_read_with_the_password_of_the_environment(
    postgresql_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = PASSWORDS["admin"]
    with postgresql(postgresql_programs, password, ["plant"]) as server:
        source = f"postgresql+psycopg://{server}/plant"
        with pytest.raises(DataError, match="cannot be reached"):
            load_dataset(experiment(source, "plant"))
        monkeypatch.setenv(USERNAME, "mlflow")
        monkeypatch.setenv(PASSWORD, password)
        engine = sqlalchemy.create_engine(sqlalchemy.make_url(source).set(username="mlflow", password=password))
        rows().to_sql("plant", engine, index=False)
        engine.dispose()
        query = "select load::numeric as load, wind, heat from plant where time like '12%' and id >= 0 order by id"
        dataset = load_dataset(experiment(source, query))
        np.testing.assert_array_equal(dataset.x[:, 1], rows()["wind"])
        np.testing.assert_allclose(dataset.x[:, 0], rows()["load"], rtol=1e-14)
        for statement in ("with d as (delete from plant returning *) select * from d", "select 1; drop table plant"):
            with pytest.raises(DataError, match="the query fails") as error:
                load_dataset(experiment(source, statement))
            assert password not in str(error.value)
        assert load_dataset(experiment(source, "plant")).rows == ROWS
        monkeypatch.setenv(PASSWORD, "wrong one")
        with pytest.raises(DataError, match="cannot be reached") as error:
            load_dataset(experiment(source, query))
        assert "wrong one" not in str(error.value) and error.value.where == source


MISTAKES = {
    "no query": ("query: select * from plant order by id, ", "", "table.source", "table.query"),
    "a query of a file": ("sqlite:///plant.db", "plant.csv", "table.query", "from a database"),
    "a change": ("select * from plant order by id", "drop table plant", "table.query", "reads rows"),
    "a change after a comment": ("select * from plant order by id", "'/* select */ delete from plant'", "table.query", "reads"),
    "a password": ("sqlite:///plant.db", "postgresql://bob:hunter2@host/db", "table.source", "BRANCHSWEEP_TABLE_PASSWORD"),
    "a password with a slash": ("sqlite:///plant.db", "postgresql://bob:hun/ter2@host/db", "table.source", "BRANCHSWEEP_TABLE"),
    "a password behind": ("sqlite:///plant.db", "mysql://host/db?password=hunter2", "table.source", "BRANCHSWEEP_TABLE"),
    "two slashes": ("sqlite:///plant.db", "sqlite://plant.db", "table.source", "sqlite:///plant.db"),
    "a sheet": ("inputs:", "sheet: 1, inputs:", "table.sheet", "no sheets"),
    "csv options": ("inputs:", "csv: {decimal: ','}, inputs:", "table.csv", "none"),
}


@pytest.mark.parametrize(("old", "new", "key", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line_and_without_secrets(
    tmp_path: Path, old: str, new: str, key: str, expected: str
) -> None:
    assert old in YAML
    with pytest.raises(ConfigError) as error:
        Experiment.from_yaml(write_yaml(YAML.replace(old, new), str(tmp_path / "x.yaml")))
    (mistake,) = error.value.mistakes
    assert mistake.key == key and mistake.where.endswith("x.yaml:2") and expected in mistake.message
    assert "hunter2" not in str(error.value) and "ter2" not in str(error.value)
