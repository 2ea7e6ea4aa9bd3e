"""The files that are kept with a finished comparison: its page, its tables, its pictures."""

from __future__ import annotations

from collections.abc import Mapping

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.reporting.figures import comparison_figures, plot_style
from branchsweep.reporting.pages import comparison_exports, comparison_page


def comparison_files(findings: ComparisonResult, yaml: str, command: str) -> Mapping[str, str | bytes]:
    """By name: `report.html`, `comparison.md`, `summary.csv`, `halves.csv`, and PNG pictures under `plots/`.

    Args:
        findings: What was found.
        yaml: The comparison as it was run.
        command: What makes it again.
    """
    pictures = {"contestants": comparison_figures.intervals, "cost": comparison_figures.cost}
    if findings.transfer:
        pictures["transfer"] = comparison_figures.transfer
    if findings.sharing:
        pictures["sharing"] = comparison_figures.sharing
    return {
        "report.html": comparison_page.render_comparison_page(findings, yaml, command),
        "comparison.md": comparison_exports.comparison_markdown(findings),
        "summary.csv": comparison_exports.summary_csv(findings),
        "halves.csv": comparison_exports.halves_csv(findings),
        **{f"plots/{name}.png": plot_style.png(picture(findings)) for name, picture in pictures.items()},
    }
