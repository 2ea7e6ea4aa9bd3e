"""Comparisons in tracking stores: the contract over memory and over MLflow, and what MLflow's store holds of them."""

from __future__ import annotations

import math
import re
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args
from uuid import uuid4

import pytest
from mlflow.entities import Run

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError
from branchsweep.metrics.comparison_conclusions import headline
from branchsweep.metrics.comparison_result import Verdict
from branchsweep.tracking.comparison_protocols import ComparisonRecord, ComparisonTracker
from branchsweep.tracking.memory import MemoryComparisonTracker, MemoryStore
from branchsweep.tracking.mlflow.comparison import MlflowComparisonTracker, open_comparison
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.serialization import contestants
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from branchsweep.tracking.protocols import TableRecord
from branchsweep.tracking.run_reader import list_comparisons, list_sweeps, open_recorded_trial
from branchsweep.tracking.run_records import INTERRUPTED
from branchsweep.tracking.ui_pages import view_page
from contracts.comparison_results import example_comparison, example_contestant
from contracts.comparison_tracker import ComparisonTrackerContract, OpenComparison
from contracts.results import example_result
from contracts.tracking_records import comparison_record, sweep_record
from mlflow_views import decode_state
from recorded_runs import client_of
from scores import SCORE_METRICS

DOCUMENT = Path(__file__).parents[2] / "docs" / "mlflow.md"


class TestMemoryComparison(ComparisonTrackerContract):
    @pytest.fixture
    def opened(self) -> OpenComparison:
        store = MemoryStore()

        def open_comparison_tracker(record: ComparisonRecord, fresh: bool = False) -> ComparisonTracker:
            return MemoryComparisonTracker.open(record, store, fresh)

        return open_comparison_tracker


class TestMlflowComparison(ComparisonTrackerContract):
    @pytest.fixture
    def opened(self, mlflow_store: Address) -> OpenComparison:
        def open_comparison_tracker(record: ComparisonRecord, fresh: bool = False) -> ComparisonTracker:
            return MlflowComparisonTracker.open(record, mlflow_store, fresh)

        return open_comparison_tracker


@pytest.mark.slow
class TestMlflowComparisonBehindAServer(ComparisonTrackerContract):
    @pytest.fixture
    def opened(self, mlflow_server: str) -> OpenComparison:
        name = f"contract-{uuid4().hex[:8]}"  # the server is shared by all tests

        def open_comparison_tracker(record: ComparisonRecord, fresh: bool = False) -> ComparisonTracker:
            return MlflowComparisonTracker.open(replace(record, name=name), Address(mlflow_server), fresh)

        return open_comparison_tracker


def children(tracker: MlflowComparisonTracker) -> list[Run]:
    query = f"tags.`mlflow.parentRunId` = '{tracker.run_id}'"
    return list(client_of(tracker).search_runs([tracker.experiment_id], query, order_by=["start_time ASC"]))


def files(folder: Path, tracker: MlflowComparisonTracker) -> Path:
    return folder / "mlruns" / "contract" / tracker.run_id / "artifacts"


