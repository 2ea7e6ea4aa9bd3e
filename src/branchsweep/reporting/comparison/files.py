"""The files that are kept with a finished comparison: its page, its tables, its pictures."""

from __future__ import annotations

from collections.abc import Mapping

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.reporting.comparison import exports, figures, page
from branchsweep.reporting.figures import plot_style


def comparison_files(findings: ComparisonResult, yaml: str, command: str) -> Mapping[str, str | bytes]:
    """By name: `report.html`, `comparison.md`, `summary.csv`, `halves.csv`, and PNG pictures under `plots/`.

    Args:
        findings: What was found.
        yaml: The comparison as it was run.
        command: What makes it again.
    """
    pictures = {"contestants": figures.intervals, "cost": figures.cost}
    if findings.transfer:
        pictures["transfer"] = figures.transfer
    if findings.sharing:
        pictures["sharing"] = figures.sharing
    return {
        "report.html": page.render_comparison_page(findings, yaml, command),
        "comparison.md": exports.comparison_markdown(findings),
        "summary.csv": exports.summary_csv(findings),
        "halves.csv": exports.halves_csv(findings),
        **{f"plots/{name}.png": plot_style.png(picture(findings)) for name, picture in pictures.items()},
    }
