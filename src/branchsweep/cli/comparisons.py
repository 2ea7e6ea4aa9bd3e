"""The command that compares contestants."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from branchsweep.cli.context import (
    all_overrides,
    handle_interrupt,
    open_session,
    require_other_file,
    require_page_path,
    resolve_workers,
)
from branchsweep.cli.help_texts import EXECUTION_OPTIONS, EXPERIMENT_OPTIONS
from branchsweep.cli.options import (
    INTERRUPTED_MESSAGE,
    AsJson,
    ComparisonOverrides,
    DataPath,
    PageOutput,
    RequireReal,
    TrackingUri,
    WorkersOption,
)
from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.reporting.text.literal_console import LiteralConsole


def compare(
    comparison: Annotated[Path, typer.Argument(metavar="COMPARISON", help="A YAML file, such as experiments/compare.yaml.")],
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: ComparisonOverrides = None,
    tracking_uri: TrackingUri = None,
    seed: Annotated[
        int | None, typer.Option("--seed", rich_help_panel=EXPERIMENT_OPTIONS, min=0, help="The seed of the comparison.")
    ] = None,
    workers: WorkersOption = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            rich_help_panel=EXECUTION_OPTIONS,
            help="For a first look: few trials and epochs; the result says what was cut.",
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", rich_help_panel=EXECUTION_OPTIONS, help="Start again, even if this comparison is recorded."),
    ] = False,
    output: PageOutput = None,
    as_json: AsJson = False,
) -> None:
    """Compare models by 5x2 cross-validation: one network for all heads, one network per head, and further contestants."""
    from branchsweep.config.yaml.loading import load_comparison

    console = LiteralConsole(stderr=True)
    chosen = load_comparison(comparison, all_overrides(overrides, None, seed))
    # Imported after the comparison is read, which is quick, so that a mistake in it is reported at once.
    from branchsweep.reporting.comparison.files import comparison_files
    from branchsweep.reporting.comparison.text import render_comparison
    from branchsweep.runtime import write_file
    from branchsweep.workflows.launch import launch_comparison

    opened = open_session(console, data, require_real, tracking_uri, resolve_workers(workers, chosen.experiment))
    if output is not None:
        require_page_path(output)
        require_other_file(output, comparison, data)
    command = f"branchsweep compare {comparison}" + " --quick" * quick
    with handle_interrupt(console, INTERRUPTED_MESSAGE):
        render = partial(comparison_files, command=command)
        result, files = launch_comparison(chosen, replace(opened, fresh=fresh), render, quick)
    if output and "report.html" in files:
        write_file(output, files["report.html"])
        console.print(f"{output} written", highlight=False, soft_wrap=True)
    if as_json:
        print_json(result.to_json())
    else:
        OutputConsole().print(render_comparison(result))
