"""Scenes that no training saw, with their true bokeh pictures, and how near a
model's pictures come to those.

Pictures are uint8 `[H, W, 3]`, RGB.
"""

from dataclasses import dataclass

import numpy as np

from bokeh_tf import metrics
from bokeh_tf.data.lens.renderer import FINE
from bokeh_tf.files import make_folder
from bokeh_tf.photos import Photo, write
from bokeh_tf.rendering import load_model, render
from export.train_demo.photographs import draw_layers, to_8_bits, with_shallow_focus

_GAP_PX = 8


@dataclass(frozen=True)
class HeldOutScene:
    """A photo in which all is sharp, and what a lens focused on its subject shows."""

    photo: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Score:
    """Peak signal-to-noise ratio and structural similarity (7x7 windows) against the
    truth, means over the scenes.
    """

    psnr_db: float
    ssim: float

    def is_better_than(self, other):
        """Whether it is higher in both."""
        return self.psnr_db > other.psnr_db and self.ssim > other.ssim

    def __str__(self):
        return f"PSNR {self.psnr_db:.2f} dB, SSIM {self.ssim:.4f}"


def make_scenes(count, *, shape, seed):
    """Draws scenes of (rows, columns) `shape`; a seed that fabricated no photo for
    training keeps them unseen.
    """
    scenes = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        rendering = with_shallow_focus(draw_layers(random, shape), random, quality=FINE)
        scenes.append(HeldOutScene(to_8_bits(rendering.all_in_focus), to_8_bits(rendering.bokeh)))
    return scenes


def render_scenes(scenes, model_path):
    """The scenes' photos as the `.tflite` at `model_path` renders them.

    Each has a subject, so a network that is not sure of it renders it all the same.
    """
    model = load_model(model_path)
    return [render(scene.photo, model, if_unsure="force").image for scene in scenes]


def score(pictures, scenes):
    """The `Score` of one picture per scene."""
    pairs = [(picture, scene.truth) for picture, scene in zip(pictures, scenes, strict=True)]
    return Score(
        psnr_db=float(np.mean([metrics.psnr(picture, truth) for picture, truth in pairs])),
        ssim=float(np.mean([metrics.ssim(picture, truth) for picture, truth in pairs])),
    )


def write_pictures(folder, scenes, *, before, after):
    """Writes each scene's photo, and before | after | truth of all in one picture;
    returns the path of that.
    """
    make_folder(folder)
    for number, scene in enumerate(scenes, start=1):
        write(folder / f"scene_{number}.png", Photo(scene.photo, "PNG"))
    rows = [
        _joined([before_one, after_one, scene.truth], axis=1)
        for scene, before_one, after_one in zip(scenes, before, after, strict=True)
    ]
    path = folder / "before_after_truth.png"
    write(path, Photo(_joined(rows, axis=0), "PNG"))
    return path


def _joined(pictures, *, axis):
    """Pictures in a row (axis 1) or a column (axis 0), white between them."""
    shape = list(pictures[0].shape)
    shape[axis] = _GAP_PX
    gap = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=axis)
