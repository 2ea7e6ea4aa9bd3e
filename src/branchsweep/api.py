"""The Python API: run a sweep on a table or a DataFrame, look at its trials, predict with its best model.

    import branchsweep

    result = branchsweep.sweep(branchsweep.Experiment.from_yaml("experiments/quickstart.yaml"))
    result.trials              # a DataFrame, the best trial first
    result.best_model.predict(df)

Everything is recorded in MLflow, as by the command line: a sweep that was stopped is resumed by the same call.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from branchsweep.config.addresses import Address
from branchsweep.config.comparison import Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import LocalWorkersConfig, Workers
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.data.files.written_table import make_dataframe
from branchsweep.data.loading import TableData
from branchsweep.errors import UnreadableRecordError, UserError
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.models.serving import MANIFEST_FILE, Predictor, model_file_names
from branchsweep.reporting.comparison.files import comparison_files
from branchsweep.reporting.sweep_reporter import HtmlReporter
from branchsweep.reporting.terminal_interface import TerminalInterface
from branchsweep.runtime import silence_stderr, temporary_folder, write_files
from branchsweep.tracking.open import download_model, open_recorded_sweep
from branchsweep.tracking.protocols import SweepArchive
from branchsweep.trial import Result
from branchsweep.workflows.launch import launch_comparison, launch_cross_validation, launch_sweep, sweep_label
from branchsweep.workflows.records.cross_validation_result import CrossValidationResult
from branchsweep.workflows.records.report_tables import leaderboard_table
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.session import Session
from branchsweep.workflows.sweep import MODEL_FOLDER, finished_result

if TYPE_CHECKING:
    import pandas as pd


class Model:
    """An exported model: predicts from DataFrames.

    Args:
        files: The folder with the exported files, which are read when they are needed.
    """

    def __init__(self, files: Path) -> None:
        self._predictor = Predictor(files)

    @classmethod
    def of_temporary(cls, fetch: Callable[[Path], Path]) -> Self:
        """A model whose files are in a temporary folder, which is deleted with the model.

        Args:
            fetch: Writes the files into a folder, and returns the one below it that holds them.
        """
        with ExitStack() as stack:
            model = cls(fetch(stack.enter_context(temporary_folder())))
            weakref.finalize(model, stack.pop_all().close)
        return model

    @property
    def inputs(self) -> list[str]:
        """Names of the input columns."""
        return self._predictor.inputs

    @property
    def units(self) -> dict[str, str]:
        """Unit of each head, by head."""
        return self._predictor.units

    def predict(self, data: pd.DataFrame, warn: bool = False, interval: float = 0.0, joint: bool = False) -> pd.DataFrame:
        """Predictions in natural units, one column per head, with the index of the data.

        Args:
            data: The input columns in natural units, in any order; other columns are ignored. A missing number or date makes
                the predictions of its row NaN, unless its column may have gaps; such a column may be absent.
            warn: Whether to add the column `outside`: True where an input lies outside the range of the training rows.
            interval: The share of actual values (such as 0.9) that are to lie between two more columns of each head, `PE_low`
                and `PE_high`; 0 for no such columns.
            joint: Whether that is the share of rows in which the actual values of all heads lie inside at once.

        Raises:
            ValueError: A column is missing, or holds values that are not numbers; or the model has no such intervals.
        """
        with silence_stderr():
            return self._predictor.predict(data, warn=warn, interval=interval, joint=joint)


class SweepResult:
    """A recorded sweep: its trials, the best of them, and the model that was made of it.

    Made by `sweep` and `load_sweep`.

    Args:
        archive: The recorded sweep.
        tracking_uri: URI of its store; the default store if None.
    """

    def __init__(self, archive: SweepArchive, tracking_uri: str | None = None) -> None:
        self._archive = archive
        self._tracking_uri = _address(tracking_uri)

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self._archive.sweep.name

    @property
    def run_id(self) -> str:
        """The MLflow run of the sweep."""
        return self._archive.run_id

    @property
    def experiment(self) -> Experiment:
        """The experiment as it was run."""
        return parse_recorded_experiment(self._archive.sweep.yaml, sweep_label(self._archive))

    @property
    def summary(self) -> SweepSummary | None:
        """What came of the sweep: confirmed and test scores, baselines, promotion; None for a sweep that has not finished."""
        return finished_result(self.experiment, self._archive.conclusion)

    @property
    def results(self) -> list[Result]:
        """All trials with their scores, in order of their numbers."""
        return self._archive.recorded_results()

    @property
    def trials(self) -> pd.DataFrame:
        """All trials as a DataFrame, the best first: number, status, scores and their standard errors, hyperparameters."""
        return make_dataframe(*leaderboard_table(self.experiment, self.results))

    @property
    def finalist(self) -> Result | None:
        """The trial that was chosen after confirmation, with its score in the search; None where there is none."""
        summary = self.summary
        finalist = summary.finalist if summary else None
        return next((result for result in self.results if finalist and result.trial.number == finalist.trial), None)

    @property
    def best_model(self) -> Model:
        """The model of the finalist, trained on all training rows.

        Raises:
            UserError: The sweep has not finished, or has no model.
        """
        summary = self.summary
        if summary is None:
            raise UserError(f"{sweep_label(self._archive)} has not finished, so it has no model: run it to its end first")
        if summary.registered:
            return _load_model(f"models:/{summary.registered.model}/{summary.registered.version}", self._tracking_uri)
        manifest = self._archive.artifact(f"{MODEL_FOLDER}/{MANIFEST_FILE}")
        if manifest is None:
            raise UserError(f"{sweep_label(self._archive)} has no model: no trial is complete, or its refit diverged")
        try:
            names = model_file_names(json.loads(manifest))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{MANIFEST_FILE} of {sweep_label(self._archive)} cannot be read ({error!r}): was it edited by hand?"
            raise UnreadableRecordError(message) from error
        files = {name: self._archive.artifact(f"{MODEL_FOLDER}/{name}") for name in names}

        def fetch(folder: Path) -> Path:
            write_files(folder, {name: content for name, content in files.items() if content is not None})
            return folder

        return Model.of_temporary(fetch)

    def __repr__(self) -> str:
        finalist = self.finalist
        score = f", finalist trial {finalist.trial.number}: {finalist.score.value:.4f}" if finalist else ""
        return f"SweepResult({self.name!r}, run_id={self.run_id!r}{score})"


def sweep(
    experiment: Experiment,
    data: str | TableData | None = None,
    *,
    tracking_uri: str | None = None,
    workers: int | Workers | None = None,
    fresh: bool = False,
    verbose: bool = True,
) -> SweepResult:
    """Run a sweep, or resume it: search, confirm the best trials, refit the finalist, compare it with baselines, register it.

    Args:
        experiment: What to search, and how.
        data: The path of a table, or a DataFrame; the experiment's table if None.
        tracking_uri: URI of the MLflow store; `sqlite:///mlflow.db` in the working directory, or what the environment variable
            MLFLOW_TRACKING_URI says, if None.
        workers: Number of worker processes, or workers as an experiment describes them; the experiment's if None.
        fresh: Whether to start again, even if this sweep is recorded.
        verbose: Whether to show messages and progress on standard error.

    Returns:
        The recorded sweep.

    Raises:
        UserError: The experiment, the table, the workers or the store cannot be used.
    """
    session = _session(data, tracking_uri, workers, fresh, verbose)
    summary = launch_sweep(experiment, session)
    return load_sweep(summary.run_id, tracking_uri)


def cross_validate(
    experiment: Experiment,
    data: str | TableData | None = None,
    *,
    tracking_uri: str | None = None,
    workers: int | Workers | None = None,
    fresh: bool = False,
    verbose: bool = True,
) -> CrossValidationResult:
    """Run an outer cross-validation, or resume it: the sweep once per fold (`test.folds`), each scored on rows it did not see.

    Args:
        experiment: What to search, and how; with `test.folds`.
        data: As of `sweep`.
        tracking_uri: As of `sweep`.
        workers: As of `sweep`.
        fresh: As of `sweep`.
        verbose: As of `sweep`.

    Returns:
        The nested score: `scores["r2"]`, and `scores["rrmse"].mean`, the aRRMSE.

    Raises:
        UserError: As of `sweep`; or the experiment has no `test.folds`.
    """
    if not experiment.test.is_outer_cross_validation:
        raise UserError("got an experiment of one sweep, expected test.folds, such as 10", "test.folds")
    return launch_cross_validation(experiment, _session(data, tracking_uri, workers, fresh, verbose))


def load_sweep(name: str, tracking_uri: str | None = None) -> SweepResult:
    """A recorded sweep.

    Args:
        name: Its name, which means the newest of that name, or its run id.
        tracking_uri: As of `sweep`.

    Raises:
        UserError: There is no such sweep.
    """
    return SweepResult(open_recorded_sweep(_address(tracking_uri), name), tracking_uri)


def load_model(uri: str, tracking_uri: str | None = None) -> Model:
    """A registered model.

    Args:
        uri: `models:/NAME@champion` or `models:/NAME/VERSION`.
        tracking_uri: As of `sweep`.

    Raises:
        UserError: There is no such model, or it was not made by branchsweep.
    """
    return _load_model(uri, _address(tracking_uri))


def _load_model(uri: str, store: Address | None) -> Model:
    return Model.of_temporary(lambda folder: download_model(uri, folder, store))


def compare(
    comparison: Comparison,
    data: str | TableData | None = None,
    *,
    tracking_uri: str | None = None,
    workers: int | Workers | None = None,
    fresh: bool = False,
    quick: bool = False,
    verbose: bool = True,
) -> ComparisonResult:
    """Compare models by 5x2 cross-validation, or resume a comparison: one network for all heads, one per head, and others.

    Args:
        comparison: The contestants and the protocol.
        data: As of `sweep`.
        tracking_uri: As of `sweep`.
        workers: As of `sweep`.
        fresh: Whether to start again, even if this comparison is recorded.
        quick: Whether to run its quick form, for a first look; `cuts` of the result says what that leaves out.
        verbose: As of `sweep`.

    Raises:
        UserError: As of `sweep`.
    """
    session = _session(data, tracking_uri, workers, fresh, verbose)
    command = f"branchsweep.compare(comparison{', quick=True' * quick})"
    result, _ = launch_comparison(comparison, session, partial(comparison_files, command=command), quick)
    return result


def _address(tracking_uri: object) -> Address | None:
    """The address that a user gives as text."""
    if not (tracking_uri is None or isinstance(tracking_uri, str)):
        message = f"got tracking_uri of type {type(tracking_uri).__name__}, expected a text such as sqlite:///mlflow.db"
        raise UserError(message, "tracking_uri")
    return None if tracking_uri is None else Address(tracking_uri)


def _session(
    data: str | TableData | None, tracking_uri: str | None, workers: int | Workers | None, fresh: bool, verbose: bool
) -> Session:
    if not (data is None or isinstance(data, (str, Path)) or hasattr(data, "columns")):
        raise UserError(f"got data of type {type(data).__name__}, expected the path of a table, or a DataFrame", "data")
    if isinstance(workers, int) and (isinstance(workers, bool) or workers < 1):
        raise UserError(f"got workers={workers}, expected a number of processes from 1 on", "workers")
    return Session(
        data=Path(data).expanduser() if isinstance(data, (str, Path)) else data,
        tracking_uri=_address(tracking_uri),
        workers=LocalWorkersConfig(kind="local", count=workers) if isinstance(workers, int) else workers,
        fresh=fresh,
        interface=TerminalInterface.on_stderr() if verbose else TerminalInterface.silent(),
        reporter=HtmlReporter,
    )
