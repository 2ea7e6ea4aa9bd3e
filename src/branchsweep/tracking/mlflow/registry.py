"""The registry in MLflow: registered models with their versions, and the champion among them.

The champion is the version with the alias `champion`, and the alias moves last when a version is promoted. The alias
`challenger` is on the version that was registered last without being promoted, or that was rolled back; `previous` is on the
version that a rollback would restore. Earlier champions are recorded on the registered model (`champion_history`).

MLflow cannot move an alias on the condition that it is where the caller expects it. So the champion is read once more right
before, by one process at a time where the store is a file, and once more right after.

A process may be killed at any step of a registration, a promotion or a rollback: `champion_change` and `model_uploads` say how
the next one finishes or undoes what was begun.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from branchsweep.config.addresses import Address
from branchsweep.errors import TrackingError, UnreadableRecordError, reading_record
from branchsweep.models.serving import MANIFEST_FILE, MODEL_FILE
from branchsweep.runtime import temporary_folder
from branchsweep.tracking import champion_history
from branchsweep.tracking.champion_history import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ChampionHistory,
    RegisteredVersion,
    RollbackResult,
)
from branchsweep.tracking.mlflow.champion_change import (
    PROMOTED,
    ChampionChange,
    ChampionChanger,
    ChangeKind,
    ModelState,
    created,
    name_filter,
)
from branchsweep.tracking.mlflow.connection import address_of, connect, download_files
from branchsweep.tracking.mlflow.error_translation import is_absent, translate_errors
from branchsweep.tracking.mlflow.model import NETWORK, model_location, no_such_model
from branchsweep.tracking.mlflow.model_uploads import ModelUploads, is_abandoned, mark_finished
from branchsweep.tracking.mlflow.serialization.tags import tag_name
from branchsweep.tracking.mlflow.serialization.versions import (
    champion_from_tags,
    is_made_from_elsewhere,
    registered_version,
)
from branchsweep.tracking.mlflow.store import now_in_milliseconds, store_lock
from branchsweep.tracking.registry_protocols import Champion, ModelCandidate, PromotionDecision
from branchsweep.tracking.tracking_uri import resolve_tracking_uri

CARD = "MODEL_CARD.md"
"""The file of a candidate that is also the description of its version."""

LONGEST_DESCRIPTION = 5000
"""Characters of a description in MLflow's database."""

_PICTURE = re.compile(r"!\[([^]]*)]\(([\w./-]+\.png)\)")
"""A picture in Markdown among the files of the sweep."""


def _ignore(_result: RollbackResult) -> None:
    pass


