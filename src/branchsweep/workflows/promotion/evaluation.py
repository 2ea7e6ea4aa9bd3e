"""Exports networks as one model, and predicts with its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from branchsweep.config.experiment import Experiment
from branchsweep.models.exported_model import ExportedModel, ModelMember
from branchsweep.runtime import temporary_folder
from branchsweep.training.protocols import Trainer
from branchsweep.types import Floats


@contextmanager
def temporary_model_folder() -> Iterator[Path]:
    """A folder for a model's files until the registry has taken them."""
    with temporary_folder() as folder:
        yield folder


def export_and_predict(
    members: Sequence[ModelMember],
    experiment: Experiment,
    x: Floats,
    trainer: Trainer,
    folder: Path,
    csv_arguments: Mapping[str, str | int] | None = None,
) -> Floats:
    """Exports networks as one model, and returns what its files predict.

    Args:
        members: The networks, with their shares.
        experiment: How they were trained.
        x: `(rows, inputs)` in natural units.
        trainer: Exports and predicts.
        folder: Where the model's files are written.
        csv_arguments: Recorded with the model: as of `Dataset`.

    Returns:
        `(rows, heads)` in natural units.
    """
    trainer.export(folder, ExportedModel.of(experiment, members, csv_arguments))
    return trainer.predict(folder, x)
