"""What the operating system refuses ends a command with one message and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from branchsweep.runtime import OLD_SECONDS, _draft_prefix, check_can_write, write_file, write_files
from processes import run_python

EXPERIMENT = """\
name: edges
table: {source: t.csv, inputs: [a, b]}
heads: {y: {}}
space: {dimensions: {trunk.width: {type: int, low: 2, high: 4}}}
search: {driver: random, trials: 2}
fit: {epochs: 2}
"""

TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
from branchsweep.runtime import write_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_file(Path(sys.argv[1]), "x" * 5000)
except OSError:
    print("refused")
"""
"""Writes a file that is larger than the process may write."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "e.yaml").write_text(EXPERIMENT, encoding="utf-8")
    rows = "\n".join(f"{row},{row % 7},{row * 2}" for row in range(60))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n", encoding="utf-8")
    return tmp_path


def ended(command: str, folder: Path) -> tuple[int, str]:
    """The exit code of a command of a shell, in which $B is branchsweep, and its standard error."""
    environment = {**os.environ, "B": f"{sys.executable} -m branchsweep"}
    done = subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", ["schema", "space e.yaml", "space e.yaml --json", "run e.yaml --dry-run", "--help"])
def test_a_full_standard_output_is_one_message(folder: Path, arguments: str) -> None:
    before = set(folder.iterdir())
    code, err = ended(f"$B {arguments} >/dev/full", folder)
    assert code == 2
    assert [line for line in err.splitlines() if line.startswith("error: ")] == [err.splitlines()[-1]]
    assert set(folder.iterdir()) == before


def test_a_full_standard_error_changes_no_exit_code(folder: Path) -> None:
    assert ended("$B run nosuch.yaml 2>/dev/full", folder) == (2, "")


def test_a_closed_pipe_is_one_message(folder: Path) -> None:
    code, err = ended("$B space e.yaml | sleep 0; exit ${PIPESTATUS[0]}", folder)
    assert (code, err) == (2, "error: standard output: it was closed before all was written\n")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_end_no_command(folder: Path, redirection: str) -> None:
    assert ended(f"$B space e.yaml {redirection}", folder)[0] == 0


@pytest.mark.parametrize("arguments", ["run e.yaml", "run /nowhere/e.yaml", "show"])
def test_a_deleted_working_directory_is_one_message(folder: Path, arguments: str) -> None:
    code, err = ended(f'mkdir gone; cd gone; rmdir "$PWD"; $B {arguments}', folder)
    assert (code, err.count("error: "), err.count("\n")) == (2, 1, 1)


@pytest.mark.parametrize("command", ["run {}", "run {}.yaml", "run e.yaml --data {}.csv", "show --tracking-uri sqlite:///{}"])
def test_a_path_of_five_thousand_letters_is_one_message(folder: Path, command: str) -> None:
    code, err = ended(f"$B {command.format('x' * 5000)}", folder)
    assert code == 2
    assert len(err) < 2500


def test_too_few_file_handles_are_told_before_anything_is_trained(folder: Path) -> None:
    before = set(folder.iterdir())
    code, err = ended("ulimit -n 64; $B run e.yaml --workers 2", folder)
    assert code == 2
    assert "at most 64 files may be open at once" in err.splitlines()[-1]
    assert set(folder.iterdir()) == before


def test_a_store_that_cannot_be_written_is_told_before_anything_is_trained(folder: Path) -> None:
    before = set(folder.iterdir())
    code, err = ended("$B run e.yaml --tracking-uri sqlite:////proc/mlflow.db", folder)
    assert code == 2
    assert "the tracking store cannot be written" in err
    assert set(folder.iterdir()) == before


def test_controls_of_the_terminal_are_not_printed(folder: Path) -> None:
    assert ended("$B run $'a\\e[31mred.yaml'", folder) == (2, "error: a\\x1b[31mred.yaml: no such file\n")


class TestFilesThatAreWritten:
    def test_a_file_is_written_in_full_or_not_at_all(self, tmp_path: Path) -> None:
        target = tmp_path / "report.html"
        write_file(target, "first")
        done = run_python(TOO_LARGE, str(target))
        assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
        assert target.read_text(encoding="utf-8") == "first"

    def test_of_several_files_all_are_written_or_none(self, tmp_path: Path) -> None:
        write_file(tmp_path / "a", "first")
        (tmp_path / "in the way").mkdir()
        with pytest.raises(IsADirectoryError):
            write_files(tmp_path, {"a": "second", "new/folder/b": "b", "in the way": "c"})
        assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "in the way"]
        assert (tmp_path / "a").read_text(encoding="utf-8") == "first"

    def test_drafts_that_a_killed_process_left_are_deleted_by_the_next(self, tmp_path: Path) -> None:
        name = "report.html" * 20  # nearly as long as a name may be
        drafts = [tmp_path / f"{_draft_prefix(tmp_path / name)}{number}.new" for number in range(2)]
        for draft, age in zip(drafts, (2 * OLD_SECONDS, 0), strict=True):
            draft.touch()
            os.utime(draft, (time.time() - age,) * 2)
        write_file(tmp_path / name, "new")
        assert {path.name for path in tmp_path.iterdir()} == {name, drafts[1].name}, "another process may write the second one"

    def test_a_device_is_written_to_directly(self) -> None:
        write_file(Path("/dev/null"), "nothing")
        assert not Path("/dev/null").is_file()

    def test_a_folder_that_is_not_there_yet_is_tried_where_it_would_be_made(self, tmp_path: Path) -> None:
        check_can_write(tmp_path / "a" / "b", "a file")
        assert list(tmp_path.iterdir()) == []
