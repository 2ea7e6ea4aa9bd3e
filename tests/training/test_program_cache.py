"""Compiled programs on disk: a later process finds what an earlier one compiled, whatever it compiles first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from branchsweep.training import program_cache
from processes import run_python

TRAIN = """
import pathlib, sys
from branchsweep.training import program_cache
program_cache.use_cache_folder(pathlib.Path(sys.argv[1]))
from tiny_training import EXPERIMENT, tiny_rows
from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Trial
trainer = PopulationTrainer(tiny_rows())
for width in map(int, sys.argv[2].split(",")):
    for depth in (1, 2, 4):  # as many waves as a program has lanes and depths: not to be compiled in
        trial = Trial(width, {"trunk.depth": depth, "trunk.width": width})
        for _, outcome in trainer.train(PopulationQueue(packing.pack(search_lanes(trial, EXPERIMENT), EXPERIMENT))):
            print(width, depth, repr([float(lane.curve[-1].sum()) for lane in outcome.lanes]))
"""


def train(folder: Path, widths: str) -> list[str]:
    """What the lanes of these widths come to, trained one after the other in a process of their own."""
    done = run_python(TRAIN, str(folder), widths)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.splitlines())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder in which a process has left the programs of two widths, and what its lanes came to."""
    folder = tmp_path_factory.mktemp("kept")
    return folder, train(folder, "16,24")


def test_a_later_process_compiles_nothing_and_gets_the_same_bits(kept: tuple[Path, list[str]]) -> None:
    folder, first = kept
    compiled = {file.name: file.stat().st_mtime_ns for file in folder.rglob("*.pb")}
    assert len(compiled) == 2, "one for each width, whatever the depths"
    assert train(folder, "24,16") == first
    assert {file.name: file.stat().st_mtime_ns for file in folder.rglob("*.pb")} == compiled


def test_a_file_that_cannot_be_read_is_compiled_anew(kept: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, first = kept
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for file in tmp_path.rglob("*.pb"):
        os.truncate(file, 100_000)
    assert train(tmp_path, "16") == [line for line in first if line.startswith("16 ")]
    (renewed,) = tmp_path.rglob("*.pb")
    assert renewed.stat().st_size > 100_000


def test_a_choice_of_the_users_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program_cache.FLAGS, f"--tf_xla_something {program_cache.FLAG}=/elsewhere")
    program_cache.use_cache_folder(tmp_path)
    assert os.environ[program_cache.FLAGS] == f"--tf_xla_something {program_cache.FLAG}=/elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_what_was_longest_unused_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program_cache.FLAGS, "")
    program_cache.use_cache_folder(tmp_path)
    (place,) = (tmp_path / "programs").iterdir()
    assert os.environ[program_cache.FLAGS] == f"{program_cache.FLAG}={place}"
    for number in range(program_cache.MOST_FILES + 3):
        file = place / f"{number}.pb"
        file.touch()
        os.utime(file, (number, number))
    monkeypatch.setenv(program_cache.FLAGS, "")
    program_cache.use_cache_folder(tmp_path)
    assert {int(file.stem) for file in place.iterdir()} == set(range(3, program_cache.MOST_FILES + 3))


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program_cache.FLAGS, "")
    (tmp_path / "programs").write_text("a file stands in the way", encoding="utf-8")
    program_cache.use_cache_folder(tmp_path)
    assert os.environ[program_cache.FLAGS] == ""
