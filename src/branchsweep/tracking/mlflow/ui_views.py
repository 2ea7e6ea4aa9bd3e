"""A prepared view of a sweep in MLflow's pages: which columns stand first, in which order the trials, which charts are drawn.

MLflow keeps the views that people save or share as tags of an experiment, `mlflow.sharedViewState.<key>`, and shows one to
whoever comes with `?viewStateShareKey=<key>`. What is written here is what its pages write in 3.17 when a view is saved:

    {"name": …, "createdAt": milliseconds, "updatedAt": milliseconds, "state": "deflate;" + base64(zlib(JSON))}

so it also stands in their menu of saved views. The state holds only fields that the pages restore from a shared view; a field
that a later version does not know is left aside there.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice
from typing import Any

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.names import CURVE, STANDARD_ERROR, other_metrics, score_names
from branchsweep.tracking.ui_pages import CHARTS

TAG = "mlflow.sharedViewState."
"""What the names of the tags begin with; a view's key follows."""

COMPRESSED = "deflate;"
"""What a compressed state begins with."""

MOST_AXES = 10
"""Tunables in the parallel coordinates: more cannot be told apart."""

MOST_PAIRS = 6
"""Scatter plots of one head against another."""

WIDEST_NAME = 420
"""Pixels that trials' names may take of the table."""

TRIALS, PAIRS = "branchsweep-trials", "branchsweep-pairs"
"""Our own sections of charts."""


def view_tags(
    key: str, name: str, score_metrics: Mapping[str, str], dimensions: Sequence[str], query: str, created: int
) -> dict[str, str]:
    """The experiment's tags that hold the views of a sweep, by name: all trials as a table, and those that learnt as charts.

    A trial that is worse than a constant prediction (a score below 0, and there is no limit) would take all room in a chart.

    Args:
        key: Of the table, in links; that of the charts has `address.CHARTS` behind it.
        name: Of the sweep, for people.
        score_metrics: The name of the metric that is the score, by head, in order.
        dimensions: The tunables that every trial has a value of, in order.
        query: Finds the sweep's trials among the experiment's runs.
        created: The time in milliseconds.
    """
    learnt = f"{query} AND {_column('metrics', score_names(score_metrics)[MEAN])} > 0"
    return {
        f"{TAG}{key}": _envelope(f"{name}: best first", state(score_metrics, dimensions, query), created),
        f"{TAG}{key}{CHARTS}": _envelope(f"{name}: as charts", state(score_metrics, dimensions, learnt), created),
    }


def _envelope(name: str, state: dict[str, Any], created: int) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": COMPRESSED + packed})


def restored(value: str) -> dict[str, Any]:
    """The state of a view, from the tag's value."""
    packed = str(json.loads(value)["state"]).removeprefix(COMPRESSED)
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def state(score_metrics: Mapping[str, str], dimensions: Sequence[str], query: str) -> dict[str, Any]:
    """What a view shows: the trials that `query` finds, the heads' scores first, the best mean on top; and its charts."""
    heads, names = list(score_metrics), score_names(score_metrics)
    scores = list(names.values()) if len(heads) > 1 else [names[head] for head in heads]
    distinct = list(dict.fromkeys(name.partition("/")[0] for name in names.values()))
    folded = [*other_metrics(score_metrics), *map(STANDARD_ERROR.format, distinct)]
    columns = [*(_column("metrics", score) for score in scores), *(_column("params", name) for name in dimensions)]
    name = _column("attributes", "Run Name")
    return {
        "searchFilter": query,
        "orderByKey": _column("metrics", names[MEAN]),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [name, *columns, "runDateAndNestInfo"],
        "columnWidths": {name: _name_width(heads)},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [_parallel(scores, dimensions), *_pairs(score_metrics)],
        "compareRunSections": [
            _section(TRIALS, "Trials", columns=1, cardHeight=420),
            *([_section(PAIRS, "Heads against each other")] if len(heads) > 1 else []),
            *(_section(f"branchsweep-{metric}", metric) for metric in distinct),
            *(_section(f"branchsweep-{name}", name) for name in map(CURVE.format, distinct)),
            *(_section(f"branchsweep-{metric}", metric, display=False) for metric in folded),
        ],
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
    }


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _name_width(heads: Sequence[str]) -> int:
    """Pixels that hold a trial's name, such as `017  PE 0.938  V 0.812  PRUNED`, up to some heads."""
    letters = len("000") + sum(len(f"  {head} 0.000") for head in heads) + len("  PRUNED")
    return min(60 + 7 * letters, WIDEST_NAME)


def _parallel(scores: Sequence[str], dimensions: Sequence[str]) -> dict[str, Any]:
    chosen = {"selectedParams": list(dimensions[:MOST_AXES]), "selectedMetrics": list(scores), "showAllRuns": True}
    return _chart("PARALLEL", "branchsweep-parallel", TRIALS) | chosen


def _pairs(score_metrics: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for place, pair in enumerate(islice(combinations(score_names(score_metrics, mean=False).values(), 2), MOST_PAIRS)):
        axes = {axis: {"key": name, "type": "METRIC"} for axis, name in zip(("xaxis", "yaxis"), pair, strict=True)}
        yield _chart("SCATTER", f"branchsweep-heads-{place}", PAIRS) | axes | {"runsCountToCompare": 100}


def _chart(kind: str, uuid: str, section: str) -> dict[str, Any]:
    return {"type": kind, "uuid": uuid, "metricSectionId": section, "deleted": False, "isGenerated": False}


def _section(uuid: str, name: str, **more: Any) -> dict[str, Any]:
    """Cards below a heading that can be folded (`display`), so many in a row (`columns`), so high (`cardHeight`, in pixels)."""
    return {"uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False, "isGenerated": True, **more}
