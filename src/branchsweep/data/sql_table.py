"""Reads the rows of a query from a database, through SQLAlchemy, which changes nothing there.

A transaction that only reads is asked for where the database has such, and none is ever committed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd
import sqlalchemy
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from branchsweep.config.addresses import Address
from branchsweep.config.sections.database import PASSWORD, USERNAME, has_order, sql_statement, sqlite_file
from branchsweep.data.files.column_selection import ColumnSelection, column_names
from branchsweep.data.files.table_file import check_memory, check_size, rows_from_1
from branchsweep.data.tables import SourceTable
from branchsweep.errors import DataError, did_you_mean, first_line
from branchsweep.runtime import available_memory

_ROWS_AT_ONCE = 20_000
_SECONDS = 10  # to connect
_WITH_TIMEOUT = ("postgresql", "mysql", "mariadb")
_DRIVERS = {"psycopg2": ("psycopg", "postgresql+psycopg"), "MySQLdb": ("pymysql", "mysql+pymysql")}
"""By the driver that SQLAlchemy takes by default, a package that is easier to install, and the beginning of its URLs."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query to a database.

    Args:
        source: The database's URL, without a name and a password.
        text: The query, or the name of a table.
    """

    source: str
    text: str

    @property
    def location(self) -> str:
        """The database for messages."""
        return str(Address(self.source))


def read_query(query: Query, selection: ColumnSelection) -> SourceTable:
    """The rows of a query, the first of which is row 1. Rows without any value are left out.

    Args:
        query: The query.
        selection: Which columns are read.

    Raises:
        DataError: The database cannot be reached or its driver is missing, the query is wrong, columns are missing, or there
            are no rows, or too many.
    """
    where = query.location
    with _result(query) as result:
        chosen = selection.choose(selection.names(result.keys(), where))
        parts = list(_parts(result, chosen, where))
    if not parts:
        raise DataError("the query returns no rows; correct it (table.query)", where)
    frame = pd.concat(parts, ignore_index=True)
    frame.index = rows_from_1(len(frame))
    warning = (
        "The query has no ORDER BY, so the database may return its rows in another order the next time. Test rows and folds are"
        " cut by the order of the rows; end the query with ORDER BY and the columns that identify a row."
    )
    return SourceTable(frame.dropna(how="all"), "database", where, None, () if has_order(query.text) else (warning,))


def column_names_of_query(query: Query) -> list[str]:
    """The names of a query's columns, in order.

    Raises:
        DataError: As of `read_query`.
    """
    with _result(query) as result:
        return column_names(result.keys(), query.location)


def _parts(result: sqlalchemy.CursorResult[Any], chosen: dict[int, str], where: str) -> Iterator[pd.DataFrame]:
    """The chosen columns of the rows, some rows at a time."""
    rows = 0
    for part in result.partitions(_ROWS_AT_ONCE):
        rows += len(part)
        check_size(rows, len(chosen), where)
        check_memory(rows, len(chosen), where, available_memory())
        cells = [tuple(row[position] for position in chosen) for row in part]
        yield pd.DataFrame.from_records(cells, columns=list(chosen.values()), coerce_float=True)


@contextmanager
def _result(query: Query) -> Generator[sqlalchemy.CursorResult[Any]]:
    """Context with the result of a query, whose rows are not yet fetched."""
    url = _url(query)
    address = Address(url.render_as_string(hide_password=False))
    with _connection(query, url, address) as connection:
        try:
            options = {"postgresql_readonly": True} if connection.dialect.name == "postgresql" else {}
            statement = sqlalchemy.text(sql_statement(query.text))
            result = connection.execution_options(stream_results=True, **options).execute(statement)
            if not result.returns_rows:
                raise DataError("the query returns no rows; expected one that reads (table.query)", query.location)
            yield result
        except SQLAlchemyError as error:
            message = f"the query fails: {_reason(error, address)}; correct it (table.query)"
            raise DataError(message, query.location) from error


@contextmanager
def _connection(query: Query, url: sqlalchemy.URL, address: Address) -> Generator[sqlalchemy.Connection]:
    """Context with a connection to the database of a query."""
    engine = _engine(query, url)
    try:
        try:
            connection = engine.connect()
        except (SQLAlchemyError, OSError) as error:
            message = f"the database cannot be reached ({_reason(error, address)}); is it running, and is the URL right?"
            raise DataError(message, query.location) from error
        with connection:
            yield connection
    finally:
        engine.dispose()


def _reason(error: BaseException, address: Address) -> str:
    """What the database's driver says, without what is secret in the address."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return address.remove_secrets(first_line(cause))


def _url(query: Query) -> sqlalchemy.URL:
    """The database's URL, with the name and the password of the environment."""
    try:
        url = sqlalchemy.make_url(query.source)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        expected = "expected one that SQLAlchemy knows, such as sqlite:///file.db or postgresql+psycopg://host/database"
        raise DataError(f"got the URL of an unknown kind of database, {expected}", query.location) from error
    except ImportError as error:
        raise _no_driver(error, query) from error
    if not url.host:
        return url
    return url.set(username=os.environ.get(USERNAME) or None, password=os.environ.get(PASSWORD) or None)


def _engine(query: Query, url: sqlalchemy.URL) -> sqlalchemy.Engine:
    """What connects to the database; a SQLite file is opened for reading alone."""
    file = sqlite_file(query.source)
    try:
        if file is not None and url.get_driver_name() in {"", "pysqlite"}:
            if not file.is_file():
                siblings = [sibling.name for sibling in file.parent.glob("*.*")] if file.parent.is_dir() else []
                hint = did_you_mean(file.name, siblings) or ", correct the path"
                raise DataError(f"there is no such file{hint}", query.location)
            path = f"file:{quote(str(file.absolute()))}?mode=ro"
            return sqlalchemy.create_engine(
                "sqlite://", creator=lambda: sqlite3.connect(path, uri=True), poolclass=sqlalchemy.NullPool
            )
        timeout = {"connect_timeout": _SECONDS} if url.get_backend_name() in _WITH_TIMEOUT else {}
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=timeout)
    except ImportError as error:
        raise _no_driver(error, query) from error
    except ArgumentError as error:
        raise DataError(f"the URL is wrong ({first_line(error)}); correct it", query.location) from error


def _no_driver(error: ImportError, query: Query) -> DataError:
    package, scheme = _DRIVERS.get(error.name or "", (error.name, ""))
    instead = f", and begin the URL with {scheme}://" if scheme else ""
    return DataError(f"its driver {error.name} is not installed: pip install {package}{instead}", query.location)
