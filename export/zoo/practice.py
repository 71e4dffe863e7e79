"""A little training for networks whose fresh weights are so small that nothing of the
photo reaches the picture.

A flat picture says nothing about a delegate's numbers. Larger random weights alone say too much:
over a hundred layers they amplify the rounding of half precision as no network does that has learnt
anything. So these networks get larger weights (He et al. 2015, equation 10), then learn for some
steps to blur crops of the packaged photograph.
"""

import cv2
import numpy as np
from PIL import Image

from bokeh_tf.tflite.running.feeding import PACKAGED_PHOTO

FLAT_WHEN_FRESH = ("bgnet", "pynet")
STEPS = 100
_LEARNING_RATE = 1e-4
_SIGMA_PX = 2.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def practise(model, *, steps=STEPS):
    """Enlarges the weights of `model`, a network from photo and maps to a picture of the
    same size, and trains it for `steps` steps.
    """
    # Not above: the page about the models names `STEPS` and does without.
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            taps = np.prod(layer.kernel.shape[:3])
            layer.kernel.assign(layer.kernel * (np.sqrt(2 / taps) / np.std(layer.kernel)))
    model.compile(optimizer=keras.optimizers.Adam(_LEARNING_RATE), loss="mae", jit_compile=False)
    height_px, width_px = model.inputs[0].shape[1:3]
    generator = np.random.default_rng(0)
    photo = _photo(2 * height_px, 2 * width_px)
    for _ in range(steps):
        row, column = generator.integers(0, height_px + 1), generator.integers(0, width_px + 1)
        crop = photo[row : row + height_px, column : column + width_px]
        blurred = cv2.GaussianBlur(crop, (0, 0), _SIGMA_PX)
        # The luminance stands in for every map.
        inputs = [
            (crop if tensor.shape[-1] == 3 else (crop @ _LUMA)[..., None])[None]
            for tensor in model.inputs
        ]
        model.train_on_batch(keras.tree.pack_sequence_as(model.input, inputs), blurred[None])


def _photo(height_px, width_px):
    with Image.open(PACKAGED_PHOTO) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.float32) / 255
    return cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA)
