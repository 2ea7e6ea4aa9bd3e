"""The command that compares contestants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from branchsweep.cli.opening import all_overrides, at_work, means_of, read_table, refuse_missing_folder, stoppable
from branchsweep.cli.words import STOPPED, AsJson, DataPath, Overrides, RequireReal, TrackingUri, WorkersWord

if TYPE_CHECKING:
    from branchsweep.comparison import Comparison
    from branchsweep.experiment import Workers
    from branchsweep.findings import Findings


def compare(
    comparison: Annotated[Path, typer.Argument(metavar="COMPARISON", help="A YAML file, such as experiments/compare.yaml.")],
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
    tracking_uri: TrackingUri = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The comparison's seed.")] = None,
    workers: WorkersWord = None,
    quick: Annotated[bool, typer.Option("--quick", help="Hardly tuned, in about a minute: for a first look.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even if this comparison is recorded.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PATH", help="Write the report here too, as one HTML file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare contestants by 5x2 cross-validation: one network for all heads, one for each, and whoever else competes."""
    from branchsweep import config
    from branchsweep.report import text

    console = Console(stderr=True)
    chosen = config.load_comparison(comparison, all_overrides(overrides, None, seed))
    chosen = chosen.quick() if quick else chosen
    means = means_of(workers, chosen.experiment)
    if output:
        refuse_missing_folder(output)
    command = f"branchsweep compare {comparison}" + " --quick" * quick
    with stoppable(console, STOPPED):
        said, page = _compared(chosen, command, data, require_real, tracking_uri, means, fresh, console)
    if output:
        output.write_text(page, encoding="utf-8")
        console.print(f"{output} written", highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(said.dumps())
    else:
        Console().print(text.comparison(said))


def _compared(
    chosen: Comparison,
    command: str,
    data_path: Path | None,
    require_real: bool,
    tracking_uri: str | None,
    means: Workers,
    fresh: bool,
    console: Console,
) -> tuple[Findings, str]:
    """Reads the table, opens the engines, lets the comparison run, and writes down what it found; with its page."""
    from branchsweep import compare as flow
    from branchsweep.data import halves
    from branchsweep.findings import Findings
    from branchsweep.ledgers.comparisons import MlflowComparison
    from branchsweep.report import artifacts

    dataset, _ = read_table(chosen.experiment, data_path, require_real, console)
    cut = halves(chosen.experiment, dataset, data_path, chosen.seed)
    console.print(f"halves: {cut.origin}", highlight=False, soft_wrap=True)
    of = flow.record(chosen, dataset, cut)
    ledger = MlflowComparison.open(of, tracking_uri, fresh)
    if ledger.conclusion:
        console.print("this comparison is complete; to make it anew, add --fresh")
        said = Findings.loads(ledger.conclusion)
    else:
        with at_work(flow.all_rows(chosen, dataset, cut), means, console) as (trainer, watch):
            said = flow.compare(chosen, dataset, cut, flow.Engines(trainer, ledger, watch))
    files = artifacts.of_comparison(said, of.yaml, command)
    if not ledger.conclusion:
        ledger.conclude(said, files)
    return said, str(files["report.html"])
