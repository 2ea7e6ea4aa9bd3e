"""How generated code is laid out: as a formatter leaves it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = 88
"""Most characters of a line: the default of formatters."""


def source(value: str | float) -> str:
    """A value as source: a text in double quotes, unless it has some itself."""
    return json.dumps(value, ensure_ascii=False) if '"' not in str(value) else repr(value)


def entries(mapping: Mapping[str, Any]) -> list[str]:
    """The entries of a dict as source; its values are source already."""
    return [f"{source(name)}: {value}" for name, value in mapping.items()]


def laid_out(parts: Iterable[str], begin: str, end: str, columns: int = COLUMNS, note: str = "") -> str:
    """Entries between brackets: on one line where they fit, else one to a line."""
    parts = list(parts)
    line = f"{begin}{', '.join(parts)}{end}{note}"
    if len(line) <= columns:
        return line
    return "\n".join([begin, *(f"    {entry}," for entry in parts), end + note])


def imported_from(names: Iterable[str], module: str) -> str:
    """The line or lines that import names from a module."""
    names = list(names)
    line = f"from {module} import {', '.join(names)}"
    return line if len(line) <= COLUMNS else laid_out(names, f"from {module} import (", ")")
