"""A recorded sweep: its trials, the best of them, the model that was made of it, and its figures."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from branchsweep.api.arguments import check_text, described
from branchsweep.api.models import Model, load_model
from branchsweep.api.notebook import sweep_html
from branchsweep.api.promotions import Promotion
from branchsweep.api.sessions import Call, address
from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import MEAN
from branchsweep.config.sections.workers import Workers
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.data.files.written_table import make_dataframe
from branchsweep.data.loading import TableData
from branchsweep.errors import UserError, reading_record
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.models.serving import MANIFEST_FILE, model_file_names
from branchsweep.runtime import write_files
from branchsweep.tracking.open import SweepReader, open_recorded_sweep
from branchsweep.trial import Params, Result
from branchsweep.workflows.launch import PromotionRequest, launch_promotion
from branchsweep.workflows.records.report_tables import leaderboard_table, recorded_report
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.records.unfinished_report import unfinished_report
from branchsweep.workflows.sweep import MODEL_FOLDER, finished_result
from branchsweep.workflows.sweep_report import SweepReport

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Figure = Literal[
    "predicted_against_actual",
    "permutation_importance",
    "partial_dependence",
    "pareto_front",
    "optimization_history",
    "searched_against_confirmed",
    "learning_curves",
    "importance",
    "slices",
    "parallel_coordinates",
    "pruning",
]
"""The figures of a sweep."""


class Sweep:
    """A recorded sweep, as it was when it was loaded. Made by `sweep` and `load_sweep`.

    Args:
        record: The record.
        tracking_uri: URI of its store; the default store if None.
    """

    def __init__(self, record: SweepReader, tracking_uri: str | None = None) -> None:
        self._record = record
        self._tracking_uri = tracking_uri

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self._record.sweep.name

    @property
    def run_id(self) -> str:
        """The MLflow run of the sweep."""
        return self._record.run_id

    @property
    def status(self) -> str:
        """`FINISHED`, `RUNNING`, or `INTERRUPTED`: the same call of `sweep` resumes it then."""
        return self._record.status

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment as it was run."""
        return parse_recorded_experiment(self._record.yaml, self._record.label)

    @cached_property
    def summary(self) -> SweepSummary | None:
        """What came of the sweep: confirmed and test scores, baselines, promotion; None for a sweep that has not finished."""
        return finished_result(self.experiment, self._record.conclusion)

    @cached_property
    def trials(self) -> list[Result]:
        """All trials with their scores, in order of their numbers."""
        return self._record.recorded_results()

    def trials_dataframe(self) -> pd.DataFrame:
        """All trials, the best first: number, status, scores and their standard errors, hyperparameters."""
        return make_dataframe(*leaderboard_table(self.experiment, self.trials))

    def scores_dataframe(self) -> pd.DataFrame:
        """The scores of the finalist and of the baselines, the best baseline first; empty before the end of the sweep.

        Returns:
            One row per model; the columns are pairs of `confirmed` or `test` and a head, or `mean`.
        """
        summary, heads = self.summary, list(self.experiment.heads)
        columns = [(rows, head) for rows in ("confirmed", "test") for head in (heads if rows == "test" else [*heads, MEAN])]
        models = {}
        if summary and summary.finalist and summary.finalist_scores:
            name = f"finalist (trial {summary.finalist.trial})"
            models[name] = {"confirmed": summary.finalist_scores.values, "test": summary.test_scores or {}}
            models |= {
                baseline.name: {"confirmed": baseline.scores.values, "test": baseline.test_scores}
                for baseline in summary.baselines_best_first
            }
        values = [[scores[rows].get(head, float("nan")) for rows, head in columns] for scores in models.values()]
        return make_dataframe(columns, values, list(models))

    @cached_property
    def best_trial(self) -> Result | None:
        """The finalist, chosen after confirmation, with its score in the search; before the end the best trial so far."""
        if self.summary is None:
            return make_evaluator(self.experiment.objective, self.trials).best(self.trials)
        finalist = self.summary.finalist
        return next((result for result in self.trials if finalist and result.number == finalist.trial), None)

    @property
    def best_params(self) -> Params:
        """The hyperparameters of the best trial, those that the experiment fixes included.

        Raises:
            UserError: No trial is complete.
        """
        if self.best_trial is None:
            raise UserError(f"no trial of {self._record.label} is complete, or none meets the constraints")
        return {**self.experiment.space.fixed, **self.best_trial.params}

    @cached_property
    def best_model(self) -> Model:
        """The model of the finalist, trained on all training rows.

        Raises:
            UserError: The sweep has not finished, or has no model.
        """
        summary = self.summary
        if summary is None:
            raise UserError(f"{self._record.label} has not finished, so it has no model: run it to its end first")
        if summary.registered:
            return load_model(f"models:/{summary.registered.model}/{summary.registered.version}", self._tracking_uri)
        manifest = self._record.artifact(f"{MODEL_FOLDER}/{MANIFEST_FILE}")
        if manifest is None:
            raise UserError(f"{self._record.label} has no model: no trial is complete, or its refit diverged")
        with reading_record(f"{MANIFEST_FILE} of {self._record.label}"):
            names = model_file_names(json.loads(manifest))
        files = {name: self._record.artifact(f"{MODEL_FOLDER}/{name}") for name in names}

        def fetch(folder: Path) -> Path:
            write_files(folder, {name: content for name, content in files.items() if content is not None})
            return folder

        return Model.of_temporary(fetch)

    def plot(self, figure: Figure = "predicted_against_actual") -> NDArray[np.object_]:
        """Draw one of the figures of the report with matplotlib's pyplot; a notebook shows it below the cell.

        Args:
            figure: Its name.

        Returns:
            `(panels,)` its `matplotlib.axes.Axes`.

        Raises:
            UserError: There is no such figure, or nothing to draw.
        """
        from branchsweep.reporting.figures.shown import shown_figure  # noqa: PLC0415  # matplotlib takes a second

        return shown_figure(figure, self._report)

    def promote(
        self,
        data: str | TableData | None = None,
        *,
        trial: int | None = None,
        model: str | None = None,
        first: Literal["any", "sound"] | None = None,
        dry_run: bool = False,
        workers: int | Workers | None = None,
        verbose: bool = True,
    ) -> Promotion:
        """Confirm the best trials once more, register the best one, and make it champion if the evidence suffices.

        Args:
            data: The table of the sweep, where it was a DataFrame or has been moved.
            trial: The number of the trial to confirm; the best few if None.
            model: Name of the registered model; the experiment's if None.
            first: Which model may be the first champion: `any`, or one that is `sound`; what the experiment says if None.
            dry_run: Whether to decide only, and register nothing.
            workers: As of `sweep`.
            verbose: As of `sweep`.

        Raises:
            UserError: There is no such trial, no name for the model, or another table than the sweep's.
        """
        _check_promotion(trial, model, first)
        with Call(data, self._tracking_uri, workers, verbose=verbose).session() as session:
            request = PromotionRequest(trial, model, first, dry_run)
            _, outcome = launch_promotion(self.run_id, session, request)
        return Promotion.of(outcome)

    @property
    def _report(self) -> SweepReport:
        if self.summary is None:
            now = datetime.now().astimezone()
            return unfinished_report(self._record, self.experiment, self.status.lower(), now)
        return recorded_report(self._record, self.experiment, self.summary)

    def __repr__(self) -> str:
        best = self.best_trial
        score = f", best trial {best.number}: {best.value:.4f}" if best else ""
        return f"Sweep({self.name!r}, run_id={self.run_id!r}, {self.status}{score})"

    def _repr_html_(self) -> str:
        return sweep_html(self)


def _check_promotion(trial: object, model: object, first: object) -> None:
    """Raise UserError where what is asked of a promotion is of the wrong kind."""
    if trial is not None and (isinstance(trial, bool) or not isinstance(trial, int)):
        raise UserError(f"got {described(trial)}, expected the number of a trial, such as 3", "trial")
    if model is not None:
        check_text(model, "model", "boiler")
    if first not in (None, "any", "sound"):
        raise UserError(f"got {described(first)}, expected 'any' or 'sound'", "first")


def load_sweep(name: str, tracking_uri: str | None = None) -> Sweep:
    """A recorded sweep.

    Args:
        name: Its name, which means the newest of that name, or its run id.
        tracking_uri: As of `sweep`.

    Raises:
        UserError: There is no such sweep.
    """
    check_text(name, "name", "boiler")
    return Sweep(open_recorded_sweep(address(tracking_uri), name), tracking_uri)
