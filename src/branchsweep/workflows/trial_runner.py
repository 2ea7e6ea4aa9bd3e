"""Trains the trials of a round, scores them, and prunes the worse ones at each rung by successive halving.

The trials of a round compete with each other. What becomes of one depends on the round alone: not on how its lanes were
packed, on the number of workers, or on whether the round was cut short and went on in another process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from branchsweep.config.experiment import Experiment
from branchsweep.config.metric_names import LATENCY, ObjectiveMetric
from branchsweep.config.sections.training import Phase
from branchsweep.data.training_rows import TrainingRows
from branchsweep.metrics.objectives import (
    measured_others,
    objective_heads,
    objective_values,
    ranking_value,
    to_maximize,
)
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import Recipe, recipe_for
from branchsweep.search.successive_halving import rung_ranking, surviving_count
from branchsweep.training.lanes import Lane, LaneKey, LaneOutcome, search_lanes
from branchsweep.training.population import PopulationOutcome
from branchsweep.training.population_queue import PopulationQueue
from branchsweep.trial import EndCause, Params, Result, Score, Status, Trial
from branchsweep.workflows import lane_scores
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.train_lanes import LaneBatch

StopCheck = Callable[[], str]
"""Says why a search is over, so that no trial should be trained further; empty while it is not."""


def never_stop() -> str:
    """A `StopCheck` that never stops a search early."""
    return ""


@dataclass(frozen=True, slots=True)
class TrialGroup:
    """Trials that compete with each other.

    Args:
        trials: What is to be trained.
        folds: Where each of them is scored. No two groups that are trained side by side share one.
        recorded: Trials that compete with them and have their scores already.
        recipe_of: What the parameters of a trial mean.
        latencies: By the trial's number, where the objective names latency.
    """

    trials: Sequence[Trial]
    folds: Sequence[int]
    recorded: Sequence[Result] = ()
    recipe_of: Callable[[Experiment, Params], Recipe] = recipe_for
    latencies: Mapping[int, float] = field(default_factory=dict)

    def lanes(self, trial: Trial, experiment: Experiment) -> list[Lane]:
        """The lanes of one of the trials."""
        return search_lanes(trial, experiment, self.folds, self.recipe_of(experiment, trial.params))


def run_groups(
    groups: Sequence[TrialGroup], experiment: Experiment, training: TrainingContext, stop: StopCheck = never_stop
) -> Iterator[tuple[int, Result]]:
    """Trains several rounds at once, such as those of searches on other rows, whose lanes fill the same populations.

    Each ends as it would have ended by itself.

    Args:
        groups: The rounds.
        experiment: Of all of them.
        training: Trains them.
        stop: Asked at every rung.

    Yields:
        The index of a group, and a result of its.
    """
    queue = PopulationQueue()
    rows = training.rows
    batch = LaneBatch(queue, training.trainer.resources, training.progress.on_training_planned, len(rows.x))
    halving = SuccessiveHalving(groups, experiment, rows, batch, stop)
    halving.start()
    for position, outcome in training.trainer.train(queue):
        yield from halving.collect(position, outcome)


class SuccessiveHalving:
    """Groups of trials on their way from rung to rung.

    When all lanes have come to a rung, those of the better trials are queued again. Several such objects may have their lanes
    in one queue.

    Args:
        groups: The trials that compete.
        experiment: Gives rungs, folds and seeds.
        rows: The rows that the trainer trains on.
        batch: Queues lanes.
        stop: Asked at every rung.
    """

    def __init__(
        self,
        groups: Sequence[TrialGroup],
        experiment: Experiment,
        rows: TrainingRows,
        batch: LaneBatch,
        stop: StopCheck = never_stop,
    ) -> None:
        self._groups, self._experiment, self._rows = groups, experiment, rows.for_heads(list(experiment.heads))
        self._batch, self._stop = batch, stop
        self._finished = [list(group.recorded) for group in groups]
        self._phases = iter(experiment.phases)
        self._epoch = 0
        self._running: list[RunningTrial] = []
        self._by_lane: dict[LaneKey, RunningTrial] = {}
        self._missing: Counter[RunningTrial] = Counter()

    def start(self) -> None:
        """Queues the lanes of all trials up to the first rung."""
        self._train_to_next_rung([
            RunningTrial(trial, group.lanes(trial, self._experiment), index, group.latencies.get(trial.number))
            for index, group in enumerate(self._groups)
            for trial in group.trials
        ])  # fmt: skip

    @property
    def is_over(self) -> bool:
        """Whether all trials have their scores."""
        return self._batch.is_empty

    def trains(self, position: int) -> bool:
        """Whether the population at this position of the queue has lanes of these trials."""
        return self._batch.contains(position)

    def collect(self, position: int, outcome: PopulationOutcome) -> list[tuple[int, Result]]:
        """Takes a trained population.

        Args:
            position: Of the population in the queue.
            outcome: What the trainer yielded for it.

        Returns:
            The index of a group, and a result of its, for every trial that has come to its end.
        """
        results: list[tuple[int, Result]] = []
        for key, lane_outcome in self._batch.collect(position, outcome).items():
            running = self._by_lane[key]
            running.collect(key, lane_outcome)
            self._missing[running] -= 1
            if not self._missing[running]:
                running.score_at(self._epoch, self._experiment, self._rows)
                if running.is_over:
                    results.append(self._finish(running))
        while self._batch.is_empty and self._running:
            results += self._halve()
        return results

    def _train_to_next_rung(self, running: list[RunningTrial]) -> None:
        """Queues the lanes of these trials up to the next rung, or to their ends before it."""
        self._running = running
        if not running:
            return
        phase, last = next(self._phases), self._experiment.fit.epochs
        self._epoch = phase.epoch
        lanes = {trial: trial.lanes_of(phase, phase.epoch < last) for trial in running}
        self._by_lane = {lane.key: trial for trial, of_trial in lanes.items() for lane in of_trial}
        self._missing = Counter(self._by_lane.values())
        for trial in running:
            if not lanes[trial]:  # its lanes on these folds have ended, and those on other folds begin after this rung
                trial.score_at(self._epoch, self._experiment, self._rows)
        if self._by_lane:
            name = f"to epoch {phase.epoch} of {last}" if self._experiment.pruning_schedule.rungs else ""
            self._batch.add(chain.from_iterable(lanes.values()), self._experiment, name)

    def _halve(self) -> list[tuple[int, Result]]:
        """Prunes the worse trials of each group, and trains the better ones on."""
        results: list[tuple[int, Result]] = []
        survivors, stopped_because = [], self._stop()
        candidates = [trial for trial in self._running if not trial.is_over]
        for index, finished in enumerate(self._finished):
            rivals = [trial for trial in candidates if trial.group == index]
            for trial, cause, reason in _pruning_decisions(rivals, finished, self._epoch, self._experiment, stopped_because):
                if cause:
                    trial.prune(cause, self._epoch, reason)
                    results.append(self._finish(trial))
                else:
                    survivors.append(trial)
        self._train_to_next_rung(survivors)
        return results

    def _finish(self, trial: RunningTrial) -> tuple[int, Result]:
        self._finished[trial.group].append(trial.result)
        return trial.group, trial.result


@dataclass(slots=True, eq=False)
class RunningTrial:
    """A trial on its way from rung to rung.

    Args:
        trial: The trial.
        lanes: Its lanes that have not ended: those that train on, in their states, and those that begin after a later rung.
        group: The index of the group in which it competes.
        latency: Of its network, where it was measured.
        outcomes: The last outcome of each of its lanes, by (fold, seed).
        rungs: Its scores by head at the rungs that it has come to, in the experiment's order of heads.
        rung_metrics: What else the objective names, at these rungs.
        seconds: Its share of the time that its populations took.
        score: Its score after the last epoch at which it was scored.
    """

    trial: Trial
    lanes: Sequence[Lane]
    group: int = 0
    latency: float | None = None
    outcomes: dict[tuple[int, int], LaneOutcome] = field(default_factory=dict)
    rungs: dict[int, tuple[float, ...]] = field(default_factory=dict)
    rung_metrics: dict[int, Mapping[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    score: Score = field(default_factory=lambda: Score(Status.FAILED))
    folds: Sequence[int] = field(init=False)
    recipe: Recipe = field(init=False)

    def __post_init__(self) -> None:
        self.folds = list(dict.fromkeys(lane.key.fold for lane in self.lanes))
        self.recipe = self.lanes[0].recipe

    def lanes_of(self, phase: Phase, pauses: bool) -> list[Lane]:
        """Its lanes that train in a phase, to be trained to the end of it or to their ends before.

        Args:
            phase: Says to which epoch, and on how many folds from how many seeds.
            pauses: Whether the trial may go on after it.
        """
        folds = self.folds[: phase.folds]
        return [
            replace(lane, stop=min(phase.epoch, lane.epochs), pauses=pauses)
            for lane in self.lanes
            if lane.key.fold in folds and lane.key.seed < phase.seeds
        ]

    def collect(self, key: LaneKey, outcome: LaneOutcome) -> None:
        """Record the outcome of one of the trial's lanes."""
        self.outcomes[key.fold, key.seed] = outcome
        self.seconds += outcome.seconds

    def score_at(self, epoch: int, experiment: Experiment, rows: TrainingRows) -> None:
        """Scores the trial after an epoch, and drops the lanes that have ended.

        Args:
            epoch: To which its lanes were trained, from 1.
            experiment: Gives the heads.
            rows: The rows of the experiment's heads.
        """
        score = score_trial(experiment, self.outcomes, rows, self.seconds)
        outcomes = [(lane, self.outcomes.get((lane.key.fold, lane.key.seed))) for lane in self.lanes]
        begin_later = [lane for lane, outcome in outcomes if outcome is None]
        if score.is_complete and (begin_later or all(lane.epochs > epoch for lane in self.lanes)):  # where a trial may go on
            self.rungs[epoch] = tuple(measured.score for measured in score.heads.values())
            if names := [name for name in _others(experiment) if not ObjectiveMetric.parsed(name).is_of_network]:
                self.rung_metrics[epoch] = measured_others(names, score)
        network = {
            **self.recipe.network_metrics(experiment.table.inputs.values()),
            **({} if self.latency is None else {LATENCY: self.latency}),
        }
        self.score = replace(score, rungs=dict(self.rungs), rung_metrics=dict(self.rung_metrics), network=network)
        train_on = [replace(lane, state=outcome.state) for lane, outcome in outcomes if outcome and outcome.state]
        self.lanes = [*train_on, *begin_later] if score.is_complete else []

    def prune(self, cause: EndCause | None, epoch: int, reason: str) -> None:
        """Prune the trial at the rung that it has reached.

        Args:
            cause: Why it is not trained further.
            epoch: The rung's.
            reason: The cause as a sentence.
        """
        self.score = replace(self.score, status=Status.PRUNED, reason=reason, cause=cause, ended_at=epoch if cause else 0)
        self.lanes = []

    @property
    def is_over(self) -> bool:
        """Whether the trial has ended: it failed, or all its lanes have ended."""
        return not self.lanes

    @property
    def result(self) -> Result:
        """The trial with its score."""
        return Result(self.trial, self.score)


