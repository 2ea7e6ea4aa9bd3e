"""The README is right: its YAML loads, its error message is the one printed, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from branchsweep.cli import app
from branchsweep.config.yaml.loading import load_experiment
from branchsweep.errors import ConfigError

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example() -> str:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    return str(block)


def test_the_example_loads(tmp_path: Path) -> None:
    path = tmp_path / "boiler.yaml"
    path.write_text(example(), encoding="utf-8")
    experiment = load_experiment(path)
    assert list(experiment.heads) == ["heat", "steam", "cost"]
    assert experiment.space.dimensions["learning_rate"].low == 1e-4  # type: ignore[union-attr]  # a Float, which has it


def test_the_error_message_is_the_one_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"^ {4}(boiler\.yaml:.*)$", README, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("boiler.yaml").write_text(example().replace("loss: mae", "loss: mea"), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_experiment(Path("boiler.yaml"))
    assert str(raised.value) == shown


def test_the_commands_are_those_of_the_command_line() -> None:
    shown = set(re.findall(r"\| `branchsweep ([\w-]+)", README))
    assert shown == set(get_command(app).commands)  # type: ignore[attr-defined]  # a group of commands


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^ {4}make (\w+)", README, re.MULTILINE)) <= targets


def test_every_linked_file_exists() -> None:
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert linked
    for path in linked:
        assert (ROOT / path).is_file(), path
