"""`branchsweep diff` on a store."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from branchsweep.cli import main
from branchsweep.config.addresses import Address
from branchsweep.errors import EXIT_CODE
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.registry_protocols import PromotionDecision
from branchsweep.workflows.records.sweep_record import new_sweep_record
from contracts.tracking_records import example_candidate, register
from tiny_sweep import TinySweep, tiny_experiment


@pytest.fixture(scope="module")
def store(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Address:
    """A store with two sweeps, and two versions of a model, made of trials of the first."""
    folder = tmp_path_factory.mktemp("diff")
    uri = Address(f"sqlite:///{(folder / 'mlflow.db').write_bytes(mlflow_template.read_bytes()) and folder / 'mlflow.db'}")
    for name in ("first", "second"):
        experiment = tiny_experiment(name=name, search={"driver": "random", "trials": 6, "batch": 6}, seed=len(name))
        made = TinySweep(experiment)
        made.search()
        tracker = MlflowTracker.open(new_sweep_record(experiment, made.dataset, made.split), uri)
        tracker.record(made.tracker.recorded_results())
        if name == "first":
            for number, promoted in ((3, True), (4, False)):
                candidate = example_candidate(folder / str(number), "plant", number)
                register(tracker.tracking, candidate, PromotionDecision(promoted, "because", {}))
    return uri


def run(store: Address, *arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["branchsweep", "diff", *arguments, "--tracking-uri", str(store)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def test_two_trials_of_a_sweep(store: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, "first:0", "first:1", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["first"], printed["second"], printed["folds"]) == ("first:0", "first:1", 3)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_value_is_shortened_at_any_width(
    store: Address, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(store, "first:0", "second:1") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    for name in ("trunk.depth", "trunk.width", "learning_rate", "r2/PE", "r2/mean", "first:0", "second:1"):
        assert name in out
    assert "…" not in out


def test_equal_values_are_one_line_unless_all_are_asked_for(store: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, "first:0", "first:1") == 0
    assert "equal: " in capsys.readouterr().out
    assert run(store, "first:0", "first:1", "--all") == 0
    assert "equal: " not in capsys.readouterr().out


def test_champion_and_challenger_are_compared_by_their_trials(store: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, "plant@champion", "plant@challenger", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["first"], printed["second"]) == ("plant version 1", "plant version 2")
    trial = next(row for row in printed["facts"] if row["name"] == "trial")
    assert (trial["first"], trial["second"]) == ("3", "4")
    aliases = next(row for row in printed["evidence"] if row["name"] == "aliases")
    assert (aliases["first"], aliases["second"]) == ("champion", "challenger")


def test_a_version_is_compared_with_a_trial_by_its_run_id(store: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(store, "first:0", "first:1", "--json") == 0
    runs = next(row for row in json.loads(capsys.readouterr().out)["facts"] if row["name"] == "run")
    assert run(store, "models:/plant/2", runs["second"], "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["first"], printed["second"]) == ("plant version 2", "first:1")


def test_the_page_has_all_values_and_loads_nothing(store: Address, tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    assert run(store, "first:0", "first:1", "-o", str(page)) == 0
    text = page.read_text(encoding="utf-8")
    for expected in ("first:0", "first:1", "learning_rate", "r2/PE", "95% interval"):
        assert expected in text
    assert "<script" not in text and "http" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    "named",
    ["first", "first:99", "none:1", "zz", "0123abcd", "plant@best", "models:/plant/9", "none@champion", "models:/", "first:-1"],
)
def test_what_does_not_exist_ends_in_one_message(
    store: Address, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "diff.html"
    assert run(store, named, "first:0", "-o", str(page)) == EXIT_CODE
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and err.startswith("error: ")
    assert not page.exists()