def _pruning_decisions(
    candidates: Sequence[RunningTrial], finished: Sequence[Result], epoch: int, experiment: Experiment, stopped_because: str
) -> list[tuple[RunningTrial, EndCause | None, str]]:
    """Which trials at a rung go on: each with the cause why it does not, as a code and as a sentence; None for those that do.

    All trials of the group that came to this rung compete, those that have their scores already among them. A known
    configuration that a constraint refers to always goes on, for nothing else can say where the bound is.
    """
    objective = experiment.objective
    bounding = {constraint.reference for constraint in objective.parsed_constraints if constraint.reference}
    scores = {result.trial.number: result.score for result in finished}
    scores |= {candidate.trial.number: candidate.score for candidate in candidates}
    ranking = _ranking_at_rung(scores, epoch, experiment)
    survivors = surviving_count(len(ranking), experiment.pruning_schedule.keep)
    rung = _rung_name(experiment, epoch) if candidates else ""

    def decision(candidate: RunningTrial) -> tuple[EndCause | None, str]:
        if stopped_because:
            return EndCause.STOPPED, f"stopped at {rung}: {stopped_because}"
        rank = 1 + ranking.index(candidate.trial.number)
        if candidate.trial.known in bounding or rank <= survivors:
            return None, ""
        return EndCause.PRUNED, f"pruned at {rung}: rank {rank} of {len(ranking)}; the best {survivors} continued"

    in_order = sorted(candidates, key=lambda candidate: candidate.trial.number)
    return [(candidate, *decision(candidate)) for candidate in in_order]


