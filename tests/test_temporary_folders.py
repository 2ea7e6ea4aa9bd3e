"""Temporary folders are deleted at their end, and those of killed processes at the next start."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from branchsweep.runtime import SETTLED_SECONDS, temporary_folder
from processes import start_python

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
