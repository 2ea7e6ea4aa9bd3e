"""Simulated searches: how long they take, and whether workers wait."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Split
from branchsweep.reporting.text.experiment import render_dry_run
from branchsweep.search.drivers import open_driver
from branchsweep.training import cost_model, packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.resources import Resources
from branchsweep.trial import Trial
from branchsweep.workflows.dry_run import make_dry_run
from branchsweep.workflows.simulator import RowCounts, simulate_search
from terminal_text import rendered_text
from tiny_sweep import TinySweep, tiny_experiment

ROWS = RowCounts(every=7500, train=5000, validation=2500)


def make(pending_rounds: int = 0, **changes: Any) -> Experiment:
    search = {"driver": "random", "trials": 80, "batch": 8, "pending_rounds": pending_rounds}
    return tiny_experiment(**{"fit": {"epochs": 100}, "search": search, "pruning": {"rungs": [10, 30]}, **changes})


def rounds(experiment: Experiment) -> list[list[Trial]]:
    driver = open_driver(experiment)
    return [driver.ask(8) for _ in range(10)]


def test_heads_of_every_task_are_simulated() -> None:
    heads = {
        "PE": {},
        "trip": {"task": "binary", "classes": ["no", "yes"]},
        "state": {"task": "multiclass", "classes": ["a", "b", "c"]},
        "range": {"task": "quantile", "quantiles": [0.1, 0.9]},
    }
    experiment = make(heads=heads, objective={})
    simulated = simulate_search(rounds(experiment), experiment, Resources(2), ROWS)
    assert simulated.seconds > 0


def test_one_worker_takes_the_sum_over_all_populations() -> None:
    """Without rungs; each program is compiled once."""
    experiment = make(pruning={"rungs": []})
    populations = [
        population
        for trials in rounds(experiment)
        for population in packing.pack([lane for trial in trials for lane in search_lanes(trial, experiment)], experiment)
    ]
    compiling = cost_model.COMPILE_SECONDS * len({population.program for population in populations})
    alone = simulate_search(rounds(experiment), experiment, Resources(1), ROWS)
    assert alone.seconds == pytest.approx(
        compiling + sum(cost_model.estimated_seconds(population, ROWS.train, ROWS.validation) for population in populations)
    )
    assert alone.busy == pytest.approx(1.0)


def test_no_worker_waits_for_a_small_first_round() -> None:
    search = {"driver": "random", "trials": 33, "batch": 32}
    with_one, without = (make(search={**search, "first_batch": first}) for first in (1, None))
    one, alone = [open_driver(with_one), open_driver(without)]
    beside = simulate_search([one.ask(32), one.ask(32)], with_one, Resources(2), ROWS)
    after = simulate_search([alone.ask(32), alone.ask(32)], without, Resources(2), ROWS)
    assert beside.seconds < after.seconds


def test_pruning_takes_less_than_training_all() -> None:
    halved, unpruned = (
        simulate_search(rounds(experiment), experiment, Resources(1), ROWS).seconds
        for experiment in (make(), make(pruning={"rungs": []}))
    )
    assert 0.2 < halved / unpruned < 0.7


@pytest.mark.parametrize("workers", [8, 32])
def test_workers_wait_less_with_more_pending_rounds(workers: int) -> None:
    simulations = [
        simulate_search(rounds(experiment), experiment, Resources(workers), ROWS) for experiment in (make(0), make(2), make(9))
    ]
    assert simulations[0].busy < simulations[1].busy < simulations[2].busy <= 1.0
    assert simulations[0].seconds > simulations[2].seconds


def test_a_dry_run_recommends_pending_rounds_where_workers_would_wait() -> None:
    experiment = make()
    split = TinySweep(experiment).split
    dry_run = make_dry_run(experiment, [], split, Resources(16))
    assert dry_run.busy < 0.5 and list(dry_run.busy_ahead) == [1, 2, 4, 8]
    assert list(dry_run.busy_ahead.values()) == sorted(dry_run.busy_ahead.values())
    assert "search.pending_rounds 4" in rendered_text(render_dry_run(dry_run))
    assert make_dry_run(experiment, [], split, Resources(1)).busy_ahead == {}
    cma_es = make().model_copy(update={"search": make().search.model_copy(update={"driver": "optuna", "algorithm": "cma_es"})})
    assert make_dry_run(cma_es, [], split, Resources(16)).busy_ahead == {}


def test_a_dry_run_plans_the_programs_of_training_also_where_a_fold_has_but_some_of_the_rows() -> None:
    """As of a split by time: the number of all training rows decides how trunk and branches are padded."""
    widths = {"type": "choice", "choices": [8, 128]}
    space = {"dimensions": {"trunk.width": widths, "branch.width": widths}}
    experiment = make(fit={"epochs": 8}, pruning={"rungs": []}, validation={"method": "k_fold", "folds": 4}, space=space)
    every, part = np.arange(packing.LARGE_TABLE), np.arange(packing.LARGE_TABLE // 5)
    folds = tuple((part, part) for _ in range(experiment.folds))
    split = Split(every, np.arange(0), folds, digest="", confirmation=folds)
    planned = {(entry.trunk_width, entry.branch_width) for entry in make_dry_run(experiment, [], split, Resources(2)).plan}
    lanes = [lane for trials in rounds(experiment) for trial in trials for lane in search_lanes(trial, experiment)]
    programs = {population.program for population in packing.pack(lanes, experiment, rows=len(every))}
    assert planned == {(program.trunk_width, program.branch_width) for program in programs} >= {(128, 32)}
