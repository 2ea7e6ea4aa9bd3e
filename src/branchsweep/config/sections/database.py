"""A table that is the result of a query to a database: its URL, and what a query may be."""

from __future__ import annotations

import re
from pathlib import Path

from branchsweep.errors import SENSITIVE_PARAMETERS

USERNAME, PASSWORD = "BRANCHSWEEP_TABLE_USERNAME", "BRANCHSWEEP_TABLE_PASSWORD"
"""The environment variables with the name and the password for the database: a URL with them would be recorded."""

MAX_QUERY = 20_000
"""The most characters of a query."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\+[A-Za-z0-9_]+)?://")
_NO_DATABASES = ("http://", "https://", "ftp://", "s3://", "gs://", "file://")
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!file:)([^?]+)(.*)", re.DOTALL)
_SQLITE_HOST = re.compile(r"(sqlite(?:\+\w+)?://)([^/?].*)", re.DOTALL)
_SECRET_PARAMETER = re.compile(rf"[?&][^=&]*({SENSITIVE_PARAMETERS})[^=&]*=", re.IGNORECASE)
_IGNORED = re.compile(r"--[^\n]*(?:\n|$)|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_READS = re.compile(r"[\s(]*(select|with|values|table|from)\b", re.IGNORECASE)
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)
_TABLE_NAME = re.compile(r"\s*\w+(\.\w+)?\s*")


def is_database(source: str) -> bool:
    """Whether the source of a table is the URL of a database, and not the path of a file."""
    return bool(_URL.match(source)) and not source.lower().startswith(_NO_DATABASES)


def source_mistake(source: str) -> str:
    """What is wrong with the URL of a database, without what is secret in it; empty if nothing is."""
    has_names = sqlite_file(source) is None and "@" in source
    if has_names or _SECRET_PARAMETER.search(source):
        return (
            "got the URL of a database with a name or a password in it, which records of a sweep would hold; leave them out,"
            f" and set the environment variables {USERNAME} and {PASSWORD}"
        )
    if found := _SQLITE_HOST.fullmatch(source):
        return f"got '{source}', expected three slashes before the path of a SQLite file: {found[1]}/{found[2]}"
    return ""


def query_mistake(query: str) -> str:
    """What is wrong with a query; empty if nothing is: it must read rows, or be the name of a table."""
    text = _IGNORED.sub(" ", query)
    if _READS.match(text) or _TABLE_NAME.fullmatch(query):
        return ""
    return "expected a query that reads rows (SELECT ..., WITH ...), or the name of a table"


def sql_statement(query: str) -> str:
    """A query as SQLAlchemy's `text` takes it, to which `:name` is a parameter unless a backslash stands before it."""
    if _TABLE_NAME.fullmatch(query):
        return f"SELECT * FROM {query.strip()}"  # noqa: S608  # letters, digits, underscores and a point
    return query.strip().rstrip(";").replace(":", r"\:")


def has_order(query: str) -> bool:
    """Whether a query says in which order rows come."""
    return bool(_ORDER.search(_IGNORED.sub(" ", query)))


def sqlite_file(source: str) -> Path | None:
    """The file of a SQLite database; None of any other, or of one in memory."""
    found = _SQLITE.fullmatch(source)
    return None if found is None or found[2] == ":memory:" else Path(found[2])


def with_sqlite_file(source: str, file: Path) -> str:
    """The URL of a SQLite database with another path."""
    found = _SQLITE.fullmatch(source)
    assert found is not None
    return f"{found[1]}{file}{found[3]}"
