"""The dry run of a sweep: what it would train, and how long that would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from branchsweep.config.codec import to_public_json
from branchsweep.config.experiment import Experiment
from branchsweep.config.sections.search import MAX_PENDING_ROUNDS
from branchsweep.config.sections.training import epochs_by_phase
from branchsweep.data.dataset import Split
from branchsweep.search.drivers import open_driver
from branchsweep.search.successive_halving import surviving_count
from branchsweep.training import cost_model, packing
from branchsweep.training.lanes import Lane, distinct_lanes, refit_lanes, search_lanes
from branchsweep.training.population import Population, Program
from branchsweep.training.resources import Resources
from branchsweep.trial import Trial
from branchsweep.workflows.promotion.baseline_evaluation import Baseline
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate
from branchsweep.workflows.simulator import RowCounts, simulate_search

BUSY = 0.9
"""Workers that have something to do for so much of the time are busy."""

START_SECONDS = 12.0
"""Imports before, and the registry after the training, about."""


@dataclass(frozen=True, slots=True)
class PlannedProgram:
    """The lanes that share a program.

    Args:
        trunk_width, branch_width, batch_size, optimizer: What shapes the program.
        lanes: Networks.
        populations: Groups in which they train.
        useful: The share of the arithmetic that is not padding.
        seconds: Of one core, compiling included.
    """

    trunk_width: int
    branch_width: int
    batch_size: int
    optimizer: str
    lanes: int
    populations: int
    useful: float
    seconds: float


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would be trained.

    Args:
        sweep: The experiment's name.
        trials: In total.
        epochs: Of a network that trains to its end.
        lanes: Networks behind them, baselines and the refit included.
        populations: How many groups of lanes would train at once.
        programs: How many programs would be compiled.
        plan: The lanes by program, the costliest first.
        rungs: By epoch, how many trials of a whole round train on after it.
        workers: Populations that would train at once.
        device: What each of them would train on.
        seconds: An estimate of the whole, if processors train.
        busy: The share of the search in which a worker has something to do, on average, by the same estimate.
        ahead: Rounds that are asked ahead (`search.pending_rounds`).
        busy_ahead: The same share, by how many rounds more might be asked ahead: as many as keep workers busy, if they are not.
        outer_folds: How many such sweeps an outer cross-validation runs; 1 for a sweep. `seconds` are those of all of them, and
            all else is of one.
    """

    sweep: str
    trials: int
    epochs: int
    lanes: int
    populations: int
    programs: int
    plan: tuple[PlannedProgram, ...]
    rungs: Mapping[int, int]
    workers: int
    device: str
    seconds: float
    busy: float
    ahead: int
    busy_ahead: Mapping[int, float]
    outer_folds: int = 1

    def repeated(self, outer_folds: int) -> DryRun:
        """The dry run of so many sweeps like this one, with the same workers."""
        seconds = START_SECONDS + outer_folds * (self.seconds - START_SECONDS)
        return replace(self, outer_folds=outer_folds, seconds=round(seconds, 1))

    def to_json(self) -> str:
        """One JSON object."""
        return to_public_json(self)


