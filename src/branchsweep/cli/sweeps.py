"""Commands that train: run a sweep, confirm and promote the best of a recorded sweep, replay a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from branchsweep.cli.context import (
    all_overrides,
    handle_interrupt,
    open_training,
    read_table,
    resolve_workers,
    training_resources,
)
from branchsweep.cli.options import (
    INTERRUPTED_MESSAGE,
    AsJson,
    DataPath,
    ExperimentPath,
    Overrides,
    RequireReal,
    TrackingUri,
    WorkersOption,
)
from branchsweep.errors import ConfigError, UserError

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.config.workers import Workers
    from branchsweep.data.dataset import Dataset, Split
    from branchsweep.workflows.replay import Replay


def run(
    experiment: ExperimentPath,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Number of trials (search.trials).")] = None,
    data: DataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
    tracking_uri: TrackingUri = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The seed of the experiment.")] = None,
    workers: WorkersOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again, even if this sweep is recorded.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Resume this sweep even if another process runs it; that process then stops.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be trained, and exit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run or resume a sweep: search, confirm and refit the best trial, compare it with baselines, register the model."""
    from branchsweep.config.loading import load_experiment
    from branchsweep.reporting.text import sweep_result
    from branchsweep.reporting.text.experiment import render_dry_run
    from branchsweep.workflows.baseline_evaluation import baselines_of
    from branchsweep.workflows.dry_run import make_dry_run

    console = Console(stderr=True)
    chosen = load_experiment(experiment, all_overrides(overrides, trials, seed))
    means = resolve_workers(workers, chosen)
    baselines = baselines_of(chosen)
    dataset, split = read_table(chosen, data, require_real, console)
    if dry_run:
        seen = make_dry_run(chosen, baselines, split, training_resources(means, console))
        if as_json:
            typer.echo(seen.to_json())
        else:
            Console().print(render_dry_run(seen))
        return
    with handle_interrupt(console, INTERRUPTED_MESSAGE):
        said = _sweep(chosen, baselines, dataset, split, tracking_uri, means, fresh, take_over, console)
    if as_json:
        typer.echo(said.to_json())
    else:
        Console().print(sweep_result.render_sweep_result(said, {name: head.unit for name, head in chosen.heads.items()}))
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
    """Run or resume a sweep; of a sweep that is complete, return the recorded result."""
    from branchsweep.data.training_rows import training_rows
    from branchsweep.reporting.sweep_reporter import HtmlReporter
    from branchsweep.search.drivers import open_driver
    from branchsweep.tracking.open import open_tracking
    from branchsweep.workflows.search_loop import SearchContext
    from branchsweep.workflows.sweep import finished_result, new_sweep_record, run_sweep

    prior = _told_beforehand(experiment, dataset, tracking_uri)
    with (
        open_training(training_rows(dataset, split), means, console) as (trainer, progress),
        open_tracking(
            new_sweep_record(
                experiment, dataset, split, prior, trainer.resources.device, HtmlReporter().running_description(experiment)
            ),
            tracking_uri,
            fresh,
            take_over,
            progress.on_message,
        ) as tracking,
    ):
        finished = finished_result(experiment, tracking.tracker.conclusion)
        if finished:
            progress.on_message("this sweep is complete; add --fresh to run it again")
            return finished
        engines = SearchContext(open_driver(experiment, prior), trainer, tracking, progress)
        reporter = HtmlReporter(progress.on_message)
        return run_sweep(experiment, baselines, dataset, split, engines, reporter)


def _told_beforehand(experiment: Experiment, dataset: Dataset, tracking_uri: str | None) -> list[Any]:
    """Results of the earlier sweeps that `search.warm_start` names."""
    if not experiment.search.warm_start:
        return []
    from branchsweep.config.recorded import parse_recorded_experiment
    from branchsweep.tracking.open import open_recorded_sweep
    from branchsweep.workflows.sweep import EarlierSweep, warm_start_results

    earlier = []
    for name in experiment.search.warm_start:
        if name == experiment.name:
            message = f"search.warm_start: got '{name}', the name of this sweep; expected the run id of an earlier one"
            raise ConfigError(f"{message} (branchsweep show)")
        recorded = open_recorded_sweep(tracking_uri, name)
        of = recorded.sweep
        where = f"sweep {of.name} ({recorded.run_id[:8]})"
        earlier.append(
            EarlierSweep(recorded.run_id, of, parse_recorded_experiment(of.yaml, where), recorded.recorded_results())
        )
    return warm_start_results(experiment, dataset, earlier)


