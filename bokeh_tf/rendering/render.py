"""One photo through one model."""

import dataclasses

import numpy as np

from bokeh_tf.rendering.composite import composite
from bokeh_tf.rendering.geometry import place, to_canvas
from bokeh_tf.rendering.weight_maps import estimate_in_focus_weight


@dataclasses.dataclass(frozen=True)
class Rendering:
    """A rendered photo.

    Attributes:
        image: `[H, W, 3]`, size and type of the photo.
        in_focus_weight: float32 `[h, w]` in [0, 1] at the model's resolution, covering the whole photo: the
            share of the photo itself, which is sharp, in each pixel.
    """

    image: np.ndarray
    in_focus_weight: np.ndarray


def render(photo, model):
    """Renders bokeh into a photo of any size.

    Args:
        photo: `[H, W, 3]` RGB, uint8 or uint16, sRGB-encoded.
        model: a `BokehModel`, see `load_model`.

    Returns:
        A `Rendering`.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"photo must be [H, W, 3] uint8 or uint16. Received: {photo.dtype} {list(photo.shape)}.")
    height, width, _ = photo.shape
    placement = place(height, width, *model.canvas_size(height, width))
    canvas = to_canvas(photo, placement)
    output = model.run(canvas)
    image, rendered = placement.crop(canvas), placement.crop(output.rendered)
    if output.in_focus_weight is None:
        weight = estimate_in_focus_weight(image, rendered)
    else:
        weight = np.ascontiguousarray(placement.crop(output.in_focus_weight))
    return Rendering(composite(photo, image, rendered, weight), weight)
