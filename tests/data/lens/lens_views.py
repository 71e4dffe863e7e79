"""Brute force for shallow depth of field: the mean of many pinhole views,
each with its own occlusion.

A view is what one point (u, v) of the aperture sees: a layer whose circle of confusion has the
radius r is shifted by r (u, v), rounded to whole pixels (the pixel in which the ray lands), and
nearer layers hide farther ones. Nothing here is shared with the renderer but the data it is given.
"""

import numpy as np


def linear(encoded):
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encoded(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def psnr_db(actual, expected):
    return -10 * np.log10(np.mean((np.asarray(actual, np.float64) - expected) ** 2))


def disc_points(count=22):
    """(right, down) of `count` points a side on a square grid, those in the unit disc."""
    axis = (np.arange(count) + 0.5) / count * 2 - 1
    right, down = np.meshgrid(axis, axis)
    inside = np.hypot(right, down) <= 1
    return np.stack([right[inside], down[inside]], axis=-1)


def corners(blades, rotation_degrees=0.0):
    """Corners of the regular polygon of area pi, (right, down), the first at the top."""
    radius = np.sqrt(2 * np.pi / (blades * np.sin(2 * np.pi / blades)))
    angles = np.radians(rotation_degrees) + 2 * np.pi * np.arange(blades) / blades
    return radius * np.stack([np.sin(angles), -np.cos(angles)], axis=-1)


def polygon_points(blades, *, rotation_degrees=0.0, count=32):
    """As `disc_points`, for a regular polygon as large as the unit disc."""
    outline = corners(blades, rotation_degrees)
    limit = np.abs(outline).max()
    axis = ((np.arange(count) + 0.5) / count * 2 - 1) * limit
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    inside = np.ones(len(points), bool)
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        edge, away = end - start, points - start
        inside &= edge[0] * away[:, 1] - edge[1] * away[:, 0] >= 0
    return points[inside]


def mean_view(layers, points, *, focus_disparity, aperture_px):
    """Linear light of a scene of `Layer`s of constant disparity, far to near,
    through the aperture's `points`.
    """
    radii_px = [(layer.disparity - focus_disparity) * aperture_px for layer in layers]
    margin = int(np.ceil(np.abs(points).max() * np.abs(radii_px).max())) + 1
    pad = ((margin, margin), (margin, margin), (0, 0))
    padded = []
    for layer in layers:
        alpha = layer.alpha[..., None].astype(np.float64)
        padded.append(
            np.pad(np.concatenate([linear(layer.colour) * alpha, alpha], -1), pad, mode="reflect")
        )
    rows, columns = layers[0].alpha.shape
    total = np.zeros((rows, columns, 3))
    for point in points:
        seen = np.zeros((rows, columns, 3))
        for radius_px, picture in zip(radii_px, padded, strict=True):
            right, down = np.rint(radius_px * point).astype(int)
            top, left = margin - down, margin - right
            shifted = picture[top : top + rows, left : left + columns]
            seen = seen * (1 - shifted[..., 3:]) + shifted[..., :3]
        total += seen
    return total / len(points)


def mean_view_of_map(photo, radius_px, points, *, fine=3):
    """Linear light of a picture with a radius for every pixel, `[H, W]`,
    positive nearer than the focus.

    Each pixel is a square of `fine` x `fine` points; of those that land in one place the nearest is
    seen. Places where nothing lands are left out of the mean.

    Returns:
        The light, and the share of the views in which something was seen, `[H, W]`.
    """
    rows, columns = radius_px.shape
    margin = int(np.ceil(np.abs(radius_px).max() * np.abs(points).max())) + 1
    light = np.pad(linear(photo), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    radii = np.pad(radius_px, margin, mode="reflect").repeat(fine, 0).repeat(fine, 1).ravel()
    colours = light.repeat(fine, 0).repeat(fine, 1).reshape(-1, 3)
    shape = tuple(fine * (size + 2 * margin) for size in (rows, columns))
    down, right = np.indices(shape).reshape(2, -1)
    far_to_near = np.argsort(radii, kind="stable")
    radii, colours, down, right = (
        radii[far_to_near],
        colours[far_to_near],
        down[far_to_near],
        right[far_to_near],
    )
    total, count = np.zeros((rows, columns, 3)), np.zeros((rows, columns))
    for point in points:
        x = right + np.rint(fine * radii * point[0]).astype(int)
        y = down + np.rint(fine * radii * point[1]).astype(int)
        inside = (x >= fine * margin) & (x < fine * (margin + columns)) & (y >= fine * margin)
        inside &= y < fine * (margin + rows)
        seen = np.zeros((fine * rows, fine * columns, 4))
        # The last of several that land in one place stays: the nearest.
        seen[y[inside] - fine * margin, x[inside] - fine * margin, :3] = colours[inside]
        seen[y[inside] - fine * margin, x[inside] - fine * margin, 3] = 1
        blocks = seen.reshape(rows, fine, columns, fine, 4).sum(axis=(1, 3))
        total += blocks[..., :3]
        count += blocks[..., 3]
    return total / np.maximum(count, 1)[..., None], count / (len(points) * fine**2)
