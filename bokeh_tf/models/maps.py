"""Depth and saliency maps for models that need one: an input of the graph, or estimated
inside it from the photo.

A map is `[B, H, W, 1]` in [0, 1], as large as the image. "depth" is inverse depth divided by its
largest value, so 1 is near; "saliency" is the probability of belonging to the subject.
"""

import math

import keras
from keras import layers, ops

from bokeh_tf.models import scrn
from bokeh_tf.models.backbones import ENCODER_STRIDE, FirstInput
from bokeh_tf.models.layers import HOURGLASS_STRIDE, hourglass, map_input
from bokeh_tf.ops.extremes import picture_maxima
from bokeh_tf.ops.resize import BilinearUpsampling

# Pixels of the photos that SCRN was trained on, a square of 352.
_SCRN_PIXELS = 352 * 352


@keras.saving.register_keras_serializable(package="bokeh_tf")
class InverseDepth(layers.Layer):
    """exp(-y) of a log-depth map y `[B, H, W, 1]`, over its largest value; as exp(min
    y - y) it cannot overflow.

    The minimum is a summand and made of a maximum: the classic delegate's OpenGL half has no
    minimum over axes, and makes anew at each pixel what is subtracted from a picture.
    """

    def call(self, log_depth):
        """Returns the map, in (0, 1]."""
        return ops.exp(-(log_depth + picture_maxima(-log_depth)))


def depth_map(image, *, is_estimated):
    """The map of inverse depth: the input "depth", or MegaDepth's estimate inside the graph.

    Args:
        image: the photo `[B, H, W, 3]`; for an estimate H and W are multiples of 16.
    """
    if not is_estimated:
        return map_input(image.shape[1:3], name="depth")
    if any(size_px % HOURGLASS_STRIDE for size_px in image.shape[1:3]):
        raise ValueError(
            f"An estimated depth needs multiples of {HOURGLASS_STRIDE}. Received:"
            f" {image.shape[1:3]}"
        )
    log_depth = layers.Conv2D(1, 3, padding="same", name="log_depth")(hourglass(image))
    return InverseDepth(name="depth")(log_depth)


def saliency_reduction(image_shape):
    """By what whole number SCRN's copy of a photo is smaller: nearest its training's
    size, sides multiples of 32.

    The published test squeezes every photo into 352x352. A whole number keeps the aspect and needs
    no resize whose positions half precision loses: 1024x1536 becomes 256x384.
    """
    if any(size_px % ENCODER_STRIDE for size_px in image_shape):
        raise ValueError(
            f"An estimated saliency needs multiples of {ENCODER_STRIDE}. Received:"
            f" {tuple(image_shape)}"
        )
    cells = math.gcd(*(size_px // ENCODER_STRIDE for size_px in image_shape))
    factors = [factor for factor in range(1, cells + 1) if cells % factor == 0]
    return min(
        factors, key=lambda factor: abs(math.log(math.prod(image_shape) / factor**2 / _SCRN_PIXELS))
    )


def saliency_map(image, *, is_estimated, network=scrn.VARIANTS["base"]):
    """The map of saliency: the input "saliency", or SCRN's estimate inside the graph.

    The estimate is computed on a copy of the photo that is `saliency_reduction` times smaller, and
    enlarged. SCRN normalises by itself: all it takes is the photo in [0, 1].

    Args:
        image: the photo `[B, H, W, 3]`; for an estimate H and W are multiples of 32.
        network: SCRN's configuration.
    """
    if not is_estimated:
        return map_input(image.shape[1:3], name="saliency")
    factor = saliency_reduction(image.shape[1:3])
    reduced = layers.AveragePooling2D(factor, name="scrn_photo")(image) if factor > 1 else image
    maps = scrn.saliency_and_edges(reduced, network, output_names=("scrn_saliency", "scrn_edges"))
    saliency = FirstInput(name="scrn_map")(maps)
    return BilinearUpsampling(factor, name="saliency")(saliency)
