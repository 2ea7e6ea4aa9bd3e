"""The report of a sweep in a real browser: it names trials on hover, marks them on a click, and fits a phone."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from branchsweep.reporting.pages.sweep_files import report_page
from branchsweep.trial import Status
from branchsweep.workflows.reporter import TableReporter
from branchsweep.workflows.sweep_report import Files, SweepReport
from browser import Browser, Page, open_browser
from tiny_sweep import TinySweep, tiny_experiment

POINT = """(name, trial, kind) => {
  const svg = document.querySelector(`#${name} figure svg`), box = svg.getBoundingClientRect();
  const scale = box.width / svg.viewBox.baseVal.width;
  const points = JSON.parse(document.getElementById("interaction").textContent).figures[name].points;
  const [, x, y] = points.find(([number]) => number === trial);
  const at = { clientX: box.left + x * scale, clientY: box.top + y * scale, bubbles: true, pointerType: "mouse" };
  svg.dispatchEvent(kind === "click" ? new MouseEvent(kind, at) : new PointerEvent(kind, at));
}"""
"""Moves the mouse to the point of a trial in a figure, or clicks it."""


CUT = """[...document.querySelectorAll("main *")]
  .filter((part) => part.clientWidth && part.scrollWidth > part.clientWidth + 1 && !part.closest("svg"))
  .filter((part) => getComputedStyle(part).overflowX !== "visible")
  .map((part) => [part.tagName, part.className, getComputedStyle(part, "::before").content])"""
"""The parts of the page that are wider than their place, each with what it says before its content."""


@pytest.fixture(scope="module")
def reported() -> SweepReport:
    """The report of a sweep some of whose trials are pruned."""
    reports: list[SweepReport] = []

    class Recorder(TableReporter):
        def draw_report(self, report: SweepReport) -> Callable[[SweepReport], Files]:
            reports.append(report)
            return lambda _report: {}

    sweep = TinySweep(tiny_experiment(fit={"epochs": 6}, pruning={"rungs": [1, 3]}))
    sweep.reporter = Recorder()
    sweep.run()
    return reports[0]


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    with open_browser(chromium, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(reported: SweepReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page as a file."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report_page(reported), encoding="utf-8")
    return file.as_uri()


def rings(page: Page, figure: str) -> int:
    """How many points of the selected trial are marked in a figure."""
    return int(page.evaluate(f"document.querySelectorAll('#{figure} svg .chosen circle').length"))


def test_hover_names_a_trial_and_a_click_marks_it_in_table_and_figures(
    reported: SweepReport, browser: Browser, url: str
) -> None:
    drawn = [result for result in reported.results if not result.trial.known]  # of the initial one not all is varied
    result = next(result for result in drawn if result.score.status is Status.PRUNED)
    pruned, rungs = result.trial.number, len(result.score.rungs)
    assert reported.summary.finalist is not None
    best = reported.summary.finalist.trial
    with browser.page(url, 1400) as page:
        page.wait_for("document.getElementById('how') && !document.getElementById('how').hidden")
        page.evaluate(f"({POINT})('optimization_history', {pruned}, 'pointermove')")
        assert f"trial {pruned}, pruned" in str(page.evaluate("document.querySelector('.tip').innerText"))
        page.evaluate(f"({POINT})('slices', {pruned}, 'click')")
        assert (rings(page, "optimization_history"), rings(page, "slices"), rings(page, "pruning")) == (2, 3, rungs)
        added = page.evaluate("document.querySelector('#trials tr[aria-selected=true]').className")
        assert added == "added", "a trial that is not among the leading ones gets a row"
        assert f"trial {pruned}, pruned" in str(page.evaluate("document.getElementById('selection').innerText"))
        page.click(f"#trials tr[data-trial='{best}']")
        assert page.evaluate("document.querySelector('#trials tr[aria-selected=true]').dataset.trial") == str(best)
        assert not page.evaluate("Boolean(document.querySelector('#trials tr.added'))") and rings(page, "selection_bias") == 3
        page.click("#selection button")
        assert page.evaluate("document.getElementById('selection').hidden") and rings(page, "slices") == 0


def test_on_a_phone_nothing_is_wider_than_the_screen_without_saying_that_it_scrolls(browser: Browser, url: str) -> None:
    with browser.page(url, 400, 800) as page:
        page.wait_for("document.querySelector('.wide.fits')", "measured tables")
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        cut = page.evaluate(CUT)
        assert cut and all("Scroll sideways" in content for *_, content in cut), cut
