"""The comparison: single- against multi-output networks, and other contestants, by 5x2 cross-validation.

    ten halves ── tuning: a search inside each ── fits: all networks side by side ── the other half ── 5x2cv tests ── result
               └─ estimators of scikit-learn's, fitted and tested likewise

The table is cut into two halves five times. Every contestant is trained on each half and is tested on the other one (Dietterich
1998), so it has ten scores, which `five_by_two_cv` compares. What is tuned is tuned inside the half that it is trained on, by
searches whose rounds run side by side. In the end each network trains on the whole half, for as many epochs as its best trial
took for the weights that were scored: the rows it is tested on say nothing about when to stop.

What is finished is kept by the tracker: the searches of one contestant, the fits of one estimator. A comparison that was killed
goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from branchsweep.config.comparison import Comparison, Estimator
from branchsweep.data.dataset import Dataset
from branchsweep.metrics import five_by_two_cv
from branchsweep.metrics.comparison_conclusions import conclusions
from branchsweep.metrics.comparison_result import (
    ComparisonResult,
    ContestantResult,
    PairwiseDifference,
    WarningCode,
)
from branchsweep.workflows.comparison.contestants import fit_contestants, tune_contestant
from branchsweep.workflows.comparison.estimators import evaluate_estimator
from branchsweep.workflows.comparison.paired_evidence import transfer_tests
from branchsweep.workflows.comparison.protocol import comparison_settings, protocol, verdict_rules
from branchsweep.workflows.comparison.sharing import shared_layers
from branchsweep.workflows.context import ComparisonContext


def compare(context: ComparisonContext) -> ComparisonResult:
    """A comparison from beginning to end. The parts of it that the tracker has recorded are not made again."""
    start = time.perf_counter()
    comparison, dataset = context.comparison, context.dataset
    recorded = context.tracker.recorded_parts()
    networks = {
        name: contestant for name, contestant in comparison.contestants.items() if not isinstance(contestant, Estimator)
    }
    tuned = {name: tune_contestant(name, contestant, context, recorded) for name, contestant in networks.items()}
    results, predictions = fit_contestants(networks, tuned, context)
    for name, contestant in comparison.contestants.items():
        if isinstance(contestant, Estimator):
            results[name] = evaluate_estimator(name, contestant, context, recorded)
    in_order = tuple(results[name] for name in comparison.contestants)
    transfer = _transfer(comparison, results)
    differences = five_by_two_cv.differences_to_reference(
        in_order, comparison.reference_name, comparison.alpha, comparison.equivalence_margin, transfer
    )
    shared = shared_layers(comparison, context.training)
    settings, warnings = comparison_settings(comparison, context.halves), _warnings(comparison, dataset, in_order)
    result = ComparisonResult(
        comparison=comparison.name,
        question=comparison.question,
        run_id=context.tracker.run_id,
        heads={name: head.unit for name, head in comparison.experiment.heads.items()},
        data={"source": dataset.source, "location": dataset.location, "digest": dataset.digest, "rows": dataset.rows},
        protocol=(*protocol(settings, comparison.alpha), *verdict_rules(comparison)),
        reference=comparison.reference_name,
        alpha=comparison.alpha,
        contestants=in_order,
        differences=differences,
        transfer=transfer,
        transfer_tests=transfer_tests(comparison, predictions, context.training.rows),
        conclusions=(),
        sharing=shared,
        sharing_layers=comparison.sharing.layers if comparison.sharing else 0,
        warnings=tuple(sentence for _, sentence in warnings),
        cuts=context.cuts,
        equivalence_margin=comparison.equivalence_margin,
        seconds=time.perf_counter() - start,
        score_metrics=comparison.experiment.score_metrics,
        settings=settings,
        warning_codes=tuple(code for code, _ in warnings),
    )
    return replace(result, conclusions=conclusions(result))


def _transfer(comparison: Comparison, results: Mapping[str, ContestantResult]) -> tuple[PairwiseDifference, ...]:
    """What is gained by sharing, where both contestants have figures."""
    if comparison.transfer_pair is None:
        return ()
    shared, single = (results[name] for name in comparison.transfer_pair)
    if shared.failure or single.failure:
        return ()
    return five_by_two_cv.pairwise_differences(shared, single, comparison.alpha, comparison.equivalence_margin)


def _warnings(comparison: Comparison, dataset: Dataset, results: Sequence[ContestantResult]) -> list[tuple[WarningCode, str]]:
    """What a reader should know, as codes and as sentences."""
    warnings = [(WarningCode.TABLE, sentence) for sentence in dataset.warnings]
    if comparison.budget.seconds:
        warnings.append((WarningCode.BUDGET_SECONDS, "The budget has seconds, so another machine may find other recipes."))
    failed = [result for result in results if result.failure]
    warnings += [(WarningCode.CONTESTANT_FAILED, f"{result.name} has no scores: {result.failure}.") for result in failed]
    heads = comparison.experiment.heads
    collapsed = [sentence for result in results for head in heads for sentence in _collapse_warning(head, result)]
    return warnings + [(WarningCode.COLLAPSED, sentence) for sentence in collapsed]


def _collapse_warning(head: str, result: ContestantResult) -> Iterator[str]:
    """In which halves a contestant collapsed, and what it scored in the others; nothing where it did in none."""
    found = result.collapses_of(head)
    if not found:
        return
    halves = " and ".join(f"{collapse.where} ({collapse.score:.4f})" for collapse in found)
    others = f"{found[0].low:.4f} to {found[0].high:.4f} in the others"
    yield f"{result.name} collapsed for {head} in {halves}, with {others}: its median is {found[0].median:.4f}."
