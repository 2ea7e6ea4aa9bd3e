"""How the path of a file that stands in a YAML file is looked up, and how messages name files."""

from __future__ import annotations

from pathlib import Path

from branchsweep.errors import nearest

YAML_SUFFIXES = (".yaml", ".yml")
"""How the name of a file with an experiment or a search space ends."""

TABLE_SUFFIXES = (".xlsx", ".csv", ".tsv", ".parquet", ".feather", ".jsonl", ".arff")
"""How the name of a file with a table ends, which holds no experiment."""


def find_file(name: str, folder: Path) -> Path | None:
    """The file that a path in a document means.

    Args:
        name: The path as it is written.
        folder: The folder of the document. It is tried first, then the working directory.

    Returns:
        The absolute path, or None where there is no such file.
    """
    return next((path.resolve() for start in (folder, Path.cwd()) if is_file(path := start / expand_user(name))), None)


def is_file(path: Path) -> bool:
    """Whether there is a file at this path; there is none at a path that no file can have, such as one of 5,000 letters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def expand_user(name: str) -> Path:
    """The path with the user's home in place of `~`; as it is where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def missing_file_message(name: str, folder: Path) -> str:
    """That `find_file` found nothing, with the YAML file whose name is most like it."""
    nearest_file = next(filter(None, (nearest_yaml_file(start / name) for start in (folder, Path.cwd()))), None)
    hint = f"; did you mean '{Path(name).with_name(nearest_file.name)}'?" if nearest_file else ""
    place = "" if folder == Path.cwd() else "from this file's folder and "
    return f"got '{name}', expected a YAML file, looked up {place}from the working directory{hint}"


def nearest_yaml_file(file: Path) -> Path | None:
    """The YAML file in the same folder whose name is most like that of `file`, or None."""
    try:
        siblings = {sibling.stem: sibling for sibling in sorted(file.parent.glob("*.y*ml"))}
    except (OSError, ValueError):  # no folder can have this path
        return None
    return siblings.get(nearest(file.stem, siblings))


def display_path(file: Path) -> str:
    """The path for messages: relative to the working directory where it is below it, else absolute."""
    absolute = file.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)
