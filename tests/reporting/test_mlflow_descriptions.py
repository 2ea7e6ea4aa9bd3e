"""Descriptions of sweeps for MLflow's UI."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from branchsweep.reporting.formatting import SYNTHETIC_DATA_WARNING
from branchsweep.reporting.mlflow_descriptions import escape_markdown, finished_description, running_description
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.trial import MeanScores, Result, Score, Status, Trial
from branchsweep.workflows.records.sweep_summary import BaselineResult, BestTrial, ConfirmedTrial, PromotionResult, SweepSummary
from scores import head_score
from tiny_sweep import tiny_experiment

HEADS = ("PE", "V_1")
PAGES = TrackingLinks({3: "#/3", 1: "#/1"}, "#/table", "#/charts", "#/models", "#/files/{}".format, "#/models/{}/{}".format)


def result(number: int, known: str = "") -> Result:
    heads = {head: head_score(0.9 - number / 100, 0.001, 4.0, 3.0) for head in HEADS}
    return Result(Trial(number, {"trunk.depth": number}, known), Score(Status.COMPLETE, 0.9 - number / 100, 0.001, heads))


def sweep_summary(**changed: object) -> SweepSummary:
    values = {"PE": 0.87, "V_1": 0.87, "mean": 0.87}
    r2 = MeanScores(values, {"PE": 0.001, "V_1": 0.001, "mean": 0.001})
    base = SweepSummary(
        sweep="tiny",
        run_id="abc",
        data={"source": "file", "location": "/somewhere/tiny.csv", "digest": "d", "rows": 1200},
        trials={"complete": 10, "pruned": 0, "failed": 2},
        score_metrics=dict.fromkeys(HEADS, "r2"),
        best=BestTrial(3, {}, {}, r2, 1234),
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


def test_description_of_a_finished_sweep_has_question_scores_best_trials_and_links() -> None:
    description = finished_description(
        sweep_summary(), "How far?", HEADS, [result(1, "article"), result(3)], PAGES, ["summary.json", "report.html"]
    )
    lines = description.splitlines()
    assert lines[0] == "**How far?**"
    assert lines[2] == (
        r"The mean of 8 networks of [trial 3](#/3) (1,234 parameters each) reaches **R² 0.942 for PE, R² 0.818 for V\_1** on "
        r"the test rows; linear regression: R² 0.926 for PE, R² 0.746 for V\_1."
    )
    table = [line for line in lines if line.startswith("|")]
    assert table == [
        r"| trial | &emsp;PE | &emsp;V\_1 | &emsp;mean | &emsp;mean, confirmed |",
        "|---|---:|---:|---:|---:|",
        "| [001](#/1) (article) | &emsp;0.8900 | &emsp;0.8900 | &emsp;0.8900 | &emsp; |",
        "| **[003](#/3)** | &emsp;0.8700 | &emsp;0.8700 | &emsp;0.8700 | &emsp;0.8610 ± 0.0020 |",
    ]
    assert "[plant version 2](#/models/plant/2) is the champion: better than version 1." in lines
    assert r"- Warning: V\_1.depth is 3, the high end" in lines
    assert "12 trials (10 complete, 2 failed) in 61 s on tiny.csv, 1,200 rows; all 12 trials are answered." in lines
    assert lines[-1] == (
        "[all trials, best first](#/table) · [charts](#/charts) · [report](#/files/report.html) · "
        "[summary as JSON](#/files/summary.json) · [registered models](#/models)"
    )


def test_there_are_links_only_to_pages_that_exist() -> None:
    assert "[report]" not in finished_description(sweep_summary(), "", HEADS, [result(3)], PAGES, ["summary.json"])
    without_pages = finished_description(sweep_summary(), "", HEADS, [result(3)], TrackingLinks(), ["report.html"])
    assert "](" not in without_pages and "| **003** |" in without_pages
    assert without_pages.startswith("The mean of 8 networks")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"best": None, "test_scores": None, "registered": None}, "No trial meets the constraints, so there is nothing"),
        ({"test_scores": None, "registered": None}, "diverged in the refit on all training rows"),
        ({"members": 1}, "The network of [trial 3](#/3) (1,234 parameters) reaches"),
        ({"data": {"source": "stand-in", "location": "nowhere", "rows": 9}}, f"**{SYNTHETIC_DATA_WARNING}**"),
        (
            {"registered": PromotionResult("plant", 2, False, "no better")},
            "is registered as challenger, not promoted: no better.",
        ),
        (
            {"unmet_constraints": ("r2/PE >= 0.99: no complete trial reaches 0.9900",)},
            "- Warning: r2/PE &gt;= 0.99: no complete",
        ),
    ],
)
def test_description_of_other_outcomes(changed: dict[str, object], expected: str) -> None:
    assert expected in finished_description(sweep_summary(**changed), "", HEADS, [result(3)], PAGES)


def test_description_without_trials_has_no_table() -> None:
    assert "|" not in finished_description(sweep_summary(best=None, confirmed=()), "", HEADS, [], PAGES)


def test_escaped_text_is_shown_literally() -> None:
    text = escape_markdown("a *b* _c_ [d](e) | <f>\n`g` & #h ~i~ \\")
    assert text == r"a \*b\* \_c\_ \[d\](e) &#124; &lt;f&gt; \`g\` &amp; \#h \~i\~ " + "\\\\"


def test_description_of_a_running_sweep_has_its_question_and_no_links() -> None:
    description = running_description(tiny_experiment(question="How *far*?"))
    assert description.startswith("**How \\*far\\*?**\n\nA running sweep of up to 20 trials over the heads PE, V.\n")
    assert not re.search(r"\]\(", description)
    assert running_description(tiny_experiment()).startswith("A running sweep of up to 20 trials")
