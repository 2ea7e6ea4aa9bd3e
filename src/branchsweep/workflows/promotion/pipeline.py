"""The end of a sweep: the best trials are confirmed, one is refitted, evaluated once on the test rows, and registered.

Whether it becomes the champion is decided by `decision.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from branchsweep.config.sections.promotion import Ensemble
from branchsweep.metrics import scores
from branchsweep.metrics.collapse import means_with_medians
from branchsweep.metrics.objectives import ObjectiveEvaluator
from branchsweep.metrics.prediction_intervals import CheckedIntervals
from branchsweep.models.exported_model import EstimatorMember, ExportedModel, ModelMember
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.runtime import read_files
from branchsweep.tracking.optional_outputs import OptionalOutputs
from branchsweep.tracking.registry_protocols import PromotionDecision
from branchsweep.types import Floats
from branchsweep.workflows.background import in_background
from branchsweep.workflows.context import SweepContext
from branchsweep.workflows.explanation import Explained, Explanation, explain, output_names
from branchsweep.workflows.promotion.baseline_evaluation import Baseline, estimators_of, evaluate_baselines
from branchsweep.workflows.promotion.candidates import ConfirmationCandidate, ReevaluatedTrial
from branchsweep.workflows.promotion.champion import CurrentChampion, current_champion
from branchsweep.workflows.promotion.confirmation import choose_finalist, reevaluate
from branchsweep.workflows.promotion.decision import decide
from branchsweep.workflows.promotion.ensemble import (
    ChosenMember,
    MemberCandidate,
    choice_of,
    choose_members,
    member_candidates,
    score_ensemble,
)
from branchsweep.workflows.promotion.estimators import ConfirmedEstimator, confirm_estimators
from branchsweep.workflows.promotion.evaluation import export_and_predict, temporary_model_folder
from branchsweep.workflows.promotion.first_version import FirstVersion
from branchsweep.workflows.promotion.intervals import check_intervals, prediction_intervals
from branchsweep.workflows.promotion.latency import with_latency
from branchsweep.workflows.promotion.refit import ExportMembers, RefitRequest, refit, train_members
from branchsweep.workflows.promotion.registration import ExportedFinalist, register, with_evidence
from branchsweep.workflows.records.baseline_result import BaselineResult
from branchsweep.workflows.records.ensemble_summary import EnsembleSummary
from branchsweep.workflows.records.sweep_summary import PromotionResult


@dataclass(frozen=True, slots=True)
class PromotionOutcome:
    """The result of a promotion.

    Args:
        confirmed: All candidates with their confirmed scores.
        finalist: The trial that was chosen; None if none could be.
        test_scores: The score of the exported model on the test rows, by head; None where it was not evaluated.
        test_metrics: All its metrics there, by head and name.
        members: Networks of the model.
        registered: What the registry holds; None where nothing was registered.
        decision: Whether the model becomes the champion; None where that was not to be decided.
        predictions: `(test rows, heads)` of the exported model, in natural units; None where it was not evaluated.
        model_files: The files of an exported model that is not registered, by name.
        baselines: The baselines with their scores.
        collapses: The refits that collapsed, each in a sentence.
        ensemble: What the model consists of and is worth, where an ensemble was asked for; None where there is none.
        intervals: The prediction intervals of the model, as the test rows have checked them; None where there are none.
        explanation: Which inputs its predictions for the test rows rest on; None where it was not evaluated.
    """

    confirmed: tuple[ReevaluatedTrial, ...]
    finalist: ReevaluatedTrial | None
    test_scores: Mapping[str, float] | None = None
    test_metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    members: int = 0
    registered: PromotionResult | None = None
    decision: PromotionDecision | None = None
    predictions: Floats | None = field(default=None, repr=False, compare=False)
    model_files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    baselines: tuple[BaselineResult, ...] = ()
    collapses: tuple[str, ...] = ()
    ensemble: EnsembleSummary | None = None
    intervals: CheckedIntervals | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class PromotionPipeline:
    """The end of a sweep: confirm, refit, evaluate on the test rows, decide, register.

    Args:
        sweep: The sweep.
        evaluator: Ranks trials by its objective, under its constraints.
    """

    sweep: SweepContext
    evaluator: ObjectiveEvaluator

    def run(
        self,
        best: Sequence[ConfirmationCandidate],
        baselines: Sequence[Baseline] = (),
        evaluated: Sequence[BaselineResult] = (),
        dry_run: bool = False,
    ) -> PromotionOutcome:
        """Confirms all candidates, refits the finalist, evaluates it once on the test rows, and registers it.

        Args:
            best: The trials of which one is to be the finalist.
            baselines: What it is compared with.
            evaluated: Baselines that were evaluated before, on the same rows and folds.
            dry_run: Decide without the test rows, and register nothing.
        """
        sweep, experiment = self.sweep, self.sweep.experiment
        networks = [baseline.candidate for baseline in baselines if baseline.candidate]
        sweep.stages.begin("confirmation")
        champion = current_champion(experiment, sweep.dataset, sweep.tracking.registry)
        confirmed_estimators = in_background(lambda: self._estimators(baselines, champion))
        reevaluated = reevaluate([*best, *self._rivals(champion), *networks], experiment, sweep.training)
        sweep.stages.begin("baselines")
        estimators = confirmed_estimators()  # before the latency is measured: then nothing trains
        confirmed = tuple(with_latency(reevaluated, sweep))
        compared = _ComparedBaselines(
            sweep,
            baselines,
            {result.candidate.name: result for result in confirmed if result.candidate in networks},
            estimators,
            evaluated,
        )
        finalist = choose_finalist(confirmed, experiment, self.evaluator)
        if finalist is None:
            return PromotionOutcome(confirmed, None, baselines=compared.trained_and_evaluated())
        results = compared.trained_and_evaluated() if dry_run else ()
        sweep.stages.begin("ensemble" if self._policy else "confirmation")
        chosen, judged = self._members(finalist, confirmed, estimators)
        rival = self._rival(champion, confirmed, estimators)
        if dry_run:
            decision = decide(sweep, FirstVersion(judged, None, results), None, champion, rival)
            return PromotionOutcome(confirmed, finalist, decision=decision, baselines=results)
        sweep.stages.begin("refit")
        trained = train_members(chosen, experiment, sweep.training, compared.requests)
        results = compared.evaluated_with(trained.others, trained.estimators)
        outcome = PromotionOutcome(confirmed, finalist, baselines=results, collapses=trained.collapses)
        if not trained.members:
            return outcome
        outcome = replace(outcome, members=len(trained.members), ensemble=self._ensemble(trained, judged))
        return self._tested_and_registered(outcome, trained, judged, champion, rival)

    def _tested_and_registered(
        self,
        outcome: PromotionOutcome,
        trained: ExportMembers,
        judged: ReevaluatedTrial,
        champion: CurrentChampion | None,
        rival: ReevaluatedTrial | None,
    ) -> PromotionOutcome:
        """Exports the model, evaluates it on the test rows, and registers it if the experiment says so.

        Args:
            outcome: The outcome so far.
            trained: What the model consists of.
            judged: The finalist with the scores that the model is judged by.
            champion: The current one; None if there is none.
            rival: As of `_rival`.
        """
        sweep, experiment = self.sweep, self.sweep.experiment
        sweep.stages.begin("test")
        with temporary_model_folder() as folder:
            model, actual = self._model(trained, judged), sweep.dataset.actual.rows(sweep.split.test)
            predictions = export_and_predict(model, sweep.dataset.x[sweep.split.test], sweep.training.trainer, folder)
            test = scores.head_scores(actual, predictions, kinds_by_head(experiment))
            outcome = replace(
                outcome,
                test_scores={head: measured.score for head, measured in test.items()},
                test_metrics={head: measured.metrics for head, measured in test.items()},
                predictions=predictions,
                intervals=check_intervals(model, predictions, actual),
                explanation=self._explain(model, folder),
            )
            if not experiment.registers_model:
                return replace(outcome, model_files=read_files(folder))
            sweep.stages.begin("registration")
            sweep.training.progress.on_stage("registering the model")
            first = FirstVersion(judged, outcome.test_scores, outcome.baselines)
            decision = with_evidence(decide(sweep, first, predictions, champion, rival), trained, champion)
            value = self.evaluator.ranked_by(judged.score)
            exported = ExportedFinalist(
                judged, value, trained, test, predictions, folder, outcome.baselines, outcome.intervals, outcome.explanation
            )
            return replace(outcome, decision=decision, registered=register(exported, decision, champion, sweep))

    def _model(self, trained: ExportMembers, judged: ReevaluatedTrial) -> ExportedModel:
        """The model of these members, with the prediction intervals of what it is judged by."""
        dataset = self.sweep.dataset
        own = (dataset.csv_arguments, dataset.partial_targets, trained.estimators)
        intervals = prediction_intervals(judged, self.sweep.training.rows.actual)
        return replace(ExportedModel.of(self.sweep.experiment, trained.members, *own), intervals=intervals)

    def _explain(self, model: ExportedModel, folder: Path) -> Explanation | None:
        """Which inputs the predictions of an exported model for the test rows rest on."""
        dataset, rows, trainer = self.sweep.dataset, self.sweep.split.test, self.sweep.training.trainer
        of_rows = dataset.x[rows], dataset.actual.rows(rows)
        explained = Explained(model.kinds, dataset.input_columns, output_names(model.described_heads))
        optional = OptionalOutputs(self.sweep.training.progress.on_message, "the report is made without it")
        return optional.make(
            "the explanation of the predictions",
            lambda: explain(lambda x: trainer.predict(folder, x), *of_rows, explained, self.sweep.experiment.seed),
            None,
        )

    @property
    def _policy(self) -> Ensemble | None:
        promotion = self.sweep.experiment.promotion
        return promotion.ensemble if promotion else None

    @property
    def _judges_ensembles(self) -> bool:
        """Whether the model is judged by the scores of the ensemble, and so its champion by those of all its members."""
        return self._policy is not None and self._policy.is_scored

    def _rivals(self, champion: CurrentChampion | None) -> list[ConfirmationCandidate]:
        """What of the champion is trained again."""
        if champion is None or champion.candidate is None:
            return []
        if not self._judges_ensembles:
            return [champion.candidate]
        return [member.candidate for member in champion.members if member.candidate]

    def _estimators(self, baselines: Sequence[Baseline], champion: CurrentChampion | None) -> dict[str, ConfirmedEstimator]:
        """By label, the estimators among the baselines, those to choose from, and the champion's where it is judged by them."""
        experiment, kinds = self.sweep.experiment, kinds_by_head(self.sweep.experiment).values()
        named = [baseline for baseline in baselines if baseline.experiment is None]
        if self._policy and self._policy.members == "any":
            named += estimators_of(experiment)
        by_label = {baseline.label(kinds): baseline.estimator for baseline in named}
        of_champion = champion.estimators if champion and self._judges_ensembles else ()
        return confirm_estimators(by_label, of_champion, experiment, self.sweep.training)

    def _members(
        self,
        finalist: ReevaluatedTrial,
        confirmed: Sequence[ReevaluatedTrial],
        estimators: Mapping[str, ConfirmedEstimator],
    ) -> tuple[list[ChosenMember], ReevaluatedTrial]:
        """What the model consists of, and the finalist with the scores that the model is judged by."""
        policy, experiment, training = self._policy, self.sweep.experiment, self.sweep.training
        if policy is None or policy.choose == "seeds":
            return [ChosenMember(MemberCandidate(finalist), count=policy.size if policy else 1)], finalist
        kinds = kinds_by_head(experiment).values()
        labels = dict.fromkeys(baseline.label(kinds) for baseline in estimators_of(experiment))
        own = [] if policy.members == "networks" else [estimators[label] for label in labels]
        candidates = member_candidates(confirmed, own, policy)
        choose = choice_of(policy, experiment, self.evaluator.objective)
        chosen = choose_members(finalist, candidates, choose, policy, training.rows.actual)
        if not policy.is_scored:
            return chosen, finalist
        return chosen, score_ensemble(finalist, candidates, choose, experiment, training)

    def _rival(
        self,
        champion: CurrentChampion | None,
        confirmed: Sequence[ReevaluatedTrial],
        estimators: Mapping[str, ConfirmedEstimator],
    ) -> ReevaluatedTrial | None:
        """The champion with its confirmed score; None if there is none, or it cannot be trained again.

        Where the model is judged as an ensemble, so is the champion, by the weights that it has. It has no score if one of its
        recipes diverged.
        """
        if champion is None or champion.candidate is None:
            return None
        if not self._judges_ensembles:
            return next(result for result in confirmed if result.candidate is champion.candidate)
        results = {id(result.candidate): result for result in confirmed}
        recipes = [results[id(member.candidate)] for member in champion.members if member.candidate]
        failed = next((result for result in recipes if not result.lane_scores), None)
        first = replace(failed or recipes[0], candidate=champion.candidate)
        if failed:
            return first
        others = [estimators[member.label] for member in champion.estimators]
        candidates = [*map(MemberCandidate, recipes), *map(MemberCandidate, others)]
        heads = self.sweep.experiment.heads
        weights = {index: np.array([member.shares[head] for head in heads]) for index, member in enumerate(champion.members)}
        return score_ensemble(first, candidates, lambda *_: weights, self.sweep.experiment, self.sweep.training)

    def _ensemble(self, trained: ExportMembers, judged: ReevaluatedTrial) -> EnsembleSummary | None:
        """What is recorded of the ensemble; None where none was asked for."""
        if self._policy is None:
            return None
        own = means_with_medians(judged.score) if self._judges_ensembles else None
        return EnsembleSummary(self._policy.choose, trained.described, own)


