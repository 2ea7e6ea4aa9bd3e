"""How what is known of a sweep or a comparison when it starts is written as tags of its run in MLflow, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from branchsweep.config.codec import from_json
from branchsweep.metrics.names import score_metrics_of
from branchsweep.runtime import is_environment_fact
from branchsweep.tracking.comparison_protocols import ComparisonRecord
from branchsweep.tracking.mlflow.serialization.tags import description_tag, parse_tag, to_tags
from branchsweep.tracking.protocols import SweepRecord, TableRecord

SUMMARY_TAG = "summary"
"""The tag with the text that a sweep finished with."""


def record_from_tags(tags: Mapping[str, str]) -> dict[str, Any]:
    """What `start_tags` wrote, read back: the fields that records of sweeps and of comparisons share, by name.

    Args:
        tags: From `from_tags`.
    """
    return {
        "key": parse_tag(tags, "key", str),
        "question": tags.get("question", ""),
        "heads": parse_tag(tags, "heads", _texts_by_head),
        "score_metrics": score_metrics_from_tags(tags),
        "table": TableRecord(
            source=tags.get("data_source", ""),
            location=tags.get("data_location", ""),
            digest=tags.get("data_digest", ""),
            rows=parse_tag(tags, "data_rows", int, "0"),
        ),
        "seed": parse_tag(tags, "seed", int) if "seed" in tags else None,
        "environment": environment_from_tags(tags),
    }


def environment_from_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The versions, the commit and the device among our own tags, by name."""
    return {name: value for name, value in tags.items() if is_environment_fact(name)}


def score_metrics_from_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """The name of the metric that is the score, by head, from our own tags; R² in a store of an earlier version."""
    heads = parse_tag(tags, "heads", _texts_by_head, "{}")
    return score_metrics_of(heads, parse_tag(tags, "score_metrics", _texts_by_head, "{}"))


def _texts_by_head(text: str) -> dict[str, str]:
    return from_json(dict[str, str], text)


def start_tags(record: SweepRecord | ComparisonRecord, role: str, **own: str) -> dict[str, str]:
    """The tags of the run of a sweep or a comparison when it starts.

    Args:
        record: What is written down about it.
        role: `sweep` or `comparison`.
        own: Further tags, by name, none for an empty text; `description` is what the run's page shows, the question if empty.
    """
    commit = record.environment.get("git_commit")
    of_mlflow = {
        "mlflow.source.name": "branchsweep",
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **description_tag(own.pop("description", "") or record.question),
    }
    table = record.table
    facts = {
        "data_source": table.source,
        "data_location": table.location,
        "data_digest": table.digest,
        "data_rows": str(table.rows or ""),
        "seed": "" if record.seed is None else str(record.seed),
        **own,
    }
    fields = {
        "role": role,
        "key": record.key,
        "question": record.question,
        "heads": json.dumps(dict(record.heads)),
        "score_metrics": json.dumps(dict(record.score_metrics)),
        **record.environment,
        **{name: text for name, text in facts.items() if text},
    }
    return of_mlflow | to_tags(fields)
