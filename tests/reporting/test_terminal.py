"""The progress display: plain lines in a pipe, a panel in a terminal."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.objectives import make_evaluator
from branchsweep.reporting.progress_state import format_clock, lane_epochs
from branchsweep.reporting.terminal import Terminal
from branchsweep.training.protocols import WorkerStatus
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from scores import head_score
from tiny_sweep import tiny_experiment


def head(r2: float) -> HeadScore:
    return head_score(r2, float("nan"), 1.0, 1.0)


def complete(number: int, r2: float) -> Result:
    return Result(Trial(number, {}), Score(Status.COMPLETE, value=r2, heads={"PE": head(r2)}))


def complete_with_two_heads(number: int, pe: float, v: float) -> Result:
    return Result(Trial(number, {}), Score(Status.COMPLETE, value=(pe + v) / 2, heads={"PE": head(pe), "V": head(v)}))


FAILED = Result(Trial(2, {}), Score(Status.FAILED, reason="diverged in [epoch] 3"))
PLAN = "12 lanes in 2 populations"
END_OF_SEARCH = "the search is over: patience"
QUESTION = "What does it show?"
PRUNED = Result(Trial(3, {}), Score(Status.PRUNED, value=0.9, heads={"PE": head(0.9)}, reason="pruned at rung 1"))


def four_trials(**search: object) -> Experiment:
    return tiny_experiment(search={"driver": "random", "trials": 4, "batch": 2, **search}, question=QUESTION)


def terminal_output(is_terminal: bool) -> str:
    out = io.StringIO()
    with Terminal(Console(file=out, force_terminal=is_terminal, width=100)) as progress:
        progress.on_search_begin(tiny_experiment(search={"driver": "random", "trials": 4}), [complete(0, 0.5)])
        progress.on_round_begin(4)
        progress.on_training_planned(30.0, PLAN)
        progress.on_trained(15.0)
        progress.on_trial_end(complete(1, 0.75))
        progress.on_trial_end(FAILED)
        progress.on_stage(END_OF_SEARCH)
    return out.getvalue()


def panel_text(progress: Terminal, width: int = 110) -> str:
    """The panel, as plain text."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(progress.panel())
    return out.getvalue()


def lines(text: str) -> list[str]:
    """The lines within the frame, with single spaces."""
    return [" ".join(line.strip("│ ").split()) for line in text.splitlines()[1:-1]]


def row(progress: Terminal, label: str) -> str:
    """The line of the panel that begins with this label, without it."""
    [line] = [line for line in lines(panel_text(progress)) if line.startswith(f"{label} ")]
    return line.removeprefix(f"{label} ")


