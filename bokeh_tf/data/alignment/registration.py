"""Aligning a photo with shallow depth of field to one with everything sharp, as the AIM
2020 challenge made EBB!.

SIFT keypoints are matched, RANSAC fits a homography, the wide-aperture photo is warped onto the
narrow-aperture one, both are cropped to their common area and reduced to one height. The narrow
photo is never warped: what a network takes as input keeps its own pixels.

The position of a keypoint is as good as the keypoint is small, so the fit weighs each match by the
inverse square of its size: what is sharp in both photos decides. Where that is too small a part of
the frame to determine the corners, the pair is refused, as are scenes with parallax or movement,
which no homography aligns.
"""

import dataclasses

import cv2
import numpy as np

from bokeh_tf.data.keypoints import match
from bokeh_tf.errors import DataError
from bokeh_tf.photos import reduced_to_8_bits

DEFAULT_HEIGHT_PX = 1024
# Keypoints of a photo this high are good to about 0.3 px, which is 0.2 px at the final 1024.
_KEYPOINT_HEIGHT_PX = 1536
_MOST_KEYPOINTS = 6000
# RANSAC: a defocused keypoint is good to one or two pixels of a picture this high.
_RANSAC_THRESHOLD_PX = 3.0
_RANSAC_ITERATIONS = 5000
_RANSAC_CONFIDENCE = 0.999
# Gauss-Newton from RANSAC's result; the third step moves no corner by a hundredth of a pixel.
_REFINEMENTS = 4
# Two photos of different scenes agree in 10 or so matches by chance.
MIN_INLIERS = 24
# Matches of a still scene agree by nine tenths; of one with parallax each depth has
# a homography of its own.
MIN_INLIER_SHARE = 0.5
MAX_RESIDUAL_PX = 2.0
# Expected error of the worst corner: a network that compares pixels notices the second one.
MAX_CORNER_ERROR_PX = 1.0
# The same lens on the same stand: what lies beyond is another scene or another focal length.
MIN_COMMON_AREA = 0.5
# A cubic kernel reaches two pixels beyond the position it computes.
_INSET_PX = 2


@dataclasses.dataclass(frozen=True)
class Registration:
    """How the wide photo lies on the narrow one. Lengths are in pixels of a narrow
    photo of at most 1536 rows.

    Attributes:
        homography: float64 `[3, 3]`; takes positions in the wide photo to positions in the narrow
            one, in pixels of the photos as given, pixel centres at whole numbers.
        matches: keypoints matched.
        inliers: those that agree with the model.
        residual_px: root mean square distance of the inliers.
        corner_error_px: expected error of the worst corner of the frame, from
            the covariance of the fit.
    """

    homography: np.ndarray
    matches: int
    inliers: int
    residual_px: float
    corner_error_px: float


@dataclasses.dataclass(frozen=True)
class AlignedPair:
    """Two photographs of one size, of the type of those given, and how they were registered.

    Attributes:
        narrow, wide: `[height, W, 3]`.
        registration: the `Registration`.
        common_area: share of the narrow photo that is kept.
    """

    narrow: np.ndarray
    wide: np.ndarray
    registration: Registration
    common_area: float


