"""Packing: every lane once, and a program that depends on the recipe and the experiment alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import HoldOut, KFold
from branchsweep.models.architecture import Architecture
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.drivers import open_driver
from branchsweep.training import cost_model, packing
from branchsweep.training.lanes import Lane, LaneState, refit_lanes, search_lanes
from branchsweep.training.population import DROPOUT
from branchsweep.training.resources import CPU, GIBIBYTE, Device, Resources
from branchsweep.trial import Params, Trial
from tiny_sweep import tiny_experiment

EXPERIMENT = tiny_experiment(search={"driver": "random", "trials": 100, "batch": 50})


def lanes(count: int) -> list[Lane]:
    return [lane for trial in open_driver(EXPERIMENT).ask(count) for lane in search_lanes(trial, EXPERIMENT)]


def test_every_lane_is_in_one_population() -> None:
    unpacked = lanes(50)
    packed = [lane.key for population in packing.pack(unpacked, EXPERIMENT) for lane in population.lanes]
    assert Counter(packed) == Counter(lane.key for lane in unpacked)
    assert len(packed) == 150


def test_populations_fit_their_program() -> None:
    for population in packing.pack(lanes(50), EXPERIMENT):
        program = population.program
        assert len(population.lanes) <= program.lanes
        assert all(recipe.architecture.width <= program.width for recipe in population.recipes)
        assert len({lane.stream for lane in population.lanes}) <= packing.MAX_STREAMS


def test_the_program_of_a_lane_does_not_depend_on_other_lanes() -> None:
    all_lanes = lanes(50)
    programs = {lane.key: population.program for population in packing.pack(all_lanes, EXPERIMENT) for lane in population.lanes}
    for lane in all_lanes[::7]:
        (alone,) = packing.pack([lane], EXPERIMENT)
        assert alone.program == programs[lane.key]


def test_populations_are_sorted_by_cost() -> None:
    seconds = [cost_model.relative_cost(population) for population in packing.pack(lanes(50), EXPERIMENT)]
    assert seconds == sorted(seconds, reverse=True)


@pytest.mark.parametrize(("width", "bucket"), [(1, 4), (4, 4), (5, 8), (10, 10), (11, 12), (33, 48), (128, 128), (1000, 1024)])
def test_widths_are_padded_to_the_next_bucket(width: int, bucket: int) -> None:
    assert packing.padded_width(width) == bucket


def test_a_trial_has_a_lane_for_each_fold_and_seed() -> None:
    (trial,) = open_driver(EXPERIMENT).ask(1)
    folded = EXPERIMENT.model_copy(update={"validation": KFold(method="k_fold", folds=4, seeds=2)})
    hold_out = EXPERIMENT.model_copy(update={"validation": HoldOut(method="hold_out", seeds=3)})
    assert [(lane.key.fold, lane.key.seed) for lane in search_lanes(trial, folded)] == [
        (f, s) for f in range(4) for s in range(2)
    ]
    assert [(lane.key.fold, lane.key.seed) for lane in search_lanes(trial, hold_out)] == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize(("params", "epochs"), [({}, 3), ({"epochs": 0}, 3), ({"epochs": 2}, 2), ({"epochs": 50}, 3)])
def test_a_recipe_may_have_fewer_epochs_than_the_experiment(params: Params, epochs: int) -> None:
    trial = Trial(0, params)
    assert {(lane.epochs, lane.stop) for lane in search_lanes(trial, EXPERIMENT)} == {(epochs, epochs)}
    refits = [refit_lanes(recipe_for(EXPERIMENT, params), EXPERIMENT, [0], stop) for stop in (1, EXPERIMENT.fit.epochs)]
    assert [(lane.epochs, lane.stop) for (lane,) in refits] == [(epochs, 1), (epochs, epochs)]


def test_limits_cover_the_space_the_known_configurations_and_the_defaults() -> None:
    experiment = tiny_experiment(
        space={
            "dimensions": {
                "trunk.depth": {"type": "choice", "choices": [1, 6]},
                "V.depth": {"type": "int", "low": 0, "high": 4},
                "activation": {"type": "choice", "choices": ["silu", "tanh"]},
            }
        },
        search={"driver": "random", "initial_trials": {"deep": {"PE.depth": 5, "activation": "gelu"}}},
    )
    bounds = packing.program_limits(experiment)
    assert bounds == packing.ProgramLimits(
        ("gelu", "relu", "silu", "tanh"), ("static",), trunk_depth=6, branch_depth=5, apart=False
    )


@pytest.mark.parametrize(
    ("space", "depth"),
    [
        ({"dimensions": {"PE.exit": {"type": "int", "low": 1, "high": 3}}, "fixed": {"trunk.depth": 5, "branch.exit": 1}}, 5),
        ({"dimensions": {"trunk.depth": {"type": "int", "low": 1, "high": 4}}, "fixed": {"branch.exit": 1}}, 4),
    ],
)
def test_limits_hold_for_the_latest_exit(space: dict[str, Any], depth: int) -> None:
    experiment = tiny_experiment(space=space, search={"driver": "random"})
    bounds = packing.program_limits(experiment)
    assert (bounds.trunk_depth, bounds.reads_heads) == (depth, False)


@pytest.mark.parametrize(
    ("changes", "reads_heads"),
    [
        ({"space": {"dimensions": {"V.reads": {"type": "choice", "choices": ["trunk", "PE"]}}}}, True),
        ({"space": {"dimensions": {"V.reads": {"type": "choice", "choices": ["trunk"]}}}}, False),
        ({"space": {"dimensions": {"PE.depth": {"type": "int", "low": 0, "high": 1}}, "fixed": {"V.reads": "PE"}}}, True),
        ({"search": {"driver": "random", "initial_trials": {"chain": {"V.reads": "PE", "PE.depth": 1}}}}, True),
        ({"space": {"dimensions": {"branch.exit": {"type": "int", "low": 1, "high": 3}}}}, False),
    ],
)
def test_only_where_a_head_may_read_another_a_program_has_places_for_it(changes: dict[str, Any], reads_heads: bool) -> None:
    experiment = tiny_experiment(**{"search": {"driver": "random"}, **changes})
    bounds = packing.program_limits(experiment)
    assert bounds.reads_heads == reads_heads
    program = packing.program_of(recipe_for(experiment, {}), experiment, bounds)
    assert (
        program == packing.program_of(recipe_for(experiment, {}), experiment, replace(bounds, reads_heads=False))
    ) != reads_heads


@pytest.mark.parametrize(
    "space",
    [
        {"dimensions": {"PE.dropout": {"type": "float", "low": 0.0, "high": 0.3}}},
        {"dimensions": {"PE.depth": {"type": "int", "low": 0, "high": 1}}, "fixed": {"branch.depth": 0, "PE.dropout": 0.2}},
        {"dimensions": {"PE.depth": {"type": "choice", "choices": [0, 2]}}, "fixed": {"branch.dropout": 0.2, "V.depth": 0}},
    ],
)
def test_a_program_has_dropout_wherever_some_trial_may(space: dict[str, Any]) -> None:
    experiment = tiny_experiment(space=space, search={"driver": "random"})
    bounds = packing.program_limits(experiment)
    assert bounds.options == (DROPOUT,)
    for depth in (0, 1):
        assert packing.program_limits(experiment, [recipe_for(experiment, {"PE.depth": depth})]) == bounds


def test_programs_have_the_schemes_of_loss_balancing_that_trials_may_use() -> None:
    some = tiny_experiment(
        space={"dimensions": {"loss_balancing": {"type": "choice", "choices": ["uncertainty", "static"]}}},
        search={"driver": "random", "initial_trials": {"even": {"loss_balancing": "gradient_norm"}}},
    )
    fixed = tiny_experiment(space={"dimensions": {}, "fixed": {"loss_balancing": "uncertainty"}}, search={"driver": "random"})
    for experiment, schemes in (
        (EXPERIMENT, ("static",)),
        (some, ("gradient_norm", "static", "uncertainty")),
        (fixed, ("uncertainty",)),
        (some.for_single_head("PE"), ("static",)),  # one head has nothing to balance
    ):
        assert packing.program_limits(experiment).balancing == schemes


def test_more_streams_than_fit_a_population_are_distributed() -> None:
    seeds = tiny_experiment(validation={"method": "k_fold", "folds": 10, "seeds": 4})
    (trial,) = open_driver(seeds).ask(1)
    populations = packing.pack(search_lanes(trial, seeds), seeds)
    assert sum(len(population.lanes) for population in populations) == 40
    assert max(len(population.lanes) for population in populations) <= packing.MAX_STREAMS
    assert np.isfinite([cost_model.estimated_seconds(population, 100, 50) for population in populations]).all()


@pytest.mark.parametrize(
    ("trunk", "branches", "apart", "expected"),
    [
        (100, (20, 60), True, (128, 64)),
        (5, (100,), True, (32, 128)),
        (100, (5,), False, (128, 128)),  # a short training: one program for all that fits
        (20, (5,), True, (24, 24)),  # narrow widths do not get a program of their own
        (100, (), True, (128, 128)),  # no branches
    ],
)
def test_trunk_and_branches_are_padded_separately_where_that_is_faster(
    trunk: int, branches: tuple[int, ...], apart: bool, expected: tuple[int, int]
) -> None:
    architecture = Architecture((trunk,), {f"h{index}": (width,) for index, width in enumerate(branches)} or {"h": ()}, "relu")
    assert packing.padded_widths(architecture, apart) == expected


def test_layers_are_padded_to_their_programs_widths() -> None:
    architecture = Architecture((100, 90), {"PE": (), "V": (40, 50)}, "relu")
    bounds = packing.ProgramLimits(("relu",), ("static",), 2, 2, apart=True)
    program = packing.program_of(replace(recipe_for(EXPERIMENT, {}), architecture=architecture), EXPERIMENT, bounds)
    assert [layer[1:] for layer in architecture.layers(2)] == [(2, 100), (100, 90), (90, 1), (90, 40), (40, 50), (50, 1)]
    assert [layer[1:] for layer in cost_model.padded_layers(architecture, program)] == [
        (2, 128),
        (128, 128),
        (128, 1),
        (128, 64),
        (64, 64),
        (128, 1),
    ]


def test_layers_are_padded_to_what_they_read_where_branches_begin_elsewhere() -> None:
    architecture = Architecture((100, 90), {"PE": (40,), "V": (50,), "Q": ()}, "relu", exits={"PE": 1}, reads={"V": "PE"})
    bounds = packing.ProgramLimits(("relu",), ("static",), 2, 2, apart=True, reads_heads=True)
    program = packing.program_of(replace(recipe_for(EXPERIMENT, {}), architecture=architecture), EXPERIMENT, bounds)
    assert [layer[1:] for layer in architecture.layers(2)] == [
        (2, 100),
        (100, 90),
        (100, 40),
        (40, 1),
        (40, 50),
        (50, 1),
        (90, 1),
    ]
    assert [layer[1:] for layer in cost_model.padded_layers(architecture, program)][2:5] == [(128, 64), (128, 1), (64, 64)]


def test_a_population_is_divided_if_a_worker_would_be_idle() -> None:
    long = tiny_experiment(fit={"epochs": 20_000})
    (trial,) = open_driver(long).ask(1)
    alone, shared = (packing.pack(search_lanes(trial, long), long, Resources(workers)) for workers in (1, 2))
    assert [len(members.lanes) for members in alone] == [3]
    assert sorted(len(members.lanes) for members in shared) == [1, 2]
    short = packing.pack(search_lanes(trial, EXPERIMENT), EXPERIMENT, Resources(2))
    assert [len(members.lanes) for members in short] == [3]


def test_lanes_at_different_epochs_are_in_different_populations() -> None:
    (trial,) = open_driver(EXPERIMENT).ask(1)
    first, *others = search_lanes(trial, EXPERIMENT)
    empty = np.zeros((0, 2))
    state = LaneState(1, (), (), (), (), 0.0, 0, 0, empty.astype(np.float32), empty)
    populations = packing.pack([replace(first, state=state), *others], EXPERIMENT)
    assert sorted((members.start, len(members.lanes)) for members in populations) == [(0, 2), (1, 1)]


def one_lane(width: int = 64, **changes: Any) -> tuple[Recipe, Experiment, packing.ProgramLimits]:
    experiment = tiny_experiment(search={"driver": "random", "trials": 4000, "batch": 4000}, **changes)
    recipe = replace(recipe_for(experiment, {}), architecture=Architecture((width,), {"PE": (), "V": (width,)}, "relu"))
    return recipe, experiment, packing.program_limits(experiment)


def gpu(gibibytes: float) -> Device:
    return Device("gpu", int(gibibytes * GIBIBYTE), "Tesla T4")


def test_lanes_and_slots_of_a_core_depend_on_the_width() -> None:
    for width, expected in ((10, (64, 16)), (16, (64, 8)), (32, (32, 4)), (64, (16, 2)), (256, (8, 2))):
        program = packing.program_of(*one_lane(width))
        assert (program.lanes, program.slots) == expected
        assert program == packing.program_of(*one_lane(width), CPU)


def test_a_core_has_half_the_slots_for_large_batches_but_never_one() -> None:
    for width in packing.WIDTHS:
        (lanes, few), (same, slots) = (packing.lanes_and_slots(width, rows) for rows in (packing.LARGE_BATCH, 128))
        assert (lanes, few) == (same, max(2, slots // 2))
    recipe, experiment, limits = one_lane(16)
    program = packing.program_of(replace(recipe, batch_size=packing.LARGE_BATCH), experiment, limits)
    assert (program.lanes, program.slots) == (64, 4)


@pytest.mark.parametrize("width", [4, 16, 64, 256, 1024])
def test_a_gpu_has_as_many_lanes_as_fit_in_its_memory_in_one_wave(width: int) -> None:
    on_core, wide = (packing.program_of(*one_lane(width), device) for device in (CPU, gpu(16)))
    assert wide == replace(on_core, lanes=wide.lanes, slots=wide.lanes)
    assert wide.lanes in {2**power for power in range(3, 11)} and on_core.lanes <= wide.lanes <= packing.MAX_LANES
    twice = replace(wide, lanes=2 * wide.lanes, slots=2 * wide.lanes)
    share = packing.MEMORY_SHARE * gpu(16).memory
    assert cost_model.program_bytes(wide) <= share
    assert wide.lanes == packing.MAX_LANES or cost_model.program_bytes(twice) > share, "more would have fitted"


def test_lanes_grow_with_the_memory_and_shrink_with_the_width() -> None:
    def lanes_of(width: int, gibibytes: float) -> int:
        return packing.program_of(*one_lane(width), gpu(gibibytes)).lanes

    by_memory = [lanes_of(512, gibibytes) for gibibytes in (0, 1, 4, 16, 80, 1000)]
    assert by_memory == sorted(by_memory) and by_memory[0] == 8 and by_memory[-1] == packing.MAX_LANES
    by_width = [lanes_of(width, 4) for width in packing.WIDTHS]
    assert by_width == sorted(by_width, reverse=True) and len(set(by_width)) > 3


def test_a_program_has_no_more_slots_than_a_round_has_lanes() -> None:
    """Ten trials on three folds are 30 lanes."""
    recipe, experiment, bounds = one_lane()
    few = experiment.model_copy(update={"search": experiment.search.model_copy(update={"batch": 10})})
    assert packing.program_of(recipe, few, bounds, gpu(16)).lanes == 32
    assert packing.program_of(recipe, experiment, bounds, gpu(16)).lanes == packing.MAX_LANES


def test_memory_is_linear_in_the_lanes() -> None:
    program = packing.program_of(*one_lane())
    one, two, many = (cost_model.program_bytes(replace(program, lanes=lanes, slots=lanes)) for lanes in (1, 2, 100))
    assert many - one == 99 * (two - one)


def test_populations_of_a_gpu_are_larger_and_not_divided_among_workers() -> None:
    long = tiny_experiment(search={"driver": "random", "trials": 200, "batch": 200}, fit={"epochs": 20_000})
    unpacked = [lane for trial in open_driver(long).ask(200) for lane in search_lanes(trial, long)]
    on_cores, on_gpus = (packing.pack(unpacked, long, Resources(2, device)) for device in (CPU, gpu(16)))
    assert len(on_gpus) == len({(members.program.trunk_width, members.program.branch_width) for members in on_gpus})
    assert len(on_cores) > 2 * len(on_gpus)
    assert sum(len(members.lanes) for members in on_gpus) == 600
    seconds = [cost_model.relative_cost(members) for members in on_gpus]
    assert seconds == sorted(seconds, reverse=True)


def test_populations_of_a_large_table_are_divided_earlier() -> None:
    (trial,) = open_driver(EXPERIMENT).ask(1)
    (ordinary,) = packing.pack(search_lanes(trial, EXPERIMENT), EXPERIMENT, Resources(2), rows=5_000)
    large = packing.pack(search_lanes(trial, EXPERIMENT), EXPERIMENT, Resources(2), rows=5_000_000)
    assert sorted(len(members.lanes) for members in large) == [1, 2]
    assert {members.program for members in large} == {ordinary.program}


@pytest.mark.parametrize(
    ("epochs", "rows", "apart"),
    [
        (49, 49_999, False),  # times three folds: not long
        (50, 7_654, True),
        (10, 49_999, False),
        (10, 50_000, True),  # as five times 10,000 rows
        (9, 50_000, False),
        (1, 500_000, True),
    ],
)
def test_epochs_of_a_large_table_count_as_several(epochs: int, rows: int, apart: bool) -> None:
    experiment = tiny_experiment(fit={"epochs": epochs})
    assert packing.program_limits(experiment, rows=rows).apart == apart
    lane = replace(
        lanes(1)[0], recipe=replace(recipe_for(experiment, {}), architecture=Architecture((64,), {"PE": (20,)}, "relu"))
    )
    (population,) = packing.pack([lane], experiment, rows=rows)
    assert (population.program.trunk_width, population.program.branch_width) == ((64, 32) if apart else (64, 64))


@pytest.mark.parametrize(
    ("rows", "streams"), [(49_999, 16), (1_000_000, 16), (2_000_000, 8), (10_000_000, 1), (100_000_000, 1)]
)
def test_populations_of_a_large_table_have_as_many_streams_as_fit_in_a_quarter_of_a_gigabyte(rows: int, streams: int) -> None:
    """Of sixteen bytes a row: two inputs and two targets."""
    seeds = tiny_experiment(validation={"method": "k_fold", "folds": 10, "seeds": 2})
    unpacked = [lane for number in range(2) for lane in search_lanes(Trial(number, {"trunk.width": 32}), seeds)]
    populations = packing.pack(unpacked, seeds, rows=rows)
    assert max(len({lane.stream for lane in members.lanes}) for members in populations) == streams
    assert sorted(lane.key for members in populations for lane in members.lanes) == sorted(lane.key for lane in unpacked)
    if streams < 16:
        assert len(populations) == -(-20 // streams)


@pytest.mark.parametrize(("workers", "sizes"), [(2, [12, 12]), (4, [6, 6, 6, 6]), (8, [3] * 8), (64, [1] * 24)])
def test_equal_populations_are_divided_until_every_worker_has_one(workers: int, sizes: list[int]) -> None:
    """Dividing one of the two alone would end nothing sooner."""
    lanes = [lane for number in range(8) for lane in search_lanes(Trial(number, {"trunk.width": 64}), EXPERIMENT)]
    populations = packing.pack(lanes, EXPERIMENT, Resources(workers), rows=5_000_000)
    assert [len(members.lanes) for members in populations] == sizes
    assert {lane.key for members in populations for lane in members.lanes} == {lane.key for lane in lanes}
