"""Prepared views of a sweep and of a comparison in MLflow's pages: the order of columns and runs, and the charts.

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
from itertools import combinations, islice, takewhile
from typing import Any

from branchsweep.config.metric_names import MEAN
from branchsweep.metrics.names import CURVE, STANDARD_ERROR, other_metrics, score_names
from branchsweep.tracking.mlflow.serialization.trials import LOG10
from branchsweep.tracking.ui_pages import CHARTS

TAG = "mlflow.sharedViewState."
"""Prefix of the tags; a view's key follows."""

COMPRESSED = "deflate;"
"""Prefix of a compressed state."""

MOST_AXES = 10
"""Most hyperparameters in the parallel coordinates: more cannot be distinguished."""

MOST_PAIRS = 6
"""Most scatter plots of one head against another."""

TABLE_WIDTH = 1070
"""Pixels of the columns of a table of runs that are on the screen where MLflow's page is 1,400 pixels wide."""

WIDEST_NAME = 240
"""Most pixels for the names of runs in the table, so that hyperparameters have room beside them."""

CREATED = "runDateAndNestInfo"
"""MLflow's column with the status and the age of a run, which cannot be hidden."""

STATUS_WIDTH = 40
"""Pixels of that column: the symbol of the status, without the age."""

MEAN_WIDTH = 80
"""Pixels of the column by which the runs are ordered."""

MARGIN, LETTER = 20, 7
"""Pixels around the text of a column, and of one of its letters."""

LONG_NUMBER, TITLE, SHORT_NUMBER = 9, 8, 5
"""Letters of a number on a logarithmic scale with two digits that are not 0, of a title's beginning, of another number."""

RUNS, PAIRS, COSTS = "branchsweep-runs", "branchsweep-pairs", "branchsweep-costs"
"""Sections of charts."""

VERDICT, VERDICT_WIDTH = "verdict", 320
"""A contestant's param with its verdicts on all heads, and the pixels of its column."""

CONTESTANT_COSTS = ("parameters", "training_seconds", "latency_ms")
"""Metrics of a contestant beside its scores."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view as MLflow's menu has it.

    Args:
        key: Of the table in links; that of the charts has the suffix `ui_pages.CHARTS`.
        name: Of the sweep or comparison, for display.
        created: The time in milliseconds since 1970.
    """

    key: str
    name: str
    created: int

    def tags(self, table: Mapping[str, Any], charts: Mapping[str, Any]) -> dict[str, str]:
        """The experiment's tags that hold the view, by name.

        Args:
            table: The state of the table of runs.
            charts: The state of the charts.
        """
        return {
            f"{TAG}{self.key}": self._envelope("best first", table),
            f"{TAG}{self.key}{CHARTS}": self._envelope("as charts", charts),
        }

    def _envelope(self, what: str, state: Mapping[str, Any]) -> str:
        packed = base64.b64encode(zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)).decode()
        times = {"createdAt": self.created, "updatedAt": self.created}
        return json.dumps({"name": f"{self.name}: {what}", **times, "state": COMPRESSED + packed})


