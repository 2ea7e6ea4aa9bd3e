"""Compiles exported programs for a GPU that is not there: whether XLA can, how much memory they need, copies within loops.

    python -m benchmarks.gpu --export FOLDER          # where branchsweep is installed
    python -m benchmarks.gpu_compile FOLDER [--json]             # where `jax[cuda13]` is: no GPU, no driver

JAX compiles for a described GPU (see `DESCRIPTION`). As kernels cannot be tried out without one, products are left to cuBLAS;
on a GPU, XLA may choose other kernels, and temporary memory may differ a little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from pathlib import Path
from typing import Any

from benchmarks import _gpu_case

DESCRIPTION = """
platform_name: "CUDA"
device_description_str: "NVIDIA H200"
runtime_version { major: 12 minor: 8 }
dnn_version_info { major: 9 minor: 1 }
gpu_device_info {
  cuda_compute_capability { major: 9 minor: 0 }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  device_memory_size: 149000000000
  memory_bandwidth: 4800000000000
  l2_cache_size: 52428800
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
}
"""
"""XLA's description of a GPU (`GpuTargetConfigProto`): one NVIDIA H200."""

WITHOUT_TRIALS: _gpu_case.Options = {
    **_gpu_case.EXACT,
    "xla_gpu_autotune_level": 0,
    "xla_gpu_enable_triton_gemm": False,
}
"""Options of XLA: those of `gpu_program.py`, and no kernels that would have to be tried out."""

LARGE = 1_000_000
"""Bytes from which on a copy counts."""


def described_gpu() -> Any:
    """JAX's device for the description."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    from jax._src import xla_bridge
    from jax.experimental import topologies

    xla_bridge.discover_pjrt_plugins()  # else only what finds a GPU does so
    made = topologies.get_topology_desc(topology_name="", topology="1x1x1", platform="cuda", target_config=DESCRIPTION)
    return made.devices[0]


def compile_program(module: Path, device: Any) -> dict[str, Any]:
    """Compile one program: seconds, gigabytes, its matrix products, and large copies within its loops."""
    began = time.perf_counter()
    executable = _gpu_case.compiled(module, device, WITHOUT_TRIALS)
    seconds = time.perf_counter() - began
    text = executable.hlo_modules()[0].to_string()
    loops, _, _ = text.partition("\nENTRY ")  # what is computed once stands in the entry
    copied = [4 * math.prod(map(int, shape.split(","))) for shape in re.findall(r"= [a-z0-9]+\[([0-9,]+)\]\S* copy\(", loops)]
    return {
        "compile_seconds": seconds,
        **_gpu_case.memory(executable),
        "matrix_products": text.count('custom_call_target="__cublas'),
        "large_copies_within_loops": sum(size >= LARGE for size in copied),
    }


def main() -> None:
    """Compiles every program of an export, and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what `python -m benchmarks.gpu --export` wrote")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    options = parser.parse_args()
    manifest, device, results = json.loads((options.folder / "manifest.json").read_text(encoding="utf-8")), described_gpu(), {}
    for name, network in manifest.items():
        for case in network["cases"]:
            if case["lanes"] == case["places"]:
                label = f"{name}: {case['name']}"
                results[label] = compile_program(options.folder / case["module"], device)
                if not options.json:
                    print(label, results[label], flush=True)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
