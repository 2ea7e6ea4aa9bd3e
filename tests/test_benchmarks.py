"""Every benchmark can be started: one that is broken would show on the day when its figure is wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"


def test_every_benchmark_imports_what_it_needs() -> None:
    names = sorted(file.stem for file in FOLDER.glob("[a-z]*.py"))
    assert "widths" in names
    imports = "; ".join(f"import benchmarks.{name}" for name in names)
    done = subprocess.run([sys.executable, "-c", imports], cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
