"""What a model's predictions rest on, as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from branchsweep.metrics.names import label
from branchsweep.metrics.permutation_importance import CONFIDENCE
from branchsweep.reporting.formatting import format_importance, format_share
from branchsweep.reporting.text.responsive_table import ResponsiveTable, TableColumn, TableRow
from branchsweep.workflows.explanation import Explanation

MOST_INPUTS = 30
"""Inputs that are listed, the most important ones."""


def render_explanation(explanation: Explanation, title: str) -> RenderableType:
    """Render the importance of the inputs for each head.

    Args:
        explanation: The explanation.
        title: The model and the table, for people.
    """
    ranked = explanation.ranked
    heads = explanation.explained_heads
    columns = [
        TableColumn("input"),
        *(TableColumn(f"{head}, {label(explanation.score_metrics[head])}", right=True, is_text=True) for head in heads),
    ]
    rows = [
        TableRow((name, *(format_importance(explanation.importance[name].get(head)) for head in heads)))
        for name in ranked[:MOST_INPUTS]
    ]
    meaning = (
        f"What the score of each head loses when an input is shuffled among {explanation.rows:,} rows, with the half width of"
        f" its {format_share(CONFIDENCE)} confidence interval. Of inputs that say the same, each has a small importance."
    )
    sentences = [meaning]
    if len(ranked) > MOST_INPUTS:
        sentences.append(f"{len(ranked) - MOST_INPUTS:,} inputs of less importance are not listed.")
    return Group(Text(title, style="bold"), ResponsiveTable(columns, rows), Text(), *map(Text, sentences))
