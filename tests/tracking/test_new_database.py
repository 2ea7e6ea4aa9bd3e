"""New databases: a copy of what MLflow made once is what MLflow makes, and no damage of it harms a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.connection import connect
from branchsweep.tracking.mlflow.new_database import make_database, tables_file


@pytest.fixture
def tables(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in the cache folder, without MLflow's migrations."""
    file = tables_file()
    file.parent.mkdir(parents=True)
    made = tmp_path_factory.mktemp("made") / "copy.db"
    made.write_bytes(mlflow_template.read_bytes())
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("DELETE FROM experiments")
        connection.commit()
        connection.execute("VACUUM")
    file.write_bytes(made.read_bytes())
    return file


def content(file: Path) -> list[str]:
    """All tables and rows, without the times of MLflow's first experiment.

    MLflow's migrations write the constraints of a table in an order that changes from process to process, so lines are sorted.
    """
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE experiments SET creation_time = 0, last_update_time = 0")
        lines = "\n".join(connection.iterdump()).splitlines()
    return sorted(line.strip().rstrip(",") for line in lines)


def experiments(file: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall()


def test_the_first_database_and_its_copies_are_what_mlflow_makes(tmp_path: Path) -> None:
    files = [tmp_path / name / "mlflow.db" for name in ("first", "copy")]
    assert not tables_file().exists()
    for file in files:
        make_database(file)
        assert tables_file().is_file()
    own = tmp_path / "own.db"
    SqlAlchemyStore(f"sqlite:///{own}", "file:///place").engine.dispose()  # type: ignore[no-untyped-call]  # MLflow's
    for file in files:
        root = (file.parent / "mlruns").as_uri()
        assert experiments(file) == [(0, f"{root}/0")]
        assert content(file) == [line.replace("file:///place", root) for line in content(own)]
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert {other.name for other in file.parent.iterdir()} <= {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"}


def test_what_is_kept_names_no_store(tables: Path) -> None:
    kept = tables.read_bytes()
    assert experiments(tables) == []
    assert b"file://" not in kept


@pytest.mark.parametrize("name", ["tables.db", "[a]*.db", "mlflow.db.tables"])
def test_a_database_may_have_any_name(tmp_path: Path, name: str) -> None:
    expected = [(0, f"{(tmp_path / 'mlruns').as_uri()}/0")]
    make_database(tmp_path / name)
    assert experiments(tmp_path / name) == expected
    flip_the_middle(tables_file())
    (tmp_path / name).unlink()
    make_database(tmp_path / name)
    assert experiments(tmp_path / name) == expected
    assert experiments(tables_file()) == []


def test_two_copies_are_two_stores(tables: Path, tmp_path: Path) -> None:
    kept = tables.read_bytes()
    addresses = [Address(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db")]
    clients = [connect(address, create=True) for address in addresses]
    clients[0].create_experiment("only here")
    assert clients[0].get_experiment_by_name("only here") is not None
    assert clients[1].get_experiment_by_name("only here") is None
    assert tables.read_bytes() == kept


def flip_the_middle(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 9000] = bytes(9000)
    file.write_bytes(damaged)


@pytest.mark.parametrize(
    "damage",
    [
        flip_the_middle,
        lambda file: file.write_bytes(file.read_bytes()[:300_000]),
        lambda file: file.write_bytes(b"no database, but some text that is as long as the header of one: " + bytes(100)),
    ],
)
def test_a_damaged_file_is_made_again(tables: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(tables)
    damaged = tables.read_bytes()
    file = tmp_path / "mlflow.db"
    make_database(file)
    assert experiments(file) == [(0, f"{(tmp_path / 'mlruns').as_uri()}/0")]
    assert tables.read_bytes() != damaged
    assert [other.name for other in tmp_path.iterdir() if other.suffix == ".db"] == ["mlflow.db"]


def test_a_cache_that_cannot_be_written_to_is_done_without(tmp_path: Path) -> None:
    tables_file().parent.parent.mkdir(parents=True, exist_ok=True)
    tables_file().parent.write_text("a file instead of a folder", encoding="utf-8")
    file = tmp_path / "mlflow.db"
    make_database(file)
    assert experiments(file) == [(0, f"{(tmp_path / 'mlruns').as_uri()}/0")]
