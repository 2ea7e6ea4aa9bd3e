"""Commands that train for a sweep: run it, hold its final again, train one of its trials again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from branchsweep.cli.opening import all_overrides, at_work, means_of, read_table, stoppable, workshop_of
from branchsweep.cli.words import (
    STOPPED,
    AsJson,
    DataPath,
    ExperimentPath,
    Overrides,
    RequireReal,
    TrackingUri,
    WorkersWord,
)
from branchsweep.errors import ConfigError, UserError

if TYPE_CHECKING:
    from branchsweep.data import Dataset, Split
    from branchsweep.experiment import Experiment, Workers
    from branchsweep.replay import Replay
    from branchsweep.roles import Ledger, SweepRecord, Watch


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
    as_json: AsJson = False,
) -> None:
    """Run a sweep, or go on with it: search, refit the best, compare, register."""
    from branchsweep import config, outlook, references
    from branchsweep.report import text

    console = Console(stderr=True)
    chosen = config.load(experiment, all_overrides(overrides, trials, seed))
    means = means_of(workers, chosen)
    baselines = references.named_in(chosen)
    dataset, split = read_table(chosen, data, require_real, console)
    if dry_run:
        seen = outlook.outlook(chosen, baselines, split, workshop_of(means, console))
        if as_json:
            typer.echo(seen.to_json())
        else:
            Console().print(text.outlook(seen))
        return
    with stoppable(console, STOPPED):
        said = _sweep(chosen, baselines, dataset, split, tracking_uri, means, fresh, take_over, console)
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
    from branchsweep.search import Engines

    prior = _told_beforehand(experiment, dataset, tracking_uri)
    with (
        at_work(training_rows(dataset, split), means, console) as (trainer, watch),
        _written_down(
            sweep.record(experiment, dataset, split, prior, trainer.workshop.device), tracking_uri, fresh, take_over, watch
        ) as ledger,
    ):
        finished = sweep.finished(experiment, ledger.conclusion)
        if finished:
            watch.say("this sweep is complete; to train it anew, add --fresh")
            return finished
        engines = Engines(open_driver(experiment, prior), trainer, ledger, watch)
        return sweep.run(experiment, baselines, dataset, split, engines, _press(watch), _portray)


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


def _told_beforehand(experiment: Experiment, dataset: Dataset, tracking_uri: str | None) -> list[Any]:
    """The results of the earlier sweeps that `search.warm_start` names."""
    if not experiment.search.warm_start:
        return []
    from branchsweep import config, sweep
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

    console, means = Console(stderr=True), means_of(workers)
    ledger = open_existing(tracking_uri, sweep)
    of = ledger.sweep
    experiment = config.recorded(of.yaml, f"sweep {of.name} ({ledger.run_id[:8]})")
    if model:
        policy = experiment.promotion or Promotion(model=model)
        experiment = experiment.model_copy(update={"promotion": policy.model_copy(update={"model": model})})
    if experiment.promotion is None:
        raise UserError(f"the sweep {of.name} has no promotion policy, so no model's name: give one with --model NAME")
    dataset, split = read_table(experiment, data, False, console)
    for part, digest in (("data_digest", dataset.digest), ("split_digest", split.digest)):
        if of.tags.get(part) != digest:
            what = "table" if part == "data_digest" else "split"
            message = (
                f"this is another {what} than the sweep {of.name} was scored on ({part} {digest}, then {of.tags.get(part)})"
            )
            raise UserError(f"{message}: name the one it had with --data")
    with at_work(training_rows(dataset, split), means, console) as (trainer, watch):
        ending = flow.promote_again(experiment, trial, dataset, split, trainer, ledger, watch, dry_run)
    Console().print(text.ending(ending, list(experiment.heads)))
    if ending.finalist is None:
        raise typer.Exit(1)


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
    as_json: AsJson = False,
) -> None:
    """Train a recorded trial again and compare: same data, same split, same seeds, and the same score?

    Exit code 0: it agrees within the tolerance; on the same machine with the same versions, to the last digit. 1: it does not.
    """
    from branchsweep.replay import TOLERANCE
    from branchsweep.report import text

    console, means = Console(stderr=True), means_of(workers)
    with stoppable(console, "stopped"):
        said = _replayed(run, trial, data, tracking_uri, means, TOLERANCE if tolerance is None else tolerance, console)
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
    dataset, split = read_table(experiment, data, False, console)
    with at_work(training_rows(dataset, split), means, console) as (trainer, watch):
        return replay(of, experiment, result, dataset, split, trainer, watch, tolerance)
