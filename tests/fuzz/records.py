"""A recorded store, and random changes of what is in it: rows of its database, and files of its artifacts."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from branchsweep.config.yaml.yaml_parser import parse_yaml
from fixtures.old_store import ARCHIVE, unpack
from fuzz.mutations import ODD_VALUES, changed_bytes, changed_data, changed_text, changed_yaml

COLUMNS = {
    "tags": ("value", "value", "value", "key"),
    "params": ("value", "key"),
    "latest_metrics": ("value", "is_nan", "step", "key"),
    "metrics": ("value", "is_nan", "step", "key"),
    "runs": ("name", "status", "lifecycle_stage", "start_time", "end_time", "artifact_uri"),
    "experiments": ("name", "lifecycle_stage", "artifact_location"),
    "registered_models": ("name", "description"),
    "registered_model_tags": ("value", "key"),
    "registered_model_aliases": ("alias", "version"),
    "model_versions": ("description", "version", "source", "run_id", "status", "current_stage"),
    "model_version_tags": ("value", "value", "key"),
}
"""Columns that are changed, by table; one that is named more than once is changed more often."""

URIS = [
    "",
    "nowhere",
    "file:///dev/null/x",
    "mlflow-artifacts:/x",
    "s3:/x",
    "x://y",
    "runs:/0/model",
    "models:/m-0",
    "\0",
    "file://%00",
]
"""What an address of artifacts is changed to: nothing outside the store's folder is ever written."""

STAGES = ["active", "deleted"]
STATUSES = ["SCHEDULED", "FAILED", "FINISHED", "RUNNING", "KILLED"]


@dataclass(frozen=True)
class RowChange:
    """A row of the database with another value in one column.

    Args:
        table: Of the row.
        row: Its `rowid`.
        column: The column.
        value: Its new value.
        kind: `set`, `delete` the row, or `double` it, with the new value.
    """

    table: str
    row: int
    column: str
    value: Any
    kind: str = "set"


@dataclass(frozen=True)
class FileChange:
    """A file of the artifacts with another content.

    Args:
        path: Of the file, in the store's folder.
        content: None to delete it.
    """

    path: str
    content: bytes | None


Change = RowChange | FileChange


class RecordedStore:
    """A store with two sweeps, a comparison and a model with two champions, which is changed and restored.

    Args:
        folder: An empty folder. The store is made in a folder within it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.pristine = folder / "store", folder / "pristine"
        self.database = unpack(ARCHIVE, self.folder)
        for name in ("finished", "interrupted", "compared", "compared_base"):
            file = self.folder / f"{name}.yaml"
            file.write_text(
                file.read_text(encoding="utf-8").replace("source: table.csv", f"source: {self.folder / 'table.csv'}")
            )
        self._add_version()
        self.experiments = {"1": "interrupted", "2": "finished", "3": "compared"}
        shutil.copytree(self.folder, self.pristine)
        self._copy_database(self.database, self.pristine / "mlflow.db")
        self.files = sorted(
            str(path.relative_to(self.folder)) for path in (self.folder / "mlruns").rglob("*") if path.is_file()
        )
        with closing(sqlite3.connect(self.database)) as connection:
            self.rows = {table: _rows(connection, table) for table in COLUMNS}
            self.experiment_of_run = dict(connection.execute("SELECT run_uuid, experiment_id FROM runs"))

    def read(self, file: str) -> bytes:
        """The content of a file before it was changed."""
        return (self.pristine / file).read_bytes()

    @contextmanager
    def changed(self, changes: Sequence[Change]) -> Iterator[None]:
        """The store with these changes, for as long as the context is open; what commands wrote is undone as well."""
        try:
            for change in changes:
                self._change_row(change) if isinstance(change, RowChange) else self._change_file(change)
            yield
        finally:
            self.restore()

    def restore(self) -> None:
        """Undo all changes. The database is written in place, for MLflow keeps it open."""
        self._copy_database(self.pristine / "mlflow.db", self.database)
        expected = {path.relative_to(self.pristine): path for path in self.pristine.rglob("*") if path.is_file()}
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(self.folder) not in expected and not path.name.startswith("mlflow.db"):
                path.unlink()
        for name, source in expected.items():
            target = self.folder / name
            if not name.name.startswith("mlflow.db") and (not target.is_file() or target.read_bytes() != source.read_bytes()):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def untouched(self, changes: Sequence[Change]) -> set[str]:
        """The names of the sweeps and comparisons that no change concerns."""
        touched = set()
        for change in changes:
            if isinstance(change, RowChange):
                row = self.rows[change.table][change.row]
                experiment = row.get("experiment_id", self.experiment_of_run.get(row.get("run_uuid", "")))
                touched.add(self.experiments.get(str(experiment), ""))
        return set(self.experiments.values()) - touched

    def _add_version(self) -> None:
        """Register the champion once more, and make that version the champion, so that there is a history."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for table in ("model_versions", "model_version_tags"):
                names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
                values = ", ".join("2" if name == "version" else name for name in names)
                connection.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE version = 1")
            tenures = [
                {"version": 1, "since": "2026-01-01T00:00:00+00:00", "until": "2026-01-02T00:00:00+00:00", "because": "a"},
                {"version": 2, "since": "2026-01-02T00:00:00+00:00", "until": None, "because": "b"},
            ]
            connection.execute("UPDATE registered_model_tags SET value = ?", (json.dumps(tenures),))
            connection.execute("UPDATE registered_model_aliases SET version = 2")
            connection.execute(
                "INSERT INTO registered_model_aliases SELECT 'previous', 1, name, workspace FROM registered_models"
            )

    def _change_row(self, change: RowChange) -> None:
        with closing(sqlite3.connect(self.database)) as connection, suppress(sqlite3.Error), connection:  # what SQL refuses
            where = f"FROM {change.table} WHERE rowid = ?"
            if change.kind == "delete":
                connection.execute(f"DELETE {where}", (change.row,))
            elif change.kind == "double":
                names = list(self.rows[change.table][change.row])
                values = ", ".join("?" if name == change.column else name for name in names)
                connection.execute(f"INSERT INTO {change.table} SELECT {values} {where}", (change.value, change.row))
            else:
                connection.execute(f"UPDATE {change.table} SET {change.column} = ? WHERE rowid = ?", (change.value, change.row))

    def _change_file(self, change: FileChange) -> None:
        file = self.folder / change.path
        if change.content is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(change.content)

    def _copy_database(self, source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(target)) as after:
            before.backup(after)


