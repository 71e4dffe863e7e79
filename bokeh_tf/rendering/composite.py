"""From what a model computed at its own size to a picture at the photo's size.

A bokeh model blends the sharp photo with blurred copies of it: rendered = W0 * photo + (1 - W0) *
blur. The blur loses nothing by being enlarged; the sharp part is taken from the photo itself at
full resolution. Where W0 is 1 the result is the photo, to rounding.
"""

import cv2
import numpy as np

from bokeh_tf.rendering.geometry import Enlarger
from bokeh_tf.rendering.weight_maps import edge_model

_BAND_PIXELS = 1 << 19
# From here on the weight's own resolution is visibly coarser than the photo's.
_EDGES_FROM_ENLARGEMENT = 1.5
# A smaller share of blur in a pixel says too little about the blur's colour, which
# then comes from around it.
_RELIABLE_SHARE = 0.05
_TINY = 1e-6


def composite(photo, image, rendered, in_focus_weight, *, grain=None, full_weight=None):
    """Renders `photo` with what a model computed from a small copy of it.

    Args:
        photo: `[H, W, 3]` uint8 or uint16.
        image: `[h, w, 3]` float32 in [0, 1], the copy the model saw.
        rendered: `[h, w, 3]` float32, the model's rendering of `image`.
        in_focus_weight: `[h, w]` float32 in [0, 1], the share of `image` in `rendered`.
        grain: a `bokeh_tf.rendering.grain.Grain` to put on what is blurred.
        full_weight: float32 `[H, W]` that is filled with the weight at the photo's size.

    Returns:
        The rendering, `[H, W, 3]` of the type of `photo`.
    """
    height, width, _ = photo.shape
    follows_edges = height >= _EDGES_FROM_ENLARGEMENT * len(image)
    layers = _layers(image, rendered, in_focus_weight, follows_edges=follows_edges)
    full_scale = np.float32(np.iinfo(photo.dtype).max)
    enlarger = Enlarger(layers, height, width)
    result = np.empty_like(photo)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        sharp = photo[top : top + rows] / full_scale
        layers = enlarger.band(top, top + rows)
        rest, weight = layers[..., :3], layers[..., 3:]
        if follows_edges:
            weight = _weight_along_edges(sharp, weight)
            rest = (1 - weight) * rest
        blend = rest + weight * sharp
        if grain is not None:
            blend += (1 - weight) * grain.band(top, blend)
        if full_weight is not None:
            full_weight[top : top + rows] = weight[..., 0]
        result[top : top + rows] = np.rint(np.clip(blend, 0, 1) * full_scale)
    return result


def _layers(image, rendered, in_focus_weight, *, follows_edges):
    """What is enlarged, `[h, w, C]`: blur and edge model; or, where nothing is to be
    sharpened, rest and weight.
    """
    rest = rendered - in_focus_weight[..., None] * image
    if not follows_edges:
        return np.dstack([rest, in_focus_weight])
    return np.dstack([blurred_layer(rest, 1 - in_focus_weight), edge_model(image, in_focus_weight)])


def _weight_along_edges(sharp, layers):
    """Applies an enlarged `edge_model`; `[H, W, 1]`."""
    weight = (sharp * layers[..., :3]).sum(axis=2) + layers[..., 3]
    return np.clip(weight, layers[..., 4], layers[..., 5])[..., None]


def blurred_layer(rest, share):
    """The blurred picture behind the sharp one, continued under it from the sides.

    Where there is hardly any blur in the rendering, its colour is that of the nearest blur, at the
    finest scale that has some (a pyramid of averages weighted by `share`).

    Args:
        rest: `[h, w, 3]` float32, the blurred picture times `share`.
        share: `[h, w]` float32 in [0, 1].

    Returns:
        `[h, w, 3]` float32 in [0, 1].
    """
    levels = [(rest, share)]
    while levels[-1][1].size > 1:
        height, width = levels[-1][1].shape
        half = (width + 1) // 2, (height + 1) // 2
        levels.append(
            tuple(cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in levels[-1])
        )
    colour = _quotient(*levels.pop())
    for rest, share in reversed(levels):
        height, width = share.shape
        colour = cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)
        trust = np.clip(share / _RELIABLE_SHARE, 0, 1)[..., None]
        colour += trust * (_quotient(rest, share) - colour)
    return np.clip(colour, 0, 1)


def _quotient(rest, share):
    return rest / np.maximum(share, _TINY)[..., None]
