"""Answers trials: packs them into populations, has them trained side by side, grades them, and drops the worse at each rung.

The trials of a round compete among themselves. What becomes of one depends on the round alone: not on how its lanes were
packed, on the number of workers, or on whether the round was cut short and went on in another process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep import halving, packing, score
from branchsweep.data import Dataset, Split
from branchsweep.experiment import Experiment
from branchsweep.objective import heads_of, ranked_by
from branchsweep.packing import Lane
from branchsweep.population import LaneOutcome, TrainingRows
from branchsweep.roles import Trainer, Watch
from branchsweep.trial import Result, Score, Status, Trial


def training_rows(dataset: Dataset, split: Split) -> TrainingRows:
    """What a trainer may see: the training rows alone, with the folds as positions among them.

    The folds of the search come first, those of the confirmation after them.
    """
    place = np.zeros(dataset.rows, np.int64)
    place[split.train] = np.arange(len(split.train))
    folds = tuple((place[train], place[validation]) for train, validation in (*split.folds, *split.confirmation))
    return TrainingRows(dataset.x[split.train], dataset.y[split.train], folds, dataset.heads)


def answer(
    trials: Sequence[Trial],
    experiment: Experiment,
    rows: TrainingRows,
    trainer: Trainer,
    watch: Watch,
    recorded: Sequence[Result] = (),
    stop: Callable[[], str] = lambda: "",
) -> Iterator[Result]:
    """Trains the trials of a round side by side, from rung to rung, and yields each with its score as soon as it has one.

    Args:
        trials: What is to be trained.
        experiment: Gives rungs, folds and seeds.
        rows: What may be seen.
        trainer: Trains.
        watch: Is told how it goes.
        recorded: Trials of the same round that have their scores already. They compete at the rungs as they did when they were
            trained, so that a round that was cut short ends as it would have ended.
        stop: Asked at every rung: why the search is over already, and no trial should go on; empty while it is not.
    """
    heat = Heat(trials, range(experiment.folds), recorded)
    return (result for _, result in side_by_side([heat], experiment, rows, trainer, watch, stop))


@dataclass(frozen=True, slots=True)
class Heat:
    """Trials that compete with each other.

    Args:
        trials: What is to be trained.
        folds: Where each of them is scored. No two heats that run side by side share one.
        recorded: Rivals that have their scores already.
    """

    trials: Sequence[Trial]
    folds: Sequence[int]
    recorded: Sequence[Result] = ()


def side_by_side(
    heats: Sequence[Heat],
    experiment: Experiment,
    rows: TrainingRows,
    trainer: Trainer,
    watch: Watch,
    stop: Callable[[], str] = lambda: "",
) -> Iterator[tuple[int, Result]]:
    """Answers several rounds at once, such as those of searches on other rows, whose lanes fill the same populations.

    Each ends as it would have ended by itself.

    Args:
        heats: The rounds.
        experiment: Of all of them.
        rows: What may be seen.
        trainer: Trains.
        watch: Is told how it goes.
        stop: As of `answer`.

    Yields:
        The position of a heat, and a result of its.
    """
    rows = rows.of_heads(list(experiment.heads))
    going = [
        _Contender(place, trial, packing.lanes_on(trial, experiment, heat.folds, experiment.validation.seeds))
        for place, heat in enumerate(heats)
        for trial in heat.trials
    ]
    finished = [list(heat.recorded) for heat in heats]
    for epoch in (*experiment.halving.rungs, experiment.fit.epochs):
        standing: list[_Contender] = []
        for contender in _leg(going, epoch, experiment, trainer, watch):
            contender.grade(experiment, rows, epoch)
            if contender.is_over:
                finished[contender.heat].append(contender.result)
                yield contender.heat, contender.result
            else:
                standing.append(contender)
        going, over = [], stop()
        for place, others in enumerate(finished):
            rivals = [contender for contender in standing if contender.heat == place]
            for contender, reason in _verdicts(rivals, others, epoch, experiment, over):
                if reason:
                    contender.prune(reason)
                    others.append(contender.result)
                    yield place, contender.result
                else:
                    going.append(contender)


@dataclass(slots=True, eq=False)
class _Contender:
    """A trial on its way from rung to rung.

    Args:
        heat: Where it competes.
        trial: The trial.
        lanes: Its lanes that train on, where they stand.
        outcomes: What came of its lanes so far, by (fold, seed).
        rungs: Its R² at the rungs that it came to.
        seconds: Its share of the time that its populations took.
        score: Where it stands.
    """

    heat: int
    trial: Trial
    lanes: Sequence[Lane]
    outcomes: dict[tuple[int, int], LaneOutcome] = field(default_factory=dict)
    rungs: dict[int, tuple[float, ...]] = field(default_factory=dict)
    seconds: float = 0.0
    score: Score = field(default_factory=lambda: Score(Status.FAILED))

    def take(self, lane: Lane, outcome: LaneOutcome, seconds: float) -> None:
        """What came of one of its lanes in a leg."""
        self.outcomes[lane.fold, lane.seed] = outcome
        self.seconds += seconds

    def grade(self, experiment: Experiment, rows: TrainingRows, epoch: int) -> None:
        """Its score after the leg that ended with this epoch; it goes on with the lanes that have not come to their end."""
        score = grade(experiment, self.outcomes, rows, self.seconds)
        ends_later = all(lane.epochs > epoch for lane in self.lanes)  # a rung is where one may go on
        if score.is_complete and ends_later and epoch in experiment.halving.rungs:
            self.rungs[epoch] = tuple(head.r2 for head in score.heads.values())
        self.score = replace(score, rungs=dict(self.rungs))
        places = [(lane, self.outcomes[lane.fold, lane.seed].state) for lane in self.lanes]
        self.lanes = [replace(lane, state=state) for lane, state in places if state and score.is_complete]

    def prune(self, reason: str) -> None:
        """It does not go on."""
        self.score, self.lanes = replace(self.score, status=Status.PRUNED, reason=reason), []

    @property
    def is_over(self) -> bool:
        """Whether nothing of it trains on: it failed, or all its lanes have come to their end."""
        return not self.lanes

    @property
    def result(self) -> Result:
        """The trial with its score."""
        return Result(self.trial, self.score)


def _leg(
    contenders: Sequence[_Contender], epoch: int, experiment: Experiment, trainer: Trainer, watch: Watch
) -> Iterator[_Contender]:
    """Trains all lanes up to an epoch, or to their end before it; yields each trial as soon as all its lanes are there."""
    lanes = {
        (contender.trial.number, lane.fold, lane.seed): (contender, replace(lane, stop=min(epoch, lane.epochs)))
        for contender in contenders
        for lane in contender.lanes
    }
    missing = Counter((contender.heat, contender.trial.number) for contender, _ in lanes.values())
    pauses = epoch < experiment.fit.epochs
    populations = packing.pack([lane for _, lane in lanes.values()], experiment, trainer.workers, pauses)
    if lanes:
        until = f", to epoch {epoch} of {experiment.fit.epochs}" if experiment.halving.rungs else ""
        what = f"{len(lanes)} lanes in {len(populations)} populations{until}"
        watch.plan(sum(lane.stop - lane.start for _, lane in lanes.values()), what)
    for position, outcome in trainer.train(populations):
        members = populations[position]
        for key, lane_outcome in zip(
            zip(members.trials, members.folds, members.seeds, strict=True), outcome.lanes, strict=True
        ):
            contender, lane = lanes[key]
            contender.take(lane, lane_outcome, outcome.seconds / len(outcome.lanes))
            missing[contender.heat, contender.trial.number] -= 1
            if not missing[contender.heat, contender.trial.number]:
                yield contender


def _verdicts(
    standing: Sequence[_Contender], finished: Sequence[Result], epoch: int, experiment: Experiment, over: str
) -> list[tuple[_Contender, str]]:
    """Who of those that stand at a rung goes on: each with the reason why not, which is empty for those that do.

    All trials of the round that came to this rung compete, those that have their scores already among them. A known
    configuration that a constraint is measured by always goes on, for nothing else can say where the bound is.
    """
    heads, objective = list(experiment.heads), experiment.objective
    counted = heads_of(objective, heads)
    bounding = {constraint.reference for constraint in objective.bounds if constraint.reference}
    r2_at: dict[int, Mapping[str, float]] = {
        contender.trial.number: dict(zip(heads, contender.rungs[epoch], strict=True)) for contender in standing
    }
    for result in finished:
        r2 = _at_rung(result.score, epoch)
        if r2 is not None:
            r2_at[result.trial.number] = r2
    ranking = halving.ranking(
        {number: [r2[head] for head in counted] for number, r2 in r2_at.items()},
        {number: ranked_by(objective, r2) for number, r2 in r2_at.items()},
    )
    places = halving.places(len(ranking), experiment.halving.keep)
    rung = f"rung {experiment.halving.rungs.index(epoch) + 1} (epoch {epoch})" if standing else ""

    def verdict(contender: _Contender) -> str:
        if over:
            return f"stopped at {rung}: {over}"
        if contender.trial.known in bounding:
            return ""
        place = 1 + ranking.index(contender.trial.number)
        return f"pruned at {rung}: place {place} of {len(ranking)}, {places} went on" if place > places else ""

    in_order = sorted(standing, key=lambda contender: contender.trial.number)
    return [(contender, verdict(contender)) for contender in in_order]


def _at_rung(score: Score, epoch: int) -> Mapping[str, float] | None:
    """R² by head at a rung: what was measured there, or the final one of a trial that had come to its end before; else None."""
    if epoch in score.rungs:
        return dict(zip(score.heads, score.rungs[epoch], strict=True))
    return score.of_heads if score.is_complete else None


def grade(experiment: Experiment, lanes: Mapping[tuple[int, int], LaneOutcome], rows: TrainingRows, seconds: float) -> Score:
    """The score of one trial over its lanes, given by (fold, seed)."""
    entries = [
        (f"fold {fold}, seed {seed}", outcome, rows.y[rows.of(fold)[1]]) for (fold, seed), outcome in sorted(lanes.items())
    ]
    return score.grade(entries, list(experiment.heads), seconds)
