"""Scores for tests, made from numbers."""

from __future__ import annotations

from branchsweep.trial import HeadScore

NAN = float("nan")

SCORE_METRICS = {"PE": "r2", "V": "r2"}
"""The metric that is the score, by head, of two heads that most tests have."""


def head_score(r2: float, r2_se: float = NAN, rmse: float = 1.0, mae: float = 1.0) -> HeadScore:
    """The score of a regression head."""
    return HeadScore(r2, r2_se, {"r2": r2, "rmse": rmse, "mae": mae})
