"""Finds the GPUs that TensorFlow computes on. Where there is no NVIDIA device that costs nothing: TensorFlow is not asked.

TensorFlow is asked in a process of its own, which lets go at its end of what it held; each GPU then has a worker that sees no
other.
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

from branchsweep.config.workers import LocalWorkersConfig
from branchsweep.errors import BackendError
from branchsweep.runtime import silence_stderr
from branchsweep.training.resources import Device

VISIBLE = "CUDA_VISIBLE_DEVICES"

HIDDEN = "-1"
"""What makes CUDA see no GPU."""

GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""TensorFlow takes of a GPU's memory what it needs, and not all of it at once."""

TRACES = ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "usr/lib/wsl/lib/nvidia-smi")
"""Files of NVIDIA's driver where it has a device: on Linux, in a container, in Windows's Linux."""

PROBE_SECONDS = 120.0
"""So long may TensorFlow take to say what it sees."""

NEEDS = "it needs NVIDIA's driver, and CUDA's libraries: pip install 'branchsweep[gpu]'"

_TELL = "from branchsweep.training.gpus import tell; tell()"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that a worker may have to itself.

    Args:
        device: What it is.
        visible: CUDA's word for it, as `CUDA_VISIBLE_DEVICES` takes it.
    """

    device: Device
    visible: str


def choose_gpus(
    means: LocalWorkersConfig, say: Callable[[str], None], world: Mapping[str, str] = os.environ, root: Path = Path("/")
) -> list[Gpu]:
    """The GPUs that train on this machine, a worker process each; none: processors do.

    Args:
        means: How many are wanted: `gpus`, or all that there are, unless a number of processes is.
        say: Told what was found.
        world: The environment's variables.
        root: Where the system's files are.

    Raises:
        BackendError: There are fewer than are wanted.
    """
    if means.gpus == 0 or (means.gpus is None and means.count is not None):
        return []
    has_device = is_there(world, root)
    there = seen(world) if has_device else []
    cards = pick_gpus(there, means.gpus, f"; {NEEDS}" if has_device else "")
    if cards:
        unlike = sum(not card.device.is_like(cards[0].device) for card in there)
        left_out = f"; {_counted(unlike)} of another kind left out: scores would depend on who trains" if unlike else ""
        say(f"training on {_counted(len(cards))} ({cards[0].device}){left_out}")
    elif has_device:
        say(f"there is an NVIDIA device here, but TensorFlow sees no GPU ({NEEDS}); processors train")
    return cards


def pick_gpus(cards: Sequence[Gpu], wanted: int | None, needs: str = "") -> list[Gpu]:
    """The first of these GPUs, as many as are wanted; None: all that are like the first.

    Args:
        cards: What is there.
        wanted: How many; they must be alike.
        needs: What might help if there is none.

    Raises:
        BackendError: There are fewer, or they are unlike.
    """
    alike = [card for card in cards if card.device.is_like(cards[0].device)]
    if wanted is None or wanted <= len(alike):
        return alike[:wanted]
    if wanted <= len(cards):
        names = ", ".join(card.device.name for card in cards[:wanted])
        message = (
            f"got {wanted}, which are unlike ({names}): scores would depend on who trains. Ask for fewer, or name others in"
        )
        raise BackendError(f"{message} {VISIBLE}", "workers.gpus")
    message = f"got {wanted}, and TensorFlow sees {_counted(len(cards))} here{'' if cards else needs}"
    raise BackendError(f"{message}. Ask for fewer, or for none (gpus: 0)", "workers.gpus")


def _counted(gpus: int) -> str:
    return f"{gpus or 'no'} GPU{'s' * (gpus != 1)}"


def is_there(world: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver has a device that may be seen."""
    hidden = world.get(VISIBLE, "all").strip() in {"", HIDDEN}
    return not hidden and any(next(root.glob(trace), None) for trace in TRACES)


def seen(world: Mapping[str, str]) -> list[Gpu]:
    """What TensorFlow sees, asked in a process of its own; nothing if it does not answer."""
    command = [sys.executable, "-c", _TELL]
    try:
        asked = subprocess.run(  # noqa: S603  # ourselves
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env={**world, **GROWTH}
        )
    except subprocess.TimeoutExpired:
        return []
    return parsed(asked.stdout, world.get(VISIBLE)) if asked.returncode == 0 else []


def tell() -> None:
    """In a process of its own: prints what TensorFlow sees, in one line of JSON."""
    print(json.dumps([{"described": str(gpu.physical_device_desc), "memory": int(gpu.memory_limit)} for gpu in _gpus()]))  # noqa: T201  # its answer


def parsed(told: str, visible: str | None) -> list[Gpu]:
    """The cards of what `tell` has printed; TensorFlow may have printed before.

    Args:
        told: Its output.
        visible: The value of `CUDA_VISIBLE_DEVICES`, None where there is none: TensorFlow counts what stands there.
    """
    names = [name.strip() for name in visible.split(",")] if visible else []
    cards = []
    for place, gpu in enumerate(json.loads(told.strip().splitlines()[-1])):
        number, name = _described(gpu["described"], place)
        word = names[number] if number < len(names) else str(number)
        cards.append(Gpu(Device("gpu", gpu["memory"], name), word))
    return cards


def _described(words: str, place: int) -> tuple[int, str]:
    """CUDA's number of a GPU, and its name: `device: 0, name: Tesla T4, pci bus id: 0000:00:04.0, compute capability: 7.5`."""
    found = re.search(r"device: (\d+), name: (.*?), pci bus id", words)
    return (int(found[1]), found[2]) if found else (place, "GPU")


def device_in_process(share: float) -> Device:
    """The GPU that TensorFlow computes on in this process, of which it has such a share.

    Raises:
        BackendError: It sees none.
    """
    gpus = _gpus()
    if not gpus:
        raise BackendError(f"a worker was given a GPU, and its TensorFlow sees none ({NEEDS})", "workers")
    _, name = _described(str(gpus[0].physical_device_desc), 0)
    return Device("gpu", int(gpus[0].memory_limit * min(1.0, share)), name)


def _gpus() -> Sequence[Any]:
    """Of TensorFlow's devices the GPUs, each with its memory, which nothing that is public tells."""
    with silence_stderr():
        from tensorflow.python.client import device_lib  # noqa: PLC0415  # its minor version is pinned, and a test watches

        return [device for device in device_lib.list_local_devices() if device.device_type == "GPU"]