def documented(where: str) -> set[str]:
    """The names in a row of the tables about comparisons in docs/mlflow.md."""
    (section,) = re.findall(r"^## A comparison\n(.*?)^## ", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (row,) = re.findall(rf"^\| {where} \|(.*)\|$", section, re.MULTILINE)
    return {name for name in re.findall("`([^`]+)`", row) if not name.startswith("-")}


def of_one_head(names: Iterable[str]) -> set[str]:
    """The names of what is ours, those of all heads and of their mean as of one head."""
    return {re.sub("/(V|mean)$", "/PE", name) for name in names if not name.startswith("mlflow.")}


class TestStoredRuns:
    def test_what_is_recorded_of_a_comparison_is_what_the_documentation_says(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        before = client_of(tracker).get_run(tracker.run_id).data.tags
        result = example_comparison(cuts=("fewer halves",))
        first = result.contestants[0]
        collapsed = {**first.scores, "PE": (*first.scores["PE"][:-1], -5.0)}
        contestants = (replace(first, scores=collapsed), *result.contestants[1:])
        differences = tuple(replace(difference, p_equivalence=0.5) for difference in result.differences)
        tracker.finish(replace(result, contestants=contestants, differences=differences), {})
        parent = client_of(tracker).get_run(tracker.run_id).data
        assert of_one_head(parent.tags.keys() - before.keys()) == documented("Tags of the comparison")
        assert of_one_head(parent.metrics) == documented("Metrics of the comparison")
        runs = [run.data for run in children(tracker)]
        assert of_one_head(name for run in runs for name in run.tags) == documented("Tags of a contestant")
        assert of_one_head(name for run in runs for name in run.metrics) == documented("Metrics of a contestant")

    def test_a_comparison_has_a_view_its_table_and_its_answer_in_the_title(self, mlflow_store: Address) -> None:
        table = TableRecord("file", "/data/plant.csv", "0123456789abcdef" * 4, 1200, "plant.csv", ["AT", "PE"])
        tracker = MlflowComparisonTracker.open(comparison_record(table=table), mlflow_store)
        tracker.finish(example_comparison(), {})
        parent = client_of(tracker).get_run(tracker.run_id)
        assert parent.info.run_name == f"contract: {headline(example_comparison())}"
        assert "branchsweep.holder" not in parent.data.tags
        assert [listed.name for listed in list_comparisons(mlflow_store)] == ["contract"]
        assert [listed.view for listed in list_comparisons(mlflow_store)] == [tracker.run_id]
        tags = client_of(tracker).get_experiment(tracker.experiment_id).tags
        view = decode_state(tags[f"mlflow.sharedViewState.{tracker.run_id}"])
        found = client_of(tracker).search_runs([tracker.experiment_id], view["searchFilter"])
        assert sorted(run.info.run_name for run in found) == sorted(run.info.run_name for run in children(tracker))
        for run in (parent, *found):
            assert run.inputs is not None
            assert [given.dataset.name for given in run.inputs.dataset_inputs] == ["plant.csv"]
        text = tags["mlflow.note.content"]
        assert view_page(tracker.experiment_id, tracker.run_id) in text and parent.info.run_name in text

    def test_a_comparison_whose_process_has_ended_is_listed_as_interrupted(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        assert [listed.status for listed in list_comparisons(mlflow_store)] == ["RUNNING"]
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            pass
        owner = LockOwner("bob", socket.gethostname(), ended.pid, "another", 0.0, 0.0)
        client_of(tracker).set_tag(tracker.run_id, "branchsweep.holder", owner.tags["branchsweep.holder"])
        assert [listed.status for listed in list_comparisons(mlflow_store)] == [INTERRUPTED]
        MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        assert [listed.status for listed in list_comparisons(mlflow_store)] == ["RUNNING"]

    def test_the_documentation_has_every_verdict(self) -> None:
        text = DOCUMENT.read_text(encoding="utf-8")
        assert [verdict for verdict in get_args(Verdict) if f"`{verdict}`" not in text] == []

    def test_the_run_of_a_comparison_has_facts_and_files(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        run = client_of(tracker).get_run(tracker.run_id)
        assert (run.info.run_name, run.info.status) == ("contract", "RUNNING")
        expected = {
            "branchsweep.role": "comparison",
            "branchsweep.key": "key",
            "branchsweep.question": "Who is better?",
            "branchsweep.heads": '{"PE": "MW", "V": "cm Hg"}',
            "branchsweep.data_source": "embedded",
            "mlflow.source.git.commit": "c0ffee",
            "mlflow.note.content": "Who is better?",
        }
        assert run.data.tags.items() >= expected.items()
        assert (files(tmp_path, tracker) / "comparison.yaml").read_text(encoding="utf-8") == comparison_record().yaml

    def test_the_run_of_a_finished_comparison_has_its_result(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.record_part("tuned/branched", [1])
        tracker.finish(example_comparison(), {"comparison.md": "# Ω\n\nFirst.\n\nSecond.", "figures/gain.png": b"\x89PNG\x00"})
        run = client_of(tracker).get_run(tracker.run_id)
        assert run.info.status == "FINISHED"
        first, links, *rest = run.data.tags["mlflow.note.content"].split("\n\n")
        assert (first, rest) == ("First.", ["Second."]), "the conclusions first, without the title, which the page has"
        assert view_page(tracker.experiment_id, tracker.run_id) in links
        assert run.data.tags["branchsweep.answer"] == "\n".join(example_comparison().conclusions)
        assert run.data.tags["branchsweep.verdict/PE"] == "gains"
        assert "branchsweep.cuts" not in run.data.tags
        assert run.data.metrics == {f"gain/{effect.head}": effect.difference for effect in example_comparison().transfer}
        folder = files(tmp_path, tracker)
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == {
            "comparison.md",
            "comparison.yaml",
            "figures/gain.png",
            "findings.json",
            "parts/tuned/branched.json",
        }
        assert (folder / "comparison.md").read_text(encoding="utf-8").startswith("# Ω")
        assert (folder / "figures" / "gain.png").read_bytes() == b"\x89PNG\x00"

    def test_a_contestant_is_a_run_with_the_metrics_of_a_trial(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.finish(example_comparison(), {})
        branched, single, forest, _ = children(tracker)
        assert [run.info.run_name for run in (branched, single, forest)] == ["branched", "single", "forest"]
        expected = {
            "branchsweep.role": "contestant",
            "branchsweep.comparison": tracker.run_id,
            "branchsweep.contestant": "branched",
            "mlflow.note.content": example_comparison().contestants[0].description,
        }
        assert branched.data.tags.items() >= expected.items()
        assert branched.info.end_time - branched.info.start_time == 2500 + 10 * 300
        contestant = example_comparison().contestants[0]
        metrics = branched.data.metrics
        assert metrics["r2/PE"] == pytest.approx(statistics.fmean(contestant.scores["PE"]))
        assert metrics["r2_se/mean"] == pytest.approx(statistics.stdev(contestant.scores["mean"]) * math.sqrt(1.1))
        assert metrics["rmse/V"] == pytest.approx(statistics.fmean(contestant.metrics["rmse"]["V"]))
        costs = {
            "parameters": 1234.5,
            "training_seconds": 0.1 + 0.2,
            "tuning_seconds": 2.5,
            "latency_ms": 4 / 3,
            "bytes": 70001.5,
        }
        assert {name: metrics[name] for name in costs} == pytest.approx(costs)
        halves = client_of(tracker).get_metric_history(branched.info.run_id, "half_r2/V")
        assert [(point.step, point.value) for point in halves] == list(enumerate(contestant.scores["V"], 1))
        difference = {"difference/PE": -1 / 3, "p_adjusted/PE": 0.08}
        assert single.data.metrics.items() >= difference.items()
        assert single.data.tags["branchsweep.verdict/PE"] == "undecided"
        assert not any("verdict" in name for name in branched.data.tags)
        assert single.data.metrics["r2_median/PE"] == pytest.approx(0.8 + 4.5 / 300)
        assert not difference.keys() & metrics.keys(), "the reference is not compared with itself"
        assert "parameters" not in forest.data.metrics
        trial = {f"{figure}/{head}" for figure in ("r2", "rmse") for head in ("PE", "V")} | {"r2/mean", "r2_se/PE"}
        sweep = MlflowTracker.open(sweep_record(), mlflow_store)
        sweep.record([example_result(0)])
        query = f"tags.`branchsweep.sweep` = '{sweep.run_id}'"
        (run,) = client_of(tracker).search_runs([sweep.experiment_id], query)
        assert trial <= metrics.keys() & run.data.metrics.keys()

    def test_params_are_the_chosen_hyperparameters(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.finish(example_comparison(), {})
        branched, single, forest, _ = children(tracker)
        descriptions = {contestant.name: contestant.description for contestant in example_comparison().contestants}
        assert branched.data.params == {
            "what": descriptions["branched"],
            "verdict": "reference",
            "trunk.depth": "2 (5×), 3 (5×)",
            "optimizer": "adam",
            "learning_rate": "0 to 0.009",
        }
        verdict = "PE undecided, V undecided, mean undecided"
        assert single.data.params == {
            "what": descriptions["single"],
            "verdict": verdict,
            "PE/trunk.depth": "3",
            "V/batch_norm": "True (9×), default (1×)",
        }
        assert forest.data.params == {"what": descriptions["forest"], "verdict": verdict}

    def test_a_quick_form_has_what_it_cut_off_as_a_tag(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.finish(example_comparison(cuts=("no pruning", "20 epochs instead of 60")), {})
        tags = client_of(tracker).get_run(tracker.run_id).data.tags
        assert tags["branchsweep.cuts"] == "no pruning; 20 epochs instead of 60"
        assert open_comparison(mlflow_store, tracker.run_id).comparison == comparison_record()

    def test_a_collapsed_half_is_a_tag_of_its_contestant(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        scores = {"PE": (0.9,) * 9 + (-1.0,)}
        tracker.finish(example_comparison(contestants=(example_contestant("fallen", 0.5, scores=scores, metrics={}),)), {})
        (run,) = children(tracker)
        assert run.data.tags["branchsweep.collapsed"] == "PE -1.0000 in half 10, 0.9000 to 0.9000 in the others"

    def test_a_failed_contestant_has_a_reason(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.finish(example_comparison(), {})
        *_, failed = children(tracker)
        assert (failed.info.run_name, failed.info.status) == ("diverged", "FAILED")
        assert failed.data.tags["branchsweep.reason"] == example_comparison().contestants[-1].failure
        assert failed.data.metrics == {"tuning_seconds": 0.0}

    def test_params_and_metrics_of_several_batches_are_recorded(
        self, mlflow_store: Address, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("branchsweep.tracking.mlflow.store.BATCH_METRICS", 7)
        heads = {f"h{number}": (0.5 + number / 1000, 0.25) for number in range(30)}
        recipes = ({head: {f"hyperparameter{number}": number for number in range(4)} for head in heads},) * 2
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        wide = example_contestant("wide", 0.5, scores=heads, metrics={"rmse": heads}, recipes=recipes)
        tracker.finish(example_comparison(contestants=(wide,), differences=(), score_metrics=dict.fromkeys(heads, "r2")), {})
        (run,) = children(tracker)
        assert len(run.data.params) == 1 + 30 * 4
        assert set(run.data.metrics) == {
            point.name for point in contestants.contestant_metrics(wide, (), dict.fromkeys(heads, "r2"))
        }
        halves = client_of(tracker).get_metric_history(run.info.run_id, "half_r2/h29")
        assert [point.value for point in halves] == list(heads["h29"])


class TestInterrupted:
    def test_contestants_are_replaced_when_a_comparison_finishes_again(self, mlflow_store: Address) -> None:
        interrupted = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        interrupted._write(example_comparison().contestants[0], example_comparison())
        tags = contestants.contestant_tags(example_comparison().contestants[1], interrupted.run_id)
        client_of(interrupted).create_run(interrupted.experiment_id, tags=tags, run_name="half written")
        resumed = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        for _ in range(2):
            resumed.finish(example_comparison(), {})
            assert [run.info.run_name for run in children(resumed)] == ["branched", "single", "forest", "diverged"]
            assert "RUNNING" not in {run.info.status for run in children(resumed)}
        fewer = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        fewer.finish(example_comparison(contestants=example_comparison().contestants[:1]), {})
        assert [run.info.run_name for run in children(resumed)] == ["branched"]

    def test_contestants_of_another_comparison_are_kept(self, mlflow_store: Address) -> None:
        first, second = (MlflowComparisonTracker.open(comparison_record(key), mlflow_store) for key in ("first", "second"))
        for tracker in (first, second, first):
            tracker.finish(example_comparison(), {})
        assert [len(children(tracker)) for tracker in (first, second)] == [4, 4]

    @pytest.mark.parametrize("n_bytes", [0, 1, 5, -1])
    def test_an_incomplete_part_is_ignored(self, mlflow_store: Address, tmp_path: Path, n_bytes: int) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.record_part("whole", 12)
        tracker.record_part("half", 123456)
        file = files(tmp_path, tracker) / "parts" / "half.json"
        file.write_bytes(file.read_bytes()[:n_bytes])
        resumed = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        assert resumed.recorded_parts() == {"whole": 12}
        resumed.record_part("half", 7)
        assert resumed.recorded_parts() == {"whole": 12, "half": 7}

    def test_a_part_that_cannot_be_read_is_an_error(self, mlflow_store: Address, tmp_path: Path) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.record_part("part", 12)
        (files(tmp_path, tracker) / "parts" / "part.json").write_text("{12}\n", encoding="utf-8")
        with pytest.raises(TrackingError, match=tracker.run_id[:8]) as caught:
            tracker.recorded_parts()
        assert isinstance(caught.value.__cause__, ValueError)

    def test_a_resumed_comparison_has_its_present_yaml(self, mlflow_store: Address) -> None:
        first = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        first.finish(example_comparison(), {})
        changed = comparison_record(yaml="name: contract  # elsewhere\n", environment={"git_commit": "beef"})
        later = MlflowComparisonTracker.open(changed, mlflow_store)
        run = client_of(first).get_run(first.run_id)
        assert (run.info.status, run.data.tags["branchsweep.git_commit"]) == ("FINISHED", "c0ffee")
        later.record_part("more", 1)
        run = client_of(first).get_run(first.run_id)
        assert (run.info.status, run.data.tags["branchsweep.git_commit"]) == ("RUNNING", "beef")
        assert open_comparison(mlflow_store).comparison.yaml == changed.yaml

    def test_a_long_answer_is_replaced_completely(self, mlflow_store: Address) -> None:
        tracker = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        tracker.finish(example_comparison(conclusions=("long " * 4000,)), {})
        assert list_comparisons(mlflow_store)[0].answer == ("long " * 4000,)
        MlflowComparisonTracker.open(comparison_record(), mlflow_store).finish(example_comparison(conclusions=("short",)), {})
        assert list_comparisons(mlflow_store)[0].answer == ("short",)


class TestReading:
    def test_sweeps_and_comparisons_of_one_name_and_key_are_distinguished(self, mlflow_store: Address) -> None:
        comparison = MlflowComparisonTracker.open(comparison_record(), mlflow_store)
        sweep = MlflowTracker.open(sweep_record(), mlflow_store)
        assert sweep.experiment_id == comparison.experiment_id
        sweep.record([example_result(0)])
        comparison.record_part("part", 1)
        comparison.finish(example_comparison(), {})
        assert not MlflowTracker.open(sweep_record("other"), mlflow_store, fresh=True).is_resumed
        assert MlflowTracker.open(sweep_record(), mlflow_store).run_id == sweep.run_id
        assert MlflowComparisonTracker.open(comparison_record(), mlflow_store).run_id == comparison.run_id
        assert comparison.run_id not in {listed.run_id for listed in list_sweeps(mlflow_store)}
        assert [listed.run_id for listed in list_comparisons(mlflow_store)] == [comparison.run_id]
        assert [result.trial.number for result in open_existing(mlflow_store, sweep.run_id).recorded_results()] == [0]
        for run in (comparison.run_id, children(comparison)[0].info.run_id):
            with pytest.raises(TrackingError, match=f"'{run}'"):
                open_existing(mlflow_store, run)
            with pytest.raises(TrackingError, match=f"'{run}'.*--trial NUMBER"):
                open_recorded_trial(mlflow_store, run)
        with pytest.raises(TrackingError, match=rf"'{sweep.run_id}'.*\bcontract\b"):
            open_comparison(mlflow_store, sweep.run_id)

    def test_comparisons_are_listed_newest_first(self, mlflow_store: Address) -> None:
        with pytest.raises(TrackingError, match=re.escape(str(mlflow_store))):
            open_comparison(mlflow_store)
        for name in ("alpha", "beta"):
            tracker = MlflowComparisonTracker.open(comparison_record(name=name), mlflow_store)
        tracker.finish(example_comparison(comparison="beta"), {})
        newest, oldest = list_comparisons(mlflow_store)
        assert (newest.name, newest.status, newest.data) == ("beta", "FINISHED", "embedded")
        assert newest.answer == example_comparison().conclusions
        assert (oldest.name, oldest.status, oldest.answer) == ("alpha", "RUNNING", ())
        assert datetime.now(UTC) - newest.started < timedelta(minutes=1)
        for named in ("", "beta", newest.run_id, newest.run_id[:12]):
            reader = open_comparison(mlflow_store, named)
            assert reader.conclusion is not None
            assert reader.conclusion.comparison == "beta"
            assert reader.comparison == comparison_record(name="beta")
        assert open_comparison(mlflow_store, "alpha").conclusion is None

    def test_reading_creates_no_store(self, tmp_path: Path) -> None:
        missing = tmp_path / "nowhere" / "mlflow.db"
        with pytest.raises(TrackingError, match=re.escape(str(missing))):
            list_comparisons(Address(f"sqlite:///{missing}"))
        assert not missing.parent.exists()


class TestSerialization:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([2, 2, 2], "2"),
            ([None, None], "default"),
            (["relu", "silu", "relu"], "relu (2×), silu (1×)"),
            ([1, 2, 3, 4], "1 to 4"),
            ([1e-3, 2e-2, 0.123456789, 3.0], "0.001 to 3"),
            ([1, 2, 3, None], "1 (1×), 2 (1×), 3 (1×), default (1×)"),
            ([True, False, True], "True (2×), False (1×)"),
        ],
    )
    def test_the_chosen_values_of_a_hyperparameter_are_summarized(
        self, values: list[int | float | str | None], expected: str
    ) -> None:
        assert contestants.choices(values) == expected

    def test_metrics_that_are_not_finite_are_left_out(self) -> None:
        odd = example_contestant("odd", 0.5, scores={"PE": (0.5, math.nan, math.inf), "V": (0.5,)}, metrics={})
        names = [(point.name, point.step) for point in contestants.contestant_metrics(odd, (), SCORE_METRICS)]
        assert names[:4] == [("r2/V", 0), ("half_r2/PE", 1), ("half_r2/V", 1), ("parameters", 0)]
