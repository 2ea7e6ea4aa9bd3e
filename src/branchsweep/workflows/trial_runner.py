"""Answers trials: packs them into populations, has them trained side by side, grades them, and drops the worse at each rung.

The trials of a round compete among themselves. What becomes of one depends on the round alone: not on how its lanes were
packed, on the number of workers, or on whether the round was cut short and went on in another process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from branchsweep.config.experiment import Experiment
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.objectives import objective_heads, ranking_value
from branchsweep.search.successive_halving import rung_ranking, surviving_count
from branchsweep.training import packing
from branchsweep.training.packing import Lane
from branchsweep.training.population import LaneOutcome, Population, PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.training.protocols import Trainer
from branchsweep.training.resources import Resources
from branchsweep.trial import Result, Score, Status, Trial
from branchsweep.workflows import lane_scores
from branchsweep.workflows.progress import ProgressCallback


def run_trials(
    trials: Sequence[Trial],
    experiment: Experiment,
    rows: TrainingRows,
    trainer: Trainer,
    progress: ProgressCallback,
    recorded: Sequence[Result] = (),
    stop: Callable[[], str] = lambda: "",
) -> Iterator[Result]:
    """Trains the trials of a round side by side, from rung to rung, and yields each with its score as soon as it has one.

    Args:
        trials: What is to be trained.
        experiment: Gives rungs, folds and seeds.
        rows: What may be seen.
        trainer: Trains.
        progress: Is told how it goes.
        recorded: Trials of the same round that have their scores already. They compete at the rungs as they did when they were
            trained, so that a round that was cut short ends as it would have ended.
        stop: Asked at every rung: why the search is over already, and no trial should go on; empty while it is not.
    """
    heat = TrialGroup(trials, range(experiment.folds), recorded)
    return (result for _, result in run_groups([heat], experiment, rows, trainer, progress, stop))


@dataclass(frozen=True, slots=True)
class TrialGroup:
    """Trials that compete with each other.

    Args:
        trials: What is to be trained.
        folds: Where each of them is scored. No two heats that run side by side share one.
        recorded: Rivals that have their scores already.
    """

    trials: Sequence[Trial]
    folds: Sequence[int]
    recorded: Sequence[Result] = ()


def run_groups(
    heats: Sequence[TrialGroup],
    experiment: Experiment,
    rows: TrainingRows,
    trainer: Trainer,
    progress: ProgressCallback,
    stop: Callable[[], str] = lambda: "",
) -> Iterator[tuple[int, Result]]:
    """Answers several rounds at once, such as those of searches on other rows, whose lanes fill the same populations.

    Each ends as it would have ended by itself.

    Args:
        heats: The rounds.
        experiment: Of all of them.
        rows: What may be seen.
        trainer: Trains.
        progress: Is told how it goes.
        stop: As of `answer`.

    Yields:
        The position of a heat, and a result of its.
    """
    line = PopulationQueue()
    race = SuccessiveHalving(heats, experiment, rows, line, trainer.resources, progress.on_training_planned, stop)
    for position, outcome in trainer.train(line):
        yield from race.take(position, outcome)


class SuccessiveHalving:
    """Heats on their way from rung to rung. Several races may be under way at once, in one line.

    When all lanes have come to a rung, those that go on stand in line again.

    Args:
        heats: Who competes.
        experiment: Gives rungs, folds and seeds.
        rows: What may be seen.
        line: Where its populations wait to be trained.
        resources: Where they are trained.
        plan: Told what is about to be trained, as `roles.ProgressCallback` is.
        stop: As of `answer`.
        turn: In the line. Of races that are under way together those of an earlier turn are trained first.
    """

    def __init__(
        self,
        heats: Sequence[TrialGroup],
        experiment: Experiment,
        rows: TrainingRows,
        line: PopulationQueue,
        resources: Resources,
        plan: Callable[[float, str, int], None],
        stop: Callable[[], str] = lambda: "",
        turn: int = 0,
    ) -> None:
        self._experiment, self._rows, self._plan = experiment, rows.for_heads(list(experiment.heads)), plan
        self._line, self._resources, self._stop, self._turn = line, resources, stop, turn
        self._finished = [list(heat.recorded) for heat in heats]
        self._epochs = iter((*experiment.pruning_schedule.rungs, experiment.fit.epochs))
        self._epoch = 0
        self._going: list[_RunningTrial] = []
        self._lanes: dict[tuple[int, int, int], tuple[_RunningTrial, Lane]] = {}
        self._missing: Counter[_RunningTrial] = Counter()
        self._training: dict[int, Population] = {}
        self._run([
            _RunningTrial(place, trial, packing.lanes_on(trial, experiment, heat.folds, experiment.validation.seeds))
            for place, heat in enumerate(heats)
            for trial in heat.trials
        ])  # fmt: skip

    @property
    def is_over(self) -> bool:
        """Whether all have their scores."""
        return not self._training

    def trains(self, position: int) -> bool:
        """Whether the population of this position in line is one of its."""
        return position in self._training

    def take(self, position: int, outcome: PopulationOutcome) -> list[tuple[int, Result]]:
        """What has come of a population: the position of a heat, and a result of its, for every trial that is over by it."""
        members = self._training.pop(position)
        results: list[tuple[int, Result]] = []
        for key, lane_outcome in zip(
            zip(members.trials, members.folds, members.seeds, strict=True), outcome.lanes, strict=True
        ):
            contender, lane = self._lanes[key]
            contender.take(lane, lane_outcome, outcome.seconds / len(outcome.lanes))
            self._missing[contender] -= 1
            if not self._missing[contender]:
                contender.grade(self._experiment, self._rows, self._epoch)
                if contender.is_over:
                    results.append(self._ended(contender))
        if not self._training:
            results += self._rung()
        return results

    def _run(self, going: list[_RunningTrial]) -> None:
        """Sends these contenders to the next rung, or to their end before it."""
        self._going = going
        if not going:
            return
        epoch = self._epoch = next(self._epochs)
        self._lanes = {
            (contender.trial.number, lane.fold, lane.seed): (contender, replace(lane, stop=min(epoch, lane.epochs)))
            for contender in going
            for lane in contender.lanes
        }
        self._missing = Counter(contender for contender, _ in self._lanes.values())
        lanes, epochs = [lane for _, lane in self._lanes.values()], self._experiment.fit.epochs
        populations = packing.pack(lanes, self._experiment, self._resources, pauses=epoch < epochs)
        until = f", to epoch {epoch} of {epochs}" if self._experiment.pruning_schedule.rungs else ""
        what = f"{len(lanes)} lanes in {len(populations)} populations{until}"
        self._plan(sum(lane.stop - lane.start for lane in lanes), what, self._turn)
        self._training = dict(zip(self._line.add(populations, self._turn), populations, strict=True))

    def _rung(self) -> list[tuple[int, Result]]:
        """All have come to the rung: the worse end there, the better go on."""
        results: list[tuple[int, Result]] = []
        going, over = [], self._stop()
        standing = [contender for contender in self._going if not contender.is_over]
        for place, others in enumerate(self._finished):
            rivals = [contender for contender in standing if contender.heat == place]
            for contender, reason in _pruning_decisions(rivals, others, self._epoch, self._experiment, over):
                if reason:
                    contender.prune(reason)
                    results.append(self._ended(contender))
                else:
                    going.append(contender)
        self._run(going)
        return results

    def _ended(self, contender: _RunningTrial) -> tuple[int, Result]:
        self._finished[contender.heat].append(contender.result)
        return contender.heat, contender.result


@dataclass(slots=True, eq=False)
class _RunningTrial:
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
        score = score_trial(experiment, self.outcomes, rows, self.seconds)
        ends_later = all(lane.epochs > epoch for lane in self.lanes)  # a rung is where one may go on
        if score.is_complete and ends_later and epoch in experiment.pruning_schedule.rungs:
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


def _pruning_decisions(
    standing: Sequence[_RunningTrial], finished: Sequence[Result], epoch: int, experiment: Experiment, over: str
) -> list[tuple[_RunningTrial, str]]:
    """Who of those that stand at a rung goes on: each with the reason why not, which is empty for those that do.

    All trials of the round that came to this rung compete, those that have their scores already among them. A known
    configuration that a constraint is measured by always goes on, for nothing else can say where the bound is.
    """
    heads, objective = list(experiment.heads), experiment.objective
    counted = objective_heads(objective, heads)
    bounding = {constraint.reference for constraint in objective.parsed_constraints if constraint.reference}
    r2_at: dict[int, Mapping[str, float]] = {
        contender.trial.number: dict(zip(heads, contender.rungs[epoch], strict=True)) for contender in standing
    }
    for result in finished:
        r2 = _at_rung(result.score, epoch)
        if r2 is not None:
            r2_at[result.trial.number] = r2
    ranking = rung_ranking(
        {number: [r2[head] for head in counted] for number, r2 in r2_at.items()},
        {number: ranking_value(objective, r2) for number, r2 in r2_at.items()},
    )
    places = surviving_count(len(ranking), experiment.pruning_schedule.keep)
    rung = f"rung {experiment.pruning_schedule.rungs.index(epoch) + 1} (epoch {epoch})" if standing else ""

    def verdict(contender: _RunningTrial) -> str:
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


def score_trial(
    experiment: Experiment, lanes: Mapping[tuple[int, int], LaneOutcome], rows: TrainingRows, seconds: float
) -> Score:
    """The score of one trial over its lanes, given by (fold, seed)."""
    entries = [
        (f"fold {fold}, seed {seed}", outcome, rows.y[rows.fold_rows(fold)[1]])
        for (fold, seed), outcome in sorted(lanes.items())
    ]
    return lane_scores.lane_scores(entries, list(experiment.heads), seconds)
