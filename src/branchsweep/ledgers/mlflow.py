"""The ledger that people look at: sweeps and trials as runs in MLflow, champions in its registry.

An experiment in MLflow has the name of ours. In it stands one **parent run** per sweep (what was asked, of which data; the best
so far as metrics that grow; in the end the summary), and below it one **child run** per trial, written in three calls:
created with all its tags, filled in one batch, ended. Only a run that was ended counts; what a killed process left half
written is deleted when the sweep goes on.

The way to the store is `store`'s, and the registry has a module of its own.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from branchsweep.errors import LedgerError, did_you_mean
from branchsweep.experiment import Objective
from branchsweep.ledgers import address, spelling
from branchsweep.ledgers.history import History
from branchsweep.ledgers.registry import Registry
from branchsweep.ledgers.spelling import Point, tag
from branchsweep.ledgers.store import connect, experiments, has, now, search, translated
from branchsweep.roles import Candidate, Champion, Conclusion, SweepRecord, Verdict
from branchsweep.trial import Result, Status


class MlflowLedger:
    """Plays `roles.Ledger` over an MLflow store. Made by `open` (to write) and `open_existing` (to read).

    Args:
        client: Of the store.
        parent: The sweep's run.
        sweep: What was written down when the sweep began.
        is_resumed: Whether the sweep stood in the store before.
    """

    def __init__(self, client: MlflowClient, parent: Run, sweep: SweepRecord, is_resumed: bool) -> None:
        self._client = client
        self._registry = Registry(client)
        self._parent = parent
        self._sweep = sweep
        self._is_resumed = is_resumed
        self._is_open = not is_resumed
        self._history = None if is_resumed else History(sweep.objective)
        self._conclusion = _conclusion(parent) if is_resumed else None

    @classmethod
    def open(cls, record: SweepRecord, tracking_uri: str | None = None, fresh: bool = False) -> MlflowLedger:
        """The sweep of this key goes on if the store has it, whether it was killed or finished; else it begins.

        Args:
            record: What is written down about the sweep.
            tracking_uri: Where; see `address.resolve`. A sqlite file that does not exist is made, in a few seconds.
            fresh: Begin a new sweep in any case.

        Raises:
            LedgerError: The address is none, nobody answers there, or what answers is not a store that can be used.
        """
        uri = address.resolve(tracking_uri)
        client = connect(uri, create=True)
        with translated(uri, "opening the sweep"):
            experiment_id = _experiment(client, record.name, address.artifacts(uri, record.name))
            parent = None if fresh else _newest(client, experiment_id, record.key)
            if parent is not None:
                _forget_half_written(client, experiment_id, parent.info.run_id)
                return cls(client, parent, record, is_resumed=True)
            parent = client.create_run(experiment_id, tags=_parent_tags(record), run_name=record.name)
            client.log_text(parent.info.run_id, record.yaml, "experiment.yaml")
            return cls(client, parent, record, is_resumed=False)

    @property
    def run_id(self) -> str:
        """The parent run."""
        return str(self._parent.info.run_id)

    @property
    def experiment_id(self) -> str:
        """The experiment in MLflow."""
        return str(self._parent.info.experiment_id)

    @property
    def tracking_uri(self) -> str:
        """The store's address in full."""
        return str(self._client.tracking_uri)

    @property
    def sweep(self) -> SweepRecord:
        """What was written down when the sweep began."""
        return self._sweep

    @property
    def is_resumed(self) -> bool:
        """Whether the sweep stood in the store before."""
        return self._is_resumed

    @property
    def conclusion(self) -> Conclusion | None:
        """The parent run's metrics and our tags on it; None for a sweep that has not come to its end."""
        return self._conclusion

    def record(self, results: Sequence[Result]) -> None:
        """Write each trial that does not stand there yet as a child run, and then the progress on the parent, once.

        Raises:
            LedgerError: The store did not take it, or holds a trial of this number with other params.
        """
        history = self._read() if self._history is None else self._history
        fresh = history.unrecorded(results)
        if not fresh:
            return
        with translated(self.tracking_uri, f"recording trial {fresh[0].trial.number}"):
            self._reopen()
            for result in fresh:
                self._write(result)
                history.add(result)
            self._log(self.run_id, [Point(name, value, len(history)) for name, value in history.figures.items()])

    def recall(self) -> list[Result]:
        """Every recorded result, in order of the trials' numbers. The learning curves stay in the store.

        Raises:
            LedgerError: The store did not answer, or holds something unexpected.
        """
        with translated(self.tracking_uri, "reading the sweep"):
            heads = list(self._sweep.heads)
            results: dict[int, Result] = {}
            for run in search(self._client, [self.experiment_id], f"{_below(self.run_id)} AND status != 'RUNNING'"):
                result = spelling.result(run.data.tags, run.data.metrics, heads)
                results.setdefault(result.trial.number, result)
        self._history = History(self._sweep.objective, results.values())
        return [results[number] for number in sorted(results)]

    def conclude(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Write the sweep's last figures, tags and text artifacts, and close it.

        A tag `mlflow.note.content` is the Markdown that the run's page shows.

        Raises:
            LedgerError: The store did not take it.
        """
        history = self._read() if self._history is None else self._history
        with translated(self.tracking_uri, "concluding the sweep"):
            self._reopen()
            _forget_half_written(self._client, self.experiment_id, self.run_id)  # a request that was sent twice leaves one
            for name, text in files.items():
                self._client.log_text(self.run_id, text, name)
            spelt = _spelt(tags)
            stale = {name: "" for name in self._parent.data.tags if name.partition(":")[0] in spelt and name not in spelt}
            points = [Point(name, value, len(history)) for name, value in history.figures.items()]
            points += [Point(name, value) for name, value in metrics.items()]
            self._log(self.run_id, points, tags=spelt | stale)
            self._client.set_terminated(self.run_id, "FINISHED")
            self._parent = self._client.get_run(self.run_id)
            self._is_open, self._conclusion = False, _conclusion(self._parent)

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None. Of a version that others gave it to, value and digests are unknown."""
        return self._registry.champion(model)

    def crown(self, candidate: Candidate, verdict: Verdict) -> Champion:
        """Register the candidate as a new version, and move the alias to it, last of all, if the verdict says so.

        Raises:
            LedgerError: The store did not take it, or the title went to another one meanwhile.
        """
        return self._registry.crown(candidate, verdict, self._parent, self._sweep.yaml)

    def files(self, model: str, version: int) -> AbstractContextManager[Path]:
        """A local folder with what was registered as this version, for as long as it is open.

        Raises:
            LedgerError: There is no such model or version.
        """
        return self._registry.files(model, version)

    def meet(self, who: str) -> None:
        """Note on the sweep's run that a model has met its test rows, once of each name.

        Raises:
            LedgerError: The store did not take it.
        """
        with translated(self.tracking_uri, "noting who met the test rows"):
            met = _met(self._client.get_run(self.run_id))
            if all(meeting["who"] != who for meeting in met):
                met.append({"who": who, "when": datetime.now(UTC).isoformat(timespec="seconds")})
                self._log(self.run_id, [], tags=_spelt({"meetings": json.dumps(met)}))

    def meetings(self, test_digest: str) -> int:
        """How many models have met these test rows, over all sweeps of the store. Deleted ones have met them too.

        Raises:
            LedgerError: The store did not answer.
        """
        with translated(self.tracking_uri, "counting who met the test rows"):
            everywhere = experiments(self._client, ViewType.ALL)
            query = f"{has('role', 'sweep')} AND {has('test_digest', test_digest)}"
            return sum(len(_met(run)) for run in search(self._client, everywhere, query, view=ViewType.ALL))

    def _read(self) -> History:
        self.recall()
        assert self._history is not None
        return self._history

    def _reopen(self) -> None:
        """A sweep that goes on is running again, and was last run as it is now."""
        if self._is_open:
            return
        self._client.update_run(self.run_id, status="RUNNING")
        self._log(self.run_id, [], tags=_parent_tags(self._sweep))
        self._client.log_text(self.run_id, self._sweep.yaml, "experiment.yaml")
        self._is_open, self._conclusion = True, None

    def _write(self, result: Result) -> None:
        began = now()
        tags = spelling.tags(result, self.run_id)
        run = self._client.create_run(self.experiment_id, began, tags, spelling.run_name(result))
        self._log(run.info.run_id, spelling.points(result.score), params=spelling.params(result.trial))
        ended = began + round(1000 * result.score.seconds)  # so that MLflow's "duration" is the trial's
        failed = result.score.status is Status.FAILED
        self._client.set_terminated(run.info.run_id, "FAILED" if failed else "FINISHED", ended)

    def _log(
        self,
        run_id: str,
        points: Sequence[Point],
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        moment = now()
        self._client.log_batch(
            run_id,
            [Metric(name, value, moment, step) for name, value, step in points if math.isfinite(value)],
            [Param(name, value) for name, value in (params or {}).items()],
            [RunTag(name, value) for name, value in (tags or {}).items()],
        )


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """One sweep in a list of sweeps.

    Args:
        run_id: The parent run.
        experiment_id: The experiment in MLflow.
        name: The experiment's name.
        started: When it was first begun.
        status: `RUNNING` (also if it was killed), `FINISHED`, ….
        trials: How many trials are `complete`, `pruned` and `failed`.
        best: The best R² so far, by head, and `mean`.
        data: Where its table came from.
    """

    run_id: str
    experiment_id: str
    name: str
    started: datetime
    status: str
    trials: Mapping[str, int]
    best: Mapping[str, float]
    data: str


def list_sweeps(tracking_uri: str | None = None) -> list[SweepSummary]:
    """All sweeps of a store, the newest first.

    Raises:
        LedgerError: There is no store at the address.
    """
    uri = address.resolve(tracking_uri)
    client = connect(uri, create=False)
    with translated(uri, "listing the sweeps"):
        return [_summary(run) for run in _sweeps(client)]


def open_existing(tracking_uri: str | None, sweep: str = "") -> MlflowLedger:
    """A sweep that stands in the store, to read from it.

    Args:
        tracking_uri: The store; see `address.resolve`.
        sweep: Its run id, the beginning of that, or a name, which means the newest of that name. Empty: the newest of all.

    Raises:
        LedgerError: There is no such sweep, or more than one.
    """
    uri = address.resolve(tracking_uri)
    client = connect(uri, create=False)
    with translated(uri, "looking for the sweep"):
        parents = _sweeps(client)
        parent = _chosen(parents, sweep, uri)
        return MlflowLedger(client, parent, _sweep_record(client, parent), is_resumed=True)


def open_trial(tracking_uri: str | None, run: str) -> tuple[MlflowLedger, int]:
    """The sweep of a trial, to read from it, and the trial's number.

    Args:
        tracking_uri: The store; see `address.resolve`.
        run: The trial's run id, or the beginning of that.

    Raises:
        LedgerError: There is no such trial, or more than one.
    """
    uri = address.resolve(tracking_uri)
    client = connect(uri, create=False)
    with translated(uri, "looking for the trial"):
        parents = _sweeps(client)
        found = _trials(client, run)
        if len(found) != 1:
            raise LedgerError(_no_such_trial(run, found, parents))
        tags = found[0].data.tags
        parent = _chosen(parents, tags[tag("sweep")], uri)
        return MlflowLedger(client, parent, _sweep_record(client, parent), is_resumed=True), int(tags[tag("trial")])


def _experiment(client: MlflowClient, name: str, location: str | None) -> str:
    """The id of the experiment of this name, made if it is not there."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            # of two views that MLflow has of an experiment, the one for models
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return str(client.create_experiment(name, artifact_location=location, tags=kind))
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process may have been faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise LedgerError(
            f"MLflow's experiment '{name}' was deleted: restore it (mlflow experiments restore -x {experiment.experiment_id}), "
            "or give yours another name"
        )
    return str(experiment.experiment_id)


def _newest(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The parent run of the newest sweep of this key."""
    runs = client.search_runs(
        [experiment_id], f"{has('role', 'sweep')} AND {has('key', key)}", max_results=1, order_by=["start_time DESC"]
    )
    return runs[0] if runs else None


def _forget_half_written(client: MlflowClient, experiment_id: str, parent: str) -> None:
    """Delete runs of trials that were not written to their end: killed in the middle, such a trial is trained again."""
    for run in list(search(client, [experiment_id], f"{_below(parent)} AND status = 'RUNNING'")):
        client.delete_run(run.info.run_id)


def _sweeps(client: MlflowClient) -> list[Run]:
    return list(search(client, experiments(client), has("role", "sweep"), "start_time DESC"))


def _met(run: Run) -> list[dict[str, str]]:
    """Who has met the test rows in a sweep, and when."""
    met: list[dict[str, str]] = json.loads(spelling.joined(run.data.tags).get("meetings", "[]"))
    return met


def _below(parent: str) -> str:
    return has("sweep", parent)


def _parent_tags(record: SweepRecord) -> dict[str, str]:
    commit = record.tags.get("git_commit")
    own = {
        "role": "sweep",
        "key": record.key,
        "question": record.question,
        "heads": json.dumps(dict(record.heads)),
        "objective": record.objective.model_dump_json(exclude_defaults=True),
    }
    mlflows = {
        "mlflow.source.name": "branchsweep",
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **({"mlflow.note.content": record.question} if record.question else {}),
    }
    return mlflows | _spelt({**record.tags, **own})


def _spelt(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: piece for key, value in tags.items() for name, piece in spelling.split(tag(key), value).items()}


def _conclusion(parent: Run) -> Conclusion | None:
    if parent.info.status != "FINISHED":
        return None
    return Conclusion(metrics=dict(parent.data.metrics), tags=spelling.joined(parent.data.tags))


def _trials(client: MlflowClient, beginning: str) -> list[Run]:
    """The runs of trials that were written to their end and whose ids begin so."""
    if not re.fullmatch("[0-9a-f]+", beginning):  # what else there is might mean something in a query
        return []
    query = f"{has('role', 'trial')} AND attributes.run_id LIKE '{beginning}%' AND status != 'RUNNING'"
    return list(search(client, experiments(client), query))


def _no_such_trial(run: str, found: Sequence[Run], parents: Sequence[Run]) -> str:
    """Why these are not one trial, and what to write instead."""
    if found:
        known = ", ".join(f"{one.info.run_id[:12]} (trial {one.data.tags[tag('trial')]})" for one in found[:10])
        return f"got run '{run}', which begins the ids of several trials: {known}; write more letters"
    names = [str(parent.info.run_name) for parent in parents]
    if run and any(run == str(one.info.run_name) or one.info.run_id.startswith(run) for one in parents):
        return f"got run '{run}', which is a sweep; say which of its trials is meant (--trial NUMBER)"
    hint = did_you_mean(run, names)
    return f"got run '{run}', expected the run id of a trial, or a sweep and --trial NUMBER{hint}"


def _summary(parent: Run) -> SweepSummary:
    metrics = parent.data.metrics
    return SweepSummary(
        run_id=parent.info.run_id,
        experiment_id=parent.info.experiment_id,
        name=str(parent.info.run_name),
        started=datetime.fromtimestamp(parent.info.start_time / 1000, UTC),
        status=parent.info.status,
        trials={status.lower(): int(metrics.get(f"trials/{status.lower()}", 0)) for status in Status},
        best={name.partition("/")[2]: value for name, value in metrics.items() if name.startswith("best_r2/")},
        data=parent.data.tags.get(tag("data_source"), ""),
    )


def _chosen(parents: Sequence[Run], sweep: str, uri: str) -> Run:
    """The parent run that `sweep` names, of those that there are, the newest first."""
    if not parents:
        raise LedgerError(f"there is no sweep in {address.shown(uri)}: run one first, or name another store (--tracking-uri)")
    by_name = [parent for parent in parents if sweep in ("", parent.info.run_name)]
    if by_name:
        return by_name[0]
    by_id = [parent for parent in parents if parent.info.run_id.startswith(sweep)]
    if len(by_id) == 1:
        return by_id[0]
    known = ", ".join(f"{parent.info.run_name} ({parent.info.run_id[:8]})" for parent in (by_id or parents)[:10])
    if by_id:
        raise LedgerError(f"got sweep '{sweep}', which begins the ids of several: {known}; write one more letter")
    hint = did_you_mean(sweep, [str(parent.info.run_name) for parent in parents])
    raise LedgerError(f"got sweep '{sweep}', expected a name or a run id; there are {known}{hint}")


def _sweep_record(client: MlflowClient, parent: Run) -> SweepRecord:
    """What was written down when the sweep began, read back."""
    tags = spelling.joined(parent.data.tags)
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(parent.info.run_id, "experiment.yaml", folder)
        yaml = Path(path).read_text(encoding="utf-8")
    own = ("role", "key", "question", "heads", "objective")
    return SweepRecord(
        name=str(parent.info.run_name),
        key=tags["key"],
        question=tags.get("question", ""),
        yaml=yaml,
        heads=json.loads(tags["heads"]),
        objective=Objective.model_validate_json(tags.get("objective", "{}")),
        tags={name: value for name, value in tags.items() if name not in own},
    )
