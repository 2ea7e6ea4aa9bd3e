"""Results on disk: exact, in order, complete or not at all."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from branchsweep.errors import TrackingError
from branchsweep.tracking.outbox import Outbox
from branchsweep.trial import HeadScore, Result, Score, Status, Trial
from contracts.results import example_result


def stored_results(outbox: Outbox) -> list[Result]:
    return [result for _, results in outbox.found() for result in results]


def test_results_are_read_back_exactly_with_their_curves_and_types(tmp_path: Path) -> None:
    odd = Trial(7, {"whole": 2, "broken": 2.0, "flag": True, "word": "Ω\n"}, known="½")
    results = [
        example_result(0),
        example_result(1, Status.FAILED),
        example_result(2, Status.PRUNED),
        Result(odd, Score(Status.COMPLETE, 0.1 + 0.2, curves={"PE": (-math.inf, math.nan, 5e-324, 1e300)})),
    ]
    Outbox(tmp_path / "outbox").keep(results)
    read = stored_results(Outbox(tmp_path / "outbox"))
    assert repr(read) == repr(results)  # to the last digit and the types, and with NaN equal to NaN
    assert read[0].score.curves == results[0].score.curves != {}


def test_files_are_in_order_of_the_calls_of_all_processes(tmp_path: Path) -> None:
    first = Outbox(tmp_path)
    files = [first.keep([example_result(number)]) for number in (9, 3, 10)]
    second = Outbox(tmp_path)
    second.drop(files[:1])
    second.keep([example_result(1), example_result(0)])
    assert [result.trial.number for result in stored_results(Outbox(tmp_path))] == [3, 10, 1, 0]


def test_the_folder_exists_only_while_there_is_something_in_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "deep" / "outbox")
    outbox.close()
    assert not outbox.folder.exists()
    file = outbox.keep([example_result(0)])
    outbox.close()
    assert outbox.folder.exists()
    outbox.drop([file, file])
    outbox.close()
    assert not outbox.folder.exists()


def test_a_half_written_file_of_a_killed_process_is_ignored(tmp_path: Path) -> None:
    file = Outbox(tmp_path).keep([example_result(0)])
    file.with_name("00000001.new").write_text(file.read_text(encoding="utf-8")[:50], encoding="utf-8")
    reopened = Outbox(tmp_path)
    assert len(stored_results(reopened)) == 1
    reopened.keep([example_result(1)])
    assert [result.trial.number for result in stored_results(reopened)] == [0, 1]


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"trial": {}, "score": {}}]', '{"a": 1}'])
def test_a_file_that_holds_no_results_is_an_error_that_names_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "00000000.json").write_text(text, encoding="utf-8")
    with pytest.raises(TrackingError, match=r"00000000\.json") as caught:
        Outbox(tmp_path).found()
    assert caught.value.__cause__ is not None and "delete" in caught.value.message


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TrackingError, match=r"00000000\.json.*BRANCHSWEEP_CACHE"):
        Outbox(tmp_path / "file" / "outbox").keep([replace(example_result(0))])


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    text = (
        '[{"trial":{"number":3,"params":{"trunk.depth":2,"learning_rate":0.001,"flag":true},"known":"article"},'
        '"score":{"status":"COMPLETE","value":0.85,"value_se":NaN,'
        '"heads":{"PE":{"r2":0.9,"r2_se":NaN,"rmse":4.0,"mae":3.0},"V":{"r2":0.8,"r2_se":0.25,"rmse":5.0,"mae":4.0}},'
        '"reason":"","epochs":37.5,"seconds":1.25,"lanes":3,"curves":{"PE":[0.5,-Infinity]},'
        '"rungs":{"4":[0.5,0.25]},"lanes_r2":{"PE":[0.9,0.8]}}},'
        '{"trial":{"number":4,"params":{},"known":""},"score":{"status":"FAILED","value":NaN,"value_se":NaN,"heads":{},'
        '"reason":"diverged","epochs":0.0,"seconds":0.5,"lanes":3,"curves":{},"rungs":{},"lanes_r2":{}}}]'
    )
    (tmp_path / "00000007.json").write_text(text, encoding="utf-8")
    complete, failed = stored_results(Outbox(tmp_path))
    assert complete.trial == Trial(3, {"trunk.depth": 2, "learning_rate": 0.001, "flag": True}, known="article")
    assert complete.score.by_head == {"PE": 0.9, "V": 0.8}
    assert complete.score.heads["V"] == HeadScore(0.8, 0.25, {"r2": 0.8, "rmse": 5.0, "mae": 4.0})
    assert complete.score.curves == {"PE": (0.5, -math.inf)}
    assert complete.score.rungs == {4: (0.5, 0.25)}
    assert complete.score.lane_scores == {"PE": (0.9, 0.8)}
    assert (failed.score.status, failed.score.reason, failed.score.cause) == (Status.FAILED, "diverged", None)
    assert Outbox(tmp_path).keep([]).name == "00000008.json"
