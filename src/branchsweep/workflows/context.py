"""Contexts: values that the functions of a workflow share, made once where a command or the Python API opens them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from branchsweep.config.comparison import Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset, Halves, Split
from branchsweep.data.training_rows import TrainingRows
from branchsweep.tracking.comparison_protocols import ComparisonTracker
from branchsweep.tracking.protocols import Tracking
from branchsweep.training.protocols import Trainer
from branchsweep.workflows.callbacks import Callback
from branchsweep.workflows.progress import ProgressCallback
from branchsweep.workflows.reporter import TABLES_ONLY, SweepReporter
from branchsweep.workflows.stages import Stages


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """The trainer with its rows and the progress callback, which all training needs.

    Args:
        trainer: Trains populations.
        rows: The rows that it trains on, with all folds.
        progress: Is called while lanes are trained.
        callbacks: The user's, which a search calls.
    """

    trainer: Trainer
    rows: TrainingRows
    progress: ProgressCallback
    callbacks: tuple[Callback, ...] = ()

    def on_rows(self, rows: TrainingRows) -> TrainingContext:
        """The same trainer, which trains on these rows from now on."""
        self.trainer.use_rows(rows)
        return replace(self, rows=rows)


@dataclass(frozen=True, slots=True)
class SweepContext:
    """A sweep with all that it takes, except the driver.

    Args:
        experiment: The experiment.
        dataset: The table.
        split: Which of its rows train, validate and test.
        training: Trains lanes on the training rows of this split.
        tracking: Records the sweep, registers models, and counts the uses of the test rows.
        reporter: Makes the files and descriptions that people read.
        stages: Measures how long each stage takes.
    """

    experiment: Experiment
    dataset: Dataset
    split: Split
    training: TrainingContext
    tracking: Tracking
    reporter: SweepReporter = TABLES_ONLY
    stages: Stages = field(default_factory=Stages, compare=False)


@dataclass(frozen=True, slots=True)
class ComparisonContext:
    """A comparison with all that it takes.

    Args:
        comparison: The comparison.
        dataset: The table.
        halves: How it is cut.
        training: Trains lanes on the rows of `comparison_rows`.
        tracker: Records the comparison.
        cuts: What a quick form cut off, in words.
    """

    comparison: Comparison
    dataset: Dataset
    halves: Halves
    training: TrainingContext
    tracker: ComparisonTracker
    cuts: tuple[str, ...] = ()
