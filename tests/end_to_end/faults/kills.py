"""Moments at which something is killed: in which phase of a command, when within it, and which of its processes."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    Phase.SEARCH: r"training [\d,]+ networks? .*, to epoch",
    Phase.CONFIRMATION: r"training [\d,]+ networks? .*, to confirm",
    Phase.REGISTRATION: "registering the model",
    Phase.PROMOTE: r"training [\d,]+ networks? .*, on all training rows",
}
"""The beginning of the line that a command prints when a phase begins. A rollback begins when the store is opened."""

ENDS: Mapping[Phase, str] = {Phase.SEARCH: "the search is over", Phase.CONFIRMATION: "registering the model"}
"""The same for its end. Other phases last until the command ends."""

MOST_DRAWN = 6
"""How often a moment is drawn that comes too late each time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is killed.

    Args:
        phase: The phase.
        fraction: Of the undisturbed length of the phase that has passed.
        victim: What is killed.
        worker: Which of the worker processes, where one is killed.
        drawn: How often it was drawn so far.
    """

    phase: Phase
    fraction: float
    victim: Victim
    worker: int = 0
    drawn: int = 1

    @property
    def ends_the_command(self) -> bool:
        """Whether the command ends with the victim."""
        return self.victim is not Victim.WORKER

    def drawn_again(self) -> Moment:
        """A random earlier moment of the phase, in the place of this one, which came too late."""
        earlier = self.fraction * random.Random(self.fraction).random()  # noqa: S311  # for a moment
        return replace(self, fraction=earlier, drawn=self.drawn + 1)


@dataclass(frozen=True, slots=True)
class Kill:
    """What came of a moment.

    Args:
        moment: The moment.
        seconds: Since the phase began.
        was_in_time: Whether the phase was not over and the victim was still there.
        orphan_seconds: For how long other processes of the command went on after their parent was killed.
    """

    moment: Moment
    seconds: float
    was_in_time: bool
    orphan_seconds: float = 0.0

    @property
    def ended_the_command(self) -> bool:
        """Whether the command has ended with the victim."""
        return self.was_in_time and self.moment.ends_the_command

    @property
    def is_drawn_again(self) -> bool:
        """Whether an earlier moment takes its place."""
        return not self.was_in_time and self.moment.drawn < MOST_DRAWN


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


def kill_at(command: Command, moment: Moment, began: float) -> Kill:
    """Kill the victim now.

    Args:
        command: Running, or ended by itself meanwhile.
        moment: What is killed, and in which phase.
        began: When the phase began, in seconds since the command's start.
    """
    seconds = command.age - began
    is_over = moment.phase in ENDS and command.second_of(ENDS[moment.phase]) is not None
    was_in_time = not is_over and command.is_running and _kill(command, moment)
    if not (was_in_time and moment.ends_the_command):
        return Kill(moment, seconds, was_in_time)
    code = command.wait()
    return Kill(moment, seconds, code == -signal.SIGKILL, command.wait_for_processes())


def _kill(command: Command, moment: Moment) -> bool:
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

    Where a moment comes too late, the command is given once more to the workspace as it was before, with an earlier moment in
    its place: at most `MOST_DRAWN` moments are tried.

    Args:
        workspace: Where.
        arguments: The command.
        moments: In order of the command's phases.
        lengths: The undisturbed lengths of the phases in seconds.

    Returns:
        What came of each moment, and how often the command was given where none came too late.
    """
    kills: list[Kill] = []
    commands, left = 0, list(moments)
    while True:
        with tempfile.TemporaryDirectory() as folder:
            before = Path(folder) / "before"
            workspace.copy_to(before)
            with workspace.start(*arguments) as command:
                own = _run_until_killed(workspace, command, left, lengths)
                late = own[-1].moment if own and own[-1].is_drawn_again else None
                if late is None:
                    command.wait()
            if late is not None:
                left[left.index(late)] = late.drawn_again()
                workspace.restore(before)
                continue
        kills, left, commands = kills + own, left[len(own) :], commands + 1
        assert command.code <= 0, command.errors
        if command.code == 0 or command.out:
            return kills, commands


def _run_until_killed(
    workspace: Workspace, command: Command, moments: Sequence[Moment], lengths: Mapping[Phase, float]
) -> list[Kill]:
    """Kill at moments until the command has ended with a victim, or one comes too late; returns what came of these moments."""
    kills = []
    for moment in moments:
        began = wait_for_beginning(command, moment.phase, workspace.folder / "mlflow.db")
        time.sleep(max(0.0, began + moment.fraction * lengths[moment.phase] - command.age))
        kills.append(kill_at(command, moment, began))
        if kills[-1].ended_the_command or kills[-1].is_drawn_again:
            break
    return kills
