"""Notebooks as scripts: their cells one after the other, where the last value of a cell is shown as Jupyter would."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

SHOW = '''
def show(value):
    """What Jupyter shows of the last value of a cell."""
    if value is not None:
        print(value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))

'''


def read_cells(notebook: Path, kind: str) -> list[str]:
    """The texts of the cells of a kind, `code` or `markdown`."""
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def as_script(notebook: Path) -> str:
    """The code cells as one script."""
    return SHOW + "\n".join(map(_shown, read_cells(notebook, "code")))


def _shown(cell: str) -> str:
    """A cell whose last value is shown, unless a semicolon follows it."""
    parsed = ast.parse(cell)
    last = parsed.body[-1]
    if isinstance(last, ast.Expr) and not cell.rstrip().endswith(";"):
        last.value = ast.Call(ast.Name("show", ast.Load()), [last.value], [])
    return ast.unparse(ast.fix_missing_locations(parsed))
