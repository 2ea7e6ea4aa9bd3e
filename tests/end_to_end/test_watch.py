"""`branchsweep watch`: a running sweep in a real browser, from its store alone, while trials end and the store is away."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from branchsweep.cli.watch import RecordedSweepReading
from branchsweep.config.addresses import Address
from branchsweep.config.codec import to_json
from branchsweep.reporting.live_server import LiveServer
from branchsweep.reporting.pages import live_page
from branchsweep.tracking.mlflow.tracker import MlflowTracker
from branchsweep.tracking.tracking_uri import database_file
from branchsweep.trial import Result, Score, Status
from branchsweep.workflows.live_poller import LivePoller
from branchsweep.workflows.progress import ProgressStatus
from branchsweep.workflows.records.sweep_record import new_sweep_record
from browser import open_browser
from servers import free_port
from tiny_sweep import TinySweep, tiny_experiment

SCREENSHOTS = Path(os.environ.get("BRANCHSWEEP_SCREENSHOTS") or Path(__file__).parents[2] / "screenshots")

QUESTION = "How far? <b id='markup'>&amp;"

STATUS = ProgressStatus("training 6 lanes", elapsed=70.0, seconds_left=200.0, workers=5, training=4, nodes=2)


@pytest.fixture(scope="module")
def ended() -> list[Result]:
    """The trials of a small sweep, some of them pruned."""
    return TinySweep(_experiment()).search()


def _experiment() -> Any:
    return tiny_experiment(question=QUESTION, fit={"epochs": 6}, pruning={"rungs": [1, 3]})


@pytest.fixture
def tracker(mlflow_store: Address) -> MlflowTracker:
    sweep = TinySweep(_experiment())
    return MlflowTracker.open(new_sweep_record(sweep.experiment, sweep.dataset, sweep.split), mlflow_store)


@contextmanager
def watched(store: Address) -> Generator[LiveServer]:
    """The server of the newest sweep of a store, which is read ten times a second."""
    reading = RecordedSweepReading.of(store, "")
    with LivePoller(reading.read, reading.read(), seconds=0.1) as poller, LiveServer(0, reading.pages(poller)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def answer(server: LiveServer, path: str, **headers: str) -> tuple[int, str, Any]:
    """Status, text and headers of what a server answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers


def test_the_page_follows_a_sweep_to_its_end(
    tracker: MlflowTracker, ended: list[Result], chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_page, "POLL_MILLISECONDS", 100)
    tracker.record(ended[:3])
    store = tracker.tracking_uri
    file = database_file(store)
    assert file is not None
    with watched(store) as server, open_browser(chromium, tmp_path) as browser, browser.page(server.url) as page:
        text = page.wait_for_text("running", "3 of 20", "not estimated yet")
        assert QUESTION in text and not page.evaluate("document.getElementById('markup')")
        tracker.lock.report(lambda: to_json(STATUS))
        tracker.lock.renew()
        page.wait_for_text("4 of 5, 2 nodes", "about 3 min", "training 6 lanes")
        tracker.record(ended[3:16])
        page.wait_for_text("16 of 20", "Rungs")
        complete = [result for result in ended[:16] if result.score.is_complete]
        best = max(complete, key=lambda result: result.score.value)
        page.wait_for_text(f"The best is trial {best.trial.number}", f"{best.score.value:.4f}")
        assert page.evaluate("document.querySelectorAll('#history .complete').length") == len(complete)
        assert page.evaluate("document.querySelectorAll('#latest tr').length") == 16
        assert page.evaluate("[...document.querySelectorAll('#rungs td')].map(cell => Number(cell.innerText))")[0] == 16
        page.save_screenshot(SCREENSHOTS / "watch.png")
        moved = file.rename(file.with_name("away.db"))
        page.wait_for_text("The store cannot be read at the moment", "16 of 20")
        moved.rename(file)
        page.wait_for("document.getElementById('problem').hidden", "mended page")
        tracker.finish({}, "{}", {"report.html": "<p>the report</p>"})
        page.wait_for_text("finished", "Report of the sweep")
        assert "time left" not in page.evaluate("document.getElementById('facts').innerText")
        status, report, headers = answer(server, "/report")
        assert (status, report) == (200, "<p>the report</p>") and headers["Content-Security-Policy"].startswith("sandbox ")


