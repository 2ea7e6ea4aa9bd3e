"""Trackers: the contracts over memory, over MLflow's database and over its server; and what MLflow's store holds of sweeps."""

from __future__ import annotations

import json
import math
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import mlflow.artifacts
import pytest
from mlflow.entities import Run
from mlflow.types import Schema

from branchsweep.config.addresses import Address
from branchsweep.config.sections.objective import Objective
from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.metrics.objectives import hypervolume
from branchsweep.tracking.memory import MemoryStore, MemoryTracker
from branchsweep.tracking.mlflow import ui_views
from branchsweep.tracking.mlflow.request_limits import CONNECT_LIMITS
from branchsweep.tracking.mlflow.serialization.tags import LONGEST_TAG
from branchsweep.tracking.mlflow.serialization.trials import result_from_run, thinned_indices, trial_metrics, trial_tags
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from branchsweep.tracking.protocols import SweepRecord, TableRecord, Tracking
from branchsweep.tracking.recorded_trials import RecordedTrials
from branchsweep.tracking.registry_protocols import PromotionDecision
from branchsweep.tracking.run_reader import list_sweeps, open_recorded_sweep, open_recorded_trial
from branchsweep.tracking.tracking_uri import resolve_tracking_uri
from branchsweep.tracking.ui_pages import (
    MODELS,
    charts_page,
    experiment_page,
    file_page,
    link,
    run_page,
    ui_command,
    version_page,
    view_page,
)
from branchsweep.trial import EndCause, Result, Score, Status, Trial
from contracts.audit import AuditContract
from contracts.registry import RegistryContract
from contracts.results import exact_texts, example_result
from contracts.tracker import TrackerContract
from contracts.tracking_records import OpenTracking, example_candidate, register, sweep_record
from mlflow_views import decode_state
from processes import start_python
from recorded_runs import client_of
from scores import SCORE_METRICS, head_score


class TestMemory(TrackerContract, RegistryContract, AuditContract):
    @pytest.fixture
    def opened(self) -> OpenTracking:
        store = MemoryStore()

        def open_tracking(record: SweepRecord, fresh: bool = False) -> Tracking:
            return MemoryTracker.open(record, store, fresh).tracking

        return open_tracking


class TestMlflow(TrackerContract, RegistryContract, AuditContract):
    @pytest.fixture
    def opened(self, mlflow_store: Address) -> OpenTracking:
        def open_tracking(record: SweepRecord, fresh: bool = False) -> Tracking:
            return MlflowTracker.open(record, mlflow_store, fresh).tracking

        return open_tracking


@pytest.mark.slow  # `TestTrackingOnASharedServer` has what a server might change
class TestMlflowServer(TrackerContract, RegistryContract, AuditContract):
    @pytest.fixture
    def opened(self, mlflow_server: str) -> OpenTracking:
        name = f"contract-{uuid4().hex[:8]}"  # the server is shared by all tests

        def open_tracking(record: SweepRecord, fresh: bool = False) -> Tracking:
            return MlflowTracker.open(replace(record, name=name), Address(mlflow_server), fresh).tracking

        return open_tracking


def test_the_hypervolume_of_the_recorded_front_is_that_of_all_trials() -> None:
    history, points = RecordedTrials(Objective(maximize=["r2/PE", "r2/V"]), SCORE_METRICS), list[tuple[float, float]]()
    for number in range(40):
        points.append((number * 7 % 11 / 11, number * 5 % 13 / 13))
        heads = {head: head_score(r2, math.nan, 1.0, 1.0) for head, r2 in zip(("PE", "V"), points[-1], strict=True)}
        history.add(Result(Trial(number, {}), Score(Status.COMPLETE, value=0.5, heads=heads)))
        assert history.progress_metrics["hypervolume"] == pytest.approx(hypervolume(points))


def children(tracker: MlflowTracker) -> list[Run]:
    query = f"tags.`mlflow.parentRunId` = '{tracker.run_id}'"
    return list(client_of(tracker).search_runs([tracker.experiment_id], query, order_by=["start_time ASC"]))


def history(tracker: MlflowTracker, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client_of(tracker).get_metric_history(run_id, metric)]


