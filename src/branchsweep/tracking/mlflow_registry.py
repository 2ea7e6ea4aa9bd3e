"""The registry: models with their versions in MLflow, who reigns among them, and how they are read back.

Who reigns is an alias, `champion`, and moving it is the last thing of a crowning that a reader could miss. Beside it
`challenger` says who came last and was not crowned or was rolled back, and `previous` whom a rollback brings back; who reigned
before is noted on the model (`branchsweep.reigned`, see `succession`).

MLflow cannot move an alias on condition that it stands where one thinks. So the title is looked at once more right before, by
one process at a time where the store is a file, and once more right after.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from branchsweep.config.objective import MEAN_METRIC
from branchsweep.errors import TrackingError
from branchsweep.tracking import champion_history, serialization
from branchsweep.tracking.champion_history import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ChampionHistory,
    ChampionTenure,
    RegisteredVersion,
    RollbackResult,
)
from branchsweep.tracking.mlflow_model import NETWORK, model_location, no_such_model, save_model
from branchsweep.tracking.mlflow_store import (
    connect,
    is_absent,
    now_in_milliseconds,
    store_lock,
    translate_errors,
)
from branchsweep.tracking.protocols import Champion, ModelCandidate, PromotionDecision
from branchsweep.tracking.serialization import tag_name
from branchsweep.tracking.tracking_uri import resolve_tracking_uri

if TYPE_CHECKING:
    pass

CARD = "MODEL_CARD.md"
"""The candidate's file that is its version's description too."""

LONGEST_DESCRIPTION = 5000
"""Characters of a description, and of a registered model's tag, in MLflow's database."""


class MlflowRegistry:
    """The registry of one store. Made by `open_registry`.

    Args:
        client: Of the store.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._uri = str(client.tracking_uri)

    def champion(self, model: str) -> Champion | None:
        """Who holds the title under this name, or None. Of a version that others gave it to, value and digests are unknown."""
        with translate_errors(self._uri, f"asking for the champion of '{model}'"):
            try:
                return _champion(self._client.get_model_version_by_alias(model, CHAMPION))
            except MlflowException as error:
                if self._is_unknown(model, error):
                    return None
                raise

    def crown(self, candidate: ModelCandidate, verdict: PromotionDecision, sweep: Run, experiment: str) -> Champion:
        """Register the candidate as a new version, and give it the title if the verdict says so.

        Args:
            candidate: The model. Its files lie beside MLflow's in the logged model, its card is the description too.
            verdict: What was decided.
            sweep: The run that the model is of.
            experiment: The sweep's experiment as YAML.

        Raises:
            TrackingError: The store did not take it, or the title is another one's by now than the one that the verdict was
                decided against.
        """
        with translate_errors(self._uri, f"registering '{candidate.model}'"):
            texts = champion_history.kept_files(candidate, verdict, experiment)
            model_id, location = self._log_model(candidate, sweep, texts)
            metrics = [
                Metric(name, value, now_in_milliseconds(), 0, model_id=model_id)
                for name, value in candidate.test.items()
                if math.isfinite(value)
            ]
            self._client.log_batch(sweep.info.run_id, metrics)
            number = self._register(candidate, verdict, sweep.info.run_id, location, model_id)
            if verdict.crown:
                self._enthrone(candidate.model, number, verdict)
            else:
                self._client.set_registered_model_alias(candidate.model, CHALLENGER, str(number))
            return _champion(self._client.get_model_version(candidate.model, str(number)))

    def rollback(self, model: str) -> RollbackResult:
        """Give the title back to whom the champion took it from; the champion becomes the challenger.

        One more rollback goes one further back.

        Raises:
            TrackingError: There is no such model, it has no champion, or nobody reigned before.
        """
        with translate_errors(self._uri, f"rolling '{model}' back"), store_lock(self._uri):
            registered = self._named(model)
            aliases = {alias: int(number) for alias, number in registered.aliases.items()}
            versions = self._versions(model)
            reigning, target = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if reigning is None:
                raise TrackingError(f"nobody holds the title of '{model}', so there is nothing to roll back")
            reigns = _reigns(registered, versions)
            if target in {None, reigning}:  # of a store from before there was this alias, or killed in the middle of a crowning
                target = champion_history.predecessor(reigns, {int(one.version) for one in versions})
            if target is None:
                raise TrackingError(f"nobody reigned before version {reigning} of '{model}', so there is nothing to go back to")
            self._client.set_registered_model_alias(model, CHALLENGER, str(reigning))
            self._client.set_registered_model_alias(model, CHAMPION, str(target))
            reigns = champion_history.with_new_tenure(
                reigns, target, champion_history.utc_now(), f"rolled back from version {reigning}"
            )
            self._note(model, reigns)
            before = champion_history.predecessor(reigns, {int(one.version) for one in versions})
            if before is not None:
                self._client.set_registered_model_alias(model, PREVIOUS, str(before))
            elif PREVIOUS in aliases:
                self._client.delete_registered_model_alias(model, PREVIOUS)
            return RollbackResult(model, restored=target, deposed=reigning, previous=before)

    def chronicle(self, model: str) -> ChampionHistory:
        """The versions of a model, and who reigned when and why.

        Raises:
            TrackingError: There is no such model.
        """
        with translate_errors(self._uri, f"reading the history of '{model}'"):
            registered, versions = self._named(model), self._versions(model)
            titles: dict[int, list[str]] = {}
            for alias, number in sorted(registered.aliases.items()):
                titles.setdefault(int(number), []).append(alias)
            told = [_told(one, titles.get(int(one.version), [])) for one in reversed(versions)]
            return ChampionHistory(model, told, _reigns(registered, versions))

    @contextmanager
    def files(self, model: str, number: int) -> Iterator[Path]:
        """A local folder with what was registered as this version, for as long as it is open.

        Raises:
            TrackingError: There is no such model or version.
        """
        with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
            with translate_errors(self._uri, f"fetching version {number} of '{model}'"):
                location = model_location(self._client, f"models:/{model}/{number}", self._uri)
                fetched = Path(
                    mlflow.artifacts.download_artifacts(
                        artifact_uri=location, dst_path=folder, tracking_uri=self._uri, registry_uri=self._uri
                    )
                )
                for file in list((fetched / "data" / NETWORK).iterdir()):
                    file.rename(fetched / file.name)
            yield fetched

    def _log_model(self, candidate: ModelCandidate, sweep: Run, texts: Mapping[str, str]) -> tuple[str, str]:
        """The candidate as a logged model of this sweep: its id, and where its files lie.

        These are the steps of `mlflow.pyfunc.log_model`, which would take them at the global address.
        """
        run_id = sweep.info.run_id
        logged = self._client.create_logged_model(
            sweep.info.experiment_id,
            candidate.model,
            run_id,
            params=serialization.readable_params(candidate.result.trial),
            model_type="branched network",
        )
        description = Model(
            artifact_path=logged.artifact_location, run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id
        )
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model"
            save_model(candidate.folder, target, description)
            for name, text in texts.items():
                assert not (target / name).exists(), f"{name} is MLflow's"
                (target / name).write_text(text, encoding="utf-8")
            self._client.log_model_artifacts(logged.model_id, str(target))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        return logged.model_id, logged.artifact_location

    def _register(
        self, candidate: ModelCandidate, verdict: PromotionDecision, run_id: str, location: str, model_id: str
    ) -> int:
        """A new version, not crowned yet; its number."""
        model = candidate.model
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        registered = self._client.create_model_version(
            model,
            location,
            run_id,
            _version_tags(candidate, verdict, run_id),
            description=_description(verdict.because, candidate.files.get(CARD, "")),
            model_id=model_id,
        )
        link = [{"name": model, "version": str(registered.version)}]  # what the logged model's page shows
        self._client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(link)})
        return int(registered.version)

    def _enthrone(self, model: str, number: int, verdict: PromotionDecision) -> None:
        """Give the title to this version, unless it is another one's than the verdict says."""
        with store_lock(self._uri):
            reigning = self.champion(model)
            if verdict.against is not None and verdict.against != (reigning.version if reigning else 0):
                self._lose(model, number, reigning, verdict.against)
            registered = self._named(model)
            reigns = _reigns(registered, self._versions(model))
            self._client.set_model_version_tag(model, str(number), tag_name("crowned"), "true")
            if reigning:
                self._client.set_registered_model_alias(model, PREVIOUS, str(reigning.version))
            self._client.set_registered_model_alias(model, CHAMPION, str(number))
            winner = self.champion(model)
            if winner is None or winner.version != number:  # where there is no lock, somebody may have come in between
                self._lose(model, number, winner, reigning.version if reigning else 0)
            self._note(model, champion_history.with_new_tenure(reigns, number, champion_history.utc_now(), verdict.because))

    def _lose(self, model: str, number: int, winner: Champion | None, against: int) -> None:
        self._client.set_model_version_tag(model, str(number), tag_name("crowned"), "false")
        self._client.set_registered_model_alias(model, CHALLENGER, str(number))
        raise TrackingError(champion_history.lost_race_message(model, number, winner, against))

    def _note(self, model: str, reigns: Sequence[ChampionTenure]) -> None:
        for name, piece in serialization.split_tag(
            tag_name("reigned"), champion_history.dumps(reigns), LONGEST_DESCRIPTION
        ).items():
            self._client.set_registered_model_tag(model, name, piece)

    def _named(self, model: str) -> RegisteredModel:
        try:
            return self._client.get_registered_model(model)
        except MlflowException as error:
            if self._is_unknown(model, error):
                raise no_such_model(model, self._client, self._uri) from error
            raise

    def _is_unknown(self, model: str, error: MlflowException) -> bool:
        """Whether MLflow says that there is none; a server with passwords says of such a model that one may not read it."""
        is_forbidden = error.error_code == "PERMISSION_DENIED"
        return is_absent(error) or (is_forbidden and not self._client.search_registered_models(f"name = '{model}'"))

    def _versions(self, model: str) -> list[ModelVersion]:
        """In order of their numbers."""
        return sorted(self._client.search_model_versions(f"name = '{model}'"), key=lambda one: int(one.version))


