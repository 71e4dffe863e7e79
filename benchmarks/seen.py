"""What an eye sees first in a rendering beside its real pair: is the subject as
sharp, the background as soft?

Both are taken where the rendering's own weight of the photo says "subject" or "background", without
whoever labels pairs. `background_octaves` is by how much the strength of the background's blur is
off: of Gaussians over the photo, the one that comes nearest to the rendering there, against the one
that comes nearest to the truth. `subject_sharpness` is the gradient energy of the rendering inside
the subject over that of the truth.
"""

import cv2
import numpy as np

# Rows at which blurs are compared, and sigmas for so many, of at most 40 pixels at 1024 rows.
_ROWS = 512
_SIGMAS_PX = tuple(0.5 * 2 ** (step / 2) for step in range(11))
_BACKGROUND_BELOW, _SUBJECT_ABOVE = 0.25, 0.75
# Regions smaller than this say nothing.
_LEAST_SHARE = 0.02
# The measures' names.
SEEN = ("background_octaves", "subject_sharpness")


def seen(photo, truth, rendering):
    """`{"background_octaves": …, "subject_sharpness": …}`, either None where
    there is too little of it.

    Args:
        photo, truth: uint8 `[H, W, 3]` of one size.
        rendering: a `bokeh_tf.rendering.Rendering` of the photo.
    """
    size = (max(1, round(_ROWS * photo.shape[1] / len(photo))), _ROWS)
    weight = cv2.resize(rendering.in_focus_weight, size, interpolation=cv2.INTER_AREA)
    photo, truth, image = (
        cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for part in (photo, truth, rendering.image)
    )
    scores = dict.fromkeys(SEEN)
    background, subject = weight < _BACKGROUND_BELOW, weight > _SUBJECT_ABOVE
    if background.mean() >= _LEAST_SHARE:
        ours, real = (nearest_sigma_px(photo, picture, background) for picture in (image, truth))
        scores["background_octaves"] = float(abs(np.log2(ours / real)))
    if subject.mean() >= _LEAST_SHARE:
        ours, real = (_gradient_energy(picture)[subject].mean() for picture in (image, truth))
        scores["subject_sharpness"] = float(ours / max(real, 1e-6))
    return scores


def nearest_sigma_px(photo, picture, where):
    """Of Gaussians over `photo`, the sigma that comes nearest to `picture` where a mask
    is true, brightness aside.
    """
    errors = []
    for sigma_px in _SIGMAS_PX:
        difference = (cv2.GaussianBlur(photo, (0, 0), sigma_px) - picture)[where]
        errors.append(np.var(difference, axis=0).mean())
    return _SIGMAS_PX[int(np.argmin(errors))]


def _gradient_energy(picture):
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2
