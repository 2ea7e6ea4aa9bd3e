"""The command that compares contestants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from branchsweep.cli.context import (
    all_overrides,
    handle_interrupt,
    open_training,
    read_table,
    require_parent_folder,
    resolve_workers,
)
from branchsweep.cli.options import INTERRUPTED_MESSAGE, AsJson, DataPath, Overrides, RequireReal, TrackingUri, WorkersOption

if TYPE_CHECKING:
    from branchsweep.config.comparison import Comparison
    from branchsweep.config.workers import Workers
    from branchsweep.metrics.comparison_result import ComparisonResult


def compare(
    comparison: Annotated[Path, typer.Argument(metavar="COMPARISON", help="A YAML file, such as experiments/compare.yaml.")],
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
    tracking_uri: TrackingUri = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The seed of the comparison.")] = None,
    workers: WorkersOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tune on very few trials: about a minute, for a first look.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again, even if this comparison is recorded.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Also write the report to this path, as one HTML file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare models by 5x2 cross-validation: one network for all heads, one network per head, and further contestants."""
    from branchsweep.config.loading import load_comparison
    from branchsweep.reporting.comparison.text import render_comparison

    console = Console(stderr=True)
    chosen = load_comparison(comparison, all_overrides(overrides, None, seed))
    chosen = chosen.quick() if quick else chosen
    means = resolve_workers(workers, chosen.experiment)
    if output:
        require_parent_folder(output)
    command = f"branchsweep compare {comparison}" + " --quick" * quick
    with handle_interrupt(console, INTERRUPTED_MESSAGE):
        said, page = _compared(chosen, command, data, require_real, tracking_uri, means, fresh, console)
    if output:
        output.write_text(page, encoding="utf-8")
        console.print(f"{output} written", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(said.dumps())
    else:
        Console().print(render_comparison(said))


def _compared(
    chosen: Comparison,
    command: str,
    data_path: Path | None,
    require_real: bool,
    tracking_uri: str | None,
    means: Workers,
    fresh: bool,
    console: Console,
) -> tuple[ComparisonResult, str]:
    """Run or resume a comparison; return its result and its HTML page."""
    from branchsweep.data.halves import split_halves
    from branchsweep.reporting.comparison.files import comparison_files
    from branchsweep.tracking.open import open_comparison_tracking
    from branchsweep.workflows.comparison.compare import ComparisonContext, all_rows, compare, record

    dataset, _ = read_table(chosen.experiment, data_path, require_real, console)
    cut = split_halves(chosen.experiment, dataset, data_path, chosen.seed)
    console.print(f"halves: {cut.origin}", highlight=False, soft_wrap=True)
    of = record(chosen, dataset, cut)
    tracker = open_comparison_tracking(of, tracking_uri, fresh)
    finished = tracker.conclusion
    if finished:
        console.print("this comparison is complete; add --fresh to run it again")
        said = finished
    else:
        with open_training(all_rows(chosen, dataset, cut), means, console) as (trainer, progress):
            said = compare(chosen, dataset, cut, ComparisonContext(trainer, tracker, progress))
    files = comparison_files(said, of.yaml, command)
    if not finished:
        tracker.finish(said, files)
    return said, str(files["report.html"])
