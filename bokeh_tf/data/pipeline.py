"""Training batches as a `tf.data.Dataset`, deterministic by seed and position.

Batch n of a seed is the same however many workers draw it and wherever a run starts, so a resumed run sees what an
uninterrupted one would have seen.
"""

import cv2
import numpy as np
import tensorflow as tf

_WORKERS = 2


def blurs_of_the_rest(image, in_focus_weight, sigmas_px):
    """Gaussian blurs of what is out of focus, `[H, W, 3 n]`: of image (1 - W0), divided by that of 1 - W0."""
    mask = np.maximum(1 - in_focus_weight, 0.02)[..., None]
    masked = np.concatenate([image * mask, mask], axis=-1)
    blurred = (cv2.GaussianBlur(masked, (0, 0), float(sigma_px)) for sigma_px in sigmas_px)
    return np.concatenate([b[..., :3] / np.maximum(b[..., 3:], 0.01) for b in blurred], axis=-1)


def training_batches(maker, *, batch_size, seed, first_batch=0):
    """Endless batches of `(inputs, targets, importance)` from a `scenes.SceneMaker`.

    Inputs are {"image": `[B, h, w, 3]`, "blurs": `[B, h, w, 3 n]`}, targets {"weights": `[B, h, w, 1 + n]`,
    "rendered": `[B, h, w, 3]`}, importance one weight per example for each target.

    Args:
        first_batch: position to start at.
    """
    # The pictures are small: OpenCV's own threads would only stand in each other's way.
    cv2.setNumThreads(1)
    rows, columns = maker.shape
    count = len(maker.sigmas_px)

    def draw(index):
        scene = maker.draw(np.random.default_rng([seed, int(index)]))
        blurs = blurs_of_the_rest(scene.image, scene.weights[..., 0], maker.sigmas_px)
        return scene.image, blurs, scene.weights, scene.bokeh, np.float32(scene.importance)

    def load(index):
        parts = tf.numpy_function(draw, [index], [tf.float32] * 5)
        for part, channels in zip(parts, (3, 3 * count, 1 + count, 3), strict=False):
            part.set_shape((rows, columns, channels))
        parts[-1].set_shape(())
        image, blurs, weights, bokeh, importance = parts
        targets = {"weights": weights, "rendered": bokeh}
        return {"image": image, "blurs": blurs}, targets, dict.fromkeys(targets, importance)

    options = tf.data.Options()
    options.deterministic = True
    indices = tf.data.Dataset.counter(start=first_batch * batch_size)
    scenes = indices.map(load, num_parallel_calls=_WORKERS)
    return scenes.batch(batch_size, drop_remainder=True).prefetch(4).with_options(options)
