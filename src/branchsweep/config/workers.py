"""Where networks are trained: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep.config.config_model import ConfigModel
from branchsweep.errors import did_you_mean


class LocalWorkersConfig(ConfigModel):
    """Worker processes on this machine."""

    kind: Literal["local"]
    count: int | None = Field(
        None, ge=1, description="How many, a core each; if absent one per GPU, or one per core without any."
    )
    gpus: int | None = Field(
        None,
        ge=0,
        description="How many GPUs train, a process each; if absent all that TensorFlow sees, unless count is given.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.count and self.gpus:
            raise ValueError(
                f"got count: {self.count} and gpus: {self.gpus}, expected one of them: a GPU has one process, and count is of "
                "processors"
            )
        return self


AUTO = "auto"
"""The address of the Ray cluster that runs on this machine, or that RAY_ADDRESS names."""


class RayWorkersConfig(ConfigModel):
    """Workers on the nodes of a Ray cluster that runs already."""

    kind: Literal["ray"]
    address: str = Field(
        AUTO,
        description="auto: the cluster that this machine is a node of; ray://HOST:PORT: one that is reached from outside; "
        "HOST:PORT: its head, from a node.",
    )
    cpus_per_worker: int = Field(1, ge=1, description="Of a node's processors, a worker's; it trains on as many threads.")
    gpus_per_worker: float = Field(0.0, ge=0, description="Of a node's GPUs, a worker's; a fraction where several share one.")

    @field_validator("address")
    @classmethod
    def _spelt(cls, address: str) -> str:
        if address != AUTO and not _ADDRESS.fullmatch(address):
            raise ValueError(f"got '{address}', expected auto, ray://HOST:PORT or HOST:PORT{did_you_mean(address, [AUTO])}")
        return address


_ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9._-]+:\d{1,5}")

Workers = LocalWorkersConfig | RayWorkersConfig
"""Who trains. It decides nothing of what comes out."""
