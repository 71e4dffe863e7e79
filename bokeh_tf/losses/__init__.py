"""What training minimises, by name: `LOSSES["charbonnier"](expected, actual)`.

A loss takes two batches of pictures, the expected one first, and returns one value per picture,
`[B]`; `combined` adds several up. Losses are written in `keras.ops`. The losses of critics, which
compare scores, are in `adversarial`.
"""

from bokeh_tf.losses import pixels, structure

LOSSES = {
    "l1": pixels.l1,
    "charbonnier": pixels.charbonnier,
    "ssim": structure.ssim,
    "ms_ssim": structure.ms_ssim,
    "sobel": pixels.sobel,
    "grey": pixels.grey,
    "gradient": pixels.gradient,
    "binary_cross_entropy": pixels.binary_cross_entropy,
}
# Perceptual losses need a network: by name, the scale of `perceptual.PerceptualLoss`.
PERCEPTUAL_SCALES = {"vgg": 255.0, "vgg_255": 1.0}
NAMES = (*LOSSES, *PERCEPTUAL_SCALES)


def combined(terms, *, vgg_weights=None):
    """The weighted sum of losses as one function of (expected, actual).

    Args:
        terms: pairs of a name and a weight.
        vgg_weights: for perceptual terms, see `perceptual.PerceptualLoss`.
    """
    parts = [(weight, _loss(name, vgg_weights)) for name, weight in terms]

    def loss(expected, actual):
        return sum(weight * part(expected, actual) for weight, part in parts)

    return loss


def _loss(name, vgg_weights):
    if name in PERCEPTUAL_SCALES:
        # VGG takes a second to build; most plans do without.
        from bokeh_tf.losses.perceptual import PerceptualLoss

        return PerceptualLoss(vgg_weights, scale=PERCEPTUAL_SCALES[name])
    if name not in LOSSES:
        raise ValueError(f"name must be a loss. Received: {name!r}. Known: {', '.join(NAMES)}.")
    return LOSSES[name]
