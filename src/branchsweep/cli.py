"""The command line. Every command opens what it needs, lets a flow do the work, and prints what came of it.

Heavy libraries are imported inside the commands that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from branchsweep import __version__
from branchsweep.errors import EXIT_CODE, ConfigError, UserError

if TYPE_CHECKING:
    from branchsweep.data import Dataset, Split
    from branchsweep.experiment import Experiment
    from branchsweep.replay import Replay
    from branchsweep.roles import Trainer, Watch

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

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
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Worker processes; one per core if not given.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even if this sweep is recorded.")] = False,
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
    baselines = references.named_in(chosen)
    dataset, split = _read(chosen, data, require_real, console)
    if dry_run:
        seen = outlook.outlook(chosen, baselines, split, _cores(workers))
        if as_json:
            typer.echo(seen.to_json())
        else:
            Console().print(text.outlook(seen))
        return
    try:
        said = _sweep(chosen, baselines, dataset, split, tracking_uri, workers, fresh, console)
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
    workers: int | None,
    fresh: bool,
    console: Console,
) -> Any:
    """Opens the engines and lets the sweep run; a sweep that is complete already only says what it has to say."""
    from branchsweep import sweep
    from branchsweep.drivers import open_driver

    prior = _told_beforehand(experiment, dataset, tracking_uri)
    with _at_work(dataset, split, workers, console) as (trainer, watch):
        from branchsweep.ledgers.mlflow import MlflowLedger
        from branchsweep.ledgers.shadow import ShadowLedger

        with ShadowLedger(MlflowLedger.open(sweep.record(experiment, dataset, split, prior), tracking_uri, fresh)) as ledger:
            finished = sweep.finished(experiment, ledger.conclusion)
            if finished:
                watch.say("this sweep is complete; to train it anew, add --fresh")
                return finished
            engines = sweep.Engines(open_driver(experiment, prior), trainer, ledger, watch)
            return sweep.run(experiment, baselines, dataset, split, engines)


@contextmanager
def _at_work(dataset: Dataset, split: Split, workers: int | None, console: Console) -> Iterator[tuple[Trainer, Watch]]:
    """Worker processes, and the terminal that shows what they do."""
    from branchsweep import environment
    from branchsweep.answer import training_rows
    from branchsweep.terminal import Terminal
    from branchsweep.training.workers import Workers

    with (
        Terminal(console) as watch,
        Workers(training_rows(dataset, split), workers, watch.trained, environment.cache_folder()) as trainer,
    ):
        yield trainer, watch


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


def _cores(workers: int | None) -> int:
    from branchsweep.training.workers import cores

    return workers or len(cores())


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
    most: Annotated[int, typer.Option("--most", min=1, help="How many trials to show.")] = 20,
    tracking_uri: TrackingUri = None,
) -> None:
    """List the sweeps of the store, or one sweep's trials, the best first."""
    from branchsweep.ledgers.mlflow import list_sweeps, open_existing
    from branchsweep.report import text

    if not sweep:
        Console().print(text.sweeps(list_sweeps(tracking_uri)))
        return
    ledger = open_existing(tracking_uri, sweep)
    heads = list(ledger.sweep.heads)
    Console().print(text.leaderboard(ledger.recall(), heads, most, ledger.sweep.objective))


@app.command()
def replay(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A trial's run id, or the beginning of it; with --trial, a sweep's, or its name."),
    ],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The number of the trial in the sweep RUN.")] = None,
    data: DataPath = None,
    tracking_uri: TrackingUri = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Worker processes; one per core if not given.")
    ] = None,
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

    console = Console(stderr=True)
    try:
        said = _replayed(run, trial, data, tracking_uri, workers, TOLERANCE if tolerance is None else tolerance, console)
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
    workers: int | None,
    tolerance: float,
    console: Console,
) -> Replay:
    """Finds the trial, reads the table that its sweep names, and trains it again."""
    from branchsweep import config
    from branchsweep.ledgers.mlflow import open_existing, open_trial
    from branchsweep.replay import numbered, replay

    ledger, number = open_trial(tracking_uri, run) if trial is None else (open_existing(tracking_uri, run), trial)
    of = ledger.sweep
    where = f"sweep {of.name} ({ledger.run_id[:8]})"
    result = numbered(ledger.recall(), number, where)
    experiment = config.recorded(of.yaml, where)
    dataset, split = _read(experiment, data, False, console)
    with _at_work(dataset, split, workers, console) as (trainer, watch):
        return replay(of, experiment, result, dataset, split, trainer, watch, tolerance)


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
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Worker processes; one per core if not given.")
    ] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Confirm a recorded sweep's best trials, and let the finalist challenge the champion."""
    from branchsweep import config
    from branchsweep import sweep as flow
    from branchsweep.experiment import Promotion
    from branchsweep.ledgers.mlflow import open_existing
    from branchsweep.report import text

    console = Console(stderr=True)
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
    with _at_work(dataset, split, workers, console) as (trainer, watch):
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
def schema(
    kind: Annotated[
        Literal["experiment", "space"],
        typer.Argument(metavar="experiment|space", help="Which files: experiments/ or search_spaces/."),
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
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}; make it, or write elsewhere")
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
) -> None:
    """Serve MLflow's pages over this store, until Ctrl-C."""
    from branchsweep.ledgers import address
    from branchsweep.ledgers.mlflow import list_sweeps

    command = address.ui_command(tracking_uri, host, port)
    _refuse_taken(host, port)
    newest = list_sweeps(tracking_uri)[:1]
    server = f"http://{host}:{port}"
    link = address.run_link(server, newest[0].experiment_id, newest[0].run_id) if newest else server
    say = Console(stderr=True)
    say.print(f"MLflow comes up in about ten seconds; Ctrl-C ends it\n{link}", highlight=False, soft_wrap=True)
    raise typer.Exit(_serve(command, {**os.environ, **address.SERVER_ENVIRONMENT}))


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
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            mine.bind((host, port))
        except OSError as error:
            message = f"got port {port} on {host}, which cannot be used ({error.strerror}); choose another with --port"
            raise UserError(message) from error
