"""Reads what `_gpu_export.py` wrote, with NumPy and JAX alone: compiles a program, runs it on its inputs, compares outputs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Options = Mapping[str, Any]

CALL_SECONDS = 1.0
"""About how long a measured call shall take; it trains at least one epoch."""

CALLS = 5
"""Measured calls, of which the median counts."""

LARGEST_COMPARED = 1_000_000_000
"""Bytes of the largest output that is compared."""

EXACT: Options = {"xla_gpu_deterministic_ops": True}
"""Options of XLA: what TensorFlow sets for `tf.config.experimental.enable_op_determinism()`. They leave out autotuning, the
choice of a kernel by trial, because its outcome may differ from process to process."""


@dataclass(frozen=True)
class Network:
    """One network of the export.

    Args:
        folder: The export.
        facts: Its part of the manifest.
    """

    folder: Path
    facts: Mapping[str, Any]

    @cached_property
    def base(self) -> Arrays:
        """The inputs of the base, its recorded outputs, and the rows for `fit`."""
        return load(self.folder / self.facts["base"])

    @property
    def cases(self) -> dict[str, Mapping[str, Any]]:
        """The cases by name."""
        return {case["name"]: case for case in self.facts["cases"]}

    @property
    def recorded(self) -> Outputs:
        """What a CPU computed with TensorFlow, lane by lane of the base."""
        kinds = self.facts["outputs"]
        lanes = {kind.partition("@")[0]: None for kind in kinds}
        return Outputs({n: self.base[f"out{n:03}"] for n in range(len(kinds)) if f"out{n:03}" in self.base}, dict(lanes))


@dataclass(frozen=True)
class Outputs:
    """Outputs of a program.

    Args:
        arrays: By number.
        index: By what rows belong to, the row of the base that each of them is, or -1; None for the base itself.
    """

    arrays: Mapping[int, Any]
    index: Mapping[str, NDArray[np.int32] | None]


def load(file: Path) -> Arrays:
    """All arrays of a file."""
    with np.load(file) as arrays:
        return dict(arrays)


class Case:
    """A program on a device, with its inputs there.

    Args:
        network: The network.
        name: The case's name.
        device: JAX's device.
        executable: Its program, compiled for the device.
    """

    def __init__(self, network: Network, name: str, device: Any, executable: Any) -> None:
        import jax
        import jax.numpy as jnp

        self.network, self.device, self.executable, facts = network, device, executable, network.facts
        self.lanes = int(network.cases[name]["lanes"])
        own = load(network.folder / network.cases[name]["inputs"])
        self.index = {kind: rows for kind, rows in own.items() if not kind.startswith("in")}
        self.inputs: list[Any] = []
        with jax.default_device(device):
            for number, kind in enumerate(facts["inputs"]):
                array = own.get(f"in{number:03}", network.base[f"in{number:03}"])
                belongs, _, axis = kind.partition("@")
                if belongs in self.index:
                    zeros = np.zeros_like(array.take([0], int(axis or 0)))
                    padded = jnp.asarray(np.concatenate([array, zeros], int(axis or 0)))
                    # Row -1 is the row of zeros.
                    self.inputs.append(jnp.take(padded, jnp.asarray(self.index[belongs]), int(axis or 0), mode="wrap"))
                else:
                    self.inputs.append(jnp.asarray(array))
            jax.block_until_ready(self.inputs)

    def run(self, epochs: int) -> list[Any]:
        """Train this many epochs, and return the program's outputs when they are there."""
        import jax

        position = self.network.facts["count_input"]
        inputs = [*self.inputs]
        inputs[position] = jax.device_put(np.int32(epochs), self.device)
        sharded = self.executable.execute_sharded(inputs)
        outputs = [shards[0] for shards in sharded.disassemble_into_single_device_arrays()]
        return list(jax.block_until_ready(outputs))

    def outputs(self) -> Outputs:
        """What is compared: after a few epochs, when rounding has not yet grown."""
        return Outputs(dict(enumerate(self.run(self.network.facts["checked_epochs"]))), self.index)

    def speed(self) -> dict[str, Any]:
        """Milliseconds of an epoch of all lanes, the median over several calls, and what each of them took."""
        self.run(1)  # the first call may load kernels
        began = time.perf_counter()
        self.run(1)
        one = time.perf_counter() - began
        epochs = int(min(max(1, CALL_SECONDS / one), self.network.facts["epochs"]))
        each = []
        for _ in range(CALLS if one < CALL_SECONDS else 3):
            began = time.perf_counter()
            self.run(epochs)
            each.append((time.perf_counter() - began) / epochs * 1e3)
        ms = statistics.median(each)
        return {"ms_per_epoch": ms, "lane_epochs_per_second": self.lanes / ms * 1e3, "epochs_per_call": epochs, "calls": each}


