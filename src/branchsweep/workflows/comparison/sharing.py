"""How much the heads share: one recipe, whose branches leave the trunk later and later."""

from __future__ import annotations

from branchsweep.config.comparison import N_HALVES, Comparison
from branchsweep.config.hyperparameters import TRUNK
from branchsweep.config.sections.search_space import SearchSpace
from branchsweep.metrics.comparison_result import (
    SharingResult,
)
from branchsweep.models.heads.registry import kinds_by_head
from branchsweep.workflows.comparison.fits import NetworkToFit, fit_networks, score_networks
from branchsweep.workflows.comparison.nested_search import (
    ChosenRecipe,
    ContestantNetwork,
)
from branchsweep.workflows.context import TrainingContext


def shared_layers(comparison: Comparison, training: TrainingContext) -> tuple[SharingResult, ...]:
    """Scores by the layers that the heads share, from none (networks of their own) to all: one recipe, tuned for none."""
    if comparison.sharing is None:
        return ()
    training.progress.on_message("how much is shared: one recipe, with its branches leaving the trunk ever later")
    points = [_shared(comparison, layers) for layers in range(comparison.sharing.layers + 1)]
    networks = [
        NetworkToFit.of(f"{layers} shared", part, [ChosenRecipe(part.candidates[0])] * N_HALVES)
        for layers, parts in enumerate(points)
        for part in parts
    ]
    fits = fit_networks(networks, comparison.networks, training)
    found = []
    for layers in range(len(points)):
        own = [fit for fit in fits if fit.network.name == f"{layers} shared"]
        if not any(fit.failed for fit in own):
            by_head, _ = score_networks(own, kinds_by_head(comparison.experiment), training.rows)
            found.append(SharingResult(layers, by_head, round(sum(fit.network.parameters for fit in own))))
    return tuple(found)


def _shared(comparison: Comparison, layers: int) -> list[ContestantNetwork]:
    """The networks whose heads share so many hidden layers: one for all of them, or one for each where they share none."""
    assert comparison.sharing is not None, "it is asked for"
    sharing, base = comparison.sharing, comparison.experiment
    recipe = {**base.space.fixed, **sharing.fixed, "trunk.depth": sharing.layers}
    for head in base.heads:
        own_layers = sharing.layers - layers if layers else 0
        recipe |= {f"{head}.exit": layers, f"{head}.reads": TRUNK, f"{head}.depth": own_layers}
    update = {
        "space": SearchSpace(dimensions={}, fixed=recipe),
        "search": base.search.model_copy(update={"initial_trials": {}}),
        "seed": comparison.seed,
    }
    experiment = base.model_copy(update=update)
    return (
        [ContestantNetwork("", experiment)]
        if layers
        else [ContestantNetwork(head, experiment.for_single_head(head)) for head in base.heads]
    )
