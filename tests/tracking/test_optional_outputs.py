"""Pictures, pages, descriptions and views that cannot be made or kept end no sweep and no comparison: each has one message."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

import matplotlib as mpl
import pytest

from branchsweep.config.addresses import Address
from branchsweep.data.splits import split_rows
from branchsweep.errors import FilesRefusedError, TrackingError
from branchsweep.reporting.comparison.files import comparison_files
from branchsweep.reporting.figures.sweep_figures import DRAW_FUNCTIONS
from branchsweep.reporting.pages.sweep_files import PAGE
from branchsweep.reporting.sweep_reporter import HtmlReporter
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.tracking.mlflow.comparison import MlflowComparisonTracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.open import list_sweeps
from branchsweep.tracking.optional_outputs import OptionalOutputs
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.sweep_report import Files, SweepReport
from comparison_examples import COMPARISONS
from contracts.tracking_records import comparison_record, sweep_record
from tiny_sweep import TinySweep, tiny_experiment, tiny_table

TABLES = {"leaderboard.csv", "predictions.csv", "learning_curves.csv", "data.json"}


@pytest.fixture
def unusable_matplotlib(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings of the user's under which matplotlib draws no text: it looks for LaTeX, and there is none."""
    monkeypatch.setenv("PATH", "")
    with mpl.rc_context({"text.usetex": True}):
        yield


class RefusingTracker(MemoryTracker):
    """A store that keeps no files of some kind."""

    refused = ".png"

    def log_files(self, files: Mapping[str, str | bytes]) -> None:
        """Keep all files, or none of them."""
        if any(name.endswith(self.refused) for name in files):
            raise FilesRefusedError("too large")
        super().log_files(files)

    def log_trial_files(self, trial: int, files: Mapping[str, str | bytes]) -> None:
        """Keep nothing."""
        raise FilesRefusedError(f"no files of trial {trial}")


def finished_sweep(sweep: TinySweep) -> TinySweep:
    """The sweep after it was run with a page and figures."""
    sweep.reporter = HtmlReporter(sweep.progress.on_message)
    sweep.run()
    return sweep


def warnings_of(sweep: TinySweep) -> list[str]:
    return [line for line in sweep.progress.lines if line.startswith("warning: ")]


@pytest.mark.usefixtures("unusable_matplotlib")
def test_a_sweep_ends_where_no_figure_can_be_drawn() -> None:
    sweep = finished_sweep(TinySweep(tiny_experiment()))
    assert sweep.tracker.conclusion is not None
    assert all(sweep.tracker.artifact(name) is not None for name in TABLES)
    page = (sweep.tracker.artifact(PAGE) or b"").decode()
    assert "could not be drawn" in page
    for draw in DRAW_FUNCTIONS:
        assert sweep.tracker.artifact(f"plots/{draw.__name__}.png") is None
    messages = warnings_of(sweep)
    assert any("predicted_against_actual" in line and "branchsweep report" in line for line in messages)
    assert len(messages) == len(set(messages)), "one message for each"


@pytest.mark.usefixtures("unusable_matplotlib")
def test_a_comparison_has_its_page_and_tables_where_no_figure_can_be_drawn() -> None:
    messages: list[str] = []
    result = COMPARISONS["one head"]
    files = comparison_files(
        result, "name: x\n", OptionalOutputs(messages.append, "try again"), command="branchsweep compare x"
    )
    assert {"report.html", "comparison.md", "summary.csv", "halves.csv"} == set(files)
    assert all("try again" in line for line in messages)
    assert any("contestants" in line for line in messages)


def test_files_that_a_store_refuses_are_named_and_the_others_are_kept() -> None:
    experiment = tiny_experiment()
    table = tiny_table()
    record = new_sweep_record(experiment, table, split_rows(experiment, table))
    sweep = finished_sweep(TinySweep(experiment, RefusingTracker.open(record, MemoryStore())))
    assert sweep.tracker.conclusion is not None
    assert sweep.tracker.artifact(PAGE)
    assert all(sweep.tracker.artifact(name) is not None for name in TABLES)
    messages = warnings_of(sweep)
    assert any("plots/" in line and "too large" in line for line in messages), messages
    assert any("no files of trial" in line for line in messages)


def test_a_reporter_that_fails_in_every_way_ends_no_sweep() -> None:
    class Broken(HtmlReporter):
        def draw_report(self, report: SweepReport) -> Callable[[SweepReport], Files]:
            raise MemoryError

        def drawing_trials(self, report: SweepReport) -> AbstractContextManager[Callable[[], Mapping[int, Files]]]:
            raise RuntimeError("no ink")

        def finished_description(self, *_: object) -> str:
            raise KeyError("x")

        def model_card(self, *_: object) -> str:
            raise ValueError("no card")

    sweep = TinySweep(tiny_experiment())
    sweep.reporter = Broken()
    summary = sweep.run()
    assert summary.registered is not None
    assert sweep.tracker.conclusion is not None
    assert all(sweep.tracker.artifact(name) is not None for name in TABLES)
    assert len(warnings_of(sweep)) == 4


def test_a_view_that_mlflow_does_not_take_ends_no_sweep(mlflow_store: Address, tmp_path: Path) -> None:
    refuse = "CREATE TRIGGER no_views BEFORE INSERT ON experiment_tags WHEN NEW.key LIKE '%sharedViewState%'"
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute(f"{refuse} BEGIN SELECT RAISE(ABORT, 'no views'); END")
    messages: list[str] = []
    tracker = MlflowTracker.open(sweep_record(), mlflow_store, optional=OptionalOutputs(messages.append))
    tracker.finish({}, "", {})
    assert [sweep.run_id for sweep in list_sweeps(mlflow_store)] == [tracker.run_id]
    (line,) = messages
    assert "view" in line


@pytest.mark.parametrize("kind", ["sweep", "comparison"])
def test_mlflow_names_files_that_it_does_not_keep(mlflow_store: Address, tmp_path: Path, kind: str) -> None:
    tracker = (
        MlflowTracker.open(sweep_record(), mlflow_store)
        if kind == "sweep"
        else MlflowComparisonTracker.open(comparison_record(), mlflow_store)
    )
    (artifacts,) = [path for path in (tmp_path / "mlruns").rglob("artifacts") if tracker.run_id in path.parts]
    (artifacts / "plots").write_text("a file where a folder is needed")
    messages: list[str] = []
    kept = OptionalOutputs(messages.append).keep({"plots/x.png": b"x", "report.html": "<p>"}, tracker.log_files)
    assert kept == ["report.html"]
    assert (artifacts / "report.html").is_file()
    (line,) = messages
    assert "plots/x.png" in line


def test_what_is_no_refusal_of_files_is_an_error() -> None:
    def taken_over(_: Files) -> None:
        raise TrackingError("another process runs this sweep")

    with pytest.raises(TrackingError, match="another process"):
        OptionalOutputs(print).keep({"a": "b"}, taken_over)
