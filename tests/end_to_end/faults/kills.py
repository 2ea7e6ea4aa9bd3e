"""Moments at which something is killed: in which phase of a command, when within it, and which of its processes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from faults.chain import LONGEST, Command, Workspace


class Phase(StrEnum):
    """A part of a command in which something is killed."""

    SEARCH = "search"
    CONFIRMATION = "confirmation"
    REGISTRATION = "registration"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class Victim(StrEnum):
    """What is killed, by SIGKILL."""

    PARENT = "parent"
    WORKER = "worker"
    GROUP = "group"


BEGINS: Mapping[Phase, str] = {
    Phase.SEARCH: r"training [\d,]+ lanes? .*, to epoch",
    Phase.CONFIRMATION: r"training [\d,]+ lanes? .*, to confirm",
    Phase.REGISTRATION: "registering the model",
    Phase.PROMOTE: r"training [\d,]+ lanes? .*, on all training rows",
}
"""The beginning of the line that a command prints when a phase begins. A rollback begins when the store is opened."""

ENDS: Mapping[Phase, str] = {Phase.SEARCH: "the search is over", Phase.CONFIRMATION: "registering the model"}
"""The same for its end. Other phases last until the command ends."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is killed.

    Args:
        phase: The phase.
        fraction: Of the undisturbed length of the phase that has passed.
        victim: What is killed.
        worker: Which of the worker processes, where one is killed.
    """

    phase: Phase
    fraction: float
    victim: Victim
    worker: int = 0

    @property
    def ends_the_command(self) -> bool:
        """Whether the command ends with the victim."""
        return self.victim is not Victim.WORKER


@dataclass(frozen=True, slots=True)
class Kill:
    """What came of a moment.

    Args:
        moment: The moment.
        seconds: Since the phase began.
        was_running: Whether the victim was still there.
        orphan_seconds: For how long other processes of the command went on after their parent was killed.
    """

    moment: Moment
    seconds: float
    was_running: bool
    orphan_seconds: float = 0.0


def random_moments(chain: int, numbers: random.Random) -> list[Moment]:
    """A random moment in every phase; the victims take turns, so that over the chains each is killed in each phase."""
    moments = []
    for index, phase in enumerate(Phase):
        victims = [Victim.PARENT, Victim.GROUP] if phase is Phase.ROLLBACK else list(Victim)  # it has no workers
        victim = victims[(chain + index) % len(victims)]
        moments.append(Moment(phase, numbers.random(), victim, numbers.randrange(2)))
    return moments


def wait_for_beginning(command: Command, phase: Phase, database: Path) -> float:
    """Wait until a phase begins, or the command ends; returns the seconds since the command's start."""
    if phase is not Phase.ROLLBACK:
        command.wait_for_line(BEGINS[phase])
        return command.second_of(BEGINS[phase]) or command.age
    deadline = time.monotonic() + LONGEST
    while command.is_running and not command.opens(database):
        assert time.monotonic() < deadline, "the store was not opened"
        time.sleep(0.005)
    return command.age


def measured_length(command: Command, phase: Phase, began: float) -> float:
    """The seconds of a phase of a command that has ended undisturbed."""
    ended = command.second_of(ENDS[phase]) if phase in ENDS else command.seconds
    assert ended is not None, command.errors
    return ended - began


def kill(command: Command, moment: Moment) -> bool:
    """Kill the victim; returns whether it was there."""
    if not command.is_running:
        return False
    match moment.victim:
        case Victim.PARENT:
            os.kill(command.pid, signal.SIGKILL)
        case Victim.GROUP:
            os.killpg(command.pid, signal.SIGKILL)
        case Victim.WORKER:
            workers = command.workers
            if not workers:
                return False
            os.kill(workers[moment.worker % len(workers)], signal.SIGKILL)
    return True


def run_killed(
    workspace: Workspace, arguments: Sequence[str], moments: Sequence[Moment], lengths: Mapping[Phase, float]
) -> tuple[list[Kill], int]:
    """Give a command, kill the victims at their moments, and give it again whenever it was killed before it printed its result.

    Args:
        workspace: Where.
        arguments: The command.
        moments: In order of the command's phases.
        lengths: The undisturbed lengths of the phases in seconds.

    Returns:
        What came of each moment, and how often the command was given.
    """
    kills, commands, left = [], 0, list(moments)
    while True:
        commands += 1
        with workspace.start(*arguments) as command:
            while left:
                moment = left.pop(0)
                began = wait_for_beginning(command, moment.phase, workspace.folder / "mlflow.db")
                time.sleep(max(0.0, began + moment.fraction * lengths[moment.phase] - command.age))
                seconds, was_running = command.age - began, kill(command, moment)
                if was_running and moment.ends_the_command:
                    command.wait()
                    kills.append(Kill(moment, seconds, was_running, command.wait_for_processes()))
                    break
                kills.append(Kill(moment, seconds, was_running))
            code = command.wait()
        assert code <= 0, command.errors
        if code == 0 or command.out:
            return kills, commands
