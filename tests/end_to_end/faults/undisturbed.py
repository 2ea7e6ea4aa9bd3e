"""The chain of commands without a fault: what each leaves, how long its phases last, and the workspace before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.chain import Workspace, differences, facts
from faults.kills import Kill, Moment, Phase, measured_length, run_killed, wait_for_beginning

COMMANDS: Mapping[str, tuple[Phase, ...]] = {
    "run": (Phase.SEARCH, Phase.CONFIRMATION, Phase.REGISTRATION),
    "promote": (Phase.PROMOTE,),
    "rollback": (Phase.ROLLBACK,),
}
"""The commands of the chain, in order, with their phases."""


@dataclass(frozen=True)
class Undisturbed:
    """The chain without a fault.

    Args:
        workspace: Where it ran; others run there as well, from a copy.
        before: By command, a copy of the workspace before it.
        facts: By command, what it has left.
        seconds: By phase, its length.
        arguments: By command, the command with its arguments.
    """

    workspace: Workspace
    before: Mapping[str, Path]
    facts: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[Phase, float]
    arguments: Mapping[str, list[str]]

    def run_killed(self, moments: Sequence[Moment]) -> tuple[list[Kill], dict[str, int], list[str]]:
        """Run the chain again from the beginning, and kill at all moments.

        Returns:
            What came of the moments, how often each command was given, and what differs from the undisturbed chain.
        """
        self.workspace.restore(self.before["run"])
        kills: list[Kill] = []
        given: dict[str, int] = {}
        unlike: list[str] = []
        for command, phases in COMMANDS.items():
            own = [moment for moment in moments if moment.phase in phases]
            killed, given[command] = run_killed(self.workspace, self.arguments[command], own, self.seconds)
            kills += killed
            unlike += differences(facts(self.workspace), self.facts[command])
        return kills, given, unlike


def run_undisturbed(workspace: Workspace, copies: Path, workers: int) -> Undisturbed:
    """Run the chain: a sweep, the promotion of the second best trial, and the rollback to the best one.

    Args:
        workspace: A new one.
        copies: The folder for copies of it.
        workers: The number of worker processes.
    """
    before: dict[str, Path] = {}
    left: dict[str, Mapping[str, Any]] = {}
    seconds: dict[Phase, float] = {}
    with_workers = ["--workers", str(workers)]
    arguments = {"run": ["run", "faults.yaml", "--json", *with_workers], "rollback": ["rollback", "plant"]}
    for name, phases in COMMANDS.items():
        before[name] = copies / f"before {name}"
        workspace.copy_to(before[name])
        began: dict[Phase, float] = {}
        with workspace.start(*arguments[name]) as command:
            for phase in phases:
                began[phase] = wait_for_beginning(command, phase, workspace.folder / "mlflow.db")
            assert command.wait() == 0, command.errors
        seconds |= {phase: measured_length(command, phase, began[phase]) for phase in phases}
        left[name] = facts(workspace)
        if name == "run":
            second = second_best(json.loads(command.out))
            arguments["promote"] = ["promote", "faults", "--trial", str(second), *with_workers]
    return Undisturbed(workspace, before, left, seconds, arguments)


def second_best(summary: Mapping[str, Any]) -> int:
    """The number of the confirmed trial that was not chosen, by the summary of a sweep."""
    (other,) = (trial["trial"] for trial in summary["confirmed"] if trial["trial"] != summary["finalist"]["trial"])
    return int(other)
