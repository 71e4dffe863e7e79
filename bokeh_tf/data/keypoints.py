"""Points that two pictures of one scene share: SIFT keypoints (Lowe, 2004), matched
by the ratio of distances.

Photographs are uint8 `[H, W, 3]` RGB. Positions are float64 `[N, 2]` (x, y) in pixels, the centre
of the first pixel at (0, 0). Everything is deterministic.
"""

import dataclasses

import cv2
import numpy as np

# Out of focus little contrast is left; OpenCV's 0.04 would keep hardly a point there.
_CONTRAST_THRESHOLD = 0.01
# Lowe's ratio of the nearest to the second nearest descriptor: 0.8 drops 90 % of wrong
# matches and 5 % of right ones.
_RATIO = 0.8


@dataclasses.dataclass(frozen=True)
class Matches:
    """Matched positions in two pictures, and how many keypoints each picture has.

    Attributes:
        first, second: `[N, 2]` positions in the pictures, row by row of one point.
        sizes_px: `[N]` diameter of the larger of the two keypoints. The error of its
            position grows in proportion.
        first_count, second_count: keypoints found.
    """

    first: np.ndarray
    second: np.ndarray
    sizes_px: np.ndarray
    first_count: int
    second_count: int


def match(first, second, *, height_px, most_keypoints):
    """Matches keypoints of two photographs of any sizes.

    Args:
        height_px: photographs higher than this are reduced to it before keypoints are looked for.
        most_keypoints: the strongest so many are kept of each photograph.

    Returns:
        `Matches`; positions are in pixels of the photographs as given.
    """
    (points, sizes_px, descriptors), (other_points, other_sizes_px, other_descriptors) = (
        _keypoints(photo, height_px, most_keypoints) for photo in (first, second)
    )
    pairs = np.zeros((0, 2), int)
    # A ratio needs two candidates on either side.
    if min(len(points), len(other_points)) >= 2:
        # From the picture with fewer points: where one is out of focus, most of the
        # other's have no partner.
        if len(points) <= len(other_points):
            pairs = _nearest(descriptors, other_descriptors)
        else:
            pairs = _nearest(other_descriptors, descriptors)[:, ::-1]
    own, other = pairs.T
    largest_px = np.maximum(sizes_px[own], other_sizes_px[other])
    return Matches(points[own], other_points[other], largest_px, len(points), len(other_points))


def _keypoints(photo, height_px, most_keypoints):
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, height_px / grey.shape[0])
    if scale < 1:
        size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    sift = cv2.SIFT_create(nfeatures=most_keypoints, contrastThreshold=_CONTRAST_THRESHOLD)
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if not keypoints:
        return np.zeros((0, 2)), np.zeros(0), np.zeros((0, 128), np.float32)
    steps = np.divide(photo.shape[1::-1], grey.shape[1::-1])
    # Pixel centres: position p of the small picture covers p + 0.5 of its pixels.
    positions = (np.float64([keypoint.pt for keypoint in keypoints]) + 0.5) * steps - 0.5
    sizes_px = np.float64([keypoint.size for keypoint in keypoints]) * steps.max()
    # Root of the normalised descriptor (Arandjelović and Zisserman, 2012): Euclidean
    # distance becomes Hellinger's.
    return (
        positions,
        sizes_px,
        np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)),
    )


def _nearest(descriptors, others):
    """Indices `[N, 2]` of matches from each of `descriptors` to its nearest of
    `others`, no other used twice.
    """
    # Descriptors have length 1: the largest product is the smallest distance.
    products = descriptors @ others.T
    nearest = products.argmax(axis=1)
    rows = np.arange(len(products))
    best = products[rows, nearest]
    products[rows, nearest] = -1
    second = products.max(axis=1)
    is_clear = 1 - best < _RATIO**2 * (1 - second)
    candidates = np.stack([rows, nearest], axis=1)[is_clear]
    # Of several that chose one partner the most alike stays.
    candidates = candidates[np.argsort(-best[is_clear], kind="stable")]
    return candidates[np.unique(candidates[:, 1], return_index=True)[1]]
