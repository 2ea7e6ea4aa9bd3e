"""Addresses are shown without what is secret in them, whatever characters a password has, and unwrapped in few places."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import branchsweep
from branchsweep.config.addresses import Address
from properties import quick

SOURCE = Path(branchsweep.__file__).parent

UNWRAPPING = {
    "data/download.py",  # Requests
    "search/optuna_export.py",  # Optuna and SQLAlchemy
    "tracking/mlflow/connection.py",  # MLflow and SQLAlchemy
    "tracking/package_tracking.py",  # the tracker of another package
    "tracking/ui_pages.py",  # the environment of MLflow's server
    "training/ray/cluster.py",  # Ray
}
"""The modules that ask an address for its secrets, with the library that they give them to."""

passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).map(lambda text: f"MARK{text}ED")

FORMS = (
    "http://bob:{}@host.example/mlflow",
    "https://{}@host.example:8443",
    "postgresql://bob:{}@db.example/mlflow",
    "postgresql+psycopg://bob:{}@db.example/mlflow?sslmode=require",
    "mysql://db.example/mlflow?user=bob&password={}",
    "ray://bob:{}@head.example:10001",
    "sqlite+pysqlcipher://:{}@/folder/mlflow.db",
    "http:/bob:{}@host.example/mlflow",
)
"""Addresses with a secret."""


@pytest.mark.parametrize("form", FORMS)
@quick
@given(passwords)
def test_no_part_of_a_password_is_shown(form: str, password: str) -> None:
    for whole in (form.format(password), form.format(quote(password, safe=""))):
        address = Address(whole)
        for shown in (str(address), repr(address), f"{address}", f"{address:>200}", f"{address!r}", "%s" % (address,)):  # noqa: UP031  # a way to show it
            assert "MARK" not in shown
            assert "ED" not in shown
        assert str(address).startswith(whole.partition("/")[0])
        assert address.with_secrets() == whole


@quick
@given(passwords)
def test_no_part_of_a_password_is_shown_where_the_scheme_was_forgotten(password: str) -> None:
    for whole in (f"bob:{password}@host:5000", f"postgresql:bob:{password}@host/db"):
        assert "MARK" not in str(Address(whole))
        assert "ED" not in str(Address(whole))


@pytest.mark.parametrize("form", FORMS)
@quick
@given(passwords)
def test_messages_of_libraries_lose_the_secrets(form: str, password: str) -> None:
    address = Address(form.format(quote(password, safe="")))
    message = f"connection to {address.with_secrets()} failed: {password} ({quote(password, safe='')}) was refused"
    cleaned = address.remove_secrets(message)
    assert password not in cleaned
    assert quote(password, safe="") not in cleaned
    assert cleaned.endswith("was refused")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://bob:pw@host:5000/mlflow", "http://***@host:5000/mlflow"),
        ("https://token@host", "https://***@host"),
        ("http://host/#token=pw", "http://host/#***"),
        ("https://bob:pw@host/#/x?token=pw", "https://***@host/#***?***"),
        ("http://bob:P@W@host", "http://***@host"),
        ("http://bob:P/W@host", "http://***@host"),
        ("http://bob:P?W@host", "http://***"),
        ("postgresql://h/db?user=u&password=PW", "postgresql://h/db?***"),
        ("sqlite:////folder/a@b?timeout=3", "sqlite:////folder/a@b?timeout=3"),
        ("sqlite+pysqlite:///a%20b.db", "sqlite+pysqlite:///a%20b.db"),
        ("sqlite+pysqlcipher://:pw@/x.db", "sqlite+pysqlcipher://***@/x.db"),
        ("http:/bob:pw@host", "http:/***@host"),
        ("bob:pw://x@host", "***@host"),
        ("postgresql:h/db?user=u&password=PW", "postgresql:h/db?***"),
        ("mlflow.db", "mlflow.db"),
        ("me@home/what?.db", "me@home/what?.db"),
        ("head:6379", "head:6379"),
        ("", ""),
    ],
)
def test_the_rest_of_an_address_is_shown(address: str, shown: str) -> None:
    assert str(Address(address)) == shown


def test_addresses_are_equal_by_all_that_they_hold_and_empty_ones_are_false() -> None:
    first, second = (Address(f"http://bob:{password}@host") for password in ("one", "two"))
    assert str(first) == str(second)
    assert first != second
    assert first == Address("http://bob:one@host")
    assert len({first, second, Address("http://bob:one@host")}) == 2
    assert not Address("")


def test_an_address_is_written_to_no_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(Address("http://bob:pw@host"))


def test_few_modules_ask_for_the_secrets() -> None:
    """Wherever else an address goes, its text is the public one."""
    asking = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"with_secrets", "_given"}
    }
    assert asking == UNWRAPPING | {"config/addresses.py"}


def test_the_address_that_mlflow_keeps_as_text_is_wrapped_in_one_place() -> None:
    """`MlflowClient.tracking_uri` is the whole address."""
    reading = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"tracking_uri", "_registry_uri"}
        and "client" in ast.unparse(node.value)
    }
    assert reading == {"tracking/mlflow/connection.py"}


@pytest.mark.parametrize("name", ["tracking_uri", "uri", "storage", "url"])
def test_an_address_is_passed_on_as_one(name: str) -> None:
    """No function below the Python API takes the address of a store, a storage or a download as text."""
    as_text = {
        (file.relative_to(SOURCE).as_posix(), node.name)
        for file in SOURCE.rglob("*.py")
        if file.relative_to(SOURCE).parts[0] != "api"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args + node.args.kwonlyargs
        if argument.arg == name and argument.annotation and "str" in ast.unparse(argument.annotation)
    }
    assert as_text <= {("tracking/mlflow/model.py", "__init__")}, "of a registered model"
