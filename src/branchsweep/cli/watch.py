"""The command that shows a running sweep in the browser."""

from __future__ import annotations

import signal
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from branchsweep.cli.options import TrackingUri
from branchsweep.cli.server import require_free_port
from branchsweep.errors import UserError
from branchsweep.reporting.text.literal_console import LiteralConsole

if TYPE_CHECKING:
    from branchsweep.config.addresses import Address
    from branchsweep.config.experiment import Experiment
    from branchsweep.reporting.live_server import LivePages
    from branchsweep.tracking.open import SweepReader
    from branchsweep.workflows.live_poller import LivePoller
    from branchsweep.workflows.records.live_sweep import LiveSweep


def watch(
    sweep: Annotated[str, typer.Argument(metavar="[SWEEP]", help="A sweep's name or run id; default: the newest.")] = "",
    tracking_uri: TrackingUri = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on, on this machine alone.")] = 5010,
    opens: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the page in a browser; default: in a terminal only.")
    ] = None,
) -> None:
    """Show a running sweep in the browser until Ctrl-C, from what is recorded of it; nothing is changed."""
    from branchsweep.reporting.live_server import ADDRESS, LiveServer
    from branchsweep.workflows.live_poller import LivePoller

    require_free_port(ADDRESS, port)
    reading = RecordedSweepReading.of(tracking_uri, sweep)
    console = LiteralConsole(stderr=True)
    with LivePoller(reading.read, reading.read()) as poller, LiveServer(port, reading.pages(poller)) as server:
        signal.signal(signal.SIGTERM, _interrupt)
        with suppress(KeyboardInterrupt):
            console.print(f"{server.url}  {reading.first.label}; Ctrl-C ends it", highlight=False, soft_wrap=True)
            if console.is_terminal if opens is None else opens:
                webbrowser.open(server.url)
            server.serve_forever()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@dataclass(frozen=True, slots=True)
class RecordedSweepReading:
    """Reads one recorded sweep again and again.

    Args:
        open_sweep: Opens its record anew.
        first: Its record as it was opened first.
        experiment: Its recorded experiment.
    """

    open_sweep: Callable[[], SweepReader]
    first: SweepReader
    experiment: Experiment

    @classmethod
    def of(cls, tracking_uri: Address | None, sweep: str) -> RecordedSweepReading:
        """The reading of the sweep that the user names.

        Raises:
            UserError: There is no such sweep, or its record cannot be read.
        """
        from branchsweep.config.yaml.recorded import parse_recorded_experiment
        from branchsweep.tracking.open import open_recorded_sweep

        first = open_recorded_sweep(tracking_uri, sweep)
        experiment = parse_recorded_experiment(first.yaml, first.label)
        return cls(lambda: open_recorded_sweep(tracking_uri, first.run_id), first, experiment)

    def read(self) -> LiveSweep:
        """The sweep as it is recorded now.

        Raises:
            UserError: The store does not answer, or a record cannot be read.
        """
        from branchsweep.workflows.records.live_sweep import live_sweep

        return live_sweep(self.open_sweep(), self.experiment)

    def report(self) -> bytes | None:
        """The report that is kept with the finished sweep; None where there is none, or the store does not answer."""
        from branchsweep.reporting.mlflow_descriptions import REPORT

        try:
            return self.open_sweep().artifact(REPORT)
        except UserError:
            return None

    def pages(self, poller: LivePoller) -> LivePages:
        """What the server answers with."""
        from branchsweep.config.codec import to_public_json
        from branchsweep.reporting.live_server import LivePages
        from branchsweep.reporting.pages.live_page import render_live_page
        from branchsweep.tracking.open import link

        links = self.first.links([])
        run_page = link(links.server, links.run)
        return LivePages(
            page=lambda nonce: render_live_page(poller.latest().sweep, run_page, nonce),
            progress=lambda: to_public_json(poller.latest()),
            report=self.report,
        )
