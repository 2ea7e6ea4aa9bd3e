"""Comparisons: what they train and record, and which differences are significant."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from branchsweep.config.comparison import N_HALVES, Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.validation import KFold, TestRows
from branchsweep.data.dataset import Dataset, Halves
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.metrics import five_by_two_cv
from branchsweep.metrics.comparison_conclusions import transfer_sentences
from branchsweep.metrics.comparison_result import ComparisonResult, ComparisonSettings, Verdict, WarningCode
from branchsweep.reporting.comparison.table import comparison_rows as rows_of_table
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.memory import MemoryComparisonTracker
from branchsweep.tracking.mlflow.serialization.contestants import contestant_params
from branchsweep.training.protocols import Trainer
from branchsweep.training.trainer import PopulationTrainer
from branchsweep.trial import Trial
from branchsweep.workflows.comparison.compare import compare
from branchsweep.workflows.comparison.nested_search import contestant_networks
from branchsweep.workflows.comparison.protocol import (
    comparison_rows,
    comparison_settings,
    new_comparison_record,
    protocol,
    with_one_table,
)
from branchsweep.workflows.context import ComparisonContext, TrainingContext
from branchsweep.workflows.trial_runner import TrialGroup, run_groups
from fakes import FormulaTrainer, RecordingProgress
from tiny_sweep import tiny_experiment

RECORD = ComparisonRecord("tiny", "key", "", "", {}, {})


def tiny_table(rows: int = 120) -> Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2))
    y = np.stack([x.sum(1), 2 * x.sum(1)], axis=1) + 0.1 * random.normal(size=(rows, 2))
    return Dataset("file", "tiny.csv", ("a", "b"), ("PE", "V"), x, y, digest="t1")


def halves_of(dataset: Dataset, seed: int = 1) -> Halves:
    random = np.random.default_rng(seed)
    shuffled = [random.permutation(dataset.rows) for _ in range(N_HALVES // 2)]
    return Halves(tuple((order[: dataset.rows // 2], order[dataset.rows // 2 :]) for order in shuffled), "shuffles", "h1", seed)


def tiny_comparison(**changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "name": "tiny",
        "experiment": tiny_experiment(),
        "contestants": {
            "branched": {"kind": "network"},
            "single": {"kind": "single"},
            "shallow": {"kind": "network", "fixed": {"trunk.depth": 1}},
            "linear": {"kind": "estimator", "estimator": "linear_regression"},
        },
        "budget": {"trials": 6},
    }
    return Comparison.model_validate({**values, **changes})


def run(
    comparison: Comparison,
    dataset: Dataset | None = None,
    trainer: Trainer | None = None,
    tracker: MemoryComparisonTracker | None = None,
) -> ComparisonResult:
    dataset = dataset or tiny_table()
    halves = halves_of(dataset)
    rows = comparison_rows(comparison, dataset, halves)
    training = TrainingContext(trainer or FormulaTrainer(rows), rows, RecordingProgress())
    return compare(ComparisonContext(comparison, dataset, halves, training, tracker or MemoryComparisonTracker.open(RECORD)))


def test_every_contestant_has_ten_scores_and_is_compared_with_the_reference() -> None:
    result = run(tiny_comparison())
    assert [contestant.name for contestant in result.contestants] == ["branched", "single", "shallow", "linear"]
    for contestant in result.contestants:
        assert set(contestant.scores) == {"PE", "V", "mean"}
        assert all(len(values) == N_HALVES for values in contestant.scores.values())
        assert np.allclose(contestant.scores["mean"], np.mean([contestant.scores["PE"], contestant.scores["V"]], axis=0))
        assert contestant.cost.bytes > 0
        assert contestant.cost.training_seconds > 0
    assert {(difference.contestant, difference.head) for difference in result.differences} == {
        (name, head) for name in ("single", "shallow", "linear") for head in ("PE", "V", "mean")
    }
    assert [difference.head for difference in result.transfer] == ["PE", "V", "mean"]
    assert result.transfer == five_by_two_cv.pairwise_differences(result.contestants[0], result.contestants[1], 0.05)
    assert result.conclusions
    assert result.reference == "branched"


def test_fixed_hyperparameters_are_not_searched_and_single_has_a_network_for_each_head() -> None:
    contestants = {contestant.name: contestant for contestant in run(tiny_comparison()).contestants}
    assert all(half[""]["trunk.depth"] == 1 for half in contestants["shallow"].recipes)
    assert all(set(half) == {"PE", "V"} for half in contestants["single"].recipes)
    assert "trunk.depth 1" in contestants["shallow"].description
    assert contestants["linear"].recipes == ()


@pytest.mark.parametrize("tuning", ["nested", "once"])
def test_an_estimator_is_tuned_on_the_budget_of_a_contestant_inside_every_half_or_once(tuning: str) -> None:
    space = {"n_neighbors": {"type": "int", "low": 1, "high": 8}}
    contestants = {
        "plain": {"kind": "estimator", "estimator": "k_nearest_neighbors"},
        "tuned": {"kind": "estimator", "estimator": "k_nearest_neighbors", "space": space},
        "joint": {"kind": "estimator", "estimator": "joint_k_nearest_neighbors", "fixed": {"weights": "distance"}},
    }
    tracker = MemoryComparisonTracker.open(RECORD)
    comparison = tiny_comparison(contestants=contestants, tuning=tuning, budget={"trials": 8})
    plain, tuned, joint = run(comparison, tracker=tracker).contestants
    assert plain.recipes == () and plain.cost.tuning_seconds == 0
    assert [set(half) for half in tuned.recipes] == [{"PE", "V"}] * N_HALVES
    choices = {tuple(params.get("n_neighbors") for params in half.values()) for half in tuned.recipes}
    assert len(choices) > 1 if tuning == "nested" else len(choices) == 1
    assert tuned.cost.tuning_seconds > 0 and "tuned" in tuned.description
    assert joint.recipes == ({"": {"weights": "distance"}},) * N_HALVES and "distance" in joint.description
    assert contestant_params(joint)["weights"] == "distance"
    again = run(comparison, tracker=tracker).contestants[1]
    assert again == tuned


def test_hyperparameters_that_the_halves_cannot_be_fitted_with_are_one_message() -> None:
    contestant = {"kind": "estimator", "estimator": "k_nearest_neighbors", "fixed": {"n_neighbors": 1000}}
    comparison = tiny_comparison(contestants={**tiny_comparison().model_dump()["contestants"], "near": contestant})
    with pytest.raises(ConfigError, match="n_neighbors 1000") as caught:
        run(comparison)
    assert caught.value.where == "contestants.near"


@pytest.mark.parametrize("validation", [{"method": "hold_out", "fraction": 0.25}, {"method": "k_fold", "folds": 3}])
def test_a_nested_search_never_sees_the_rows_that_are_tested_on(validation: dict[str, Any]) -> None:
    comparison, dataset = tiny_comparison(validation=validation), tiny_table()
    rows = comparison_rows(comparison, dataset, halves_of(dataset))
    folds = comparison.validation.folds if isinstance(comparison.validation, KFold) else 1
    assert len(rows.folds) == N_HALVES * (1 + folds)
    for half in range(N_HALVES):
        learning, test = (set(part.tolist()) for part in rows.fold_rows(half))
        assert learning | test == set(range(dataset.rows))
        assert not learning & test
        for fold in range(N_HALVES + half * folds, N_HALVES + (half + 1) * folds):
            inner, validates = (set(part.tolist()) for part in rows.fold_rows(fold))
            assert inner | validates == learning
            assert not inner & validates


def test_tuning_once_is_one_search_for_all_halves() -> None:
    comparison, dataset = tiny_comparison(tuning="once"), tiny_table()
    trainer = FormulaTrainer(comparison_rows(comparison, dataset, halves_of(dataset)))
    result = run(comparison, dataset, trainer)
    assert result.settings is not None and result.settings.tuning == "once"
    nested = FormulaTrainer(comparison_rows(tiny_comparison(), dataset, halves_of(dataset)))
    run(tiny_comparison(), dataset, nested)
    assert len(trainer.trained) < len(nested.trained) / 2
    (recipe,) = {str(half) for half in result.contestants[0].recipes}
    assert recipe


def test_the_networks_of_a_contestant_divide_its_budget() -> None:
    pending = tiny_experiment(search={"driver": "random", "trials": 20, "batch": 8, "pending_rounds": 2})
    comparison = tiny_comparison(experiment=pending, budget={"trials": 7, "seconds": 100.0})
    for name, trials, seconds in (("branched", [7], [100.0]), ("single", [3, 3], [50.0, 50.0])):
        contestant = comparison.contestants[name]
        assert contestant.kind != "estimator"
        parts = contestant_networks(contestant, comparison)
        assert [part.experiment.search.trials for part in parts] == trials
        assert [part.experiment.search.seconds for part in parts] == seconds
        assert not any(part.experiment.pending_rounds for part in parts), "the halves are searched side by side already"


def test_a_budget_of_seconds_ends_the_search_with_a_warning() -> None:
    result = run(tiny_comparison(budget={"trials": 1000, "seconds": 0.2}))
    assert result.warning_codes == (WarningCode.BUDGET_SECONDS,) and len(result.warnings) == 1
    assert result.settings is not None and result.settings.seconds == 0.2


def test_recorded_parts_are_not_trained_again_and_give_the_same_result() -> None:
    tracker, comparison, dataset = MemoryComparisonTracker.open(RECORD), tiny_comparison(), tiny_table()
    rows = comparison_rows(comparison, dataset, halves_of(dataset))
    first = FormulaTrainer(rows)
    result = run(comparison, dataset, first, tracker)
    assert set(tracker.recorded_parts()) == {"tuned/branched", "tuned/single", "tuned/shallow", "estimator/linear"}
    second = FormulaTrainer(rows)
    again = run(comparison, dataset, second, tracker)
    assert len(second.trained) == 4 * N_HALVES  # the fits alone: one network for all heads twice, and one for each of two
    assert len(first.trained) > len(second.trained)
    assert [contestant.scores for contestant in again.contestants] == [contestant.scores for contestant in result.contestants]


def test_the_key_of_a_comparison_does_not_depend_on_its_workers() -> None:
    on_ray = tiny_experiment(workers={"kind": "ray"})
    with_ray, with_local_workers = (
        tiny_comparison(
            experiment=base, contestants={"first": {"kind": "network"}, "other": {"kind": "network", "experiment": base}}
        )
        for base in (on_ray, tiny_experiment())
    )
    table = tiny_table()
    keys = [
        new_comparison_record(comparison, table, halves_of(table)).key
        for comparison in (with_ray, with_local_workers, tiny_comparison())
    ]
    assert with_ray != with_local_workers
    assert keys[0] == keys[1] != keys[2]


def test_an_interrupted_comparison_resumes_with_the_scores_of_an_uninterrupted_one() -> None:
    tracker, comparison, dataset = MemoryComparisonTracker.open(RECORD), tiny_comparison(), tiny_table()
    rows = comparison_rows(comparison, dataset, halves_of(dataset))
    uninterrupted = FormulaTrainer(rows)
    expected_result = run(comparison, dataset, uninterrupted)
    populations = 10**9 - uninterrupted.interrupts_after
    with pytest.raises(KeyboardInterrupt):
        run(comparison, dataset, FormulaTrainer(rows, interrupts_after=populations // 2), tracker)
    assert "tuned/branched" in tracker.recorded_parts()
    assert "estimator/linear" not in tracker.recorded_parts()
    resumed = run(comparison, dataset, tracker=tracker)
    expected = [contestant.scores for contestant in expected_result.contestants]
    assert [contestant.scores for contestant in resumed.contestants] == expected


def test_a_contestant_that_diverges_has_no_scores_and_the_others_have() -> None:
    diverging = {"kind": "network", "fixed": {"learning_rate": 0.9, "trunk.depth": 2, "trunk.width": 4}}
    comparison = tiny_comparison(contestants={"branched": {"kind": "network"}, "diverging": diverging}, budget={"trials": 9})
    dataset = tiny_table()
    rows = comparison_rows(comparison, dataset, halves_of(dataset))
    result = run(comparison, dataset, FormulaTrainer(rows, diverges_above=0.5))
    branched, diverged = result.contestants
    assert branched.scores
    assert diverged.failure
    assert result.warning_codes == (WarningCode.CONTESTANT_FAILED,)
    (warning,) = result.warnings
    assert diverged.name in warning and diverged.failure in warning
    assert result.differences == result.transfer == ()


def test_sharing_varies_from_separate_networks_to_no_branches() -> None:
    result = run(tiny_comparison(sharing={"layers": 3, "fixed": {"trunk.width": 8, "branch.width": 8}}))
    assert [point.layers for point in result.sharing] == [0, 1, 2, 3]
    one_stack = 2 * 8 + 8 + 2 * (8 * 8 + 8)  # two inputs, three layers of eight
    outputs = 2 * (8 + 1)
    assert result.sharing[0].parameters == 2 * one_stack + outputs
    assert result.sharing[3].parameters == one_stack + outputs
    assert result.sharing[1].parameters == 2 * one_stack - 24 + outputs
    assert all(len(point.scores["V"]) == N_HALVES for point in result.sharing)


def test_sharing_is_varied_alike_where_branches_of_the_experiment_begin_elsewhere() -> None:
    space = {"dimensions": {}, "fixed": {"trunk.depth": 5, "branch.exit": 2, "V.reads": "PE", "V.exit": 1}}
    sharing = {"layers": 2, "fixed": {"trunk.width": 8, "branch.width": 8}}
    plain, moved = (
        run(tiny_comparison(experiment=tiny_experiment(**changes), sharing=sharing)).sharing
        for changes in ({}, {"space": space})
    )
    assert [point.parameters for point in moved] == [point.parameters for point in plain]


def test_the_quick_form_is_a_comparison_of_the_same_networks() -> None:
    forest = {"kind": "estimator", "estimator": "random_forest"}
    whole = tiny_comparison(contestants={**tiny_comparison().contestants, "forest": forest}, sharing={"layers": 2})
    quick = whole.quick()
    assert quick.contestants == whole.contestants
    assert (quick.budget.trials, quick.tuning, quick.networks, quick.sharing) == (4, "once", 1, None)
    assert Comparison.model_validate(quick.model_dump()) == quick
    assert run(quick).conclusions


def test_the_quick_form_says_all_that_it_cuts() -> None:
    base = tiny_experiment(fit={"epochs": 50})
    whole = tiny_comparison(
        experiment=base,
        contestants={**tiny_comparison().contestants, "old": {"kind": "network", "experiment": tiny_experiment()}},
        networks=3,
        sharing={"layers": 2},
        budget={"trials": 6, "seconds": 100},
    )
    assert whole.quick().budget.seconds == 100
    assert whole.quick_cuts() == (
        "4 trials of tuning instead of 6",
        "tuning once instead of inside every half",
        "20 epochs instead of 50 (but for old: as in the experiment that is named there)",
        "no pruning (but for old: as in the experiment that is named there)",
        "one network in every half instead of 3",
        "no scores by the number of shared layers",
    )
    assert whole.quick().quick_cuts() == ()


def test_a_comparison_whose_reference_diverges_still_has_a_result() -> None:
    wild = {"kind": "network", "fixed": {"learning_rate": 0.9, "trunk.depth": 2, "trunk.width": 4}}
    comparison = tiny_comparison(contestants={"wild": wild, "branched": {"kind": "network"}}, budget={"trials": 9})
    dataset = tiny_table()
    rows = comparison_rows(comparison, dataset, halves_of(dataset))
    result = run(comparison, dataset, FormulaTrainer(rows, diverges_above=0.5))
    assert [bool(contestant.failure) for contestant in result.contestants] == [True, False]
    assert result.differences == ()


def test_a_pair_has_one_adjusted_p_value_and_the_protocol_names_the_families() -> None:
    result = run(tiny_comparison())
    of_pair = [difference for difference in result.differences if difference.contestant == "single"]
    assert of_pair == [difference.reversed for difference in result.transfer]
    assert any("two families" in sentence for sentence in result.protocol)
    assert result.equivalence_margin == 0.005


def test_two_networks_for_each_half_are_averaged() -> None:
    dataset = tiny_table()
    comparison = tiny_comparison(networks=2)
    trainer = FormulaTrainer(comparison_rows(comparison, dataset, halves_of(dataset)))
    result = run(comparison, dataset, trainer)
    assert all(len(values) == N_HALVES for values in result.contestants[0].scores.values())
    assert result.settings is not None and result.settings.networks == 2


@pytest.mark.parametrize(
    ("changes", "expected", "values"),
    [
        (
            {},
            ComparisonSettings("five shuffles seeded by 1", 6, None, "nested", 0, 1, "tiny"),
            ["five shuffles seeded by 1", "6", "0.05"],
        ),
        (
            {
                "tuning": "once",
                "budget": {"trials": 7, "seconds": 90},
                "networks": 2,
                "validation": {"method": "k_fold", "folds": 3},
            },
            ComparisonSettings("five shuffles seeded by 1", 7, 90.0, "once", 3, 2, "tiny"),
            ["five shuffles seeded by 1", "7", "90", "3-fold", "tiny", "2", "0.05"],
        ),
    ],
)
def test_the_protocol_states_the_settings(changes: dict[str, Any], expected: ComparisonSettings, values: list[str]) -> None:
    settings = comparison_settings(tiny_comparison(**changes), halves_of(tiny_table()))
    assert settings == expected
    sentences = protocol(settings, 0.05)
    assert [value for value in values if not any(value in sentence for sentence in sentences)] == []


def test_the_scores_of_a_contestant_do_not_depend_on_the_other_contestants() -> None:
    fixed = {"trunk.depth": 2, "trunk.width": 4}
    contestants = {
        name: {"kind": "network", "fixed": {**fixed, "learning_rate": rate}}
        for name, rate in (("slow", 0.002), ("fast", 0.02), ("middle", 0.01))
    }

    def r2_by_contestant(names: list[str]) -> dict[str, Any]:
        comparison = tiny_comparison(contestants={name: contestants[name] for name in names}, networks=2)
        dataset = tiny_table()
        rows = comparison_rows(comparison, dataset, halves_of(dataset))
        result = run(comparison, dataset, FormulaTrainer(rows, seed_effect=0.05))
        return {contestant.name: contestant.scores for contestant in result.contestants}

    together = r2_by_contestant(["slow", "fast", "middle"])
    assert r2_by_contestant(["middle", "fast"]) == {name: together[name] for name in ("middle", "fast")}
    assert r2_by_contestant(["slow", "middle"]) == {name: together[name] for name in ("slow", "middle")}


def test_the_result_of_a_group_of_trials_does_not_depend_on_the_other_groups() -> None:
    experiment = tiny_experiment(validation={"method": "hold_out", "fraction": 0.2}, pruning={"rungs": [1, 2], "keep": 0.5})
    dataset = tiny_table()
    folds = tuple((np.setdiff1d(np.arange(120), part), part) for part in np.array_split(np.arange(120), 2))
    trials = [[Trial(number, {"learning_rate": 0.001 * (1 + number + 3 * group)}) for number in range(6)] for group in range(2)]
    rows = TrainingRows(dataset.x, dataset.y, folds, dataset.heads)
    groups = [TrialGroup(trials[group], [group]) for group in range(2)]
    together = sorted(
        run_groups(groups, experiment, TrainingContext(FormulaTrainer(rows), rows, RecordingProgress())),
        key=lambda indexed: (indexed[0], indexed[1].trial.number),
    )
    for group in range(2):
        group_rows = TrainingRows(dataset.x, dataset.y, (folds[group],), dataset.heads)
        training = TrainingContext(FormulaTrainer(group_rows), group_rows, RecordingProgress())
        of_one_group = run_groups([TrialGroup(trials[group], range(experiment.folds))], experiment, training)
        alone = sorted((result for _, result in of_one_group), key=lambda result: result.trial.number)
        in_group = [result for index, result in together if index == group]
        assert [result.score.status for result in in_group] == [result.score.status for result in alone]
        assert [result.score.value for result in in_group] == pytest.approx([result.score.value for result in alone])


# --- with real networks ---


def fixed(name: str, heads: list[str], epochs: int, **params: Any) -> Experiment:
    """An experiment of one recipe."""
    return Experiment.model_validate(
        {
            "name": name,
            "table": {"source": "planted.csv", "inputs": ["a", "b", "c"]},
            "heads": {head: {} for head in heads},
            "space": {"dimensions": {}, "fixed": {"batch_size": 32, "learning_rate": 0.01, **params}},
            "fit": {"epochs": epochs, "keep": "last"},
        }
    )


def planted(actual: Any, rows: int, noise: tuple[float, float]) -> Dataset:
    """Two heads over three inputs, computed by `actual`, with noise of these standard deviations."""
    random = np.random.default_rng(5)
    x = random.uniform(-1, 1, size=(rows, 3))
    y = np.stack(actual(x), axis=1)
    return Dataset("file", "planted.csv", ("a", "b", "c"), ("clean", "noisy"), x, y + random.normal(size=y.shape) * noise, "p")


def compare_planted(experiment: Experiment, dataset: Dataset, contestants: dict[str, Any]) -> ComparisonResult:
    """Two networks for each half, so that the luck of one draw of initial weights does not decide."""
    comparison = Comparison.model_validate(
        {"name": "planted", "experiment": experiment, "contestants": contestants, "networks": 2}
    )
    rows = comparison_rows(comparison, dataset, halves_of(dataset))
    return run(comparison, dataset, PopulationTrainer(rows))


BOTH = {"branched": {"kind": "network"}, "single": {"kind": "single"}}

MIRRORED: dict[Verdict, Verdict] = {"gains": "loses", "loses": "gains", "equal": "equal", "undecided": "undecided"}
"""The verdict on a network of one head against the shared one, by that on the shared one against it."""


def assert_verdict_everywhere(result: ComparisonResult, head: str, verdict: Verdict) -> None:
    """What a head gains by sharing has this verdict in the headline, in the table, in the text and in the JSON."""
    headline, *_ = transfer_sentences([found for found in result.transfer if found.head == head], [head])
    words = {"gains": f"{head} gains", "loses": f"{head} loses", "equal": "equal within", "undecided": "is undecided"}
    assert [name for name, text in words.items() if text in headline] == [verdict]
    single = next(row for row in rows_of_table(result) if row.contestant.name == "single")
    assert single.cells[head].verdict == MIRRORED[verdict]
    written = json.loads(result.to_json())
    (transfer,) = (found for found in written["transfer"] if found["head"] == head)
    (difference,) = (found for found in written["differences"] if (found["head"], found["contestant"]) == (head, "single"))
    is_decided = verdict in {"gains", "loses"}
    assert [found["is_significant"] for found in (transfer, difference)] == [is_decided, is_decided]
    assert [found["verdict"] for found in (transfer, difference)] == [verdict, MIRRORED[verdict]]


def test_a_head_that_gains_from_sharing_has_a_significant_positive_difference() -> None:
    """The noisy head is the clean one with much noise, and gains from a trunk that the clean head trains too."""

    def actual(x: Any) -> list[Any]:
        signal = np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] ** 2
        return [signal, signal]

    recipe = {"trunk.depth": 2, "trunk.width": 32, "branch.depth": 0, "noisy.loss_weight": 0.02}
    result = compare_planted(fixed("helps", ["clean", "noisy"], 150, **recipe), planted(actual, 800, (0.02, 0.7)), BOTH)
    noisy = next(difference for difference in result.transfer if difference.head == "noisy")
    assert noisy.is_significant
    assert noisy.low > 0
    assert_verdict_everywhere(result, "noisy", "gains")


def test_a_head_that_loses_by_sharing_has_a_significant_negative_difference() -> None:
    """Two heads that have nothing in common, and a trunk too small for both, trained almost only for one of them."""

    def actual(x: Any) -> list[Any]:
        return [np.sin(4 * x[:, 0]), np.sin(4 * x[:, 1] + 1)]

    recipe = {"trunk.depth": 1, "trunk.width": 4, "branch.depth": 0, "activation": "tanh", "noisy.loss_weight": 0.01}
    result = compare_planted(fixed("hurts", ["clean", "noisy"], 100, **recipe), planted(actual, 400, (0.02, 0.02)), BOTH)
    noisy = next(difference for difference in result.transfer if difference.head == "noisy")
    assert noisy.is_significant
    assert noisy.high < 0
    assert_verdict_everywhere(result, "noisy", "loses")


@pytest.mark.parametrize(("noise", "verdict"), [(0.01, "equal"), (1.0, "undecided")])
def test_a_head_that_neither_gains_nor_loses_is_equal_or_undecided_by_its_noise(noise: float, verdict: Verdict) -> None:
    """Heads that are linear in inputs of their own, and a trunk that is wide enough for both."""
    recipe = {"trunk.depth": 1, "trunk.width": 16, "branch.depth": 0, "activation": "tanh"}
    dataset = planted(lambda x: [x[:, 0], x[:, 1]], 240, (noise, noise))
    result = compare_planted(fixed("neither", ["clean", "noisy"], 60, **recipe), dataset, BOTH)
    for head in ("clean", "noisy"):
        assert_verdict_everywhere(result, head, verdict)


@pytest.mark.slow
def test_a_recipe_rarely_differs_significantly_from_itself() -> None:
    """Over repetitions on fresh tables at most one in twenty may be significant."""

    def actual(x: Any) -> list[Any]:
        return [np.sin(3 * x[:, 0]), x[:, 1] * x[:, 2]]

    experiment = fixed("null", ["clean", "noisy"], 4, **{"trunk.depth": 1, "trunk.width": 4, "branch.depth": 0})
    contestants = {"first": {"kind": "network"}, "other": {"kind": "network"}}
    comparison = Comparison.model_validate({"name": "null", "experiment": experiment, "contestants": contestants})
    repetitions, significant = 30, 0
    for seed in range(repetitions):
        random = np.random.default_rng(seed)
        x = random.uniform(-1, 1, size=(160, 3))
        y = np.stack(actual(x), axis=1) + 0.1 * random.normal(size=(160, 2))
        dataset = Dataset("file", "null.csv", ("a", "b", "c"), ("clean", "noisy"), x, y, digest=f"n{seed}")
        seeded = comparison.model_copy(update={"seed": seed})
        rows = comparison_rows(seeded, dataset, halves_of(dataset, seed))
        result = run(seeded, dataset, PopulationTrainer(rows))
        significant += any(difference.is_significant for difference in result.differences)
    assert significant <= 4  # more than that has a chance of one in a thousand at a level of one in twenty


@pytest.mark.parametrize("test", [{"folds": 3}, {"path": "held-out.csv"}])
def test_a_comparison_leaves_outer_folds_and_a_test_table_out_unless_it_tunes_on_training_rows(test: dict[str, Any]) -> None:
    comparison = tiny_comparison(experiment=tiny_experiment(test={**test, "seed": 5}))
    assert with_one_table(comparison).experiment.test == TestRows(seed=5)
    with pytest.raises(ConfigError, match="tuning"):
        with_one_table(comparison.model_copy(update={"tuning": "once"}))
