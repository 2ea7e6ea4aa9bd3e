"""The protocol of a comparison: its rows and folds, its record, and its description in sentences."""

from __future__ import annotations

import json

from branchsweep.config.comparison import Comparison
from branchsweep.config.experiment import Experiment
from branchsweep.config.identity import comparison_key_fields
from branchsweep.config.sections.validation import KFold, TestRows
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.data.dataset import Dataset, Halves
from branchsweep.data.digest import combined_digest
from branchsweep.data.splits import check_targets, split_rows
from branchsweep.data.training_rows import TrainingRows
from branchsweep.errors import ConfigError
from branchsweep.metrics.comparison_result import ComparisonSettings
from branchsweep.runtime import environment_facts
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.workflows.records.sweep_record import table_record


def with_one_table(comparison: Comparison) -> Comparison:
    """The comparison without outer folds and tables of test rows: it tests on halves of the experiment's table alone.

    Raises:
        ConfigError: It tunes once, on the training rows of its experiment, which has no such part of that table.
    """
    test = comparison.experiment.test
    if comparison.tuning == "once" and not test.is_part_of_table:
        message = f"got once, which tunes on the training rows of the experiment; with {test.setting} these are no fixed part"
        raise ConfigError(f"{message} of its table. Give nested, or leave {test.setting.split()[0]} out", "tuning")

    def divided(experiment: Experiment) -> Experiment:
        is_plain = experiment.test.is_part_of_table
        return experiment if is_plain else experiment.model_copy(update={"test": TestRows(seed=experiment.test.seed)})

    return comparison.with_experiments(divided)


def new_comparison_record(comparison: Comparison, dataset: Dataset, halves: Halves) -> ComparisonRecord:
    """What the tracker records when the comparison begins.

    The key is a digest of all that decides the result: the same key is the same comparison. Workers decide nothing.
    """
    return ComparisonRecord(
        name=comparison.name,
        key=combined_digest([json.dumps(comparison_key_fields(comparison)), dataset.digest, halves.digest]),
        question=comparison.question,
        yaml=dump_yaml(comparison),
        heads={name: head.unit for name, head in comparison.experiment.heads.items()},
        score_metrics=comparison.experiment.score_metrics,
        table=table_record(comparison.experiment, dataset),
        halves_digest=halves.digest,
        seed=comparison.seed,
        environment=environment_facts(),
    )


def comparison_rows(comparison: Comparison, dataset: Dataset, halves: Halves) -> TrainingRows:
    """All rows of the table. The first ten folds train on one half and test on the other; the folds of tuning follow."""
    halves_as_folds = [fold for first, second in halves.pairs for fold in ((first, second), (second, first))]
    nested = comparison.tuning == "nested"
    tuned_on = [train for train, _ in halves_as_folds] if nested else [split_rows(comparison.experiment, dataset).train]
    tuning = [fold for train in tuned_on for fold in dataset.splitter.folds(comparison.validation, train, comparison.seed)]
    folds = (*halves_as_folds, *tuning)
    if not dataset.actual.is_plain:
        tuned = {f"validation (tuning, fold {number})": rows for number, (_, rows) in enumerate(tuning, start=1)}
        check_targets(dataset, tuned)
    of_rows = dataset.x, dataset.y, folds
    return TrainingRows(*of_rows, dataset.heads, dataset.weights, columns=dataset.columns, class_weights=dataset.class_weights)


def comparison_settings(comparison: Comparison, halves: Halves) -> ComparisonSettings:
    """How the comparison is done, as values."""
    budget, validation = comparison.budget, comparison.validation
    return ComparisonSettings(
        halves=halves.origin,
        trials=budget.trials,
        seconds=budget.seconds,
        tuning=comparison.tuning,
        folds=validation.folds if isinstance(validation, KFold) else 0,
        networks=comparison.networks,
        experiment=comparison.experiment.name,
    )


def protocol(settings: ComparisonSettings, alpha: float) -> tuple[str, ...]:
    """How it is done, as sentences.

    Args:
        settings: The same as values.
        alpha: Level of the tests.
    """
    limit = f" or {settings.seconds:g} seconds, whichever is spent first" if settings.seconds else ""
    scored = f"{settings.folds}-fold cross-validation" if settings.folds else "a hold-out"
    if settings.tuning == "nested":
        tuning = (
            f"Tuning is nested: each of the ten halves has a search of its own, in which trials are scored by {scored}. It "
            "never sees the rows that are tested on."
        )
    else:
        tuning = (
            f"Tuning was done once, by {scored} on the training rows of the experiment {settings.experiment}. Most of "
            "them are tested on here, so what is tuned flatters itself a little. No network has "
            "learnt from a row that it is tested on."
        )
    cut = (
        f"5x2 cross-validation: five times the table is cut into two halves ({settings.halves}); every contestant learns from "
        "each half and is tested on the other one."
    )
    spent = (
        f"Budget: {settings.trials} trials{limit} for each contestant that is tuned; one with a network for each head splits "
        "them evenly among its searches."
    )
    networks = "one network" if settings.networks == 1 else f"{settings.networks} networks"
    trained = (
        f"In every half {networks} of the chosen recipe train{'s' * (settings.networks == 1)} "
        "on all its rows, as long as the best trial did."
    )
    decided = (
        f"A difference counts where Alpaydin's combined 5x2cv F test rejects at {alpha:g} after Holm's correction, "
        "and the interval of the corrected resampled t excludes zero."
    )
    return cut, spent, tuning, trained, decided


def verdict_rules(comparison: Comparison) -> tuple[str, ...]:
    """What the verdicts mean, and which tests are corrected together, as sentences."""
    verdicts = (
        "A contestant gains or loses where its difference counts. Two are equal where two one-sided tests on the statistic of "
        "that interval show, with the same correction, that they differ by less than "
        f"{comparison.equivalence_margin:g}. Else it is undecided: the interval says how large the difference may be."
    )
    reference, pair = comparison.reference_name, comparison.transfer_pair
    if pair is None:
        return verdicts, f"Holm's correction is over all tests: of every contestant against {reference}, by head and mean."
    others = "all other contestants" if reference in pair else "all contestants"
    return verdicts, (
        f"Holm's correction is over two families of tests, by head and mean: {pair[0]} against {pair[1]} (the gain by sharing) "
        f"and {others} against {reference}. A pair belongs to one of them, so it has one adjusted p-value wherever it stands."
    )