def align(narrow, wide, *, height_px=DEFAULT_HEIGHT_PX):
    """Aligns the photograph `wide` to `narrow` (uint8 or uint16 `[H, W, 3]`
    RGB), crops and reduces both.

    Raises:
        DataError: the photos do not show the same scene clearly enough; the message is
            the reason, without a name.
        ValueError: `height_px` is not positive.
    """
    if height_px < 1:
        raise ValueError(f"height_px must be at least 1. Received: {height_px}")
    registration = register(narrow, wide)
    left, top, right, bottom = common_rectangle(
        registration.homography, wide.shape[:2], narrow.shape[:2]
    )
    rows, columns = narrow.shape[:2]
    common_area = max(0, right - left) * max(0, bottom - top) / (rows * columns)
    if right <= left or bottom <= top or common_area < MIN_COMMON_AREA:
        raise DataError(
            f"the photos share {common_area:.0%} of the frame; at least {MIN_COMMON_AREA:.0%} is"
            " needed"
        )
    if bottom - top < height_px:
        raise DataError(
            f"their common area is {bottom - top} px high, less than the {height_px} px asked for"
        )
    # The crop is part of the warp: nothing outside it is computed.
    shift = np.float64([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
    size = right - left, bottom - top
    warped = cv2.warpPerspective(
        wide,
        shift @ registration.homography,
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    final = max(1, round(size[0] * height_px / size[1])), height_px
    reduced = [
        cv2.resize(p, final, interpolation=cv2.INTER_AREA)
        for p in (narrow[top:bottom, left:right], warped)
    ]
    return AlignedPair(*reduced, registration, common_area)


def register(narrow, wide):
    """Finds the `Registration` of the photograph `wide` on `narrow`;
    `DataError` as `align` raises it.
    """
    narrow, wide = reduced_to_8_bits(narrow), reduced_to_8_bits(wide)
    found = match(narrow, wide, height_px=_KEYPOINT_HEIGHT_PX, most_keypoints=_MOST_KEYPOINTS)
    fewest = min(found.first_count, found.second_count)
    if fewest < MIN_INLIERS:
        which = "narrow" if found.first_count == fewest else "wide"
        raise DataError(
            f"the {which} photo shows too little detail ({fewest} keypoints, of {MIN_INLIERS}"
            " needed)"
        )
    # Both photos are reduced alike, so that thresholds in pixels mean the same for every camera.
    scale = min(1.0, _KEYPOINT_HEIGHT_PX / narrow.shape[0])
    targets, origins = found.first * scale, found.second * scale
    homography, is_inlier, covariance = _fit(origins, targets, 1 / found.sizes_px**2)
    errors_px = np.linalg.norm(transformed(origins, homography) - targets, axis=1)[is_inlier]
    corners = _corners(np.multiply(wide.shape[1::-1], scale))
    scaling = np.diag([scale, scale, 1.0])
    unscaled = np.linalg.inv(scaling) @ homography @ scaling
    registration = Registration(
        unscaled / unscaled[2, 2],
        len(is_inlier),
        int(is_inlier.sum()),
        float(np.sqrt(np.mean(errors_px**2))),
        _largest_error_px(corners, homography, covariance),
    )
    _refuse_uncertain(registration)
    return registration


def _refuse_uncertain(found):
    share = found.inliers / found.matches
    if found.inliers < MIN_INLIERS:
        raise DataError(
            f"only {found.inliers} matches agree, of {MIN_INLIERS} needed: not the same view"
        )
    if share < MIN_INLIER_SHARE:
        raise DataError(
            f"{share:.0%} of {found.matches} matches agree, of {MIN_INLIER_SHARE:.0%} needed: "
            "the camera moved sideways, or the scene did"
        )
    if found.residual_px > MAX_RESIDUAL_PX:
        raise DataError(
            f"the matches fit to {found.residual_px:.1f} px, of {MAX_RESIDUAL_PX:g} px allowed"
        )
    if found.corner_error_px > MAX_CORNER_ERROR_PX:
        raise DataError(
            f"the matches leave the corners uncertain by {found.corner_error_px:.1f} px, "
            f"of {MAX_CORNER_ERROR_PX:g} px allowed: too little of the frame is sharp in both"
        )


def _fit(origins, targets, weights):
    """The homography, which matches agree with it, and the covariance `[8, 8]` of
    its first eight elements.

    RANSAC, seeded by OpenCV alike every time, finds the matches that agree. Weighted least squares
    then counts sharp detail for what it is worth: over photos with a blur of 8 px it brings the
    corners' error from 1.2 to 0.3 px.
    """
    too_few = DataError(
        f"only {len(origins)} keypoints match, of {MIN_INLIERS} needed: not the same view"
    )
    if len(origins) < MIN_INLIERS:
        raise too_few
    homography, mask = cv2.findHomography(
        origins,
        targets,
        cv2.RANSAC,
        _RANSAC_THRESHOLD_PX,
        maxIters=_RANSAC_ITERATIONS,
        confidence=_RANSAC_CONFIDENCE,
    )
    if homography is None or mask.sum() < MIN_INLIERS:
        raise DataError("no view of one scene explains the matches: not the same view")
    is_inlier, covariance = mask.ravel() > 0, np.zeros((8, 8))
    for _ in range(_REFINEMENTS):
        if is_inlier.sum() < MIN_INLIERS:
            raise too_few
        homography, covariance = _weighted_fit(
            origins[is_inlier], targets[is_inlier], weights[is_inlier], homography
        )
        is_inlier = (
            np.linalg.norm(transformed(origins, homography) - targets, axis=1)
            < _RANSAC_THRESHOLD_PX
        )
    return homography, is_inlier, covariance


def _weighted_fit(origins, targets, weights, homography):
    """One Gauss-Newton step from `homography`, and the covariance of its first eight elements."""
    homography = homography / homography[2, 2]
    roots = np.repeat(np.sqrt(weights), 2)
    slopes = _slopes(origins, homography) * roots[:, None]
    errors = (targets - transformed(origins, homography)).reshape(-1) * roots
    # Columns differ by the square of the picture's size; without scaling the inverse
    # would lose half its digits.
    column_norms = np.maximum(np.linalg.norm(slopes, axis=0), np.finfo(float).tiny)
    inverse = np.linalg.pinv(slopes / column_norms) / column_norms[:, None]
    step = inverse @ errors
    left_over = errors - slopes @ step
    variance = left_over @ left_over / max(1, len(errors) - len(step))
    return homography + np.append(step, 0).reshape(3, 3), inverse @ inverse.T * variance


def _slopes(positions, homography):
    """Derivatives `[2 N, 8]` of the moved positions (x, y in turn) by the
    homography's first eight elements.
    """
    depth = positions @ homography[2, :2] + homography[2, 2]
    moved = transformed(positions, homography)
    rays = np.column_stack([positions, np.ones(len(positions))]) / depth[:, None]
    slopes = np.zeros((len(positions), 2, 8))
    slopes[:, 0, 0:3] = slopes[:, 1, 3:6] = rays
    slopes[:, :, 6:8] = -moved[:, :, None] * rays[:, None, :2]
    return slopes.reshape(-1, 8)


def _largest_error_px(positions, homography, covariance):
    """Expected distance (root mean square) of the worst of the moved `positions`
    from where it ought to be.
    """
    slopes = _slopes(positions, homography)
    variances = np.einsum("ij,jk,ik->i", slopes, covariance, slopes)
    return float(np.sqrt(variances.reshape(-1, 2).sum(axis=1).max()))


def _corners(size):
    """Centres of the corner pixels of a frame of `size` (width, height): top left, top
    right, bottom right, left.
    """
    right, bottom = np.subtract(size, 1)
    return np.float64([[0, 0], [right, 0], [right, bottom], [0, bottom]])


def transformed(positions, matrix):
    """Positions `[N, 2]` under the homography `matrix`."""
    moved = positions @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, :2] / moved[:, 2:]


def common_rectangle(homography, wide_shape, narrow_shape):
    """The upright rectangle of the narrow photo that the warped wide one fills: left,
    top, right, bottom in pixels.

    Right and bottom are exclusive; without a common area they do not lie beyond left and top. It is
    the largest one for shifts and scales, and a little smaller than that for rotations.
    """
    corners = _corners(wide_shape[::-1])
    if ((corners @ homography[2, :2] + homography[2, 2]) <= 0).any():
        return 0, 0, 0, 0
    # A thousandth of a pixel is rounding: two equal photos share all but the inset.
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = transformed(corners, homography).round(3)
    rows, columns = narrow_shape
    left, top = (max(0, int(np.ceil(max(ends) + _INSET_PX))) for ends in ((x0, x3), (y0, y1)))
    right, bottom = (
        min(limit, int(np.floor(min(ends) - _INSET_PX)) + 1)
        for limit, ends in ((columns, (x1, x2)), (rows, (y2, y3)))
    )
    return left, top, right, bottom
