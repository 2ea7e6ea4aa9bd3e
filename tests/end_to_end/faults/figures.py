"""How many faults are injected, and the figures of `docs/reliability.md`, which the long form writes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

COUNT = int(os.environ.get("BRANCHSWEEP_FAULTS") or 0)
"""The number of random moments at which something is killed, and whether all other faults are injected too; 0: a few."""

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write_figures(name: str, text: str) -> None:
    """Put a text between the marks `<!-- figures: name -->` and `<!-- end -->` of the page."""
    pattern = re.compile(rf"(<!-- figures: {re.escape(name)} -->\n).*?(\n?<!-- end -->)", re.DOTALL)
    page, count = pattern.subn(lambda marks: f"{marks[1]}{text}\n<!-- end -->", PAGE.read_text(encoding="utf-8"))
    assert count == 1, f"{PAGE} has a block 'figures: {name}'"
    PAGE.write_text(page, encoding="utf-8")
