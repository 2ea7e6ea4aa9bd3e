"""The example package of docs/extending.md, installed into a temporary folder as an installer leaves it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "extending.md"


def documented_files() -> dict[str, str]:
    """The files of the page, by name."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return dict(re.findall(r'```.*title="([^"]+)".*\n((?s:.*?))```', text))


def install(folder: Path, name: str, entry_points: dict[str, dict[str, str]], files: dict[str, str] | None = None) -> None:
    """Put a package into a folder that is to be on `sys.path`.

    Args:
        folder: The folder.
        name: Of the package.
        entry_points: By group and name, the objects.
        files: Its modules.
    """
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [
        line for group, points in entry_points.items() for line in (f"[{group}]", *(f"{n} = {o}" for n, o in points.items()))
    ]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path, text in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def install_documented_package(folder: Path) -> None:
    """Put the page's package into a folder."""
    files = documented_files()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    modules = {name: code for name, code in files.items() if name.endswith(".py")} | {"boiler_extras/__init__.py": ""}
    install(folder, project["name"], project["entry-points"], modules)
