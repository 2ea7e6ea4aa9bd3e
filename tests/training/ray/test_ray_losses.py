"""When a worker of a cluster counts as lost, and what is said of one that may not join, without a cluster."""

from __future__ import annotations

import pytest

from branchsweep.training.local_worker import SILENT_SECONDS
from branchsweep.training.resources import CPU, Device
from ray_cluster import RAY_IS_MISSING

if RAY_IS_MISSING:
    pytest.skip(RAY_IS_MISSING, allow_module_level=True)

from ray.exceptions import RayActorError

from branchsweep.training.ray.worker import LOST, RayWorker, WorkerSilentError
from branchsweep.training.ray.workers import device_mismatch


def test_a_worker_is_lost_once_it_has_been_silent_for_too_long() -> None:
    losses = [RayWorker(None, None, silent=seconds).loss for seconds in (0.0, SILENT_SECONDS, SILENT_SECONDS + 1)]
    assert losses[:2] == [None, None]
    assert isinstance(losses[2], WorkerSilentError) and isinstance(losses[2], LOST)
    assert f"{SILENT_SECONDS + 1:.0f} s" in str(losses[2])


def test_a_worker_whose_process_ended_is_lost_at_once() -> None:
    failure = RayActorError()
    assert RayWorker(None, None, failure=failure).loss is failure
    assert RayWorker(None, None, silent=2 * SILENT_SECONDS, failure=failure).loss is failure, "why it is silent"


def test_message_of_different_gpus_names_the_node_and_both_gpus() -> None:
    small_t4, a100, large_t4 = (Device("gpu", memory, name) for memory, name in ((1, "Tesla T4"), (1, "A100"), (2, "Tesla T4")))
    assert small_t4.is_like(large_t4) and not small_t4.is_like(a100) and not small_t4.is_like(CPU) and CPU.is_like(Device())
    message = device_mismatch("node7", a100, small_t4)
    assert all(name in message for name in ("node7", "A100", "Tesla T4", "gpus_per_worker"))
