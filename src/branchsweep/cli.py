"""The command line. Every command opens what it needs, lets a flow do the work, and prints what came of it.

Heavy libraries are imported inside the commands that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from branchsweep import __version__
from branchsweep.errors import EXIT_CODE, ConfigError, LedgerError, UserError

if TYPE_CHECKING:
    from branchsweep.comparison import Comparison
    from branchsweep.data import Dataset, Split
    from branchsweep.experiment import Experiment, Workers
    from branchsweep.findings import Findings
    from branchsweep.ledgers.listing import ComparisonSummary, SweepSummary
    from branchsweep.ledgers.reading import Reading
    from branchsweep.population import TrainingRows
    from branchsweep.recipe import Architecture
    from branchsweep.replay import Replay
    from branchsweep.review import Leaderboard, Portrait
    from branchsweep.roles import Ledger, SweepRecord, Trainer, Watch
    from branchsweep.workshop import Workshop

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

MOST_TRIALS = 20
"""Trials of a sweep that are shown, if nobody says how many."""

UNPRIVILEGED = 1024
"""The first port that anybody may listen on."""

HIGHEST_PORT = 65535

MOST_PORTS = 100
"""So many ports after a taken one are tried, to propose one that is free."""

app = typer.Typer(
    name="branchsweep",
    help="Hyperparameter sweeps for branched multi-output Keras networks: hundreds of trials at once, every one in MLflow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ExperimentPath = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A YAML file, such as experiments/branched.yaml.")]
DataPath = Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Read this table instead of the experiment's.")]
RequireReal = Annotated[bool, typer.Option("--require-real", help="Refuse the embedded stand-in for the built-in table.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the experiment, such as fit.epochs=20. Repeatable."),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", metavar="URI", help="MLflow's store; sqlite:///mlflow.db here, unless MLFLOW_TRACKING_URI says."
    ),
]
WorkersWord = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N|ray|ADDRESS",
        help="So many worker processes, a core each; or those of a Ray cluster: of this machine, or at ray://HOST:PORT. If "
        "neither this nor the experiment says, one process per GPU that TensorFlow sees, or per core where it sees none.",
    ),
]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A registered model's name, such as ccpp-branched.")]


def main() -> None:
    """The entry point: a user's mistake ends in one message and exit code 2."""
    try:
        app()
    except UserError as error:
        console = Console(stderr=True)
        console.print(f"[bold red]error:[/] {_escaped(str(error))}", highlight=False, soft_wrap=True)
        _print_notes(error, console)
        sys.exit(EXIT_CODE)


def _print_notes(error: BaseException, console: Console) -> None:
    """What else went wrong while the error was on its way."""
    for note in getattr(error, "__notes__", []):
        console.print(_escaped(note), style="bold yellow", highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"branchsweep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


@app.command()
def run(
    experiment: ExperimentPath,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Trials in total (search.trials).")] = None,
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
    tracking_uri: TrackingUri = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The experiment's seed.")] = None,
    workers: WorkersWord = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even if this sweep is recorded.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Go on with this sweep even if another process runs it, which then stops.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and stop.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
    ] = False,
) -> None:
    """Run a sweep, or go on with it: search, refit the best, compare, register."""
    from branchsweep import config, outlook, references
    from branchsweep.report import text

    console = Console(stderr=True)
    chosen = config.load(experiment, _all_overrides(overrides, trials, seed))
    means = _means(workers, chosen)
    baselines = references.named_in(chosen)
    dataset, split = _read(chosen, data, require_real, console)
    if dry_run:
        seen = outlook.outlook(chosen, baselines, split, _workshop(means, console))
        if as_json:
            typer.echo(seen.to_json())
        else:
            Console().print(text.outlook(seen))
        return
    try:
        said = _sweep(chosen, baselines, dataset, split, tracking_uri, means, fresh, take_over, console)
    except KeyboardInterrupt as interrupt:
        console.print("stopped. What was finished is recorded: the same command goes on from there")
        _print_notes(interrupt, console)
        raise typer.Exit(INTERRUPTED) from interrupt
    if as_json:
        typer.echo(said.to_json())
    else:
        Console().print(text.summary(said, {name: head.unit for name, head in chosen.heads.items()}))
    if said.best is None:
        raise typer.Exit(1)


