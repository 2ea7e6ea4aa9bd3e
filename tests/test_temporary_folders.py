"""Temporary folders are deleted at their end, and those of killed processes at the next start."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from branchsweep.runtime import SETTLED_SECONDS, own_temporary_files, temporary_folder
from processes import run_python, start_python

HOLD = """
import sys, time
from pathlib import Path
from branchsweep.runtime import temporary_folder

with temporary_folder("left-", Path(sys.argv[1])) as folder:
    (folder / "file").write_text("x")
    print(folder.parent, flush=True)
    time.sleep(60)
"""


def age(folder: Path) -> None:
    """Let a folder be older than it is."""
    then = time.time() - 2 * SETTLED_SECONDS
    os.utime(folder, (then, then))


def test_the_folder_exists_while_it_is_used(tmp_path: Path) -> None:
    with temporary_folder("mine-", tmp_path) as folder:
        assert folder.is_dir() and not list(folder.iterdir())
        assert folder.is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_killed_process_is_deleted_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    with start_python(HOLD, str(tmp_path)) as killed, start_python(HOLD, str(tmp_path)) as living:
        assert killed.stdout is not None and living.stdout is not None
        abandoned, used = (Path(output.readline().strip()) for output in (killed.stdout, living.stdout))
        killed.kill()
        killed.wait()
        age(abandoned)
        age(used)
        with temporary_folder("left-", tmp_path):
            assert not abandoned.exists()
            assert (used / "content" / "file").is_file()
        living.kill()


def test_what_libraries_and_started_processes_leave_is_deleted_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with own_temporary_files():
        Path(tempfile.mkdtemp(), "file").write_text("x", encoding="utf-8")
        started = Path(run_python("import tempfile; print(tempfile.mkdtemp())").stdout.strip())
        assert started.is_dir() and len(list(tmp_path.iterdir())) == 1
        assert os.environ["RAY_TMPDIR"] == str(tmp_path), "where a cluster is found"
    assert not list(tmp_path.iterdir())
    assert os.environ["TMPDIR"] == str(tmp_path) and "RAY_TMPDIR" not in os.environ and tempfile.tempdir is None


def test_without_a_place_for_temporary_files_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with own_temporary_files():
        assert tempfile.tempdir == str(tmp_path / "missing")


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "left-behind"
    other.mkdir()
    (other / "letter.txt").write_text("x", encoding="utf-8")
    age(other)
    with temporary_folder("left-", tmp_path):
        pass
    assert (other / "letter.txt").is_file()


@pytest.mark.parametrize("prefix", ["a[b]*-", "?-"])
def test_a_prefix_has_no_pattern(prefix: str, tmp_path: Path) -> None:
    with temporary_folder(prefix, tmp_path) as folder:
        assert folder.parent.name.startswith(prefix)
