"""Outputs in encodings that lack characters: everything is printed, in plain characters where it must be."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from branchsweep.cli.plain_characters import HANDLER, PLAIN, plain, print_plain_characters
from branchsweep.reporting.comparison.text import render_comparison
from comparison_examples import COMPARISONS


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    print_plain_characters()


@given(st.text())
def test_every_text_can_be_written(text: str) -> None:
    for encoding in ("ascii", "cp1252"):
        assert text.encode(encoding, HANDLER).decode(encoding).isascii() or encoding == "cp1252"


@given(st.text(st.characters(max_codepoint=127)))
def test_what_an_encoding_has_is_not_changed(text: str) -> None:
    assert text.encode("ascii", HANDLER).decode("ascii") == text


def test_the_characters_of_tables_and_drawings_have_plain_ones() -> None:
    for character in "─│├└┤┼²±…×→▲▼█▁":
        assert character in PLAIN
    assert plain("Ж") == "\\u0416"
    assert (plain("⠀"), plain("⣿")) == (" ", "*")


def test_a_table_in_ascii_has_no_numbers_of_characters() -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", errors=HANDLER)
    Console(file=stream, width=100).print(render_comparison(COMPARISONS["two heads"]))
    stream.flush()
    text = written.getvalue().decode("ascii")
    assert "R2 on 10 halves" in text and "+-" in text
    assert "\\u" not in text and "\\x" not in text
