"""Implementations of protocols for tests, which work in milliseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.recipe import Recipe
from branchsweep.models.serving import Floats
from branchsweep.training.lanes import Lane, LaneOutcome, LaneState
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import WorkerStatus
from branchsweep.training.resources import Resources
from branchsweep.trial import Result
from branchsweep.workflows.progress import ProgressStatus


@dataclass
class FormulaTrainer:
    """A `Trainer` by a formula: the nearer the learning rate to 0.01, the smaller the error of the predictions.

    Args:
        rows: The training rows.
        diverges_above: Lanes with a higher learning rate fail.
        interrupts_after: Number of populations that are trained before a KeyboardInterrupt.
        seed_effect: By how much the initial weights change the error.
    """

    rows: TrainingRows
    diverges_above: float = np.inf
    interrupts_after: int = 10**9
    seed_effect: float = 0.0
    trained: list[tuple[int | str, int]] = field(default_factory=list)
    epochs: int = 0
    measured: int = 0

    @property
    def resources(self) -> Resources:
        """Two workers."""
        return Resources(2)

    def error(self, recipe: Recipe) -> float:
        """The error of the predictions, in standard deviations of the targets."""
        return 0.02 + abs(math.log10(recipe.learning_rate) + 2) / 10 + 0.01 / len(recipe.architecture.trunk)

    def seed_error(self, lane: Lane) -> float:
        """What the initial weights add to the error."""
        return self.seed_effect * float(np.random.default_rng(lane.weight_seed).random())

    def use_rows(self, rows: TrainingRows) -> None:
        """Train on other rows from now on."""
        self.rows = rows

    def train(self, queue: PopulationQueue, keep_weights: bool = False) -> Iterator[tuple[int, PopulationOutcome]]:
        """Train in reverse order, for the order must not matter."""
        while queue:
            position, population = queue.next[-1]
            if self.interrupts_after == 0:
                raise KeyboardInterrupt
            self.interrupts_after -= 1
            queue.take(position)
            yield position, PopulationOutcome([*self._lanes(population)], seconds=1.0, compile_seconds=0.0)

    def _lanes(self, population: Population) -> Iterator[LaneOutcome]:
        """Each epoch that is not trained yet adds to the error."""
        rows = self.rows.for_heads(population.heads)
        for lane in population.lanes:
            recipe, stop, missing = lane.recipe, lane.stop, lane.epochs - lane.stop
            self.trained.append((lane.key.candidate, lane.key.fold))
            self.epochs += stop - lane.start
            failed = int(recipe.learning_rate > self.diverges_above)
            actual = rows.y[rows.fold_rows(lane.key.fold)[1]]
            error = self.error(recipe) * (1 + missing / 10) + self.seed_error(lane)
            predicted = actual + error * rows.y.std(0) * np.cos(np.arange(actual.size).reshape(actual.shape))
            weights = (np.full((1, 1), self.error(recipe), np.float32),)
            curve = np.zeros((stop, rows.y.shape[1]))
            is_paused = lane.pauses and missing and not failed
            state = LaneState(stop, weights, (), (), (), 0.0, stop, 0, predicted.astype(np.float32), curve)
            yield LaneOutcome(predicted, curve, stop, failed_at=failed, weights=weights, state=state if is_paused else None)

    def export(self, folder: Path, model: ExportedModel) -> None:
        """Write the two files of an exported model."""
        (folder / "model.keras").write_text("no network", encoding="utf-8")
        error = sum(member.share * float(member.weights[0][0, 0]) for member in model.members)
        manifest = {"inputs": list(model.inputs), "heads": list(model.units), "error": error}
        (folder / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")

    def predict(self, folder: Path, x: Floats) -> Floats:
        """Every head is the sum of the inputs, as in `tiny_table`, off by the recipe's error."""
        manifest = json.loads((folder / "serving.json").read_text(encoding="utf-8"))
        return np.stack([x.sum(1) * (head + 1) * (1 + manifest["error"]) for head in range(len(manifest["heads"]))], axis=1)

    def measure_latency(self, folder: Path, x: Floats) -> float:
        """A millisecond for a thousand rows; each measurement is a little longer than the one before."""
        self.measured += 1
        return len(x) * 1e-6 + self.measured * 1e-9


@dataclass
class RecordingProgress:
    """A `ProgressCallback` that keeps what it is called with."""

    lines: list[str] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    planned: float = 0.0

    def on_search_begin(self, experiment: Experiment, recorded: Sequence[Result]) -> None:
        """Keep how many trials were recorded before."""
        self.lines.append(f"begin {len(recorded)}/{experiment.search.trials}")

    def on_round_begin(self, trials: int) -> None:
        """Keep the round's size."""
        self.rounds.append(trials)

    def on_training_planned(self, lane_epochs: float, what: str, turn: int = 0) -> None:
        """Add to what is planned."""
        self.planned += lane_epochs

    def on_trained(self, lane_epochs: float) -> None:
        """Nothing is kept of it."""

    def on_worker_status(self, status: WorkerStatus) -> None:
        """Nothing is kept of it."""

    def on_trial_end(self, result: Result) -> None:
        """Keep the trial's number."""
        self.trials.append(result.trial.number)

    def on_stage(self, sentence: str) -> None:
        """Keep the sentence."""
        self.lines.append(sentence)

    def on_message(self, sentence: str) -> None:
        """Keep the sentence."""
        self.lines.append(sentence)

    def status(self) -> ProgressStatus:
        """What is done now; the rest is unknown."""
        return ProgressStatus(activity=self.lines[-1] if self.lines else "")
