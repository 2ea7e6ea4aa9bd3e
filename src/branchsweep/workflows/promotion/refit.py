"""Trains recipes anew on all training rows: the networks of an exported model.

A refit has no validation rows that would show that a network never learnt. So its score on the training rows is compared with
the confirmed scores of its recipe, and with the other refits of it. Such a network is replaced from another seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from branchsweep.config.experiment import Experiment
from branchsweep.metrics.collapse import FEWEST, is_far_below
from branchsweep.metrics.scores import head_scores, mean_score
from branchsweep.models.baselines import FittedBaseline
from branchsweep.models.estimator_files import import_writer
from branchsweep.models.exported_model import EstimatorMember, ExportedModel, ModelMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.models.recipe import Recipe
from branchsweep.training.lanes import Lane, LaneKey, LaneOutcome, refit_lanes
from branchsweep.trial import HeadScore
from branchsweep.workflows.background import in_background
from branchsweep.workflows.context import TrainingContext
from branchsweep.workflows.promotion.candidates import ReevaluatedTrial
from branchsweep.workflows.promotion.ensemble import ChosenMember
from branchsweep.workflows.promotion.estimators import ChosenEstimator, fit_estimator
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.records.ensemble_summary import EnsembleMember
from branchsweep.workflows.train_lanes import LaneGroup, equal_groups, train_groups

SPARE_SEEDS = 2
"""Fresh seeds that are tried beyond those that are needed, in case a refit diverges or collapses."""


@dataclass(frozen=True, slots=True)
class RefitRequest:
    """A recipe to be trained anew on all training rows.

    Args:
        name: For people.
        recipe: What is trained.
        epochs: For how long.
        count: How many networks, each from a seed of its own.
        confirmed: By head, the scores of the recipe's networks on the folds of the confirmation.
        experiment: How it is trained, if otherwise than the sweep's own trials.
        trained: Outcomes of those of its lanes that have been trained already, by their keys.
    """

    name: str
    recipe: Recipe
    epochs: int
    count: int = 1
    confirmed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    experiment: Experiment | None = None
    trained: Mapping[LaneKey, LaneOutcome] = field(default_factory=dict)

    def seeds(self, is_spare: bool) -> range:
        """The seeds of its networks, or those that replace networks which diverge. They do not depend on other requests."""
        return range(self.count, self.count + SPARE_SEEDS) if is_spare else range(self.count)

    @classmethod
    def of_confirmed(cls, confirmed: ReevaluatedTrial, count: int = 1) -> RefitRequest:
        """As many epochs as the confirmed lanes needed for the weights that were scored, on average.

        No validation rows are left to stop by.
        """
        candidate, epochs = confirmed.candidate, max(1, round(confirmed.score.epochs))
        scores, trained = confirmed.score.lane_scores, confirmed.refits
        return cls(candidate.name, candidate.recipe, epochs, count, scores, candidate.experiment, trained)


@dataclass(frozen=True, slots=True)
class Refits:
    """The networks that were trained anew.

    Args:
        members: Of each request, as many as neither diverged nor collapsed; the best one where all collapsed.
        collapses_of: Of each request, the networks that collapsed, each in a sentence that says what became of it.
    """

    members: list[list[ModelMember]]
    collapses_of: list[list[str]]

    @property
    def collapses(self) -> tuple[str, ...]:
        """The collapsed networks of all requests."""
        return tuple(sentence for own in self.collapses_of for sentence in own)


@dataclass(frozen=True, slots=True)
class ExportMembers:
    """What an exported model consists of.

    Args:
        members: The networks, with their shares; none if all diverged.
        collapses: The networks that collapsed, each in a sentence that says what became of it.
        estimators: The estimators of scikit-learn beside them.
        described: The recipes and estimators with their weights, the largest first.
        others: The networks of other requests that were trained beside them, as of `Refits`.
    """

    members: Sequence[ModelMember]
    collapses: tuple[str, ...] = ()
    estimators: Sequence[EstimatorMember] = ()
    described: tuple[EnsembleMember, ...] = ()
    others: Sequence[list[ModelMember]] = ()


def train_members(
    chosen: Sequence[ChosenMember], experiment: Experiment, training: TrainingContext, others: Sequence[RefitRequest] = ()
) -> ExportMembers:
    """The members of the exported model, trained anew on all training rows.

    Members of which all networks diverge leave their shares to the others.

    Args:
        chosen: What is trained.
        experiment: Of the sweep.
        training: Trains them.
        others: Trained beside them, such as the networks that the model is compared with.
    """
    networks = [(member, member.candidate.network) for member in chosen]
    requests = [RefitRequest.of_confirmed(source, member.count) for member, source in networks if source]
    estimators_of = in_background(lambda: _fitted([member.candidate.estimator for member in chosen], experiment, training))
    refits = refit([*requests, *others], experiment, training)
    fitted = estimators_of()
    groups = iter(refits.members[: len(requests)])
    trained = [(member, next(groups) if source else None) for member, source in networks]
    standing = [(member, group) for member, group in trained if group is None or group]
    heads = list(experiment.heads)
    shares = _standing_shares([member for member, _ in standing], heads)
    members, estimators, described = [], [], []
    for (member, group), (share, by_head) in zip(standing, shares, strict=True):
        weights = by_head or dict.fromkeys(heads, share)
        described.append(EnsembleMember(member.candidate.name, len(group or ()), weights))
        chosen_estimator = member.candidate.estimator
        if chosen_estimator or group is None:
            assert chosen_estimator is not None, "what has no networks is an estimator"
            own = (chosen_estimator.label, chosen_estimator.name, chosen_estimator.params)
            estimators.append(EstimatorMember(*own, fitted[chosen_estimator.label], weights))
            continue
        count = len(group)
        of_network = {head: own / count for head, own in by_head.items()}
        members += [replace(network, share=share / count, head_shares=of_network) for network in group]
    collapses = tuple(sentence for own in refits.collapses_of[: len(requests)] for sentence in own)
    return ExportMembers(members, collapses, estimators, tuple(described), refits.members[len(requests) :])


def _fitted(
    chosen: Sequence[ChosenEstimator | None], experiment: Experiment, training: TrainingContext
) -> dict[str, FittedBaseline]:
    """By label, the estimators among the members after learning all training rows; and what writes them is imported."""
    fitted = {own.label: fit_estimator(own, experiment, training) for own in chosen if own}
    if fitted:
        import_writer()
    return fitted


def _standing_shares(chosen: Sequence[ChosenMember], heads: Sequence[str]) -> list[tuple[float, Mapping[str, float]]]:
    """The shares of members, over their sum: for all heads, and by head where they differ.

    For a head that none of them has a weight for, all have the same.
    """
    total = sum(member.share for member in chosen)
    sums = {head: sum(member.head_shares.get(head, member.share) for member in chosen) for head in heads}

    def by_head(member: ChosenMember) -> dict[str, float]:
        return {head: own / sums[head] if sums[head] else 1 / len(chosen) for head, own in member.head_shares.items()}

    return [(member.share / total if total else 1 / len(chosen), by_head(member)) for member in chosen]


def refit(requests: Sequence[RefitRequest], experiment: Experiment, training: TrainingContext) -> Refits:
    """Train recipes again on all training rows, all networks together.

    Networks that diverge or collapse are replaced from other seeds, `SPARE_SEEDS` for each recipe.

    Args:
        requests: What is trained.
        experiment: Of all of them that have none of their own.
        training: Trains them.
    """
    refits = [_RequestedRefits(request, request.experiment or experiment) for request in requests]
    experiments = [own.experiment for own in refits]
    for is_spare in (False, True):
        lanes = {
            index: refit_lanes(own.request.recipe, own.experiment, own.request.seeds(is_spare), own.request.epochs)
            for index, own in enumerate(refits)
            if len(own.members) < own.request.count
        }
        for index, found in _train_on_all_rows(lanes, requests, experiments, training).items():
            refits[index].take(found, training, "no seed is left" if is_spare else "it is trained again from another seed")
    return Refits([own.standing for own in refits], [own.sentences for own in refits])


@dataclass(slots=True, eq=False)
class _RequestedRefits:
    """What has become of one request so far.

    Args:
        request: The request.
        experiment: How it is trained.
        members: The networks that neither diverged nor collapsed.
        collapsed: Those that collapsed.
        sentences: What became of these.
    """

    request: RefitRequest
    experiment: Experiment
    members: list[ModelMember] = field(default_factory=list)
    collapsed: list[_ScoredMember] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def take(self, found: Sequence[ModelMember], training: TrainingContext, remedy: str) -> None:
        """Keep networks that did not diverge, apart from those that collapsed and from more than are requested.

        Args:
            found: The networks.
            training: Scores them on the training rows, and reports what collapsed.
            remedy: What is done about one that collapsed.
        """
        scored = _scored(found, self.experiment, training)
        for candidate in scored:
            collapse = _collapse(candidate, scored, self.request)
            if not collapse:
                self.members.append(candidate.member)
                continue
            self.collapsed.append(candidate)
            self.sentences.append(f"a refit of {self.request.name} collapsed ({collapse}); {remedy}")
            training.progress.on_message(self.sentences[-1])
        del self.members[self.request.count :]

    @property
    def standing(self) -> list[ModelMember]:
        """The networks, or the best of those that collapsed where all did."""
        if self.members or not self.collapsed:
            return self.members
        return [max(self.collapsed, key=lambda candidate: mean_score(candidate.scores)).member]


@dataclass(frozen=True, slots=True)
class _ScoredMember:
    """A refitted network with its scores on the training rows."""

    member: ModelMember
    scores: Mapping[str, HeadScore]


def _scored(members: Sequence[ModelMember], experiment: Experiment, training: TrainingContext) -> list[_ScoredMember]:
    """Networks with the scores of their exported files on the training rows."""
    rows, heads, scored = training.rows, kinds_by_head(experiment), []
    for member in members:
        with temporary_model_folder() as folder:
            predictions = export_and_predict(ExportedModel.of(experiment, [member]), rows.x, training.trainer, folder)
        scored.append(_ScoredMember(member, head_scores(rows.actual, predictions, heads)))
    return scored


def _collapse(candidate: _ScoredMember, siblings: Sequence[_ScoredMember], request: RefitRequest) -> str:
    """How a refit collapsed: a head whose training score lies far below its siblings'; empty if none does."""
    for head, measured in candidate.scores.items():
        confirmed = list(request.confirmed.get(head, ()))
        trained = [sibling.scores[head].score for sibling in siblings]
        beside = trained if len(trained) >= FEWEST else []
        for others, where in ((confirmed, "when confirmed"), (beside, "among all refits of it")):
            if is_far_below(measured.score, others):
                median = float(np.median(others))
                return f"{head} {measured.score:.4f} on the training rows, a median of {median:.4f} {where}"
    return ""


