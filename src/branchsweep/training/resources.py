"""Where populations are trained: on what, and how many at once.

It plays no part in which trials are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from branchsweep.runtime import DEVICE_TAG

GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True)
class Device:
    """What a worker computes on.

    Args:
        kind: `cpu`: a core. `gpu`: a whole one, or a part.
        memory: Bytes of a GPU that the worker may have.
        name: The GPU's, as its driver spells it.
    """

    kind: Literal["cpu", "gpu"] = "cpu"
    memory: int = 0
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.memory / GIBIBYTE:.1f} GiB" if self.kind == "gpu" else "processor"

    def is_like(self, other: Device) -> bool:
        """Whether the two may share a sweep: another kind, or another GPU, rounds otherwise."""
        return (self.kind, self.name) == (other.kind, other.name)


CPU = Device()


@dataclass(frozen=True, slots=True)
class Resources:
    """Who trains, as far as it decides how lanes are packed.

    Args:
        workers: How many populations train at once.
        device: What each of them is trained on.
    """

    workers: int = 1
    device: Device = CPU


SINGLE_CORE = Resources()
"""One core."""


def device_fact(device: Device) -> Mapping[str, str]:
    """What networks are trained on, as a further fact: `processor`, or the name of a GPU."""
    return {DEVICE_TAG: device.name or str(device)}
