"""A few faults of each kind: the same commands again leave what the undisturbed ones leave.

Worker processes that are stopped are in `tests/training/test_local_workers.py` and `test_ray_cluster.py`, with shorter limits.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from faults.chain import differences, facts
from faults.disks import RUN, run_until_full, small_disk, workspace_on
from faults.figures import PAGE
from faults.kills import BEGINS, Moment, Phase, Victim
from faults.recorded import Fault, RecordedSweeps
from faults.undisturbed import Undisturbed

pytestmark = pytest.mark.slow

ONE_CHAIN = [
    Moment(Phase.SEARCH, 0.0, Victim.GROUP),
    Moment(Phase.CONFIRMATION, 0.0, Victim.WORKER),
    Moment(Phase.REGISTRATION, 0.0, Victim.PARENT),
    Moment(Phase.PROMOTE, 0.0, Victim.WORKER),
    Moment(Phase.ROLLBACK, 0.0, Victim.GROUP),
]
"""At the beginning of each phase, whatever the speed of the machine."""


def test_the_undisturbed_commands_promote_another_trial_and_take_it_back(undisturbed: Undisturbed) -> None:
    champions = {command: [version for version, _ in left["champions"]] for command, left in undisturbed.facts.items()}
    assert champions == {"run": [1], "promote": [1, 2], "rollback": [1, 2, 1]}
    for left in undisturbed.facts.values():
        statuses = [status for _, status in left["runs of trials"]]
        assert len(statuses) == 12 and set(statuses) <= {"FINISHED", "KILLED"}
        assert left["unfinished"]["tags"] == left["left behind"] == []


def test_a_chain_that_is_killed_in_every_phase_ends_as_the_undisturbed_one(undisturbed: Undisturbed) -> None:
    kills, given, unlike = undisturbed.run_killed(ONE_CHAIN)
    assert unlike == []
    assert all(kill.was_in_time for kill in kills)
    assert given == {"run": 3, "promote": 1, "rollback": 2}, "a killed worker needs no second command"


def test_lost_answers_and_failures_of_the_server_change_no_result(recorded: RecordedSweeps, undisturbed: Undisturbed) -> None:
    faults = [Fault("lost", 40, 1), Fault("500", 80, 1), Fault("retry after", 115, 2)]
    left, commands = recorded.run(faults)
    assert len(recorded.proxy.requests) > faults[-1].request + faults[-1].times
    assert differences(left, undisturbed.facts["run"]) == []
    assert commands == 1


def test_a_sweep_whose_disk_becomes_full_is_finished_by_the_same_command(
    undisturbed: Undisturbed, tmp_path: Path, programs: Path, mlflow_template: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        workspace = workspace_on(disk, "", tmp_path, programs, mlflow_template)
        assert run_until_full(workspace, disk, BEGINS[Phase.SEARCH]).code
        again = workspace.run(*RUN)
        assert again.code == 0, again.errors
        assert differences(facts(workspace), undisturbed.facts["run"]) == []


def test_the_page_has_the_blocks_that_the_long_form_writes() -> None:
    marks = re.findall(r"<!-- figures: (.*) -->\n", PAGE.read_text(encoding="utf-8"))
    assert sorted(marks) == ["disks", "kills", "proxy", "stopped workers"]
