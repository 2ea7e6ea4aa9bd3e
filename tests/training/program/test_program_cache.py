"""Compiled programs on disk: a later process finds what an earlier one compiled, whatever it compiles first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from branchsweep.training.program import program_cache
from processes import run_python

TRAIN = """
import pathlib, sys
from branchsweep.training.program import program_cache
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
    """The curves of lanes of these widths, trained in a process of their own."""
    done = run_python(TRAIN, str(folder), widths)
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.splitlines())


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with the programs of two widths, and the curves of the process that compiled them."""
    folder = tmp_path_factory.mktemp("cached")
    return folder, train(folder, "16,24")


PROGRAMS = ("*.graph", "*.pb")
"""The files of programs: of each its graph and its machine code."""


def files_of(folder: Path, *patterns: str) -> list[Path]:
    return sorted(file for pattern in patterns or PROGRAMS for file in folder.rglob(pattern))


def programs_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files_of(folder)}


def times_of(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in files_of(folder)}


@pytest.mark.slow
def test_a_later_process_loads_the_programs_and_gives_the_same_bits(cached: tuple[Path, list[str]]) -> None:
    folder, first = cached
    written = times_of(folder)
    assert [len(files_of(folder, pattern)) for pattern in PROGRAMS] == [2, 2], "one for each width, whatever the depths"
    assert train(folder, "24,16") == first
    assert times_of(folder) == written


@pytest.mark.slow
def test_a_process_that_compiles_in_another_order_writes_equal_graphs(cached: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, first = cached
    assert train(tmp_path, "24,16") == first
    assert [(file.name, file.read_bytes()) for file in files_of(tmp_path, "*.graph")] == [
        (file.name, file.read_bytes()) for file in files_of(folder, "*.graph")
    ]
    assert [file.name for file in files_of(tmp_path, "*.pb")] == [file.name for file in files_of(folder, "*.pb")]


@pytest.mark.slow
@pytest.mark.parametrize("lost", PROGRAMS)
def test_without_one_of_a_programs_files_the_other_is_used_and_the_lost_one_written_again(
    cached: tuple[Path, list[str]], tmp_path: Path, lost: str
) -> None:
    folder, first = cached
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    kept = [pattern for pattern in PROGRAMS if pattern != lost]
    written = {file: file.stat().st_mtime_ns for file in files_of(tmp_path, *kept)}
    before = [file.name for file in files_of(tmp_path, lost)]
    for file in files_of(tmp_path, lost):
        file.unlink()
    assert train(tmp_path, "16,24") == first
    assert {file: file.stat().st_mtime_ns for file in files_of(tmp_path, *kept)} == written
    assert [file.name for file in files_of(tmp_path, lost)] == before


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("pattern", PROGRAMS)
@pytest.mark.parametrize("damage", [flip_a_bit, lambda file: os.truncate(file, 100_000), lambda file: os.truncate(file, 0)])
def test_damaged_programs_are_deleted_and_counted(
    cached: tuple[Path, list[str]], tmp_path: Path, damage: Callable[[Path], None], pattern: str
) -> None:
    shutil.copytree(cached[0], tmp_path, dirs_exist_ok=True)
    assert program_cache.delete_damaged_programs(tmp_path) == 0
    before = programs_of(tmp_path)
    damaged = files_of(tmp_path, pattern)[0]
    written = damaged.stat()
    damage(damaged)
    os.utime(damaged, ns=(written.st_atime_ns, written.st_mtime_ns))  # a disk that loses bits does not change times
    assert program_cache.delete_damaged_programs(tmp_path) == 1
    assert programs_of(tmp_path) == {name: content for name, content in before.items() if name != damaged.name}
    assert program_cache.delete_damaged_programs(tmp_path) == 0


@pytest.mark.slow
def test_a_deleted_program_is_compiled_again(cached: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, first = cached
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for file in files_of(tmp_path):
        written = file.stat()
        flip_a_bit(file)
        os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert program_cache.delete_damaged_programs(tmp_path) == 4
    assert train(tmp_path, "16") == [line for line in first if line.startswith("16 ")]
    assert len(programs_of(tmp_path)) == 2
    assert program_cache.delete_damaged_programs(tmp_path) == 0


def test_a_program_without_its_checksum_is_deleted(cached: tuple[Path, list[str]], tmp_path: Path) -> None:
    shutil.copytree(cached[0], tmp_path, dirs_exist_ok=True)
    for file in tmp_path.rglob("*.crc32"):
        file.unlink()
    assert program_cache.delete_damaged_programs(tmp_path) == 0
    assert programs_of(tmp_path) == {}


def test_a_program_whose_writer_was_stopped_before_its_checksum_is_deleted_and_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = program_cache._programs_folder(tmp_path)
    programs.mkdir(parents=True)
    monkeypatch.setattr(program_cache, "_folders", [programs])
    with program_cache.recorded_checksums():
        (programs / "a.pb").write_bytes(b"by one process")
    (programs / "a.pb").write_bytes(b"by another process")
    assert program_cache.delete_damaged_programs(tmp_path) == 0
    assert list(programs.iterdir()) == []


def test_a_program_that_two_processes_wrote_has_the_checksum_of_the_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = program_cache._programs_folder(tmp_path)
    programs.mkdir(parents=True)
    monkeypatch.setattr(program_cache, "_folders", [programs])
    for content in (b"by one process", b"by another process"):
        with program_cache.recorded_checksums():
            (programs / "a.pb").write_bytes(content)
    assert program_cache.delete_damaged_programs(tmp_path) == 0
    assert (programs / "a.pb").read_bytes() == b"by another process"


def test_a_cache_folder_set_by_the_user_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program_cache.FLAGS, f"--tf_xla_something {program_cache.FLAG}=/elsewhere")
    program_cache.use_cache_folder(tmp_path)
    assert os.environ[program_cache.FLAGS] == f"--tf_xla_something {program_cache.FLAG}=/elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_programs_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program_cache.FLAGS, "")
    program_cache.use_cache_folder(tmp_path)
    (programs,) = (tmp_path / "programs").iterdir()
    assert os.environ[program_cache.FLAGS] == f"{program_cache.FLAG}={programs}"
    for number in range(program_cache.MOST_FILES + 3):
        file = programs / f"{number}{(program_cache.MACHINE_CODE, program_cache.GRAPH)[number % 2]}"
        file.touch()
        os.utime(file, (number, number))
    monkeypatch.setenv(program_cache.FLAGS, "")
    program_cache.use_cache_folder(tmp_path)
    assert {int(file.stem) for file in programs.iterdir()} == set(range(3, program_cache.MOST_FILES + 3))


def test_a_folder_that_cannot_be_created_disables_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program_cache.FLAGS, "")
    (tmp_path / "programs").write_text("a file instead of a folder", encoding="utf-8")
    program_cache.use_cache_folder(tmp_path)
    assert os.environ[program_cache.FLAGS] == ""
