"""What single hyperparameters are worth: test scores of one recipe with and without each, on the power-plant table and others.

    python -m benchmarks.hyperparameters [--tables FOLDER] [--names enb,jura,edm,slump] [--splits 5] [--networks 4]
                                         [--epochs 60] [--input-scaling quantile] [--only NAME …] [--data PATH]
                                         [--quick] [--json]

As `benchmarks.encoders`, with another choice of what is changed in the recipe: dropout, a moving average of the weights,
schedules, activations, weight decay, width, clipping, factors of the inputs, noise of the targets. Each table is divided at
random several times, a fifth of its rows for the test. Networks are trained on the others from different initial weights, and
the mean of their predictions is scored. Changes are compared with the recipe as it stands, split by split.
"""

from __future__ import annotations

from benchmarks.encoders import measure
from branchsweep.trial import Params

CHANGES: dict[str, Params] = {
    "recipe": {},
    "dropout 0.1": {"trunk.dropout": 0.1, "branch.dropout": 0.1},
    "dropout 0.25": {"trunk.dropout": 0.25, "branch.dropout": 0.25},
    "ema_momentum 0.99": {"ema_momentum": 0.99},
    "ema_momentum 0.99, constant": {"ema_momentum": 0.99, "learning_rate_schedule": "constant"},
    "mish": {"activation": "mish"},
    "flat_cosine": {"learning_rate_schedule": "flat_cosine"},
    "coslog4": {"learning_rate_schedule": "coslog4"},
    "warmup 0.1": {"warmup": 0.1},
    "beta_2 0.95": {"beta_2": 0.95},
    "weight_decay 0.1": {"weight_decay": 0.1},
    "learning_rate 0.01": {"learning_rate": 0.01},
    "learning_rate 0.01, dropout 0.1": {"learning_rate": 0.01, "trunk.dropout": 0.1, "branch.dropout": 0.1},
    "width 128": {"trunk.width": 128, "branch.width": 64},
    "output_clipping": {"output_clipping": "training_range"},
    "dropout 0.1, output_clipping": {"trunk.dropout": 0.1, "branch.dropout": 0.1, "output_clipping": "training_range"},
    "dropout 0.25, output_clipping": {"trunk.dropout": 0.25, "branch.dropout": 0.25, "output_clipping": "training_range"},
    "clipnorm 0.1": {"clipnorm": 0.1},
    "clipnorm 1": {"clipnorm": 1.0},
    "input_factor_rate 1": {"input_factor_rate": 1.0},
    "input_factor_rate 6": {"input_factor_rate": 6.0},
    "residual": {"residual": "equal_widths"},
    "depth 4": {"trunk.depth": 4},
    "depth 4, residual": {"trunk.depth": 4, "residual": "equal_widths"},
    "target_noise 0.1": {"target_noise": 0.1},
    "target_noise 0.3": {"target_noise": 0.3},
}
"""The first one is what the others are compared with."""


if __name__ == "__main__":
    measure(CHANGES, __doc__)
