"""Trains a recorded trial again from what its record says, and compares: how far can the record be relied on?

A lane's bits follow from the table, the split, the seeds and the recipe, not from its company. So the trial trains alone, for
just the epochs that it trained, and on one machine with one set of versions every figure comes out equal to the last digit. A
pruned trial ends at the rung where it was pruned: who was better there is the round's affair and needs no replay.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset
from branchsweep.data.splits import split_rows
from branchsweep.errors import TrackingError
from branchsweep.metrics.names import STANDARD_ERROR, is_standard_error, score_names
from branchsweep.runtime import environment_facts
from branchsweep.training.lanes import search_lanes
from branchsweep.training.resources import CPU, device_fact
from branchsweep.trial import Result, Score, Status, Trial
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.sweep_record import RecordedSweep
from branchsweep.workflows.train_lanes import train_lanes
from branchsweep.workflows.trial_runner import RunningTrial

TOLERANCE = 0.001
"""R² by which a replay may be off where the last digits are not the same: another processor, or another version of a library,
adds in another order, and training enlarges that. It is half of what a head may be worse by before the gate counts it as worse
(`promotion.gate.margin`): what is nearer than that is not worth a decision."""

SHORT = 12
"""Characters of a digest or commit that a sentence names."""


class Agreement(StrEnum):
    """How a replay and the record agree."""

    EQUAL = "equal"
    WITHIN = "within tolerance"
    DIFFERS = "differs"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class EnvironmentFact:
    """Something that decides a score, or may.

    Args:
        name: As the tracker tags it: `data_digest`, `split_digest`, `seed`, `version_tensorflow`, `git_commit`, ….
        recorded: What it was when the sweep was last run; empty where nothing was written down.
        replayed: What it is here; empty where there is none.
    """

    name: str
    recorded: str
    replayed: str

    @property
    def is_as_recorded(self) -> bool:
        """Whether it is what it was."""
        return self.recorded == self.replayed

    @property
    def decides(self) -> bool:
        """Whether scores under another one cannot be compared at all."""
        return self.name in {"data_digest", "split_digest", "seed"}

    @property
    def called(self) -> str:
        """What people call it."""
        return "branchsweep" if self.name == "version" else self.name.removeprefix("version_").replace("_", " ")

    @property
    def then_and_now(self) -> tuple[str, str]:
        """Recorded and replayed, for people: of digests and commits the beginning."""
        length = SHORT if self.name.endswith("_digest") or self.name == "git_commit" else None
        return self.recorded[:length] or "none", self.replayed[:length] or "none"

    def __str__(self) -> str:
        then, now = self.then_and_now
        if self.name.endswith("_digest"):
            of = "table" if self.name == "data_digest" else "split"
            return f"another {of} (digest {then} then, {now} now)"
        return f"{self.called} {then} then, {now} now"


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """One figure as it was recorded and as it came out again; NaN where there is none.

    Args:
        name: As in the tracker: `r2/PE`, `r2_se/PE`, `r2/mean`, ….
        epoch: The rung that it is from; None for the trial's end.
        recorded: Then.
        replayed: Now.
    """

    name: str
    epoch: int | None
    recorded: float
    replayed: float

    @property
    def gap(self) -> float:
        """How far the two are apart; infinite where one of them is missing."""
        if math.isnan(self.recorded) and math.isnan(self.replayed):
            return 0.0
        gap = abs(self.replayed - self.recorded)
        return math.inf if math.isnan(gap) else gap

    @property
    def head(self) -> str:
        """The head's name, or `mean`."""
        return self.name.partition("/")[2]

    @property
    def is_standard_error(self) -> bool:
        """Whether it is the standard error of a score, rather than a score."""
        return is_standard_error(self.name)

    @property
    def place(self) -> str:
        """Where it belongs, in words: `PE`, `PE at epoch 8`, `the standard error of PE`."""
        head = self.head
        at = "" if self.epoch is None else f" at epoch {self.epoch}"
        return f"the standard error of {head}{at}" if self.is_standard_error else f"{head}{at}"


