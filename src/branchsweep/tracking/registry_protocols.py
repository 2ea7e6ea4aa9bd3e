"""What the workflows need of a registry of models: the protocol, and the values that are exchanged through it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from branchsweep.trial import Params, Result


class PromotionCause(StrEnum):
    """Why a candidate becomes the champion, or why it does not."""

    FIRST_VERSION = "first_version"
    BETTER = "better"
    CHAMPION_DIVERGED = "champion_diverged"
    CHAMPION_NOT_RECORDED = "champion_not_recorded"
    CHAMPION_UNREADABLE = "champion_unreadable"
    DIVERGED = "diverged"
    ONE_FOLD = "one_fold"
    NOT_BETTER = "not_better"
    HEAD_WORSE = "head_worse"
    WORSE_ON_TEST_ROWS = "worse_on_test_rows"
    CONSTANT_GUESS = "constant_guess"
    BASELINE_BETTER = "baseline_better"
    NOT_AS_CONFIRMED = "not_as_confirmed"

    @property
    def promotes(self) -> bool:
        """Whether the candidate becomes the champion."""
        return self not in {
            PromotionCause.DIVERGED,
            PromotionCause.ONE_FOLD,
            PromotionCause.NOT_BETTER,
            PromotionCause.HEAD_WORSE,
            PromotionCause.WORSE_ON_TEST_ROWS,
            PromotionCause.CONSTANT_GUESS,
            PromotionCause.BASELINE_BETTER,
            PromotionCause.NOT_AS_CONFIRMED,
        }


@dataclass(frozen=True, slots=True)
class Champion:
    """The champion of a registered model.

    Args:
        model: The registered model's name.
        version: Its version.
        value: The validation score that it was promoted for; NaN where it is unknown.
        rule: What that score is (`mean_r2`).
        data_digest: Digest of the table that it was trained on.
        split_digest: Digest of the rows that it was trained and tested on.
        sweep: Run id of the sweep that found it.
        trial: The trial's number in that sweep.
        because: The reason of the promotion, as a sentence.
        params: The trial's params; empty for a version that was not registered by branchsweep.
        cause: What `because` says, as a code; None for a version that was registered without.
    """

    model: str
    version: int
    value: float
    rule: str
    data_digest: str
    split_digest: str
    sweep: str
    trial: int
    because: str
    params: Params = field(default_factory=dict)
    cause: PromotionCause | None = None


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """An exported model that may be registered.

    Args:
        model: The name to register under.
        folder: Holds `model.keras` and `serving.json`.
        sweep: Run id of the sweep that found it.
        experiment_yaml: The experiment of that sweep.
        result: The trial that was refitted.
        value: Its validation score, by which it is compared.
        rule: What that score is.
        test: Metrics on the test rows, by name (`test_r2/PE`, `test_r2/mean`, `test_rmse/PE`, …).
        data_digest: Digest of the table.
        split_digest: Digest of the split.
        files: Text files that are kept with the model, by name, such as its model card.
    """

    model: str
    folder: Path
    sweep: str
    experiment_yaml: str
    result: Result
    value: float
    rule: str
    test: Mapping[str, float]
    data_digest: str
    split_digest: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """Whether a candidate becomes the champion, and why.

    Args:
        promote: Whether it does.
        because: The reason, as a sentence.
        evidence: Scores, intervals and p-values behind it, as JSON data.
        against: The version that was champion when this was decided, 0 for none. If another one is champion when the
            candidate is registered, it is not promoted. None: whichever is champion.
        cause: What `because` says, as a code.
    """

    promote: bool
    because: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    against: int | None = None
    cause: PromotionCause | None = None


class Registry(Protocol):
    """Keeps the versions of registered models, and which of them is the champion."""

    def champion(self, model: str) -> Champion | None:
        """The champion of this registered model, or None."""
        ...

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        """Register the candidate as a new version, and make it the champion if the decision says so.

        One that is registered again, with the same scores and the same decision, gets no second version: the present champion,
        or a challenger.

        Returns:
            The version, whether it was promoted or not.

        Raises:
            TrackingError: Another version is champion by now than the one that was decided against.
        """
        ...

    def model_files(self, model: str, version: int) -> AbstractContextManager[Path]:
        """A local folder with the files of a version, for as long as the context is open.

        It holds the exported files (`model.keras`, `serving.json`), those of the candidate, the sweep's `experiment.yaml`,
        and the decision's `evidence.json`. They are downloaded when the context is entered.
        """
        ...
