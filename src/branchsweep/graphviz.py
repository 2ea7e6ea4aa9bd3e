"""Pictures by Graphviz: what they need is here or is asked for in words, and text in the dot language becomes a file."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from branchsweep.errors import UserError

DOTS_PER_INCH = {".png": 200, ".svg": 72, ".pdf": 72}
"""What can be written, by suffix. Pixels must be many; the others are measured in points, 72 of which are an inch."""


def program() -> str:
    """The path of Graphviz's `dot`.

    Raises:
        UserError: It is not there, or pydot is not, with which Keras speaks its language. Both are told at once.
    """
    found = shutil.which("dot")
    missing = [] if found else ["Graphviz's program dot (apt install graphviz, or your system's package of that name)"]
    if find_spec("pydot") is None:
        missing.append('the package pydot (pip install "branchsweep[draw]")')
    if found is None or missing:
        raise UserError(f"a picture needs {' and '.join(missing)}; without -o the network is printed as text")
    return found


def check_place(file: Path) -> None:
    """Raises UserError unless a picture may be written there."""
    if file.suffix not in DOTS_PER_INCH:
        *others, last = DOTS_PER_INCH
        raise UserError(f"got {file}, expected a path that ends in {', '.join(others)} or {last}")
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent}; make it, or write elsewhere")


def write(text: str, file: Path) -> None:
    """Lays out a graph and writes its picture; the file is touched only when the picture is there.

    Args:
        text: The graph in the dot language.
        file: Its suffix is one of `DOTS_PER_INCH`.

    Raises:
        UserError: Something is missing, `dot` fails, or the file cannot be written.
    """
    dot = program()
    command = [dot, f"-T{file.suffix[1:]}", f"-Gdpi={DOTS_PER_INCH[file.suffix]}"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)  # noqa: S603  # our own words
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()
        raise UserError(f"{dot} drew nothing (exit code {done.returncode}): {said}", str(file))
    try:
        file.write_bytes(done.stdout)
    except OSError as error:
        raise UserError(f"cannot be written ({error})", str(file)) from error
