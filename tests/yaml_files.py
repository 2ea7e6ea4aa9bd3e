"""Files of YAML that tests of `config` write, in the working directory."""

from __future__ import annotations

from pathlib import Path


def written(text: str, name: str = "x.yaml") -> Path:
    """A file, with the folders on its way."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def replaced(text: str, old: str, new: str) -> str:
    """The text with one place changed, which must stand there once: else a test would try nothing."""
    assert text.count(old) == 1, f"{old!r} does not stand there once"
    return text.replace(old, new)
