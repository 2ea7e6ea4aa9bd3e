"""Outputs whose encoding lacks a character get a plain one in its place: `R2` for R², `-` and `|` for the lines of a drawing.

The encoding is that of the terminal, or what `PYTHONIOENCODING` names; `ascii` and Windows' `cp1252` lack most of them.
"""

from __future__ import annotations

import codecs
import sys
from contextlib import suppress

HANDLER = "branchsweep.plain"
"""The name of the error handler, as `codecs` knows it."""

PLAIN = {
    **dict.fromkeys("─━╌╴╶▁▂▃", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("▄▅▆▇█", "#"),
    "²": "2",
    "³": "3",
    "±": "+-",
    "×": "x",
    "·": ".",
    "…": "...",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "▲": "^",
    "▼": "v",
    "◀": "<",
    "▶": ">",
    "√": "sqrt",
    "Σ": "sum",
}
"""The characters that the program itself prints, and what stands for them."""

_BRAILLE = range(0x2800, 0x2900)
"""The dots of which learning curves are drawn; the first one is empty."""


def print_plain_characters() -> None:
    """Let standard output and standard error take any text: a name that a terminal cannot show must not end a command."""
    codecs.register_error(HANDLER, _replacement)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or replaced by what is no text file
            stream.reconfigure(errors=HANDLER)  # type: ignore[union-attr]  # None, or no text file: suppressed


def plain(character: str) -> str:
    """What stands for a character: characters of ASCII, or its number in hexadecimal."""
    if ord(character) in _BRAILLE:
        return "*" if ord(character) > _BRAILLE.start else " "
    return PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode("ascii")


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain, error.object[error.start : error.end])), error.end