def _sweep(
    experiment: Experiment,
    baselines: list[Any],
    dataset: Dataset,
    split: Split,
    tracking_uri: str | None,
    means: Workers,
    fresh: bool,
    take_over: bool,
    console: Console,
) -> Any:
    """Opens the engines and lets the sweep run; a sweep that is complete already only says what it has to say."""
    from branchsweep import sweep
    from branchsweep.answer import training_rows
    from branchsweep.drivers import open_driver

    prior = _told_beforehand(experiment, dataset, tracking_uri)
    with (
        _at_work(training_rows(dataset, split), means, console) as (trainer, watch),
        _written_down(
            sweep.record(experiment, dataset, split, prior, trainer.workshop.device), tracking_uri, fresh, take_over, watch
        ) as ledger,
    ):
        finished = sweep.finished(experiment, ledger.conclusion)
        if finished:
            watch.say("this sweep is complete; to train it anew, add --fresh")
            return finished
        engines = sweep.Engines(open_driver(experiment, prior), trainer, ledger, watch, _press(watch), _portray)
        return sweep.run(experiment, baselines, dataset, split, engines)


@contextmanager
def _written_down(
    record: SweepRecord, tracking_uri: str | None, fresh: bool, take_over: bool, watch: Watch
) -> Iterator[Ledger]:
    """The sweep's ledger, beside training; what a server is to record lies on disk until it has it."""
    from branchsweep import environment
    from branchsweep.ledgers import address
    from branchsweep.ledgers.mlflow import MlflowLedger
    from branchsweep.ledgers.shadow import ShadowLedger
    from branchsweep.ledgers.spool import Spool

    ledger = MlflowLedger.open(record, tracking_uri, fresh, take_over)
    is_far = address.is_server(ledger.tracking_uri)
    spool = Spool(environment.cache_folder() / "spool" / ledger.run_id) if is_far else None
    if ledger.lease.after:
        watch.say(f"going on in the place of {ledger.lease.after}")
    before, now = (tags.get(environment.DEVICE, "") for tags in (ledger.stood, record.tags))
    if before and before != now and not ledger.conclusion:
        watch.say(f"what is recorded was trained on: {before}; what comes is trained on: {now}. Their last digits differ")
    with ShadowLedger(ledger, spool, ledger.lease, watch.say) as shadow:
        yield shadow


@contextmanager
def _at_work(rows: TrainingRows, means: Workers, console: Console) -> Iterator[tuple[Trainer, Watch]]:
    """Workers that see these rows, and the terminal that shows what they do."""
    from branchsweep.terminal import Terminal

    with Terminal(console) as watch, _trainer(rows, means, watch) as trainer:
        yield trainer, watch


def _trainer(rows: TrainingRows, means: Workers, watch: Watch) -> AbstractContextManager[Trainer]:
    from branchsweep import environment
    from branchsweep.experiment import Cluster

    if isinstance(means, Cluster):
        from branchsweep.training.ray import RayWorkers

        return RayWorkers(rows, means, watch.trained, watch.say, watch.crew)
    from branchsweep.training import gpus, workers

    cards = gpus.chosen(means, watch.say)
    return workers.Workers(rows, means.count, watch.trained, environment.cache_folder(), watch.crew, cards)


def _means(given: str | None, experiment: Experiment | None = None) -> Workers:
    """Who trains: as the command says, else as the experiment does.

    What a recorded sweep says is not asked: it was the place where that was trained.
    """
    from branchsweep.experiment import Cluster, Processes

    written = experiment.workers if experiment else Processes(kind="local")
    if given is None:
        return written
    if given.isdecimal() and int(given):
        return Processes(kind="local", count=int(given))
    cluster = written if isinstance(written, Cluster) else Cluster(kind="ray")
    if given == "ray":
        return cluster
    try:
        return Cluster.model_validate({**cluster.model_dump(), "address": given})
    except ValueError:
        message = f"got '{given}', expected a number of processes (2), ray for a Ray cluster, or its address (ray://HOST:10001)"
        raise UserError(message, "--workers") from None


