"""Text of the user, escaped for Markdown. Jinja escapes for HTML, `data/spreadsheets.py` for tables that spreadsheets open."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([\\`*_{}\[\]~#])")
"""Marks that mean something to Markdown wherever they stand."""

_BLOCK_START = re.compile(r"^(?:([-+=])|(\d{1,9})([.)]))")
"""What begins a list, or underlines a heading, at the start of a line."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}


def one_line(text: str) -> str:
    """The text on one line: each run of whitespace, line breaks of Unicode included, is one space."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def escape_markdown(text: str) -> str:
    """Escape text for Markdown: it is shown literally, on one line, in a cell of a table too.

    Args:
        text: May hold anything: markup of Markdown and HTML, line breaks, control characters.

    Returns:
        One line that CommonMark and its tables render as the text's own letters (CommonMark 0.31, 2.4 and 2.5).
    """
    escaped = _MARKS.sub(r"\\\1", one_line(text))
    escaped = re.sub(r"[&<>|]", lambda found: _ENTITIES[found[0]], escaped)
    return _BLOCK_START.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", escaped)