class MlflowRegistry:
    """A `Registry` in MLflow. Made by `open_registry`, or from the client of a tracker.

    Args:
        client: Of the store.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def champion(self, model: str) -> Champion | None:
        """The champion of this registered model, or None. A change that a killed process has begun is finished first.

        Of a version that was not registered by branchsweep, value and digests are unknown.

        Raises:
            TrackingError: The store did not answer.
        """
        with translate_errors(self._uri, f"asking for the champion of '{model}'"):
            state = self._finished_state(model)
            version = state.champion if state else None
            return self._with_what_it_is_made_from(version) if version else None

    def register(self, candidate: ModelCandidate, decision: PromotionDecision) -> Champion:
        """Register the candidate as a new version, and make it the champion if the decision says so.

        The candidate's files are kept with MLflow's in the logged model; its model card is the version's description too.

        It is registered once: where a version with the same scores and the same decision is the champion, or is to be the
        challenger, it is that one. A process may have been killed between the registration and the end of the sweep, or the
        server's last answer may have been lost, and the caller asks again.

        Raises:
            TrackingError: The store refused it, or another version is champion by now than the one that was decided against.
        """
        with translate_errors(self._uri, f"registering '{candidate.model}'"):
            state = self._finished_state(candidate.model)
            champion = state.champion if state else None
            uploads = ModelUploads(self._client, candidate)
            registered = uploads.registered_version(decision)
            begun = None if registered else uploads.version_to_finish(decision)
            uploads.undo_unfinished(but=begun)
            if registered is not None and decision.promote and champion and champion.version == registered.version:
                return _made_from(registered, candidate)
            if registered is not None and not decision.promote:
                self._client.set_registered_model_alias(candidate.model, CHALLENGER, str(registered.version))
                return _made_from(registered, candidate)
            if begun is None:
                self._create_version(uploads, candidate, decision)
                begun = uploads.version_to_finish(decision)
                assert begun is not None, "it was just created"
                uploads.undo_unfinished(but=begun)
            version = uploads.take_over(begun)
            if decision.promote:
                self._promote(candidate.model, version, decision)
            else:
                self._client.set_registered_model_alias(candidate.model, CHALLENGER, str(version))
            mark_finished(self._client, self._client.get_model_version(candidate.model, str(version)))
            return _made_from(self._client.get_model_version(candidate.model, str(version)), candidate)

    def _create_version(self, uploads: ModelUploads, candidate: ModelCandidate, decision: PromotionDecision) -> None:
        """Upload the candidate and create its version, not promoted yet."""
        model_id, location = uploads.log_model(champion_history.version_files(candidate, decision))
        metrics = [
            Metric(name, value, now_in_milliseconds(), 0, model_id=model_id)
            for name, value in candidate.test.items()
            if math.isfinite(value)
        ]
        self._client.log_batch(candidate.sweep, metrics)
        description = _description(decision.because, candidate.files.get(CARD, ""), candidate.sweep)
        uploads.create_version(decision, description, location, model_id)

    def rollback(self, model: str, report: Callable[[RollbackResult], None] = _ignore) -> RollbackResult:
        """Make the previous champion the champion again; the present one becomes the challenger.

        A second rollback goes back one more version. One that was killed is finished by the next, and not repeated.

        Args:
            model: The registered model's name.
            report: Called with the result before the rollback counts as finished: whoever is killed before the user knows of
                it, and repeats it, does not go back twice.

        Raises:
            TrackingError: There is no such model, it has no champion, or no earlier one.
        """
        with translate_errors(self._uri, f"rolling '{model}' back"), store_lock(self._uri):
            changer = ChampionChanger(self._client, model)
            change = changer.abandoned(self._known_state(model))
            if change is None or change.kind is not ChangeKind.ROLLBACK:
                if change is not None:
                    changer.finish(change)
                change = self._rollback_change(model, changer.read())
                changer.begin(change)
            changer.take_steps(change)
            assert change.before is not None, "a rollback replaces a champion"
            result = RollbackResult(model, change.version, change.before, changer.read().aliases.get(PREVIOUS))
            report(result)
            changer.forget()
            return result

    def _rollback_change(self, model: str, state: ModelState) -> ChampionChange:
        """What a rollback changes."""
        champion, target = state.aliases.get(CHAMPION), state.aliases.get(PREVIOUS)
        if champion is None and CHAMPION in state.lost_aliases:
            raise TrackingError(champion_history.lost_alias_message(model, CHAMPION, state.lost_aliases[CHAMPION]))
        if champion is None:
            raise TrackingError(f"'{model}' has no champion, so there is nothing to roll back")
        if target in {None, champion}:  # of a store that was older than this alias
            target = champion_history.predecessor(state.tenures, state.numbers)
        if target is None:
            raise TrackingError(f"'{model}' had no champion before version {champion}, so there is nothing to go back to")
        return ChampionChange.now(ChangeKind.ROLLBACK, target, champion)

    def history(self, model: str) -> ChampionHistory:
        """The versions of a model, and its champions so far.

        Raises:
            TrackingError: There is no such model.
        """
        with translate_errors(self._uri, f"reading the history of '{model}'"):
            state = self._known_state(model)
            aliases: dict[int, list[str]] = {}
            for alias, number in sorted(state.aliases.items()):
                aliases.setdefault(number, []).append(alias)
            newest_first = [
                _registered_version(version, aliases.get(int(version.version), [])) for version in reversed(state.versions)
            ]
            return ChampionHistory(model, newest_first, state.tenures, state.problem)

    @contextmanager
    def model_files(self, model: str, version: int) -> Iterator[Path]:
        """A local folder with the files of a version, for as long as the context is open.

        Raises:
            TrackingError: There is no such model or version, or it was not made by branchsweep.
        """
        with temporary_folder() as folder:
            with translate_errors(self._uri, f"fetching version {version} of '{model}'"):
                location = model_location(self._client, f"models:/{model}/{version}", self._uri)
                downloaded = Path(download_files(self._client, location, folder))
                network = downloaded / "data" / NETWORK
                if not (network / MODEL_FILE).is_file() or not (network / MANIFEST_FILE).is_file():
                    raise TrackingError(
                        f"version {version} of '{model}' was not made by branchsweep: name another model (promotion.model), or "
                        f"move the alias {CHAMPION} to a version that was"
                    )
                for file in list(network.iterdir()):
                    file.rename(downloaded / file.name)
            yield downloaded

    @property
    def _uri(self) -> Address:
        return address_of(self._client)

    def _promote(self, model: str, version: int, decision: PromotionDecision) -> None:
        """Make this version the champion, unless another one is champion than the decision was made against."""
        with store_lock(self._uri):
            changer = ChampionChanger(self._client, model)
            champion = _champion_of(changer.read())
            if decision.against is not None and decision.against != (champion.version if champion else 0):
                self._refuse_promotion(model, version, champion, decision.against)
            change = ChampionChange.now(ChangeKind.PROMOTION, version, champion.version if champion else None)
            changer.begin(change)
            winner = _champion_of(changer.read())
            if winner is None or winner.version != version:  # without a lock, another process may have come in between
                changer.forget()
                self._refuse_promotion(model, version, winner, champion.version if champion else 0)
            changer.finish(change)

    def _refuse_promotion(self, model: str, version: int, champion: Champion | None, against: int) -> None:
        """Make this version the challenger.

        Raises:
            TrackingError: Always; it says which version is champion instead.
        """
        self._client.set_model_version_tag(model, str(version), tag_name(PROMOTED), "false")
        self._client.set_registered_model_alias(model, CHALLENGER, str(version))
        mark_finished(self._client, self._client.get_model_version(model, str(version)))
        raise TrackingError(champion_history.champion_changed_message(model, version, champion, against))

    def _state(self, model: str) -> ModelState | None:
        """The model and its versions; None if there is none of this name."""
        try:
            return ChampionChanger(self._client, model).read()
        except MlflowException as error:
            if self._is_unknown(model, error):
                return None
            raise

    def _finished_state(self, model: str) -> ModelState | None:
        """As `_state`, after what a killed process has begun was finished."""
        state = self._state(model)
        if state is not None and (state.change is not None or (state.champion is not None and is_abandoned(state.champion))):
            with store_lock(self._uri):
                return self._finish_abandoned(model)
        return state

    def _with_what_it_is_made_from(self, version: ModelVersion) -> Champion:
        """A version with its params and digests, which are among its tags, or in the file with its evidence."""
        if not is_made_from_elsewhere(version.tags):
            return _champion(version)
        location = self._client.get_model_version_download_uri(version.name, str(version.version))
        with temporary_folder() as folder:
            file = Path(download_files(self._client, f"{location.rstrip('/')}/{champion_history.EVIDENCE}", folder))
            label = f"{champion_history.EVIDENCE} of version {version.version} of '{version.name}'"
            with reading_record(label, "Restore it, or delete the version in MLflow"):
                made_from = json.loads(file.read_text(encoding="utf-8"))[champion_history.CANDIDATE]
                return champion_from_tags(version.name, int(version.version), version.tags, made_from)

    def _finish_abandoned(self, model: str) -> ModelState:
        """Finish what a killed process has begun; returns the model as it is then."""
        changer = ChampionChanger(self._client, model)
        changer.finish_abandoned(changer.read())
        state = changer.read()
        if state.champion is not None and is_abandoned(state.champion):
            mark_finished(self._client, state.champion)
        return state

    def _known_state(self, model: str) -> ModelState:
        state = self._state(model)
        if state is None:
            raise no_such_model(model, self._client, self._uri)
        return state

    def _is_unknown(self, model: str, error: MlflowException) -> bool:
        """Whether MLflow says that there is no such model; a server with passwords says that one may not read it."""
        is_forbidden = error.error_code == "PERMISSION_DENIED"
        return is_absent(error) or (is_forbidden and not self._client.search_registered_models(name_filter(model)))


def open_registry(tracking_uri: Address | None = None) -> MlflowRegistry:
    """The registry of an existing store.

    Args:
        tracking_uri: The store; see `resolve_tracking_uri`.

    Raises:
        TrackingError: There is no store at this URI.
    """
    return MlflowRegistry(connect(resolve_tracking_uri(tracking_uri), create=False))


def _description(because: str, card: str, run: str) -> str:
    """The description of a version: the reason of the decision, and the model card where both fit, else its pictures.

    Pictures, which are artifacts of a run, get the addresses by which MLflow's pages show them.
    """

    def shown(picture: re.Match[str]) -> str:
        return f"![{picture[1]}](get-artifact?run_uuid={run}&path={quote(picture[2])})"

    pictures = "\n\n".join(map(shown, _PICTURE.finditer(card)))
    texts = (f"{because}\n\n{more}".strip() for more in (_PICTURE.sub(shown, card), pictures))
    return next((text for text in texts if len(text) <= LONGEST_DESCRIPTION), because[:LONGEST_DESCRIPTION])


def _champion_of(state: ModelState | None) -> Champion | None:
    """The champion of a model, if it has one, and there is such a model."""
    return _champion(state.champion) if state and state.champion else None


def _champion(version: ModelVersion) -> Champion:
    return champion_from_tags(version.name, int(version.version), version.tags)


def _made_from(version: ModelVersion, candidate: ModelCandidate) -> Champion:
    """A version that was made from this candidate."""
    return champion_from_tags(version.name, int(version.version), version.tags, champion_history.candidate_facts(candidate))


def _registered_version(version: ModelVersion, aliases: Sequence[str]) -> RegisteredVersion:
    """A version in the history of its model; one that cannot be read says that in the place of the reason."""
    try:
        return registered_version(_champion(version), version.tags, aliases, created(version))
    except UnreadableRecordError as error:
        unreadable = champion_from_tags(version.name, int(version.version), {tag_name("because"): str(error)})
        return registered_version(unreadable, {}, aliases, created(version))
