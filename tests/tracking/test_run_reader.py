"""The reader of a store's SQLite database reads what MLflow's client reads."""

from __future__ import annotations

import json
import math
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Metric

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.tracking import sqlite_reader
from branchsweep.tracking.mlflow.run_store import MlflowRunStore
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.run_reader import list_sweeps, open_recorded_sweep, open_run_store
from branchsweep.tracking.run_records import listed_sweep
from branchsweep.tracking.sqlite_reader import SqliteRunStore
from branchsweep.tracking.tracking_uri import database_file
from contracts.results import exact_texts, example_result
from contracts.tracking_records import sweep_record
from processes import run_python
from recorded_runs import client_of
from store_readers import assert_readers_agree, sqlite_run_store


@pytest.fixture
def store_of_all_kinds(mlflow_store: Address) -> Address:
    """A store with sweeps of one name, a running sweep, and deleted runs and experiments."""
    first = MlflowTracker.open(sweep_record("key"), mlflow_store)
    first.record([example_result(number) for number in range(6)])
    first.finish({"test_r2/PE": 0.9}, "long " * 4000, {"summary.json": "{}"})
    resumed = MlflowTracker.open(sweep_record("key"), mlflow_store, fresh=True)
    resumed.record([example_result(number) for number in (2, 0, 1)])
    deleted = MlflowTracker.open(replace(sweep_record("other"), name="gone"), mlflow_store)
    deleted.record([example_result(0)])
    client = client_of(mlflow_store)
    client.delete_experiment(deleted.experiment_id)
    trials = client.search_runs([resumed.experiment_id], f"tags.`branchsweep.sweep` = '{resumed.run_id}'")
    client.delete_run(trials[0].info.run_id)
    half_written = client.create_run(
        resumed.experiment_id, tags={"branchsweep.sweep": resumed.run_id, "branchsweep.role": "trial"}
    )
    client.log_batch(half_written.info.run_id, [Metric("r2/PE", math.nan, 0, 0)])
    odd = client.create_run(
        resumed.experiment_id, 1, {"branchsweep.role": "sweep"}
    )  # old, and without a name that branchsweep gives
    metrics = [
        Metric("nan", math.nan, 0, 0),
        Metric("beyond", math.inf, 0, 0),
        Metric("below", -math.inf, 0, 0),
        Metric("steps", 0.1, 5, 1),
        Metric("steps", 1 / 3, 4, 2),
    ]
    client.log_batch(odd.info.run_id, metrics)
    client.log_text(odd.info.run_id, "name: odd ö\n", "experiment.yaml")
    return mlflow_store


def test_both_readers_read_the_same(store_of_all_kinds: Address) -> None:
    assert assert_readers_agree(store_of_all_kinds) == 6 + 2


def test_runs_of_one_start_time_are_read_in_the_same_order(store_of_all_kinds: Address) -> None:
    file = database_file(store_of_all_kinds)
    assert file is not None
    with closing(sqlite3.connect(file)) as store, store:
        store.execute("UPDATE runs SET start_time = 1000")
    assert_readers_agree(store_of_all_kinds)


def test_a_recorded_sweep_is_what_its_tracker_reads(store_of_all_kinds: Address) -> None:
    tracker = MlflowTracker.open(sweep_record("key"), store_of_all_kinds)
    recorded = open_recorded_sweep(store_of_all_kinds, tracker.run_id)
    assert isinstance(recorded._store, SqliteRunStore)
    assert exact_texts(recorded.recorded_results()) == exact_texts(tracker.recorded_results())
    assert recorded.sweep == tracker.sweep
    assert list_sweeps(store_of_all_kinds) == [
        listed_sweep(run) for run in MlflowRunStore.open(store_of_all_kinds).roots("sweep")
    ]
    curve = recorded.curves(1)["PE"]
    assert (curve[0][0], curve[-1]) == (1, (120, example_result(1).score.curves["PE"][-1]))


