"""Makes the screenshots of the README from a recorded sweep.

    python docs/pictures.py [--sweep branched] [--tracking-uri URI] [--chromium /usr/bin/chromium]

`docs/terminal.png` is the summary that `branchsweep run` prints at the end. The others are pages of MLflow's UI in a browser:
`docs/mlflow.png` the table of trials, best first, `docs/charts.png` the charts of the trials, and `docs/sweep.png` the top of
the page of the sweep. Needs Chromium (on Debian: apt install chromium).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image  # comes with matplotlib
from rich.console import Console

from branchsweep.config.addresses import Address
from branchsweep.reporting.text import sweep_summary
from branchsweep.tracking.mlflow.tracker import MlflowTracker, open_existing
from branchsweep.tracking.run_reader import list_sweeps
from branchsweep.tracking.run_records import ListedSweep
from branchsweep.tracking.ui_pages import charts_page, link, run_page, view_page
from branchsweep.workflows.records.sweep_summary import SweepSummary

HERE = Path(__file__).parent

sys.path.append(str(HERE.parent / "tests"))
from browser import ASSISTANT_CLOSED, open_browser  # noqa: E402  # shared with the tests

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
OFFLINE = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def screenshot(chromium: str, url: str, path: Path, size: tuple[int, int], seconds: int = 1) -> None:
    """Save a screenshot of a page as PNG, after some seconds of its virtual time."""
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", f"--virtual-time-budget={seconds}000"]
        command = [chromium, *QUIET, *OFFLINE, *options, f"--screenshot={path}", url]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=120)
    reduce_colours(path)


def reduce_colours(path: Path) -> None:
    """Rewrite an image in 256 colours, which takes a fraction of the bytes."""
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def terminal(tracker: MlflowTracker, chromium: str) -> None:
    """Save the summary of a sweep as the terminal shows it."""
    assert tracker.conclusion is not None, "the sweep is not finished"
    result = SweepSummary.loads(tracker.conclusion.summary)
    table = Path(str(result.data["location"])).name  # without the folder, which is private
    result = replace(result, data={**result.data, "location": table})
    console = Console(record=True, width=104, file=io.StringIO())
    console.print(sweep_summary.render_sweep_summary(result, tracker.sweep.heads))
    with tempfile.TemporaryDirectory() as folder:
        svg = Path(folder) / "terminal.svg"
        markup = console.export_svg(title="make sweep")
        svg.write_text(markup, encoding="utf-8")
        width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', markup)[0]
        screenshot(chromium, svg.as_uri(), HERE / "terminal.png", (round(float(width)), round(float(height))))


@contextlib.contextmanager
def served(tracking_uri: Address | None) -> Iterator[str]:
    """Context in which `branchsweep ui` serves the store; yields the address of the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "branchsweep", "ui", "--port", str(port), "--no-open"]
    variables = {"MLFLOW_TRACKING_URI": tracking_uri.with_secrets()} if tracking_uri else {}
    process = subprocess.Popen(command, env={**os.environ, **variables})
    server = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{server}/health", timeout=2):
                break
            time.sleep(0.5)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def screenshot_pages(chromium: str, server: str, sweep: ListedSweep) -> None:
    """Save the pages of a sweep: the table of trials, the charts, and the page of the sweep itself."""
    points = f"document.querySelectorAll('.js-plotly-plot .scatterlayer .point').length >= {sweep.trials['complete']}"
    unfold = "[...document.querySelectorAll('button')].find(it => it.innerText.trim() === 'Show more')?.click()"
    views = {
        "mlflow.png": (view_page(sweep.experiment_id, sweep.view), "document.querySelectorAll('.ag-row').length > 10"),
        "charts.png": (
            charts_page(sweep.experiment_id, sweep.view),
            f"document.querySelector('.parcoords') && {points}",
        ),
        "sweep.png": (run_page(sweep.experiment_id, sweep.run_id), "document.body.innerText.includes('Show more')"),
    }
    with tempfile.TemporaryDirectory() as profile, open_browser(chromium, Path(profile), ASSISTANT_CLOSED) as browser:
        for name, (page, is_drawn) in views.items():
            height = 535 if name == "sweep.png" else 1000  # above the tags, which hold private paths
            with browser.page(link(server, page), 1900, height) as tab:
                tab.wait_for(is_drawn, name)
                tab.evaluate(unfold)
                tab.save_screenshot(HERE / name)
                reduce_colours(HERE / name)


def main() -> None:
    """Make all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sweep", default="", help="its name or run id (the newest of the store)")
    parser.add_argument("--tracking-uri", type=Address)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    tracker = open_existing(arguments.tracking_uri, arguments.sweep)
    terminal(tracker, arguments.chromium)
    (listed,) = (sweep for sweep in list_sweeps(arguments.tracking_uri) if sweep.run_id == tracker.run_id)
    with served(arguments.tracking_uri) as server:
        screenshot_pages(arguments.chromium, server, listed)


if __name__ == "__main__":
    main()
