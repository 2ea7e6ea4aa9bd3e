"""MLflow's own pages of a sweep in a browser: a real server over a real store.

Each test saves a screenshot in `screenshots/` (not committed), or in the folder that BRANCHSWEEP_SCREENSHOTS names.
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

from branchsweep.config.addresses import Address
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.metrics.comparison_conclusions import headline
from branchsweep.models.exported_model import ExportedModel
from branchsweep.reporting.sweep_reporter import HtmlReporter
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.mlflow.comparison import MlflowComparisonTracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.ui_pages import (
    charts_page,
    experiment_page,
    file_page,
    link,
    run_page,
    ui_command,
    version_page,
    view_page,
)
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.sweep_summary import SweepSummary
from branchsweep.workflows.sweep import run_sweep
from browser import ASSISTANT_CLOSED, Browser, Page, open_browser
from contracts.comparison_results import example_comparison
from contracts.tracking_records import comparison_record
from fakes import FormulaTrainer, RecordingProgress
from servers import free_port, running_server
from tiny_sweep import tiny_experiment

SCREENSHOTS = Path(os.environ.get("BRANCHSWEEP_SCREENSHOTS") or Path(__file__).parents[2] / "screenshots")

QUESTION = "How far does *it* go | [no link](x) <b>for V_1</b>?"
"""Text that would be Markdown or HTML if it were not escaped."""

LINK_OF_THE_QUESTION = "x"
"""Where a link would lead if the question's Markdown were not escaped."""

REPORT_TEXT = "report-text-8264"
"""The text of the report."""

TRIALS = 16


