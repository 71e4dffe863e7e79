"""What a model and its file are run on: the user's samples, or a photograph and random numbers."""

from collections.abc import Iterator, Sequence

import numpy as np

from bokeh_tf.delegate.audit.inputs import samples
from bokeh_tf.tflite.running.feeding import load_picture, trial_inputs
from bokeh_tf.tflite.running.runtime import TensorSpec


def parity_samples(
    specs: Sequence[TensorSpec], request: dict
) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """What each sample is called, and one array per input.

    Args:
        request: `inputs` and `photo`, paths or None, and `ranges`, (low,
            high) by the name of an input.
    """
    ranges = [request["ranges"].get(spec.name) for spec in specs]
    yield from samples(specs, paths=request["inputs"], photo=request["photo"], ranges=ranges)
    if not request["inputs"]:
        picture, _ = load_picture(request["photo"])
        yield "random", trial_inputs("positive_random", specs, picture=picture, ranges=ranges)
