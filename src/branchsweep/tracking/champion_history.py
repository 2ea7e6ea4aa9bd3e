"""The history of a registered model's champions as values, and how it is written as one tag.

The alias `champion` says which version is the champion, the tag which ones were. Aliases may be moved by hand, and a process
may be killed after it has moved one, so what is recorded is reconciled with the aliases whenever it is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from branchsweep.config.codec import to_public_json
from branchsweep.errors import MALFORMED
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionDecision

EVIDENCE, CANDIDATE = "evidence.json", "candidate"
"""The file of a version with the evidence of the decision, and its key for what the version was made from."""

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""The aliases: of the champion, of the version that was last not promoted or rolled back, and of what a rollback restores."""

UNKNOWN_TIME = "unknown"
"""A time that is not recorded."""


@dataclass(frozen=True, slots=True)
class ChampionTenure:
    """The time in which one version was the champion.

    Args:
        version: Its number.
        since: Start (ISO 8601, UTC), or `unknown`.
        until: End; None while it lasts.
        because: The reason of its promotion, as a sentence, or what else made it the champion.
    """

    version: int
    since: str
    until: str | None
    because: str


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a registered model.

    Args:
        version: Its number.
        registered: When (ISO 8601, UTC).
        sweep: Run id of the sweep that found it; empty for one that was not registered by branchsweep.
        trial: The trial's number in that sweep.
        value: The score by which it was compared; NaN if it has none.
        rule: What that score is.
        test: Its metrics on the test rows, by name.
        because: The reason of the decision, as a sentence.
        aliases: Its aliases.
    """

    version: int
    registered: str
    sweep: str
    trial: int
    value: float
    rule: str
    test: Mapping[str, float]
    because: str
    aliases: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChampionHistory:
    """What the registry knows of a model.

    Args:
        model: Its name.
        versions: The newest first.
        tenures: In order of time.
        problem: What of its record cannot be read, as a sentence; empty for a sound one.
    """

    model: str
    versions: Sequence[RegisteredVersion]
    tenures: Sequence[ChampionTenure]
    problem: str = ""

    def to_json(self) -> str:
        """One JSON object, of the form that the documentation of `history --json` states; null for a missing number."""
        return to_public_json(self)


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """What a rollback did.

    Args:
        model: The registered model.
        restored: The version that is the champion again.
        replaced: The version that was the champion before.
        previous: The version that one more rollback would restore; None if there is none.
    """

    model: str
    restored: int
    replaced: int
    previous: int | None


def champion_changed_message(model: str, version: int, champion: Champion | None, against: int) -> str:
    """The message for a candidate that was not promoted because the champion has changed since the decision.

    Args:
        model: The registered model's name.
        version: The candidate's version.
        champion: The present champion.
        against: The version that the decision was made against; 0 for none.
    """
    expected = f"version {against} was champion" if against else "there was no champion"
    present = f"version {champion.version} is" if champion else "there is none"
    source = (
        f" (trial {champion.trial} of sweep {champion.sweep[:8]}: {champion.because})" if champion and champion.sweep else ""
    )
    return (
        f"'{model}' version {version} was to be promoted when {expected}, but now {present}{source}. Version {version} is "
        "registered as the challenger and not promoted: promote again, to have it compared with the present champion"
    )


def lost_alias_message(model: str, alias: str, version: int) -> str:
    """The sentence about an alias of a registered model that is on no version, with what to do."""
    return (
        f"the alias {alias} of '{model}' is on version {version}, which does not exist (was it deleted?): set it on another "
        "version in MLflow, or promote a trial (branchsweep promote)"
    )


def version_files(candidate: ModelCandidate, decision: PromotionDecision) -> dict[str, str]:
    """The text files that are kept with a version, by name: the candidate's, its sweep's experiment, and the evidence."""
    evidence = json.dumps({**decision.evidence, CANDIDATE: candidate_facts(candidate)}, indent=2, ensure_ascii=False)
    return {"experiment.yaml": candidate.experiment_yaml, EVIDENCE: evidence, **candidate.files}


def downloaded_test_metrics(folder: Path) -> Mapping[str, float]:
    """The metrics on the test rows of a version whose files were downloaded, by name; none where they are not recorded.

    Args:
        folder: Holds the file that `version_files` made of the evidence, at any depth.
    """
    for file in folder.rglob(EVIDENCE):
        with suppress(*MALFORMED):
            recorded = json.loads(file.read_text(encoding="utf-8"))[CANDIDATE]["test"]
            return {str(name): float(value) for name, value in recorded.items()}
    return {}


def candidate_facts(candidate: ModelCandidate) -> dict[str, Any]:
    """What a version is made from, as JSON data: its params, the digests of its table and split, all its test metrics."""
    return {
        "params": dict(candidate.result.trial.params),
        "data_digest": candidate.data_digest,
        "split_digest": candidate.split_digest,
        "test": dict(candidate.test),
    }


def utc_now() -> str:
    """The present time (ISO 8601, UTC, in seconds)."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def with_new_tenure(tenures: Sequence[ChampionTenure], version: int, since: str, because: str) -> list[ChampionTenure]:
    """The tenures with a new one that ends the last of them."""
    ended = [replace(tenures[-1], until=tenures[-1].until or since)] if tenures else []
    return [*tenures[:-1], *ended, ChampionTenure(version, since, None, because)]


def reconciled(
    recorded: Sequence[ChampionTenure], promoted: Sequence[ChampionTenure], champion: int | None
) -> list[ChampionTenure]:
    """The tenures, completed by what versions and aliases say.

    Args:
        recorded: What is recorded on the model.
        promoted: A tenure for each version that is marked as promoted, in order.
        champion: The version with the alias `champion`.
    """
    tenures = list(recorded)
    if not tenures:  # of a store that is older than the record
        for tenure in promoted:
            tenures = with_new_tenure(tenures, tenure.version, tenure.since, tenure.because)
    last = tenures[-1].version if tenures and tenures[-1].until is None else None
    if champion == last:
        return tenures
    if champion is None:
        return [*tenures[:-1], replace(tenures[-1], until=UNKNOWN_TIME)]
    own = next((tenure for tenure in promoted if tenure.version == champion), None)
    if own and all(tenure.version != champion for tenure in tenures):  # the process was killed before it was recorded
        return with_new_tenure(tenures, champion, own.since, own.because)
    return with_new_tenure(tenures, champion, UNKNOWN_TIME, "the alias was moved by hand")


def predecessor(tenures: Sequence[ChampionTenure], among: Collection[int]) -> int | None:
    """The version that was champion before the present one; None for none.

    Where a version became champion again, the versions in between do not count: a rollback undoes a promotion.

    Args:
        tenures: In order of time.
        among: The versions that still exist.
    """
    succession: list[int] = []
    for tenure in tenures:
        if tenure.version in succession:
            del succession[succession.index(tenure.version) :]
        succession.append(tenure.version)
    earlier = [version for version in succession[:-1] if version in among]
    return earlier[-1] if earlier else None
