"""What is written while a sweep runs: plain lines without a terminal, one live line with one."""

from __future__ import annotations

import io

from rich.console import Console

from branchsweep.terminal import Terminal
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from fakes import tiny_experiment


def answered(number: int, r2: float) -> Result:
    head = HeadScore(r2, float("nan"), 1.0, 1.0)
    return Result(Trial(number, {}), Score(Status.COMPLETE, value=r2, heads={"PE": head}))


FAILED = Result(Trial(2, {}), Score(Status.FAILED, reason="diverged in epoch 3"))


def written(is_terminal: bool) -> str:
    out = io.StringIO()
    with Terminal(Console(file=out, force_terminal=is_terminal, width=100)) as watch:
        watch.begin(tiny_experiment(search={"driver": "random", "trials": 4}), [answered(0, 0.5)])
        watch.plan(30.0, "12 lanes in 2 populations")
        watch.trained(15.0)
        watch.answered(answered(1, 0.75))
        watch.answered(FAILED)
        watch._progress.refresh()
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    assert written(False).splitlines() == [
        "going on with a sweep that has 1 of 4 trials recorded",
        "training 12 lanes in 2 populations",
        "trial 2 failed: diverged in epoch 3",
    ]


def test_a_live_line_in_a_terminal() -> None:
    live = written(True)
    assert "3/4 trials" in live
    assert "best R² PE 0.7500 (trial 1), 1 failed" in live
    assert "lane-epochs/s" in live
    assert "training 12 lanes" not in live
