"""The description of a sweep in MLflow's pages, as Markdown: short when it begins, with the answer when it has ended.

MLflow renders it below the run's figures. Words of the user's (a question, names of heads and trials, sentences of a verdict)
are escaped: they mean themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from branchsweep.config.experiment import Experiment
from branchsweep.reporting.formatting import SYNTHETIC_DATA_WARNING, promotion_outcome
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.trial import Result
from branchsweep.workflows.sweep_result import BaselineResult, SweepResult

REPORT = "report.html"
"""The file that tells all of it, where there is one."""

FIGURES = "summary.json"
"""The file that tells it to programs."""

GAP = "&emsp;"
"""Before each figure of a table: MLflow's pages leave no room between columns."""


def running_description(experiment: Experiment) -> str:
    """What stands on the page of a sweep that runs: the question, and how to follow it."""
    heads = ", ".join(escape_markdown(head) for head in experiment.heads)
    lines = [
        *([f"**{escape_markdown(experiment.question)}**", ""] if experiment.question else []),
        f"A sweep of up to {experiment.search.trials:,} trials over the heads {heads}, on its way.",
        "",
        "- Model metrics: `best_r2/…` are the best scores so far, and grow with the trials.",
        "- The trials stand below this run in the table of runs, each with its R² in its name.",
        "- When it ends, the answer stands here. If it was stopped, the same command goes on.",
    ]
    return "\n".join(lines) + "\n"


def finished_description(
    said: SweepResult,
    question: str,
    heads: Sequence[str],
    best: Sequence[Result],
    pages: TrackingLinks,
    files: Sequence[str] = (),
) -> str:
    """What stands on the page of a sweep that has ended.

    Args:
        said: Its summary.
        question: What it was for; may be empty.
        heads: In order.
        best: The best trials of the search, the best first.
        pages: Where they are seen; what has no page is named without a link.
        files: The files that are kept with the sweep.
    """
    lines = [f"**{escape_markdown(question)}**", ""] if question else []
    if said.data["source"] == "stand-in":
        lines += [f"**{SYNTHETIC_DATA_WARNING}**", ""]
    lines += [f"{_answer(said, pages)}", ""]
    if best:
        lines += [*_table(said, heads, best, pages), ""]
    lines += [*_verdict(said, pages), *_warnings(said)]
    lines += [f"{_course(said)}", ""]
    links = _links(pages, files)
    return "\n".join([*lines, *([" · ".join(links), ""] if links else [])]).rstrip() + "\n"


def escape_markdown(text: str) -> str:
    """The text as Markdown that shows it literally, on one line, also in a cell of a table."""
    marked = re.sub(r"([\\`*_{}\[\]~#])", r"\\\1", " ".join(text.split()))
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")


def _answer(said: SweepResult, pages: TrackingLinks) -> str:
    """One sentence."""
    if said.best is None:
        missing = "meets the constraints" if said.trials.get("complete") else "is complete"
        return f"No trial {missing}, so there is nothing to compare or to register."
    trial = _linked(f"trial {said.best.trial}", pages.trials.get(said.best.trial, ""))
    networks = f"The mean of {said.members} networks" if said.members > 1 else "The network"
    what = f"{networks} of {trial} ({said.best.parameters:,} parameters{' each' * (said.members > 1)})"
    if said.test_scores is None:
        return f"{what} is the best of the search, but diverged when it was trained on all training rows."
    known = [reference for reference in said.references if reference.test_scores]
    beside = f"; {_beside(known[0])}" if known else ""
    return f"{what} reaches **{_figures(said.test_scores)}** on the test rows{beside}."


def _beside(reference: BaselineResult) -> str:
    return f"{escape_markdown(reference.name)}: {_figures(reference.test_scores)}"


def _figures(scores: Mapping[str, float]) -> str:
    return ", ".join(f"R² {value:.3f} for {escape_markdown(head)}" for head, value in scores.items())


def _table(said: SweepResult, heads: Sequence[str], best: Sequence[Result], pages: TrackingLinks) -> Iterator[str]:
    """The best trials by the search's scores; those that were trained again with what came of that."""
    again = {one.trial: one for one in said.confirmed}
    columns = ["trial", *heads, "mean", *(["mean, confirmed"] if again else [])]
    yield f"| {f' | {GAP}'.join(escape_markdown(column) for column in columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    for result in best:
        number = result.trial.number
        name = _linked(f"{number:03d}", pages.trials.get(number, "")) + (
            f" ({escape_markdown(result.trial.known)})" if result.trial.known else ""
        )
        chosen = said.best is not None and said.best.trial == number
        cells = [f"**{name}**" if chosen else name, *(f"{result.score.scores[figure]:.4f}" for figure in (*heads, "mean"))]
        if again:
            cells.append(_with_error(again[number].scores["mean"], again[number].scores_se["mean"]) if number in again else "")
        yield f"| {f' | {GAP}'.join(cells)} |"
    yield ""
    yield "Validation R² in the search, which flatters the best of many; confirmed: once more from fresh seeds on fresh folds."


def _with_error(value: float, error: float) -> str:
    if math.isnan(value):
        return "failed"
    return f"{value:.4f}" if math.isnan(error) else f"{value:.4f} ± {error:.4f}"


def _verdict(said: SweepResult, pages: TrackingLinks) -> list[str]:
    if said.champion is None:
        return []
    one = said.champion
    which = _linked(f"{escape_markdown(one.model)} version {one.version}", pages.version(one.model, one.version))
    return [f"{which} {promotion_outcome(one.crowned)}: {escape_markdown(one.because)}.", ""]


def _warnings(said: SweepResult) -> list[str]:
    sentences = [*said.unmet, *said.edges]
    return [*(f"- Warning: {escape_markdown(sentence)}" for sentence in sentences), *([""] if sentences else [])]


def _course(said: SweepResult) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in said.trials.items() if count)
    location = str(said.data["location"])
    place = Path(location).name if said.data["source"] == "file" else location  # whose disk it was is no matter
    where = f"{escape_markdown(place)}, {said.data['rows']:,} rows"
    stopped = escape_markdown(said.stopped_because)
    return f"{sum(said.trials.values())} trials ({counts}) in {said.seconds:.0f} s on {where}; {stopped}."


def _links(pages: TrackingLinks, files: Sequence[str]) -> list[str]:
    places = {
        "all trials, best first": pages.table,
        "as charts": pages.charts,
        "report": pages.file(REPORT) if REPORT in files else "",
        "figures as JSON": pages.file(FIGURES) if FIGURES in files else "",
        "registry": pages.models,
    }
    return [f"[{name}]({page})" for name, page in places.items() if page]


def _linked(words: str, page: str) -> str:
    return f"[{words}]({page})" if page else words
