"""The model card of a registered model."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from markdown_it import MarkdownIt

from branchsweep.config.codec import to_data
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.metrics.paired_tests import mcnemar
from branchsweep.reporting.escaping import escape_markdown, one_line
from branchsweep.reporting.model_card import _class_lines, model_card_lines
from branchsweep.reporting.paired_test_rows import paired_test_rows
from branchsweep.reporting.plot_files import IN_CARD
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.promotion.gate import PAIRED_TESTS
from branchsweep.workflows.records.baseline_result import best_baselines
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.reporter import DescribedModel, TableReporter
from branchsweep.workflows.sweep import run_sweep
from branchsweep.workflows.sweep_report import HeadPredictions
from fakes import FormulaTrainer, RecordingProgress
from tiny_sweep import tiny_experiment

HOSTILE = "<script>alert(1)</script>|![p](http://127.0.0.1:1/u.png)\n\n# c\u2028d"
"""A name or unit that would take effect in HTML or Markdown."""


def described_model(
    inputs: tuple[str, str] = ("a", "b"), baselines: Sequence[Baseline] = (), **changed: object
) -> DescribedModel:
    """The model that a tiny sweep describes."""
    described: list[DescribedModel] = []

    class Recorder(TableReporter):
        def model_card(self, model: DescribedModel) -> str:
            described.append(model)
            return ""

    experiment = tiny_experiment(baselines=[baseline.name for baseline in baselines], **changed)
    x = np.random.default_rng(0).normal(size=(120, 2))
    table = Dataset("file", "tiny.csv", inputs, ("PE", "V"), x, np.stack([x.sum(1), 2 * x.sum(1)], axis=1), "t1")
    split = split_rows(experiment, table)
    trainer = FormulaTrainer(training_rows(table, split))
    tracker = MemoryTracker.open(new_sweep_record(experiment, table, split), MemoryStore())
    training = TrainingContext(trainer, trainer.rows, RecordingProgress())
    run_sweep(
        SweepContext(experiment, table, split, training, tracker.tracking, Recorder()), open_driver(experiment), baselines
    )
    [model] = described
    return model


def test_card_has_the_scores_data_and_input_ranges_of_the_registered_model() -> None:
    model = described_model()
    lines = [line for line in model_card_lines(model) if line.startswith("| ")]
    rows = {name: line for line in reversed(lines) for name in [line.split(" | ")[0].strip("| ")]}  # the first of a name
    for head, measured in model.test.items():
        confirmed = model.finalist.score.heads[head]
        assert f"{confirmed.score:.4f} ± {confirmed.score_se:.4f} | {measured.score:.4f}" in rows[head]
    for name, (low, high) in zip(model.dataset.inputs, model.ranges, strict=True):
        assert f"| {name} | numeric | {low:g} | {high:g} |" in lines
    assert model.explanation is not None
    for name, by_head in model.explanation.importance.items():
        cells = [f"{by_head[head].value:.4f} ± {by_head[head].high - by_head[head].value:.4f}" for head in model.test]
        assert f"| {name} | {' | '.join(cells)} |" in lines
    text = "\n".join(model_card_lines(model))
    assert f"({IN_CARD})" in text
    assert model.dataset.digest in text and model.split.digest in text and escape_markdown(model.decision.because) in text


def test_card_compares_the_model_with_the_best_baseline_of_each_head() -> None:
    model = described_model(baselines=[Baseline("k_nearest_neighbors"), Baseline("linear_regression")])
    rows = [line.split(" | ") for line in model_card_lines(model) if "linear regression" in line]
    best = best_baselines(model.baselines, model.finalist.score.means, model.test)
    assert [row[0].strip("| ") for row in rows] == list(best)
    assert [float(row[2]) for row in rows] == pytest.approx([baseline.score for baseline in best.values()], abs=1e-4)


def test_names_and_units_of_the_user_are_shown_literally() -> None:
    heads = {"PE": {"column": HOSTILE, "unit": HOSTILE}, "V": {}}
    usual = described_model(heads={"PE": {"unit": "MW"}, "V": {}})
    hostile = described_model((HOSTILE, "=b"), question=HOSTILE, heads=heads)
    pages = [MarkdownIt("commonmark").enable("table").render("\n".join(model_card_lines(model))) for model in (usual, hostile)]
    elements, those_of_hostile = (re.findall(r"<[a-z]\w*", page) for page in pages)
    assert those_of_hostile == elements
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", pages[1])]
    assert cells.count(one_line(HOSTILE)) == 3  # the unit of a head, and the name of an input with its importance and its range


def test_card_lists_the_members_of_an_ensemble_with_their_weights() -> None:
    promotion = {"model": "tiny", "ensemble": {"choose": "stack", "members": "any"}}
    model = described_model(promotion=promotion, baselines=[Baseline("linear_regression")])
    lines = list(model_card_lines(model))
    for member in model.described:
        weights = " | ".join(f"{member.weights[head]:.3f}" for head in ("PE", "V"))
        assert any(line.startswith(f"| {member.name} | ") and weights in line for line in lines)
    assert any("1 estimator of scikit-learn" in line for line in lines)
    assert any("skops" in line for line in lines)
    assert not any("skops" in line for line in model_card_lines(described_model()))


def test_card_has_the_tests_of_classifiers_against_the_champion_before() -> None:
    model = described_model()
    right = np.arange(40) % 4 > 0
    test = mcnemar("trip", right, np.roll(right, 1) | right)
    evidence = {**model.decision.evidence, PAIRED_TESTS: [to_data(test, nan=None)]}
    decided = replace(model, decision=replace(model.decision, evidence=evidence))
    (row,) = paired_test_rows([test])
    assert f"| {' | '.join(map(escape_markdown, row))} |" in "\n".join(model_card_lines(decided)).splitlines()
    assert not any("McNemar" in line for line in model_card_lines(model))


def test_card_has_the_confusion_matrix_of_a_head_with_classes() -> None:
    model = described_model()
    heads = {"trip": {"task": "binary", "classes": ["no", "yes"]}, "state": {"task": "multiclass", "classes": ["a", "b", "c"]}}
    actual = np.array([0.0, 0.0, 1.0, 1.0])
    of_state = np.array([[0.6, 0.3, 0.2, 0.2], [0.2, 0.3, 0.7, 0.2], [0.2, 0.4, 0.1, 0.6]])
    predictions = {
        "trip": HeadPredictions(actual, np.array([0.1, 0.9, 0.8, 0.7])),
        "state": HeadPredictions(actual, of_state),
    }
    with_classes = replace(model, experiment=tiny_experiment(heads=heads), test={}, intervals=None, predictions=predictions)
    text = "\n".join(_class_lines(with_classes))
    assert "| trip | no | yes |\n| --- | ---: | ---: |\n| no | 1 | 1 |\n| yes | 0 | 2 |" in text
    assert "| a | 1 | 0 | 1 |\n| b | 0 | 1 | 1 |\n| c | 0 | 0 | 0 |" in text
