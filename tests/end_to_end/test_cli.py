"""The commands on a real table and a real store, in a process of their own where that matters.

It matters where a process starts, is killed, serves, or imports TensorFlow, which prints messages. Other commands run in this
process, which saves the seconds of their imports.
"""

from __future__ import annotations

import importlib.util
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from branchsweep.cli import main
from branchsweep.cli.context import resolve_workers
from branchsweep.cli.options import INTERRUPTED, INTERRUPTED_MESSAGE
from branchsweep.config.addresses import Address
from branchsweep.config.codec import from_data
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.workers import LocalWorkersConfig, RayWorkersConfig, Workers
from branchsweep.errors import EXIT_CODE, UserError
from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.models import conversion, serving
from branchsweep.models.recipe import Recipe
from branchsweep.workflows.session import Session, workers_of
from store_readers import assert_readers_agree
from tiny_sweep import tiny_experiment

ROOT = Path(__file__).parents[2]

COLUMNS = "160"
"""The width of the terminal of every command."""

SPACE = """\
dimensions:
  trunk.depth: {type: int, low: 1, high: 3}
  trunk.width: {type: int, low: 4, high: 8}
  cost.depth: {type: int, low: 0, high: 2}
  learning_rate: {type: float, low: 1.0e-3, high: 1.0e-1, log: true}
  activation: {type: choice, choices: [relu, tanh]}
fixed: {batch_size: 32}
"""

EXPERIMENT = """\
name: three
question: Does a table with three heads and other columns sweep with YAML alone?
table: {source: plant.csv, inputs: [load, wind]}
heads:
  heat: {unit: MW}
  steam: {column: steam flow, unit: t/h, loss: mae}
  cost: {unit: EUR}
space: space.yaml
search: {driver: optuna, trials: 12, batch: 4, initial_trials: {plain: {trunk.depth: 1}}}
fit: {epochs: 8}
validation: {method: k_fold, folds: 2}
baselines: [linear_regression]
confirmation: {trials: 2, folds: 2, seeds: 1}
promotion: {model: plant}
"""

TWO_INITIAL_TRIALS = "search.initial_trials={plain: {trunk.depth: 1}, other: {cost.depth: 0}}"


@dataclass(frozen=True)
class Workspace:
    """A working directory of commands, with a table, a search space and an experiment."""

    folder: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "branchsweep", *arguments],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": COLUMNS, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, exit_code: int = 0) -> tuple[str, str]:
        """Run a command in this process; its standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            patch.setenv("COLUMNS", COLUMNS)
            patch.setattr(sys, "argv", ["branchsweep", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        assert (ended.value.code or 0) == exit_code, err.getvalue()
        assert "Traceback" not in err.getvalue()
        return out.getvalue(), err.getvalue()

    def run_alone(self, *arguments: str, exit_code: int = 0) -> tuple[str, str]:
        """Run a command in a process of its own; its standard output and standard error."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=240)
        assert process.returncode == exit_code, err
        assert "Traceback" not in err
        return out, err

    def error(self, *arguments: str) -> str:
        """Run a command that ends with a user error: exit code 2 and no result. Its message, which begins with `where`."""
        out, err = self.run(*arguments, exit_code=EXIT_CODE)
        assert out == ""
        (message,) = (line.removeprefix("error: ") for line in err.splitlines() if line.startswith("error: "))
        return message

    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def runs(self, role: str) -> list[Any]:
        client = self.client()
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiments, f"tags.`branchsweep.role` = '{role}'"))