@dataclass(frozen=True, slots=True)
class TrialsView:
    """What a view shows of the trials of a sweep: the best mean first, then the hyperparameters, then the scores by head.

    The scores by head come last because the names of the trials have them, and the hyperparameters are to be on the screen:
    their columns are as narrow as that takes.

    Args:
        score_metrics: The name of the metric that is the score, by head, in order.
        dimensions: The hyperparameters that every trial has a value of, in order.
        log_dimensions: Those whose axis in the charts is the logarithm that is recorded beside them.
    """

    score_metrics: Mapping[str, str]
    dimensions: Sequence[str]
    log_dimensions: Sequence[str] = ()

    def table(self, query: str) -> dict[str, Any]:
        """The state of the table and of its charts.

        Args:
            query: Selects the trials among the experiment's runs.
        """
        *by_head, mean = _scores_of(self.score_metrics)
        params = [_column("params", name) for name in self.dimensions]
        columns = [_column("metrics", mean), *params, *(_column("metrics", name) for name in by_head)]
        name_width = _name_width("000", [*self.score_metrics])
        state = _state(query, mean, columns, name_width)
        widths = fitted_widths(self.dimensions, self.log_dimensions, TABLE_WIDTH - name_width - STATUS_WIDTH - MEAN_WIDTH)
        fitted = {_column("params", name): width for name, width in widths.items()}
        return state | {
            "columnWidths": {**state["columnWidths"], columns[0]: MEAN_WIDTH, **fitted},
            "compareRunCharts": [self._parallel(), *_pairs(self.score_metrics)],
            "compareRunSections": [
                _section(RUNS, "Trials", columns=1, cardHeight=420),
                *_sections(self.score_metrics),
                *(_section(f"branchsweep-{curve}", curve) for curve in map(CURVE.format, _distinct(self.score_metrics))),
                *_folded_sections(self.score_metrics),
            ],
        }

    def charts(self, query: str) -> dict[str, Any]:
        """The same of the trials whose mean is above 0.

        Those that are worse than a constant prediction have scores below 0, without a limit, and would squeeze all others.
        """
        return self.table(f"{query} AND {_column('metrics', score_names(self.score_metrics)[MEAN])} > 0")

    def _parallel(self) -> dict[str, Any]:
        axes = [LOG10.format(name) if name in self.log_dimensions else name for name in self.dimensions[:MOST_AXES]]
        chart = {"selectedParams": axes, "selectedMetrics": _scores_of(self.score_metrics), "showAllRuns": True}
        return _chart("PARALLEL", "branchsweep-parallel", RUNS) | chart


@dataclass(frozen=True, slots=True)
class ContestantsView:
    """What a view shows of the contestants of a comparison: the best mean first, scores, verdicts, and costs.

    Args:
        score_metrics: The name of the metric that is the score, by head, in order.
    """

    score_metrics: Mapping[str, str]

    def table(self, query: str) -> dict[str, Any]:
        """The state of the table and of its charts.

        Args:
            query: Selects the contestants among the experiment's runs.
        """
        *by_head, mean = scores = _scores_of(self.score_metrics)
        scored, costs = ([_column("metrics", name) for name in names] for names in ((mean, *by_head), CONTESTANT_COSTS))
        verdict = _column("params", VERDICT)
        bars = (_chart("BAR", f"branchsweep-{name}", RUNS) | {"metricKey": name} for name in scores)
        by_cost = (_scatter(f"branchsweep-cost-{cost}", COSTS, (cost, mean)) for cost in ("training_seconds", "latency_ms"))
        state = _state(query, mean, [*scored, verdict, *costs], 160)
        state["columnWidths"][verdict] = VERDICT_WIDTH
        return state | {
            "compareRunCharts": [*bars, *by_cost, *_pairs(self.score_metrics)],
            "compareRunSections": [
                _section(RUNS, "Contestants", columns=min(len(scores), 3)),
                _section(COSTS, "Scores by cost"),
                *_sections(self.score_metrics),
                *_folded_sections(self.score_metrics),
            ],
        }

    def charts(self, query: str) -> dict[str, Any]:
        """The same: contestants are few."""
        return self.table(query)


def _state(query: str, order: str, columns: Sequence[str], name_width: int) -> dict[str, Any]:
    """The state of a table of runs, without charts: the runs that `query` selects, the largest value of `order` first."""
    name = _column("attributes", "Run Name")
    return {
        "searchFilter": query,
        "orderByKey": _column("metrics", order),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(columns),
        "columnOrder": [name, *columns, CREATED],
        "columnWidths": {name: name_width, CREATED: STATUS_WIDTH, **{column: _width(column) for column in columns}},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
    }


