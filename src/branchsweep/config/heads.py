"""A head of the network: its target column, unit and loss."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from branchsweep.config.config_model import ConfigModel
from branchsweep.config.metric_names import R2


class Head(ConfigModel):
    """One output of the network."""

    column: str | None = Field(None, description="The target column; the head's own name if absent.")
    unit: str = Field("", description="The target's unit, for people (MW, cm Hg).")
    loss: Literal["mse", "mae", "huber"] = Field("mse", description="The head's loss on the scaled target.")

    @property
    def score_metric(self) -> str:
        """The name of the metric that is the head's score: R², whichever of the losses it is trained by."""
        return R2
