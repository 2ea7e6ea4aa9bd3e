"""Where networks are trained: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from branchsweep.config.addresses import Address
from branchsweep.config.config_model import SHORT_TEXT, ConfigModel
from branchsweep.errors import did_you_mean

MAX_WORKERS = 1024
"""The most worker processes of a machine, and the most processors and GPUs of a worker."""


class LocalWorkersConfig(ConfigModel):
    """Worker processes on this machine."""

    kind: Literal["local"]
    count: int | None = Field(
        None,
        ge=1,
        le=MAX_WORKERS,
        description="The number of processes, a core each; if absent one per GPU, or one per core without any.",
    )
    gpus: int | None = Field(
        None,
        ge=0,
        le=MAX_WORKERS,
        description="The number of GPUs, a process each; if absent all that TensorFlow sees, unless count is given.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.count and self.gpus:
            raise ValueError(
                f"got count: {self.count} and gpus: {self.gpus}, expected one of them: a GPU has one process, and count is of "
                "processors"
            )
        return self


AUTO = "auto"
"""The address of the Ray cluster that this machine is part of, or that the environment variable RAY_ADDRESS names."""


class RayWorkersConfig(ConfigModel):
    """Workers on the nodes of a running Ray cluster."""

    kind: Literal["ray"]
    address: str = Field(
        AUTO,
        max_length=SHORT_TEXT,
        description="auto: the cluster that this machine is a node of; ray://HOST:PORT: a cluster reached from outside; "
        "HOST:PORT: the head of a cluster, from one of its nodes.",
    )
    cpus_per_worker: int = Field(1, ge=1, le=MAX_WORKERS, description="Processors per worker; it trains on as many threads.")
    gpus_per_worker: float = Field(
        0.0, ge=0, le=MAX_WORKERS, description="GPUs per worker; a fraction where several share one."
    )

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        if address != AUTO and not _ADDRESS.fullmatch(address):
            raise ValueError(
                f"got '{Address(address)}', expected auto, ray://HOST:PORT or HOST:PORT{did_you_mean(address, [AUTO])}"
            )
        return address


_ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9._-]{1,253}:[0-9]{1,5}")

Workers = LocalWorkersConfig | RayWorkersConfig
"""What trains networks. Results do not depend on it."""