def _told_beforehand(experiment: Experiment, dataset: Dataset, tracking_uri: str | None) -> list[Any]:
    """The results of the earlier sweeps that `search.warm_start` names."""
    if not experiment.search.warm_start:
        return []
    from branchsweep import config, sweep
    from branchsweep.errors import ConfigError
    from branchsweep.ledgers.mlflow import open_existing

    earlier = []
    for name in experiment.search.warm_start:
        if name == experiment.name:
            message = f"search.warm_start: got '{name}', this sweep's own name; expected the run id of an earlier one"
            raise ConfigError(f"{message} (branchsweep show)")
        ledger = open_existing(tracking_uri, name)
        of = ledger.sweep
        where = f"sweep {of.name} ({ledger.run_id[:8]})"
        earlier.append(sweep.Earlier(ledger.run_id, of, config.recorded(of.yaml, where), ledger.recall()))
    return sweep.told_beforehand(experiment, dataset, earlier)


def _workshop(means: Workers, console: Console) -> Workshop:
    """How many would train at once, and on what; of a cluster's GPUs nothing is known before somebody trains there."""
    from branchsweep.experiment import Cluster
    from branchsweep.workshop import Workshop

    if isinstance(means, Cluster):
        from branchsweep.training.ray import count_places

        return Workshop(count_places(means))
    from branchsweep.training import gpus, workers

    cards = gpus.chosen(means, lambda sentence: console.print(_escaped(sentence), highlight=False, soft_wrap=True))
    return workers.workshop_of(cards, means.count)


def _all_overrides(overrides: list[str] | None, trials: int | None, seed: int | None) -> list[str]:
    given = list(overrides or [])
    if trials is not None:
        given.append(f"search.trials={trials}")
    if seed is not None:
        given.append(f"seed={seed}")
    return given


def _read(experiment: Experiment, data_path: Path | None, require_real: bool, console: Console) -> tuple[Dataset, Split]:
    """The table and its split, with every warning said aloud."""
    from branchsweep import data

    def say(sentence: str, style: str = "") -> None:
        console.print(_escaped(sentence), style=style, highlight=False, soft_wrap=True)

    with _download(console) as progress:
        dataset = data.load(experiment, data_path, require_real, report=say, progress=progress)
    split = data.split(experiment, dataset)
    for warning in (*dataset.warnings, *split.warnings):
        say(f"warning: {warning}", "bold yellow" if dataset.is_stand_in else "yellow")
    say(f"table: {dataset.location}, {dataset.rows:,} rows, {len(split.train):,} to train and {len(split.test):,} to test")
    return dataset, split


@contextmanager
def _download(console: Console) -> Iterator[Callable[[int, int], None]]:
    from branchsweep.terminal import Download

    bar = Download(console)
    try:
        yield bar
    finally:
        bar.close()


@app.command()
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
    ] = False,
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


@app.command()
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
        _refuse_missing_folder(output)
    ledger = open_existing(tracking_uri, sweep)
    of = ledger.sweep
    where = f"sweep {of.name} ({ledger.run_id[:8]})"
    experiment = config.recorded(of.yaml, where)
    summary = flow.finished(experiment, ledger.conclusion)
    if summary is None:
        raise UserError(f"{where} has not come to its end: let branchsweep run go on with it first")
    said = sweep_report.recalled(ledger, experiment, summary)
    files = {output.name: sweep_page.page(said)} if alone else sweep_page.printed(said)
    _write(output.parent if alone else output, files)
    Console(stderr=True).print(f"{output if alone else output / sweep_page.PAGE} written", highlight=False, soft_wrap=True)


def _refuse_missing_folder(output: Path) -> None:
    """Raises unless a file can lie there, before anything is done that takes its time."""
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}; make it, or write elsewhere")


def _write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    from branchsweep.files import lay_out

    try:
        lay_out(folder, files)
    except OSError as error:
        raise UserError(f"cannot be written ({error})", str(folder)) from error


def _press(watch: Watch) -> Callable[[Any], Mapping[str, str | bytes]]:
    """Draws a finished sweep's page, and says so: that takes seconds."""

    def printed(said: Any) -> Mapping[str, str | bytes]:
        from branchsweep.report.sweep_page import printed

        watch.say("drawing the report")
        return printed(said)

    return printed


