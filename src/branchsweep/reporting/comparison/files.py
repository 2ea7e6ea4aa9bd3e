"""The files that are kept with a finished comparison: its page, its tables, and its figures as PNG."""

from __future__ import annotations

from collections.abc import Mapping

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.reporting.comparison import exports, figures, page
from branchsweep.reporting.figures import plot_style


def comparison_files(result: ComparisonResult, yaml: str, command: str) -> Mapping[str, str | bytes]:
    """The files by name: `report.html`, `comparison.md`, `summary.csv`, `halves.csv`, and PNG files in `plots/`.

    Args:
        result: The result of the comparison.
        yaml: The comparison as it was run.
        command: The command that runs it again.
    """
    draw = {"contestants": figures.contestants, "cost": figures.costs}
    if result.transfer:
        draw["transfer"] = figures.transfer
    if result.sharing:
        draw["sharing"] = figures.sharing
    return {
        "report.html": page.render_comparison_page(result, yaml, command),
        "comparison.md": exports.comparison_markdown(result),
        "summary.csv": exports.summary_csv(result),
        "halves.csv": exports.halves_csv(result),
        **{f"plots/{name}.png": plot_style.png(figure(result)) for name, figure in draw.items()},
    }
