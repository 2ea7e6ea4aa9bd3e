"""The report of a sweep: complete for all outcomes, self-contained, small, and reproducible from the record."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from branchsweep.config.experiment import Experiment
from branchsweep.config.yaml.recorded import parse_recorded_experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.errors import UserError
from branchsweep.reporting.drawing_process import drawn_beside
from branchsweep.reporting.figures.search import optimization_history, pareto_front
from branchsweep.reporting.figures.sweep_figures import sweep_figures
from branchsweep.reporting.figures.trials import RASTER_DPI, drawn_heads, drawn_heads_sentence
from branchsweep.reporting.objective_rows import objective_rows
from branchsweep.reporting.pages.leaderboard import leaderboard_columns, leaderboard_row, leading_trials
from branchsweep.reporting.pages.sweep_files import (
    INTERACTIVE,
    PAGE,
    interactive_page,
    report_files,
    report_page,
    trial_figures,
)
from branchsweep.reporting.pages.sweep_page import dimension_rows
from branchsweep.reporting.pages.sweep_sentences import answer_sentence
from branchsweep.reporting.plot_files import IN_CARD
from branchsweep.reporting.text.sweep_summary import render_sweep_summary
from branchsweep.search.drivers import open_driver, random_trials
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.trial import MeanScores, Result, Score, Status
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.records.report_tables import recorded_report, report_tables
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.records.unfinished_report import unfinished_report
from branchsweep.workflows.reporter import TableReporter
from branchsweep.workflows.sweep import finished_result, run_sweep
from branchsweep.workflows.sweep_report import Files, SweepReport
from fakes import FormulaTrainer, RecordingProgress
from scores import head_score
from terminal_text import rendered_text
from tiny_sweep import TinySweep, tiny_experiment

SECTIONS = {
    "comparison",
    "predicted_against_actual",
    "permutation_importance",
    "partial_dependence",
    "pareto_front",
    "optimization_history",
    "selection_bias",
    "learning_curves",
    "importance",
    "slices",
    "parallel_coordinates",
    "pruning",
    "edges",
    "trials",
    "data",
    "reproduction",
}

VOID = {"meta", "link", "br", "hr", "img", "input"}
"""Elements of HTML without a closing tag."""

HEADS = {"PE": {"unit": "MW"}, "V": {"unit": "cm Hg"}, "T": {"unit": "K"}}


class Page(HTMLParser):
    """A parsed page: its sections, text, loaded resources; fails on elements that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.loaded: list[str] = []
        self.texts: list[str] = []
        self.pictures = 0
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loaded += [str(values[key]) for key in ("src", "href", "xlink:href", "data", "poster") if values.get(key)]
        self.pictures += tag == "svg"
        if tag == "section":
            self.sections.append(str(values["id"]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and "script" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


DATA_WARNING = "1 row repeats an earlier one"
SYNTHETIC_TABLE = "STAND-IN DATA. Made up."


def example_table(heads: int) -> Dataset:
    """Every head is a multiple of the sum of the inputs; two rows repeat."""
    x = np.random.default_rng(0).normal(size=(120, 2))
    x[1] = x[0]
    y = np.stack([(head + 1) * x.sum(1) for head in range(heads)], axis=1)
    return Dataset("file", "tiny.csv", ("a", "b"), tuple([*HEADS][:heads]), x, y, "t1", (DATA_WARNING,))


def finished_sweep(
    dataset: Dataset | None = None, diverges_above: float = np.inf, **changes: Any
) -> tuple[SweepReport, MemoryTracker]:
    """Run a sweep to its end; return its report and its tracker."""
    heads = changes.pop("heads", 2)
    draws_trials = changes.pop("draws_trials", False)
    experiment = tiny_experiment(heads=dict([*HEADS.items()][:heads]), **changes)
    dataset = dataset or example_table(heads)
    parts = split_rows(experiment, dataset)
    tracker = MemoryTracker.open(new_sweep_record(experiment, dataset, parts), MemoryStore())
    reports: list[SweepReport] = []

    class Recorder(TableReporter):
        def draw_report(self, _report: SweepReport) -> Callable[[SweepReport], Files]:
            def files(timed: SweepReport) -> Files:
                reports.append(timed)
                return report_tables(timed)

            return files

        def drawing_trials(
            self, report: SweepReport
        ) -> AbstractContextManager[Callable[[], Mapping[int, Mapping[str, str | bytes]]]]:
            return nullcontext(lambda: trial_figures(report) if draws_trials else {})

    trainer = FormulaTrainer(training_rows(dataset, parts), diverges_above)
    training = TrainingContext(trainer, trainer.rows, RecordingProgress())
    sweep = SweepContext(experiment, dataset, parts, training, tracker.tracking, Recorder())
    run_sweep(sweep, open_driver(experiment), [Baseline("linear_regression")])
    return reports[0], tracker


OUTCOMES: Mapping[str, Mapping[str, Any]] = {
    "two heads": {},
    "three heads, pruned": {"heads": 3, "fit": {"epochs": 6}, "pruning": {"rungs": [1, 3]}},
    "one head, no promotion": {"heads": 1, "promotion": None},
    "some failed": {"diverges_above": 0.05},
    "all failed": {"diverges_above": 0.0},
    "several objectives": {
        "objective": {"maximize": ["r2/PE", "r2/V"]},
        "search": {"driver": "random", "trials": 12, "batch": 6},
    },
    "an unmet constraint": {"objective": {"maximize": ["mean_r2"], "constraints": ["r2/PE >= 1"]}},
    "one trial, nothing varied": {
        "space": {"dimensions": {}},
        "search": {"driver": "random", "trials": 1, "initial_trials": {"small": {"trunk.depth": 1}}},
    },
}


@cache
def cached_sweep(kind: str) -> tuple[SweepReport, MemoryTracker, str]:
    """A sweep of this kind and its page, cached for tests that only read them."""
    report, tracker = finished_sweep(**OUTCOMES[kind])
    return report, tracker, report_page(report)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_page_is_complete_and_self_contained_for_all_outcomes(kind: str) -> None:
    report, _, text = cached_sweep(kind)
    page = Page(text)
    assert set(page.sections) == SECTIONS
    assert all(address.startswith(("#", "data:")) for address in page.loaded)
    assert not re.search(r"url\((?!#)|@import|<script[^>]*\ssrc", text)
    assert answer_sentence(report) in page.text
    assert "nan" not in page.text.lower().replace("maintenance", "").split()
    assert DATA_WARNING in page.text
    for head in report.experiment.heads:
        assert f"{head}, test" in page.text or report.summary.finalist is None


def unfinished_sweep(**changes: Any) -> tuple[SweepReport, str]:
    """The report of a sweep that was interrupted after its search, and its page."""
    sweep = TinySweep(tiny_experiment(**changes))
    sweep.search()
    report = unfinished_report(sweep.tracker, sweep.experiment, "interrupted", datetime(2026, 11, 29, 22, 14, tzinfo=UTC))
    return report, report_page(report)


@pytest.mark.parametrize(
    "kind", [kind for kind, changes in OUTCOMES.items() if not changes.keys() & {"heads", "diverges_above"}]
)
def test_a_sweep_that_is_not_finished_has_a_page_that_says_so(kind: str) -> None:
    report, text = unfinished_sweep(**OUTCOMES[kind])
    page = Page(text)
    assert set(page.sections) == SECTIONS
    planned, ended = report.experiment.search.trials, len(report.results)
    assert f"{ended} of {planned} trials" in page.text and "interrupted" in page.text and "2026-11-29 22:14" in page.text
    assert "on the test rows;" not in page.text and "finalist is trial" not in page.text
    assert answer_sentence(report) in page.text


def test_before_the_end_the_best_trial_of_the_search_is_marked() -> None:
    report, text = unfinished_sweep()
    best = max(report.results, key=lambda result: result.score.value)
    assert report.marked is not None and report.marked.trial == best.trial.number
    assert report.summary.finalist is None
    assert f"trial {best.trial.number} is the best" in Page(text).text
    assert report.summary.importance and report.summary.trials["complete"] == len(report.results)
    assert set(report_files(report)) >= {"report.html", "leaderboard.csv"}


def test_a_sweep_without_a_trial_has_nothing_to_report() -> None:
    sweep = TinySweep(tiny_experiment())
    with pytest.raises(UserError, match="no trial"):
        unfinished_report(sweep.tracker, sweep.experiment, "running", datetime.now(UTC))


def test_the_leading_trials_are_the_complete_ones_ordered_by_the_objective_whose_column_is_shown() -> None:
    report, _ = finished_sweep(heads=3, objective={"maximize": ["r2/V"]}, fit={"epochs": 6}, pruning={"rungs": [1, 3]})
    leading = leading_trials(report)
    by_objective = [result.score.by_head["V"] for result in leading]
    assert all(result.score.is_complete for result in leading) and by_objective == sorted(by_objective, reverse=True)
    columns = leaderboard_columns(report)
    assert "of V (objective)" in columns[0] and columns[1:] == ["R² PE", "R² T"]
    data = page_data(report_page(report))
    assert data["columns"] == columns
    assert data["trials"][str(leading[0].trial.number)]["scores"][0] == f"{by_objective[0]:.4f}"


def page_data(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="interaction">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_script_of_the_page_knows_where_every_trial_is_in_the_figures() -> None:
    report, _, page = cached_sweep("three heads, pruned")
    figures = page_data(page)["figures"]
    numbers = {result.trial.number for result in report.results}
    of_trials = {"pareto_front", "optimization_history", "selection_bias", "slices", "parallel_coordinates", "pruning"}
    assert set(figures) == of_trials
    for name in ("optimization_history", "slices", "parallel_coordinates"):
        assert {trial for trial, *_ in figures[name]["points"]} == numbers, name
    assert figures["parallel_coordinates"]["has_lines"] and not figures["slices"]["has_lines"]
    assert all(0 <= x <= 880 and y >= 0 for figure in figures.values() for _, x, y in figure["points"])


def test_a_choice_without_order_has_no_position_on_a_range() -> None:
    space = {"dimensions": {"activation": {"type": "choice", "choices": ["relu", "silu", "tanh"]}}}
    report, _ = finished_sweep(space=space)
    (row,) = dimension_rows(report)
    assert row.choices == ("relu", "silu", "tanh") and row.value in row.choices and row.position is None


def test_links_lead_to_runs_the_version_and_comparisons_where_the_store_has_pages() -> None:
    report, _, page = cached_sweep("two heads")
    assert "In MLflow" not in page and "http://" not in Page(page).text
    assert report.summary.finalist is not None and report.summary.registered is not None
    trial = report.summary.finalist.trial
    links = TrackingLinks(
        trials={trial: "#/trial"}, run="#/sweep", version="#/{}/{}".format, comparisons={"a<b": "#/other"}, server="http://h:1/"
    )
    linked = Page(report_page(replace(report, links=links))).loaded
    assert {"http://h:1/#/trial", "http://h:1/#/sweep", "http://h:1/#/tiny/1", "http://h:1/#/other"} <= set(linked)


def test_commands_that_read_a_store_are_left_out_where_the_tracker_is_of_another_package() -> None:
    report, _, page = cached_sweep("two heads")
    commands = ("branchsweep replay", "branchsweep predict", "branchsweep report")
    assert all(command in page for command in commands)
    elsewhere = report_page(replace(report, is_in_mlflow=False))
    assert "branchsweep run" in elsewhere and not any(command in elsewhere for command in commands)
    assert "MLflow" not in Page(elsewhere).text


def test_a_network_whose_branch_depths_are_0_is_said_to_have_no_branches() -> None:
    space = {"dimensions": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1.0}}, "fixed": {"branch.depth": 0}}
    report, _ = finished_sweep(space=space, search={"driver": "random", "trials": 4})
    assert report.summary.finalist is not None and report.summary.finalist.has_branches is False
    assert "without branches" in Page(report_page(report)).text
    assert "no branches" in rendered_text(render_sweep_summary(report.summary, {"PE": "MW", "V": "cm Hg"}))


def test_the_elapsed_time_is_that_of_the_summary() -> None:
    report, _, _ = cached_sweep("two heads")
    timed = replace(report, summary=replace(report.summary, seconds=95.0, search_seconds=62.0))
    text = Page(report_page(timed)).text
    assert "elapsed 1 min 35 s" in text and "1 min 2 s of it for the search" in text
    stages = {"start": 3.0, "search": 62.0, "report": 30.0}
    by_stage = Page(report_page(replace(report, summary=report.summary.timed(stages)))).text
    assert "elapsed 1 min 35 s" in by_stage and "start 3 s, report 30 s" in by_stage


def test_importance_says_why_it_is_absent() -> None:
    report, _, page = cached_sweep("one trial, nothing varied")
    assert report.summary.without_importance and report.summary.without_importance in Page(page).text
    few, _ = finished_sweep(search={"driver": "random", "trials": 4})
    assert "needs 20 trials" in few.summary.without_importance and "has 4 of them" in few.summary.without_importance
    assert few.summary.without_importance in Page(report_page(few)).text


def test_headline_has_the_test_scores_of_the_model_and_of_baselines() -> None:
    report, _ = finished_sweep()
    summary = replace(
        report.summary,
        test_scores={"PE": 0.9418, "V": 0.8183},
        baselines=(replace(report.summary.baselines[0], test_scores={"PE": 0.9259, "V": 0.7459}),),
    )
    model, _, baseline = answer_sentence(replace(report, summary=summary)).partition(summary.baselines[0].name)
    assert re.findall(r"\b(?:PE|V|0\.\d+)\b", model) == ["PE", "0.942", "V", "0.818"]
    assert re.findall(r"0\.\d+", baseline) == ["0.926", "0.746"]


def test_an_error_is_shown_as_it_is_and_drawn_upside_down() -> None:
    report, _ = finished_sweep(objective={"maximize": ["rmse/PE"]})
    assert leaderboard_columns(report) == ["validation RMSE of PE (objective)", "R² PE", "R² V"]
    errors = [float(leaderboard_row(report, result).scores[0]) for result in leading_trials(report)]
    assert errors == sorted(errors) and errors[0] > 0
    text = Page(report_page(report)).text
    for row in objective_rows(report.summary):
        assert re.search(rf"{row.model}\s+{row.values[0]}", text)
    drawn = optimization_history(report)
    assert drawn.figure is not None and drawn.figure.axes[0].get_ylabel() == "negative validation RMSE of PE"


def test_small_networks_are_drawn_against_accurate_ones() -> None:
    report, _ = finished_sweep(objective={"maximize": ["mean_r2", "rmse/V", "parameters"]})
    figure = pareto_front(report).figure
    assert figure is not None
    assert [(panel.get_xlabel(), panel.get_ylabel()) for panel in figure.axes] == [
        ("rmse/V", "mean_r2"),
        ("parameters", "mean_r2"),
        ("parameters", "rmse/V"),
    ]


def test_page_compares_the_finalist_with_the_best_baseline_of_each_head() -> None:
    report, _ = finished_sweep()
    weakest = replace(report.summary.baselines[0], name="weakest", scores=MeanScores({"PE": 0.1, "V": 0.1, "mean": 0.1}, {}))
    strongest = replace(weakest, name="strongest", scores=MeanScores({"PE": 0.5, "V": 0.5, "mean": 0.5}, {}), estimators={})
    summary = replace(report.summary, baselines=(weakest, strongest))
    compared = replace(report, summary=summary)
    headline = answer_sentence(compared)
    assert "strongest" in headline and "weakest" not in headline
    text = Page(report_page(compared)).text
    for head in ("PE", "V", "mean"):
        best = summary.best_baselines[head]
        assert re.search(rf"{head}\s+[\d.]+\s+{best.score:.4f}\s+\{best.difference:+.4f}\s+strongest", text)


def test_synthetic_data_is_reported_first() -> None:
    report, _ = finished_sweep(replace(example_table(2), source="synthetic", warnings=(SYNTHETIC_TABLE,)))
    text, headline = Page(report_page(report)).text, answer_sentence(report)
    assert "synthetic" in headline
    first_of_the_facts = "elapsed"
    assert text.index(headline) < text.index(SYNTHETIC_TABLE) < text.index(first_of_the_facts)
    assert text.count(SYNTHETIC_TABLE) == 1


@pytest.mark.parametrize("kind", ["three heads, pruned", "all failed"])
def test_page_from_the_record_equals_the_original(kind: str) -> None:
    report, tracker, page = cached_sweep(kind)
    result = finished_result(report.experiment, tracker.conclusion)
    assert result is not None
    experiment = parse_recorded_experiment(tracker.sweep.yaml, "a sweep")
    restored = recorded_report(tracker, experiment, result)
    assert report_page(restored) == page
    assert report_tables(restored) == report_tables(report)


def test_page_of_a_sweep_without_recorded_tables_is_complete() -> None:
    report, tracker = finished_sweep()
    tracker._sweep.files.clear()
    restored = recorded_report(tracker, report.experiment, report.summary)
    page = Page(report_page(restored))
    assert set(page.sections) == SECTIONS
    [predictions] = [figure for figure in sweep_figures(restored) if figure.name == "predicted_against_actual"]
    assert predictions.figure is None and predictions.caption in page.text


def test_recorded_predictions_have_the_reported_test_scores() -> None:
    report, tracker = finished_sweep(heads=3)
    rows = list(csv.DictReader(io.StringIO((tracker.artifact("predictions.csv") or b"").decode())))
    assert report.summary.test_scores is not None
    for head, r2 in report.summary.test_scores.items():
        actual, predicted = np.array([[float(row["actual"]), float(row["predicted"])] for row in rows if row["head"] == head]).T
        assert 1 - np.sum((actual - predicted) ** 2) / np.sum((actual - actual.mean()) ** 2) == pytest.approx(r2)


def test_leaderboard_csv_has_all_trials_best_first() -> None:
    report, tracker = finished_sweep(diverges_above=0.05)
    rows = list(csv.DictReader(io.StringIO((tracker.artifact("leaderboard.csv") or b"").decode())))
    assert sorted(int(row["trial"]) for row in rows) == list(range(20))
    values = [float(row["r2/mean"]) for row in rows if row["status"] == "COMPLETE"]
    assert values == sorted(values, reverse=True)
    assert {row["status"] for row in rows[len(values) :]} == {"FAILED"}
    results_by_number = {result.trial.number: result for result in report.results}
    for row in rows:
        assert {name: row[name] for name in report.experiment.space.dimensions} == {
            name: str(results_by_number[int(row["trial"])].trial.params.get(name, ""))
            for name in report.experiment.space.dimensions
        }


def test_facts_of_the_table_are_recorded() -> None:
    _, tracker = finished_sweep()
    facts = json.loads(tracker.artifact("data.json") or b"")
    assert [column["name"] for column in facts["columns"]] == ["a", "b", "PE", "V"]
    assert facts["columns"][0]["high"] == example_table(2).x[:, 0].max()
    assert (facts["train"], facts["test"]) == (96, 24)


def test_finalists_are_drawn_on_validation_rows() -> None:
    report, tracker = finished_sweep(draws_trials=True)
    confirmed = {finalist.trial for finalist in report.summary.confirmed}
    assert set(report.finalists) == confirmed
    for trial in confirmed:
        for head, predictions in report.finalists[trial].items():
            r2 = next(finalist.scores.values[head] for finalist in report.summary.confirmed if finalist.trial == trial)
            assert len(predictions.actual) == report.table.train
            assert float(r2_score(predictions.actual, predictions.predicted)) == pytest.approx(r2, abs=0.02)
    with drawn_beside(trial_figures, report) as drawn:
        figures = trial_figures(report)
        assert drawn() == figures, "another process draws the same"
    assert set(figures) == confirmed
    assert all(str(content).startswith("b'\\x89PNG") for files in figures.values() for content in files.values())
    assert tracker.artifact(f"trials/{min(confirmed)}/plots/predicted_against_actual.png") is not None


def test_of_many_heads_the_worst_and_the_best_have_panels() -> None:
    report, _, _ = cached_sweep("three heads, pruned")
    heads = [f"h{number:02}" for number in range(20)]
    score = Score(Status.COMPLETE, heads={head: head_score(number / 20) for number, head in enumerate(heads)})
    experiment = report.experiment.model_copy(update={"heads": dict.fromkeys(heads, report.experiment.heads["PE"])})
    many = replace(report, experiment=experiment, results=[replace(report.results[0], score=score)])
    assert drawn_heads(many) == [*heads[:4], *reversed(heads[-4:])]
    assert "20 heads" in drawn_heads_sentence(many)
    assert drawn_heads(report) == list(report.experiment.heads) and not drawn_heads_sentence(report)


def test_report_files_have_figures_as_png_and_the_interactive_page_on_demand_alone() -> None:
    report, _, _ = cached_sweep("three heads, pruned")
    files = report_files(report)
    assert INTERACTIVE not in files
    pictures = {name: content for name, content in files.items() if name.endswith(".png")}
    assert len(pictures) >= 8
    assert {Path(name).stem for name in pictures} <= SECTIONS | {"model_card"}
    assert IN_CARD in pictures
    for content in pictures.values():
        assert isinstance(content, bytes)
        assert content.startswith(b"\x89PNG\r\n")
    interactive = interactive_page(report)
    outside = re.compile(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=[\"'](?!data:)")
    assert not outside.search(interactive)
    assert interactive.count('id="figure-') == 4
    pruned = [result.trial.number for result in report.results if result.score.status is Status.PRUNED]
    from branchsweep.reporting.figures.interactive import interactive_figures

    hovered = interactive_figures(report)[-1].figure.data[0].text
    assert pruned and len(hovered) == len(report.results) and sum("</b>, pruned" in text for text in hovered) == len(pruned)


@pytest.mark.slow
def test_report_without_plotly_is_complete_and_has_no_dead_link(tmp_path: Path) -> None:
    """In a process of its own, in which importing Plotly fails."""
    code = """
import sys
from pathlib import Path

sys.modules["plotly"] = None
sys.path[:0] = sys.argv[2:]
import test_sweep_page
from branchsweep.reporting.pages.sweep_files import report_files

for name, content in report_files(test_sweep_page.finished_sweep()[0]).items():
    file = Path(sys.argv[1], name)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
"""
    folders = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report, _, _ = cached_sweep("two heads")
    expected = {Path(name) for name in report_files(report)}
    assert {file.relative_to(tmp_path) for file in tmp_path.rglob("*.*")} == expected
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    page = Page(text)
    assert set(page.sections) == SECTIONS
    assert "branchsweep[interactive]" in page.text


@pytest.mark.parametrize("kind", ["all failed", "one trial, nothing varied", "one head, no promotion"])
def test_interactive_page_has_the_figures_that_can_be_drawn(kind: str) -> None:
    from branchsweep.reporting.pages.interactive_page import render_interactive_page

    report, _, _ = cached_sweep(kind)
    expected = {"all failed": 0, "one trial, nothing varied": 2, "one head, no promotion": 3}
    assert render_interactive_page(report).count('id="figure-') == expected[kind]


def sweep_of_many_trials(count: int) -> SweepReport:
    """A sweep of so many trials of a larger space: a quarter complete, some failed, some off by orders of magnitude."""
    dimensions: dict[str, Any] = {
        "trunk.depth": {"type": "int", "low": 1, "high": 4},
        "trunk.width": {"type": "choice", "choices": [8, 16, 32, 64], "ordered": True},
        "branch.depth": {"type": "int", "low": 0, "high": 3},
        "branch.width": {"type": "choice", "choices": [8, 16, 32, 64], "ordered": True, "when": {"trunk.depth": [2, 3]}},
        "PE.loss_weight": {"type": "float", "low": 0.3, "high": 3.0, "log": True},
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "weight_decay": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
        "activation": {"type": "choice", "choices": ["relu", "silu", "tanh"]},
    }
    report, _ = finished_sweep()
    search = {"driver": "random", "trials": count}
    experiment: Experiment = tiny_experiment(space={"dimensions": dimensions}, search=search, pruning={"rungs": [1]})
    random = np.random.default_rng(1)

    def result(index: int, trial: Any) -> Result:
        r2 = {head: float(0.95 - random.exponential(0.05)) for head in experiment.heads}
        if index % 50 == 1:
            return Result(trial, Score(Status.FAILED, reason="diverged"))
        if index % 50 == 2:
            r2 = dict.fromkeys(r2, -1e6)
        status = Status.PRUNED if index % 4 else Status.COMPLETE
        heads = {head: head_score(value, 0.001, 1.0, 1.0) for head, value in r2.items()}
        return Result(trial, Score(status, sum(r2.values()) / 2, 0.001, heads, seconds=0.5, rungs={1: tuple(r2.values())}))

    results = [result(index, trial) for index, trial in enumerate(random_trials(experiment, count))]
    return replace(report, experiment=experiment, results=results)


def test_page_of_two_thousand_trials_is_small() -> None:
    """Points are rasterized, so that there is no element per trial."""
    text = report_page(sweep_of_many_trials(2000))
    assert len(text) < 2_000_000
    assert text.count("<") < 8_000


def test_failure_to_draw_does_not_fail_the_sweep() -> None:
    experiment, dataset = tiny_experiment(), example_table(2)
    parts = split_rows(experiment, dataset)
    tracker, progress = MemoryTracker.open(new_sweep_record(experiment, dataset, parts), MemoryStore()), RecordingProgress()

    class Broken(TableReporter):
        def draw_report(self, report: SweepReport) -> Callable[[SweepReport], Files]:
            raise RuntimeError("no ink")

    trainer = FormulaTrainer(training_rows(dataset, parts))
    training = TrainingContext(trainer, trainer.rows, progress)
    run_sweep(SweepContext(experiment, dataset, parts, training, tracker.tracking, Broken()), open_driver(experiment))
    assert tracker.conclusion is not None
    assert tracker.artifact("leaderboard.csv")
    assert "no ink" in progress.lines[-1]  # the error of the reporter


def test_every_figure_has_a_caption_and_a_resolution() -> None:
    for report_figure in sweep_figures(cached_sweep("some failed")[0]):
        assert report_figure.caption.endswith(".")
        if report_figure.figure is not None:
            assert report_figure.figure.get_dpi() == pytest.approx(RASTER_DPI)