class ManifestTrainer(FormulaTrainer):
    """A `FormulaTrainer` that exports the manifest which a registry reads."""

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write a manifest as the real trainer does."""
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
class ServedSweep:
    """A sweep in a store behind a server, and a browser.

    Args:
        server: The server's address.
        experiment_id: The id of the experiment in MLflow.
        run_id: The run id of the sweep.
        trials: The trials' runs, the best mean R² first.
        result: The sweep's result.
        browser: A browser.
        comparison: The run id of a comparison in the same experiment.
    """

    server: str
    experiment_id: str
    run_id: str
    trials: list[str]
    result: SweepSummary
    browser: Browser
    comparison: str

    def link(self, page: str) -> str:
        return link(self.server, page)


@pytest.fixture(scope="session")
def served(chromium: str, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[ServedSweep]:
    """A small sweep from end to end, trained by a formula, in a store of its own."""
    folder = tmp_path_factory.mktemp("served")
    store = f"sqlite:///{shutil.copy(mlflow_template, folder / 'mlflow.db')}"
    experiment = tiny_experiment(
        question=QUESTION, search={"driver": "random", "trials": TRIALS, "batch": 8}, fit={"epochs": 12}
    )
    x = np.random.default_rng(0).normal(size=(120, 2))
    table = Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, np.stack([x.sum(1), 2 * x.sum(1)], axis=1), digest="1" * 64)
    rows = split_rows(experiment, table)
    tracker = MlflowTracker.open(new_sweep_record(experiment, table, rows), Address(store))
    trainer = ManifestTrainer(training_rows(table, rows))
    training = TrainingContext(trainer, trainer.rows, RecordingProgress())
    sweep = SweepContext(experiment, table, rows, training, tracker.tracking, HtmlReporter())
    result = run_sweep(sweep, open_driver(experiment), [Baseline("linear_regression")])
    client = MlflowClient(store, store)
    client.log_text(tracker.run_id, f"<h1>A report</h1><p>{REPORT_TEXT}</p>", "report.html")
    comparison = MlflowComparisonTracker.open(
        comparison_record(name=experiment.name, table=new_sweep_record(experiment, table, rows).table), Address(store)
    )
    comparison.finish(example_comparison(), {})
    trial_runs = client.search_runs(
        [tracker.experiment_id], f"tags.`branchsweep.sweep` = '{tracker.run_id}'", order_by=["metrics.`r2/mean` DESC"]
    )
    port = free_port()
    command, variables = ui_command(Address(store), "127.0.0.1", port)
    environment = {**os.environ, **variables}
    server = f"http://127.0.0.1:{port}"
    with (
        running_server(command, folder, environment, f"{server}/health"),
        open_browser(chromium, tmp_path_factory.mktemp("profile"), ASSISTANT_CLOSED) as browser,
    ):
        yield ServedSweep(
            server,
            tracker.experiment_id,
            tracker.run_id,
            [run.info.run_id for run in trial_runs],
            result,
            browser,
            comparison.run_id,
        )


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


def links(page: Page) -> list[tuple[str, str]]:
    """Text and target of every link."""
    text_and_target = page.evaluate(
        "[...document.querySelectorAll('a')].map(link => [link.innerText.trim(), link.getAttribute('href')])"
    )
    return [(text, target) for text, target in text_and_target]


def test_the_experiment_lists_the_sweep_and_its_trials_below_it(served: ServedSweep) -> None:
    with served.browser.page(served.link(experiment_page(served.experiment_id))) as page:
        rows = "document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length"
        page.wait_for(f"{rows} === 2", "folded comparison and sweep")
        contestants = len(example_comparison().contestants)
        text = page.wait_for_text("tiny.csv (111111111111)", f"{TRIALS + 1 + contestants + 1} matching runs")
        assert "Model training" in text
        page.click(".ag-pinned-left-cols-container .ag-row[row-index='1'] [col-id*='Run Name'] button")
        page.wait_for(f"{rows} === {TRIALS + 2}", "its trials")
        page.wait_for_text("000 PE 1.000 V 1.000", "004 PE 0.948 V 0.948 PRUNED")
        page.save_screenshot(SCREENSHOTS / "experiment.png")


def test_the_saved_view_has_the_best_trial_on_top_and_hyperparameters_on_screen(served: ServedSweep) -> None:
    with served.browser.page(served.link(view_page(served.experiment_id, served.run_id)), 1400, 900) as page:
        page.wait_for_text(f"{TRIALS} matching runs", "r2/PE", "Sort: r2/mean")
        page.wait_for("document.querySelectorAll('.ag-row').length > 10", "rows")
        page.save_screenshot(SCREENSHOTS / "view.png")
        assert headers(page)[:8] == [
            "Run Name", "Created", "r2/mean", "trunk.depth", "trunk.width", "learning_rate", "r2/PE", "r2/V",
        ]  # fmt: skip
        means = [float(cell.rstrip("…")) for cell in cells(page, "metrics.`r2/mean`")]
        assert len(means) == TRIALS and means == sorted(means, reverse=True)


def test_the_saved_charts_are_parallel_coordinates_and_scatter_plots_of_the_heads(served: ServedSweep) -> None:
    with served.browser.page(served.link(charts_page(served.experiment_id, served.run_id))) as page:
        page.wait_for_text("Parallel Coordinates", "r2/PE vs. r2/V")
        page.wait_for("document.querySelector('.parcoords')", "parallel coordinates")
        page.wait_for(f"document.querySelectorAll('.js-plotly-plot .scatterlayer .point').length >= {TRIALS}", "points")
        page.save_screenshot(SCREENSHOTS / "charts.png")


def test_the_experiments_first_page_links_to_the_newest_sweep_and_comparison(served: ServedSweep) -> None:
    with served.browser.page(served.link(f"#/experiments/{served.experiment_id}"), 1400, 900) as page:
        page.wait_for_text(headline(example_comparison()), "its contestants, best first")
        targets = [target for _, target in links(page)]
        assert view_page(served.experiment_id, served.comparison) in targets
        assert view_page(served.experiment_id, served.run_id) in targets
        page.save_screenshot(SCREENSHOTS / "description.png")


def test_the_view_of_a_comparison_has_scores_verdicts_and_costs(served: ServedSweep) -> None:
    result = example_comparison()
    with served.browser.page(served.link(view_page(served.experiment_id, served.comparison)), 1400, 900) as page:
        page.wait_for_text(f"{len(result.contestants)} matching runs", "Sort: r2/mean")
        page.wait_for("document.querySelectorAll('.ag-row').length > 1", "rows")
        assert headers(page)[2:6] == ["r2/mean", "r2/PE", "r2/V", "verdict"]
        assert "reference" in cells(page, "params.`verdict`")
        page.save_screenshot(SCREENSHOTS / "contestants.png")


def test_the_title_of_a_page_has_the_answer_where_the_assistant_covers_a_quarter(served: ServedSweep) -> None:
    assert served.result.test_scores is not None
    with served.browser.page(served.link(run_page(served.experiment_id, served.run_id)), 1000, 900) as page:
        page.wait_for_text("About this run", "Run ID")
        text = page.text
        for head, score in served.result.test_scores.items():
            assert text.index(f"{head} {score:.3f}") < text.index("Run ID")
        page.save_screenshot(SCREENSHOTS / "title.png")


def test_the_sweeps_page_shows_its_result(served: ServedSweep) -> None:
    result = served.result
    assert result.finalist is not None and result.test_scores is not None and result.registered is not None
    (baseline,) = result.baselines
    scores = [f"{score:.3f}" for score in (*result.test_scores.values(), *baseline.test_scores.values())]
    with served.browser.page(served.link(run_page(served.experiment_id, served.run_id))) as page:
        page.wait_for_text("Show more")
        page.evaluate("[...document.querySelectorAll('button')].find(it => it.innerText.trim() === 'Show more').click()")
        page.wait_for_text(QUESTION, *scores, baseline.name, result.registered.because, "tiny.csv (111111111111)")
        page.save_screenshot(SCREENSHOTS / "sweep.png")
        shown = links(page)
        assert (f"trial {result.finalist.trial}", run_page(served.experiment_id, served.trials[0])) in shown
        assert ("tiny version 1", version_page("tiny", 1)) in shown
        targets = [target for _, target in shown]
        assert view_page(served.experiment_id, served.run_id) in targets
        assert LINK_OF_THE_QUESTION not in targets


def test_a_trials_curves_are_drawn(served: ServedSweep) -> None:
    curves = f"#/experiments/{served.experiment_id}/runs/{served.trials[0]}/model-metrics?workflowType=machine_learning"
    with served.browser.page(served.link(curves)) as page:
        page.wait_for_text("curve_r2")
        page.wait_for("document.querySelectorAll('.js-plotly-plot path.js-line').length >= 2", "curve for each head")
        page.save_screenshot(SCREENSHOTS / "curves.png")


def test_five_trials_compared_have_parallel_coordinates(served: ServedSweep) -> None:
    runs, experiments = quote(json.dumps(served.trials[:5])), quote(json.dumps([served.experiment_id]))
    with served.browser.page(served.link(f"#/compare-runs?runs={runs}&experiments={experiments}")) as page:
        page.wait_for_text("Comparing 5 Runs")
        page.wait_for("document.querySelector('.js-plotly-plot .parcoords')", "parallel coordinates")
        page.save_screenshot(SCREENSHOTS / "compare.png")


def test_the_registry_shows_the_champion_and_the_decision(served: ServedSweep) -> None:
    assert served.result.registered is not None
    with served.browser.page(served.link(version_page("tiny", 1))) as page:
        page.wait_for_text("@ champion", served.result.registered.because, "branchsweep.because", "test R²")
        page.save_screenshot(SCREENSHOTS / "registry.png")


def test_the_report_renders_among_the_files(served: ServedSweep) -> None:
    with served.browser.page(served.link(file_page(served.experiment_id, served.run_id, "report.html"))) as page:
        page.wait_for_text("report.html", "search_space.yaml", "environment.json", "experiment.yaml", "summary.json")
        page.wait_for_node(REPORT_TEXT)
        page.save_screenshot(SCREENSHOTS / "report.png")
