"""How columns become numbers for a network: one object per kind, all with the contract `encoder.Encoder`.

Read `encoder.py` first. `scaling.py` has the kinds, fitted with scikit-learn: none, min_max, standard, quantile. What a fitted
encoder computes stands in `affine.py` and `quantile.py`, which import nothing of this package: they are copied beside an
exported model, which encodes as the trainer did. `registry.py` finds a kind by its name, and takes kinds from outside.
"""