def _portray(said: Any) -> Mapping[int, Mapping[str, str | bytes]]:
    """Draws the finalists of a finished sweep."""
    from branchsweep.report.sweep_page import portraits

    return portraits(said)


@app.command()
def replay(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A trial's run id, or the beginning of it; with --trial, a sweep's, or its name."),
    ],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The number of the trial in the sweep RUN.")] = None,
    data: DataPath = None,
    tracking_uri: TrackingUri = None,
    workers: WorkersWord = None,
    tolerance: Annotated[
        float | None, typer.Option("--tolerance", min=0, help="R² by which it may differ; 0.001 if not given.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
    ] = False,
) -> None:
    """Train a recorded trial again and compare: same data, same split, same seeds, and the same score?

    Exit code 0: it agrees within the tolerance; on the same machine with the same versions, to the last digit. 1: it does not.
    """
    from branchsweep.replay import TOLERANCE
    from branchsweep.report import text

    console, means = Console(stderr=True), _means(workers)
    try:
        said = _replayed(run, trial, data, tracking_uri, means, TOLERANCE if tolerance is None else tolerance, console)
    except KeyboardInterrupt as interrupt:
        console.print("stopped")
        raise typer.Exit(INTERRUPTED) from interrupt
    if as_json:
        typer.echo(said.to_json())
    else:
        Console().print(text.replay(said))
    if not said.agrees:
        raise typer.Exit(1)


def _replayed(
    run: str,
    trial: int | None,
    data: Path | None,
    tracking_uri: str | None,
    means: Workers,
    tolerance: float,
    console: Console,
) -> Replay:
    """Finds the trial, reads the table that its sweep names, and trains it again."""
    from branchsweep import config
    from branchsweep.answer import training_rows
    from branchsweep.ledgers.mlflow import open_existing, open_trial
    from branchsweep.replay import numbered, replay

    ledger, number = open_trial(tracking_uri, run) if trial is None else (open_existing(tracking_uri, run), trial)
    of = ledger.sweep
    where = f"sweep {of.name} ({ledger.run_id[:8]})"
    result = numbered(ledger.recall(), number, where)
    experiment = config.recorded(of.yaml, where)
    dataset, split = _read(experiment, data, False, console)
    with _at_work(training_rows(dataset, split), means, console) as (trainer, watch):
        return replay(of, experiment, result, dataset, split, trainer, watch, tolerance)


