"""Photographs that nobody took: a subject of known outline before a
backdrop, drawn from a seed alone, and labels that say what is the subject.

Surfaces are dead leaves (Lee, Mumford and Huang 2001): shapes of many sizes that hide each other,
which gives edges at every scale as in nature. Colours are float32 `[H, W, 3]`, RGB, sRGB-encoded,
[0, 1]; coverage is float32 `[H, W]`.
"""

import csv
import io

import cv2
import numpy as np

from bokeh_tf.data.lens.renderer import FAST, Layer, render
from bokeh_tf.data.scenes.subjects import DRAWN
from bokeh_tf.files import make_folder, write_text
from bokeh_tf.photos import Photo, write

PHOTO_SHAPE = (400, 600)
_NEAR_DISPARITY, _FAR_DISPARITY = 0.75, 0.1
# Least and largest radius of the circle of confusion at a disparity difference of 1, as
# shares of a photo's rows.
_APERTURES = (0.025, 0.05)
_LEAVES = 2500
# Of the five colours of a palette, the last being the one far from the others.
_COLOUR_SHARES = (0.3, 0.25, 0.2, 0.2, 0.05)
# Coverage is drawn so many times larger and then averaged.
_OVERSAMPLING = 4
# Subjects are more colourful than backdrops: a hint that minutes of training suffice to learn.
_SUBJECT_COLOURS = {"saturation": (0.55, 0.95), "value": (0.5, 1.0)}
_BACKDROP_COLOURS = {"saturation": (0.05, 0.4), "value": (0.2, 0.85)}
_GRAIN, _SENSOR_NOISE = 0.03, 0.005


def write_photographs(folder, *, subjects, backdrops, seed):
    """Fills `folder` with so many labelled photos of a subject in focus and so many that are
    sharp all over and have none, as `bokeh_tf.data.scenes.subjects` reads them; returns it.
    """
    for part in ("photos", "labels"):
        make_folder(folder / part)
    index = io.StringIO()
    rows = csv.writer(index)
    rows.writerow(["stem", "group", "label_source", "split"])
    for number in range(subjects):
        random = np.random.default_rng([seed, 0, number])
        layers = draw_layers(random, PHOTO_SHAPE)
        picture = with_shallow_focus(layers, random).bokeh
        stem = f"subject_{number:03d}"
        _write(folder, stem, picture, layers[1].alpha, random)
        rows.writerow([stem, "objects", DRAWN, "train"])
    for number in range(backdrops):
        random = np.random.default_rng([seed, 1, number])
        stem = f"backdrop_{number:03d}"
        _write(folder, stem, _backdrop(random, PHOTO_SHAPE), np.zeros(PHOTO_SHAPE), random)
        rows.writerow([stem, "none", DRAWN, "train"])
    write_text(folder / "index.csv", index.getvalue())
    return folder


def draw_layers(random, shape):
    """A backdrop and a subject before it, as `bokeh_tf.data.lens.renderer.Layer`s
    of (rows, columns) `shape`.
    """
    backdrop = Layer(_backdrop(random, shape), np.ones(shape, np.float32), _FAR_DISPARITY)
    alpha = _placed(random.choice(_OUTLINES)(random), random, shape)
    colour = _leaves(
        random, shape, _palette(random, **_SUBJECT_COLOURS), largest=random.uniform(0.02, 0.1)
    )
    return [backdrop, Layer(_shaded(colour, alpha, random), alpha, _NEAR_DISPARITY)]


def with_shallow_focus(layers, random, *, quality=FAST):
    """Renders the layers of `draw_layers` with the subject in focus and a random aperture."""
    aperture_px = len(layers[0].alpha) * random.uniform(*_APERTURES)
    return render(layers, focus_disparity=_NEAR_DISPARITY, aperture_px=aperture_px, quality=quality)


