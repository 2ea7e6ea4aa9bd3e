"""Results on disk: exact, in order, whole or not there."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from branchsweep.errors import TrackingError
from branchsweep.tracking.outbox import Outbox
from branchsweep.trial import Result, Score, Status, Trial
from contracts.results import example_result


def kept(spool: Outbox) -> list[Result]:
    return [result for _, results in spool.found() for result in results]


def test_results_are_read_back_exactly_with_their_curves_and_types(tmp_path: Path) -> None:
    odd = Trial(7, {"whole": 2, "broken": 2.0, "flag": True, "word": "Ω\n"}, known="½")
    results = [
        example_result(0),
        example_result(1, Status.FAILED),
        example_result(2, Status.PRUNED),
        Result(odd, Score(Status.COMPLETE, 0.1 + 0.2, curves={"PE": (-math.inf, math.nan, 5e-324, 1e300)})),
    ]
    Outbox(tmp_path / "spool").keep(results)
    read = kept(Outbox(tmp_path / "spool"))
    assert repr(read) == repr(results)  # to the last digit and the types, and with NaN equal to NaN
    assert read[0].score.curves == results[0].score.curves != {}


def test_order_is_that_of_handing_over_in_whatever_process(tmp_path: Path) -> None:
    first = Outbox(tmp_path)
    files = [first.keep([example_result(number)]) for number in (9, 3, 10)]
    second = Outbox(tmp_path)
    second.drop(files[:1])
    second.keep([example_result(1), example_result(0)])
    assert [result.trial.number for result in kept(Outbox(tmp_path))] == [3, 10, 1, 0]


def test_the_folder_is_there_only_while_something_lies_in_it(tmp_path: Path) -> None:
    spool = Outbox(tmp_path / "deep" / "spool")
    spool.close()
    assert not spool.folder.exists()
    file = spool.keep([example_result(0)])
    spool.close()
    assert spool.folder.exists()
    spool.drop([file, file])
    spool.close()
    assert not spool.folder.exists()


def test_what_a_killed_process_left_half_written_does_not_count(tmp_path: Path) -> None:
    file = Outbox(tmp_path).keep([example_result(0)])
    file.with_name("00000001.new").write_text(file.read_text(encoding="utf-8")[:50], encoding="utf-8")
    again = Outbox(tmp_path)
    assert len(kept(again)) == 1
    again.keep([example_result(1)])
    assert [result.trial.number for result in kept(again)] == [0, 1]


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"trial": {}, "score": {}}]', '{"a": 1}'])
def test_a_file_that_is_none_of_ours_is_told_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "00000000.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        TrackingError, match=r"00000000\.json cannot be read as results .*delete it, and its trials are trained"
    ):
        Outbox(tmp_path).found()


def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TrackingError, match="make room, or name another folder in BRANCHSWEEP_CACHE"):
        Outbox(tmp_path / "file" / "spool").keep([replace(example_result(0))])


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Its scores had a field for each metric, when R² was the only score."""
    head = '{"r2":0.5,"r2_se":NaN,"rmse":2.0,"mae":1.0}'
    score = (
        '{"status":"COMPLETE","value":0.5,"value_se":NaN,"heads":{"PE":%s},"reason":"","epochs":3.0,"seconds":1.0,"lanes":2,'
        '"curves":{},"rungs":{"2":[0.25]},"lanes_r2":{"PE":[0.4,0.6]}}'
    )
    trial = '{"number":7,"params":{},"known":""}'
    (tmp_path / "00000000.json").write_text(f'[{{"trial":{trial},"score":{score % head}}}]', encoding="utf-8")
    (result,) = kept(Outbox(tmp_path))
    assert result.score.by_head == {"PE": 0.5}
    assert result.score.heads["PE"].metrics == {"r2": 0.5, "rmse": 2.0, "mae": 1.0}
    assert (result.score.rungs, result.score.lane_scores) == ({2: (0.25,)}, {"PE": (0.4, 0.6)})