def make_workspace(folder: Path) -> Workspace:
    random = np.random.default_rng(0)
    load, wind = random.uniform(0, 1, 240), random.normal(size=240)
    frame = pd.DataFrame(
        {
            "hour": np.arange(240),
            "load": load,
            "wind": wind,
            "heat": 40 * np.sin(3 * load) + wind,
            "steam flow": 7 * load - wind**2,
            "cost": 100 + 30 * load * wind,
        }
    )
    frame.to_csv(folder / "plant.csv", index=False)
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    (folder / "three.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return Workspace(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, Any], str]:
    """A finished sweep, its JSON summary, and its standard error."""
    workspace = make_workspace(tmp_path_factory.mktemp("workspace"))
    out, err = workspace.run_alone("run", "three.yaml", "--workers", "1", "--json")
    return workspace, json.loads(out), err


def test_standard_output_is_one_json_object_of_the_promised_form(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    _, summary, err = finished
    assert set(summary) >= {"sweep", "run_id", "data", "trials", "finalist", "test", "registered", "seconds", "stages"}
    assert list(summary["stages"])[:4] == ["start", "table", "store", "search"] and list(summary["stages"])[-1] == "report"
    assert sum(summary["stages"].values()) == pytest.approx(summary["seconds"])
    assert summary["sweep"] == "three"
    assert summary["data"]["source"] == "file" and summary["data"]["rows"] == 240 and len(summary["data"]["digest"]) == 64
    assert summary["trials"] == {"complete": 6, "pruned": 6, "failed": 0}  # rounds of four, halved after epoch 3 of 8
    assert set(summary["finalist"]["r2"]) == {"heat", "steam", "cost", "mean"}
    assert set(summary["test"]["r2"]) == {"heat", "steam", "cost"}
    assert summary["registered"]["model"] == "plant" and summary["registered"]["promoted"] is True
    assert err, "progress is on standard error"


def test_the_store_holds_the_sweep_and_every_trial(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    (parent,) = workspace.runs("sweep")
    assert parent.info.run_id == summary["run_id"] and parent.info.status == "FINISHED"
    tags = parent.data.tags
    assert tags["branchsweep.data_digest"] == summary["data"]["digest"]
    assert {"branchsweep.data_source", "branchsweep.split_digest", "branchsweep.version_tensorflow"} <= set(tags)
    assert parent.data.metrics["test_r2/cost"] == pytest.approx(summary["test"]["r2"]["cost"])
    files = {entry.path for entry in workspace.client().list_artifacts(parent.info.run_id)}
    assert {"experiment.yaml", "summary.json"} <= files
    trials = workspace.runs("trial")
    assert sorted(int(run.data.tags["branchsweep.trial"]) for run in trials) == list(range(12))
    for run in trials:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        pruned = run.data.tags["branchsweep.status"] == "PRUNED"
        assert pruned or run.data.tags["branchsweep.status"] == "COMPLETE"
        assert bool(run.data.tags.get("branchsweep.reason")) == pruned
        ended = tuple(run.data.tags.get(f"branchsweep.{name}") for name in ("cause", "ended_at"))
        assert ended == (("pruned", "3") if pruned else (None, None))
        assert set(json.loads(run.data.tags["branchsweep.rungs"])) == {"3"}
        assert run.data.metrics["epochs"] == (3 if pruned else 8)
        expected = {
            f"{kind}/{head}" for kind in ("r2", "r2_se", "rmse", "mae", "curve_r2") for head in ("heat", "steam", "cost")
        }
        assert expected | {"r2/mean"} <= set(run.data.metrics)
        assert run.data.metrics["r2_se/heat"] > 0
    best = next(run for run in trials if int(run.data.tags["branchsweep.trial"]) == summary["finalist"]["trial"])
    assert best.data.metrics["r2/mean"] == pytest.approx(summary["finalist"]["r2"]["mean"])
    (plots,) = workspace.client().list_artifacts(
        best.info.run_id
    )  # the figure of its predictions, as it was among the confirmed trials
    (picture,) = workspace.client().list_artifacts(best.info.run_id, plots.path)
    assert picture.path == "plots/predicted_against_actual.png" and picture.file_size > 1000
    curve = workspace.client().get_metric_history(best.info.run_id, "curve_r2/heat")
    assert [point.step for point in curve] == list(range(1, 9))


def test_the_champion_predicts_raw_units_from_a_raw_table(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    workspace.run_alone("predict", "models:/plant@champion", "plant.csv", "-o", "out.csv")
    predicted, table = pd.read_csv(workspace.folder / "out.csv"), pd.read_csv(workspace.folder / "plant.csv")
    assert list(predicted.columns) == [
        "hour",
        "load",
        "wind",
        "heat_actual",
        "steam flow",
        "cost_actual",
        "heat",
        "steam",
        "cost",
    ]
    from sklearn.model_selection import train_test_split

    _, test = train_test_split(np.arange(240), test_size=0.2, random_state=1)
    residual = (predicted["cost"] - table["cost"]).to_numpy()[test]
    actual = table["cost"].to_numpy()[test]
    r2 = 1 - (residual**2).sum() / ((actual - actual.mean()) ** 2).sum()
    assert r2 == pytest.approx(summary["test"]["r2"]["cost"], abs=1e-4)


def test_predictions_of_an_earlier_output_have_names_of_their_own(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    pd.read_csv(workspace.folder / "plant.csv").to_excel(workspace.folder / "plant.xlsx", sheet_name="May", index=False)
    workspace.run("predict", "models:/plant@champion", "plant.xlsx", "--sheet", "0", "-o", "once.csv")
    workspace.run("predict", "models:/plant@champion", "once.csv", "-o", "twice.csv")
    once, twice = (pd.read_csv(workspace.folder / name) for name in ("once.csv", "twice.csv"))
    assert list(twice.columns) == [*once.columns, "heat_predicted", "steam_predicted", "cost_predicted"]
    np.testing.assert_array_equal(twice["heat_predicted"], once["heat"])


def test_predict_is_told_how_a_csv_file_is_written(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    table = pd.read_csv(workspace.folder / "plant.csv")
    table.to_csv(workspace.folder / "carets.csv", sep="^", decimal=",", index=False)
    workspace.run("predict", "models:/plant@champion", "plant.csv", "-o", "known.csv")
    workspace.run("predict", "models:/plant@champion", "carets.csv", "--csv", "separator=^", "-o", "told.csv")
    known, told = (pd.read_csv(workspace.folder / name) for name in ("known.csv", "told.csv"))
    pd.testing.assert_frame_equal(known, told)


def test_predict_warns_of_rows_outside_the_range_of_training_rows(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    rows = pd.DataFrame({"load": [0.5, 3.0], "wind": [0.0, 0.0]})
    rows.to_csv(workspace.folder / "new.csv", index=False)
    _, err = workspace.run("predict", "models:/plant@champion", "new.csv", "-o", "warned.csv", "--warn")
    assert re.findall(r"\d+", err) == ["2", "1"], "rows, and those outside"
    assert pd.read_csv(workspace.folder / "warned.csv")["outside"].tolist() == [False, True]


def test_the_champion_is_exported_as_a_keras_file_and_as_a_script(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    folder = workspace.folder / "exported"
    folder.mkdir()
    _, err = workspace.run("export", "models:/plant@champion", "--format", "keras", "-o", "exported/plant.keras")
    assert "serving.json" in err and "encoder_affine.py" in err
    manifest = json.loads((folder / "serving.json").read_text(encoding="utf-8"))
    assert manifest["inputs"] == ["load", "wind"]
    assert manifest["provenance"]["columns"]["steam"] == "steam flow"
    message = workspace.error("export", "models:/plant@champion", "--format", "keras", "-o", "exported/other.keras")
    assert message.startswith("exported/serving.json: ") and "plant.keras" in message
    workspace.run("export", "models:/plant@champion", "--format", "code", "-o", "exported/plant.py")
    command = [sys.executable, "exported/plant.py", "plant.csv"]
    done = subprocess.run(command, cwd=workspace.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parameters = from_data(Recipe, manifest["members"][0]["recipe"]).architecture.parameters(2)
    assert f" {parameters:,} " in done.stdout
    assert set(re.findall(r"^(\w+): R2 -?\d+\.\d{4}\b", done.stdout, re.MULTILINE)) == {"heat", "steam", "cost"}
    assert {file.name for file in folder.iterdir()} == {"plant.keras", "serving.json", "encoder_affine.py", "plant.py"}
    shutil.move(folder / "plant.keras", folder / serving.MODEL_FILE)
    predicted = serving.Predictor(folder).predict(pd.DataFrame({"load": [50.0], "wind": [5.0]}))
    assert np.isfinite(predicted[["heat", "steam", "cost"]].to_numpy()).all()


@pytest.mark.slow
def test_the_champion_is_exported_for_programs_without_keras(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    folder = workspace.folder / "portable"
    folder.mkdir()
    (folder / "serving.py").write_text("mine = True\n", encoding="utf-8")
    message = workspace.error("export", "models:/plant@champion", "--format", "tflite", "-o", "portable/plant.tflite")
    assert message.startswith("portable/serving.py: ")
    assert [file.name for file in folder.iterdir()] == ["serving.py"], "nothing was written"
    (folder / "serving.py").unlink()
    formats = ["tflite", *(["onnx"] if importlib.util.find_spec("tf2onnx") else []), "keras"]
    for kind in formats:
        _, err = workspace.run("export", "models:/plant@champion", "--format", kind, "-o", f"portable/plant.{kind}")
        assert len(err.splitlines()) == 1
    names = {*(f"plant.{kind}" for kind in formats), "serving.json", "encoder_affine.py", "serving.py"}
    assert {file.name for file in folder.iterdir()} == names
    row = pd.DataFrame({"load": [50.0], "wind": [5.0]})
    expected, *found = [serving.Predictor(folder, f"plant.{kind}").predict(row) for kind in reversed(formats)]
    for other in found:
        pd.testing.assert_frame_equal(other, expected, rtol=conversion.TOLERANCE)


def test_a_finished_sweep_is_printed_from_the_store(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    out, err = workspace.run("run", "three.yaml", "--json")
    assert json.loads(out) == summary
    assert "--fresh" in err
    assert len(workspace.runs("trial")) == 12


def test_a_sweep_that_another_process_runs_is_an_error_unless_taken_over(
    finished: tuple[Workspace, dict[str, Any], str],
) -> None:
    workspace, summary, _ = finished
    holder = {"user": "bob", "host": "elsewhere", "pid": 7, "token": "t", "since": time.time() - 60}
    workspace.client().set_tag(summary["run_id"], "branchsweep.holder", json.dumps(holder))
    message = workspace.error("run", "three.yaml")
    assert all(part in message for part in ("three", summary["run_id"][:8], "bob@elsewhere", "pid 7", "--take-over"))
    out, err = workspace.run("run", "three.yaml", "--take-over", "--json")
    assert json.loads(out) == summary
    assert "bob@elsewhere" in err
    assert "branchsweep.holder" not in workspace.client().get_run(summary["run_id"]).data.tags


def test_report_writes_the_same_report_again_from_the_store(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    client, folder = workspace.client(), workspace.folder
    files_of_run = client.list_artifacts(summary["run_id"])
    names = {entry.path for entry in files_of_run}
    assert {"report.html", "leaderboard.csv", "predictions.csv", "plots"} <= names and "interactive.html" not in names
    _, err = workspace.run("report", "three", "-o", "again.html")
    assert "again.html" in err
    page = (folder / "again.html").read_text(encoding="utf-8")
    first = client.download_artifacts(summary["run_id"], "report.html", str(folder))
    assert page == Path(first).read_text(encoding="utf-8")
    assert f"{summary['test']['r2']['heat']:.3f}" in page
    workspace.run("report", "three", "-o", "pages", "--interactive")
    assert (folder / "pages" / "interactive.html").stat().st_size > 1_000_000
    assert (folder / "pages" / "report.html").read_text(encoding="utf-8") == page
    assert (folder / "pages" / "plots" / "optimization_history.png").read_bytes().startswith(b"\x89PNG")
    assert workspace.error("report", "three", "-o", "nowhere/again.html").startswith("nowhere/again.html: ")


def test_show_lists_the_sweeps_and_the_best_trials(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    out, _ = workspace.run("show")
    assert "three" in out and summary["run_id"][:8] in out
    out, _ = workspace.run("show", "three", "--most", "3")
    first = out.splitlines()[2].split()
    assert int(first[0]) == summary["finalist"]["trial"]
    assert "r2/steam" in out
    message = workspace.error("show", "thre")
    assert "'thre'" in message and "'three'" in message
    data = json.loads(workspace.run("show", "--json")[0])
    assert [(entry["name"], entry["trials"]) for entry in data["sweeps"]] == [("three", summary["trials"])]


COMPARISON = """\
name: shared
experiment: three.yaml
contestants:
  branched: {kind: network}
  single: {kind: single, fixed: {trunk.depth: 1, trunk.width: 8, learning_rate: 0.01}}
  linear: {kind: estimator, estimator: linear_regression}
  chain: {kind: estimator, estimator: linear_regression, chain: [cost, heat, steam]}
budget: {trials: 3}
"""


@pytest.mark.slow
def test_a_comparison_is_printed_reported_recorded_and_printed_again(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    folder, client = workspace.folder, workspace.client()
    (folder / "shared.yaml").write_text(COMPARISON, encoding="utf-8")
    out, err = workspace.run("compare", "shared.yaml", "--workers", "1", "-o", "shared.html")
    assert [line.partition(": ")[0] for line in err.splitlines()[:2]] == ["table", "halves"]
    contestants = ["branched", "single", "linear", "chain"]
    assert all(name in out for name in contestants)
    page = (folder / "shared.html").read_text(encoding="utf-8")
    (parent,) = workspace.runs("comparison")
    assert parent.info.status == "FINISHED" and parent.data.tags["branchsweep.answer"].splitlines()[0] in out.replace("\n", " ")
    files = {entry.path for entry in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "comparison.md", "summary.csv", "halves.csv", "plots", "findings.json", "comparison.yaml"} <= files
    assert Path(client.download_artifacts(parent.info.run_id, "report.html", str(folder))).read_text(encoding="utf-8") == page
    runs = {run.info.run_name: run for run in workspace.runs("contestant")}
    assert set(runs) == set(contestants)
    assert all({"r2/heat", "r2/mean", "rmse/cost", "latency_ms"} <= set(run.data.metrics) for run in runs.values())
    output_again, err = workspace.run("compare", "shared.yaml")
    assert output_again == out and "--fresh" in err
    assert [run.info.run_id for run in workspace.runs("comparison")] == [parent.info.run_id]
    assert {run.info.run_id for run in workspace.runs("contestant")} == {run.info.run_id for run in runs.values()}
    assert workspace.run("show", "shared")[0] == out
    workspace.run("report", "shared", "-o", "again.html")
    again = (folder / "again.html").read_text(encoding="utf-8")
    assert again == page.replace("branchsweep compare shared.yaml", "branchsweep compare comparison.yaml")
    workspace.run("report", "shared", "-o", "shared-pages")
    assert {path.name for path in (folder / "shared-pages").iterdir()} >= {"report.html", "summary.csv", "halves.csv", "plots"}
    assert workspace.error("report", "shared", "--interactive").startswith("--interactive: ")
    result = ComparisonResult.from_json(workspace.run("show", "shared", "--json")[0])
    assert [contestant.name for contestant in result.contestants] == contestants
    assert {(gain.contestant, gain.reference) for gain in result.transfer} == {("branched", "single")}
    data = json.loads(workspace.run("show", "--json")[0])
    assert [entry["name"] for entry in data["comparisons"]] == ["shared"] and [entry["name"] for entry in data["sweeps"]] == [
        "three"
    ]
    listed, _ = workspace.run("show")
    assert "shared" in listed and "three" in listed
    message = workspace.error("compare", "three.yaml")
    assert message.startswith("three.yaml:1: ") and "branchsweep run three.yaml" in message
    message = workspace.error("compare", "shared.yaml", "--fresh", "-o", "nowhere/shared.html")
    assert message.startswith("nowhere/shared.html: ")


def test_show_filters_and_sorts_trials(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    data = json.loads(workspace.run("show", "three", "--json")[0])
    assert (data["recorded"], len(data["trials"])) == (12, 12)
    assert data["trials"][0]["trial"] == summary["finalist"]["trial"] and data["trials"][0]["r2"] == summary["finalist"]["r2"]
    arguments = ("--status", "complete", "--where", "trunk.width>=4", "--sort", "seconds")
    chosen = json.loads(workspace.run("show", "three", *arguments, "--json")[0])["trials"]
    assert [entry["trial"] for entry in chosen] == [
        entry["trial"]
        for entry in sorted(data["trials"], key=lambda entry: (entry["seconds"], entry["trial"]))
        if entry["status"] == "complete"
    ]
    message = workspace.error("show", "three", "--where", "trunk.dept>2")
    assert message.startswith("--where: ") and "'trunk.depth'" in message
    for option, unused in (("--sort", ("--sort", "r2/heat")), ("--most", ("three", "0", "--most", "3"))):
        assert workspace.error("show", *unused).startswith(f"{option}: ")


def test_show_prints_the_details_of_a_trial(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, summary, _ = finished
    number = str(summary["finalist"]["trial"])
    out, _ = workspace.run("show", "three", number)
    data = json.loads(workspace.run("show", "three", number, "--json")[0])
    parts = (f"trial {number}", data["run_id"], data["status"], data["picture"][0].strip(), data["replay"])
    assert all(part in out for part in parts)
    assert data["params"] == summary["finalist"]["params"] and data["parameters"] > 0
    assert list(data["lane_scores"]) == ["fold 0, seed 0", "fold 1, seed 0"]
    for head in ("heat", "steam", "cost"):
        assert np.mean([lane[head] for lane in data["lane_scores"].values()]) == pytest.approx(data["r2"][head])
        assert [epoch for epoch, _ in data["curves"][head]] == list(range(1, 9))
    message = workspace.error("show", "three", "99")
    assert message.startswith(f"sweep three ({summary['run_id'][:8]}): ") and "99" in message


def test_show_reads_what_mlflow_reads(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    assert assert_readers_agree(Address(f"sqlite:///{workspace.folder}/mlflow.db")) == 12


def test_a_trial_is_replayed_to_the_last_digit(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    """From what is recorded, without the files of the experiment, in whatever folder the command runs."""
    workspace, _, _ = finished
    assert workspace.runs("sweep")[0].data.tags["branchsweep.data_location"] == str(workspace.folder / "plant.csv")
    complete = next(run for run in workspace.runs("trial") if run.data.tags["branchsweep.status"] == "COMPLETE")
    out, err = workspace.run("replay", complete.info.run_id[:12], "--workers", "1", "--tolerance", "0", "--json")
    data = json.loads(out)
    assert (data["sweep"], data["trial"]) == ("three", int(complete.data.tags["branchsweep.trial"]))
    assert (data["agreement"], data["differences"]) == ("equal", [])
    end = {figure["name"]: figure["replayed"] for figure in data["metrics"] if figure["epoch"] is None}
    assert end.items() <= complete.data.metrics.items()
    assert err, "progress is on standard error"


@pytest.mark.parametrize("command", [("replay", "three", "--trial", "0"), ("promote", "three")])
def test_another_table_than_the_recorded_one_is_refused_before_training(
    finished: tuple[Workspace, dict[str, Any], str], command: tuple[str, ...]
) -> None:
    workspace, summary, _ = finished
    pd.read_csv(workspace.folder / "plant.csv").iloc[:200].to_csv(workspace.folder / "shorter.csv", index=False)
    message = workspace.error(*command, "--data", "shorter.csv")
    assert "shorter.csv" in message and summary["data"]["digest"][:12] in message and "--data" in message
    recorded = workspace.folder / "plant.csv"
    recorded.rename(workspace.folder / "moved.csv")
    try:
        message = workspace.error(*command)
        assert str(recorded) in message and "--data" in message
    finally:
        (workspace.folder / "moved.csv").rename(recorded)


def test_a_sweep_is_exported_as_an_optuna_study(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    import optuna

    workspace, summary, _ = finished
    arguments = ("export-study", "three", "--storage", "sqlite:///study.db")
    _, err = workspace.run(*arguments)
    assert "12" in err and "optuna-dashboard sqlite:///study.db" in err
    message = workspace.error(*arguments)
    assert "'three'" in message and "--name" in message
    storage = optuna.storages.RDBStorage(f"sqlite:///{workspace.folder}/study.db")
    study = optuna.load_study(study_name="three", storage=storage)
    assert study.user_attrs["run_id"] == summary["run_id"]
    assert study.user_attrs["question"] == "Does a table with three heads and other columns sweep with YAML alone?"
    assert study.user_attrs["data_digest"] == summary["data"]["digest"]
    assert (len(study.trials), study.best_trial.number) == (12, summary["finalist"]["trial"])
    assert study.best_value == summary["finalist"]["r2"]["mean"]
    assert study.best_params.items() >= summary["finalist"]["params"].items()  # initial trials leave some out
    storage.remove_session()
    storage.engine.dispose()


def test_history_and_rollback(tmp_path: Path, finished: tuple[Workspace, dict[str, Any], str]) -> None:
    from mlflow import MlflowClient

    from branchsweep.tracking.mlflow.registry import open_registry

    workspace, summary, _ = finished
    data = json.loads(workspace.run("history", "plant", "--json")[0])
    assert set(data) == {"model", "versions", "tenures", "problem"}
    assert data["problem"] == ""
    assert [(entry["version"], entry["aliases"], entry["trial"]) for entry in data["versions"]] == [
        (1, ["champion"], summary["finalist"]["trial"])
    ]
    assert [(tenure["version"], tenure["until"]) for tenure in data["tenures"]] == [(1, None)]
    assert "'plant'" in workspace.error("rollback", "plant")
    assert json.loads(workspace.run("history", "plant", "--json")[0]) == data
    copy = f"sqlite:///{shutil.copy(workspace.folder / 'mlflow.db', tmp_path / 'mlflow.db')}"
    registry, client = open_registry(Address(copy)), MlflowClient(copy, copy)
    first = client.get_model_version("plant", "1")
    assert first.source
    client.create_model_version("plant", first.source, first.run_id)
    client.set_registered_model_alias("plant", "champion", "2")
    client.set_registered_model_alias("plant", "previous", "1")
    out, _ = workspace.run("rollback", "plant", "--tracking-uri", copy)
    assert out.startswith("plant: ") and re.findall(r"version (\d+)", out) == ["1", "2"]
    aliases = {alias: int(version) for alias, version in client.get_registered_model("plant").aliases.items()}
    assert aliases == {"champion": 1, "challenger": 2}
    tenures = registry.history("plant").tenures
    assert [tenure.version for tenure in tenures] == [1, 2, 1]
    assert len({tenure.because for tenure in tenures}) == 3, "promoted, moved by hand, rolled back"
    out, _ = workspace.run("history", "plant", "--tracking-uri", copy)
    assert all(tenure.because[:20] in out for tenure in tenures)
    assert summary["run_id"][:8] in out and summary["registered"]["because"][:20] in out


@pytest.mark.slow
def test_ctrl_c_says_how_to_resume(tmp_path: Path, mlflow_store: Address) -> None:
    workspace = make_workspace(tmp_path)
    with workspace.start("run", "three.yaml", "--workers", "1", "--json") as process:
        deadline = time.monotonic() + 120
        while not workspace.runs("trial"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED == 130
    assert INTERRUPTED_MESSAGE in err
    assert "Traceback" not in err
    assert out == ""


EXPORT = ["export", "models:/plant@champion", "--format"]


@pytest.mark.parametrize(
    ("arguments", "where", "parts"),
    [
        (["run", "nosuch.yaml"], "nosuch.yaml", []),
        (["run", "three.yaml", "--set", "search.trails=3"], "--set search.trails=3", ["'trials'"]),
        (["run", "three.yaml", "--set", "heads.steam.loss=mea"], "--set heads.steam.loss=mea", ["'mea'", "'mae'"]),
        (
            ["run", "three.yaml", "--set", "heads.heat.column=haet"],
            "{folder}/plant.csv",
            ["'haet'", "heads.heat.column", "'heat'"],
        ),
        (["run", "three.yaml", "--data", "nosuch.csv"], "nosuch.csv", []),
        (["predict", "models:/plant@champion", "plant.csv", "-o", "x.csv"], "", ["mlflow.db", "--tracking-uri"]),
        (["show"], "", ["mlflow.db", "--tracking-uri"]),
        (["space", "spcae.yaml"], "spcae.yaml", ["'space.yaml'"]),
        (["space", "space.yaml", "--set", "seed=3"], "--set", ["space.yaml"]),
        (["space", "three.yaml", "--set", "space.fixed.bacth_size=3"], "--set space.fixed.bacth_size=3", ["'batch_size'"]),
        (["draw", "three.yaml", "--known", "plian"], "--initial-trial", ["'plian'", "'plain'"]),
        (["draw", "three.yaml", "-o", "three.gif"], "three.gif", [".png", ".svg", ".pdf"]),
        (["draw", "three.yaml", "-o", "nosuch/three.png"], "nosuch/three.png", []),
        (["draw", "three.yaml", "--set", TWO_INITIAL_TRIALS, "-o", "it.png"], "it.png", ["plain, other", "--initial-trial"]),
        (["export-study", "three", "--storage", "sqlite:///study.db"], "", ["mlflow.db", "--tracking-uri"]),
        (["replay", "0123abcd"], "", ["mlflow.db", "--tracking-uri"]),
        ([*EXPORT, "code", "-o", "plant.txt"], "plant.txt", [".py"]),
        ([*EXPORT, "keras", "-o", "nosuch/plant.keras"], "nosuch/plant.keras", []),
        ([*EXPORT, "keras", "-o", "plant.keras"], "", ["mlflow.db", "--tracking-uri"]),
    ],
)
def test_a_mistake_is_one_message_that_says_where_and_writes_nothing(
    tmp_path: Path, arguments: list[str], where: str, parts: list[str]
) -> None:
    workspace = make_workspace(tmp_path)
    before = set(tmp_path.iterdir())
    message = workspace.error(*arguments)
    assert message.startswith(f"{where.format(folder=tmp_path)}: " if where else "")
    assert all(part in message for part in parts)
    assert set(tmp_path.iterdir()) == before
    assert not multiprocessing.active_children()  # workers are started before the table is read


def test_a_command_prints_the_same_in_a_process_of_its_own(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    for arguments, exit_code in ((["space", "three.yaml"], 0), (["run", "three.yaml", "--set", "search.trails=3"], 2)):
        assert workspace.run(*arguments, exit_code=exit_code) == workspace.run_alone(*arguments, exit_code=exit_code)


def test_a_dry_run_trains_nothing(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    out, _ = workspace.run("run", "three.yaml", "--trials", "7", "--dry-run", "--json")
    data = json.loads(out)
    assert (data["trials"], data["lanes"], data["device"]) == (7, 19, "processor")
    out, _ = workspace.run("run", "three.yaml", "--trials", "7", "--dry-run")
    printed = dict(re.findall(r"^  (\w+) +(\d+)\b", out, re.MULTILINE))
    assert printed.items() >= {name: str(data[name]) for name in ("trials", "lanes", "populations", "programs")}.items()
    assert not (tmp_path / "mlflow.db").exists()
    for address in ("foo:bar", "mlflow.db"):
        message = workspace.error("run", "three.yaml", "--dry-run", "--tracking-uri", address)
        assert message == workspace.error("run", "three.yaml", "--tracking-uri", address) and address in message


def test_steps_are_shown_as_the_epochs_that_they_are(tmp_path: Path) -> None:
    """Of 240 rows 96 are trained on in a fold, in batches of 32."""
    workspace, by_steps = make_workspace(tmp_path), ("--set", "fit={steps: 20}")
    out, _ = workspace.run("data", "three.yaml", *by_steps)
    assert re.search(r"^epochs +7,", out, re.MULTILINE)
    out, _ = workspace.run("run", "three.yaml", "--trials", "2", "--dry-run", "--json", *by_steps)
    assert json.loads(out)["epochs"] == 7


def test_a_missing_gpu_is_an_error_before_anything_is_trained(tmp_path: Path) -> None:
    workspace, arguments = make_workspace(tmp_path), ("--set", "workers.kind=local", "--set", "workers.gpus=99")
    message = workspace.error("run", "three.yaml", *arguments, "--dry-run")
    assert message.startswith("workers.gpus: ") and "99" in message
    assert not (tmp_path / "mlflow.db").exists()


def test_the_schemas_are_json() -> None:
    for kind in ("experiment", "space", "comparison"):
        out, _ = Workspace(ROOT).run("schema", kind)
        assert json.loads(out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_space_prints_dimensions_size_and_samples(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    out, err = workspace.run("space", "three.yaml", "--samples", "2", "--set", "space.dimensions.trunk.depth.high=2")
    cells = [re.split(r" {2,}", line.strip()) for line in reversed(out.splitlines())]
    rows = {first: others for first, *others in cells}  # of equal names that of the upper line: not those of the samples
    assert rows["trunk.depth"][:4] == ["int", "1 to 2", "linear", "dynamic"]
    assert rows["learning_rate"][:4] == ["float", "0.001 to 0.1", "log", "dynamic"]
    assert "infinite" in rows["size"][0] and re.findall(r"\d+", rows["size"][0]) == ["1", "60"], "continuous; discrete points"
    assert "plain" in out and out.count("load ─") == 3, "the initial trial and two samples are drawn"
    assert err == ""


def test_space_reads_a_file_of_a_search_space(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    out, _ = workspace.run("space", "space.yaml", "--samples", "4", "--seed", "5", "--json")
    data = json.loads(out)
    assert (data["space"], data["heads"], data["inputs"]) == ("space", ["cost"], ["input 1", "input 2", "input 3"])
    assert (data["points"], data["discrete_points"]) == (None, 3 * 5 * 3 * 2)
    assert [dimension["name"] for dimension in data["dimensions"]][2:4] == ["cost.depth", "learning_rate"]
    assert len(data["samples"]) == 4
    assert data["samples"][0]["parameters"] > 0 and "cost" in " ".join(data["samples"][0]["picture"])
    assert workspace.run("space", "space.yaml", "--samples", "4", "--seed", "5", "--json")[0] == out
    assert workspace.run("space", "space.yaml", "--samples", "4", "--seed", "6", "--json")[0] != out


def test_draw_prints_the_networks_that_an_experiment_names(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    out, err = workspace.run("draw", "three.yaml", "--set", TWO_INITIAL_TRIALS, "--columns", "60")
    assert [line.rstrip() for line in out.splitlines()] == [
        "initial trial: plain",
        "  load ─┐        ┌── 10 ── heat",
        "        ├── 10 ──┼── 10 ── steam",
        "  wind ─┘        └── 10 ── cost",
        "            relu, 393 parameters",
        "",
        "initial trial: other",
        "  load ─┐              ┌── 10 ── heat",
        "        ├── 10 ── 10 ──┼── 10 ── steam",
        "  wind ─┘              └──────── cost",
        "            relu, 393 parameters",
    ]
    assert err == ""
    out, _ = workspace.run("draw", "three.yaml", "--set", "search.initial_trials={}")
    assert out.count("load ─") == 1 and "plain" not in out


def test_an_old_name_of_a_key_is_read_with_a_notice_of_one_line(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    (tmp_path / "three.yaml").write_text(EXPERIMENT.replace("initial_trials", "known"), encoding="utf-8")
    out, err = workspace.run("draw", "three.yaml")
    assert "plain" in out
    (notice,) = err.splitlines()
    assert notice.startswith("note: three.yaml:9: ") and "search.known" in notice and "search.initial_trials" in notice


@pytest.mark.slow
def test_draw_writes_an_image_of_a_network(tmp_path: Path, graphviz_program: str) -> None:
    workspace = Workspace(tmp_path)
    out, err = workspace.run_alone("draw", str(ROOT / "experiments" / "toy_branched.yaml"), "-o", "toy.png")
    assert out == "" and "toy.png" in err and "66" in err, "file and parameters"
    assert (tmp_path / "toy.png").read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["toy.png"]


def test_message_of_an_image_without_graphviz_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    toy = str(ROOT / "experiments" / "toy_branched.yaml")
    assert "apt install graphviz" in Workspace(tmp_path).error("draw", toy, "-o", "toy.png")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_overrides_the_experiments_workers() -> None:
    experiment = tiny_experiment(workers={"kind": "ray", "address": "ray://head:10001", "gpus_per_worker": 0.5})

    def workers(option: str | None, chosen: Experiment | None = None) -> Workers:
        return workers_of(Session(workers=resolve_workers(option, chosen)), chosen)

    local, cluster = LocalWorkersConfig(kind="local"), experiment.workers
    assert (workers(None), workers(None, experiment)) == (local, cluster)
    assert (workers("3"), workers("3", experiment)) == (LocalWorkersConfig(kind="local", count=3),) * 2
    assert (workers("ray"), workers("ray", experiment)) == (RayWorkersConfig(kind="ray"), cluster)
    assert workers("ray://other:1", experiment) == cluster.model_copy(update={"address": "ray://other:1"})
    for invalid in ("0", "-1", "2.5", "rya", "ray://head"):
        with pytest.raises(UserError) as caught:
            resolve_workers(invalid)
        assert caught.value.where == "--workers" and f"'{invalid}'" in caught.value.message


def test_data_names_the_table_and_warns_of_synthetic_data(tmp_path: Path) -> None:
    """Without network and file the built-in table is the synthetic table, unless `--require-real` is given."""
    workspace = Workspace(tmp_path)
    out, err = workspace.run("data", str(ROOT / "experiments" / "branched.yaml"))
    assert "9,568" in out and "synthetic" in out
    assert "warning: SYNTHETIC DATA" in err
    message = workspace.error("data", str(ROOT / "experiments" / "branched.yaml"), "--require-real")
    assert message.startswith("--require-real: ")


def test_ui_serves_the_store_and_names_a_free_port_for_a_taken_one(finished: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, _, _ = finished
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = workspace.error("ui", "--port", str(port))
        free = re.search(r"--port (\d+)", message)
        assert message.startswith("--port: ") and f"{port}" in message
        assert free is not None and port < int(free[1]) <= port + 100
    opened = workspace.folder / "opened"
    browser = workspace.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    with workspace.start("ui", "--port", str(port), "--open", BROWSER=str(browser)) as server:
        body = json.dumps({"max_results": 10}).encode()
        request = urllib.request.Request(  # our own server
            f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search", body, {"Content-Type": "application/json"}
        )
        try:
            assert "three" in experiment_names(request, server)
            deadline = time.monotonic() + 30
            while not opened.exists() or not opened.read_text(encoding="utf-8").endswith("\n"):
                assert time.monotonic() < deadline, "no browser was opened"
                time.sleep(0.1)
        finally:
            server.send_signal(signal.SIGINT)
        _, err = server.communicate()
    link = opened.read_text(encoding="utf-8").strip()
    assert re.fullmatch(
        rf"http://127.0.0.1:{port}/#/experiments/\d+/runs\?workflowType=machine_learning&viewStateShareKey=[0-9a-f]{{32}}", link
    )
    assert link in err and f"{link}-charts&compareRunsMode=CHART" in err


def experiment_names(request: urllib.request.Request, server: subprocess.Popen[str]) -> list[str]:
    """The experiments' names, once the server answers."""
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310  # our own server
                return [experiment["name"] for experiment in json.load(response)["experiments"]]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, server.communicate()[1]
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.needs_table
@pytest.mark.parametrize(("name", "least"), [("toy_sequential", {"PE": 0.9}), ("toy_branched", {"PE": 0.9, "V": 0.5})])
def test_the_toy_networks_train(
    tmp_path: Path, real_table: Path, mlflow_store: Address, name: str, least: dict[str, float]
) -> None:
    toy = str(ROOT / "experiments" / f"{name}.yaml")
    out, _ = Workspace(tmp_path).run("run", toy, "--data", str(real_table), "--workers", "1", "--json")
    r2 = json.loads(out)["test"]["r2"]
    assert all(r2[head] > floor for head, floor in least.items())


@pytest.mark.slow
@pytest.mark.needs_table
def test_the_article_experiment_has_the_articles_scores(tmp_path: Path, real_table: Path, mlflow_store: Address) -> None:
    """The author's own run gave 0.9259 for PE and 0.7851 for V; initial weights alone move PE by 0.003.

    V ends in one of two optima, whose R² is about 0.785 or 0.744: with the seeds 1, 2 and 4 in the lower one on a processor
    without AVX-512 (3 and 5: 0.782 and 0.785), with seed 1 in the upper one on others, whose rounding differs.

    The test rows are predicted by the network that is trained on all training rows: its scores do not depend on the validation
    and the confirmation before, which take most of the time of the experiment.
    """
    article = str(ROOT / "experiments" / "article.yaml")
    reductions = ("validation.folds=2", "confirmation.folds=2", "confirmation.seeds=1")
    arguments = [argument for reduction in reductions for argument in ("--set", reduction)]
    out, _ = Workspace(tmp_path).run("run", article, *arguments, "--data", str(real_table), "--workers", "1", "--json")
    r2 = json.loads(out)["test"]["r2"]
    assert r2["PE"] == pytest.approx(0.926, abs=0.005)
    assert any(r2["V"] == pytest.approx(optimum, abs=0.01) for optimum in (0.785, 0.744))
