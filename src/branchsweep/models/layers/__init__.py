"""What trunks and branches are made of: one module per kind, all with the contract `layer.Layer`.

Read `layer.py` first. `dense.py` is the fully connected layer, `activations.py` has the activation functions. `registry.py`
finds layers and activations by name, and takes kinds from outside.
"""
