"""What happens to light at the sensor and after it: highlights, noise, compression.

Each function takes a picture, float32 `[H, W, 3]`, sRGB-encoded, and the NumPy generator from which
it draws how much it does, and returns another picture; the first argument stays as it was.
"""

import cv2
import numpy as np

from bokeh_tf.data.lens.renderer import to_encoded, to_linear
from bokeh_tf.errors import DataError


def boosted_highlights(picture, random, *, knee=0.9, gains=(1.0, 4.0)):
    """Gives clipped lights back what the sensor cut off, so that they stay bright when they spread.

    Linear light is multiplied by 1 + (gain - 1) t² (3 - 2 t), a smoothstep, where t goes from 0 to
    1 as the darkest channel goes from `knee` to 1: a saturated colour is no light.

    Args:
        gains: least and most gain at white; it is drawn evenly in stops.

    Returns:
        Encoded values, above 1 for lights brighter than white.
    """
    if not 0 <= knee < 1:
        raise ValueError(f"knee must be from 0 to less than 1. Received: {knee}")
    _check_range("gains", gains, least=1.0)
    light = to_linear(picture)
    t = np.clip((light.min(axis=-1, keepdims=True) - knee) / (1 - knee), 0, 1)
    gain = np.exp2(random.uniform(*np.log2(gains)))
    return to_encoded(light * (1 + (gain - 1) * t**2 * (3 - 2 * t)), most=gains[1])


def sensor_noise(picture, random, *, electrons_at_white=(2000.0, 50000.0), read_electrons=4.0):
    """Shot noise, which is Poisson's, and Gaussian read noise, in linear light; clips to [0, 1].

    Args:
        electrons_at_white: least and most electrons that a white pixel
            collects; drawn evenly in stops.
        read_electrons: standard deviation of what reading adds.
    """
    _check_range("electrons_at_white", electrons_at_white, least=1.0)
    white = np.exp2(random.uniform(*np.log2(electrons_at_white)))
    electrons = random.poisson(np.clip(to_linear(picture), 0, 1) * white)
    return to_encoded((electrons + random.normal(0, read_electrons, electrons.shape)) / white)


def jpeg_bytes(picture, *, quality):
    """A JPEG file of the picture, whose values beyond [0, 1] are clipped."""
    samples = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    is_done, content = cv2.imencode(".jpg", cv2.cvtColor(samples, cv2.COLOR_RGB2BGR), settings)
    if not is_done:
        raise DataError(
            f"a picture of {samples.shape[1]}x{samples.shape[0]} does not fit into a JPEG file."
        )
    return content.tobytes()


def _check_range(name, values, *, least):
    if not least <= values[0] <= values[1]:
        raise ValueError(
            f"{name} must be two numbers from {least} on, the smaller first. Received: {values}"
        )
