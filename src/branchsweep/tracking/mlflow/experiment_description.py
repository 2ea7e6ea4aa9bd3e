"""The description of an experiment in MLflow: its newest sweep, comparison and outer cross-validation, with links to them.

A plain `mlflow ui` opens an experiment on a page that lists no run. MLflow shows the first line of the description on top of
each of an experiment's pages, so the links to what is newest stand there.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities import Run

from branchsweep.tracking.mlflow.serialization.tags import DESCRIPTION, tag_name
from branchsweep.tracking.mlflow.store import tag_filter
from branchsweep.tracking.run_records import CROSS_VALIDATION
from branchsweep.tracking.ui_pages import charts_page, run_page, view_page

MARK = "*branchsweep renews this text with every sweep and comparison. To write your own, delete this line.*"
"""The last line of a description that is renewed."""

CHILDREN = {"sweep": "trials", "comparison": "contestants", CROSS_VALIDATION: "folds"}
"""What the runs below a run of each role are."""


def describe_experiment(client: MlflowClient, experiment_id: str) -> None:
    """Write the description of an experiment, unless a user has written one.

    Args:
        client: Of the store.
        experiment_id: The experiment.
    """
    present = client.get_experiment(experiment_id).tags.get(DESCRIPTION, "")
    if present and MARK not in present:
        return
    newest: dict[str, Run] = {}
    for role in CHILDREN:
        for run in client.search_runs([experiment_id], tag_filter("role", role), max_results=1, order_by=["start_time DESC"]):
            newest[role] = run
    text = description(experiment_id, newest)
    if text != present:
        client.set_experiment_tag(experiment_id, DESCRIPTION, text)


def description(experiment_id: str, newest: dict[str, Run]) -> str:
    """The text, as Markdown: a line for each run, the one that was started last in front.

    Args:
        experiment_id: The experiment.
        newest: The newest run of each role.
    """
    roles = sorted(newest, key=lambda role: -(newest[role].info.start_time or 0))
    return "\n\n".join([*(_line(experiment_id, role, newest[role]) for role in roles), MARK]) + "\n"


def _line(experiment_id: str, role: str, run: Run) -> str:
    """The title of a run and the links to its pages."""
    run_id, status = run.info.run_id, run.info.status
    links = [(f"the {role.replace('_', '-')}", run_page(experiment_id, run_id))]
    if view := run.data.tags.get(tag_name("view")):
        pages = (
            (f"its {CHILDREN[role]}, best first", view_page(experiment_id, view)),
            ("charts", charts_page(experiment_id, view)),
        )
        links = [*pages, *links]
    title = str(run.info.run_name).replace("_", "\\_") + {"RUNNING": " (running)", "KILLED": " (interrupted)"}.get(status, "")
    return f"{title}: {_joined(links)}"


def _joined(links: Sequence[tuple[str, str]]) -> str:
    return " · ".join(f"[{text}]({page})" for text, page in links)
