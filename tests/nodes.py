"""A Ray cluster that tests start, and end: two nodes on this machine, each with one processor and with processes of its own."""

from __future__ import annotations

import importlib.util
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
from branchsweep.config.workers import RayWorkersConfig
from servers import free_port

NO_RAY = "" if importlib.util.find_spec("ray") else "NOTHING WAS TRAINED ON A CLUSTER: ray is not installed"
"""Why tests on a cluster are skipped; empty where they are not."""

STARTED = "Ray runtime started."
"""What `ray start` says when its node is there."""


class Nodes:
    """A head and a second node, as `ray start` makes them. Each can be killed at once, with all processes that it has started.

    Args:
        folder: For the cluster's files; a short path, for sockets lie there.
        cache: The nodes' `BRANCHSWEEP_CACHE`.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        from ray.util import get_node_ip_address

        self.folder, self.cache = folder, cache
        host, port, door = get_node_ip_address(), free_port(), free_port()
        self.address, self.from_outside = f"{host}:{port}", f"ray://{host}:{door}"
        self._starts = 0
        source = str(Path(branchsweep.__file__).parents[1])
        self._environment = {**os.environ, "BRANCHSWEEP_CACHE": str(cache), "PYTHONPATH": source}
        where = [f"--port={port}", f"--ray-client-server-port={door}", f"--temp-dir={folder}"]
        self._head = self._start("--head", *where, "--include-dashboard=false")
        self._second: subprocess.Popen[bytes] | None = None

    @property
    def here(self) -> RayWorkersConfig:
        """As a node of it says where it is."""
        return RayWorkersConfig(kind="ray", address=self.address)

    def lose_the_second(self) -> None:
        """Kill it, with all its workers: no process of it is asked to end."""
        if self._second is not None:
            _kill(self._second)
            self._second = None

    def have_a_second(self) -> None:
        """Start it where there is none."""
        if self._second is None:
            self._second = self._start(f"--address={self.address}")

    @contextmanager
    def one_more_that_counts_a_gpu(self) -> Generator[None]:
        """A node that says that it has a GPU, where there may be none."""
        node = self._start(f"--address={self.address}", gpus=1)
        try:
            yield
        finally:
            _kill(node)

    def end(self) -> None:
        """Leave no process behind."""
        self.lose_the_second()
        _kill(self._head)

    def _start(self, *words: str, gpus: int = 0) -> subprocess.Popen[bytes]:
        """A node that is there. Ports are its own, so that another cluster of this machine is not met."""
        log = self.folder / f"start-{self._starts}.log"
        self._starts += 1
        ports = ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={free_port()}"]
        means = [
            "--num-cpus=1",
            f"--num-gpus={gpus}",
            f"--object-store-memory={150 * 2**20}",
        ]
        ray = str(Path(sys.executable).with_name("ray"))
        with log.open("w") as into:
            node = subprocess.Popen(
                [ray, "start", *words, *ports, *means, "--disable-usage-stats", "--block"],
                env=self._environment,
                stdout=into,
                stderr=into,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while STARTED not in (said := log.read_text(encoding="utf-8")):
            if node.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no node of a Ray cluster was started:\n{said}")
            time.sleep(0.1)
        return node


def _kill(node: subprocess.Popen[bytes]) -> None:
    """With its workers, which are groups of their own and would live on until they miss their node."""
    for process in [node.pid, *_descendants(node.pid)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    node.wait(20)


def _descendants(ancestor: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parents[int(stat.parent.name)] = int(
                stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
            )
    found = [process for process, parent in parents.items() if parent == ancestor]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


@contextmanager
def cluster(cache: Path) -> Generator[Nodes]:
    """Both nodes, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        found = Nodes(Path(folder), cache)
        try:
            found.have_a_second()
            yield found
        finally:
            found.end()