def to_8_bits(picture):
    """Float pictures in [0, 1] as the nearest uint8."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _write(folder, stem, picture, label, random):
    noisy = picture + random.normal(0, _SENSOR_NOISE, picture.shape)
    write(folder / "photos" / f"{stem}.jpg", Photo(to_8_bits(noisy), "JPEG"))
    write(folder / "labels" / f"{stem}.png", Photo(to_8_bits(label)[..., None], "PNG"))


def _palette(random, *, saturation, value):
    """Five colours around one hue, one of them far from it; ranges of
    saturation and value are in [0, 1].
    """
    hues_deg = random.uniform(0, 360) + random.normal(0, 24, 5)
    hues_deg[-1] = hues_deg[0] + random.uniform(120, 240)
    hsv = np.stack(
        [hues_deg % 360, random.uniform(*saturation, 5), random.uniform(*value, 5)], axis=-1
    )
    return cv2.cvtColor(hsv[None].astype(np.float32), cv2.COLOR_HSV2RGB)[0] * 255


def _leaves(random, shape, palette, *, largest):
    """Ellipses of power-law sizes up to `largest` (a share of the rows), thrown
    on each other, with grain.
    """
    canvas = np.empty((*shape, 3), np.uint8)
    canvas[:] = palette[0]
    radii_px = _leaf_radii_px(random, largest_px=max(3.0, largest * shape[0]))
    ratio, turn_deg = random.uniform(0.25, 1.0), random.uniform(0, 180)
    brightness = random.uniform(0.7, 1.15, (_LEAVES, 1))
    colours = np.minimum(palette[random.choice(5, _LEAVES, p=_COLOUR_SHARES)] * brightness, 255)
    centres = (random.random((_LEAVES, 2)) * shape[::-1]).astype(int)
    angles_deg = turn_deg + random.normal(0, 25, _LEAVES)
    axes = np.ceil(np.stack([radii_px, radii_px * ratio], axis=-1)).astype(int)
    for leaf in zip(
        centres.tolist(), axes.tolist(), angles_deg.tolist(), colours.tolist(), strict=True
    ):
        centre, axis, angle_deg, colour = leaf
        cv2.ellipse(canvas, centre, axis, angle_deg, 0, 360, colour, cv2.FILLED, cv2.LINE_AA)
    grain = random.normal(0, _GRAIN, (*shape, 1))
    return np.clip(canvas / 255 + grain, 0, 1).astype(np.float32)


def _leaf_radii_px(random, *, largest_px, least_px=1.5):
    """Radii whose density falls with their cube, so that every octave of
    sizes covers the same area.
    """
    share = random.random(_LEAVES)
    radii_px = 1 / np.sqrt(share / least_px**2 + (1 - share) / largest_px**2)
    # Large ones are too rare to cover the ground: some go below all others.
    radii_px[: _LEAVES // 8] = largest_px
    return radii_px


def _backdrop(random, shape):
    """A wall of leaves, or a ground of them under a sky, some with small lights."""
    wall = _leaves(
        random, shape, _palette(random, **_BACKDROP_COLOURS), largest=random.uniform(0.05, 0.25)
    )
    if random.random() < 0.5:
        horizon = int(random.uniform(0.25, 0.6) * shape[0])
        wall[:horizon] = 0.25 * wall[:horizon] + 0.75 * _sky(random, shape)[:horizon]
    if random.random() < 0.5:
        for _ in range(random.integers(5, 25)):
            centre = (int(random.uniform(0, shape[1])), int(random.uniform(0, shape[0])))
            colour = (1.0, random.uniform(0.8, 1), random.uniform(0.5, 1))
            cv2.circle(wall, centre, max(1, round(0.006 * shape[0])), colour, -1, cv2.LINE_AA)
    return wall


def _sky(random, shape):
    """Clouds: noise of four octaves between two pale colours."""
    clouds = np.zeros(shape, np.float32)
    for octave in range(4):
        coarse = random.normal(0, 1, (3 * 2**octave, 4 * 2**octave)).astype(np.float32)
        clouds += cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) / 2**octave
    share = np.clip(0.5 + 0.3 * clouds, 0, 1)[..., None]
    low, high = random.uniform(0.4, 0.8, 3), random.uniform(0.75, 1.0, 3)
    return (low + (high - low) * share).astype(np.float32)


def _boulder(random):
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 1 + sum(
        random.normal(0, 0.22 / order) * np.cos(order * turn + random.uniform(0, 6))
        for order in (2, 3, 4, 5)
    )
    return [
        np.stack([random.uniform(0.7, 1.1) * radius * np.cos(turn), radius * np.sin(turn)], axis=-1)
    ]


def _flower(random):
    turn = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    radius = 0.6 * (1 + random.uniform(0.15, 0.4) * np.cos(random.integers(5, 9) * turn))
    head = np.stack([radius * np.cos(turn), radius * np.sin(turn) - 0.3], axis=-1)
    stem = np.array([[-0.05, 0], [0.05, 0], [0.08, 1], [-0.08, 1]])
    return [head, stem]


def _vase(random):
    heights = np.linspace(-1, 1, 60)
    knots = random.uniform(0.2, 0.65, 5)
    widths = np.interp(heights, np.linspace(-1, 1, 5), knots)
    widths = np.convolve(np.pad(widths, 6, mode="edge"), np.full(13, 1 / 13), mode="valid")
    return [
        np.concatenate(
            [np.stack([-widths, heights], axis=-1), np.stack([widths, heights], axis=-1)[::-1]]
        )
    ]


def _figure(random):
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    head = circle * random.uniform(0.24, 0.32) * (0.85, 1.1) - (0, 0.65)
    shoulders = random.uniform(0.45, 0.65)
    body = circle * (shoulders, 1.0) + (random.normal(0, 0.05), 0.6)
    return [head, np.minimum(body, (9, 1))]


_OUTLINES = (_boulder, _flower, _vase, _figure)


def _placed(polygons, random, shape):
    """Coverage of polygons, which lie between -1 and 1, somewhere about the middle of the frame."""
    half_px = random.uniform(0.25, 0.42) * shape[0]
    centre = (
        shape[1] * np.clip(random.normal(0.5, 0.1), 0.25, 0.75),
        shape[0] * random.uniform(0.5, 0.62),
    )
    mirror = random.choice((-1, 1))
    mask = np.zeros((shape[0] * _OVERSAMPLING, shape[1] * _OVERSAMPLING), np.uint8)
    for polygon in polygons:
        points = (polygon * (mirror * half_px, half_px) + centre) * _OVERSAMPLING
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255)
    return cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _shaded(colour, alpha, random):
    """Light from one side, darker towards the outline, as on a round thing."""
    depth = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    roundness = np.sqrt(depth / max(float(depth.max()), 1.0))
    columns = np.linspace(-1, 1, alpha.shape[1], dtype=np.float32)
    light = 0.75 + 0.35 * roundness + random.uniform(-0.2, 0.2) * columns
    return np.clip(colour * light[..., None], 0, 1).astype(np.float32)
