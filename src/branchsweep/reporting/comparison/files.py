"""The files that are kept with a finished comparison: its page, its tables, and its figures as PNG."""

from __future__ import annotations

from collections.abc import Mapping

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.reporting.comparison import exports, page
from branchsweep.tracking.optional_outputs import SILENT, OptionalOutputs


def comparison_files(
    result: ComparisonResult, yaml: str, optional: OptionalOutputs = SILENT, *, command: str
) -> Mapping[str, str | bytes]:
    """The files by name: `report.html`, `comparison.md`, `summary.csv`, `halves.csv`, and PNG files in `plots/`.

    Args:
        result: The result of the comparison.
        yaml: The comparison as it was run.
        optional: Reports pictures that cannot be made, which are left out.
        command: The command that runs it again.
    """
    pictures = page.comparison_pictures(result, optional)
    return {
        "report.html": page.render_comparison_page(result, yaml, command, pictures),
        "comparison.md": exports.comparison_markdown(result),
        "summary.csv": exports.summary_csv(result),
        "halves.csv": exports.halves_csv(result),
        **{f"plots/{name}.png": picture.png for name, picture in pictures.items() if picture},
    }
