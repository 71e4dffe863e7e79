"""Composites a photo from layers of growing blur, so that what is blurred more lies
behind what is blurred less.

Busam et al., "SteReFo: Efficient Image Refocusing with Stereo Vision" (2019), section 3.3: every
layer has a mask of the pixels that belong to it; image times mask and mask are blurred alike and
laid over what is there already.
"""

from keras import ops

# How steep the masks of `defocus_masks` fall, per unit of defocus.
_MASK_SLOPE = 200.0


def defocus_masks(defocus, count):
    """One mask `[B, H, W, 1]` for each of `count` layers, sharpest first, from defocus
    `[B, H, W, 1]` in [0, 1].

    A layer takes the defocus within 1 / (count - 1) of its own, i / (count - 1): 1/2 + 1/2
    tanh(100 t) of the distance t to its limit, written as the sigmoid of 200 t, which half
    precision cannot overflow.
    """
    interval = 1 / (count - 1)
    return [
        ops.sigmoid((interval - ops.abs(defocus - index * interval)) * _MASK_SLOPE)
        for index in range(count)
    ]


def composite(images, masks, blurs, *, epsilon):
    """Lays the blurred layers over one another, the most blurred first, and divides
    by what they cover in all.

    As a blur keeps constants, the blurred complement of a mask is what shows through its layer; so
    nothing is subtracted from a mask near one, which half precision could not tell from one.

    Args:
        images: `[B, H, W, C]`.
        masks: `[B, H, W, 1]` in [0, 1], sharpest layer first.
        blurs: functions of `[B, H, W, C + 1]`, one per mask; None leaves a layer sharp.
        epsilon: added to the cover before dividing; half precision needs 1e-4 or more.
    """
    channels = images.shape[-1]
    total, uncovered = None, None
    for mask, blur in reversed(list(zip(masks, blurs, strict=True))):
        layer = ops.concatenate([images * mask, 1.0 - mask], axis=-1)
        layer = blur(layer) if blur else layer
        light, clear = layer[..., :channels], layer[..., channels:]
        total = light if total is None else total * clear + light
        uncovered = clear if uncovered is None else uncovered * clear
    # A product with the reciprocal: a division by one channel ends the classic delegate's OpenGL
    # half.
    return total * (1.0 / (1.0 - uncovered + epsilon))
