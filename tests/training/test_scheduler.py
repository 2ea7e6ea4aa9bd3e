"""Scheduling: which waiting population an idle worker trains next."""

from __future__ import annotations

from branchsweep.training import packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.population import Population
from branchsweep.training.resources import Resources
from branchsweep.training.scheduler import next_assignment
from branchsweep.trial import Trial
from tiny_sweep import tiny_experiment

EXPERIMENT = tiny_experiment()


def population(*widths: int) -> Population:
    lanes = [
        lane for number, width in enumerate(widths) for lane in search_lanes(Trial(number, {"trunk.width": width}), EXPERIMENT)
    ]
    (members,) = packing.pack(lanes, EXPERIMENT, Resources(1))
    return members


WIDE, OTHER_WIDE, NARROW = population(64), population(63), population(8)
WAITING = [(0, WIDE), (1, NARROW)]


def test_a_population_goes_to_the_worker_that_has_its_program() -> None:
    assert next_assignment({"a": set(), "b": {NARROW.program}}, WAITING, {NARROW.program}, 2, rows=1_000) == ("b", 1)


def test_a_program_that_no_worker_has_comes_before_one_that_a_busy_worker_has() -> None:
    assert next_assignment({"a": set()}, WAITING, {WIDE.program}, 2, rows=1_000) == ("a", 1)
    assert next_assignment({"a": set()}, WAITING, {WIDE.program, NARROW.program}, 2, rows=1_000) == ("a", 0)


def test_with_a_large_table_the_longest_comes_first_where_it_would_be_the_last_to_end() -> None:
    assert next_assignment({"a": set(), "b": {WIDE.program}}, WAITING, {WIDE.program}, 2, rows=100_000_000) == ("b", 0)
    assert next_assignment({"a": {NARROW.program}}, WAITING, {WIDE.program}, 2, rows=100_000_000) == ("a", 0)


def test_of_many_long_populations_the_first_is_not_urgent() -> None:
    waiting = [*WAITING, (2, OTHER_WIDE), (3, OTHER_WIDE), (4, OTHER_WIDE)]
    assert next_assignment({"a": {NARROW.program}}, waiting, {WIDE.program}, 2, rows=100_000_000) == ("a", 1)