def promote(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="Confirm this trial; default: the best few.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Confirm and decide, but register nothing.")] = False,
    model: Annotated[
        str | None, typer.Option("--model", help="Name of the registered model; default: the experiment's.")
    ] = None,
    data: DataPath = None,
    workers: WorkersOption = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Confirm the best trials of a recorded sweep, and promote the best one to champion if the evidence suffices."""
    from branchsweep.config.promotion import Promotion
    from branchsweep.config.recorded import parse_recorded_experiment
    from branchsweep.data.training_rows import training_rows
    from branchsweep.reporting.sweep_reporter import HtmlReporter
    from branchsweep.reporting.text import sweep_result
    from branchsweep.tracking.open import open_recorded_tracking
    from branchsweep.workflows.sweep import promote_recorded

    console, means = Console(stderr=True), resolve_workers(workers)
    recorded, tracking = open_recorded_tracking(tracking_uri, sweep)
    of = recorded.sweep
    experiment = parse_recorded_experiment(of.yaml, f"sweep {of.name} ({recorded.run_id[:8]})")
    if model:
        policy = experiment.promotion or Promotion(model=model)
        experiment = experiment.model_copy(update={"promotion": policy.model_copy(update={"model": model})})
    if experiment.promotion is None:
        raise UserError(f"the sweep {of.name} names no registered model in promotion.model: give a name with --model NAME")
    dataset, split = read_table(experiment, data, False, console)
    for part, digest in (("data_digest", dataset.digest), ("split_digest", split.digest)):
        if of.tags.get(part) != digest:
            what = "table" if part == "data_digest" else "split"
            message = f"the {what} differs from that of the sweep {of.name} ({part} {digest}, recorded: {of.tags.get(part)})"
            raise UserError(f"{message}: give the table of the sweep with --data")
    with open_training(training_rows(dataset, split), means, console) as (trainer, progress):
        ending = promote_recorded(experiment, trial, dataset, split, trainer, tracking, progress, dry_run, HtmlReporter())
    Console().print(sweep_result.render_promotion_outcome(ending, list(experiment.heads)))
    if ending.finalist is None:
        raise typer.Exit(1)


def replay(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A trial's run id or a prefix of it; with --trial, a sweep's name or run id."),
    ],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The number of the trial in the sweep RUN.")] = None,
    data: DataPath = None,
    tracking_uri: TrackingUri = None,
    workers: WorkersOption = None,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", min=0, help="Largest difference of scores that counts as agreement; default: 0.001."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a recorded trial again, on the same data, split and seeds, and compare its scores with the recorded ones.

    Exit code 0 if they agree within the tolerance (same machine, same versions: to the last digit), else 1.
    """
    from branchsweep.reporting.text import records
    from branchsweep.workflows.replay import TOLERANCE

    console, means = Console(stderr=True), resolve_workers(workers)
    with handle_interrupt(console, "stopped"):
        said = _replayed(run, trial, data, tracking_uri, means, TOLERANCE if tolerance is None else tolerance, console)
    if as_json:
        typer.echo(said.to_json())
    else:
        Console().print(records.render_replay_result(said))
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
    """Find the trial, load the table of its sweep, and train it again."""
    from branchsweep.config.recorded import parse_recorded_experiment
    from branchsweep.data.training_rows import training_rows
    from branchsweep.tracking.open import open_recorded_sweep, open_recorded_trial
    from branchsweep.workflows.replay import find_trial, replay

    if trial is None:
        recorded, number = open_recorded_trial(tracking_uri, run)
    else:
        recorded, number = open_recorded_sweep(tracking_uri, run), trial
    of = recorded.sweep
    where = f"sweep {of.name} ({recorded.run_id[:8]})"
    result = find_trial(recorded.recorded_results(), number, where)
    experiment = parse_recorded_experiment(of.yaml, where)
    dataset, split = read_table(experiment, data, False, console)
    with open_training(training_rows(dataset, split), means, console) as (trainer, progress):
        return replay(of, experiment, result, dataset, split, trainer, progress, tolerance)
