"""Descriptions of sweeps for MLflow's UI."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from branchsweep.reporting.escaping import escape_markdown
from branchsweep.reporting.formatting import SYNTHETIC_DATA_WARNING
from branchsweep.reporting.mlflow_descriptions import finished_description, running_description
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.trial import MeanScores, Result, Score, Status, Trial
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.sweep_summary import (
    ConfirmedTrial,
    PromotionResult,
    SweepSummary,
    TrialSummary,
)
from branchsweep.workflows.sweep_report import SweepReport
from scores import head_score
from tiny_sweep import tiny_experiment

HEADS = ("PE", "V_1")
PAGES = TrackingLinks({3: "#/3", 1: "#/1"}, "#/table", "#/charts", "#/models", "#/files/{}".format, "#/models/{}/{}".format)


def result(number: int, known: str = "") -> Result:
    heads = {head: head_score(0.9 - number / 100, 0.001, 4.0, 3.0) for head in HEADS}
    return Result(Trial(number, {"trunk.depth": number}, known), Score(Status.COMPLETE, 0.9 - number / 100, 0.001, heads))


def bold(line: str) -> list[str]:
    """The parts of a line in bold."""
    return re.findall(r"\*\*(.+?)\*\*", line)


def links(line: str) -> dict[str, str]:
    """The addresses of a line's links, by text."""
    return dict(re.findall(r"\[([^]]+)\]\(([^)]+)\)", line))


def sweep_summary(**changed: object) -> SweepSummary:
    values = {"PE": 0.87, "V_1": 0.87, "mean": 0.87}
    r2 = MeanScores(values, {"PE": 0.001, "V_1": 0.001, "mean": 0.001})
    base = SweepSummary(
        sweep="tiny",
        run_id="abc",
        data={"source": "file", "location": "/somewhere/tiny.csv", "digest": "d", "rows": 1200},
        trials={"complete": 10, "pruned": 0, "failed": 2},
        score_metrics=dict.fromkeys(HEADS, "r2"),
        finalist=TrialSummary(3, {}, {}, r2, 1234),
        test_scores={"PE": 0.9421, "V_1": 0.8184},
        baselines=(BaselineResult("linear regression", r2, {"PE": 0.9259, "V_1": 0.7459}),),
        registered=PromotionResult("plant", 2, True, "better than version 1"),
        seconds=61.2,
        search_seconds=60.0,
        stopped_by="trials",
        stopped_because="all 12 trials are answered",
        budget={},
        confirmed=(ConfirmedTrial(3, values, MeanScores({**values, "mean": 0.861}, {"mean": 0.002}), 1234),),
        members=8,
        boundary_warnings=("V_1.depth is 3, the high end",),
    )
    return replace(base, **changed)  # type: ignore[arg-type]  # by name


def described(
    summary: SweepSummary, results: list[Result], pages: TrackingLinks = PAGES, files: Sequence[str] = (), question: str = ""
) -> str:
    experiment = tiny_experiment(heads={"PE": {"unit": "MW"}, "V_1": {"column": "V"}}, question=question)
    return finished_description(SweepReport(experiment, results, summary), pages, files)


