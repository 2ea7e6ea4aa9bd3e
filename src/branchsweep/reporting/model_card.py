"""The card of a model: what it is, what it learnt from, how good it is, and where it should not be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from branchsweep.config.experiment import Experiment
from branchsweep.data.dataset import Dataset, Split
from branchsweep.metrics.names import MAE, RMSE
from branchsweep.models.drawing import draw_network
from branchsweep.models.exported_model import ModelMember
from branchsweep.models.recipe import recipe_for
from branchsweep.reporting.mlflow_descriptions import escape_markdown
from branchsweep.tracking.protocols import PromotionDecision
from branchsweep.trial import HeadScore
from branchsweep.workflows.confirmation import ReevaluatedTrial


def model_card_lines(
    experiment: Experiment,
    finalist: ReevaluatedTrial,
    members: Sequence[ModelMember],
    test: Mapping[str, HeadScore],
    verdict: PromotionDecision,
    ranges: Sequence[tuple[float, float]],
    dataset: Dataset,
    split: Split,
) -> Iterator[str]:
    """Lines of Markdown, in the manner of Mitchell et al. 2019 (Model Cards for Model Reporting)."""
    heads, score = experiment.heads, finalist.score
    kind = "one branched network" if len(members) == 1 else f"the mean of {len(members)} branched networks"
    yield f"# {experiment.promotion.model if experiment.promotion else experiment.name}"
    yield ""
    yield escape_markdown(experiment.question) or f"Predicts {', '.join(heads)} from {', '.join(dataset.inputs)}."
    yield ""
    yield f"It is {kind} with {finalist.parameters:,} parameters, {finalist.contender.name} of the sweep {experiment.name}:"
    yield ""
    recipe = recipe_for(experiment, finalist.contender.trial.params)
    yield from (f"    {line}" for line in draw_network(recipe.architecture, dataset.inputs))
    yield ""
    yield "## Scores"
    yield ""
    yield "| head | unit | searched R² | confirmed R² (fresh seeds and folds) | test R² | test RMSE | test MAE |"
    yield "|---|---|---|---|---|---|---|"
    searched = finalist.contender.searched
    for head, figures in test.items():
        before = f"{searched.heads[head].score:.4f}" if searched else "-"
        confirmed = f"{score.heads[head].score:.4f} ± {score.heads[head].score_se:.4f}"
        told = f"{figures.score:.4f} | {figures.metrics[RMSE]:.4g} | {figures.metrics[MAE]:.4g}"
        yield f"| {head} | {heads[head].unit or '-'} | {before} | {confirmed} | {told} |"
    yield ""
    yield "The searched score is the best of many and flatters; the confirmed one does not know the search. The test rows were"
    yield "met by the finished model, and by nothing that chose it."
    yield ""
    yield f"{'Crowned' if verdict.promote else 'Not crowned'}: {verdict.because}."
    yield ""
    yield "## Data"
    yield ""
    yield f"- {dataset.location} ({dataset.source}), {dataset.rows:,} rows, digest `{dataset.digest}`."
    yield f"- {len(split.train):,} rows to train, {len(split.test):,} to test, split digest `{split.digest}`."
    yield ""
    yield "## Limits"
    yield ""
    yield "It has seen inputs in these ranges; beyond them it extrapolates, and networks extrapolate badly."
    yield ""
    yield "| input | from | to |"
    yield "|---|---|---|"
    yield from (f"| {name} | {low:g} | {high:g} |" for name, (low, high) in zip(dataset.inputs, ranges, strict=True))
    yield ""
    yield "## Trust"
    yield ""
    yield "Loading it runs `serving.py`, which lies with it, and reads `model.keras` in Keras's safe mode: no pickle, no code."
