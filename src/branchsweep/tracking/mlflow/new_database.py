"""Makes a new MLflow database in a SQLite file.

MLflow makes its tables by dozens of migrations, which take a second or more. What they lead to is kept as a file in the cache
folder, once for each version of MLflow, and further databases are copies of it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import sqlalchemy
from mlflow.exceptions import MlflowException

from branchsweep.config.addresses import Address
from branchsweep.runtime import cache_folder, temporary_folder, write_file
from branchsweep.tracking.mlflow.error_translation import translate_errors
from branchsweep.tracking.tracking_uri import sqlite_uri


def make_database(file: Path) -> None:
    """Create an empty MLflow database, at once: it is created under another name and moved, so that nobody finds half of one.

    Nothing waits for the disk before the file is complete, and then it does so once. Its journal is a write-ahead log: a reader
    does not block the sweep, and recording takes a quarter less time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(f"{file.name}.new-", file.parent) as folder:
        draft, root = folder / file.name, (file.parent / "mlruns").as_uri()
        with translate_errors(Address(sqlite_uri(file)), "creating the tracking store"), _unsynchronized():
            if not _made_from_tables(draft, root):
                _make_from_nothing(draft, root)
        with draft.open("r+b") as complete:
            os.fsync(complete)
        try:
            file.hardlink_to(draft)  # unlike a rename, it fails if another process was faster
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            draft.rename(file)


def tables_file() -> Path:
    """The file in the cache folder with the tables that this version of MLflow makes, and nothing of a store in them."""
    return cache_folder() / "stores" / f"mlflow-{version('mlflow')}.db"


def _made_from_tables(draft: Path, root: str) -> bool:
    """Make a database from the file in the cache folder; returns whether that could be done."""
    try:
        draft.write_bytes(tables_file().read_bytes())
        with closing(sqlite3.connect(draft)) as connection:
            if connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise sqlite3.DatabaseError("damaged")
        _open_store(draft, root)
    except (OSError, sqlite3.Error, sqlalchemy.exc.SQLAlchemyError, MlflowException):  # there is none, or it is damaged
        for file in draft.parent.iterdir():  # the draft, and what SQLite keeps beside it
            file.unlink()
        return False
    return True


def _make_from_nothing(draft: Path, root: str) -> None:
    """Let MLflow make a database, and keep its tables in the cache folder."""
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    _open_store(draft, root)
    with suppress(OSError, sqlite3.Error):  # a cache that cannot be written to: the next database takes longer, too
        copy = draft.with_name(f"{draft.name}.tables")
        copy.write_bytes(draft.read_bytes())
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("DELETE FROM experiments")  # MLflow's first one, which names the store's folder
            connection.commit()
            connection.execute("VACUUM")
        write_file(tables_file(), copy.read_bytes())


def _open_store(draft: Path, root: str) -> None:
    """Let MLflow make what its database lacks: tables, and a first experiment, whose files are below `root`."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415  # takes a second, once per store

    SqlAlchemyStore(sqlite_uri(draft), root).engine.dispose()  # type: ignore[no-untyped-call]  # MLflow's


@contextmanager
def _unsynchronized() -> Iterator[None]:
    """Context in which SQLite hands what it writes to the system, and does not wait until the disk has it."""

    def hand_over(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):  # not that of another thread's database
            connection.execute("PRAGMA synchronous=OFF")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", hand_over)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", hand_over)
