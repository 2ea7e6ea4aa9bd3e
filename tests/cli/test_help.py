"""The texts of `--help`: complete at every width, with examples that the commands accept; and completion in shells."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from typer.main import get_command

from branchsweep import cli
from branchsweep.cli.help_texts import EXAMPLES
from processes import run_python

COMMANDS: dict[str, Any] = dict(get_command(cli.app).commands)  # type: ignore[attr-defined]  # a click group has commands


def help_of(arguments: list[str], columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", columns)
    with pytest.raises(SystemExit) as ended:
        get_command(cli.app)([*arguments, "--help"], prog_name="branchsweep")
    assert ended.value.code == 0
    return capsys.readouterr().out


def words(text: str) -> str:
    """The text without frames and line breaks."""
    return "".join(character for character in text if character not in "│╭╮╰╯─|+- \n")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_sentence_of_a_command_is_cut(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = help_of([], columns, monkeypatch, capsys)
    assert all(len(line) <= columns for line in shown.splitlines())
    for command in COMMANDS.values():
        assert words(command.callback.__doc__.split("\n\n")[0]) in words(shown)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_of_a_command_is_shown_with_its_group(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = help_of([name], 100, monkeypatch, capsys)
    for parameter in COMMANDS[name].params:
        assert parameter.param_type_name == "argument" or all(option in shown for option in parameter.opts)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_examples_of_a_command_are_accepted(name: str) -> None:
    assert EXAMPLES[name]
    for example in EXAMPLES[name]:
        program, command, *arguments = shlex.split(example.partition(" > ")[0])
        assert (program, command) == ("branchsweep", name)
        with COMMANDS[name].make_context(name, arguments) as context:
            assert isinstance(context.params, dict)


def test_a_shell_completes_the_names_of_commands() -> None:
    variables = {"_BRANCHSWEEP_COMPLETE": "complete_bash", "COMP_WORDS": "branchsweep re", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['branchsweep']; from branchsweep.cli import main; main()"
    assert run_python(code, variables=variables).stdout.split() == ["report", "replay"]