def memory(executable: Any) -> dict[str, float]:
    """Gigabytes of a program's inputs, outputs and temporary arrays, by its compiler."""
    stats = executable.get_compiled_memory_stats()
    parts = {
        "inputs_gb": stats.argument_size_in_bytes,
        "outputs_gb": stats.output_size_in_bytes,
        "temporary_gb": stats.temp_size_in_bytes,
    }
    return {name: size / 1e9 for name, size in parts.items()}


def compiled(module: Path, device: Any, options: Options = EXACT) -> Any:
    """A program, compiled for a device."""
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import _jax
    from jax._src.lib.mlir import ir

    words = {"env_options_overrides": dict(options)} if device.platform != "cpu" else {}
    given = compiler.get_compile_options(1, 1, device_assignment=np.array([[device.id]]), **words)
    with mlir.make_ir_context():
        program = ir.Module.parse(module.read_bytes())
        return compiler.backend_compile_and_load(device.client, program, _jax.DeviceList((device,)), given, [])


def compare(network: Network, these: Outputs, those: Outputs) -> dict[str, Any]:
    """How far outputs of the same lanes differ.

    Every lane of `these` is compared, with the first of its kind in `those`.
    """
    import jax.numpy as jnp

    worst_weight, worst_score, median_score, equal, compared = 0.0, 0.0, 0.0, 0, 0
    last = len(network.facts["outputs"]) - 1
    for number, kind in enumerate(network.facts["outputs"]):
        if number not in these.arrays or number not in those.arrays or these.arrays[number].nbytes > LARGEST_COMPARED:
            continue
        belongs, _, axis_text = kind.partition("@")
        axis = int(axis_text or 0)
        rows, others = paired(these.index[belongs], those.index[belongs])
        one = jnp.take(these.arrays[number], rows, axis)
        other = jnp.take(jnp.asarray(those.arrays[number]), others, axis)
        if number == last:
            one, other = one[: network.facts["checked_epochs"]], other[: network.facts["checked_epochs"]]
        compared += 1
        same = (one == other) | (jnp.isnan(one) & jnp.isnan(other)) if one.dtype == jnp.float32 else one == other
        equal += bool(same.all())
        if one.dtype != jnp.float32:
            continue
        difference = jnp.where(same, 0.0, one - other)
        if number == last:
            scaled = jnp.abs(difference) / jnp.maximum(1.0, jnp.abs(jnp.nan_to_num(other)))
            worst_score, median_score = float(scaled.max()), float(jnp.median(scaled.max(0)))
        elif one.ndim == 3 and axis == 0:  # weights
            size = float(jnp.linalg.norm(jnp.nan_to_num(other).ravel()))
            worst_weight = max(worst_weight, float(jnp.linalg.norm(difference.ravel())) / max(size, 1e-30))
    return {
        "equal_arrays": equal,
        "compared_arrays": compared,
        "weights_relative_difference": worst_weight,
        "score_difference_worst_lane": worst_score,
        "score_difference_median_lane": median_score,
    }


def paired(these: NDArray[np.int32] | None, those: NDArray[np.int32] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of these that are also found in those, and where; None is the base itself, whose rows are in order."""
    if these is None:
        raise ValueError("the base is what others are compared with")
    rows = np.flatnonzero(these >= 0)
    if those is None:
        return rows, these[rows].astype(np.int64)
    first = np.full(max(int(these.max()), int(those.max())) + 1, -1, np.int64)
    at = np.flatnonzero(those >= 0)[::-1]
    first[those[at]] = at  # of equal lanes the first one remains
    found = first[these[rows]]
    return rows[found >= 0], found[found >= 0]
