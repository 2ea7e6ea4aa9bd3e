"""How a registered version is written as tags in MLflow, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from branchsweep.config.codec import from_json
from branchsweep.config.metric_names import DEFAULT_OBJECTIVE
from branchsweep.metrics.names import is_test_score
from branchsweep.tracking.champion_history import RegisteredVersion
from branchsweep.tracking.mlflow.serialization.tags import from_tags, naming_record, parse_tag, to_tags
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionCause, PromotionDecision
from branchsweep.trial import ParamValue

DIGESTS = ("data_digest", "split_digest")
"""Fields of a version with digests."""

VERSION_REMEDY = "Restore it in MLflow, or delete the version there."
"""What helps where the tags of a version were changed."""


def version_tags(candidate: ModelCandidate, decision: PromotionDecision) -> dict[str, str]:
    """The tags of a new version; `promoted` says whether it was promoted, which it is not yet.

    They are what MLflow's page shows: few and short. The rest is in the file `evidence.json`.
    """
    tags = {
        "sweep": candidate.sweep,
        "trial": str(candidate.result.trial.number),
        "value": repr(candidate.value),
        "rule": candidate.rule,
        "because": decision.because,
        "promoted": "false",
        **{name: repr(value) for name, value in candidate.test.items() if is_test_score(name)},
    }
    if decision.cause:
        tags["cause"] = decision.cause
    return to_tags(tags)


def champion_from_tags(
    model: str, version: int, tags: Mapping[str, str], made_from: Mapping[str, Any] | None = None
) -> Champion:
    """A version, read back.

    Args:
        model: The registered model's name.
        version: The version's number.
        tags: All of the version's tags. Values that are missing, as in a version that was not registered by branchsweep,
            are unknown.
        made_from: What the version was made from, of the file with its evidence (`champion_history.candidate_facts`); None
            where that was not read, or is among the tags, as in a store of an earlier version.

    Raises:
        UnreadableRecordError: They were changed.
    """
    own = from_tags(tags)
    if made_from is not None:
        digests = {name: str(made_from.get(name, "")) for name in DIGESTS}
        own |= {**digests, "params": json.dumps(made_from.get("params"))}
    with naming_record(f"version {version} of '{model}'", VERSION_REMEDY):
        value = parse_tag(own, "value", float, "nan")
        trial = parse_tag(own, "trial", int, "-1")
        params = parse_tag(own, "params", partial(from_json, dict[str, ParamValue]), "{}")
    return Champion(
        model=model,
        version=version,
        value=value,
        rule=own.get("rule", DEFAULT_OBJECTIVE),
        data_digest=own.get("data_digest", ""),
        split_digest=own.get("split_digest", ""),
        sweep=own.get("sweep", ""),
        trial=trial,
        because=own.get("because", ""),
        params=params,
        cause=PromotionCause(own["cause"]) if own.get("cause") in set(PromotionCause) else None,
    )


def is_made_from_elsewhere(tags: Mapping[str, str]) -> bool:
    """Whether what a version was made from is in the file with its evidence, not among its tags.

    Args:
        tags: All of the version's tags.
    """
    own = from_tags(tags)
    return "sweep" in own and "params" not in own


def registered_version(
    version: Champion, tags: Mapping[str, str], aliases: Sequence[str], registered: str
) -> RegisteredVersion:
    """A version in the history of its model.

    Args:
        version: The version, read back.
        tags: All of its tags.
        aliases: Its aliases.
        registered: When it was registered (ISO 8601, UTC).

    Raises:
        UnreadableRecordError: Its tags were changed.
    """
    own = from_tags(tags)
    with naming_record(f"version {version.version} of '{version.model}'", VERSION_REMEDY):
        test = {name: parse_tag(own, name, float) for name in own if name.startswith("test_")}
    return RegisteredVersion(
        version=version.version,
        registered=registered,
        sweep=version.sweep,
        trial=version.trial,
        value=version.value,
        rule=version.rule,
        test=test,
        because=version.because,
        aliases=aliases,
    )
