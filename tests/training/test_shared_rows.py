"""Rows for the processes of this machine: small ones are handed over as they are, large ones in a file that is mapped."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest

from branchsweep.errors import BackendError
from branchsweep.runtime import LOCK
from branchsweep.training import shared_rows, worker_process
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.shared_rows import SharedRows, read_rows
from branchsweep.training.trainer import PopulationTrainer
from tiny_training import assert_same_outcome, tiny_populations, tiny_rows


def test_rows_of_a_small_table_are_handed_over_themselves() -> None:
    rows, shared = tiny_rows(), SharedRows()
    assert shared.handed_over is None
    assert shared.replace(rows) is rows is shared.handed_over is read_rows(rows)


@pytest.fixture
def file_of_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder for temporary files, where rows of any size are written."""
    monkeypatch.setattr(shared_rows, "LARGE_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_rows_in_a_file_train_to_the_last_bit_as_in_memory_and_cannot_be_changed(file_of_rows: Path) -> None:
    rows, population = tiny_rows(), tiny_populations()[0]
    with closing(SharedRows()) as shared:
        path = shared.replace(rows)
        assert isinstance(path, Path)
        assert path.is_relative_to(file_of_rows)
        mapped = read_rows(path)
        assert isinstance(mapped.x, np.memmap)
        assert not mapped.x.flags.writeable
        trained, expected = (PopulationTrainer(one).train_one(population, keep_weights=True) for one in (mapped, rows))
        assert_same_outcome(trained, expected)


def test_a_file_is_deleted_where_others_take_its_place_and_at_the_end(file_of_rows: Path) -> None:
    rows = tiny_rows()
    others = replace(rows, y=rows.y[::-1].copy())
    with closing(SharedRows()) as shared:
        first = read_rows(shared.replace(rows))
        assert np.array_equal(read_rows(shared.replace(others)).y, others.y)
        assert len(list(file_of_rows.rglob("rows-*"))) == 1
        assert np.array_equal(first.y, rows.y)  # what is mapped stays
    assert list(file_of_rows.iterdir()) == []


def test_a_disk_without_room_is_done_without(file_of_rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(file_of_rows / "missing"))
    rows = tiny_rows()
    assert SharedRows().replace(rows) is rows


def test_a_disk_that_fills_is_done_without_and_keeps_no_part_of_the_file(
    file_of_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fills(rows: object, path: Path) -> None:
        path.write_bytes(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(joblib, "dump", fills)
    rows = tiny_rows()
    with closing(SharedRows()) as shared:
        assert shared.replace(rows) is rows
        assert not list(file_of_rows.rglob("rows-*"))


def test_a_file_that_a_killed_process_has_left_is_deleted_by_the_next(file_of_rows: Path) -> None:
    shared = SharedRows()
    shared.replace(tiny_rows())
    (folder,) = file_of_rows.iterdir()
    assert (folder / LOCK).is_file()  # by which the next process sees that nobody uses the folder: see test_runtime.py
    shared.close()
    assert not folder.exists()


def test_a_worker_that_cannot_read_its_rows_says_so_and_does_not_train_on_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_make_trainer", PopulationTrainer)
    monkeypatch.setattr(worker_process, "_trainer", None)
    monkeypatch.setattr(worker_process, "_unreadable", None)
    population = tiny_populations()[0]
    worker_process.use_rows(tiny_rows())
    worker_process.use_rows(tmp_path / "missing")
    with pytest.raises(BackendError, match="missing"):
        worker_process.train_population(population, keep_weights=False)
    worker_process.use_rows(tiny_rows())
    assert worker_process._started_trainer().rows.x.shape == tiny_rows().x.shape


@pytest.mark.slow
def test_workers_train_on_rows_in_a_file_also_those_that_take_the_place_of_others(file_of_rows: Path) -> None:
    population, rows = tiny_populations()[0], tiny_rows()
    expected = PopulationTrainer(rows).train_one(population, keep_weights=True)
    with LocalWorkers(rows, 1) as workers:
        assert isinstance(workers.rows.x, np.memmap)
        assert np.array_equal(workers.rows.x, rows.x)
        for _ in range(2):
            ((_, outcome),) = workers.train(PopulationQueue([population]), keep_weights=True)
            assert_same_outcome(outcome, expected)
            workers._replace(workers._workers[0])
    assert list(file_of_rows.iterdir()) == []
