"""The command that serves MLflow's UI."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
import webbrowser
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from branchsweep.cli.options import TrackingUri
from branchsweep.config.addresses import Address
from branchsweep.errors import UserError
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.tracking.open import ListedComparison, ListedSweep

UNPRIVILEGED = 1024
"""The first port that needs no privileges."""

HIGHEST_PORT = 65535

MOST_PORTS = 100
"""Number of ports after an occupied one that are tried, to propose a free one."""


def ui(
    tracking_uri: TrackingUri = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 5000,
    opens: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open it in a browser; default: in a terminal only.")
    ] = None,
) -> None:
    """Serve MLflow's UI over this store until Ctrl-C, and open the newest sweep or comparison in it."""
    from branchsweep.tracking.open import prepare_pages, ui_command

    command, variables = ui_command(tracking_uri, host, port)
    require_free_port(host, port)
    links = _newest_pages(f"http://{host}:{port}", tracking_uri)
    width = max(len(what) for what, _ in links)
    console = LiteralConsole(stderr=True)
    prepare_pages(tracking_uri, lambda text: console.print(text, style="yellow", highlight=False, soft_wrap=True))
    console.print("MLflow starts in about ten seconds; Ctrl-C stops it", highlight=False, soft_wrap=True)
    for what, link in links:
        console.print(f"{what:{width}}  {link}".strip(), highlight=False, soft_wrap=True)
    if console.is_terminal if opens is None else opens:
        threading.Thread(target=_open_when_up, args=(host, port, links[0][1]), daemon=True).start()
    raise typer.Exit(_serve(command, {**os.environ, **variables}))


def _newest_pages(server: str, tracking_uri: Address | None) -> list[tuple[str, str]]:
    """What the pages of the newest sweep and of the newest comparison show, and their URLs; the newer of both comes first."""
    from branchsweep.tracking.open import list_comparisons, list_sweeps, run_pages

    newest: list[ListedSweep | ListedComparison] = [*list_sweeps(tracking_uri)[:1], *list_comparisons(tracking_uri)[:1]]
    newest.sort(key=lambda run: run.started, reverse=True)
    return [page for run in newest for page in run_pages(server, run)] or [("", server)]


def _open_when_up(host: str, port: int, link: str) -> None:
    """Open a browser as soon as the server answers."""
    import http.client

    while True:
        time.sleep(0.5)
        connection = http.client.HTTPConnection(host, port, timeout=5)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                webbrowser.open(link)
                return


def _serve(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a server until it ends or this process is interrupted, and end its child processes with it."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603  # our own command, a host and a port
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def require_free_port(host: str, port: int) -> None:
    """Check that the port is free: MLflow answers an occupied one with a traceback.

    Raises:
        UserError: If it cannot be used.
    """
    error = _port_error(host, port)
    if error is None:
        return
    nearby = range(max(port + 1, UNPRIVILEGED), min(port + MOST_PORTS, HIGHEST_PORT) + 1)
    free = next((other for other in nearby if _port_error(host, other) is None), None)
    remedy = f"--port {free} is free" if free else "choose another with --port, or another --host"
    raise UserError(f"got {port}, which cannot be used on {host} ({error.strerror}); {remedy}", "--port") from error


def _port_error(host: str, port: int) -> OSError | None:
    """The error of listening on this port; None if it is free."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error
    return None
