"""Runs workflows in a session: opens the table, the workers and the store, and closes them again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from branchsweep.config.codec import to_json
from branchsweep.config.comparison import Comparison
from branchsweep.config.config_model import NAME
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.promotion import Promotion
from branchsweep.data.dataset import Dataset, Split
from branchsweep.data.halves import split_halves
from branchsweep.data.loading import completed_by_table
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import ConfigError, UserError
from branchsweep.metrics.comparison_conclusions import quick_sentence
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.runtime import check_can_write
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.open import (
    open_comparison_tracking,
    open_cross_validation_tracking,
    open_recorded_sweep,
    open_recorded_tracking,
    open_recorded_trial,
    open_tracking,
    store_folder,
)
from branchsweep.tracking.optional_outputs import NO_FILES, OptionalOutputs
from branchsweep.tracking.protocols import OuterRun, SweepRecord
from branchsweep.trial import Result
from branchsweep.workflows.builder_check import check_builder
from branchsweep.workflows.comparison.compare import compare
from branchsweep.workflows.comparison.protocol import comparison_rows, new_comparison_record, with_one_table
from branchsweep.workflows.context import ComparisonContext, SweepContext, TrainingContext
from branchsweep.workflows.dry_run import DryRun, make_dry_run
from branchsweep.workflows.first_round import first_populations
from branchsweep.workflows.outer_cross_validation import (
    OuterContext,
    cross_validate,
    new_cross_validation_record,
    recorded_result,
)
from branchsweep.workflows.promotion.baseline_evaluation import baselines_of
from branchsweep.workflows.promotion.pipeline import PromotionOutcome
from branchsweep.workflows.recorded_sweeps import archive_label, load_recorded_rows, recorded_experiment, recorded_sweep
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
from branchsweep.workflows.records.recorded_params import check_recorded_params
from branchsweep.workflows.records.replay_result import Replay
from branchsweep.workflows.records.sweep_record import new_sweep_record, warm_start_results
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.records.trial_details import find_trial
from branchsweep.workflows.replay import TOLERANCE, replay
from branchsweep.workflows.reporter import SweepReporter
from branchsweep.workflows.resolved_experiment import resolved_by_rows, resolved_by_split
from branchsweep.workflows.session import (
    Session,
    load_outer_rows,
    load_rows,
    open_training,
    training_resources,
    with_workers,
)
from branchsweep.workflows.stages import Stages
from branchsweep.workflows.sweep import finished_result, promote_recorded, run_sweep, run_sweep_to_outcome

ComparisonRenderer = Callable[[ComparisonResult, str, OptionalOutputs], Mapping[str, str | bytes]]
"""Makes the files that are kept with a comparison from its result and its YAML, and reports pictures that cannot be made."""

DESCRIPTION = "comparison.md"
"""The file of a comparison that is its description in the store, too."""

QUICK_TO_PLAN = 2000
"""The most trials of a dry run that is over in seconds."""


def launch_sweep(experiment: Experiment, session: Session) -> SweepSummary:
    """Run a sweep, or resume it; of a sweep that is complete, the recorded result.

    Raises:
        UserError: The experiment, the table, the workers or the store cannot be used.
    """
    with with_workers(session, experiment) as started:
        return _launch_sweep(experiment, started)


def _launch_sweep(experiment: Experiment, session: Session) -> SweepSummary:
    stages = Stages(session.began)
    stages.begin("table")
    experiment = completed_by_table(experiment, session.data)
    baselines = baselines_of(experiment)
    _check_places(session)
    dataset, split = load_rows(experiment, session)
    experiment = resolved_by_split(experiment, dataset, split)
    check_builder(experiment, session.interface.message)
    stages.begin("store")
    prior = _warm_start(experiment, dataset, session)
    with open_training(training_rows(dataset, split), session, experiment) as training:
        if session.started:
            resources = training.trainer.resources
            session.started.workers.prepare(first_populations(experiment, prior, training.rows, resources))
        on_message = training.progress.on_message
        reporter, device = session.reporter(on_message), training.trainer.resources.device
        record = _described(new_sweep_record(experiment, dataset, split, prior, device), experiment, reporter, on_message)
        with open_tracking(record, session.tracking_uri, session.fresh, session.take_over, on_message) as tracking:
            recorded = finished_result(experiment, tracking.tracker.conclusion)
            if recorded:
                on_message("this sweep is complete; to run it again: --fresh (in Python fresh=True)")
                if experiment.registers_model and recorded.finalist and not recorded.registered:
                    on_message(f"it registered no model; to register one: branchsweep promote {tracking.tracker.run_id[:8]}")
                return recorded
            tracking.report_progress(lambda: to_json(training.progress.status()))
            sweep = SweepContext(experiment, dataset, split, training, tracking, reporter, stages)
            return run_sweep(sweep, open_driver(experiment, prior), baselines)


def launch_cross_validation(experiment: Experiment, session: Session) -> CrossValidationResult:
    """Run an outer cross-validation, or resume it; of one that is complete, the recorded result.

    Raises:
        UserError: The experiment, the table, the workers or the store cannot be used.
    """
    with with_workers(session, experiment) as started:
        return _launch_cross_validation(experiment, started)


def _launch_cross_validation(experiment: Experiment, session: Session) -> CrossValidationResult:
    experiment = completed_by_table(experiment, session.data)
    baselines = baselines_of(experiment)
    _check_places(session)
    if experiment.promotion:
        message = "an outer cross-validation estimates scores and registers no model; to register one, run without test.folds"
        session.interface.message(f"promotion: {message}", "warning")
    dataset, splits = load_outer_rows(experiment, session)
    experiment = resolved_by_split(experiment, dataset, splits[0])
    check_builder(experiment, session.interface.message)
    record = new_cross_validation_record(experiment, baselines, dataset, splits)
    tracker = open_cross_validation_tracking(record, session.tracking_uri, session.fresh, session.interface.message)
    recorded = recorded_result(tracker.conclusion)
    if recorded:
        session.interface.message("this outer cross-validation is complete; to run it again: --fresh (in Python fresh=True)")
        return recorded
    with open_training(training_rows(dataset, splits[0]), session, experiment) as opened:
        show = opened.progress.on_message
        reporter, device = session.reporter(show), opened.trainer.resources.device
        outer = OuterRun(experiment.name, tracker.run_id)

        def run_fold(of_fold: Experiment, split: Split, training: TrainingContext) -> tuple[SweepSummary, PromotionOutcome]:
            record = replace(new_sweep_record(of_fold, dataset, split, device=device), outer=outer)
            described = _described(record, of_fold, reporter, show)
            with open_tracking(described, session.tracking_uri, session.fresh, session.take_over, show) as tracking:
                tracking.report_progress(lambda: to_json(training.progress.status()))
                sweep = SweepContext(of_fold, dataset, split, training, tracking, reporter)
                return run_sweep_to_outcome(sweep, open_driver(of_fold), baselines)

        describe = partial(_nested_description, reporter, show)
        return cross_validate(OuterContext(experiment, dataset, splits, opened, tracker, run_fold, describe))


def _nested_description(reporter: SweepReporter, on_message: Callable[[str], None], result: CrossValidationResult) -> str:
    optional = OptionalOutputs(on_message, "branchsweep show prints the same")
    return optional.make("the description in MLflow", lambda: reporter.nested_description(result), "")


def _described(
    record: SweepRecord, experiment: Experiment, reporter: SweepReporter, on_message: Callable[[str], None]
) -> SweepRecord:
    """The record of a sweep that begins, with the description for its page in the store."""
    optional = OptionalOutputs(on_message, "the sweep has one when it is finished")
    description = optional.make("the description in MLflow", lambda: reporter.running_description(experiment), "")
    return replace(record, description=description)


def launch_dry_run(experiment: Experiment, session: Session) -> DryRun:
    """What a sweep would train, and how long it would take."""
    store_folder(session.tracking_uri)  # refuses an address that the sweep would refuse, and writes nothing
    experiment = completed_by_table(experiment, session.data)
    baselines, outer_folds = baselines_of(experiment), 1
    if experiment.test.is_outer_cross_validation:
        dataset, splits = load_outer_rows(experiment, session)
        experiment, split, outer_folds = experiment.for_outer_fold(1), splits[0], len(splits)
    else:
        dataset, split = load_rows(experiment, session)
    experiment = resolved_by_split(experiment, dataset, split)
    check_builder(experiment, session.interface.message)
    if experiment.search.trials > QUICK_TO_PLAN:
        session.interface.message(
            f"asking and packing all {experiment.search.trials:,} trials, which takes minutes; --trials N plans fewer"
        )
    return make_dry_run(experiment, baselines, split, training_resources(session, experiment)).repeated(outer_folds)


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """What is asked of the promotion of a recorded sweep.

    Args:
        trial: The number of the trial to confirm; None for the best few.
        model: Name of the registered model; the experiment's if None.
        first: Which model may be the first champion; what the experiment's gate says if None.
        dry_run: Whether to decide only, and register nothing.
    """

    trial: int | None = None
    model: str | None = None
    first: Literal["any", "sound"] | None = None
    dry_run: bool = False


def launch_promotion(sweep: str, session: Session, request: PromotionRequest) -> tuple[Experiment, PromotionOutcome]:
    """Confirm the best trials of a recorded sweep, and promote the best one if the evidence suffices.

    Args:
        sweep: Its name or run id.
        session: How and where.
        request: Which trial, as which model, and how.

    Returns:
        The experiment of the sweep, and what came of the promotion.

    Raises:
        UserError: There is no such sweep or trial, no name for the model, or another table than the sweep's.
    """
    recorded, tracking = open_recorded_tracking(session.tracking_uri, sweep, session.interface.message)
    experiment = _with_policy_of(request, recorded_experiment(recorded))
    name = recorded.sweep.name
    if experiment.test.folds is not None:
        message = f"the sweep {name} is a fold of an outer cross-validation, which estimates scores and registers no model"
        raise UserError(f"{message}: run the experiment without test.folds, and promote that sweep", where="test.folds")
    if experiment.promotion is None:
        raise UserError(f"the sweep {name} names no registered model: give a name with --model NAME", where="promotion.model")
    _check_places(session)
    dataset, split = load_recorded_rows(recorded, experiment, session)
    with open_training(training_rows(dataset, split), session) as training:
        reporter = session.reporter(training.progress.on_message)
        context = SweepContext(experiment, dataset, split, training, tracking, reporter)
        outcome = promote_recorded(context, request.trial, request.dry_run)
    return experiment, outcome


def launch_replay(run: str, session: Session, trial: int | None = None, tolerance: float = TOLERANCE) -> Replay:
    """Train a recorded trial again, and compare its scores with the recorded ones.

    Args:
        run: A trial's run id or the beginning of it; with `trial`, a sweep's name or run id.
        session: How and where.
        trial: The number of the trial in the sweep.
        tolerance: The largest difference of scores that counts as agreement.

    Raises:
        UserError: There is no such trial, or its table cannot be read or has changed.
    """
    if trial is None:
        recorded, number = open_recorded_trial(session.tracking_uri, run)
    else:
        recorded, number = open_recorded_sweep(session.tracking_uri, run), trial
    sweep = recorded_sweep(recorded)
    found = find_trial(sweep.results, number, archive_label(recorded))
    check_recorded_params(sweep.experiment, [found], archive_label(recorded))
    dataset, split = load_recorded_rows(recorded, sweep.experiment, session)
    with open_training(training_rows(dataset, split), session) as training:
        return replay(sweep, number, dataset, training, tolerance)


def launch_comparison(
    comparison: Comparison, session: Session, render: ComparisonRenderer, quick: bool = False
) -> tuple[ComparisonResult, Mapping[str, str | bytes]]:
    """Run a comparison, or resume it; of a comparison that is complete, the recorded result.

    Args:
        comparison: The contestants and the protocol.
        session: How and where.
        render: Makes the files that are kept with the comparison.
        quick: Whether to run its quick form, for a first look.

    Returns:
        The result, and the files.
    """

    def checked(experiment: Experiment) -> Experiment:
        check_builder(experiment, session.interface.message)
        return experiment

    _check_places(session)
    comparison = with_one_table(comparison)  # before a quick form tunes once
    cuts = comparison.quick_cuts() if quick else ()
    comparison = comparison.quick() if quick else comparison
    comparison = comparison.with_experiments(lambda experiment: completed_by_table(experiment, session.data))
    dataset, split = load_rows(comparison.experiment, session)
    tuned_on = dataset.rows // 2 if comparison.tuning == "nested" else len(split.train)
    in_fold = comparison.validation.fewest_trained_on(tuned_on)
    comparison = comparison.with_experiments(lambda experiment: resolved_by_rows(experiment, dataset, tuned_on, in_fold))
    comparison.with_experiments(checked)
    halves = split_halves(comparison.experiment, dataset, session.data_path, comparison.seed)
    session.interface.message(f"halves: {halves.origin}")
    if cuts:
        session.interface.message(quick_sentence(cuts), "warning")
    record = new_comparison_record(comparison, dataset, halves)
    tracker = open_comparison_tracking(record, session.tracking_uri, session.fresh, session.interface.message)
    optional = OptionalOutputs(session.interface.message, "the same command with -o report.html makes it again")
    recorded = tracker.conclusion
    if recorded:
        session.interface.message("this comparison is complete; to run it again: --fresh (in Python fresh=True)")
        recorded = replace(recorded, cuts=cuts)
        return recorded, optional.make("the report", lambda: render(recorded, record.yaml, optional), NO_FILES)
    rows = comparison_rows(comparison, dataset, halves)
    with open_training(rows, session, comparison.experiment) as training:
        result = compare(ComparisonContext(comparison, dataset, halves, training, tracker, cuts))
    files = optional.make("the report", lambda: render(result, record.yaml, optional), NO_FILES)
    needed = {name: content for name, content in files.items() if name == DESCRIPTION}
    optional.keep({name: content for name, content in files.items() if name not in needed}, tracker.log_files)
    tracker.finish(result, needed)
    return result, files


def _check_places(session: Session) -> None:
    """Check that what follows the training can be written, before anything is trained.

    Raises:
        UserError: The store's folder or that of temporary files takes no files.
    """
    check_can_write(Path(tempfile.gettempdir()), "temporary files")
    store = store_folder(session.tracking_uri)
    if store is not None:
        check_can_write(store, "the tracking store")


def _with_policy_of(request: PromotionRequest, experiment: Experiment) -> Experiment:
    """The experiment with the model and the first champion that the request names.

    Raises:
        UserError: The model's name is not valid.
    """
    model, policy = request.model, experiment.promotion
    if model:
        if not re.fullmatch(NAME, model):
            raise UserError(
                f"got '{model}', expected a name of letters, digits, '_' and '-' that begins with a letter", "--model"
            )
        policy = (policy or Promotion(model=model)).model_copy(update={"model": model})
    if request.first and policy:
        policy = policy.model_copy(update={"gate": policy.gate.model_copy(update={"first": request.first})})
    return experiment.model_copy(update={"promotion": policy})


def _warm_start(experiment: Experiment, dataset: Dataset, session: Session) -> list[Result]:
    """Results of the earlier sweeps that `search.warm_start` names."""
    earlier = []
    for name in experiment.search.warm_start:
        if name == experiment.name:
            message = f"got '{name}', the name of this sweep; expected the run id of an earlier one"
            raise ConfigError(f"{message} (branchsweep show)", "search.warm_start")
        recorded = open_recorded_sweep(session.tracking_uri, name)
        earlier.append(recorded_sweep(recorded))
        check_recorded_params(earlier[-1].experiment, earlier[-1].results, archive_label(recorded))
    return warm_start_results(experiment, dataset, earlier)
