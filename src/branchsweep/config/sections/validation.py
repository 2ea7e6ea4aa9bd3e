"""How trials are scored: the test rows that are set aside, and cross-validation or a hold-out within the rest."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from branchsweep.config.config_model import ConfigModel, NetworksPerFold, Seed


class TestRows(ConfigModel):
    """The rows that the search never sees: scikit-learn's train_test_split with this fraction and seed."""

    __test__: ClassVar[bool] = False  # pytest would collect a class called Test…

    fraction: float = Field(0.2, gt=0, lt=1, description="Share of all rows.")
    seed: Seed = Field(1, description="random_state of the split.")


class KFold(ConfigModel):
    """k-fold cross-validation inside the training rows."""

    method: Literal["k_fold"]
    folds: int = Field(3, ge=2, le=100, description="Parts; each is once the validation rows.")
    seeds: NetworksPerFold = Field(1, description="Networks per fold, each from its own initial weights.")


class HoldOut(ConfigModel):
    """One part of the training rows is held out for validation."""

    method: Literal["hold_out"]
    fraction: float = Field(0.2, gt=0, lt=1, description="Share of the training rows.")
    seeds: NetworksPerFold = Field(1, description="Networks per trial, each from its own initial weights.")
