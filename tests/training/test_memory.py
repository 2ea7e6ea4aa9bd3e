"""Sweeps that do not fit into memory: fewer workers, or a message, before anything trains."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import BackendError
from branchsweep.runtime import available_memory
from branchsweep.training.memory import SMALL_BYTES, WORKER_BYTES, MemoryNeed, training_need, workers_that_fit

GIGABYTE = 10**9
NEED = MemoryNeed(worker=2 * GIGABYTE, parent=GIGABYTE)


def rows(count: int, columns: int) -> TrainingRows:
    x = np.lib.stride_tricks.as_strided(np.zeros(1), (count, columns), (0, 0))  # of any size, in eight bytes
    positions = np.arange(count)
    return TrainingRows(x, x[:, :2], tuple((positions[count // 3 :], positions[: count // 3]) for _ in range(3)))


def experiment(columns: int, **sections: object) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "memory",
            "table": {"source": "t.csv", "inputs": [f"x{column}" for column in range(columns)]},
            "heads": {"first": {}, "second": {}},
            "space": {"dimensions": {}},
            **sections,
        }
    )


def test_the_need_grows_with_rows_and_columns_and_is_less_for_fewer_folds() -> None:
    small = training_need(rows(10_000, 20), experiment(20))
    large = training_need(rows(800_000, 20), experiment(20))
    assert small.worker < large.worker < training_need(rows(800_000, 400), experiment(400)).worker
    fewer = experiment(20, validation={"method": "hold_out"}, confirmation={"folds": 2, "seeds": 1})
    assert training_need(rows(800_000, 20), fewer).worker < large.worker
    assert training_need(rows(1000, 20), experiment(20)).is_small


@pytest.mark.parametrize(
    "changes",
    [
        {"space": {"dimensions": {"input_scaling": {"type": "choice", "choices": ["standard", "piecewise_linear"]}}}},
        {"search": {"initial_trials": {"own": {"input_scaling": "piecewise_linear"}}}},
    ],
)
def test_the_widest_encoding_that_a_trial_may_have_is_counted(changes: dict[str, object]) -> None:
    """49 encoded columns of each of twenty."""
    of_table, encoded = rows(800_000, 20), 800_000 * 49 * 20 * 4
    assert training_need(of_table, experiment(20, **changes)).worker > encoded
    assert training_need(of_table, experiment(20)).worker < encoded / 2


@pytest.mark.parametrize(("choices", "encoding"), [(["standard", "piecewise_linear"], "piecewise_linear"), (["standard"], "")])
def test_an_encoding_that_takes_the_memory_is_named_and_may_be_left_out(choices: list[str], encoding: str) -> None:
    varied = {"input_scaling": {"type": "choice", "choices": choices}} if len(choices) > 1 else {}
    need = training_need(rows(800_000, 20), experiment(20, space={"dimensions": varied}))
    assert need.encoding == encoding
    with pytest.raises(BackendError) as refused:
        workers_that_fit(need, 1, GIGABYTE, is_given=False)
    assert ("piecewise_linear" in str(refused.value)) == bool(encoding)


def test_bins_are_counted_as_the_space_has_them() -> None:
    of_table, fixed = rows(800_000, 20), {"input_scaling": "piecewise_linear"}
    few, many = (
        training_need(of_table, experiment(20, space={"dimensions": {"bins": bins}, "fixed": fixed})).worker
        for bins in ({"type": "choice", "choices": [4, 8]}, {"type": "int", "low": 8, "high": 256})
    )
    default = training_need(of_table, experiment(20, space={"dimensions": {}, "fixed": fixed})).worker
    assert few < default / 2 and many > 800_000 * 257 * 20 * 4


@pytest.mark.parametrize("fixed", [{"trunk.dropout": 0.1}, {"ema_momentum": 0.9}])
def test_dropout_and_a_moving_average_take_an_array_of_all_steps_each(fixed: dict[str, float]) -> None:
    without, with_it = (
        training_need(rows(800_000, 20), experiment(20, space={"dimensions": {}, "fixed": {"batch_size": 1, **more}}))
        for more in ({}, fixed)
    )
    assert with_it.worker > 1.1 * without.worker


def test_as_many_workers_start_as_fit_where_their_number_is_not_given() -> None:
    assert workers_that_fit(NEED, 4, 100 * GIGABYTE, is_given=False) == 4
    assert workers_that_fit(NEED, 4, 8 * GIGABYTE, is_given=False) == 2


@pytest.mark.parametrize(("available", "advice"), [(8, r"--workers 2"), (2, "hold_out")])
def test_a_number_that_does_not_fit_is_refused_with_what_fits(available: int, advice: str) -> None:
    with pytest.raises(BackendError, match=re.escape(advice)):
        workers_that_fit(NEED, 4, available * GIGABYTE, is_given=True)


def test_a_small_table_is_never_refused_nor_one_where_memory_is_not_known() -> None:
    small = replace(NEED, worker=SMALL_BYTES)
    assert workers_that_fit(small, 64, WORKER_BYTES, is_given=True) == 64
    assert workers_that_fit(NEED, 64, None, is_given=True) == 64


def test_the_memory_of_this_machine_is_known_on_linux() -> None:
    available = available_memory()
    assert available is None or 0 < available < 1 << 50
