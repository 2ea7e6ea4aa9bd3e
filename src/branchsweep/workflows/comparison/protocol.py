"""The protocol of a comparison: its rows and folds, its record, and its description in sentences."""

from __future__ import annotations

import json

from branchsweep.config.comparison import Comparison
from branchsweep.config.identity import comparison_key_fields
from branchsweep.config.sections.validation import KFold
from branchsweep.config.yaml.recorded import dump_yaml
from branchsweep.data.dataset import Dataset, Halves
from branchsweep.data.digest import combined_digest
from branchsweep.data.splits import make_folds, split_rows
from branchsweep.data.training_rows import TrainingRows
from branchsweep.runtime import environment_facts
from branchsweep.tracking.protocols import ComparisonRecord


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
        tags={
            "data_source": dataset.source,
            "data_location": dataset.location,
            "data_digest": dataset.digest,
            "data_rows": str(dataset.rows),
            "halves_digest": halves.digest,
            "seed": str(comparison.seed),
            **environment_facts(),
        },
    )


def comparison_rows(comparison: Comparison, dataset: Dataset, halves: Halves) -> TrainingRows:
    """All rows of the table. The first ten folds train on one half and test on the other; the folds of tuning follow."""
    halves_as_folds = [fold for first, second in halves.pairs for fold in ((first, second), (second, first))]
    nested = comparison.tuning == "nested"
    tuned_on = [train for train, _ in halves_as_folds] if nested else [split_rows(comparison.experiment, dataset).train]
    tuning = [fold for train in tuned_on for fold in make_folds(comparison.validation, train, comparison.seed)]
    return TrainingRows(dataset.x, dataset.y, (*halves_as_folds, *tuning), dataset.heads)


def protocol(comparison: Comparison, halves: Halves) -> tuple[str, ...]:
    """How it is done, as sentences."""
    budget = comparison.budget
    limit = f" or {budget.seconds:g} seconds, whichever is spent first" if budget.seconds else ""
    validation = comparison.validation
    scored = f"{validation.folds}-fold cross-validation" if isinstance(validation, KFold) else "a hold-out"
    seeds = comparison.networks
    if comparison.tuning == "nested":
        tuning = (
            f"Tuning is nested: each of the ten halves has a search of its own, in which trials are scored by {scored}. It "
            "never sees the rows that are tested on."
        )
    else:
        tuning = (
            f"Tuning was done once, by {scored} on the training rows of the experiment {comparison.experiment.name}. Most of "
            "them are tested on here, so what is tuned flatters itself a little. No network has "
            "learnt from a row that it is tested on."
        )
    cut = (
        f"5x2 cross-validation: five times the table is cut into two halves ({halves.origin}); every contestant learns from "
        "each half and is tested on the other one."
    )
    spent = (
        f"Budget: {budget.trials} trials{limit} for each contestant that is tuned; one with a network for each head splits "
        "them evenly among its searches."
    )
    trained = (
        f"In every half {f'{seeds} networks' if seeds > 1 else 'one network'} of the chosen recipe train{'s' * (seeds == 1)} "
        "on all its rows, as long as the best trial did."
    )
    decided = (
        f"A difference counts where Alpaydin's combined 5x2cv F test rejects at {comparison.alpha:g} after Holm's correction, "
        "and the interval of the corrected resampled t excludes zero."
    )
    return cut, spent, tuning, trained, decided