def open_registry(tracking_uri: str | None = None) -> MlflowRegistry:
    """The registry of a store that is there.

    Raises:
        TrackingError: There is no store at the address.
    """
    return MlflowRegistry(connect(resolve_tracking_uri(tracking_uri), create=False))


def _version_tags(candidate: ModelCandidate, verdict: PromotionDecision, sweep: str) -> dict[str, str]:
    words = {
        "sweep": sweep,
        "trial": str(candidate.result.trial.number),
        "params": serialization.exact_params(candidate.result.trial),
        "value": repr(candidate.value),
        "rule": candidate.rule,
        "data_digest": candidate.data_digest,
        "split_digest": candidate.split_digest,
        "because": verdict.because,
        "crowned": "false",  # until it is
        **{name: repr(value) for name, value in candidate.test.items()},
    }
    evidence = json.dumps(dict(verdict.evidence))
    if verdict.evidence and len(evidence) <= serialization.LONGEST_TAG:  # more is in evidence.json alone
        words["evidence"] = evidence
    return {
        name: piece for word, value in words.items() for name, piece in serialization.split_tag(tag_name(word), value).items()
    }


def _description(because: str, card: str) -> str:
    """What the version's page says first: why it has the title or not, and the model's card where both fit."""
    whole = f"{because}\n\n{card}".strip()
    return whole if len(whole) <= LONGEST_DESCRIPTION else because[:LONGEST_DESCRIPTION]


