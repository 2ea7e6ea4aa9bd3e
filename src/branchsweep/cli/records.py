"""Commands that look at what is recorded, and write it elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from branchsweep.cli.opening import refuse_missing_folder, write_files
from branchsweep.cli.words import AsJson, TrackingUri
from branchsweep.errors import LedgerError, UserError

if TYPE_CHECKING:
    from branchsweep.findings import Findings
    from branchsweep.ledgers.listing import ComparisonSummary, SweepSummary
    from branchsweep.ledgers.reading import Reading
    from branchsweep.review import Leaderboard, Portrait


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
    from branchsweep.ledgers import reading
    from branchsweep.report import text

    console = Console()
    filters = {"--sort": sort, "--status": status, "--where": where, "--most": most}
    idle = [name for name, given in filters.items() if given]
    if idle and (not sweep or trial is not None):
        raise UserError("it is about the trials of a sweep: give it with SWEEP alone", where=idle[0])
    if not sweep:
        listed = reading.list_sweeps(tracking_uri), reading.list_comparisons(tracking_uri)
        typer.echo(reading.to_json(*listed)) if as_json else console.print(text.listed(*listed))
        return
    try:
        recorded = reading.open_sweep(tracking_uri, sweep)
    except LedgerError:
        findings = _comparison_named(sweep, tracking_uri)
        if findings is None:
            raise
        typer.echo(findings.dumps()) if as_json else console.print(text.comparison(findings))
        return
    if trial is None:
        board = _leaderboard(recorded, sort, status or [], where or [], most, as_json)
        typer.echo(board.to_json()) if as_json else console.print(text.leaderboard(board))
    else:
        seen = _portrait(recorded, trial, tracking_uri, console.width - text.INDENT)
        typer.echo(seen.to_json()) if as_json else console.print(text.portrait(seen))


def _comparison_named(name: str, tracking_uri: str | None) -> Findings | None:
    """What a comparison has found, if it is one that somebody names, and no sweep."""
    from branchsweep.ledgers import reading

    def named(listed: Sequence[SweepSummary] | Sequence[ComparisonSummary]) -> bool:
        return any(name == one.name or one.run_id.startswith(name) for one in listed)

    if named(reading.list_sweeps(tracking_uri)) or not named(reading.list_comparisons(tracking_uri)):
        return None
    from branchsweep.findings import Findings
    from branchsweep.ledgers.comparisons import open_comparison

    found = open_comparison(tracking_uri, name).conclusion
    if not found:
        raise UserError(f"the comparison '{name}' has not come to its end: the same command goes on with it")
    return Findings.loads(found)


def _leaderboard(
    recorded: Reading, sort: str | None, status: list[str], where: list[str], most: int | None, as_json: bool
) -> Leaderboard:
    """The trials of a sweep that somebody asks for."""
    from branchsweep import config, review

    of = recorded.record
    most = most if most or as_json else MOST_TRIALS
    wishes = review.Wishes.parsed(sort or review.OBJECTIVE, status, where, most, list(of.heads))
    experiment = config.recorded(recorded.yaml, recorded.where) if wishes.needs_experiment else None
    trials = (recorded.results, recorded.run_ids)
    return review.leaderboard(of.name, recorded.run_id, of.heads, of.objective, *trials, wishes, experiment)


def _portrait(recorded: Reading, number: int, tracking_uri: str | None, columns: int) -> Portrait:
    """One trial of a sweep."""
    from branchsweep import config, drawing, review

    result = review.numbered(recorded.results, number, recorded.where)
    experiment = config.recorded(recorded.yaml, recorded.where)
    known = (recorded.run_id, recorded.run_ids[number], result, recorded.curves(number))
    return review.portrait(experiment, *known, tracking_uri, min(columns, drawing.COLUMNS))


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
    from branchsweep import config
    from branchsweep import sweep as flow
    from branchsweep.ledgers.mlflow import open_existing
    from branchsweep.report import sweep_page, sweep_report

    alone = output.suffix.lower() == ".html"
    if alone:
        refuse_missing_folder(output)
    ledger = open_existing(tracking_uri, sweep)
    of = ledger.sweep
    where = f"sweep {of.name} ({ledger.run_id[:8]})"
    experiment = config.recorded(of.yaml, where)
    summary = flow.finished(experiment, ledger.conclusion)
    if summary is None:
        raise UserError(f"{where} has not come to its end: let branchsweep run go on with it first")
    said = sweep_report.recalled(ledger, experiment, summary)
    files = {output.name: sweep_page.page(said)} if alone else sweep_page.printed(said)
    write_files(output.parent if alone else output, files)
    Console(stderr=True).print(f"{output if alone else output / sweep_page.PAGE} written", highlight=False, soft_wrap=True)


def export_study(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    storage: Annotated[str, typer.Option("--storage", metavar="URL", help="Where to, such as sqlite:///study.db.")],
    name: Annotated[str, typer.Option("--name", help="The study's name; the sweep's if not given.")] = "",
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a recorded sweep as an Optuna study, to look at with optuna-dashboard."""
    from branchsweep import config
    from branchsweep.drivers import studies
    from branchsweep.ledgers import address
    from branchsweep.ledgers.mlflow import open_existing

    ledger = open_existing(tracking_uri, sweep)
    of, results = ledger.sweep, ledger.recall()
    experiment = config.recorded(of.yaml, f"sweep {of.name} ({ledger.run_id[:8]})")
    facts = {"sweep": of.name, "run_id": ledger.run_id, "data_digest": of.tags["data_digest"], "question": of.question}
    studies.export(experiment, results, storage, name or of.name, facts)
    say = Console(stderr=True)
    say.print(f"{len(results)} trials written as the study '{name or of.name}'", highlight=False, soft_wrap=True)
    say.print(f"optuna-dashboard {address.shown(storage)}", style="cyan", highlight=False, soft_wrap=True)
