"""A browser for tests: headless Chromium, controlled by the DevTools protocol.

Over pipes (`--remote-debugging-pipe`) Chromium reads the DevTools protocol's JSON from file descriptor 3 and writes it to 4,
each message ended by a zero byte: no port, no websocket, and so no library.

Nothing sleeps for a fixed time: a test waits until a condition holds, and a failure says what the page shows instead.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 30.0
"""Seconds that a page may take to show what a test waits for."""

ASSISTANT_CLOSED = {"mlflow.assistant.panelOpen_v1": "false", "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true"}
"""Local storage of MLflow's pages once a user has closed the assistant, which covers a quarter of the page at first."""

OPTIONS = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # containers run as root, where Chromium refuses its sandbox; it opens our own pages only
    "--disable-features=IsolateSandboxedIframes",  # a report's frame stays in its page's process, where it can be read
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
]


class Page:
    """A tab.

    Args:
        browser: The browser of the tab.
        session: The id of the session in the protocol.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: Any) -> Any:
        """Send one command of the protocol and return its result."""
        return self._browser.call(method, params, self._session)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in JavaScript, as JSON knows it."""
        response = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in response, response["exceptionDetails"]
        return response["result"].get("value")

    @property
    def text(self) -> str:
        """The visible text, runs of white space as one space."""
        return " ".join(str(self.evaluate("document.body ? document.body.innerText : ''")).split())

    def wait_for(self, expression: str, what: str = "") -> None:
        """Return as soon as an expression in JavaScript is truthy. An expression that raises is not."""
        guarded = f"(() => {{ try {{ return Boolean({expression}) }} catch (error) {{ return false }} }})()"
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self.evaluate(guarded):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"no {what or expression} within {TIMEOUT_SECONDS:.0f} s; the page says: {self.text[:3000]}"
                )
            time.sleep(0.1)

    def wait_for_text(self, *expected: str) -> str:
        """The page's text, as soon as it contains all of these."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while missing := [text for text in expected if text not in self.text]:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {missing} within {TIMEOUT_SECONDS:.0f} s; the page says: {self.text[:3000]}")
            time.sleep(0.1)
        return self.text

    def wait_for_node(self, text: str) -> None:
        """Return as soon as an element contains this text, also one in a frame that scripts of the page cannot read."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while text not in json.dumps(self.call("DOM.getDocument", depth=-1, pierce=True), ensure_ascii=False):
            if time.monotonic() > deadline:
                raise AssertionError(f"nowhere '{text}' within {TIMEOUT_SECONDS:.0f} s; the page says: {self.text[:3000]}")
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """Click the first element that matches a CSS selector, as soon as there is one."""
        self.wait_for(f"document.querySelector({json.dumps(selector)})", selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def save_screenshot(self, picture: Path) -> None:
        """Write what the tab shows as PNG."""
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


class Browser:
    """Chromium behind two pipes. `open_browser` makes it."""

    def __init__(self, to_browser: int, from_browser: int, local_storage: Mapping[str, str]) -> None:
        self._to_browser = to_browser
        self._local_storage = local_storage
        self._from_browser = from_browser
        self._buffer = b""
        self._last = 0

    def call(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> Any:
        """Send one command and return its result; events are skipped."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params or {}, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to_browser, data) :]
        while (response := self._read()).get("id") != self._last:
            pass
        assert "error" not in response, f"{method}: {response['error']}"
        return response["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from_browser], [], [], TIMEOUT_SECONDS)
            assert ready, f"Chromium has sent nothing for {TIMEOUT_SECONDS:.0f} s"
            chunk = os.read(self._from_browser, 1 << 16)
            assert chunk, "Chromium has ended"
            self._buffer += chunk
        first_message, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(first_message)
        return message

    @contextmanager
    def page(self, url: str, width: int = 1800, height: int = 1100) -> Generator[Page]:
        """A tab at this address, closed afterwards."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        page.call("Page.enable")
        for key, value in self._local_storage.items():
            script = f"window.localStorage.setItem({json.dumps(key)}, {json.dumps(value)})"
            page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        page.call("Page.navigate", url=url)
        try:
            yield page
        finally:
            self.call("Target.closeTarget", {"targetId": target})


@contextmanager
def open_browser(chromium: str, profile: Path, local_storage: Mapping[str, str] | None = None) -> Generator[Browser]:
    """Run a browser with a new profile; afterwards it is stopped with all its processes.

    Args:
        chromium: Its path.
        profile: An empty folder.
        local_storage: The local storage of every page.
    """
    browser_input, to_browser = os.pipe()
    from_browser, browser_output = os.pipe()
    # out of the way of 3 and 4, which they become in the new process
    pipe_ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (browser_input, browser_output)]
    log = os.open(profile / "log", os.O_WRONLY | os.O_CREAT, 0o600)
    process = os.posix_spawn(
        chromium,
        [chromium, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, pipe_ends[0], 3),
            (os.POSIX_SPAWN_DUP2, pipe_ends[1], 4),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ],
        setsid=True,
    )
    for end in (browser_input, browser_output, *pipe_ends, log):
        os.close(end)
    try:
        yield Browser(to_browser, from_browser, local_storage or {})
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(to_browser)
        os.close(from_browser)
