"""Reports of comparisons: the HTML page, the text for the terminal, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from branchsweep.metrics.comparison_result import ComparisonResult
from branchsweep.metrics.five_by_two_cv import pairwise_differences
from branchsweep.reporting.comparison import exports, table
from branchsweep.reporting.comparison.page import render_comparison_page
from branchsweep.reporting.comparison.text import render_comparison
from branchsweep.reporting.formatting import SYNTHETIC_DATA_WARNING
from comparison_examples import COMPARISONS, FAILED_CONTESTANT, example_comparison, example_contestant, failed_contestant

VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """A parsed page: its text, cells, ids, loaded resources, and elements left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        self.ids += [value or "" for name, value in attributes if name == "id"]
        self.loads += [value or "" for name, value in attributes if name in {"src", "href", "xlink:href", "data", "action"}]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        self.text += text
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += text


@pytest.fixture(params=COMPARISONS, ids=lambda name: name.replace(" ", "-"))
def case(request: pytest.FixtureRequest) -> ComparisonResult:
    return COMPARISONS[request.param]


def rendered(result: ComparisonResult, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(render_comparison(result))
    return capture.get()


def single_spaced(text: str) -> str:
    return " ".join(text.split())


def test_page_shows_the_whole_result_and_loads_nothing(case: ComparisonResult) -> None:
    html = render_comparison_page(case, "name: sharing\n", "branchsweep compare sharing.yaml")
    page = Page(html)
    assert page.open == []
    page_text = single_spaced(page.text)
    for text in (*case.conclusions, case.question, *case.protocol, *case.warnings, "name: sharing", "compare sharing.yaml"):
        assert text in page_text
    for contestant in case.contestants:
        assert contestant.name in page_text and contestant.description in page_text and contestant.failure in page_text
    assert all(load.startswith(("#", "data:,")) for load in page.loads)
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", html)) and "@import" not in html
    assert not {"script", "iframe", "img", "object"} & set(page.tags)
    assert len(set(page.ids)) == len(page.ids)
    assert page.tags.count("svg") == 2 + bool(case.transfer) + bool(case.sharing)


def test_page_is_deterministic() -> None:
    assert render_comparison_page(COMPARISONS["one head"], "", "") == render_comparison_page(COMPARISONS["one head"], "", "")


def test_markup_in_names_and_sentences_is_escaped() -> None:
    markup = '<script src="http://evil/x.js">$x_1$&amp;</script>'
    contestants = tuple(
        replace(contestant, name=f"{contestant.name}{markup}", description=markup)
        for contestant in example_comparison(names=("linear", "forest")).contestants
    )
    base = example_comparison(names=("linear", "forest"), with_sharing=False, with_transfer=False)
    result = replace(
        base,
        comparison=markup,
        question=markup,
        conclusions=(markup, markup),
        protocol=(markup,),
        warnings=(markup,),
        reference=contestants[0].name,
        contestants=contestants,
        differences=tuple(
            replace(difference, contestant=difference.contestant + markup, reference=difference.reference + markup)
            for difference in base.differences
        ),
    )
    html = render_comparison_page(result, markup, markup)
    page = Page(html)
    assert "script" not in page.tags
    assert page.text.count(markup) >= 10


def test_page_has_scores_and_differences_in_the_row_of_each_contestant() -> None:
    result = example_comparison()
    rows = {row[0]: row for row in Page(render_comparison_page(result, "", "")).rows if len(row) == 4}
    for contestant in result.contestants:
        for cell, head in zip(rows[contestant.name + contestant.description][1:], ("PE", "V", "mean"), strict=True):
            mean, error = table.mean_and_error(contestant.scores[head])
            assert cell.strip().startswith(f"{mean:.4f} ± {error:.4f}")
            difference = table.find_difference(result.differences, head, contestant.name)
            if difference is None:
                assert "reference" in cell
            else:
                assert f"{difference.difference:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]" in cell
                assert ("▲" in cell or "▼" in cell) == difference.is_significant


def test_page_text_and_markdown_warn_of_synthetic_data() -> None:
    result = replace(example_comparison(), data={**example_comparison().data, "source": "synthetic"})
    for text in (render_comparison_page(result, "", ""), rendered(result), exports.comparison_markdown(result)):
        assert SYNTHETIC_DATA_WARNING in text


def test_rows_are_sorted_by_mean_score_with_failures_last() -> None:
    result = example_comparison(names=("linear", "branched", "forest"), others=[FAILED_CONTESTANT])
    assert [row.contestant.name for row in table.comparison_rows(result)] == ["forest", "branched", "linear", "wild"]
    assert [row.is_reference for row in table.comparison_rows(result)] == [False, False, True, False]


def test_standard_error_is_that_of_independent_values() -> None:
    assert table.mean_and_error([1.0, 3.0]) == pytest.approx((2.0, 1.0))
    assert table.mean_and_error([0.5]) == pytest.approx((0.5, math.nan), nan_ok=True)


def test_the_terminal_shows_every_conclusion_and_warning(case: ComparisonResult) -> None:
    for sentence in (*case.conclusions, *case.warnings):
        assert sentence in single_spaced(rendered(case))


def test_text_marks_the_outcome_of_each_difference() -> None:
    result = example_comparison()
    lines = rendered(result).splitlines()
    index = next(number for number, line in enumerate(lines) if line.startswith("single"))
    expected = [table.find_difference(result.differences, head, "single") for head in ("PE", "V", "mean")]
    marks = [re.sub(r"[^▲▼=?]", "", cell) for cell in re.split(r" {2,}", lines[index + 1].strip())]
    assert marks == [
        {"gains": "▲", "loses": "▼", "equal": "=", "undecided": "?"}[difference.verdict]
        for difference in expected
        if difference
    ]


def test_a_collapsed_half_is_named_with_the_median_beside_the_mean() -> None:
    halves = (0.79, 0.74, 0.77, 0.76, 0.78, -1.877, 0.75, 0.76, 0.77, 0.78)
    base = example_comparison(names=("branched", "forest"))
    mean = np.mean([base.contestants[0].scores["PE"], halves], axis=0)
    fallen = replace(
        base.contestants[0], name="fallen", scores={"PE": base.contestants[0].scores["PE"], "V": halves, "mean": tuple(mean)}
    )
    transfer = pairwise_differences(base.contestants[0], fallen, 0.05)
    result = replace(
        base,
        contestants=(*base.contestants, fallen),
        transfer=transfer,
        differences=(*base.differences, *(difference.reversed for difference in transfer)),
        equivalence_margin=0.005,
    )
    cell = next(row for row in table.comparison_rows(result) if row.contestant is fallen).cells["V"]
    assert cell.lines == ("median 0.7650", "mean 0.5023 ± 0.2644", "half 6: -1.8770")
    assert "…" not in rendered(result)
    for text in (rendered(result, 160), render_comparison_page(result, "", ""), exports.comparison_markdown(result)):
        assert all(line in text for line in cell.lines)
        assert "undecided; fallen collapsed in half 6" in text
    (line,) = [
        line for line in csv.DictReader(io.StringIO(exports.summary_csv(result)))
        if (line["contestant"], line["figure"]) == ("fallen", "V")
    ]  # fmt: skip
    assert (line["collapsed_halves"], line["verdict"]) == ("6", "undecided")
    assert float(line["r2_median"]) == pytest.approx(0.765)


def test_what_a_quick_form_cut_off_is_said_everywhere() -> None:
    result = replace(example_comparison(), cuts=("4 trials of tuning instead of 24", "no pruning"))
    for text in (rendered(result), Page(render_comparison_page(result, "", "")).text, exports.comparison_markdown(result)):
        assert "4 trials of tuning instead of 24; no pruning" in single_spaced(text)


def test_long_name_is_folded_next_to_its_scores() -> None:
    contestant = replace(example_contestant("forest", ("PE", "V"), 5), name="a_contestant_with_a_really_long_name_indeed")
    text = rendered(example_comparison(names=("branched", "single"), others=[contestant]))
    assert max(map(len, text.splitlines())) <= 100
    assert re.search(r"^a_contestant\S* +0\.\d{4} ± ", text, re.MULTILINE)


def test_halves_csv_has_every_score_with_all_digits(case: ComparisonResult) -> None:
    lines = list(csv.DictReader(io.StringIO(exports.halves_csv(case))))
    assert {tuple(line) for line in lines} <= {("contestant", "figure", "half", "r2")}
    read = {(line["contestant"], line["figure"], int(line["half"])): float(line["r2"]) for line in lines}
    assert read == {
        (contestant.name, head, half): r2
        for contestant in case.contestants
        for head in table.scored_heads(case)
        for half, r2 in enumerate(contestant.scores.get(head, ()), start=1)
    }


def test_summary_csv_has_means_differences_and_costs() -> None:
    result = example_comparison(others=[FAILED_CONTESTANT])
    lines = list(csv.DictReader(io.StringIO(exports.summary_csv(result))))
    assert len(lines) == 6 * 3
    contestants = {contestant.name: contestant for contestant in result.contestants}
    for line in lines:
        contestant = contestants[line["contestant"]]
        assert (float(line["r2"]), float(line["r2_se"])) == table.mean_and_error(contestant.scores[line["figure"]])
        assert float(line["latency"]) == contestant.cost.latency
        assert line["parameters"] == ("" if contestant.cost.parameters is None else str(contestant.cost.parameters))
        difference = table.find_difference(result.differences, line["figure"], contestant.name)
        assert line["difference"] == ("" if difference is None else str(difference.difference))
        assert line["is_significant"] == ("" if difference is None else str(difference.is_significant))


def table_rows(markdown: str) -> Sequence[Sequence[str]]:
    """The cells of the first table, without the line below its header."""
    lines = re.split(r"\n\n", markdown[markdown.index("| contestant") :])[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if not line.startswith("| ---")]


def test_markdown_table_has_a_row_per_contestant(case: ComparisonResult) -> None:
    markdown = exports.comparison_markdown(case)
    header, *rows = table_rows(markdown)
    assert len(rows) == len(case.contestants)
    assert {len(row) for row in rows} == {len(header)}
    for sentence in (*case.conclusions, *case.protocol):
        assert sentence in markdown.replace("\\", "")


def test_markdown_escapes_names() -> None:
    result = example_comparison(
        names=("linear", "forest"), others=[failed_contestant("a|b<i>*", "no | luck\nat all")], with_transfer=False
    )
    header, *rows = table_rows(exports.comparison_markdown(result))
    assert rows[-1][:2] == [r"a&#124;b&lt;i&gt;\*", "failed: no &#124; luck at all"]
    assert len(rows[-1]) == len(header)
