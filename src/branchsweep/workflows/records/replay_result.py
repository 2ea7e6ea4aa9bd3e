"""The result of a replay: recorded and replayed scores, and the conditions of the training that differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from branchsweep.config.codec import to_public_json
from branchsweep.metrics.names import is_standard_error
from branchsweep.trial import Params, Score, Status, Trial

DATA_DIGEST, SPLIT_DIGEST, SEED = "data_digest", "split_digest", "seed"
"""The names of the facts that decide scores, as a replay's JSON has them."""

SHORT = 12
"""Characters of a digest or commit that a sentence names."""


class Agreement(StrEnum):
    """How a replay and the record agree."""

    EQUAL = "equal"
    WITHIN = "within tolerance"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class EnvironmentFact:
    """A condition of the training that decides its scores, or may: table, split, seed, a version.

    Args:
        name: `data_digest`, `split_digest`, `seed`, `version_tensorflow`, `git_commit`, ….
        recorded: Its value when the sweep was last run; empty where none is recorded.
        replayed: Its value in the replay; empty where there is none.
    """

    name: str
    recorded: str
    replayed: str

    @property
    def is_as_recorded(self) -> bool:
        """Whether both values are equal."""
        return self.recorded == self.replayed

    @property
    def decides(self) -> bool:
        """Whether it decides scores by itself, so that it is shown even where both values are equal."""
        return self.name in {DATA_DIGEST, SPLIT_DIGEST, SEED}

    @property
    def label(self) -> str:
        """Its display label."""
        return "branchsweep" if self.name == "version" else self.name.removeprefix("version_").replace("_", " ")

    @property
    def values(self) -> tuple[str, str]:
        """The recorded and the replayed value for display; digests and commits are cut to their first characters."""
        length = SHORT if self.name.endswith("_digest") or self.name == "git_commit" else None
        return self.recorded[:length] or "none", self.replayed[:length] or "none"

    def __str__(self) -> str:
        then, now = self.values
        return f"{self.label} {then} then, {now} now"


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """A metric, recorded and replayed; NaN where there is none.

    Args:
        name: As in the tracker: `r2/PE`, `r2_se/PE`, `r2/mean`, ….
        epoch: The rung that it is from; None for the trial's end.
        recorded: The recorded value.
        replayed: The value of the replay.
    """

    name: str
    epoch: int | None
    recorded: float
    replayed: float

    @property
    def gap(self) -> float:
        """The absolute difference; infinite where one of the values is missing."""
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
    def description(self) -> str:
        """The display label, with head and rung: `PE`, `PE at epoch 8`, `the standard error of PE`."""
        head = self.head
        at = "" if self.epoch is None else f" at epoch {self.epoch}"
        return f"the standard error of {head}{at}" if self.is_standard_error else f"{head}{at}"


@dataclass(frozen=True, slots=True)
class RecordedAndReplayed:
    """A value of the record and that of the replay."""

    recorded: str | float
    replayed: str | float


@dataclass(frozen=True, slots=True)
class ReplayJson:
    """A replay as `branchsweep replay --json` prints it. See `Replay` for what its fields are.

    Args:
        trial: The trial's number.
        metrics: By name and rung.
        facts: The table, the split, the seed, versions and commit, by name.
        differences: The names of the facts whose values differ.
    """

    sweep: str
    trial: int
    params: Params
    agreement: Agreement
    sentence: str
    tolerance: float
    status: RecordedAndReplayed
    reason: RecordedAndReplayed
    epochs: RecordedAndReplayed
    metrics: Sequence[ComparedMetric]
    facts: Mapping[str, RecordedAndReplayed]
    differences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Replay:
    """A trial with its recorded score and the score of its replay.

    Args:
        sweep: The sweep's name.
        trial: What was trained.
        recorded: Its recorded score.
        replayed: Its score in the replay; of a pruned trial, at the same rung.
        metrics: The score at each rung, then the score and its standard error at the end, by head and for `mean`.
        facts: The table, the split and the seed; then versions and commit.
        tolerance: By how much scores may differ.
    """

    sweep: str
    trial: Trial
    recorded: Score
    replayed: Score
    metrics: Sequence[ComparedMetric]
    facts: Sequence[EnvironmentFact]
    tolerance: float

    @property
    def agreement(self) -> Agreement:
        """How near the two scores are."""
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
        """The largest difference of a metric."""
        return max((metric.gap for metric in self.metrics), default=0.0)

    @property
    def differences(self) -> Sequence[EnvironmentFact]:
        """The facts whose values differ."""
        return [fact for fact in self.facts if not fact.is_as_recorded]

    @property
    def sentence(self) -> str:
        """The agreement in one sentence."""
        causes = ", ".join(str(fact) for fact in self.differences)
        trained = f"trial {self.trial.number} replayed{self._how_far}"
        match self.agreement:
            case Agreement.EQUAL:
                return f"{trained}: equal to the last digit" + (f", although {causes}" if causes else "")
            case Agreement.WITHIN:
                return f"{trained}: within {self.tolerance:g} ({self._apart})" + (f": {causes}" if causes else "")
            case Agreement.DIFFERS:
                unknown = "nothing that is recorded differs; the processor, which is not recorded, may"
                return f"{trained}: {self._apart}: {causes or unknown}"

    def to_json(self) -> str:
        """One JSON object; null where there is no number."""
        return to_public_json(
            ReplayJson(
                sweep=self.sweep,
                trial=self.trial.number,
                params=self.trial.params,
                agreement=self.agreement,
                sentence=self.sentence,
                tolerance=self.tolerance,
                status=RecordedAndReplayed(self.recorded.status, self.replayed.status),
                reason=RecordedAndReplayed(self.recorded.reason, self.replayed.reason),
                epochs=RecordedAndReplayed(self.recorded.epochs, self.replayed.epochs),
                metrics=self.metrics,
                facts={fact.name: RecordedAndReplayed(fact.recorded, fact.replayed) for fact in self.facts},
                differences=[fact.name for fact in self.differences],
            )
        )

    @property
    def _ended_otherwise(self) -> bool:
        """Whether the trial ended otherwise; the reason of a failed one names the lane and the epoch."""
        scores = (self.recorded, self.replayed)
        ends = [(score.status, score.reason if score.status is Status.FAILED else "") for score in scores]
        return ends[0] != ends[1]

    @property
    def _apart(self) -> str:
        """How the two scores differ, as a sentence."""
        if self._ended_otherwise:
            then, now = (
                f"{score.status} ({score.reason})" if score.reason else score.status for score in (self.recorded, self.replayed)
            )
            return f"{then} then, {now} now"
        if not self.gap:
            then, now = (f"{score.epochs:g}" for score in (self.recorded, self.replayed))
            return "no score differs" if then == now else f"no score differs, but the epochs do: {then} then, {now} now"
        worst = max(self.metrics, key=self._weight)
        return f"differs by {worst.gap:.2g} on {worst.description}"

    def _weight(self, metric: ComparedMetric) -> tuple[bool, bool, float, bool]:
        """The sentence names the highest metric by this: beyond the tolerance, not an error, the widest gap, the end."""
        return metric.gap > self.tolerance, not metric.is_standard_error, metric.gap, metric.epoch is None

    @property
    def _how_far(self) -> str:
        """The epoch to which it was trained, if that is not the last."""
        if self.recorded.status is Status.PRUNED:
            return f" to epoch {max(self.recorded.rungs)}, where it was pruned"
        return " until it failed" if self.recorded.status is self.replayed.status is Status.FAILED else ""
