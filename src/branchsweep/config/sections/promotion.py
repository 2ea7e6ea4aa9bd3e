"""How the best trials are evaluated again, and when a model is promoted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from branchsweep.config.config_model import ConfigModel, Name, NetworksPerFold

MAX_CONFIRMED = 1000
"""The most trials that are evaluated again."""


class Confirmation(ConfigModel):
    """The best trials are trained again from fresh seeds on fresh folds, because the best of many scores is biased upwards."""

    trials: int = Field(4, ge=1, le=MAX_CONFIRMED, description="The number of best trials.")
    folds: int = Field(
        5, ge=2, le=100, description="Parts of the training rows, divided anew; each is once the validation rows."
    )
    seeds: NetworksPerFold = Field(2, description="Networks per fold, each from its own initial weights.")
    choose: Literal["best", "one_standard_error"] = Field(
        "best",
        description="The finalist: best is the trial with the highest mean of the new evaluation; one_standard_error is the "
        "smallest network within one standard error of it.",
    )


MEMBERS_DEFAULT: Literal["networks"] = "networks"
"""The default of `promotion.ensemble.members`."""


class Ensemble(ConfigModel):
    """A finalist of several networks whose predictions are averaged."""

    size: int = Field(8, ge=2, le=64, description="The largest number of networks.")
    choose: Literal["seeds", "greedy", "stack"] = Field(
        "seeds",
        description="seeds: the finalist's hyperparameters from that many seeds; greedy: networks of the best trials, chosen "
        "one by one for what they add to the mean (Caruana et al. 2004), on validation predictions; stack: of the best trials, "
        "with weights for each head that are fitted to validation predictions by least squares (of quantiles by the pinball "
        "loss), none negative, which add up to 1 (Breiman 1996).",
    )
    members: Literal["networks", "any"] = Field(
        MEMBERS_DEFAULT,
        description="networks: networks alone; any: also the estimators of scikit-learn under baselines, for greedy and stack.",
    )

    @property
    def is_scored(self) -> bool:
        """Whether a model of this kind is judged by the scores of the ensemble, and not by those of its finalist.

        The finalist says little about a model whose weights may lie on others.
        """
        return self.choose == "stack" or self.members == "any"


FIRST_DEFAULT: Literal["sound"] = "sound"
"""The default of `promotion.gate.first`."""


class Gate(ConfigModel):
    """When a challenger becomes champion."""

    alpha: float = Field(0.05, gt=0, lt=1, description="Significance level, over all heads together (Holm).")
    margin: float = Field(0.002, ge=0, le=1, description="The loss of score that a head may have before it counts as worse.")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="Bootstrap resamples of the test rows for the intervals.")
    first: Literal["any", "sound"] = Field(
        FIRST_DEFAULT,
        description="Which model becomes champion where there is none to compare it with. sound: one that is better than a "
        "constant guess, not worse than the best baseline, and as good on the test rows as when it was confirmed; any: "
        "whichever is the first.",
    )


class Promotion(ConfigModel):
    """How the finalist is registered."""

    model: Name = Field(description="The name of the registered model.")
    ensemble: Ensemble | None = Field(None, description="None: the finalist is one network.")
    gate: Gate = Field(default_factory=Gate, description="When the finalist replaces the champion.")