def _champion(registered: ModelVersion) -> Champion:
    tags = serialization.from_tags(registered.tags)
    return Champion(
        model=registered.name,
        version=int(registered.version),
        value=float(tags.get("value", "nan")),
        rule=tags.get("rule", MEAN_METRIC),
        data_digest=tags.get("data_digest", ""),
        split_digest=tags.get("split_digest", ""),
        sweep=tags.get("sweep", ""),
        trial=int(tags.get("trial", "-1")),
        because=tags.get("because", ""),
        params=json.loads(tags.get("params", "{}")),
    )


def _told(registered: ModelVersion, titles: Sequence[str]) -> RegisteredVersion:
    one = _champion(registered)
    figures = serialization.from_tags(registered.tags).items()
    return RegisteredVersion(
        version=one.version,
        titles=titles,
        registered=_created(registered),
        sweep=one.sweep,
        trial=one.trial,
        value=one.value,
        rule=one.rule,
        test={name: float(figure) for name, figure in figures if name.startswith("test_")},
        because=one.because,
    )


def _created(registered: ModelVersion) -> str:
    return datetime.fromtimestamp(registered.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")


def _reigns(registered: RegisteredModel, versions: Sequence[ModelVersion]) -> list[ChampionTenure]:
    """Who reigned, of what is noted and of what aliases and versions say."""
    noted = champion_history.loads(serialization.from_tags(registered.tags).get("reigned", "[]"))
    crowned = [
        ChampionTenure(int(one.version), _created(one), None, one.tags.get(tag_name("because"), ""))
        for one in versions
        if one.tags.get(tag_name("crowned")) == "true"
    ]
    holder = registered.aliases.get(CHAMPION)
    return champion_history.reconciled(noted, crowned, None if holder is None else int(holder))
