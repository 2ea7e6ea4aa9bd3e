"""The tracker that writes in a thread: the contracts around memory and MLflow; order, errors, unavailable servers, the exit."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from branchsweep.config.addresses import Address
from branchsweep.errors import BackendError, TrackingError, TrackingServerUnavailableError
from branchsweep.tracking.async_tracker import AsyncTracker
from branchsweep.tracking.memory import MemoryRegistry, MemoryStore, MemoryTracker, StoredSweep
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.outbox import Outbox
from branchsweep.tracking.protocols import SweepRecord, Tracker, Tracking
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionDecision
from branchsweep.tracking.retrying_trackers import RetryingRegistry, RetryingTestAudit
from branchsweep.trial import Result
from contracts.audit import AuditContract
from contracts.registry import RegistryContract
from contracts.results import exact_texts, example_result
from contracts.tracker import TrackerContract
from contracts.tracking_records import OpenTracking, example_candidate, sweep_record
from fakes import RecordingProgress
from processes import start_python


class AsyncContract(TrackerContract, RegistryContract, AuditContract):
    """The contracts around the tracking of any store: `inner` opens that."""

    has_outbox = False

    @pytest.fixture
    def opened(self, inner: OpenTracking, tmp_path: Path) -> Generator[OpenTracking]:
        with ExitStack() as stack:
            opened: list[AsyncTracker] = []

            def open_tracking(record: SweepRecord, fresh: bool = False) -> Tracking:
                for earlier in opened:  # as another process, this one reads what is written
                    earlier.flush()
                store = inner(record, fresh)
                outbox = Outbox(tmp_path / store.tracker.run_id) if self.has_outbox else None
                tracker = stack.enter_context(AsyncTracker(store.tracker, outbox))
                opened.append(tracker)
                return Tracking(
                    tracker, RetryingRegistry(store.registry, tracker), RetryingTestAudit(store.test_audit, tracker)
                )

            yield open_tracking


class TestAroundMemory(AsyncContract):
    @pytest.fixture
    def inner(self) -> OpenTracking:
        store = MemoryStore()
        return lambda record, fresh=False: MemoryTracker.open(record, store, fresh).tracking


class TestAroundMemoryWithOutbox(TestAroundMemory):
    has_outbox = True


class TestAroundMlflow(AsyncContract):
    @pytest.fixture
    def inner(self, mlflow_store: Address) -> OpenTracking:
        return lambda record, fresh=False: MlflowTracker.open(record, mlflow_store, fresh).tracking


NO_RESPONSE = "no response"
"""The error of a server that is unavailable."""


class Slow(MemoryTracker):
    """A tracker that writes once its gate is open, and refuses one trial.

    Args:
        refused: The trial's number.
    """

    def __init__(self, refused: int = -1) -> None:
        super().__init__(MemoryStore([StoredSweep(sweep_record())]), 0, is_resumed=False)
        self.begun, self.gate = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.refusal = TrackingError(f"trial {refused} is refused")
        self._refused = refused

    def record(self, results: Sequence[Result]) -> None:
        self.begun.set()
        self.gate.wait()
        numbers = [result.trial.number for result in results]
        if self._refused in numbers:
            raise self.refusal
        self.batches.append(numbers)
        super().record(results)

    def unblock_soon(self) -> None:
        threading.Timer(0.05, self.gate.set).start()


class RemoteTracker(MemoryTracker):
    """A tracker whose server may be unavailable, also after some trials of a batch.

    Args:
        sweep: The sweep that it records; another process reads it there.
    """

    def __init__(self, sweep: StoredSweep | None = None) -> None:
        super().__init__(MemoryStore([sweep or StoredSweep(sweep_record())]), 0, is_resumed=sweep is not None)
        self.is_unavailable, self.breaks_off_after, self.attempts = False, -1, 0
        self.order: list[int] = []

    def record(self, results: Sequence[Result]) -> None:
        self.attempts += 1
        self.check_server()
        for result in self._sweep.recorded.unrecorded(results):
            if len(self.order) == self.breaks_off_after:
                self.breaks_off_after = -1
                raise TrackingServerUnavailableError("disconnected")
            super().record([result])
            self.order.append(result.trial.number)

    def finish(
        self, metrics: Mapping[str, float], summary: str, files: Mapping[str, str | bytes], description: str = ""
    ) -> None:
        self.check_server()
        super().finish(metrics, summary, files, description)

    def check_server(self) -> None:
        if self.is_unavailable:
            raise TrackingServerUnavailableError(NO_RESPONSE)

    def make_available_soon(self) -> None:
        def make_available() -> None:
            self.is_unavailable = False

        threading.Timer(0.05, make_available).start()


class RemoteRegistry(MemoryRegistry):
    """The registry behind the same server.

    Args:
        tracker: Of that server.
    """

    def __init__(self, tracker: RemoteTracker) -> None:
        super().__init__(MemoryStore())
        self._tracker = tracker

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        self._tracker.check_server()
        return super().register(candidate, decision)


def record_each(async_tracker: AsyncTracker, numbers: Sequence[int] | Iterator[int]) -> None:
    for number in numbers:
        async_tracker.record([example_result(number)])


def record_and_raise(async_tracker: AsyncTracker, numbers: Sequence[int], error: BaseException) -> None:
    with async_tracker:
        record_each(async_tracker, numbers)
        raise error


def record_flush_record(async_tracker: AsyncTracker, first: Sequence[int], second: Sequence[int] | Iterator[int]) -> None:
    with async_tracker:
        record_each(async_tracker, first)
        async_tracker.flush()
        record_each(async_tracker, second)


def numbers(tracker: Tracker) -> list[int]:
    return [result.trial.number for result in tracker.recorded_results()]


def test_queued_results_are_written_in_one_batch_and_in_order() -> None:
    slow = Slow()
    with AsyncTracker(slow) as async_tracker:
        record_each(async_tracker, [4])
        slow.begun.wait()
        record_each(async_tracker, [2, 3, 0])
        assert slow.batches == []
        slow.gate.set()
    assert slow.batches == [[4], [2, 3, 0]]


def test_reading_waits_until_everything_is_written() -> None:
    slow = Slow()
    with AsyncTracker(slow) as async_tracker:
        record_each(async_tracker, range(3))
        slow.unblock_soon()
        assert numbers(async_tracker) == [0, 1, 2]


def test_finishing_waits_until_everything_is_written() -> None:
    slow = Slow()
    with AsyncTracker(slow) as async_tracker:
        record_each(async_tracker, range(3))
        slow.unblock_soon()
        async_tracker.finish({}, "", {})
        assert async_tracker.conclusion is not None
        assert async_tracker.conclusion.metrics["trials/complete"] == 3


def test_recording_waits_when_the_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("branchsweep.tracking.async_tracker.MOST_WAITING", 2)
    slow = Slow()
    with AsyncTracker(slow) as async_tracker:
        slow.unblock_soon()
        record_each(async_tracker, range(7))
        assert slow.gate.is_set()
    assert numbers(slow) == list(range(7))


class TestFailure:
    def test_an_error_is_raised_once_and_nothing_after_it_is_written(self) -> None:
        slow = Slow(refused=1)
        with AsyncTracker(slow) as async_tracker:
            record_each(async_tracker, [1])
            slow.begun.wait()
            record_each(async_tracker, [2])
            slow.gate.set()
            with pytest.raises(TrackingError) as caught:
                async_tracker.flush()
            assert caught.value is slow.refusal
            assert numbers(async_tracker) == []
            record_each(async_tracker, [3])
        assert numbers(slow) == [3]

    def test_results_before_an_error_are_written(self) -> None:
        slow = Slow(refused=7)
        with AsyncTracker(slow) as async_tracker:
            record_each(async_tracker, [0])
            slow.begun.wait()
            record_each(async_tracker, [1, 2, 7, 3])
            slow.gate.set()
            with pytest.raises(TrackingError) as caught:
                async_tracker.flush()
        assert caught.value is slow.refusal
        assert numbers(slow) == [0, 1, 2]

    def test_recording_raises_the_error(self) -> None:
        slow = Slow(refused=5)
        slow.gate.set()
        with AsyncTracker(slow) as async_tracker, pytest.raises(TrackingError) as caught:
            record_each(async_tracker, count())
        assert caught.value is slow.refusal
        assert numbers(slow) == [0, 1, 2, 3, 4]

    def test_the_exit_raises_the_error(self) -> None:
        slow = Slow(refused=1)
        slow.gate.set()
        with pytest.raises(TrackingError) as caught, AsyncTracker(slow) as async_tracker:
            record_each(async_tracker, [1])
        assert caught.value is slow.refusal

    def test_an_error_of_writing_does_not_hide_another_error(self) -> None:
        slow = Slow(refused=1)
        slow.gate.set()
        error = BackendError("a worker died")
        with pytest.raises(BackendError) as caught:
            record_and_raise(AsyncTracker(slow), [1], error)
        assert caught.value is error
        (note,) = caught.value.__notes__
        assert note.endswith(str(slow.refusal))


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    monkeypatch.setattr("branchsweep.tracking.retries.FIRST_PAUSE", 0.005)
    monkeypatch.setattr("branchsweep.tracking.retries.LONGEST_PAUSE", 0.01)


@pytest.mark.usefixtures("short_pauses")
class TestUnavailableServer:
    def test_results_wait_on_disk_and_are_delivered_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("branchsweep.tracking.async_tracker.MOST_WAITING", 2)
        remote, folder, progress = RemoteTracker(), tmp_path / "outbox", RecordingProgress()
        remote.is_unavailable = True
        with AsyncTracker(remote, Outbox(folder), on_message=progress.on_message) as async_tracker:
            record_each(async_tracker, [4, 0, 2, 3, 1])  # nobody waits for the server
            assert [[result.trial.number for result in results] for _, results in Outbox(folder).found()] == [
                [4],
                [0],
                [2],
                [3],
                [1],
            ]
            remote.make_available_soon()
            assert exact_texts(async_tracker.recorded_results()) == exact_texts([example_result(number) for number in range(5)])
            assert list(folder.iterdir()) == []
        assert not folder.exists()
        assert sorted(remote.order) == [0, 1, 2, 3, 4]
        assert remote.attempts > 2
        unavailable, waiting, available = progress.lines
        assert NO_RESPONSE in unavailable and str(folder) in unavailable and NO_RESPONSE not in waiting
        assert sum(int(count) for count in re.findall(r"\d+", available)) == 5  # delivered already, and to follow

    def test_results_written_before_a_disconnect_are_not_written_twice(self, tmp_path: Path) -> None:
        remote = RemoteTracker()
        remote.breaks_off_after = 2
        with AsyncTracker(remote, Outbox(tmp_path / "outbox")) as async_tracker:
            async_tracker.record([example_result(number) for number in range(5)])
            assert numbers(async_tracker) == remote.order == [0, 1, 2, 3, 4]

    def test_ctrl_c_does_not_wait_and_the_next_process_delivers(self, tmp_path: Path) -> None:
        sweep, folder = StoredSweep(sweep_record()), tmp_path / "outbox"
        remote, progress = RemoteTracker(sweep), RecordingProgress()
        remote.is_unavailable = True
        with pytest.raises(KeyboardInterrupt) as caught:
            record_and_raise(AsyncTracker(remote, Outbox(folder)), range(3), KeyboardInterrupt())
        (note,) = caught.value.__notes__
        assert str(folder) in note
        assert sweep.results == {}
        with AsyncTracker(RemoteTracker(sweep), Outbox(folder), on_message=progress.on_message) as async_tracker:
            assert numbers(async_tracker) == [0, 1, 2]
        (message,) = progress.lines
        assert re.search(r"\b3\b", message) and str(folder) in message
        assert not folder.exists()

    def test_finishing_waits_for_the_server(self) -> None:
        remote, progress = RemoteTracker(), RecordingProgress()
        with AsyncTracker(remote, on_message=progress.on_message) as async_tracker:
            record_each(async_tracker, range(3))
            async_tracker.flush()
            remote.is_unavailable = True
            remote.make_available_soon()
            async_tracker.finish({"test_r2/PE": 0.5}, "", {})
            assert numbers(async_tracker) == [0, 1, 2]
            assert async_tracker.conclusion is not None and async_tracker.conclusion.metrics["test_r2/PE"] == 0.5
        unavailable, back = progress.lines
        assert NO_RESPONSE in unavailable and "Ctrl-C" in unavailable
        assert "available again" in back

    def test_a_registration_waits_for_the_server(self, tmp_path: Path) -> None:
        remote = RemoteTracker()
        with AsyncTracker(remote) as async_tracker:
            record_each(async_tracker, [3])
            async_tracker.flush()
            remote.is_unavailable = True
            remote.make_available_soon()
            registered = RetryingRegistry(RemoteRegistry(remote), async_tracker).register(
                example_candidate(tmp_path, "plant"), PromotionDecision(True, "the first version")
            )
        assert registered.version == 1

    def test_results_are_offered_again_without_an_outbox(self) -> None:
        remote = RemoteTracker()
        remote.is_unavailable = True
        with AsyncTracker(remote) as async_tracker:
            record_each(async_tracker, range(3))
            remote.make_available_soon()
            assert numbers(async_tracker) == [0, 1, 2]

    def test_a_refusal_is_an_error_and_leaves_results_in_the_outbox(self, tmp_path: Path) -> None:
        slow, folder = Slow(refused=1), tmp_path / "outbox"
        slow.gate.set()
        with pytest.raises(TrackingError) as caught:
            record_flush_record(AsyncTracker(slow, Outbox(folder)), [0], [1])
        assert caught.value is slow.refusal
        assert str(folder) in caught.value.__notes__[0]
        assert [[result.trial.number for result in results] for _, results in Outbox(folder).found()] == [[1]]


class FakeLock:
    """A lock that another process may take over."""

    def __init__(self) -> None:
        self.is_lost, self.is_released, self.renewed = False, False, threading.Event()
        self.loss = TrackingError("taken over by bob")

    def renew(self) -> None:
        if self.is_lost:
            raise self.loss
        self.renewed.set()

    def release(self) -> None:
        self.is_released = True


class Renewals:
    """A lock that notes when it is renewed."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def renew(self) -> None:
        self.times.append(time.monotonic())

    def release(self) -> None:
        pass


