"""One network or estimator: its architecture, its Keras model, and the files that are deployed.

Read `recipe.py` first: a `Recipe` is every hyperparameter of one network with its value, and holds its `Architecture`
(`architecture.py`). `layers/` and `heads/` are what it is made of, written against the operations of `arrays.py`.
`initial_weights.py` draws the weights before the first step, `learning_rates.py` has the schedules, `keras_network.py` builds
the Keras model, `keras_fit.py` trains it with Keras alone; `built_network.py` is a network that a user's own function builds.

`export.py` writes trained networks as files (`exported_model.py` says what is in them, `encoder_files.py` and
`estimator_files.py` write what lies beside the network, `output_clipping.py` bounds its predictions), `conversion.py` converts
the network to other formats. `serving.py` predicts from these files without this package; `model_files.py` and
`table_reading.py` read them here.

`drawing.py` draws networks as text (`drawing_tree.py` those whose branches begin at several layers), `network_picture.py` by
Graphviz. `codegen.py` writes a script that trains one (`network_source.py` its networks, `split_source.py` how it divides rows,
`input_source.py` how it encodes inputs that are not all plain numbers, `source_layout.py` how it is formatted). `baselines.py`
wraps scikit-learn's estimators. `ensemble_selection.py` and `stacking.py` choose networks to average, and `member_weights.py`
fits their weights.
"""