def test_a_recorded_sweep_is_read_through_a_server(mlflow_server: str) -> None:
    tracker = MlflowTracker.open(replace(sweep_record("key"), name="through a server"), Address(mlflow_server), fresh=True)
    tracker.record([example_result(number) for number in range(3)])
    recorded = open_recorded_sweep(Address(mlflow_server), tracker.run_id)
    assert isinstance(recorded._store, MlflowRunStore)
    assert exact_texts(recorded.recorded_results()) == exact_texts(tracker.recorded_results())
    assert recorded.yaml == tracker.sweep.yaml
    assert [epoch for epoch, _ in recorded.curves(2)["V"]][:2] == [1, 6]


def test_the_schema_of_this_mlflow_is_known(mlflow_store: Address) -> None:
    """After an upgrade of MLflow: add its revision to `sqlite_reader.REVISIONS` if the tests above pass with it."""
    assert isinstance(open_run_store(mlflow_store), SqliteRunStore)


def test_unknown_stores_are_read_by_mlflows_client(
    mlflow_store: Address, store_of_all_kinds: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sqlite_reader.open_sqlite_run_store(Address("http://127.0.0.1:5000")) is None
    assert sqlite_reader.open_sqlite_run_store(Address(f"sqlite:///{tmp_path}/no store")) is None
    (tmp_path / "no.db").write_text("no database, and long enough to be read as one " * 20, encoding="utf-8")
    assert sqlite_reader.open_sqlite_run_store(Address(f"sqlite:///{tmp_path}/no.db")) is None
    assert sqlite_reader.open_sqlite_run_store(Address(f"{mlflow_store}?timeout=3")) is None
    with monkeypatch.context() as workspaces:
        workspaces.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        assert sqlite_reader.open_sqlite_run_store(mlflow_store) is None
    file = database_file(store_of_all_kinds)
    assert file is not None
    later = tmp_path / "later.db"
    shutil.copy(file, later)
    with closing(sqlite3.connect(later)) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert sqlite_reader.open_sqlite_run_store(Address(f"sqlite:///{later}")) is None
    with pytest.raises(TrackingError, match="mlflow db upgrade"):
        list_sweeps(Address(f"sqlite:///{later}"))


def test_a_missing_store_is_an_error_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=rf"{re.escape(str(tmp_path))}/nosuch\.db"):
        list_sweeps(Address(f"sqlite:///{tmp_path}/nosuch.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_experiment_file_is_an_error(store_of_all_kinds: Address) -> None:
    sweep = open_recorded_sweep(store_of_all_kinds)
    file = database_file(store_of_all_kinds)
    assert file is not None
    shutil.rmtree(file.parent / "mlruns")
    with pytest.raises(TrackingError, match=r"experiment\.yaml.*mlruns"):
        _ = sweep.yaml
    assert len(sweep.recorded_results()) == 2


def test_reading_writes_nothing(store_of_all_kinds: Address) -> None:
    file = database_file(store_of_all_kinds)
    assert file is not None
    with closing(sqlite_reader.connect(file)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM runs")
    before = sorted(entry.name for entry in file.parent.iterdir())
    sqlite_run_store(store_of_all_kinds).roots("sweep")
    assert sorted(entry.name for entry in file.parent.iterdir()) == before


def test_showing_imports_nothing_heavy(store_of_all_kinds: Address) -> None:
    """So that `show` starts at once."""
    code = (
        "import sys, json; from branchsweep.cli import app; app(['show', 'contract', '--json'], standalone_mode=False);"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    process = run_python(code, variables={"MLFLOW_TRACKING_URI": str(store_of_all_kinds)})
    assert process.returncode == 0, process.stderr
    sweep_json, modules = process.stdout.splitlines()
    assert json.loads(sweep_json)["recorded"] == 2
    assert not {"mlflow", "sqlalchemy", "pandas", "sklearn", "scipy", "tensorflow", "optuna"} & set(json.loads(modules))