@app.command()
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
    ] = False,
) -> None:
    """Compare contestants by 5x2 cross-validation: one network for all heads, one for each, and whoever else competes."""
    from branchsweep import config
    from branchsweep.report import text

    console = Console(stderr=True)
    chosen = config.load_comparison(comparison, _all_overrides(overrides, None, seed))
    chosen = chosen.quick() if quick else chosen
    means = _means(workers, chosen.experiment)
    if output:
        _refuse_missing_folder(output)
    command = f"branchsweep compare {comparison}" + " --quick" * quick
    try:
        said, page = _compared(chosen, command, data, require_real, tracking_uri, means, fresh, console)
    except KeyboardInterrupt as interrupt:
        console.print("stopped. What was finished is recorded: the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from interrupt
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

    dataset, _ = _read(chosen.experiment, data_path, require_real, console)
    cut = halves(chosen.experiment, dataset, data_path, chosen.seed)
    console.print(f"halves: {cut.origin}", highlight=False, soft_wrap=True)
    of = flow.record(chosen, dataset, cut)
    ledger = MlflowComparison.open(of, tracking_uri, fresh)
    if ledger.conclusion:
        console.print("this comparison is complete; to make it anew, add --fresh")
        said = Findings.loads(ledger.conclusion)
    else:
        with _at_work(flow.all_rows(chosen, dataset, cut), means, console) as (trainer, watch):
            said = flow.compare(chosen, dataset, cut, flow.Engines(trainer, ledger, watch))
    files = artifacts.of_comparison(said, of.yaml, command)
    if not ledger.conclusion:
        ledger.conclude(said, files)
    return said, str(files["report.html"])


@app.command()
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


@app.command()
def promote(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="This trial; of the best few if not given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Confirm and decide, and register nothing.")] = False,
    model: Annotated[
        str | None, typer.Option("--model", help="The registered model's name; the experiment's if not given.")
    ] = None,
    data: DataPath = None,
    workers: WorkersWord = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Confirm a recorded sweep's best trials, and let the finalist challenge the champion."""
    from branchsweep import config
    from branchsweep import sweep as flow
    from branchsweep.answer import training_rows
    from branchsweep.experiment import Promotion
    from branchsweep.ledgers.mlflow import open_existing
    from branchsweep.report import text

    console, means = Console(stderr=True), _means(workers)
    ledger = open_existing(tracking_uri, sweep)
    of = ledger.sweep
    experiment = config.recorded(of.yaml, f"sweep {of.name} ({ledger.run_id[:8]})")
    if model:
        policy = experiment.promotion or Promotion(model=model)
        experiment = experiment.model_copy(update={"promotion": policy.model_copy(update={"model": model})})
    if experiment.promotion is None:
        raise UserError(f"the sweep {of.name} has no promotion policy, so no model's name: give one with --model NAME")
    dataset, split = _read(experiment, data, False, console)
    for part, digest in (("data_digest", dataset.digest), ("split_digest", split.digest)):
        if of.tags.get(part) != digest:
            what = "table" if part == "data_digest" else "split"
            message = (
                f"this is another {what} than the sweep {of.name} was scored on ({part} {digest}, then {of.tags.get(part)})"
            )
            raise UserError(f"{message}: name the one it had with --data")
    with _at_work(training_rows(dataset, split), means, console) as (trainer, watch):
        ending = flow.promote_again(experiment, trial, dataset, split, trainer, ledger, watch, dry_run)
    Console().print(text.ending(ending, list(experiment.heads)))
    if ending.finalist is None:
        raise typer.Exit(1)


@app.command()
def data(
    experiment: ExperimentPath = Path("experiments/branched.yaml"),
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
) -> None:
    """Say which table an experiment reads, what is in it, and how its rows are split."""
    from branchsweep import config
    from branchsweep.report import text

    chosen = config.load(experiment, overrides or [])
    dataset, split = _read(chosen, data, require_real, Console(stderr=True))
    Console().print(text.rows(dataset, split, {name: head.unit for name, head in chosen.heads.items()}))


@app.command()
def space(
    path: Annotated[Path, typer.Argument(metavar="SPACE", help="A file of search_spaces/, or an experiment.")],
    overrides: Overrides = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="How many networks to draw at random.")] = 3,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the samples; else the experiment's.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
    ] = False,
) -> None:
    """Say what a search space holds: its dimensions, its size, and a few of its networks as pictures.

    Heads and inputs are the experiment's. Of a space alone, heads are those that it names, such as PE in PE.depth.
    """
    from branchsweep import config, drawing, survey
    from branchsweep.report import text

    if config.holds_a_space(path):
        if overrides:
            raise ConfigError(f"{path} is a space alone, expected an experiment, whose values can be changed", where="--set")
        chosen, name = config.around(path), path.stem
    else:
        chosen = config.load(path, overrides or [])
        name = chosen.name
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    console = Console()
    if as_json:
        typer.echo(survey.survey(name, chosen, samples).to_json())
    else:
        columns = min(console.width - text.INDENT, drawing.COLUMNS)
        console.print(text.survey(survey.survey(name, chosen, samples, columns)))


@app.command()
def draw(
    experiment: ExperimentPath,
    known: Annotated[str, typer.Option("--known", metavar="NAME", help="This known configuration; all if not given.")] = "",
    overrides: Overrides = None,
    columns: Annotated[
        int | None, typer.Option("--columns", min=40, help="Letters of a line; the terminal's if not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Let Keras and Graphviz draw: a .png, .svg or .pdf file."),
    ] = None,
) -> None:
    """Draw the networks that an experiment names: its known configurations, or else what is fixed and default.

    As text, or with -o one of them into a file, as keras.utils.plot_model draws it.
    """
    from branchsweep import config, drawing, survey
    from branchsweep.report import text

    chosen = config.load(experiment, overrides or [])
    console = Console(width=columns)
    reach = console.width - text.INDENT
    samples = survey.named(chosen, known, reach if columns else min(reach, drawing.COLUMNS))
    if output is None:
        console.print(text.networks(samples))
        return
    if len(samples) > 1:
        names = ", ".join(sample.known for sample in samples)
        raise UserError(f"a file holds one network, and {chosen.name} knows {len(samples)} ({names}); choose with --known NAME")
    _draw_into(output, samples[0].architecture, chosen.table.inputs)
    title = f"{chosen.name} {samples[0].known}".rstrip()
    sentence = f"{output} written: {title}, {samples[0].parameters:,} parameters"
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)


