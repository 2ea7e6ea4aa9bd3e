"""Addresses are shown without what is secret in them, whatever characters a password has."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.config.addresses import public_address, without_secrets
from properties import quick

passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).map(lambda text: f"MARK{text}ED")

FORMS = (
    "http://bob:{}@host.example/mlflow",
    "https://{}@host.example:8443",
    "postgresql://bob:{}@db.example/mlflow",
    "postgresql+psycopg://bob:{}@db.example/mlflow?sslmode=require",
    "mysql://db.example/mlflow?user=bob&password={}",
)
"""Addresses with a secret."""


@pytest.mark.parametrize("form", FORMS)
@quick
@given(passwords)
def test_no_part_of_a_password_is_shown(form: str, password: str) -> None:
    for address in (form.format(password), form.format(quote(password, safe=""))):
        shown = public_address(address)
        assert "MARK" not in shown
        assert "ED" not in shown
        assert shown.startswith(address.partition("://")[0])


@pytest.mark.parametrize("form", FORMS)
@quick
@given(passwords)
def test_messages_of_libraries_lose_the_secrets(form: str, password: str) -> None:
    address = form.format(quote(password, safe=""))
    message = f"connection to {address} failed: {password} ({quote(password, safe='')}) was refused"
    cleaned = without_secrets(message, address)
    assert password not in cleaned
    assert quote(password, safe="") not in cleaned
    assert cleaned.endswith("was refused")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://bob:pw@host:5000/mlflow", "http://***@host:5000/mlflow"),
        ("https://token@host", "https://***@host"),
        ("http://bob:P@W@host", "http://***@host"),
        ("http://bob:P/W@host", "http://***@host"),
        ("http://bob:P?W@host", "http://***"),
        ("postgresql://h/db?user=u&password=PW", "postgresql://h/db?***"),
        ("sqlite:////folder/a@b?timeout=3", "sqlite:////folder/a@b?timeout=3"),
        ("mlflow.db", "mlflow.db"),
    ],
)
def test_the_rest_of_an_address_is_shown(address: str, shown: str) -> None:
    assert public_address(address) == shown