def make_dry_run(experiment: Experiment, baselines: Sequence[Baseline], split: Split, resources: Resources) -> DryRun:
    """Ask a driver for all trials without telling it any result: the trials that it would ask if all scores were equal.

    A driver that learns will ask other trials later on, most often larger ones; the estimate is a first guess. What it takes to
    ask is not in it.
    """
    rounds = _rounds(experiment)
    asked = [trial for trials in rounds for trial in trials]
    train, validation = (sum(len(fold[part]) for fold in split.folds) // len(split.folds) for part in (0, 1))
    counts = RowCounts(len(split.train), train, validation)
    searched = simulate_search(rounds, experiment, resources, counts)
    planned: list[tuple[Population, float]] = []

    def plan(lanes: Sequence[Lane], owner: Experiment, share: float = 1.0) -> None:
        populations = packing.pack(distinct_lanes(lanes), owner, resources, counts.every)
        planned.extend((members, share * cost_model.estimated_seconds(members, train, validation)) for members in populations)

    for trials in rounds:
        plan(
            [lane for trial in trials for lane in search_lanes(trial, experiment)],
            experiment,
            _share(experiment, len(trials)),
        )
    of_search = len(planned)
    best = [ConfirmationCandidate("", experiment, trial) for trial in asked[-experiment.confirmation.trials :]]
    networks = [baseline.candidate for baseline in baselines if baseline.candidate]
    folds, seeds = range(len(split.confirmation)), experiment.confirmation.seeds
    for owner in [experiment, *(candidate.experiment for candidate in networks)]:
        candidates = [candidate for candidate in (*best, *networks) if candidate.experiment is owner]
        foreseen = [lane for candidate in candidates for lane in candidate.refit_lanes]
        plan([*(lane for candidate in candidates for lane in candidate.lanes(folds, seeds)), *foreseen], owner)
        count = _members(experiment) if owner is experiment else 1
        if not foreseen:
            plan(refit_lanes(candidates[-1].recipe, owner, range(count), owner.fit.epochs), owner)
    by_program = _by_program(planned)
    return DryRun(
        sweep=experiment.name,
        trials=len(asked),
        epochs=experiment.fit.epochs,
        lanes=sum(entry.lanes for entry in by_program),
        populations=len(planned),
        programs=len(by_program),
        plan=tuple(by_program),
        rungs=dict(
            zip(experiment.pruning_schedule.rungs, _standing(experiment, min(experiment.batch, len(asked)))[1:], strict=True)
        ),
        workers=resources.workers,
        device=str(resources.device),
        seconds=round(
            START_SECONDS + searched.seconds + sum(seconds for _, seconds in planned[of_search:]) / resources.workers, 1
        ),
        busy=round(searched.busy, 3),
        ahead=experiment.pending_rounds,
        busy_ahead=_further_ahead(rounds, experiment, resources, counts) if searched.busy < BUSY else {},
    )


def _further_ahead(
    rounds: Sequence[Sequence[Trial]], experiment: Experiment, resources: Resources, counts: RowCounts
) -> Mapping[int, float]:
    """How busy workers would be, by how many rounds are asked ahead: twice as many, and again, until they are."""
    found: dict[int, float] = {}
    ahead = max(1, 2 * experiment.search.pending_rounds)
    while (
        experiment.can_ask_ahead
        and ahead <= MAX_PENDING_ROUNDS
        and ahead < len(rounds)
        and max(found.values(), default=0.0) < BUSY
    ):
        further = experiment.model_copy(update={"search": experiment.search.model_copy(update={"pending_rounds": ahead})})
        found[ahead] = round(simulate_search(rounds, further, resources, counts).busy, 3)
        ahead *= 2
    return found


def _members(experiment: Experiment) -> int:
    """Networks of the exported model, at most."""
    ensemble = experiment.promotion.ensemble if experiment.promotion else None
    return ensemble.size if ensemble else 1


def _rounds(experiment: Experiment) -> list[list[Trial]]:
    driver, left = open_driver(experiment), experiment.search.trials
    rounds: list[list[Trial]] = []
    while left and (trials := driver.ask(min(experiment.batch, left))):
        rounds.append(trials)
        left -= len(trials)
    return rounds


def _standing(experiment: Experiment, count: int) -> list[int]:
    """How many of `count` trials train to each rung, and to the end."""
    standing = [count]
    for _ in experiment.pruning_schedule.rungs:
        standing.append(surviving_count(standing[-1], experiment.pruning_schedule.keep))
    return standing


def _share(experiment: Experiment, count: int) -> float:
    """The share of all epochs of a round of `count` trials that is left to train after pruning."""
    of_trial = epochs_by_phase(experiment.phases)
    trained = sum(standing * epochs for standing, epochs in zip(_standing(experiment, count), of_trial, strict=True))
    return trained / (count * experiment.phases[-1].networks * experiment.fit.epochs)


def _by_program(planned: Sequence[tuple[Population, float]]) -> list[PlannedProgram]:
    groups: dict[Program, list[tuple[Population, float]]] = {}
    for members, seconds in planned:
        groups.setdefault(members.program, []).append((members, seconds))
    found = [
        PlannedProgram(
            trunk_width=program.trunk_width,
            branch_width=program.branch_width,
            batch_size=program.batch_size,
            optimizer=program.optimizer,
            lanes=sum(len(members.lanes) for members, _ in group),
            populations=len(group),
            useful=round(cost_model.useful_share([members for members, _ in group]), 3),
            seconds=round(cost_model.COMPILE_SECONDS + sum(seconds for _, seconds in group), 1),
        )
        for program, group in groups.items()
    ]
    return sorted(found, key=lambda entry: -entry.seconds)