def _rung_name(experiment: Experiment, epoch: int) -> str:
    """A rung in a sentence, with the share of the folds and seeds that its scores are over if that is not all."""
    here, everything = experiment.phase_to(epoch), experiment.phases[-1]
    counts = (("fold", here.folds, everything.folds), ("seed", here.seeds, everything.seeds))
    parts = [f"{count} of {most} {noun}s" for noun, count, most in counts if count < most]
    return f"rung {experiment.pruning_schedule.rungs.index(epoch) + 1} ({', '.join([f'epoch {epoch}', *parts])})"


def _ranking_at_rung(scores: Mapping[int, Score], epoch: int, experiment: Experiment) -> list[int]:
    """The numbers of the trials that came to a rung, the best first.

    They are compared in the scores of the heads that the objective depends on, and in what else it names. Where a score is
    weighed against something else, such as the size of the network, trials that differ go on rather than those of the highest
    scores alone, which would be the large ones.
    """
    objective, others = experiment.objective, _others(experiment)
    at_rung = {number: reached for number, score in scores.items() if (reached := _at_rung(score, epoch, others)) is not None}
    counted = objective_heads(objective, experiment.heads)
    named = [index for index, name in enumerate(objective.maximize) if name in others]

    def vector(by_head: Mapping[str, float], of_others: Mapping[str, float]) -> list[float]:
        values = objective_values(objective, by_head, of_others)
        return [*(by_head[head] for head in counted), *(values[index] for index in named)]

    rule = objective.ranking_metric
    return rung_ranking(
        {number: vector(*reached) for number, reached in at_rung.items()},
        {number: to_maximize(rule, ranking_value(objective, *reached)) for number, reached in at_rung.items()},
        spread=bool(named) and objective.is_multi_objective,
    )


