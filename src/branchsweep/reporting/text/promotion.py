"""The outcome of a confirmation and of the decision about promotion, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.metrics.collapse import means_with_medians
from branchsweep.reporting.formatting import format_mean_score, format_score, promotion_outcome
from branchsweep.reporting.text.layout import BEST_STYLE, plain_table
from branchsweep.reporting.text.paired_tests import render_paired_tests
from branchsweep.workflows.promotion.gate import paired_tests_of

if TYPE_CHECKING:
    from branchsweep.workflows.promotion.pipeline import PromotionOutcome


def render_promotion_outcome(outcome: PromotionOutcome, heads: Sequence[str]) -> RenderableType:
    """Render the confirmed scores of all candidates, the test scores of the finalist, and the decision.

    Args:
        outcome: What the confirmation found and the registry has done.
        heads: The heads, in order.
    """
    table = plain_table("confirmed scores")
    for column in ("  candidate", *heads, "mean", "parameters"):
        table.add_column(column, justify="left" if column == "  candidate" else "right")
    for candidate in outcome.confirmed:
        score, means = candidate.score, means_with_medians(candidate.score)
        cells = [format_mean_score(means, head, "\n") for head in (*heads, "mean")]
        cells = cells if score.is_complete else [score.reason, *("-" for _ in heads)]
        style = BEST_STYLE if candidate is outcome.finalist else ""
        table.add_row(f"  {candidate.candidate.name}", *cells, f"{candidate.parameters:,}", style=style)
    parts: list[RenderableType] = [table, Text()]
    if outcome.test_scores:
        scores = "  ".join(f"{head} {format_score(score)}" for head, score in outcome.test_scores.items())
        parts.append(Text(f"on the test rows: {scores}"))
    if tests := paired_tests_of(outcome.decision):
        parts += [render_paired_tests(tests, "the champion", "the model"), Text()]
    parts += [Text(f"warning: {sentence}", style="bold yellow") for sentence in outcome.collapses]
    if outcome.registered:
        version = f"{outcome.registered.model} version {outcome.registered.version}"
        decided = f"{version} {promotion_outcome(outcome.registered.promoted)}: {outcome.registered.because}."
        parts.append(Text(decided, style="bold"))
    elif outcome.decision:
        name = outcome.finalist.candidate.name if outcome.finalist else ""
        would = "would be promoted to champion" if outcome.decision.promote else "would not be promoted"
        parts.append(Text(f"{name} {would}: {outcome.decision.because}. Nothing was registered.", style="bold"))
    return Group(*parts)
