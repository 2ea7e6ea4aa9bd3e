"""A faulty server, or a proxy before MLflow's: every call ends in time, in a TrackingError that names the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow.exceptions import MlflowException

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, TrackingServerUnavailableError
from branchsweep.tracking.mlflow import request_limits
from branchsweep.tracking.mlflow.comparison import MlflowComparisonTracker
from branchsweep.tracking.mlflow.connection import connect
from branchsweep.tracking.mlflow.model import load_predictor
from branchsweep.tracking.mlflow.registry import MlflowRegistry
from branchsweep.tracking.mlflow.request_limits import CONNECT_LIMITS, limited_requests
from branchsweep.tracking.mlflow.run_store import MlflowRunStore
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.open import list_sweeps, open_recorded_sweep
from branchsweep.tracking.registry_protocols import PromotionDecision
from contracts.results import example_result
from contracts.tracking_records import comparison_record, example_candidate, register, sweep_record
from hostile_server import ANSWERS, HostileServer, hostile_server
from recorded_runs import client_of

PROMOTED = PromotionDecision(promote=True, because="the first version")

SECONDS = 2
"""The limit of an answer in these tests."""

LimitSetter = Callable[[int], None]
"""Sets the limit of an answer, in seconds."""


@pytest.fixture(autouse=True)
def set_limit(monkeypatch: pytest.MonkeyPatch) -> LimitSetter:
    """The limit is short at first, and no request is repeated."""

    def set_limit(seconds: int) -> None:
        for name, value in {"MLFLOW_HTTP_REQUEST_TIMEOUT": f"{seconds}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}.items():
            monkeypatch.setitem(CONNECT_LIMITS, name, value)
            monkeypatch.setenv(name, value)

    set_limit(SECONDS)
    return set_limit


@pytest.mark.parametrize("answer", [answer for answer in ANSWERS if answer not in ("pass", "lost", "slow")])
def test_a_server_that_is_not_mlflow_is_an_error_in_time(answer: str) -> None:
    with hostile_server(answer=answer) as server:
        start = time.monotonic()
        with pytest.raises(TrackingError, match=server.uri):
            list_sweeps(Address(server.uri))
        assert time.monotonic() - start < 5 * SECONDS


@pytest.mark.parametrize("answer", ["html", "empty", "nothing", "list", "wrong types", "empty things", "not utf-8", "deep"])
def test_nonsense_is_told_from_a_server_that_is_away(answer: str) -> None:
    with hostile_server(answer=answer) as server, pytest.raises(TrackingError) as caught:
        connect(Address(server.uri), create=False)
    assert not isinstance(caught.value, TrackingServerUnavailableError)
    assert "no answer of an MLflow server" in str(caught.value)


@pytest.mark.parametrize("answer", ["429", "500", "502", "503", "retry after", "cut", "garbage", "drip", "dripping header"])
def test_a_server_that_fails_counts_as_away(answer: str) -> None:
    with hostile_server(answer=answer) as server, pytest.raises(TrackingServerUnavailableError):
        connect(Address(server.uri), create=False)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model") / "model"


@pytest.fixture
def proxy(mlflow_server: str, set_limit: LimitSetter) -> Iterator[HostileServer]:
    """A proxy before a server, which passes everything on at first."""
    set_limit(60)
    with hostile_server(mlflow_server) as server:
        yield server


def all_calls(proxy: HostileServer, folder: Path) -> Mapping[str, Callable[[], object]]:
    """Every call of the store, by name; each is possible when the server answers as it should."""
    name = f"hostile-{uuid4().hex[:8]}"
    record, comparison = sweep_record(name=name), comparison_record(name=f"{name}-compared")
    tracker = MlflowTracker.open(record, Address(proxy.uri))
    tracker.record([example_result(0)])
    tracking = tracker.tracking
    register(tracking, example_candidate(folder, name), PROMOTED)
    compared = MlflowComparisonTracker.open(comparison, Address(proxy.uri))
    registry, reader = MlflowRegistry(connect(Address(proxy.uri), create=False)), MlflowRunStore.open(Address(proxy.uri))
    sweep = next(root for root in reader.roots("sweep") if root.run_id == tracker.run_id)
    (trial,) = reader.trials(sweep)
    return {
        "open": lambda: MlflowTracker.open(record, Address(proxy.uri)),
        "open anew": lambda: MlflowTracker.open(record, Address(proxy.uri), fresh=True),
        "record": lambda: tracker.record([example_result(1)]),
        "read": tracker.recorded_results,
        "trial files": lambda: tracker.log_trial_files(0, {"a.txt": "a"}),
        "renew": tracker.lock.renew,
        "finish": lambda: tracker.finish({"test_r2/PE": 0.5}, "x", {"b.txt": "b"}),
        "release": tracker.lock.release,
        "champion": lambda: registry.champion(name),
        "register": lambda: register(tracking, example_candidate(folder, name), PROMOTED),
        "rollback": lambda: registry.rollback(name),
        "history": lambda: registry.history(name),
        "files": lambda: registry.model_files(name, 1).__enter__(),
        "predictor": lambda: load_predictor(f"models:/{name}@champion", Address(proxy.uri)),
        "evaluation": lambda: tracking.test_audit.record_evaluation("trial 0"),
        "evaluations": lambda: tracking.test_audit.evaluations("d1"),
        "roots": lambda: reader.roots("sweep"),
        "trials": lambda: reader.trials(sweep),
        "find": lambda: reader.find_trials(trial.run_id),
        "artifact": lambda: reader.artifact(sweep, "experiment.yaml"),
        "curves": lambda: reader.curves(trial, record.score_metrics),
        "open comparison": lambda: MlflowComparisonTracker.open(comparison, Address(proxy.uri)),
        "part": lambda: compared.record_part("part", {"a": 1}),
        "parts": compared.recorded_parts,
    }


HARMLESS = {"404", "empty", "nothing", "not utf-8"}
"""Answers that are also the right ones to some calls: there is nothing of that name, or nothing is to be said."""

UNREAD = {"list", "wrong types", "empty things", "deep"}
"""Answers that name no file and no metric."""

FILES = {"parts", "artifact", "curves"}
"""The calls that read no more than that."""


@pytest.fixture(scope="module")
def proxied(mlflow_server: str, model_folder: Path) -> Iterator[tuple[HostileServer, Mapping[str, Callable[[], object]]]]:
    """A proxy, and all calls through it, for answers by which nothing is changed in the store."""
    with hostile_server(mlflow_server) as server:
        yield server, all_calls(server, model_folder)


CHANGES_NOTHING = [
    answer for answer in ANSWERS if answer not in ("pass", "lost", "slow", "endless") and not answer.startswith("drip")
]


LIKE_OTHERS = {"401", "403", "404", "418", "502", "500 html", "list", "empty things"}
"""Answers that a call takes as it takes another one; the first call, which looks for the server, meets all of them."""


@pytest.mark.parametrize(
    "answer",
    [pytest.param(answer, marks=[pytest.mark.slow] if answer in LIKE_OTHERS else []) for answer in CHANGES_NOTHING],
)
def test_every_call_ends_in_an_error_that_names_the_server(
    proxied: tuple[HostileServer, Mapping[str, Callable[[], object]]], set_limit: LimitSetter, answer: str
) -> None:
    set_limit(60)
    proxy, calls = proxied
    assert_errors_name_the_server(proxy, calls, answer)


def test_every_call_whose_answer_is_lost_ends_in_an_error_that_names_the_server(
    proxy: HostileServer, model_folder: Path
) -> None:
    assert_errors_name_the_server(proxy, all_calls(proxy, model_folder), "lost")


def assert_errors_name_the_server(proxy: HostileServer, calls: Mapping[str, Callable[[], object]], answer: str) -> None:
    for call, action in calls.items():
        proxy.will_answer(answer)
        if answer in HARMLESS or (answer in UNREAD and call in FILES):
            with suppress(TrackingError):
                action()
        else:
            with pytest.raises(TrackingError, match=proxy.uri):
                action()


def test_a_file_counts_as_uploaded_only_where_mlflow_says_so(proxy: HostileServer) -> None:
    tracker = MlflowComparisonTracker.open(comparison_record(name=f"hostile-{uuid4().hex[:8]}"), Address(proxy.uri))
    tracker.record_part("first", {"a": 1})  # MLflow's client asks for the place of files once
    for answer in ("list", "wrong types", "empty things", "not utf-8", "deep", "html"):
        proxy.will_answer(answer, times=1)
        with pytest.raises(TrackingError, match="no answer of an MLflow server"):
            tracker.record_part("second", {"a": 1})
        assert proxy.requests[-1][1] == "PUT"
    tracker.record_part("second", {"a": 1})
    assert set(tracker.recorded_parts()) == {"first", "second"}


def test_a_call_that_is_not_ours_is_mlflows_own(proxy: HostileServer) -> None:
    """An answer to an upload that MLflow takes, and we do not."""
    tracker = MlflowTracker.open(sweep_record(name=f"hostile-{uuid4().hex[:8]}"), Address(proxy.uri))
    client = client_of(tracker)
    client.log_text(tracker.run_id, "a", "a.txt")
    proxy.will_answer("list", times=1)
    client.log_text(tracker.run_id, "a", "a.txt")
    assert proxy.requests[-1][1] == "PUT"


@pytest.mark.slow
def test_a_dripping_answer_is_given_up(proxy: HostileServer, model_folder: Path, set_limit: LimitSetter) -> None:
    calls = all_calls(proxy, model_folder)
    set_limit(SECONDS)
    for call in ("record", "champion", "roots", "artifact"):
        proxy.will_answer("drip")
        start = time.monotonic()
        with pytest.raises(TrackingServerUnavailableError):
            calls[call]()
        assert time.monotonic() - start < 3 * SECONDS, call


def test_retry_after_is_not_waited_for(proxy: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = MlflowTracker.open(sweep_record(name=f"hostile-{uuid4().hex[:8]}"), Address(proxy.uri))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    proxy.will_answer("retry after", times=1)
    start = time.monotonic()
    tracker.record([example_result(0)])
    assert time.monotonic() - start < 10
    assert len(tracker.recorded_results()) == 1


@pytest.mark.parametrize("answer", ["lost", "cut", "503", "html", "garbage"])
def test_after_an_interruption_everything_is_recorded_once(proxy: HostileServer, answer: str) -> None:
    record = sweep_record(name=f"hostile-{uuid4().hex[:8]}")
    tracker = MlflowTracker.open(record, Address(proxy.uri))
    results = [example_result(number) for number in range(3)]
    for times in range(1, 9):
        proxy.will_answer("pass")
        proxy.will_answer(answer, times=1)
        with suppress(TrackingError):
            tracker.record(results[: min(3, times)])
    proxy.will_answer("pass")
    tracker.record(results)
    assert [result.trial.number for result in tracker.recorded_results()] == [0, 1, 2]
    assert [result.trial.number for result in MlflowTracker.open(record, Address(proxy.uri)).recorded_results()] == [0, 1, 2]


def test_an_answer_without_end_is_given_up_at_the_limit(set_limit: LimitSetter, monkeypatch: pytest.MonkeyPatch) -> None:
    set_limit(60)
    monkeypatch.setattr(request_limits, "MOST_BYTES", 8 << 20)
    with hostile_server(answer="endless") as server:
        with pytest.raises(TrackingError, match="8 MiB") as caught:
            connect(Address(server.uri), create=False)
        assert not isinstance(caught.value, TrackingServerUnavailableError)
        assert "no answer of an MLflow server" in str(caught.value)
        assert server.sent < 32 << 20, "with what is on its way"


def test_a_file_without_end_is_given_up_at_the_limit(proxy: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"hostile-{uuid4().hex[:8]}"
    tracker = MlflowTracker.open(sweep_record(name=name), Address(proxy.uri))
    tracker.log_files({"small.txt": "a" * 1000, "large.txt": "a" * (3 << 20)})
    monkeypatch.setattr(request_limits, "MOST_FILE_BYTES", 1 << 20)
    recorded = open_recorded_sweep(Address(proxy.uri), name)
    assert recorded.artifact("small.txt") == b"a" * 1000
    with pytest.raises(TrackingError, match="1 MiB") as caught:
        recorded.artifact("large.txt")
    assert not isinstance(caught.value, TrackingServerUnavailableError)
    assert "large.txt" in str(caught.value)
    client = client_of(tracker)
    with limited_requests(), pytest.raises(MlflowException):
        client.download_artifacts(tracker.run_id, "large.txt")
    assert Path(client.download_artifacts(tracker.run_id, "large.txt")).stat().st_size == 3 << 20, "a call of others"


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("created", ["model-versions/create", "/logged-models"])
def test_what_is_created_twice_as_an_answer_was_lost_is_registered_once(
    proxy: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, created: str, times: int
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    name = f"hostile-{uuid4().hex[:8]}"
    tracker = MlflowTracker.open(sweep_record(name=name), Address(proxy.uri))
    before = len(proxy.requests)
    register(tracker.tracking, example_candidate(tmp_path / "model", f"{name}-first"), PROMOTED)
    posted = [method == "POST" and created in path for _, method, path in proxy.requests[before:]]
    at = posted.index(True)
    proxy.will_answer_at(at, "lost", times)
    with suppress(TrackingError):
        register(tracker.tracking, example_candidate(tmp_path / "model", name), PROMOTED)
    proxy.forget_plan()
    assert register(tracker.tracking, example_candidate(tmp_path / "model", name), PROMOTED).version == 1
    client = client_of(tracker)
    (version,) = client.search_model_versions(f"name = '{name}'")
    logged = [model for model in client.search_logged_models([tracker.experiment_id]) if model.name == name]
    assert len(logged) == 1
    assert "branchsweep.registering" not in {*version.tags, *logged[0].tags}


def test_a_large_answer_may_take_longer_than_the_limit(set_limit: LimitSetter) -> None:
    set_limit(1)
    with hostile_server(answer="slow") as server:
        start = time.monotonic()
        assert connect(Address(server.uri), create=False).tracking_uri == server.uri
        assert time.monotonic() - start > 1
