"""A Ray cluster that tests start and stop: two nodes on this machine, each with one processor and its own processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import branchsweep
from branchsweep.config.sections.workers import RayWorkersConfig
from branchsweep.runtime import is_installed
from servers import free_port

RAY_IS_MISSING = "" if is_installed("ray") else "NOTHING WAS TRAINED ON A CLUSTER: ray is not installed"
"""Why tests on a cluster are skipped; empty where they are not."""

STARTED = "Ray runtime started."
"""What `ray start` prints once its node runs."""


class RayCluster:
    """A head node and a second node, as `ray start` starts them. Each can be killed, with all processes that it has started.

    Args:
        folder: For the cluster's files; a short path, for sockets lie there.
        cache: The nodes' `BRANCHSWEEP_CACHE`.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        from ray.util import get_node_ip_address

        self.folder, self.cache = folder, cache
        host, port, client_port = get_node_ip_address(), free_port(), free_port()
        self.address, self.client_address = f"{host}:{port}", f"ray://{host}:{client_port}"
        self._starts = 0
        source = str(Path(branchsweep.__file__).parents[1])
        self._environment = {**os.environ, "BRANCHSWEEP_CACHE": str(cache), "PYTHONPATH": source}
        addresses = [f"--port={port}", f"--ray-client-server-port={client_port}", f"--temp-dir={folder}"]
        self._head = self._start("--head", *addresses, "--include-dashboard=false")
        self._second: subprocess.Popen[bytes] | None = None

    @property
    def workers_config(self) -> RayWorkersConfig:
        """The configuration of workers on this cluster, from a process on one of its nodes."""
        return RayWorkersConfig(kind="ray", address=self.address)

    def kill_second_node(self) -> None:
        """Kill it and all its workers by SIGKILL."""
        if self._second is not None:
            _kill(self._second)
            self._second = None

    @property
    def worker_processes(self) -> list[int]:
        """The processes of the workers on both nodes."""
        nodes = [node for node in (self._head, self._second) if node is not None]
        return [process for node in nodes for process in _descendants(node.pid) if _command(process).startswith("ray::Worker")]

    def ensure_second_node(self) -> None:
        """Start a second node unless one runs."""
        if self._second is None:
            self._second = self._start(f"--address={self.address}")

    @contextmanager
    def extra_node_with_gpu(self) -> Generator[None]:
        """A third node, which declares a GPU whether or not there is one."""
        node = self._start(f"--address={self.address}", gpus=1)
        try:
            yield
        finally:
            _kill(node)

    def stop(self) -> None:
        """Kill both nodes."""
        self.kill_second_node()
        _kill(self._head)

    def _start(self, *arguments: str, gpus: int = 0) -> subprocess.Popen[bytes]:
        """A running node, on ports that no other cluster of this machine uses."""
        log = self.folder / f"start-{self._starts}.log"
        self._starts += 1
        ports = ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port()}"]
        resources = [
            "--num-cpus=1",
            f"--num-gpus={gpus}",
            f"--object-store-memory={150 * 2**20}",
        ]
        ray = str(Path(sys.executable).with_name("ray"))
        with log.open("w") as output:
            node = subprocess.Popen(
                [ray, "start", *arguments, *ports, *resources, "--disable-usage-stats", "--block"],
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while STARTED not in (text := log.read_text(encoding="utf-8")):
            if node.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no node of a Ray cluster was started:\n{text}")
            time.sleep(0.1)
        return node


def _kill(node: subprocess.Popen[bytes]) -> None:
    """Kill a node and its workers, which are process groups of their own and would run on until they notice."""
    for process in [node.pid, *_descendants(node.pid)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    node.wait(20)


def _command(process: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _descendants(ancestor: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parents[int(stat.parent.name)] = int(
                stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
            )
    started = [process for process, parent in parents.items() if parent == ancestor]
    for process in started:
        started += [child for child, parent in parents.items() if parent == process]
    return started


@contextmanager
def cluster(cache: Path) -> Generator[RayCluster]:
    """A cluster of both nodes, stopped afterwards."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        started = RayCluster(Path(folder), cache)
        try:
            started.ensure_second_node()
            yield started
        finally:
            started.stop()
