"""The difference of two trials as one HTML page that loads nothing."""

from __future__ import annotations

from branchsweep.metrics.names import label
from branchsweep.reporting.formatting import format_difference, format_p_cell, format_score_with_error
from branchsweep.reporting.pages.html import render_template
from branchsweep.reporting.text.trial_diff import diff_cell, interval
from branchsweep.workflows.records.trial_diff import TrialDiff


def render_diff_page(diff: TrialDiff) -> str:
    """Render the page: differing values in tables, equal ones folded below them."""
    scores = [
        (
            score.name,
            format_score_with_error(score.first, score.first_error),
            format_score_with_error(score.second, score.second_error),
            format_difference(score.difference),
            *((interval(score.low, score.high), format_p_cell(score.p)) if diff.folds else ()),
        )
        for score in diff.scores
    ]
    metrics, heads = zip(*(score.name.split("/", 1) for score in diff.scores), strict=True)
    differences = (format_difference(score.difference) for score in diff.scores)
    listed = ", ".join(f"{difference} for {head}" for difference, head in zip(differences, heads, strict=True))
    headline = f"{' and '.join(dict.fromkeys(map(label, metrics)))} {listed}"
    return render_template(
        "diff.html", headline=headline, diff=diff, scores=scores, cell=diff_cell, interval_columns=bool(diff.folds)
    )
