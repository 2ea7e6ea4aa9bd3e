"""Sweeps that are recorded by MLflow's server through a proxy, which answers some requests in the server's stead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faults.chain import Command, Workspace, facts
from hostile_server import HostileServer

HOSTILE = ("500", "429", "html", "garbage", "drip", "lost", "retry after")
"""The answers that are given in the place of MLflow's, by their names in `hostile_server`."""

SECONDS = "3"
"""The limit of an answer."""


@dataclass(frozen=True)
class Fault:
    """Answers that are given in the place of the server's.

    Args:
        answer: Its name.
        request: The number of the first request that is answered so.
        times: How many are.
    """

    answer: str
    request: int
    times: int


@dataclass
class RecordedSweeps:
    """Sweeps that are recorded by a server, through a proxy.

    Args:
        workspace: Where the commands run.
        server: The server.
        proxy: The proxy.
        sweeps: How many were recorded so far.
    """

    workspace: Workspace
    server: str
    proxy: HostileServer
    sweeps: int = 0

    def start(self, name: str) -> Command:
        """Start, or resume, the sweep of this name."""
        own = ["--set", f"name={name}", "--set", f"promotion.model={name}", "--tracking-uri", self.proxy.uri]
        limit = {"MLFLOW_HTTP_REQUEST_TIMEOUT": SECONDS}
        return self.workspace.start("run", "faults.yaml", "--workers", "1", *own, **limit)

    def run(self, faults: Sequence[Fault] = ()) -> tuple[dict[str, Any], int]:
        """Record a sweep; gives what it has left, and how often the command was given."""
        name, commands = f"sweep{self.sweeps}", 0
        self.sweeps += 1
        for fault in faults:
            self.proxy.will_answer_at(fault.request, fault.answer, fault.times)
        while True:
            commands += 1
            with self.start(name) as command:
                code = command.wait()
            if code == 0:
                return self.facts(name), commands
            command.require_one_message()
            assert commands <= sum(fault.times for fault in faults), command.errors

    def facts(self, name: str) -> dict[str, Any]:
        """What the sweep of this name has left."""
        return facts(self.workspace, self.server, name, name)