def fitted_widths(names: Sequence[str], log_dimensions: Sequence[str], room: int) -> dict[str, int]:
    """Pixels of the columns of these hyperparameters, as equal as their texts allow.

    None is narrower than its numbers, and than what of its title distinguishes it from the others; none is wider than its
    title, and a long number.

    Args:
        names: The hyperparameters.
        log_dimensions: Those of a logarithmic scale, whose numbers have many letters.
        room: Pixels for all of them together, which are exceeded where they do not suffice.
    """
    letters, most = {}, {}
    for name in names:
        shared = max((_shared_beginning(name, other) for other in names if other != name), default=0)
        letters[name] = max(min(shared + 1, TITLE), LONG_NUMBER if name in log_dimensions else SHORT_NUMBER)
        most[name] = max(len(name), LONG_NUMBER)
    widths, widest = ({name: MARGIN + LETTER * count for name, count in counts.items()} for counts in (letters, most))
    for _ in range(room - sum(widths.values())):
        growing = [name for name in names if widths[name] < widest[name]]
        if not growing:
            break
        widths[min(growing, key=widths.__getitem__)] += 1
    return widths


def _shared_beginning(name: str, other: str) -> int:
    """The number of letters with which both names begin."""
    return sum(1 for _ in takewhile(lambda letters: letters[0] == letters[1], zip(name, other, strict=False)))


def _width(column: str) -> int:
    """Pixels of a column, by the length of its title."""
    kind, name = column.rstrip("`").split(".`")
    return max(86 if kind == "metrics" else 56, min(20 + 7 * len(name), 132 if kind == "metrics" else 100))


def _scores_of(score_metrics: Mapping[str, str]) -> list[str]:
    """The names of the scores of the heads and of their mean; of the only head alone."""
    names = score_names(score_metrics)
    return list(names.values()) if len(score_metrics) > 1 else [names[head] for head in score_metrics]


def _distinct(score_metrics: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(name.partition("/")[0] for name in score_names(score_metrics).values()))


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _name_width(number: str, heads: Sequence[str]) -> int:
    """Pixels for the name of a trial, such as `017  PE 0.938  V 0.812`; that it was pruned shows beside it."""
    letters = len(number) + sum(len(f" {head} 0.000") for head in heads)
    return min(46 + LETTER * letters, WIDEST_NAME)


def _pairs(score_metrics: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for index, pair in enumerate(islice(combinations(score_names(score_metrics, mean=False).values(), 2), MOST_PAIRS)):
        yield _scatter(f"branchsweep-heads-{index}", PAIRS, pair)


def _scatter(uuid: str, section: str, metrics: tuple[str, str]) -> dict[str, Any]:
    axes = {axis: {"key": name, "type": "METRIC"} for axis, name in zip(("xaxis", "yaxis"), metrics, strict=True)}
    return _chart("SCATTER", uuid, section) | axes | {"runsCountToCompare": 100}


def _chart(kind: str, uuid: str, section: str) -> dict[str, Any]:
    return {"type": kind, "uuid": uuid, "metricSectionId": section, "deleted": False, "isGenerated": False}


def _sections(score_metrics: Mapping[str, str]) -> list[dict[str, Any]]:
    pairs = [_section(PAIRS, "Heads against each other")] if len(score_metrics) > 1 else []
    return [*pairs, *(_section(f"branchsweep-{metric}", metric) for metric in _distinct(score_metrics))]


def _folded_sections(score_metrics: Mapping[str, str]) -> list[dict[str, Any]]:
    folded = [*other_metrics(score_metrics), *map(STANDARD_ERROR.format, _distinct(score_metrics))]
    return [_section(f"branchsweep-{metric}", metric, display=False) for metric in folded]


def _section(uuid: str, name: str, **options: Any) -> dict[str, Any]:
    """Cards below a heading: shown or folded (`display`), number in a row (`columns`), height in pixels (`cardHeight`)."""
    return {"uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False, "isGenerated": True, **options}
