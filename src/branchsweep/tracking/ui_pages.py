"""MLflow's web pages over a store: the command that serves them, and the links to their parts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import quote

from branchsweep.config.addresses import Address
from branchsweep.errors import HIDDEN, TrackingError
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.protocols import TrackingLinks
from branchsweep.tracking.run_records import ListedComparison, ListedSweep, RunRecord
from branchsweep.tracking.tracking_uri import database_file, is_server, resolve_tracking_uri

SERVER_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Environment variables of a server that only shows sweeps: it starts in half the time, without eight processes for traces."""

LOCAL_SERVER = "http://127.0.0.1:5000"
"""Where `branchsweep ui` serves a store."""

CHARTS = "-charts"
"""Suffix of the key of the charts that belong to a view."""

TRAINING = "?workflowType=machine_learning"
"""Query string that opens MLflow's pages for model training: a link without it opens those for GenAI."""

MODELS = f"#/models{TRAINING}"
"""The page of the registered models."""


def ui_command(tracking_uri: Address | None, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """The command line of MLflow's server over this store, and the environment variables to be added.

    The store's address is among these: everybody on the machine can read a command line, and the address may hold a password.

    Raises:
        TrackingError: The store is a server already.
    """
    resolved = resolve_tracking_uri(tracking_uri)
    if is_server(resolved):
        raise TrackingError(f"{resolved} is a server already: open it in a browser")
    file = database_file(resolved)
    artifacts_options = ["--artifacts-destination", (file.parent / "mlruns").as_uri()] if file else []
    # -P: a file called mlflow.py in the working directory must not be taken for MLflow
    command = [
        sys.executable,
        "-P",
        "-m",
        "mlflow",
        "ui",
        *artifacts_options,
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    return command, {**SERVER_ENVIRONMENT, "MLFLOW_BACKEND_STORE_URI": resolved.with_secrets()}


def experiment_page(experiment_id: str) -> str:
    """The page that lists an experiment's runs."""
    return f"#/experiments/{quote(experiment_id)}/runs{TRAINING}"


def view_page(experiment_id: str, key: str) -> str:
    """The same page as a prepared view (`ui_views`) shows it."""
    return f"{experiment_page(experiment_id)}&viewStateShareKey={quote(key)}"


def charts_page(experiment_id: str, key: str) -> str:
    """The charts of a prepared view, beside the list of their runs."""
    return f"{view_page(experiment_id, key + CHARTS)}&compareRunsMode=CHART"


def run_page(experiment_id: str, run_id: str) -> str:
    """The page of a run: a sweep, or a trial."""
    return f"#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}{TRAINING}"


def file_page(experiment_id: str, run_id: str, file: str) -> str:
    """A file of a run, beside the list of its files."""
    return f"#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}/artifacts/{quote(file)}{TRAINING}"


def version_page(model: str, version: int) -> str:
    """The page of a registered model's version."""
    return f"#/models/{quote(model)}/versions/{version}{TRAINING}"


def link(server: str, page: str) -> str:
    """The full URL of a page."""
    return f"{server.rstrip('/')}/{page}"


def server_of(tracking_uri: Address) -> str:
    """The address of the server that shows a store's pages, without what is secret in it.

    Args:
        tracking_uri: In full, see `resolve_tracking_uri`.
    """
    if not is_server(tracking_uri):
        return LOCAL_SERVER
    return str(tracking_uri).replace(f"{HIDDEN}@", "").partition("?")[0]


def tracking_links(
    sweep: RunRecord, trials: Mapping[int, str], comparisons: Sequence[RunRecord], tracking_uri: Address
) -> TrackingLinks:
    """Links to a sweep's pages.

    Args:
        sweep: The sweep's run.
        trials: Runs of trials, by their numbers.
        comparisons: The comparisons of the store; those that are finished and on the sweep's table are linked.
        tracking_uri: The store, in full.
    """
    table = tag_name("data_digest")
    related = [run for run in comparisons if run.status == "FINISHED" and run.tags.get(table) == sweep.tags.get(table)]
    return TrackingLinks(
        trials={number: run_page(sweep.experiment_id, run) for number, run in trials.items()},
        table=view_page(sweep.experiment_id, sweep.run_id),
        charts=charts_page(sweep.experiment_id, sweep.run_id),
        models=MODELS,
        file=partial(file_page, sweep.experiment_id, sweep.run_id),
        version=version_page,
        run=run_page(sweep.experiment_id, sweep.run_id),
        comparisons={run.name: run_page(run.experiment_id, run.run_id) for run in reversed(related)},
        server=server_of(tracking_uri),
    )


def run_pages(server: str, run: ListedSweep | ListedComparison) -> list[tuple[str, str]]:
    """What the pages of a sweep or a comparison show, and their URLs; the first is the one to open.

    Args:
        server: URL of the server.
        run: The sweep or comparison.
    """
    role, children = ("sweep", "trials") if isinstance(run, ListedSweep) else ("comparison", "contestants")
    views = [("best first", view_page), ("as charts", charts_page)] if run.view else []
    pages = [(f"{role} {run.name}: its {children}, {shown}", page(run.experiment_id, run.view)) for shown, page in views]
    pages.append((f"{role} {run.name}: its page", run_page(run.experiment_id, run.run_id)))
    return [(what, link(server, page)) for what, page in pages]
