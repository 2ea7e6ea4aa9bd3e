"""The registry in MLflow: registered models with their versions, and the champion among them.

The champion is the version with the alias `champion`, and the alias moves last when a version is promoted. The alias
`challenger` is on the version that was registered last without being promoted, or that was rolled back; `previous` is on the
version that a rollback would restore. Earlier champions are recorded on the registered model (`champion_history`).

MLflow cannot move an alias on the condition that it is where the caller expects it. So the champion is read once more right
before, by one process at a time where the store is a file, and once more right after.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from branchsweep.config.codec import from_json, to_json
from branchsweep.errors import TrackingError
from branchsweep.tracking import champion_history
from branchsweep.tracking.champion_history import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ChampionHistory,
    ChampionTenure,
    RegisteredVersion,
    RollbackResult,
)
from branchsweep.tracking.mlflow import serialization
from branchsweep.tracking.mlflow.model import NETWORK, model_location, no_such_model, save_model
from branchsweep.tracking.mlflow.serialization import tag_name
from branchsweep.tracking.mlflow.store import connect, is_absent, now_in_milliseconds, store_lock, translate_errors
from branchsweep.tracking.mlflow.version_serialization import champion_from_tags, registered_version, version_tags
from branchsweep.tracking.protocols import Champion, ModelCandidate, PromotionDecision
from branchsweep.tracking.tracking_uri import resolve_tracking_uri

CARD = "MODEL_CARD.md"
"""The file of a candidate that is also the description of its version."""

LONGEST_DESCRIPTION = 5000
"""Characters of a description, and of a registered model's tag, in MLflow's database."""


class MlflowRegistry:
    """A `Registry` in MLflow. Made by `open_registry`, or from the client of a tracker.

    Args:
        client: Of the store.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def champion(self, model: str) -> Champion | None:
        """The champion of this registered model, or None.

        Of a version that was not registered by branchsweep, value and digests are unknown.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, f"asking for the champion of '{model}'"):
            try:
                return _champion(self._client.get_model_version_by_alias(model, CHAMPION))
            except MlflowException as error:
                if self._is_unknown(model, error):
                    return None
                raise

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        """Register the candidate as a new version, and make it the champion if the decision says so.

        The candidate's files are kept with MLflow's in the logged model; its model card is the version's description too.

        Raises:
            TrackingError: The store refused it, or another version is champion by now than the one that was decided against.
        """
        with translate_errors(self._uri, f"registering '{candidate.model}'"):
            model_id, location = self._log_model(candidate, champion_history.version_files(candidate, decision))
            metrics = [
                Metric(name, value, now_in_milliseconds(), 0, model_id=model_id)
                for name, value in candidate.test.items()
                if math.isfinite(value)
            ]
            self._client.log_batch(candidate.sweep, metrics)
            version = self._create_version(candidate, decision, location, model_id)
            if decision.promote:
                self._set_champion_alias(candidate.model, version, decision)
            else:
                self._client.set_registered_model_alias(candidate.model, CHALLENGER, str(version))
            return _champion(self._client.get_model_version(candidate.model, str(version)))

    def rollback(self, model: str) -> RollbackResult:
        """Make the previous champion the champion again; the present one becomes the challenger.

        A second rollback goes back one more version.

        Raises:
            TrackingError: There is no such model, it has no champion, or no earlier one.
        """
        with translate_errors(self._uri, f"rolling '{model}' back"), store_lock(self._uri):
            registered, versions = self._registered_model(model), self._versions(model)
            aliases = {alias: int(number) for alias, number in registered.aliases.items()}
            champion, target = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if champion is None:
                raise TrackingError(f"'{model}' has no champion, so there is nothing to roll back")
            existing = {int(version.version) for version in versions}
            tenures = _tenures(registered, versions)
            if target in {None, champion}:  # of a store that was older than this alias, or killed in a promotion
                target = champion_history.predecessor(tenures, existing)
            if target is None:
                raise TrackingError(f"'{model}' had no champion before version {champion}, so there is nothing to go back to")
            self._client.set_registered_model_alias(model, CHALLENGER, str(champion))
            self._client.set_registered_model_alias(model, CHAMPION, str(target))
            reason = f"rolled back from version {champion}"
            tenures = champion_history.with_new_tenure(tenures, target, champion_history.utc_now(), reason)
            self._write_tenures(model, tenures)
            before = champion_history.predecessor(tenures, existing)
            if before is not None:
                self._client.set_registered_model_alias(model, PREVIOUS, str(before))
            elif PREVIOUS in aliases:
                self._client.delete_registered_model_alias(model, PREVIOUS)
            return RollbackResult(model, restored=target, replaced=champion, previous=before)

    def history(self, model: str) -> ChampionHistory:
        """The versions of a model, and its champions so far.

        Raises:
            TrackingError: There is no such model.
        """
        with translate_errors(self._uri, f"reading the history of '{model}'"):
            registered, versions = self._registered_model(model), self._versions(model)
            aliases: dict[int, list[str]] = {}
            for alias, number in sorted(registered.aliases.items()):
                aliases.setdefault(int(number), []).append(alias)
            newest_first = [
                _registered_version(version, aliases.get(int(version.version), [])) for version in reversed(versions)
            ]
            return ChampionHistory(model, newest_first, _tenures(registered, versions))

    @contextmanager
    def model_files(self, model: str, version: int) -> Iterator[Path]:
        """A local folder with the files of a version, for as long as the context is open.

        Raises:
            TrackingError: There is no such model or version.
        """
        with tempfile.TemporaryDirectory(prefix="branchsweep-") as folder:
            with translate_errors(self._uri, f"fetching version {version} of '{model}'"):
                location = model_location(self._client, f"models:/{model}/{version}", self._uri)
                downloaded = Path(
                    mlflow.artifacts.download_artifacts(
                        artifact_uri=location, dst_path=folder, tracking_uri=self._uri, registry_uri=self._uri
                    )
                )
                for file in list((downloaded / "data" / NETWORK).iterdir()):
                    file.rename(downloaded / file.name)
            yield downloaded

    @property
    def _uri(self) -> str:
        return str(self._client.tracking_uri)

    def _log_model(self, candidate: ModelCandidate, texts: Mapping[str, str]) -> tuple[str, str]:
        """Log the candidate as a model of its sweep; returns its id, and the location of its files.

        These are the steps of `mlflow.pyfunc.log_model`, which would take them at the global tracking URI.
        """
        logged = self._client.create_logged_model(
            self._client.get_run(candidate.sweep).info.experiment_id,
            candidate.model,
            candidate.sweep,
            params=serialization.readable_params(candidate.result.trial),
            model_type="branched network",
        )
        description = Model(
            artifact_path=logged.artifact_location,
            run_id=candidate.sweep,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model"
            save_model(candidate.folder, target, description)
            for name, text in texts.items():
                assert not (target / name).exists(), f"{name} is MLflow's"
                (target / name).write_text(text, encoding="utf-8")
            self._client.log_model_artifacts(logged.model_id, str(target))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(candidate.sweep, [LoggedModelOutput(logged.model_id, step=0)])
        return logged.model_id, logged.artifact_location

    def _create_version(self, candidate: ModelCandidate, decision: PromotionDecision, location: str, model_id: str) -> int:
        """Create a new version, not promoted yet; returns its number."""
        model = candidate.model
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        created = self._client.create_model_version(
            model,
            location,
            candidate.sweep,
            version_tags(candidate, decision),
            description=_description(decision.because, candidate.files.get(CARD, "")),
            model_id=model_id,
        )
        link = [{"name": model, "version": str(created.version)}]  # shown on the page of the logged model
        self._client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(link)})
        return int(created.version)

    def _set_champion_alias(self, model: str, version: int, decision: PromotionDecision) -> None:
        """Make this version the champion, unless another one is champion than the decision was made against."""
        with store_lock(self._uri):
            champion = self.champion(model)
            if decision.against is not None and decision.against != (champion.version if champion else 0):
                self._refuse_promotion(model, version, champion, decision.against)
            tenures = _tenures(self._registered_model(model), self._versions(model))
            self._client.set_model_version_tag(model, str(version), tag_name("crowned"), "true")
            if champion:
                self._client.set_registered_model_alias(model, PREVIOUS, str(champion.version))
            self._client.set_registered_model_alias(model, CHAMPION, str(version))
            winner = self.champion(model)
            if winner is None or winner.version != version:  # without a lock, another process may have come in between
                self._refuse_promotion(model, version, winner, champion.version if champion else 0)
            now = champion_history.utc_now()
            self._write_tenures(model, champion_history.with_new_tenure(tenures, version, now, decision.because))

    def _refuse_promotion(self, model: str, version: int, champion: Champion | None, against: int) -> None:
        """Make this version the challenger.

        Raises:
            TrackingError: Always; it says which version is champion instead.
        """
        self._client.set_model_version_tag(model, str(version), tag_name("crowned"), "false")
        self._client.set_registered_model_alias(model, CHALLENGER, str(version))
        raise TrackingError(champion_history.champion_changed_message(model, version, champion, against))

    def _write_tenures(self, model: str, tenures: Sequence[ChampionTenure]) -> None:
        text = to_json(list(tenures), list[ChampionTenure])
        for name, piece in serialization.split_tag(tag_name("reigned"), text, LONGEST_DESCRIPTION).items():
            self._client.set_registered_model_tag(model, name, piece)

    def _registered_model(self, model: str) -> RegisteredModel:
        try:
            return self._client.get_registered_model(model)
        except MlflowException as error:
            if self._is_unknown(model, error):
                raise no_such_model(model, self._client, self._uri) from error
            raise

    def _is_unknown(self, model: str, error: MlflowException) -> bool:
        """Whether MLflow says that there is no such model; a server with passwords says that one may not read it."""
        is_forbidden = error.error_code == "PERMISSION_DENIED"
        return is_absent(error) or (is_forbidden and not self._client.search_registered_models(f"name = '{model}'"))

    def _versions(self, model: str) -> list[ModelVersion]:
        """All versions, in order of their numbers."""
        versions = self._client.search_model_versions(f"name = '{model}'")
        return sorted(versions, key=lambda version: int(version.version))


def open_registry(tracking_uri: str | None = None) -> MlflowRegistry:
    """The registry of an existing store.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no store at this URI.
    """
    return MlflowRegistry(connect(resolve_tracking_uri(tracking_uri), create=False))


def _description(because: str, card: str) -> str:
    """The description of a version: the reason of the decision, and the model card where both fit."""
    text = f"{because}\n\n{card}".strip()
    return text if len(text) <= LONGEST_DESCRIPTION else because[:LONGEST_DESCRIPTION]


def _champion(version: ModelVersion) -> Champion:
    return champion_from_tags(version.name, int(version.version), version.tags)


def _registered_version(version: ModelVersion, aliases: Sequence[str]) -> RegisteredVersion:
    return registered_version(_champion(version), version.tags, aliases, _created(version))


def _created(version: ModelVersion) -> str:
    return datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")


def _tenures(registered: RegisteredModel, versions: Sequence[ModelVersion]) -> list[ChampionTenure]:
    """The champions so far, from what is recorded on the model, and from the aliases and versions."""
    recorded = from_json(list[ChampionTenure], serialization.from_tags(registered.tags).get("reigned", "[]"))
    promoted = [
        ChampionTenure(int(version.version), _created(version), None, version.tags.get(tag_name("because"), ""))
        for version in versions
        if version.tags.get(tag_name("crowned")) == "true"
    ]
    champion = registered.aliases.get(CHAMPION)
    return champion_history.reconciled(recorded, promoted, None if champion is None else int(champion))