@dataclass(frozen=True, slots=True, eq=False)
class _ComparedBaselines:
    """The baselines of a promotion, confirmed and not yet evaluated on the test rows.

    Args:
        sweep: The sweep that they are compared with.
        baselines: The baselines.
        networks: By name, the networks among them with their confirmed scores.
        estimators: By label, the others with theirs.
        evaluated: Baselines that were evaluated before.
    """

    sweep: SweepContext
    baselines: Sequence[Baseline]
    networks: Mapping[str, ReevaluatedTrial]
    estimators: Mapping[str, ConfirmedEstimator]
    evaluated: Sequence[BaselineResult]

    @property
    def _complete(self) -> dict[str, ReevaluatedTrial]:
        return {name: result for name, result in self.networks.items() if result.score.is_complete}

    @property
    def requests(self) -> list[RefitRequest]:
        """The networks to be trained anew on all training rows."""
        return [RefitRequest.of_confirmed(result) for result in self._complete.values()]

    def trained_and_evaluated(self) -> tuple[BaselineResult, ...]:
        """All results, after the networks are trained anew."""
        return self.evaluated_with(refit(self.requests, self.sweep.experiment, self.sweep.training).members)

    def evaluated_with(
        self, refitted: Sequence[Sequence[ModelMember]], fitted: Sequence[EstimatorMember] = ()
    ) -> tuple[BaselineResult, ...]:
        """All results.

        Args:
            refitted: The networks of each of `requests`, trained anew.
            fitted: Estimators that were fitted to all training rows already.
        """
        self.sweep.stages.begin("baselines")
        members = dict(zip(self._complete, refitted, strict=True))
        own = {label: estimator.fitted_among(fitted) for label, estimator in self.estimators.items()}
        return (*self.evaluated, *evaluate_baselines(self.baselines, self.networks, own, self.sweep, members))