def numbers(text: str) -> list[float]:
    """The numbers in a line, in their order (the 2 of R² is not one)."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def terminal() -> Terminal:
    return Terminal(Console(file=io.StringIO(), force_terminal=True, width=110, color_system=None))


def test_plain_lines_where_there_is_no_terminal() -> None:
    resumed, training, failed, stage = terminal_output(False).splitlines()
    assert numbers(resumed) == [1, 4]  # of four trials one is recorded
    assert training.endswith(PLAN)
    assert failed.startswith(f"trial {FAILED.trial.number} ") and failed.endswith(FAILED.score.reason)
    assert stage == END_OF_SEARCH


def test_plain_lines_show_the_workers_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("branchsweep.reporting.terminal.PLAIN_SECONDS", -1.0)
    out = io.StringIO()
    progress = Terminal(Console(file=out, width=100))
    progress.on_search_begin(four_trials(), [])
    progress.on_training_planned(30.0, PLAN)
    progress.on_worker_status(WorkerStatus(workers=2, training=2))
    progress.on_trained(15.0)
    progress.on_worker_status(WorkerStatus(workers=4, training=3, nodes=2, waiting=1))
    progress.on_trained(15.0)
    local, remote = [line for line in out.getvalue().splitlines() if "network-epochs/s" in line]
    assert "training" not in local
    assert numbers(remote.partition("network-epochs/s")[2]) == [3, 4, 2, 1]  # training, workers, nodes, populations waiting


def test_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert terminal_output(True) == terminal_output(False)


def test_panel_is_drawn_in_a_terminal_and_removed_at_the_end() -> None:
    live = terminal_output(True)
    assert "╭" in live
    assert live.endswith("\x1b[2K")  # the last line of the panel, erased
    assert FAILED.score.reason in live


def test_panel_shows_progress_and_the_best_trial() -> None:
    progress = terminal()
    progress.on_search_begin(four_trials(), [])
    progress.on_round_begin(2)
    progress.on_training_planned(30.0, PLAN)
    progress.on_trained(15.0)
    progress.on_trial_end(complete(0, 0.5))
    progress.on_trial_end(complete(1, 0.75))
    progress.on_trial_end(FAILED)
    progress.on_trial_end(PRUNED)
    assert row(progress, "question") == QUESTION
    trials = row(progress, "trials")
    assert "4/4 trials" in trials and "left" in trials
    round_in_training = row(progress, "round")
    assert PLAN in round_in_training and numbers(round_in_training) == [1, 2, *numbers(PLAN), 50]  # the last is a percentage
    assert row(progress, "finished") == "2 complete, 1 pruned, 1 failed"
    best = row(progress, "best")
    assert numbers(best) == [0.75, 1, 0.75] and "trial 1: PE 0.7500" in best
    history = row(progress, "history")
    assert history.startswith("▁███ ") and numbers(history) == [0.5, 0.75]
    assert any(line.endswith("network-epochs/s") for line in lines(panel_text(progress)))


def test_panel_shows_the_best_trial_of_each_head() -> None:
    progress = terminal()
    progress.on_search_begin(four_trials(), [complete_with_two_heads(0, 0.9, 0.2), complete_with_two_heads(1, 0.8, 0.7)])
    progress.on_trial_end(complete_with_two_heads(2, 0.9, 0.1))
    best, best_by_head = row(progress, "best"), row(progress, "per head")
    assert numbers(best) == [0.75, 1, 0.8, 0.7] and "trial 1: PE 0.8000 V 0.7000" in best
    assert best_by_head == "PE 0.9000 (trial 0) V 0.7000 (trial 1)"


def test_panel_after_the_search_shows_the_stage_and_its_progress() -> None:
    progress = terminal()
    progress.on_search_begin(four_trials(), [complete(0, 0.5)])
    progress.on_round_begin(2)
    progress.on_training_planned(10.0, "something")
    progress.on_trained(10.0)
    progress.on_stage(END_OF_SEARCH)
    text = panel_text(progress)
    assert END_OF_SEARCH in text
    assert "trials" not in text and "left" not in text and "network-epochs/s" not in text
    assert "1 complete" in text
    progress.on_training_planned(40.0, PLAN)
    progress.on_trained(10.0)
    text = panel_text(progress)
    assert PLAN in text
    assert " 25% " in text and "about" in text


def test_panel_without_a_search_shows_progress() -> None:
    """As in a comparison, which plans and trains, but begins no search."""
    progress = terminal()
    progress.on_training_planned(40.0, "a quarter")
    progress.on_training_planned(40.0, PLAN)
    progress.on_trained(20.0)
    text = panel_text(progress)
    assert PLAN in text and " 25% " in text and "network-epochs/s" in text
    progress.on_trained(60.0)
    progress.on_training_planned(10.0, "the rest")
    assert " 0% " in panel_text(progress)


@pytest.mark.parametrize("width", [30, 60, 200])
def test_panel_fits_into_any_width(width: int) -> None:
    progress = Terminal(Console(file=io.StringIO(), force_terminal=True, width=width))
    progress.on_search_begin(four_trials(), [complete_with_two_heads(0, 0.9, 0.2), complete_with_two_heads(1, 0.8, 0.7)])
    progress.on_training_planned(40.0, "very many lanes in a great number of populations, to epoch 1000 of 2000")
    panel_lines = panel_text(progress, width).splitlines()
    assert {len(line) for line in panel_lines} == {min(width, 110)}


def test_lane_epochs_of_a_round_by_phase() -> None:
    unpruned = tiny_experiment(fit={"epochs": 10}, validation={"method": "k_fold", "folds": 3}, pruning={"rungs": []})
    assert lane_epochs(unpruned, 8) == [8 * 3 * 10]
    pruned = unpruned.model_copy(update={"pruning": unpruned.pruning.model_copy(update={"rungs": [2, 4], "keep": 0.5})})  # type: ignore[union-attr]
    assert lane_epochs(pruned, 8) == [8 * 3 * 2, 4 * 3 * 2, 2 * 3 * 6]


def test_remaining_lane_epochs_include_phases_and_rounds_to_come() -> None:
    experiment = tiny_experiment(
        search={"driver": "random", "trials": 20, "batch": 8}, fit={"epochs": 10}, pruning={"rungs": [2], "keep": 0.5}
    )
    phases, last = lane_epochs(experiment, 8), lane_epochs(experiment, 4)
    progress = terminal()
    progress.on_search_begin(experiment, [])
    progress.on_round_begin(8)
    progress.on_training_planned(phases[0], "the first phase")
    assert progress._search.to_come == phases[1] + sum(phases) + sum(last)
    progress.on_training_planned(phases[1], "the second phase")
    assert progress._search.to_come == sum(phases) + sum(last)
    progress.on_round_begin(8)
    progress.on_training_planned(phases[0], "the first phase", 1)
    assert progress._search.to_come == phases[1] + sum(last)
    for number in range(16):
        progress.on_trial_end(complete(number, 0.5))
    assert progress._search.to_come == sum(last)
    progress.on_round_begin(4)
    progress.on_training_planned(last[0], "the first phase", 2)
    assert progress._search.to_come == last[1]
    assert progress._search.rounds == 3


def test_resumed_search_continues_the_interrupted_round() -> None:
    experiment = tiny_experiment(search={"driver": "random", "trials": 20, "batch": 8})
    progress = terminal()
    progress.on_search_begin(experiment, [complete(number, 0.5) for number in range(11)])
    progress.on_round_begin(8)
    assert (progress._search.under_way, progress._search.rounds) == ([2], 3)


def test_a_small_first_round_is_counted_as_a_round() -> None:
    experiment = tiny_experiment(search={"driver": "random", "trials": 20, "batch": 8, "first_batch": 2})
    progress = terminal()
    progress.on_search_begin(experiment, [complete(number, 0.5) for number in range(11)])
    progress.on_round_begin(8)
    assert (progress._search.under_way, progress._search.rounds) == ([3], 4)


def test_rounds_under_way_at_the_same_time_are_shown_together() -> None:
    """Also after an interruption in two rounds: the search resumes at the first missing trial."""
    experiment = tiny_experiment(search={"driver": "random", "trials": 40, "batch": 8, "pending_rounds": 2})
    progress = terminal()
    progress.on_search_begin(experiment, [complete(number, 0.5) for number in (*range(13), *range(16, 23))])
    progress.on_round_begin(8)
    progress.on_training_planned(9.0, "9 lanes", 1)
    assert numbers(row(progress, "round")) == [2, 5, 9, 0]  # of how many, lanes, percent
    progress.on_round_begin(8)
    progress.on_training_planned(3.0, "3 lanes", 2)
    assert row(progress, "round").startswith("2 and 3 of 5")
    progress.on_round_begin(8)
    assert row(progress, "round").startswith("2 to 4 of 5")
    for number in (13, 14, 15, 23):
        progress.on_trial_end(complete(number, 0.5))
    assert progress._search.under_way == [4]


def test_panel_shows_the_workers() -> None:
    progress = terminal()
    progress.on_search_begin(four_trials(), [])
    progress.on_round_begin(2)
    progress.on_training_planned(30.0, PLAN)
    progress.on_worker_status(WorkerStatus(workers=2, training=2, waiting=5))
    assert numbers(row(progress, "workers")) == [2, 2, 5]  # training, all, populations that wait
    progress.on_worker_status(WorkerStatus(workers=4, training=3, nodes=2))
    assert numbers(row(progress, "workers")) == [3, 4, 2]  # training, all, nodes
    progress.on_worker_status(WorkerStatus(workers=1, training=1, waiting=1, nodes=1))
    assert numbers(row(progress, "workers")) == [1, 1, 1, 1]
    progress.on_stage(END_OF_SEARCH)
    assert "workers" not in panel_text(progress)


@pytest.mark.parametrize(
    "objective",
    [
        {},
        {"maximize": ["r2/PE", "r2/V"]},
        {"maximize": ["r2/PE"], "constraints": ["r2/V >= 0.5"]},
        {"maximize": ["mean_r2"], "constraints": ["r2/V >= 1.0 * small"]},
    ],
)
def test_best_so_far_is_the_best_of_all_results_so_far(objective: dict[str, Sequence[str]]) -> None:
    """Also when the bound of a constraint becomes known only after other results."""
    experiment = four_trials().model_copy(update={"objective": type(four_trials().objective).model_validate(objective)})
    results = [
        complete_with_two_heads(number, math.sin(7.0 * number) ** 2, math.sin(3.0 * number) ** 2) for number in range(1, 40)
    ]
    results.insert(20, Result(Trial(0, {}, known="small"), complete_with_two_heads(0, 0.2, 0.6).score))
    progress = terminal()
    progress.on_search_begin(experiment, results[:5])
    for count, result in enumerate(results[5:], 6):
        progress.on_trial_end(result)
        assert progress._search.best == make_evaluator(experiment.objective, results[:count]).best(results[:count])


def test_format_clock() -> None:
    assert [format_clock(seconds) for seconds in (0.4, 65, 3600 + 62)] == ["0:00", "1:05", "1:01:02"]
