"""Options of commands: messages name the option that was given, and no output replaces what is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from branchsweep.cli import main
from branchsweep.cli.context import require_other_file
from branchsweep.errors import EXIT_CODE, UserError

EXPERIMENT = """\
name: options
table: {source: t.csv, inputs: [a]}
heads: {y: {}}
space: {dimensions: {trunk.depth: {type: int, low: 1, high: 2}}}
"""


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a command that ends with one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["branchsweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == EXIT_CODE
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("option", ["--seed", "--trials"])
def test_a_mistake_in_an_option_is_named_by_that_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.yaml").write_text(EXPERIMENT, encoding="utf-8")
    too_large = str(10**12)
    message = error_of(capsys, "run", "e.yaml", option, too_large)
    assert f"{option} {too_large}" in message and "--set" not in message
    key = {"--seed": "seed", "--trials": "search.trials"}[option]
    assert f"--set {key}={too_large}" in error_of(capsys, "run", "e.yaml", "--set", f"{key}={too_large}")


@pytest.mark.parametrize("name", ["t.csv", "link.csv", "hard.csv", "folder/../t.csv"])
def test_predictions_never_replace_the_table_that_they_are_made_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "folder").mkdir()
    table, output = tmp_path / "t.csv", tmp_path / name
    table.write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "hard.csv").hardlink_to(table)
    message = error_of(capsys, "predict", "models:/m@champion", str(table), "-o", str(output))
    assert str(output) in message and "name another path" in message
    assert table.read_text(encoding="utf-8") == "a\n1\n"


def test_an_output_beside_what_is_read_may_be_there_already(tmp_path: Path) -> None:
    table, output = tmp_path / "t.csv", tmp_path / "out.csv"
    table.touch()
    require_other_file(output, table, None, tmp_path / "missing.csv")
    output.touch()
    require_other_file(output, table, None, tmp_path / "missing.csv")
    with pytest.raises(UserError):
        require_other_file(output, table, output)
