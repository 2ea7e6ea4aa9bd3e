"""Compiles exported programs for a GPU, without TensorFlow: equality with a CPU, speed, memory, and Keras's `fit` beside them.

    python -m benchmarks.gpu --export FOLDER       # where branchsweep is installed; no GPU is needed
    python -m benchmarks.gpu_program FOLDER [--out FILE] [--limit SECONDS] [--only WORDS] [--quick]     # where the GPU is

Needs NumPy, JAX with its CUDA plugin, and for `fit` Keras 3, whose backend is then JAX; neither branchsweep nor TensorFlow. JAX
compiles by XLA, as TensorFlow does: with full float32 products and deterministic operations, as branchsweep has them. It has no
public function that compiles a given program, so an internal one of JAX 0.11 is called.

Every figure is printed and written to FILE as soon as it is known. After SECONDS no further measurement begins. A figure of a
CPU is that of all its cores: one process pinned to each, all at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._gpu_case import EXACT, Case, Network, Options, Outputs, compare, compiled, memory

CORE_SECONDS = 6.0
"""How long each core trains."""

COMPILING_SECONDS = 45.0
"""After this time all cores begin to train: until then each has imported and compiled."""

PAUSE_SECONDS = 3.0
"""Between two measurements on all cores, so that they begin together again."""

ROOT = Path(__file__).parents[1]
"""The folder of the package `benchmarks`."""

TUNED: Options = {"xla_gpu_exclude_nondeterministic_ops": True}
"""Deterministic operations, chosen by trial: what autotuning would gain."""


@dataclass
class Record:
    """The results so far, on disk at once.

    Args:
        file: Where they are written; None for nowhere.
        limit: Seconds after which nothing new begins.
        results: By measurement.
        began: When the clock started.
    """

    file: Path | None
    limit: float
    results: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def measure(self, name: str, measurement: Callable[[], Mapping[str, Any]]) -> None:
        """Do a measurement if there is time left, and record its results, or why it failed."""
        begins = time.perf_counter() - self.began
        if begins > self.limit:
            self.note(name, {"left_out": f"{begins:.0f} s are over"})
            return
        try:
            results = dict(measurement())
        except Exception as error:  # noqa: BLE001  # whatever fails: the next measurement is worth its time
            results = {"failed": failure(error)}
        self.note(name, {**results, "begun_at": begins, "took": time.perf_counter() - self.began - begins})

    def note(self, name: str, results: Mapping[str, Any]) -> None:
        """Print and write results."""
        self.results[name] = dict(results)
        print(name, json.dumps(results), flush=True)
        if self.file:
            self.file.write_text(json.dumps(self.results, indent=1), encoding="utf-8")


class Programs:
    """The measurements of one network's programs on a GPU, one after the other: later ones are compared with earlier ones.

    Args:
        network: The network.
        device: JAX's device.
    """

    def __init__(self, network: Network, device: Any) -> None:
        self.network, self.device = network, device
        self._base: Outputs | None = None
        self._company: Outputs | None = None
        self._last: tuple[str, Any] = ("", None)  # the program compiled last

    def measure(self, name: str, options: Options = EXACT) -> dict[str, Any]:
        """Compile a case, measure its speed, and compare its outputs."""
        module = self.network.cases[name]["module"]
        began = time.perf_counter()
        if self._last[0] != f"{module} {options}":
            self._last = ("", None)
            self._last = (f"{module} {options}", compiled(self.network.folder / module, self.device, options))
        compile_seconds = time.perf_counter() - began
        case = Case(self.network, name, self.device, self._last[1])
        results = {"lanes": case.lanes, "compile_seconds": compile_seconds, **memory(case.executable), **case.speed()}
        results["peak_gb_so_far"] = (self.device.memory_stats() or {}).get("peak_bytes_in_use", 0) / 1e9
        try:
            results |= self._compared(case)
        except Exception as error:  # noqa: BLE001  # the widest program may leave no memory for this; its speed is known
            results["not_compared"] = failure(error)
        return results

    def _compared(self, case: Case) -> dict[str, Any]:
        outputs = case.outputs()
        others = {
            "against_recorded_cpu": self.network.recorded,
            "against_64_lanes": self._base,
            "against_512_lanes_same_program": self._company if case.lanes == 1 else None,
        }
        results = {name: compare(self.network, outputs, other) for name, other in others.items() if other}
        self._base = self._base or outputs
        self._company = outputs if case.lanes == COMPANY else None
        if case.lanes <= COMPANY:
            results["against_itself_again"] = compare(self.network, case.outputs(), outputs)
        return results


def failure(error: Exception) -> str:
    """An error in short."""
    return f"{type(error).__name__}: {str(error)[:600]}"


COMPANY = 512
"""The lanes of the program in which one lane trains alone, too."""


def fit(network: Network, epochs: int, repetitions: int) -> dict[str, Any]:
    """Milliseconds of an epoch of Keras's `fit`, with validation after every epoch, on JAX.

    Args:
        network: Gives the model and its rows.
        epochs: Of each measurement.
        repetitions: The number of measurements, of which the median counts.
    """
    train = fit_function(network)
    began = time.perf_counter()
    train(2)
    first = time.perf_counter() - began
    each = []
    for _ in range(repetitions):
        began = time.perf_counter()
        train(epochs)
        each.append((time.perf_counter() - began) / epochs * 1e3)
    return {"ms_per_epoch": statistics.median(each), "first_two_epochs_seconds": first, "calls": each}


def fit_function(network: Network) -> Callable[[int], Any]:
    """A function that trains the network's Keras model for some epochs, as a user would."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the optimizer has no moments yet
        model = keras.saving.load_model(network.folder / network.facts["keras"])
    model.jit_compile = True  # Keras's own choice with JAX; the file says what it was with TensorFlow
    base = network.base

    def targets(prefix: str) -> dict[str, NDArray[Any]]:
        return {name.removeprefix(prefix): column for name, column in base.items() if name.startswith(prefix)}

    arguments = {
        "x": base["fit_x"],
        "y": targets("fit_y_"),
        "validation_data": (base["fit_validation_x"], targets("fit_validation_y_")),
        "batch_size": network.facts["batch_size"],
        "verbose": 0,
    }
    return lambda epochs: model.fit(epochs=epochs, **arguments)


