"""What becomes of the best trials: how they are confirmed, and when a model is promoted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from branchsweep.config.config_model import ConfigModel, Name


class Confirmation(ConfigModel):
    """The best trials are trained again from fresh seeds on fresh folds, for the best of many scores flatters itself."""

    trials: int = Field(4, ge=1, description="How many of the best trials.")
    folds: int = Field(5, ge=2, le=100, description="Parts of the training rows, cut anew; each is once the validation rows.")
    seeds: int = Field(2, ge=1, description="Networks per fold, each from its own initial weights.")
    choose: Literal["best", "one_standard_error"] = Field(
        "best",
        description="The finalist: best has the highest confirmed mean; one_standard_error is the smallest network within one "
        "standard error of it.",
    )


class Ensemble(ConfigModel):
    """A finalist of several networks, whose predictions are averaged."""

    size: int = Field(8, ge=2, le=64, description="Networks, at most.")
    choose: Literal["seeds", "greedy"] = Field(
        "seeds",
        description="seeds: the finalist's recipe from so many seeds; greedy: recipes chosen one by one for what they add to "
        "the mean (Caruana et al. 2004), on validation predictions.",
    )


class Gate(ConfigModel):
    """When a challenger takes the title from the reigning champion."""

    alpha: float = Field(0.05, gt=0, lt=1, description="Level of the tests, over all heads together (Holm).")
    margin: float = Field(0.002, ge=0, description="R² by which a head may be worse before it counts as worse.")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="Resamples of the test rows behind the intervals.")


class Promotion(ConfigModel):
    """What becomes of the finalist."""

    model: Name = Field(description="The registered model's name.")
    ensemble: Ensemble | None = Field(None, description="None: the finalist is one network.")
    gate: Gate = Field(default_factory=Gate, description="When the title changes hands.")
