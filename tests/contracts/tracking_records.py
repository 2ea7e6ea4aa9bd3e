"""Records of a sweep and of a comparison, and a model to register, made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.protocols import SweepRecord, TableRecord, Tracking
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionDecision
from contracts.results import example_result
from scores import SCORE_METRICS


class OpenTracking(Protocol):
    """Opens a sweep over one store, as often as it is called: each call stands for a process of its own."""

    def __call__(self, record: SweepRecord, fresh: bool = False) -> Tracking: ...


def sweep_record(key: str = "key", **changed: Any) -> SweepRecord:
    """The record of a sweep with two heads."""
    values: dict[str, Any] = {
        "name": "contract",
        "key": key,
        "question": "Does it hold?",
        "yaml": "name: contract  # ½\n",
        "heads": {"PE": "MW", "V": "cm Hg"},
        "table": TableRecord("embedded"),
        "environment": {"git_commit": "c0ffee"},
        **changed,
    }
    values["score_metrics"] = dict.fromkeys(values["heads"], "r2")
    return SweepRecord(**values)


def example_candidate(folder: Path, model: str, number: int = 3, **files: str) -> ModelCandidate:
    """A model to register, as far as a registry reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.keras").write_bytes(b"a network")
    manifest = {
        "inputs": ["AT", "RH"],
        "heads": [{"name": "PE", "unit": "MW"}, {"name": "V", "unit": "cm Hg"}],
        "ranges": [[2.0, 37.0], [25.0, 100.0]],
        "input_scalers": {"inputs": {"kind": "affine", "shift": [20.0, 70.0], "scale": [7.0, 15.0]}},
        "target_scaler": {"kind": "affine", "shift": [450.0, 50.0], "scale": [17.0, 12.0]},
    }
    (folder / "serving.json").write_text(json.dumps(manifest), encoding="utf-8")
    test = {"test_r2/PE": 0.93 + 1 / 3000, "test_r2/V": 0.8, "test_r2/mean": 0.865}
    result = example_result(number)
    return ModelCandidate(
        model, folder, "", sweep_record().yaml, result, result.score.value, "mean_r2", test, "d1", "s1", files
    )


def register(tracking: Tracking, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
    """Register a candidate as one of the sweep that is tracked."""
    return tracking.registry.register(replace(candidate, sweep=tracking.tracker.run_id), decision)


def comparison_record(key: str = "key", **changed: Any) -> ComparisonRecord:
    """The record of a comparison with two heads."""
    values = {
        "name": "contract",
        "key": key,
        "question": "Who is better?",
        "yaml": "name: contract  # ½\n",
        "heads": {"PE": "MW", "V": "cm Hg"},
        "score_metrics": SCORE_METRICS,
        "table": TableRecord("embedded"),
        "environment": {"git_commit": "c0ffee"},
        **changed,
    }
    return ComparisonRecord(**values)
