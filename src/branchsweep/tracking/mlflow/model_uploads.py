"""A candidate on its way into the registry: a logged model of its sweep, and a version of a registered model.

Both have the tag `registering`, which names the process, until they are complete. What a killed process has left, and what this
one has begun in vain, is deleted before a candidate of the same sweep is registered; a version that was created from the same
candidate, whose files are complete then, is finished instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from branchsweep.config.codec import from_json, to_json
from branchsweep.runtime import temporary_folder
from branchsweep.tracking.mlflow.champion_change import PROMOTED, name_filter
from branchsweep.tracking.mlflow.lock_owner import LockOwner
from branchsweep.tracking.mlflow.model import save_model
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.serialization.trials import readable_params
from branchsweep.tracking.mlflow.serialization.versions import version_tags
from branchsweep.tracking.registry_protocols import ModelCandidate, PromotionDecision

REGISTERING = tag_name("registering")
"""The tag with the process that registers a model, which has not finished that."""


class ModelUploads:
    """Uploads a candidate.

    Args:
        client: Of the store.
        candidate: What is uploaded.
    """

    def __init__(self, client: MlflowClient, candidate: ModelCandidate) -> None:
        self._client, self._candidate = client, candidate

    def undo_unfinished(self, but: ModelVersion | None = None) -> None:
        """Delete versions and logged models of this sweep that were not finished; the champion was, before (`champion`).

        Args:
            but: A version that stays, with its logged model.
        """
        kept = Registering.of(but) if but else None
        versions = [
            version
            for version in self._client.search_model_versions(name_filter(self._candidate.model))
            if version.tags.get(tag_name("sweep")) == self._candidate.sweep and is_abandoned(version)
            if but is None or version.version != but.version
        ]
        model_ids = [registering.model_id for version in versions if (registering := Registering.of(version))]
        for logged in self._logged_models():
            if kept and logged.model_id == kept.model_id:
                continue
            if is_abandoned(logged) or logged.model_id in model_ids:
                self._client.delete_logged_model(logged.model_id)
        for version in versions:  # last, since its logged model may look finished
            self._client.delete_model_version(version.name, str(version.version))

    def registered_version(self, decision: PromotionDecision) -> ModelVersion | None:
        """The newest complete version with the tags that the candidate and this decision would give it; None for none.

        Whether it was promoted since does not matter.
        """
        complete = [version for version in self._versions_of_candidate(decision) if REGISTERING not in version.tags]
        return max(complete, key=lambda version: int(version.version), default=None)

    def version_to_finish(self, decision: PromotionDecision) -> ModelVersion | None:
        """The first unfinished version of the candidate and this decision, which a killed process or this one has created.

        There may be several: where the server's answer is lost, MLflow's client asks again for what was created already.
        """
        begun = [version for version in self._versions_of_candidate(decision) if is_abandoned(version)]
        return min(begun, key=lambda version: int(version.version), default=None)

    def _versions_of_candidate(self, decision: PromotionDecision) -> list[ModelVersion]:
        """The versions with the tags that the candidate and this decision would give them."""
        tags = {name: value for name, value in version_tags(self._candidate, decision).items() if name != tag_name(PROMOTED)}
        versions = self._client.search_model_versions(name_filter(self._candidate.model))
        return [version for version in versions if tags.items() <= version.tags.items()]

    def log_model(self, texts: Mapping[str, str]) -> tuple[str, str]:
        """Log the candidate as a model of its sweep; returns its id, and the location of its files.

        These are the steps of `mlflow.pyfunc.log_model`, which would take them at the global tracking URI.

        Args:
            texts: Files that are kept with it.
        """
        candidate = self._candidate
        logged = self._client.create_logged_model(
            self._experiment_id,
            candidate.model,
            candidate.sweep,
            tags=_mark(),
            params=readable_params(candidate.result.trial),
            model_type="branched network",
        )
        description = Model(
            artifact_path=logged.artifact_location,
            run_id=candidate.sweep,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with temporary_folder() as folder:
            target = folder / "model"
            save_model(candidate.folder, target, description)
            for name, text in texts.items():
                assert not (target / name).exists(), f"{name} is MLflow's"
                (target / name).write_text(text, encoding="utf-8")
            self._client.log_model_artifacts(logged.model_id, str(target))
        self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        self._client.log_outputs(candidate.sweep, [LoggedModelOutput(logged.model_id, step=0)])
        return logged.model_id, logged.artifact_location

    def create_version(self, decision: PromotionDecision, description: str, location: str, model_id: str) -> None:
        """Create a new version, not promoted yet: that of `version_to_finish`.

        Args:
            decision: Whether it is to be promoted.
            description: Markdown of its page.
            location: Of the logged model's files.
            model_id: Of the logged model.
        """
        model = self._candidate.model
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        self._client.create_model_version(
            model,
            location,
            self._candidate.sweep,
            {**version_tags(self._candidate, decision), **_mark(model_id)},
            description=description,
            model_id=model_id,
        )

    def take_over(self, begun: ModelVersion) -> int:
        """Go on with a version that was created, by this process or a killed one; returns its number."""
        registering = Registering.of(begun)
        assert registering is not None, "it was not finished"
        self._client.set_model_version_tag(
            begun.name, str(begun.version), REGISTERING, _mark(registering.model_id)[REGISTERING]
        )
        self._link(begun.version, registering.model_id)
        return int(begun.version)

    def _link(self, version: int | str, model_id: str) -> None:
        """Let the page of the logged model show its version."""
        link = [{"name": self._candidate.model, "version": str(version)}]
        self._client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(link)})

    @property
    def _experiment_id(self) -> str:
        return str(self._client.get_run(self._candidate.sweep).info.experiment_id)

    def _logged_models(self) -> Iterator[LoggedModel]:
        """Those of this sweep and this name."""
        query, token = f"source_run_id = '{self._candidate.sweep}'", None
        while True:
            page = self._client.search_logged_models([self._experiment_id], query, page_token=token)
            yield from (logged for logged in page if logged.name == self._candidate.model)
            token = page.token
            if not token:
                return


@dataclass(frozen=True, slots=True)
class Registering:
    """What the tag says.

    Args:
        owner: The process.
        model_id: Of a version, its logged model.
    """

    owner: LockOwner
    model_id: str = ""

    @classmethod
    def of(cls, registered: ModelVersion | LoggedModel) -> Registering | None:
        """What the tag of a version or a logged model says; None for a complete one, and for a tag that cannot be read."""
        try:
            return from_json(cls, registered.tags[REGISTERING]) if REGISTERING in registered.tags else None
        except ValueError:
            return None


def _mark(model_id: str = "") -> dict[str, str]:
    return {REGISTERING: to_json(Registering(LockOwner.this_process(), model_id))}


def mark_finished(client: MlflowClient, version: ModelVersion) -> None:
    """Delete the tags that say that a version and its logged model are not complete, that of the version last."""
    registering = Registering.of(version)
    if registering and REGISTERING in client.get_logged_model(registering.model_id).tags:
        client.delete_logged_model_tag(registering.model_id, REGISTERING)
    client.delete_model_version_tag(version.name, str(version.version), REGISTERING)


def is_abandoned(registered: ModelVersion | LoggedModel) -> bool:
    """Whether something was not finished, and its process does not go on with it."""
    registering = Registering.of(registered)
    return registering is not None and (registering.owner.is_this_process or not registering.owner.is_alive)
