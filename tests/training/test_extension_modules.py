"""A user's own kinds in worker processes: known if a module registers them, one clear error if a script does."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from branchsweep.config import kinds
from branchsweep.config.experiment import Experiment
from branchsweep.errors import BackendError
from branchsweep.models.heads import registry as heads
from branchsweep.runtime import cache_folder
from branchsweep.search.drivers import open_driver
from branchsweep.training import packing
from branchsweep.training.extension_modules import import_modules
from branchsweep.training.lanes import search_lanes
from branchsweep.training.local_workers import LocalWorkers
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.sweep import run_sweep
from tiny_sweep import TinySweep, tiny_experiment

HALVED = """
from branchsweep.models.heads.regression import Regression
from branchsweep.models.heads.registry import register_head

register_head(Regression("half_mse", lambda _, error: 0.5 * error * error, lambda _, error: error))
"""
"""A module, or a script, that registers a head."""


@pytest.fixture(autouse=True)
def _unregistered() -> Generator[None]:
    yield
    heads.unregister_head("half_mse")


@pytest.fixture
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The module `halved`, imported in this process."""
    (tmp_path / "halved.py").write_text(HALVED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("halved")
    yield
    sys.modules.pop("halved")


def halved() -> Experiment:
    return tiny_experiment(
        heads={"PE": {"loss": "half_mse"}, "V": {}},
        search={"driver": "random", "trials": 2, "batch": 2},
        validation={"method": "k_fold", "folds": 2},
    )


@pytest.mark.slow
@pytest.mark.usefixtures("_module")
def test_a_sweep_with_workers_trains_with_a_head_that_a_module_registers() -> None:
    assert kinds.extension_modules() == ("halved",)
    sweep = TinySweep(halved())
    with LocalWorkers(sweep.rows, 1, cache_folder=cache_folder()) as workers:
        training = TrainingContext(workers, sweep.rows, sweep.progress)
        context = SweepContext(sweep.experiment, sweep.dataset, sweep.split, training, sweep.tracker.tracking)
        run_sweep(context, open_driver(sweep.experiment))
    assert [recorded.score.is_complete for recorded in sweep.tracker.recorded_results()] == [True, True]
    heads.unregister_head("half_mse")
    assert kinds.extension_modules() == ()


def test_a_head_that_a_script_registers_is_an_error_that_says_how_to_correct_it() -> None:
    exec(HALVED, {"__name__": "__main__"})  # noqa: S102  # as a script runs
    assert kinds.extension_modules() == ()
    sweep = TinySweep(halved())
    lanes = [lane for trial in open_driver(sweep.experiment).ask(1) for lane in search_lanes(trial, sweep.experiment)]
    queue = PopulationQueue(packing.pack(lanes, sweep.experiment))
    with LocalWorkers(sweep.rows, 1) as workers, pytest.raises(BackendError, match=r"\b__main__\b") as error:
        list(workers.train(queue))
    assert "'half_mse'" in error.value.message


@pytest.mark.usefixtures("_module")
def test_a_module_that_workers_cannot_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "halved.py").unlink()
    sweep = TinySweep(halved())
    lanes = [lane for trial in open_driver(sweep.experiment).ask(1) for lane in search_lanes(trial, sweep.experiment)]
    queue = PopulationQueue(packing.pack(lanes, sweep.experiment))
    with LocalWorkers(sweep.rows, 1) as workers, pytest.raises(BackendError, match=r"halved.*PYTHONPATH"):
        list(workers.train(queue))


def test_whatever_a_module_raises_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=r"broken.*ZeroDivisionError"):
        import_modules(["broken"])
