"""What the lint, and the delegate itself, say of a graph."""

from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.tflite.inspection import inspect


def report_of(content):
    return lint(inspect(content), "mldrift")


def probed(content, folder):
    path = folder / "graph.tflite"
    path.write_bytes(content)
    return probe(path, precisions=("float32",)).verdict
