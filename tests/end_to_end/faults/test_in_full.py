"""The long form: kills at random moments, all answers of a hostile proxy, full disks, workers stopped for the whole limit.

It writes its figures into `docs/reliability.md`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from branchsweep.cli.options import INTERRUPTED
from faults.chain import Workspace, differences, facts
from faults.disks import RUN, SmallDisk, run_until_full, small_disk, workspace_on
from faults.figures import COUNT, table, write_figures
from faults.kills import BEGINS, Kill, Phase, Victim, random_moments
from faults.recorded import HOSTILE, Fault, RecordedSweeps
from faults.undisturbed import Undisturbed

pytestmark = pytest.mark.in_full

SEED = 1
"""Of the random moments and requests."""

MOST_REPEATED = 3
"""How many requests in a row a hostile proxy answers."""

LIMIT = 30.0
"""Seconds within which a stopped worker is reported."""

LONGEST_DIFFERENCE = 500
"""Characters of a difference that are printed at once; the assertion at the end shows them in full."""

FULL_WHEN: Mapping[str, tuple[Phase, ...]] = {
    "": (Phase.SEARCH, Phase.CONFIRMATION, Phase.REGISTRATION),
    "temporary": (Phase.SEARCH, Phase.REGISTRATION),
}
"""The folders of the workspace that are on the disk (empty: all but caches and temporary files), and when it becomes full."""

DISK, LIMIT_OF_SIZE = "disk", "file size limit"
"""How a folder becomes full: it is a small disk, or the processes may write no more, to whichever file."""

FULL_STORES = [
    *((DISK, folder, phase) for folder, phases in FULL_WHEN.items() for phase in phases),
    *((LIMIT_OF_SIZE, "", phase) for phase in FULL_WHEN[""]),
]
"""How a folder becomes full, which one, and when."""

disk_rows: list[Sequence[object]] = []
"""What was full, how, when, the exit code, the commands until it ended well, and the differences."""


def test_chains_that_are_killed_at_random_moments_end_as_the_undisturbed_one(
    undisturbed: Undisturbed, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = random.Random(SEED)  # noqa: S311  # for moments
    kills: list[Kill] = []
    given: Counter[str] = Counter()
    unlike: list[str] = []
    chains = -(-COUNT // len(Phase))
    for chain in range(chains):
        killed, commands, other = undisturbed.run_killed(random_moments(chain, numbers))
        kills, unlike = kills + killed, unlike + other
        given.update(commands)
        with capsys.disabled():
            sys.stderr.write(f"chain {chain + 1} of {chains}: {len(other)} differences\n")
            sys.stderr.writelines(f"  {difference[:LONGEST_DIFFERENCE]}\n" for difference in other)
        write_figures("kills", kill_figures(kills, given, chain + 1, len(unlike)))
    assert unlike == []


def kill_figures(kills: Sequence[Kill], given: Counter[str], chains: int, unlike: int) -> str:
    """The figures of the page, as Markdown."""
    rows = []
    for phase in Phase:
        own = [kill for kill in kills if kill.moment.phase is phase]
        by_victim = [str(sum(kill.moment.victim is victim for kill in own)) for victim in Victim]
        rows.append([phase, len(own), *by_victim, f"{max(kill.seconds for kill in own):.1f} s"])
    in_time = sum(kill.was_in_time for kill in kills)
    drawn = sum(kill.moment.drawn > 1 for kill in kills)
    orphans = max(kill.orphan_seconds for kill in kills if kill.moment.victim is Victim.PARENT)
    commands = ", ".join(f"`{name}` {count} times" for name, count in given.items())
    header = ["phase", "kills", *(f"of the {victim}" for victim in Victim), "latest, after the phase began"]
    return (
        f"{table(header, rows)}\n\n"
        f"{len(kills)} kills in {chains} chains, {in_time} of them before the phase had ended; {drawn} were drawn again, since "
        f"they came too late. Until all had ended well: {commands}. Workers whose parent was killed ended within "
        f"{orphans:.1f} s. Differences to the undisturbed chain: {unlike}."
    )


@pytest.fixture(scope="module")
def requests(recorded: RecordedSweeps) -> int:
    """The number of requests of an undisturbed sweep."""
    before = len(recorded.proxy.requests)
    recorded.run()
    return len(recorded.proxy.requests) - before


def test_every_hostile_answer_at_random_requests(recorded: RecordedSweeps, undisturbed: Undisturbed, requests: int) -> None:
    numbers = random.Random(SEED)  # noqa: S311  # for requests
    expected = undisturbed.facts["run"]
    rows: list[Sequence[object]] = []
    unlike: list[str] = []
    for answer in HOSTILE:
        faults = [
            Fault(answer, request, numbers.randint(1, MOST_REPEATED)) for request in sorted(numbers.sample(range(requests), 3))
        ]
        left, commands = recorded.run(faults)
        unlike += differences(left, expected)
        given = ", ".join(f"{fault.request} ({fault.times})" for fault in faults)
        rows.append([answer, given, commands, len(differences(left, expected))])
    header = ["answer", f"at which of the about {requests} requests (how often)", "commands", "differences"]
    write_figures("proxy", table(header, rows))
    assert unlike == []


def test_a_server_that_stays_away_is_reported_and_the_same_command_finishes(
    recorded: RecordedSweeps, undisturbed: Undisturbed, requests: int
) -> None:
    expected = undisturbed.facts["run"]
    recorded.proxy.will_answer_at(requests // 3, "503", 100 * requests)
    with recorded.start("away") as command:
        command.wait_for_line("the server is unavailable: ")
        command.wait_for_line("waiting until the server is available again")
        os.kill(command.pid, signal.SIGINT)
        assert command.wait() == INTERRUPTED
    recorded.proxy.forget_plan()
    with recorded.start("away") as command:
        assert command.wait() == 0, command.errors
    assert differences(recorded.facts("away"), expected) == []


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    mounted = request.param == DISK
    with small_disk(tmp_path / "disk", mounted) as disk:
        if mounted and not disk.is_mounted:
            pytest.skip("NO DISK: mounting one is not allowed here")
        yield disk


@pytest.mark.parametrize(("disk", "on_disk", "phase"), FULL_STORES, indirect=["disk"])
def test_a_sweep_whose_disk_becomes_full_is_finished_by_the_same_command(
    disk: SmallDisk, on_disk: str, phase: Phase, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    empty = undisturbed.before["run"]
    workspace = workspace_on(disk, on_disk, tmp_path, (empty / "cache" / "programs").resolve(), empty / "mlflow.db")
    code = run_until_full(workspace, disk, BEGINS[phase]).code
    if code:
        again = workspace.run(*RUN)
        assert again.code == 0, again.errors
    unlike = differences(facts(workspace), undisturbed.facts["run"])
    disk_rows.append(["temporary files" if on_disk else "the store", kind(disk), phase, code, 2 if code else 1, len(unlike)])
    assert unlike == []
    assert code or on_disk, "a store that takes nothing ends the sweep"


@pytest.mark.parametrize("disk", [DISK], indirect=True)
def test_a_full_cache_ends_no_sweep(
    disk: SmallDisk, undisturbed: Undisturbed, tmp_path: Path, programs: Path, mlflow_template: Path
) -> None:
    workspace = Workspace.make(tmp_path / "workspace", programs, mlflow_template)
    cache = workspace.folder / "cache"
    (cache / "programs").unlink()
    cache.rmdir()
    cache.symlink_to(disk.folder)
    with workspace.start(*RUN) as command:
        command.wait_for_line("table: ")
        disk.fill(command)
        assert command.wait() == 0, command.errors
    said = [line for _, line in command.lines if "compiled programs" in line]
    assert len(said) == 1, command.errors
    disk.free()
    unlike = differences(facts(workspace), undisturbed.facts["run"])
    disk_rows.append(["the cache", kind(disk), "start", 0, 1, len(unlike)])
    assert unlike == []


@pytest.mark.parametrize("disk", [DISK, LIMIT_OF_SIZE], indirect=True)
def test_an_output_file_is_written_whole_or_not_at_all(
    disk: SmallDisk, tmp_path: Path, programs: Path, mlflow_template: Path
) -> None:
    workspace = Workspace.make(tmp_path / "workspace", programs, mlflow_template)
    assert workspace.run(*RUN).code == 0
    outputs = {
        "predictions.csv": ["predict", "models:/plant@champion", "plant.csv"],
        "network.keras": ["export", "models:/plant@champion", "--format", "keras"],
        "network.py": ["export", "models:/plant@champion", "--format", "code"],
        "report.html": ["report", "faults"],
        "report": ["report", "faults"],
    }
    for name, arguments in outputs.items():
        disk.free()
        (disk.folder / "kept").write_text("kept", encoding="utf-8")
        disk.fill()
        full = Workspace(workspace.folder, disk.prefix)
        before = {path.name: path.stat().st_size for path in disk.folder.iterdir()}
        command = full.run(*arguments, "-o", str(disk.folder / name))
        command.require_one_message()
        assert {path.name: path.stat().st_size for path in disk.folder.iterdir()} == before
        disk.free()
        again = workspace.run(*arguments, "-o", str(disk.folder / name))
        assert again.code == 0, again.errors
        assert (disk.folder / name).exists()
        disk_rows.append([f"the output of `{arguments[0]}`", kind(disk), name, command.code, 2, 0])


def test_the_figures_of_disks_are_written() -> None:
    write_figures("disks", table(["full", "by", "when, or which file", "exit code", "commands", "differences"], disk_rows))


def test_stopped_workers_are_reported_and_replaced_in_time(undisturbed: Undisturbed) -> None:
    workspace = undisturbed.workspace
    rows = []
    for what, phase in (("search", Phase.SEARCH), ("confirmation", Phase.CONFIRMATION), ("refit", Phase.PROMOTE)):
        workspace.restore(undisturbed.before["run"])
        with workspace.start(*undisturbed.arguments["run"]) as command:
            command.wait_for_line(BEGINS[phase])
            stopped, begun = command.workers, command.age
            for worker in stopped:
                os.kill(worker, signal.SIGSTOP)
            assert command.wait() == 0, command.errors
        seconds = {pid: command.second_of(rf"worker process {pid} has not answered") for pid in stopped}
        reported = {pid: second - begun for pid, second in seconds.items() if second is not None}
        assert reported and max(reported.values()) < LIMIT, command.errors
        assert wait_for_end(stopped)
        unlike = differences(facts(workspace), undisturbed.facts["run"])
        rows.append([what, len(stopped), len(reported), f"{max(reported.values()):.1f} s", len(unlike)])
        assert unlike == []
    header = ["stopped in", "workers stopped", "replaced", "the last one reported after", "differences"]
    write_figures("stopped workers", table(header, rows))


def kind(disk: SmallDisk) -> str:
    """How it becomes full."""
    return DISK if disk.is_mounted else LIMIT_OF_SIZE


def wait_for_end(processes: list[int]) -> bool:
    """Whether processes have ended, within a few seconds."""
    for _ in range(50):
        if not any(Path(f"/proc/{process}").exists() for process in processes):
            return True
        time.sleep(0.1)
    return False
