"""Exports networks as one model, and predicts with its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from branchsweep.models.exported_model import ExportedModel
from branchsweep.runtime import temporary_folder
from branchsweep.training.protocols import Trainer
from branchsweep.types import Floats


@contextmanager
def temporary_model_folder() -> Iterator[Path]:
    """A folder for a model's files until the registry has taken them."""
    with temporary_folder() as folder:
        yield folder


def export_and_predict(model: ExportedModel, x: Floats, trainer: Trainer, folder: Path) -> Floats:
    """Exports networks as one model, and returns what its files predict.

    Args:
        model: The networks, and how they were trained.
        x: `(rows, inputs)` in natural units.
        trainer: Exports and predicts.
        folder: Where the model's files are written.

    Returns:
        `(rows, heads)` in natural units.
    """
    trainer.export(folder, model)
    return trainer.predict(folder, x)
