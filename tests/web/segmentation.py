"""A file that says of each pixel of a photo which of four classes it is of, and how much of each
colour the photo has.
"""

import numpy as np

from bokeh_tf.tflite.associated_files import with_files
from bokeh_tf.tflite.inspection import STANDARD_METADATA_NAME
from bokeh_tf.tflite.standard_metadata import Labels, standard_metadata
from tests.delegate.rules.mldrift_graphs import OP, Graph, ints, options

HEIGHT, WIDTH = 64, 96
NAMES = ("reddish", "greenish", "bluish", "grey")


def segmentation(names=NAMES, *, of="scores"):
    """Outputs [1, 64, 96, 4] scores, [1, 64, 96, 1] red, and [1, 1, 1, 3] means, of a photo from 0 to 1.

    The first three scores are the photo's colours, the last is 0.4 everywhere. The file lists
    `names` for the output `of`.
    """
    graph = Graph()
    photo = graph.input((1, HEIGHT, WIDTH, 3))
    weights = np.zeros((4, 1, 1, 3), np.float32)
    weights[:3, 0, 0] = np.eye(3)
    bias = np.asarray([0, 0, 0, 0.4], np.float32)
    kept = options("Conv2D", strideH=1, strideW=1)
    scores = graph.node(OP.CONV_2D, [photo, weights, bias], (1, HEIGHT, WIDTH, 4), kept=kept)
    red = graph.node(OP.CONV_2D, [photo, weights[:1], bias[:1]], (1, HEIGHT, WIDTH, 1), kept=kept)
    kept = options("Reducer", keepDims=True)
    means = graph.node(OP.MEAN, [photo, ints(1, 2)], (1, 1, 1, 3), kept=kept)
    described = [{"name": name, "shape": [], "range": None} for name in ("scores", "red", "means")]
    description = {"model": "m", "variant": "v", "package_version": "1", "inputs": []}
    labels = {of: Labels("labels.txt", tuple(names))}
    graph.metadata(
        STANDARD_METADATA_NAME,
        standard_metadata({**description, "outputs": described}, labels=labels),
    )
    content = graph.file(scores, red, means)
    return with_files(content, {"labels.txt": "\n".join(names).encode()})
