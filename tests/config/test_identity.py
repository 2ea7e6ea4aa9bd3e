"""A sweep keeps its key in a store from version to version, so that it can be resumed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from branchsweep.config.identity import comparison_key_fields, sweep_key_fields
from branchsweep.config.yaml.loading import load_comparison, load_experiment

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

KEY_FIELD_DIGESTS = {  # computed by the version in which search.initial_trials was search.known
    "article": "6a9086defd2ef603d30cc3242693439931aa4902fbba6308570ccf4a602b64ac",
    "branched": "ce04537371383fac1664f0171ebf2940a09bae508117b68b75212c88e165c438",
    "quickstart": "60a3989cba20738f6077e9b6835c84313664ddae5ff4fea3eca6f9e0a974c7e8",
    "toy_branched": "2c8039a72e4bae9d61fd0c3f91cc14ecff33d979015b9c7541fd9ad9c55e033e",
    "toy_sequential": "1c18d1799d727fd30869d80407513c5f9e8141b2f5ddb10b401756ebca933663",
}

PENDING_ROUNDS_DIGEST = "3dede954c46b19b39368c9335072454c9e67c81550c91932250968c61fdd3fc0"

COMPARISON_DIGEST = "e9526620630507f0154916e6b2db3b3d800aedd9180fede8a932855bddcd4671"


WITHOUT_LATER_KEYS = "search.default_trial=false"
"""The shipped experiments as they were when these digests were computed."""


def digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


@pytest.mark.parametrize("name", KEY_FIELD_DIGESTS)
def test_the_key_fields_of_a_shipped_experiment_have_not_changed(name: str) -> None:
    shipped = load_experiment(EXPERIMENTS / f"{name}.yaml", [WITHOUT_LATER_KEYS, "search.first_batch=null"])
    assert digest(sweep_key_fields(shipped)) == KEY_FIELD_DIGESTS[name]


def test_pending_rounds_are_among_the_key_fields_by_their_old_name() -> None:
    experiment = load_experiment(EXPERIMENTS / "branched.yaml", [WITHOUT_LATER_KEYS, "search.pending_rounds=3"])
    assert digest(sweep_key_fields(experiment)) == PENDING_ROUNDS_DIGEST


def test_without_a_default_trial_the_key_is_that_of_versions_that_had_none() -> None:
    without, with_one = (
        sweep_key_fields(load_experiment(EXPERIMENTS / "quickstart.yaml", [f"search.default_trial={given}"]))["search"]
        for given in ("false", "true")
    )
    assert "default_trial" not in without and with_one == {**without, "default_trial": True}


def test_without_a_first_batch_the_key_is_that_of_versions_that_had_none() -> None:
    without, with_one = (
        sweep_key_fields(load_experiment(EXPERIMENTS / "branched.yaml", [f"search.first_batch={given}"]))["search"]
        for given in ("null", "2")
    )
    assert "first_batch" not in without and with_one == {**without, "first_batch": 2}


def test_pruning_by_all_folds_has_the_key_of_versions_without_another_way() -> None:
    """What they recorded of `pruning` was its rungs and the share that is kept."""
    rungs = load_experiment(EXPERIMENTS / "branched.yaml", ["pruning={rungs: [5, 10], keep: 0.5}"])
    assert sweep_key_fields(rungs)["pruning"] == {"rungs": [5, 10], "keep": 0.5}
    few = load_experiment(EXPERIMENTS / "branched.yaml", ["pruning={rungs: [5, 10], keep: 0.5, folds: [1, 2]}"])
    assert sweep_key_fields(few)["pruning"] == {"rungs": [5, 10], "keep": 0.5, "folds": [1, 2]}


def comparison_digest(*overrides: str) -> str:
    """The digest of the shipped comparison, without the contestants that the first versions did not have."""
    without_paths = [  # a baseline is an absolute path
        "experiment.baselines=[]",
        "experiment.promotion.ensemble={size: 8, choose: seeds}",
        "contestants.article.experiment.baselines=[]",
        f"experiment.{WITHOUT_LATER_KEYS}",
    ]
    comparison = load_comparison(EXPERIMENTS / "compare.yaml", [*without_paths, *overrides])
    later = {"joint_forest", "extra_trees"}
    contestants = {name: contestant for name, contestant in comparison.contestants.items() if name not in later}
    return digest(comparison_key_fields(comparison.model_copy(update={"contestants": contestants})))


@pytest.mark.parametrize(
    "override",
    [
        "equivalence_margin=0.01",
        "experiment.promotion.gate.first=any",
        "contestants.forest.fixed={n_estimators: 300}",
        "contestants.forest.space={max_features: {type: float, low: 0.2, high: 1.0}}",
    ],
)
def test_what_the_first_versions_did_not_have_is_among_the_key_fields_where_it_is_changed(override: str) -> None:
    assert comparison_digest(override) != COMPARISON_DIGEST


def test_the_key_fields_of_the_shipped_comparison_have_not_changed() -> None:
    assert comparison_digest() == COMPARISON_DIGEST


@pytest.mark.parametrize(
    "override",
    [
        "question=Why?",
        "promotion.gate.first=any",
        "search.trials=3",
        "search.patience=9",
        "baselines=[random_forest]",
        "promotion.ensemble=null",
        "confirmation.trials=2",
        "workers={kind: local}",
    ],
)
def test_settings_that_do_not_change_results_are_not_among_the_key_fields(override: str) -> None:
    changed = load_experiment(EXPERIMENTS / "branched.yaml", [WITHOUT_LATER_KEYS, override])
    assert digest(sweep_key_fields(changed)) == KEY_FIELD_DIGESTS["branched"]


@pytest.mark.parametrize("override", ["seed=2", "search.batch=8", "fit.epochs=9", "search.initial_trials={}"])
def test_settings_that_change_results_are_among_the_key_fields(override: str) -> None:
    changed = load_experiment(EXPERIMENTS / "branched.yaml", [WITHOUT_LATER_KEYS, override])
    assert digest(sweep_key_fields(changed)) != KEY_FIELD_DIGESTS["branched"]


@pytest.mark.parametrize(
    ("keep", "metric", "rule"),
    [("best", "min_r2", "objective"), ("best", "mae/PE", "metric"), ("best", "mean_r2", None), ("last", "mae/PE", None)],
)
def test_a_sweep_whose_epochs_follow_another_objective_than_before_is_another_sweep(
    keep: str, metric: str, rule: str | None
) -> None:
    """The first versions chose the best epoch by the mean, whatever the objective, and later ones by no metric but a score."""
    quickstart = load_experiment(EXPERIMENTS / "quickstart.yaml", [f"fit.keep={keep}", f"objective.maximize=[{metric}]"])
    assert sweep_key_fields(quickstart).get("epochs_kept_by") == rule


@pytest.mark.parametrize(
    ("keep", "metric", "rule"), [("best", "mae/PE", "metric"), ("best", "r2/PE", None), ("last", "mae/PE", None)]
)
def test_a_comparison_whose_epochs_follow_a_metric_is_another_comparison(keep: str, metric: str, rule: str | None) -> None:
    """Earlier versions chose epochs by the score of that head, and their comparisons have no such field."""
    paths = ("experiment", "contestants.article.experiment")
    chosen = [text for path in paths for text in (f"{path}.fit.keep={keep}", f"{path}.objective={{maximize: [{metric}]}}")]
    fields = comparison_key_fields(load_comparison(EXPERIMENTS / "compare.yaml", chosen))
    for experiment in (fields["experiment"], fields["contestants"]["article"]["experiment"]):
        assert experiment.get("epochs_kept_by") == rule
