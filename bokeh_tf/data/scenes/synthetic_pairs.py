"""Training pairs made of photographs: a scene with everything sharp, and as
a wide aperture shows it.

A scene is a composite (`scenes.SceneMaker.composite`): cut-out subjects before another photograph,
each at its own disparity. Pair n of a seed is the same whatever is made before it. The pictures are
float32 `[H, W, 3]`, sRGB-encoded, [0, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bokeh_tf.data.lens.apertures import Aperture
from bokeh_tf.data.lens.optics import DisparityScale, Lens
from bokeh_tf.data.lens.renderer import FINE, render
from bokeh_tf.data.lens.sensor import boosted_highlights, sensor_noise
from bokeh_tf.data.scenes.scenes import SceneMaker

# EBB! was taken with a 50 mm lens at f/1.8; its pictures are a little more than 3:2.
_FOCAL_LENGTH_MM = 50.0
_SENSOR_WIDTH_MM = 36.0
_ASPECT = 1.5
_EBB_F_NUMBER = 1.8
# Where the nearest thing of a scene stands; its farthest is at infinity.
_NEAR_M = (0.6, 1.2)
_VARIED_F_NUMBERS = (1.4, 11.0)
# Of varied pairs the share in which the main subject is in focus; the others focus on anything.
_SUBJECT_SHARE = 0.6
# From high sensitivity in a small sensor to low in a large one.
_ELECTRONS_AT_WHITE = (3000.0, 60000.0)
# JPEG files of cameras.
_QUALITIES = (88, 98)


@dataclass(frozen=True)
class PairOptions:
    """What pairs are to be like.

    Attributes:
        height_px: of the pictures; they are half as wide again.
        is_varied: whether f-number and focus differ from pair to pair, for models that are told
            both; else every pair is at f/1.8 with the main subject in focus, as in EBB!.
        blades: of the aperture; 0 for a disc.
    """

    height_px: int = 512
    is_varied: bool = False
    blades: int = 0

    def __post_init__(self):
        if not 32 <= self.height_px <= 2048:
            raise ValueError(f"height_px must be from 32 to 2048. Received: {self.height_px}")

    @property
    def shape(self):
        """(rows, columns) of the pictures."""
        return self.height_px, round(self.height_px * _ASPECT)


@dataclass(frozen=True)
class Example:
    """One pair.

    Attributes:
        all_in_focus: the source, with noise.
        bokeh: the target, with noise of its own.
        disparity: of what is seen in the source, float32 `[H, W]` in [0, 1], 1 nearest.
        conditions: target_f_number, focal_length_mm, focus_distance_m, focus_disparity, and
            aperture_px, the radius of the circle of confusion at a disparity difference of 1.
        quality: of the JPEG files that such a camera writes.
    """

    all_in_focus: np.ndarray
    bokeh: np.ndarray
    disparity: np.ndarray
    conditions: Mapping[str, float]
    quality: int


class PairMaker:
    """Draws pairs from prepared photographs (`bokeh_tf.data.scenes.sources.Source`),
    some of them with a matte.
    """

    def __init__(self, sources, options):
        self._options = options
        self._scenes = SceneMaker(sources, shape=options.shape, sigmas_px=())

    def draw(self, random):
        """Returns an `Example` drawn with the NumPy generator `random`."""
        layers, subject_disparity, _ = self._scenes.composite(random)
        focus_disparity, lens = self._focus(layers, subject_disparity, random)
        scale = DisparityScale.between(random.uniform(*_NEAR_M), np.inf)
        aperture = Aperture(
            self._options.blades, float(random.uniform(0, 360)) if self._options.blades else 0.0
        )
        aperture_px = scale.aperture_px(lens, focus_disparity)
        layers = _with_highlights(layers, random)
        focus = {"focus_disparity": focus_disparity, "aperture_px": aperture_px}
        rendering = render(layers, **focus, aperture=aperture, quality=FINE)
        conditions = {
            "target_f_number": lens.f_number,
            "focal_length_mm": lens.focal_length_mm,
            "focus_distance_m": float(scale.distance_m(focus_disparity)),
            **focus,
        }
        # One camera at one sensitivity: a noisier target would be sharper than its source.
        electrons = float(np.exp2(random.uniform(*np.log2(_ELECTRONS_AT_WHITE))))
        source, target = (
            sensor_noise(picture, random, electrons_at_white=(electrons, electrons))
            for picture in (rendering.all_in_focus, rendering.bokeh)
        )
        return Example(
            source, target, _disparity(layers), conditions, int(random.integers(*_QUALITIES))
        )

    def _focus(self, layers, subject_disparity, random):
        f_number, focus_disparity = _EBB_F_NUMBER, subject_disparity
        if self._options.is_varied:
            f_number = float(np.exp(random.uniform(*np.log(_VARIED_F_NUMBERS))))
            anywhere = float(
                random.uniform(np.min(layers[0].disparity), np.max(layers[-1].disparity))
            )
            focus_disparity = subject_disparity if random.random() < _SUBJECT_SHARE else anywhere
        return float(focus_disparity), Lens(
            _FOCAL_LENGTH_MM, f_number, _SENSOR_WIDTH_MM, self._options.shape[1]
        )


def _with_highlights(layers, random):
    """One gain for all layers: they are lit by one light."""
    seed = int(random.integers(2**32))
    return [
        replace(layer, colour=boosted_highlights(layer.colour, np.random.default_rng(seed)))
        for layer in layers
    ]


def _disparity(layers):
    """Disparity of what is seen, float32 `[H, W]`: a pixel belongs to the
    layer that covers most of it.
    """
    result = np.zeros(layers[0].alpha.shape, np.float32)
    for layer in layers:
        result = np.where(layer.alpha > 0.5, layer.disparity, result)
    return result.astype(np.float32)


def map_bytes(values):
    """A map in [0, 1] as a PNG file of 16 bits."""
    _, content = cv2.imencode(".png", np.rint(np.clip(values, 0, 1) * 65535).astype(np.uint16))
    return content.tobytes()
