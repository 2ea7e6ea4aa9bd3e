"""Commands that show recorded sweeps and comparisons, or write them to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from branchsweep.cli.context import read_recorded_trial, require_page_path, write_files
from branchsweep.cli.options import AsJson, TrackingUri, output_option
from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, UserError
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.metrics.comparison_result import ComparisonResult
    from branchsweep.tracking.comparison_protocols import ComparisonArchive
    from branchsweep.tracking.open import ListedComparison, ListedCrossValidation, ListedSweep, SweepReader
    from branchsweep.tracking.optional_outputs import OptionalOutputs
    from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
    from branchsweep.workflows.records.leaderboard import Leaderboard
    from branchsweep.workflows.records.trial_details import TrialDetails
    from branchsweep.workflows.records.trial_filter import Condition, TrialFilter
    from branchsweep.workflows.sweep_report import Files, SweepReport

REPORT = "report.html"
"""The page among the files of a sweep, and of a comparison."""

MOST_TRIALS = 20
"""Trials of a sweep that are shown by default."""


def show(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help="A sweep's or comparison's name or run id; default: list all.")
    ] = "",
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", min=0, help="The number of a trial; default: the best trials.")
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="KEY", help="objective, METRIC/mean, METRIC/HEAD (r2/PE), number, seconds, parameters, latency, …"
        ),
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option("--status", metavar="STATUS", help="complete, pruned or failed. Repeatable.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="CONDITION", help="Condition on a parameter: KEY=VALUE, KEY<VALUE, KEY>=VALUE, …. Repeatable."
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--most", min=1, help="Number of trials to show; default: 20, with --json all.")
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """List the recorded sweeps, or the trials of one sweep, best first, or the details of one trial.

    Of a comparison or an outer cross-validation, print the result.
    """
    from branchsweep.tracking.open import open_recorded_sweep

    filters = {"--sort": sort, "--status": status, "--where": where, "--most": most}
    unused = [name for name, given in filters.items() if given]
    if unused and (not sweep or trial is not None):
        raise UserError("filters the trials of a sweep: expected SWEEP and no TRIAL with it", where=unused[0])
    if not sweep:
        _show_all(tracking_uri, as_json)
        return
    try:
        recorded = open_recorded_sweep(tracking_uri, sweep)
    except TrackingError:
        if not _show_other(sweep, tracking_uri, as_json):
            raise
        return
    if trial is not None:
        _show_trial(recorded, trial, tracking_uri, as_json)
        return
    from branchsweep.workflows.records.trial_filter import OBJECTIVE, TrialFilter

    most = most if most or as_json else MOST_TRIALS
    conditions = _conditions(recorded, where or [])
    trial_filter = TrialFilter.parsed(sort or OBJECTIVE, status or [], conditions, most, recorded.record.score_metrics)
    _show_leaderboard(recorded, trial_filter, as_json)


def _show_all(tracking_uri: Address | None, as_json: bool) -> None:
    """Lists what the store holds."""
    from branchsweep.reporting.text.run_lists import render_run_lists
    from branchsweep.tracking.open import list_comparisons, list_cross_validations, list_sweeps, runs_to_json

    listed = list_sweeps(tracking_uri), list_comparisons(tracking_uri), list_cross_validations(tracking_uri)
    print_json(runs_to_json(*listed)) if as_json else OutputConsole().print(render_run_lists(*listed))


def _show_other(name: str, tracking_uri: Address | None, as_json: bool) -> bool:
    """Shows an outer cross-validation or a comparison; whether there is one of this name or run id, and no sweep."""
    from branchsweep.reporting.comparison.text import render_comparison
    from branchsweep.reporting.text.cross_validation import render_cross_validation

    nested = _cross_validation_named(name, tracking_uri)
    if nested is not None:
        print_json(nested.to_json()) if as_json else OutputConsole().print(render_cross_validation(nested))
        return True
    comparison = _comparison_named(name, tracking_uri)
    if comparison is None:
        return False
    findings = _finished_result(comparison)
    print_json(findings.to_json()) if as_json else OutputConsole().print(render_comparison(findings))
    return True


def _show_leaderboard(recorded: SweepReader, trial_filter: TrialFilter, as_json: bool) -> None:
    """Shows trials of a sweep, and its model."""
    from branchsweep.reporting.text.sweep_summary import render_model
    from branchsweep.reporting.text.trials import render_leaderboard
    from branchsweep.workflows.records.sweep_summary import SweepSummary

    board = _leaderboard(recorded, trial_filter)
    if as_json:
        print_json(board.to_json())
        return
    console, summary = OutputConsole(), SweepSummary.of_conclusion(recorded.conclusion)
    console.print(render_leaderboard(board))
    for part in render_model(summary) if summary else ():
        console.print(part)


def _show_trial(recorded: SweepReader, number: int, tracking_uri: Address | None, as_json: bool) -> None:
    """Shows one trial in detail."""
    from branchsweep.reporting.text import layout
    from branchsweep.reporting.text.trials import render_trial_details

    console = OutputConsole()
    details = _trial_details(recorded, number, tracking_uri, console.width - layout.INDENT)
    print_json(details.to_json()) if as_json else console.print(render_trial_details(details))


def _cross_validation_named(name: str, tracking_uri: Address | None) -> CrossValidationResult | None:
    """The result of an outer cross-validation with this name or run id, so far if it has not finished.

    None if a sweep or a comparison has the name, or nothing.
    """
    from branchsweep.config.yaml.recorded import parse_recorded_experiment
    from branchsweep.tracking.open import (
        list_comparisons,
        list_cross_validations,
        list_sweeps,
        recorded_cross_validation,
    )
    from branchsweep.workflows.outer_cross_validation import recorded_result, result_so_far

    listed = list_sweeps(tracking_uri), list_comparisons(tracking_uri)
    if any(_is_named(name, runs) for runs in listed) or not _is_named(name, list_cross_validations(tracking_uri)):
        return None
    recorded = recorded_cross_validation(tracking_uri, name)
    finished = recorded_result(recorded.conclusion)
    if finished is not None:
        return finished
    experiment = parse_recorded_experiment(recorded.yaml, f"outer cross-validation {name}")
    return result_so_far(experiment, recorded.run_id, recorded.record.table, recorded.part)


def _is_named(name: str, runs: Sequence[ListedSweep | ListedComparison | ListedCrossValidation]) -> bool:
    """Whether one of these runs has a name, or a run id that begins so."""
    return any(name == run.name or run.run_id.startswith(name) for run in runs)


def _comparison_named(name: str, tracking_uri: Address | None) -> ComparisonArchive | None:
    """The comparison with this name or run id; None if a sweep has it, or nothing."""
    from branchsweep.tracking.open import list_comparisons, list_sweeps, open_recorded_comparison

    if _is_named(name, list_sweeps(tracking_uri)) or not _is_named(name, list_comparisons(tracking_uri)):
        return None
    return open_recorded_comparison(tracking_uri, name)


def _finished_result(recorded: ComparisonArchive) -> ComparisonResult:
    result = recorded.conclusion
    if result is None:
        raise UserError(f"the comparison '{recorded.comparison.name}' is not finished: resume it with branchsweep compare")
    return result


def _conditions(recorded: SweepReader, where: Sequence[str]) -> list[Condition]:
    """The conditions on the hyperparameters of a recorded sweep."""
    from branchsweep.config.yaml.recorded import parse_recorded_experiment
    from branchsweep.workflows.records.trial_filter import Condition

    space = parse_recorded_experiment(recorded.yaml, recorded.label).space if where else None
    return [Condition.parsed(text, list(recorded.record.score_metrics), space) for text in where]


def _leaderboard(recorded: SweepReader, trial_filter: TrialFilter) -> Leaderboard:
    """Filter and sort the trials of a recorded sweep."""
    from branchsweep.config.yaml.recorded import parse_recorded_experiment
    from branchsweep.workflows.records.leaderboard import SweepTrials, leaderboard
    from branchsweep.workflows.records.recorded_params import check_recorded_params

    experiment = parse_recorded_experiment(recorded.yaml, recorded.label) if trial_filter.needs_experiment else None
    if experiment:
        check_recorded_params(experiment, recorded.recorded_results(), recorded.label)
    trials = SweepTrials(
        recorded.run_id, recorded.record, recorded.recorded_results(), recorded.run_ids, recorded.status.lower()
    )
    return leaderboard(trials, trial_filter, experiment)


def _trial_details(recorded: SweepReader, number: int, tracking_uri: Address | None, columns: int) -> TrialDetails:
    """All details of one recorded trial."""
    from branchsweep.models.drawing import COLUMNS
    from branchsweep.workflows.records.trial_details import RecordedTrial, trial_details

    experiment, result = read_recorded_trial(recorded, number)
    trial = RecordedTrial(recorded.run_ids[number], result, recorded.curves(number))
    return trial_details(experiment, recorded.run_id, trial, tracking_uri, min(columns, COLUMNS))


def report(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's or comparison's name or run id.")],
    output: Annotated[
        Path,
        output_option("A path that ends in .html for the page alone, or a folder."),
    ] = Path("report.html"),
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Also write a page to zoom and filter in beside it (Plotly, 4.8 MB).")
    ] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Write the report of a sweep or a comparison from its record; nothing is trained.

    Before the end of a sweep the page says how far it is. A folder also gets the figures as PNG, and the tables.
    """
    from branchsweep.tracking.open import open_recorded_sweep
    from branchsweep.tracking.optional_outputs import OptionalOutputs

    alone = output.suffix.lower() == ".html"
    if alone:
        require_page_path(output)
    elif output.suffix:
        raise UserError(f"got '{output}', expected a path that ends in .html for the page alone, or a folder", "--output")
    console = LiteralConsole(stderr=True)
    optional = OptionalOutputs(lambda text: console.print(text, style="yellow", highlight=False, soft_wrap=True))
    separate: Mapping[str, str] = {}
    try:
        recorded = open_recorded_sweep(tracking_uri, sweep)
    except TrackingError:
        comparison = _comparison_named(sweep, tracking_uri)
        if comparison is None:
            raise
        if interactive:
            raise UserError("is for sweeps: a comparison has no page to zoom and filter in", "--interactive") from None
        files = _comparison_report(comparison, optional)
        page = files[REPORT]
    else:
        from branchsweep.reporting.pages.sweep_files import INTERACTIVE, interactive_page, report_files, report_page

        content = _sweep_report(recorded)
        files = {} if alone else report_files(content, optional)
        page = report_page(content, optional) if alone else files[REPORT]
        separate = {f"{output.stem}.{INTERACTIVE}" if alone else INTERACTIVE: interactive_page(content)} if interactive else {}
    folder = output.parent if alone else output
    write_files(folder, {**({output.name: page} if alone else files), **separate})
    written = [str(output)] if alone else [f"{output / REPORT} with its figures and tables"]
    written += [str(folder / name) for name in separate]
    console.print(f"{' and '.join(written)} written", highlight=False, soft_wrap=True)


