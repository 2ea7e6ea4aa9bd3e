"""Finds the GPUs that TensorFlow can use, and assigns them to worker processes.

TensorFlow lists them in a short-lived process, so that this process imports no TensorFlow and takes no GPU memory. Without an
NVIDIA device that process is not started. Each GPU gets a worker process, to which the other GPUs are invisible.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchsweep.config.sections.workers import LocalWorkersConfig
from branchsweep.errors import BackendError
from branchsweep.runtime import silence_stderr
from branchsweep.training.resources import Device

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that lists the GPUs that a process may use."""

HIDDEN = "-1"
"""The value of `VISIBLE` that hides all GPUs."""

GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""Environment variables that let TensorFlow take GPU memory as it needs it, and not all at once."""

TRACES = ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "usr/lib/wsl/lib/nvidia-smi")
"""Files of NVIDIA's driver that exist where it has a device: on Linux, in a container, in Windows Subsystem for Linux."""

PROBE_SECONDS = 120.0
"""The timeout of the process that lists the GPUs."""

NEEDS = "it needs NVIDIA's driver, and CUDA's libraries: pip install 'branchsweep[gpu]'"
"""What may be missing if TensorFlow sees no GPU."""

_PROBE = "from branchsweep.training.gpus import print_gpus; print_gpus()"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU for a worker of its own.

    Args:
        device: Its name and memory.
        visible: Its number or name in `CUDA_VISIBLE_DEVICES`.
    """

    device: Device
    visible: str


def choose_gpus(
    workers: LocalWorkersConfig,
    on_message: Callable[[str], None],
    environment: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
) -> list[Gpu]:
    """The GPUs that train on this machine, one worker process each; empty if CPU cores train.

    Args:
        workers: `gpus` is the number of GPUs; if it is None, all are used, or none where `count` is given.
        on_message: Called with a sentence about the GPUs that were found.
        environment: The environment variables.
        root: The root of the file system.

    Raises:
        BackendError: There are fewer GPUs than `workers.gpus`, or they differ.
    """
    if workers.gpus == 0 or (workers.gpus is None and workers.count is not None):
        return []
    has_device = has_nvidia_device(environment, root)
    found = visible_gpus(environment) if has_device else []
    chosen = pick_gpus(found, workers.gpus, f"; {NEEDS}" if has_device else "")
    if chosen:
        different = sum(not gpu.device.is_like(chosen[0].device) for gpu in found)
        left_out = f"; {_counted(different)} of another kind left out: scores depend on the GPU" if different else ""
        on_message(f"training on {_counted(len(chosen))} ({chosen[0].device}){left_out}")
    elif has_device:
        on_message(f"there is an NVIDIA device here, but TensorFlow sees no GPU ({NEEDS}); training on CPU cores")
    return chosen


def pick_gpus(available: Sequence[Gpu], count: int | None, needs: str = "") -> list[Gpu]:
    """The first GPUs of one kind: that of the first GPU.

    Args:
        available: The GPUs to choose from.
        count: How many; None for all of the first one's kind.
        needs: Added to the message if `available` is empty: what may be missing.

    Raises:
        BackendError: There are fewer than `count`, or they are of several kinds.
    """
    same_kind = [gpu for gpu in available if gpu.device.is_like(available[0].device)]
    if count is None or count <= len(same_kind):
        return same_kind[:count]
    if count <= len(available):
        names = ", ".join(gpu.device.name for gpu in available[:count])
        message = f"got {count}, which are of different kinds ({names}), and scores depend on the GPU. Ask for fewer, or name"
        raise BackendError(f"{message} others in {VISIBLE}", "workers.gpus")
    message = f"got {count}, and TensorFlow sees {_counted(len(available))} here{'' if available else needs}"
    raise BackendError(f"{message}. Ask for fewer, or for none (gpus: 0)", "workers.gpus")


def _counted(gpus: int) -> str:
    return f"{gpus or 'no'} GPU{'s' * (gpus != 1)}"


def has_nvidia_device(environment: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver has a device, and `CUDA_VISIBLE_DEVICES` does not hide all devices."""
    hidden = environment.get(VISIBLE, "all").strip() in {"", HIDDEN}
    return not hidden and any(next(root.glob(trace), None) for trace in TRACES)


def visible_gpus(environment: Mapping[str, str]) -> list[Gpu]:
    """The GPUs that TensorFlow lists in a new process with these environment variables; empty if that process fails."""
    command = [sys.executable, "-c", _PROBE]
    try:
        completed = subprocess.run(  # noqa: S603  # ourselves
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env={**environment, **GROWTH}
        )
    except subprocess.TimeoutExpired:
        return []
    return parse_gpus(completed.stdout, environment.get(VISIBLE)) if completed.returncode == 0 else []


def print_gpus() -> None:
    """Print the GPUs that TensorFlow lists in this process, as one line of JSON for `parse_gpus`."""
    print(json.dumps([{"described": str(gpu.physical_device_desc), "memory": int(gpu.memory_limit)} for gpu in _gpus()]))  # noqa: T201  # its answer


def parse_gpus(output: str, visible: str | None) -> list[Gpu]:
    """The GPUs that `print_gpus` printed.

    Args:
        output: The standard output of the process; only the last line is read, as TensorFlow may have printed before it.
        visible: The value of `CUDA_VISIBLE_DEVICES` in that process, None if it was not set. TensorFlow's numbers are
            positions in this list.
    """
    names = [name.strip() for name in visible.split(",")] if visible else []
    found = []
    for position, gpu in enumerate(json.loads(output.strip().splitlines()[-1])):
        number, name = _number_and_name(gpu["described"], position)
        visible_name = names[number] if number < len(names) else str(number)
        found.append(Gpu(Device("gpu", gpu["memory"], name), visible_name))
    return found


def _number_and_name(description: str, position: int) -> tuple[int, str]:
    """The number and the name in TensorFlow's description of a GPU; (position, "GPU") if it has another form.

    The form is `device: 0, name: Tesla T4, pci bus id: 0000:00:04.0, compute capability: 7.5`.
    """
    found = re.search(r"device: (\d+), name: (.*?), pci bus id", description)
    return (int(found[1]), found[2]) if found else (position, "GPU")


def device_in_process(share: float) -> Device:
    """The GPU that TensorFlow uses in this process.

    Args:
        share: The share of the GPU that this process may use. Its memory counts in that proportion, at most the whole.

    Raises:
        BackendError: TensorFlow sees no GPU.
    """
    gpus = _gpus()
    if not gpus:
        raise BackendError(f"a worker was given a GPU, and its TensorFlow sees none ({NEEDS})", "workers")
    _, name = _number_and_name(str(gpus[0].physical_device_desc), 0)
    return Device("gpu", int(gpus[0].memory_limit * min(1.0, share)), name)


def _gpus() -> Sequence[Any]:
    """TensorFlow's records of its GPUs, with their memory, which its public API does not give."""
    with silence_stderr():
        from tensorflow.python.client import device_lib  # noqa: PLC0415  # its minor version is pinned, and a test watches

        return [device for device in device_lib.list_local_devices() if device.device_type == "GPU"]
