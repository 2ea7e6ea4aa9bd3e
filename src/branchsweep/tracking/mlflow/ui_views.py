"""A prepared view of a sweep in MLflow's pages: the order of columns and trials, and the charts.

MLflow keeps the views that users save or share as tags of an experiment, `mlflow.sharedViewState.<key>`, and opens one by a
link with `?viewStateShareKey=<key>`. What is written here is what its pages write in 3.17 when a view is saved:

    {"name": …, "createdAt": milliseconds, "updatedAt": milliseconds, "state": "deflate;" + base64(zlib(JSON))}

so it is also in their menu of saved views. The state holds only fields that the pages restore from a shared view; a field that
a later version does not know is ignored there.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.names import CURVE, STANDARD_ERROR, other_metrics, score_names
from branchsweep.tracking.ui_pages import CHARTS

TAG = "mlflow.sharedViewState."
"""Prefix of the tags; a view's key follows."""

COMPRESSED = "deflate;"
"""Prefix of a compressed state."""

MOST_AXES = 10
"""Most hyperparameters in the parallel coordinates: more cannot be distinguished."""

MOST_PAIRS = 6
"""Most scatter plots of one head against another."""

WIDEST_NAME = 420
"""Most pixels for the names of trials in the table."""

TRIALS, PAIRS = "branchsweep-trials", "branchsweep-pairs"
"""Sections of charts."""


@dataclass(frozen=True, slots=True)
class SweepView:
    """What a view shows of a sweep.

    Args:
        key: Of the table in links; that of the charts has the suffix `ui_pages.CHARTS`.
        name: Of the sweep, for display.
        score_metrics: The name of the metric that is the score, by head, in order.
        dimensions: The hyperparameters that every trial has a value of, in order.
    """

    key: str
    name: str
    score_metrics: Mapping[str, str]
    dimensions: Sequence[str]


def view_tags(view: SweepView, query: str, created: int) -> dict[str, str]:
    """The experiment's tags that hold the views of a sweep, by name: all trials as a table, those above 0 as charts.

    Trials that are worse than a constant prediction have scores below 0, without a limit, and would squeeze all others.

    Args:
        view: What to show.
        query: Selects the sweep's trials among the experiment's runs.
        created: The time in milliseconds since 1970.
    """
    above_zero = f"{query} AND {_column('metrics', score_names(view.score_metrics)[MEAN])} > 0"
    table, charts = (view_state(view.score_metrics, view.dimensions, selected) for selected in (query, above_zero))
    return {
        f"{TAG}{view.key}": _envelope(f"{view.name}: best first", table, created),
        f"{TAG}{view.key}{CHARTS}": _envelope(f"{view.name}: as charts", charts, created),
    }


def _envelope(name: str, state: dict[str, Any], created: int) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": COMPRESSED + packed})


def view_state(score_metrics: Mapping[str, str], dimensions: Sequence[str], query: str) -> dict[str, Any]:
    """The state of a view: the trials that `query` selects, the best mean first, scores by head in front; and its charts."""
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
            *(_section(f"branchsweep-{curve}", curve) for curve in map(CURVE.format, distinct)),
            *(_section(f"branchsweep-{metric}", metric, display=False) for metric in folded),
        ],
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
    }


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _name_width(heads: Sequence[str]) -> int:
    """Pixels for the name of a trial, such as `017  PE 0.938  V 0.812  PRUNED`."""
    letters = len("000") + sum(len(f"  {head} 0.000") for head in heads) + len("  PRUNED")
    return min(60 + 7 * letters, WIDEST_NAME)


def _parallel(scores: Sequence[str], dimensions: Sequence[str]) -> dict[str, Any]:
    axes = {"selectedParams": list(dimensions[:MOST_AXES]), "selectedMetrics": list(scores), "showAllRuns": True}
    return _chart("PARALLEL", "branchsweep-parallel", TRIALS) | axes


def _pairs(score_metrics: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for index, pair in enumerate(islice(combinations(score_names(score_metrics, mean=False).values(), 2), MOST_PAIRS)):
        axes = {axis: {"key": name, "type": "METRIC"} for axis, name in zip(("xaxis", "yaxis"), pair, strict=True)}
        yield _chart("SCATTER", f"branchsweep-heads-{index}", PAIRS) | axes | {"runsCountToCompare": 100}


def _chart(kind: str, uuid: str, section: str) -> dict[str, Any]:
    return {"type": kind, "uuid": uuid, "metricSectionId": section, "deleted": False, "isGenerated": False}


def _section(uuid: str, name: str, **options: Any) -> dict[str, Any]:
    """Cards below a heading: shown or folded (`display`), number in a row (`columns`), height in pixels (`cardHeight`)."""
    return {"uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False, "isGenerated": True, **options}