def test_description_of_a_finished_sweep_has_question_scores_best_trials_and_links() -> None:
    files, results = ["summary.json", "report.html"], [result(1, "article"), result(3)]
    description = described(sweep_summary(), results, files=files, question="How far?")
    lines = description.splitlines()
    assert lines[2] == "*How far?*"
    assert links(lines[0]) == {"trial 3": "#/3"}
    model, _, baseline = lines[0].partition("linear regression")
    assert "8 networks" in model and "1,234 parameters" in model
    [scores] = bold(model)
    assert re.findall(r"0\.\d+|PE|V\\_1", scores) == ["0.942", "PE", "0.818", r"V\_1"]
    assert re.findall(r"0\.\d+|PE|V\\_1", baseline) == ["0.926", "PE", "0.746", r"V\_1"]
    table = [line for line in lines if line.startswith("|")]
    assert table == [
        r"| trial | &emsp;PE | &emsp;V\_1 | &emsp;mean | &emsp;mean, confirmed |",
        "|---|---:|---:|---:|---:|",
        "| [001](#/1) (article) | &emsp;0.8900 | &emsp;0.8900 | &emsp;0.8900 | &emsp; |",
        "| **[003](#/3)** | &emsp;0.8700 | &emsp;0.8700 | &emsp;0.8700 | &emsp;0.8610 ± 0.0020 |",
    ]
    summary = sweep_summary()
    assert summary.registered is not None
    [promotion] = [line for line in lines if "#/models/plant/2" in line]
    assert links(promotion) == {"plant version 2": "#/models/plant/2"} and summary.registered.because in promotion
    [warning] = [line for line in lines if line.startswith("- Warning: ")]
    assert warning.endswith(escape_markdown(summary.boundary_warnings[0]))
    [counts] = [line for line in lines if "tiny.csv" in line]
    assert re.findall(r"[\d,]*\d", counts) == ["12", "10", "2", "61", "1,200", *re.findall(r"\d+", summary.stopped_because)]
    assert [*links(lines[-1]).values()] == ["#/table", "#/charts", "#/files/report.html", "#/files/summary.json", "#/models"]


def test_there_are_links_only_to_pages_that_exist() -> None:
    assert "[report]" not in described(sweep_summary(), [result(3)], files=["summary.json"])
    without_pages = described(sweep_summary(), [result(3)], TrackingLinks(), ["report.html"])
    assert "](" not in without_pages and "| **003** |" in without_pages


def description_of(**changed: object) -> str:
    return described(sweep_summary(**changed), [result(3)])


@pytest.mark.parametrize("without", [{"finalist": None}, {}], ids=["no trial qualifies", "the refit diverged"])
def test_description_without_a_model_has_no_test_scores(without: dict[str, object]) -> None:
    first = description_of(test_scores=None, registered=None, **without).splitlines()[0]
    assert "R²" not in first and bold(first) == []
    assert ("trial 3" in first) == ("finalist" not in without)


def test_description_of_a_single_network_counts_no_members() -> None:
    first = description_of(members=1).splitlines()[0]
    assert links(first) == {"trial 3": "#/3"}
    assert "1,234 parameters)" in first and "networks" not in first


def test_description_of_a_sweep_on_synthetic_data_has_the_warning_in_bold() -> None:
    assert SYNTHETIC_DATA_WARNING in bold(description_of(data={"source": "synthetic", "location": "nowhere", "rows": 9}))


def test_description_has_why_a_challenger_was_not_promoted() -> None:
    description = description_of(registered=PromotionResult("plant", 2, False, "no better"))
    [promotion] = [line for line in description.splitlines() if "#/models/plant/2" in line]
    assert "challenger" in promotion and "no better" in promotion


def test_description_has_the_unmet_constraints_as_warnings() -> None:
    constraint = "r2/PE >= 0.99: no complete trial reaches 0.9900"
    assert f"- Warning: {escape_markdown(constraint)}" in description_of(unmet_constraints=(constraint,))


def test_description_without_trials_has_no_table() -> None:
    assert "|" not in described(sweep_summary(finalist=None, confirmed=()), [])


def test_escaped_text_is_shown_literally() -> None:
    text = escape_markdown("a *b* _c_ [d](e) | <f>\n`g` & #h ~i~ \\")
    assert text == r"a \*b\* \_c\_ \[d\](e) &#124; &lt;f&gt; \`g\` &amp; \#h \~i\~ " + "\\\\"


def test_description_of_a_running_sweep_has_its_question_and_no_links() -> None:
    description = running_description(tiny_experiment(question="How *far*?"))
    question, _, limits, *_ = description.splitlines()
    assert question == r"**How \*far\*?**"
    assert "20 trials" in limits and "PE, V" in limits
    assert links(description) == {}
    assert running_description(tiny_experiment()).splitlines()[0] == limits
