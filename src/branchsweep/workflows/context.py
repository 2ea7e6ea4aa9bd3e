"""What travels together through a workflow: small values that are made once, where a command or the Python API opens things."""

from __future__ import annotations

from dataclasses import dataclass

from branchsweep.data.training_rows import TrainingRows
from branchsweep.training.protocols import Trainer
from branchsweep.workflows.progress import ProgressCallback


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What it takes to train lanes.

    Args:
        trainer: Trains populations.
        rows: The rows that it trains on, with all folds.
        progress: Is told how it goes.
    """

    trainer: Trainer
    rows: TrainingRows
    progress: ProgressCallback
