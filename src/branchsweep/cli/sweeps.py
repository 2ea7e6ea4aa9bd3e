"""Commands that train: run a sweep, confirm and promote the best of a recorded sweep, replay a trial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from branchsweep.cli.context import all_overrides, handle_interrupt, open_session, resolve_workers, with_test_data
from branchsweep.cli.help_texts import EXECUTION_OPTIONS, EXPERIMENT_OPTIONS
from branchsweep.cli.options import (
    INTERRUPTED_MESSAGE,
    AsJson,
    DataPath,
    ExperimentPath,
    Overrides,
    RequireReal,
    TestDataPath,
    TrackingUri,
    WorkersOption,
)
from branchsweep.cli.output import OutputConsole, print_json
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.config.experiment import Experiment
    from branchsweep.workflows.session import Session


def run(
    experiment: ExperimentPath,
    trials: Annotated[
        int | None,
        typer.Option("--trials", rich_help_panel=EXPERIMENT_OPTIONS, min=1, help="Number of trials (search.trials)."),
    ] = None,
    data: DataPath = None,
    test_data: TestDataPath = None,
    require_real: RequireReal = False,
    overrides: Overrides = None,
    tracking_uri: TrackingUri = None,
    seed: Annotated[
        int | None, typer.Option("--seed", rich_help_panel=EXPERIMENT_OPTIONS, min=0, help="The seed of the experiment.")
    ] = None,
    workers: WorkersOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", rich_help_panel=EXECUTION_OPTIONS, help="Start again, even if this sweep is recorded.")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            rich_help_panel=EXECUTION_OPTIONS,
            help="Resume this sweep even if another process runs it; that process then stops.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=EXECUTION_OPTIONS, help="Print what would be trained, and exit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run or resume a sweep: search, confirm the best trials, refit the finalist, compare it with baselines, register it.

    With test.folds in the experiment it is an outer cross-validation: a sweep per fold, and their nested score.
    """
    from branchsweep.config.yaml.loading import load_experiment

    console = LiteralConsole(stderr=True)
    chosen = load_experiment(experiment, all_overrides(overrides, trials, seed))
    chosen = with_test_data(chosen, test_data, console)
    which = resolve_workers(workers, chosen)
    # Imported after the experiment is read, which is quick, so that a mistake in it is reported at once.
    if dry_run:
        from branchsweep.reporting.text.experiment import render_dry_run
        from branchsweep.workflows.launch import launch_dry_run

        planned = launch_dry_run(chosen, open_session(console, data, require_real, tracking_uri, which))
        print_json(planned.to_json()) if as_json else OutputConsole().print(render_dry_run(planned))
        return
    from branchsweep.reporting.terminal_interface import TerminalInterface
    from branchsweep.workflows.started_workers import start_workers

    with (
        handle_interrupt(console, INTERRUPTED_MESSAGE),
        start_workers(which or chosen.workers, TerminalInterface(console).message) as started,
    ):  # the workers import TensorFlow while this process imports the rest
        opened = open_session(console, data, require_real, tracking_uri, which)
        session = replace(opened, fresh=fresh, take_over=take_over, started=started)
        (_cross_validate if chosen.test.is_outer_cross_validation else _sweep)(chosen, session, as_json)


def _sweep(experiment: Experiment, session: Session, as_json: bool) -> None:
    from branchsweep.workflows.launch import launch_sweep

    result = launch_sweep(experiment, session)
    if as_json:
        print_json(result.to_json())
    else:
        from branchsweep.reporting.text.sweep_summary import render_sweep_summary
        from branchsweep.tracking.tracking_uri import is_of_package, resolve_tracking_uri

        is_in_mlflow = not is_of_package(resolve_tracking_uri(session.tracking_uri))
        units = {name: head.unit for name, head in experiment.heads.items()}
        OutputConsole().print(render_sweep_summary(result, units, is_in_mlflow))
    if result.finalist is None:
        raise typer.Exit(1)


def _cross_validate(experiment: Experiment, session: Session, as_json: bool) -> None:
    from branchsweep.reporting.text.cross_validation import render_cross_validation
    from branchsweep.workflows.launch import launch_cross_validation

    nested = launch_cross_validation(experiment, session)
    print_json(nested.to_json()) if as_json else OutputConsole().print(render_cross_validation(nested))
    if nested.without_model:
        raise typer.Exit(1)


def promote(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name or run id.")],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="Confirm this trial; default: the best few.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=EXECUTION_OPTIONS, help="Confirm and decide, but register nothing.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", help="Name of the registered model; default: the experiment's.")
    ] = None,
    first: Annotated[
        Literal["any", "sound"] | None,
        typer.Option(
            "--first",
            help="Which model may be the first champion: any, or a sound one (better than a constant guess, not worse than the "
            "best baseline, as good on the test rows as confirmed); default: the experiment's promotion.gate.first.",
        ),
    ] = None,
    data: DataPath = None,
    test_data: TestDataPath = None,
    workers: WorkersOption = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Confirm the best trials of a recorded sweep, and promote the best one to champion if the evidence suffices."""
    from branchsweep.reporting.text.promotion import render_promotion_outcome
    from branchsweep.workflows.launch import PromotionRequest, launch_promotion

    opened = open_session(LiteralConsole(stderr=True), data, False, tracking_uri, resolve_workers(workers))
    session = replace(opened, test_data=test_data)
    experiment, outcome = launch_promotion(sweep, session, PromotionRequest(trial, model, first, dry_run))
    OutputConsole().print(render_promotion_outcome(outcome, list(experiment.heads)))
    if outcome.finalist is None:
        raise typer.Exit(1)


def replay(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A trial's run id or a prefix of it; with --trial, a sweep's name or run id."),
    ],
    trial: Annotated[int | None, typer.Option("--trial", min=0, help="The number of the trial in the sweep RUN.")] = None,
    data: DataPath = None,
    test_data: TestDataPath = None,
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
    from branchsweep.reporting.text.replay import render_replay_result
    from branchsweep.workflows.launch import launch_replay
    from branchsweep.workflows.replay import TOLERANCE

    console = LiteralConsole(stderr=True)
    opened = open_session(console, data, False, tracking_uri, resolve_workers(workers))
    session = replace(opened, test_data=test_data)
    with handle_interrupt(console, "stopped"):
        result = launch_replay(run, session, trial, TOLERANCE if tolerance is None else tolerance)
    if as_json:
        print_json(result.to_json())
    else:
        OutputConsole().print(render_replay_result(result))
    if not result.agrees:
        raise typer.Exit(1)
