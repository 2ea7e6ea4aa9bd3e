"""What every registry must do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from branchsweep.errors import TrackingError
from branchsweep.tracking.protocols import (
    Champion,
    PromotionDecision,
)
from contracts.results import example_result
from contracts.tracking_records import OpenTracker, example_candidate, sweep_record


class RegistryContract:
    """A subclass has a fixture `opened`, which gives an `OpenTracker` over an empty store."""

    def test_there_is_no_champion_before_one_is_crowned(self, opened: OpenTracker, tmp_path: Path) -> None:
        ledger = opened(sweep_record())
        assert ledger.champion("none-of-this-name") is None
        ledger.crown(
            example_candidate(tmp_path / "model", "uncrowned"), PromotionDecision(crown=False, because="not good enough")
        )
        assert ledger.champion("uncrowned") is None

    def test_the_title_goes_to_whom_the_verdict_gives_it(self, opened: OpenTracker, tmp_path: Path) -> None:
        ledger = opened(sweep_record())
        first = ledger.crown(
            example_candidate(tmp_path / "model", "heir", 1), PromotionDecision(crown=True, because="first of its name")
        )
        assert first == Champion(
            model="heir",
            version=first.version,
            value=example_result(1).score.value,
            rule="mean_r2",
            data_digest="d1",
            split_digest="s1",
            sweep=ledger.run_id,
            trial=1,
            because="first of its name",
            params=example_result(1).trial.params,
        )
        assert ledger.champion("heir") == first
        second = ledger.crown(
            example_candidate(tmp_path / "model", "heir", 2), PromotionDecision(crown=False, because="worse on V")
        )
        assert second.version == first.version + 1
        assert ledger.champion("heir") == first
        third = ledger.crown(
            example_candidate(tmp_path / "model", "heir", 4), PromotionDecision(crown=True, because="better on both")
        )
        assert opened(sweep_record("another sweep")).champion("heir") == third
        assert ledger.champion("another") is None

    def test_what_was_registered_is_read_back_with_what_made_it(self, opened: OpenTracker, tmp_path: Path) -> None:
        ledger = opened(sweep_record())
        evidence = {"p": 1 / 3, "interval": [0.1, 0.2]}
        made = example_candidate(tmp_path / "model", "kept", 2, card="# Karte ½\n")
        first = ledger.crown(made, PromotionDecision(crown=True, because="first of its name", evidence=evidence))
        second = ledger.crown(
            example_candidate(tmp_path / "other", "kept", 4), PromotionDecision(crown=False, because="worse on V")
        )
        reader = opened(sweep_record("another sweep"))
        assert first.params == example_result(2).trial.params
        assert [type(value) for value in first.params.values()] == [
            type(value) for value in example_result(2).trial.params.values()
        ]
        with reader.files("kept", first.version) as folder:
            for name in ("model.keras", "serving.json"):
                assert (folder / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
            assert (folder / "card").read_text(encoding="utf-8") == "# Karte ½\n"
            assert (folder / "experiment.yaml").read_text(encoding="utf-8") == sweep_record().yaml
            assert json.loads((folder / "evidence.json").read_text(encoding="utf-8")) == evidence
        assert not folder.exists()
        with reader.files("kept", second.version) as folder:
            assert not (folder / "card").exists()
        with pytest.raises(TrackingError, match="there is no models:/kept/9"), reader.files("kept", 9):
            pass

    def test_the_title_goes_to_nobody_who_was_compared_with_another_champion(self, opened: OpenTracker, tmp_path: Path) -> None:
        one, other = opened(sweep_record("one")), opened(sweep_record("other"))
        made = [example_candidate(tmp_path / "model", "contested", number) for number in range(4)]
        first = one.crown(made[0], PromotionDecision(crown=True, because="first of its name", against=0))
        with pytest.raises(TrackingError, match=r"was to follow nobody, but meanwhile version 1 has the title \(trial 0 of"):
            other.crown(made[1], PromotionDecision(crown=True, because="first of its name", against=0))
        winner = other.crown(made[2], PromotionDecision(crown=True, because="better on both", against=first.version))
        with pytest.raises(TrackingError) as caught:
            one.crown(made[3], PromotionDecision(crown=True, because="better still", against=first.version))
        assert f"was to follow version 1, but meanwhile version {winner.version} has the title" in str(caught.value)
        assert "better on both" in str(caught.value)
        assert "promote again" in str(caught.value)
        assert one.champion("contested") == other.champion("contested") == winner
