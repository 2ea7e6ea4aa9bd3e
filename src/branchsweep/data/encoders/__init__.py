"""How columns become numbers for a network: one object per kind, all with the contract `encoder.Encoder`.

Read `encoder.py` first. Kinds for numeric columns are in `scaling.py` (none, min_max, standard, robust, quantile), `bins.py`
(piecewise_linear, and its form by decision trees) and `waves.py` (periodic). What a fitted encoder computes stands in
`affine.py`, `quantile.py`, `piecewise_linear.py` and `periodic.py`; `categories.py`, `date_parts.py` and `missing_indicator.py`
encode columns that are not numeric. These modules import nothing of this package: they are copied beside an exported model,
which encodes as the trainer did.

`inputs.py` encodes all columns of a network, each by its kind. `registry.py` finds a kind by its name, and takes kinds from
outside.
"""
