"""The ledger in the shadow: the contract around memory and around MLflow, and what it adds: order, errors, and the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from branchsweep.errors import EngineError, LedgerError
from branchsweep.ledgers import shadow as shadows
from branchsweep.ledgers.memory import MemoryLedger, Store, Sweep
from branchsweep.ledgers.mlflow import MlflowLedger
from branchsweep.ledgers.shadow import ShadowLedger
from branchsweep.roles import Ledger, SweepRecord
from branchsweep.trial import Result
from contracts import LedgerContract, OpenLedger, recorded, sweep_record, written


class ShadowContract(LedgerContract):
    """The contract around any ledger: `inner` opens those."""

    @pytest.fixture
    def opened(self, inner: OpenLedger) -> Generator[OpenLedger]:
        with ExitStack() as stack:
            opened: list[ShadowLedger] = []

            def open_one(record: SweepRecord, fresh: bool = False) -> Ledger:
                for earlier in opened:  # another process would find what is written, and so does this one
                    earlier.flush()
                opened.append(stack.enter_context(ShadowLedger(inner(record, fresh))))
                return opened[-1]

            yield open_one


class TestShadowOfMemory(ShadowContract):
    @pytest.fixture
    def inner(self) -> OpenLedger:
        store = Store()
        return lambda record, fresh=False: MemoryLedger.open(record, store, fresh)


class TestShadowOfMlflow(ShadowContract):
    @pytest.fixture
    def inner(self, mlflow_store: str) -> OpenLedger:
        return lambda record, fresh=False: MlflowLedger.open(record, mlflow_store, fresh)


class Slow(MemoryLedger):
    """Begins to write once its gate is open, and refuses one trial.

    Args:
        refused: The trial's number.
    """

    def __init__(self, refused: int = -1) -> None:
        super().__init__(Store([Sweep(sweep_record())]), 0, is_resumed=False)
        self.begun, self.gate = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.refusal = LedgerError(f"trial {refused} is refused")
        self._refused = refused

    def record(self, results: Sequence[Result]) -> None:
        self.begun.set()
        self.gate.wait()
        numbers = [result.trial.number for result in results]
        if self._refused in numbers:
            raise self.refusal
        self.batches.append(numbers)
        super().record(results)

    def open_soon(self) -> None:
        threading.Timer(0.05, self.gate.set).start()


def record_each(shadow: ShadowLedger, numbers: Sequence[int] | Iterator[int]) -> None:
    for number in numbers:
        shadow.record([recorded(number)])


def record_and_raise(shadow: ShadowLedger, numbers: Sequence[int], error: BaseException) -> None:
    with shadow:
        record_each(shadow, numbers)
        raise error


def numbers(ledger: Ledger) -> list[int]:
    return [result.trial.number for result in ledger.recall()]


def test_what_piles_up_is_written_at_once_and_in_order() -> None:
    slow = Slow()
    with ShadowLedger(slow) as shadow:
        record_each(shadow, [4])
        slow.begun.wait()
        record_each(shadow, [2, 3, 0])
        assert slow.batches == []
        slow.gate.set()
    assert slow.batches == [[4], [2, 3, 0]]


def test_who_asks_waits_until_everything_is_written() -> None:
    slow = Slow()
    with ShadowLedger(slow) as shadow:
        record_each(shadow, range(3))
        slow.open_soon()
        assert numbers(shadow) == [0, 1, 2]


def test_a_conclusion_is_drawn_from_everything() -> None:
    slow = Slow()
    with ShadowLedger(slow) as shadow:
        record_each(shadow, range(3))
        slow.open_soon()
        shadow.conclude({}, {}, {})
        assert shadow.conclusion is not None
        assert shadow.conclusion.metrics["trials/complete"] == 3


def test_who_is_far_ahead_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "MOST_WAITING", 2)
    slow = Slow()
    with ShadowLedger(slow) as shadow:
        slow.open_soon()
        record_each(shadow, range(7))
        assert slow.gate.is_set()
    assert numbers(slow) == list(range(7))


class TestFailure:
    def test_it_is_raised_once_as_itself_and_nothing_behind_it_is_written(self) -> None:
        slow = Slow(refused=1)
        with ShadowLedger(slow) as shadow:
            record_each(shadow, [1])
            slow.begun.wait()
            record_each(shadow, [2])
            slow.gate.set()
            with pytest.raises(LedgerError) as caught:
                shadow.flush()
            assert caught.value is slow.refusal
            assert numbers(shadow) == []
            record_each(shadow, [3])
        assert numbers(slow) == [3]

    def test_what_came_before_it_is_written(self) -> None:
        slow = Slow(refused=7)
        with ShadowLedger(slow) as shadow:
            record_each(shadow, [0])
            slow.begun.wait()
            record_each(shadow, [1, 2, 7, 3])
            slow.gate.set()
            with pytest.raises(LedgerError, match="trial 7 is refused"):
                shadow.flush()
        assert numbers(slow) == [0, 1, 2]

    def test_who_goes_on_recording_hears_of_it(self) -> None:
        slow = Slow(refused=5)
        slow.gate.set()
        with ShadowLedger(slow) as shadow, pytest.raises(LedgerError, match="trial 5 is refused"):
            record_each(shadow, count())
        assert numbers(slow) == [0, 1, 2, 3, 4]

    def test_the_exit_raises_it(self) -> None:
        slow = Slow(refused=1)
        slow.gate.set()
        with pytest.raises(LedgerError, match="trial 1 is refused"), ShadowLedger(slow) as shadow:
            record_each(shadow, [1])

    def test_it_does_not_hide_what_went_wrong_elsewhere(self) -> None:
        slow = Slow(refused=1)
        slow.gate.set()
        with pytest.raises(EngineError, match="a worker died") as caught:
            record_and_raise(ShadowLedger(slow), [1], EngineError("a worker died"))
        assert caught.value.__notes__ == ["some of what was finished is not recorded: trial 1 is refused"]


def test_ctrl_c_loses_nothing() -> None:
    slow = Slow()
    slow.open_soon()
    with pytest.raises(KeyboardInterrupt):
        record_and_raise(ShadowLedger(slow), range(3), KeyboardInterrupt())
    assert numbers(slow) == [0, 1, 2]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_or_killed(mlflow_store: str, sent: signal.Signals) -> None:
    """What stands in the store is whole and without a gap; after Ctrl-C, it is all that was recorded."""
    endless = """
import itertools, sys
from contracts import recorded, sweep_record
from branchsweep.ledgers import shadow
from branchsweep.ledgers.mlflow import MlflowLedger
shadow.MOST_WAITING = 8
with shadow.ShadowLedger(MlflowLedger.open(sweep_record(), sys.argv[1])) as ledger:
    for number in itertools.count():
        ledger.record([recorded(number)])
        print(number, flush=True)
"""
    command = [sys.executable, "-c", endless, mlflow_store]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(12):
            process.stdout.readline()
        process.send_signal(sent)
        told = 12 + len(process.stdout.read().split())
    survived = MlflowLedger.open(sweep_record(), mlflow_store).recall()
    assert written(survived) == written([recorded(number) for number in range(len(survived))])
    assert len(survived) >= (told if sent is signal.SIGINT else told - 17), "8 may wait, and 9 be about to be written"
