"""The devices that populations are trained on, and how many train at once. Which trials are asked does not depend on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from branchsweep.runtime import DEVICE

GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class Device:
    """The device of a worker.

    Args:
        kind: `cpu` for CPU cores, `gpu` for a GPU or a share of one.
        memory: Bytes of GPU memory that the worker may use; 0 for a CPU.
        name: The GPU's name by its driver, such as `Tesla T4`; empty for a CPU.
    """

    kind: Literal["cpu", "gpu"] = "cpu"
    memory: int = 0
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.memory / GIBIBYTE:.1f} GiB" if self.kind == "gpu" else "processor"

    def is_like(self, other: Device) -> bool:
        """Whether both are of the same kind and model, so that they round alike and may train for the same sweep."""
        return (self.kind, self.name) == (other.kind, other.name)


CPU = Device()


@dataclass(frozen=True, slots=True)
class Resources:
    """The workers, as far as they decide how lanes are packed.

    Args:
        workers: The number of populations that train at once.
        device: The device of each worker.
    """

    workers: int = 1
    device: Device = CPU


SINGLE_CORE = Resources()
"""One core."""


def device_fact(device: Device) -> Mapping[str, str]:
    """The environment fact about the device, by its name: `processor`, or the name of a GPU."""
    return {DEVICE: device.name or str(device)}