def _others(experiment: Experiment) -> tuple[str, ...]:
    """What the objective names that is no score of heads."""
    return experiment.objective.others(experiment.score_metrics)


def _at_rung(score: Score, epoch: int, others: Sequence[str]) -> tuple[Mapping[str, float], Mapping[str, float]] | None:
    """The scores by head at a rung, and these other metrics: as measured there, or the final ones of a trial that ended before.

    Returns:
        None for a trial that did not come to the rung.
    """
    if epoch in score.rungs:
        by_head = dict(zip(score.heads, score.rungs[epoch], strict=True))
        return by_head, {**score.network, **score.rung_metrics.get(epoch, {})}
    return (score.by_head, measured_others(others, score)) if score.is_complete else None


def score_trial(
    experiment: Experiment, lanes: Mapping[tuple[int, int], LaneOutcome], rows: TrainingRows, seconds: float
) -> Score:
    """The score of one trial over its lanes.

    Args:
        experiment: Gives the heads.
        lanes: The lanes' outcomes by (fold, seed).
        rows: The rows of the experiment's heads.
        seconds: The trial's share of the wall time.
    """
    entries = [
        (f"fold {fold}, seed {seed}", outcome, rows.actual.rows(rows.fold_rows(fold)[1]))
        for (fold, seed), outcome in sorted(lanes.items())
    ]
    return lane_scores.lane_scores(entries, kinds_by_head(experiment), seconds)