def on_every_core(folder: Path, compiling_seconds: float = COMPILING_SECONDS) -> dict[str, Any]:
    """Train on all cores at the same time, a process on each, one thing after the other, and add up what they do."""
    cores = sorted(os.sched_getaffinity(0))
    begin = time.time() + compiling_seconds
    commands = [
        [sys.executable, "-m", "benchmarks.gpu_program", str(folder.resolve()), "--core", str(core), str(begin)]
        for core in cores
    ]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
    environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT) for command in commands]  # noqa: S603  # ourselves
    answers = [json.loads(process.communicate(timeout=compiling_seconds + 120)[0].splitlines()[-1]) for process in processes]
    return {
        "cores": len(cores),
        "seconds_left_before_beginning": min(answer.pop("seconds_left") for answer in answers),
        "lane_epochs_per_second": {name: sum(answer[name] for answer in answers) for name in answers[0]},
        "of_the_first_core": answers[0],
    }


def on_one_core(networks: Mapping[str, Network], core: int, begin: float) -> dict[str, float]:
    """In a process of its own: train on one core, one thing after the other, each from a given time on."""
    os.sched_setaffinity(0, {core})
    import jax

    ways: dict[str, tuple[Callable[[int], Any], int]] = {}
    for name, network in networks.items():
        program = compiled(network.folder / network.cases["one core"]["module"], jax.devices("cpu")[0])
        case = Case(network, "one core", jax.devices("cpu")[0], program)
        ways[name] = (case.run, case.lanes)
    ways["tutorial: fit"] = (fit_function(networks["tutorial"]), 1)
    for train, _ in ways.values():
        train(1)
    results = {"seconds_left": begin - time.time()}
    for number, (name, (train, lanes)) in enumerate(ways.items()):
        time.sleep(max(0.0, begin + number * (CORE_SECONDS + PAUSE_SECONDS) - time.time()))
        began, epochs = time.perf_counter(), 0
        while time.perf_counter() - began < CORE_SECONDS:
            train(2)
            epochs += 2
        results[name] = lanes * epochs / (time.perf_counter() - began)
    return results


def facts(device: Any) -> dict[str, Any]:
    """The machine and its versions."""
    import jax
    import jaxlib

    cpu = Path("/proc/cpuinfo")
    models = (
        [line for line in cpu.read_text(encoding="utf-8").splitlines() if line.startswith("model name")] if cpu.exists() else []
    )
    return {
        "device": getattr(device, "device_kind", str(device)),
        "platform": device.platform,
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "cpu": models[0].partition(":")[2].strip() if models else "",
        "cores": len(os.sched_getaffinity(0)),
    }


Measurement = Callable[[], Mapping[str, Any]]


def measurements(networks: Mapping[str, Network], device: Any, quick: bool) -> Iterator[tuple[str, Measurement]]:
    """The measurements by name, the most important first."""
    folder = networks["tutorial"].folder
    yield "tutorial: 64 lanes on the cpu", partial(equality_on_cpu, networks["tutorial"])
    for name, network in networks.items():
        programs = Programs(network, device)
        for case in sorted(network.facts["cases"], key=itemgetter("places")):  # stable: one lane follows many in its program
            if case["name"] != "one core":
                yield f"{name}: {case['name']}", partial(programs.measure, case["name"])
        yield f"{name}: fit", partial(fit, network, 2 if quick else 5, 3)
        if name == "tutorial":
            yield "every core", partial(on_every_core, folder)
    for name, network in networks.items():
        if "2048 lanes" in network.cases:
            yield f"{name}: 2048 lanes, autotuned", partial(Programs(network, device).measure, "2048 lanes", TUNED)


def equality_on_cpu(network: Network) -> dict[str, Any]:
    """The base on this machine's CPU, compiled by JAX, against what was recorded with TensorFlow."""
    import jax

    device = jax.devices("cpu")[0]
    program = compiled(network.folder / network.cases["64 lanes"]["module"], device)
    with jax.default_device(device):
        return compare(network, Case(network, "64 lanes", device, program).outputs(), network.recorded)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what `python -m benchmarks.gpu --export` wrote")
    parser.add_argument("--out", type=Path, help="the file for the results")
    parser.add_argument("--limit", type=float, default=330.0, help="seconds after which no measurement begins")
    parser.add_argument("--only", default="", help="comma between them: of the measurements those whose name has one of these")
    parser.add_argument("--quick", action="store_true", help="fewer measurements")
    parser.add_argument("--core", nargs=2, metavar=("CORE", "BEGIN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    manifest = json.loads((options.folder / "manifest.json").read_text(encoding="utf-8"))
    networks = {name: Network(options.folder, of_network) for name, of_network in manifest.items()}
    if options.core:
        core, begin = options.core
        print(json.dumps(on_one_core(networks, int(core), float(begin))))
        return
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.92")
    import jax

    record, device = Record(options.out, options.limit), jax.devices()[0]
    record.note("machine", facts(device))
    for name, measurement in measurements(networks, device, options.quick):
        if any(word in name for word in options.only.split(",")):
            record.measure(name, measurement)


if __name__ == "__main__":
    main()
