"""Scheduling: which waiting population an idle worker trains next."""

from __future__ import annotations

from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.population import Population
from branchsweep.training.resources import Device, Resources
from branchsweep.training.scheduler import next_assignment
from branchsweep.trial import Trial
from tiny_sweep import tiny_experiment


def population(width: int, epochs: int = 3) -> Population:
    experiment = tiny_experiment(fit={"epochs": epochs})
    (members,) = packing.pack(search_lanes(Trial(0, {"trunk.width": width}), experiment), experiment, Resources(1))
    return members


CORES = Resources(2)
WIDE, OTHER_WIDE, NARROW = population(64), population(63), population(8)
WAITING = [(0, WIDE), (1, NARROW)]


def test_a_population_goes_to_the_worker_that_has_its_program() -> None:
    assert next_assignment({"a": set(), "b": {NARROW.program}}, WAITING, {NARROW.program}, CORES, rows=1_000) == ("b", 1)


def test_a_program_that_no_worker_has_comes_before_one_that_a_busy_worker_has() -> None:
    assert next_assignment({"a": set()}, WAITING, {WIDE.program}, CORES, rows=1_000) == ("a", 1)
    assert next_assignment({"a": set()}, WAITING, {WIDE.program, NARROW.program}, CORES, rows=1_000) == ("a", 0)


def test_with_a_large_table_the_longest_comes_first_where_it_would_be_the_last_to_end() -> None:
    assert next_assignment({"a": set(), "b": {WIDE.program}}, WAITING, {WIDE.program}, CORES, rows=100_000_000) == ("b", 0)
    assert next_assignment({"a": {NARROW.program}}, WAITING, {WIDE.program}, CORES, rows=100_000_000) == ("a", 0)


def test_of_many_long_populations_the_first_is_not_urgent() -> None:
    waiting = [*WAITING, (2, OTHER_WIDE), (3, OTHER_WIDE), (4, OTHER_WIDE)]
    assert next_assignment({"a": {NARROW.program}}, waiting, {WIDE.program}, CORES, rows=100_000_000) == ("a", 1)


def test_how_long_a_population_takes_follows_from_the_rows_of_the_table() -> None:
    waiting = [(0, population(64, epochs=2_000)), (1, NARROW)]
    for rows, position in ((100, 1), (5_000, 0)):
        assert next_assignment({"a": {NARROW.program}}, waiting, {waiting[0][1].program}, CORES, rows) == ("a", position)


def test_on_a_gpu_no_population_comes_first_for_its_length() -> None:
    gpus = Resources(2, Device("gpu"))
    assert next_assignment({"a": {NARROW.program}}, WAITING, {WIDE.program}, gpus, rows=100_000_000) == ("a", 1)