def changes(store: RecordedStore) -> st.SearchStrategy[list[Change]]:
    """A few changes of rows and files."""
    return st.lists(row_changes(store) | row_changes(store) | file_changes(store), min_size=1, max_size=3)


@st.composite
def row_changes(draw: st.DrawFn, store: RecordedStore) -> RowChange:
    """A change of one row."""
    table = draw(st.sampled_from(sorted(COLUMNS)))
    row = draw(st.sampled_from(sorted(store.rows[table])))
    column = draw(st.sampled_from(COLUMNS[table]))
    kind = draw(st.sampled_from(["set", "set", "set", "set", "double", "delete"]))
    return RowChange(table, row, column, draw(_values(table, column, store.rows[table][row][column])), kind)


@st.composite
def file_changes(draw: st.DrawFn, store: RecordedStore) -> FileChange:
    """A change of one file."""
    path = draw(st.sampled_from(store.files))
    content = store.read(path)
    if draw(st.sampled_from([True, False, False, False, False])):
        return FileChange(path, None)
    raw = changed_bytes(content) | st.sampled_from([b"", b"\xff\xfe", b"[", b"\0" * 100])
    if path.endswith(".json"):
        meaning = changed_data(json.loads(content)).map(_as_json)
    elif path.endswith((".yaml", "MLmodel")):
        meaning = changed_yaml(parse_yaml(content.decode("utf-8"), path)[0])
    elif b"\0" not in content:
        meaning = changed_text(content.decode("utf-8"))
    else:
        return FileChange(path, draw(raw))
    return FileChange(path, draw(raw | meaning.map(lambda text: text.encode("utf-8", "surrogatepass"))))


def _values(table: str, column: str, value: Any) -> st.SearchStrategy[Any]:
    """Other values of a column."""
    if column in {"artifact_uri", "artifact_location", "source"}:
        return st.sampled_from(URIS)
    if column == "lifecycle_stage":
        return st.sampled_from(STAGES)
    if (table, column) == ("runs", "status"):
        return st.sampled_from(STATUSES)
    if isinstance(value, int | float):
        return st.sampled_from([0, 1, -1, 2, 10**12, 2**62, 1e308, -1e308, 1e-320, float("inf"), None]) | st.integers(-9, 9)
    odd = st.sampled_from([item for item in ODD_VALUES if not isinstance(item, list | dict)]).map(_as_text)
    strategies = [odd, changed_text(str(value))]
    with suppress(ValueError, TypeError):
        strategies += [changed_data(json.loads(value)).map(_as_json)] * 2
    return st.one_of(strategies)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _rows(connection: sqlite3.Connection, table: str) -> dict[int, dict[str, Any]]:
    """The rows of a table by `rowid`, as values by column."""
    names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    found = connection.execute(f"SELECT rowid, {', '.join(names)} FROM {table}")
    return {row: dict(zip(names, values, strict=True)) for row, *values in found}
