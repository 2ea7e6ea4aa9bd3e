"""What the best trial is compared with, trained and measured on the same rows as it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from branchsweep import baselines, config, packing, promote, score
from branchsweep.answer import grade
from branchsweep.data import Dataset, Split
from branchsweep.errors import ConfigError
from branchsweep.experiment import SKLEARN_BASELINES, Experiment
from branchsweep.population import ALL_ROWS, LaneOutcome, TrainingRows
from branchsweep.promote import Finalist
from branchsweep.roles import Trainer, Watch
from branchsweep.summary import Reference
from branchsweep.trial import Result, Score, Status, Trial


@dataclass(frozen=True, slots=True)
class Contestant:
    """A baseline: one of scikit-learn's by name, or an experiment of one known trial.

    Args:
        name: For people.
        experiment: None for one of scikit-learn's.
    """

    name: str
    experiment: Experiment | None = None


def contestants(experiment: Experiment) -> list[Contestant]:
    """The baselines that an experiment names, checked before anything is trained."""
    return [
        Contestant(baseline) if baseline in SKLEARN_BASELINES else checked(config.load(Path(baseline)), baseline, experiment)
        for baseline in experiment.baselines
    ]


def checked(other: Experiment, where: str, experiment: Experiment) -> Contestant:
    """Another experiment as a contestant of this one, to be validated on this one's folds.

    Args:
        other: One known trial on the same heads and inputs.
        where: Its file, for the message.
        experiment: What it is compared with.
    """
    if len(other.search.known) != 1 or other.search.trials != 1:
        message = "a baseline is an experiment of one known trial: search.trials 1 and one entry under search.known"
        raise ConfigError(message, where)
    ours, theirs = (f"heads {dict(one.columns)} and inputs {one.table.inputs}" for one in (experiment, other))
    if ours != theirs:
        message = f"a baseline needs the heads and inputs of the experiment it is compared with: got {theirs}, expected {ours}"
        raise ConfigError(message, where)
    return Contestant(other.name, other.model_copy(update={"validation": experiment.validation}))


def references(
    chosen: Sequence[Contestant],
    rows: TrainingRows,
    dataset: Dataset,
    split: Split,
    heads: Sequence[str],
    trainer: Trainer,
    watch: Watch,
) -> list[Reference]:
    """Every contestant's validation and test scores, in order.

    Args:
        chosen: The contestants.
        rows: The training rows and their folds.
        dataset: The table.
        split: Where the test rows are.
        heads: The heads' names, in order.
        trainer: Trains the networks among them.
        watch: Told about it.
    """
    return [
        _of_network(one, one.experiment, rows, dataset, split, trainer, watch)
        if one.experiment
        else _of_estimator(one.name, rows, dataset, split, heads)
        for one in chosen
    ]


def _of_estimator(name: str, rows: TrainingRows, dataset: Dataset, split: Split, heads: Sequence[str]) -> Reference:
    lanes = [
        score.measure(rows.y[rest], baselines.predict(name, rows.x[train], rows.y[train], rows.x[rest]), heads)
        for train, rest in rows.folds
    ]
    heads_averaged, value, value_se = score.average(lanes)
    validated = Score(Status.COMPLETE, value=value, value_se=value_se, heads=heads_averaged)
    test = score.measure(dataset.y[split.test], baselines.predict(name, rows.x, rows.y, dataset.x[split.test]), heads)
    return Reference(
        name=name.replace("_", " "),
        r2=validated.r2,
        r2_se=validated.r2_se,
        test_r2={head: of_head.r2 for head, of_head in test.items()},
    )


def _of_network(
    one: Contestant,
    experiment: Experiment,
    rows: TrainingRows,
    dataset: Dataset,
    split: Split,
    trainer: Trainer,
    watch: Watch,
) -> Reference:
    ((known, params),) = experiment.search.known.items()
    trial = Trial(0, params, known)
    result, finalist = _trained(experiment, trial, rows, trainer, watch)
    if finalist is None and result.score.is_complete:
        finalist = promote.refit(experiment, result, trainer, watch)
    test: dict[str, float] = {}
    if finalist:
        with promote.model_folder() as folder:
            met = promote.meet_test_rows(experiment, finalist, dataset, split, trainer, folder)
        test = {head: figures.r2 for head, figures in met.items()}
    return Reference(
        name=one.name,
        r2=result.score.r2,
        r2_se=result.score.r2_se,
        test_r2=test,
    )


def _trained(
    experiment: Experiment, trial: Trial, rows: TrainingRows, trainer: Trainer, watch: Watch
) -> tuple[Result, Finalist | None]:
    """A trial's score, and its refit where that need not wait for the score: where the last weights are kept, all is known."""
    lanes = packing.lanes_of(trial, experiment)
    if experiment.fit.keep == "last":
        lanes.append(packing.refit_lane(trial, experiment, seed=0, stop=experiment.fit.epochs))
    populations = packing.pack(lanes, experiment)
    watch.plan(sum(lane.stop for lane in lanes), f"{experiment.name}, to compare with")
    outcomes: dict[tuple[int, int], LaneOutcome] = {}
    seconds = 0.0
    for position, outcome in trainer.train(populations, keep_weights=True):
        places = zip(populations[position].folds, populations[position].seeds, strict=True)
        outcomes |= dict(zip(places, outcome.lanes, strict=True))
        seconds += outcome.seconds
    refitted = outcomes.pop((ALL_ROWS, 0), None)
    result = Result(trial, grade(experiment, outcomes, rows, seconds))
    if refitted is None or refitted.failed_at or refitted.weights is None:
        return result, None
    return result, Finalist(experiment.recipe(trial.params), refitted.weights)