def _train_on_all_rows(
    lanes: Mapping[int, Sequence[Lane]],
    requests: Sequence[RefitRequest],
    experiments: Sequence[Experiment],
    training: TrainingContext,
) -> dict[int, list[ModelMember]]:
    """By the index of a request, the networks that did not diverge, in order of their seeds."""
    untrained = {index: [lane for lane in own if lane.key not in requests[index].trained] for index, own in lanes.items()}
    alike = equal_groups({index: experiments[index] for index, own in untrained.items() if own})
    groups = [
        LaneGroup(
            [lane for index in group for lane in untrained[index]],
            experiments[group[0]],
            f"{', '.join(requests[index].name for index in group)}, on all training rows",
        )
        for group in alike
    ]
    trained = train_groups(groups, training, keep_weights=True)
    newly = {index: own for group, own in zip(alike, trained, strict=True) for index in group}
    outcomes = {index: {**requests[index].trained, **newly.get(index, {})} for index in lanes}
    members: dict[int, list[ModelMember]] = {index: [] for index in lanes}
    for index, own in lanes.items():
        for lane in own:
            outcome = outcomes[index][lane.key]
            if outcome.failed_at:
                ended = f"diverged after epoch {outcome.failed_at}"
                where = f"{requests[index].name} {outcome.error or ended}"
                training.progress.on_message(f"a refit of {where}; it is trained again from another seed")
            elif outcome.weights is not None:
                members[index].append(ModelMember(lane.recipe, outcome.weights, epochs=outcome.epochs))
    return members
