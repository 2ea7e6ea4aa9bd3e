"""Who reigned under a name, since when and why, as values; and how the reigns are written down as one tag.

The alias says who reigns, the tag who reigned. People may move an alias by hand, and a process may be killed after it moved
one, so what was noted is compared with who holds the title, and told in full.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from branchsweep.tracking.protocols import Champion, ModelCandidate, PromotionDecision

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""The aliases: who reigns, who came last and was not crowned or was rolled back, and whom a rollback would bring back."""

UNKNOWN_TIME = "unknown"
"""A time that nobody noted."""


@dataclass(frozen=True, slots=True)
class ChampionTenure:
    """One version's time with the title.

    Args:
        version: Whose.
        since: When it began (ISO 8601, UTC), or `unknown`.
        until: When it ended; None while it lasts.
        because: The sentence it was crowned with, or what else brought it there.
    """

    version: int
    since: str
    until: str | None
    because: str


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a model.

    Args:
        version: Its number.
        titles: Its aliases.
        registered: When (ISO 8601, UTC).
        sweep: The run id of the sweep that found it; empty for one that others registered.
        trial: The trial's number there.
        value: The figure it was compared by; NaN if it has none.
        rule: Which figure that is.
        test: Its figures on the test rows by name.
        because: The verdict's sentence.
    """

    version: int
    titles: Sequence[str]
    registered: str
    sweep: str
    trial: int
    value: float
    rule: str
    test: Mapping[str, float]
    because: str


@dataclass(frozen=True, slots=True)
class ChampionHistory:
    """What the registry knows of a model: its versions, the newest first, and the reigns in their order."""

    model: str
    versions: Sequence[RegisteredVersion]
    reigns: Sequence[ChampionTenure]

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `history --json` promises."""
        versions = [
            {**asdict(one), "value": _finite(one.value), "test": {name: _finite(figure) for name, figure in one.test.items()}}
            for one in self.versions
        ]
        return json.dumps({"model": self.model, "versions": versions, "reigns": [asdict(reign) for reign in self.reigns]})


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """What a rollback did.

    Args:
        model: Of which model.
        restored: The version that reigns again.
        deposed: The one that it was taken from.
        previous: Whom one more rollback would bring back; None if nobody reigned before.
    """

    model: str
    restored: int
    deposed: int
    previous: int | None


def lost_race_message(model: str, version: int, winner: Champion | None, against: int) -> str:
    """What is told to who would have been crowned, but for another one that was faster."""
    expected = f"version {against}" if against else "nobody"
    took = f"version {winner.version} has the title" if winner else "nobody has the title"
    whose = f" (trial {winner.trial} of sweep {winner.sweep[:8]}: {winner.because})" if winner and winner.sweep else ""
    return (
        f"'{model}' version {version} was to follow {expected}, but meanwhile {took}{whose}. Version {version} is not crowned "
        "but registered, as the challenger: promote again, to have it decided against who reigns now"
    )


def kept_files(candidate: ModelCandidate, verdict: PromotionDecision, experiment: str) -> dict[str, str]:
    """The text files that are kept with a version by name: the candidate's, and what every version has.

    Args:
        candidate: Its files go first.
        verdict: Its evidence is `evidence.json`.
        experiment: The YAML of the sweep is `experiment.yaml`.
    """
    evidence = json.dumps(dict(verdict.evidence), indent=2, ensure_ascii=False)
    return {"experiment.yaml": experiment, "evidence.json": evidence, **candidate.files}


def utc_now() -> str:
    """Now, as it is written down."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _finite(figure: float) -> float | None:
    """The figure, where JSON has a number for it."""
    return figure if math.isfinite(figure) else None


def with_new_tenure(reigns: Sequence[ChampionTenure], version: int, since: str, because: str) -> list[ChampionTenure]:
    """The reigns, the last of them ended by a new one."""
    ended = [replace(reigns[-1], until=reigns[-1].until or since)] if reigns else []
    return [*reigns[:-1], *ended, ChampionTenure(version, since, None, because)]


def reconciled(noted: Sequence[ChampionTenure], crowned: Sequence[ChampionTenure], holder: int | None) -> list[ChampionTenure]:
    """The reigns as they must have been.

    Args:
        noted: What was written down.
        crowned: How each version that was ever crowned says that it came to the title, in order.
        holder: Who has the title.
    """
    reigns = list(noted)
    if not reigns:  # of a store from the time when nobody noted them
        for reign in crowned:
            reigns = with_new_tenure(reigns, reign.version, reign.since, reign.because)
    last = reigns[-1].version if reigns and reigns[-1].until is None else None
    if holder == last:
        return reigns
    if holder is None:
        return [*reigns[:-1], replace(reigns[-1], until=UNKNOWN_TIME)]
    own = next((reign for reign in crowned if reign.version == holder), None)
    if own and all(reign.version != holder for reign in reigns):  # whoever crowned it was stopped before it was noted
        return with_new_tenure(reigns, holder, own.since, own.because)
    return with_new_tenure(reigns, holder, UNKNOWN_TIME, "the alias was moved by hand")


def predecessor(reigns: Sequence[ChampionTenure], among: Collection[int]) -> int | None:
    """Whom the one who reigns has followed: where a version came back, what was between is as if it had not been.

    Args:
        reigns: In their order.
        among: The versions that there still are.
    """
    line: list[int] = []
    for reign in reigns:
        if reign.version in line:
            del line[line.index(reign.version) :]
        line.append(reign.version)
    before = [version for version in line[:-1] if version in among]
    return before[-1] if before else None


def dumps(reigns: Sequence[ChampionTenure]) -> str:
    """The reigns as text, for `loads`."""
    return json.dumps([asdict(reign) for reign in reigns])


def loads(text: str) -> list[ChampionTenure]:
    """The reigns that `dumps` wrote."""
    said: list[dict[str, Any]] = json.loads(text)
    return [ChampionTenure(**reign) for reign in said]