def _draw_into(output: Path, architecture: Architecture, inputs: Sequence[str]) -> None:
    """What is missing is told before TensorFlow takes its seconds to start."""
    from branchsweep import graphviz
    from branchsweep.quiet import silent_start

    graphviz.check_place(output)
    graphviz.program()
    with silent_start():
        from branchsweep.training import picture
    graphviz.write(picture.graph(architecture, inputs), output)


@app.command()
def schema(
    kind: Annotated[
        Literal["experiment", "space", "comparison"],
        typer.Argument(metavar="experiment|space|comparison", help="Which kind of file."),
    ] = "experiment",
) -> None:
    """Print the JSON Schema of the YAML files, for editors to complete and check them."""
    from branchsweep import config

    typer.echo(json.dumps(config.json_schema(kind), indent=2))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Such as models:/ccpp-branched@champion.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="An xlsx, csv or parquet file with the input columns.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="Where to write: .csv, .xlsx or .parquet.")],
    sheet: Annotated[str | None, typer.Option("--sheet", help="The sheet of an xlsx file.")] = None,
    warn: Annotated[
        bool, typer.Option("--warn", help="Add the column 'outside': whether an input lies outside the range of the training.")
    ] = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Predict with a registered model: the table's columns, and one per head in natural units.

    A column that is named as a head stays beside its prediction as <head>_actual.
    """
    from branchsweep.data import read_inputs, write_table
    from branchsweep.ledgers.registry import load_predictor
    from branchsweep.quiet import silent_start
    from branchsweep.serving import OUTSIDE

    predictor = load_predictor(model, tracking_uri)
    frame = read_inputs(table, sheet, predictor.inputs)
    with silent_start():
        predicted = predictor(frame, warn)
    kept = frame.rename(columns={head: f"{head}_actual" for head in predicted.columns})
    write_table(kept.assign(**{head: predicted[head] for head in predicted.columns}), output)
    outside = f", {predicted[OUTSIDE].sum():,} of them outside what the model has seen" if warn else ""
    Console(stderr=True).print(f"{len(frame):,} rows predicted into {output}{outside}", highlight=False)


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Such as models:/ccpp-branched@champion.")],
    kind: Annotated[
        Literal["keras", "code"],
        typer.Option("--format", help="keras: the trained network; code: a script that trains it anew in plain Keras."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="Where to write: .keras, or .py for code.")],
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a registered model as a Keras file, or as a script in plain Keras that trains it anew.

    Beside a Keras file, which takes scaled inputs, serving.json says how they are scaled.
    """
    from branchsweep import script
    from branchsweep.ledgers.registry import fetch
    from branchsweep.serving import MANIFEST, MODEL

    beside = output.with_name(MANIFEST)
    _refuse_place(kind, output, beside)
    with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
        files = fetch(model, Path(folder), tracking_uri)
        try:
            if kind == "keras":
                shutil.copy(files / MODEL, output)
                shutil.copy(files / MANIFEST, beside)
                sentence = f"{output} written, and beside it {beside}: its scalers, columns and units"
            else:
                manifest = json.loads((files / MANIFEST).read_text(encoding="utf-8"))
                output.write_text(script.of_manifest(model, manifest), encoding="utf-8")
                sentence = f"{output} written; to train: python {output} TABLE"
        except OSError as error:
            raise UserError(f"cannot be written ({error})", str(output)) from error
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)


