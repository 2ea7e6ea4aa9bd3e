"""Commands that print the names and units of an experiment, which may be any text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from branchsweep.cli import main
from branchsweep.errors import CONTROL, EXIT_CODE

INPUTS = ["a\x1b[31m", "b\u202e[red]"]
EXPERIMENT = {
    "name": "plant",
    "table": {"source": "t.csv", "inputs": INPUTS},
    "heads": {"PE": {"unit": "${x}\x1b]0;t\x07\n[kW]"}},
    "space": {"dimensions": {"epochs": {"type": "int", "low": 2, "high": 3}}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [f"{number},{number % 7},{number % 5}" for number in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([",".join([*INPUTS, "PE"]), *rows]), encoding="utf-8")
    (tmp_path / "e.yaml").write_text(json.dumps(EXPERIMENT), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["branchsweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", ["data", "draw", "space"])
def test_control_characters_are_printed_as_escapes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run([command, "e.yaml"], capsys)
    assert code == 0, err
    assert r"a\x1b[31m" in out and r"b\u202e[red]" in out
    assert not CONTROL.search((out + err).replace("\n", ""))
    if command == "data":
        assert any(line.split()[:4] == ["PE", "head", "numeric", r"${x}\x1b]0;t\x07\n[kW]"] for line in out.splitlines())


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("override", ["heads.a\nb=3", 'table.inputs=["no\\nsuch"]', "na\x1bme=x", "name=\u202e"])
def test_a_mistake_with_control_characters_is_one_line(override: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["data", "e.yaml", "--set", override], capsys)
    assert (code, out) == (EXIT_CODE, "")
    assert [line.split()[0] for line in err.splitlines()] == ["error:"]
    assert not CONTROL.search(err.replace("\n", ""))