@dataclass(frozen=True, slots=True)
class Replay:
    """A trial's record beside what came of training it again.

    Args:
        sweep: The sweep's name.
        trial: What was trained.
        recorded: Its score as it stands in the tracker.
        replayed: Its score now; of a pruned trial, at the same rung.
        figures: R² at each rung, then R² and its standard error at the end, by head and for `mean`.
        circumstances: The table, the split and the seed; then versions and commit.
        tolerance: R² by which figures may differ.
    """

    sweep: str
    trial: Trial
    recorded: Score
    replayed: Score
    figures: Sequence[ComparedMetric]
    circumstances: Sequence[EnvironmentFact]
    tolerance: float

    @property
    def agreement(self) -> Agreement:
        """Scores on another table or split, or from another seed, are never said to agree; it is still told how far apart."""
        if any(one.decides for one in self.differences):
            return Agreement.NOT_COMPARABLE
        if self._ended_otherwise:
            return Agreement.DIFFERS
        if not self.gap and self.recorded.epochs == self.replayed.epochs:
            return Agreement.EQUAL
        return Agreement.WITHIN if self.gap <= self.tolerance else Agreement.DIFFERS

    @property
    def agrees(self) -> bool:
        """Whether the record holds."""
        return self.agreement in {Agreement.EQUAL, Agreement.WITHIN}

    @property
    def gap(self) -> float:
        """How far the figures are apart at most."""
        return max((figure.gap for figure in self.figures), default=0.0)

    @property
    def differences(self) -> Sequence[EnvironmentFact]:
        """What is not as it was."""
        return [one for one in self.circumstances if not one.is_as_recorded]

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        told = [one for one in self.differences if one.name != "split_digest" or not self._is_of_another_table]
        causes = ", ".join(map(str, told))
        trained = f"trial {self.trial.number} replayed{self._how_far}"
        match self.agreement:
            case Agreement.EQUAL:
                return f"{trained}: equal to the last digit" + (f", although {causes}" if causes else "")
            case Agreement.WITHIN:
                return f"{trained}: within {self.tolerance:g} ({self._apart})" + (f": {causes}" if causes else "")
            case Agreement.DIFFERS:
                unknown = "nothing that is recorded differs; the processor, which is not recorded, may"
                return f"{trained}: {self._apart}: {causes or unknown}"
            case Agreement.NOT_COMPARABLE:
                return f"{trained}: not comparable ({self._apart}): {causes}"

    def to_json(self) -> str:
        """One JSON object; null where there is no number."""

        def beside(recorded: object, replayed: object) -> dict[str, object]:
            return {"recorded": recorded, "replayed": replayed}

        said: dict[str, object] = {
            "sweep": self.sweep,
            "trial": self.trial.number,
            "params": dict(self.trial.params),
            "agreement": self.agreement.value,
            "sentence": self.sentence,
            "tolerance": self.tolerance,
            "status": beside(self.recorded.status, self.replayed.status),
            "reason": beside(self.recorded.reason, self.replayed.reason),
            "epochs": beside(self.recorded.epochs, self.replayed.epochs),
            "figures": [
                {"name": one.name, "epoch": one.epoch, **beside(_number(one.recorded), _number(one.replayed))}
                for one in self.figures
            ],
            "circumstances": {one.name: beside(one.recorded, one.replayed) for one in self.circumstances},
            "differences": [one.name for one in self.differences],
        }
        return json.dumps(said)

    @property
    def _ended_otherwise(self) -> bool:
        """Whether the trial came to another end; a failed one says in its reason in which lane and after which epoch."""
        ends = [(one.status, one.reason if one.status is Status.FAILED else "") for one in (self.recorded, self.replayed)]
        return ends[0] != ends[1]

    @property
    def _apart(self) -> str:
        """How far the two are apart, in words."""
        if self._ended_otherwise:
            then, now = (f"{one.status} ({one.reason})" if one.reason else one.status for one in (self.recorded, self.replayed))
            return f"{then} then, {now} now"
        if not self.gap:
            then, now = (f"{one.epochs:g}" for one in (self.recorded, self.replayed))
            return "no R² differs" if then == now else f"no R² differs, but the epochs do: {then} then, {now} now"
        worst = max(self.figures, key=self._weight)
        return f"differs by {worst.gap:.2g} on {worst.place}"

    def _weight(self, figure: ComparedMetric) -> tuple[bool, bool, float, bool]:
        """What is told of several figures: one beyond the tolerance, rather an R² than an error, the widest, at the end."""
        return figure.gap > self.tolerance, not figure.is_standard_error, figure.gap, figure.epoch is None

    @property
    def _how_far(self) -> str:
        """To where it was trained, if that is not the end."""
        if self.recorded.status is Status.PRUNED:
            return f" to epoch {max(self.recorded.rungs)}, where it was pruned"
        return " until it failed" if self.recorded.status is self.replayed.status is Status.FAILED else ""

    @property
    def _is_of_another_table(self) -> bool:
        return any(one.name == "data_digest" for one in self.differences)


def find_trial(results: Sequence[Result], number: int, where: str) -> Result:
    """The trial of this number among those of a sweep.

    Args:
        results: The sweep's, in order of the numbers.
        number: The wanted one.
        where: What messages call the sweep.

    Raises:
        TrackingError: It is not there.
    """
    for result in results:
        if result.trial.number == number:
            return result
    there = f"its {len(results)} trials are numbered up to {results[-1].trial.number}" if results else "it has none yet"
    raise TrackingError(f"{where} has no trial {number}; {there}")