def _comparison_report(recorded: ComparisonArchive, optional: OptionalOutputs) -> Files:
    """The files of a finished comparison, made again from its record."""
    from branchsweep.reporting.comparison.files import comparison_files

    yaml = recorded.comparison.yaml
    return comparison_files(_finished_result(recorded), yaml, optional, command="branchsweep compare comparison.yaml")


def _sweep_report(recorded: SweepReader) -> SweepReport:
    """What the report of a recorded sweep shows: the finished one, or what there is so far."""
    from branchsweep.config.yaml.recorded import parse_recorded_experiment
    from branchsweep.workflows.records.recorded_params import check_recorded_params
    from branchsweep.workflows.records.report_tables import recorded_report
    from branchsweep.workflows.records.unfinished_report import unfinished_report
    from branchsweep.workflows.sweep import finished_result

    experiment = parse_recorded_experiment(recorded.yaml, recorded.label)
    if recorded.conclusion is None:
        check_recorded_params(experiment, recorded.recorded_results(), recorded.label)
        return unfinished_report(recorded, experiment, recorded.status.lower(), datetime.now().astimezone())
    summary = finished_result(experiment, recorded.conclusion)
    if summary is None:
        raise UserError(f"the summary of {recorded.label} cannot be read: branchsweep run concludes the sweep again")
    return recorded_report(recorded, experiment, summary)


def export_study(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    storage: Annotated[
        Address,
        typer.Option(
            "--storage", metavar="URL", parser=Address, help="Optuna storage to write to, such as sqlite:///study.db."
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the study; default: the sweep's.")] = "",
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a recorded sweep as an Optuna study, for optuna-dashboard."""
    from branchsweep.config.yaml.recorded import parse_recorded_experiment
    from branchsweep.search.optuna_export import export_study
    from branchsweep.tracking.open import open_recorded_sweep

    recorded = open_recorded_sweep(tracking_uri, sweep)
    recorded_sweep, results = recorded.sweep, recorded.recorded_results()
    experiment = parse_recorded_experiment(recorded_sweep.yaml, recorded.label)
    facts = {
        "sweep": recorded_sweep.name,
        "run_id": recorded.run_id,
        "data_digest": recorded_sweep.table.digest,
        "question": recorded_sweep.question,
    }
    export_study(experiment, results, storage, name or recorded_sweep.name, facts)
    console = LiteralConsole(stderr=True)
    console.print(
        f"{len(results)} trials written as the study '{name or recorded_sweep.name}'", highlight=False, soft_wrap=True
    )
    console.print(f"optuna-dashboard {storage}", style="cyan", highlight=False, soft_wrap=True)
