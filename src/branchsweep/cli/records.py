"""Commands that look at what is recorded, and write it elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from branchsweep.cli.context import require_parent_folder, write_files
from branchsweep.cli.options import AsJson, TrackingUri
from branchsweep.errors import TrackingError, UserError

if TYPE_CHECKING:
    from branchsweep.metrics.comparison_result import ComparisonResult
    from branchsweep.tracking.run_reader import RecordedSweep
    from branchsweep.tracking.run_records import ComparisonSummary, SweepSummary
    from branchsweep.workflows.leaderboard import Leaderboard, TrialDetails

MOST_TRIALS = 20
"""Trials of a sweep that are shown, if nobody says how many."""


def show(
    sweep: Annotated[str, typer.Argument(metavar="[SWEEP]", help="A sweep's name or run id; all sweeps if not given.")] = "",
    trial: Annotated[
        int | None, typer.Argument(metavar="[TRIAL]", min=0, help="The number of a trial; the best ones if not given.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="FIGURE", help="objective, r2/mean, r2/HEAD, number, seconds or parameters."),
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option("--status", metavar="STATUS", help="complete, pruned or failed. Repeatable.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="CONDITION", help="On a param: KEY=VALUE, KEY<VALUE, KEY>=VALUE, …. Repeatable."),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--most", min=1, help="How many trials to show; 20 if not given, with --json all.")
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """List the sweeps of the store, or one sweep's trials, the best first, or all that is known of one trial."""
    from branchsweep.reporting.comparison.text import render_comparison
    from branchsweep.reporting.text import layout, records
    from branchsweep.tracking.run_reader import list_comparisons, list_sweeps, open_sweep, to_json

    console = Console()
    filters = {"--sort": sort, "--status": status, "--where": where, "--most": most}
    idle = [name for name, given in filters.items() if given]
    if idle and (not sweep or trial is not None):
        raise UserError("it is about the trials of a sweep: give it with SWEEP alone", where=idle[0])
    if not sweep:
        listed = list_sweeps(tracking_uri), list_comparisons(tracking_uri)
        typer.echo(to_json(*listed)) if as_json else console.print(records.render_run_lists(*listed))
        return
    try:
        recorded = open_sweep(tracking_uri, sweep)
    except TrackingError:
        findings = _comparison_named(sweep, tracking_uri)
        if findings is None:
            raise
        typer.echo(findings.dumps()) if as_json else console.print(render_comparison(findings))
        return
    if trial is None:
        board = _leaderboard(recorded, sort, status or [], where or [], most, as_json)
        typer.echo(board.to_json()) if as_json else console.print(records.render_leaderboard(board))
    else:
        seen = _portrait(recorded, trial, tracking_uri, console.width - layout.INDENT)
        typer.echo(seen.to_json()) if as_json else console.print(records.render_trial_details(seen))


def _comparison_named(name: str, tracking_uri: str | None) -> ComparisonResult | None:
    """What a comparison has found, if it is one that somebody names, and no sweep."""
    from branchsweep.tracking.run_reader import list_comparisons, list_sweeps

    def named(listed: Sequence[SweepSummary] | Sequence[ComparisonSummary]) -> bool:
        return any(name == one.name or one.run_id.startswith(name) for one in listed)

    if named(list_sweeps(tracking_uri)) or not named(list_comparisons(tracking_uri)):
        return None
    from branchsweep.metrics.comparison_result import ComparisonResult
    from branchsweep.tracking.mlflow_comparison import open_comparison

    found = open_comparison(tracking_uri, name).conclusion
    if not found:
        raise UserError(f"the comparison '{name}' has not come to its end: the same command goes on with it")
    return ComparisonResult.loads(found)


