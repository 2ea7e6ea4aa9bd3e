"""What came of a promotion that was asked for in Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from branchsweep.workflows.promotion.pipeline import PromotionOutcome
from branchsweep.workflows.records.sweep_summary import PromotionResult


@dataclass(frozen=True, slots=True)
class Promotion:
    """The result of a promotion.

    Args:
        trial: The number of the trial that was chosen; None if none could be.
        promoted: Whether its model is the champion, or of a dry run, whether it would be.
        because: Why it is, or is not.
        registered: The version that was registered; None where nothing was.
        confirmed: The mean confirmed score of each candidate, by its name.
        test: The scores of the model on the test rows, by head; empty where it was not evaluated.
    """

    trial: int | None
    promoted: bool
    because: str
    registered: PromotionResult | None = None
    confirmed: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, outcome: PromotionOutcome) -> Self:
        """The result as users see it."""
        registered, decision, finalist = outcome.registered, outcome.decision, outcome.finalist
        decided = registered.promoted if registered else bool(decision and decision.promote)
        because = registered.because if registered else decision.because if decision else "no trial could be confirmed"
        return cls(
            trial=finalist.candidate.trial.number if finalist else None,
            promoted=decided,
            because=because,
            registered=registered,
            confirmed={trial.candidate.name: trial.score.value for trial in outcome.confirmed},
            test=dict(outcome.test_scores or {}),
        )
