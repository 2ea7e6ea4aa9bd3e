"""What the report of a sweep says of running it, and reading it, again."""

from __future__ import annotations

from branchsweep.workflows.sweep_report import SweepReport


def reproduction_sentence(report: SweepReport) -> str:
    """What the results depend on."""
    if report.experiment.objective.optimizes_latency:
        return "The results depend on it, the table, the library versions and the latencies that were measured only."
    return "The results depend on it, the table and the library versions only."


def reproduction_commands(report: SweepReport) -> str:
    """Commands, one a line: those that read the record only where it is in a store that they read."""
    result = report.summary
    lines = ["branchsweep run experiment.yaml --fresh            # the whole sweep"]
    if not report.is_in_mlflow:
        return lines[0]
    if report.marked:
        replay = f"branchsweep replay {result.run_id[:12]} --trial {report.marked.trial}"
        lines.append(f"{replay}    # trains the {report.marked_name} again and compares")
    if result.registered:
        lines.append(
            f"branchsweep predict models:/{result.registered.model}/{result.registered.version} TABLE.xlsx -o predictions.csv"
        )
    lines.append(f"branchsweep report {result.run_id[:12]} -o report.html   # this page")
    return "\n".join(lines)


def interactive_command(report: SweepReport) -> str:
    """The command that makes the interactive page; empty where the record is in a store that it does not read."""
    return f"branchsweep report {report.summary.run_id[:12]} --interactive -o figures" if report.is_in_mlflow else ""
