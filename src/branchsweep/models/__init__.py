"""One network or estimator: its architecture, its Keras model, and the files that are deployed.

Read `recipe.py` first: a `Recipe` is every hyperparameter of one network with its value, and holds its `Architecture`.
`initial_weights.py` draws the weights before the first step, `keras_network.py` builds the Keras model, `keras_fit.py` trains
it with Keras alone. `export.py` writes trained networks as files (`exported_model.py` says what is in them), `serving.py`
predicts from these files without this package.

`drawing.py` draws networks (`drawing_tree.py` those whose branches begin at several layers), `codegen.py` writes a
script that trains one (`split_source.py` how it divides rows, `input_source.py` how it encodes inputs that are not all plain
numbers), `baselines.py` wraps scikit-learn's estimators, `ensemble_selection.py` chooses networks to average.
"""
