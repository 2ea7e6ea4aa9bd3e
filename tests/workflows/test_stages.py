"""The stages of a command add up to the time since its start."""

from __future__ import annotations

import gc
import time

import pytest

from branchsweep.runtime import process_age, rare_garbage_collection
from branchsweep.search.drivers import open_driver
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.stages import Stages, rounded_stages
from branchsweep.workflows.sweep import run_sweep
from tiny_sweep import TinySweep, tiny_experiment


def test_stages_add_up_to_the_time_since_the_start() -> None:
    began = time.perf_counter() - 100
    stages = Stages(began)
    stages.begin("search")
    stages.begin("refit")
    stages.begin("search")
    seconds = stages.seconds
    assert list(seconds) == ["start", "search", "refit"]
    assert seconds["start"] >= 100
    assert sum(seconds.values()) == pytest.approx(time.perf_counter() - began, abs=0.5)


def test_rounded_stages_add_up_to_the_rounded_sum() -> None:
    seconds = {"start": 0.04, "search": 0.04, "refit": 0.04, "report": 10.0}
    assert rounded_stages(seconds) == {"start": 0.0, "search": 0.1, "refit": 0.0, "report": 10.0}
    assert rounded_stages({}) == {}


def test_a_sweep_records_the_seconds_of_its_stages() -> None:
    sweep = TinySweep(tiny_experiment())
    context = sweep.context
    began = time.perf_counter()
    summary = run_sweep(context, open_driver(sweep.experiment), [Baseline("linear_regression")])
    assert list(summary.stages) == ["start", "search", "confirmation", "baselines", "refit", "test", "registration", "report"]
    assert summary.seconds == sum(summary.stages.values())
    assert summary.seconds == pytest.approx(time.perf_counter() - began, abs=0.5)
    conclusion = sweep.tracker.conclusion
    assert conclusion is not None
    assert SweepSummary.loads(conclusion.summary) == summary
    assert conclusion.metrics["seconds/total"] == summary.seconds
    assert conclusion.metrics["seconds/search"] == summary.stages["search"]


def test_the_age_of_the_process_passes_with_time() -> None:
    before = process_age()
    time.sleep(0.05)
    assert 0.03 <= process_age() - before < 1.0 or before == 0.0


def test_garbage_collection_is_rare_in_its_context_alone() -> None:
    usual, frozen = gc.get_threshold(), gc.get_freeze_count()
    before = (700, *usual[1:])
    try:
        gc.set_threshold(*before)
        with rare_garbage_collection():
            assert gc.get_threshold()[0] > before[0]
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() > frozen
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
