"""The files that are kept with a finished comparison: its page, its tables, its pictures."""

from __future__ import annotations

from collections.abc import Mapping

from branchsweep.findings import Findings
from branchsweep.report import figures_of_comparison, page, plots, tables


def of_comparison(findings: Findings, yaml: str, command: str) -> Mapping[str, str | bytes]:
    """By name: `report.html`, `comparison.md`, `summary.csv`, `halves.csv`, and PNG pictures under `plots/`.

    Args:
        findings: What was found.
        yaml: The comparison as it was run.
        command: What makes it again.
    """
    pictures = {"contestants": figures_of_comparison.intervals, "cost": figures_of_comparison.cost}
    if findings.transfer:
        pictures["transfer"] = figures_of_comparison.transfer
    if findings.sharing:
        pictures["sharing"] = figures_of_comparison.sharing
    return {
        "report.html": page.page_of_comparison(findings, yaml, command),
        "comparison.md": tables.as_markdown(findings),
        "summary.csv": tables.summary_csv(findings),
        "halves.csv": tables.as_csv(findings),
        **{f"plots/{name}.png": plots.png(picture(findings)) for name, picture in pictures.items()},
    }
