"""YAML files that tests of `config` write into the working directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from branchsweep.errors import ConfigError


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


def config_error(load: Callable[[], object]) -> ConfigError:
    """The error that loading raises."""
    with pytest.raises(ConfigError) as caught:
        load()
    return caught.value


def locations(error: ConfigError) -> list[tuple[str, str]]:
    """File and line, or override, and the key of each mistake."""
    return [(mistake.where, mistake.key) for mistake in error.mistakes]


def check_own_words(errors: Iterable[ConfigError]) -> None:
    """Raise if a message is pydantic's."""
    for message in map(str, errors):
        assert "Input" not in message
        assert "http" not in message
        assert "type=" not in message