def _leaderboard(
    recorded: RecordedSweep, sort: str | None, status: list[str], where: list[str], most: int | None, as_json: bool
) -> Leaderboard:
    """The trials of a sweep that somebody asks for."""
    from branchsweep.config.loading import parse_recorded_experiment
    from branchsweep.workflows.leaderboard import OBJECTIVE, TrialFilter, leaderboard

    of = recorded.record
    most = most if most or as_json else MOST_TRIALS
    wishes = TrialFilter.parsed(sort or OBJECTIVE, status, where, most, list(of.heads))
    experiment = parse_recorded_experiment(recorded.yaml, recorded.where) if wishes.needs_experiment else None
    trials = (recorded.results, recorded.run_ids)
    return leaderboard(of.name, recorded.run_id, of.heads, of.objective, *trials, wishes, experiment)


def _portrait(recorded: RecordedSweep, number: int, tracking_uri: str | None, columns: int) -> TrialDetails:
    """One trial of a sweep."""
    from branchsweep.config.loading import parse_recorded_experiment
    from branchsweep.models.drawing import COLUMNS
    from branchsweep.workflows.leaderboard import find_trial, trial_details

    result = find_trial(recorded.results, number, recorded.where)
    experiment = parse_recorded_experiment(recorded.yaml, recorded.where)
    known = (recorded.run_id, recorded.run_ids[number], result, recorded.curves(number))
    return trial_details(experiment, *known, tracking_uri, min(columns, COLUMNS))


def report(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="PATH", help="A path that ends in .html for the page alone; else a folder."),
    ] = Path("report.html"),
    tracking_uri: TrackingUri = None,
) -> None:
    """Make the page of a finished sweep again from its record; nothing is trained.

    Into a folder go the pictures as PNG, a page to play with and the tables too.
    """
    from branchsweep.config.loading import parse_recorded_experiment
    from branchsweep.reporting.pages.sweep_page import PAGE, render_sweep_page, report_files
    from branchsweep.tracking.mlflow_tracker import open_existing
    from branchsweep.workflows.sweep import finished_result
    from branchsweep.workflows.sweep_report import recorded_report

    alone = output.suffix.lower() == ".html"
    if alone:
        require_parent_folder(output)
    ledger = open_existing(tracking_uri, sweep)
    of = ledger.sweep
    where = f"sweep {of.name} ({ledger.run_id[:8]})"
    experiment = parse_recorded_experiment(of.yaml, where)
    summary = finished_result(experiment, ledger.conclusion)
    if summary is None:
        raise UserError(f"{where} has not come to its end: let branchsweep run go on with it first")
    said = recorded_report(ledger, experiment, summary)
    files = {output.name: render_sweep_page(said)} if alone else report_files(said)
    write_files(output.parent if alone else output, files)
    Console(stderr=True).print(f"{output if alone else output / PAGE} written", highlight=False, soft_wrap=True)


def export_study(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    storage: Annotated[str, typer.Option("--storage", metavar="URL", help="Where to, such as sqlite:///study.db.")],
    name: Annotated[str, typer.Option("--name", help="The study's name; the sweep's if not given.")] = "",
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a recorded sweep as an Optuna study, to look at with optuna-dashboard."""
    from branchsweep.config.loading import parse_recorded_experiment
    from branchsweep.search.optuna_export import export_study
    from branchsweep.tracking.mlflow_tracker import open_existing
    from branchsweep.tracking.tracking_uri import without_password

    ledger = open_existing(tracking_uri, sweep)
    of, results = ledger.sweep, ledger.recall()
    experiment = parse_recorded_experiment(of.yaml, f"sweep {of.name} ({ledger.run_id[:8]})")
    facts = {"sweep": of.name, "run_id": ledger.run_id, "data_digest": of.tags["data_digest"], "question": of.question}
    export_study(experiment, results, storage, name or of.name, facts)
    say = Console(stderr=True)
    say.print(f"{len(results)} trials written as the study '{name or of.name}'", highlight=False, soft_wrap=True)
    say.print(f"optuna-dashboard {without_password(storage)}", style="cyan", highlight=False, soft_wrap=True)