class TestStoredRuns:
    def test_the_run_of_a_sweep_has_facts_and_files(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        run = client_of(tracker).get_run(tracker.run_id)
        assert run.info.run_name == "contract"
        assert run.info.status == "RUNNING"
        expected = {
            "branchsweep.role": "sweep",
            "branchsweep.key": "key",
            "branchsweep.question": "Does it hold?",
            "branchsweep.heads": '{"PE": "MW", "V": "cm Hg"}',
            "branchsweep.data_source": "embedded",
            "branchsweep.git_commit": "c0ffee",
            "mlflow.source.git.commit": "c0ffee",
            "mlflow.note.content": "Does it hold?",
        }
        assert run.data.tags.items() >= expected.items()
        experiment = client_of(tracker).get_experiment(tracker.experiment_id)
        assert experiment.name == "contract"
        assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"

    def test_files_are_in_mlruns_beside_the_database(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.finish({}, "", {"summary.json": '{"é": 1}'}, "# Done")
        folder = tmp_path / "mlruns" / "contract" / tracker.run_id / "artifacts"
        assert (folder / "experiment.yaml").read_text(encoding="utf-8") == sweep_record().yaml
        assert (folder / "summary.json").read_text(encoding="utf-8") == '{"é": 1}'
        run = client_of(tracker).get_run(tracker.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.note.content"] == "# Done"

    def test_files_in_folders_are_read_back(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        picture = bytes(range(256))
        tracker.finish({}, "", {"plots/course.png": picture, "predictions.csv": "head,é\n"})
        reader = open_recorded_sweep(mlflow_store, tracker.run_id)
        assert reader.artifact("plots/course.png") == picture
        assert reader.artifact("predictions.csv") == "head,é\n".encode()
        assert reader.artifact("plots/other.png") is None
        assert reader.artifact("nowhere/course.png") is None

    def test_files_are_logged_again_when_a_sweep_is_resumed(self, mlflow_store: Address) -> None:
        def file_text(name: str) -> str:
            return mlflow.artifacts.load_text(f"{client_of(tracker).get_run(tracker.run_id).info.artifact_uri}/{name}")

        record = sweep_record(files={"environment.json": '{"cores": 2}'}, dimensions=["trunk.depth"])
        tracker = MlflowTracker.open(record, mlflow_store)
        assert file_text("environment.json") == '{"cores": 2}'
        resumed = MlflowTracker.open(replace(record, files={"environment.json": '{"cores": 64}'}), mlflow_store)
        resumed.record([example_result(0)])
        assert file_text("environment.json") == '{"cores": 64}'

    def test_a_resumed_sweep_has_the_environment_of_its_earlier_process(self, mlflow_store: Address) -> None:
        first = MlflowTracker.open(sweep_record(environment={"device": "processor"}), mlflow_store)
        resumed = MlflowTracker.open(sweep_record(environment={"device": "Tesla T4"}), mlflow_store)
        assert first.earlier_environment["device"] == resumed.earlier_environment["device"] == "processor"
        resumed.record([example_result(0)])
        assert MlflowTracker.open(sweep_record(), mlflow_store).earlier_environment["device"] == "Tesla T4"

    def test_a_sweep_has_views(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(dimensions=["trunk.depth"]), mlflow_store)
        tags = client_of(tracker).get_experiment(tracker.experiment_id).tags
        query = f"tags.`branchsweep.sweep` = '{tracker.run_id}'"
        assert decode_state(tags[f"mlflow.sharedViewState.{tracker.run_id}"]) == ui_views.TrialsView(
            SCORE_METRICS, ["trunk.depth"]
        ).table(query)
        charts = decode_state(tags[f"mlflow.sharedViewState.{tracker.run_id}-charts"])
        tracker.record([example_result(0), example_result(1)])
        found = client_of(tracker).search_runs(
            [tracker.experiment_id], charts["searchFilter"], order_by=[f"{charts['orderByKey']} DESC"]
        )
        assert [run.data.tags["branchsweep.trial"] for run in found] == ["1", "0"], "a query that MLflow understands"
        assert [sweep.view for sweep in list_sweeps(mlflow_store)] == [tracker.run_id]

    def test_a_finished_sweep_has_its_answer_in_the_title_and_keeps_its_name(self, mlflow_store: Address) -> None:
        first = MlflowTracker.open(sweep_record(), mlflow_store)
        first.finish({"test_r2/PE": 0.9378, "test_r2/V": 0.8048, "test_r2/mean": 0.8713}, "", {})
        run = client_of(first).get_run(first.run_id)
        assert run.info.run_name == "contract: R² PE 0.938, V 0.805 on test rows"
        assert [sweep.name for sweep in list_sweeps(mlflow_store)] == ["contract"]
        assert open_existing(mlflow_store, "contract").run_id == first.run_id
        later = MlflowTracker.open(sweep_record(), mlflow_store)
        later.record([example_result(0)])
        assert client_of(first).get_run(first.run_id).info.run_name == "contract"
        client_of(first).update_run(first.run_id, name="renamed by hand")
        assert [sweep.name for sweep in list_sweeps(mlflow_store)] == ["renamed by hand"]

    def test_the_experiment_describes_its_newest_sweep_until_a_user_does(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        client, name = client_of(tracker), "mlflow.note.content"
        running = client.get_experiment(tracker.experiment_id).tags[name]
        assert view_page(tracker.experiment_id, tracker.run_id) in running
        assert run_page(tracker.experiment_id, tracker.run_id) in running
        tracker.finish({"test_r2/PE": 0.9378, "test_r2/V": 0.8048}, "", {})
        assert "PE 0.938, V 0.805" in client.get_experiment(tracker.experiment_id).tags[name].splitlines()[0]
        client.set_experiment_tag(tracker.experiment_id, name, "My own words.")
        later = MlflowTracker.open(sweep_record(), mlflow_store, fresh=True)
        assert client.get_experiment(later.experiment_id).tags[name] == "My own words."

    def test_a_logarithmic_dimension_has_its_logarithm_beside_it(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(log_dimensions=["learning_rate", "absent"]), mlflow_store)
        result = example_result(0)
        rate = {**result.trial.params, "learning_rate": 1e-3}
        tracker.record([replace(result, trial=replace(result.trial, params=rate))])
        (run,) = children(tracker)
        assert run.data.params == {**{name: str(value) for name, value in rate.items()}, "learning_rate log10": "-3.0000"}
        assert tracker.recorded_results()[0].trial.params == rate

    def test_runs_have_the_table_as_input(self, mlflow_store: Address) -> None:
        table = TableRecord("file", "/data/plant.csv", "0123456789abcdef" * 4, 1200, "plant.csv", ["AT", "PE"])
        tracker = MlflowTracker.open(sweep_record(table=table), mlflow_store)
        tracker.record([example_result(0)])
        for run in (client_of(tracker).get_run(tracker.run_id), *children(tracker)):
            assert run.inputs is not None
            (dataset_input,) = run.inputs.dataset_inputs
            assert [(tag.key, tag.value) for tag in dataset_input.tags] == [("mlflow.data.context", "training")]
            assert (dataset_input.dataset.name, dataset_input.dataset.digest) == ("plant.csv", "0123456789ab")
            assert (dataset_input.dataset.source_type, json.loads(dataset_input.dataset.source)) == (
                "local",
                {"uri": "/data/plant.csv"},
            )
            assert json.loads(dataset_input.dataset.profile or "") == {"num_rows": 1200, "num_elements": 2400}
            columns = json.dumps(json.loads(dataset_input.dataset.schema or "")["mlflow_colspec"])
            assert Schema.from_json(columns).input_names() == ["AT", "PE"]
        without = MlflowTracker.open(sweep_record("other"), mlflow_store)
        inputs = client_of(without).get_run(without.run_id).inputs
        assert inputs is not None and inputs.dataset_inputs == []

    def test_links_open_the_runs_of_trials(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.record([example_result(number) for number in range(3)])
        runs = {int(run.data.tags["branchsweep.trial"]): run.info.run_id for run in children(tracker)}
        for opened in (tracker, open_existing(mlflow_store)):
            pages = opened.links([2, 0, 9])
            assert pages.trials == {number: run_page(tracker.experiment_id, runs[number]) for number in (0, 2)}
            assert pages.table == view_page(tracker.experiment_id, tracker.run_id)
            assert pages.file("a.html") == file_page(tracker.experiment_id, tracker.run_id, "a.html")
            assert pages.version("plant", 3) == version_page("plant", 3)

    def test_a_trial_is_a_run_below_the_sweep(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        result = example_result(0)
        tracker.record([result])
        (run,) = children(tracker)
        assert run.info.run_name == "000  PE 0.900  V 0.800"
        assert run.info.status == "FINISHED"
        assert run.info.end_time - run.info.start_time == 1250
        expected = {
            "branchsweep.role": "trial",
            "branchsweep.sweep": tracker.run_id,
            "branchsweep.trial": "0",
            "branchsweep.status": "COMPLETE",
            "branchsweep.known": "article",
        }
        assert run.data.tags.items() >= expected.items()
        assert json.loads(run.data.tags["branchsweep.params"]) == result.trial.params
        assert run.data.params == {name: str(value) for name, value in result.trial.params.items()}
        assert set(run.data.metrics) == {
            *(f"{figure}/{head}" for figure in ("r2", "rmse", "mae", "curve_r2") for head in ("PE", "V")),
            "r2/mean",
            "r2_se/PE",  # of V and of the mean it is not a number, and so not written down
            *("parameters", "multiplications", "size"),
            "epochs",
            "seconds",
        }

    def test_a_curve_has_at_most_25_points_with_first_and_last(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        result = example_result(0)
        tracker.record([result])
        (run,) = children(tracker)
        points = history(tracker, run.info.run_id, "curve_r2/PE")
        curve = result.score.curves["PE"]
        assert len(points) == 25
        assert (points[0][0], points[-1][0]) == (1, 120)
        assert all(value == curve[step - 1] for step, value in points)
        assert {later - earlier for (earlier, _), (later, _) in pairwise(points)} <= {4, 5, 6}

    def test_failed_and_pruned_trials_have_status_cause_and_reason(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.record([example_result(17, Status.FAILED), example_result(18, Status.PRUNED)])
        failed, pruned = children(tracker)
        assert (failed.info.run_name, failed.info.status) == ("017  FAILED", "FAILED")
        assert failed.data.tags["branchsweep.reason"] == example_result(17, Status.FAILED).score.reason
        assert (failed.data.tags["branchsweep.cause"], failed.data.tags["branchsweep.ended_at"]) == ("diverged", "12")
        assert (pruned.info.run_name, pruned.info.status) == ("018  PE 0.960  V 0.740  PRUNED", "KILLED")
        assert (pruned.data.tags["branchsweep.status"], pruned.data.tags["branchsweep.cause"]) == ("PRUNED", "pruned")

    def test_the_best_scores_are_metrics_of_the_sweep(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.record([example_result(2), example_result(1, Status.FAILED)])
        MlflowTracker.open(sweep_record(), mlflow_store).record([example_result(9, Status.PRUNED), example_result(4)])
        r2 = {number: example_result(number).score.heads["PE"].score for number in (2, 4)}
        assert history(tracker, tracker.run_id, "best_r2/PE") == [(2, r2[2]), (4, r2[4])]
        assert history(tracker, tracker.run_id, "trials/failed") == [(2, 1.0), (4, 1.0)]

    def test_a_trial_of_three_heads_is_read_back(self, mlflow_store: Address) -> None:
        record = sweep_record(heads={"a": "", "b_2": "K", "c-3": "%"})
        tracker = MlflowTracker.open(record, mlflow_store)
        heads = {head: head_score(0.5 + index / 10, 0.01, 2.0, 1.0) for index, head in enumerate(record.heads)}
        result = replace(example_result(3), score=Score(Status.COMPLETE, 0.6, 0.01, heads, "", 3.0, 1.0, 2))
        tracker.record([result])
        assert exact_texts(tracker.recorded_results()) == exact_texts([result])
        assert children(tracker)[0].info.run_name == "003  a 0.500  b_2 0.600  c-3 0.700"

    def test_trials_of_several_result_pages_are_read_back(self, mlflow_store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("branchsweep.tracking.mlflow.store.PAGE", 3)
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        results = [example_result(number) for number in range(8)]
        tracker.record(results)
        assert exact_texts(tracker.recorded_results()) == exact_texts(results)

    def test_a_resumed_sweep_is_running_once_it_records(self, mlflow_store: Address) -> None:
        first = MlflowTracker.open(sweep_record(), mlflow_store)
        first.finish({}, "", {})
        later = MlflowTracker.open(sweep_record(yaml="name: contract  # more trials\n"), mlflow_store)
        assert client_of(first).get_run(first.run_id).info.status == "FINISHED"
        later.record([example_result(0)])
        assert client_of(first).get_run(first.run_id).info.status == "RUNNING"
        assert open_existing(mlflow_store, first.run_id).sweep.yaml == "name: contract  # more trials\n"


class TestTestAudit:
    def test_an_evaluation_is_recorded_with_its_time(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.tracking.test_audit.record_evaluation("trial 3")
        (evaluation,) = json.loads(client_of(tracker).get_run(tracker.run_id).data.tags["branchsweep.test_evaluations"])
        assert evaluation["who"] == "trial 3"
        assert datetime.now(UTC) - datetime.fromisoformat(evaluation["when"]) < timedelta(minutes=1)

    def test_evaluations_of_deleted_sweeps_count(self, mlflow_store: Address) -> None:
        records = [sweep_record(name=name, test_digest="split") for name in ("first", "second", "third")]
        run, experiment, rest = (MlflowTracker.open(record, mlflow_store) for record in records)
        for tracker in (run, experiment, rest):
            tracker.tracking.test_audit.record_evaluation("trial 3")
        client_of(run).delete_run(run.run_id)
        client_of(run).delete_experiment(experiment.experiment_id)
        assert rest.tracking.test_audit.evaluations("split") == 3

    def test_many_evaluations_are_all_recorded(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(test_digest="split"), mlflow_store)
        names = [f"finalist {number} {'x' * 900}" for number in range(20)]
        for name in names + names:
            tracker.tracking.test_audit.record_evaluation(name)
        assert tracker.tracking.test_audit.evaluations("split") == 20


class TestInterrupted:
    def test_a_half_written_trial_is_ignored_and_replaced(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.record([example_result(0)])
        tags = trial_tags(example_result(1), tracker.run_id)
        client_of(tracker).create_run(tracker.experiment_id, tags=tags, run_name="half written")
        assert [result.trial.number for result in tracker.recorded_results()] == [0]
        resumed = MlflowTracker.open(sweep_record(), mlflow_store)
        resumed.record([example_result(1)])
        assert exact_texts(resumed.recorded_results()) == exact_texts([example_result(0), example_result(1)])
        assert [run.data.tags["branchsweep.trial"] for run in children(resumed)] == ["0", "1"]

    def test_a_finished_sweep_has_no_half_written_trials(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.record([example_result(0)])
        client_of(tracker).create_run(tracker.experiment_id, tags=trial_tags(example_result(1), tracker.run_id))
        tracker.finish({}, "", {})
        assert [run.data.tags["branchsweep.trial"] for run in children(tracker)] == ["0"]

    def test_lost_progress_is_recorded_when_the_sweep_finishes(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker._write(example_result(0))  # and killed before the sweep's own run was updated
        resumed = MlflowTracker.open(sweep_record(), mlflow_store)
        assert len(resumed.recorded_results()) == 1
        resumed.finish({}, "", {})
        (sweep,) = list_sweeps(mlflow_store)
        assert sweep.trials["complete"] == 1

    @pytest.mark.parametrize("moment", [0.0, 0.012])
    def test_a_process_killed_while_recording_loses_no_recorded_trial(
        self, mlflow_store: Address, tmp_path: Path, moment: float
    ) -> None:
        recording_code = """
import itertools, sys
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from branchsweep.config.addresses import Address
from branchsweep.tracking.mlflow.tracker import MlflowTracker
tracker = MlflowTracker.open(sweep_record(), Address(sys.argv[1]))
for number in itertools.count():
    tracker.record([example_result(number)])
    print(number, flush=True)
"""
        with start_python(recording_code, str(mlflow_store), cwd=tmp_path) as process:
            assert process.stdout is not None
            for _ in range(4):
                n_recorded = int(process.stdout.readline())
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            n_recorded += len(process.stdout.read().split())
        resumed = MlflowTracker.open(sweep_record(), mlflow_store)
        assert resumed.is_resumed
        survived = resumed.recorded_results()
        assert len(survived) >= n_recorded + 1, "what was recorded is never lost"
        assert exact_texts(survived) == exact_texts([example_result(number) for number in range(len(survived))])
        resumed.record([example_result(number) for number in range(len(survived) + 2)])
        assert [run.data.tags["branchsweep.trial"] for run in children(resumed)] == [str(n) for n in range(len(survived) + 2)]
        assert {run.info.status for run in children(resumed)} == {"FINISHED"}


class TestStores:
    def test_the_default_store_is_that_of_mlflow_ui(self, tmp_path: Path) -> None:
        """And MLflow prints no migrations, links or progress bars."""
        folder = tmp_path / "with space"
        folder.mkdir()
        code = """
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from branchsweep.tracking.mlflow.tracker import MlflowTracker
tracker = MlflowTracker.open(sweep_record())
tracker.record([example_result(0)])
tracker.finish({}, "", {"a.txt": "a"})
"""
        with start_python(code, cwd=folder) as process:
            output = process.communicate()
        assert (process.returncode, *output) == (0, "", "")
        assert sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))) == [
            "mlflow.db",
            "mlruns",
        ]
        assert len(list((folder / "mlruns" / "contract").glob("*/artifacts/a.txt"))) == 1
        (sweep,) = list_sweeps(Address(f"sqlite:///{folder / 'mlflow.db'}"))
        assert sweep.trials["complete"] == 1

    def test_the_environment_variable_names_the_store(self, mlflow_store: Address, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", str(mlflow_store))
        assert MlflowTracker.open(sweep_record()).tracking_uri == mlflow_store

    def test_two_processes_can_create_the_same_store_at_once(self, tmp_path: Path) -> None:
        code = """
import sys
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from branchsweep.tracking.mlflow.tracker import MlflowTracker
MlflowTracker.open(sweep_record(sys.argv[1])).record([example_result(0)])
"""
        processes = [start_python(code, key, cwd=tmp_path) for key in ("first", "second")]
        assert [(process.communicate(), process.returncode) for process in processes] == [(("", ""), 0)] * 2
        sweeps = list_sweeps(Address(f"sqlite:///{tmp_path / 'mlflow.db'}"))
        assert [sweep.trials["complete"] for sweep in sweeps] == [1, 1]
        assert not list(tmp_path.glob("mlflow.db.new-*"))

    def test_readers_do_not_block_the_sweep(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        with sqlite3.connect(tmp_path / "mlflow.db") as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM runs").fetchone()
            tracker.record([example_result(0)])
        reader.close()
        assert len(tracker.recorded_results()) == 1

    @pytest.mark.parametrize(
        ("uri", "values"),
        [
            ("mlflow.db", ["'mlflow.db'", "sqlite:///mlflow.db"]),
            ("./mlruns", ["'./mlruns'", "sqlite:///mlflow.db", "http://"]),
            ("file:./mlruns", ["'file:./mlruns'", "sqlite:///mlflow.db", "http://"]),
            ("sqlit:///mlflow.db", ["'sqlit:///mlflow.db'", "'sqlite'"]),
            ("sqlite:///:memory:", ["'sqlite:///:memory:'", "sqlite:///mlflow.db"]),
            ("http://", ["'http://'", "http://127.0.0.1:5000"]),
            ("http://127.0.0.1:9", ["http://127.0.0.1:9", "Connection refused"]),
            ("postgresql://reader:secret@127.0.0.1:9/mlflow", ["postgresql://***@127.0.0.1:9/mlflow"]),
            ("mysql+nodriver://127.0.0.1/x", ["mysql+nodriver://127.0.0.1/x", "Connection refused"]),
            ("sqlite:///text.db", ["/text.db ", "--tracking-uri"]),
            ("sqlite:///text.db/mlflow.db", ["/text.db/mlflow.db ", "--tracking-uri"]),
            ("sqlite:///folder", ["/folder ", "--tracking-uri"]),
        ],
    )
    def test_an_unusable_store_is_named_in_an_error_at_once(
        self, uri: str, values: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With what is expected instead, or with the error of the network, and never with the password."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "text.db").write_text("a letter to the reader\n" * 100, encoding="utf-8")
        (tmp_path / "folder").mkdir()
        start = time.monotonic()
        with pytest.raises(TrackingError) as caught:
            MlflowTracker.open(sweep_record(), Address(uri))
        assert [value for value in values if value not in caught.value.message] == []
        assert "secret" not in str(caught.value)
        assert time.monotonic() - start < 5

    def test_a_server_that_does_not_answer_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import socket

        monkeypatch.setitem(CONNECT_LIMITS, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with socket.socket() as silent_socket:
            silent_socket.bind(("127.0.0.1", 0))
            silent_socket.listen()
            address = f"http://127.0.0.1:{silent_socket.getsockname()[1]}"
            start = time.monotonic()
            with pytest.raises(TrackingServerUnavailableError, match=address):
                MlflowTracker.open(sweep_record(), Address(address))
        assert time.monotonic() - start < 10

    def test_a_database_of_another_version_is_an_error_that_names_the_remedy(
        self, mlflow_store: Address, tmp_path: Path
    ) -> None:
        with sqlite3.connect(tmp_path / "mlflow.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'cfd24bdc0731'")
        connection.close()
        with pytest.raises(TrackingError, match="mlflow db upgrade sqlite:///"):
            MlflowTracker.open(sweep_record(), mlflow_store)

    def test_a_deleted_experiment_is_an_error_that_names_the_remedy(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        client_of(tracker).delete_experiment(tracker.experiment_id)
        with pytest.raises(TrackingError, match=f"mlflow experiments restore -x {tracker.experiment_id}"):
            MlflowTracker.open(sweep_record(), mlflow_store)

    def test_a_store_that_disappears_is_an_error(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        with sqlite3.connect(tmp_path / "mlflow.db") as connection:
            connection.execute("DROP TABLE metrics")
        connection.close()
        with pytest.raises(TrackingError, match=r"trial 0 .*sqlite:///.*metrics"):
            tracker.record([example_result(0)])


class TestReading:
    @pytest.fixture
    def store(self, mlflow_store: Address) -> Address:
        for name, count in (("alpha", 2), ("beta", 1), ("alpha", 3)):
            tracker = MlflowTracker.open(sweep_record(name=name), mlflow_store, fresh=True)
            tracker.record([example_result(number) for number in range(count)])
        tracker.finish({}, "done", {})
        return mlflow_store

    def test_sweeps_are_listed_newest_first(self, store: Address) -> None:
        sweeps = list_sweeps(store)
        assert [(sweep.name, sweep.status, sweep.trials["complete"]) for sweep in sweeps] == [
            ("alpha", "FINISHED", 3),
            ("beta", "RUNNING", 1),
            ("alpha", "RUNNING", 2),
        ]
        assert sweeps[0].trials == {"complete": 3, "pruned": 0, "failed": 0}
        assert sweeps[0].best["mean"] == example_result(2).score.value
        assert set(sweeps[0].best) == {"mean", "PE", "V"}
        assert sweeps[0].data == "embedded"
        assert sweeps[0].started.tzinfo is not None

    def test_a_sweep_is_found_by_run_id_prefix_and_name(self, store: Address) -> None:
        newest, beta, oldest = list_sweeps(store)
        for named, expected in (
            (oldest.run_id, oldest),
            (beta.run_id[:10], beta),
            ("alpha", newest),
            ("beta", beta),
            ("", newest),
        ):
            tracker = open_existing(store, named)
            assert tracker.run_id == expected.run_id
            assert len(tracker.recorded_results()) == expected.trials["complete"]
        found = open_existing(store, "alpha")
        assert found.conclusion is not None
        assert found.conclusion.summary == "done"
        assert found.sweep == sweep_record(name="alpha")

    def test_the_error_for_an_unknown_sweep_names_the_known_ones(self, store: Address) -> None:
        with pytest.raises(TrackingError, match=r"alpha \(\w{8}\), beta .*'beta'"):
            open_existing(store, "betta")

    def test_an_ambiguous_prefix_is_an_error(self, mlflow_store: Address) -> None:
        ids = [
            MlflowTracker.open(sweep_record(str(key)), mlflow_store).run_id for key in range(17)
        ]  # of 17 ids two begin with the same of 16 letters
        (letter, _), *_ = Counter(run_id[0] for run_id in ids).most_common(1)
        with pytest.raises(TrackingError, match=r"contract \(\w+"):
            open_existing(mlflow_store, letter)

    def test_a_trial_is_found_by_run_id_and_prefix(self, store: Address) -> None:
        newest, beta, _ = (open_existing(store, sweep.run_id) for sweep in list_sweeps(store))
        for tracker in (newest, beta):
            for run in children(tracker):
                for named in (run.info.run_id, run.info.run_id[:12]):
                    found, number = open_recorded_trial(store, named)
                    assert (found.run_id, str(number)) == (tracker.run_id, run.data.tags["branchsweep.trial"])
                    assert found.recorded_results() == tracker.recorded_results()

    def test_a_run_that_is_not_one_trial_is_an_error(self, mlflow_store: Address) -> None:
        tracker = MlflowTracker.open(sweep_record(), mlflow_store)
        tracker.record([example_result(number) for number in range(17)])  # of 17 ids two begin with the same of 16 letters
        (letter, _), *_ = Counter(run.info.run_id[0] for run in children(tracker)).most_common(1)
        with pytest.raises(TrackingError, match=r"\w{12} \(trial \d+\), "):
            open_recorded_trial(mlflow_store, letter)
        for named in ("contract", tracker.run_id, tracker.run_id[:12]):
            with pytest.raises(TrackingError, match="--trial NUMBER"):
                open_recorded_trial(mlflow_store, named)
        with pytest.raises(TrackingError, match="'contract'"):
            open_recorded_trial(mlflow_store, "contrct")
        for named in ("", "' OR 1", "%", "0" * 32):
            with pytest.raises(TrackingError, match=rf"'{re.escape(named)}'.*--trial NUMBER"):
                open_recorded_trial(mlflow_store, named)

    def test_reading_creates_no_store(self, tmp_path: Path) -> None:
        missing = tmp_path / "nowhere" / "mlflow.db"
        with pytest.raises(TrackingError, match=re.escape(str(missing))):
            list_sweeps(Address(f"sqlite:///{missing}"))
        assert not missing.parent.exists()

    def test_an_empty_store_is_an_error(self, mlflow_store: Address) -> None:
        with pytest.raises(TrackingError, match=re.escape(str(mlflow_store))):
            open_existing(mlflow_store)


class TestSerialization:
    @pytest.mark.parametrize(
        ("count", "most", "expected"),
        [(0, 50, []), (1, 50, [0]), (4, 4, [0, 1, 2, 3]), (5, 2, [0, 4]), (9, 5, [0, 2, 4, 6, 8])],
    )
    def test_thinned_indices_are_evenly_spaced(self, count: int, most: int, expected: list[int]) -> None:
        assert thinned_indices(count, most) == expected

    def test_thinning_repeats_nothing_and_keeps_the_ends(self) -> None:
        for count in range(51, 400):
            indices = thinned_indices(count, 50)
            assert len(set(indices)) == 50
            assert (indices[0], indices[-1]) == (0, count - 1)

    def test_metrics_that_are_not_finite_are_left_out(self) -> None:
        score = Score(
            Status.COMPLETE, 0.5, math.nan, {"PE": head_score(0.5, math.inf, 1.0, 1.0)}, curves={"PE": (math.nan, 0.1)}
        )
        names = [(point.name, point.step) for point in trial_metrics(score, SCORE_METRICS)]
        assert names == [
            ("r2/mean", 0),
            ("r2/PE", 0),
            ("rmse/PE", 0),
            ("mae/PE", 0),
            ("epochs", 0),
            ("seconds", 0),
            ("curve_r2/PE", 2),
        ]

    def test_scores_of_any_number_of_lanes_are_read_back_exactly(self) -> None:
        lanes = {head: tuple(1 / (lane + offset) for lane in range(400)) for offset, head in enumerate(("PE", "V"), 3)}
        result = replace(example_result(1), score=replace(example_result(1).score, lane_scores=lanes))
        tags = trial_tags(result, "sweep")
        assert max(map(len, tags.values())) <= LONGEST_TAG
        scores = {"r2/PE": 0.5, "r2/V": 0.5, "r2/mean": 0.5}
        assert result_from_run(tags, scores, SCORE_METRICS).score.lane_scores == lanes

    def test_scores_that_are_not_finite_are_read_back(self) -> None:
        score = replace(
            example_result(1).score, lane_scores={"PE": (-math.inf, math.nan, 0.5)}, rungs={2: (math.nan, -math.inf)}
        )
        tags = trial_tags(replace(example_result(1), score=score), "sweep")
        read = result_from_run(tags, {}, {"PE": "r2"}).score
        assert repr((read.lane_scores, read.rungs)) == repr((score.lane_scores, score.rungs))

    def test_tags_of_an_earlier_version_are_read(self) -> None:
        tags = {
            "mlflow.parentRunId": "sweep",
            "branchsweep.role": "trial",
            "branchsweep.sweep": "sweep",
            "branchsweep.trial": "7",
            "branchsweep.status": "PRUNED",
            "branchsweep.params": '{"trunk.depth":2,"activation":"relu"}',
            "branchsweep.lanes": "2",
            "branchsweep.reason": "rung 2: below the best half",
            "branchsweep.rungs": '{"4": [0.5, NaN], "16": [0.25, -Infinity]}',
            "branchsweep.lanes_r2": '{"PE":[0.5,null],"V":[0.25,0.125]}',
        }
        metrics = {"r2/mean": 0.375, "r2/PE": 0.5, "r2/V": 0.25, "rmse/PE": 4.0, "mae/PE": 3.0, "epochs": 16.0}
        read = result_from_run(tags, metrics, SCORE_METRICS)
        assert read.trial == Trial(7, {"trunk.depth": 2, "activation": "relu"})
        assert (read.score.status, read.score.value, read.score.by_head) == (Status.PRUNED, 0.375, {"PE": 0.5, "V": 0.25})
        assert (read.score.reason, read.score.cause, read.score.ended_at) == (tags["branchsweep.reason"], None, 0)
        assert repr(read.score.rungs) == "{4: (0.5, nan), 16: (0.25, -inf)}"
        assert repr(read.score.lane_scores) == "{'PE': (0.5, nan), 'V': (0.25, 0.125)}"

    def test_params_too_long_to_be_exact_are_refused(self) -> None:
        result = replace(
            example_result(1), trial=replace(example_result(1).trial, params={f"p{n}": "x" * 50 for n in range(200)})
        )
        with pytest.raises(TrackingError, match=r"trial 1 .*\d+ .*8000"):
            trial_tags(result, "sweep")

    @pytest.mark.parametrize(
        ("tag", "value"), [("trial", "x"), ("status", "GONE"), ("params", "{"), ("cause", "BORED"), ("ended_at", "late")]
    )
    def test_a_run_that_cannot_be_read_is_an_error(self, tag: str, value: str) -> None:
        tags = {**trial_tags(example_result(0), "sweep"), f"branchsweep.{tag}": value}
        with pytest.raises(TrackingError) as caught:
            result_from_run(tags, {}, {"PE": "r2"})
        assert isinstance(caught.value.__cause__, ValueError)

    @pytest.mark.parametrize("cause", EndCause)
    def test_the_cause_of_an_end_is_read_back(self, cause: EndCause) -> None:
        score = replace(example_result(1, Status.PRUNED).score, cause=cause, ended_at=7)
        tags = trial_tags(replace(example_result(1), score=score), "sweep")
        read = result_from_run(tags, {}, SCORE_METRICS).score
        assert (read.cause, read.ended_at) == (cause, 7)


class TestTrackingUri:
    def test_paths_in_tracking_uris_are_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert str(resolve_tracking_uri(None)) == f"sqlite:///{tmp_path}/mlflow.db"
        relative = resolve_tracking_uri(Address("sqlite:///store/x.db?timeout=3"))
        assert str(relative) == f"sqlite:///{tmp_path}/store/x.db?timeout=3"
        for given in (f"sqlite:///{tmp_path}/x.db", "https://ada:pw@tracking.example:8443/mlflow"):
            assert resolve_tracking_uri(Address(given)) == Address(given)

    def test_the_ui_command_serves_the_store_at_host_and_port(self, tmp_path: Path) -> None:
        command, variables = ui_command(Address(f"sqlite:///{tmp_path}/x.db"), "127.0.0.1", 5050)
        assert command[:5] == [sys.executable, "-P", "-m", "mlflow", "ui"]
        options = dict(zip(command[5::2], command[6::2], strict=True))
        assert options.items() >= {"--host": "127.0.0.1", "--port": "5050"}.items()
        assert variables["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{tmp_path}/x.db"

    def test_the_ui_command_has_no_password_for_everybody_to_read(self) -> None:
        address = "postgresql://ada:MARKED@db.example/mlflow"
        command, variables = ui_command(Address(address), "127.0.0.1", 5050)
        assert not any("MARKED" in word for word in command)
        assert variables["MLFLOW_BACKEND_STORE_URI"] == address

    def test_a_server_has_no_ui_command(self) -> None:
        with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:5000"):
            ui_command(Address("http://127.0.0.1:5000"), "127.0.0.1", 5001)

    def test_links_open_the_view_of_model_training(self) -> None:
        assert link("http://127.0.0.1:5000/", experiment_page("7")) == (
            "http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning"
        )
        assert run_page("7", "abc") == "#/experiments/7/runs/abc?workflowType=machine_learning"
        table, charts = view_page("7", "abc"), charts_page("7", "abc")
        assert table == f"{experiment_page('7')}&viewStateShareKey=abc"
        assert charts == f"{table}-charts&compareRunsMode=CHART"
        pages = [file_page("7", "abc", "a b.html"), version_page("m", 2)]
        assert [page.removesuffix("?workflowType=machine_learning") for page in [*pages, MODELS]] == [
            "#/experiments/7/runs/abc/artifacts/a%20b.html",
            "#/models/m/versions/2",
            "#/models",
        ]


class TestServer:
    def test_a_server_started_by_our_command_shows_what_was_recorded_in_its_file(
        self, mlflow_server: str, tmp_path: Path
    ) -> None:
        name = f"served-{uuid4().hex[:8]}"
        tracker = MlflowTracker.open(sweep_record(name=name), Address(mlflow_server))
        tracker.record([example_result(0), example_result(1, Status.FAILED)])
        register(
            tracker.tracking,
            example_candidate(tmp_path / "model", name),
            PromotionDecision(promote=True, because="nothing to compare with"),
        )
        tracker.finish({}, "done", {"summary.json": "{}"})
        found = open_existing(Address(mlflow_server), name)
        assert found.sweep.yaml == sweep_record().yaml
        assert exact_texts(found.recorded_results()) == exact_texts([example_result(0), example_result(1, Status.FAILED)])

    def test_nothing_is_printed(self, mlflow_server: str, capfd: pytest.CaptureFixture[str]) -> None:
        tracker = MlflowTracker.open(sweep_record(name=f"silent-{uuid4().hex[:8]}"), Address(mlflow_server))
        tracker.record([example_result(0)])
        tracker.finish({}, "", {})
        assert capfd.readouterr() == ("", "")
