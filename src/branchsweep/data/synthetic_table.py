"""A synthetic power-plant table with the columns of the published one, for when that cannot be had.

Its rows are generated: a hand-made model of a plant is sampled by a seeded generator, and the model's constants were chosen so
that ranges, means, standard deviations, correlations, and the R² that common models reach agree with those of the published
table:

    674 days, spread over the year, each with a deviation of its own in warmth, in the condenser, in pressure and in moisture
    hours drawn from these days: the temperature swings with the time of day, the humidity against it
    AT   the season, the day's warmth and the swing
    V    one reading for all hours of a day: low in winter, high in summer, a steep passage between, noisy from day to day
    AP   high in winter and on cold days, hardly changing within a day
    RH   high in winter and in cool hours, with more room downwards than upwards
    PE   falls with AT (less steeply where it is hot), V and RH

Every column is brought to the published mean and standard deviation; what would lie beyond a published limit is mirrored at it.

The same numbers come out on every platform: the generator's uniform draws are exact, and everything after them is made of
additions, products, quotients and square roots, which are exactly rounded everywhere (sines and exponentials are not).

Legend: D days, N hours (rows); names in the singular are arrays `(D,)` or `(N,)`; a deviation is a standard normal draw.
"""

from __future__ import annotations

import math

import numpy as np

from branchsweep.data.power_plant import COLUMNS, DECIMALS, ROWS, Column
from branchsweep.types import Floats

SEED = 294
"""The seed: the number of the real table in its repository."""

DAYS = 674
"""Days that the hours are drawn from: fourteen hours of each, on average."""


def synthetic_rows(seed: int = SEED) -> Floats:
    """The rows `(9568, 5)`, columns as in `power_plant.COLUMNS`, rounded as the published ones are."""
    rng = np.random.Generator(np.random.PCG64(seed))
    year = _wave((np.arange(DAYS) + rng.random(DAYS)) / DAYS)  # (D,) from -1 in midwinter to 1 in midsummer
    season = year + 0.058 * (1.0 - year * year)  # springs and autumns are a little warmer than the mean of the extremes
    day = np.floor(rng.random(ROWS) * DAYS).astype(np.intp)  # (N,) which day each hour belongs to
    clock = _wave(rng.random(ROWS))  # (N,) from -1 before sunrise to 1 in the afternoon
    warmth = _with_tails(_normal(rng, DAYS), 0.014)
    condenser = _with_tails(_normal(rng, DAYS), 0.048)
    pressure, moisture = _normal(rng, DAYS), _normal(rng, DAYS)

    swing = (2.68 + 0.47 * season[day]) * clock  # degrees C
    temperature = _standard(9.86 * season[day] + 1.67 * warmth[day] + swing)
    heat = season + 0.15 * warmth
    vacuum = _standard((_step((heat + 0.02) / 0.18) + 0.17 * heat + 0.42 * condenser)[day])
    air = _standard((0.72 * pressure - 0.54 * season - 0.45 * warmth)[day] + 0.16 * _normal(rng, ROWS))
    damp = (0.55 * moisture - 0.64 * season - 0.08 * pressure)[day] - 0.63 * swing + 0.03 * _normal(rng, ROWS)
    humidity = _standard(damp)
    humidity = _standard(humidity - 0.11 * humidity * humidity)
    power = (
        -temperature
        + 0.18 * temperature * temperature
        - 0.32 * vacuum
        - 0.11 * humidity
        + 0.04 * air
        + 0.27 * _normal(rng, ROWS)
    )
    columns = [temperature, vacuum, air, humidity, _standard(power)]
    return np.stack([_scaled(values, column) for values, column in zip(columns, COLUMNS.values(), strict=True)], axis=1)


def _normal(rng: np.random.Generator, count: int) -> Floats:
    """Draws `(count,)` of about a standard normal: sums of twelve uniform ones."""
    total = np.full(count, -6.0)
    for _ in range(12):
        total += rng.random(count)
    return total


def _with_tails(deviation: Floats, weight: float) -> Floats:
    """The same, with rare days that deviate more."""
    return deviation + weight * deviation * deviation * deviation


def _wave(phase: Floats) -> Floats:
    """Close to -cos(2 pi phase) for a phase from 0 to 1: a triangle with rounded corners."""
    triangle = 1.0 - np.abs(4.0 * phase - 2.0)
    return triangle * (1.5 - 0.5 * triangle * triangle)


def _step(position: Floats) -> Floats:
    """From -1 far left to 1 far right, steepest at 0."""
    return position / np.sqrt(1.0 + position * position)


def _standard(values: Floats) -> Floats:
    """To mean 0 and standard deviation 1; `fsum` because the order of NumPy's own sums is a matter of the processor."""
    centred = values - math.fsum(values) / len(values)
    return centred / math.sqrt(math.fsum(centred * centred) / len(values))


def _scaled(values: Floats, column: Column) -> Floats:
    """Standard values to a column's mean and standard deviation, within its limits, with its decimals."""
    natural = column.mean + column.deviation * values
    below = column.high - np.abs(column.high - natural)
    within = column.low + np.abs(below - column.low)
    return within.round(DECIMALS)
