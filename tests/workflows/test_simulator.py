"""A search without anybody who trains: what it would take, and whether workers would wait."""

from __future__ import annotations

from typing import Any

import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.reporting.text.experiment import render_dry_run
from branchsweep.search.drivers import open_driver
from branchsweep.training import cost_model, packing
from branchsweep.training.lanes import search_lanes
from branchsweep.training.resources import Resources
from branchsweep.trial import Trial
from branchsweep.workflows.dry_run import make_dry_run
from branchsweep.workflows.simulator import simulate_search
from terminal_text import rendered_text
from tiny_sweep import TinySweep, tiny_experiment

ROWS = (5000, 2500)


def make(ahead: int = 0, **changes: Any) -> Experiment:
    search = {"driver": "random", "trials": 80, "batch": 8, "pending_rounds": ahead}
    return tiny_experiment(fit={"epochs": 100}, search=search, **{"pruning": {"rungs": [10, 30]}, **changes})


def rounds(experiment: Experiment) -> list[list[Trial]]:
    driver = open_driver(experiment)
    return [driver.ask(8) for _ in range(10)]


def test_one_worker_takes_what_the_populations_take() -> None:
    """Without rungs nobody knows better: the sum over all populations, and each program compiled once."""
    experiment = make(pruning={"rungs": []})
    populations = [
        population
        for trials in rounds(experiment)
        for population in packing.pack([lane for trial in trials for lane in search_lanes(trial, experiment)], experiment)
    ]
    compiling = cost_model.COMPILE_SECONDS * len({population.program for population in populations})
    alone = simulate_search(rounds(experiment), experiment, Resources(1), *ROWS)
    assert alone.seconds == pytest.approx(
        compiling + sum(cost_model.estimated_seconds(population, *ROWS) for population in populations)
    )
    assert alone.busy == pytest.approx(1.0)


def test_pruning_takes_less_than_training_all() -> None:
    halved, whole = (
        simulate_search(rounds(of), of, Resources(1), *ROWS).seconds for of in (make(), make(pruning={"rungs": []}))
    )
    assert 0.2 < halved / whole < 0.7


@pytest.mark.parametrize("workers", [8, 32])
def test_workers_wait_less_the_further_is_asked_ahead(workers: int) -> None:
    shares = [simulate_search(rounds(of), of, Resources(workers), *ROWS) for of in (make(0), make(2), make(9))]
    assert shares[0].busy < shares[1].busy < shares[2].busy <= 1.0
    assert shares[0].seconds > shares[2].seconds


def test_an_outlook_says_how_far_to_ask_ahead_where_workers_would_wait() -> None:
    experiment = make()
    split = TinySweep(experiment).split
    seen = make_dry_run(experiment, [], split, Resources(16))
    assert seen.busy < 0.5 and list(seen.busy_ahead) == [1, 2, 4, 8]
    assert list(seen.busy_ahead.values()) == sorted(seen.busy_ahead.values())
    assert "with search.pending_rounds 4" in rendered_text(render_dry_run(seen))
    assert make_dry_run(experiment, [], split, Resources(1)).busy_ahead == {}
    in_step = make().model_copy(update={"search": make().search.model_copy(update={"driver": "optuna", "algorithm": "cma_es"})})
    assert make_dry_run(in_step, [], split, Resources(16)).busy_ahead == {}
