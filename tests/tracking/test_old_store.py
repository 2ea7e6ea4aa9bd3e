"""A store that an earlier version wrote is shown, resumed, promoted from and replayed by this one."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import branchsweep
from branchsweep.cli import main
from branchsweep.cli.watch import RecordedSweepReading
from branchsweep.config.addresses import Address
from branchsweep.reporting.pages.sweep_page import render_sweep_page
from branchsweep.tracking.open import open_recorded_comparison, open_recorded_sweep
from branchsweep.workflows.records.replay_result import Agreement
from branchsweep.workflows.records.report_tables import recorded_report
from branchsweep.workflows.records.sweep_summary import SweepSummary
from fixtures.old_store import ARCHIVE, expected, trials_in, unpack

EXACT = 1e-12
"""Relative tolerance of numbers that are only read."""

TRAINED = 1e-3
"""Relative tolerance of numbers that are trained again, perhaps on another processor than that of the store."""


class OldStore:
    """The unpacked store, and commands that are run on it in its folder.

    Args:
        folder: Into which the archive was unpacked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "mlflow.db"
        self.uri = f"sqlite:///{self.database}"
        self.expected: Mapping[str, Any] = expected(folder)

    def run(self, *arguments: str) -> str:
        """The standard output of a command that succeeds."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            patch.setattr(sys, "argv", ["branchsweep", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        assert (ended.value.code or 0) == 0, err.getvalue()
        return out.getvalue()

    def json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> OldStore:
    folder = tmp_path_factory.mktemp("old")
    unpack(ARCHIVE, folder)
    return OldStore(folder)


@pytest.fixture
def store(tmp_path: Path) -> OldStore:
    """A copy to write into."""
    unpack(ARCHIVE, tmp_path)
    return OldStore(tmp_path)


RENAMED = {
    "measured": "contestants",
    "contrasts": "differences",
    "answer": "conclusions",
    "what": "description",
    "failed": "failure",
    "figure": "head",
    "one": "contestant",
    "other": "reference",
    "titles": "aliases",
    "reigns": "tenures",
}
"""The present names of keys in JSON that the earlier version called otherwise."""


def assert_contains(data: Any, recorded: Any, tolerance: float = EXACT, ignored_keys: tuple[str, ...] = ()) -> None:
    """Data has all that was recorded, and perhaps more keys.

    Args:
        data: JSON data of this version.
        recorded: That of the earlier version.
        tolerance: Of numbers, relative to them.
        ignored_keys: Keys that are not compared.
    """
    if isinstance(recorded, dict):
        for key in recorded.keys() - set(ignored_keys):
            present = key if key in data else RENAMED[key]
            assert_contains(data[present], recorded[key], tolerance, ignored_keys)
    elif isinstance(recorded, list):
        assert len(data) == len(recorded)
        for item, recorded_item in zip(data, recorded, strict=True):
            assert_contains(item, recorded_item, tolerance, ignored_keys)
    elif isinstance(recorded, float):
        assert data == pytest.approx(recorded, rel=tolerance, abs=tolerance / 10)
    else:
        assert data == recorded


def test_sweeps_and_comparisons_are_listed(unpacked: OldStore) -> None:
    listed = unpacked.json("show")
    assert_contains(listed, unpacked.expected["list"], ignored_keys=("status",))
    assert {sweep["name"]: sweep["status"] for sweep in listed["sweeps"]} == {
        "finished": "FINISHED",
        "interrupted": "INTERRUPTED",
    }


@pytest.mark.parametrize("sweep", ["finished", "interrupted"])
def test_the_trials_of_a_sweep_are_shown(unpacked: OldStore, sweep: str) -> None:
    assert_contains(unpacked.json("show", sweep), unpacked.expected[sweep])


@pytest.mark.parametrize("kind", ["finished_trial", "pruned_trial"])
def test_a_trial_is_shown(unpacked: OldStore, kind: str) -> None:
    recorded = unpacked.expected[kind]
    assert_contains(unpacked.json("show", "finished", str(recorded["trial"])), recorded)


def test_a_sweep_has_a_report_and_a_live_page(unpacked: OldStore) -> None:
    reading = RecordedSweepReading.of(Address(unpacked.uri), "finished")
    conclusion = reading.first.conclusion
    assert conclusion is not None and reading.read().state == "finished"
    report = recorded_report(reading.first, reading.experiment, SweepSummary.loads(conclusion.summary))
    page = render_sweep_page(report, [], has_plotly=False)
    bias = report.summary.selection_bias
    assert f"{bias.shift['mean']:+.4f}" in page and report.summary.run_id in page
    assert [run for run in report.links.comparisons if run.startswith("compared")]


def test_a_comparison_is_shown(unpacked: OldStore) -> None:
    assert_contains(unpacked.json("show", "compared"), unpacked.expected["compared"])
    result = open_recorded_comparison(Address(unpacked.uri), "compared").conclusion
    assert result is not None
    assert result.run_id == unpacked.expected["compared"]["run_id"]


def test_the_history_of_a_registered_model_is_shown(unpacked: OldStore) -> None:
    assert_contains(unpacked.json("history", "finished"), unpacked.expected["history"])


def test_the_summary_of_a_finished_sweep_is_read(unpacked: OldStore) -> None:
    conclusion = open_recorded_sweep(Address(unpacked.uri), "finished").conclusion
    assert conclusion is not None
    assert conclusion.metrics["test_r2/mean"] == unpacked.expected["history"]["versions"][0]["test"]["test_r2/mean"]
    assert json.loads(conclusion.summary)["sweep"] == "finished"
    assert open_recorded_sweep(Address(unpacked.uri), "interrupted").conclusion is None


def test_the_registered_model_predicts_what_it_predicted(unpacked: OldStore, tmp_path: Path) -> None:
    output = tmp_path / "predicted.csv"
    unpacked.run("predict", "models:/finished@champion", "table.csv", "-o", str(output))
    predicted = list(csv.DictReader(output.read_text(encoding="utf-8").splitlines()))
    recorded = list(csv.DictReader(unpacked.expected["predictions"]))
    assert len(predicted) == len(recorded)
    for row, recorded_row in zip(predicted, recorded, strict=True):
        assert {name: float(value) for name, value in row.items()} == pytest.approx(
            {name: float(value) for name, value in recorded_row.items()}, rel=1e-5
        )


def test_the_registered_model_is_loaded_in_python(unpacked: OldStore) -> None:
    """Models of the first version lie without the code of their encoders."""
    table = pd.read_csv(unpacked.folder / "table.csv")
    recorded = list(csv.DictReader(unpacked.expected["predictions"]))
    for model in (
        branchsweep.load_model("models:/finished@champion", unpacked.uri),
        branchsweep.load_sweep("finished", unpacked.uri).best_model,
    ):
        predicted = model.predict(table)
        for head in predicted.columns:
            assert predicted[head].to_list() == pytest.approx([float(row[head]) for row in recorded], rel=1e-5)


@pytest.mark.slow
def test_a_trial_is_replayed(unpacked: OldStore) -> None:
    recorded = unpacked.expected["replay"]
    replay = unpacked.json("replay", "finished", "--workers", "1", "--trial", str(recorded["trial"]))
    assert replay["agreement"] in {Agreement.EQUAL, Agreement.WITHIN}
    assert replay["params"] == recorded["params"]
    assert [(metric["name"], metric["epoch"], metric["recorded"]) for metric in replay["metrics"]] == [
        (metric["name"], metric["epoch"], metric["recorded"]) for metric in recorded["figures"]
    ]


def test_a_finished_sweep_is_not_run_again(store: OldStore) -> None:
    before = trials_in(store.database, "finished")
    summary = store.json("run", "finished.yaml")
    assert (summary["sweep"], summary["run_id"]) == ("finished", store.expected["finished"]["run_id"])
    assert trials_in(store.database, "finished") == before


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_as_if_it_had_not_been_interrupted(store: OldStore) -> None:
    before = trials_in(store.database, "interrupted")
    summary = store.json("run", "interrupted.yaml", "--workers", "1")
    assert summary["run_id"] == store.expected["interrupted"]["run_id"]
    after, uninterrupted = trials_in(store.database, "interrupted"), store.expected["uninterrupted_trials"]
    assert {number: after[number] for number in before} == before
    assert [str(number) for number in after] == list(uninterrupted)
    for number, trial in after.items():
        recorded = uninterrupted[str(number)]
        assert trial["params"].items() >= recorded["params"].items()
        assert trial["tags"]["status"] == recorded["tags"]["status"]
        assert_contains(trial["metrics"], recorded["metrics"], TRAINED)


@pytest.mark.slow
def test_a_trial_is_promoted_against_the_champion(store: OldStore) -> None:
    store.run("promote", "finished", "--workers", "1", "--trial", "2")
    history = store.json("history", "finished")
    assert [version["trial"] for version in history["versions"]] == [2, 4]
    assert_contains(history["versions"][1], store.expected["history"]["versions"][0], ignored_keys=("titles",))
    assert any("champion" in version["aliases"] for version in history["versions"])
