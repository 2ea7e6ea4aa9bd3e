"""Messages and progress below the cell of a notebook."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import pytest
from rich.text import Text

from branchsweep.reporting.notebook_interface import LivePanel, NotebookInterface, notebook_display, panel_html, user_interface
from branchsweep.reporting.terminal_interface import TerminalInterface
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from tiny_sweep import tiny_experiment


def test_the_progress_of_a_search_is_shown_as_html_and_removed_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    with NotebookInterface(lambda: shown.append).progress() as progress:
        progress.on_search_begin(tiny_experiment(), [])
        progress.on_round_begin(8)
        heads = {head: HeadScore(0.5, 0.1) for head in ("PE", "V")}
        progress.on_trial_end(Result(Trial(0, {"trunk.depth": 1}), Score(Status.COMPLETE, 0.5, 0.1, heads)))
        deadline = time.monotonic() + 10
        while not shown and time.monotonic() < deadline:
            time.sleep(0.05)
        progress.on_message("a message")
    assert "1/20 trials" in shown[0] and shown[0].startswith("<pre") and shown[-1] == ""
    assert capsys.readouterr().out == "a message\n"


def test_text_of_the_user_is_escaped() -> None:
    assert "&lt;b&gt;" in panel_html(Text("<b>"))


def test_a_panel_that_is_stopped_at_once_is_removed() -> None:
    shown: list[str] = []
    panel = LivePanel(lambda: Text("now"), shown.append)
    panel.start()
    panel.stop()
    assert shown[-1] == ""


def test_outside_of_a_notebook_progress_is_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notebook_display() is None and isinstance(user_interface(), TerminalInterface)
    terminal = ModuleType("IPython")
    terminal.get_ipython = object  # type: ignore[attr-defined]  # as IPython in a terminal: a shell without a kernel
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert notebook_display() is None
