"""The Ray actor that trains on a node of the cluster, with a trainer of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from branchsweep.data.training_rows import TrainingRows
from branchsweep.models.exported_model import ExportedModel
from branchsweep.models.serving import Floats
from branchsweep.runtime import cache_folder, read_files, temporary_folder
from branchsweep.training import gpus
from branchsweep.training.extension_modules import import_modules, require_kinds
from branchsweep.training.population import Population, PopulationOutcome
from branchsweep.training.program.program_cache import delete_damaged_programs
from branchsweep.training.resources import Device
from branchsweep.training.worker_process import start

if TYPE_CHECKING:
    from branchsweep.training.trainer import PopulationTrainer


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """The node, host name, library versions and device of a worker, and how many cached programs it found damaged."""

    node: str
    host: str
    versions: Mapping[str, str]
    device: Device
    damaged_programs: int


def library_versions() -> dict[str, str]:
    """The versions of the libraries that must be equal on all nodes, as scores depend on them."""
    return {name: version(name) for name in ("branchsweep", "tensorflow", "keras", "numpy")}


class WorkerActor:
    """The worker itself, on its node. `start` is called first, and once."""

    _trainer: PopulationTrainer  # from `start` on

    def __init__(self) -> None:
        self._ticket, self._trained = -1, 0.0

    def start(
        self, rows: TrainingRows, threads: int, gpu: float, modules: Sequence[str], keeps_programs: bool = True
    ) -> ActorFacts:
        """Import and configure TensorFlow, and make the trainer.

        Args:
            rows: The training rows; Ray has them in the node's shared memory.
            threads: Its processors.
            gpu: How much of a GPU it has; where that is nothing, TensorFlow is to find none.
            modules: Those that register the user's own kinds.
            keeps_programs: Whether compiled programs are kept on the node's disk.

        Raises:
            BackendError: TensorFlow sees no GPU although `gpu` is above 0, or a module cannot be imported.
        """
        if not gpu:
            os.environ[gpus.VISIBLE] = gpus.HIDDEN
        folder = cache_folder() if keeps_programs else None
        damaged = delete_damaged_programs(folder) if folder else 0
        self._trainer = start(self._add_progress, folder, threads, gpu)(rows)
        import_modules(modules)
        node = ray.get_runtime_context().get_node_id()
        return ActorFacts(node, socket.gethostname(), library_versions(), self._trainer.device, damaged)

    def use_rows(self, rows: TrainingRows) -> None:
        """Train on other rows from now on."""
        self._trainer.use_rows(rows)

    def train(self, ticket: int, population: Population, keep_weights: bool) -> PopulationOutcome:
        """Train a population to its stops; `ticket` identifies this call in `trained`."""
        require_kinds(population)
        self._trained, self._ticket = 0.0, ticket
        return self._trainer.train_one(population, keep_weights)

    @ray.method(concurrency_group="progress")
    def trained(self) -> tuple[int, float]:
        """The ticket of the population that was started last, and its lane-epochs so far. May be called while that trains."""
        return self._ticket, self._trained

    def export(self, model: ExportedModel) -> dict[str, bytes]:
        """The exported model's files by name."""
        with temporary_folder() as folder:
            self._trainer.export(folder, model)
            return read_files(folder)

    def predict(self, files: Mapping[str, bytes], x: Floats) -> Floats:
        """Predictions of the exported model."""
        with temporary_folder() as folder:
            _write(folder, files)
            return self._trainer.predict(folder, x)

    def measure_latency(self, files: Mapping[str, bytes], x: Floats) -> float:
        """Seconds that the exported model takes to predict for these rows."""
        with temporary_folder() as folder:
            _write(folder, files)
            return self._trainer.measure_latency(folder, x)

    def _add_progress(self, lane_epochs: float) -> None:
        self._trained += lane_epochs


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
