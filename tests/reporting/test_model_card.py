"""The model card of a registered model."""

from __future__ import annotations

import numpy as np

from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.data.training_rows import training_rows
from branchsweep.reporting.model_card import model_card_lines
from branchsweep.search.drivers import open_driver
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.workflows.context import SweepContext, TrainingContext
from branchsweep.workflows.records.sweep_record import new_sweep_record
from branchsweep.workflows.reporter import DescribedModel, TableReporter
from branchsweep.workflows.sweep import run_sweep
from fakes import FormulaTrainer, RecordingProgress
from tiny_sweep import tiny_experiment


def test_card_has_the_scores_data_and_input_ranges_of_the_registered_model() -> None:
    described: list[DescribedModel] = []

    class Recorder(TableReporter):
        def model_card(self, model: DescribedModel) -> str:
            described.append(model)
            return ""

    experiment = tiny_experiment()
    x = np.random.default_rng(0).normal(size=(120, 2))
    table = Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, np.stack([x.sum(1), 2 * x.sum(1)], axis=1), "t1")
    split = split_rows(experiment, table)
    trainer = FormulaTrainer(training_rows(table, split))
    tracker = MemoryTracker.open(new_sweep_record(experiment, table, split), MemoryStore())
    training = TrainingContext(trainer, trainer.rows, RecordingProgress())
    run_sweep(SweepContext(experiment, table, split, training, tracker.tracking, Recorder()), open_driver(experiment), [])
    [model] = described
    rows = {line.split(" | ")[0].strip("| "): line for line in model_card_lines(model) if line.startswith("| ")}
    for head, measured in model.test.items():
        confirmed = model.finalist.score.heads[head]
        assert f"{confirmed.score:.4f} ± {confirmed.score_se:.4f} | {measured.score:.4f}" in rows[head]
    for name, (low, high) in zip(table.inputs, model.ranges, strict=True):
        assert rows[name] == f"| {name} | {low:g} | {high:g} |"
    text = "\n".join(model_card_lines(model))
    assert table.digest in text and split.digest in text and model.decision.because in text
