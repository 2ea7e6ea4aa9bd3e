"""The training engine: the only place that knows TensorFlow and Keras."""