def _refuse_place(kind: str, output: Path, beside: Path) -> None:
    """Raises unless a model may be written there: two Keras files in one folder would share the scalers of one of them."""
    suffix = {"keras": ".keras", "code": ".py"}[kind]
    if output.suffix != suffix:
        raise UserError(f"got {output}, expected a path that ends in {suffix}")
    _refuse_missing_folder(output)
    others = sorted(other.name for other in output.parent.glob("*.keras") if other.name != output.name)
    if kind == "keras" and beside.exists() and others:
        raise UserError(f"{beside} belongs to {others[0]} already; write into another folder")


@app.command()
def history(
    model: Model,
    tracking_uri: TrackingUri = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")
    ] = False,
) -> None:
    """Tell of a registered model who reigned, since when and why, and list its versions."""
    from branchsweep.ledgers.registry import open_registry
    from branchsweep.report import text

    told = open_registry(tracking_uri).chronicle(model)
    if as_json:
        typer.echo(told.to_json())
    else:
        Console().print(text.chronicle(told))


@app.command()
def rollback(model: Model, tracking_uri: TrackingUri = None) -> None:
    """Give a registered model's title back to its previous champion; the present one becomes the challenger."""
    from branchsweep.ledgers.registry import open_registry
    from branchsweep.report import text

    done = open_registry(tracking_uri).rollback(model)
    Console().print(text.rollback(done), highlight=False, soft_wrap=True)


@app.command()
def ui(
    tracking_uri: TrackingUri = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5000,
    opens: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the last sweep in a browser; in a terminal it is.")
    ] = None,
) -> None:
    """Serve MLflow's pages over this store, until Ctrl-C, and open the last sweep in them."""
    from branchsweep.ledgers import address
    from branchsweep.ledgers.reading import list_sweeps

    command = address.ui_command(tracking_uri, host, port)
    _refuse_taken(host, port)
    newest = list_sweeps(tracking_uri)[:1]
    links = _links(f"http://{host}:{port}", newest[0]) if newest else {"": f"http://{host}:{port}"}
    say = Console(stderr=True)
    say.print("MLflow comes up in about ten seconds; Ctrl-C ends it", highlight=False, soft_wrap=True)
    for what, link in links.items():
        say.print(f"{what:{max(map(len, links))}}  {link}".strip(), highlight=False, soft_wrap=True)
    if say.is_terminal if opens is None else opens:
        threading.Thread(target=_open_when_up, args=(host, port, next(iter(links.values()))), daemon=True).start()
    raise typer.Exit(_serve(command, {**os.environ, **address.SERVER_ENVIRONMENT}))


def _links(server: str, sweep: SweepSummary) -> dict[str, str]:
    """The pages of a sweep by what they show; the first is the one to open."""
    from branchsweep.ledgers import address

    pages = {"the sweep": address.run_page(sweep.experiment_id, sweep.run_id)}
    if sweep.view:
        trials = {
            f"{sweep.name}: its trials": address.view_page(sweep.experiment_id, sweep.view),
            "as charts": address.charts_page(sweep.experiment_id, sweep.view),
        }
        pages = trials | pages
    return {what: address.link(server, page) for what, page in pages.items()}


def _open_when_up(host: str, port: int, link: str) -> None:
    """Opens a browser as soon as the server answers; gives up with it."""
    while True:
        time.sleep(0.5)
        connection = http.client.HTTPConnection(host, port, timeout=5)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                webbrowser.open(link)
                return


def _serve(command: list[str], environment: Mapping[str, str]) -> int:
    """Runs a server and its own processes until it ends or we are told to, and leaves none of them behind."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603  # our own words, a host and a port
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _refuse_taken(host: str, port: int) -> None:
    """Raises if something listens there already: MLflow's own message for it is a traceback."""
    error = _what_forbids(host, port)
    if error is None:
        return
    nearby = range(max(port + 1, UNPRIVILEGED), min(port + MOST_PORTS, HIGHEST_PORT) + 1)
    free = next((other for other in nearby if _what_forbids(host, other) is None), None)
    remedy = f"--port {free} is free" if free else "choose another with --port, or another --host"
    raise UserError(f"got port {port} on {host}, which cannot be used ({error.strerror}); {remedy}") from error


def _what_forbids(host: str, port: int) -> OSError | None:
    """Why nobody can listen there; None where one can."""
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            mine.bind((host, port))
        except OSError as error:
            return error
    return None
