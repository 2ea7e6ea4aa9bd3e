"""What is drawn by a process of its own is what this process would draw, or is drawn by this process."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from branchsweep.reporting import drawing_process
from branchsweep.reporting.drawing_process import drawn_beside


def test_another_process_draws_and_ends_with_the_context() -> None:
    with drawn_beside(os.getpid) as drawn:
        assert drawn() not in {os.getpid(), None}
    assert not multiprocessing.active_children()


def test_a_process_that_dies_costs_no_picture() -> None:
    with drawn_beside(_drawn_by, os.getpid()) as drawn:
        assert drawn() == "here"


def _drawn_by(parent: int) -> str:
    if os.getpid() != parent:
        os._exit(1)
    return "here"


def test_what_cannot_be_handed_over_is_drawn_here() -> None:
    with drawn_beside(lambda: os.getpid()) as drawn:  # noqa: PLW0108  # no process can be given a lambda
        assert drawn() == os.getpid()


def test_an_error_is_that_of_the_function() -> None:
    with drawn_beside(int, "no number") as drawn, pytest.raises(ValueError, match="no number"):
        drawn()


def test_with_one_core_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "available_cores", lambda: [0])
    with drawn_beside(os.getpid) as drawn:
        assert drawn() == os.getpid()