def test_a_trial_below_the_axis_and_a_failed_one_have_different_marks(
    tracker: MlflowTracker, ended: list[Result], chromium: str, tmp_path: Path
) -> None:
    first = next(result for result in ended if result.score.is_complete)
    second, *others = (result for result in ended if result is not first)
    heads = {head: replace(measured, score=-1e4, metrics={}) for head, measured in first.score.heads.items()}
    below = replace(first, score=replace(first.score, value=-1e4, heads=heads, lane_scores={}))
    failed = Result(second.trial, Score(Status.FAILED, reason="diverged"))
    tracker.record([below, failed, *others])
    with watched(tracker.tracking_uri) as server, open_browser(chromium, tmp_path) as browser, browser.page(server.url) as page:
        page.wait_for(f"document.querySelectorAll('#history title').length === {len(ended)}", "marks")
        forms = page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('#history title')]"
            ".map(title => [title.textContent.split(',')[0], title.parentNode.getAttribute('d')?.slice(-9) ?? 'circle']))"
        )
        kinds = [forms[f"trial {result.trial.number}"] for result in (below, failed, others[0])]
        assert len(set(kinds)) == 3 and kinds[2] == "circle"


def test_an_interrupted_sweep_is_shown_as_interrupted(tracker: MlflowTracker, ended: list[Result]) -> None:
    tracker.record(ended[:2])
    tracker.lock.report(lambda: to_json(STATUS))
    tracker.lock.renew()
    tracker.lock.release()
    with watched(tracker.tracking_uri) as server:
        read = json.loads(answer(server, "/progress.json")[1])["sweep"]
        assert (read["state"], read["progress"]) == ("interrupted", None)
        assert sum(read["counts"].values()) == 2
        assert answer(server, "/report")[0] == 404


def test_rungs_count_the_trials_that_reached_them(tracker: MlflowTracker, ended: list[Result]) -> None:
    tracker.record(ended)
    read = RecordedSweepReading.of(tracker.tracking_uri, "tiny").read()
    pruned = [result for result in ended if result.score.status is Status.PRUNED]
    assert [rung.epoch for rung in read.rungs] == [1, 3] and read.rungs[0].reached == len(ended)
    assert sum(rung.pruned for rung in read.rungs) == len(pruned)
    assert read.rungs[1].reached == len(ended) - read.rungs[0].pruned


def test_the_server_answers_to_its_own_address_alone_and_to_reading_alone(tracker: MlflowTracker) -> None:
    with watched(tracker.tracking_uri) as server:
        assert server.server_address[0] == "127.0.0.1"
        own = f"localhost:{server.server_port}"
        assert answer(server, "/", Host=own)[0] == 200
        for host in ("evil.example", f"evil.example:{server.server_port}", "", "127.0.0.1"):
            status, text, _ = answer(server, "/progress.json", Host=host)
            assert status == 403 and "tiny" not in text
        assert answer(server, "/../../etc/passwd")[0] == 404
        policy = answer(server, "/")[2]["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'nonce-" in policy and "frame-ancestors 'none'" in policy
        with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)) as connection:
            connection.request("POST", "/progress.json", body="{}")
            assert connection.getresponse().status == 501


def test_ctrl_c_ends_the_command(tracker: MlflowTracker) -> None:
    port = str(free_port())
    command = [sys.executable, "-m", "branchsweep", "watch", "--port", port, "--no-open"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracker.tracking_uri.with_secrets()}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and "Traceback" not in process.stderr.read()
