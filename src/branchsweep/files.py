"""Texts and pictures by name, on their way to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def lay_out(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes files as their names say, which may hold folders; texts as UTF-8.

    Raises:
        OSError: One of them cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
