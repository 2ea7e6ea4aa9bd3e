"""YAML files that tests of `config` write into the working directory."""

from __future__ import annotations

from pathlib import Path


def write_yaml(text: str, name: str = "x.yaml") -> Path:
    """Write a file, and make its folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def replace_once(text: str, old: str, new: str) -> str:
    """The text with `old`, which must occur exactly once, replaced by `new`."""
    assert text.count(old) == 1, f"{old!r} does not occur exactly once"
    return text.replace(old, new)
