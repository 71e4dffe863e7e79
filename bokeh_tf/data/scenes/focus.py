"""Where a photograph is in focus, and the subject that a photographer put there.

Photographs are uint8 `[H, W, 3]` RGB. Maps are float32 `[H, W]` in [0, 1]. Everything here is
deterministic.
"""

import cv2
import numpy as np

# A gradient weaker than this (8-bit levels per pixel) is noise or flat colour: it
# tells nothing about focus.
_NOISE_GRADIENT = 2.0
# Side of the square neighbourhood that shares one verdict, as a share of the photo's longer side.
_NEIGHBOURHOOD = 1 / 24
# GrabCut costs several seconds at full size; the matte is smooth at the sizes it is used at.
_MATTE_LONG_SIDE_PX = 256
# GrabCut fits two mixtures of five colours; fewer certain pixels than this cannot support them.
_LEAST_SEEDS_PX = 100


def sharpness_map(photo):
    """Local sharpness: how much of the gradient energy a slight extra blur takes away.

    A step edge of blur s keeps s / sqrt(s^2 + 1.5^2) of its gradient under a Gaussian of 1.5 px, so
    sharp edges lose most and defocused ones almost nothing; the ratio does not depend on contrast.
    Flat neighbourhoods, which have no edge to judge, get 0.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    side_px = max(3, round(max(grey.shape) * _NEIGHBOURHOOD)) | 1
    energy = _gradient_energy(grey)
    reblurred_energy = _gradient_energy(cv2.GaussianBlur(grey, (0, 0), 1.5))
    local = np.maximum(cv2.blur(energy, (side_px, side_px)), 0)
    kept = np.sqrt(
        np.maximum(cv2.blur(reblurred_energy, (side_px, side_px)), 0) / (local + _NOISE_GRADIENT**2)
    )
    confidence = local / (local + _NOISE_GRADIENT**2)
    return np.clip((0.85 - kept) / 0.45, 0, 1).astype(np.float32) * confidence


def _gradient_energy(grey):
    horizontal = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32)
    vertical = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32)
    return horizontal**2 + vertical**2


def subject_matte(photo):
    """Matte of the subject in focus, or None where the photo does not show one clearly.

    The sharpness map seeds GrabCut (Rother et al., 2004), whose colour models carry the verdict
    into the flat parts of the subject; a guided filter (He et al., 2010) then softens the cut along
    the photo's edges. Photos without a clear subject are those where the cut is tiny, fills the
    frame, disagrees with the sharpness map, or falls apart.
    """
    small = _reduced(photo)
    sharpness = cv2.resize(sharpness_map(photo), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    if not 0.01 < (sharpness > 0.3).mean() < 0.8:
        return None
    seeds = np.full(sharpness.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[sharpness > 0.3] = cv2.GC_PR_FGD
    seeds[sharpness > 0.8] = cv2.GC_FGD
    distance_px = cv2.distanceTransform((sharpness < 0.3).astype(np.uint8), cv2.DIST_L2, 3)
    seeds[distance_px > 0.15 * max(sharpness.shape)] = cv2.GC_BGD
    if min((seeds == cv2.GC_BGD).sum(), (seeds == cv2.GC_FGD).sum()) < _LEAST_SEEDS_PX:
        return None
    cut = _grab_cut(small, seeds)
    area, parts, border = _shape_of(cut)
    if not 0.02 < area < 0.65 or parts > 5 or border > 0.4:
        return None
    inside, outside = sharpness[cut == 1].mean(), sharpness[cut == 0].mean()
    if inside < 0.15 or inside < 2.5 * outside:
        return None
    return _soft_matte(cut, small, photo.shape[:2])


def centred_subject_matte(photo):
    """Matte of a compact subject in the middle whose colours differ from the frame's rim, or None.

    For photos that are sharp all over: GrabCut seeded with the rim as background and a central
    ellipse as probable subject.
    """
    small = _reduced(photo)
    height, width = small.shape[:2]
    seeds = np.full((height, width), cv2.GC_BGD, np.uint8)
    seeds[int(0.06 * height) :, int(0.06 * width) : int(0.94 * width)] = cv2.GC_PR_BGD
    y, x = np.mgrid[:height, :width] / np.array([[[height]], [[width]]])
    centre = ((x - 0.5) / 0.30) ** 2 + ((y - 0.55) / 0.38) ** 2 < 1
    seeds[centre] = cv2.GC_PR_FGD
    cut = _grab_cut(small, seeds)
    area, parts, border = _shape_of(cut)
    if not 0.04 < area < 0.55 or parts > 2 or border > 0.15 or _compactness(cut) < 0.12:
        return None
    return _soft_matte(cut, small, photo.shape[:2])


def _reduced(photo):
    scale = _MATTE_LONG_SIDE_PX / max(photo.shape[:2])
    size = (max(8, round(photo.shape[1] * scale)), max(8, round(photo.shape[0] * scale)))
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def _grab_cut(small, seeds):
    # Dithering keeps GrabCut's colour covariances regular where a photo has
    # areas of one exact colour.
    dither = np.random.default_rng(0).normal(0, 3, small.shape)
    dithered = np.clip(small + dither, 0, 255).astype(np.uint8)
    labels = seeds.copy()
    cv2.setRNGSeed(0)
    cv2.grabCut(
        dithered, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK
    )
    cut = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    return _keep_large_parts(cv2.morphologyEx(cut, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))


def _keep_large_parts(cut):
    """Drops parts smaller than a tenth of the largest and fills holes
    smaller than 1 % of the frame.
    """
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(cut)
    areas = statistics[1:count, cv2.CC_STAT_AREA]
    if not len(areas):
        return cut
    keep = np.concatenate([[False], areas >= 0.1 * areas.max()])
    cut = keep[labels].astype(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - cut)
    small_hole = statistics[:, cv2.CC_STAT_AREA] < 0.01 * cut.size
    small_hole[0] = False
    return np.where(small_hole[labels], 1, cut).astype(np.uint8)


def _shape_of(cut):
    """Share of the frame, number of parts, and share of the top and side
    borders that the cut touches.
    """
    border = np.concatenate([cut[0], cut[:, 0], cut[:, -1]]).mean()
    return cut.mean(), cv2.connectedComponents(cut)[0] - 1, border


def _compactness(cut):
    """4 pi area / perimeter² of the largest part: 1 for a disc."""
    outlines, _ = cv2.findContours(cut, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea)
    return 4 * np.pi * cv2.contourArea(largest) / max(cv2.arcLength(largest, True), 1) ** 2


def _soft_matte(cut, small, shape):
    soft = guided_filter(
        cut.astype(np.float32), small.astype(np.float32) / 255, radius_px=4, epsilon=1e-4
    )
    full = cv2.resize(soft, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip((full - 0.1) / 0.8, 0, 1)


def guided_filter(weights, guide, *, radius_px, epsilon):
    """Guided filter (He et al., 2010, eq. 5-8) of `weights` `[H, W]` along the
    luminance of `guide` `[H, W, 3]`.
    """
    luminance = cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY)
    side = (2 * radius_px + 1,) * 2
    mean_guide, mean_weights = cv2.blur(luminance, side), cv2.blur(weights, side)
    covariance = cv2.blur(luminance * weights, side) - mean_guide * mean_weights
    variance = cv2.blur(luminance * luminance, side) - mean_guide**2
    slope = covariance / (variance + epsilon)
    offset = mean_weights - slope * mean_guide
    return cv2.blur(slope, side) * luminance + cv2.blur(offset, side)
