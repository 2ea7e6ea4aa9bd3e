"""What every registry must do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from branchsweep.errors import TrackingError
from branchsweep.tracking.registry_protocols import Champion, PromotionCause, PromotionDecision
from contracts.results import example_result
from contracts.tracking_records import OpenTracking, example_candidate, register, sweep_record

FIRST, BETTER = "the first version", "better on both"
"""Reasons of decisions."""


class RegistryContract:
    """A subclass has a fixture `opened`, which gives an `OpenTracking` over an empty store."""

    def test_there_is_no_champion_before_a_promotion(self, opened: OpenTracking, tmp_path: Path) -> None:
        tracking = opened(sweep_record())
        assert tracking.registry.champion("none-of-this-name") is None
        register(
            tracking,
            example_candidate(tmp_path / "model", "refused"),
            PromotionDecision(promote=False, because="not good enough"),
        )
        assert tracking.registry.champion("refused") is None

    def test_a_candidate_is_champion_only_if_the_decision_says_so(self, opened: OpenTracking, tmp_path: Path) -> None:
        tracking = opened(sweep_record())
        first = register(
            tracking,
            example_candidate(tmp_path / "model", "plant", 1),
            PromotionDecision(promote=True, because=FIRST, cause=PromotionCause.FIRST_VERSION),
        )
        assert first == Champion(
            model="plant",
            version=first.version,
            value=example_result(1).score.value,
            rule="mean_r2",
            data_digest="d1",
            split_digest="s1",
            sweep=tracking.tracker.run_id,
            trial=1,
            because=FIRST,
            params=example_result(1).trial.params,
            cause=PromotionCause.FIRST_VERSION,
        )
        assert tracking.registry.champion("plant") == first
        second = register(
            tracking, example_candidate(tmp_path / "model", "plant", 2), PromotionDecision(promote=False, because="worse on V")
        )
        assert second.version == first.version + 1
        assert tracking.registry.champion("plant") == first
        third = register(
            tracking,
            example_candidate(tmp_path / "model", "plant", 4),
            PromotionDecision(promote=True, because=BETTER),
        )
        assert third.cause is None
        assert opened(sweep_record("another")).registry.champion("plant") == third
        assert tracking.registry.champion("another") is None

    def test_a_challenger_is_registered_once(self, opened: OpenTracking, tmp_path: Path) -> None:
        tracking, refused = opened(sweep_record()), PromotionDecision(promote=False, because="worse on V")
        candidate, other = (example_candidate(tmp_path / "model", "once", number) for number in (1, 2))
        first = register(tracking, candidate, refused)
        assert register(opened(sweep_record()), candidate, refused) == first
        second = register(tracking, other, refused)
        assert second.version == first.version + 1
        third = register(tracking, candidate, PromotionDecision(promote=False, because="worse on PE"))
        assert third.version == second.version + 1

    def test_a_champion_that_is_registered_again_gets_no_second_version(self, opened: OpenTracking, tmp_path: Path) -> None:
        tracking, better = opened(sweep_record()), PromotionDecision(promote=True, because=BETTER, against=0)
        first = register(tracking, example_candidate(tmp_path / "model", "again", 2), better)
        assert register(tracking, example_candidate(tmp_path / "model", "again", 2), better) == first
        other = register(tracking, example_candidate(tmp_path / "model", "again", 3), replace(better, against=first.version))
        assert other.version == first.version + 1

    def test_a_registered_model_is_read_back_with_its_files(self, opened: OpenTracking, tmp_path: Path) -> None:
        tracking = opened(sweep_record())
        evidence = {"p": 1 / 3, "interval": [0.1, 0.2]}
        candidate = example_candidate(tmp_path / "model", "kept", 2, card="# Karte ½\n")
        first = register(tracking, candidate, PromotionDecision(promote=True, because=FIRST, evidence=evidence))
        second = register(
            tracking, example_candidate(tmp_path / "other", "kept", 4), PromotionDecision(promote=False, because="worse on V")
        )
        reader = opened(sweep_record("another"))
        assert first.params == example_result(2).trial.params
        assert [type(value) for value in first.params.values()] == [
            type(value) for value in example_result(2).trial.params.values()
        ]
        with reader.registry.model_files("kept", first.version) as folder:
            for name in ("model.keras", "serving.json"):
                assert (folder / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
            assert (folder / "card").read_text(encoding="utf-8") == "# Karte ½\n"
            assert (folder / "experiment.yaml").read_text(encoding="utf-8") == sweep_record().yaml
            kept = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
            assert kept.items() >= evidence.items() and kept["candidate"]["params"] == first.params
        assert not folder.exists()
        with reader.registry.model_files("kept", second.version) as folder:
            assert not (folder / "card").exists()
        with pytest.raises(TrackingError, match="models:/kept/9"), reader.registry.model_files("kept", 9):
            pass

    def test_a_candidate_that_was_compared_with_another_champion_is_not_promoted(
        self, opened: OpenTracking, tmp_path: Path
    ) -> None:
        first_sweep, second_sweep = opened(sweep_record("first")), opened(sweep_record("other"))
        candidates = [example_candidate(tmp_path / "model", "contested", number) for number in range(4)]
        first = register(first_sweep, candidates[0], PromotionDecision(promote=True, because=FIRST, against=0))
        with pytest.raises(TrackingError, match=r"\bversion 1\b.*\btrial 0\b"):
            register(second_sweep, candidates[1], PromotionDecision(promote=True, because=FIRST, against=0))
        winner = register(second_sweep, candidates[2], PromotionDecision(promote=True, because=BETTER, against=first.version))
        with pytest.raises(TrackingError, match=rf"\bversion 1\b.*\bversion {winner.version}\b.*{BETTER}"):
            register(first_sweep, candidates[3], PromotionDecision(promote=True, because="better still", against=first.version))
        assert first_sweep.registry.champion("contested") == second_sweep.registry.champion("contested") == winner