def replay(
    sweep: RecordedSweep, number: int, dataset: Dataset, training: TrainingContext, tolerance: float = TOLERANCE
) -> Replay:
    """Trains a recorded trial again, and compares its scores with the recorded ones.

    A table that is not the recorded one is no error: how much a score changes with the data is worth knowing, too.

    Args:
        sweep: The sweep.
        number: The trial's.
        dataset: The table as it is now.
        training: Trains lanes on the training rows of this table.
        tolerance: By how much scores may differ; 0 for none.

    Raises:
        TrackingError: The sweep has no such trial.
    """
    result, experiment = find_trial(sweep.results, number, f"sweep {sweep}"), sweep.experiment
    score = retrain(result, experiment, training).score
    now = {
        "data_digest": dataset.digest,
        "split_digest": split_rows(experiment, dataset).digest,
        "seed": str(experiment.seed),
        **environment_facts(),
        **device_fact(training.trainer.resources.device),
    }
    recorded = {**device_fact(CPU), **sweep.record.tags}  # where no device is recorded, processors trained
    return Replay(
        sweep=sweep.record.name,
        trial=result.trial,
        recorded=result.score,
        replayed=score,
        figures=compare_metrics(result.score, score, experiment.score_metrics),
        circumstances=compare_facts(recorded, now),
        tolerance=tolerance,
    )


def retrain(result: Result, experiment: Experiment, training: TrainingContext) -> Result:
    """Trains the lanes of a trial for the epochs that are recorded, and scores them at the rungs where it was scored then.

    A pruned trial is trained to the rung where it was pruned.
    """
    alone = experiment.model_copy(update={"search": experiment.search.model_copy(update={"trials": 1})})
    training.progress.on_search_begin(alone, [])
    rows = training.rows.for_heads(list(experiment.heads))
    running = RunningTrial(result.trial, search_lanes(result.trial, experiment))
    epochs = _recorded_epochs(result.score, experiment)
    for epoch in epochs:
        lanes = running.lanes_to(epoch, pauses=epoch != epochs[-1])
        for key, outcome in train_lanes(lanes, experiment, training, f"trial {result.trial.number}, to epoch {epoch}").items():
            running.collect(key, outcome)
        running.score_at(epoch, experiment, rows)
        if running.is_over:
            break
    if result.score.status is Status.PRUNED and running.score.is_complete:
        running.prune(f"as recorded: {result.score.reason}")
    training.progress.on_trial_end(running.result)
    return running.result


def _recorded_epochs(recorded: Score, experiment: Experiment) -> list[int]:
    """The epochs after which a trial was scored, the last one of its training included.

    They are the recorded ones, for the default rungs may be others in another version. A trial that failed has the
    experiment's: its lanes were scored there, and the first to have failed by then is the one that its reason names.
    """
    if recorded.status is Status.PRUNED:
        return sorted(recorded.rungs)
    rungs = experiment.pruning_schedule.rungs if recorded.status is Status.FAILED else sorted(recorded.rungs)
    return [*rungs, experiment.fit.epochs]


def compare_facts(recorded: Mapping[str, str], now: Mapping[str, str]) -> Sequence[EnvironmentFact]:
    """What is here beside what was there: all that is known here, and versions and commit that are known of there alone.

    Args:
        recorded: The sweep's tags.
        now: The same facts as they are here, by the same names.
    """
    gone = [name for name in recorded if name not in now and (name.startswith("version") or name == "git_commit")]
    return [EnvironmentFact(name, recorded.get(name, ""), now.get(name, "")) for name in [*now, *gone]]


def compare_metrics(recorded: Score, replayed: Score, score_metrics: Mapping[str, str]) -> Sequence[ComparedMetric]:
    """Every figure that one of the two scores has: those of the rungs first, in their order.

    Args:
        recorded: Then.
        replayed: Now.
        score_metrics: The name of the metric that is the score, by head, in order.
    """
    then, now = (_by_name(score, score_metrics) for score in (recorded, replayed))
    places = sorted(then | now, key=lambda place: math.inf if place[1] is None else place[1])  # stable: heads keep their order
    compared = (ComparedMetric(*place, _finite(then.get(place)), _finite(now.get(place))) for place in places)
    return [one for one in compared if not (math.isnan(one.recorded) and math.isnan(one.replayed))]


def _by_name(score: Score, score_metrics: Mapping[str, str]) -> dict[tuple[str, int | None], float | None]:
    """The figures of a score by name and rung. One that failed has none of its end, but those of the rungs before."""
    found: dict[tuple[str, int | None], float | None] = {}
    names, errors = score_names(score_metrics), score_names(score_metrics, STANDARD_ERROR)
    for epoch, at_rung in score.rungs.items():
        found |= {(names[head], epoch): value for head, value in zip(score_metrics, at_rung, strict=True)}
    for named, by_head in ((names, score.scores), (errors, score.scores_se)):
        found |= {(name, None): by_head.get(head) for head, name in named.items()}
    return found


def _finite(figure: float | None) -> float:
    """The figure, or NaN where there is none or where it is beyond all numbers, which a tracker does not keep."""
    return math.nan if figure is None or not math.isfinite(figure) else figure


def _number(figure: float) -> float | None:
    return None if math.isnan(figure) else figure
