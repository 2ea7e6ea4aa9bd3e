"""GPUs, on a machine without one: detection, parsing of TensorFlow's descriptions, and the choice of devices."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from branchsweep.config.sections.workers import LocalWorkersConfig
from branchsweep.errors import BackendError
from branchsweep.runtime import cache_folder
from branchsweep.training import gpus, packing
from branchsweep.training.gpus import Gpu, choose_gpus, has_nvidia_device, parse_gpus, pick_gpus
from branchsweep.training.lanes import LaneKey, LaneOutcome
from branchsweep.training.local_workers import LocalWorkers, local_resources
from branchsweep.training.population import Population
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.resources import CPU, GIBIBYTE, Device, Resources
from processes import run_python
from tiny_training import EXPERIMENT, tiny_populations, tiny_rows

LOCAL = LocalWorkersConfig(kind="local")

T4 = "device: {}, name: Tesla T4, pci bus id: 0000:00:0{}.0, compute capability: 7.5"
"""TensorFlow's description of a GPU."""


def cards(*names: str, gibibytes: int = 16) -> list[Gpu]:
    return [Gpu(Device("gpu", gibibytes * GIBIBYTE, name), str(number)) for number, name in enumerate(names)]


@pytest.fixture
def with_a_device(tmp_path: Path) -> Path:
    """The root of a system on which NVIDIA's driver has one."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    (tmp_path / "dev" / "nvidiactl").touch()
    return tmp_path


def test_without_an_nvidia_device_tensorflow_is_not_imported_and_no_message_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "visible_gpus", lambda environment: pytest.fail("TensorFlow was asked"))
    messages: list[str] = []
    assert choose_gpus(LOCAL, messages.append, {}, tmp_path) == []
    assert messages == []


def test_a_device_is_detected_unless_it_is_hidden(with_a_device: Path, tmp_path: Path) -> None:
    assert has_nvidia_device({}, with_a_device)
    assert has_nvidia_device({"CUDA_VISIBLE_DEVICES": "0,1"}, with_a_device)
    assert not any(has_nvidia_device({"CUDA_VISIBLE_DEVICES": hidden}, with_a_device) for hidden in ("", " ", "-1"))
    (with_a_device / "dev" / "nvidia0").unlink()
    assert not has_nvidia_device({}, with_a_device), "the driver's own file is no device"
    (tmp_path / "proc" / "driver" / "nvidia" / "gpus" / "0000:00:04.0").mkdir(parents=True)
    assert has_nvidia_device({}, tmp_path)


@pytest.mark.parametrize("config", [LocalWorkersConfig(kind="local", count=2), LocalWorkersConfig(kind="local", gpus=0)])
def test_processors_train_with_a_count_of_processes_or_without_gpus(
    config: LocalWorkersConfig, with_a_device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "visible_gpus", lambda environment: pytest.fail("TensorFlow was asked"))
    assert choose_gpus(config, pytest.fail, {}, with_a_device) == []


@pytest.mark.slow
def test_a_device_that_tensorflow_does_not_see_gives_a_message_with_the_install_command(with_a_device: Path) -> None:
    """TensorFlow is really asked."""
    messages: list[str] = []
    assert choose_gpus(LOCAL, messages.append, {**os.environ, "CUDA_VISIBLE_DEVICES": "99"}, with_a_device) == []
    (message,) = messages
    assert "NVIDIA" in message and "pip install 'branchsweep[gpu]'" in message


def test_more_gpus_than_available_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^workers\.gpus: .*\b2\b"):
        choose_gpus(LocalWorkersConfig(kind="local", gpus=2), pytest.fail, {}, tmp_path)
    with pytest.raises(BackendError, match=r"^workers\.gpus: .*\b2\b.*\b1\b"):
        pick_gpus(cards("Tesla T4"), 2)
    with pytest.raises(BackendError, match=r"^workers\.gpus: .*\b1\b.*branchsweep\[gpu\]"):
        pick_gpus([], 1, f"; {gpus.NEEDS}")


def test_only_gpus_of_one_kind_are_used() -> None:
    mixed = cards("Tesla T4", "Tesla T4", "A100")
    assert pick_gpus(mixed, None) == mixed[:2] == pick_gpus(mixed, 2)
    assert pick_gpus(mixed, 1) == mixed[:1]
    with pytest.raises(BackendError, match=r"^workers\.gpus: .*\b3\b.*Tesla T4, Tesla T4, A100"):
        pick_gpus(mixed, 3)


def test_each_gpu_has_a_worker_and_the_smallest_memory_is_the_limit() -> None:
    larger, smaller = cards("Tesla T4")[0], cards("Tesla T4", gibibytes=15)[0]
    assert local_resources([larger, smaller], None) == Resources(2, smaller.device)
    assert local_resources([], 3) == Resources(3, CPU)


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, ["0", "1"]), ("3,5", ["3", "5"]), ("GPU-8932f937, GPU-1", ["GPU-8932f937", "GPU-1"])]
)
def test_gpus_are_parsed_with_their_cuda_names(visible: str | None, expected: list[str]) -> None:
    described = [{"described": T4.format(number, number), "memory": 15 * GIBIBYTE} for number in range(2)]
    found = parse_gpus(f"a library's greeting\n{json.dumps(described)}\n", visible)
    assert [card.visible for card in found] == expected
    assert {card.device for card in found} == {Device("gpu", 15 * GIBIBYTE, "Tesla T4")}
    assert str(found[0].device) == "Tesla T4, 15.0 GiB"


def test_gpus_keep_their_numbers_when_tensorflow_leaves_out_others() -> None:
    (card,) = parse_gpus(json.dumps([{"described": T4.format(1, 5), "memory": 1}]), "4,7")
    assert card.visible == "7"
    (undescribed,) = parse_gpus(json.dumps([{"described": "", "memory": 1}]), None)
    assert (undescribed.visible, undescribed.device.name) == ("0", "GPU")


def test_tensorflow_has_the_device_attributes_that_are_parsed() -> None:
    """Of the processor, since there is no GPU."""
    from tensorflow.python.client import device_lib

    device, *_ = device_lib.list_local_devices()
    assert (device.device_type, device.physical_device_desc) == ("CPU", "")
    assert device.memory_limit > 0


def test_a_worker_without_its_gpu_is_a_backend_error() -> None:
    with pytest.raises(BackendError, match="GPU"):
        gpus.device_in_process(0.5)


def trained(workers: LocalWorkers, packed: Sequence[Population]) -> dict[LaneKey, LaneOutcome]:
    """The outcome of each lane."""
    found: dict[LaneKey, LaneOutcome] = {}
    for position, outcome in workers.train(PopulationQueue(packed)):
        found |= {lane.key: result for lane, result in zip(packed[position].lanes, outcome.lanes, strict=True)}
    return found


@pytest.mark.slow
def test_a_wide_program_trains_the_lanes_of_narrow_ones_to_the_last_bit() -> None:
    """All lanes in one wave, as on a GPU, but on this processor."""
    narrow = tiny_populations()[:1]
    wide = packing.pack(narrow[0].lanes, EXPERIMENT, Resources(1, cards("Tesla T4")[0].device))
    assert all(members.program.slots == members.program.lanes for members in wide)
    assert {members.program for members in wide}.isdisjoint(members.program for members in narrow)
    with LocalWorkers(tiny_rows(), 1, cache_folder=cache_folder()) as workers:
        few, many = trained(workers, narrow), trained(workers, wide)
    assert few.keys() == many.keys()
    for lane, outcome in few.items():
        np.testing.assert_array_equal(outcome.predictions, many[lane].predictions)


if has_nvidia_device({}):  # where it is not, there is nothing to skip

    def test_a_gpu_trains_what_a_processor_does() -> None:
        environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        packed, found = tiny_populations(), choose_gpus(LOCAL, print, environment)
        with LocalWorkers(tiny_rows(), 1) as processors, LocalWorkers(tiny_rows(), cards=found) as with_gpus:
            assert with_gpus.resources.device.kind == "gpu"
            on_processor, on_gpu = (
                dict(workers.train(PopulationQueue(packed), keep_weights=True)) for workers in (processors, with_gpus)
            )
        for position, outcome in on_processor.items():
            for processor_lane, gpu_lane in zip(outcome.lanes, on_gpu[position].lanes, strict=True):
                np.testing.assert_allclose(processor_lane.predictions, gpu_lane.predictions, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_everything_a_worker_does_is_possible_with_deterministic_operations(tmp_path: Path) -> None:
    """TensorFlow refuses operations that it cannot do deterministically; on a processor the bits are the same."""
    code = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.training.worker_process import use_exact_arithmetic
from tiny_training import tiny_populations, tiny_rows
folder, population = Path(sys.argv[1]), tiny_populations()[0]
trainer = PopulationTrainer(tiny_rows())
def trained():
    lane = trainer.train_one(population, keep_weights=True).lanes[0]
    member = ModelMember(population.recipes[0], lane.weights)
    trainer.export(folder, ExportedModel([member], ["a", "b"], {"PE": "MW", "V": "cm"}))
    return lane.predictions, trainer.predict(folder, tiny_rows().x)
usual = trained()
use_exact_arithmetic(tf)
from branchsweep.training.program import compiled_program
compiled_program.compiled.cache_clear()
for before, after in zip(usual, trained()):
    np.testing.assert_array_equal(before, after)
assert not tf.config.experimental.tensor_float_32_execution_enabled()
assert trainer.measure_latency(folder, tiny_rows().x) > 0
print("equal")
"""
    done = run_python(code, str(tmp_path))
    assert done.stdout.endswith("equal\n"), done.stderr