class SlowDownload(MemoryRegistry):
    """A registry whose downloads take longer than the time between renewals."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.began = self.ended = 0.0

    @contextmanager
    def model_files(self, model: str, version: int) -> Iterator[Path]:
        with super().model_files(model, version) as folder:
            self.began = time.monotonic()
            time.sleep(0.1)
            self.ended = time.monotonic()
            yield folder


def test_the_lock_is_renewed_during_a_slow_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("branchsweep.tracking.async_tracker.RENEW_SECONDS", 0.01)
    renewals, downloads = Renewals(), SlowDownload()
    downloads.register(example_candidate(tmp_path / "model", "plant"), PromotionDecision(True, "the first version"))
    with (
        AsyncTracker(RemoteTracker(), lock=renewals) as tracker,
        RetryingRegistry(downloads, tracker).model_files("plant", 1) as folder,
    ):
        assert (folder / "model.keras").is_file()
    assert any(downloads.began <= moment <= downloads.ended for moment in renewals.times)


class TestRunLock:
    def test_the_lock_is_renewed_while_nothing_is_recorded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("branchsweep.tracking.async_tracker.RENEW_SECONDS", 0.01)
        lock = FakeLock()
        with AsyncTracker(Slow(), lock=lock):
            assert lock.renewed.wait(5)
            assert not lock.is_released
        assert lock.is_released

    def test_after_a_takeover_nothing_more_is_recorded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("branchsweep.tracking.async_tracker.RENEW_SECONDS", 0.01)
        lock, slow = FakeLock(), Slow()
        slow.gate.set()

        def lose() -> Iterator[int]:
            lock.is_lost = True
            time.sleep(0.05)
            yield from count(1)

        with pytest.raises(TrackingError) as caught:
            record_flush_record(AsyncTracker(slow, lock=lock), [0], lose())
        assert caught.value is lock.loss
        assert numbers(slow) == [0]

    def test_the_lock_is_released_after_ctrl_c(self) -> None:
        lock = FakeLock()
        with pytest.raises(KeyboardInterrupt):
            record_and_raise(AsyncTracker(RemoteTracker(), lock=lock), range(3), KeyboardInterrupt())
        assert lock.is_released


def test_ctrl_c_loses_no_result() -> None:
    slow = Slow()
    slow.unblock_soon()
    with pytest.raises(KeyboardInterrupt):
        record_and_raise(AsyncTracker(slow), range(3), KeyboardInterrupt())
    assert numbers(slow) == [0, 1, 2]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_or_killed_process_leaves_a_sweep_without_gaps(mlflow_store: Address, signal_number: signal.Signals) -> None:
    """The store has complete trials without a gap; after Ctrl-C, all that were recorded."""
    recording_code = """
import itertools, sys
from contracts.results import example_result
from contracts.tracking_records import sweep_record
from branchsweep.config.addresses import Address
from branchsweep.tracking import async_tracker
from branchsweep.tracking.mlflow.tracker import MlflowTracker
async_tracker.MOST_WAITING = 8
with async_tracker.AsyncTracker(MlflowTracker.open(sweep_record(), Address(sys.argv[1]))) as tracker:
    for number in itertools.count():
        tracker.record([example_result(number)])
        print(number, flush=True)
"""
    with start_python(recording_code, str(mlflow_store)) as process:
        assert process.stdout is not None
        for _ in range(12):
            process.stdout.readline()
        process.send_signal(signal_number)
        n_recorded = 12 + len(process.stdout.read().split())
    survived = MlflowTracker.open(sweep_record(), mlflow_store).recorded_results()
    assert exact_texts(survived) == exact_texts([example_result(number) for number in range(len(survived))])
    assert len(survived) >= (n_recorded if signal_number is signal.SIGINT else n_recorded - 17), (
        "8 may wait in the queue, and 9 be about to be written"
    )
