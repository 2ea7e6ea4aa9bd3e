"""Makes the README's pictures from the newest sweep of a store.

    python docs/pictures.py [--tracking-uri URI] [--chromium /usr/bin/chromium]

`docs/terminal.png` is what `branchsweep run` printed at the end; `docs/mlflow.png` the sweep's trials in MLflow's pages, best
first, `docs/charts.png` the same as charts, and `docs/sweep.png` the top of the sweep's own page, as a real browser shows them.
Needs Chromium (on Debian: apt install chromium).
"""

from __future__ import annotations

import argparse
import contextlib
import io
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

from branchsweep.reporting.text import sweep_result
from branchsweep.tracking.mlflow_tracker import MlflowTracker, open_existing
from branchsweep.tracking.run_reader import list_sweeps
from branchsweep.tracking.run_records import SweepSummary
from branchsweep.tracking.tracking_uri import charts_page, link, run_page, view_page
from branchsweep.workflows.sweep_result import SweepResult

HERE = Path(__file__).parent

sys.path.append(str(HERE.parent / "tests"))
from browser import SETTLED, browsing  # noqa: E402  # the eyes of the tests

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
OFFLINE = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def photograph(chromium: str, url: str, picture: Path, size: tuple[int, int], seconds: int = 1) -> None:
    """A page as PNG, after some seconds of its own time."""
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", f"--virtual-time-budget={seconds}000"]
        command = [chromium, *QUIET, *OFFLINE, *options, f"--screenshot={picture}", url]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=120)
    slim(picture)


def slim(picture: Path) -> None:
    """The same picture in 256 colours, which nobody misses on a page, and a fraction of the bytes."""
    Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


def terminal(ledger: MlflowTracker, chromium: str) -> None:
    """The summary as the terminal showed it."""
    assert ledger.conclusion is not None, "the newest sweep is not finished"
    said = SweepResult.loads(ledger.conclusion.tags["summary"])
    said = replace(
        said, data={**said.data, "location": Path(str(said.data["location"])).name}
    )  # whose disk it was is no matter
    console = Console(record=True, width=104, file=io.StringIO())
    console.print(sweep_result.render_sweep_result(said, ledger.sweep.heads))
    with tempfile.TemporaryDirectory() as folder:
        svg = Path(folder) / "terminal.svg"
        drawing = console.export_svg(title="make sweep")
        svg.write_text(drawing, encoding="utf-8")
        width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)[0]
        photograph(chromium, svg.as_uri(), HERE / "terminal.png", (round(float(width)), round(float(height))))


@contextlib.contextmanager
def served(tracking_uri: str | None) -> Iterator[str]:
    """MLflow's server over the store, as `branchsweep ui` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "branchsweep", "ui", "--port", str(port), "--no-open"]
    process = subprocess.Popen(command + (["--tracking-uri", tracking_uri] if tracking_uri else []))
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


def look(chromium: str, server: str, sweep: SweepSummary) -> None:
    """The sweep's trials as a table and as charts, and its own page, each as soon as it is drawn."""
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
    with tempfile.TemporaryDirectory() as profile, browsing(chromium, Path(profile), SETTLED) as browser:
        for picture, (page, is_drawn) in views.items():
            height = 700 if picture == "sweep.png" else 1000  # without the tags, among which is whose disk it was
            with browser.page(link(server, page), 1900, height) as tab:
                tab.wait_for(is_drawn, picture)
                tab.evaluate(unfold)
                tab.photograph(HERE / picture)
                slim(HERE / picture)


def main() -> None:
    """All pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tracking-uri")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    words = parser.parse_args()
    ledger = open_existing(words.tracking_uri)
    terminal(ledger, words.chromium)
    newest = list_sweeps(words.tracking_uri)[0]
    with served(words.tracking_uri) as server:
        look(words.chromium, server, newest)


if __name__ == "__main__":
    main()
