"""The shipped experiments and search spaces, which are in the installed package, and in a clone beside `src`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FOLDERS = ("experiments", "search_spaces")

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "examples", _PACKAGE.parents[1])


def example_files() -> Mapping[str, Path]:
    """The files by their paths from the folder that they are copied into, such as `experiments/quickstart.yaml`."""
    place = next(place for place in _PLACES if (place / FOLDERS[0]).is_dir())
    return {file.relative_to(place).as_posix(): file for name in FOLDERS for file in sorted((place / name).glob("*.yaml"))}
