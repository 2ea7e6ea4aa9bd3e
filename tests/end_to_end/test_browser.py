"""What people see in MLflow's own pages, looked at in a real browser: the real server over a real store, no picture faked.

Each test leaves a picture of what it saw in `screenshots/` (not committed), or where BRANCHSWEEP_SCREENSHOTS says.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from mlflow import MlflowClient

from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.models.exported_model import ExportedModel
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.ui_pages import (
    SERVER_ENVIRONMENT,
    charts_page,
    curves_page,
    experiment_page,
    file_page,
    link,
    run_page,
    ui_command,
    version_page,
    view_page,
)
from branchsweep.workflows.baseline_evaluation import Baseline
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.sweep import run_sweep
from branchsweep.workflows.sweep_record import new_sweep_record
from branchsweep.workflows.sweep_result import SweepResult
from browser import ASSISTANT_CLOSED, Browser, Page, open_browser
from fakes import FormulaTrainer, RecordingProgress
from servers import free_port, running_server
from tiny_sweep import tiny_experiment

SCREENSHOTS = Path(os.environ.get("BRANCHSWEEP_SCREENSHOTS") or Path(__file__).parents[2] / "screenshots")

QUESTION = "How far does *it* go | [no link](x) <b>for V_1</b>?"
"""Words that would be Markdown or HTML if they were not escaped."""

TRIALS = 16


class Registrar(FormulaTrainer):
    """Writes what a registry looks into, beside what the formula predicts by."""

    def export(self, folder: Path, model: ExportedModel) -> None:
        """A manifest as the real one writes it."""
        super().export(folder, model)
        file = folder / "serving.json"
        written = json.loads(file.read_text(encoding="utf-8"))
        scaler = {"kind": "affine", "shift": [0.0, 0.0], "scale": [1.0, 1.0]}
        written |= {
            "heads": [{"name": head, "unit": unit} for head, unit in model.units.items()],
            "ranges": [[-3.0, 3.0]] * 2,
            "input_scalers": {"inputs": scaler},
            "target_scaler": scaler,
        }
        file.write_text(json.dumps(written), encoding="utf-8")


@dataclass(frozen=True)
class Seen:
    """A sweep in a store behind a server, and a browser.

    Args:
        server: The server's address.
        experiment_id: Of the experiment in MLflow.
        run_id: Of the sweep.
        trials: The trials' runs, the best mean R² first.
        said: The sweep's summary.
        browser: Looks at it.
    """

    server: str
    experiment_id: str
    run_id: str
    trials: list[str]
    said: SweepResult
    browser: Browser

    def link(self, page: str) -> str:
        return link(self.server, page)


@pytest.fixture(scope="session")
def seen(chromium: str, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Seen]:
    """A small sweep from end to end, trained by a formula, in a store of its own."""
    folder = tmp_path_factory.mktemp("seen")
    store = f"sqlite:///{shutil.copy(mlflow_template, folder / 'mlflow.db')}"
    experiment = tiny_experiment(
        question=QUESTION, search={"driver": "random", "trials": TRIALS, "batch": 8}, fit={"epochs": 12}
    )
    x = np.random.default_rng(0).normal(size=(120, 2))
    table = Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, np.stack([x.sum(1), 2 * x.sum(1)], axis=1), digest="1" * 64)
    rows = split_rows(experiment, table)
    ledger = MlflowTracker.open(new_sweep_record(experiment, table, rows), store)
    trainer = Registrar(training_rows(table, rows))
    training = TrainingContext(trainer, trainer.rows, RecordingProgress())
    sweep = SweepContext(experiment, table, rows, training, ledger.tracking)
    said = run_sweep(sweep, open_driver(experiment), [Baseline("linear_regression")])
    client = MlflowClient(store, store)
    client.log_text(ledger.run_id, "<h1>A report</h1><p>of what was found</p>", "report.html")
    found = client.search_runs(
        [ledger.experiment_id], f"tags.`branchsweep.sweep` = '{ledger.run_id}'", order_by=["metrics.`r2/mean` DESC"]
    )
    port = free_port()
    command = ui_command(store, "127.0.0.1", port)
    environment = {**os.environ, **SERVER_ENVIRONMENT}
    server = f"http://127.0.0.1:{port}"
    with (
        running_server(command, folder, environment, f"{server}/health"),
        open_browser(chromium, tmp_path_factory.mktemp("profile"), ASSISTANT_CLOSED) as it,
    ):
        yield Seen(server, ledger.experiment_id, ledger.run_id, [run.info.run_id for run in found], said, it)


def headers(page: Page) -> list[str]:
    """The columns of the table of runs, from left to right."""
    return list(
        page.evaluate(
            "[...document.querySelectorAll('.ag-header-cell')]"
            ".map(cell => [cell.getBoundingClientRect().x, cell.innerText.trim()])"
            ".filter(([_, text]) => text).sort((a, b) => a[0] - b[0]).map(([_, text]) => text)"
        )
    )


def cells(page: Page, column: str) -> list[str]:
    """The cells of a column of the table of runs, from top to bottom."""
    selector = f".ag-row [col-id='{column}']"
    return list(
        page.evaluate(
            f'[...document.querySelectorAll("{selector}")]'
            ".map(cell => [cell.getBoundingClientRect().y, cell.innerText.trim()])"
            ".sort((a, b) => a[0] - b[0]).map(([_, text]) => text)"
        )
    )


def links(page: Page, words: str) -> list[str]:
    """Where the links lead that say this."""
    return list(
        page.evaluate(
            "[...document.querySelectorAll('a')]"
            f".filter(link => link.innerText.trim() === {json.dumps(words)}).map(link => link.getAttribute('href'))"
        )
    )


def test_the_experiment_lists_the_sweep_and_its_trials_below_it(seen: Seen) -> None:
    with seen.browser.page(seen.link(experiment_page(seen.experiment_id))) as page:
        page.wait_for("document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length === 1", "folded sweep")
        text = page.wait_for_text("tiny.csv (111111111111)", f"{TRIALS + 1} matching runs")
        assert "Model training" in text
        page.click(".ag-pinned-left-cols-container .ag-row [col-id*='Run Name'] button")
        page.wait_for(
            f"document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length === {TRIALS + 1}", "its trials"
        )
        page.wait_for_text("000 PE 1.000 V 1.000", "004 PE 0.948 V 0.948 PRUNED")
        page.save_screenshot(SCREENSHOTS / "experiment.png")


def test_the_prepared_view_has_the_heads_first_and_the_best_trial_on_top(seen: Seen) -> None:
    with seen.browser.page(seen.link(view_page(seen.experiment_id, seen.run_id))) as page:
        page.wait_for_text(f"{TRIALS} matching runs", "r2/PE", "Sort: r2/mean")
        page.wait_for("document.querySelectorAll('.ag-row').length > 10", "rows")
        page.save_screenshot(SCREENSHOTS / "view.png")
        assert headers(page)[:8] == [
            "Run Name", "Created", "r2/PE", "r2/V", "r2/mean", "trunk.depth", "trunk.width", "learning_rate",
        ]  # fmt: skip
        means = [float(cell.rstrip("…")) for cell in cells(page, "metrics.`r2/mean`")]
        assert len(means) == TRIALS and means == sorted(means, reverse=True)
        assert "you're viewing a shared view" in page.text.lower()


def test_the_prepared_charts_are_parallel_coordinates_and_the_heads_against_each_other(seen: Seen) -> None:
    with seen.browser.page(seen.link(charts_page(seen.experiment_id, seen.run_id))) as page:
        page.wait_for_text("Parallel Coordinates", "r2/PE vs. r2/V", "Heads against each other")
        page.wait_for("document.querySelector('.parcoords')", "parallel coordinates")
        page.wait_for(f"document.querySelectorAll('.js-plotly-plot .scatterlayer .point').length >= {TRIALS}", "points")
        page.save_screenshot(SCREENSHOTS / "charts.png")


def test_the_sweeps_page_has_the_answer(seen: Seen) -> None:
    assert seen.said.best is not None
    with seen.browser.page(seen.link(run_page(seen.experiment_id, seen.run_id))) as page:
        page.wait_for_text("Show more")
        page.evaluate("[...document.querySelectorAll('button')].find(it => it.innerText.trim() === 'Show more').click()")
        text = page.wait_for_text(QUESTION, "on the test rows; linear regression", "tiny version 1 is the champion", "Datasets")
        assert "tiny.csv (111111111111)" in text
        page.save_screenshot(SCREENSHOTS / "sweep.png")
        assert links(page, f"trial {seen.said.best.trial}") == [run_page(seen.experiment_id, seen.trials[0])]
        assert links(page, "all trials, best first") == [view_page(seen.experiment_id, seen.run_id)]
        assert links(page, "tiny version 1") == [version_page("tiny", 1)]
        assert links(page, "no link") == []


def test_a_trials_curves_are_drawn(seen: Seen) -> None:
    with seen.browser.page(seen.link(curves_page(seen.experiment_id, seen.trials[0]))) as page:
        page.wait_for_text("curve_r2")
        page.wait_for("document.querySelectorAll('.js-plotly-plot path.js-line').length >= 2", "curve for each head")
        page.save_screenshot(SCREENSHOTS / "curves.png")


def test_five_trials_compared_have_parallel_coordinates(seen: Seen) -> None:
    runs, experiments = quote(json.dumps(seen.trials[:5])), quote(json.dumps([seen.experiment_id]))
    with seen.browser.page(seen.link(f"#/compare-runs?runs={runs}&experiments={experiments}")) as page:
        page.wait_for_text("Comparing 5 Runs")
        page.wait_for("document.querySelector('.js-plotly-plot .parcoords')", "parallel coordinates")
        page.save_screenshot(SCREENSHOTS / "compare.png")


def test_the_registry_shows_who_reigns_and_why(seen: Seen) -> None:
    assert seen.said.champion is not None
    with seen.browser.page(seen.link(version_page("tiny", 1))) as page:
        page.wait_for_text("@ champion", seen.said.champion.because, "branchsweep.because", "test R²")
        page.save_screenshot(SCREENSHOTS / "registry.png")


def test_the_report_renders_among_the_files(seen: Seen) -> None:
    with seen.browser.page(seen.link(file_page(seen.experiment_id, seen.run_id, "report.html"))) as page:
        page.wait_for_text("report.html", "search_space.yaml", "environment.json", "experiment.yaml", "summary.json")
        page.wait_for_node("of what was found")
        page.save_screenshot(SCREENSHOTS / "report.png")
